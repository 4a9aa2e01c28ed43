import { LitElement, css, html, nothing } from "lit";
import { property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import type { BeckChat, Channel, Message } from "beck-chat";
import { Follow } from "../follow.js";
import { day, nameOf, previewOf, titleOf } from "../format.js";
import { icons } from "../icons.js";
import { Heights, rowsOf, whenOf, type Row } from "../rows.js";
import { strings as t } from "../strings.js";
import { base } from "../theme.js";
import { avatarStyles } from "./avatar.js";
import { messageRow, messageStyles, type Act, type RowContext } from "./message-row.js";

const PAGE = 100;
/** Closer than this to the end counts as being there. */
const NEAR = 48;
/** Milliseconds without a scroll after which it has ended. */
const REST = 150;
/** Pixels of air after the last message. */
const AFTER = 8;
/** So many pages are looked through for a message that was quoted. */
const FAR = 30;

/** The messages of a channel, or of one thread of it. Only what is on the screen and a little around it is in the document.
 * Fires `act` with { act, message } for what concerns others: quote, thread, edit, takeBack. */
export class BeckMessages extends LitElement {
  @property({ attribute: false }) client?: BeckChat;
  @property({ attribute: false }) channel?: Channel;
  @property({ attribute: false }) parentId: string | null = null;

  @state() private activeId: string | null = null;
  @state() private litId: string | null = null;
  @state() private freshId: string | null = null;
  @state() private freshCount = 0;
  @state() private loading: "no" | "yes" | "failed" = "no";
  @state() private news = "";

  private readonly follow = new Follow(this);
  private readonly heights = new Heights();
  private scroller: HTMLElement | null = null;
  /** Height and width of the scroller, known without asking for a layout. */
  private view = 800;
  private width = 600;
  private messages: readonly Message[] = [];
  private built: { messages: readonly Message[]; freshId: string | null; isWhole: boolean; width: number } | null = null;
  private from = 0;
  private to = 0;
  /** How far the rows stand below where their heights would put them. While somebody scrolls, what turns out taller or shorter than guessed goes
   * in here: setting `scrollTop` would stop his scroll. */
  private drift = 0;
  private seenTop = 0;
  private scrolledAt = 0;
  private resting: ReturnType<typeof setTimeout> | undefined;
  /** What stays where it is when something above it changes: a row, and how far it is scrolled past. Null: the end. */
  private anchor: { key: string; past: number } | null = null;
  private isReading = false;
  /** Somebody marked it unread: reading waits until something new comes, or it is opened anew. */
  private isUnreadKept = false;
  private readonly sizes = new ResizeObserver(() => this.onResize());

  static override styles = [
    base,
    avatarStyles,
    messageStyles,
    css`
      :host {
        position: relative;
        display: grid;
        grid-template-rows: minmax(0, 1fr);
        min-block-size: 0;
      }
      .scroller {
        contain: layout paint style;
        overflow-y: auto;
        overflow-x: clip;
        overscroll-behavior: contain;
        overflow-anchor: none;
        scrollbar-width: thin;
        scrollbar-color: var(--beck-line) transparent;
        outline-offset: -2px;
      }
      .date,
      .fresh {
        display: grid;
        grid-template-columns: 1fr auto 1fr;
        align-items: center;
        gap: var(--beck-3);
        padding: var(--beck-4) var(--beck-5) var(--beck-2);
      }
      .date::before,
      .date::after,
      .fresh::before,
      .fresh::after {
        content: "";
        block-size: 1px;
        background: var(--beck-line);
      }
      .fresh {
        color: var(--beck-clay);
        font-weight: 600;
      }
      .fresh::before,
      .fresh::after {
        background: color-mix(in oklab, var(--beck-clay) 45%, transparent);
      }
      .start {
        padding: var(--beck-6) var(--beck-5) var(--beck-3);
        text-align: center;
      }
      .start p:first-of-type {
        font-size: var(--beck-title);
        font-weight: 600;
      }
      .note {
        position: absolute;
        inset-block-start: var(--beck-2);
        inset-inline: 0;
        inline-size: fit-content;
        margin-inline: auto;
        display: flex;
        gap: var(--beck-3);
        padding: var(--beck-1) var(--beck-3);
        border-radius: var(--beck-3);
        background: var(--beck-raised);
        box-shadow: var(--beck-shadow);
      }
      .note button {
        font-weight: 600;
        color: var(--beck-mark);
      }
      .jump {
        position: absolute;
        inset-block-end: var(--beck-3);
        inset-inline: 0;
        inline-size: fit-content;
        min-inline-size: 2.5rem;
        margin-inline: auto;
        display: flex;
        align-items: center;
        justify-content: center;
        gap: var(--beck-2);
        min-block-size: 2.5rem;
        padding-inline: var(--beck-3);
        border-radius: 1.25rem;
        font-weight: 600;
        background: var(--beck-raised);
        box-shadow: var(--beck-shadow), 0 0 0 1px var(--beck-line);
        animation: rise var(--beck-calm);
      }
      .jump.news {
        color: var(--beck-on-mark);
        background: var(--beck-mark);
      }
      @keyframes rise {
        from {
          opacity: 0;
          transform: translateY(0.5rem);
        }
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.onVisible);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.onVisible);
    this.sizes.disconnect();
    clearTimeout(this.resting);
  }

  private readonly onVisible = () => this.requestUpdate();

  private get me(): string {
    return this.client?.user?.id ?? "";
  }

  private get isAtEnd(): boolean {
    return this.anchor === null;
  }

  private get hasOlder(): boolean {
    const c = this.channel;
    if (!c) return false;
    if (!this.parentId) return c.state.hasOlder;
    const parent = this.parent();
    return (parent?.reply_count ?? 0) > (c.state.threads[this.parentId]?.length ?? 0);
  }

  private parent(): Message | undefined {
    return this.channel?.state.messages.find((m) => m.id === this.parentId);
  }

  /* ---- what is shown ---- */

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    this.follow.these(this.client, this.channel);
    if (!this.channel) return;
    if (changed.has("channel") || changed.has("parentId")) this.open();
    else this.look();
    this.take();
    this.build();
    this.place();
  }

  private open(): void {
    this.messages = [];
    this.anchor = null;
    this.activeId = this.litId = null;
    this.freshCount = 0;
    this.loading = "no";
    this.isUnreadKept = false;
    this.freshId = this.parentId ? null : this.firstUnread();
    if (this.freshId) this.anchor = { key: "fresh", past: -this.view * 0.3 };
  }

  private firstUnread(): string | null {
    const { unread, read, messages } = this.channel!.state;
    const own = read[this.me];
    if (!unread || !own) return null;
    if (own.first_unread_message_id) return own.first_unread_message_id;
    const until = Date.parse(own.last_read);
    return messages.find((m) => m.user?.id !== this.me && whenOf(m).at > until)?.id ?? null;
  }

  private current(): readonly Message[] {
    const { state } = this.channel!;
    if (!this.parentId) return state.messages;
    const replies = state.threads[this.parentId] ?? [];
    const parent = this.parent();
    return parent ? [parent, ...replies] : replies;
  }

  /** Looks at what has come since the last time. */
  private take(): void {
    const before = this.messages;
    const now = (this.messages = this.current());
    const last = before.at(-1);
    if (!last || now === before) return;
    let at = now.length - 1;
    while (at >= 0 && now[at]!.id !== last.id) at--;
    if (at < 0) return;
    const came = now.slice(at + 1);
    if (came.some((m) => m.user?.id === this.me && m.status === "pending")) {
      this.anchor = null;
      this.freshId = null;
    }
    const theirs = came.filter((m) => m.user?.id !== this.me);
    if (!theirs.length) return;
    this.isUnreadKept = false;
    const isSeen = this.isAtEnd && document.visibilityState === "visible";
    if (!isSeen && !this.parentId && (!this.freshId || !this.freshCount)) this.freshId = theirs[0]!.id;
    if (!this.isAtEnd) this.freshCount += theirs.length;
    const newest = theirs.at(-1)!;
    this.news = t.messages.came(theirs.length, nameOf(newest.user), previewOf(newest));
  }

  private build(): void {
    const next = { messages: this.messages, freshId: this.freshId, isWhole: !this.hasOlder && !this.parentId, width: this.width };
    const b = this.built;
    if (b && b.width === next.width && b.freshId === next.freshId && b.isWhole === next.isWhole && same(b.messages, next.messages)) return;
    this.built = next;
    this.heights.set(rowsOf(next.messages, next.freshId, next.isWhole), next.width);
  }

  private get end(): number {
    return Math.max(0, this.heights.total - this.view + AFTER);
  }

  /** Where the scroller should stand, were there no drift. */
  private get wanted(): number {
    if (!this.anchor) return this.end;
    const index = this.heights.indexOf(this.anchor.key);
    const y = index < 0 ? this.seenTop - this.drift : this.heights.top(index) + this.anchor.past;
    return Math.max(0, Math.min(y, this.end));
  }

  /** Most of a screen more on either side, so that a scroll finds something there. */
  private place(): void {
    const { view, wanted, heights } = this;
    this.from = heights.at(wanted - view * 0.8);
    this.to = Math.min(heights.rows.length, heights.at(wanted + view * 1.8) + 1);
  }

  override render() {
    const c = this.channel;
    if (!c) return nothing;
    const name = titleOf(c, this.me);
    const rows = this.heights.rows.slice(this.from, this.to);
    const context = this.context();
    return html`<div class="scroller" role="log" aria-live="off" tabindex="0" aria-label=${this.parentId ? t.messages.threadLabel : t.messages.label(name)}
        @scroll=${this.onScroll} @keydown=${this.onKey} @pointerover=${this.onPoint} @pointerleave=${this.onLeave} @focusin=${this.onFocus}>
        <div></div>
        ${repeat(rows, (r) => r.key, (r) => this.row(r, name, context))}
        <div></div>
      </div>
      <p class="sr" role="status">${this.news}</p>
      ${this.loading === "yes" ? html`<p class="note small" role="status">${t.messages.loading}</p>` : nothing}
      ${this.loading === "failed"
        ? html`<p class="note small" role="alert">${t.messages.unsaid} <button @click=${this.loadOlder}>${t.problem.again}</button></p>`
        : nothing}
      ${this.isAtEnd ? nothing : this.jump()}`;
  }

  private jump() {
    return this.freshCount
      ? html`<button class="jump news" @click=${this.toEnd}>${t.messages.jumpNew(this.freshCount)} ${icons.down}</button>`
      : html`<button class="jump" aria-label=${t.messages.jump} title=${t.messages.jump} @click=${this.toEnd}>${icons.down}</button>`;
  }

  private row(row: Row, name: string, context: RowContext) {
    switch (row.kind) {
      case "message":
        return messageRow(row, context);
      case "date":
        return html`<div class="row date small quiet" data-key=${row.key}><span>${day(row.at)}</span></div>`;
      case "fresh":
        return html`<div class="row fresh small" data-key=${row.key} role="separator" aria-label=${t.messages.fresh}><span>${t.messages.fresh}</span></div>`;
      case "start":
        return html`<div class="row start" data-key=${row.key}>
          <p dir="auto">${this.messages.length ? t.messages.start : t.messages.empty}</p>
          <p class="small quiet" dir="auto">${this.messages.length ? t.messages.startHint(name) : t.messages.emptyHint}</p>
        </div>`;
    }
  }

  private context(): RowContext {
    const { state, data } = this.channel!;
    const others = Object.values(state.read).filter((r) => r.user.id !== this.me);
    const reads = others.map((r) => ({ name: nameOf(r.user), until: Date.parse(r.last_read), last: r.last_read_message_id }));
    const delivered = Math.max(...others.map((r) => (r.last_delivered_at ? Date.parse(r.last_delivered_at) : 0)), 0);
    return {
      me: this.me,
      isThread: this.parentId !== null,
      canReply: data.config?.replies !== false,
      activeId: this.activeId,
      litId: this.litId,
      isOnline: (user) => (state.members[user.id]?.user ?? user).online === true,
      readers: (m) => reads.filter((r) => r.last === m.id || r.until >= whenOf(m).at).map((r) => r.name),
      isDelivered: (m) => delivered >= whenOf(m).at,
      act: (what, message) => void this.act(what, message),
    };
  }

  /* ---- scrolling ---- */

  override updated(): void {
    if (!this.channel) {
      this.scroller = null;
      return;
    }
    const scroller = (this.scroller ??= this.renderRoot.querySelector<HTMLElement>(".scroller")!);
    this.sizes.observe(scroller);
    this.space();
    const rows = [...scroller.children].slice(1, -1) as HTMLElement[];
    const isNews = this.heights.measure(rows.map((r) => [r.dataset.key!, r.getBoundingClientRect().height]));
    if (this.anchor && this.to === this.heights.rows.length && this.end - this.wanted < NEAR) {
      this.anchor = null;
      this.requestUpdate();
    }
    this.settle();
    if (isNews && this.isShort()) this.requestUpdate();
    this.loadIfNear();
    this.read();
  }

  /** Puts what is looked at where it belongs: by drift while somebody scrolls and there is room for it, else by scrolling. */
  private settle(): void {
    const { scrollTop } = this.scroller!;
    const drift = scrollTop - this.wanted;
    const isScrolling = performance.now() - this.scrolledAt < REST;
    if (this.anchor && isScrolling && this.heights.top(this.from) + drift >= 0) {
      this.drift = drift;
      this.space();
      return;
    }
    this.drift = 0;
    this.space();
    if (Math.abs(drift) < 1) return;
    this.scroller!.scrollTop = this.wanted;
    this.seenTop = this.scroller!.scrollTop;
  }

  /** What is above and below the rows in the document. Few messages stand at the foot of the screen, no messages in its
   * middle, replies at its head. */
  private space(): void {
    const { heights, drift, scroller } = this;
    const room = this.parentId ? 0 : Math.max(0, this.view - AFTER - heights.total);
    const lead = this.messages.length ? room : room / 2;
    const [above, below] = [scroller!.firstElementChild, scroller!.lastElementChild] as HTMLElement[];
    set(above!, heights.top(this.from) + drift + lead);
    set(below!, Math.max(0, heights.total - heights.top(this.to) - drift) + AFTER);
  }

  /** Less is in the document than the screen needs. */
  private isShort(): boolean {
    const { wanted, view, heights } = this;
    return (this.from > 0 && heights.top(this.from) > wanted - view * 0.3) || (this.to < heights.rows.length && heights.top(this.to) < wanted + view * 1.3);
  }

  private readonly onScroll = () => {
    const wasAtEnd = this.isAtEnd;
    this.look();
    if (wasAtEnd !== this.isAtEnd || this.isShort()) this.requestUpdate();
    else this.loadIfNear();
  };

  /** Takes in where somebody has scrolled to. Other events can be faster than the one of the scroll. */
  private look(): void {
    const { scroller, heights } = this;
    if (!scroller || scroller.scrollTop === this.seenTop || !heights.rows.length) return;
    const { scrollTop, scrollHeight } = scroller;
    this.seenTop = scrollTop;
    this.scrolledAt = performance.now();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.drift && this.requestUpdate(), REST);
    if (scrollHeight - scrollTop - this.view < NEAR) {
      this.anchor = null;
      this.freshCount = 0;
    } else {
      const y = scrollTop - this.drift;
      const index = heights.at(y);
      this.anchor = { key: heights.rows[index]!.key, past: y - heights.top(index) };
    }
  }

  private onResize(): void {
    this.view = this.scroller!.clientHeight || this.view;
    this.width = this.scroller!.clientWidth || this.width;
    this.requestUpdate();
  }

  private readonly toEnd = () => {
    this.scrolledAt = 0;
    this.anchor = null;
    this.freshCount = 0;
    this.requestUpdate();
    this.scroller!.focus({ preventScroll: true });
  };

  private loadIfNear(): void {
    if (this.loading === "no" && this.hasOlder && this.wanted < this.view * 2) void this.loadOlder();
  }

  private readonly loadOlder = async () => {
    const { channel, parentId } = this;
    if (!channel) return;
    this.loading = "yes";
    try {
      if (parentId) await channel.loadReplies(parentId, { limit: PAGE, id_lt: channel.state.threads[parentId]?.[0]?.id });
      else await channel.loadOlder(PAGE);
      if (channel === this.channel && parentId === this.parentId) this.loading = "no";
    } catch {
      if (channel === this.channel && parentId === this.parentId) this.loading = "failed";
    }
  };

  /** Leads to a message, loading back to it when it is old. */
  async show(id: string): Promise<void> {
    for (let i = 0; i < FAR && this.heights.indexOf(id) < 0 && this.hasOlder; i++) {
      await this.loadOlder();
      await this.updateComplete;
      if (this.loading === "failed") return;
    }
    if (this.heights.indexOf(id) < 0) return;
    this.scrolledAt = 0;
    this.anchor = { key: id, past: -this.view / 3 };
    this.litId = id;
    setTimeout(() => (this.litId = null), 2000);
    await this.updateComplete;
    this.rowElement(id)?.focus({ preventScroll: true });
  }

  /* ---- reading ---- */

  private read(): void {
    const c = this.channel!;
    if (this.parentId || this.isReading || this.isUnreadKept || !c.state.unread || !this.isAtEnd || document.visibilityState !== "visible") return;
    this.isReading = true;
    c.markRead().then(
      () => {
        this.isReading = false;
        if (c !== this.channel) this.requestUpdate(); // what was opened meanwhile waits for its turn
      },
      // tried again with the next message, or when it is opened anew
      () => {
        this.isReading = false;
        if (c === this.channel) this.isUnreadKept = true;
        else this.requestUpdate();
      },
    );
  }

  /* ---- acting ---- */

  private async act(what: Act, message: Message): Promise<void> {
    const c = this.channel!;
    switch (what) {
      case "retry":
        return void c.retryMessage(message.id);
      case "drop":
        return void c.dropMessage(message.id);
      case "remove":
        return this.tell(this.client!.deleteMessage(message.id));
      case "markUnread":
        this.isUnreadKept = true;
        this.freshId = message.id;
        return this.tell(c.markUnread(message.id));
      case "show":
        return this.show(message.id);
      case "takeBack":
        c.dropMessage(message.id);
    }
    this.dispatchEvent(new CustomEvent("act", { detail: { act: what, message }, bubbles: true, composed: true }));
  }

  private async tell(doing: Promise<unknown>): Promise<void> {
    try {
      await doing;
    } catch (error) {
      this.dispatchEvent(new CustomEvent("problem", { detail: error, bubbles: true, composed: true }));
    }
  }

  private rowElement(id: string): HTMLElement | null {
    return this.renderRoot.querySelector(`.message[data-key="${CSS.escape(id)}"]`);
  }

  private idUnder(event: Event): string | null {
    return (event.target as HTMLElement).closest<HTMLElement>(".message")?.dataset.key ?? null;
  }

  /** Not while rows pass by under a pointer that rests. */
  private readonly onPoint = (event: Event) => {
    if (performance.now() - this.scrolledAt > REST) this.activeId = this.idUnder(event);
  };

  /** A finger leaves whenever it is lifted, before the click that it makes. */
  private readonly onLeave = (event: PointerEvent) => {
    if (event.pointerType !== "touch") this.activeId = null;
  };

  private readonly onFocus = (event: Event) => {
    this.activeId = this.idUnder(event) ?? this.activeId;
  };

  /** Up and down go from message to message, with their tools; Home and End to the ends; other keys scroll as everywhere. */
  private readonly onKey = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { rows } = this.heights;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step) {
      const focused = this.idUnder(event);
      let at = focused ? this.heights.indexOf(focused) + step : this.heights.at(this.seenTop - this.drift + this.view - 1);
      while (rows[at] && rows[at]!.kind !== "message") at += step;
      if (rows[at]) this.rowElement(rows[at]!.key)?.focus();
    } else if (event.key === "Home" && rows[0]) {
      this.scrolledAt = 0;
      this.anchor = { key: rows[0].key, past: 0 };
      this.requestUpdate();
    } else if (event.key === "End") {
      this.toEnd();
    } else {
      return;
    }
    event.preventDefault();
  };
}
customElements.define("beck-messages", BeckMessages);

function set(element: HTMLElement, height: number): void {
  const blockSize = `${Math.round(height * 100) / 100}px`;
  if (element.style.blockSize !== blockSize) element.style.blockSize = blockSize;
}

/** Threads are put together anew each time: the same messages count as the same. */
function same(a: readonly Message[], b: readonly Message[]): boolean {
  return a === b || (a.length === b.length && a.length < 500 && a.every((m, i) => m === b[i]));
}
