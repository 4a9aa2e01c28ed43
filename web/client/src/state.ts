/* What is known of one channel, and how events change it. An event may come before or after the answer that already contains it, and
 * answers may be older than events: the newer version of a thing wins, and what is gone for good stays gone. Arrays and records are
 * replaced, never changed, so that `===` tells a change. */
import { timeKey } from "./text.js";
import type { ChannelData, ChatEvent, Member, Message, ReadState, User } from "./types.js";

export interface Typist {
  user: User;
  parent_id?: string;
}

export interface ChannelState {
  /** Oldest first; what is pending or failed stands last. Replies are in `threads`, unless shown in the channel too. */
  messages: readonly Message[];
  threads: Readonly<Record<string, readonly Message[]>>;
  read: Readonly<Record<string, ReadState>>;
  /** Others who type now. */
  typing: Readonly<Record<string, Typist>>;
  members: Readonly<Record<string, Member>>;
  watchers: Readonly<Record<string, User>>;
  watcher_count: number;
  /** Of this user. */
  unread: number;
  /** `loadOlder` would bring more. */
  hasOlder: boolean;
}

/** An answer to a query of the channel. */
export interface Snapshot {
  channel: ChannelData;
  messages?: Message[];
  members?: Member[];
  read?: ReadState[];
  watchers?: User[];
  watcher_count?: number;
  membership?: Member;
}

/** Counts the events that were taken in. An answer is as old as this was when it was asked for: what changed since then is newer. */
export const clock = { now: 0 };

/** Hard-deleted ids that are remembered, against an answer that is older than the deletion. */
const GONE_MAX = 1000;

const key = (m: Message): string => timeKey(m.created_at);
const isBefore = (a: Message, b: Message): boolean => key(a) < key(b) || (key(a) === key(b) && a.id < b.id);
const isInChannel = (m: Message): boolean => !m.parent_id || m.show_in_channel === true;
const without = <T>(record: Readonly<Record<string, T>>, id: string): Readonly<Record<string, T>> => {
  if (!(id in record)) return record;
  const rest = { ...record };
  delete rest[id];
  return rest;
};

const lastIndex = (list: readonly Message[], id: string): number => {
  for (let i = list.length - 1; i >= 0; i--) if (list[i]!.id === id) return i;
  return -1;
};

/** Of two versions the newer; of two that are equally new, what came last: counts move without a new version. */
function put(list: readonly Message[], m: Message): readonly Message[] {
  const at = lastIndex(list, m.id);
  if (at >= 0) {
    if (timeKey(list[at]!.updated_at) > timeKey(m.updated_at)) return list;
    return [...list.slice(0, at), m, ...list.slice(at + 1)];
  }
  let end = list.length;
  while (end > 0 && isBefore(m, list[end - 1]!)) end--;
  return [...list.slice(0, end), m, ...list.slice(end)];
}

function putAll(list: readonly Message[], more: readonly Message[]): readonly Message[] {
  if (more.length === 0) return list;
  const known = new Map(list.map((m) => [m.id, m]));
  for (const m of more) {
    const old = known.get(m.id);
    if (!old || timeKey(old.updated_at) <= timeKey(m.updated_at)) known.set(m.id, m);
  }
  return [...known.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1));
}

export const EMPTY: ChannelState = {
  messages: [],
  threads: {},
  read: {},
  typing: {},
  members: {},
  watchers: {},
  watcher_count: 0,
  unread: 0,
  hasOlder: false,
};

export class Store {
  state: ChannelState = EMPTY;
  private sent: readonly Message[] = [];
  private sentReplies: Readonly<Record<string, readonly Message[]>> = {};
  private unsent: readonly Message[] = [];
  private newest = "";
  private cut = "";
  private snapshotAt = 0;
  private readonly gone = new Set<string>();
  /** When events changed "member:john", "watcher:john", "read:john" last. */
  private readonly changed = new Map<string, number>();
  private suspects: ReadonlySet<string> | null = null;

  /** `recount`: the reply count of this message cannot be told from events alone. */
  constructor(
    private readonly ownId: () => string,
    private readonly recount: (messageId: string) => void,
  ) {}

  private get isStillWarm(): boolean {
    return Date.now() - this.snapshotAt < 5000;
  }

  private isGone(m: Message): boolean {
    return this.gone.has(m.id) || key(m) <= this.cut;
  }

  private fresh(list: readonly Message[]): Message[] {
    return list.filter((m) => !this.isGone(m)).map((m) => ({ ...m, status: "sent" }));
  }

  private counts(m: Message): boolean {
    const isOrdinary = m.silent !== true && !["error", "ephemeral", "deleted"].includes(m.type);
    return isInChannel(m) && isOrdinary && m.user?.id !== this.ownId();
  }

  private set(part: Partial<ChannelState>): void {
    this.state = { ...this.state, ...part };
  }

  private setMessages(): void {
    const waiting = this.unsent.filter((u) => !this.find(u.id));
    const lists = new Set([...Object.keys(this.sentReplies), ...waiting.flatMap((m) => m.parent_id ?? [])]);
    const threads: Record<string, readonly Message[]> = {};
    for (const parent of lists) {
      const own = waiting.filter((m) => m.parent_id === parent);
      const replies = this.sentReplies[parent] ?? [];
      threads[parent] = own.length > 0 ? [...replies, ...own] : replies;
    }
    const own = waiting.filter(isInChannel);
    this.set({ messages: own.length > 0 ? [...this.sent, ...own] : this.sent, threads });
  }

  /** One that the server has. */
  find(id: string): Message | undefined {
    const at = lastIndex(this.sent, id);
    if (at >= 0) return this.sent[at];
    for (const replies of Object.values(this.sentReplies)) {
      const reply = replies.find((m) => m.id === id);
      if (reply) return reply;
    }
    return undefined;
  }

  get oldestId(): string | undefined {
    return this.sent[0]?.id;
  }

  get newestId(): string | undefined {
    return this.sent[this.sent.length - 1]?.id;
  }

  /** The outbox's part of what is shown. */
  setUnsent(list: readonly Message[]): void {
    this.unsent = list;
    this.setMessages();
  }

  message(m: Message): void {
    if (this.isGone(m)) return;
    const sent: Message = { ...m, status: "sent" };
    if (isInChannel(sent)) {
      this.sent = put(this.sent, sent);
      if (key(sent) > this.newest) this.newest = key(sent);
    }
    const thread = sent.parent_id ? this.sentReplies[sent.parent_id] : undefined;
    if (sent.parent_id && (thread || !isInChannel(sent)))
      this.sentReplies = { ...this.sentReplies, [sent.parent_id]: put(thread ?? [], sent) };
    this.setMessages();
  }

  private removeMessage(id: string): void {
    if (this.gone.size >= GONE_MAX) this.gone.delete(this.gone.values().next().value!);
    this.gone.add(id);
    this.sent = this.sent.filter((m) => m.id !== id);
    for (const [parent, replies] of Object.entries(this.sentReplies))
      if (replies.some((m) => m.id === id)) this.sentReplies = { ...this.sentReplies, [parent]: replies.filter((m) => m.id !== id) };
    this.sentReplies = without(this.sentReplies, id);
    this.setMessages();
  }

  /** Events were missed: of what stands here only that counts which the next answer has, or which comes meanwhile. */
  distrust(): void {
    this.suspects = new Set(this.sent.map((m) => m.id));
  }

  /** An answer that was asked for at `since`, with at most `limit` messages. */
  snapshot(s: Snapshot, limit: number, since: number): void {
    if (s.messages) this.takeMessages(this.fresh(s.messages), limit);
    const part: Partial<ChannelState> = {};
    if (s.members) part.members = this.merged("member", this.state.members, s.members, (m) => m.user_id, since);
    if (s.watchers) part.watchers = this.merged("watcher", this.state.watchers, s.watchers, (u) => u.id, since);
    if (s.watcher_count !== undefined) part.watcher_count = s.watcher_count;
    if (s.read) {
      const own = this.ownId();
      part.read = this.merged("read", this.state.read, s.read, (r) => r.user.id, since);
      const isOwnNewer = (this.changed.get(`read:${own}`) ?? -1) > since && this.state.read[own] !== undefined;
      if (!isOwnNewer) part.unread = (part.read[own]?.unread_messages ?? 0) + this.newerThan(s.messages);
    }
    this.set(part);
    this.setMessages();
    for (const [name, at] of this.changed) if (at <= since) this.changed.delete(name);
  }

  /** Messages that came while the answer was on its way. */
  private newerThan(list: readonly Message[] | undefined): number {
    const end = list?.[list.length - 1];
    return list ? this.sent.filter((m) => this.counts(m) && (!end || key(m) > key(end))).length : 0;
  }

  private takeMessages(list: readonly Message[], limit: number): void {
    const suspects = this.suspects;
    const known = suspects ? this.sent.filter((m) => !suspects.has(m.id)) : this.sent;
    const [first] = list;
    const end = list[list.length - 1];
    // A list that does not touch what is known would leave a hole between them.
    const touches = !suspects && first !== undefined && known.some((m) => m.id === first.id || !isBefore(m, first));
    this.suspects = null;
    this.sent = putAll(touches || !end ? known : known.filter((m) => key(m) > key(end)), list);
    const last = this.sent[this.sent.length - 1];
    if (last && key(last) > this.newest) this.newest = key(last);
    if (!touches) this.sentReplies = {};
    this.set({ hasOlder: touches ? this.state.hasOlder : list.length >= limit });
    this.snapshotAt = Date.now();
  }

  /** The answer's list, but for those whom an event has changed since it was asked for. */
  private merged<T>(kind: string, old: Readonly<Record<string, T>>, list: readonly T[], id: (t: T) => string, since: number): Record<string, T> {
    const next = Object.fromEntries(list.map((t) => [id(t), t]));
    for (const [name, at] of this.changed) {
      if (at <= since || !name.startsWith(`${kind}:`)) continue;
      const who = name.slice(kind.length + 1);
      const now = old[who];
      if (now) next[who] = now;
      else delete next[who];
    }
    return next;
  }

  private note(kind: string, id: string): void {
    this.changed.set(`${kind}:${id}`, clock.now);
  }

  older(list: readonly Message[], limit: number): void {
    this.sent = putAll(this.sent, this.fresh(list));
    this.set({ hasOlder: list.length >= limit });
    this.setMessages();
  }

  replies(parentId: string, list: readonly Message[]): void {
    const known = this.sentReplies[parentId] ?? [];
    this.sentReplies = { ...this.sentReplies, [parentId]: putAll(known, this.fresh(list)) };
    this.setMessages();
  }

  setTyping(user: User, parentId: string | undefined): void {
    this.set({ typing: { ...this.state.typing, [user.id]: { user, ...(parentId && { parent_id: parentId }) } } });
  }

  stopTyping(userId: string): void {
    this.set({ typing: without(this.state.typing, userId) });
  }

  /* ---- events ---- */

  apply(e: ChatEvent): void {
    clock.now++;
    if (e.message && /^(message\.(updated|undeleted)|reaction\.)/.test(e.type)) this.message(e.message);
    else if (e.type === "message.new" || e.type === "notification.message_new") this.onNew(e);
    else if (e.type === "message.deleted") this.onDeleted(e);
    else if (e.type === "message.read") this.onRead(e);
    else if (e.type === "message.delivered") this.onDelivered(e);
    else if (e.type === "notification.mark_read") this.onOwnRead(e);
    else if (e.type === "notification.mark_unread") this.onOwnUnread(e);
    else if (/^(channel|notification\.channel)[._]truncated$/.test(e.type)) this.onTruncated(e);
    else if (e.type.startsWith("member.") || e.type === "notification.added_to_channel") this.onMember(e);
    else if (e.type.startsWith("user.watching.")) this.onWatching(e);
    else if (e.type === "user.messages.deleted") this.onUserWiped(e);
  }

  private onNew(e: ChatEvent): void {
    const m = e.message;
    if (!m || this.isGone(m)) return;
    const isKnown = this.find(m.id) !== undefined;
    if (!isKnown && this.counts(m) && key(m) > this.newest) this.set({ unread: this.state.unread + 1 });
    if (isInChannel(m) && m.user?.id === this.ownId()) this.readUpTo(m.user, m.created_at, m.id);
    if (m.parent_id && !isKnown && this.find(m.parent_id)) this.onReply(m.parent_id);
    this.message(m);
    if (m.user) this.stopTyping(m.user.id);
    if (e.watcher_count !== undefined) this.set({ watcher_count: e.watcher_count });
  }

  /** The server does not send the parent again. An answer of just now may have counted the reply already. */
  private onReply(parentId: string): void {
    const parent = this.find(parentId)!;
    if (this.isStillWarm) this.recount(parentId);
    else this.message({ ...parent, reply_count: (parent.reply_count ?? 0) + 1 });
  }

  private onDeleted(e: ChatEvent): void {
    const m = e.message;
    if (!m) return;
    const known = this.find(m.id);
    const lastRead = timeKey(this.state.read[this.ownId()]?.last_read);
    const wasUnread = this.counts({ ...m, type: known?.type ?? "regular" }) && key(m) > lastRead;
    if (wasUnread && !this.isGone(m) && this.state.unread > 0) this.set({ unread: this.state.unread - 1 });
    if (e.hard_delete === true || e.deleted_for_me === true) this.removeMessage(m.id);
    else this.message(m);
    if (m.parent_id && this.find(m.parent_id)) this.recount(m.parent_id);
  }

  private onUserWiped(e: ChatEvent): void {
    for (const m of [...this.sent, ...Object.values(this.sentReplies).flat()]) {
      if (m.user?.id !== e.user?.id) continue;
      if (e.hard_delete === true) this.removeMessage(m.id);
      else this.message({ ...m, type: "deleted", text: "", attachments: [], deleted_at: e.created_at ?? m.updated_at });
    }
  }

  private readUpTo(user: User, at: string, messageId: string | undefined): void {
    const old = this.state.read[user.id];
    this.note("read", user.id);
    if (old && timeKey(old.last_read) > timeKey(at)) return;
    const entry: ReadState = { ...old, user, last_read: at, unread_messages: 0, ...(messageId && { last_read_message_id: messageId }) };
    delete entry.first_unread_message_id;
    this.set({ read: { ...this.state.read, [user.id]: entry } });
    if (user.id === this.ownId()) this.set({ unread: 0 });
  }

  private onRead(e: ChatEvent): void {
    if (e.user && e.created_at && !e.thread) this.readUpTo(e.user, e.created_at, e.last_read_message_id as string | undefined);
  }

  private onOwnRead(e: ChatEvent): void {
    if (e.user && e.created_at && !e.thread_id) this.readUpTo(e.user, e.created_at, e.last_read_message_id as string | undefined);
  }

  private onOwnUnread(e: ChatEvent): void {
    if (!e.user || typeof e.last_read_at !== "string") return;
    this.note("read", e.user.id);
    const unread = typeof e.unread_messages === "number" ? e.unread_messages : this.state.unread;
    const entry = {
      ...this.state.read[e.user.id],
      user: e.user,
      last_read: e.last_read_at,
      unread_messages: unread,
      last_read_message_id: e.last_read_message_id as string | undefined,
      first_unread_message_id: e.first_unread_message_id as string | undefined,
    } as ReadState;
    this.set({ unread, read: { ...this.state.read, [e.user.id]: entry } });
  }

  private onDelivered(e: ChatEvent): void {
    const old = e.user && this.state.read[e.user.id];
    const at = e.last_delivered_at;
    if (!old || typeof at !== "string" || timeKey(old.last_delivered_at) > timeKey(at)) return;
    const entry = { ...old, last_delivered_at: at, last_delivered_message_id: e.last_delivered_message_id as string };
    this.set({ read: { ...this.state.read, [e.user!.id]: entry } });
  }

  private onTruncated(e: ChatEvent): void {
    const cut = timeKey((e.channel?.truncated_at as string | undefined) ?? e.created_at);
    if (cut > this.cut) this.cut = cut;
    this.sent = this.sent.filter((m) => key(m) > cut);
    this.sentReplies = {};
    this.set({ hasOlder: false, unread: 0 });
    if (e.message) this.message(e.message);
    this.setMessages();
  }

  private onMember(e: ChatEvent): void {
    const id = e.member?.user_id;
    if (!id) return;
    this.note("member", id);
    if (e.type === "member.removed") {
      this.note("read", id);
      this.set({ members: without(this.state.members, id), read: without(this.state.read, id) });
      return;
    }
    const old = this.state.members[id];
    if (old && timeKey(old.updated_at) > timeKey(e.member!.updated_at)) return;
    this.set({ members: { ...this.state.members, [id]: { ...old, ...e.member! } } });
  }

  private onWatching(e: ChatEvent): void {
    if (!e.user) return;
    this.note("watcher", e.user.id);
    const isStart = e.type === "user.watching.start";
    const watchers = isStart ? { ...this.state.watchers, [e.user.id]: e.user } : without(this.state.watchers, e.user.id);
    this.set({ watchers, watcher_count: e.watcher_count ?? this.state.watcher_count });
  }

  /** Presence, a new name or picture: wherever he stands. */
  user(u: User): boolean {
    const old = this.state;
    const part: Partial<ChannelState> = {};
    const member = old.members[u.id];
    if (member) part.members = { ...old.members, [u.id]: { ...member, user: u } };
    if (old.watchers[u.id]) part.watchers = { ...old.watchers, [u.id]: u };
    const read = old.read[u.id];
    if (read) part.read = { ...old.read, [u.id]: { ...read, user: u } };
    const renamed = (m: Message): Message => (m.user?.id === u.id ? { ...m, user: u } : m);
    const looksOther = (m: Message): boolean => m.user?.id === u.id && (m.user.name !== u.name || m.user.image !== u.image);
    const hasOther = this.sent.some(looksOther) || Object.values(this.sentReplies).some((l) => l.some(looksOther));
    if (hasOther) {
      this.sent = this.sent.map(renamed);
      this.sentReplies = Object.fromEntries(Object.entries(this.sentReplies).map(([p, l]) => [p, l.map(renamed)]));
    }
    if (Object.keys(part).length === 0 && !hasOther) return false;
    this.set(part);
    this.setMessages();
    return true;
  }

  clear(): void {
    this.sent = [];
    this.sentReplies = {};
    this.state = { ...EMPTY };
    this.setMessages();
  }
}
