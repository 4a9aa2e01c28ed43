/* The two calls: getInstance and connectUser, and what may be called around them. */
import assert from "node:assert/strict";
import { after } from "node:test";
import { BeckChat, Box, HELLO, Hostile, Server, apiError, client, devToken, fails, frame, good, http, jwt, sockets, test, uid, until, within } from "./support.mjs";

const server = await new Server().start();
after(() => server.destroy());
const nowhere = { baseURL: "http://127.0.0.1:1", WebSocket: sockets(), storage: null };

/* ---- getInstance ---- */

test("getInstance twice is one client; other options are an error", async () => {
  const key = uid("key");
  const one = BeckChat.getInstance(key, nowhere);
  assert.equal(BeckChat.getInstance(key), one);
  assert.equal(BeckChat.getInstance(key, { ...nowhere }), one);
  assert.equal(BeckChat.getInstance(key, { ...nowhere, timeout: 6000 }), one, "the default, written out");
  await fails(async () => BeckChat.getInstance(key, { ...nowhere, timeout: 7000 }), { kind: "state" });
  assert.notEqual(BeckChat.getInstance(uid("key"), nowhere), one);
  assert.notEqual(new BeckChat(key, nowhere), one);
});

test("both spellings of enableWSFallback are one option", async () => {
  const key = uid("key");
  const one = BeckChat.getInstance(key, { ...nowhere, enableWSFallBack: true });
  assert.equal(BeckChat.getInstance(key, { ...nowhere, enableWSFallback: true }), one);
  await fails(async () => BeckChat.getInstance(key, { ...nowhere, enableWSFallback: false }), { kind: "state" });
});

test("wrong options are named", async () => {
  const wrong = [
    [{ baseURL: "chat.example.org" }, "baseURL"],
    [{ baseURL: "ws://chat.example.org" }, "baseURL"],
    [{ baseURL: "http://chat.example.org/?a=b" }, "baseURL"],
    [{ ...nowhere, timeout: 0 }, "timeout"],
    [{ ...nowhere, timeout: "6000" }, "timeout"],
    [{ ...nowhere, timeout: NaN }, "timeout"],
    [{ ...nowhere, wsHeadStart: -1 }, "wsHeadStart"],
    [{ ...nowhere, maxReconnectWait: 0 }, "maxReconnectWait"],
    [{ ...nowhere, maxQueue: 0 }, "maxQueue"],
    [{ ...nowhere, maxOutbox: 0 }, "maxOutbox"],
    [{ ...nowhere, enableWSFallback: "yes" }, "enableWSFallback"],
  ];
  for (const [options, field] of wrong) await fails(async () => new BeckChat("key", { WebSocket: sockets(), ...options }), { kind: "argument", field });
  await fails(async () => new BeckChat("", nowhere), { kind: "argument", field: "apiKey" });
  await fails(async () => new BeckChat("key", { WebSocket: sockets() }), { field: "baseURL" });
});

/* ---- connectUser ---- */

test("a time that no timer can be set to is the longest one, not none", async (t) => {
  const [ann] = await server.users(uid("ann"));
  const chat = client(t, server, { timeout: Infinity, maxReconnectWait: 1e12, wsHeadStart: 1e12 });
  assert.equal((await chat.connectUser({ id: ann }, server.token(ann))).id, ann);
  assert.deepEqual(await chat.queryChannels({ members: { $in: [ann] } }), []);
});

test("channels that are queried without their state have their own fields", async (t) => {
  const [ann] = await server.users(uid("ann"));
  await server.channel(ann, [ann], { name: "Named" });
  const chat = client(t, server);
  await chat.connectUser({ id: ann }, server.token(ann));
  const [channel] = await chat.queryChannels({ members: { $in: [ann] } }, [], { state: false });
  assert.equal(channel.data.name, "Named");
});

test("connectUser resolves with the own user, merged into what the server has", async (t) => {
  const id = uid();
  await server.api("POST", "/users", { users: { [id]: { id, name: "Old", color: "red", shoe: 43 } } });
  const chat = client(t, server);
  const me = await chat.connectUser({ id, name: "New", color: null, hat: true }, server.token(id));
  assert.deepEqual([me.id, me.name, me.color, me.shoe, me.hat, me.online], [id, "New", undefined, 43, true, true]);
  assert.equal(me.total_unread_count, 0);
  assert.equal(chat.user.name, "New");
  assert.deepEqual([chat.connection.state, chat.connection.transport], ["online", "websocket"]);
  assert.ok(chat.connection.id);
  assert.equal((await server.stored(id)).shoe, 43);
});

test("an id of a user in every allowed sign, and data in every script", async (t) => {
  const id = `A_z-9@${uid()}`;
  const name = "Ærøskøbing 東京 👩‍👩‍👧 \u0001\"\\</script>";
  const chat = client(t, server);
  const me = await chat.connectUser({ id, name }, server.token(id));
  assert.deepEqual([me.id, me.name], [id, name]);
});

test("a user of almost 5 KB of signs that grow in a URL connects over both transports", async (t) => {
  for (const WebSocket of [sockets(), undefined]) {
    const id = uid();
    const about = "ß".repeat(2500);
    const chat = client(t, server, { WebSocket, enableWSFallback: true, ...(WebSocket ? {} : { WebSocket: undefined }) });
    assert.equal((await chat.connectUser({ id, about }, server.token(id))).about, about);
  }
});

test("one that is not right is refused here, and nothing is sent", async (t) => {
  const h = await Hostile.start(t, () => null);
  const chat = client(t, h);
  const token = devToken("john");
  const wrong = [
    [{ id: "" }, token, "argument"],
    [{ id: "a b" }, token, "argument"],
    [{ id: "a/b" }, token, "argument"],
    [{ id: "x".repeat(256) }, token, "argument"],
    [{ id: 7 }, token, "argument"],
    [null, token, "argument"],
    ["john", token, "argument"],
    [{ id: "john", about: "x".repeat(5120) }, token, "argument"],
    [{ id: "john", about: "ß".repeat(2600) }, token, "argument"],
    [{ id: "john" }, undefined, "argument"],
    [{ id: "john" }, 42, "argument"],
    [{ id: "john" }, "", "token"],
    [{ id: "john" }, "rubbish", "token"],
    [{ id: "john" }, "a.b.c", "token"],
    [{ id: "john" }, `${token}.more`, "token"],
    [{ id: "john" }, devToken("jane"), "token"],
    [{ id: "john" }, jwt({ server: true }, "secret"), "token"],
    [{ id: "john" }, jwt({ server: true, user_id: "john" }, "secret"), "token"],
    [{ id: "john" }, jwt({}, "secret"), "token"],
  ];
  for (const [user, given, kind] of wrong) {
    const error = await within(1000, fails(() => chat.connectUser(user, given), { kind }), JSON.stringify([user, given]).slice(0, 80));
    assert.ok(error.message.length > 10 && !error.message.includes("undefined"), error.message);
  }
  assert.match((await fails(() => chat.connectUser({ id: "john" }, jwt({ server: true }, "s")))).message, /server token/);
  assert.match((await fails(() => chat.connectUser({ id: "john" }, devToken("jane")))).message, /jane.*john/);
  assert.equal(h.requests.length, 0);
  assert.equal(chat.connection.state, "off");
});

test("the same user joins the attempt: one socket, one answer", async (t) => {
  const id = uid();
  let asked = 0;
  const provider = async () => (asked++, server.token(id));
  const chat = client(t, server);
  const all = await Promise.all([1, 2, 3, 4].map(() => chat.connectUser({ id }, provider)));
  await chat.connectUser({ id }, provider);
  assert.ok(all.every((me) => me === all[0]));
  assert.equal(asked, 1);
  assert.equal(await server.sessions(), 1);
});

test("another user is an error until disconnectUser", async (t) => {
  const [a, b] = [uid(), uid()];
  const chat = client(t, server);
  const first = chat.connectUser({ id: a }, server.token(a));
  await fails(() => chat.connectUser({ id: b }, server.token(b)), { kind: "state", message: new RegExp(a) });
  await first;
  await fails(() => chat.connectUser({ id: b }, server.token(b)), { kind: "state" });
  await chat.disconnectUser();
  assert.equal((await chat.connectUser({ id: b }, server.token(b))).id, b);
});

test("what an attempt that failed leaves behind: the next user connects without more ado", async (t) => {
  const [a, b] = [uid(), uid()];
  const chat = client(t, server);
  await fails(() => chat.connectUser({ id: a }, jwt({ user_id: a }, "another secret")), { kind: "api", code: 43 });
  assert.equal(chat.connection.state, "failed");
  assert.equal((await chat.connectUser({ id: b }, server.token(b))).id, b);
});

test("a wrong key says so", async (t) => {
  const chat = client(t, { url: server.url, key: "nosuchkey" });
  const error = await fails(() => chat.connectUser({ id: "john" }, devToken("john")), { kind: "api", code: 2 });
  assert.match(error.message, /key/i);
});

test("a server that is down is said in plain words, within the time", async (t) => {
  for (const enableWSFallback of [false, true]) {
    const chat = client(t, { url: "http://127.0.0.1:1" }, { timeout: 700, enableWSFallback });
    const error = await within(1700, fails(() => chat.connectUser({ id: "john" }, devToken("john")), { kind: "network", retryable: true }));
    assert.match(error.message, /http:\/\/127\.0\.0\.1:1 cannot be reached/);
  }
});

test("a page of another origin learns within the time that nothing answers", async (t) => {
  // Browsers do not say why: the client asks the health page, which here never answers.
  const h = await Hostile.start(t, (r) => (r.path === "/beck/health" ? undefined : null));
  globalThis.location = { origin: "http://page.example" };
  t.defer(() => delete globalThis.location);
  const chat = client(t, h, { timeout: 500 });
  await within(4000, fails(() => chat.connectUser({ id: "john" }, devToken("john")), { kind: "network" }));
});

test("a server that takes its time is given up at the timeout, and not before", async (t) => {
  const h = await Hostile.start(t, () => undefined);
  for (const enableWSFallback of [false, true]) {
    const chat = client(t, h, { timeout: 600, enableWSFallback });
    const began = Date.now();
    await within(1500, fails(() => chat.connectUser({ id: "john" }, devToken("john")), { kind: "timeout" }));
    assert.ok(Date.now() - began >= 550);
  }
});

test("a baseURL with a path, behind a proxy that takes it off", async (t) => {
  const id = uid();
  for (const enableWSFallback of [false, true]) {
    const box = await Box.before(t, server, { prefix: "/chat/beck", mode: enableWSFallback ? "refuse" : "pass" });
    const chat = client(t, { url: `${box.url}/chat/beck/`, key: server.key }, { enableWSFallback });
    await chat.connectUser({ id }, server.token(id));
    assert.equal(chat.connection.transport, enableWSFallback ? "longpoll" : "websocket");
    await chat.channel("messaging", uid("c"), { members: [id] }).watch();
    assert.ok(box.seen.every((line) => / \/chat\/beck\//.test(line)), box.seen.join("\n"));
    await chat.disconnectUser();
  }
});

test("without the option nothing is polled", async (t) => {
  for (const mode of ["refuse", "swallow", "mute"]) {
    const box = await Box.before(t, server, { mode });
    const chat = client(t, box, { timeout: 700 });
    await fails(() => chat.connectUser({ id: "john" }, server.token("john")));
    assert.ok(box.seen.length > 0 && !box.seen.some((line) => line.includes("longpoll")), box.seen.join("\n"));
  }
});

/* ---- around it ---- */

test("calls made before are run in order after it", async (t) => {
  const order = [];
  const h = await Hostile.start(t, (r) => {
    if (r.isWs) return good(r);
    order.push(r.query.get("n"));
    return http(200, { n: r.query.get("n") });
  });
  const slow = []; // the token comes late, so that all wait
  const chat = client(t, h);
  const calls = [0, 1, 2, 3].map((n) => chat.request("GET", "/unread", { query: { n } }));
  const me = chat.connectUser({ id: "john" }, () => new Promise((go) => slow.push(go)));
  calls.push(...[4, 5, 6].map((n) => chat.request("POST", "/x", { query: { n }, body: {} })));
  await until(() => slow.length === 1, "the provider is asked");
  assert.equal(h.requests.length, 0);
  slow[0](devToken("john"));
  await me;
  const answers = await Promise.all(calls);
  assert.deepEqual(answers.map((a) => a.n), ["0", "1", "2", "3", "4", "5", "6"]);
});

test("calls that wait fail together with the reason why nobody was connected", async (t) => {
  const chat = client(t, server);
  const calls = [1, 2, 3].map(() => fails(chat.request("GET", "/unread"), { kind: "api", code: 43 }));
  calls.push(fails(chat.channel("messaging", "x").watch(), { code: 43 }));
  await fails(() => chat.connectUser({ id: "john" }, jwt({ user_id: "john" }, "wrong")), { code: 43 });
  await Promise.all(calls);
});

test("a call that nobody is connected for ends with its time", async (t) => {
  const chat = client(t, server, { timeout: 300 });
  await within(1000, fails(() => chat.request("GET", "/unread"), { kind: "state", message: /connectUser/ }));
  await within(1000, fails(() => chat.request("GET", "/unread", { timeout: 50 }), { kind: "state" }));
});

test("no more calls wait than maxQueue", async (t) => {
  const id = uid();
  const chat = client(t, server, { maxQueue: 3 });
  const calls = [1, 2, 3].map(() => chat.request("GET", "/unread"));
  await fails(chat.request("GET", "/unread"), { kind: "full" });
  await chat.connectUser({ id }, server.token(id));
  await Promise.all(calls);
});

test("a handler that was there before connecting gets the first event", async (t) => {
  const id = uid();
  const chat = client(t, server);
  let changes = 0;
  chat.subscribe(() => changes++);
  await chat.connectUser({ id }, server.token(id));
  const first = await chat.expect("health.check");
  assert.equal(first.me.id, id);
  assert.deepEqual(chat.events.slice(0, 2).map((e) => e.type), ["connection.changed", "health.check"]);
  assert.ok(changes > 0);
});

test("a hello without `me` is one all the same", async (t) => {
  const h = await Hostile.start(t, (r) => Buffer.concat([r.accept(), frame({ ...HELLO, me: undefined })]));
  const chat = client(t, h);
  assert.equal((await chat.connectUser({ id: "john" }, devToken("john"))).id, "john");
  assert.equal(chat.user.id, "john");
});

test("an anonymous user reads, and writes nothing", async (t) => {
  const owner = uid();
  await server.users(owner);
  const id = uid("open");
  await server.api("POST", `/channels/livestream/${id}/query`, { data: { created_by_id: owner } });
  const chat = client(t, server);
  const me = await chat.connectAnonymousUser();
  assert.ok(me.id);
  await chat.channel("livestream", id).watch();
  await fails(chat.channel("livestream", id).sendMessage("hello"), { kind: "api" });
});

test("a guest", async (t) => {
  const id = uid("guest");
  const chat = client(t, server);
  const me = await chat.setGuestUser({ id, name: "Guest" });
  assert.deepEqual([me.id.endsWith(id), me.name, me.role], [true, "Guest", "guest"]);
});

test("a guest where there are none, and an answer that is nonsense", async (t) => {
  const h = await Hostile.start(t, (r, n) => [apiError(403, 17, "no guests here"), http(200, {}), http(200, "<html>"), null][n]);
  const chat = client(t, h);
  await fails(() => chat.setGuestUser({ id: "g" }), { kind: "api", code: 17, message: "no guests here" });
  await fails(() => chat.setGuestUser({ id: "g" }), { kind: "network" });
  await fails(() => chat.setGuestUser({ id: "g" }), { kind: "network" });
  await fails(() => chat.setGuestUser({ id: "g" }), { kind: "network" });
});

/* ---- disconnectUser in the way ---- */

test("disconnectUser right after connectUser: it fails, and nobody is connected", async (t) => {
  const id = uid();
  const chat = client(t, server);
  const before = await server.sessions();
  const connecting = fails(chat.connectUser({ id }, server.token(id)), { kind: "state" });
  await chat.disconnectUser();
  await within(1000, connecting, "the end of connectUser");
  assert.equal(chat.connection.state, "off");
  assert.equal(chat.user, null);
  assert.equal(await server.sessions(), before);
});

test("connect, disconnect, connect in one breath ends connected", async (t) => {
  const id = uid();
  const chat = client(t, server);
  const first = fails(chat.connectUser({ id }, server.token(id)), { kind: "state" });
  const over = chat.disconnectUser();
  const second = chat.connectUser({ id }, server.token(id));
  await within(5000, Promise.all([first, over, second]));
  assert.equal(chat.connection.state, "online");
  assert.equal((await second).id, id);
});

test("disconnect, connect, disconnect in one breath ends disconnected", async (t) => {
  const id = uid();
  const chat = client(t, server);
  await chat.connectUser({ id }, server.token(id));
  const over = chat.disconnectUser();
  const again = fails(chat.connectUser({ id }, server.token(id)), { kind: "state" });
  await Promise.all([over, chat.disconnectUser(), within(3000, again)]);
  assert.equal(chat.connection.state, "off");
});

test("disconnectUser at any moment of connecting: the promise ends and nothing is left", async (t) => {
  const moments = ["a provider", "an upgrade", "a hello"];
  for (const [i] of moments.entries()) {
    let isThere = false;
    const h = await Hostile.start(t, (r) => {
      isThere = true;
      return i === 1 ? undefined : r.accept();
    });
    const chat = client(t, h);
    const provider = () => (i === 0 ? ((isThere = true), new Promise(() => undefined)) : devToken("john"));
    const connecting = fails(chat.connectUser({ id: "john" }, provider), { kind: "state" });
    const call = fails(chat.request("GET", "/unread"), { kind: "state" });
    await until(() => isThere, moments[i]);
    await within(2500, Promise.all([chat.disconnectUser(), connecting, call]), moments[i]);
    h.send(good({ accept: () => Buffer.alloc(0) }));
    assert.equal(chat.connection.state, "off");
  }
});

test("a guest's login that comes after disconnectUser connects nobody", async (t) => {
  let answer;
  const h = await Hostile.start(t, (r) => (r.isWs ? good(r) : new Promise((go) => (answer = go))));
  const chat = client(t, h);
  const guest = fails(chat.setGuestUser({ id: "g" }), { kind: "state" });
  await until(() => answer, "the login");
  await chat.disconnectUser();
  answer(http(201, { user: { id: "guest-g" }, access_token: devToken("guest-g") }));
  await within(2000, guest);
  assert.equal(chat.connection.state, "off");
});

test("a token for a development server", async (t) => {
  const id = uid();
  const chat = client(t, server);
  assert.equal((await chat.connectUser({ id }, devToken(id))).id, id);
});

test("what a beginner mistypes is said at once: an option, a channel's id, a message", async (t) => {
  await fails(() => new BeckChat("key", { baseURL: "http://127.0.0.1:1", WebSocket: sockets(), enableWsFallback: true }), { kind: "argument", field: "enableWsFallback" });
  const chat = client(t, { url: "http://127.0.0.1:1" });
  await fails(async () => chat.channel("messaging", { members: ["john"] }), { kind: "argument", field: "id" });
  await fails(() => chat.channel("messaging", "c").sendMessage(), { kind: "argument", field: "message" });
});
