import { html, svg, type SVGTemplateResult } from "lit";

const drawn = (paths: SVGTemplateResult, turns = false) =>
  html`<svg class=${turns ? "turns" : ""} width="20" height="20" viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.6"
    stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${paths}</svg>`;

/** `turns`: points along the line of text, so it is mirrored where that runs from right to left. */
export const icons = {
  back: drawn(svg`<path d="M12 4.5 6.5 10l5.5 5.5"/>`, true),
  close: drawn(svg`<path d="m5.5 5.5 9 9m0-9-9 9"/>`),
  plus: drawn(svg`<path d="M10 4.5v11M4.5 10h11"/>`),
  send: drawn(svg`<path d="M10 16V4.5M5 9l5-5 5 5"/>`),
  quote: drawn(svg`<path d="M8 5 3.5 9.5 8 14M4 9.5h7a5 5 0 0 1 5 5v1"/>`, true),
  thread: drawn(svg`<path d="M4 4.5h12v8.5H9.5L6 16v-3H4zM7 8.75h6"/>`, true),
  edit: drawn(svg`<path d="m4 16 .8-3.2 8-8a1.4 1.4 0 0 1 2 0l.4.4a1.4 1.4 0 0 1 0 2l-8 8z"/>`),
  remove: drawn(svg`<path d="M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10"/>`),
  unread: drawn(svg`<path d="M16 9v6H4V5h7"/><circle cx="15.5" cy="4.5" r="2" fill="currentColor" stroke="none"/>`),
  shield: drawn(svg`<path d="M10 3 4.5 5v4.5c0 3.4 2.3 6.2 5.5 7.5 3.2-1.3 5.5-4.1 5.5-7.5V5z"/><path d="m7.7 10 1.7 1.7 3-3.2"/>`),
  people: drawn(svg`<circle cx="7.5" cy="7" r="2.75"/><path d="M2.5 16c.3-3 2.3-4.5 5-4.5s4.7 1.5 5 4.5M13 4.5a2.75 2.75 0 0 1 0 5M14.5 12c1.8.5 2.8 1.8 3 4"/>`),
  down: drawn(svg`<path d="M10 4v11.5M5 11l5 5 5-5"/>`),
  leave: drawn(svg`<path d="M11.5 4H5v12h6.5M9 10h8m-3-3 3 3-3 3"/>`, true),
  sun: drawn(svg`<circle cx="10" cy="10" r="3.25"/><path d="M10 2.5v1.5M10 16v1.5M2.5 10H4M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M15.3 4.7l-1 1M5.7 14.3l-1 1"/>`),
  moon: drawn(svg`<path d="M15.5 12A6.5 6.5 0 0 1 8 4.5a6 6 0 1 0 7.5 7.5z"/>`),
  auto: drawn(svg`<circle cx="10" cy="10" r="6.5"/><path d="M10 3.5a6.5 6.5 0 0 1 0 13z" fill="currentColor" stroke="none"/>`),
};

/** The mark, in the colours of the theme. */
export const mark = (size: number) => html`<svg width=${size} height=${size} viewBox="0 0 32 32" aria-hidden="true">
  <path d="M6 5h20a3 3 0 0 1 3 3v13a3 3 0 0 1-3 3H14l-7 5v-5H6a3 3 0 0 1-3-3V8a3 3 0 0 1 3-3z" fill="var(--beck-mark)"/>
  <g fill="var(--beck-on-mark)"><circle cx="11" cy="14.5" r="2"/><circle cx="17" cy="14.5" r="2"/><circle cx="23" cy="14.5" r="2" opacity=".55"/></g>
</svg>`;

const tick = (path: SVGTemplateResult, width: number) =>
  html`<svg width=${width} height="12" viewBox="0 0 ${width} 12" fill="none" stroke="currentColor" stroke-width="1.6"
    stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${path}</svg>`;

export const ticks = {
  pending: tick(svg`<circle cx="6" cy="6" r="4.5"/><path d="M6 3.5V6l1.7 1"/>`, 12),
  sent: tick(svg`<path d="m1.5 6.5 3 3 6-7"/>`, 12),
  twice: tick(svg`<path d="m1.5 6.5 3 3 6-7M7.5 8.7l.8.8 6-7"/>`, 16),
};
