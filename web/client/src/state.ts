/* What is known of one channel, and how events change it. An answer to a query is right as of some moment while it was under way: it
 * replaces what was known, and then the events that came since the question are applied again. So an event may come before or after the
 * answer that already contains it, and changes nothing then. Arrays and records are replaced, never changed, so that `===` tells a
 * change. */
import { timeKey } from "./text.js";
import type { ChannelData, ChatEvent, Member, Message, OwnUser, ReadState, User } from "./types.js";

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
  const last = list[list.length - 1];
  if (!last || key(last) < key(m)) return [...list, m]; // the usual case, without a look at all that is here
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

/** So many messages that nobody has asked for are kept at least, and twice as many at most; `loadOlder` brings the others again. */
const LIVE_MAX = 1000;

export class Store {
  state: ChannelState = EMPTY;
  private sent: readonly Message[] = [];
  private sentReplies: Readonly<Record<string, readonly Message[]>> = {};
  private unsent: readonly Message[] = [];
  private newest = "";
  /** Messages that answers to questions have brought. */
  private asked = 0;
  private cut = "";
  private snapshotAt = 0;
  private hasRead = false;
  private isSuspect = false;
  private readonly gone = new Set<string>();

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

  /** Of the messages that are here, those after this time that are unread by then. */
  private countAfter(at: string | undefined): number {
    return this.sent.filter((m) => key(m) > timeKey(at) && this.counts(m)).length;
  }

  private get ownRead(): ReadState | undefined {
    return this.state.read[this.ownId()];
  }

  private setUnread(unread: number): void {
    const own = this.ownRead;
    this.set({ unread, ...(own && { read: { ...this.state.read, [own.user.id]: { ...own, unread_messages: unread } } }) });
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

  /** As `find`, but what is newer than all is not looked for. */
  has(m: Message): boolean {
    return !(isInChannel(m) && key(m) > this.newest) && this.find(m.id) !== undefined;
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

  /** An answer about one message, which may know of replies whose events are still to come. */
  recounted(m: Message): void {
    this.snapshotAt = Date.now();
    this.message(m);
  }

  message(m: Message): void {
    if (this.isGone(m)) return;
    const sent: Message = { ...m, status: "sent" };
    const [first] = this.sent;
    // One from before what is loaded would stand beside a hole.
    const isTooOld = this.state.hasOlder && first !== undefined && isBefore(sent, first);
    if (isInChannel(sent) && !isTooOld) {
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

  /** Events were missed: of the messages that stand here only those count which the next answer has. */
  distrust(): void {
    this.isSuspect = true;
  }

  /** An answer: `limit` messages up to the newest were asked for, or, null, some other page. */
  snapshot(s: Snapshot, limit: number | null): void {
    if (s.messages) this.takeMessages(s.messages.map((m) => ({ ...m, status: "sent" })), limit);
    const part: Partial<ChannelState> = {};
    if (s.members) part.members = Object.fromEntries(s.members.map((m) => [m.user_id, m]));
    if (s.watchers) part.watchers = Object.fromEntries(s.watchers.map((u) => [u.id, u]));
    if (s.watcher_count !== undefined) part.watcher_count = s.watcher_count;
    if (s.read) {
      part.read = Object.fromEntries(s.read.map((r) => [r.user.id, r]));
      part.unread = part.read[this.ownId()]?.unread_messages ?? 0;
      this.hasRead = true;
    }
    this.set(part);
    this.setMessages();
  }

  private takeMessages(list: readonly Message[], limit: number | null): void {
    const [first] = list;
    for (const m of list) this.gone.delete(m.id); // its deletion is applied again
    if (limit === null) {
      this.sent = putAll(this.sent, list);
    } else if (limit > 0) {
      // What is older stays when it stands next to the list: elsewhere there would be a hole between them.
      const touches = !this.isSuspect && first !== undefined && list.length >= limit && lastIndex(this.sent, first.id) >= 0;
      this.isSuspect = false;
      this.sent = [...(touches ? this.sent.filter((m) => isBefore(m, first)) : []), ...list];
      this.asked = this.sent.length;
      if (!touches) this.sentReplies = {};
      this.set({ hasOlder: touches ? this.state.hasOlder : list.length >= limit });
      this.snapshotAt = Date.now();
    }
    const last = this.sent[this.sent.length - 1];
    this.newest = last ? key(last) : this.cut;
  }

  older(list: readonly Message[], limit: number): void {
    this.sent = putAll(this.sent, this.fresh(list));
    this.asked = this.sent.length;
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

  /** `isAgain`: it has come before the last answer, which may contain it. */
  apply(e: ChatEvent, isAgain = false): void {
    if (e.message && e.type === "message.undeleted") this.onUndeleted(e.message);
    else if (e.message && /^(message\.updated|reaction\.)/.test(e.type)) this.message(e.message);
    else if (e.type === "message.new" || e.type === "notification.message_new") this.onNew(e, isAgain);
    else if (e.type === "message.deleted") this.onDeleted(e);
    else if (e.type === "message.read") this.onRead(e);
    else if (e.type === "message.delivered") this.onDelivered(e);
    else if (e.type === "notification.mark_read") this.onRead(e);
    else if (e.type === "notification.mark_unread") this.onOwnUnread(e);
    else if (/^(channel|notification\.channel)[._]truncated$/.test(e.type)) this.onTruncated(e);
    else if (e.type === "channel.hidden" && e.clear_history === true) this.onHistoryCleared(e);
    else if (e.type.startsWith("member.") || e.type === "notification.added_to_channel") this.onMember(e);
    else if (e.type.startsWith("user.watching.")) this.onWatching(e);
    else if (e.type === "user.messages.deleted") this.onUserWiped(e);
  }

  private onNew(e: ChatEvent, isAgain: boolean): void {
    const m = e.message;
    if (!m || this.isGone(m)) return;
    const isKnown = this.has(m);
    const isHere = !isInChannel(m) || (isKnown && lastIndex(this.sent, m.id) >= 0);
    // Who has no read state is no member, and nothing is unread for him.
    if (!isHere && this.counts(m) && key(m) > this.newest && (this.ownRead || !this.hasRead)) this.setUnread(this.state.unread + 1);
    if (m.parent_id && (!isKnown || isAgain) && this.find(m.parent_id)) this.onReply(m.parent_id);
    // No version of it is older, and no counts are.
    if (!isKnown || !isHere) this.message(m);
    if (this.sent.length > this.asked + 2 * LIVE_MAX) this.forgetOldest();
    // Who writes has read; but of others that is the server's to say, for they may hide it.
    if (m.user && m.user.id === this.ownId() && isInChannel(m) && this.ownRead) this.readUpTo(m.user, m.created_at, m.id);
    if (m.user) this.stopTyping(m.user.id);
    if (e.watcher_count !== undefined) this.set({ watcher_count: e.watcher_count });
  }

  /** A page that is open for days must not grow with all that is said meanwhile. */
  private forgetOldest(): void {
    this.sent = this.sent.slice(-(this.asked + LIVE_MAX));
    this.set({ hasOlder: true });
    this.setMessages();
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
    const [first] = this.sent;
    const isTaken = !known && first !== undefined && isBefore(first, m); // the last answer did not have it any more
    if (!isTaken && !this.isGone(m)) this.leaveUnread({ ...m, type: known?.type ?? "regular" });
    if (e.hard_delete === true)
      for (const reply of this.sent)
        if (reply.parent_id === m.id) {
          this.leaveUnread(reply);
          this.removeMessage(reply.id);
        }
    if (e.hard_delete === true || e.deleted_for_me === true) this.removeMessage(m.id);
    else this.message(m);
    if (m.parent_id && this.find(m.parent_id)) this.recount(m.parent_id);
  }

  private leaveUnread(m: Message): void {
    if (this.counts(m) && key(m) > timeKey(this.ownRead?.last_read) && this.state.unread > 0) this.setUnread(this.state.unread - 1);
  }

  private onUndeleted(m: Message): void {
    const known = this.find(m.id);
    const isNews = known?.type === "deleted" && timeKey(known.updated_at) < timeKey(m.updated_at);
    if (isNews && this.counts(m) && key(m) > timeKey(this.ownRead?.last_read)) this.setUnread(this.state.unread + 1);
    this.message(m);
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
    if (old && timeKey(old.last_read) >= timeKey(at)) return;
    const entry: ReadState = { ...old, user, last_read: at, unread_messages: 0, ...(messageId && { last_read_message_id: messageId }) };
    delete entry.first_unread_message_id;
    this.set({ read: { ...this.state.read, [user.id]: entry } });
    if (user.id === this.ownId()) this.setUnread(this.countAfter(at));
  }

  /** He has read up to now; or up to the message that is named, when there were others after it. */
  private onRead(e: ChatEvent): void {
    if (!e.user || !e.created_at || e.thread || e.thread_id) return;
    if (!e.cid && this.state.unread === 0) return; // all channels: those where something was unread
    const id = e.last_read_message_id as string | undefined;
    const target = id ? this.find(id) : undefined;
    const isPart = target && this.sent.some((m) => isBefore(target, m) && key(m) <= timeKey(e.created_at) && m.type !== "deleted");
    this.readUpTo(e.user, isPart ? target.created_at : e.created_at, id);
  }

  private onOwnUnread(e: ChatEvent): void {
    if (!e.user || typeof e.last_read_at !== "string") return;
    const unread = (typeof e.unread_messages === "number" ? e.unread_messages : this.state.unread) + this.countAfter(e.created_at);
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
    this.cutBefore((e.channel?.truncated_at as string | undefined) ?? e.created_at);
    if (e.message) this.message(e.message);
  }

  private onHistoryCleared(e: ChatEvent): void {
    this.cutBefore(e.created_at);
    if (e.user && e.created_at && this.ownRead) this.readUpTo(e.user, e.created_at, undefined);
  }

  private cutBefore(at: string | undefined): void {
    if (timeKey(at) > this.cut) this.cut = timeKey(at);
    this.sent = this.sent.filter((m) => key(m) > this.cut);
    this.sentReplies = {};
    this.set({ hasOlder: false });
    const lastRead = this.ownRead?.last_read;
    this.setUnread(this.countAfter(timeKey(lastRead) > timeKey(at) ? lastRead : at));
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
    const isHidden = u.id !== this.ownId() && (u as Partial<OwnUser>).privacy_settings?.read_receipts?.enabled === false;
    if (read && isHidden) part.read = without(old.read, u.id);
    else if (read) part.read = { ...old.read, [u.id]: { ...read, user: u } };
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
    this.hasRead = false;
    this.state = { ...EMPTY };
    this.setMessages();
  }
}
