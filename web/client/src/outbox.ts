/* Messages on their way: in order per channel, tried again after a lost connection or an overloaded server, visible as pending or
 * failed, and kept over a reload where there is a storage. The id is made here, so one whose answer got lost is not stored twice. */
import { BeckError, toError } from "./errors.js";
import type { Reply } from "./http.js";
import { randomId } from "./text.js";
import { Timers } from "./timers.js";
import type { KeyValueStorage, Message, MessageInput, User } from "./types.js";

interface Entry {
  type: string;
  channelId: string;
  input: MessageInput & { id: string };
  at: string;
  error?: { code: number; message: string };
}

interface Waiter {
  done(m: Message): void;
  fail(e: BeckError): void;
}

export interface OutboxHost {
  send(type: string, channelId: string, message: MessageInput): Promise<Reply>;
  /** What this channel has on its way is different. */
  changed(cid: string): void;
  sent(cid: string, message: Message): void;
  user(): User;
  log(text: string): void;
}

/** The least pause after a failure, whatever the server says. */
const PAUSE_MIN_MS = 250;
/** Whatever the server wishes: a day would be for ever. */
const PAUSE_MAX_MS = 30_000;

const cidOf = (e: Entry): string => `${e.type}:${e.channelId}`;

export class Outbox {
  private entries: Entry[] = [];
  private readonly waiters = new Map<string, Waiter>();
  private readonly busy = new Set<string>();
  private readonly failures = new Map<string, number>();
  /** Channels that pause, by cid; `id:` and a message that nobody is there for. */
  private readonly timers = new Timers<string>();
  private isUp = false;
  private serial = 0;
  private scope = "";
  private shelf: Shelf | null = null;
  private taking: Promise<void> = Promise.resolve();

  constructor(
    private readonly host: OutboxHost,
    private readonly set: { maxOutbox: number; timeout: number; storage: KeyValueStorage | null },
  ) {}

  /** False: what is not sent is lost with the page. */
  get isKept(): boolean {
    return this.shelf?.works === true;
  }

  /** Of this user; what he left unsent before is sent now. */
  begin(scope: string, isKept: boolean): void {
    if (scope === this.scope) return;
    this.scope = scope;
    this.timers.stopAll();
    this.shelf = this.set.storage && isKept ? new Shelf(this.set.storage, scope) : null;
    const serial = ++this.serial;
    const left = new Set<Entry>();
    this.taking = Promise.resolve();
    if (!this.shelf) return;
    this.save(); // what was sent while connectUser was not yet called
    this.taking = this.shelf.takeOrphans((text) => {
      if (serial !== this.serial) return;
      const found = entriesFrom(text).filter((e) => !this.entries.some((x) => x.input.id === e.input.id));
      const at = this.entries.findIndex((e) => !left.has(e));
      for (const e of found) left.add(e);
      this.entries.splice(at < 0 ? this.entries.length : at, 0, ...found);
      for (const cid of new Set(found.map(cidOf))) this.touched(cid);
    }).catch(() => undefined); // whatever the platform's locks do, messages are sent
  }

  /** Resolves once what an earlier page left is here. */
  ready(): Promise<void> {
    return this.taking;
  }

  up(): void {
    this.isUp = true;
    this.failures.clear();
    this.timers.stopAll();
    for (const cid of new Set(this.entries.map(cidOf))) void this.next(cid);
  }

  down(): void {
    this.isUp = false;
  }

  /** The user goes: what he has not sent stays in the storage for his next time. */
  end(): void {
    this.serial++;
    this.isUp = false;
    this.timers.stopAll();
    const cids = new Set(this.entries.map(cidOf));
    this.entries = [];
    const gone = new BeckError("state", this.isKept ? "disconnected before it was sent: it is sent with the next visit" : "disconnected before it was sent");
    for (const w of this.waiters.values()) w.fail(gone);
    this.waiters.clear();
    this.busy.clear();
    this.shelf?.close();
    this.shelf = null;
    this.scope = "";
    for (const cid of cids) this.host.changed(cid);
  }

  send(type: string, channelId: string, message: MessageInput): Promise<Message> {
    const max = this.set.maxOutbox;
    if (this.entries.length >= max) throw new BeckError("full", `${max} messages wait to be sent already`);
    const input = { ...message, id: message.id ?? randomId() };
    if (this.entries.some((e) => e.input.id === input.id)) throw new BeckError("state", `the message ${input.id} is on its way already`);
    const entry: Entry = { type, channelId, input, at: new Date().toISOString() };
    this.entries.push(entry);
    // It waits as long as a call does for somebody to be connected, and does not go out as whoever comes later.
    if (!this.scope)
      this.timers.set(`id:${input.id}`, this.set.timeout, () => this.remove(entry, new BeckError("state", "nobody is connected: call connectUser")));
    return this.wait(entry);
  }

  retry(id: string): Promise<Message> {
    const entry = this.entries.find((e) => e.input.id === id && e.error);
    if (!entry) throw new BeckError("state", `no message ${id} has failed`);
    delete entry.error;
    return this.wait(entry);
  }

  /** Forgets one that is not being sent at this moment. */
  drop(id: string): void {
    const entry = this.entries.find((e) => e.input.id === id);
    if (entry) this.remove(entry, new BeckError("state", "dropped"));
  }

  private remove(entry: Entry, why: BeckError): void {
    this.timers.stop(`id:${entry.input.id}`);
    this.entries = this.entries.filter((e) => e !== entry);
    this.settle(entry.input.id, (w) => w.fail(why));
    this.touched(cidOf(entry));
  }

  of(cid: string): Message[] {
    return this.entries
      .filter((e) => cidOf(e) === cid)
      .map((e) => ({
        ...e.input,
        text: e.input.text ?? "",
        type: e.input.parent_id ? "reply" : "regular",
        cid,
        user: this.host.user(),
        created_at: e.at,
        updated_at: e.at,
        mentioned_users: [],
        status: e.error ? ("failed" as const) : ("pending" as const),
        ...(e.error && { error: e.error }),
      }));
  }

  private wait(entry: Entry): Promise<Message> {
    const cid = cidOf(entry);
    return new Promise((done, fail) => {
      this.waiters.set(entry.input.id, { done, fail });
      this.touched(cid);
      void this.next(cid);
    });
  }

  private touched(cid: string): void {
    this.save();
    this.host.changed(cid);
    if (this.isUp) void this.next(cid);
  }

  private settle(id: string, tell: (w: Waiter) => void): void {
    const waiter = this.waiters.get(id);
    this.waiters.delete(id);
    if (waiter) tell(waiter);
  }

  private save(): void {
    this.shelf?.write(this.entries.length > 0 ? JSON.stringify(this.entries) : "");
  }

  private async next(cid: string): Promise<void> {
    const serial = this.serial;
    while (this.isUp && !this.busy.has(cid) && !this.timers.has(cid) && serial === this.serial) {
      const entry = this.entries.find((e) => cidOf(e) === cid && !e.error);
      if (!entry) return;
      this.busy.add(cid);
      const pause = await this.attempt(cid, entry, serial);
      if (serial !== this.serial) return;
      this.busy.delete(cid);
      if (pause > 0) {
        if (this.isUp) this.timers.set(cid, pause, () => void this.next(cid));
        return;
      }
    }
  }

  /** Milliseconds until the next attempt makes sense; 0: at once. */
  private async attempt(cid: string, entry: Entry, serial: number): Promise<number> {
    const id = entry.input.id;
    try {
      const reply = await this.host.send(entry.type, entry.channelId, entry.input);
      if (serial !== this.serial) return 0;
      this.failures.delete(cid);
      this.entries = this.entries.filter((e) => e !== entry);
      const message: Message = { ...(reply.message as Message), status: "sent" };
      this.host.sent(cid, message);
      this.save();
      this.host.changed(cid);
      this.settle(id, (w) => w.done(message));
      return 0;
    } catch (e) {
      const error = toError(e, "network", "the message was not sent");
      if (serial !== this.serial) return 0;
      // A token that does not come is not the message's fault.
      if (error.retryable || error.kind === "token") {
        const n = (this.failures.get(cid) ?? 0) + 1;
        this.failures.set(cid, n);
        const wish = error.retryAfter ?? Math.min(500 * 2 ** n, PAUSE_MAX_MS) * (0.5 + Math.random() / 2);
        return Math.min(Math.max(wish, PAUSE_MIN_MS), PAUSE_MAX_MS);
      }
      this.failures.delete(cid);
      entry.error = { code: error.code, message: error.message };
      this.host.log(`message ${id}: ${error.message}`);
      this.save();
      this.host.changed(cid);
      this.settle(id, (w) => w.fail(error));
      return 0;
    }
  }
}

function entriesFrom(text: string): Entry[] {
  try {
    const list: unknown = JSON.parse(text);
    if (!Array.isArray(list)) return [];
    return (list as Entry[]).filter((e) => typeof e?.type === "string" && typeof e.channelId === "string" && typeof e.input?.id === "string");
  } catch {
    return [];
  }
}

/** Where unsent messages lie between visits. Each tab has a place of its own, listed under one key; a tab that has ended leaves its
 * place behind, and the next one takes it. The lock tells the living from the dead; where there are no locks every other place is
 * taken, which at worst sends a message a second time with the same id. */
class Shelf {
  works = true;
  private readonly tab = randomId();
  private readonly index: string;
  private release: (() => void) | null = null;
  private isClosed = false;

  constructor(
    private readonly storage: KeyValueStorage,
    private readonly scope: string,
  ) {
    this.index = `beck-chat:${scope}`;
    this.locks?.request(this.name(this.tab), () => new Promise<void>((release) => (this.isClosed ? release() : (this.release = release)))).catch(() => undefined);
    this.list();
  }

  private list(): void {
    this.guarded(() => this.storage.setItem(this.index, [...this.tabs(), this.tab].join(" ")));
  }

  private get locks(): LockManager | undefined {
    return globalThis.navigator?.locks;
  }

  private name(tab: string): string {
    return `beck-chat:${this.scope}:${tab}`;
  }

  private guarded<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch {
      this.works = false; // blocked, or full
      return undefined;
    }
  }

  private tabs(): string[] {
    return (this.guarded(() => this.storage.getItem(this.index)) ?? "").split(" ").filter((t) => t !== "");
  }

  write(text: string): void {
    // Where there are no locks a tab that lives is taken for dead, and its place is not listed any more.
    if (text && !this.tabs().includes(this.tab)) this.list();
    this.guarded(() => (text ? this.storage.setItem(this.name(this.tab), text) : this.storage.removeItem(this.name(this.tab))));
  }

  /** Each is in the new place in the same breath as it leaves the old one: a page may go, and a user, at any moment between. */
  async takeOrphans(take: (text: string) => void): Promise<void> {
    for (const tab of this.tabs()) {
      if (tab === this.tab || !(await this.isDead(tab))) continue;
      if (this.isClosed) return;
      const text = this.guarded(() => this.storage.getItem(this.name(tab)));
      this.guarded(() => this.storage.removeItem(this.name(tab)));
      this.guarded(() => this.storage.setItem(this.index, this.tabs().filter((t) => t !== tab).join(" ")));
      if (text) take(text);
    }
  }

  private async isDead(tab: string): Promise<boolean> {
    if (!this.locks) return true;
    return this.locks.request(this.name(tab), { ifAvailable: true }, (lock) => lock !== null);
  }

  close(): void {
    this.isClosed = true;
    this.release?.();
  }
}
