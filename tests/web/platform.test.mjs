/* What is shipped, and where it runs: size, types, platforms that lack things, programs that have to end. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";
import { gzipSync } from "node:zlib";
import { BUILT, Box, ROOT, Server, client, test, uid, until, within } from "./support.mjs";

const server = await new Server().start();
after(() => server.destroy());
const FILE = path.join(BUILT, "client/beck-chat.js");

/* ---- what is shipped ---- */

test("the file is at most 20 KB gzipped and asks for nothing else", () => {
  const text = readFileSync(FILE);
  assert.ok(gzipSync(text, { level: 9 }).length <= 20 * 1024, `${gzipSync(text, { level: 9 }).length} bytes`);
  assert.doesNotMatch(text.toString(), /\bimport\s*[("'{*]|\brequire\s*\(|\beval\s*\(|new Function/);
});

test("beckd serves that very file, with types beside it", async () => {
  const served = await fetch(`${server.url}/beck/client/beck-chat.js`);
  assert.match(served.headers.get("content-type"), /javascript/);
  assert.match(await served.text(), /connectUser/);
  const types = await fetch(`${server.url}/beck/client/beck-chat.d.ts`);
  assert.equal(types.status, 200);
});

test("the package holds the code and its types, and has no dependency", (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "beck-pack-"));
  t.defer(() => rmSync(folder, { recursive: true, force: true }));
  const web = path.join(folder, "web");
  cpSync(path.join(ROOT, "web"), web, { recursive: true, filter: (from) => !/node_modules|\/dist(\/|$)/.test(from) });
  symlinkSync(path.join(ROOT, "web/node_modules"), path.join(web, "node_modules"));
  cpSync(path.join(ROOT, "LICENSE"), path.join(folder, "LICENSE"));
  const said = execFileSync("npm", ["pack", "--dry-run", "--json", "--offline"], { cwd: path.join(web, "client"), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const [{ files }] = JSON.parse(said.slice(said.search(/^\[/m)));
  const names = files.map((f) => f.path);
  for (const name of ["package.json", "README.md", "LICENSE", "dist/beck-chat.js", "dist/beck-chat.d.ts", "dist/types/index.d.ts", "dist/types/types.d.ts", "dist/types/client.d.ts"]) assert.ok(names.includes(name), `${name} among ${names}`);
  assert.ok(!names.some((n) => n.startsWith("src/") || n.includes("served")), names.join());
  const about = JSON.parse(readFileSync(path.join(web, "client/package.json"), "utf8"));
  assert.equal(about.dependencies, undefined);

  // A stranger's program, against the package alone.
  const consumer = path.join(folder, "consumer");
  mkdirSync(path.join(consumer, "node_modules/beck-chat"), { recursive: true });
  cpSync(path.join(web, "client/dist"), path.join(consumer, "node_modules/beck-chat/dist"), { recursive: true });
  cpSync(path.join(web, "client/package.json"), path.join(consumer, "node_modules/beck-chat/package.json"));
  writeFileSync(path.join(consumer, "main.ts"), CONSUMER);
  writeFileSync(path.join(consumer, "package.json"), '{ "type": "module" }');
  writeFileSync(path.join(consumer, "wrong.ts"), 'import { BeckChat } from "beck-chat";\nconst chat = BeckChat.getInstance("key");\nvoid chat.connectUser({ name: "no id" }, 7);\nvoid chat.link;\n');
  const strict = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--target", "ES2022", "--lib", "ES2022,DOM"];
  const complaint = compile(consumer, [...strict, "--moduleResolution", "bundler", "--module", "ES2022", "main.ts", "wrong.ts"]);
  for (const code of ["TS2345", "TS2341"]) assert.ok(complaint.includes(code), complaint);
  assert.doesNotMatch(complaint, /main\.ts/);
  assert.equal(compile(consumer, [...strict, "--moduleResolution", "nodenext", "--module", "nodenext", "main.ts"]), "");
});

/** What the compiler says. */
function compile(cwd, argv) {
  try {
    return execFileSync(process.execPath, [path.join(ROOT, "web/node_modules/typescript/bin/tsc"), ...argv], { cwd, stdio: "pipe", encoding: "utf8" });
  } catch (e) {
    return e.stdout;
  }
}

const CONSUMER = `
import { BeckChat, BeckError, devToken, type Channel, type ChannelState, type ChatEvent, type ConnectionState, type ErrorKind, type Message, type Options, type OwnUser, type Subscription } from "beck-chat";
const options: Options = { baseURL: "https://chat.example.org", enableWSFallback: true, storage: null, logger: (level, text) => void [level.length, text.length] };
export async function main(): Promise<void> {
  const chat = BeckChat.getInstance("key", options);
  const me: OwnUser = await chat.connectUser({ id: "jane", name: "Jane", color: "red", privacy_settings: { typing_indicators: { enabled: false } } }, async () => devToken("jane"));
  const n: number = me.total_unread_count;
  const channel: Channel = chat.channel("messaging", "hello", { name: "Hello" });
  const state: ChannelState = await channel.watch({ presence: true });
  const first: Message | undefined = state.messages[0];
  const heard: Subscription = channel.on("message.new", (event: ChatEvent) => void event.message?.text);
  heard.unsubscribe();
  const end: () => void = chat.subscribe(() => undefined);
  end();
  const at: ConnectionState = chat.connection.state;
  const list = chat.channelList({ members: { $in: ["jane"] } }, { last_message_at: -1 });
  await list.load();
  try {
    const sent: Message = await channel.sendMessage({ text: "hi", color: 7 });
    await channel.markRead(sent.id);
  } catch (e) {
    if (e instanceof BeckError && e.retryable) { const kind: ErrorKind = e.kind; void kind; }
  }
  void [n, first, at, list.channels.length];
  await chat.disconnectUser();
}
`;

/* ---- programs of their own ---- */

/** Runs a program; resolves with what it printed and how long it took from its word "done" to its end. */
function program(t, source, ms = 20_000) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "beck-program-"));
  const file = path.join(folder, "main.mjs");
  const ws = path.join(ROOT, "tests/peers/node_modules/ws/wrapper.mjs");
  writeFileSync(file, `import WebSocket from ${JSON.stringify(ws)};\n${source.replace("CLIENT", JSON.stringify(FILE))}`);
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "pipe"] });
  t.defer(() => (child.kill("SIGKILL"), rmSync(folder, { recursive: true, force: true })));
  let out = "";
  let doneAt = 0;
  child.stdout.on("data", (d) => {
    out += d;
    if (/^done$/m.test(out)) doneAt ||= Date.now();
  });
  child.stderr.on("data", (d) => (out += String(d).replace(/^.{1000,}$/gm, "(a line of the client)")));
  const end = new Promise((go) => child.on("close", (code) => go({ code, out, took: doneAt ? Date.now() - doneAt : null })));
  return within(ms, end, `the end of the program (${source.slice(0, 60)})`);
}

const where = (place, id) => `const url = ${JSON.stringify(place.url)}, key = ${JSON.stringify(server.key)}, id = ${JSON.stringify(id)}, token = ${JSON.stringify(server.token(id))};`;

test("a platform that lacks nearly everything", async (t) => {
  const id = uid();
  const c = await server.channel(id, [id]).catch(async () => (await server.users(id), server.channel(id, [id])));
  const { code, out } = await program(t, `
    ${where(server, id)}
    for (const name of ["crypto", "navigator", "WebSocket", "localStorage", "document", "location", "reportError", "structuredClone", "btoa", "atob", "MessageChannel"]) {
      try { Object.defineProperty(globalThis, name, { value: undefined, configurable: true, writable: true }); } catch (e) { console.log("cannot take away " + name); }
    }
    const { BeckChat } = await import(CLIENT);
    for (const enableWSFallback of [false, true]) {
      const chat = new BeckChat(key, { baseURL: url, enableWSFallback, ...(enableWSFallback ? {} : { WebSocket }) });
      const me = await chat.connectUser({ id }, token);
      const channel = chat.channel("messaging", ${JSON.stringify(c)});
      await channel.watch();
      const sent = await channel.sendMessage("hällo");
      channel.keystroke();
      console.log(me.id === id, sent.text, chat.keepsUnsent, chat.connection.transport);
      await chat.disconnectUser();
    }
    console.log("done");`);
  assert.equal(out, "true hällo false websocket\ntrue hällo false longpoll\ndone\n");
  assert.equal(code, 0);
  // These cannot be taken away, for Node's own fetch uses them.
  assert.doesNotMatch(readFileSync(FILE, "utf8"), /TextEncoder|TextDecoder|setImmediate/);
});

test("a localStorage that throws when it is looked at, and one that works", async (t) => {
  const id = uid();
  const { code, out } = await program(t, `
    ${where(server, id)}
    const { BeckChat } = await import(CLIENT);
    Object.defineProperty(globalThis, "localStorage", { configurable: true, get() { throw new Error("SecurityError"); } });
    for (let i = 0; i < 2; i++) {
      const chat = new BeckChat(key, { baseURL: url, WebSocket });
      await chat.connectUser({ id }, token);
      console.log(chat.keepsUnsent);
      await chat.disconnectUser();
      const map = new Map();
      Object.defineProperty(globalThis, "localStorage", { configurable: true, value: { getItem: (k) => map.get(k) ?? null, setItem: (k, v) => void map.set(k, v), removeItem: (k) => void map.delete(k) } });
    }
    console.log("done");`);
  assert.equal(out, "false\ntrue\ndone\n");
  assert.equal(code, 0);
});

test("what is wrong with the platform is said", async (t) => {
  const { out } = await program(t, `
    const { BeckChat } = await import(CLIENT);
    for (const [name, options] of [["WebSocket", {}], ["fetch", { WebSocket }], ["location", { WebSocket }]]) {
      Object.defineProperty(globalThis, "WebSocket", { value: undefined, configurable: true, writable: true });
      if (name === "fetch") globalThis.fetch = undefined;
      try { new BeckChat("key", { ...(name !== "location" && { baseURL: "http://x" }), ...(name === "location" && { fetch: () => undefined }), ...options }); console.log("?"); } catch (e) { console.log(e.field); }
    }
    console.log("done");`);
  assert.equal(out, "WebSocket\nfetch\nbaseURL\ndone\n");
});

const ENDS = {
  "after a session by WebSocket": ["pass", "{}", ""],
  "after a session by long polling": ["refuse", "{ enableWSFallback: true }", ""],
  "after polling a server where WebSockets are swallowed": ["swallow", "{ enableWSFallback: true }", ""],
  "after keys, a watch, a list and a message that was not sent": ["pass", "{}", 'const ch = chat.channel("messaging", "nosuch"); ch.keystroke(); ch.sendMessage("x").catch(() => 0); ch.watch().catch(() => 0); chat.channelList({ members: { $in: [id] } }).load().catch(() => 0);'],
};
for (const [name, [mode, options, more]] of Object.entries(ENDS))
  test(`a program ends by itself ${name}`, async (t) => {
    const id = uid();
    const box = await Box.before(t, server, { mode });
    const { code, out, took } = await program(t, `
      ${where(box, id)}
      const { BeckChat } = await import(CLIENT);
      const chat = new BeckChat(key, { baseURL: url, WebSocket, ...${options} });
      await chat.connectUser({ id }, token);
      ${more}
      await chat.disconnectUser();
      console.log("done");`);
    assert.equal(code, 0, out);
    assert.ok(took !== null && took < 3000, `${took} ms\n${out}`);
  });

test("a program ends by itself although a call is under way that nobody answers", async (t) => {
  const { Hostile, good } = await import("./support.mjs");
  const h = await Hostile.start(t, (r) => (r.isWs ? good(r) : undefined));
  const { code, took, out } = await program(t, `
    const { BeckChat } = await import(CLIENT);
    const chat = new BeckChat("key", { baseURL: ${JSON.stringify(h.url)}, WebSocket, timeout: 15000 });
    await chat.connectUser({ id: "john" }, "e30.eyJ1c2VyX2lkIjoiam9obiJ9.x");
    chat.request("GET", "/x").catch((e) => console.log(e.kind));
    chat.channel("messaging", "x").sendMessage("x").catch(() => 0);
    await new Promise((go) => setTimeout(go, 50));
    setTimeout(() => process.exit(7), 9000).unref();
    await chat.disconnectUser();
    console.log("done");`);
  assert.equal(code, 0, out);
  assert.match(out, /state/);
  assert.ok(took < 5000, `${took} ms`);
});

const FAILS = {
  "a provider that hangs": 'await Promise.all([chat.connectUser({ id }, () => new Promise(() => 0)).catch(() => 0), new Promise((go) => setTimeout(go, 50)).then(() => chat.disconnectUser())]);',
  "a connect that failed": "await chat.connectUser({ id }, token).catch(() => 0); await chat.disconnectUser();",
  "a call that nobody was there for": 'await chat.request("GET", "/unread", { timeout: 50 }).catch(() => 0);',
};
for (const [name, source] of Object.entries(FAILS))
  test(`a program ends by itself after ${name}`, async (t) => {
    const { code, took, out } = await program(t, `
      const url = "http://127.0.0.1:1", key = "key", id = "john", token = "e30.eyJ1c2VyX2lkIjoiam9obiJ9.x";
      const { BeckChat } = await import(CLIENT);
      const chat = new BeckChat(key, { baseURL: url, WebSocket, timeout: 500, enableWSFallback: true });
      ${source}
      console.log("done");`);
    assert.equal(code, 0, out);
    assert.ok(took !== null && took < 3000, `${took} ms\n${out}`);
  });

/* ---- the list against the real server ---- */

test("a list on the real server: channels come, move, hide, show, go; one's own new channel comes too", async (t) => {
  const [ann, bob] = await server.users(uid("ann"), uid("bob"));
  const first = await server.channel(bob, [ann, bob]);
  const second = await server.channel(bob, [ann, bob]);
  await server.say(bob, first, "1");
  await server.say(bob, second, "2");
  const chat = client(t, server);
  await chat.connectUser({ id: ann }, server.token(ann));
  const list = chat.channelList({ members: { $in: [ann] } }, { last_message_at: -1 });
  await list.load();
  const ids = () => list.channels.map((c) => c.id).join(" ");
  assert.equal(ids(), `${second} ${first}`);
  await server.say(bob, first, "3");
  await until(() => ids() === `${first} ${second}`, () => `${ids()} ${chat.events.slice(-5).map((e) => JSON.stringify(e).slice(0, 300))}`);
  assert.deepEqual(list.channels.map((c) => c.countUnread()), [2, 1]);
  const third = await server.channel(bob, [ann, bob]);
  await server.say(bob, third, "4");
  await until(() => ids() === `${third} ${first} ${second}`, ids);
  await until(() => list.channels[0].countUnread() === 1, () => `unread ${list.channels[0].countUnread()}`);
  await server.say(bob, third, "5");
  await until(() => list.channels[0].state.messages.length === 2, "it is watched");
  await chat.channel("messaging", first).hide();
  await until(() => ids() === `${third} ${second}`, ids);
  await server.say(bob, first, "6"); // which shows it again
  await until(() => ids() === `${first} ${third} ${second}`, ids);
  await server.api("POST", `/channels/messaging/${third}`, { remove_members: [ann] }, bob);
  await until(() => ids() === `${first} ${second}`, () => `${ids()} ${chat.events.slice(-5).map((e) => JSON.stringify(e).slice(0, 300))}`);
  await server.api("DELETE", `/channels/messaging/${second}`);
  await until(() => ids() === first, ids);
  const own = chat.channel("messaging", uid("own"), { members: [ann, bob] });
  await own.watch();
  await own.sendMessage("mine");
  await until(() => ids() === `${own.id} ${first}`, ids);
  list.close();
});
