/* The connection keeps itself: fallback and back, lost links, restarts, and every message once, in order, whatever happens. */
import assert from "node:assert/strict";
import { after } from "node:test";
import { Box, Server, client, fails, nowS, test, uid, until, within } from "./support.mjs";

const server = await new Server().start();
after(() => server.destroy());

/** Ann behind a box, Bob by hand; a channel that Ann watches and one that she does not. */
class Scene {
  sent = [];

  static async make(t, options = {}, on = server, box = undefined) {
    const s = new Scene();
    s.server = on;
    [s.ann, s.bob] = await on.users(uid("ann"), uid("bob"));
    s.watched = await on.channel(s.bob, [s.bob, s.ann]);
    s.other = await on.channel(s.bob, [s.bob, s.ann]);
    s.box = box ?? (await Box.before(t, on));
    if (options.mode) s.box.mode = options.mode;
    s.chat = client(t, s.box, options);
    await s.chat.connectUser({ id: s.ann }, () => on.token(s.ann));
    s.channel = s.chat.channel("messaging", s.watched);
    await s.channel.watch();
    return s;
  }

  async say(n = 1, channel) {
    for (let i = 0; i < n; i++) {
      const text = `m${this.sent.length}`;
      this.sent.push(text);
      await this.server.say(this.bob, channel ?? (this.sent.length % 2 ? this.watched : this.other), text);
    }
  }

  /** A last message; then all have come, each once, in order. */
  async check() {
    await this.say();
    const last = this.sent[this.sent.length - 1];
    await until(() => this.chat.texts().includes(last), () => `${last} among ${this.chat.texts().slice(-5)}`);
    assert.deepEqual(this.chat.texts(), this.sent);
    const inChannel = this.sent.filter((_, i) => i % 2 === 0).slice(-20);
    assert.deepEqual(this.channel.state.messages.slice(-inChannel.length).map((m) => m.text), inChannel);
  }

  online(transport) {
    return until(() => this.chat.connection.state === "online" && (!transport || this.chat.connection.transport === transport), `online ${transport ?? ""}`);
  }
}

test("events come by WebSocket", async (t) => {
  const s = await Scene.make(t);
  await s.say(10);
  await s.check();
  assert.equal(s.chat.connection.transport, "websocket");
});

/* ---- fallback ---- */

for (const mode of ["refuse", "swallow", "mute"]) {
  test(`long polling where WebSockets are met with ${mode}: the first event within 1.5 s`, async (t) => {
    const box = await Box.before(t, server, { mode });
    const id = uid();
    const chat = client(t, box, { enableWSFallback: true });
    const began = Date.now();
    await chat.connectUser({ id }, server.token(id));
    await chat.expect("health.check");
    assert.ok(Date.now() - began < 1500, `${Date.now() - began} ms`);
    assert.equal(chat.connection.transport, "longpoll");
  });

  test(`events by long polling behind ${mode}`, async (t) => {
    const s = await Scene.make(t, { enableWSFallback: true, mode });
    await s.say(10);
    await s.check();
    assert.equal(s.chat.connection.transport, "longpoll");
  });

  test(`${mode} in mid-session`, async (t) => {
    const s = await Scene.make(t, { enableWSFallback: true });
    await s.say(4);
    s.box.mode = mode;
    s.box.cut(true);
    await s.say(4);
    await s.chat.expect("transport.changed", { transport: "longpoll" });
    await s.say(4);
    await s.check();
  });
}

test("a platform without WebSocket polls", async (t) => {
  const s = await Scene.make(t, { enableWSFallback: true, WebSocket: undefined });
  await s.say(3);
  await s.check();
  assert.equal(s.chat.connection.transport, "longpoll");
  assert.ok(!s.box.seen.some((l) => l.includes("/connect")));
});

test("back to WebSocket when it works again: nothing goes offline, nothing is lost", async (t) => {
  // Slow is not broken: after a swallowed upgrade it gets its next chance in seconds.
  const s = await Scene.make(t, { enableWSFallback: true, mode: "swallow", wsHeadStart: 100 });
  assert.equal(s.chat.connection.transport, "longpoll");
  await s.say(5);
  s.box.mode = "pass";
  const changed = s.chat.expect("transport.changed", { transport: "websocket" });
  while (s.chat.connection.transport === "longpoll") await s.say();
  await changed;
  await s.say(5);
  await s.check();
  assert.ok(!s.chat.events.some((e) => e.type === "connection.changed" && e.online === false));
  await until(async () => (await server.stored(s.ann)).online, "still online");
});

for (const what of ["the upgrade", "the hello"])
  test(`what is watched while WebSocket takes over and ${what} is under way stays watched`, async (t) => {
    const s = await Scene.make(t, { enableWSFallback: true, mode: "swallow", wsHeadStart: 100 });
    s.box.mode = "pass";
    const late = await server.channel(s.bob, [s.bob, s.ann]);
    const held = [];
    let isHeld = true;
    s.box.onDown = (d, pair) => (pair.isWs && isHeld ? (held.push([pair, d]), false) : true);
    s.chat.networkChanged(); // now rather than in two seconds
    await until(() => held.length > 0, "the upgrade's answer");
    if (what === "the hello") {
      const [pair, handshake] = held.shift();
      pair.client.write(handshake);
      await until(() => held.length > 0, "the hello");
    }
    const watching = s.chat.channel("messaging", late).watch();
    // Before the hello the old connection still answers; after it the server has moved on, and says that it does not know it any more.
    if (what === "the upgrade") await watching;
    isHeld = false;
    for (const [p, d] of held) p.client.write(d);
    await watching;
    await s.online("websocket");
    if (what === "the upgrade") assert.ok(!s.chat.events.some((e) => e.type === "connection.changed" && e.online === false), "nothing went offline");
    await until(async () => {
      const text = uid("x");
      await server.say(s.bob, late, text);
      await until(() => s.chat.events.some((e) => e.message?.text === text), "it in either form");
      return s.chat.events.find((e) => e.message?.text === text).type === "message.new";
    }, "message.new, which who watches gets", 3000);
  });

test("to and fro under load: all once, in order", async (t) => {
  const s = await Scene.make(t, { enableWSFallback: true, wsHeadStart: 100 });
  let isOver = false;
  const talking = (async () => {
    while (!isOver) await s.say();
  })();
  for (let i = 0; i < 3; i++) {
    let mark = s.chat.mark();
    s.box.mode = "swallow";
    s.box.cut(true);
    await s.chat.expect("transport.changed", { transport: "longpoll" }, mark);
    mark = s.chat.mark();
    s.box.mode = "pass";
    s.chat.networkChanged();
    await s.chat.expect("transport.changed", { transport: "websocket" }, mark);
  }
  isOver = true;
  await talking;
  await s.check();
  assert.ok(s.sent.length > 50, `${s.sent.length}`);
});

test("a box that cuts young WebSockets again and again gets polls", async (t) => {
  const s = await Scene.make(t, { enableWSFallback: true, maxReconnectWait: 100 });
  for (let i = 0; i < 3; i++) {
    await s.online("websocket");
    const mark = s.chat.mark();
    s.box.cut(true);
    await s.chat.expect("connection.changed", { online: false }, mark);
  }
  await s.online("longpoll");
  await s.check();
});

test("the transport that came second leaves no session behind", async (t) => {
  const own = await new Server().start();
  t.defer(() => own.destroy());
  for (let i = 0; i < 8; i++) {
    const id = uid();
    const chat = client(t, own, { enableWSFallback: true, wsHeadStart: 1 });
    await chat.connectUser({ id }, own.token(id));
    await until(async () => (await own.sessions()) === 1, "one session");
    await chat.disconnectUser();
    await until(async () => (await own.sessions()) === 0, "none");
  }
});

/* ---- lost links ---- */

for (const enableWSFallback of [false, true])
  test(`a cut is healed, ${enableWSFallback ? "with fallback" : "by WebSocket alone"}`, async (t) => {
    const s = await Scene.make(t, { enableWSFallback });
    for (let i = 0; i < 3; i++) {
      await s.say(3);
      const mark = s.chat.mark();
      s.box.cut();
      await s.chat.expect("connection.changed", { online: false }, mark);
      await s.say(3);
      await s.chat.expect("connection.changed", { online: true }, mark);
      assert.equal((await s.chat.expect("connection.recovered", {}, mark)).gap, false);
    }
    await s.check();
  });

test("connection.recovered comes after what was missed, then live", async (t) => {
  const s = await Scene.make(t);
  s.box.mode = "drop";
  s.box.cut();
  await s.chat.expect("connection.changed", { online: false });
  assert.equal(s.chat.connection.state, "waiting");
  await s.say(40);
  s.box.mode = "pass";
  s.chat.networkChanged();
  await s.chat.expect("connection.recovered", { gap: false });
  const types = s.chat.events.map((e) => e.type);
  assert.deepEqual(s.chat.texts(), s.sent);
  assert.ok(types.indexOf("connection.recovered") > types.lastIndexOf("message.new"));
});

test("watches and presence go on", async (t) => {
  const s = await Scene.make(t);
  await s.chat.queryUsers({ id: s.bob }, [], { presence: true });
  s.box.cut();
  await s.chat.expect("connection.recovered");
  const mark = s.chat.mark();
  const bob = client(t, server);
  await bob.connectUser({ id: s.bob }, server.token(s.bob));
  await until(() => s.chat.events.slice(mark).some((e) => e.type === "user.presence.changed" && e.user.id === s.bob && e.user.online), "Bob's presence");
  await s.say(1, s.watched);
  assert.equal((await s.chat.expect("message.new", {}, mark)).cid, `messaging:${s.watched}`);
  await bob.disconnectUser();
});

test("a watch that is under way when the link is cut is made on the next", async (t) => {
  const s = await Scene.make(t);
  const late = await server.channel(s.bob, [s.bob, s.ann]);
  // The answer to the watch waits in the box while the WebSocket is cut and comes back.
  let held = null;
  s.box.onUp = (d, pair) => void (d.includes(`/channels/messaging/${late}/query`) && (pair.isWatch = true));
  s.box.onDown = (d, pair) => {
    if (!pair.isWatch || held) return true;
    held = () => pair.client.write(d);
    return false;
  };
  const watching = s.chat.channel("messaging", late).watch();
  await until(() => held, "the answer");
  s.box.cut(true);
  await s.chat.expect("connection.recovered");
  held();
  await watching;
  await server.say(s.bob, late, "hello");
  const got = await until(() => s.chat.events.find((e) => e.message?.text === "hello"), "the message");
  assert.equal(got.type, "message.new");
});

test("numbered messages by HTTP while the box cuts at random: all once, in order", async (t) => {
  for (const enableWSFallback of [false, true]) {
    const s = await Scene.make(t, { enableWSFallback, wsHeadStart: 100, maxReconnectWait: 50 });
    let isOver = false;
    const talking = (async () => {
      while (!isOver) await s.say();
    })();
    let cuts = 0;
    while (s.sent.length < 250) {
      const target = s.chat.texts().length + Math.floor(Math.random() * 25);
      await until(() => s.chat.texts().length > target, "more events");
      s.box.cut(Math.random() < 0.5);
      cuts++;
    }
    isOver = true;
    await talking;
    await s.check();
    assert.ok(cuts >= 5, `${cuts} cuts`);
  }
});

test("many missed events", async (t) => {
  const s = await Scene.make(t);
  s.box.mode = "drop";
  s.box.cut();
  await s.chat.expect("connection.changed", { online: false });
  await s.say(1100);
  s.box.mode = "pass";
  s.chat.networkChanged();
  await s.check();
});

test("each byte in a segment of its own", async (t) => {
  const s = await Scene.make(t, {});
  s.box.bytewise = true;
  s.box.cut();
  await s.chat.expect("connection.recovered");
  await s.say(4, undefined);
  await s.check();
});

test("a half-open link is noticed when the network changes", async (t) => {
  const s = await Scene.make(t);
  const mark = s.chat.mark();
  s.box.set("stall");
  s.chat.networkChanged();
  await s.chat.expect("connection.changed", { online: false }, mark, 8000);
  s.box.cut();
  s.box.set("pass");
  await s.online();
  await s.check();
});

test("kill -9 and a restart on the same data and port", async (t) => {
  const own = await new Server().start();
  t.defer(() => own.destroy());
  for (const enableWSFallback of [false, true]) {
    const box = await Box.before(t, own);
    const s = await Scene.make(t, { enableWSFallback, mode: enableWSFallback ? "refuse" : "pass" }, own, box);
    await s.say(5);
    for (let i = 0; i < 2; i++) {
      await own.kill9();
      await own.start();
      await s.say(5);
    }
    await s.check();
    await s.chat.disconnectUser();
  }
});

test("a drain is healed", async (t) => {
  const own = await new Server().start();
  t.defer(() => own.destroy());
  const s = await Scene.make(t, {}, own);
  await s.say(3);
  assert.equal(await own.stop(), 0);
  await own.start();
  await s.say(3);
  await s.check();
});

test("a session that the server has forgotten: code 46, connected anew, nothing lost", async (t) => {
  const s = await Scene.make(t, { enableWSFallback: true, mode: "refuse" });
  const id = s.chat.connection.id;
  await s.say(2);
  // Closed behind the client's back.
  await server.api("GET", `/longpoll?connection_id=${id}&close=true`, undefined, s.ann);
  await until(() => s.chat.connection.state === "online" && s.chat.connection.id !== id, "another id");
  await s.say(2);
  await s.check();
});

test("two logins of the same user both get all", async (t) => {
  const s = await Scene.make(t);
  const second = client(t, server);
  await second.connectUser({ id: s.ann }, server.token(s.ann));
  await second.channel("messaging", s.watched).watch();
  await s.say(9);
  await s.check();
  await until(() => second.texts().length === s.sent.length, "the second");
  assert.deepEqual(second.texts(), s.sent);
  await second.disconnectUser();
  assert.equal(s.chat.connection.state, "online");
  await s.check();
});

test("a user who is deactivated is not let in again, and is told why", async (t) => {
  const s = await Scene.make(t);
  await server.api("POST", "/users/deactivate", { user_ids: [s.ann] });
  const end = await s.chat.expect("connection.changed", { online: false, is_final: true });
  assert.equal(end.error.code, 17);
  assert.equal(s.chat.connection.state, "failed");
  await server.api("POST", "/users/reactivate", { user_ids: [s.ann] });
  await s.chat.connectUser({ id: s.ann }, server.token(s.ann));
  assert.equal(s.chat.connection.state, "online");
});

test("the own user is merged once: a reconnect does not undo what was changed since", async (t) => {
  const id = uid();
  const box = await Box.before(t, server);
  const chat = client(t, box);
  await chat.connectUser({ id, name: "First" }, server.token(id));
  await chat.updateUser({ set: { name: "Second" } });
  box.cut();
  await chat.expect("connection.recovered");
  assert.equal((await server.stored(id)).name, "Second");
  assert.equal(chat.user.name, "Second");
});

/* ---- a server without resume ---- */

/** A box that takes what is Beck's own out of what is said: then it is any server of the contract. */
async function plain(t, on = server) {
  const box = await Box.before(t, on);
  // Same length, so that no frame and no Content-Length has to change.
  const hide = (d) => Buffer.from(d.toString("latin1").replace(/"seq":/g, '"sxq":').replace(/"resumed":/g, '"rxsumed":').replace(/"caught_up":/g, '"cxught_up":'), "latin1");
  const flow = box.flow.bind(box);
  box.flow = (to, data) => {
    const text = data.toString("latin1");
    flow(to, /"(seq|resumed|caught_up)":/.test(text) ? hide(data) : /resume%22%3Atrue/.test(text) ? Buffer.from(text.replace("resume%22%3Atrue", "rxsume%22%3Atrue"), "latin1") : /"resume":true/.test(text) ? Buffer.from(text.replace('"resume":true', '"rxsume":true'), "latin1") : data);
  };
  return box;
}

for (const enableWSFallback of [false, true])
  test(`a server without resume, ${enableWSFallback ? "polled" : "by WebSocket"}: watched again, synchronised, nothing lost or doubled in the channel`, async (t) => {
    const box = await plain(t);
    if (enableWSFallback) box.mode = "refuse";
    const s = await Scene.make(t, { enableWSFallback }, server, box);
    for (const missed of [3, 40]) {
      await s.say(2, s.watched);
      await until(() => s.channel.state.messages.some((m) => m.text === s.sent[s.sent.length - 1]), "the live ones");
      const mark = s.chat.mark();
      box.mode = "drop";
      box.cut();
      await s.chat.expect("connection.changed", { online: false }, mark);
      await s.say(missed, s.watched);
      box.mode = enableWSFallback ? "refuse" : "pass";
      s.chat.networkChanged();
      assert.equal((await s.chat.expect("connection.recovered", {}, mark)).gap, false);
      await s.say(2, s.watched);
      await until(() => s.channel.state.messages.some((m) => m.text === s.sent[s.sent.length - 1]), "the last");
      const texts = s.channel.state.messages.map((m) => m.text);
      assert.deepEqual(texts, s.sent.slice(-texts.length), "no holes");
      assert.equal(s.channel.state.unread, s.sent.length);
      assert.deepEqual([...new Set(s.chat.texts())], s.sent, "handlers too are told all");
    }
  });

test("a server without resume: cut before the first event, nothing is lost", async (t) => {
  const box = await plain(t);
  const s = await Scene.make(t, {}, server, box);
  box.mode = "drop";
  box.cut();
  await s.chat.expect("connection.changed", { online: false });
  await s.say(3, s.watched);
  box.mode = "pass";
  s.chat.networkChanged();
  await s.chat.expect("connection.recovered");
  assert.deepEqual(s.chat.texts(), s.sent);
});

test("a server without resume: a list has the channels that came meanwhile", async (t) => {
  const box = await plain(t);
  const s = await Scene.make(t, {}, server, box);
  const list = s.chat.channelList({ members: { $in: [s.ann] } });
  await list.load();
  box.mode = "drop";
  box.cut();
  await s.chat.expect("connection.changed", { online: false });
  const late = await server.channel(s.bob, [s.bob, s.ann]);
  box.mode = "pass";
  s.chat.networkChanged();
  await s.chat.expect("connection.recovered");
  await until(() => list.channels.some((c) => c.id === late), "the new channel");
});

/* ---- a gap ---- */

test("a gap: told, and what is watched is loaded anew", async (t) => {
  const s = await Scene.make(t);
  const list = s.chat.channelList({ members: { $in: [s.ann] } });
  await list.load();
  await s.say(60, s.watched);
  await until(() => s.channel.state.messages.length === 60, "sixty");
  const flow = s.box.flow.bind(s.box);
  s.box.mode = "drop";
  s.box.cut();
  await s.chat.expect("connection.changed", { online: false });
  await s.say(30, s.watched);
  const late = await server.channel(s.bob, [s.bob, s.ann]);
  // The box says what a server says whose log does not reach back.
  let isGap = false;
  s.box.flow = (to, d) => {
    const text = d.toString("latin1");
    if (/"resumed":true/.test(text)) {
      isGap = true;
      return flow(to, Buffer.from(text.replace('"resumed":true', '"gap"    :true'), "latin1"));
    }
    flow(to, d);
  };
  s.box.mode = "pass";
  s.chat.networkChanged();
  const told = await s.chat.expect("connection.recovered");
  assert.ok(isGap);
  assert.equal(told.gap, true);
  await until(() => list.channels.some((c) => c.id === late), "the new channel");
  await until(() => s.channel.state.messages.at(-1)?.text === s.sent.at(-1), "the last message");
  const texts = s.channel.state.messages.map((m) => m.text);
  assert.deepEqual(texts, s.sent.slice(-texts.length), "no holes");
  assert.equal(s.channel.state.unread, 90);
  await s.say(1, s.watched);
  await until(() => s.channel.state.messages.at(-1)?.text === s.sent.at(-1), "what comes then");
});

/* ---- the end ---- */

for (const mode of ["pass", "refuse"])
  test(`disconnectUser ends the session at once, ${mode === "pass" ? "WebSocket" : "long polling"}: others see offline`, async (t) => {
    const s = await Scene.make(t, { enableWSFallback: true, mode });
    const bob = client(t, server);
    await bob.connectUser({ id: s.bob }, server.token(s.bob));
    await bob.queryUsers({ id: s.ann }, [], { presence: true });
    const mark = bob.mark();
    const began = Date.now();
    await s.chat.disconnectUser();
    const seen = await bob.expect("user.presence.changed", {}, mark, 3000);
    assert.deepEqual([seen.user.id, seen.user.online], [s.ann, false]);
    assert.ok(Date.now() - began < 2000, `${Date.now() - began} ms`);
    assert.deepEqual([s.chat.connection.state, s.chat.connection.transport, s.chat.connection.id, s.chat.user], ["off", null, "", null]);
    await fails(() => s.chat.request("GET", "/unread", { timeout: 50 }), { kind: "state" });
    await s.chat.connectUser({ id: s.bob }, server.token(s.bob));
    assert.equal(s.chat.user.id, s.bob);
  });

test("disconnectUser over long polling after the token has run out: a new one is asked for, and the session ends", async (t) => {
  const [id, bob] = await server.users(uid(), uid());
  const box = await Box.before(t, server, { mode: "refuse" });
  const other = client(t, server);
  await other.connectUser({ id: bob }, server.token(bob));
  const chat = client(t, box, { enableWSFallback: true });
  let asked = 0;
  await chat.connectUser({ id }, () => server.token(id, { exp: nowS() + (++asked === 1 ? 2 : 3600) }));
  await other.queryUsers({ id }, [], { presence: true });
  const runsOut = Date.now() + 2100;
  await until(() => Date.now() > runsOut, "the token to run out");
  const mark = other.mark();
  await chat.disconnectUser();
  await other.expect("user.presence.changed", {}, mark, 3000);
  assert.equal(asked, 2);
});

test("after a final failure, connectUser brings back what was watched", async (t) => {
  const s = await Scene.make(t);
  await server.api("POST", "/users/deactivate", { user_ids: [s.ann] });
  await s.chat.expect("connection.changed", { online: false, is_final: true });
  await server.api("POST", "/users/reactivate", { user_ids: [s.ann] });
  await s.say(3, s.watched);
  await s.chat.connectUser({ id: s.ann }, server.token(s.ann));
  await until(() => s.channel.state.messages.length === 3, "what was missed");
  await s.say(1, s.watched);
  await until(() => s.channel.state.messages.length === 4, "what comes now");
});

for (const mode of ["pass", "refuse"])
  test(`disconnectUser on a dead network, ${mode === "pass" ? "WebSocket" : "long polling"}: within two seconds`, async (t) => {
    const s = await Scene.make(t, { enableWSFallback: true, mode });
    s.box.set("stall");
    await within(2500, s.chat.disconnectUser(), "disconnectUser");
    assert.equal(s.chat.connection.state, "off");
  });

test("disconnectUser while it reconnects, then another user", async (t) => {
  const s = await Scene.make(t);
  s.box.mode = "drop";
  s.box.cut();
  await s.chat.expect("connection.changed", { online: false });
  const watching = fails(() => s.chat.channel("messaging", s.other).watch(), { kind: "state" });
  await s.chat.disconnectUser();
  await watching;
  s.box.mode = "pass";
  await s.chat.connectUser({ id: s.bob }, server.token(s.bob));
  assert.equal(s.chat.connection.state, "online");
});

test("a handler that disconnects inside an event", async (t) => {
  for (const type of ["connection.changed", "health.check", "message.new", "connection.recovered"]) {
    for (const mode of ["pass", "refuse"]) {
      const s = await Scene.make(t, { enableWSFallback: true, mode });
      let over = null;
      s.chat.on(type, () => (over ??= s.chat.disconnectUser()));
      await s.say(1, s.watched).catch(() => undefined);
      if (type !== "message.new") {
        s.box.mode = mode === "pass" ? "pass" : "drop";
        s.box.cut();
        await until(() => over !== null || s.chat.connection.state !== "online", `offline: ${type}, ${mode}`);
        s.box.mode = mode;
      }
      await until(() => over !== null, type);
      const mark = s.chat.mark();
      await over;
      assert.equal(s.chat.connection.state, "off");
      // The event itself, and that it is offline; nothing that comes from the server.
      assert.ok(s.chat.events.slice(mark).every((e) => e.type === "connection.changed" && e.online === false), s.chat.events.slice(mark).map((e) => e.type).join());
      await s.chat.connectUser({ id: s.bob }, server.token(s.bob));
      assert.equal(s.chat.user.id, s.bob);
    }
  }
});

test("a handler that throws is reported and stops nobody", async (t) => {
  const reported = [];
  const error = console.error;
  console.error = (e) => reported.push(e);
  t.defer(() => (console.error = error));
  const s = await Scene.make(t);
  s.chat.on("message.new", () => {
    throw new Error("mine");
  });
  await s.say(3);
  await s.check();
  assert.ok(reported.length > 0 && reported.every((e) => e.message === "mine"));
});

test("a page that is left while it polls says goodbye, and one that is shown again polls again", async (t) => {
  const page = {};
  globalThis.addEventListener = (type, then) => void (page[type] = then);
  globalThis.removeEventListener = (type) => void delete page[type];
  t.defer(() => (delete globalThis.addEventListener, delete globalThis.removeEventListener));
  const s = await Scene.make(t, { enableWSFallback: true, mode: "refuse" });
  await s.say(2);
  page.pagehide();
  await until(async () => !(await server.stored(s.ann)).online || s.chat.connection.state !== "online", "offline");
  await s.say(2);
  page.pageshow();
  await s.online();
  await s.check();
  await s.chat.disconnectUser();
  assert.deepEqual(Object.keys(page), []);
});
