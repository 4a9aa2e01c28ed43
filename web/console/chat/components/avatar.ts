import { css, html, nothing } from "lit";
import type { User } from "beck-chat";
import { initials } from "../format.js";

/** The same person has the same colour everywhere. */
function colourOf(id: string): number {
  let sum = 5;
  for (const c of id) sum = (sum * 37 + c.codePointAt(0)!) % 9973;
  return sum % 8;
}

/** A picture, or initials on a colour; with a dot for somebody who is online. It says nothing by itself: the name stands beside it.
 * `online: null`: presence is not shown. No element of its own, since lists hold so many of them. */
export const avatarOf = (user: User, online: boolean | null = null) =>
  html`<span class="avatar colour-${colourOf(user.id)}" aria-hidden="true"><span class="face">${initials(user.name || user.id)}${
    user.image && typeof user.image === "string" ? html`<img src=${user.image} alt="" loading="lazy" referrerpolicy="no-referrer" @error=${hide}>` : nothing
  }</span>${online === null ? nothing : html`<span class="dot ${online ? "on" : ""}"></span>`}</span>`;

function hide(event: Event): void {
  (event.target as HTMLElement).hidden = true;
}

export const avatarStyles = css`
  .avatar {
    --size: 2.5rem;
    position: relative;
    display: block;
    flex: none;
    inline-size: var(--size);
    block-size: var(--size);
  }
  .face {
    position: relative;
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
  .face img {
    position: absolute;
    inset: 0;
    inline-size: 100%;
    block-size: 100%;
    object-fit: cover;
  }
  /* Clay, ochre, olive, moss, sea, slate, plum, rose: quiet neighbours of the mark's green. */
  .colour-0 {
    --hue: 45;
  }
  .colour-1 {
    --hue: 78;
  }
  .colour-2 {
    --hue: 112;
  }
  .colour-3 {
    --hue: 150;
  }
  .colour-4 {
    --hue: 190;
  }
  .colour-5 {
    --hue: 245;
  }
  .colour-6 {
    --hue: 320;
  }
  .colour-7 {
    --hue: 15;
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
`;
