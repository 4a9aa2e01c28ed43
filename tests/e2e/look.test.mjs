/* Every page: accessible, in its window, in both themes, at three widths, and from right to left. The pictures in build/e2e are for looking at. */
import assert from "node:assert/strict";
import { after, before } from "node:test";
import path from "node:path";
import { Server, test } from "../web/support.mjs";
import { SHOTS, axe, fits, open } from "./browser.mjs";
import { Person, lobby } from "./chat.mjs";

const WIDTHS = [360, 820, 1440];
const LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(2);
let server;

before(async () => {
  server = await new Server().start();
  await lobby(server);
  await server.api("POST", "/users", { users: { mary: { id: "mary", name: `Mary ${LONG}` } } });
  for (let i = 0; i < 12; i++) await server.channel("john", ["john", "jane", "mary"], { name: i === 3 ? LONG : `Room ${i}` }, `room${i}`);
  const lines = ["Hello Jane, how is the new place?", "Loud.\nBut bright, and three rooms.\nCome and see.", LONG, "מה שלומך? שלום", "See https://example.org/plan"];
  for (let i = 0; i < 30; i++) await server.say(["john", "jane"][i % 3 ? 1 : 0], "lobby", lines[i % lines.length]);
  const asked = await server.say("jane", "lobby", "Saturday?");
  await server.say("john", "lobby", "Gladly.", { parent_id: asked.id });
  await server.say("jane", "lobby", "Then at ten.", { quoted_message_id: asked.id });
});
after(() => server.destroy());

const shot = (page, name) => page.screenshot({ path: path.join(SHOTS, `${name}.png`) });

for (const dark of [false, true])
  for (const width of WIDTHS) {
    const name = `${dark ? "dark" : "light"}-${width}`;
    const height = width < 640 ? 740 : 900;

    test(`the door, ${name}`, async (t) => {
      const page = await open(t, `${server.url}/console/chat/`, { width, height, dark });
      await page.getByRole("button", { name: "Chat as John" }).waitFor();
      await axe(page, "door");
      await fits(page, "door");
      await shot(page, `door-${name}`);
    });

    test(`the chat and its panels, ${name}`, async (t) => {
      const john = await Person.open(t, server, "john", { width, height, dark });
      const { page } = john;
      await axe(page, "list");
      await fits(page, "list");
      await shot(page, `list-${name}`);
      await john.enter();
      await john.message("Then at ten.").waitFor();
      await axe(page, "conversation");
      await fits(page, "conversation");
      await shot(page, `chat-${name}`);
      for (const [opener, title] of [["Live over", "Connection"], ["Privacy", "Privacy"]]) {
        await page.getByRole("button", { name: new RegExp(width < 640 && title === "Connection" ? "WebSocket" : opener) }).first().click();
        await page.getByRole("complementary", { name: title }).waitFor();
        await axe(page, title);
        await fits(page, title);
        await shot(page, `${title.toLowerCase()}-${name}`);
        await page.keyboard.press("Escape");
        await page.getByRole("complementary", { name: title }).waitFor({ state: "detached" });
      }
      await john.message("Saturday?").first().getByRole("button", { name: "1 reply" }).click();
      await page.getByRole("complementary", { name: "Thread" }).getByText("Gladly.").waitFor();
      await axe(page, "thread");
      await fits(page, "thread");
      await shot(page, `thread-${name}`);
    });
  }

test("side by side, and from right to left", async (t) => {
  const page = await open(t, `${server.url}/console/chat/?users=john,jane`, { width: 1600, height: 900 });
  const sides = page.locator("beck-chat");
  await sides.nth(1).getByRole("navigation").waitFor();
  for (const i of [0, 1]) await sides.nth(i).getByRole("navigation").getByRole("button", { name: /Lobby/ }).click();
  await sides.nth(1).getByText("Then at ten.").first().waitFor();
  await fits(page, "side by side");
  await shot(page, "both");
  const rtl = await Person.open(t, server, "john", { width: 1440, height: 900, query: "&dir=rtl" });
  await rtl.enter();
  await rtl.message("Then at ten.").waitFor();
  assert.equal(await rtl.page.evaluate(() => document.documentElement.dir), "rtl");
  await axe(rtl.page, "right to left");
  await fits(rtl.page, "right to left");
  await shot(rtl.page, "rtl");
});

test("the keyboard alone: list, conversation, panel and back", async (t) => {
  const { page } = await Person.open(t, server, "john");
  const focused = () => page.evaluate(() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at?.getAttribute("aria-label") ?? at?.textContent?.replace(/\s+/g, " ").trim() ?? "";
  });
  const tabTo = async (wanted) => {
    for (let i = 0; i < 40; i++) {
      if (wanted.test(await focused())) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`Tab never reaches ${wanted}; last: ${await focused()}`);
  };
  await tabTo(/Lobby|Room/);
  await page.keyboard.press("End");
  await page.keyboard.press("Home");
  const first = await focused();
  await page.keyboard.press("ArrowDown");
  assert.notEqual(await focused(), first);
  await page.keyboard.press("Enter");
  await tabTo(/^Message to/);
  await page.keyboard.type("typed by keys");
  await page.keyboard.press("Enter");
  await page.getByRole("article").filter({ hasText: "typed by keys" }).waitFor();
  await tabTo(/^Privacy$/);
  await page.keyboard.press("Enter");
  await page.getByRole("complementary", { name: "Privacy" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("complementary", { name: "Privacy" }).waitFor({ state: "detached" });
  assert.match(await focused(), /^Privacy$/, "the focus goes back to where it came from");
});

for (const dark of [false, true])
  test(`the other pages, ${dark ? "dark" : "light"}`, async (t) => {
    const pages = ["console/", "console/errors.html", "beck/client/docs/", "beck/client/docs/types.html", "beck/client/docs/Channel.sendMessage.html"];
    for (const at of pages)
      for (const width of [360, 1440]) {
        const page = await open(t, `${server.url}/${at}`, { width, dark });
        await page.getByRole("heading", { level: 1 }).waitFor();
        await axe(page, at);
        await fits(page, `${at} at ${width}`);
        await shot(page, `${at.replace(/\W+/g, "-")}${dark ? "dark" : "light"}-${width}`);
      }
  });
