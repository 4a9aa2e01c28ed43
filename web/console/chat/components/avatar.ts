import { LitElement, css, html } from "lit";
import { property, state } from "lit/decorators.js";
import type { User } from "beck-chat";
import { initials } from "../format.js";
import { base } from "../theme.js";

/** Clay, ochre, olive, moss, sea, slate, plum, rose: quiet neighbours of the mark's green. */
const HUES = [45, 78, 112, 150, 190, 245, 320, 15];

/** The same person has the same colour everywhere. */
function hueOf(id: string): number {
  let sum = 5;
  for (const c of id) sum = (sum * 37 + c.codePointAt(0)!) % 9973;
  return HUES[sum % HUES.length]!;
}

/** A picture, or initials on a colour; with a dot for somebody who is online. It says nothing by itself: the name stands beside it. */
export class BeckAvatar extends LitElement {
  @property() name = "";
  /** What the colour is made from. */
  @property() seed = "";
  @property() image = "";
  /** `null`: presence is not shown. */
  @property({ attribute: false }) online: boolean | null = null;
  @state() private broken = false;

  static override styles = [
    base,
    css`
      :host {
        --size: 2.5rem;
        position: relative;
        display: block;
        flex: none;
        inline-size: var(--size);
        block-size: var(--size);
      }
      .face {
        display: grid;
        place-items: center;
        inline-size: 100%;
        block-size: 100%;
        border-radius: 50%;
        border-end-start-radius: 22%;
        overflow: hidden;
        font-weight: 600;
        font-size: calc(var(--size) * 0.36);
        line-height: 1;
        letter-spacing: 0.01em;
        color: light-dark(oklch(0.37 0.055 var(--hue)), oklch(0.9 0.035 var(--hue)));
        background: light-dark(oklch(0.865 0.034 var(--hue)), oklch(0.4 0.032 var(--hue)));
      }
      img {
        inline-size: 100%;
        block-size: 100%;
        object-fit: cover;
      }
      .dot {
        position: absolute;
        inset-block-end: -1px;
        inset-inline-end: -1px;
        inline-size: 0.75rem;
        block-size: 0.75rem;
        border-radius: 50%;
        border: 2px solid var(--around, var(--beck-sheet));
        background: var(--beck-mark);
        transform: scale(0);
        transition: transform var(--beck-calm);
      }
      .dot.on {
        transform: none;
      }
    `,
  ];

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("image")) this.broken = false;
  }

  override updated(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("seed")) this.style.setProperty("--hue", String(hueOf(this.seed)));
  }

  override render() {
    return html`<span class="face" aria-hidden="true">${
        this.image && !this.broken
          ? html`<img src=${this.image} alt="" loading="lazy" referrerpolicy="no-referrer" @error=${() => (this.broken = true)}>`
          : initials(this.name)
      }</span>
      ${this.online === null ? "" : html`<span class="dot ${this.online ? "on" : ""}"></span>`}`;
  }
}
customElements.define("beck-avatar", BeckAvatar);

export const avatarOf = (user: User, online: boolean | null = null) =>
  html`<beck-avatar .name=${user.name || user.id} .seed=${user.id} .image=${user.image ?? ""} .online=${online}></beck-avatar>`;
