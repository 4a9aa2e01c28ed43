import { css, html } from "lit";

/** A switch with its words: what it is, and what it does as it stands. */
export const switchOf = (label: string, hint: string, on: boolean, flip: () => void, disabled = false) =>
  html`<button class="switch" role="switch" aria-checked=${on ? "true" : "false"} ?disabled=${disabled} @click=${flip}>
    <span class="what"><span class="label">${label}</span><span class="small quiet">${hint}</span></span>
    <span class="rail" aria-hidden="true"><span class="knob"></span></span>
  </button>`;

export const switchStyles = css`
  .switch {
    display: grid;
    grid-template-columns: 1fr auto;
    align-items: center;
    gap: var(--beck-4);
    inline-size: 100%;
    padding-block: 0.625rem;
    border-radius: var(--beck-2);
  }
  .switch + .switch {
    border-block-start: 1px solid var(--beck-line);
    border-radius: 0;
  }
  .what {
    display: grid;
    gap: 2px;
  }
  .label {
    font-weight: 600;
  }
  .rail {
    display: block;
    inline-size: 2.75rem;
    block-size: 1.625rem;
    padding: 2px;
    border-radius: 1rem;
    border: 1px solid var(--beck-edge);
    background: var(--beck-sand);
    transition: background var(--beck-calm), border-color var(--beck-calm);
  }
  .knob {
    display: block;
    block-size: 100%;
    aspect-ratio: 1;
    border-radius: 50%;
    background: var(--beck-edge);
    transition: translate var(--beck-calm), background var(--beck-calm);
  }
  [aria-checked="true"] .rail {
    border-color: var(--beck-mark);
    background: var(--beck-mark);
  }
  [aria-checked="true"] .knob {
    background: var(--beck-on-mark);
    translate: 1.125rem 0;
  }
  :host(:dir(rtl)) [aria-checked="true"] .knob {
    translate: -1.125rem 0;
  }
  .switch:disabled {
    opacity: 0.6;
  }
`;
