import { LitElement, css, html, nothing } from "lit";
import { property } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import type { BeckChat } from "beck-chat";
import type { Faults, WebSocketFault } from "../faults.js";
import { Follow } from "../follow.js";
import { clockSeconds } from "../format.js";
import type { Journal } from "../journal.js";
import { strings as t } from "../strings.js";
import { base } from "../theme.js";
import { switchOf, switchStyles } from "./switch.js";

const secondsTo = (at: number | null) => (at === null ? 0 : Math.max(0, Math.ceil((at - Date.now()) / 1000)));

/** The state in words, and how it looks: `good`, `busy`, `bad`. */
export function connectionWords(client: BeckChat | undefined): { look: "good" | "busy" | "bad"; words: string } {
  const c = client?.connection;
  switch (c?.state) {
    case "online":
      return { look: "good", words: t.connection.online[c.transport ?? "websocket"] };
    case "connecting":
      return { look: "busy", words: t.connection.connecting };
    case "waiting":
      return { look: "bad", words: t.connection.waiting(secondsTo(c.retryAt)) };
    case "failed":
      return { look: "bad", words: t.connection.failed };
    default:
      return { look: "busy", words: t.connection.off };
  }
}

/** How the connection is, what happened to it, and, given `faults`, the means to break it. */
export class BeckConnection extends LitElement {
  @property({ attribute: false }) client?: BeckChat;
  @property({ attribute: false }) journal?: Journal;
  @property({ attribute: false }) faults?: Faults;
  private readonly follow = new Follow(this);
  private second: ReturnType<typeof setInterval> | undefined;

  static override styles = [
    base,
    switchStyles,
    css`
      :host {
        display: grid;
        gap: var(--beck-5);
      }
      .state {
        display: flex;
        align-items: center;
        gap: var(--beck-3);
        padding: var(--beck-4);
        border-radius: var(--beck-round);
        border-end-start-radius: var(--beck-tight);
        background: var(--beck-sand);
        transition: background var(--beck-calm);
      }
      .state.good {
        background: var(--beck-tint);
      }
      .state.bad {
        background: var(--beck-clay-tint);
      }
      .state :is(strong, .small) {
        display: block;
      }
      .lamp {
        inline-size: 0.75rem;
        block-size: 0.75rem;
        flex: none;
        border-radius: 50%;
        background: var(--beck-edge);
      }
      .good .lamp {
        background: var(--beck-mark);
      }
      .bad .lamp {
        background: var(--beck-clay);
      }
      dl {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: var(--beck-2) var(--beck-4);
      }
      dd {
        text-align: end;
        overflow-wrap: anywhere;
        font-variant-numeric: tabular-nums;
      }
      h3 {
        font-size: var(--beck-text);
      }
      section {
        display: grid;
        gap: var(--beck-1);
      }
      .expire {
        display: grid;
        grid-template-columns: 1fr auto;
        align-items: center;
        gap: var(--beck-4);
        padding-block: var(--beck-3);
        border-block-start: 1px solid var(--beck-line);
      }
      ol {
        margin-block-start: var(--beck-2);
      }
      li {
        position: relative;
        display: grid;
        grid-template-columns: 1fr auto;
        gap: var(--beck-3);
        padding-block-end: var(--beck-3);
        padding-inline-start: var(--beck-5);
      }
      li::before {
        content: "";
        position: absolute;
        inset-inline-start: 0.125rem;
        inset-block-start: 0.375rem;
        inline-size: 0.5rem;
        block-size: 0.5rem;
        border-radius: 50%;
        background: var(--beck-edge);
      }
      li:not(:last-child)::after {
        content: "";
        position: absolute;
        inset-inline-start: 0.34rem;
        inset-block: 1.125rem -0.125rem;
        inline-size: 1px;
        background: var(--beck-line);
      }
      li.good::before {
        background: var(--beck-mark);
      }
      li.bad::before {
        background: var(--beck-clay);
      }
      time {
        font-variant-numeric: tabular-nums;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.second = setInterval(() => this.requestUpdate(), 1000);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.second);
  }

  override willUpdate(): void {
    this.follow.these(this.client, this.journal, this.faults);
  }

  override render() {
    const c = this.client?.connection;
    if (!c) return nothing;
    const { look, words } = connectionWords(this.client);
    return html`<div class="state ${look}"><span class="lamp" aria-hidden="true"></span>
        <div><strong>${words}</strong><span class="small quiet" role="status">${this.latest()}</span></div></div>
      <dl class="small">
        <dt class="quiet">${t.connection.transport}</dt><dd>${c.transport ? t.connection.short[c.transport] : t.connection.none}</dd>
        <dt class="quiet">${t.connection.id}</dt><dd><code dir="ltr">${c.id || t.connection.none}</code></dd>
        <dt class="quiet">${t.connection.last}</dt>
        <dd>${c.lastEventAt ? t.connection.ago(Math.floor((Date.now() - c.lastEventAt) / 1000)) : t.connection.none}</dd>
      </dl>
      ${this.faults ? this.lab(this.faults) : nothing}
      ${this.journal ? this.story(this.journal) : nothing}`;
  }

  private latest(): string {
    const isDetour = this.client!.connection.transport === "longpoll" && this.faults !== undefined && this.faults.webSocket !== "none";
    return isDetour ? t.journal.movedBlocked : (this.journal?.entries[0]?.text ?? t.connection.fine);
  }

  private lab(faults: Faults) {
    const webSocket = (fault: WebSocketFault, label: string, hint: string) =>
      switchOf(label, hint, faults.webSocket === fault, () => faults.setWebSocket(faults.webSocket === fault ? "none" : fault));
    return html`<section aria-labelledby="lab">
      <h3 id="lab">${t.connection.lab}</h3>
      <p class="small quiet">${t.connection.labLead}</p>
      <div>
        ${switchOf(t.connection.cut, t.connection.cutHint, faults.isCut, () => faults.cut(!faults.isCut))}
        ${webSocket("blocked", t.connection.block, t.connection.blockHint)}
        ${webSocket("swallowed", t.connection.swallow, t.connection.swallowHint)}
      </div>
      <div class="expire">
        <span class="what"><span class="label">${t.connection.expire}</span>
          <span class="small quiet" id="expire">${faults.expiredToken ? t.connection.expireHint : t.connection.expireNone}</span></span>
        <button class="button plain small" aria-label=${t.connection.expire} aria-describedby="expire"
          ?disabled=${!faults.expiredToken || faults.isTokenExpired} @click=${() => faults.expireToken()}>${t.connection.expireNow}</button>
      </div>
    </section>`;
  }

  private story(journal: Journal) {
    return html`<section aria-labelledby="story">
      <h3 id="story">${t.connection.story}</h3>
      ${journal.entries.length
        ? html`<ol class="small">${repeat(
            journal.entries,
            (e) => e,
            (e) => html`<li class=${e.kind}><span>${e.text}</span><time class="quiet" datetime=${new Date(e.at).toISOString()}>${clockSeconds(e.at)}</time></li>`,
          )}</ol>`
        : html`<p class="small quiet">${t.connection.quiet}</p>`}
    </section>`;
  }
}
customElements.define("beck-connection", BeckConnection);
