/* One look for all parts. The custom properties stand on the document, so that a page that embeds a part overrides them there;
 * light and dark follow the `color-scheme` of that page. */
import { css } from "lit";

const tokens = css`
  :root {
    /* Four sizes: asides, text, titles, the one big line of a page. */
    --beck-font: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
    --beck-mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace;
    --beck-small: 0.8125rem;
    --beck-text: 0.9375rem;
    --beck-title: 1.125rem;
    --beck-display: 1.875rem;

    --beck-1: 0.25rem;
    --beck-2: 0.5rem;
    --beck-3: 0.75rem;
    --beck-4: 1rem;
    --beck-5: 1.5rem;
    --beck-6: 2.5rem;

    /* Everything round has one tight corner, as the speech bubble of the mark has. */
    --beck-round: 1.125rem;
    --beck-tight: 0.3125rem;

    --beck-frame: light-dark(#f2eee4, #101513);
    --beck-sheet: light-dark(#fdfbf6, #171d1a);
    --beck-raised: light-dark(#ffffff, #1f2723);
    --beck-sand: light-dark(#efe9dc, #242d28);
    --beck-own: light-dark(#d7eadf, #1d4237);
    --beck-hover: light-dark(#e9e3d5, #1d2521);
    --beck-line: light-dark(#e2dbcb, #2b3530);
    --beck-edge: light-dark(#8d8674, #6d7a72);
    --beck-ink: light-dark(#1c2724, #e8ebe4);
    --beck-quiet: light-dark(#565f58, #a5b0a8);
    --beck-mark: light-dark(#1f6f5c, #6cc5ad);
    --beck-on-mark: light-dark(#ffffff, #0c1f19);
    --beck-tint: light-dark(#e1efe7, #1b332b);
    --beck-clay: light-dark(#9c4a1a, #f0a878);
    --beck-clay-tint: light-dark(#f8e8db, #3a2a1f);
    --beck-bad: light-dark(#a8231b, #ff9a90);
    --beck-bad-tint: light-dark(#fae4e0, #3d2322);
    --beck-shadow: 0 0.25rem 1.5rem light-dark(rgb(70 60 30 / 0.12), rgb(0 0 0 / 0.45));

    --beck-calm: 180ms cubic-bezier(0.2, 0, 0, 1);
  }
  @media (prefers-reduced-motion: reduce) {
    :root {
      --beck-calm: 0ms;
    }
  }
`;

document.adoptedStyleSheets.push(tokens.styleSheet!);

/** What every part starts from. */
export const base = css`
  :host {
    color: var(--beck-ink);
    font: 400 var(--beck-text) / 1.5 var(--beck-font);
    -webkit-tap-highlight-color: transparent;
  }
  :host([hidden]),
  [hidden] {
    display: none !important;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h1,
  h2,
  h3,
  p,
  ul,
  ol,
  dl,
  dd,
  fieldset {
    margin: 0;
    padding: 0;
    border: 0;
    min-inline-size: 0;
  }
  h1,
  h2,
  h3 {
    font-size: var(--beck-title);
    line-height: 1.3;
    font-weight: 600;
    text-wrap: balance;
  }
  ul,
  ol {
    list-style: none;
  }
  a {
    color: var(--beck-mark);
    text-underline-offset: 0.15em;
  }
  code {
    font-family: var(--beck-mono);
    font-size: 0.9em;
  }
  button,
  input,
  textarea {
    font: inherit;
    color: inherit;
    letter-spacing: inherit;
  }
  button {
    background: none;
    border: 0;
    padding: 0;
    text-align: start;
    cursor: pointer;
  }
  button:disabled {
    cursor: default;
  }
  :focus-visible {
    outline: 2px solid var(--beck-mark);
    outline-offset: 2px;
  }
  svg {
    display: block;
    flex: none;
  }
  .sr {
    position: absolute;
    inline-size: 1px;
    block-size: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .quiet {
    color: var(--beck-quiet);
  }
  .small {
    font-size: var(--beck-small);
    line-height: 1.45;
  }
  .cut {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    min-inline-size: 0;
    text-align: -webkit-match-parent;
    text-align: match-parent;
  }
  .icon {
    display: inline-grid;
    place-items: center;
    inline-size: 2.5rem;
    block-size: 2.5rem;
    flex: none;
    border-radius: var(--beck-3);
    color: var(--beck-quiet);
    transition: background var(--beck-calm), color var(--beck-calm);
  }
  .icon:hover,
  .icon[aria-expanded="true"] {
    background: var(--beck-hover);
    color: var(--beck-ink);
  }
  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: var(--beck-2);
    min-block-size: 2.5rem;
    padding: var(--beck-2) var(--beck-4);
    border-radius: var(--beck-3);
    font-weight: 600;
    text-align: center;
    color: var(--beck-on-mark);
    background: var(--beck-mark);
    transition: background var(--beck-calm), opacity var(--beck-calm);
  }
  .button:hover:not(:disabled) {
    background: color-mix(in oklab, var(--beck-mark) 88%, var(--beck-ink));
  }
  .button.plain {
    color: var(--beck-mark);
    background: var(--beck-tint);
  }
  .button.plain:hover:not(:disabled) {
    background: color-mix(in oklab, var(--beck-tint) 85%, var(--beck-mark));
  }
  .button:disabled {
    color: var(--beck-quiet);
    background: var(--beck-sand);
  }
  .field {
    inline-size: 100%;
    min-block-size: 2.75rem;
    padding: var(--beck-2) var(--beck-3);
    border: 1px solid var(--beck-edge);
    border-radius: var(--beck-3);
    background: var(--beck-raised);
  }
  .field:focus-visible {
    outline-offset: -1px;
  }
  .field::placeholder {
    color: var(--beck-quiet);
    opacity: 1;
  }
  :host(:dir(rtl)) .turns {
    transform: scaleX(-1);
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation: none !important;
    }
  }
`;

/** Of a page that is nothing but the chat. */
export const pageStyles = css`
  :root {
    color-scheme: light dark;
    background: var(--beck-frame);
  }
  :root[data-theme="light"] {
    color-scheme: light;
  }
  :root[data-theme="dark"] {
    color-scheme: dark;
  }
  body {
    margin: 0;
  }
`;

export type Theme = "auto" | "light" | "dark";

export function useTheme(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
