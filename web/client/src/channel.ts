/* One channel: its calls, and what is known of it. */
import { BeckError } from "./errors.js";
import { Handlers, Listeners } from "./events.js";
import type { CallOptions } from "./calls.js";
import type { Reply } from "./http.js";
import type { Outbox } from "./outbox.js";
import { LIMIT } from "./schema.js";
import { Store, type ChannelState, type Snapshot } from "./state.js";
import { Timers } from "./timers.js";
import type {
  ChannelData,
  ChatEvent,
  EventType,
  Handler,
  Member,
  Message,
  MessageInput,
  MessagePage,
  OwnUser,
  Sort,
  Subscription,
} from "./types.js";

export const PAGE = 25;

/** What a channel needs of its client. */
export interface ChannelHost {
  request(method: string, path: string, options?: CallOptions): Promise<Reply>;
  outbox: Outbox;
  ownUser(): OwnUser | null;
  unwatch(cid: string): void;
  /** The one core of this channel, when there is one. */
  coreOf(cid: string): Core | undefined;
  keep(core: Core): void;
  log(text: string): void;
  report(error: unknown): void;
  /** The events that come until `end`, for an answer that may be older than they. */
  record(): Recording;
}

export interface Recording {
  readonly events: readonly ChatEvent[];
  end(): void;
}

export interface WatchOptions {
  messages?: MessagePage;
  members?: { limit?: number; offset?: number };
  watchers?: { limit?: number; offset?: number };
  presence?: boolean;
}

/** What several `Channel` objects of the same channel share. */
export class Core {
  readonly handlers: Handlers;
  readonly listeners: Listeners;
  readonly store: Store;
  readonly timers = new Timers<string>();
  isWatched = false;
  /** Messages that are being asked about; true: ask again. */
  private readonly recounting = new Map<string, boolean>();

  constructor(
    readonly host: ChannelHost,
    public data: ChannelData,
  ) {
    this.handlers = new Handlers(host.report);
    this.listeners = new Listeners(host.report);
    this.store = new Store(
      () => host.ownUser()?.id ?? "",
      (id) => void this.recount(id),
    );
    this.store.setUnsent(host.outbox.of(data.cid));
  }

  /** An answer, and the events that came since the question. `limit`: null when it is not of the newest messages. */
  take(s: Snapshot, limit: number | null, since: readonly ChatEvent[]): void {
    this.data = { ...this.data, ...s.channel };
    this.store.snapshot(s, limit);
    for (const e of since) if (isFor(e, this.data.cid)) this.absorb(e, true);
    this.listeners.changed();
  }

  apply(e: ChatEvent): void {
    this.absorb(e, false);
    this.listeners.changed();
    this.handlers.give(e);
  }

  private absorb(e: ChatEvent, isAgain: boolean): void {
    if (e.channel && e.type !== "channel.deleted") this.merge(e.channel);
    if (e.channel_member_count !== undefined) this.merge({ member_count: e.channel_member_count as number });
    if (typeof e.channel_last_message_at === "string") this.merge({ last_message_at: e.channel_last_message_at });
    if (e.type === "channel.hidden" || e.type === "channel.visible") this.merge({ hidden: e.type === "channel.hidden" });
    if (/^(channel\.|notification\.channel_)deleted$/.test(e.type)) {
      this.merge({ deleted_at: e.created_at });
      this.store.clear();
      this.isWatched = false;
    } else if (e.type === "notification.removed_from_channel") {
      this.isWatched = false;
    } else if (e.type === "typing.start" || e.type === "typing.stop") {
      if (!isAgain) this.onTyping(e);
    } else {
      this.store.apply(e, isAgain);
    }
  }

  private merge(part: Partial<ChannelData>): void {
    this.data = { ...this.data, ...part };
  }

  private onTyping(e: ChatEvent): void {
    const user = e.user;
    if (!user || user.id === this.host.ownUser()?.id) return;
    const name = `typist:${user.id}`;
    this.timers.stop(name);
    if (e.type === "typing.stop") return this.store.stopTyping(user.id);
    this.store.setTyping(user, e.parent_id);
    // Who closes the lid does not say that he has stopped.
    this.timers.set(name, LIMIT.TYPIST_MS, () => {
      this.store.stopTyping(user.id);
      this.listeners.changed();
    });
  }

  /** Asks how many replies a message has. */
  private async recount(id: string): Promise<void> {
    if (this.recounting.has(id)) return void this.recounting.set(id, true);
    try {
      do {
        this.recounting.set(id, false);
        const reply = await this.host.request("GET", `/messages/${encodeURIComponent(id)}`);
        this.store.recounted(reply.message as Message);
        this.listeners.changed();
      } while (this.recounting.get(id));
    } catch (e) {
      this.host.log(`reply count of ${id}: ${e instanceof Error ? e.message : String(e)}`);
    } finally {
      this.recounting.delete(id);
    }
  }

  close(): void {
    this.timers.stopAll();
  }
}

export class Channel {
  private core: Core;
  private making: Promise<unknown> | null = null;
  private typingAt = 0;
  private typingIn: string | undefined;

  /** @internal Made by `chat.channel` and `chat.queryChannels`. */
  constructor(
    private readonly host: ChannelHost,
    readonly type: string,
    id: string | null,
    private readonly input: Record<string, unknown>,
  ) {
    const cid = id === null ? "" : `${type}:${id}`;
    const known = cid ? host.coreOf(cid) : undefined;
    this.core = known ?? new Core(host, { ...input, id: id ?? "", type, cid } as ChannelData);
    if (cid && !known) host.keep(this.core);
  }

  /** Empty for a channel of certain members, until the server has said it. */
  get id(): string {
    return this.core.data.id;
  }
  /** Type and id: what events name. */
  get cid(): string {
    return this.core.data.cid;
  }
  /** The channel's own fields. */
  get data(): ChannelData {
    return this.core.data;
  }
  /** Messages, readers, typists, members: right after every event, once `watch` was called. */
  get state(): ChannelState {
    return this.core.store.state;
  }

  /** Called after changes of `data` or `state`, once per batch of them. Returns a function that ends it. */
  subscribe(listener: () => void): () => void {
    return this.core.listeners.subscribe(listener);
  }

  /** Events of this channel; "all" for each. They come after the state has taken them in. */
  on(type: EventType, handler: Handler): Subscription {
    return this.core.handlers.on(type, handler);
  }

  private get path(): string {
    if (!this.id) throw new BeckError("state", "this channel has no id yet: create or watch it first");
    return `/channels/${encodeURIComponent(this.type)}/${encodeURIComponent(this.id)}`;
  }

  private call(method: string, rest: string, body?: unknown, options: CallOptions = {}): Promise<Reply> {
    return this.host.request(method, this.path + rest, { ...options, ...(body !== undefined && { body }) });
  }

  /* ---- getting it ---- */

  /** Makes the channel unless it is there. */
  async create(): Promise<ChannelData> {
    await this.query({ watch: false });
    return this.data;
  }

  /** Makes it unless it is there, brings its state, and keeps the state right from now on. */
  async watch(options: WatchOptions = {}): Promise<ChannelState> {
    await this.query({ ...options, watch: true });
    return this.state;
  }

  private async query(options: WatchOptions & { watch: boolean }): Promise<void> {
    const { watch, presence = false, messages, members, watchers } = options;
    const limit = messages?.limit ?? PAGE;
    const path = `/channels/${encodeURIComponent(this.type)}${this.id ? `/${encodeURIComponent(this.id)}` : ""}/query`;
    const body = { data: this.input, state: true, watch, presence, messages: { ...messages, limit }, members, watchers };
    const seen = this.host.record();
    try {
      const reply = (await this.host.request("POST", path, { body, needsConnection: watch || presence })) as unknown as Snapshot;
      this.settle(reply.channel);
      if (watch) this.core.isWatched = true;
      const isNewest = Object.keys(messages ?? {}).every((k) => k === "limit");
      this.core.take(reply, isNewest ? limit : null, seen.events);
    } finally {
      seen.end();
    }
  }

  /** The server has said which channel this is: who listened here listens to that one. */
  private settle(data: ChannelData): void {
    if (this.cid === data.cid) return;
    const known = this.host.coreOf(data.cid);
    if (known) {
      known.listeners.take(this.core.listeners);
      known.handlers.take(this.core.handlers);
      this.core = known;
    } else {
      this.core.data = { ...this.core.data, ...data };
      this.host.keep(this.core);
    }
  }

  /** No events from now on but those that members get. */
  async stopWatching(): Promise<void> {
    await this.call("POST", "/stop-watching", {}, { needsConnection: true });
    this.core.isWatched = false;
    this.host.unwatch(this.cid);
  }

  /** Messages before the oldest that is here; resolves with how many came. */
  async loadOlder(limit = PAGE): Promise<number> {
    const oldest = this.core.store.oldestId;
    const messages = { limit, ...(oldest && { id_lt: oldest }) };
    const reply = (await this.call("POST", "/query", { state: true, messages, members: { limit: 0 }, watchers: { limit: 0 } })) as unknown as Snapshot;
    const list = reply.messages ?? [];
    this.core.store.older(list, limit);
    this.core.listeners.changed();
    return list.length;
  }

  /** Replies to a message, into `state.threads`. */
  async loadReplies(parentId: string, page: MessagePage = {}): Promise<Message[]> {
    const query = { limit: PAGE, ...page } as Record<string, unknown>;
    const reply = await this.host.request("GET", `/messages/${encodeURIComponent(parentId)}/replies`, { query });
    const list = reply.messages as Message[];
    this.core.store.replies(parentId, list);
    this.core.listeners.changed();
    return list;
  }

  /* ---- messages ---- */

  /** Stands in `state.messages` at once, as `pending`. Resolves when the server has stored it, which may be after the next connection;
   * rejects when the server refuses it: then it stands there as `failed`. */
  async sendMessage(message: MessageInput | string): Promise<Message> {
    const input = typeof message === "string" ? { text: message } : message;
    if (typeof input !== "object" || input === null) throw new BeckError("argument", "a message is a text, or an object with one", { field: "message" });
    // Made once for all that are sent meanwhile, so that they keep their order.
    if (!this.id) await (this.making ??= this.create().finally(() => (this.making = null)));
    this.stopTyping();
    return this.host.outbox.send(this.type, this.id, input);
  }

  /** Sends one that failed once more. */
  async retryMessage(id: string): Promise<Message> {
    return this.host.outbox.retry(id);
  }

  /** Forgets a message that is pending or failed. */
  dropMessage(id: string): void {
    this.host.outbox.drop(id);
  }

  /* ---- typing ---- */

  /** On each key: says `typing.start` when it is time, and `typing.stop` when keys stay away. Never fails: nobody misses it. */
  keystroke(parentId?: string): void {
    const isHidden = this.host.ownUser()?.privacy_settings?.typing_indicators?.enabled === false;
    if (!this.id || isHidden || this.data.config?.typing_events === false) return;
    this.core.timers.set("keys", LIMIT.TYPING_STOP_MS, () => this.stopTyping());
    const now = Date.now();
    if (this.typingAt > 0 && this.typingIn === parentId && Math.abs(now - this.typingAt) < LIMIT.TYPING_MS) return;
    this.typingAt = now;
    this.typingIn = parentId;
    this.tell("typing.start");
  }

  /** Says `typing.stop` if `typing.start` was said. */
  stopTyping(): void {
    if (this.typingAt === 0) return;
    this.core.timers.stop("keys");
    this.typingAt = 0;
    this.tell("typing.stop");
  }

  private tell(type: string): void {
    const event = { type, ...(this.typingIn && { parent_id: this.typingIn }) };
    this.sendEvent(event).catch((e: unknown) => this.host.log(`${type}: ${e instanceof Error ? e.message : String(e)}`));
  }

  /** An event of the application's own, to those who watch now. */
  async sendEvent(event: { type: string; [key: string]: unknown }): Promise<ChatEvent> {
    return (await this.call("POST", "/event", { event })).event as ChatEvent;
  }

  /* ---- reading ---- */

  /** Up to the newest message, or up to this one. */
  async markRead(messageId?: string): Promise<void> {
    await this.call("POST", "/read", messageId ? { message_id: messageId } : {});
  }

  /** From this message on; it must be among the last 100. */
  async markUnread(messageId: string): Promise<void> {
    await this.call("POST", "/unread", { message_id: messageId });
  }

  /** Unread messages of this user. */
  countUnread(): number {
    return this.state.unread;
  }

  /* ---- members and the channel itself ---- */

  /** With a message, which the server adds as a system message. Resolves with the members after it. */
  async addMembers(userIds: string[], message?: MessageInput): Promise<Member[]> {
    return (await this.call("POST", "", { add_members: userIds, message })).members as Member[];
  }

  /** As `addMembers`. */
  async removeMembers(userIds: string[], message?: MessageInput): Promise<Member[]> {
    return (await this.call("POST", "", { remove_members: userIds, message })).members as Member[];
  }

  /** Members by a filter, oldest first unless sorted. */
  async queryMembers(filter: Record<string, unknown> = {}, sort: Sort = [], options: { limit?: number; offset?: number } = {}): Promise<Member[]> {
    const payload = { type: this.type, id: this.id, filter_conditions: filter, sort: sortList(sort), ...options };
    return (await this.host.request("GET", "/members", { query: { payload } })).members as Member[];
  }

  /** Replaces the channel's own fields. */
  async update(data: Record<string, unknown>, message?: MessageInput): Promise<ChannelData> {
    return (await this.call("POST", "", { data, message })).channel as ChannelData;
  }

  /** Changes only what is named. */
  async updatePartial(change: { set?: Record<string, unknown>; unset?: string[] }): Promise<ChannelData> {
    return (await this.call("PATCH", "", change)).channel as ChannelData;
  }

  /** Removes the messages so far, for everybody. */
  async truncate(options: { message?: MessageInput; hard_delete?: boolean } = {}): Promise<void> {
    await this.call("POST", "/truncate", options);
  }

  /** Out of this user's lists, until a new message comes or `show` is called. */
  async hide(clearHistory = false): Promise<void> {
    await this.call("POST", "/hide", { clear_history: clearHistory });
  }

  /** Undoes `hide`. */
  async show(): Promise<void> {
    await this.call("POST", "/show", {});
  }

  /** The channel and its messages, for everybody. */
  async delete(): Promise<void> {
    await this.call("DELETE", "");
  }
}

/** Events without a channel that are for each. */
export const isForAll = (e: ChatEvent): boolean => !e.cid && !e.channel && (e.type === "notification.mark_read" || e.type === "user.messages.deleted");
const isFor = (e: ChatEvent, cid: string): boolean => (e.cid ?? e.channel?.cid) === cid || isForAll(e);

export const sortList = (sort: Sort): { field: string; direction?: 1 | -1 }[] =>
  Array.isArray(sort) ? sort : Object.entries(sort).map(([field, direction]) => ({ field, direction }));
