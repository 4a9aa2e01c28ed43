import { LitElement, css, html, nothing } from "lit";
import { property, query, state } from "lit/decorators.js";
import type { BeckChat, BeckError, Channel, Message } from "beck-chat";
import { draftOf, keepDraft } from "../drafts.js";
import { Follow } from "../follow.js";
import { nameOf, previewOf, titleOf } from "../format.js";
import { icons } from "../icons.js";
import { strings as t } from "../strings.js";
import { base } from "../theme.js";

/** From here on the writer is told how much still fits. */
const FEW_LEFT = 200;

/** Where one writes. What is typed is kept at each key, per conversation, thread and message being edited. */
export class BeckComposer extends LitElement {
  @property({ attribute: false }) client?: BeckChat;
  @property({ attribute: false }) channel?: Channel;
  @property({ attribute: false }) parentId: string | null = null;
  @state() private text = "";
  @state() private quoting: Message | null = null;
  @state() private editing: Message | null = null;
  @query("textarea") private area!: HTMLTextAreaElement | null;
  private readonly follow = new Follow(this);
  private width = 0;
  private readonly widths = new ResizeObserver(([entry]) => {
    const { width } = entry!.contentRect;
    if (width !== this.width) requestAnimationFrame(this.grow);
    this.width = width;
  });

  static override styles = [
    base,
    css`
      :host {
        display: block;
        padding: 0 var(--beck-4) var(--beck-4);
      }
      form {
        border: 1px solid var(--beck-edge);
        border-radius: 1.5rem;
        border-end-end-radius: var(--beck-tight);
        background: var(--beck-raised);
        transition: border-color var(--beck-calm), box-shadow var(--beck-calm);
      }
      form:focus-within {
        border-color: var(--beck-mark);
        box-shadow: 0 0 0 1px var(--beck-mark);
      }
      .line {
        display: grid;
        grid-template-columns: 1fr auto;
        align-items: end;
        gap: var(--beck-2);
        padding: 0.3125rem;
        padding-inline-start: var(--beck-4);
      }
      textarea {
        display: block;
        inline-size: 100%;
        max-block-size: 12rem;
        padding: 0.46875rem 0;
        border: 0;
        resize: none;
        background: none;
        line-height: 1.5;
        scrollbar-width: thin;
      }
      textarea:focus-visible {
        outline: none;
      }
      textarea::placeholder {
        color: var(--beck-quiet);
        opacity: 1;
      }
      .send {
        display: grid;
        place-items: center;
        inline-size: 2.375rem;
        block-size: 2.375rem;
        border-radius: 50%;
        border-end-end-radius: var(--beck-tight);
        color: var(--beck-on-mark);
        background: var(--beck-mark);
        transition: background var(--beck-calm), color var(--beck-calm);
      }
      .send:disabled {
        color: var(--beck-quiet);
        background: var(--beck-sand);
      }
      .about {
        display: grid;
        grid-template-columns: 1fr auto;
        align-items: center;
        gap: var(--beck-2);
        margin: 0.3125rem 0.3125rem 0;
        padding-inline-start: 0.6875rem;
        border-start-start-radius: 1.125rem;
        border-start-end-radius: 1.125rem;
        background: var(--beck-tint);
      }
      .about > div {
        display: grid;
        padding-block: var(--beck-2);
        min-inline-size: 0;
      }
      .note {
        padding: var(--beck-2) var(--beck-4) 0;
      }
      .over {
        color: var(--beck-bad);
        font-weight: 600;
      }
      .closed {
        padding: var(--beck-3);
        text-align: center;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.widths.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.widths.disconnect();
    this.stopTyping();
  }

  private get me(): string {
    return this.client?.user?.id ?? "";
  }

  private get place(): string {
    if (this.editing) return `${this.channel!.cid}.edit.${this.editing.id}`;
    return this.parentId ? `${this.channel!.cid}.${this.parentId}` : this.channel!.cid;
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    this.follow.these(this.client, this.channel);
    if (this.channel && (changed.has("channel") || changed.has("parentId"))) {
      const before = changed.get("channel") as Channel | undefined;
      before?.stopTyping();
      this.quoting = this.editing = null;
      this.text = draftOf(this.me, this.place);
    }
  }

  override updated(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("text") || changed.has("channel")) this.grow();
  }

  override focus(): void {
    void this.updateComplete.then(() => this.area?.focus());
  }

  quote(message: Message): void {
    this.leaveEdit();
    this.quoting = message;
    this.focus();
  }

  edit(message: Message): void {
    this.leaveEdit();
    this.quoting = null;
    this.editing = message;
    this.text = draftOf(this.me, this.place) || message.text;
    this.focus();
  }

  /** What was refused comes back to be changed; what has been typed meanwhile stays behind it. */
  takeBack(message: { text: string }): void {
    this.leaveEdit();
    this.type(this.text.trim() ? `${message.text}\n${this.text}` : message.text);
    this.focus();
  }

  private leaveEdit(): void {
    if (!this.editing) return;
    keepDraft(this.me, this.place, "");
    this.editing = null;
    this.text = draftOf(this.me, this.place);
  }

  private type(text: string): void {
    this.text = text;
    keepDraft(this.me, this.place, text);
  }

  private stopTyping(): void {
    this.channel?.stopTyping();
  }

  private get left(): number {
    return (this.channel?.data.config?.max_message_length ?? 5000) - [...this.text].length;
  }

  private get canSend(): boolean {
    return this.text.trim() !== "" && this.left >= 0;
  }

  /** Why nobody can write here; null when one can. */
  private get closed(): string | null {
    const { frozen, disabled, own_capabilities: can } = this.channel!.data;
    if (frozen || disabled) return t.composer.frozen;
    return can?.length && !can.includes(this.parentId ? "send-reply" : "send-message") ? t.composer.readOnly : null;
  }

  override render() {
    const c = this.channel;
    if (!c) return nothing;
    if (this.closed) return html`<p class="closed quiet">${this.closed}</p>`;
    const isOffline = this.client?.connection.state === "waiting";
    return html`<form @submit=${this.onSubmit}>
      ${this.editing ? this.about(t.composer.editing, previewOf(this.editing), () => this.leaveEdit()) : nothing}
      ${this.quoting
        ? this.about(t.composer.quoting(nameOf(this.quoting.user)), previewOf(this.quoting), () => (this.quoting = null))
        : nothing}
      <div class="line">
        <textarea rows="1" dir="auto" enterkeyhint="send" .value=${this.text} placeholder=${t.composer.placeholder}
          aria-label=${this.parentId ? t.composer.threadLabel : t.composer.label(titleOf(c, this.me))} aria-describedby="notes"
          @input=${this.onInput} @keydown=${this.onKey} @blur=${this.stopTyping}></textarea>
        <button class="send" ?disabled=${!this.canSend} title=${t.composer.hint} aria-label=${this.editing ? t.composer.save : t.composer.send}>${icons.send}</button>
      </div>
    </form>
    <div id="notes" aria-live="polite">
      ${isOffline ? html`<p class="note small quiet">${t.composer.offline}</p>` : nothing}
      ${this.left < FEW_LEFT ? html`<p class="note small ${this.left < 0 ? "over" : "quiet"}">${t.composer.left(this.left)}</p>` : nothing}
    </div>`;
  }

  private about(title: string, text: string, cancel: () => void) {
    return html`<div class="about small"><div><strong class="cut">${title}</strong><span class="cut quiet" dir="auto">${text}</span></div>
      <button type="button" class="icon" aria-label=${t.composer.cancel} title=${t.composer.cancel} @click=${() => {
        cancel();
        this.focus();
      }}>${icons.close}</button></div>`;
  }

  private readonly grow = () => {
    const area = this.area;
    if (!area) return;
    area.style.blockSize = "auto";
    area.style.blockSize = `${area.scrollHeight}px`;
  };

  private readonly onInput = () => {
    this.type(this.area!.value);
    if (this.text.trim()) this.channel!.keystroke(this.parentId ?? undefined);
    else this.stopTyping();
  };

  private readonly onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Escape" && (this.editing || this.quoting)) {
      event.stopPropagation();
      this.leaveEdit();
      this.quoting = null;
    }
  };

  private readonly onSubmit = (event: Event) => {
    event.preventDefault();
    this.submit();
  };

  private submit(): void {
    if (!this.canSend) return;
    this.stopTyping();
    if (this.editing) return void this.save();
    const message = {
      text: this.text.trim(),
      ...(this.parentId && { parent_id: this.parentId }),
      ...(this.quoting && { quoted_message_id: this.quoting.id }),
    };
    // From here on the message is in the list: waiting, sent, or refused with what to do about it.
    // Where there is no room for it in the outbox it is not, and comes back.
    const { channel, place } = this;
    channel!.sendMessage(message).catch((error: BeckError) => {
      if (error.kind !== "full") return;
      const here = channel === this.channel && place === this.place;
      if (!here) keepDraft(this.me, place, [message.text, draftOf(this.me, place)].filter(Boolean).join("\n"));
      else this.takeBack({ text: message.text });
      this.dispatchEvent(new CustomEvent("problem", { detail: error, bubbles: true, composed: true }));
    });
    this.quoting = null;
    this.type("");
    this.focus();
  }

  /** An edit has no place in the list until the server has it, so the text stays here until then. */
  private async save(): Promise<void> {
    const message = this.editing!;
    const text = this.text.trim();
    try {
      if (text !== message.text) await this.client!.updateMessage({ id: message.id, text });
      if (this.editing === message) this.leaveEdit();
    } catch (error) {
      this.dispatchEvent(new CustomEvent("problem", { detail: error, bubbles: true, composed: true }));
    }
  }
}
customElements.define("beck-composer", BeckComposer);
