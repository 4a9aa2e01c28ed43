import { css, html, nothing } from "lit";
import type { Attachment, Message, User } from "beck-chat";
import { clock, fullTime, nameOf, previewOf } from "../format.js";
import { icons, ticks } from "../icons.js";
import { linked } from "../links.js";
import { isDeleted, whenOf, type MessageRow } from "../rows.js";
import { refused } from "../problems.js";
import { strings as t } from "../strings.js";
import { avatarOf } from "./avatar.js";

export type Act = "quote" | "thread" | "edit" | "remove" | "markUnread" | "retry" | "drop" | "takeBack" | "show";

export interface RowContext {
  me: string;
  isThread: boolean;
  canReply: boolean;
  /** Whose tools are shown. */
  activeId: string | null;
  /** That somebody was led to. */
  litId: string | null;
  isOnline(user: User): boolean;
  readers(message: Message): string[];
  isDelivered(message: Message): boolean;
  act(what: Act, message: Message): void;
}

interface Times {
  clock: string;
  full: string;
}
/** Rows are drawn many times while one scrolls, and times are dear to write. */
const written = new WeakMap<Message, Times>();
function timesOf(m: Message): Times {
  let times = written.get(m);
  if (!times) {
    const { at } = whenOf(m);
    written.set(m, (times = { clock: clock(at), full: fullTime(at) }));
  }
  return times;
}

export function messageRow(row: MessageRow, c: RowContext) {
  const m = row.message;
  if (m.type === "system") return html`<div class="row line small quiet" data-key=${row.key}><span dir="auto">${m.text}</span></div>`;
  const isOwn = m.user?.id === c.me;
  const name = nameOf(m.user);
  const times = timesOf(m);
  return html`<div class="row message ${isOwn ? "own" : ""} ${row.first ? "first" : ""} ${row.last ? "last" : ""} ${m.id === c.litId ? "lit" : ""}"
      data-key=${row.key} role="article" tabindex="-1" aria-label=${t.messages.article(name, times.full)}>
    <div class="stack">
      ${row.first && !isOwn ? html`<div class="author small cut" dir="auto">${name}</div>` : nothing}
      <div class="held">
        ${row.last && !isOwn && m.user ? avatarOf(m.user, c.isOnline(m.user)) : nothing}
        <div class="bubble ${m.status}">
          ${m.quoted_message ? quoted(m.quoted_message, c) : nothing}
          ${isDeleted(m) ? html`<div class="text quiet">${t.messages.deleted}</div>` : html`<div class="text" dir="auto">${linked(m.text)}</div>`}
          ${isDeleted(m) ? nothing : (m.attachments ?? []).map(attachment)}
        </div>
        ${c.activeId === m.id ? tools(m, isOwn, c) : nothing}
      </div>
      ${m.status === "failed" ? failure(m, c) : row.last || m.status === "pending" ? meta(m, times, isOwn, c) : nothing}
      ${m.reply_count && !c.isThread ? repliesButton(m, c) : nothing}
    </div>
  </div>`;
}

function quoted(m: Message, c: RowContext) {
  return html`<button class="quoted small" @click=${() => c.act("show", m)}>
    <strong class="cut" dir="auto">${nameOf(m.user)}</strong><span class="cut quiet" dir="auto">${previewOf(m)}</span>
  </button>`;
}

const isWeb = (address: unknown): address is string => typeof address === "string" && /^https?:\/\//iu.test(address) && URL.canParse(address);

/** Other clients send them; here they are links. */
function attachment(a: Attachment) {
  const address = [a.title_link, a.og_scrape_url, a.asset_url, a.image_url].find(isWeb);
  const name = [a.title, a.fallback, address].find((x) => typeof x === "string" && x !== "") ?? t.list.attachment;
  return html`<div class="attachment small cut" dir="auto">${
    address ? html`<a href=${address} target="_blank" rel="noopener noreferrer nofollow">${name}</a>` : name
  }</div>`;
}

function tools(m: Message, isOwn: boolean, c: RowContext) {
  if (m.status !== "sent" || isDeleted(m)) return nothing;
  const tool = (act: Act, icon: unknown, label: string) =>
    html`<button class="icon" aria-label=${label} title=${label} @click=${() => c.act(act, m)}>${icon}</button>`;
  return html`<div class="tools" role="toolbar" aria-label=${t.messages.tools}>
    ${tool("quote", icons.quote, t.messages.quote)}
    ${c.isThread || !c.canReply ? nothing : tool("thread", icons.thread, t.messages.thread)}
    ${isOwn ? [tool("edit", icons.edit, t.messages.edit), tool("remove", icons.remove, t.messages.remove)] : nothing}
    ${isOwn || c.isThread ? nothing : tool("markUnread", icons.unread, t.messages.markUnread)}
  </div>`;
}

function repliesButton(m: Message, c: RowContext) {
  return html`<button class="replies small" @click=${() => c.act("thread", m)}>${icons.thread} ${t.messages.replies(m.reply_count!)}</button>`;
}

function failure(m: Message, c: RowContext) {
  const why = m.error ? refused(m.error.code, m.error.message).join(". ") : "";
  return html`<div class="failure small" role="alert"><span>${t.messages.failed(why)}</span>
    <button @click=${() => c.act("retry", m)}>${t.messages.retry}</button>
    <button @click=${() => c.act("takeBack", m)}>${t.messages.takeBack}</button>
    <button @click=${() => c.act("drop", m)}>${t.messages.drop}</button></div>`;
}

function meta(m: Message, times: Times, isOwn: boolean, c: RowContext) {
  return html`<div class="meta small quiet"><time datetime=${m.created_at} title=${times.full}>${times.clock}</time>
    ${m.message_text_updated_at ? html`<span>${t.messages.edited}</span>` : nothing}
    ${isOwn && !isDeleted(m) ? state(m, c) : nothing}</div>`;
}

/** One tick: the server has it. Two: it has reached somebody. Two in colour: somebody has read it. */
function state(m: Message, c: RowContext) {
  const shown = (kind: string, icon: unknown, label: string) => html`<span class="state ${kind}" role="img" aria-label=${label} title=${label}>${icon}</span>`;
  if (m.status === "pending") return shown("pending", ticks.pending, t.messages.pending);
  const readers = c.isThread ? [] : c.readers(m);
  if (readers.length) return shown("read", ticks.twice, t.messages.read(readers));
  return c.isDelivered(m) ? shown("delivered", ticks.twice, t.messages.delivered) : shown("sent", ticks.sent, t.messages.sent);
}

export const messageStyles = css`
  .row {
    display: flow-root;
    contain: layout style;
    padding-inline: var(--beck-4);
  }
  .line {
    padding-block: var(--beck-3);
    text-align: center;
    overflow-wrap: anywhere;
  }
  .message {
    display: flex;
    padding-block-start: 3px;
    outline-offset: -2px;
    border-radius: var(--beck-3);
  }
  .message.first {
    padding-block-start: var(--beck-3);
  }
  .message.own {
    justify-content: end;
  }
  .held .avatar {
    --size: 2rem;
    position: absolute;
    inset-inline-start: -2.5rem;
    inset-block-end: 0;
  }
  .stack {
    display: grid;
    justify-items: start;
    min-inline-size: 0;
    max-inline-size: min(78%, 36rem);
    margin-inline-start: 2.5rem;
  }
  .own .stack {
    margin-inline-start: 0;
    justify-items: end;
  }
  .author {
    font-weight: 600;
    padding-inline: 0.875rem;
    padding-block-end: 2px;
    max-inline-size: 100%;
    color: var(--beck-quiet);
  }
  .held {
    position: relative;
    max-inline-size: 100%;
    min-inline-size: 0;
  }
  .bubble {
    padding: 0.4375rem 0.875rem;
    border-radius: var(--beck-round);
    background: var(--beck-sand);
    transition: background var(--beck-calm);
  }
  .own .bubble {
    background: var(--beck-own);
  }
  .last .bubble {
    border-end-start-radius: var(--beck-tight);
  }
  .own.last .bubble {
    border-end-start-radius: var(--beck-round);
    border-end-end-radius: var(--beck-tight);
  }
  .bubble.failed {
    background: var(--beck-bad-tint);
  }
  .lit .bubble {
    background: var(--beck-clay-tint);
  }
  .text {
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .text a {
    color: inherit;
  }
  .quoted {
    display: grid;
    inline-size: 100%;
    margin-block: 2px var(--beck-1);
    padding: var(--beck-1) var(--beck-3);
    border-inline-start: 3px solid var(--beck-mark);
    border-radius: var(--beck-tight);
    background: var(--beck-sheet);
  }
  .attachment {
    padding-block-start: var(--beck-1);
  }
  .meta {
    display: flex;
    align-items: center;
    gap: var(--beck-1);
    block-size: 1.375rem;
    padding-inline: 0.875rem;
    font-variant-numeric: tabular-nums;
  }
  .own .meta {
    padding-inline: 0.25rem;
  }
  .state.read {
    color: var(--beck-mark);
  }
  .replies {
    display: inline-flex;
    align-items: center;
    gap: var(--beck-1);
    min-block-size: 1.75rem;
    margin-inline: 0.375rem;
    padding-inline: var(--beck-2);
    border-radius: var(--beck-3);
    font-weight: 600;
    color: var(--beck-mark);
  }
  .replies svg {
    inline-size: 1rem;
    block-size: 1rem;
  }
  .replies:hover {
    background: var(--beck-tint);
  }
  .failure {
    display: flex;
    flex-wrap: wrap;
    gap: var(--beck-1) var(--beck-3);
    justify-content: end;
    padding: var(--beck-1) 0.25rem;
    text-align: end;
    color: var(--beck-bad);
  }
  .failure button {
    font-weight: 600;
    text-decoration: underline;
    text-underline-offset: 0.2em;
  }
  .tools {
    position: absolute;
    z-index: 1;
    inset-block-end: calc(100% - 0.5rem);
    inset-inline-start: var(--beck-2);
    display: flex;
    border-radius: var(--beck-3);
    background: var(--beck-raised);
    box-shadow: var(--beck-shadow), 0 0 0 1px var(--beck-line);
  }
  .own .tools {
    inset-inline: auto var(--beck-2);
  }
  .tools .icon {
    inline-size: 2.25rem;
    block-size: 2.25rem;
  }
`;
