/* A long history in the page: it scrolls without the page standing still, and what one looks at stays where it is. */
import assert from "node:assert/strict";
import { Server, test, until } from "../web/support.mjs";
import { Person, lobby } from "./chat.mjs";

const MESSAGES = Number(process.env.BECK_TEST_MESSAGES ?? 10_000);

/** Milliseconds of processor time of each task of the page's main thread, longest first. Time on the clock would count what else the
 * machine does. */
async function tasksOf(page, work) {
  const browser = page.context().browser();
  await browser.startTracing(page, { categories: ["toplevel", "__metadata"] });
  await work();
  const { traceEvents } = JSON.parse(await browser.stopTracing());
  const mains = new Set(traceEvents.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain").map((e) => e.tid));
  const tasks = traceEvents.filter((e) => e.name === "ThreadControllerImpl::RunTask" && mains.has(e.tid) && e.tdur !== undefined);
  assert.ok(tasks.length > 100, `${tasks.length} tasks with their processor time`);
  return tasks.map((e) => e.tdur / 1000).sort((a, b) => b - a);
}

async function fill(server) {
  const lines = ["Yes.", "That would be good; let us look at it tomorrow morning.", "A longer thought, which takes two lines at least in most windows, and is about nothing."];
  for (let from = 0; from < MESSAGES; from += 50)
    await Promise.all(Array.from({ length: 50 }, (_, i) => server.say(i % 2 ? "john" : "jane", "lobby", `${from + i}: ${lines[i % lines.length]}`)));
}

test(`${MESSAGES} messages are scrolled through, no task over 50 ms`, async (t) => {
  const server = await new Server().start();
  t.defer(() => server.destroy());
  await lobby(server);
  await fill(server);
  const john = await Person.open(t, server, "john");
  await john.enter();
  const { page } = john;
  // All of the history into the page first, then through it from end to end.
  const held = await page.evaluate(async () => {
    const { channel } = document.querySelector("beck-page").shadowRoot.querySelector("beck-chat");
    while (channel.state.hasOlder) await channel.loadOlder(100);
    return channel.state.messages.length;
  });
  assert.equal(held, MESSAGES);
  const { log } = john;
  const top = () => log.evaluate((e) => e.scrollTop);
  const tasks = await tasksOf(page, async () => {
    await log.hover();
    let last = await top();
    for (let still = 0; still < 3; ) {
      await page.mouse.wheel(0, -6000);
      await page.evaluate(() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))));
      const now = await top();
      still = now < last ? 0 : still + 1;
      last = now;
    }
  });
  assert.equal(await top(), 0);
  assert.ok((await john.texts()).includes("0: Yes."), "the first message stands at the top");
  const rows = await log.getByRole("article").count();
  console.log(`scroll: ${MESSAGES} messages, ${rows} rows in the page at the end, ${tasks.length} tasks, the longest ${tasks[0].toFixed(1)} ms of processor time`);
  assert.ok(rows < 300, `${rows} rows are in the page`);
  assert.deepEqual(tasks.filter((ms) => ms > 50), []);
}, 150_000);

test("older messages load while one scrolls up, and what one reads does not jump", async (t) => {
  const server = await new Server().start();
  t.defer(() => server.destroy());
  await lobby(server);
  for (let i = 0; i < 120; i++) await server.say("jane", "lobby", `line ${i}`);
  await server.api("POST", "/channels/messaging/lobby/read", {}, "john");
  const john = await (await Person.open(t, server, "john")).enter();
  await john.message("line 119").waitFor();
  const log = john.log;
  await log.hover();
  await until(async () => {
    await john.page.mouse.wheel(0, -400);
    return (await john.message(/^line 0$/).count()) > 0 || (await john.texts()).includes("line 0");
  }, "the first message");
  // Read somewhere in the middle, while others go on.
  await log.evaluate((e) => (e.scrollTop = e.scrollHeight / 2));
  const seen = await until(
    () =>
      log.evaluate((e) => {
        const middle = e.getBoundingClientRect().top + e.clientHeight / 2;
        const row = [...e.querySelectorAll("[role=article]")].find((r) => r.getBoundingClientRect().top <= middle && r.getBoundingClientRect().bottom > middle);
        return row?.querySelector(".text")?.textContent;
      }),
    "a message in the middle",
  );
  const place = async () => Math.round((await john.message(new RegExp(`${seen}(?!\\d)`)).first().boundingBox()).y);
  const before = await place();
  for (let i = 0; i < 5; i++) await server.say("jane", "lobby", `meanwhile ${i}`);
  await john.page.getByRole("button", { name: /5 new messages/ }).waitFor();
  assert.ok(Math.abs((await place()) - before) <= 1, `moved by ${(await place()) - before} px`);
  await john.page.getByRole("button", { name: /5 new messages/ }).click();
  await john.message("meanwhile 4").waitFor();
});
