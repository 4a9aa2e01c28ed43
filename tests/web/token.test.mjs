/* The token provider: asked when it is needed, once at a time, never in a storm. */
import assert from "node:assert/strict";
import { after } from "node:test";
import { Box, HELLO, Hostile, Server, apiError, client, devToken, fails, frame, good, http, nowS, test, uid, until, within } from "./support.mjs";

const server = await new Server().start();
after(() => server.destroy());

const EXPIRED = { error: { code: 40, message: "token expired", StatusCode: 401 } };
const fresh = (n) => devToken("john", { n, exp: nowS() + 3600 });
const tokenOf = (request) => request.query.get("authorization") ?? request.headers.authorization;

/** A provider that counts and numbers. */
function provider(make = fresh) {
  const p = async () => make(++p.asked);
  p.asked = 0;
  return p;
}

test("asked once at the first connect, and not again for calls", async (t) => {
  const id = uid();
  const give = provider(() => server.token(id, { exp: nowS() + 3600 }));
  const chat = client(t, server);
  await chat.connectUser({ id }, give);
  await Promise.all([1, 2, 3, 4, 5].map(() => chat.request("GET", "/unread")));
  assert.equal(give.asked, 1);
});

test("a provider that is no promise, and one that throws at once", async (t) => {
  const id = uid();
  const chat = client(t, server);
  await fails(() => chat.connectUser({ id }, () => { throw new Error("the backend is closed"); }), { kind: "token", message: /the backend is closed/ });
  await chat.connectUser({ id }, () => server.token(id));
});

for (const [name, give, message] of [
  ["fails", () => Promise.reject(new Error("no session")), /no session/],
  ["gives nothing", () => Promise.resolve(undefined), /no token/],
  ["gives rubbish", () => Promise.resolve("<html>"), /no token/],
  ["gives another user's", () => Promise.resolve(devToken("jane")), /jane/],
  ["gives a server token", () => Promise.resolve(devToken("john", { server: true })), /server token/],
])
  test(`a provider that ${name}: said at once`, async (t) => {
    const chat = client(t, server);
    await within(1000, fails(() => chat.connectUser({ id: "john" }, give), { kind: "token", message }));
    assert.equal(chat.connection.state, "failed");
  });

test("a provider that hangs: connectUser ends with its time", async (t) => {
  const chat = client(t, server, { timeout: 400 });
  await within(1500, fails(() => chat.connectUser({ id: "john" }, () => new Promise(() => undefined)), { kind: "timeout" }));
});

test("a token that runs out is asked anew before it is used", async (t) => {
  const id = uid();
  let exp = 1;
  const give = provider(() => server.token(id, { exp: nowS() + exp }));
  const chat = client(t, server);
  await chat.connectUser({ id }, give);
  exp = 3600;
  const runsOut = Date.now() + 1100;
  await until(() => Date.now() > runsOut, "the token to run out");
  await Promise.all([1, 2, 3, 4, 5, 6].map(() => chat.request("GET", "/unread")));
  assert.equal(give.asked, 2, "one question for six calls");
});

/** A scripted server where tokens with n < `valid` are expired. */
async function picky(t, options = {}, more = () => undefined) {
  const state = { valid: 1, refusals: 0 };
  const numberOf = (r) => JSON.parse(Buffer.from(tokenOf(r).split(".")[1], "base64url")).n;
  const h = await Hostile.start(t, (r) => {
    if (r.query.get("close") === "true") return http(200, {});
    if (numberOf(r) < state.valid) {
      state.refusals++;
      return r.isWs ? Buffer.concat([r.accept(), frame(EXPIRED)]) : apiError(401, 40, "token expired");
    }
    if (r.isWs) return options.noWs ? http(403) : good(r);
    return more(r) ?? (r.method === "POST" && r.path === "/longpoll" ? http(200, { event: HELLO }) : http(200, { ok: 1 }));
  });
  const give = provider();
  const chat = client(t, h, options);
  await chat.connectUser({ id: "john" }, give);
  return { h, state, give, chat };
}

test("code 40 to many calls at once: one question, and all are made again", async (t) => {
  const { state, give, chat } = await picky(t);
  state.valid = 2;
  const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => chat.request("POST", "/x", { body: {} })));
  assert.ok(answers.every((a) => a.ok === 1));
  assert.equal(give.asked, 2);
});

test("code 40 again with the new token: the error comes out, nothing goes round", async (t) => {
  const { h, state, give, chat } = await picky(t);
  state.valid = 1000;
  await fails(() => chat.request("GET", "/x"), { kind: "api", code: 40 });
  assert.equal(give.asked, 2);
  assert.equal(h.calls("/x").length, 2);
});

test("code 40 to a connect: a new token, then in", async (t) => {
  const { h, state, give, chat } = await picky(t);
  state.valid = 2;
  h.hangUp();
  await chat.expect("connection.changed", { online: false });
  await chat.expect("connection.changed", { online: true }, chat.events.findIndex((e) => e.online === false));
  assert.equal(give.asked, 2);
});

test("code 40 to every connect in mid-session: asked at the pace of attempts, and it heals", async (t) => {
  const { h, state, give, chat } = await picky(t, { maxReconnectWait: 40 });
  state.valid = 8;
  h.hangUp();
  const mark = chat.mark();
  await chat.expect("connection.changed", { online: true }, mark);
  assert.equal(give.asked, 8);
  assert.ok(state.refusals <= 8, `${state.refusals}`);
});

test("code 40 at a revocation, on the open connection", async (t) => {
  const id = uid();
  const give = provider(() => server.token(id, { iat: nowS() + 1 }));
  const chat = client(t, server);
  await chat.connectUser({ id }, () => (give.asked ? give() : ((give.asked = 1), server.token(id, { iat: nowS() - 100 }))));
  await server.api("PATCH", "/users", { users: [{ id, set: { revoke_tokens_issued_before: new Date(Date.now() - 50_000).toISOString() } }] });
  await chat.expect("connection.changed", { online: false });
  await chat.expect("connection.changed", { online: true }, 3);
  assert.equal(give.asked, 2);
});

test("a fixed string that is revoked ends the connection for good, with the reason", async (t) => {
  const id = uid();
  const chat = client(t, server);
  await chat.connectUser({ id }, server.token(id, { iat: nowS() - 100 }));
  await server.api("PATCH", "/users", { users: [{ id, set: { revoke_tokens_issued_before: new Date().toISOString() } }] });
  const end = await chat.expect("connection.changed", { online: false, is_final: true });
  assert.equal(end.error.code, 40);
  assert.deepEqual([chat.connection.state, chat.connection.error.code], ["failed", 40]);
  await fails(() => chat.request("GET", "/unread", { timeout: 50 }), { kind: "state" });
});

test("a fixed string that has expired is the server's to refuse, once", async (t) => {
  const id = uid();
  const chat = client(t, server);
  await fails(() => chat.connectUser({ id }, server.token(id, { exp: nowS() - 10 })), { kind: "api", code: 40 });
});

test("a token that runs out between polls is renewed, and the session goes on", async (t) => {
  let held = null;
  const { state, give, chat } = await picky(t, { noWs: true, enableWSFallback: true, wsHeadStart: 1 }, (r) => (r.path === "/longpoll" && r.method === "GET" ? new Promise((go) => (held = go)) : undefined));
  await until(() => held, "a poll");
  state.valid = 2;
  held(http(200, { events: [{ type: "custom", cid: "a:b" }] }));
  held = null;
  await chat.expect("custom");
  await until(() => held, "the next poll");
  assert.equal(give.asked, 2);
  assert.ok(!chat.events.some((e) => e.type === "connection.changed" && e.online === false), "nothing went offline");
});

test("a provider that fails for a while in mid-session is asked again, and it heals", async (t) => {
  const h = await Hostile.start(t, (r) => good(r));
  let asked = 0;
  const chat = client(t, h, { maxReconnectWait: 30 });
  await chat.connectUser({ id: "john" }, () => {
    asked++;
    if (asked > 1 && asked < 5) throw new Error("the backend is down");
    return devToken("john", { exp: asked === 1 ? nowS() + 1 : nowS() + 3600 });
  });
  const runsOut = Date.now() + 1100;
  await until(() => Date.now() > runsOut, "the token to run out");
  const mark = chat.mark();
  h.hangUp();
  await chat.expect("connection.changed", { online: true }, mark);
  assert.equal(asked, 5);
});

test("a provider that hangs in mid-session: calls end with their time, and it heals when it comes", async (t) => {
  const h = await Hostile.start(t, (r) => (r.isWs ? good(r) : http(200, { ok: 1 })));
  const asked = [];
  const chat = client(t, h, { timeout: 500 });
  await chat.connectUser({ id: "john" }, () => (asked.length === 0 ? (asked.push(0), devToken("john", { exp: nowS() + 1 })) : new Promise((go) => asked.push(go))));
  const runsOut = Date.now() + 1100;
  await until(() => Date.now() > runsOut, "the token to run out");
  await within(1200, Promise.all([1, 2, 3].map(() => fails(() => chat.request("GET", "/x"), { kind: "timeout" }))));
  assert.equal(asked.length, 2, "one question is under way");
  asked[1](devToken("john", { exp: nowS() + 3600 }));
  assert.equal((await chat.request("GET", "/x")).ok, 1);
});

test("polls meet a revoked token in mid-session on the real server", async (t) => {
  const id = uid();
  const box = await Box.before(t, server, { mode: "refuse" });
  let asked = 0;
  const chat = client(t, box, { enableWSFallback: true });
  await chat.connectUser({ id }, () => (asked++, server.token(id, { iat: asked === 1 ? nowS() - 100 : nowS() + 1 })));
  await server.users(uid());
  await server.api("PATCH", "/users", { users: [{ id, set: { revoke_tokens_issued_before: new Date(Date.now() - 50_000).toISOString() } }] });
  await until(() => asked === 2, "a new token");
  const channel = await server.channel(id, [id]);
  await chat.expect("notification.added_to_channel", { channel_id: channel });
});
