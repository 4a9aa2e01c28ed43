import { LitElement, css, html, nothing } from "lit";
import { property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import type { BeckChat, User } from "beck-chat";
import { nameOf } from "../format.js";
import { explain } from "../problems.js";
import { strings as t, type Problem } from "../strings.js";
import { base } from "../theme.js";
import { avatarOf, avatarStyles } from "./avatar.js";

const WHILE_TYPING = 200;

/** Begins a conversation with people found by name. Fires `pick` with its channel. */
export class BeckStart extends LitElement {
  @property({ attribute: false }) client?: BeckChat;
  @state() private wanted = "";
  @state() private found: User[] | null = null;
  @state() private chosen: User[] = [];
  @state() private name = "";
  @state() private problem: Problem | null = null;
  @state() private isBusy = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  static override styles = [
    base,
    avatarStyles,
    css`
      :host,
      form {
        display: grid;
        gap: var(--beck-4);
      }
      .person {
        display: grid;
        grid-template-columns: auto 1fr auto;
        align-items: center;
        gap: var(--beck-3);
        inline-size: 100%;
        padding: var(--beck-2);
        border-radius: var(--beck-3);
        cursor: pointer;
        --around: var(--beck-sheet);
      }
      .person:hover {
        background: var(--beck-hover);
        --around: var(--beck-hover);
      }
      .person:has(:focus-visible) {
        outline: 2px solid var(--beck-mark);
      }
      input[type="checkbox"] {
        inline-size: 1.25rem;
        block-size: 1.25rem;
        margin: 0;
        accent-color: var(--beck-mark);
        outline: none;
      }
      .words {
        display: grid;
        min-inline-size: 0;
      }
      label > span.small {
        display: block;
        padding-block-end: var(--beck-1);
      }
      .bad {
        color: var(--beck-bad);
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    void this.look();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
  }

  override focus(): void {
    void this.updateComplete.then(() => this.renderRoot.querySelector("input")?.focus());
  }

  private async look(): Promise<void> {
    const wanted = this.wanted.trim();
    try {
      const me = { id: { $ne: this.client!.user!.id } };
      const filter = wanted ? { $and: [me, { $or: [{ name: { $autocomplete: wanted } }, { id: { $autocomplete: wanted } }] }] } : me;
      const found = await this.client!.queryUsers(filter, { last_active: -1 }, { limit: 30, presence: true });
      if (wanted === this.wanted.trim()) this.found = found;
      this.problem = null;
    } catch (error) {
      this.problem = await explain(error, this.client!.baseURL);
    }
  }

  override render() {
    const others = [...this.chosen, ...(this.found ?? []).filter((u) => !this.chosen.some((c) => c.id === u.id))];
    return html`<form @submit=${this.go}>
      <label><span class="small quiet">${t.start.search}</span>
        <input class="field" type="search" autocomplete="off" dir="auto" .value=${this.wanted} @input=${this.onInput}></label>
      ${others.length
        ? html`<ul>${repeat(others, (u) => u.id, (u) => html`<li>${this.person(u)}</li>`)}</ul>`
        : this.found
          ? html`<p class="quiet small" role="status">${this.wanted.trim() ? t.start.none(this.wanted.trim()) : t.start.alone}</p>`
          : nothing}
      ${this.chosen.length > 1
        ? html`<label><span class="small quiet">${t.start.name} (${t.start.nameHint.toLocaleLowerCase()})</span>
            <input class="field" dir="auto" autocomplete="off" .value=${this.name} @input=${(e: Event) => (this.name = (e.target as HTMLInputElement).value)}></label>`
        : nothing}
      ${this.problem ? html`<p class="bad small" role="alert"><strong>${this.problem[0]}.</strong> ${this.problem[1]}</p>` : nothing}
      <button class="button" ?disabled=${!this.chosen.length || this.isBusy}>${t.start.go(this.chosen.map(nameOf).slice(0, 3))}</button>
    </form>`;
  }

  private person(user: User) {
    const isChosen = this.chosen.some((c) => c.id === user.id);
    return html`<label class="person">${avatarOf(user, user.online === true)}
      <span class="words"><span class="cut" dir="auto">${nameOf(user)}</span><span class="small quiet cut" dir="auto">${user.id}</span></span>
      <input type="checkbox" .checked=${isChosen} @change=${() => {
        this.chosen = isChosen ? this.chosen.filter((c) => c.id !== user.id) : [...this.chosen, user];
      }}></label>`;
  }

  private readonly onInput = (event: Event) => {
    this.wanted = (event.target as HTMLInputElement).value;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), WHILE_TYPING);
  };

  /** The same two people always have the same conversation; a group with a name is a new one each time. */
  private readonly go = async (event: Event) => {
    event.preventDefault();
    if (!this.chosen.length || this.isBusy) return;
    this.isBusy = true;
    const members = [this.client!.user!.id, ...this.chosen.map((u) => u.id)];
    const name = this.chosen.length > 1 ? this.name.trim() : "";
    const channel = name
      ? this.client!.channel("messaging", newId(), { members, name })
      : this.client!.channel("messaging", null, { members });
    try {
      await channel.watch();
      this.dispatchEvent(new CustomEvent("pick", { detail: channel }));
    } catch (error) {
      this.problem = await explain(error, this.client!.baseURL);
    }
    this.isBusy = false;
  };
}
customElements.define("beck-start", BeckStart);

/** `crypto.randomUUID` is not there by plain http, as in a home network. */
const newId = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
