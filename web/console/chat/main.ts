/* The page: who is here, one or two chats, and the colours. */
import { LitElement, css, html, nothing } from "lit";
import { state } from "lit/decorators.js";
import { BeckChat, devToken, type Options, type TokenOrProvider, type UserInput } from "beck-chat";
import "./components/chat.js";
import { idOf, type Way } from "./components/sign-in.js";
import { Faults } from "./faults.js";
import { nameOf } from "./format.js";
import { icons, mark } from "./icons.js";
import { ofBrowser, ofTab } from "./kept.js";
import { explain } from "./problems.js";
import { askHealth, isOlder, type Health } from "./server.js";
import { strings as t, type Problem } from "./strings.js";
import { base, pageStyles, useTheme, type Theme } from "./theme.js";

interface Session {
  client: BeckChat;
  faults: Faults;
  name: string;
}

const WAY = "beck.way";
const THEME = "beck.theme";
const themes: Theme[] = ["auto", "light", "dark"];
const themeIcons = { auto: icons.auto, light: icons.sun, dark: icons.moon };

/** The page lies two folders below the server, whatever prefix a proxy has put in front. */
const server = new URL("../..", location.href);
const baseURL = (server.origin + server.pathname).replace(/\/$/, "");
const query = new URLSearchParams(location.search);

class BeckPage extends LitElement {
  @state() private health: Health | null = null;
  @state() private sessions: Session[] = [];
  /** On a screen for one: whose side is shown. */
  @state() private shown = 0;
  @state() private isNarrow = false;
  @state() private problem: Problem | null = null;
  @state() private isBusy = false;
  @state() private theme: Theme = themes.find((x) => x === ofBrowser.get(THEME)) ?? "auto";
  @state() private isNoticeGone = false;
  private readonly narrow = matchMedia("(max-width: 767px)");

  static override styles = [
    base,
    css`
      :host {
        display: grid;
        grid-template-rows: auto auto minmax(0, 1fr);
        block-size: 100dvh;
        background: var(--beck-frame);
      }
      .all {
        grid-row: 2 / 4;
        display: grid;
        grid-template-rows: auto minmax(0, 1fr);
      }
      .pages {
        grid-row: 2;
        display: grid;
        grid-auto-flow: column;
        grid-auto-columns: minmax(0, 1fr);
        gap: 1px;
        min-block-size: 0;
        background: var(--beck-line);
      }
      beck-chat {
        min-block-size: 0;
      }
      .sides {
        grid-row: 1;
        display: grid;
        grid-auto-flow: column;
        grid-auto-columns: 1fr;
        gap: var(--beck-1);
        margin: var(--beck-2) var(--beck-3) 0;
        padding: var(--beck-1);
        border-radius: var(--beck-round);
        background: var(--beck-sand);
      }
      .sides button {
        min-block-size: 2.25rem;
        padding-inline: var(--beck-3);
        border-radius: calc(var(--beck-round) - var(--beck-1));
        text-align: center;
        font-weight: 600;
        color: var(--beck-quiet);
      }
      .sides [aria-pressed="true"] {
        color: var(--beck-ink);
        background: var(--beck-raised);
      }
      .notice {
        grid-row: 1;
        display: flex;
        align-items: center;
        justify-content: center;
        gap: var(--beck-3);
        padding: var(--beck-1) var(--beck-3) var(--beck-1) var(--beck-4);
        color: var(--beck-clay);
        background: var(--beck-clay-tint);
      }
      .notice .icon {
        inline-size: 2rem;
        block-size: 2rem;
        color: inherit;
      }
      .door {
        grid-row: 3;
        display: grid;
        grid-template-rows: auto 1fr;
        overflow-y: auto;
      }
      .door header {
        display: flex;
        align-items: center;
        gap: var(--beck-3);
        min-block-size: 4rem;
        padding-inline: var(--beck-4);
        font-size: var(--beck-title);
        font-weight: 600;
      }
      .door header .icon {
        margin-inline-start: auto;
      }
      .door main {
        display: grid;
        place-items: center;
        padding: var(--beck-5) var(--beck-4) 12vh;
      }
      .wait {
        display: grid;
        justify-items: center;
        gap: var(--beck-4);
        max-inline-size: 27rem;
        text-align: center;
      }
      h1 {
        font-size: var(--beck-display);
        letter-spacing: -0.02em;
        line-height: 1.2;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    document.adoptedStyleSheets.push(pageStyles.styleSheet!); // not where other pages use the parts alone
    if (query.get("dir") === "rtl" || query.get("dir") === "ltr") document.documentElement.dir = query.get("dir")!;
    useTheme(this.theme);
    this.isNarrow = this.narrow.matches;
    this.narrow.addEventListener("change", this.onNarrow);
    void this.begin();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.narrow.removeEventListener("change", this.onNarrow);
  }

  private readonly onNarrow = (event: MediaQueryListEvent) => {
    this.isNarrow = event.matches;
  };

  /* ---- signing in ---- */

  private readonly begin = async () => {
    this.problem = null;
    try {
      this.health = await askHealth(baseURL);
    } catch (error) {
      this.problem = await explain(error, baseURL);
      return;
    }
    const way = this.wayOfAddress() ?? this.wayOfTab();
    if (way) await this.signIn(way);
  };

  private wayOfAddress(): Way | null {
    const names = (query.get("users") ?? query.get("user") ?? "").split(",").filter((n) => idOf(n));
    if (!this.health?.development || !names.length) return null;
    return { people: names.slice(0, 2).map((name) => ({ id: idOf(name), name: name.charAt(0).toLocaleUpperCase() + name.slice(1) })) };
  }

  private wayOfTab(): Way | null {
    try {
      const way = JSON.parse(ofTab.get(WAY) ?? "null") as Way | null;
      return way && ("people" in way) === (this.health?.development === true) ? way : null;
    } catch {
      return null;
    }
  }

  private async signIn(way: Way): Promise<void> {
    this.isBusy = true;
    this.problem = null;
    const attempts =
      "people" in way
        ? way.people.map((p) => this.session(this.health!.api_key ?? "", p, () => devToken(p.id), devToken(p.id, { exp: 1 })))
        : [this.session(way.key, { id: way.user }, way.token, null)];
    try {
      this.sessions = await Promise.all(attempts);
      this.shown = 0;
      ofTab.set(WAY, JSON.stringify(way));
    } catch (error) {
      this.problem = await explain(error, baseURL);
      for (const attempt of attempts) attempt.then((s) => s.client.disconnectUser(), () => undefined);
    }
    this.isBusy = false;
  }

  private async session(key: string, user: UserInput, token: TokenOrProvider, expired: string | null): Promise<Session> {
    const faults = new Faults(expired);
    const options: Options = { baseURL, enableWSFallback: true, ...faults.options };
    const client = new BeckChat(key, options);
    const own = await client.connectUser(user, faults.provider(token));
    return { client, faults, name: nameOf(own) };
  }

  private async signOut(session: Session): Promise<void> {
    this.sessions = this.sessions.filter((s) => s !== session);
    this.shown = 0;
    const left = this.sessions.flatMap((s) => (s.client.user ? [{ id: s.client.user.id, name: s.name }] : []));
    ofTab.set(WAY, left.length ? JSON.stringify({ people: left }) : null);
    query.delete("user");
    query.delete("users");
    history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
    await session.client.disconnectUser();
  }

  /* ---- what is shown ---- */

  override willUpdate(): void {
    document.title = this.sessions.length ? t.page.title(this.sessions.map((s) => s.name).join(", ")) : t.page.title(t.signIn.formTitle);
  }

  override render() {
    return html`${this.notice()} ${this.sessions.length ? this.chats() : this.door()}`;
  }

  private notice() {
    const { health } = this;
    const text = health && isOlder(health) ? t.page.older(health.version ?? "?") : ofTab.blocked || ofBrowser.blocked ? t.page.storageBlocked : "";
    if (!text || this.isNoticeGone) return nothing;
    return html`<aside class="notice small"><p>${text}</p>
      <button class="icon" aria-label=${t.panel.close} title=${t.panel.close} @click=${() => (this.isNoticeGone = true)}>${icons.close}</button></aside>`;
  }

  private chats() {
    const areMany = this.sessions.length > 1;
    const areOne = this.isNarrow && areMany;
    return html`<div class="all" role=${areMany ? "main" : nothing}>
      ${areMany ? html`<h1 class="sr">${document.title}</h1>` : nothing}
      ${areOne
        ? html`<div class="sides" role="group" aria-label=${t.page.people}>${this.sessions.map(
            (s, i) => html`<button aria-pressed=${i === this.shown ? "true" : "false"} @click=${() => (this.shown = i)}>${s.name}</button>`,
          )}</div>`
        : nothing}
      <div class="pages">${this.sessions.map(
        (s, i) => html`<beck-chat ?whole=${this.sessions.length === 1} .client=${s.client} .faults=${s.faults} ?hidden=${areOne && i !== this.shown} @sign-out=${() => this.signOut(s)}>
          <span slot="bar">${i === this.sessions.length - 1 || areOne ? this.themeButton() : nothing}</span>
          <button slot="bar" class="icon" aria-label=${t.page.signOut} title=${t.page.signOut} @click=${() => this.signOut(s)}>${icons.leave}</button>
        </beck-chat>`,
      )}</div></div>`;
  }

  private themeButton() {
    const label = t.page.theme[this.theme];
    return html`<button class="icon" aria-label=${label} title=${label} @click=${this.turnTheme}>${themeIcons[this.theme]}</button>`;
  }

  private door() {
    return html`<div class="door"><header>${mark(28)} Beck ${this.themeButton()}</header><main>${this.inDoor()}</main></div>`;
  }

  private inDoor() {
    if (this.health)
      return html`<beck-sign-in .byName=${this.health.development === true} .problem=${this.problem} .isBusy=${this.isBusy}
        .user=${query.get("user") ?? ""} @sign-in=${(e: CustomEvent<Way>) => this.signIn(e.detail)}></beck-sign-in>`;
    if (!this.problem) return html`<p class="wait quiet" role="status">${t.page.asking}</p>`;
    return html`<div class="wait" role="alert"><h1>${this.problem[0]}</h1><p class="quiet">${this.problem[1]}</p>
      <button class="button" @click=${this.begin}>${t.problem.again}</button></div>`;
  }

  private readonly turnTheme = () => {
    this.theme = themes[(themes.indexOf(this.theme) + 1) % themes.length]!;
    ofBrowser.set(THEME, this.theme === "auto" ? null : this.theme);
    useTheme(this.theme);
  };
}
customElements.define("beck-page", BeckPage);
