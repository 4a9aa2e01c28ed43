/* Two people talk: what each does is seen by the other. */
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Box, Server, test, uid, until } from "../web/support.mjs";
import { open } from "./browser.mjs";
import { Person, lobby } from "./chat.mjs";

let server;
before(async () => {
  server = await new Server().start();
  await lobby(server);
});
after(() => server.destroy());

const both = async (t) => {
  const [john, jane] = await Promise.all(["john", "jane"].map((id) => Person.open(t, server, id)));
  await Promise.all([john.enter(), jane.enter()]);
  return { john, jane };
};

/** The switch shows what is wanted; from here on the server does it. */
const stored = (user, name, enabled) =>
  until(async () => (await server.stored(user)).privacy_settings?.[name]?.enabled === enabled, `${name} of ${user} is ${enabled}`);

/** For things that must not happen, where no marker can follow. */
const pause = (ms) => new Promise((go) => setTimeout(go, ms));

let n = 0;
const text = (what) => `${what} ${++n}`;

test("a newcomer picks a name and talks: nothing but the page is needed", async (t) => {
  const page = await open(t, `${server.url}/console/chat/`);
  await page.getByRole("button", { name: "Chat as John" }).click();
  const john = new Person(page);
  await john.enter();
  const said = text("hello from the door");
  await john.say(said);
  await john.message(said).getByRole("img", { name: "Sent" }).waitFor();
});

test("both, side by side, in one window", async (t) => {
  const page = await open(t, `${server.url}/console/chat/`, { width: 1600 });
  await page.getByRole("button", { name: /Both, side by side/ }).click();
  const sides = page.locator("beck-chat");
  await until(async () => (await sides.count()) === 2, "two chats");
  for (const i of [0, 1]) await sides.nth(i).getByRole("navigation").getByRole("button", { name: /Lobby/ }).click();
  const said = text("from the left");
  const box = sides.nth(0).getByRole("textbox", { name: "Message to Lobby" });
  await box.fill(said);
  await box.press("Enter");
  await sides.nth(1).getByRole("article").filter({ hasText: said }).waitFor();
});

test("messages, in order, on both sides", async (t) => {
  const { john, jane } = await both(t);
  const said = ["one", "two", "three"].map(text);
  for (const s of said) await john.say(s);
  await jane.message(said[2]).waitFor();
  const answer = text("four");
  await jane.say(answer);
  await john.message(answer).waitFor();
  for (const p of [john, jane]) assert.deepEqual((await p.texts()).slice(-4), [...said, answer]);
});

test("markup in a message is text, and a link is one", async (t) => {
  const { john, jane } = await both(t);
  const said = text("<img src=x onerror=alert(1)> <b>bold</b> see https://example.org/a?b=c&d");
  await john.say(said);
  const message = jane.message("onerror=alert(1)").last();
  await message.waitFor();
  assert.equal(await message.locator(".text").innerText(), said);
  assert.equal(await message.getByRole("link").getAttribute("href"), "https://example.org/a?b=c&d");
});

test("typing is seen, and ends", async (t) => {
  const { john, jane } = await both(t);
  await john.box.pressSequentially("hm");
  await jane.page.getByText("John is typing").first().waitFor();
  await until(async () => (await jane.page.getByText("John is typing").count()) === 0, "typing ends");
});

test("typing is not seen with typing indicators off, and is again with them on", async (t) => {
  const { john, jane } = await both(t);
  await john.panel("Privacy");
  await john.switch(/Typing indicators/).click();
  await john.page.getByText("Nobody sees that you are writing.").waitFor();
  await stored("john", "typing_indicators", false);
  await john.box.pressSequentially("hidden");
  // What john says next overtakes nothing: had he been seen typing, it would have been before this.
  let wasSeen = false;
  const said = text("after hidden typing");
  const watch = until(async () => {
    wasSeen ||= (await jane.page.getByText("John is typing").count()) > 0;
    return (await jane.message(said).count()) > 0;
  }, "the message");
  await john.say(said);
  await watch;
  assert.equal(wasSeen, false);
  await john.switch(/Typing indicators/).click();
  await john.page.getByText("Others see when you are writing.").waitFor();
  await stored("john", "typing_indicators", true);
  await john.box.pressSequentially("seen");
  await jane.page.getByText("John is typing").first().waitFor();
});

test("ticks: sent, then read by the other", async (t) => {
  const john = await (await Person.open(t, server, "john")).enter();
  const said = text("read me");
  await john.say(said);
  const message = john.message(said);
  await message.getByRole("img", { name: "Sent" }).waitFor();
  const jane = await (await Person.open(t, server, "jane")).enter();
  await jane.message(said).waitFor();
  await message.getByRole("img", { name: "Read by Jane" }).waitFor();
});

test("reading is not seen with read receipts off", async (t) => {
  const { john, jane } = await both(t);
  await jane.panel("Privacy");
  await jane.switch(/Read receipts/).click();
  await jane.page.getByText("Nobody sees what you have read.").waitFor();
  await stored("jane", "read_receipts", false);
  const said = text("secretly read");
  await john.say(said);
  await jane.message(said).waitFor();
  // jane's own count is back at nothing: the server has taken her reading in
  await until(async () => (await server.api("GET", "/unread", undefined, "jane")).total_unread_count === 0, "jane has read");
  const later = text("said after she read");
  await jane.say(later);
  await john.message(later).waitFor();
  assert.equal(await john.message(said).getByRole("img", { name: /Read by/ }).count(), 0);
  await jane.switch(/Read receipts/).click();
  await jane.page.getByText("Others see how far you have read.").waitFor();
  await stored("jane", "read_receipts", true);
  const open = text("openly read");
  await john.say(open);
  await john.message(open).getByRole("img", { name: "Read by Jane" }).waitFor();
});

test("unread counts grow in the list, and go when one looks", async (t) => {
  await server.channel("john", ["john", "jane"], { name: "Side room" });
  const jane = await (await Person.open(t, server, "jane")).enter("Side room");
  await server.api("POST", "/channels/messaging/lobby/read", {}, "jane");
  await server.say("john", "lobby", text("first"));
  await server.say("john", "lobby", text("second"));
  await jane.entry("Lobby.*2 unread messages").waitFor();
  await jane.enter("Lobby");
  await until(async () => /unread/.test(await jane.entry("Lobby").innerText()) === false, "no badge");
});

test("presence: somebody comes and goes", async (t) => {
  await server.api("POST", "/users", { users: { mary: { id: "mary", name: "Mary" } } });
  await server.channel("john", ["john", "mary"], {});
  const john = await Person.open(t, server, "john");
  await john.enter("Mary");
  await john.page.getByText("Offline").first().waitFor();
  const mary = await Person.open(t, server, "mary");
  await john.page.getByText("Online", { exact: true }).first().waitFor();
  await mary.page.close();
  await john.page.getByText("Offline").first().waitFor();
});

test("replies stand in their thread, and are counted at the message", async (t) => {
  const { john, jane } = await both(t);
  const said = text("a question");
  await john.say(said);
  await jane.message(said).hover();
  await jane.message(said).getByRole("button", { name: "Reply in thread" }).click();
  const reply = text("an answer");
  await jane.page.getByRole("textbox", { name: "Reply" }).fill(reply);
  await jane.page.getByRole("textbox", { name: "Reply" }).press("Enter");
  await john.message(said).getByRole("button", { name: "1 reply" }).click();
  await john.page.getByRole("complementary").getByText(reply).waitFor();
  assert.equal(await john.message(reply).count(), 0);
});

test("editing, quoting and deleting reach the other side", async (t) => {
  const { john, jane } = await both(t);
  const said = text("with a typo");
  await john.say(said);
  await john.message(said).getByRole("img", { name: /Sent|Read/ }).waitFor();
  await john.message(said).hover();
  await john.message(said).getByRole("button", { name: "Edit" }).click();
  const better = text("without");
  await john.box.fill(better);
  await john.box.press("Enter");
  await jane.message(better).waitFor();
  await jane.message(better).hover();
  await jane.message(better).getByRole("button", { name: "Quote" }).click();
  const quote = text("yes");
  await jane.say(quote);
  await john.message(quote).getByText(better).waitFor();
  await john.message(better).first().hover();
  await john.message(better).first().getByRole("button", { name: "Delete" }).click();
  await jane.message("This message was deleted.").last().waitFor();
});

test("a conversation with somebody found by name", async (t) => {
  await server.api("POST", "/users", { users: { ada: { id: "ada", name: "Ada Lovelace" }, bob: { id: "bob", name: "Bob" } } });
  const bob = await Person.open(t, server, "bob");
  await bob.page.getByRole("button", { name: "New conversation" }).click();
  await bob.page.getByRole("searchbox").or(bob.page.getByRole("textbox", { name: /Find people/ })).first().fill("Ada");
  await bob.page.getByText("Ada Lovelace").first().click();
  await bob.page.getByRole("button", { name: "Chat with Ada Lovelace" }).click();
  await bob.box.waitFor();
  const said = text("hello Ada");
  await bob.say(said);
  const ada = await Person.open(t, server, "ada");
  await ada.enter("Bob");
  await ada.message(said).waitFor();
});

test("what is typed is there after a reload", async (t) => {
  const john = await (await Person.open(t, server, "john")).enter();
  await john.box.fill("half a thought");
  await john.page.reload();
  await john.enter();
  assert.equal(await john.box.inputValue(), "half a thought");
});

test("a conversation that is opened while another is being marked as read is read too", async (t) => {
  const [ann, bob] = await server.users(uid("ann"), uid("bob"));
  const ids = [await server.channel(ann, [ann, bob], { name: "First" }), await server.channel(ann, [ann, bob], { name: "Second" })];
  for (const id of ids) await server.say(ann, id, "hello");
  const person = await Person.open(t, server, bob);
  let letGo;
  const held = new Promise((go) => (letGo = go));
  await person.page.route(`**/channels/messaging/${ids[0]}/read*`, async (route) => {
    const answer = await route.fetch();
    await held;
    await route.fulfill({ response: answer });
  });
  const asked = person.page.waitForRequest(`**/channels/messaging/${ids[0]}/read*`);
  await person.entry("First").click();
  await asked;
  await person.entry("Second").click();
  await person.message("hello").waitFor();
  await pause(300); // its events have come; nothing else is to wake the page up
  letGo();
  await until(async () => !/unread/.test(await person.entry("Second").innerText()), "the second is read");
});

test("what is written when no more can wait stays in the box", async (t) => {
  const box = await Box.before(t, server);
  const person = await (await Person.open(t, box, "john", { forgives: true })).enter();
  await person.page.evaluate(() => (document.querySelector("beck-page").shadowRoot.querySelector("beck-chat").client.outbox.set.maxOutbox = 1));
  box.mode = "drop";
  box.cut();
  await person.say("waits");
  await person.message("waits").waitFor();
  await person.say("too much");
  await person.page.getByRole("alert").first().waitFor();
  await until(async () => (await person.box.inputValue()) === "too much", "it is there again");
  assert.equal((await person.texts()).includes("too much"), false);
});

test("two privacy switches in quick succession are both kept", async (t) => {
  const [ann] = await server.users(uid("ann"));
  const shown = { typing_indicators: { enabled: true }, read_receipts: { enabled: true }, delivery_receipts: { enabled: true } };
  await server.api("PATCH", "/users", { users: [{ id: ann, set: { privacy_settings: shown } }] });
  const person = await Person.open(t, server, ann);
  let n = 0;
  await person.page.route("**/users?*", async (route) => {
    if (route.request().method() === "PATCH" && n++ === 0) await pause(800);
    await route.continue();
  });
  await person.panel("Privacy");
  const switches = person.page.getByRole("switch");
  await switches.nth(0).click();
  await switches.nth(1).click();
  await stored(ann, "read_receipts", false);
  await stored(ann, "typing_indicators", false);
  await pause(1000); // the first one's answer has come by now
  await stored(ann, "read_receipts", false);
});

test("a group with a name is made by plain http too", async (t) => {
  const [ann, bob, cid] = await server.users(uid("ann"), uid("bob"), uid("cid"));
  const page = await open(t, null);
  await page.addInitScript(() => Object.defineProperty(crypto, "randomUUID", { value: undefined }));
  await page.goto(`${server.url}/console/chat/?user=${ann}`);
  const person = new Person(page);
  await person.list.getByRole("button", { name: /New conversation|Start/ }).click();
  const panel = page.getByRole("complementary");
  for (const id of [bob, cid]) {
    await panel.getByRole("searchbox").fill(id);
    await panel.getByRole("checkbox", { name: new RegExp(id) }).check();
  }
  await panel.getByRole("textbox", { name: /name/i }).last().fill("Three of us");
  await panel.getByRole("button").last().click();
  await person.box.waitFor();
  await person.entry("Three of us").waitFor();
});

test("a finger reaches the tools of a message, and the way back of a phone leads to the list", async (t) => {
  const john = await Person.open(t, server, "john", { width: 375, height: 700, hasTouch: true, isMobile: true });
  const { page } = john;
  await john.entry("Lobby").tap();
  await john.box.waitFor();
  const said = text("touch me");
  await john.say(said);
  await john.message(said).getByRole("img", { name: /Sent|Read/ }).waitFor();
  await john.message(said).tap();
  await john.message(said).getByRole("button", { name: "Quote" }).tap();
  await page.getByText("Quoting John").waitFor();
  await page.goBack();
  await john.entry("Lobby").waitFor();
  assert.equal(await john.box.count(), 0);
  await john.entry("Lobby").tap();
  await page.getByRole("button", { name: "All conversations" }).tap();
  await john.entry("Lobby").waitFor();
});
