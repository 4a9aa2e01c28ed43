/* Messages on their way: seen at once, in order, kept, and stored once whatever becomes of the answers. */
import assert from "node:assert/strict";
import { after } from "node:test";
import { Box, Hostile, Memory, Server, apiError, client, devToken, fails, good, http, jwt, nowS, test, uid, until, within } from "./support.mjs";

const server = await new Server().start();
after(() => server.destroy());

const texts = (channel) => channel.state.messages.map((m) => `${m.text}:${m.status}`);
const stored = async (channel, user) => (await server.api("POST", `/channels/messaging/${channel.id}/query`, { state: true, messages: { limit: 300 } }, user)).messages.map((m) => m.text);

/** Ann behind a box, with a channel that she watches. */
async function scene(t, options = {}) {
  const [ann] = await server.users(uid("ann"));
  const box = await Box.before(t, server);
  const chat = client(t, box, options);
  await chat.connectUser({ id: ann }, () => server.token(ann));
  const channel = chat.channel("messaging", uid("c"), { members: [ann] });
  await channel.watch();
  return { ann, box, chat, channel };
}

async function offline({ box, chat }) {
  const mark = chat.mark();
  box.mode = "drop";
  box.cut();
  await chat.expect("connection.changed", { online: false }, mark);
}

function online({ box, chat }) {
  box.mode = "pass";
  chat.networkChanged();
}

test("a message stands there as pending at once, then as sent", async (t) => {
  const { ann, channel } = await scene(t);
  const sending = channel.sendMessage({ text: "hello", color: "red" });
  const [m] = channel.state.messages;
  assert.deepEqual([m.text, m.status, m.user.id, m.color, m.type], ["hello", "pending", ann, "red", "regular"]);
  const sent = await sending;
  assert.deepEqual([sent.id, sent.status, sent.color], [m.id, "sent", "red"]);
  assert.deepEqual(texts(channel), ["hello:sent"]);
  assert.equal(channel.state.unread, 0);
});

test("a message before connectUser is one of the user who comes, and is his from the start", async (t) => {
  const [ann] = await server.users(uid("ann"));
  const id = await server.channel(ann, [ann]);
  const chat = client(t, server);
  const connecting = chat.connectUser({ id: ann }, server.token(ann));
  const channel = chat.channel("messaging", id);
  const sending = channel.sendMessage("early");
  assert.deepEqual(channel.state.messages.map((m) => [m.text, m.status, m.user.id]), [["early", "pending", ann]]);
  await connecting;
  assert.equal((await sending).user.id, ann);
});

test("order per channel, with many at once; channels do not wait for each other", async (t) => {
  const { ann, chat, channel } = await scene(t);
  const other = chat.channel("messaging", uid("c"), { members: [ann] });
  await other.create();
  const want = Array.from({ length: 40 }, (_, i) => `m${i}`);
  await Promise.all([...want.map((x) => channel.sendMessage(x)), ...want.slice(0, 10).map((x) => other.sendMessage(x))]);
  assert.deepEqual(await stored(channel, ann), want);
  assert.deepEqual(await stored(other, ann), want.slice(0, 10));
  assert.deepEqual(texts(channel), want.map((x) => `${x}:sent`));
});

test("a reply stands in its thread", async (t) => {
  const { channel } = await scene(t);
  const parent = await channel.sendMessage("parent");
  const sending = channel.sendMessage({ text: "reply", parent_id: parent.id });
  assert.deepEqual(channel.state.threads[parent.id].map((m) => [m.text, m.status, m.type]), [["reply", "pending", "reply"]]);
  assert.equal(channel.state.messages.length, 1);
  await sending;
  assert.deepEqual(channel.state.threads[parent.id].map((m) => [m.text, m.status]), [["reply", "sent"]]);
  await until(() => channel.state.messages[0].reply_count === 1, "the count");
});

test("a channel of certain members, made by the first message", async (t) => {
  const [a, b] = await server.users(uid(), uid());
  const chat = client(t, server);
  await chat.connectUser({ id: a }, server.token(a));
  const channel = chat.channel("messaging", null, { members: [a, b] });
  const [sent] = await Promise.all(["first", "second", "third"].map((x) => channel.sendMessage(x)));
  assert.ok(channel.id);
  assert.equal(sent.cid, channel.cid);
  assert.deepEqual(await stored(channel, a), ["first", "second", "third"]);
});

test("kept while offline, sent in order with the next connection", async (t) => {
  const s = await scene(t);
  await offline(s);
  const sending = ["a", "b", "c"].map((x) => s.channel.sendMessage(x));
  assert.deepEqual(texts(s.channel), ["a:pending", "b:pending", "c:pending"]);
  online(s);
  await Promise.all(sending);
  assert.deepEqual(await stored(s.channel, s.ann), ["a", "b", "c"]);
  assert.deepEqual(texts(s.channel), ["a:sent", "b:sent", "c:sent"]);
});

test("an answer that got lost: stored once, seen once", async (t) => {
  const s = await scene(t);
  for (let i = 0; i < 4; i++) {
    let isCut = false;
    s.box.onUp = (d, pair) => {
      if (d.includes("/message?")) pair.isSend = true;
    };
    s.box.onDown = (d, pair) => {
      if (!pair.isSend || isCut) return true;
      isCut = true; // the server has stored it
      if (i % 2) s.box.cut();
      else pair.client.destroy();
      return false;
    };
    const sent = await within(10_000, s.channel.sendMessage(`m${i}`), "the send");
    assert.ok(isCut);
    assert.equal(sent.status, "sent");
  }
  assert.deepEqual(await stored(s.channel, s.ann), ["m0", "m1", "m2", "m3"]);
  assert.deepEqual(texts(s.channel), ["m0:sent", "m1:sent", "m2:sent", "m3:sent"]);
});

test("sends while the box cuts at random: each stored once, in order", async (t) => {
  const s = await scene(t, { maxReconnectWait: 50 });
  const want = Array.from({ length: 60 }, (_, i) => `m${i}`);
  const sending = want.map((x) => s.channel.sendMessage(x));
  for (let i = 0; i < 6; i++) {
    await Promise.race([sending[(i + 1) * 8], until(() => false, "", 400).catch(() => undefined)]);
    s.box.cut();
    s.chat.networkChanged();
  }
  await within(30_000, Promise.all(sending), "all of them");
  assert.deepEqual(await stored(s.channel, s.ann), want);
  assert.deepEqual(texts(s.channel), want.map((x) => `${x}:sent`));
});

test("kept over a reload: a new client with the same storage sends it, once", async (t) => {
  const storage = new Memory();
  const s = await scene(t, { storage });
  assert.equal(s.chat.keepsUnsent, true);
  await offline(s);
  const lost = [s.channel.sendMessage("one"), s.channel.sendMessage({ text: "two", color: "red" })].map((p) => fails(p, { kind: "state" }));
  // The page is gone without a word: what is left of it is the storage.
  const copy = new Memory();
  for (const [k, v] of storage.map) copy.setItem(k, v);
  const next = client(t, server, { storage: copy });
  await next.connectUser({ id: s.ann }, server.token(s.ann));
  await until(async () => (await stored(s.channel, s.ann)).length === 2, "both");
  assert.deepEqual(await stored(s.channel, s.ann), ["one", "two"]);
  await until(() => [...copy.map.values()].every((v) => !v.includes("one")), "the storage to be empty");
  await s.chat.disconnectUser();
  await Promise.all(lost);
});

test("what is kept is seen as pending by the new page before it is sent", async (t) => {
  const storage = new Memory();
  const s = await scene(t, { storage });
  await offline(s);
  const lost = fails(s.channel.sendMessage("one"), { kind: "state", message: /next visit/ });
  await s.chat.disconnectUser();
  await lost;
  const next = client(t, s.box, { storage, timeout: 8000 });
  const connecting = next.connectUser({ id: s.ann }, () => server.token(s.ann));
  const channel = next.channel("messaging", s.channel.id);
  await until(() => texts(channel).includes("one:pending"), "it");
  s.box.mode = "pass";
  await connecting;
  await until(() => texts(channel).includes("one:sent"), "it, sent");
  assert.deepEqual(await stored(channel, s.ann), ["one"]);
});

test("another user does not send what the first one left, and the first does with his next visit", async (t) => {
  const storage = new Memory();
  const s = await scene(t, { storage });
  await offline(s);
  const lost = fails(s.channel.sendMessage("ann's"), { kind: "state" });
  await s.chat.disconnectUser();
  await lost;
  s.box.mode = "pass";
  const [bob] = await server.users(uid("bob"));
  await s.chat.connectUser({ id: bob }, server.token(bob));
  assert.deepEqual(s.chat.channel("messaging", s.channel.id).state.messages, []);
  await s.chat.disconnectUser();
  assert.deepEqual(await stored(s.channel, s.ann), []);
  await s.chat.connectUser({ id: s.ann }, server.token(s.ann));
  await until(async () => (await stored(s.channel, s.ann)).length === 1, "Ann's");
});

test("a user whose connect failed leaves nothing to the next", async (t) => {
  const [ann, bob] = await server.users(uid("ann"), uid("bob"));
  const id = await server.channel(ann, [ann, bob]);
  const chat = client(t, server);
  const connecting = fails(chat.connectUser({ id: ann }, jwt({ user_id: ann }, "wrong")), { code: 43 });
  const lost = fails(chat.channel("messaging", id).sendMessage("ann's"), { kind: "state" });
  await connecting;
  await chat.connectUser({ id: bob }, server.token(bob));
  await lost;
  await chat.channel("messaging", id).sendMessage("bob's");
  assert.deepEqual(await stored({ id }, ann), ["bob's"]);
});

test("what is sent while nobody is connected waits as long as a call does", async (t) => {
  const [ann] = await server.users(uid("ann"));
  const id = await server.channel(ann, [ann]);
  const chat = client(t, server, { timeout: 300 });
  const channel = chat.channel("messaging", id);
  await within(1500, fails(channel.sendMessage("nobody's"), { kind: "state", message: /connectUser/ }));
  assert.deepEqual(channel.state.messages, []);
  await chat.connectUser({ id: ann }, server.token(ann));
  await chat.channel("messaging", id).sendMessage("ann's");
  assert.deepEqual(await stored({ id }, ann), ["ann's"]);
});

/** A channel that Ann may not write to until `letIn`. */
async function closed(ann) {
  const [bob] = await server.users(uid("bob"));
  const id = await server.channel(bob, [bob]);
  return { id, letIn: () => server.api("POST", `/channels/messaging/${id}`, { add_members: [ann] }) };
}

test("a refusal: failed, with the reason; retry and drop", async (t) => {
  const { ann, chat } = await scene(t);
  const { id, letIn } = await closed(ann);
  const there = chat.channel("messaging", id);
  const refused = there.sendMessage("no");
  const next = fails(there.sendMessage("neither"));
  const error = await fails(refused, { kind: "api", code: 17 });
  await next;
  assert.deepEqual(texts(there), ["no:failed", "neither:failed"]);
  const [m, n] = there.state.messages;
  assert.deepEqual(m.error, { code: error.code, message: error.message });
  await fails(there.retryMessage(m.id), { kind: "api" });
  await letIn();
  const retried = there.retryMessage(m.id);
  assert.equal(there.state.messages.find((x) => x.id === m.id).status, "pending");
  await retried;
  there.dropMessage(n.id);
  assert.deepEqual(texts(there), ["no:sent"]);
  await fails(there.retryMessage(n.id), { kind: "state" });
  there.dropMessage("nosuch");
});

test("failed ones are kept over a reload, as failed", async (t) => {
  const storage = new Memory();
  const { ann, chat } = await scene(t, { storage });
  const { id, letIn } = await closed(ann);
  await fails(chat.channel("messaging", id).sendMessage("no"));
  await chat.disconnectUser();
  const next = client(t, server, { storage });
  await next.connectUser({ id: ann }, server.token(ann));
  const there = next.channel("messaging", id);
  await until(() => texts(there).includes("no:failed"), "it");
  await letIn();
  await there.retryMessage(there.state.messages[0].id);
  assert.deepEqual(await stored(there, ann), ["no"]);
});

test("a drop while it waits: the promise fails, nothing is sent", async (t) => {
  const s = await scene(t);
  await offline(s);
  const dropped = fails(s.channel.sendMessage("a"), { kind: "state", message: "dropped" });
  const kept = s.channel.sendMessage("b");
  s.channel.dropMessage(s.channel.state.messages[0].id);
  await dropped;
  online(s);
  await kept;
  assert.deepEqual(await stored(s.channel, s.ann), ["b"]);
});

test("the same id twice is an error, and so is more than maxOutbox", async (t) => {
  const s = await scene(t, { maxOutbox: 2 });
  await offline(s);
  const first = s.channel.sendMessage({ id: uid("m"), text: "a" });
  const [{ id }] = s.channel.state.messages;
  await fails(s.channel.sendMessage({ id, text: "b" }), { kind: "state" });
  const second = s.channel.sendMessage("b");
  await fails(s.channel.sendMessage("c"), { kind: "full" });
  online(s);
  await Promise.all([first, second]);
  await s.channel.sendMessage("c");
});

test("two tabs on one storage: what both have is stored once", async (t) => {
  const storage = new Memory();
  const one = await scene(t, { storage });
  await offline(one);
  const sending = one.channel.sendMessage("from one");
  const two = client(t, server, { storage });
  await two.connectUser({ id: one.ann }, server.token(one.ann));
  const channel = two.channel("messaging", one.channel.id);
  await channel.watch();
  await channel.sendMessage("from two");
  online(one);
  await sending;
  await until(() => texts(one.channel).length === 2 && texts(channel).length === 2, "both in both");
  assert.deepEqual((await stored(one.channel, one.ann)).sort(), ["from one", "from two"]);
  for (const c of [one.channel, channel]) assert.ok(texts(c).every((x) => x.endsWith(":sent")), texts(c).join());
});

test("two tabs with locks: the living one's messages are left to it, the dead one's are taken", async (t) => {
  // Web locks as far as they are used.
  const held = new Set();
  const request = (name, a, b) => {
    const [options, then] = b ? [a, b] : [{}, a];
    if (held.has(name)) return options.ifAvailable ? Promise.resolve(then(null)) : new Promise(() => undefined);
    held.add(name);
    return Promise.resolve(then({})).finally(() => held.delete(name));
  };
  const had = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { onLine: true, locks: { request } } });
  t.defer(() => (had ? Object.defineProperty(globalThis, "navigator", had) : delete globalThis.navigator));
  const storage = new Memory();
  const one = await scene(t, { storage });
  await offline(one);
  const sending = one.channel.sendMessage("from one").catch((e) => e);
  const two = client(t, server, { storage });
  await two.connectUser({ id: one.ann }, server.token(one.ann));
  await two.channel("messaging", one.channel.id).sendMessage("from two");
  assert.deepEqual(await stored(one.channel, one.ann), ["from two"], "the first tab lives");
  held.clear(); // it dies
  const three = client(t, server, { storage });
  await three.connectUser({ id: one.ann }, server.token(one.ann));
  await until(async () => (await stored(one.channel, one.ann)).length === 2, "what the dead tab left");
  await one.chat.disconnectUser();
  await sending;
  await two.disconnectUser();
  await three.disconnectUser();
  assert.equal(held.size, 0, "no lock is left held");
});

test("locks that are refused do not hold messages back", async (t) => {
  const had = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { onLine: true, locks: { request: () => Promise.reject(new Error("SecurityError")) } } });
  t.defer(() => (had ? Object.defineProperty(globalThis, "navigator", had) : delete globalThis.navigator));
  const storage = new Memory();
  const unhandled = [];
  const note = (e) => unhandled.push(e);
  process.on("unhandledRejection", note);
  t.defer(() => process.off("unhandledRejection", note));
  for (let i = 0; i < 2; i++) {
    const s = await scene(t, { storage });
    assert.equal((await within(3000, s.channel.sendMessage("a"))).status, "sent");
  }
  assert.deepEqual(unhandled, []);
});

/** A storage with what a page of Ann left in a place that nobody holds. */
function leftBehind(ann, id, text) {
  const storage = new Memory();
  const key = `beck-chat:${server.key}:${ann}`;
  storage.setItem(key, "gone");
  storage.setItem(`${key}:gone`, JSON.stringify([{ type: "messaging", channelId: id, input: { id: uid("m"), text }, at: new Date().toISOString() }]));
  return storage;
}

test("what an earlier page left is not lost when disconnectUser comes in the same breath as connectUser", async (t) => {
  const [ann] = await server.users(uid("ann"));
  const id = await server.channel(ann, [ann]);
  for (let ticks = 0; ticks < 6; ticks++) {
    const chat = client(t, server, { storage: leftBehind(ann, id, `kept ${ticks}`) });
    const first = fails(chat.connectUser({ id: ann }, server.token(ann)), { kind: "state" });
    for (let i = 0; i < ticks; i++) await Promise.resolve();
    await chat.disconnectUser();
    await first;
    await chat.connectUser({ id: ann }, server.token(ann));
    await until(async () => (await stored({ id }, ann)).includes(`kept ${ticks}`), `sent by the second connect, ${ticks}`);
  }
});

test("without locks, what a tab leaves after another has taken its place for a dead one's is sent by the next page", async (t) => {
  const storage = new Memory();
  const one = await scene(t, { storage });
  const two = client(t, server, { storage });
  await two.connectUser({ id: one.ann }, server.token(one.ann)); // one is not listed any more
  await two.disconnectUser();
  await offline(one);
  one.channel.sendMessage("from one").catch(() => undefined);
  const three = client(t, server, { storage });
  await three.connectUser({ id: one.ann }, server.token(one.ann));
  await until(async () => (await stored(one.channel, one.ann)).includes("from one"), "sent by the third");
});

test("a storage that throws, or is full of rubbish, is as good as none", async (t) => {
  const throwing = { getItem() { throw new Error("blocked"); }, setItem() { throw new Error("blocked"); }, removeItem() { throw new Error("blocked"); } };
  const s = await scene(t, { storage: throwing });
  await s.channel.sendMessage("a");
  assert.equal(s.chat.keepsUnsent, false);
  const rubbish = new Memory();
  const [ann] = await server.users(uid("ann"));
  rubbish.setItem(`beck-chat:${server.key}:${ann}`, "x y z w");
  for (const [k, v] of [["x", "{"], ["y", '[null,7,{"type":"messaging"}]'], ["z", "{}"], ["w", '[{"type":"messaging","channelId":"c","input":{"id":"m"},"at":7}]']]) rubbish.setItem(`beck-chat:${server.key}:${ann}:${k}`, v);
  const chat = client(t, server, { storage: rubbish });
  await chat.connectUser({ id: ann }, server.token(ann));
  const channel = chat.channel("messaging", uid("c"), { members: [ann] });
  await channel.watch();
  await channel.sendMessage("a");
});

/* ---- against a script ---- */

const MESSAGE = { id: "m", text: "x", type: "regular", created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z", user: { id: "john" } };

async function scripted(t, answers, options = {}) {
  const times = [];
  const h = await Hostile.start(t, (r) => {
    if (r.isWs) return good(r);
    times.push(Date.now());
    const next = answers.length > 0 ? answers.shift() : "ok";
    return next === "ok" ? http(201, { message: { ...MESSAGE, ...r.json.message } }) : next;
  });
  const chat = client(t, h, options);
  await chat.connectUser({ id: "john" }, devToken("john"));
  return { h, times, chat, channel: chat.channel("messaging", "x") };
}

test("an overloaded server is tried again, and its wish for peace holds for the next message too", async (t) => {
  const { h, times, channel } = await scripted(t, [apiError(429, 9, "slow", { "Retry-After": "8" }), apiError(429, 9, "slow", { "Retry-After": "8" })], { timeout: 500 });
  const first = channel.sendMessage("a").catch(() => undefined);
  await until(() => times.length >= 1, "the first attempt");
  const before = times.length;
  const more = ["b", "c", "d"].map((x) => channel.sendMessage(x).catch(() => undefined));
  await until(() => false, "", 700).catch(() => undefined);
  assert.equal(h.calls().length, before, "nothing while it pauses");
  assert.equal(more.length, 3);
  void first;
});

test("5xx, HTML and answers without end are tried again until it is stored", async (t) => {
  const { channel } = await scripted(t, [apiError(500, -1), http(502, "<html>bad gateway</html>"), null, http(200, "<html>log in</html>")], { timeout: 5000 });
  const random = Math.random;
  Math.random = () => 0;
  t.defer(() => (Math.random = random));
  assert.equal((await within(20_000, channel.sendMessage("a"), "the send")).status, "sent");
});

test("an answer to a send without a message is no reason to fall over", async (t) => {
  const { channel } = await scripted(t, [http(201, {})]);
  await within(8000, channel.sendMessage("a"), "the send");
});

test("a token provider that fails does not make messages fail: they wait", async (t) => {
  const { ann, chat, channel } = await scene(t);
  let isDown = false;
  const second = client(t, server);
  await second.connectUser({ id: ann }, () => {
    if (isDown) throw new TypeError("Failed to fetch");
    return server.token(ann, { exp: nowS() + 2 });
  });
  const there = second.channel("messaging", channel.id);
  await there.watch();
  isDown = true;
  await until(async () => (await second.queryUsers({}).then(() => null, (e) => e))?.kind === "token", "the token is over, and there is no other");
  const sending = there.sendMessage("kept");
  await until(() => there.state.messages.some((m) => m.text === "kept" && m.status === "pending"), "it is pending");
  assert.equal((await second.queryUsers({}).then(() => null, (e) => e))?.kind, "token");
  assert.deepEqual(there.state.messages.map((m) => m.status), ["pending"]);
  isDown = false;
  assert.equal((await sending).status, "sent");
  assert.deepEqual(await stored(channel, ann), ["kept"]);
  void chat;
});
