/* A list of messages as lines on the screen, and where each line stands without all of them being there. */
import type { Message } from "beck-chat";

/** `first` and `last` of what one person said in one go. */
export interface MessageRow {
  kind: "message";
  key: string;
  message: Message;
  first: boolean;
  last: boolean;
}
export type Row = { kind: "start" | "fresh"; key: string } | { kind: "date"; key: string; at: number } | MessageRow;

const ONE_GO = 5 * 60_000;

interface When {
  at: number;
  day: number;
}
/** Messages never change in place, so what costs is done once for each. */
const whens = new WeakMap<Message, When>();
export function whenOf(message: Message): When {
  let w = whens.get(message);
  if (!w) {
    const date = new Date(message.created_at);
    w = { at: date.getTime(), day: (date.getFullYear() * 12 + date.getMonth()) * 32 + date.getDate() };
    whens.set(message, w);
  }
  return w;
}

export const isDeleted = (m: Message): boolean => m.type === "deleted" || m.deleted_at != null;

const goesOn = (a: Message, b: Message): boolean =>
  a.user?.id === b.user?.id && a.type !== "system" && b.type !== "system" && whenOf(b).at - whenOf(a).at < ONE_GO;

/** `freshId`: before which message the line "New messages" stands. `isWhole`: nothing older is to be loaded. */
export function rowsOf(messages: readonly Message[], freshId: string | null, isWhole: boolean): Row[] {
  const rows: Row[] = isWhole ? [{ kind: "start", key: "start" }] : [];
  let last: MessageRow | undefined;
  for (const message of messages) {
    const now = whenOf(message);
    const isNewDay = !last || whenOf(last.message).day !== now.day;
    if (isNewDay) rows.push({ kind: "date", key: `date ${now.day}`, at: now.at });
    if (message.id === freshId) rows.push({ kind: "fresh", key: "fresh" });
    const first = isNewDay || message.id === freshId || !goesOn(last!.message, message);
    if (last) last.last = first;
    last = { kind: "message", key: message.id, message, first, last: true };
    rows.push(last);
  }
  return rows;
}

export class Heights {
  rows: readonly Row[] = [];
  private readonly measured = new Map<string, number>();
  private indices = new Map<string, number>();
  private tops = new Float64Array(1);
  private width = 0;

  set(rows: readonly Row[], width: number): void {
    if (width !== this.width) this.measured.clear();
    this.width = width;
    this.rows = rows;
    this.indices = new Map(rows.map((r, i) => [r.key, i]));
    this.sum();
  }

  /** True when something was not as tall as believed. */
  measure(heights: Iterable<[key: string, height: number]>): boolean {
    let isNews = false;
    for (const [key, height] of heights) {
      if (Math.abs((this.measured.get(key) ?? -1) - height) < 0.5) continue;
      this.measured.set(key, height);
      isNews = true;
    }
    if (isNews) this.sum();
    return isNews;
  }

  get total(): number {
    return this.tops[this.rows.length]!;
  }

  top(index: number): number {
    return this.tops[Math.max(0, Math.min(index, this.rows.length))]!;
  }

  indexOf(key: string): number {
    return this.indices.get(key) ?? -1;
  }

  /** The row that covers `y`. */
  at(y: number): number {
    let low = 0;
    let high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tops[middle]! <= y) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  private sum(): void {
    if (this.tops.length < this.rows.length + 1) this.tops = new Float64Array(this.rows.length * 2 + 64);
    let y = 0;
    this.rows.forEach((row, i) => {
      this.tops[i] = y;
      y += this.measured.get(row.key) ?? this.guess(row);
    });
    this.tops[this.rows.length] = y;
  }

  private guess(row: Row): number {
    if (row.kind === "start") return 150;
    if (row.kind !== "message") return 52;
    const perLine = Math.max(20, Math.min(this.width * 0.72, 576) / 7.5);
    const lines = Math.ceil(Math.max(1, row.message.text.length) / perLine);
    return lines * 22.5 + 20 + (row.first ? 24 : 0) + (row.last ? 24 : 0);
  }
}
