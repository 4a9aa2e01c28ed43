/* The whole chat as one element. In a page of one's own:
 *
 *   <beck-chat api-key="KEY" user-id="john"></beck-chat>
 *   <script type="module">
 *     import "https://chat.example.org/beck/client/beck-chat-elements.js";
 *     document.querySelector("beck-chat").tokenProvider = () => fetch("/my-backend/token").then((r) => r.text());
 *   </script>
 *
 * or with a client that is there already, in the property `client`. */
import { LitElement, css, html, nothing, type PropertyValues } from "lit";
import { property, query, state } from "lit/decorators.js";
import { BeckChat, type Channel, type Message, type TokenOrProvider } from "beck-chat";
import { Delivered } from "../delivered.js";
import type { Faults } from "../faults.js";
import { Follow } from "../follow.js";
import { companion, nameOf, titleOf } from "../format.js";
import { icons, mark } from "../icons.js";
import { Journal } from "../journal.js";
import { explain } from "../problems.js";
import { strings as t, type Problem } from "../strings.js";
import { base } from "../theme.js";
import { avatarOf, avatarStyles } from "./avatar.js";
import "./channel-list.js";
import "./composer.js";
import type { BeckComposer } from "./composer.js";
import { connectionWords } from "./connection.js";
import type { BeckMessages } from "./messages.js";
import "./messages.js";
import "./people.js";
import "./privacy.js";
import "./start.js";
import "./thread.js";

type Panel = "connection" | "privacy" | "people" | "start" | "thread";
type Layout = "phone" | "two" | "three";

const PHONE = 640;
const THREE = 1080;

export class BeckChatElement extends LitElement {
  @property({ attribute: false }) client?: BeckChat;
  @property({ attribute: "api-key" }) apiKey = "";
  @property({ attribute: "user-id" }) userId = "";
  @property({ attribute: "base-url" }) baseUrl = "";
  @property({ attribute: false }) tokenProvider?: TokenOrProvider;
  /** Gives the connection panel the means to break things. */
  @property({ attribute: false }) faults?: Faults;
  /** It is all of the page: with the landmarks of one. */
  @property({ type: Boolean }) whole = false;
  /** How many columns there is room for. */
  @property({ reflect: true }) layout: Layout = "two";

  @state() private channel: Channel | null = null;
  @state() private panel: Panel | null = null;
  @state() private parentId: string | null = null;
  @state() private problem: Problem | null = null;
  private journal?: Journal;
  private delivered?: Delivered;
  private isOwnClient = false;
  private openedBy: HTMLElement | null = null;
  private readonly follow = new Follow(this);
  private readonly sizes = new ResizeObserver(([entry]) => {
    const width = entry!.contentRect.width;
    this.layout = width < PHONE ? "phone" : width < THREE ? "two" : "three";
  });
  private second: ReturnType<typeof setInterval> | undefined;

  @query(".conversation beck-composer") private composer!: BeckComposer | null;
  @query(".conversation beck-messages") private list!: BeckMessages | null;
  @query(".panel") private panelElement!: HTMLElement | null;

  static override styles = [
    base,
    avatarStyles,
    css`
      :host {
        display: grid;
        grid-template: auto minmax(0, 1fr) / 20rem minmax(0, 1fr);
        grid-template-areas: "bar bar" "list conversation";
        position: relative;
        overflow: hidden;
        min-block-size: 20rem;
        background: var(--beck-frame);
      }
      :host([layout="two"]) {
        grid-template-columns: minmax(13rem, 17rem) minmax(0, 1fr);
      }
      :host([layout="three"]:state(panel)) {
        grid-template-columns: 20rem minmax(0, 1fr) 23rem;
        grid-template-areas: "bar bar bar" "list conversation panel";
      }
      :host([layout="phone"]) {
        grid-template: auto minmax(0, 1fr) / minmax(0, 1fr);
        grid-template-areas: "bar" "main";
      }

      .stage {
        display: contents;
      }

      .bar {
        grid-area: bar;
        display: flex;
        align-items: center;
        gap: var(--beck-1);
        min-block-size: 3.75rem;
        padding-inline: 1.25rem var(--beck-3);
        --around: var(--beck-frame);
      }
      .me {
        display: flex;
        align-items: center;
        gap: var(--beck-3);
        min-inline-size: 0;
        margin-inline-end: auto;
        font-size: var(--beck-title);
        font-weight: 600;
      }
      .me .avatar {
        --size: 2rem;
      }
      .pill {
        display: inline-flex;
        align-items: center;
        gap: var(--beck-2);
        min-block-size: 2.5rem;
        min-inline-size: 0;
        padding-inline: var(--beck-3);
        border-radius: var(--beck-3);
        color: var(--beck-quiet);
        transition: background var(--beck-calm);
      }
      .pill:hover,
      .pill[aria-expanded="true"] {
        background: var(--beck-hover);
        color: var(--beck-ink);
      }
      .pill.bad {
        color: var(--beck-clay);
      }
      .lamp {
        inline-size: 0.5rem;
        block-size: 0.5rem;
        flex: none;
        border-radius: 50%;
        background: var(--beck-edge);
        transition: background var(--beck-calm);
      }
      .good .lamp {
        background: var(--beck-mark);
      }
      .bad .lamp {
        background: var(--beck-clay);
      }

      nav {
        grid-area: list;
        display: grid;
        grid-template-rows: auto minmax(0, 1fr);
        min-block-size: 0;
      }
      .top {
        display: flex;
        align-items: center;
        gap: var(--beck-2);
        min-block-size: 3.5rem;
        padding-inline: 1.25rem var(--beck-3);
      }
      .top h2 {
        margin-inline-end: auto;
      }

      .conversation,
      .panel {
        display: grid;
        min-block-size: 0;
        min-inline-size: 0;
        background: var(--beck-sheet);
        border: 1px solid var(--beck-line);
        border-radius: var(--beck-5);
      }
      .conversation {
        grid-area: conversation;
        grid-template-rows: auto minmax(0, 1fr) auto auto;
        margin-inline-end: var(--beck-3);
        margin-block-end: var(--beck-3);
        border-end-start-radius: var(--beck-tight);
        overflow: hidden;
      }
      .conversation > header,
      .panel > header {
        display: flex;
        align-items: center;
        gap: var(--beck-3);
        min-block-size: 4rem;
        padding-inline: var(--beck-5) var(--beck-3);
        border-block-end: 1px solid var(--beck-line);
      }
      .who {
        display: grid;
        min-inline-size: 0;
        margin-inline-end: auto;
      }
      .conversation > header {
        padding-inline-start: var(--beck-4);
      }
      .conversation beck-messages {
        grid-row: 2;
      }
      .blank {
        grid-row: 1 / -1;
        display: grid;
        place-content: center;
        justify-items: center;
        gap: var(--beck-2);
        padding: var(--beck-5);
        text-align: center;
      }
      .blank svg {
        margin-block-end: var(--beck-3);
        opacity: 0.9;
      }

      .panel {
        grid-area: panel;
        grid-template-rows: auto minmax(0, 1fr);
        margin-inline-end: var(--beck-3);
        margin-block-end: var(--beck-3);
        border-end-end-radius: var(--beck-tight);
        overflow: hidden;
        animation: come var(--beck-calm);
      }
      @keyframes come {
        from {
          opacity: 0;
          translate: 0.75rem 0;
        }
      }
      :host(:dir(rtl)) .panel {
        animation-name: come-rtl;
      }
      @keyframes come-rtl {
        from {
          opacity: 0;
          translate: -0.75rem 0;
        }
      }
      .panel > header h2 {
        margin-inline-end: auto;
      }
      .inside {
        overflow-y: auto;
        padding: var(--beck-5);
        scrollbar-width: thin;
        scrollbar-color: var(--beck-line) transparent;
        outline-offset: -2px;
      }
      /* With room for two, the panel takes the place of the list, or, before anything is picked, of the conversation. */
      :host([layout="two"]:state(panel)) {
        grid-template-columns: minmax(0, 1fr) minmax(18rem, 21rem);
        grid-template-areas: "bar bar" "conversation panel";
      }
      :host([layout="two"]:state(panel)) nav {
        display: none;
      }
      :host([layout="two"]:state(panel)) .conversation {
        margin-inline-start: var(--beck-3);
      }
      :host([layout="two"]:state(panel):state(blank)) {
        grid-template-columns: minmax(13rem, 17rem) minmax(0, 1fr);
        grid-template-areas: "bar bar" "list panel";
      }
      :host([layout="two"]:state(panel):state(blank)) nav {
        display: grid;
      }
      :host([layout="two"]:state(panel):state(blank)) .conversation {
        display: none;
      }
      :host([layout="phone"]) :is(nav, .conversation, .panel) {
        grid-area: main;
      }
      :host([layout="phone"]) :is(.conversation, .panel) {
        z-index: 1;
        margin: 0;
        border-width: 1px 0 0;
        border-radius: var(--beck-5) var(--beck-5) 0 0;
      }
      :host([layout="phone"]) .panel {
        z-index: 2;
      }
      :host([layout="phone"]:state(blank)) .conversation {
        display: none;
      }
      :host([layout="phone"]) .conversation > header {
        gap: var(--beck-2);
        padding-inline: var(--beck-1);
      }
      :host([layout="phone"]) .bar {
        min-block-size: 3.25rem;
        padding-inline: 1.25rem var(--beck-1);
        gap: 0;
      }

      .banner {
        grid-area: bar;
        align-self: end;
        translate: 0 100%;
        position: absolute;
        z-index: 3;
        inset-inline: var(--beck-3);
        inline-size: fit-content;
        max-inline-size: 40rem;
        margin-inline: auto;
        display: flex;
        align-items: center;
        gap: var(--beck-4);
        padding: var(--beck-3) var(--beck-3) var(--beck-3) var(--beck-4);
        border-radius: var(--beck-round);
        border-end-start-radius: var(--beck-tight);
        background: var(--beck-bad-tint);
        box-shadow: var(--beck-shadow);
      }
      .banner strong {
        display: block;
        color: var(--beck-bad);
      }
    `,
  ];

  private readonly internals = this.attachInternals();

  /* ---- life ---- */

  override connectedCallback(): void {
    super.connectedCallback();
    this.sizes.observe(this);
    addEventListener("popstate", this.onPopState);
    this.second = setInterval(() => this.client?.connection.state === "waiting" && this.requestUpdate(), 1000);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.sizes.disconnect();
    removeEventListener("popstate", this.onPopState);
    clearInterval(this.second);
    this.setClient(undefined);
    if (this.isOwnClient) {
      void this.client?.disconnectUser();
      this.client = undefined;
    }
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (!this.client && this.apiKey && this.userId && this.tokenProvider) this.connect();
    if (changed.has("client") || (this.client && !this.journal)) this.setClient(this.client);
    this.follow.these(this.client, this.channel);
    this.internals.states[this.panel ? "add" : "delete"]("panel");
    this.internals.states[this.channel ? "delete" : "add"]("blank");
  }

  private connect(): void {
    this.isOwnClient = true;
    this.client = BeckChat.getInstance(this.apiKey, { enableWSFallback: true, ...(this.baseUrl && { baseURL: this.baseUrl }) });
    this.client.connectUser({ id: this.userId }, this.tokenProvider!).catch((error: unknown) => this.show(error));
  }

  private setClient(client: BeckChat | undefined): void {
    this.journal?.close();
    this.delivered?.close();
    this.journal = client && new Journal(client, this.faults);
    this.delivered = client && new Delivered(client);
  }

  private async show(error: unknown): Promise<void> {
    this.problem = await explain(error, this.client!.baseURL);
  }

  /* ---- what is where ---- */

  private get isPhone(): boolean {
    return this.layout === "phone";
  }

  override render() {
    const { client, channel, panel } = this;
    const isCovered = this.isPhone && panel !== null;
    return html`<div class="bar" role=${this.whole ? "banner" : "group"} aria-label=${this.whole ? nothing : nameOf(client?.user)}>${this.bar()}</div>
      <div class="stage" role=${this.whole ? "main" : nothing}>
      <nav aria-label=${this.labelled(t.list.title)} ?inert=${this.isPhone && (channel !== null || isCovered)}>
        <div class="top"><h2>${t.list.title}</h2>${this.opener("start", icons.plus, t.list.start)}</div>
        <beck-channel-list .client=${client} .selected=${channel} @pick=${this.onPick}></beck-channel-list>
      </nav>
      <section class="conversation" aria-label=${this.labelled(channel ? titleOf(channel, client?.user?.id) : t.conversation.pick)} ?inert=${isCovered}
        @act=${this.onAct}>${channel ? this.conversation(channel) : this.blank()}</section>
      ${panel ? this.panelOf(panel) : nothing}
      </div>
      ${this.banner()}`;
  }

  /** What stands twice in a page needs two names. */
  private labelled(what: string): string {
    return this.whole ? what : t.conversation.of(what, nameOf(this.client?.user));
  }

  private bar() {
    const me = this.client?.user;
    const { look, words } = connectionWords(this.client);
    return html`<div class="me">${me ? avatarOf(me) : mark(28)}${
        this.whole ? html`<h1 class="cut" dir="auto">${me ? nameOf(me) : "Beck"}</h1>` : html`<span class="cut" dir="auto">${me ? nameOf(me) : "Beck"}</span>`
      }</div>
      <button class="pill small ${look}" aria-expanded=${this.panel === "connection" ? "true" : "false"} @click=${() => this.toggle("connection")}>
        <span class="lamp" aria-hidden="true"></span><span class="cut">${this.isPhone && look === "good" ? t.connection.short[this.client!.connection.transport!] : words}</span></button>
      <span class="sr" role="status">${look === "bad" ? t.journal.lost : words}</span>
      ${this.opener("privacy", icons.shield, t.privacy.title)}
      <slot name="bar"></slot>`;
  }

  private opener(panel: Panel, icon: unknown, label: string) {
    return html`<button class="icon" aria-label=${label} title=${label} aria-expanded=${this.panel === panel ? "true" : "false"}
      @click=${() => this.toggle(panel)}>${icon}</button>`;
  }

  private blank() {
    return html`<div class="blank">${mark(56)}<h2>${t.conversation.pick}</h2><p class="quiet">${t.conversation.pickHint}</p></div>`;
  }

  private conversation(channel: Channel) {
    const me = this.client?.user?.id;
    const other = companion(channel, me);
    const name = titleOf(channel, me);
    return html`<header>
        ${this.isPhone
          ? html`<button class="icon" aria-label=${t.conversation.back} title=${t.conversation.back} @click=${this.goBack}>${icons.back}</button>`
          : nothing}
        ${other ? avatarOf(other, other.online === true) : avatarOf({ id: channel.cid, name, image: channel.data.image })}
        <div class="who"><h2 class="cut" dir="auto">${name}</h2><p class="small quiet cut" dir="auto">${this.presence(channel)}</p></div>
        ${this.opener("people", icons.people, t.conversation.about)}
      </header>
      <beck-messages .client=${this.client} .channel=${channel}></beck-messages>
      <beck-typing .client=${this.client} .channel=${channel}></beck-typing>
      <beck-composer .client=${this.client} .channel=${channel}></beck-composer>`;
  }

  private presence(channel: Channel): string {
    const me = this.client?.user?.id;
    const other = companion(channel, me);
    if (other) return other.online ? t.conversation.online : t.conversation.offline;
    const members = Object.values(channel.state.members);
    return t.conversation.members(channel.data.member_count ?? members.length, members.filter((m) => m.user?.online || m.user_id === me).length);
  }

  private panelOf(panel: Panel) {
    const { client, channel } = this;
    const [title, content] = {
      connection: () => [t.connection.title, html`<beck-connection .client=${client} .journal=${this.journal} .faults=${this.faults}></beck-connection>`],
      privacy: () => [t.privacy.title, html`<beck-privacy .client=${client}></beck-privacy>`],
      people: () => [t.conversation.about, html`<beck-people .client=${client} .channel=${channel}></beck-people>`],
      start: () => [t.start.title, html`<beck-start .client=${client} @pick=${this.onPick}></beck-start>`],
      thread: () => [t.thread.title, html`<beck-thread .client=${client} .channel=${channel} .parentId=${this.parentId}></beck-thread>`],
    }[panel]();
    return html`<aside class="panel" aria-label=${this.labelled(title as string)} @keydown=${this.onPanelKey}>
      <header><h2 id="panel-title" tabindex="-1">${title}</h2>
        <button class="icon" aria-label=${t.panel.close} title=${t.panel.close} @click=${() => this.close()}>${icons.close}</button></header>
      ${panel === "thread" ? content : html`<div class="inside" tabindex="0" role="group" aria-labelledby="panel-title">${content}</div>`}
    </aside>`;
  }

  private banner() {
    const c = this.client?.connection;
    const failed = c?.state === "failed" ? c.error : null;
    if (failed && !this.problem) void this.show(failed);
    if (!this.problem) return nothing;
    const [title, advice] = this.problem;
    return html`<div class="banner small" role="alert"><div><strong>${title}</strong>${advice} ${failed ? t.problem.safe : ""}</div>
      ${failed
        ? html`<button class="button" @click=${this.signOut}>${t.problem.fix}</button>`
        : html`<button class="icon" aria-label=${t.panel.close} @click=${() => (this.problem = null)}>${icons.close}</button>`}</div>`;
  }

  /* ---- what one does ---- */

  /** Whoever signed the user in decides what comes now. */
  private readonly signOut = () => {
    this.dispatchEvent(new CustomEvent("sign-out"));
  };

  private toggle(panel: Panel): void {
    if (this.panel === panel) return this.close();
    this.open(panel);
  }

  private open(panel: Panel): void {
    this.openedBy ??= this.shadowRoot!.activeElement as HTMLElement | null;
    this.panel = panel;
    void this.updateComplete.then(() => {
      const inside = this.panelElement?.querySelector<HTMLElement>("beck-start, beck-thread");
      (inside ?? this.panelElement?.querySelector("h2"))?.focus();
    });
  }

  private close(): void {
    this.panel = null;
    const back = this.openedBy;
    this.openedBy = null;
    void this.updateComplete.then(() => back?.isConnected && back.focus());
  }

  private readonly onPanelKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") this.close();
  };

  private readonly onPick = (event: CustomEvent<Channel>) => {
    this.pick(event.detail);
  };

  /** Opens a conversation. */
  pick(channel: Channel): void {
    if (this.panel === "thread" || this.panel === "start" || this.isPhone) this.panel = this.openedBy = null;
    // On a phone a conversation is a screen of its own, and the device's way back leads out of it.
    if (this.whole && this.isPhone && !this.channel) history.pushState({ conversation: true }, "");
    if (channel.cid !== this.channel?.cid) this.channel = channel;
    void this.updateComplete.then(() => (this.isPhone ? this.list : this.composer)?.focus());
  }

  private readonly goBack = () => {
    if (this.whole && history.state?.conversation) history.back();
    else this.leave();
  };

  private readonly onPopState = () => {
    if (this.whole && this.isPhone && !history.state?.conversation) this.leave();
  };

  private leave(): void {
    this.channel = null;
    if (this.panel !== "connection" && this.panel !== "privacy") this.panel = null;
  }

  private readonly onAct = (event: CustomEvent<{ act: "quote" | "edit" | "takeBack" | "thread"; message: Message }>) => {
    const { act, message } = event.detail;
    if (act === "thread") {
      this.parentId = message.id;
      this.open("thread");
    } else {
      this.composer?.[act](message);
    }
  };

  override firstUpdated(): void {
    this.addEventListener("problem", (event) => void this.show((event as CustomEvent).detail));
  }
}
customElements.define("beck-chat", BeckChatElement);
