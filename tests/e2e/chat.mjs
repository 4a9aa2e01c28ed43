/* The chat page as people use it: by what is written on it and read out. */
import { open } from "./browser.mjs";

/** John, Jane and the lobby, as `make run` makes them. */
export async function lobby(server) {
  await server.api("POST", "/users", { users: { john: { id: "john", name: "John" }, jane: { id: "jane", name: "Jane" } } });
  await server.api("POST", "/channels/messaging/lobby/query", { data: { name: "Lobby", members: ["john", "jane"], created_by_id: "john" } });
}

export class Person {
  constructor(page) {
    this.page = page;
  }

  static async open(t, place, user, options = {}) {
    const { query = "", ...rest } = options;
    const person = new Person(await open(t, `${place.url}/console/chat/?user=${user}${query}`, rest));
    await person.list.waitFor();
    return person;
  }

  get list() {
    return this.page.getByRole("navigation", { name: "Conversations" });
  }
  entry(name) {
    return this.list.getByRole("button", { name: new RegExp(name) });
  }
  get log() {
    return this.page.getByRole("log", { name: /^Messages in/ });
  }
  get box() {
    return this.page.getByRole("textbox", { name: /^Message to/ });
  }

  async enter(name = "Lobby") {
    await this.entry(name).click();
    await this.box.waitFor();
    return this;
  }

  async say(text) {
    await this.box.fill(text);
    await this.box.press("Enter");
  }

  message(text) {
    return this.log.getByRole("article").filter({ hasText: text });
  }

  /** Texts of all messages, in the order in which they stand. */
  async texts() {
    return this.log.getByRole("article").locator(".text").allInnerTexts();
  }

  async panel(name) {
    await this.page.getByRole("banner").getByRole("button", { name }).first().click();
    await this.page.getByRole("complementary", { name }).waitFor();
  }

  /** What the connection's button says. */
  get state() {
    return this.page.getByRole("banner").getByRole("button", { name: /Live over|Connecting|Trying again|Disconnected/ });
  }

  async live(transport) {
    await this.state.filter({ hasText: `Live over ${transport}` }).waitFor();
  }

  switch(name) {
    return this.page.getByRole("switch", { name });
  }
}
