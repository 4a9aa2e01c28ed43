/* What happened to a connection, newest first: losses, changes of transport, recoveries, and the faults that somebody made. */
import type { BeckChat, Subscription, Transport } from "beck-chat";
import { Followed } from "./follow.js";
import type { Faults } from "./faults.js";
import { strings as t } from "./strings.js";

export interface Entry {
  at: number;
  kind: "good" | "bad" | "plain";
  text: string;
}

const KEPT = 50;

export class Journal extends Followed {
  entries: readonly Entry[] = [];
  private readonly stops: (() => void)[] = [];
  private transport: Transport | null = null;
  private isOnline = false;

  constructor(private readonly client: BeckChat, private readonly faults?: Faults) {
    super();
    const listening: Subscription[] = [
      client.on("connection.changed", (event) => {
        if (event.is_final) this.add("bad", t.journal.ended(event.error?.message ?? ""));
        else if (event.online) this.online();
        else this.lost();
      }),
      client.on("connection.recovered", (event) => this.add(event.gap ? "bad" : "good", event.gap ? t.journal.gap : t.journal.recovered)),
      client.on("transport.changed", () => this.online()),
    ];
    this.stops.push(...listening.map((s) => () => s.unsubscribe()), client.subscribe(() => client.connection.state === "online" && this.online()));
    if (faults) this.follow(faults);
    if (client.connection.state === "online") this.online();
  }

  close(): void {
    for (const stop of this.stops) stop();
  }

  /** The library says the same in up to three ways (state, changed, transport); one line each is enough. */
  private online(): void {
    const transport = this.client.connection.transport;
    if (!transport || (this.isOnline && transport === this.transport)) return;
    const wasOn = this.transport;
    this.isOnline = true;
    this.transport = transport;
    const name = t.connection.short[transport];
    if (!wasOn || wasOn === transport) this.add("good", t.journal.connected(name));
    else if (transport === "longpoll" && this.faults && this.faults.webSocket !== "none") this.add("good", t.journal.movedBlocked);
    else this.add("good", t.journal.moved(name));
  }

  private lost(): void {
    if (!this.isOnline) return;
    this.isOnline = false;
    this.add("bad", t.journal.lost);
  }

  private follow(faults: Faults): void {
    let { isCut, webSocket, isTokenExpired } = faults;
    this.stops.push(
      faults.subscribe(() => {
        if (faults.isCut !== isCut) this.add("plain", faults.isCut ? t.journal.cut : t.journal.mended);
        if (faults.webSocket !== webSocket)
          this.add("plain", { none: t.journal.unblocked, blocked: t.journal.blocked, swallowed: t.journal.swallowed }[faults.webSocket]);
        if (faults.isTokenExpired !== isTokenExpired)
          this.add(faults.isTokenExpired ? "plain" : "good", faults.isTokenExpired ? t.journal.expired : t.journal.renewed);
        ({ isCut, webSocket, isTokenExpired } = faults);
      }),
    );
  }

  private add(kind: Entry["kind"], text: string): void {
    this.entries = [{ at: Date.now(), kind, text }, ...this.entries].slice(0, KEPT);
    this.changed();
  }
}
