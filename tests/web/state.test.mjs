/* What a channel shows, however its events and answers cross: real streams of a real server, replayed in thousands of orders that can
 * happen, end as the server says. A failure names its seed; SEED=n runs it alone. */
import assert from "node:assert/strict";
import { after } from "node:test";
import { BeckChat, Server, Ws, test, uid, until } from "./support.mjs";

const server = await new Server().start();
after(() => server.destroy());
const STREAMS = 12;
const ORDERS = Number(process.env.ORDERS ?? 200);

/** A small generator that repeats itself. */
function chance(seed) {
  let s = (seed * 2654435761 + 1) >>> 0;
  const next = () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    s >>>= 0;
    return s / 2 ** 32;
  };
  for (let i = 0; i < 5; i++) next();
  return { next, below: (n) => Math.floor(next() * n), pick: (list) => list[Math.floor(next() * list.length)], is: (p) => next() < p };
}

/* ---- a stream, recorded: events as one who watches gets them, and what a query said after each step ---- */

async function record(t, seed) {
  const r = chance(seed);
  const [ann, bob, eve] = await server.users(uid("ann"), uid("bob"), uid("eve"));
  const id = await server.channel(bob, [ann, bob, eve]);
  const cid = `messaging:${id}`;
  const json = encodeURIComponent(JSON.stringify({ user_id: ann, user_details: { id: ann }, resume: true }));
  const ws = new Ws(`${server.url.replace("http", "ws")}/connect?api_key=${server.key}&json=${json}&authorization=${server.token(ann)}`);
  t.defer(() => ws.terminate());
  const all = [];
  ws.on("message", (d) => all.push(JSON.parse(d)));
  const hello = await until(() => all.find((e) => e.type === "health.check"), "the hello");
  const query = (limit) => server.api("POST", `/channels/messaging/${id}/query?connection_id=${hello.connection_id}`, { state: true, watch: true, messages: { limit } }, ann);
  await query(25);
  const channel = `/channels/messaging/${id}`;
  const sent = [];
  const dead = new Set();
  const alive = () => sent.filter((m) => !dead.has(m.id));
  const say = async (who, more) => void sent.push(await server.say(who, id, `t${sent.length}`, more));
  const on = (then) => async () => alive().length > 0 && then(r.pick(alive()));
  const steps = [
    [10, () => say(bob)],
    [5, () => say(eve)],
    [2, () => say(ann)],
    [1, () => say(bob, { silent: true })],
    [5, on((m) => !m.parent_id && say(r.pick([bob, eve]), { parent_id: m.id }))],
    [2, on((m) => !m.parent_id && say(bob, { parent_id: m.id, show_in_channel: true }))],
    [3, on((m) => m.user.id !== ann && server.api("POST", `/messages/${m.id}`, { message: { text: `${m.text}!` } }, m.user.id))],
    [2, on((m) => (dead.add(m.id), server.api("DELETE", `/messages/${m.id}`, undefined, m.user.id)))],
    [2, on((m) => (dead.add(m.id), server.api("DELETE", `/messages/${m.id}?hard=true`)))],
    [1, on((m) => (dead.add(m.id), server.api("DELETE", `/messages/${m.id}?delete_for_me=true`, undefined, ann)))],
    [1, async () => {
      const m = sent.find((x) => dead.has(x.id) && x.isSoft);
      if (m) (dead.delete(m.id), (m.isSoft = false), await server.api("POST", `/messages/${m.id}/undelete`, { undeleted_by: m.user.id }));
    }],
    [1, on((m) => ((m.isSoft = true), dead.add(m.id), server.api("DELETE", `/messages/${m.id}`, undefined, m.user.id)))],
    [2, () => server.api("POST", `${channel}/read`, {}, ann)],
    [2, () => server.api("POST", `${channel}/read`, {}, r.pick([bob, eve]))],
    [1, async () => {
      const last = alive().filter((m) => !m.parent_id).slice(-3);
      if (last.length > 1) await server.api("POST", `${channel}/read`, { message_id: last[last.length - 2].id }, ann);
    }],
    [2, on((m) => !m.parent_id && server.api("POST", `${channel}/unread`, { message_id: m.id }, ann))],
    [1, () => server.api("POST", "/channels/read", {}, ann)],
    [1, () => server.api("POST", channel, { remove_members: [eve] }, bob).then(() => server.api("POST", channel, { add_members: [eve] }, bob))],
    [0.5, async () => {
      await server.api("POST", `${channel}/truncate`, { user_id: bob });
      for (const m of sent) dead.add(m.id), (m.isSoft = false);
    }],
    [0.5, async () => {
      await server.api("POST", `${channel}/hide`, { clear_history: true }, ann);
      for (const m of sent) dead.add(m.id), (m.isSoft = false);
      await server.api("POST", `${channel}/show`, {}, ann);
    }],
    [1, () => server.api("PATCH", channel, { set: { name: `n${r.below(99)}` } }, bob)],
  ];
  const total = steps.reduce((n, [w]) => n + w, 0);
  const snapshots = []; // [events before it, answer]
  const stream = () => all.filter((e) => e.cid === cid || e.channel?.cid === cid || (e.type === "notification.mark_read" && !e.cid)).filter((e) => e.type !== "x.mark" && !e.type.startsWith("user."));
  for (let i = 0; i <= 55; i++) {
    if (i > 0) {
      let n = r.next() * total;
      const step = steps.find(([w]) => (n -= w) < 0);
      await step[1]().catch((e) => assert.match(e.message, /"code":(4|16|17),/)); // of what is gone, with its parent for instance
    }
    await server.api("POST", `${channel}/event`, { event: { type: "x.mark", n: i } }, bob);
    await until(() => all.some((e) => e.type === "x.mark" && e.n === i), "the mark");
    snapshots.push([stream().length, await query(25)]);
  }
  const full = await query(300);
  const replies = {};
  for (const m of sent.filter((x) => !x.parent_id)) {
    const got = await server.api("GET", `/messages/${m.id}/replies?limit=100`, undefined, ann).catch(() => null);
    if (got) replies[m.id] = got.messages;
  }
  // What a recount is told: the message as it was at each time is not kept, so it is told the end.
  const finals = {};
  for (const m of sent) {
    const got = await server.api("GET", `/messages/${m.id}`, undefined, ann).catch(() => null);
    if (got) finals[m.id] = got.message;
  }
  ws.terminate();
  return { ann, id, cid, hello, events: stream(), snapshots, full, replies, finals };
}

/* ---- one order ---- */

const breath = () => new Promise((go) => setImmediate(go));

/** A stream given to a client whose platform is the test. */
async function replay(s, seed) {
  const r = chance(seed);
  const hasSeq = r.is(0.5);
  const end = s.events.length;
  const dress = (e) => {
    const copy = JSON.parse(JSON.stringify(e));
    if (!hasSeq) delete copy.seq;
    return JSON.stringify(copy);
  };
  const first = r.below(s.snapshots.length - 5);
  let pos = s.snapshots[first][0]; // events before it were never for this client
  const questions = []; // { due, answer() }
  const notes = [];
  let told = 0; // the newest position that an answer knew of
  const snapshotAfter = (at) => {
    const options = s.snapshots.filter(([n]) => n >= at);
    const found = options[Math.min(r.below(4), options.length - 1)];
    told = Math.max(told, found[0]);
    return found;
  };
  let syncFrom = 0;
  const isAsked = [];
  const later = (what, answer) =>
    new Promise((go) => {
      isAsked.push(what);
      const say = (reply) => go({ ok: reply.message !== undefined || what !== "recount", status: 404, headers: new Map(), text: async () => JSON.stringify({ code: 16, ...reply }) });
      questions.push({ due: pos + r.below(10), what, answer: () => say(answer()) });
    });
  const recounted = (id) => {
    const [, snapshot] = snapshotAfter(pos);
    const message = snapshot.messages.find((m) => m.id === id);
    if (!message) told = end;
    return { message: message ?? s.finals[id] };
  };
  const fetch = (url, init) => {
    const { pathname } = new URL(url);
    if (pathname === "/sync") {
      const to = Math.min(pos + r.below(4), end);
      return later("sync", () => ({ events: s.events.slice(Math.max(syncFrom - r.below(3), 0), to) }));
    }
    if (pathname === "/channels" || pathname.endsWith("/query")) {
      const [n, snapshot] = snapshotAfter(pos);
      notes.push(`at ${pos} a question, answered as of ${n}`);
      return later("state", () => (pathname === "/channels" ? { channels: [snapshot] } : snapshot));
    }
    if (pathname.startsWith("/messages/")) return later("recount", () => recounted(pathname.split("/")[2]));
    throw new Error(`${init.method} ${url}`);
  };
  let socket = null;
  class Socket {
    readyState = 1;
    constructor() {
      socket = this;
      queueMicrotask(() => {
        this.onopen?.({});
        this.onmessage?.({ data: dress({ ...s.hello, connection_id: uid("c"), ...(hasSeq && { seq: pos > 0 ? (s.events[pos - 1].seq ?? s.hello.seq) : s.hello.seq }) }) });
      });
    }
    send() {}
    close() {}
  }
  const chat = new BeckChat("key", { baseURL: "http://x", fetch, WebSocket: Socket, storage: null, timeout: 1_000_000, maxReconnectWait: 1 });
  const realNow = Date.now;
  let ahead = 0;
  Date.now = () => realNow() + ahead;
  try {
    const deadline = realNow() + 10_000;
    await chat.connectUser({ id: s.ann }, `e30.${Buffer.from(JSON.stringify({ user_id: s.ann })).toString("base64url")}.x`);
    const channel = r.is(0.5) ? chat.channel("messaging", s.id) : null;
    const asking = [channel ? channel.watch() : chat.queryChannels({ cid: s.cid })];
    let cuts = hasSeq ? 0 : r.below(3);
    for (;;) {
      await breath();
      const due = questions.filter((q) => q.due <= pos || pos >= end);
      if (due.length > 0 && r.is(0.7)) {
        const q = r.pick(due);
        questions.splice(questions.indexOf(q), 1);
        notes.push(`at ${pos} the answer: ${q.what}`);
        q.answer();
        for (let i = 0; i < 3; i++) await breath();
        continue;
      }
      if (pos >= end) {
        if (questions.length === 0 && chat.connection.state === "online") break;
        continue;
      }
      if (cuts > 0 && r.is(0.05)) {
        cuts--;
        syncFrom = pos;
        pos = Math.min(pos + r.below(40), end); // missed
        notes.push(`cut, ${syncFrom} to ${pos} missed`);
        socket.onclose({ code: 1006, reason: "" });
        while (chat.connection.state !== "online") {
          await new Promise((go) => setTimeout(go, 1));
          assert.ok(realNow() < deadline, "connected again");
        }
        continue;
      }
      if (r.is(0.05)) asking.push((r.is(0.5) ? chat.channel("messaging", s.id).watch() : chat.queryChannels({ cid: s.cid })));
      if (pos >= told && questions.length === 0 && r.is(0.3)) ahead += 6000; // answers are at most seconds ahead of events
      const data = dress(s.events[pos++]);
      socket.onmessage({ data });
      if (hasSeq && r.is(0.1)) socket.onmessage({ data }); // once more
    }
    await Promise.all(asking);
    for (let i = 0; i < 5; i++) await breath();
    return { state: chat.channel("messaging", s.id).state, data: chat.channel("messaging", s.id).data, notes };
  } finally {
    Date.now = realNow;
    await chat.disconnectUser();
  }
}

/* ---- the comparison ---- */

const shown = (m) => ({ id: m.id, text: m.text, type: m.type, at: m.created_at, updated_at: m.updated_at, deleted_at: m.deleted_at ?? null, replies: m.reply_count ?? 0, parent: m.parent_id ?? null });

function compare(s, { state, data }) {
  const final = s.full;
  const want = final.messages.map(shown);
  const have = state.messages.map(shown);
  assert.ok(have.length >= Math.min(want.length, 20), `only ${have.length} of ${want.length} messages`);
  if (!state.hasOlder) assert.deepEqual(have.map((m) => m.id), want.map((m) => m.id), "hasOlder is false, so all are here");
  assert.deepEqual(have, want.slice(want.length - have.length), "messages");
  const own = final.read.find((x) => x.user.id === s.ann);
  assert.equal(state.unread, own.unread_messages, "unread");
  for (const x of final.read) {
    const here = state.read[x.user.id];
    if (!here) continue;
    // Of others only what they have read is told, not what they wrote.
    if (x.user.id === s.ann) assert.equal(here.last_read, x.last_read, `last_read of ${x.user.id}`);
    else assert.ok(here.last_read <= x.last_read, `last_read of ${x.user.id}`);
  }
  assert.equal(state.read[s.ann].unread_messages, own.unread_messages, "unread in the own read state");
  assert.deepEqual(Object.keys(state.members).sort(), final.members.map((m) => m.user_id).sort(), "members");
  for (const [parent, list] of Object.entries(state.threads)) {
    const all = new Map((s.replies[parent] ?? []).map((m) => [m.id, shown(m)]));
    for (const m of list) assert.deepEqual(shown(m), all.get(m.id), "a reply");
  }
  assert.equal(data.name, final.channel.name);
  assert.equal(data.member_count, final.channel.member_count);
  assert.deepEqual(state.typing, {});
}

const only = process.env.SEED === undefined ? null : Number(process.env.SEED);
for (let n = 0; n < STREAMS; n++) {
  if (only !== null && Math.floor(only / ORDERS) !== n) continue;
  test(`stream ${n}, in ${ORDERS} orders, ends as the server says`, async (t) => {
    const s = await record(t, n + 1);
    for (let i = n * ORDERS; i < (n + 1) * ORDERS; i++) {
      if (only !== null && i !== only) continue;
      let end;
      try {
        end = await replay(s, i);
        compare(s, end);
      } catch (e) {
        e.message = `SEED=${i}: ${e.message}\n${end?.notes.join("\n") ?? ""}\n${only === null ? "" : s.events.map((x, at) => `${at} ${x.type} ${x.user?.id ?? ""} ${x.message?.text ?? ""} ${x.message?.id ?? ""} ${x.message?.parent_id ? `of ${x.message.parent_id}${x.message.show_in_channel ? " shown" : ""}` : ""} ${x.deleted_for_me ? "for me" : x.hard_delete ? "hard" : ""} ${x.last_read_message_id ?? ""} ${x.created_at}`).join("\n")}`;
        e.stack = e.message; // with the order that led there
        throw e;
      }
    }
  });
}

