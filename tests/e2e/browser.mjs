/* Chromium, and pages in it that tell what they did wrong. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before } from "node:test";
import { ROOT } from "../web/support.mjs";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export const SHOTS = path.join(ROOT, "build/e2e");

const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
let chrome;
before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  chrome = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
});
after(() => chrome?.close());

/** A window of its own, as another person's browser. `forgives`: faults of the network are a part of the test. */
export async function open(t, url, { width = 1280, height = 800, dark = false, forgives = false, storage = true, ...context } = {}) {
  const window = await chrome.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", reducedMotion: "reduce", ...context });
  t.defer(() => window.close());
  if (!storage)
    await window.addInitScript(() => {
      for (const name of ["localStorage", "sessionStorage"])
        Object.defineProperty(globalThis, name, { get: () => { throw new DOMException("blocked", "SecurityError"); } });
    });
  const page = await window.newPage();
  const faults = [];
  page.on("pageerror", (e) => faults.push(String(e.stack ?? e)));
  page.on("console", (m) => {
    const isNetwork = /^Failed to load resource|WebSocket connection to|blocked by CORS policy/.test(m.text());
    if (m.type() === "error" && !(forgives && isNetwork)) faults.push(m.text());
  });
  t.defer(() => assert.deepEqual(faults, [], "the page reported no error"));
  if (url) await page.goto(url);
  return page;
}

export async function axe(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  const told = violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.map((n) => `  ${n.html.slice(0, 200)}\n  ${n.failureSummary}`).join("\n")}`);
  assert.equal(told.length, 0, `${what}\n${told.join("\n")}`);
}

/** Nothing reaches over the edge of the window. */
export async function fits(page, what) {
  const { wide, inner } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, inner: innerWidth }));
  assert.ok(wide <= inner, `${what}: ${wide} px of content in ${inner} px`);
}
