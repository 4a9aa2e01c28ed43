/* A list of channels that stays right: new ones appear, those with new messages move, those that go leave. */
import { sortList, PAGE, type Channel } from "./channel.js";
import { toError, type BeckError } from "./errors.js";
import { Listeners } from "./events.js";
import { LIMIT } from "./schema.js";
import { timeKey } from "./text.js";
import type { ChatEvent, Filter, QueryChannelsOptions, Sort } from "./types.js";

export interface ListHost {
  queryChannels(filter: Filter, sort: Sort, options: QueryChannelsOptions): Promise<Channel[]>;
  forget(list: ChannelList): void;
  ownId(): string;
  report(error: unknown): void;
}

/** Fields that the list can keep in order by itself; after a change of others the server is asked. */
const TIMES: Record<string, (c: Channel) => string> = {
  last_updated: (c) => [timeKey(c.data.last_message_at), timeKey(c.data.created_at)].sort()[1]!,
  last_message_at: (c) => timeKey(c.data.last_message_at),
  updated_at: (c) => timeKey(c.data.updated_at),
  created_at: (c) => timeKey(c.data.created_at),
};

const OFFSET_MAX = 1000;

const APPEARS = new Set(["notification.added_to_channel", "notification.message_new", "channel.visible", "channel.created"]);
const LEAVES = new Set(["notification.removed_from_channel", "channel.deleted", "notification.channel_deleted", "channel.hidden"]);

const ASK_AGAIN_MS = 60_000;

export class ChannelList {
  /** Those that are here, in order. Another array after each change. */
  channels: readonly Channel[] = [];
  /** `loadMore` would bring more. */
  hasMore = false;
  /** A page is on its way. */
  loading = false;
  /** Why the last page did not come. */
  error: BeckError | null = null;
  private readonly listeners: Listeners;
  private readonly sort: { field: string; direction?: 1 | -1 }[];
  /** Channels that the server is asked about; true: to be asked again. */
  /** Channels that did not belong here when they were asked about. */
  private readonly strangers = new Map<string, number>();
  private readonly asking = new Map<string, boolean>();
  /** What came and went while a page is on its way, which may be older. */
  private meanwhile: ChatEvent[] = [];
  private isClosed = false;
  private ends: (() => void)[] = [];
  private run = 0;

  /** @internal Made by `chat.channelList`. */
  constructor(
    private readonly host: ListHost,
    private readonly filter: Filter,
    sort: Sort,
    private readonly options: QueryChannelsOptions,
  ) {
    this.listeners = new Listeners(host.report);
    this.sort = sortList(sort);
    if (this.sort.length === 0) this.sort = [{ field: "last_updated", direction: -1 }];
  }

  /** Called after changes, once per batch of them. Returns a function that ends it. */
  subscribe(listener: () => void): () => void {
    return this.listeners.subscribe(listener);
  }

  private get page(): number {
    return Math.min(this.options.limit ?? LIMIT.QUERY_CHANNELS, LIMIT.QUERY_CHANNELS);
  }

  /** The first page, again if it was there. */
  async load(): Promise<void> {
    await this.fetch(0);
  }

  /** @internal What came and went unseen: the first page anew, if it was there. */
  async refresh(): Promise<void> {
    if (this.run > 0) await this.load();
  }

  /** The next page. */
  async loadMore(): Promise<void> {
    if (this.hasMore && !this.loading) await this.fetch(this.channels.length);
  }

  private async fetch(offset: number): Promise<void> {
    const run = ++this.run;
    this.loading = true;
    this.meanwhile = [];
    this.listeners.changed();
    try {
      const [filter, skip] = this.pageAt(offset);
      const found = await this.query(filter, { ...this.options, limit: this.page, offset: skip });
      if (run !== this.run) return;
      this.error = null;
      this.hasMore = found.length === this.page && (filter === this.filter || found.some((c) => !this.has(c.cid)));
      this.set(offset === 0 ? found : [...this.channels, ...found.filter((c) => !this.has(c.cid))]);
      this.loading = false;
      for (const e of this.meanwhile) this.apply(e);
    } catch (e) {
      if (run !== this.run) return;
      this.error = toError(e, "network", "the channels did not come");
      throw this.error;
    } finally {
      if (run === this.run) this.loading = false;
      this.listeners.changed();
    }
  }

  /** The server skips so many and no more: beyond, a page begins at the time at which the last one ended. */
  private pageAt(offset: number): [Filter, number] {
    const { field = "", direction } = this.sort[0]!;
    const last = this.channels[offset - 1];
    const at = (last && TIMES[field]?.(last)) || "";
    if (offset <= OFFSET_MAX || !at) return [this.filter, offset];
    return [{ $and: [this.filter, { [field]: { [direction === 1 ? "$gte" : "$lte"]: `${at.slice(0, 19)}.${at.slice(19)}Z` } }] }, 0];
  }

  private query(filter: Filter, options: QueryChannelsOptions): Promise<Channel[]> {
    return this.host.queryChannels(filter, this.sort, { watch: true, state: true, message_limit: PAGE, ...options });
  }

  private has(cid: string): boolean {
    return this.channels.some((c) => c.cid === cid);
  }

  private set(channels: readonly Channel[]): void {
    for (const end of this.ends) end();
    this.channels = channels;
    this.ends = channels.map((c) => c.subscribe(() => this.listeners.changed()));
    this.listeners.changed();
  }

  private order(): void {
    const [first] = this.sort;
    const time = first && this.sort.length === 1 ? TIMES[first.field] : undefined;
    if (!time) return;
    const sign = first!.direction === 1 ? 1 : -1;
    const sorted = [...this.channels].sort((a, b) => (time(a) < time(b) ? -sign : time(a) > time(b) ? sign : 0));
    if (sorted.some((c, i) => c !== this.channels[i])) this.set(sorted);
  }

  /** @internal After the channels have taken it in. */
  apply(e: ChatEvent): void {
    const cid = e.cid ?? e.channel?.cid;
    if (e.type === "connection.recovered" && e.gap === true) {
      void this.refresh().catch(this.host.report);
      return;
    }
    if (!cid) return;
    // Who watches is told in this way that he was removed, or added. What he may read all the same can still belong here.
    const isOwn = e.member?.user_id === this.host.ownId();
    const isOut = e.type === "member.removed" && isOwn;
    if (this.loading && (isOwn || LEAVES.has(e.type) || APPEARS.has(e.type))) this.meanwhile.push(e);
    if (isOut || LEAVES.has(e.type)) {
      if (this.asking.has(cid)) this.asking.set(cid, true);
      if (this.has(cid)) this.set(this.channels.filter((c) => c.cid !== cid));
      if (isOut) void this.consider(cid);
    } else if (this.has(cid)) {
      if (e.type === "message.new" || e.type === "notification.message_new" || e.type.startsWith("channel.")) this.order();
    } else if (APPEARS.has(e.type) || (isOwn && e.type === "member.added")) {
      // A busy channel that does not belong here is not asked about with each of its messages.
      const since = Date.now() - (this.strangers.get(cid) ?? 0);
      if (e.type !== "notification.message_new" || since < 0 || since > ASK_AGAIN_MS) void this.consider(cid);
    }
  }

  /** Whether it belongs here only the server can tell. */
  private async consider(cid: string): Promise<void> {
    if (this.asking.has(cid)) return;
    try {
      let found: Channel[];
      do {
        this.asking.set(cid, false);
        found = await this.query({ $and: [this.filter, { cid }] }, { ...this.options, limit: 1, offset: 0 });
        if (this.isClosed) return;
      } while (this.asking.get(cid));
      if (found.length === 0) this.strangers.set(cid, Date.now());
      else this.strangers.delete(cid);
      if (found.length > 0 && !this.has(cid)) this.set([...found, ...this.channels]);
      this.order();
    } catch (e) {
      this.host.report(e);
    } finally {
      this.asking.delete(cid);
    }
  }

  /** Nothing changes from now on. The channels stay watched. */
  close(): void {
    this.run++;
    this.isClosed = true;
    this.loading = false;
    for (const end of this.ends) end();
    this.ends = [];
    this.host.forget(this);
  }
}
