/* Tells the authors that messages have reached this person's screen. The server keeps it to itself where delivery receipts are off. */
import type { BeckChat, ChatEvent, Subscription } from "beck-chat";

const GATHERED = 500;
const PER_CALL = 100;

export class Delivered {
  private readonly latest = new Map<string, string>();
  private readonly listening: Subscription[];
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly client: BeckChat) {
    const came = (e: ChatEvent) => this.came(e);
    this.listening = [client.on("message.new", came), client.on("notification.message_new", came)];
  }

  close(): void {
    for (const l of this.listening) l.unsubscribe();
    clearTimeout(this.timer);
  }

  private came({ cid, message }: ChatEvent): void {
    if (!cid || !message || message.user?.id === this.client.user?.id || message.parent_id) return;
    this.latest.set(cid, message.id);
    this.timer ??= setTimeout(() => this.tell(), GATHERED);
  }

  private tell(): void {
    this.timer = undefined;
    const pairs = [...this.latest].slice(0, PER_CALL).map(([cid, id]) => ({ cid, id }));
    for (const { cid } of pairs) this.latest.delete(cid);
    // nobody misses one that fails: the next message tells of all before it
    this.client.request("POST", "/channels/delivered", { body: { latest_delivered_messages: pairs } }).catch(() => undefined);
    if (this.latest.size) this.timer = setTimeout(() => this.tell(), GATHERED);
  }
}
