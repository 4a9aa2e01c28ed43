/* What travels, as the server says it, and what callers give. Names are the wire's. */

import type { ServerEventType } from "./schema.js";

/** A switch that is left out is on. */
export interface PrivacySettings {
  typing_indicators?: { enabled: boolean };
  read_receipts?: { enabled: boolean };
  delivery_receipts?: { enabled: boolean };
}

/** What a user says of himself when he connects: merged into what the server has, key by key; null removes a key. */
export interface UserInput {
  id: string;
  name?: string | null;
  image?: string | null;
  invisible?: boolean;
  privacy_settings?: PrivacySettings;
  [custom: string]: unknown;
}

export interface User {
  id: string;
  name?: string;
  image?: string;
  role?: string;
  online?: boolean;
  last_active?: string;
  created_at?: string;
  updated_at?: string;
  [custom: string]: unknown;
}

/** The user of this client, as only he sees himself. */
export interface OwnUser extends User {
  invisible?: boolean;
  privacy_settings?: PrivacySettings;
  total_unread_count: number;
  unread_channels: number;
  unread_threads: number;
}

export interface Attachment {
  type?: string;
  [key: string]: unknown;
}

export interface MessageInput {
  text?: string;
  /** Made by the client when left out, so that a send that is tried again is stored once. */
  id?: string;
  parent_id?: string;
  show_in_channel?: boolean;
  quoted_message_id?: string;
  mentioned_users?: string[];
  attachments?: Attachment[];
  silent?: boolean;
  [custom: string]: unknown;
}

/** `sent`: the server has it. `pending`: on its way, or waiting for the connection. `failed`: refused; retry or drop it. */
export type MessageStatus = "sent" | "pending" | "failed";

export interface Message {
  id: string;
  text: string;
  type: string;
  cid?: string;
  user: User | null;
  created_at: string;
  updated_at: string;
  deleted_at?: string | null;
  parent_id?: string | null;
  show_in_channel?: boolean;
  quoted_message_id?: string | null;
  quoted_message?: Message | null;
  reply_count?: number;
  thread_participants?: User[];
  mentioned_users?: User[];
  attachments?: Attachment[];
  pinned?: boolean;
  silent?: boolean;
  /** Made by this client; the wire has no such key. */
  status: MessageStatus;
  /** Why a `failed` one failed. */
  error?: { code: number; message: string };
  [custom: string]: unknown;
}

export interface Member {
  user_id: string;
  user?: User;
  channel_role?: string;
  banned?: boolean;
  invited?: boolean;
  status?: string;
  created_at?: string;
  updated_at?: string;
  [custom: string]: unknown;
}

/** How far somebody has read. People who hide it have no entry. */
export interface ReadState {
  user: User;
  last_read: string;
  last_read_message_id?: string;
  unread_messages: number;
  first_unread_message_id?: string;
  last_delivered_at?: string;
  last_delivered_message_id?: string;
}

export interface ChannelData {
  id: string;
  type: string;
  cid: string;
  name?: string;
  image?: string;
  created_at?: string;
  updated_at?: string;
  last_message_at?: string | null;
  deleted_at?: string | null;
  created_by?: User | null;
  frozen?: boolean;
  disabled?: boolean;
  hidden?: boolean;
  member_count?: number;
  own_capabilities?: string[];
  config?: ChannelConfig;
  [custom: string]: unknown;
}

export interface ChannelConfig {
  typing_events?: boolean;
  read_events?: boolean;
  replies?: boolean;
  max_message_length?: number;
  [key: string]: unknown;
}

/** An event, the server's or (see `LocalEventType`) made here. */
export interface ChatEvent {
  type: string;
  created_at?: string;
  cid?: string;
  channel_type?: string;
  channel_id?: string;
  channel?: ChannelData;
  user?: User;
  member?: Member;
  message?: Message;
  me?: OwnUser;
  parent_id?: string;
  watcher_count?: number;
  total_unread_count?: number;
  unread_channels?: number;
  unread_threads?: number;
  connection_id?: string;
  online?: boolean;
  transport?: Transport;
  gap?: boolean;
  is_final?: boolean;
  error?: { code: number; message: string };
  /** Position in the server's log; durable events have one. */
  seq?: number;
  [key: string]: unknown;
}

/** Events that this library makes. `connection.changed`: `online`, and when it ended for good `is_final` and `error`;
 * `connection.recovered`: what was missed has been given out, unless `gap`; `transport.changed`: `transport`. */
export type LocalEventType = "connection.changed" | "connection.recovered" | "transport.changed";

/** The server's events, those made here, "all", and what an application names itself. */
export type EventType = ServerEventType | LocalEventType | "all" | (string & {});

export type Transport = "websocket" | "longpoll";

/** Where the connection is. `off`: no user. `connecting`: the first attempts. `online`. `waiting`: lost, the next attempt comes at
 * `retryAt`. `failed`: given up, `error` says why; `connectUser` starts anew. */
export type ConnectionState = "off" | "connecting" | "online" | "waiting" | "failed";

export interface Connection {
  state: ConnectionState;
  transport: Transport | null;
  /** The `connection_id`; empty without a connection. */
  id: string;
  /** Milliseconds since 1970: when anything last came from the server. */
  lastEventAt: number | null;
  retryAt: number | null;
  error: Error | null;
}

/** A token, or a function that fetches one from the application's own backend. */
export type TokenOrProvider = string | (() => string | Promise<string>);

/** A place that keeps text between visits: `localStorage` has this form. */
export interface KeyValueStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** The parts of a browser's WebSocket that are used. Two handlers are typed as methods are, so that those of platforms fit, whose events have
 * more. */
export interface WebSocketLike {
  readyState: number;
  onopen: ((event: never) => unknown) | null;
  onmessage: { given(event: { data: unknown }): unknown }["given"] | null;
  onerror: ((event: never) => unknown) | null;
  onclose: { given(event: { code: number; reason: string }): unknown }["given"] | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export interface Options {
  /** Where the server is, with a path prefix if it has one. Left out: the server that this module was loaded from. */
  baseURL?: string;
  /** Milliseconds that connecting, and each call, may take. Default 6000. */
  timeout?: number;
  /** Long polling where WebSocket does not get through. Default off. */
  enableWSFallback?: boolean;
  /** The same, as the documentation of the two calls spells it elsewhere. */
  enableWSFallBack?: boolean;
  /** Milliseconds that WebSocket is given before long polling is tried beside it. Default 500. */
  wsHeadStart?: number;
  /** The longest pause between two attempts, in milliseconds. Default 30000. */
  maxReconnectWait?: number;
  /** Calls that may wait for the connection. Default 1000. */
  maxQueue?: number;
  /** Messages that may be on their way or failed. Default 1000. */
  maxOutbox?: number;
  /** Keeps unsent messages over a reload of the page. Default: localStorage where there is one; null: keep nothing. */
  storage?: KeyValueStorage | null;
  /** Told what the connection does. */
  logger?: (level: "debug" | "info" | "warn" | "error", text: string) => void;
  /** Replace what the platform has: for platforms without, for tests, and for pages that show faults. */
  fetch?: typeof fetch;
  WebSocket?: new (url: string) => WebSocketLike;
}

export type Sort = { field: string; direction?: 1 | -1 }[] | Record<string, 1 | -1>;
export type Filter = Record<string, unknown>;

export interface QueryChannelsOptions {
  limit?: number;
  offset?: number;
  message_limit?: number;
  member_limit?: number;
  watch?: boolean;
  presence?: boolean;
  state?: boolean;
}

export interface MessagePage {
  limit?: number;
  id_lt?: string;
  id_lte?: string;
  id_gt?: string;
  id_gte?: string;
  id_around?: string;
}

export interface Subscription {
  unsubscribe(): void;
}
export type Handler = (event: ChatEvent) => void;
