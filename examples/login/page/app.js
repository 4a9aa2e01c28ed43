// The whole chat of this page. Where Beck is, and who this is, stands in <body>; the token comes from the app.
const { beckUrl, apiKey, userId } = document.body.dataset;
const [messages, typing, status, send, profile] = ["messages", "typing", "status", "send", "profile"].map((id) => document.getElementById(id));

function say(text, isTrouble = false) {
  status.textContent = text;
  status.classList.toggle("trouble", isTrouble);
}

async function post(path, form) {
  const reply = await fetch(path, { method: "POST", body: new URLSearchParams(form) });
  if (reply.status === 401) location.reload(); // the session has ended: to the login
  const answer = await reply.json();
  if (!reply.ok) throw new Error(answer.error);
  return answer;
}

const nameOf = (user) => user.name || user.id;

function line(message) {
  const p = document.createElement("p");
  const name = document.createElement("b");
  name.textContent = nameOf(message.user);
  p.append(name, message.text); // text, never HTML: others wrote it
  p.className = message.status; // "pending" until the server has it on disk, "failed" when it refused
  return p;
}

async function start() {
  const { BeckChat } = await import(`${beckUrl}/beck/client/beck-chat.js`);
  const chat = BeckChat.getInstance(apiKey, { timeout: 6000, enableWSFallback: true });
  chat.on("connection.changed", ({ online, error }) => say(online ? "" : error?.message ?? "Connecting again …", !online));

  await chat.connectUser({ id: userId }, async () => (await post("chat/token")).token); // asked again when the hour is over
  const channel = chat.channel("messaging", "lobby");

  channel.subscribe(() => {
    messages.replaceChildren(...channel.state.messages.map(line));
    messages.scrollTop = messages.scrollHeight;
    const names = Object.values(channel.state.typing).map(({ user }) => nameOf(user));
    typing.textContent = names.length ? `${names.join(", ")} …` : "";
  });
  await channel.watch();

  send.addEventListener("submit", (event) => {
    event.preventDefault();
    channel.sendMessage({ text: send.elements.text.value }).catch((error) => say(error.message, true));
    send.reset();
  });
  send.addEventListener("input", () => channel.keystroke());
  send.querySelector("button").disabled = false;
  say("");
}

profile.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const { synced } = await post("profile", { name: profile.elements.name.value });
    say(synced ? "Your name is changed." : "Your name is changed; the chat is told later.");
  } catch (error) {
    say(error.message, true);
  }
});

try {
  await start();
} catch (error) {
  const said = error.kind === "token" && error.cause; // by the app, in place of a token
  say(said ? said.message : `Chat is not available: ${error.message}`, true);
}
