import { LitElement, css, html, nothing } from "lit";
import { property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import type { BeckChat, Channel, ChannelList } from "beck-chat";
import { draftOf } from "../drafts.js";
import { Follow } from "../follow.js";
import { companion, nameOf, previewOf, shortTime, titleOf } from "../format.js";
import { explain } from "../problems.js";
import { strings as t, type Problem } from "../strings.js";
import { base } from "../theme.js";
import { avatarOf, avatarStyles } from "./avatar.js";

/** The conversations of a client's user, newest first. Fires `pick` with the channel. */
export class BeckChannelList extends LitElement {
  @property({ attribute: false }) client?: BeckChat;
  @property({ attribute: false }) selected: Channel | null = null;
  @state() private problem: Problem | null = null;
  private list: ChannelList | null = null;
  private readonly follow = new Follow(this);

  static override styles = [
    base,
    avatarStyles,
    css`
      :host {
        display: block;
        overflow-y: auto;
        overscroll-behavior: contain;
        padding: 0 var(--beck-2) var(--beck-2);
      }
      ul {
        display: grid;
        gap: 2px;
      }
      .item {
        display: grid;
        grid-template-columns: auto 1fr;
        align-items: center;
        gap: var(--beck-3);
        inline-size: 100%;
        min-block-size: 4rem;
        padding: var(--beck-2) var(--beck-3);
        border-radius: var(--beck-round);
        border-end-start-radius: var(--beck-tight);
        transition: background var(--beck-calm);
        outline-offset: -2px;
        --around: var(--beck-frame);
      }
      .item:hover {
        background: var(--beck-hover);
        --around: var(--beck-hover);
      }
      .item[aria-current] {
        background: var(--beck-raised);
        --around: var(--beck-raised);
        box-shadow: 0 1px 2px light-dark(rgb(70 60 30 / 0.08), rgb(0 0 0 / 0.3));
      }
      .words {
        display: grid;
        grid-template: auto 1.375rem / 1fr auto;
        column-gap: var(--beck-2);
        align-items: baseline;
        min-inline-size: 0;
      }
      .name {
        font-weight: 600;
      }
      .time {
        font-variant-numeric: tabular-nums;
      }
      .preview {
        align-self: center;
      }
      .has-unread .preview {
        color: var(--beck-ink);
      }
      .badge {
        justify-self: end;
        align-self: center;
        min-inline-size: 1.375rem;
        padding: 0 0.4rem;
        border-radius: 0.7rem;
        font-size: var(--beck-small);
        line-height: 1.375rem;
        font-weight: 600;
        text-align: center;
        font-variant-numeric: tabular-nums;
        color: var(--beck-on-mark);
        background: var(--beck-mark);
      }
      .typing,
      .draft {
        color: var(--beck-mark);
      }
      .draft {
        color: var(--beck-clay);
      }
      .empty {
        display: grid;
        gap: var(--beck-1);
        padding: var(--beck-6) var(--beck-4);
        text-align: center;
      }
      .more {
        display: block;
        margin: var(--beck-2) auto;
      }
      .bone {
        display: grid;
        grid-template-columns: 2.5rem 1fr;
        gap: var(--beck-3);
        padding: var(--beck-3);
        align-items: center;
      }
      .bone::before,
      .bone::after {
        content: "";
        block-size: 2.5rem;
        border-radius: 50%;
        background: var(--beck-hover);
      }
      .bone::after {
        block-size: 0.75rem;
        border-radius: 0.375rem;
        inline-size: 70%;
      }
    `,
  ];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.list?.close();
    this.list = null;
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("client")) {
      this.list?.close();
      this.list = null;
    }
    if (this.client?.user && !this.list && this.isConnected) {
      this.list = this.client.channelList({ members: { $in: [this.client.user.id] } }, { last_updated: -1 }, { presence: true, limit: 20 });
      void this.ask(this.list.load());
    }
    this.follow.these(this.client, this.list);
  }

  private async ask(loading: Promise<unknown>): Promise<void> {
    try {
      await loading;
      this.problem = null;
    } catch (error) {
      this.problem = await explain(error, this.client!.baseURL);
    }
  }

  override render() {
    const list = this.list;
    if (!list) return this.bones();
    const { channels } = list;
    if (!channels.length) {
      if (this.problem) return this.problemNote();
      if (list.loading) return this.bones();
      return html`<div class="empty"><p>${t.list.empty}</p><p class="small quiet">${t.list.emptyHint}</p></div>`;
    }
    const stop = channels.find((c) => this.isSelected(c)) ?? channels[0];
    return html`<ul @keydown=${this.onKey}>${repeat(channels, (c) => c.cid, (c) => html`<li>${this.item(c, c === stop)}</li>`)}</ul>
      ${this.problem ? this.problemNote() : nothing}
      ${list.hasMore
        ? html`<button class="button plain more" ?disabled=${list.loading} @click=${() => this.ask(list.loadMore())}>${t.list.more}</button>`
        : nothing}`;
  }

  private bones() {
    return html`<p class="sr" role="status">${t.list.loading}</p>${[1, 2, 3].map(() => html`<div class="bone" aria-hidden="true"></div>`)}`;
  }

  private problemNote() {
    return html`<div class="empty" role="alert"><p>${this.problem![0]}</p><p class="small quiet">${this.problem![1]}</p>
      <button class="button plain more" @click=${() => this.ask(this.list!.load())}>${t.problem.again}</button></div>`;
  }

  private item(channel: Channel, isTabStop: boolean) {
    const me = this.client!.user?.id;
    const other = companion(channel, me);
    const unread = channel.state.unread;
    const name = titleOf(channel, me);
    const at = channel.data.last_message_at ?? channel.data.created_at;
    return html`<button class="item ${unread ? "has-unread" : ""}" tabindex=${isTabStop ? 0 : -1}
        aria-current=${this.isSelected(channel) ? "true" : nothing} @click=${() => this.pick(channel)}>
      ${other ? avatarOf(other, other.online === true) : avatarOf({ id: channel.cid, name, image: channel.data.image })}
      <span class="words">
        <span class="name cut" dir="auto">${name}</span>
        <span class="time small quiet">${at ? shortTime(Date.parse(at)) : ""}</span>
        <span class="preview small quiet cut" dir="auto">${this.preview(channel, me, other !== null)}</span>
        ${unread
          ? html`<span class="badge"><span aria-hidden="true">${t.list.badge(unread)}</span><span class="sr">${t.list.unread(unread)}</span></span>`
          : nothing}
        ${other?.online ? html`<span class="sr">${t.list.online}</span>` : nothing}
      </span>
    </button>`;
  }

  private preview(channel: Channel, me: string | undefined, isPair: boolean) {
    const typists = Object.values(channel.state.typing).filter((x) => x.user.id !== me && !x.parent_id);
    if (typists.length) return html`<span class="typing">${t.messages.typing(typists.map((x) => nameOf(x.user)))}</span>`;
    const draft = me && !this.isSelected(channel) ? draftOf(me, channel.cid) : "";
    if (draft) return html`<span class="draft">${t.list.draft}</span> ${draft}`;
    const last = channel.state.messages.at(-1);
    if (!last) return t.list.nothing;
    const text = previewOf(last);
    if (last.user?.id === me) return t.list.you(text);
    return isPair ? text : t.list.from(nameOf(last.user), text);
  }

  private isSelected(channel: Channel): boolean {
    return channel.cid === this.selected?.cid;
  }

  private pick(channel: Channel): void {
    this.dispatchEvent(new CustomEvent("pick", { detail: channel }));
  }

  private onKey(event: KeyboardEvent): void {
    const items = [...this.renderRoot.querySelectorAll<HTMLElement>(".item")];
    const at = items.indexOf(event.target as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    items[Math.max(0, Math.min(to, items.length - 1))]!.focus();
  }
}
customElements.define("beck-channel-list", BeckChannelList);
