#!/usr/bin/env node
// Makes docs/chat.png: the chat page of a real server, as John sees it while Jane is typing. Needs `make build` and `tools/install-deps test`.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const { chromium } = createRequire(path.join(root, "tests/e2e/package.json"))("playwright-core");
const data = mkdtempSync(path.join(os.tmpdir(), "beck-picture-"));
const beckd = spawn(path.join(root, "build/bin/beckd"), ["--dev", "--data", data, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"] });
const ended = new Promise((go) => beckd.once("exit", go));
const url = await new Promise((go) => beckd.stdout.on("data", (d) => { const m = /url=(\S+)/.exec(d); if (m) go(m[1]); }));
const beck = (...args) => execFileSync(path.join(root, "build/bin/beck"), args).toString().trim();
const key = beck("app", "list", "--data", data, "--first-key");
const token = (...who) => beck("token", "--secret-file", path.join(data, "api_secret"), ...who);

async function call(as, method, at, body) {
  const answer = await fetch(`${url}${at}?api_key=${key}`, {
    method,
    headers: { Authorization: as, "Stream-Auth-Type": "jwt", "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const reply = await answer.json();
  if (!answer.ok) throw new Error(reply.message);
  return reply;
}

const server = token("--server");
const names = { john: "John", jane: "Jane", mary: "Mary Ogden", ada: "Ada", tom: "Tom" };
await call(server, "POST", "/users", { users: Object.fromEntries(Object.entries(names).map(([id, name]) => [id, { id, name }])) });
const as = Object.fromEntries(Object.keys(names).map((id) => [id, token("--user", id)]));
const room = (id, data) => call(server, "POST", `/channels/messaging/${id}/query`, { data: { created_by_id: "john", ...data } });
const say = async (who, where, text, more = {}) => (await call(as[who], "POST", `/channels/messaging/${where}/message`, { message: { text, ...more } })).message;
await room("garden", { name: "Garden house", members: ["john", "mary", "tom"] });
await room("ada", { members: ["john", "ada"] });
await room("walk", { name: "Sunday walk", members: ["john", "jane", "mary", "ada"] });
await say("tom", "garden", "The paint is here. Two tins of green.");
await say("ada", "ada", "Thank you for the book!");
await call(as.john, "POST", "/channels/messaging/ada/read", {});
await say("mary", "walk", "Shall we take the early train on Sunday?");
await say("john", "walk", "8:12 from the main station. I can get the tickets.");
const plan = await say("jane", "walk", "Good. Along the beck to the mill, then up through the wood: about three hours, with a stop at the inn.");
await say("john", "walk", "The mill! I have not been there for years.", { quoted_message_id: plan.id });
await say("ada", "walk", "Is the inn open in November?", { parent_id: plan.id });
await say("jane", "walk", "From noon on.", { parent_id: plan.id });
await say("mary", "walk", "I bring a cake, then nobody has to mind.");
await say("john", "walk", "Then it is settled.");

const chrome = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"] });
const windows = {};
for (const id of ["jane", "john"]) {
  const context = await chrome.newContext({ viewport: { width: 1200, height: 760 }, deviceScaleFactor: 1.5, reducedMotion: "reduce" });
  windows[id] = await context.newPage();
  await windows[id].goto(`${url}/console/chat/?user=${id}`);
  await windows[id].getByRole("navigation").getByRole("button", { name: /Sunday walk/ }).click();
  await windows[id].getByText("Then it is settled.").last().waitFor();
}
await windows.jane.getByRole("textbox", { name: /Message to/ }).pressSequentially("See you at the");
await windows.john.getByText("Jane is typing").first().waitFor();
await windows.john.getByRole("img", { name: /Read by Jane/ }).first().waitFor();
await windows.john.screenshot({ path: process.argv[2] ?? path.join(root, "docs/chat.png") });
await chrome.close();
beckd.kill("SIGTERM");
await ended;
rmSync(data, { recursive: true });
