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
  private snapshotAt = 0;
  private readonly gone = new Set<string>();

  /** `recount`: the reply count of this message cannot be told from events alone. */
  constructor(
    private readonly ownId: () => string,
    private readonly recount: (messageId: string) => void,
  ) {}

  private get isStillWarm(): boolean {
    return Date.now() - this.snapshotAt < 5000;
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
    if (this.gone.has(m.id)) return;
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

  /** A fresh answer. `isWhole`: what stood here may have holes, so only what the answer has counts. */
  snapshot(s: Snapshot, limit: number, isWhole: boolean): void {
    const list = (s.messages ?? []).filter((m) => !this.gone.has(m.id)).map((m): Message => ({ ...m, status: "sent" }));
    const [first] = list;
    const end = list[list.length - 1];
    // A list that does not touch what is known would leave a hole between them.
    const touches = !isWhole && first && this.sent.some((m) => m.id === first.id || !isBefore(m, first));
    if (s.messages) {
      this.sent = putAll(touches ? this.sent : this.sent.filter((m) => end && key(m) > key(end)), list);
      const last = this.sent[this.sent.length - 1];
      if (last && key(last) > this.newest) this.newest = key(last);
      if (!touches) this.sentReplies = {};
      this.set({ hasOlder: touches ? this.state.hasOlder : list.length >= limit });
      this.snapshotAt = Date.now();
    }
    const part: Partial<ChannelState> = {};
    if (s.members) part.members = Object.fromEntries(s.members.map((m) => [m.user_id, m]));
    if (s.watchers) part.watchers = Object.fromEntries(s.watchers.map((u) => [u.id, u]));
    if (s.watcher_count !== undefined) part.watcher_count = s.watcher_count;
    if (s.read) {
      part.read = Object.fromEntries(s.read.map((r) => [r.user.id, r]));
      part.unread = part.read[this.ownId()]?.unread_messages ?? 0;
    }
    this.set(part);
    this.setMessages();
  }

  older(list: readonly Message[], limit: number): void {
    this.sent = putAll(this.sent, list.filter((m) => !this.gone.has(m.id)).map((m): Message => ({ ...m, status: "sent" })));
    this.set({ hasOlder: list.length >= limit });
    this.setMessages();
  }

  replies(parentId: string, list: readonly Message[]): void {
    const known = this.sentReplies[parentId] ?? [];
    const sent = list.filter((m) => !this.gone.has(m.id)).map((m): Message => ({ ...m, status: "sent" }));
    this.sentReplies = { ...this.sentReplies, [parentId]: putAll(known, sent) };
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
    if (!m || this.gone.has(m.id)) return;
    const isKnown = this.find(m.id) !== undefined;
    const counts = isInChannel(m) && m.user?.id !== this.ownId() && m.silent !== true && m.type !== "error" && m.type !== "ephemeral";
    if (!isKnown && counts && key(m) > this.newest) this.set({ unread: this.state.unread + 1 });
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
    const wasUnread = isInChannel(m) && m.user?.id !== this.ownId() && m.silent !== true && key(m) > lastRead && !known?.deleted_at;
    if (wasUnread && !this.gone.has(m.id) && this.state.unread > 0) this.set({ unread: this.state.unread - 1 });
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
    this.sent = this.sent.filter((m) => key(m) > cut);
    this.sentReplies = {};
    this.set({ hasOlder: false, unread: 0 });
    if (e.message) this.message(e.message);
    this.setMessages();
  }

  private onMember(e: ChatEvent): void {
    const id = e.member?.user_id;
    if (!id) return;
    if (e.type === "member.removed") {
      this.set({ members: without(this.state.members, id), read: without(this.state.read, id) });
      return;
    }
    const old = this.state.members[id];
    if (old && timeKey(old.updated_at) > timeKey(e.member!.updated_at)) return;
    this.set({ members: { ...this.state.members, [id]: { ...old, ...e.member! } } });
  }

  private onWatching(e: ChatEvent): void {
    if (!e.user) return;
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
