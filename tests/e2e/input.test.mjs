/* Wrong key, wrong token, wrong origin, no server, no storage, an old server: the page says what is wrong and what to do. */
import assert from "node:assert/strict";
import http from "node:http";
import { Box, Server, ROOT, test, uid, until } from "../web/support.mjs";
import { readFileSync } from "node:fs";
import path from "node:path";
import { SHOTS, axe, open } from "./browser.mjs";
import { Person, lobby } from "./chat.mjs";

async function start(t, ...args) {
  const server = await new Server(...args).start();
  t.defer(() => server.destroy());
  await lobby(server);
  return server;
}

/** The page as a server in production shows it: it does not offer names. */
async function production(t, server, user, given = {}) {
  const box = await Box.before(t, server);
  const page = await open(t, null, { forgives: true });
  await page.route("**/beck/health", async (route) => {
    const answer = await route.fetch();
    const { development, api_key, ...rest } = await answer.json();
    await route.fulfill({ json: { ...rest, ...given.health } });
  });
  await page.goto(`${box.url}/console/chat/`);
  await page.getByRole("textbox", { name: "API key" }).fill(given.key ?? server.key);
  await page.getByRole("textbox", { name: "User id", exact: true }).fill(user);
  await page.getByLabel(/User token/).fill(given.token ?? server.token(user));
  await page.getByRole("button", { name: "Sign in" }).click();
  return { page, box };
}

test("key, user id and token sign in where no names are offered", async (t) => {
  const server = await start(t);
  const { page } = await production(t, server, "john");
  await new Person(page).enter();
});

const alert = (page, text) => page.getByRole("alert").filter({ hasText: text }).first().waitFor();

test("a wrong key, a token of another server, of another user, an expired one, no token at all", async (t) => {
  const server = await start(t);
  const cases = [
    [{ key: "nobody's" }, "The API key is not known here"],
    [{ token: `${server.token("john").slice(0, -4)}AAAA` }, "The token was not made for this server"],
    [{ token: server.token("jane") }, "The token does not fit"],
    [{ token: server.token("john", { exp: 1 }) }, "The token has expired"],
    [{ token: "abc" }, "The token does not fit"],
  ];
  for (const [given, text] of cases) {
    const { page } = await production(t, server, "john", given);
    await alert(page, text);
  }
});

test("a server that is down is said so, and is found when it comes back", async (t) => {
  const server = await start(t);
  const box = await Box.before(t, server);
  const page = await open(t, null, { forgives: true });
  await page.route("**/beck/health", (route) => route.abort());
  await page.goto(`${box.url}/console/chat/`);
  await alert(page, "The server does not answer");
  await page.unroute("**/beck/health");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("button", { name: "Chat as John" }).waitFor();
});

test("an origin that may not call is told which setting names it", async (t) => {
  const server = await start(t, "--cors-origins", "https://elsewhere.example");
  // A page of another origin that uses the client of this server.
  const client = readFileSync(path.join(ROOT, "build/web-test/client/beck-chat.js"));
  const pages = http.createServer((q, a) => {
    a.setHeader("Content-Type", q.url.endsWith(".js") ? "text/javascript" : "text/html");
    a.end(q.url.endsWith(".js") ? client : "<!doctype html><title>other</title>");
  });
  await new Promise((go) => pages.listen(0, "127.0.0.1", go));
  t.defer(() => {
    pages.close();
    pages.closeAllConnections();
  });
  const page = await open(t, `http://127.0.0.1:${pages.address().port}/`, { forgives: true });
  const said = await page.evaluate(
    async ([url, key, token]) => {
      const { BeckChat } = await import("/beck-chat.js");
      const chat = BeckChat.getInstance(key, { baseURL: url, enableWSFallback: true, timeout: 3000 });
      try {
        await chat.queryUsers({});
        return "no error";
      } catch (e) {
        try {
          await chat.setGuestUser({ id: "x" });
        } catch (e2) {
          return e2.message;
        }
        return e.message;
      }
    },
    [server.url, server.key, server.token("john")],
  );
  assert.match(said, /does not let pages of http:\/\/127\.0\.0\.1:\d+ call it.*cors-origins/);
});

test("without storage the page works, and says what it cannot keep", async (t) => {
  const server = await start(t);
  const john = await Person.open(t, server, "john", { storage: false });
  await john.page.getByText("This browser keeps nothing for this page.").waitFor();
  await john.enter();
  await john.say("still works");
  await john.message("still works").getByRole("img", { name: "Sent" }).waitFor();
});

test("a server that is older than the page is named", async (t) => {
  const server = await start(t);
  const { page } = await production(t, server, "john", { health: { version: "0.0.1" } });
  await page.getByText("The server (0.0.1) is older than this page.").waitFor();
});

test("a message that the server refuses stays, with the reason and what to do", async (t) => {
  const server = await start(t);
  const john = await (await Person.open(t, server, "john", { forgives: true })).enter();
  await server.api("PATCH", "/channels/messaging/lobby", { set: { cooldown: 100 } });
  await john.say("the first");
  await john.message("the first").getByRole("img", { name: "Sent" }).waitFor();
  for (const text of ["too soon", "also too soon"]) {
    await john.say(text);
    await john.message(text).getByRole("alert").waitFor();
  }
  await axe(john.page, "failed messages");
  await server.api("PATCH", "/channels/messaging/lobby", { set: { cooldown: 0 } });
  await john.message("also too soon").getByRole("button", { name: "Edit it" }).click();
  assert.equal(await john.box.inputValue(), "also too soon");
  await until(async () => (await john.message("also too soon").count()) === 0, "it stands in the box alone");
  await john.message("too soon").getByRole("button", { name: "Try again" }).click();
  await john.message("too soon").getByRole("img", { name: "Sent" }).waitFor();
});

test("a session that is ended for good says why, and keeps what was written", async (t) => {
  const server = await start(t);
  const john = await (await Person.open(t, server, "john", { forgives: true })).enter();
  await john.box.fill("not yet sent");
  await server.api("POST", "/users/john/deactivate", {});
  await alert(john.page, "That is not allowed");
  assert.equal(await john.box.inputValue(), "not yet sent");
});

test("the chat as an element, in ten lines of a page of another origin", async (t) => {
  const server = await start(t);
  const html = `<!doctype html><html lang="en"><title>Shop</title><meta name="viewport" content="width=device-width">
    <style>beck-chat { display: grid; block-size: 40rem; }</style>
    <main><h1>Shop</h1><beck-chat api-key="${server.key}" user-id="john"></beck-chat></main>
    <script type="module">
      import "${server.url}/beck/client/beck-chat-elements.js";
      document.querySelector("beck-chat").tokenProvider = async () => (await (await fetch("/chat/token", { method: "POST" })).json()).token;
    </script>`;
  const shop = http.createServer((q, a) => {
    const isToken = q.url === "/chat/token";
    a.setHeader("Content-Type", isToken ? "application/json" : "text/html");
    a.end(isToken ? JSON.stringify({ token: server.token("john") }) : html);
  });
  await new Promise((go) => shop.listen(0, "127.0.0.1", go));
  t.defer(() => {
    shop.close();
    shop.closeAllConnections();
  });
  const page = await open(t, null, { width: 1000 });
  await page.route("**/favicon.ico", (route) => route.fulfill({ status: 204 }));
  await page.goto(`http://127.0.0.1:${shop.address().port}/`);
  const john = await new Person(page).enter();
  await john.say("from the shop");
  await john.message("from the shop").getByRole("img", { name: "Sent" }).waitFor();
  await axe(page, "a page with the chat in it");
  await page.screenshot({ path: path.join(SHOTS, "element.png") });
});

for (const name of [5, { a: 1 }, ["x"], true, "   "])
  test(`a channel whose name is ${JSON.stringify(name)} does not take the page away from its members`, async (t) => {
    const server = await start(t);
    const [ann, bob] = await server.users(uid("ann"), uid("bob"));
    await server.channel(ann, [ann, bob], { name: "Sound" });
    await server.channel(ann, [ann, bob], { name, image: { a: 1 } });
    const person = await Person.open(t, server, bob);
    await person.entry("Sound").waitFor();
    await person.entry(ann).click(); // it is called by who is in it
    await person.say("all the same");
    await person.message("all the same").waitFor();
  });
