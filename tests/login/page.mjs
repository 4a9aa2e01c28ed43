// The page of the examples in a real browser. Argument: {"url", "people": [{id, name, password}, ...], "trouble": text or none}.
// Ends with status 0, or says what went wrong.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chromium } from "../e2e/node_modules/playwright-core/index.mjs";

const axe = readFileSync(new URL("../e2e/node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const { url, people, trouble } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const complaints = [];

async function open(person) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, colorScheme: trouble ? "dark" : "light" });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  await page.goto(url);
  await audit(page);
  await page.getByLabel("Name").fill(person.id);
  await page.getByLabel("Password").fill(person.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  return page;
}

/** Outside of the page's Content-Security-Policy, which forbids what a checker does. */
async function audit(page) {
  const found = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ["violations"] })`);
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html)}`), []);
}

const status = (page) => page.getByRole("status");
const isReady = (page) => page.getByRole("button", { name: "Send" }).and(page.locator(":enabled")).waitFor();
const messages = (page) => page.getByRole("log");

async function talk() {
  const [john, jane] = people;
  const one = await open(john);
  const two = await open(jane);
  await isReady(one);
  await isReady(two);
  await audit(one);

  await one.getByLabel("Message", { exact: true }).pressSequentially("Hello <i>Jane</i>");
  await two.locator("#typing").getByText(john.name).waitFor();
  await one.getByRole("button", { name: "Send" }).click();
  await messages(two).getByText(`${john.name}Hello <i>Jane</i>`, { exact: true }).waitFor();
  await messages(one).locator(".sent").getByText("Hello <i>Jane</i>").waitFor();
  assert.equal(await one.getByLabel("Message", { exact: true }).inputValue(), "");

  await one.getByLabel("Your name").fill("Jonathan");
  await one.getByRole("button", { name: "Change" }).click();
  await status(one).getByText("Your name is changed.").waitFor();
  await one.getByLabel("Message", { exact: true }).fill("It is me");
  await one.keyboard.press("Enter");
  await messages(two).getByText("JonathanIt is me", { exact: true }).waitFor();

  await one.reload();
  await messages(one).getByText("It is me").waitFor();
  assert.equal(await one.getByLabel("Your name").inputValue(), "Jonathan");
  const isKept = await one.evaluate(() => document.cookie + JSON.stringify(localStorage));
  assert.ok(!/session|eyJ/.test(isKept), isKept);
  assert.deepEqual(complaints, []);

  // Signing out in one browser ends all tokens of the user; where he is still signed in, the client gets a new one and goes on.
  const elsewhere = await open(john);
  await isReady(elsewhere);
  const renewed = elsewhere.waitForResponse((r) => r.url().endsWith("/chat/token"));
  await one.getByRole("button", { name: "Sign out" }).click();
  await one.getByRole("button", { name: "Sign in" }).waitFor();
  assert.equal((await renewed).status(), 200);
  await elsewhere.getByLabel("Message", { exact: true }).fill("Still here");
  await elsewhere.keyboard.press("Enter");
  await messages(two).getByText("JonathanStill here", { exact: true }).waitFor();
  const refused = /status of 401/; // of the page that signed out, whose client hears of it first
  assert.deepEqual(complaints.filter((text) => !refused.test(text)), []);
}

async function seeTrouble() {
  const page = await open(people[0]);
  await status(page).getByText(trouble).waitFor();
  assert.ok((await status(page).innerText()).startsWith(trouble));
  await audit(page);
}

try {
  await (trouble ? seeTrouble() : talk());
} finally {
  await browser.close();
}
