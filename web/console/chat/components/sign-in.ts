import { LitElement, css, html, nothing } from "lit";
import { property, state } from "lit/decorators.js";
import { strings as t, type Problem } from "../strings.js";
import { base } from "../theme.js";
import { avatarOf, avatarStyles } from "./avatar.js";

/** How somebody signs in: by a name alone, or with a key and a token. */
export type Way = { people: { id: string; name: string }[] } | { key: string; user: string; token: string };

const suggested = [
  { id: "john", name: "John" },
  { id: "jane", name: "Jane" },
];

/** A name as a user id: letters that ids cannot have lose their marks, or go. */
export const idOf = (name: string): string =>
  name
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9_@-]+/gu, "-")
    .replace(/^-+|-+$/gu, "")
    .slice(0, 64);

/** Fires `sign-in` with a `Way`. What was typed stays when it does not work out. */
export class BeckSignIn extends LitElement {
  /** Names are enough. */
  @property({ type: Boolean }) byName = false;
  @property({ attribute: false }) problem: Problem | null = null;
  @property({ type: Boolean }) isBusy = false;
  @property({ attribute: false }) user = "";
  @state() private hint = "";

  static override styles = [
    base,
    avatarStyles,
    css`
      :host {
        display: grid;
        gap: var(--beck-5);
        inline-size: min(100%, 27rem);
      }
      .lead {
        display: grid;
        gap: var(--beck-3);
      }
      h1 {
        font-size: var(--beck-display);
        letter-spacing: -0.02em;
        line-height: 1.2;
      }
      .people {
        display: grid;
        grid-template-columns: 1fr 1fr;
        gap: var(--beck-3);
      }
      .person {
        display: grid;
        justify-items: center;
        gap: var(--beck-3);
        padding: var(--beck-5) var(--beck-3) var(--beck-4);
        border: 1px solid var(--beck-line);
        border-radius: var(--beck-5);
        border-end-start-radius: var(--beck-tight);
        background: var(--beck-raised);
        font-weight: 600;
        font-size: var(--beck-title);
        transition: border-color var(--beck-calm), background var(--beck-calm);
      }
      .person .avatar {
        --size: 3.5rem;
      }
      .person:nth-child(2) {
        border-radius: var(--beck-5);
        border-end-end-radius: var(--beck-tight);
      }
      .person:hover:not(:disabled),
      .both:hover:not(:disabled) {
        border-color: var(--beck-mark);
        background: var(--beck-tint);
      }
      .both {
        grid-column: 1 / -1;
        display: flex;
        align-items: center;
        gap: var(--beck-4);
        padding: var(--beck-3) var(--beck-4);
        border: 1px solid var(--beck-line);
        border-radius: var(--beck-round);
        background: var(--beck-raised);
        transition: border-color var(--beck-calm), background var(--beck-calm);
      }
      .both strong {
        display: block;
      }
      .faces {
        display: flex;
      }
      .faces .avatar {
        --size: 2rem;
        margin-inline-end: -0.5rem;
      }
      .both .words {
        flex: 1;
        padding-inline-start: var(--beck-1);
      }
      form {
        display: grid;
        gap: var(--beck-4);
      }
      .row {
        display: grid;
        grid-template-columns: 1fr auto;
        gap: var(--beck-2);
      }
      .one {
        display: grid;
        gap: var(--beck-1);
      }
      label {
        font-weight: 600;
      }
      .bad {
        display: grid;
        gap: var(--beck-1);
        padding: var(--beck-4);
        border-radius: var(--beck-round);
        border-end-start-radius: var(--beck-tight);
        background: var(--beck-bad-tint);
      }
      .bad strong {
        color: var(--beck-bad);
      }
    `,
  ];

  override render() {
    return html`<div class="lead"><h1>${this.byName ? t.signIn.title : t.signIn.formTitle}</h1>
        <p class="quiet">${this.byName ? t.signIn.lead : t.signIn.formLead}</p></div>
      ${this.problem ? html`<div class="bad" role="alert"><strong>${this.problem[0]}</strong><span>${this.problem[1]}</span></div>` : nothing}
      ${this.byName ? this.names() : this.form()}`;
  }

  private names() {
    return html`<div class="people">
        ${suggested.map(
          (p) => html`<button class="person" ?disabled=${this.isBusy} @click=${() => this.go({ people: [p] })}>
            ${avatarOf(p)}<span class="sr">${t.signIn.as(p.name)}</span><span aria-hidden="true">${p.name}</span></button>`,
        )}
        <button class="both" ?disabled=${this.isBusy} @click=${() => this.go({ people: suggested })}>
          <span class="faces">${suggested.map((p) => avatarOf(p))}</span>
          <span class="words"><strong>${t.signIn.both}</strong><span class="small quiet">${t.signIn.bothHint}</span></span></button>
      </div>
      <form @submit=${this.onName}>
        <div class="one"><label for="name">${t.signIn.other}</label>
          <div class="row"><input class="field" id="name" name="name" dir="auto" autocomplete="nickname" aria-describedby="hint" required>
            <button class="button" ?disabled=${this.isBusy}>${t.signIn.go}</button></div></div>
        <p class="small quiet" id="hint" role="status">${this.hint || t.signIn.otherHint}</p>
      </form>`;
  }

  private form() {
    const field = (name: string, label: string, hint: string, value: string, type = "text") =>
      html`<div class="one"><label for=${name}>${label}</label><input class="field" id=${name} name=${name} type=${type} .value=${value} dir="ltr"
        autocomplete="off" autocapitalize="off" spellcheck="false" required aria-describedby=${hint ? `${name}-hint` : nothing}>${
        hint ? html`<span class="small quiet" id="${name}-hint">${hint}</span>` : nothing
      }</div>`;
    return html`<form @submit=${this.onForm}>
      ${field("key", t.signIn.key, t.signIn.keyHint, "")}
      ${field("user", t.signIn.user, "", this.user)}
      ${field("token", t.signIn.token, t.signIn.tokenHint, "", "password")}
      <button class="button" ?disabled=${this.isBusy}>${this.isBusy ? t.page.wait : t.signIn.formTitle}</button>
    </form>`;
  }

  private readonly onName = (event: SubmitEvent) => {
    event.preventDefault();
    const name = String(new FormData(event.target as HTMLFormElement).get("name")).trim();
    const id = idOf(name);
    this.hint = id ? "" : t.signIn.nameless;
    if (id) this.go({ people: [{ id, name }] });
  };

  private readonly onForm = (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(event.target as HTMLFormElement);
    const value = (name: string) => String(given.get(name)).trim();
    this.go({ key: value("key"), user: value("user"), token: value("token") });
  };

  private go(way: Way): void {
    this.dispatchEvent(new CustomEvent("sign-in", { detail: way }));
  }
}
customElements.define("beck-sign-in", BeckSignIn);
