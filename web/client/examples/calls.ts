/* What the pages of the calls show; compiled with the rest, so that it cannot grow old. "// shows:" names the calls of a part. */
import { BeckChat, BeckError, devToken, type Channel } from "beck-chat";

declare const apiKey: string;
declare const show: (...what: unknown[]) => void;
declare const chat: BeckChat;
declare const channel: Channel;

export async function connect(): Promise<void> {
  // shows: BeckChat.getInstance BeckChat.connectUser BeckChat.user BeckError
  const chat = BeckChat.getInstance(apiKey, { timeout: 6000, enableWSFallback: true });
  const fetchToken = async () => (await (await fetch("/chat/token", { method: "POST" })).json()).token;
  try {
    const me = await chat.connectUser({ id: "john", name: "John Doe", privacy_settings: { read_receipts: { enabled: false } } }, fetchToken);
    show(me.total_unread_count, chat.user?.name);
  } catch (e) {
    if (e instanceof BeckError) show(e.kind, e.code, e.message); // says in words what to do
  }
  // end
}

export async function separate(): Promise<void> {
  // shows: BeckChat.constructor devToken
  // two people in one page, on a server in development mode
  const john = new BeckChat(apiKey, { storage: null });
  const jane = new BeckChat(apiKey, { storage: null });
  await john.connectUser({ id: "john" }, devToken("john"));
  await jane.connectUser({ id: "jane" }, devToken("jane"));
  // end
}

export async function others(): Promise<void> {
  // shows: BeckChat.setGuestUser BeckChat.connectAnonymousUser BeckChat.disconnectUser
  const guest = await chat.setGuestUser({ id: "visitor", name: "Visitor" });
  show(guest.id); // the server's own id for him
  await chat.disconnectUser();
  await chat.connectAnonymousUser(); // reads what anybody may read
  // end
}

export function events(): void {
  // shows: BeckChat.on Channel.on
  const all = chat.on("all", (event) => show(event.type, event.seq));
  channel.on("message.new", (event) => show(event.user?.name, event.message?.text));
  chat.on("connection.changed", (event) => show(event.online ? "online" : "offline, trying again"));
  chat.on("connection.recovered", (event) => show(event.gap ? "reloaded" : "nothing was missed"));
  all.unsubscribe();
  // end
}

export function changes(): void {
  // shows: BeckChat.subscribe BeckChat.connection Channel.subscribe Channel.state Channel.data ChannelList.subscribe BeckChat.keepsUnsent BeckChat.baseURL
  // with React: useSyncExternalStore((f) => channel.subscribe(f), () => channel.state)
  const stop = channel.subscribe(() => show(channel.data.name, channel.state.messages.length, Object.keys(channel.state.typing)));
  chat.subscribe(() => show(chat.connection.state, chat.connection.transport, chat.connection.id));
  if (!chat.keepsUnsent) show("what is not sent is lost with this page");
  stop();
  // end
}

export async function channels(): Promise<void> {
  // shows: BeckChat.channel Channel.watch Channel.create Channel.id Channel.cid
  const lobby = chat.channel("messaging", "lobby", { name: "Lobby", members: ["john", "jane"] });
  await lobby.watch({ messages: { limit: 50 }, presence: true });
  const both = chat.channel("messaging", null, { members: ["john", "jane"] }); // the one conversation of these two
  await both.create();
  show(lobby.cid, both.id);
  // end
}

export async function lists(): Promise<void> {
  // shows: BeckChat.channelList ChannelList.load ChannelList.loadMore ChannelList.close BeckChat.queryChannels
  const list = chat.channelList({ members: { $in: ["john"] } }, { last_message_at: -1 }, { presence: true });
  list.subscribe(() => show(list.channels.map((c) => [c.data.name, c.countUnread()])));
  await list.load();
  while (list.hasMore) await list.loadMore();
  list.close();
  const teams = await chat.queryChannels({ type: "team", members: { $in: ["john"] } });
  show(teams.length);
  // end
}

export async function history(): Promise<void> {
  // shows: Channel.loadOlder Channel.loadReplies
  while (channel.state.hasOlder) show(`${await channel.loadOlder(100)} more`);
  const parent = channel.state.messages[0];
  if (parent) await channel.loadReplies(parent.id);
  show(parent && channel.state.threads[parent.id]);
  // end
}

export async function messages(): Promise<void> {
  // shows: Channel.sendMessage Channel.retryMessage Channel.dropMessage
  const sent = await channel.sendMessage({ text: "Hello" }); // waits while offline; stands in state.messages as "pending"
  await channel.sendMessage({ text: "In the thread", parent_id: sent.id });
  for (const m of channel.state.messages.filter((m) => m.status === "failed")) {
    if (m.error?.code === 9) await channel.retryMessage(m.id);
    else channel.dropMessage(m.id);
  }
  // end
}

export async function editing(): Promise<void> {
  // shows: BeckChat.updateMessage BeckChat.deleteMessage BeckChat.getMessage
  const message = await channel.sendMessage("Helo");
  await chat.updateMessage({ id: message.id, text: "Hello" });
  await chat.deleteMessage(message.id, { deleteForMe: true });
  show((await chat.getMessage("another")).text);
  // end
}

export function typing(input: HTMLTextAreaElement): void {
  // shows: Channel.keystroke Channel.stopTyping
  input.addEventListener("input", () => channel.keystroke());
  input.addEventListener("blur", () => channel.stopTyping());
  channel.subscribe(() => show(Object.values(channel.state.typing).map((t) => `${t.user.name} is typing`)));
  // end
}

export async function reading(): Promise<void> {
  // shows: Channel.markRead Channel.markUnread Channel.countUnread BeckChat.markAllRead
  if (channel.countUnread() > 0) await channel.markRead();
  const last = channel.state.messages.at(-1);
  if (last) await channel.markUnread(last.id);
  await chat.markAllRead();
  // end
}

export async function people(): Promise<void> {
  // shows: BeckChat.queryUsers BeckChat.updateUser
  const found = await chat.queryUsers({ name: { $autocomplete: "ja" } }, { name: 1 }, { limit: 10, presence: true });
  show(found.map((u) => [u.name, u.online]));
  await chat.updateUser({ set: { privacy_settings: { typing_indicators: { enabled: false } } } });
  // end
}

export async function members(): Promise<void> {
  // shows: Channel.addMembers Channel.removeMembers Channel.queryMembers
  await channel.addMembers(["mary"], { text: "Mary joins us" });
  await channel.removeMembers(["bob"]);
  show(await channel.queryMembers({ name: { $autocomplete: "ma" } }));
  // end
}

export async function settings(): Promise<void> {
  // shows: Channel.update Channel.updatePartial Channel.truncate Channel.hide Channel.show Channel.delete Channel.stopWatching
  await channel.updatePartial({ set: { name: "Lunch" }, unset: ["color"] });
  await channel.update({ name: "Lunch", topic: "where today" }); // what is not named goes
  await channel.hide();
  await channel.show();
  await channel.truncate({ message: { text: "A fresh start" } });
  await channel.stopWatching();
  await channel.delete();
  // end
}

export async function anything(): Promise<void> {
  // shows: BeckChat.request Channel.sendEvent BeckChat.serverVersion BeckChat.networkChanged
  const unread = await chat.request("GET", "/unread");
  show(unread.total_unread_count, await chat.serverVersion());
  await channel.sendEvent({ type: "wave", to: "jane" }); // an event of the application's own, to those who watch
  chat.networkChanged(); // where no browser says that the device is online again
  // end
}
