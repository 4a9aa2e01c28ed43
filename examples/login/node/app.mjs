// An app with users and a login of its own, which gives them chat. Node 18 or later, nothing else.
//
//   node app.mjs                            serves the app
//   node app.mjs add-users <people.tsv      lines of id, name and password; without a password one cannot sign in
//   node app.mjs sync-users                 tells Beck about all users
import { createHmac, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { promisify } from "node:util";

const env = (name, otherwise) => process.env[name] || otherwise || fail(`set ${name}`);
const fail = (why) => { console.error(why); process.exit(2); };
const beckUrl = env("BECK_URL", "http://127.0.0.1:8800"); // from this server to Beck
const beckPublicUrl = env("BECK_PUBLIC_URL", beckUrl); // from browsers to Beck
const apiKey = env("BECK_API_KEY");
const apiSecret = readFileSync(env("BECK_API_SECRET_FILE"), "utf8").trim();
const dataFolder = env("APP_DATA", "app-data");
const seconds = () => Math.floor(Date.now() / 1000);
const iso = (s) => new Date(s * 1000).toISOString();

// ---- users: yours are in your database, here a file stands for it ----

const usersFile = `${dataFolder}/users.json`;
const readUsers = () => new Map(existsSync(usersFile) ? JSON.parse(readFileSync(usersFile, "utf8")).map((u) => [u.id, u]) : []);

function writeUsers(users) {
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  writeFileSync(`${usersFile}.new`, JSON.stringify([...users.values()], null, 1), { mode: 0o600 });
  renameSync(`${usersFile}.new`, usersFile);
}

function changeUser(id, fields) {
  const users = readUsers();
  writeUsers(users.set(id, { ...users.get(id), ...fields }));
  return users.get(id);
}

const hash = (password, salt) => promisify(scrypt)(password, salt, 32, { N: 16384, r: 8, p: 5 });

async function makePassword(password) {
  const salt = randomBytes(16);
  return `${salt.toString("hex")}:${(await hash(password, salt)).toString("hex")}`;
}

const nobody = `:${"0".repeat(64)}`; // no password fits, and to find out takes as long for a name that does not exist

async function checkPassword(user, password) {
  const [salt, wanted] = (user?.password || nobody).split(":").map((hex) => Buffer.from(hex, "hex"));
  return timingSafeEqual(await hash(password, salt), wanted);
}

// ---- Beck ----

// quickstart: sign
// A token is a JWT: HS256 with the API secret, which never leaves this server.
function sign(claims) {
  const part = (o) => Buffer.from(JSON.stringify(o)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", apiSecret).update(text).digest("base64url")}`;
}
// quickstart: end

// quickstart: call
async function callBeck(method, path, body) {
  const token = sign({ server: true, iat: seconds(), exp: seconds() + 60 });
  const reply = await fetch(`${beckUrl}${path}?api_key=${apiKey}`, {
    method,
    headers: { Authorization: token, "Stream-Auth-Type": "jwt", "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(5000),
  });
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
}

/** True when Beck did it. The app goes on without Beck: chat is what is missing then, not the app. */
async function tellBeck(...call) {
  try {
    await callBeck(...call);
    return true;
  } catch (error) {
    console.error(`Beck: ${error.message} ${error.cause?.message ?? ""}`);
    return false;
  }
}
// quickstart: end

// quickstart: users
/** At most 100 users at once: who they are, and which channels they are in. Saying it again changes nothing. */
async function putUsers(users) {
  const ids = users.map((u) => u.id);
  await callBeck("POST", "/users", { users: Object.fromEntries(users.map((u) => [u.id, { id: u.id, name: u.name }])) });
  await callBeck("POST", "/channels/messaging/lobby/query", { data: { created_by_id: ids[0] } });
  await callBeck("POST", "/channels/messaging/lobby", { add_members: ids });
}

async function syncUsers() {
  let count = 0;
  for (;;) {
    const some = [...readUsers().values()].slice(count, count + 100); // read just before, so that a name is not put back to an old one
    if (some.length === 0) break;
    await putUsers(some);
    // Sign-outs that Beck was not there to hear of; no token is older than an hour.
    const out = some.filter((u) => u.tokensFrom > seconds() - tokenSeconds);
    if (out.length) await callBeck("PATCH", "/users", { users: out.map(revocation) });
    count += some.length;
  }
  console.log(`${count} users`);
}
// quickstart: end

// ---- the app's own sessions: in memory, so a restart signs everybody out ----

const sessions = new Map();
const sessionSeconds = 12 * 3600;
const cookieOf = (request) => /(?:^|;\s*)session=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1];

function sessionCookie(value, maxAge) {
  const secure = beckPublicUrl.startsWith("https:") ? "; Secure" : ""; // chat by TLS: then the app is, too
  return `session=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAge}${secure}`;
}

function sessionUser(request) {
  const session = sessions.get(cookieOf(request));
  return session && session.ends > seconds() ? readUsers().get(session.userId) : undefined;
}

// At most ten wrong passwords a minute for one name.
let tries = { minute: 0, of: new Map() };
function mayTry(id) {
  const minute = Math.floor(seconds() / 60);
  if (tries.minute !== minute) tries = { minute, of: new Map() };
  tries.of.set(id, (tries.of.get(id) ?? 0) + 1);
  return tries.of.get(id) <= 10;
}

async function login(request, response) {
  const form = await readForm(request);
  const id = form.get("user") ?? "";
  if (!mayTry(id)) return sendPage(response, 429, "login.html", { error: "Too many attempts. Wait a minute." });
  const user = readUsers().get(id);
  if (!(await checkPassword(user, form.get("password") ?? ""))) return sendPage(response, 401, "login.html", { error: "Wrong name or password." });
  tries.of.delete(id);
  const sid = randomBytes(32).toString("base64url"); // always a new one, so that nobody can plant his
  for (const [old, session] of sessions) if (session.ends <= seconds()) sessions.delete(old);
  sessions.set(sid, { userId: id, ends: seconds() + sessionSeconds });
  redirect(response, sessionCookie(sid, sessionSeconds));
}

// quickstart: logout
const revocation = (user) => ({ id: user.id, set: { revoke_tokens_issued_before: iso(user.tokensFrom) } });

async function logout(request, response) {
  let user = sessionUser(request);
  sessions.delete(cookieOf(request));
  if (user) {
    // Revocation ends tokens with iat < tokensFrom, and iat counts whole seconds: tokens of this very second end only if tokensFrom is
    // past it. Later tokens, of other sign-ins, are issued as of tokensFrom at the earliest: at most a second ahead, which Beck allows.
    user = changeUser(user.id, { tokensFrom: Math.max(seconds(), user.tokensFrom ?? 0) + 1 });
    await tellBeck("PATCH", "/users", { users: [revocation(user)] });
  }
  redirect(response, sessionCookie("", 0));
}
// quickstart: end

// ---- chat ----

// quickstart: token
const tokenSeconds = 3600;

async function chatToken(request, response) {
  const now = seconds(); // before the session is looked at, so that a logout meanwhile comes later
  const user = sessionUser(request);
  if (!user) return sendJson(response, 401, { error: "Sign in first." });
  try {
    await putUsers([user]); // new users and what Beck missed while it was away
  } catch (error) {
    console.error(`Beck: ${error.message}`);
    return sendJson(response, 503, { error: "Chat is not available at the moment." });
  }
  const iat = Math.max(now, user.tokensFrom ?? 0);
  const exp = iat + tokenSeconds;
  sendJson(response, 200, { token: sign({ user_id: user.id, iat, exp }), expires_at: iso(exp) });
}
// quickstart: end

// quickstart: profile
async function profile(request, response) {
  const form = await readForm(request);
  const user = sessionUser(request);
  const name = (form.get("name") ?? "").trim();
  if (!user) return sendJson(response, 401, { error: "Sign in first." });
  if (!name || name.length > 100) return sendJson(response, 400, { error: "A name has 1 to 100 characters." });
  changeUser(user.id, { name });
  const synced = await tellBeck("PATCH", "/users", { users: [{ id: user.id, set: { name } }] });
  sendJson(response, 200, { name, synced });
}
// quickstart: end

// ---- pages ----

const pageFolder = new URL("../page/", import.meta.url);
const beckOrigin = new URL(beckPublicUrl).origin;
const headers = {
  "Content-Security-Policy":
    `default-src 'none'; script-src 'self' ${beckOrigin}; style-src 'self' ${beckOrigin}; img-src 'self' data: ${beckOrigin}; ` +
    `connect-src 'self' ${beckOrigin} ${beckOrigin.replace(/^http/, "ws")}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "same-origin",
  "Cache-Control": "no-store",
};

function send(response, status, type, body, more = {}) {
  response.writeHead(status, { ...headers, "Content-Type": type, ...more }).end(body);
}
const sendJson = (response, status, value) => send(response, status, "application/json", JSON.stringify(value));
const redirect = (response, cookie) => send(response, 303, "text/plain", "", { Location: "/", "Set-Cookie": cookie });

function sendPage(response, status, file, values) {
  const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const html = readFileSync(new URL(file, pageFolder), "utf8").replace(/{{(\w+)}}/g, (_, key) => escape(values[key]));
  send(response, status, "text/html; charset=utf-8", html);
}

function home(request, response) {
  const user = sessionUser(request);
  if (!user) return sendPage(response, 200, "login.html", { error: "" });
  sendPage(response, 200, "chat.html", { beck_url: beckPublicUrl, api_key: apiKey, user_id: user.id, name: user.name });
}

async function readForm(request) {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) if ((body += chunk).length > 10_000) throw new Error("the form is too long");
  return new URLSearchParams(body);
}

// Browsers say where a POST comes from, and pages of others cannot change that: this is the protection from forged requests.
const isFromOurPage = (request) => request.headers.origin?.replace(/^https?:\/\//, "") === request.headers.host;

const file = (name, type) => (_, response) => send(response, 200, type, readFileSync(new URL(name, pageFolder)));
const routes = {
  "GET /": home,
  "GET /app.js": file("app.js", "text/javascript"),
  "GET /app.css": file("app.css", "text/css"),
  "POST /login": login,
  "POST /logout": logout,
  "POST /chat/token": chatToken,
  "POST /profile": profile,
};

async function serve(request, response) {
  try {
    const route = routes[`${request.method} ${request.url.split("?")[0]}`];
    if (!route) return send(response, 404, "text/plain", "not found");
    if (request.method === "POST" && !isFromOurPage(request)) return sendJson(response, 403, { error: "This request comes from another page." });
    await route(request, response);
  } catch (error) {
    console.error(error);
    if (!response.headersSent) sendJson(response, 500, { error: "Something went wrong." });
  }
}

async function addUsers() {
  const users = readUsers();
  for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    const [id, name, password] = line.split("\t");
    users.set(id, { ...users.get(id), id, name, password: password ? await makePassword(password) : null });
  }
  writeUsers(users);
}

const command = process.argv[2];
if (command === "add-users") await addUsers();
else if (command === "sync-users") await syncUsers();
else if (command) fail(`unknown command ${command}`);
else {
  const server = createServer(serve).listen(Number(env("PORT", "8080")), "127.0.0.1", () => console.log(`ready http://127.0.0.1:${server.address().port}`));
}
