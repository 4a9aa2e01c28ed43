/* The two calls, and what belongs to them: a client for an API key, and the user it is connected as. */
import { Calls, type CallOptions } from "./calls.js";
import { Channel, Core, isForAll, PAGE, sortList, type ChannelHost, type Recording } from "./channel.js";
import { BeckError, CODE, toError } from "./errors.js";
import { Handlers, Listeners } from "./events.js";
import { exchange, whyUnreachable, type Place, type Reply } from "./http.js";
import { Link, type LinkHost } from "./link.js";
import { ChannelList } from "./list.js";
import { normalised, sameOptions, type Settings } from "./options.js";
import { Outbox } from "./outbox.js";
import { LIMIT } from "./schema.js";
import type { Snapshot } from "./state.js";
import { randomId, utf8Length } from "./text.js";
import { NO_TOKEN, Tokens, type TokenSource } from "./token.js";
import type {
  ChatEvent,
  Connection,
  EventType,
  Filter,
  Handler,
  Message,
  Options,
  OwnUser,
  QueryChannelsOptions,
  Sort,
  Subscription,
  TokenOrProvider,
  User,
  UserInput,
} from "./types.js";

const FOLLOW_PAGE = 100;
const SYNC_PAGE = 100;

interface Attempt {
  userId: string;
  done: Promise<OwnUser>;
  resolve(me: OwnUser): void;
  reject(e: BeckError): void;
}

const instances = new Map<string, { chat: BeckChat; settings: Settings }>();

export class BeckChat {
  /** The application's. */
  readonly apiKey: string;
  private readonly settings: Settings;
  private readonly place: Place;
  private readonly handlers: Handlers;
  private readonly listeners: Listeners;
  private readonly calls: Calls;
  private readonly link: Link;
  private readonly outbox: Outbox;
  private readonly cores = new Map<string, Core>();
  private readonly lists = new Set<ChannelList>();
  private readonly recordings = new Set<ChatEvent[]>();
  private readonly channelHost: ChannelHost;
  private own: OwnUser | null = null;
  private attempt: Attempt | null = null;
  private ending: Promise<void> | null = null;
  /** Counts disconnectUser: who began to connect before one of them is not connected after it. */
  private endings = 0;
  /** Whose messages and channels are here. */
  private lastId = "";
  private unlisten: (() => void) | null = null;

  /** The one client of an API key in this page. The first call makes it; later ones may leave the options out. */
  static getInstance(apiKey: string, options?: Options): BeckChat {
    const there = instances.get(apiKey);
    if (!there) {
      const chat = new BeckChat(apiKey, options);
      instances.set(apiKey, { chat, settings: chat.settings });
      return chat;
    }
    if (options && !sameOptions(there.settings, normalised(options)))
      throw new BeckError("state", "getInstance was called before with other options: call it with the same, or without; `new BeckChat` makes a separate client");
    return there.chat;
  }

  /** A separate client: for tests, or two users in one page. */
  constructor(apiKey: string, options: Options = {}) {
    if (typeof apiKey !== "string" || apiKey === "") throw new BeckError("argument", "an API key is needed", { field: "apiKey" });
    this.apiKey = apiKey;
    this.settings = normalised(options);
    const { baseURL, timeout, maxQueue } = this.settings;
    this.place = { baseURL, apiKey, fetch: this.settings.fetch };
    const report = this.settings.report;
    this.handlers = new Handlers(report);
    this.listeners = new Listeners(report);
    this.link = new Link({ ...this.settings, place: this.place, log: this.settings.log }, this.linkHost());
    this.calls = new Calls({
      place: this.place,
      timeout,
      maxQueue,
      connectionId: () => this.link.onlineId,
      idIsUnknown: (id) => this.link.idIsUnknown(id),
      answered: (options, reply) => this.noteWatches(options, reply),
    });
    this.outbox = new Outbox(
      {
        send: (type, id, message) =>
          this.calls.request("POST", `/channels/${encodeURIComponent(type)}/${encodeURIComponent(id)}/message`, { body: { message } }),
        changed: (cid) => this.withCore(cid, (core) => core.store.setUnsent(this.outbox.of(cid))),
        sent: (cid, message) => this.withCore(cid, (core) => core.store.has(message) || core.store.apply({ type: "message.new", message })),
        user: () => this.own ?? { id: this.lastId },
        log: (text) => this.settings.log("warn", text),
      },
      this.settings,
    );
    this.channelHost = {
      request: (method, path, o) => this.calls.request(method, path, o),
      outbox: this.outbox,
      ownUser: () => this.own,
      unwatch: (cid) => void this.link.watched.delete(cid),
      coreOf: (cid) => this.cores.get(cid),
      keep: (core) => void this.cores.set(core.data.cid, core),
      log: (text) => this.settings.log("warn", text),
      report,
      record: () => this.record(),
    };
  }

  /* ---- who ---- */

  /** Where the server is. */
  get baseURL(): string {
    return this.settings.baseURL;
  }

  /** The connected user, as the server sees him; null without one. */
  get user(): OwnUser | null {
    return this.own;
  }

  /** How it stands, at this moment. */
  get connection(): Connection {
    return this.link.connection;
  }

  /** False: the platform keeps nothing, so what is not sent is lost with the page. */
  get keepsUnsent(): boolean {
    return this.outbox.isKept;
  }

  /** Connects the user, made or merged on the server. Resolves with him once the connection stands; called again for the same user it
   * joins the first call. */
  async connectUser(user: UserInput, tokenOrProvider: TokenOrProvider): Promise<OwnUser> {
    if (typeof user !== "object" || user === null || typeof user.id !== "string" || !/^[A-Za-z0-9_@-]{1,255}$/.test(user.id))
      throw new BeckError("argument", "a user needs an id of letters, digits and _ @ -, at most 255", { field: "id" });
    if (utf8Length(JSON.stringify(user)) > LIMIT.USER_OBJECT_BYTES)
      throw new BeckError("argument", `a user is at most ${LIMIT.USER_OBJECT_BYTES} bytes of JSON`, { field: "user" });
    return this.connect({ ...user }, () => new Tokens(user.id, tokenOrProvider));
  }

  /** Reads what anybody may read; writes nothing. */
  async connectAnonymousUser(): Promise<OwnUser> {
    return this.connect({ id: `anon-${randomId()}` }, () => NO_TOKEN);
  }

  /** A user without a login, where the application allows guests. The server makes his id from this one. */
  async setGuestUser(user: UserInput): Promise<OwnUser> {
    const endings = this.endings;
    const reply = await this.reached(
      exchange(this.place, { method: "POST", path: "/guest", body: { user }, token: "", timeout: this.settings.timeout }),
    );
    const id = (reply.user as User | undefined)?.id;
    if (typeof id !== "string") throw new BeckError("network", "what answered is no server of this kind");
    if (endings !== this.endings) throw new BeckError("state", "disconnected");
    return this.connectUser({ id }, reply.access_token as string);
  }

  private async connect(user: UserInput, makeTokens: () => TokenSource): Promise<OwnUser> {
    const endings = this.endings;
    while (this.ending) await this.ending;
    if (endings !== this.endings) throw new BeckError("state", "disconnected");
    if (this.attempt) {
      if (this.attempt.userId === user.id) return this.attempt.done;
      throw new BeckError("state", `${this.attempt.userId} is connected: disconnectUser comes before another user`);
    }
    const tokens = makeTokens();
    const attempt = { userId: user.id } as Attempt;
    attempt.done = new Promise((resolve, reject) => Object.assign(attempt, { resolve, reject }));
    attempt.done.catch(() => undefined); // whoever called it is told; nobody else has to listen
    this.attempt = attempt;
    if (this.lastId && this.lastId !== user.id) this.forgetUser();
    this.lastId = user.id;
    this.outbox.begin(`${this.apiKey}:${user.id}`, tokens !== NO_TOKEN);
    this.calls.begin(tokens);
    this.listen();
    this.link.start(user, tokens);
    return this.reached(attempt.done);
  }

  /** A network error that says what is wrong. */
  private async reached<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (e) {
      const error = toError(e, "network", "connecting");
      if (error.kind !== "network" || error.status !== 0) throw error;
      throw new BeckError("network", await whyUnreachable(this.place), { retryable: true, cause: error });
    }
  }

  /** Ends the connection, on the server too; resolves within two seconds. Then another user may connect. */
  disconnectUser(): Promise<void> {
    this.endings++;
    if (this.ending) return this.ending;
    let over!: () => void;
    this.ending = new Promise((go) => (over = go)); // stands before anybody is told
    void this.disconnect().finally(() => {
      this.ending = null;
      over();
    });
    return this.ending;
  }

  private async disconnect(): Promise<void> {
    const attempt = this.attempt;
    const why = new BeckError("state", "disconnected");
    this.unlisten?.();
    const closed = this.link.stop();
    this.attempt = null;
    this.calls.end(why);
    attempt?.reject(why);
    this.forgetUser(); // now: what is called from here on is the next user's
    await closed;
  }

  private forgetUser(): void {
    this.calls.forget();
    this.outbox.end();
    for (const list of [...this.lists]) list.close();
    for (const core of this.cores.values()) core.close();
    this.cores.clear();
    this.own = null;
    this.lastId = "";
    this.listeners.changed();
  }

  /** The device is online again or awake. Browsers are listened to; other platforms call this. */
  networkChanged(): void {
    this.link.networkChanged();
  }

  private listen(): void {
    this.unlisten?.();
    const page = globalThis as unknown as Partial<Window>;
    const awake = () => {
      if (page.document?.visibilityState !== "hidden") this.link.networkChanged();
    };
    const leave = () => this.link.leavePage();
    const pairs: [Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">> | undefined, string, () => void][] = [
      [page, "online", awake],
      [page, "pageshow", awake],
      [page.document, "visibilitychange", awake],
      [page, "pagehide", leave],
    ];
    for (const [target, type, then] of pairs) target?.addEventListener?.(type, then);
    this.unlisten = () => {
      for (const [target, type, then] of pairs) target?.removeEventListener?.(type, then);
    };
  }

  /* ---- being told ---- */

  /** Events by type, or "all": the server's, and `connection.changed`, `connection.recovered`, `transport.changed`. Durable events come
   * once and in order. */
  on(type: EventType, handler: Handler): Subscription {
    return this.handlers.on(type, handler);
  }

  /** Called after changes of `user` or `connection`, once per batch of them. Returns a function that ends it. */
  subscribe(listener: () => void): () => void {
    return this.listeners.subscribe(listener);
  }

  /* ---- calls ---- */

  /** Any call of the API. Waits for the user to be connected. */
  request(method: string, path: string, options: CallOptions = {}): Promise<Reply> {
    return this.calls.request(method, path, options);
  }

  /** A channel by its id, or by its members: `chat.channel("messaging", null, { members: ["john", "jane"] })`. The data is for a channel
   * that is made by it. */
  channel(type: string, id: string | null, data: Record<string, unknown> = {}): Channel {
    if (!type) throw new BeckError("argument", "a channel needs a type", { field: "type" });
    if (id !== null && (typeof id !== "string" || id === ""))
      throw new BeckError("argument", 'a channel has an id, or null and members: channel("messaging", null, { members })', { field: "id" });
    if (id === null && !Array.isArray(data.members)) throw new BeckError("argument", "a channel without an id needs members", { field: "members" });
    return new Channel(this.channelHost, type, id, data);
  }

  /** A list that stays right: new channels appear, those with new messages move, those that go leave. `load` brings the first page. */
  channelList(filter: Filter, sort: Sort = [], options: QueryChannelsOptions = {}): ChannelList {
    const list = new ChannelList(
      {
        queryChannels: (f, s, o) => this.queryChannels(f, s, o),
        forget: (l) => void this.lists.delete(l),
        ownId: () => this.own?.id ?? "",
        report: (e) => this.settings.log("warn", `channel list: ${toError(e, "network", "it").message}`),
      },
      filter,
      sort,
      options,
    );
    this.lists.add(list);
    return list;
  }

  /** At most 30 channels, watched unless `watch` is false, with their state. */
  async queryChannels(filter: Filter, sort: Sort = [], options: QueryChannelsOptions = {}): Promise<Channel[]> {
    const { limit, offset, message_limit, member_limit, watch = true, presence = false, state = true } = options;
    const body = { filter_conditions: filter, sort: sortList(sort), limit, offset, message_limit, member_limit, watch, presence, state };
    const seen = this.record();
    try {
      const reply = await this.calls.request("POST", "/channels", { body, needsConnection: watch || presence });
      return (reply.channels as Snapshot[]).map((s) => {
        const channel = this.channel(s.channel.type, s.channel.id);
        this.withCore(channel.cid, (core) => {
          core.isWatched ||= watch;
          if (state) core.take(s, message_limit ?? PAGE, seen.events);
          else core.data = { ...core.data, ...s.channel };
        });
        return channel;
      });
    } finally {
      seen.end();
    }
  }

  private record(): Recording {
    const events: ChatEvent[] = [];
    this.recordings.add(events);
    return { events, end: () => void this.recordings.delete(events) };
  }

  /** With `presence`, `user.presence.changed` and `user.updated` of them follow. */
  async queryUsers(filter: Filter, sort: Sort = [], options: { limit?: number; offset?: number; presence?: boolean } = {}): Promise<User[]> {
    const payload = { filter_conditions: filter, sort: sortList(sort), ...options };
    const reply = await this.calls.request("GET", "/users", { query: { payload }, needsConnection: options.presence === true });
    return reply.users as User[];
  }

  /** Changes fields of the own user: `{ set: { privacy_settings: { read_receipts: { enabled: false } } } }`. */
  async updateUser(change: { set?: Record<string, unknown>; unset?: string[] }): Promise<OwnUser> {
    const id = this.ownId();
    const reply = await this.calls.request("PATCH", "/users", { body: { users: [{ id, ...change }] } });
    const user = (reply.users as Record<string, OwnUser>)[id];
    if (user) this.mergeOwn(user);
    return this.own!;
  }

  /** Replaces the text and the custom fields of an own message. */
  async updateMessage(message: { id: string; text: string; [key: string]: unknown }): Promise<Message> {
    const reply = await this.calls.request("POST", `/messages/${encodeURIComponent(message.id)}`, { body: { message } });
    return this.known(reply.message as Message);
  }

  /** For everybody, or with `deleteForMe` for this user alone; `hard` leaves no trace. */
  async deleteMessage(id: string, options: { hard?: boolean; deleteForMe?: boolean } = {}): Promise<Message> {
    const query = { hard: options.hard, delete_for_me: options.deleteForMe };
    return (await this.calls.request("DELETE", `/messages/${encodeURIComponent(id)}`, { query })).message as Message;
  }

  /** One message, whatever its channel. */
  async getMessage(id: string): Promise<Message> {
    return (await this.calls.request("GET", `/messages/${encodeURIComponent(id)}`)).message as Message;
  }

  /** Every channel, as this user sees them. */
  async markAllRead(): Promise<void> {
    await this.calls.request("POST", "/channels/read", { body: {} });
  }

  /** The server's version; null when it does not say. */
  async serverVersion(): Promise<string | null> {
    const { baseURL, fetch } = this.place;
    try {
      const health = (await (await fetch(`${baseURL}/beck/health`, { cache: "no-store" })).json()) as { version?: unknown };
      return typeof health.version === "string" ? health.version : null;
    } catch {
      return null;
    }
  }

  private ownId(): string {
    const id = this.own?.id ?? this.attempt?.userId;
    if (!id) throw new BeckError("state", "nobody is connected: call connectUser");
    return id;
  }

  private known(message: Message): Message {
    this.withCore(message.cid ?? "", (core) => core.store.message(message));
    return { ...message, status: "sent" };
  }

  private withCore(cid: string, then: (core: Core) => void): void {
    const core = this.cores.get(cid);
    if (!core) return;
    then(core);
    core.listeners.changed();
  }

  /* ---- what the connection says ---- */

  private linkHost(): LinkHost {
    return {
      event: (e) => this.take(e),
      local: (e) => this.give({ created_at: new Date().toISOString(), ...e }),
      changed: () => this.listeners?.changed(),
      up: (isFirst, hello) => {
        // What was recorded before a hole cannot be set on top of an answer from after it.
        if (hello.resumed !== true) for (const events of this.recordings) events.length = 0;
        this.own = hello.me ?? this.own ?? ({ id: this.lastId } as OwnUser);
        this.attempt?.resolve(this.own);
        this.calls.open();
        if (isFirst) void this.reload(); // what was watched before a connection that ended for good
        void this.outbox.ready().then(() => this.link.onlineId && this.outbox.up());
      },
      gaveUp: (error, wasUp) => {
        const attempt = this.attempt;
        this.attempt = null;
        this.outbox.down();
        this.unlisten?.();
        this.calls.end(error);
        if (!wasUp) attempt?.reject(error);
      },
      recover: (since, isCurrent) => this.recover(since, isCurrent),
    };
  }

  private mergeOwn(part: Partial<OwnUser>): void {
    this.own = { ...this.own!, ...part };
    this.listeners.changed();
  }

  /** An event of the wrong shape must not end the stream. */
  private take(e: ChatEvent): void {
    try {
      this.absorb(e);
    } catch (error) {
      this.settings.log("error", `${e.type}: ${toError(error, "network", "of the wrong shape").message}`);
    }
  }

  private absorb(e: ChatEvent): void {
    if (e.message) e.message.status = "sent";
    if (e.me) this.own = e.me;
    const counts: Partial<OwnUser> = {};
    for (const name of ["total_unread_count", "unread_channels", "unread_threads"] as const) if (typeof e[name] === "number") counts[name] = e[name];
    if (Object.keys(counts).length > 0 && this.own) this.mergeOwn(counts);
    if (/^user\.(updated|presence\.changed|deleted)$/.test(e.type) && e.user) this.takeUser(e.user);
    this.give(e);
  }

  private takeUser(user: User): void {
    // Others see him offline when he is invisible; he is online to himself.
    if (user.id === this.own?.id) this.mergeOwn({ ...user, online: true } as Partial<OwnUser>);
    for (const core of this.cores.values()) if (core.store.user(user)) core.listeners.changed();
  }

  private give(e: ChatEvent): void {
    const cid = e.cid ?? e.channel?.cid;
    if (e.type === "connection.changed" && e.online === false) this.outbox.down();
    if (e.type === "connection.recovered" && e.gap === true) void this.reload();
    for (const events of this.recordings) events.push(e);
    if (cid && cid !== "*") this.cores.get(cid)?.apply(e);
    else if (isForAll(e)) for (const core of this.cores.values()) core.apply(e);
    for (const list of [...this.lists]) list.apply(e);
    this.handlers.give(e);
  }

  private tell(e: ChatEvent): void {
    this.cores.get(e.cid ?? "")?.handlers.give(e);
    this.handlers.give(e);
  }

  /** A watch or a subscription to presence is made anew with the next connection: so what was asked is remembered. */
  private noteWatches(options: CallOptions, reply: Reply): void {
    if (!options.needsConnection) return;
    const asked = (options.body ?? options.query?.payload ?? {}) as { watch?: boolean; presence?: boolean };
    const states = [reply as unknown as Snapshot, ...((reply.channels as Snapshot[] | undefined) ?? [])].filter((s) => s.channel);
    if (asked.watch) for (const s of states) this.link.watched.add(s.channel.cid);
    if (!asked.presence) return;
    for (const user of (reply.users as User[] | undefined) ?? []) this.link.followed.add(user.id);
    for (const s of states) for (const m of s.members ?? []) this.link.followed.add(m.user_id);
  }

  /** After a gap nothing that stands in the channels can be trusted. */
  private async reload(): Promise<void> {
    const watched = [...this.cores.values()].filter((c) => c.isWatched);
    for (const core of watched) core.store.distrust();
    try {
      for (const page of pages(watched, LIMIT.QUERY_CHANNELS))
        await this.queryChannels({ cid: { $in: page.map((c) => c.data.cid) } }, [], { limit: page.length, message_limit: PAGE });
    } catch (e) {
      this.settings.log("warn", `reloading after a gap: ${toError(e, "network", "it").message}`);
      this.link.stillMissing();
    }
  }

  /** On a server that does not resume by position. One request at a time, so that a crowd that comes back is no storm. */
  private async recover(since: string | null, isCurrent: () => boolean): Promise<boolean> {
    const { watched, followed } = this.link;
    const cids = [...watched];
    const fresh = new Set<string>();
    let isWhole = true;
    for (const cid of cids) this.cores.get(cid)?.store.distrust();
    try {
      for (const list of [...this.lists]) {
        await list.refresh();
        if (!isCurrent()) return false;
      }
      for (const page of pages(cids, LIMIT.QUERY_CHANNELS)) {
        for (const c of await this.queryChannels({ cid: { $in: page } }, [], { limit: page.length, message_limit: PAGE })) fresh.add(c.cid);
        if (!isCurrent()) return false;
      }
      for (const page of pages([...followed], FOLLOW_PAGE)) {
        await this.queryUsers({ id: { $in: page } }, [], { presence: true, limit: page.length });
        if (!isCurrent()) return false;
      }
      for (const page of since ? pages(cids, SYNC_PAGE) : []) {
        const reply = await this.calls.request("POST", "/sync", { body: { channel_cids: page, last_sync_at: since } });
        if (!isCurrent()) return false;
        // Those who are told hear of each; what was asked just now contains it already.
        for (const e of reply.events as ChatEvent[]) {
          if (e.message) e.message.status = "sent";
          if (e.cid && !fresh.has(e.cid)) this.take(e);
          else this.tell(e);
        }
      }
    } catch (e) {
      const error = toError(e, "network", "recovery");
      this.settings.log("warn", `recovery: ${error.message}`);
      if (error.code === CODE.NOT_FOUND) this.settings.log("warn", "the server is older than this client: it has no such call");
      isWhole = false;
    }
    return isWhole;
  }
}

function pages<T>(list: readonly T[], size: number): T[][] {
  const out: T[][] = [];
  for (let i = 0; i < list.length; i += size) out.push(list.slice(i, i + size));
  return out;
}
