/* Who is told what: handlers by type, and listeners that only want to know that something changed. */
import type { ChatEvent, Handler, Subscription } from "./types.js";

export type Report = (error: unknown) => void;

/** Handlers may come and go while they are being called: who is there when an event begins gets it, unless he has gone by his turn. */
export class Handlers {
  private readonly byType = new Map<string, Set<Handler>>();

  constructor(private readonly report: Report) {}

  on(type: string, handler: Handler): Subscription {
    const set = this.byType.get(type) ?? new Set();
    this.byType.set(type, set);
    let isThere = true; // in other sets too, see `take`
    const own: Handler = (event) => {
      if (isThere) handler(event); // the same function may be there twice
    };
    set.add(own);
    return {
      unsubscribe: () => {
        isThere = false;
        set.delete(own);
      },
    };
  }

  /** What listened there listens here too. */
  take(other: Handlers): void {
    for (const [type, set] of other.byType) {
      const mine = this.byType.get(type) ?? new Set();
      this.byType.set(type, mine);
      for (const own of set) mine.add(own);
    }
  }

  give(event: ChatEvent): void {
    for (const type of [event.type, "all"]) {
      const set = this.byType.get(type);
      for (const handler of set ? [...set] : []) if (set!.has(handler)) guarded(() => handler(event), this.report);
    }
  }
}

/** One call per batch of changes, after them. */
export class Listeners {
  private readonly set = new Set<() => void>();
  private isPlanned = false;

  constructor(private readonly report: Report) {}

  subscribe(listener: () => void): () => void {
    let isThere = true;
    const own = () => {
      if (isThere) listener();
    };
    this.set.add(own);
    return () => {
      isThere = false;
      this.set.delete(own);
    };
  }

  changed(): void {
    if (this.isPlanned || this.set.size === 0) return;
    this.isPlanned = true;
    queueMicrotask(() => {
      this.isPlanned = false;
      for (const own of [...this.set]) if (this.set.has(own)) guarded(own, this.report);
    });
  }

  /** What listened there listens here too. */
  take(other: Listeners): void {
    for (const own of other.set) this.set.add(own);
  }
}

/** A fault in a handler is the application's: it must not stop the stream, nor vanish. */
function guarded(call: () => void, report: Report): void {
  try {
    call();
  } catch (e) {
    report(e);
  }
}
