import { LitElement, css, html, nothing } from "lit";
import { property, query } from "lit/decorators.js";
import type { BeckChat, Channel } from "beck-chat";
import { base } from "../theme.js";
import type { BeckComposer } from "./composer.js";
import "./composer.js";
import "./messages.js";
import "./typing.js";

/** One message with its replies, and a place to reply. */
export class BeckThread extends LitElement {
  @property({ attribute: false }) client?: BeckChat;
  @property({ attribute: false }) channel?: Channel;
  @property({ attribute: false }) parentId: string | null = null;
  @query("beck-composer") private composer!: BeckComposer;

  static override styles = [
    base,
    css`
      :host {
        display: grid;
        grid-template-rows: minmax(0, 1fr) auto auto;
        min-block-size: 0;
      }
    `,
  ];

  override focus(): void {
    void this.updateComplete.then(() => this.composer?.focus());
  }

  override render() {
    if (!this.channel || !this.parentId) return nothing;
    return html`<beck-messages .client=${this.client} .channel=${this.channel} .parentId=${this.parentId} @act=${this.onAct}></beck-messages>
      <beck-typing .client=${this.client} .channel=${this.channel} .parentId=${this.parentId}></beck-typing>
      <beck-composer .client=${this.client} .channel=${this.channel} .parentId=${this.parentId}></beck-composer>`;
  }

  private readonly onAct = (event: CustomEvent<{ act: "quote" | "edit" | "takeBack"; message: never }>) => {
    event.stopPropagation();
    this.composer[event.detail.act](event.detail.message);
  };
}
customElements.define("beck-thread", BeckThread);
