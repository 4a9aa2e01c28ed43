/* One page, one user after the other: what was the first one's does not become the next one's. */
import assert from "node:assert/strict";
import { HELLO, Hostile, client, devToken, fails, frame, http, test, within } from "./support.mjs";

const AT = "2026-01-01T00:00:00Z";
const SECRET = { id: "m", cid: "messaging:x", text: "ann's", type: "regular", created_at: AT, updated_at: AT, user: { id: "ann" } };
const STATE = { channel: { id: "x", type: "messaging", cid: "messaging:x", name: "ann's" }, messages: [SECRET], members: [], read: [] };
const ANSWERS = {
  "/channels": { channels: [STATE] },
  "/channels/messaging/x/query": STATE,
  "/users": { users: { ann: { id: "ann", name: "Ann" } } },
  "/messages/m": { message: SECRET },
};

/** A server that lets everybody in, and holds its answers to calls until `letGo`. */
async function scene(t) {
  let letGo;
  const held = new Promise((go) => (letGo = go));
  let came;
  const asked = new Promise((go) => (came = go));
  const h = await Hostile.start(t, async (r) => {
    const who = r.isWs && JSON.parse(r.query.get("json")).user_id;
    if (r.isWs) return Buffer.concat([r.accept(), frame({ ...HELLO, connection_id: `c-${who}`, me: { id: who } })]);
    came();
    await held;
    return http(200, ANSWERS[r.path]);
  });
  const chat = client(t, h);
  await chat.connectUser({ id: "ann" }, devToken("ann"));
  return { chat, letGo, asked };
}

const CALLS = {
  queryChannels: (chat) => chat.queryChannels({}),
  watch: (chat) => chat.channel("messaging", "x").watch(),
  "watch by members": (chat) => chat.channel("messaging", null, { members: ["ann", "cat"] }).create(),
  updateUser: (chat) => chat.updateUser({ set: { name: "Ann" } }),
  updateMessage: (chat) => chat.updateMessage({ id: "m", text: "ann's" }),
};
ANSWERS["/channels/messaging/query"] = STATE;

for (const [name, call] of Object.entries(CALLS))
  test(`an answer to ${name} that comes when its user has gone is nobody's`, async (t) => {
    const { chat, letGo, asked } = await scene(t);
    const late = call(chat).then(() => null, (e) => e);
    await asked;
    await chat.disconnectUser();
    letGo();
    const error = await within(3000, late);
    assert.equal(chat.user, null);
    await chat.connectUser({ id: "bob" }, devToken("bob"));
    assert.equal(chat.user.id, "bob");
    const channel = chat.channel("messaging", "x");
    assert.deepEqual([channel.state.messages, channel.data.name], [[], undefined]);
    assert.equal(error?.kind, "state", `${error}`);
  });

for (const [name, call] of Object.entries(CALLS))
  test(`an answer to ${name} that comes when another user is there is not his`, async (t) => {
    const { chat, letGo, asked } = await scene(t);
    const late = call(chat).then(() => null, (e) => e);
    await asked;
    await chat.disconnectUser();
    await chat.connectUser({ id: "bob" }, devToken("bob"));
    const channel = chat.channel("messaging", "x");
    letGo();
    const error = await within(3000, late);
    assert.equal(chat.user.id, "bob");
    assert.deepEqual([channel.state.messages, channel.data.name], [[], undefined]);
    assert.equal(error?.kind, "state", `${error}`);
  });
