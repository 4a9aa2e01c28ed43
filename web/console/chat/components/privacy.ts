import { LitElement, css, html, nothing } from "lit";
import { property, state } from "lit/decorators.js";
import type { BeckChat, PrivacySettings } from "beck-chat";
import { Follow } from "../follow.js";
import { explain } from "../problems.js";
import { strings as t, type Problem } from "../strings.js";
import { base } from "../theme.js";
import { switchOf, switchStyles } from "./switch.js";

type Name = keyof PrivacySettings;

/** What others get to know. A switch moves at once, and goes back when the server refuses; its words say what the server does. */
export class BeckPrivacy extends LitElement {
  @property({ attribute: false }) client?: BeckChat;
  @state() private asked: Partial<Record<Name, boolean>> = {};
  @state() private problem: Problem | null = null;
  private readonly follow = new Follow(this);

  static override styles = [
    base,
    switchStyles,
    css`
      :host {
        display: grid;
        gap: var(--beck-4);
      }
      .bad {
        padding: var(--beck-3);
        border-radius: var(--beck-3);
        color: var(--beck-bad);
        background: var(--beck-bad-tint);
      }
    `,
  ];

  private saving: Promise<void> = Promise.resolve();

  override willUpdate(): void {
    this.follow.these(this.client);
  }

  override render() {
    return html`<p class="quiet">${t.privacy.lead}</p>
      <div>
        ${this.toggle("typing_indicators", t.privacy.typing, t.privacy.typingOn, t.privacy.typingOff)}
        ${this.toggle("read_receipts", t.privacy.read, t.privacy.readOn, t.privacy.readOff)}
        ${this.toggle("delivery_receipts", t.privacy.delivery, t.privacy.deliveryOn, t.privacy.deliveryOff)}
      </div>
      ${this.problem ? html`<p class="bad small" role="alert"><strong>${this.problem[0]}.</strong> ${this.problem[1]}</p>` : nothing}
      <p class="small quiet">${t.privacy.still} ${t.privacy.try}</p>`;
  }

  private toggle(name: Name, label: string, on: string, off: string) {
    const isShown = this.client?.user?.privacy_settings?.[name]?.enabled !== false;
    const isOn = this.asked[name] ?? isShown;
    return switchOf(label, isShown ? on : off, isOn, () => this.flip(name, !isOn));
  }

  /** One after the other: each sends what the one before has made of all three. */
  private flip(name: Name, enabled: boolean): void {
    this.asked = { ...this.asked, [name]: enabled };
    this.problem = null;
    this.saving = this.saving.then(() => this.save(name, enabled));
  }

  private async save(name: Name, enabled: boolean): Promise<void> {
    const all = this.client!.user?.privacy_settings;
    try {
      await this.client!.updateUser({ set: { privacy_settings: { ...all, [name]: { enabled } } } });
    } catch (error) {
      this.problem = await explain(error, this.client!.baseURL);
    }
    if (this.asked[name] !== enabled) return; // flipped again meanwhile
    const { [name]: _, ...rest } = this.asked;
    this.asked = rest;
  }
}
customElements.define("beck-privacy", BeckPrivacy);
