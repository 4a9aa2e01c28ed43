/* The small parts, and the channel list, each by itself. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { HELLO, Hostile, client, devToken, fakeTime, fails, frame, good, http, inside, jwt, test, until } from "./support.mjs";

const { utf8Length, fromBase64url, toBase64url, timeKey, randomId, queryOf, errorFromAnswer, errorFromFrame, toError, Handlers, Listeners, Timers, ChannelList, claimsOf, Tokens, BeckError } = inside;

/* ---- text ---- */

const WORDS = ["", "a", "ab", "abc", "abcd", "äöüß", "東京", "👩‍👩‍👧", "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}", '{"a":"\\"\\u0000"}', "x".repeat(1000)];

test("utf8Length counts bytes", () => {
  for (const s of WORDS) assert.equal(utf8Length(s), Buffer.byteLength(s), JSON.stringify(s));
});

test("base64url there and back, as Node makes it", () => {
  for (const s of WORDS) {
    assert.equal(toBase64url(s), Buffer.from(s).toString("base64url"));
    assert.equal(fromBase64url(toBase64url(s)), s);
  }
  for (let i = 0; i < 300; i++) {
    const s = randomBytes(i % 50).toString("latin1");
    assert.equal(fromBase64url(Buffer.from(s).toString("base64url")), s);
  }
});

test("what is no base64url of UTF-8 throws", () => {
  for (const s of ["a b", "YQ==", "YQ+/", "/w", "_w", "wyg", "\u0100", "💥", "7aCA"]) assert.throws(() => fromBase64url(s), undefined, s);
});

test("times sort as text, with any number of digits", () => {
  const times = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:00.0001Z", "2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00.0010001Z", "2026-01-01T00:00:00.1Z", "2026-01-01T00:00:00.12Z", "2026-01-01T00:00:01Z"];
  const keys = times.map(timeKey);
  assert.deepEqual([...keys].sort(), keys);
  assert.equal(timeKey("2026-01-01T00:00:00Z"), timeKey("2026-01-01T00:00:00.000Z"));
  assert.deepEqual([timeKey(""), timeKey(null), timeKey(undefined)], ["", "", ""]);
});

test("ids are UUIDs of version 4 and do not repeat", () => {
  const ids = new Set(Array.from({ length: 1000 }, randomId));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("queries are percent-encoded, objects as JSON, without what is undefined", () => {
  assert.equal(queryOf({ a: "x&y=z", b: { c: [1] }, d: undefined, e: false, f: 0, ä: "ß" }), "a=x%26y%3Dz&b=%7B%22c%22%3A%5B1%5D%7D&e=false&f=0&%C3%A4=%C3%9F");
});

/* ---- errors ---- */

test("errors of answers", () => {
  const e = errorFromAnswer(400, { code: 4, message: "bad", exception_fields: { name: "too long" } });
  assert.deepEqual([e.kind, e.code, e.status, e.field, e.retryable, e.name, e instanceof Error], ["api", 4, 400, "name", false, "BeckError", true]);
  for (const status of [408, 429, 500, 502, 503, 504]) assert.equal(errorFromAnswer(status, { code: -1, message: "" }).retryable, true, `${status}`);
  assert.equal(errorFromAnswer(503, { code: -1, message: "", unrecoverable: true }).retryable, false);
  assert.equal(errorFromAnswer(502, "<html><b>Bad</b>\n Gateway</html>").message, "no answer of a chat server, but status 502: Bad Gateway");
  for (const body of [null, [], 7, "", { code: "4" }, { message: 1 }]) assert.equal(errorFromAnswer(418, body).kind, "network");
  assert.equal(errorFromAnswer(429, { code: 9 }, "3").retryAfter, 3000);
  assert.equal(errorFromAnswer(429, { code: 9 }, " 3 ").retryAfter, 3000);
  for (const header of ["", null, undefined, "soon", "-1", "Thu, 01 Jan 1970 00:00:00 GMT"]) assert.equal(errorFromAnswer(429, { code: 9 }, header).retryAfter, undefined, header);
  assert.equal(errorFromFrame({ code: 40, message: "x", StatusCode: 401 }).code, 40);
  const inner = new TypeError("inner");
  assert.deepEqual([toError(inner, "network", "outer").message, toError(inner, "network", "outer").cause], ["outer: inner", inner]);
  assert.equal(toError(e, "network", "x"), e);
  assert.match(toError("text", "token", "x").message, /x: text/);
});

/* ---- tokens ---- */

test("claims are read, not checked", () => {
  assert.deepEqual(claimsOf(jwt({ user_id: "jöhn", exp: 7 }, "s")), { user_id: "jöhn", exp: 7 });
  for (const text of ["", ".", "..", "a.b", "a.e30", "a.bnVsbA.c", "a.W10.c.d", "a.!.c"]) assert.throws(() => claimsOf(text), { kind: "token" }, text);
});

test("a token that is over when it comes is tried all the same: this clock may be wrong", async () => {
  const tokens = new Tokens("john", () => devToken("john", { exp: 1 }));
  assert.ok(await tokens.get());
  assert.ok(tokens.now());
});

/* ---- handlers ---- */

test("handlers come and go while they are called", () => {
  const reported = [];
  const handlers = new Handlers((e) => reported.push(e));
  const calls = [];
  const a = handlers.on("x", () => (calls.push("a"), b.unsubscribe(), handlers.on("x", () => calls.push("late"))));
  const b = handlers.on("x", () => calls.push("b"));
  handlers.on("all", (e) => calls.push(`all ${e.type}`));
  handlers.give({ type: "x" });
  assert.deepEqual(calls, ["a", "all x"], "gone before its turn; come after it began");
  a.unsubscribe();
  a.unsubscribe();
  calls.length = 0;
  handlers.give({ type: "x" });
  assert.deepEqual(calls, ["late", "all x"]);
  assert.deepEqual(reported, []);
});

test("the same function twice is called twice, and each leaves by itself", () => {
  const handlers = new Handlers(() => undefined);
  let n = 0;
  const f = () => n++;
  const one = handlers.on("x", f);
  handlers.on("x", f);
  handlers.give({ type: "x" });
  one.unsubscribe();
  handlers.give({ type: "x" });
  assert.equal(n, 3);
});

test("a handler that throws is reported, and the others are called", () => {
  const reported = [];
  const handlers = new Handlers((e) => reported.push(e.message));
  let n = 0;
  handlers.on("x", () => {
    throw new Error("mine");
  });
  handlers.on("x", () => n++);
  handlers.give({ type: "x" });
  assert.deepEqual([reported, n], [["mine"], 1]);
});

test("who listened to one and is taken over by another can still leave", async () => {
  const [a, b] = [new Handlers(() => undefined), new Handlers(() => undefined)];
  const [c, d] = [new Listeners(() => undefined), new Listeners(() => undefined)];
  let n = 0;
  const one = a.on("x", () => n++);
  const two = c.subscribe(() => n++);
  b.take(a);
  d.take(c);
  b.give({ type: "x" });
  d.changed();
  await Promise.resolve();
  assert.equal(n, 2);
  one.unsubscribe();
  two();
  b.give({ type: "x" });
  d.changed();
  await Promise.resolve();
  assert.equal(n, 2);
});

test("listeners are called once per batch, after it", async () => {
  const listeners = new Listeners(() => undefined);
  let n = 0;
  const end = listeners.subscribe(() => n++);
  listeners.changed();
  listeners.changed();
  assert.equal(n, 0);
  await Promise.resolve();
  assert.equal(n, 1);
  listeners.changed();
  end();
  await Promise.resolve();
  assert.equal(n, 1);
});

test("timers by name replace each other and end together", async (t) => {
  const time = fakeTime(t);
  const timers = new Timers();
  const calls = [];
  timers.set("a", 10, () => calls.push("a1"));
  timers.set("a", 20, () => calls.push("a2"));
  timers.set("b", 15, () => calls.push("b"));
  await time.tick(12);
  assert.deepEqual(calls, []);
  await time.tick(5);
  assert.deepEqual([calls, timers.has("a"), timers.has("b")], [["b"], true, false]);
  timers.stopAll();
  await time.tick(100);
  assert.deepEqual([calls, time.count], [["b"], 0]);
});

/* ---- typing ---- */

/** A client on a script, at a clock that the test moves. */
async function typist(t, config = {}, privacy = {}) {
  const time = fakeTime(t);
  const sent = [];
  const heard = [];
  let socket;
  class Socket {
    readyState = 1;
    constructor() {
      socket = this;
      queueMicrotask(() => (this.onopen?.({}), this.say({ ...HELLO, me: { ...HELLO.me, privacy_settings: privacy } })));
    }
    say(e) {
      this.onmessage?.({ data: JSON.stringify(e) });
    }
    send(text) {
      heard.push(text);
    }
    close() {}
  }
  const fetch = async (url, init) => {
    const { pathname } = new URL(url);
    if (pathname.endsWith("/event")) sent.push(JSON.parse(init.body).event);
    const body = pathname.endsWith("/query") ? { channel: { cid: "messaging:x", id: "x", type: "messaging", config }, messages: [], members: [], read: [] } : { event: {} };
    return { ok: true, status: 200, headers: new Map(), text: async () => JSON.stringify(body) };
  };
  const chat = new inside.Client("key", { baseURL: "http://x", fetch, WebSocket: Socket, storage: null });
  await chat.connectUser({ id: "john" }, devToken("john"));
  const channel = chat.channel("messaging", "x");
  await channel.watch();
  return { time, sent, heard, chat, channel, say: (e) => socket.say({ cid: "messaging:x", ...e }), types: () => sent.map((e) => e.type.replace("typing.", "")) };
}

test("typing.start goes out at the first key, then at most every two seconds; typing.stop three seconds after the last", async (t) => {
  const { time, channel, types, chat } = await typist(t);
  for (let i = 0; i < 50; i++) {
    channel.keystroke();
    await time.tick(100);
  }
  assert.deepEqual(types(), ["start", "start", "start"], "five seconds of keys");
  await time.tick(2800);
  assert.equal(types().length, 3);
  await time.tick(200);
  assert.deepEqual(types(), ["start", "start", "start", "stop"]);
  await time.tick(60_000 / 3);
  assert.equal(types().length, 4);
  channel.keystroke();
  channel.stopTyping();
  channel.stopTyping();
  await time.tick(10_000);
  assert.deepEqual(types().slice(4), ["start", "stop"]);
  await chat.disconnectUser();
});

test("sending ends the typing, and threads are told apart", async (t) => {
  const { time, channel, types, sent, chat } = await typist(t);
  channel.keystroke();
  channel.keystroke("p1");
  await time.tick(10);
  assert.deepEqual(sent, [{ type: "typing.start" }, { type: "typing.start", parent_id: "p1" }]);
  void channel.sendMessage("x").catch(() => undefined);
  await time.tick(10);
  assert.deepEqual(sent.slice(2), [{ type: "typing.stop", parent_id: "p1" }]);
  assert.equal(types().length, 3);
  await chat.disconnectUser();
});

test("who hides it sends none, nor does anybody where the channel has none", async () => {
  for (const [config, privacy] of [[{}, { typing_indicators: { enabled: false } }], [{ typing_events: false }, {}]]) {
    await (async () => {
      const ends = [];
      const { time, channel, types, chat } = await typist({ defer: (e) => ends.push(e) }, config, privacy);
      channel.keystroke();
      await time.tick(10_000);
      channel.stopTyping();
      await time.tick(10);
      assert.deepEqual(types(), []);
      await chat.disconnectUser();
      for (const end of ends) end();
    })();
  }
});

test("others who type are seen until they stop, write, or are silent for seven seconds", async (t) => {
  const { time, channel, say, chat } = await typist(t);
  const seen = () => Object.keys(channel.state.typing);
  say({ type: "typing.start", user: { id: "jane" }, parent_id: "p1" });
  say({ type: "typing.start", user: { id: "jim" } });
  say({ type: "typing.start", user: { id: "john" } });
  assert.deepEqual(seen(), ["jane", "jim"], "not oneself");
  assert.equal(channel.state.typing.jane.parent_id, "p1");
  await time.tick(5000);
  say({ type: "typing.start", user: { id: "jane" } });
  await time.tick(1900);
  assert.deepEqual(seen().sort(), ["jane", "jim"]);
  await time.tick(200);
  assert.deepEqual(seen(), ["jane"]);
  say({ type: "typing.stop", user: { id: "jane" } });
  assert.deepEqual(seen(), []);
  say({ type: "typing.start", user: { id: "jane" } });
  say({ type: "message.new", message: { id: "m", text: "x", created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z", user: { id: "jane" } }, user: { id: "jane" } });
  assert.deepEqual(seen(), []);
  say({ type: "typing.start", user: { id: "jane" } });
  await chat.disconnectUser();
  assert.equal(time.count, 0, "no timer is left");
});

/* ---- silence ---- */

test("a WebSocket that falls silent is given up after 40 s, and asks for signs of life before", async (t) => {
  const { time, chat, heard, say } = await typist(t);
  const lost = [];
  chat.on("connection.changed", (e) => void (e.online || lost.push(e)));
  await time.tick(30_000);
  say({ type: "health.check" });
  await time.tick(39_000);
  assert.deepEqual([chat.connection.state, lost.length, heard.length], ["online", 0, 2], "asked each 25 s");
  await time.tick(7000);
  assert.equal(lost.length, 1);
  await time.tick(3000);
  assert.equal(chat.connection.state, "online", "and connected anew");
  await chat.disconnectUser();
  assert.equal(time.count, 0);
});

/* ---- the list ---- */

/** A list over a scripted query; channels are as little as it needs. */
function listOf(filter, sort, options = {}) {
  const channels = new Map();
  const asked = [];
  const host = {
    answer: () => [],
    queryChannels: (f, s, o) => (asked.push({ f, s, o }), Promise.resolve(host.answer(f, o))),
    forget: () => undefined,
    ownId: () => "john",
    report: (e) => {
      host.reported.push(e);
    },
    reported: [],
  };
  const make = (id, at) => {
    const cid = `messaging:${id}`;
    if (!channels.has(cid)) channels.set(cid, { cid, id, data: { last_message_at: at, created_at: "2026-01-01T00:00:00Z" }, subscribe: () => () => undefined });
    return channels.get(cid);
  };
  const list = new ChannelList(host, filter, sort ?? [], options);
  return { host, make, asked, list, ids: () => list.channels.map((c) => c.id).join("") };
}
const settle = () => new Promise((go) => setTimeout(go, 2));
const AT = (n) => `2026-01-02T00:00:0${n}Z`;

test("a list: loaded, more, moved by messages, left, come", async () => {
  const { host, make, asked, list, ids } = listOf({ members: { $in: ["john"] } }, undefined, { limit: 2 });
  host.answer = (f, o) => (o.offset === 0 ? [make("a", AT(3)), make("b", AT(2))] : [make("b"), make("c", AT(1))]);
  await list.load();
  assert.deepEqual([ids(), list.hasMore, list.loading], ["ab", true, false]);
  await list.loadMore();
  assert.equal(ids(), "abc", "one that has moved to the next page is not there twice");
  assert.deepEqual(asked[1].s, [{ field: "last_updated", direction: -1 }]);
  make("c").data.last_message_at = AT(5);
  list.apply({ type: "message.new", cid: "messaging:c" });
  assert.equal(ids(), "cab");
  list.apply({ type: "notification.removed_from_channel", cid: "messaging:a" });
  assert.equal(ids(), "cb");
  host.answer = (f) => (JSON.stringify(f).includes("messaging:d") ? [make("d", AT(4))] : []);
  list.apply({ type: "notification.added_to_channel", cid: "messaging:d" });
  list.apply({ type: "notification.message_new", cid: "messaging:d" });
  list.apply({ type: "notification.message_new", cid: "messaging:e" });
  await settle();
  assert.equal(ids(), "cdb");
  assert.deepEqual(asked[2].f, { $and: [{ members: { $in: ["john"] } }, { cid: "messaging:d" }] });
  assert.equal(asked.length, 4, "one question for d, one for e");
  list.apply({ type: "member.removed", cid: "messaging:d", member: { user_id: "jane" } });
  assert.equal(ids(), "cdb");
  host.answer = () => [];
  list.apply({ type: "member.removed", cid: "messaging:d", member: { user_id: "john" } });
  await settle();
  assert.equal(ids(), "cb");
  host.answer = () => [make("d", AT(4))];
  list.apply({ type: "member.added", cid: "messaging:d", member: { user_id: "john" } });
  await settle();
  assert.equal(ids(), "cdb");
  for (const [type, want] of [["channel.hidden", "cb"], ["channel.visible", "cdb"], ["channel.deleted", "cb"]]) {
    list.apply({ type, cid: "messaging:d" });
    await settle();
    assert.equal(ids(), want, type);
  }
});

test("a list in rising order, and one by a field that it cannot compare", async () => {
  const up = listOf({}, { last_message_at: 1 });
  up.host.answer = () => [up.make("a", AT(1)), up.make("b", AT(2))];
  await up.list.load();
  up.make("a").data.last_message_at = AT(4);
  up.list.apply({ type: "message.new", cid: "messaging:a" });
  assert.equal(up.ids(), "ba");
  const other = listOf({}, { name: 1 });
  other.host.answer = () => [other.make("a", AT(1)), other.make("b", AT(2))];
  await other.list.load();
  other.list.apply({ type: "message.new", cid: "messaging:a" });
  assert.equal(other.ids(), "ab");
});

test("what comes or goes while a list loads is right in the end", async () => {
  const { host, make, list, ids } = listOf({});
  host.answer = () => [make("a", AT(3)), make("b", AT(2))];
  await list.load();
  let answer;
  host.queryChannels = (f) => (f.$and ? Promise.resolve([make("n", AT(5))]) : new Promise((go) => (answer = go)));
  const loading = list.load();
  list.apply({ type: "notification.added_to_channel", cid: "messaging:n" });
  list.apply({ type: "notification.removed_from_channel", cid: "messaging:a" });
  await settle();
  assert.equal(ids(), "nb");
  assert.equal(list.loading, true);
  answer([make("a"), make("b")]); // as it was before both
  await loading;
  await settle();
  assert.equal(ids(), "nb");
});

test("a list that is closed changes no more, whatever is under way", async () => {
  const { host, make, list, ids } = listOf({});
  host.answer = () => [make("a", AT(1))];
  await list.load();
  const answers = [];
  host.queryChannels = () => new Promise((go) => answers.push(go));
  const loading = list.load();
  list.apply({ type: "notification.added_to_channel", cid: "messaging:n" });
  list.close();
  for (const go of answers) go([make("n", AT(5))]);
  await loading;
  await settle();
  assert.equal(ids(), "a");
  assert.equal(list.loading, false);
});

test("a load that fails says so, and leaves what was there", async () => {
  const { host, make, list, ids } = listOf({});
  host.answer = () => [make("a", AT(1))];
  await list.load();
  host.queryChannels = () => Promise.reject(new BeckError("network", "gone"));
  await assert.rejects(list.load(), { message: "gone" });
  assert.deepEqual([ids(), list.loading, list.error.message], ["a", false, "gone"]);
  list.apply({ type: "channel.visible", cid: "messaging:z" });
  await settle();
  assert.equal(host.reported.length, 1, "a question in the background is reported");
  host.queryChannels = () => Promise.resolve([make("b", AT(1))]);
  await list.load();
  assert.deepEqual([ids(), list.error], ["b", null]);
});

/* ---- events between the question and the answer of a new channel ---- */

test("an event of a channel that is being asked for is not lost", async (t) => {
  let answer;
  const h = await Hostile.start(t, (r) => (r.isWs ? good(r) : new Promise((go) => (answer = () => go(http(201, { channels: [{ channel: { cid: "messaging:x", id: "x", type: "messaging" }, messages: [], members: [], read: [{ user: { id: "john" }, last_read: "2026-01-01T00:00:00Z", unread_messages: 0 }] }] }))))));
  const chat = client(t, h);
  await chat.connectUser({ id: "john" }, devToken("john"));
  const asking = chat.queryChannels({});
  await until(() => answer, "the question");
  h.send(frame({ type: "message.new", cid: "messaging:x", message: { id: "m", text: "hi", type: "regular", user: { id: "jane" }, created_at: "2026-01-01T00:00:01Z", updated_at: "2026-01-01T00:00:01Z" } }));
  await chat.expect("message.new");
  answer();
  const [channel] = await asking;
  assert.deepEqual([channel.state.messages.map((m) => m.text), channel.state.unread], [["hi"], 1]);
});

test("loadOlder fills the page before, also when an old message was changed meanwhile", async (t) => {
  const message = (n, more = {}) => ({ id: `m${n}`, text: `${n}`, type: "regular", user: { id: "jane" }, created_at: `2026-01-01T00:00:${n}Z`, updated_at: `2026-01-01T00:00:${n}Z`, ...more });
  const all = Array.from({ length: 40 }, (_, i) => message(10 + i));
  const h = await Hostile.start(t, (r) => {
    if (r.isWs) return good(r);
    const { limit, id_lt } = r.json.messages;
    const end = id_lt ? all.findIndex((m) => m.id === id_lt) : all.length;
    return http(201, { channel: { cid: "messaging:x", id: "x", type: "messaging" }, messages: all.slice(Math.max(end - limit, 0), end), read: [] });
  });
  const chat = client(t, h);
  await chat.connectUser({ id: "john" }, devToken("john"));
  const channel = chat.channel("messaging", "x");
  await channel.watch({ messages: { limit: 10 } });
  all[2] = message(12, { text: "12!", updated_at: "2026-01-01T00:01:00Z" });
  h.send(frame({ type: "message.updated", cid: "messaging:x", message: all[2] }));
  await chat.expect("message.updated");
  assert.equal(channel.state.messages.length, 10, "it stands beside no hole");
  while (channel.state.hasOlder) await channel.loadOlder(10);
  assert.deepEqual(channel.state.messages.map((m) => m.text), all.map((m) => m.text));
  await fails(chat.channel("messaging", null, { members: ["a"] }).loadOlder(), { kind: "state" });
});

test("a channel that is watched for days neither grows without end nor slows down", () => {
  const store = new inside.Store(() => "ann", () => undefined);
  const at = (n) => new Date(1.8e12 + n * 1000).toISOString();
  const message = (n) => ({ id: `m${n}`, text: String(n), type: "regular", user: { id: "bob" }, created_at: at(n), updated_at: at(n) });
  store.snapshot({ channel: {}, messages: Array.from({ length: 25 }, (_, n) => message(n)), read: [{ user: { id: "ann" }, last_read: at(-1), unread_messages: 25 }] }, 25);
  for (let n = 25; n < 10_000; n++) store.apply({ type: "message.new", message: message(n) });
  const { messages, hasOlder, unread } = store.state;
  assert.ok(messages.length >= 1000 && messages.length <= 2100, `${messages.length} messages`);
  assert.deepEqual([messages.at(-1).id, hasOlder, unread], ["m9999", true, 10_000]);
  const first = Number(messages[0].text);
  store.older(Array.from({ length: 100 }, (_, n) => message(first - 100 + n)), 100);
  assert.deepEqual(store.state.messages.map((m) => Number(m.text)), Array.from({ length: 10_000 - first + 100 }, (_, n) => first - 100 + n));
});

test("a busy channel that does not belong to a list is asked about once, not with each message", async () => {
  const { list, asked, host, make, ids } = listOf({ team: "red" });
  await list.load();
  const before = asked.length;
  for (let i = 0; i < 5; i++) {
    list.apply({ type: "notification.message_new", cid: "messaging:noise" });
    await settle();
  }
  assert.equal(asked.length, before + 1);
  host.answer = () => [make("noise", AT(1))];
  list.apply({ type: "notification.added_to_channel", cid: "messaging:noise" });
  await settle();
  assert.equal(ids(), "noise", "what may change that is asked about at once");
});
