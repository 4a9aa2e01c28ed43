/* What networks, servers and clocks do to a page that is open; it heals, and every message is there once, in order. */
import assert from "node:assert/strict";
import { Box, Server, test, until } from "../web/support.mjs";
import { Person, lobby } from "./chat.mjs";

async function scene(t, mode = "pass", options = {}) {
  const server = await new Server().start();
  t.defer(() => server.destroy());
  await lobby(server);
  const box = await Box.before(t, server);
  box.set(mode);
  const john = await Person.open(t, box, "john", { forgives: true, ...options });
  await john.enter();
  let n = 0;
  const said = [];
  /** By the server's own port: what happens to john's network is his alone. */
  const tell = async (count = 1) => {
    for (let i = 0; i < count; i++) {
      said.push(`message ${++n}`);
      await server.say("jane", "lobby", said.at(-1));
    }
  };
  const check = async () => {
    await john.message(said.at(-1)).last().waitFor();
    assert.deepEqual(await john.texts(), said);
  };
  return { server, box, john, said, tell, check };
}

for (const mode of ["refuse", "swallow", "mute"])
  test(`WebSocket ${mode} at the start: long polling carries, WebSocket takes over when it works`, async (t) => {
    const { box, john, tell, check } = await scene(t, mode);
    await john.live("long polling");
    await tell(3);
    await check();
    box.set("pass");
    await john.page.evaluate(() => dispatchEvent(new Event("online")));
    await john.live("WebSocket");
    await tell(2);
    await check();
  });

for (const mode of ["refuse", "swallow"])
  test(`WebSocket cut and then ${mode} in mid-session, healed both ways`, async (t) => {
    const { box, john, tell, check } = await scene(t);
    await john.live("WebSocket");
    await tell(2);
    box.set(mode);
    box.cut(true);
    await tell(3);
    await john.live("long polling");
    await check();
    box.set("pass");
    await john.page.evaluate(() => dispatchEvent(new Event("online")));
    await john.live("WebSocket");
    await tell(2);
    await check();
  });

test("the network is gone for a while: what is written waits, and goes out once", async (t) => {
  const { server, box, john, said, tell, check } = await scene(t);
  await tell(1);
  await check();
  box.set("drop");
  box.cut();
  await john.state.filter({ hasText: /Trying again/ }).waitFor();
  for (const text of ["written offline 1", "written offline 2"]) {
    await john.say(text);
    await john.message(text).getByRole("img", { name: "Waiting to be sent" }).waitFor();
  }
  await tell(2);
  box.set("pass");
  await john.page.evaluate(() => dispatchEvent(new Event("online")));
  await john.live("WebSocket");
  await john.message("written offline 2").getByRole("img", { name: /Sent|Read/ }).waitFor();
  said.push("written offline 1", "written offline 2");
  await tell(1);
  await check();
  const { messages } = await server.api("POST", "/channels/messaging/lobby/query", { state: true, messages: { limit: 50 } }, "jane");
  assert.deepEqual(messages.map((m) => m.text), said);
});

test("what was written offline goes out from the next page, after a reload", async (t) => {
  const { server, box, john } = await scene(t);
  await john.live("WebSocket");
  box.onUp = (d) => !/POST .*\/message\?/.test(d.toString("latin1")); // sends get no answer
  await john.say("kept over a reload");
  await john.message("kept over a reload").getByRole("img", { name: "Waiting to be sent" }).waitFor();
  box.onUp = null;
  await john.page.reload();
  await john.enter();
  await john.message("kept over a reload").getByRole("img", { name: /Sent|Read/ }).waitFor();
  await until(async () => (await server.api("POST", "/channels/messaging/lobby/query", { state: true }, "jane")).messages.length === 1, "one message");
});

test("the server is killed and comes back", async (t) => {
  const { server, john, tell, check } = await scene(t);
  await tell(2);
  await check();
  await server.kill9();
  await john.state.filter({ hasText: /Trying again/ }).waitFor();
  await server.start();
  await tell(2);
  await john.live("WebSocket");
  await check();
});

test("the page's own faults: cut, blocked, expired; it shows how it heals", async (t) => {
  const { john, tell, check } = await scene(t);
  await john.state.click();
  const panel = john.page.getByRole("complementary", { name: "Connection" });
  await panel.waitFor();
  const id = await panel.getByRole("definition").nth(1).innerText();
  assert.ok(id.length > 10, id);
  await john.switch(/Cut the network/).click();
  await john.state.filter({ hasText: /Trying again/ }).waitFor();
  await tell(2);
  await john.switch(/Cut the network/).click();
  await john.live("WebSocket");
  await check();
  await panel.getByText("Caught up: nothing was lost").first().waitFor();
  await john.switch(/Block WebSocket/).click();
  await john.live("long polling");
  await tell(1);
  await check();
  await john.switch(/Block WebSocket/).click();
  await john.page.evaluate(() => dispatchEvent(new Event("online")));
  await john.live("WebSocket");
  await panel.getByRole("button", { name: "Expire the token" }).click();
  await panel.getByText("The server refused the expired token; a new one was fetched").first().waitFor();
  await john.live("WebSocket");
  await tell(1);
  await check();
});

test("a laptop that was closed for a day goes on where it was", async (t) => {
  const { box, john, tell, check } = await scene(t);
  await john.live("WebSocket");
  await tell(1);
  await check();
  // Asleep: nothing of the page runs, and the network forgets its connections without a word.
  await john.page.clock.install();
  box.set("stall");
  await tell(3);
  await john.page.clock.fastForward("24:00:00");
  box.cut();
  box.set("pass");
  await john.page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await john.page.clock.resume();
  await john.live("WebSocket");
  await tell(1);
  await check();
});
