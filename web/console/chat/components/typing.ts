import { LitElement, css, html, nothing } from "lit";
import { property } from "lit/decorators.js";
import type { BeckChat, Channel } from "beck-chat";
import { Follow } from "../follow.js";
import { nameOf } from "../format.js";
import { strings as t } from "../strings.js";
import { base } from "../theme.js";

/** Who is writing: the three dots of the mark, and the names. Its line is always there, so nothing moves. */
export class BeckTyping extends LitElement {
  @property({ attribute: false }) client?: BeckChat;
  @property({ attribute: false }) channel?: Channel;
  @property({ attribute: false }) parentId: string | null = null;
  private readonly follow = new Follow(this);

  static override styles = [
    base,
    css`
      :host {
        display: block;
        block-size: 1.75rem;
        padding-inline: var(--beck-5);
      }
      p {
        display: flex;
        align-items: center;
        gap: var(--beck-2);
        block-size: 100%;
        animation: come var(--beck-calm);
      }
      svg {
        color: var(--beck-mark);
      }
      circle {
        animation: breathe 1.4s ease-in-out infinite;
      }
      circle:nth-child(2) {
        animation-delay: 0.18s;
      }
      circle:nth-child(3) {
        animation-delay: 0.36s;
      }
      @keyframes breathe {
        0%,
        60%,
        100% {
          opacity: 0.35;
        }
        30% {
          opacity: 1;
        }
      }
      @keyframes come {
        from {
          opacity: 0;
        }
      }
    `,
  ];

  override willUpdate(): void {
    this.follow.these(this.channel);
  }

  override render() {
    const me = this.client?.user?.id;
    const typists = Object.values(this.channel?.state.typing ?? {}).filter((x) => x.user.id !== me && (x.parent_id ?? null) === this.parentId);
    if (!typists.length) return nothing;
    return html`<p class="small quiet"><svg width="24" height="8" viewBox="0 0 24 8" fill="currentColor" aria-hidden="true"><circle cx="4" cy="4" r="3"/><circle
      cx="12" cy="4" r="3"/><circle cx="20" cy="4" r="3"/></svg><span class="cut">${t.messages.typing(typists.map((x) => nameOf(x.user)))}</span></p>`;
  }
}
customElements.define("beck-typing", BeckTyping);
