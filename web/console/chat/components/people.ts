import { LitElement, css, html, nothing } from "lit";
import { property } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import type { BeckChat, Channel } from "beck-chat";
import { Follow } from "../follow.js";
import { fullTime, nameOf } from "../format.js";
import { strings as t } from "../strings.js";
import { base } from "../theme.js";
import { avatarOf, avatarStyles } from "./avatar.js";

/** Who is in a conversation, who of them is there. */
export class BeckPeople extends LitElement {
  @property({ attribute: false }) client?: BeckChat;
  @property({ attribute: false }) channel?: Channel;
  private readonly follow = new Follow(this);

  static override styles = [
    base,
    avatarStyles,
    css`
      li {
        display: grid;
        grid-template-columns: auto 1fr;
        align-items: center;
        gap: var(--beck-3);
        padding-block: var(--beck-2);
      }
      .words {
        display: grid;
        min-inline-size: 0;
      }
    `,
  ];

  override willUpdate(): void {
    this.follow.these(this.client, this.channel);
  }

  override render() {
    if (!this.channel) return nothing;
    const { members } = this.channel.state;
    const all = Object.values(members).map((m) => m.user ?? { id: m.user_id });
    all.sort((a, b) => Number(b.online === true) - Number(a.online === true) || nameOf(a).localeCompare(nameOf(b)));
    return html`<ul>${repeat(all, (u) => u.id, (u) => html`<li>${avatarOf(u, u.online === true)}
      <span class="words"><span class="cut" dir="auto">${u.id === this.client?.user?.id ? t.list.me(nameOf(u)) : nameOf(u)}</span>
        <span class="small quiet cut">${this.presence(u.online, u.last_active)}</span></span></li>`)}</ul>`;
  }

  private presence(online: boolean | undefined, last: string | undefined): string {
    if (online) return t.conversation.online;
    return last ? t.conversation.lastSeen(fullTime(Date.parse(last))) : t.conversation.offline;
  }
}
customElements.define("beck-people", BeckPeople);
