/* Servers that lie, stop, cut and stammer: a clear error or a new attempt, never an exception that nobody catches, never a hang, never a
 * storm. */
import assert from "node:assert/strict";
import { HELLO, Hostile, apiError, client, devToken, fails, frame, good, http, test, until, within } from "./support.mjs";

const TOKEN = devToken("john");
const connect = (chat) => chat.connectUser({ id: "john" }, TOKEN);

/* ---- the handshake ---- */

for (const [name, answer] of [
  ["wrong-accept", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"],
  ["no-accept", "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
  ["200", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhtml"],
  ["302", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"],
  ["500", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"],
  ["ssh", "SSH-2.0-OpenSSH_9\r\n\r\n"],
  ["empty", "\r\n\r\n"],
])
  test(`a wrong handshake: ${name}`, async (t) => {
    for (const enableWSFallback of [false, true]) {
      const h = await Hostile.start(t, () => Buffer.from(answer));
      const chat = client(t, h, { timeout: 400, enableWSFallback });
      await within(2000, fails(() => connect(chat), { kind: /network|timeout/ }));
    }
  });

const FIRSTS = {
  "bare text": frame("token invalid"),
  "no JSON": frame("{"),
  array: frame([]),
  null: frame("null"),
  "no type": frame({ connection_id: "x" }),
  "another event": frame({ type: "message.new", cid: "a:b" }),
  "a type that is a number": frame({ type: 7 }),
  "a hello without an id": frame({ ...HELLO, connection_id: undefined }),
  "a hello with an empty id": frame({ ...HELLO, connection_id: "" }),
  "a hello with a number": frame({ ...HELLO, connection_id: 7 }),
  binary: frame(Buffer.from([0, 1]), 2),
  rsv: frame(HELLO, 1, { rsv: 4 }),
  opcode: frame("", 5),
  "a lone continuation": frame(HELLO, 0),
  "bad UTF-8": frame(Buffer.from([0xff, 0xfe])),
  "a monster": frame("x", 1, { length: 2 ** 31 }),
  deep: frame("[".repeat(5000) + "]".repeat(5000)),
  close: frame(Buffer.from([3, 0xe8]), 8),
  "close of one byte": frame(Buffer.from([3]), 8),
  "nothing and gone": null,
};

for (const [name, bytes] of Object.entries(FIRSTS))
  test(`a first frame that is wrong (${name}), then a good connection`, async (t) => {
    const h = await Hostile.start(t, (r, n) => (n === 0 ? bytes && Buffer.concat([r.accept(), bytes]) : good(r)));
    const chat = client(t, h, { timeout: 3000, maxReconnectWait: 30 });
    const connecting = connect(chat);
    // Frames that mean nothing are waited over; the server may still say hello.
    if (/^(another event|a hello)/.test(name)) {
      await until(() => h.sockets.size > 0, "the first connection");
      h.hangUp();
    }
    await connecting;
    assert.equal(chat.connection.id, "c-1");
  });

for (const [name, bytes] of Object.entries(FIRSTS).filter(([n]) => !/^(another event|a hello|nothing)/.test(n)))
  test(`nonsense in mid-session: ${name}`, async (t) => {
    const h = await Hostile.start(t, (r) => good(r));
    const chat = client(t, h, { maxReconnectWait: 30 });
    await connect(chat);
    const mark = chat.mark();
    h.send(bytes);
    await chat.expect("connection.changed", { online: false }, mark);
    await chat.expect("connection.changed", { online: true }, mark);
    h.send(frame({ type: "custom", cid: "a:b", n: 1 }));
    await chat.expect("custom", { n: 1 });
  });

/* ---- events of the wrong shape ---- */

const SHAPES = [null, 7, "x", true, [], {}, [null], { id: null }];

test("events whose parts have the wrong shape stop nobody", async (t) => {
  const h = await Hostile.start(t, (r) => (r.isWs ? good(r) : http(201, { channel: { cid: "messaging:x", id: "x", type: "messaging" }, messages: [], members: [], read: [], watchers: [] })));
  const uncaught = [];
  const note = (e) => uncaught.push(e);
  process.on("uncaughtException", note);
  t.defer(() => process.off("uncaughtException", note));
  const chat = client(t, h);
  await connect(chat);
  const channel = chat.channel("messaging", "x");
  await channel.watch();
  const list = chat.channelList({});
  await chat.channelList({}).load().catch(() => undefined);
  const types = ["message.new", "message.updated", "message.deleted", "message.undeleted", "message.read", "message.delivered", "notification.mark_read", "notification.mark_unread", "channel.truncated", "channel.updated", "channel.deleted", "channel.hidden", "member.added", "member.removed", "user.watching.start", "user.watching.stop", "typing.start", "typing.stop", "user.messages.deleted", "user.updated", "user.presence.changed", "notification.added_to_channel", "health.check"];
  let n = 0;
  for (const type of types)
    for (const key of ["message", "user", "member", "channel", "me", "created_at", "cid", "seq", "last_read_message_id"])
      for (const shape of SHAPES) {
        n++;
        h.send(frame({ type, cid: "messaging:x", user: { id: "jane" }, message: { id: "m", created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z" }, [key]: shape }));
      }
  h.send(frame({ type: "custom", cid: "messaging:x", n }));
  await chat.expect("custom", { n });
  assert.equal(chat.connection.state, "online");
  assert.deepEqual(uncaught, []);
  list.close();
});

test("answers whose parts have the wrong shape are errors of their call", async (t) => {
  let answer = {};
  const h = await Hostile.start(t, (r) => (r.isWs ? good(r) : http(201, answer)));
  const chat = client(t, h);
  await connect(chat);
  const uncaught = [];
  const note = (e) => uncaught.push(e);
  process.on("unhandledRejection", note);
  t.defer(() => process.off("unhandledRejection", note));
  for (answer of [{}, { channel: null }, { channels: null }, { channels: [null] }, { channels: [{}] }, { channel: {}, messages: 7, read: "x" }, { message: 3 }]) {
    for (const call of [() => chat.channel("messaging", "x").watch(), () => chat.queryChannels({}), () => chat.channelList({}).load(), () => chat.channel("messaging", "x").loadOlder(), () => chat.channel("messaging", "x").loadReplies("m")]) {
      const error = await call().then(() => null, (e) => e);
      assert.ok(error === null || error instanceof Error);
    }
  }
  assert.equal(chat.connection.state, "online");
  assert.deepEqual(uncaught, []);
});

/* ---- refusals ---- */

test("error frames: what the server says comes out", async (t) => {
  let error = { code: 43, message: "no", StatusCode: 401 };
  const h = await Hostile.start(t, (r) => Buffer.concat([r.accept(), frame({ error })]));
  const chat = client(t, h, { timeout: 500 });
  await fails(() => connect(chat), { kind: "api", code: 43, status: 401, message: "no" });
  error = { code: 4, message: "x".repeat(5000), StatusCode: 400 };
  await fails(() => connect(chat), { kind: "api", code: 4 });
  for (error of [{}, { code: "x" }, { code: 7.5, message: {} }]) await within(2000, fails(() => connect(chat)));
});

test("an overloaded server is tried again", async (t) => {
  const h = await Hostile.start(t, (r, n) => Buffer.concat([r.accept(), n < 3 ? frame({ error: { code: 9, message: "too many", StatusCode: 429 } }) : frame(HELLO)]));
  const chat = client(t, h, { maxReconnectWait: 30 });
  await connect(chat);
  assert.equal(h.requests.length, 4);
});

test("a server that lets in and throws out is not stormed", async (t) => {
  const h = await Hostile.start(t, (r) => (setTimeout(() => r.socket.destroy(), 1), good(r)));
  const chat = client(t, h, { maxReconnectWait: 60_000 });
  await connect(chat).catch(() => undefined);
  // Pauses that are drawn from 0 to 1 s would make it about twenty in ten seconds; they have to grow instead.
  const times = [];
  const random = Math.random;
  Math.random = () => 0.02;
  t.defer(() => (Math.random = random));
  await until(() => (times.push(h.requests.length), h.requests.length >= 8), "some attempts");
  const at = h.requests.length;
  await new Promise((go) => setTimeout(go, 1000));
  assert.ok(h.requests.length - at <= 2, `${h.requests.length - at} more attempts within a second`);
});

test("a server that lets in and then says that the token has expired is not stormed, nor is the provider", async (t) => {
  let asked = 0;
  const h = await Hostile.start(t, (r) => Buffer.concat([good(r), frame({ error: { code: 40, message: "expired", StatusCode: 401 } })]));
  const chat = client(t, h, { maxReconnectWait: 60_000 });
  await chat.connectUser({ id: "john" }, () => (asked++, TOKEN));
  await new Promise((go) => setTimeout(go, 700));
  assert.ok(h.requests.length < 12 && asked < 12, `${h.requests.length} connects, ${asked} questions`);
});

test("Retry-After: 0 is no leave to storm: connects, polls, calls and sends", async (t) => {
  const over = () => apiError(429, 9, "too many", { "Retry-After": "0" });
  let isOver = false;
  const h = await Hostile.start(t, (r) => {
    if (r.isWs) return http(403);
    if (isOver) return over();
    return r.method === "POST" && r.path === "/longpoll" ? http(200, { event: HELLO }) : r.path === "/longpoll" ? new Promise((go) => setTimeout(() => go(isOver ? over() : http(200, { events: [] })), 50)) : http(200, {});
  });
  const chat = client(t, h, { enableWSFallback: true, maxReconnectWait: 60_000 });
  await connect(chat);
  isOver = true;
  const before = h.requests.length;
  const sending = chat.channel("messaging", "x").sendMessage("hello").catch(() => undefined);
  const call = chat.request("GET", "/x", { timeout: 1500 }).catch(() => undefined);
  await call;
  assert.ok(h.requests.length - before < 30, `${h.requests.length - before} requests`);
  await chat.disconnectUser();
  await sending;
});

test("a resume that the server does not understand does not keep the client out", async (t) => {
  let isOut = true;
  const h = await Hostile.start(t, (r) => {
    if (r.query.get("json")?.includes("resume_from") && isOut) return Buffer.concat([r.accept(), frame({ error: { code: 4, message: "resume", StatusCode: 400 } })]);
    return Buffer.concat([r.accept(), frame({ ...HELLO, seq: 7 })]);
  });
  const chat = client(t, h, { maxReconnectWait: 30 });
  await connect(chat);
  h.hangUp();
  const end = await chat.expect("connection.recovered");
  assert.equal(end.gap, true, "and what was missed is not hidden");
  isOut = false;
});

test("a reload after a gap that fails is made with the next connection", async (t) => {
  let n = 0;
  let isDown = true;
  const answer = { channel: { cid: "messaging:x", id: "x", type: "messaging" }, messages: [], read: [] };
  const h = await Hostile.start(t, (r) => {
    if (r.isWs) return Buffer.concat([r.accept(), frame({ ...HELLO, connection_id: `c-${++n}`, seq: 7 + n, ...(n === 2 && { gap: true }), ...(n === 3 && { resumed: true }) }), ...(n === 3 ? [frame({ type: "health.check", connection_id: "c-3", caught_up: true })] : [])]);
    if (r.path === "/channels") return isDown ? apiError(500, -1) : http(201, { channels: [answer] });
    return http(201, answer);
  });
  const chat = client(t, h, { maxReconnectWait: 30 });
  await connect(chat);
  await chat.channel("messaging", "x").watch();
  h.hangUp();
  await until(() => h.calls("/channels").length === 1, "the reload");
  isDown = false;
  const mark = chat.mark();
  h.hangUp();
  assert.equal((await chat.expect("connection.recovered", {}, mark)).gap, true);
  await until(() => h.calls("/channels").length === 2, "another");
});

test("code 46 for ever: one reconnect after the other, at their pace, and the call ends with its time", async (t) => {
  const h = await Hostile.start(t, (r) => (r.isWs ? good(r) : apiError(400, 46)));
  const chat = client(t, h, { timeout: 1500 });
  await connect(chat);
  await within(4000, fails(chat.channel("messaging", "x").watch()));
  assert.ok(h.requests.length < 30, `${h.requests.length} requests`);
});

test("a watch with a connection that the server has forgotten comes right", async (t) => {
  let n = 0;
  const h = await Hostile.start(t, (r) => {
    if (r.isWs) return Buffer.concat([r.accept(), frame({ ...HELLO, connection_id: `c-${++n}` })]);
    if (r.query.get("connection_id") === "c-1") return apiError(400, 46);
    return http(201, { channel: { cid: "messaging:x", id: "x", type: "messaging" } });
  });
  const chat = client(t, h, { maxReconnectWait: 30 });
  await connect(chat);
  await chat.channel("messaging", "x").watch();
  assert.equal(chat.connection.id, "c-2");
});

/* ---- answers to calls ---- */

async function call(t, answers, method = "GET", timeout = 4000) {
  let last;
  const h = await Hostile.start(t, (r) => (r.isWs ? good(r) : (last = answers.length > 0 ? answers.shift() : last)));
  const chat = client(t, h, { timeout });
  await connect(chat);
  const began = Date.now();
  const outcome = await chat.request(method, "/unread", method === "POST" ? { body: {} } : {}).then((reply) => ({ reply }), (error) => ({ error }));
  return { h, ...outcome, took: Date.now() - began };
}

for (const [name, answer, want] of [
  ["half a JSON", http(200, "{"), { kind: "network" }],
  ["HTML", http(200, "<html><title>Welcome</title>Log in to the WiFi</html>"), { kind: "network" }],
  ["deep", http(200, "[".repeat(100_000)), { kind: "network" }],
  ["empty", http(200, ""), { kind: "network" }],
  ["201", http(201, { a: 1 }), null],
  ["an array", http(200, "[]"), { kind: "network" }],
  ["a 404 in HTML", http(404, "<html><h1>not here</h1></html>"), { kind: "network", status: 404, message: /not here/ }],
  ["a 502 in HTML", http(502, "<html>bad gateway</html>"), { kind: "network", status: 502, retryable: true }],
  ["a 400 of bytes", http(400, Buffer.from([0xff, 0xfe, 0])), { kind: "network", status: 400 }],
  ["403", apiError(403, 17, "you may not"), { kind: "api", code: 17, status: 403, message: "you may not", retryable: false }],
  ["500", apiError(500, -1, "oh"), { kind: "api", code: -1, retryable: true }],
  ["a redirect to nowhere", http(302, "", { Location: "http://127.0.0.1:1/" }), { kind: "network" }],
  ["garbage", Buffer.from("garbage\r\n\r\n"), { kind: "network" }],
  ["nothing", null, { kind: "network" }],
])
  test(`an answer to a call: ${name}`, async (t) => {
    const { error, reply } = await call(t, [answer], "POST");
    if (want === null) return assert.equal(reply.a, 1);
    await fails(Promise.reject(error), want);
    assert.ok(error.message.length < 250, error.message);
  });

test("a redirect does not carry the token to another host's server", async (t) => {
  const thief = await Hostile.start(t, () => http(200, {}));
  const { h } = await call(t, [http(307, "", { Location: `${thief.url.replace("127.0.0.1", "localhost")}/x` })], "POST", 1500);
  assert.ok(h.calls()[0].headers.authorization);
  for (const r of thief.requests) assert.equal(r.headers.authorization, undefined);
});

test("an answer without end", async (t) => {
  const { error, took } = await call(t, [Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")], "POST", 700);
  assert.equal(error.kind, "timeout");
  assert.ok(took < 1500);
});

test("a GET is tried again when the server is over its limits, or gone for a moment", async (t) => {
  const { h, reply } = await call(t, [apiError(503, -1), null, apiError(429, 9), http(200, { ok: 1 })], "GET", 20_000);
  assert.equal(reply.ok, 1);
  assert.equal(h.calls().length, 4);
});

test("a write is tried again only when the server has said that it did nothing", async (t) => {
  for (const [answer, n] of [[apiError(429, 9), 2], [apiError(503, -1), 2], [apiError(500, -1), 1], [apiError(502, -1), 1]]) {
    const { h } = await call(t, [answer, http(200, { ok: 1 })], "POST");
    assert.equal(h.calls().length, n);
  }
});

test("Retry-After is kept, in both forms", async (t) => {
  for (const wish of [() => "1", () => new Date(Date.now() + 2500).toUTCString()]) {
    const { reply, took } = await call(t, [apiError(429, 9, "slow down", { "Retry-After": wish() }), http(200, { ok: 1 })]);
    assert.equal(reply.ok, 1);
    assert.ok(took >= 950, `${took} ms`);
  }
});

test("a wish for more time than the call has is the error, at once", async (t) => {
  const { error, took } = await call(t, [apiError(429, 9, "slow down", { "Retry-After": "60" })]);
  assert.deepEqual([error.code, error.retryAfter], [9, 60_000]);
  assert.ok(took < 1000);
});

/* ---- polls ---- */

test("answers of a poll that are nonsense: the session goes on", async (t) => {
  const answers = [http(200, "{"), http(200, { events: [{ type: "a" }] }), http(200, { events: 7 }), http(200, { events: ["x", null, {}, 7, { type: "b" }] }), http(502, "<html>"), null, http(200, { events: [{ type: "custom" }] })];
  const h = await Hostile.start(t, (r) => {
    if (r.isWs) return http(403);
    if (r.method === "POST") return http(200, { event: HELLO });
    if (r.query.get("close")) return http(200, {});
    return answers.length > 0 ? answers.shift() : undefined;
  });
  const chat = client(t, h, { enableWSFallback: true, maxReconnectWait: 30 });
  await connect(chat);
  await chat.expect("custom");
  const types = chat.events.map((e) => e.type);
  assert.ok(types.includes("a") && types.includes("b"), types.join());
  assert.ok(types.every((x) => typeof x === "string"));
});

test("polls that are refused for good end the session and make another", async (t) => {
  let n = 0;
  const h = await Hostile.start(t, (r) => {
    if (r.isWs) return http(403);
    if (r.method === "POST") return http(200, { event: { ...HELLO, connection_id: `c-${++n}` } });
    if (r.query.get("close")) return http(200, {});
    return n < 3 ? apiError(400, 46) : undefined;
  });
  const chat = client(t, h, { enableWSFallback: true, maxReconnectWait: 30 });
  await connect(chat);
  await until(() => chat.connection.id === "c-3", "the third");
});

test("cut after every few bytes of handshake and hello", async (t) => {
  const h = await Hostile.start(t, (r, n) => {
    const whole = good(r);
    if (9 * n >= whole.length) return whole;
    r.socket.end(whole.subarray(0, 9 * n));
    return undefined;
  });
  const chat = client(t, h, { timeout: 20_000, maxReconnectWait: 5 });
  await connect(chat);
  assert.ok(h.requests.length > 25, `${h.requests.length}`);
});

test("a thousand small frames in one segment, and one message over many", async (t) => {
  const h = await Hostile.start(t, (r) => good(r));
  const chat = client(t, h);
  await connect(chat);
  h.send(Buffer.concat(Array.from({ length: 1000 }, (_, n) => frame({ type: "n", n }))));
  await chat.expect("n", { n: 999 });
  assert.deepEqual(chat.events.filter((e) => e.type === "n").map((e) => e.n), Array.from({ length: 1000 }, (_, n) => n));
  const text = JSON.stringify({ type: "long", text: "ä".repeat(100_000) });
  const bytes = Buffer.from(text);
  for (let i = 0; i < bytes.length; i += 5001) h.send(frame(bytes.subarray(i, i + 5001), i === 0 ? 1 : 0, { fin: i + 5001 >= bytes.length }));
  assert.equal((await chat.expect("long")).text.length, 100_000);
});
