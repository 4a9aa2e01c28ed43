/* A real beckd, a box between it and the client that does what bad networks do, a scripted server, and tokens. Waiting is always for a
 * condition or an event. Works with what Node 18 has. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import nodeTest from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const BUILT = path.join(ROOT, "build/web-test");
const BUILD = process.env.BECK_BUILD ?? path.join(ROOT, "build/dev");
const BECKD = process.env.BECKD ?? path.join(BUILD, "bin/beckd");
const WAIT_MS = 15_000;
const TEST_MS = 60_000;

export const Ws = createRequire(path.join(ROOT, "tests/peers/package.json"))("ws");
export const { BeckChat, BeckError, devToken } = await import(pathToFileURL(path.join(BUILT, "client/beck-chat.js")));
export const inside = await import(pathToFileURL(path.join(BUILT, "inside.js")));

let serial = 0;
const run = randomBytes(3).toString("hex");
/** An id that no other test uses. */
export const uid = (prefix = "u") => `${prefix}-${run}-${++serial}`;

/* ---- tests ---- */

/** What a test opens is closed after it, last first. */
export function test(name, body, ms = TEST_MS) {
  return nodeTest(name, { timeout: ms }, async (t) => {
    const ends = [];
    t.defer = (end) => void ends.unshift(end);
    try {
      await body(t);
    } finally {
      // All of them, also after one that fails: what stays open would keep the file from ending.
      let failure = null;
      for (const end of ends) await Promise.resolve().then(end).catch((e) => (failure ??= e));
      if (failure) throw failure;
    }
  });
}

export async function until(condition, what, ms = WAIT_MS) {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < deadline, `${typeof what === "function" ? what() : what}: not within ${ms} ms`);
    await new Promise((go) => setTimeout(go, 10));
  }
}

/** The error of a call that must fail. */
export async function fails(call, want = {}) {
  let error = null;
  try {
    await (typeof call === "function" ? call() : call);
  } catch (e) {
    error = e;
  }
  assert.ok(error, "this call should have failed");
  assert.ok(error instanceof BeckError, `not a BeckError: ${error?.stack ?? error}`);
  for (const [key, value] of Object.entries(want)) {
    if (value instanceof RegExp) assert.match(String(error[key]), value);
    else assert.equal(error[key], value, `${key} of: ${error.message}`);
  }
  return error;
}

/** Ends within this time, or fails. */
export async function within(ms, call, what = "it") {
  let timer;
  const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new assert.AssertionError({ message: `${what}: not within ${ms} ms` })), ms)));
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}

/* ---- tokens ---- */

const b64 = (v) => Buffer.from(typeof v === "string" ? v : JSON.stringify(v)).toString("base64url");
export function jwt(claims, secret) {
  const head = `${b64({ alg: "HS256", typ: "JWT" })}.${b64(claims)}`;
  return `${head}.${createHmac("sha256", secret).update(head).digest("base64url")}`;
}
export const nowS = () => Math.floor(Date.now() / 1000);

/* ---- the server ---- */

const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
process.once("SIGTERM", () => process.exit(1)); // a file that outlives its time is ended so

export class Server {
  constructor(...args) {
    this.args = args;
    this.key = uid("key");
    this.secret = randomBytes(24).toString("hex");
    this.folder = mkdtempSync(path.join(os.tmpdir(), "beck-web-"));
    this.log = path.join(this.folder, "log");
    this.port = 0;
  }

  async start() {
    const env = { UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1", ASAN_OPTIONS: "quarantine_size_mb=16", ...process.env, BECK_API_SECRET: this.secret };
    const argv = ["--dev", "--listen", `127.0.0.1:${this.port}`, "--data", path.join(this.folder, "data"), "--api-key", this.key, "--guests-per-address", "100000", ...this.args];
    this.process = spawn(BECKD, argv, { env, stdio: ["ignore", "pipe", openSync(this.log, "a")] });
    const child = this.process;
    running.add(child);
    this.ended = new Promise((go) => child.once("exit", (code, signal) => (running.delete(child), go(code ?? signal))));
    let said = "";
    const port = await new Promise((go, fail) => {
      this.process.stdout.on("data", (d) => {
        said += d;
        const match = /^beckd ready url=http:\/\/[^:/]+:(\d+)/m.exec(said);
        if (match) go(Number(match[1]));
      });
      this.process.once("error", fail);
      void this.ended.then((how) => fail(new Error(`beckd ended with ${how}\n${this.logTail()}`)));
    });
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    return this;
  }

  logTail() {
    return readFileSync(this.log, "utf8").slice(-4000);
  }

  async kill9() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), 20_000);
    const how = await this.ended;
    clearTimeout(timer);
    return how;
  }

  /** The last thing: a clean end, and no sanitizer has spoken. */
  async destroy() {
    const how = await this.stop();
    const log = readFileSync(this.log, "utf8");
    rmSync(this.folder, { recursive: true, force: true });
    const found = /ERROR: \w+Sanitizer[^]{0,3000}|runtime error: [^]{0,1000}/.exec(log);
    assert.ok(!found, found?.[0]);
    assert.equal(how, 0, log.slice(-3000));
  }

  token(id, claims = {}) {
    return jwt({ user_id: id, iat: nowS() - 1, ...claims }, this.secret);
  }

  /** A server call, or one of a user. */
  async api(method, route, body, user) {
    const token = user ? this.token(user) : jwt({ server: true }, this.secret);
    for (let n = 0; ; n++) {
      try {
        const answer = await fetch(`${this.url}${route}${route.includes("?") ? "&" : "?"}api_key=${this.key}`, {
          method,
          headers: { Authorization: token, "Stream-Auth-Type": "jwt", "Content-Type": "application/json" },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        const reply = await answer.json();
        assert.ok(answer.ok, `${method} ${route}: ${JSON.stringify(reply)}`);
        return reply;
      } catch (e) {
        // A connection kept alive may belong to a server that is gone.
        if (n > 2 || e instanceof assert.AssertionError) throw e;
      }
    }
  }

  async users(...ids) {
    await this.api("POST", "/users", { users: Object.fromEntries(ids.map((id) => [id, { id, name: id }])) });
    return ids;
  }

  async channel(by, members, data = {}, id = uid("c")) {
    await this.api("POST", `/channels/messaging/${id}/query`, { data: { members, created_by_id: by, ...data } });
    return id;
  }

  async say(user, channel, text, more = {}) {
    return (await this.api("POST", `/channels/messaging/${channel}/message`, { message: { text, ...more } }, user)).message;
  }

  async stored(user) {
    const payload = encodeURIComponent(JSON.stringify({ filter_conditions: { id: user } }));
    return (await this.api("GET", `/users?payload=${payload}`)).users[0];
  }

  async sessions() {
    return (await this.api("GET", "/beck/usage")).concurrent_connections;
  }
}

/* ---- clients ---- */

/** A WebSocket class that can be looked into: `all` that were made. */
export function sockets() {
  const all = [];
  class Socket extends Ws {
    constructor(url) {
      super(url, { perMessageDeflate: false, closeTimeout: 500 });
      all.push(this);
    }
  }
  Socket.all = all;
  return Socket;
}

/** A storage as localStorage is. */
export class Memory {
  map = new Map();
  getItem(k) {
    return this.map.get(k) ?? null;
  }
  setItem(k, v) {
    this.map.set(k, v);
  }
  removeItem(k) {
    this.map.delete(k);
  }
}

/** A client that notes its events, ended with its test. `mode` and `noWs` are the scene's. */
export function client(t, place, { mode: _mode, noWs: _noWs, ...options } = {}) {
  const chat = new BeckChat(place.key ?? "key", { baseURL: place.url, WebSocket: sockets(), maxReconnectWait: 500, storage: null, ...options });
  t.defer(() => chat.disconnectUser());
  const events = [];
  chat.on("all", (e) => events.push(e));
  return Object.assign(chat, {
    events,
    /** The first event from `after` on that fits. */
    expect: (type, want = {}, after = 0, ms = WAIT_MS) =>
      until(
        () => events.slice(after).find((e) => e.type === type && Object.entries(want).every(([k, v]) => e[k] === v)),
        () => `${type} ${JSON.stringify(want)} among ${events.slice(after).map((e) => e.type)}`,
        ms,
      ),
    mark: () => events.length,
    texts: () => events.filter((e) => /^(message\.new|notification\.message_new)$/.test(e.type)).map((e) => e.message.text),
  });
}

/* ---- the box ---- */

/** mode: pass, refuse (an upgrade gets 403), swallow (an upgrade gets no answer), mute (an upgrade goes through, then nothing comes back),
 * drop (new connections are closed), stall (nothing moves). `rewrite(text, isWebSocket)` changes what the server says, when it is set;
 * then WebSocket frames are small enough to come whole. `onRequest(head)` is told each first head. */
export class Box {
  constructor(port) {
    this.target = port;
    this.mode = "pass";
    this.bytewise = false;
    this.prefix = "";
    this.seen = [];
    this.open = new Set();
    this.stalled = [];
    this.server = net.createServer((c) => this.serve(c));
  }

  async start() {
    await new Promise((go) => this.server.listen(0, "127.0.0.1", go));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  static async before(t, server, set = {}) {
    const box = Object.assign(await new Box(server.port).start(), { key: server.key }, set);
    t.defer(() => box.close());
    return box;
  }

  set(mode) {
    this.mode = mode;
    if (mode !== "stall") for (const go of this.stalled.splice(0)) go();
  }

  cut(onlyWebSockets = false) {
    for (const pair of [...this.open])
      if (pair.isWs || !onlyWebSockets) {
        pair.client.destroy();
        pair.server?.destroy();
        this.open.delete(pair);
      }
  }

  close() {
    this.server.close();
    this.set("pass");
    this.cut();
  }

  serve(client) {
    client.on("error", () => undefined);
    client.setNoDelay(true);
    if (this.mode === "drop") return void client.destroy();
    const pair = { client, server: null, isWs: false };
    this.open.add(pair);
    client.on("close", () => {
      pair.server?.destroy();
      this.open.delete(pair);
    });
    let first = Buffer.alloc(0);
    const onData = (d) => {
      first = Buffer.concat([first, d]);
      const end = first.indexOf("\r\n\r\n");
      if (end < 0) return;
      client.removeListener("data", onData);
      client.pause();
      const head = first.toString("latin1", 0, end);
      pair.isWs = /\r\nupgrade: *websocket/i.test(head);
      this.seen.push(head.split("\r\n")[0]);
      if (pair.isWs && this.mode === "refuse")
        return void client.end("HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 9\r\nConnection: close\r\n\r\nforbidden");
      if (pair.isWs && this.mode === "swallow") return void client.resume();
      this.join(pair, first);
    };
    client.on("data", onData);
  }

  join(pair, first) {
    const { client } = pair;
    const server = (pair.server = net.connect(this.target, "127.0.0.1"));
    server.setNoDelay(true);
    server.on("error", () => undefined);
    const up = (d) => {
      if (this.onUp && this.onUp(d, pair) === false) return;
      const text = this.prefix ? Buffer.from(d.toString("latin1").replace(new RegExp(`^([A-Z]+) ${this.prefix}`), "$1 "), "latin1") : d;
      this.flow(server, text);
    };
    up(first);
    client.on("data", up);
    client.resume();
    let isHandshakeOver = false;
    server.on("data", (d) => {
      if (pair.isWs && this.mode === "mute") {
        if (isHandshakeOver) return;
        d = d.subarray(0, d.indexOf("\r\n\r\n") + 4);
      }
      isHandshakeOver = true;
      if (this.onDown && this.onDown(d, pair) === false) return;
      if (this.bytewise) for (let i = 0; i < d.length; i++) this.flow(client, d.subarray(i, i + 1));
      else this.flow(client, d);
    });
    server.on("close", () => client.destroy());
  }

  flow(to, data) {
    if (this.mode === "stall") this.stalled.push(() => to.write(data));
    else to.write(data);
  }
}

/* ---- a server that misbehaves as told ---- */

export const HELLO = { type: "health.check", connection_id: "c-1", cid: "*", created_at: "2026-01-01T00:00:00Z", me: { id: "john", role: "user" } };

export function frame(payload, opcode = 1, { fin = true, rsv = 0, length } = {}) {
  const body = Buffer.isBuffer(payload) ? payload : Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
  const n = length ?? body.length;
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  if (n < 126) head.push(n);
  else if (n < 65536) head.push(126, n >> 8, n & 255);
  else head.push(127, 0, 0, 0, 0, (n >>> 24) & 255, (n >> 16) & 255, (n >> 8) & 255, n & 255);
  return Buffer.concat([Buffer.from(head), body]);
}

export function http(status, body = "", headers = {}) {
  const text = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  const lines = Object.entries({ "Content-Length": text.length, ...headers }).map(([k, v]) => `${k}: ${v}\r\n`);
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.join("")}\r\n`), text]);
}

export const apiError = (status, code, message = "no", headers = {}) => http(status, { code, message, StatusCode: status, duration: "0.00ms" }, headers);

/** answer(request, number): bytes, null to close, or undefined to keep silent; it may be async. A WebSocket stays open after its bytes;
 * `send` writes to all of them, `heard` has the texts that came. */
export class Hostile {
  requests = [];
  sockets = new Set();
  all = new Set();

  constructor(answer) {
    this.answer = answer;
    this.server = net.createServer((s) => this.serve(s));
  }

  static async start(t, answer) {
    const h = new Hostile(answer);
    await new Promise((go) => h.server.listen(0, "127.0.0.1", go));
    h.url = `http://127.0.0.1:${h.server.address().port}`;
    h.key = "key";
    t.defer(() => h.close());
    return h;
  }

  close() {
    this.server.close();
    for (const s of this.all) s.destroy();
  }

  send(...frames) {
    for (const s of this.sockets) for (const f of frames) s.write(f);
  }

  hangUp() {
    for (const s of this.sockets) s.destroy();
  }

  serve(s) {
    this.all.add(s);
    s.setNoDelay(true);
    s.on("error", () => undefined);
    s.on("close", () => (this.all.delete(s), this.sockets.delete(s)));
    let data = Buffer.alloc(0);
    let isBusy = false;
    let isOpen = false;
    const look = async () => {
      while (!isBusy && !isOpen) {
        const end = data.indexOf("\r\n\r\n");
        if (end < 0) return;
        const head = data.toString("latin1", 0, end).split("\r\n");
        const headers = Object.fromEntries(head.slice(1).map((l) => [l.slice(0, l.indexOf(":")).toLowerCase(), l.slice(l.indexOf(":") + 1).trim()]));
        const length = Number(headers["content-length"] ?? 0);
        if (data.length < end + 4 + length) return;
        const [method, target] = head[0].split(" ");
        const body = data.toString("utf8", end + 4, end + 4 + length);
        data = data.subarray(end + 4 + length);
        const url = new URL(target, "http://x");
        const isWs = headers.upgrade?.toLowerCase() === "websocket";
        const accept = () =>
          Buffer.from(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
              createHash("sha1").update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64") +
              "\r\n\r\n",
          );
        const request = { method, target, path: url.pathname, query: url.searchParams, headers, body, json: body ? JSON.parse(body) : undefined, isWs, accept, socket: s };
        isBusy = true;
        const number = this.requests.push(request) - 1;
        const out = await this.answer(request, number);
        if (out === null) return void s.destroy();
        isBusy = false;
        if (out === undefined) return;
        if (isWs && out.toString("latin1", 0, 12) === "HTTP/1.1 101") {
          isOpen = true;
          this.sockets.add(s);
        }
        s.write(out);
      }
    };
    s.on("data", (d) => {
      if (isOpen && d[0] === 0x88) return void s.end(); // a close frame
      if (isOpen) return;
      data = Buffer.concat([data, d]);
      void look();
    });
  }

  calls(path) {
    return this.requests.filter((r) => !r.isWs && (path === undefined || r.path === path));
  }
}

/** A WebSocket that says hello, then these frames. */
export const good = (request, ...more) => Buffer.concat([request.accept(), frame(HELLO), ...more]);

/* ---- time by hand ---- */

/** setTimeout, setInterval and Date.now under the test's thumb. */
export function fakeTime(t) {
  const real = { setTimeout, clearTimeout, setInterval, clearInterval, now: Date.now };
  let now = 1_700_000_000_000;
  let last = 0;
  const timers = new Map();
  const add = (every) => (then, ms = 0, ...args) => {
    timers.set(++last, { at: now + Math.max(ms, 1), then: () => then(...args), every: every ? Math.max(ms, 1) : 0 });
    return last;
  };
  globalThis.setTimeout = add(false);
  globalThis.setInterval = add(true);
  globalThis.clearTimeout = globalThis.clearInterval = (id) => void timers.delete(id);
  Date.now = () => now;
  t.defer(() => {
    Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout, setInterval: real.setInterval, clearInterval: real.clearInterval });
    Date.now = real.now;
  });
  const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  return {
    get count() {
      return timers.size;
    },
    async tick(ms) {
      const end = now + ms;
      for (;;) {
        await settle();
        const due = [...timers].filter(([, x]) => x.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
        if (!due) break;
        const [id, timer] = due;
        now = timer.at;
        if (timer.every) timer.at += timer.every;
        else timers.delete(id);
        timer.then();
      }
      now = end;
      await settle();
    },
  };
}
