/* The connection of one user: which transport carries it, when it is tried again, what is missed meanwhile. Both transports are ways
 * to drain one stream; a durable event carries `seq`, so none is lost, repeated or out of order when they change. */
import { BeckError, CODE, toError } from "./errors.js";
import { AGENT, urlOf, type Place } from "./http.js";
import { LongPollTransport } from "./longpoll.js";
import { LIMIT } from "./schema.js";
import { Timers } from "./timers.js";
import type { TokenSource } from "./token.js";
import type { TransportHost } from "./transport.js";
import type { ChatEvent, Connection, Transport, UserInput, WebSocketLike } from "./types.js";
import { WebSocketTransport } from "./websocket.js";

/** With fallback, how often WebSocket is tried again while long polling works. */
const WS_RETRY_MS = 300_000;

export interface LinkSettings {
  place: Place;
  timeout: number;
  fallback: boolean;
  headStart: number;
  maxWait: number;
  WebSocket: (new (url: string) => WebSocketLike) | undefined;
  log(level: "debug" | "info" | "warn" | "error", text: string): void;
}

export interface LinkHost {
  /** An event of the server: each durable one once, in order. */
  event(event: ChatEvent): void;
  local(event: ChatEvent): void;
  /** Something in `connection` is different. */
  changed(): void;
  /** A connection stands; its first event is given after this. `isFirst`: of this user. */
  up(isFirst: boolean, hello: ChatEvent): void;
  /** It will not come back by itself. */
  gaveUp(error: BeckError, wasUp: boolean): void;
  /** Watch again, ask what was missed since this time; for servers that do not resume. False: something stays missing. */
  recover(since: string | null, isCurrent: () => boolean): Promise<boolean>;
}

type State = "off" | "trying" | "up" | "paused" | "failed";
type TimerName = "first" | "pause" | "headStart" | "takeOver" | "recovered";

export class Link implements TransportHost {
  readonly watched = new Set<string>();
  readonly followed = new Set<string>();
  /** What the WebSocket that is on its way was told of them. */
  private carried = new Set<string>();
  private state: State = "off";
  private transport: Transport | null = null;
  private id = "";
  private seq: number | null = null;
  private ws: WebSocketTransport | null = null;
  private poll: LongPollTransport | null = null;
  private tokens!: TokenSource;
  private user!: UserInput;
  private wsFailed = false;
  private pollFailed = false;
  private wasUp = false;
  private hasNewToken = false;
  private hasGap = false;
  private isRecovering = false;
  private attempts = 0;
  private shortLives = 0;
  private upSince = 0;
  private takeOverWait = WS_RETRY_MS;
  private serial = 0;
  private recovery = 0;
  private lastEventAt: number | null = null;
  private lastEventTime: string | null = null;
  private retryAt: number | null = null;
  private firstDeadline = 0;
  private error: BeckError | null = null;
  private readonly timers = new Timers<TimerName>();

  constructor(
    private readonly set: LinkSettings,
    private readonly host: LinkHost,
  ) {}

  get connection(): Connection {
    const state = ({ off: "off", trying: this.wasUp ? "waiting" : "connecting", up: "online", paused: this.wasUp ? "waiting" : "connecting", failed: "failed" } as const)[
      this.state
    ];
    return {
      state,
      transport: this.state === "up" ? this.transport : null,
      id: this.onlineId,
      lastEventAt: this.lastEventAt,
      retryAt: this.state === "paused" ? this.retryAt : null,
      error: this.error,
    };
  }

  get onlineId(): string {
    return this.state === "up" ? this.id : "";
  }

  /* ---- beginning and end ---- */

  start(user: UserInput, tokens: TokenSource): void {
    this.user = user;
    this.tokens = tokens;
    this.wasUp = this.hasNewToken = this.hasGap = false;
    this.attempts = this.shortLives = 0;
    this.seq = this.lastEventAt = null;
    this.lastEventTime = this.error = null;
    this.id = "";
    this.transport = null;
    this.watched.clear();
    this.followed.clear();
    this.firstDeadline = Date.now() + this.set.timeout;
    this.timers.set("first", this.set.timeout, () => {
      const text = `${this.set.place.baseURL} did not answer within ${this.set.timeout} ms`;
      this.giveUp(this.error ?? new BeckError("timeout", text));
    });
    this.tryNow();
  }

  /** Ends the session on the server; the token must still be there. Resolves within two seconds, whatever the network does. */
  async stop(): Promise<void> {
    const wasUp = this.state === "up";
    const poll = wasUp && this.transport === "longpoll" ? this.poll : null;
    this.endOff("off");
    this.error = null;
    if (wasUp) this.host.local({ type: "connection.changed", online: false });
    this.host.changed();
    await poll?.goodbye();
  }

  /** The page goes away: a polling session would stay `online` for 40 s. */
  leavePage(): void {
    if (this.state !== "up" || this.transport !== "longpoll") return;
    void this.poll?.goodbye(true);
    this.lost(new BeckError("network", "the page was left"), false); // it may be shown again
  }

  private endOff(state: State): void {
    this.serial++;
    this.stopTransports();
    this.timers.stopAll();
    this.tokens?.stop();
    this.recovery++;
    this.isRecovering = false;
    this.enter(state);
  }

  private enter(state: State): void {
    this.state = state;
    this.host.changed();
  }

  private stopTransports(): void {
    this.timers.stop("headStart");
    this.timers.stop("takeOver");
    this.ws?.stop();
    this.poll?.stop();
    this.ws = this.poll = null;
  }

  /* ---- trying ---- */

  private get canResume(): boolean {
    return this.seq !== null;
  }

  private get isFlapping(): boolean {
    return this.shortLives >= LIMIT.SHORT_LIVES;
  }

  private tryNow(): void {
    this.timers.stop("pause");
    this.wsFailed = this.pollFailed = false;
    this.enter("trying");
    const serial = ++this.serial;
    const isCurrent = () => serial === this.serial && this.state === "trying";
    this.tokens.get().then(
      () => {
        if (isCurrent()) this.startTries();
      },
      (e: unknown) => {
        if (!isCurrent()) return;
        const error = toError(e, "token", "no token");
        if (this.wasUp || error.retryable) this.attemptFailed(error);
        else this.giveUp(error);
      },
    );
  }

  private startTries(): void {
    if (this.set.fallback && (this.isFlapping || !this.set.WebSocket)) {
      this.wsFailed = true;
      this.startPoll();
      return;
    }
    if (this.set.fallback)
      this.timers.set("headStart", this.set.headStart, () => {
        if (this.state === "trying" && !this.poll && !this.pollFailed) this.startPoll();
      });
    this.startWs();
  }

  /** The user is merged once: a reconnect must not undo what was changed since, here or elsewhere. */
  private payload(resumeFrom: unknown): Record<string, unknown> {
    return {
      user_id: this.user.id,
      user_details: this.wasUp ? { id: this.user.id } : this.user,
      server_determines_connection_id: true,
      resume: true,
      ...(resumeFrom !== undefined && { resume_from: resumeFrom }),
    };
  }

  private resumeFrom(): Record<string, unknown> {
    this.carried = new Set([...this.watched, ...this.followed]);
    return { seq: this.seq, connection_id: this.id, watch: [...this.watched], presence: [...this.followed] };
  }

  private startWs(): void {
    const resumes = this.canResume;
    const token = this.tokens.now() ?? "";
    const query = {
      json: this.payload(resumes ? "frame" : undefined),
      authorization: token || undefined,
      "stream-auth-type": token ? "jwt" : "anonymous",
      "X-Stream-Client": AGENT,
    };
    const url = urlOf(this.set.place, "/connect", query).replace(/^http/, "ws");
    try {
      if (!this.set.WebSocket) throw new Error("this platform has none");
      this.ws = new WebSocketTransport(this.set.WebSocket, url, resumes ? JSON.stringify({ resume_from: this.resumeFrom() }) : null, this);
    } catch (e) {
      this.ws = null;
      this.wsDown(toError(e, "network", "WebSocket"), false);
    }
  }

  private startPoll(): void {
    const payload = this.payload(this.canResume ? this.resumeFrom() : undefined);
    this.poll = new LongPollTransport(this.set.place, this.tokens, payload, () => this.seq, this);
  }

  private giveUp(error: BeckError): void {
    const wasUp = this.wasUp;
    this.set.log("error", `connection: given up: ${error.message}`);
    this.error = error;
    this.endOff("failed");
    this.host.gaveUp(error, wasUp);
    if (!wasUp) return;
    const { code, message } = error;
    this.host.local({ type: "connection.changed", online: false, is_final: true, error: { code, message } });
  }

  /** Exponential with full jitter; a wish of the server wins. */
  private pauseMs(): number {
    const wish = this.error?.retryAfter;
    if (wish !== undefined) return Math.min(wish, this.set.maxWait);
    return Math.random() * Math.min(1000 * 2 ** Math.min(this.attempts - 1, 20), this.set.maxWait);
  }

  private pauseFor(ms: number): void {
    this.stopTransports();
    this.retryAt = Date.now() + ms;
    this.enter("paused");
    this.set.log("info", `connection: next attempt in ${Math.round(ms)} ms`);
    this.timers.set("pause", ms, () => this.tryNow());
  }

  private attemptFailed(error: BeckError): void {
    this.error = error;
    this.attempts++;
    this.set.log("warn", `connection: attempt ${this.attempts} failed: ${error.message}`);
    const left = this.firstDeadline - Date.now();
    const ms = this.pauseMs();
    if (!this.wasUp && left < 100) this.giveUp(error);
    // A long pause must not use up the first connect's time: the server may be there in a moment.
    else this.pauseFor(this.wasUp ? ms : Math.min(ms, left / 2));
  }

  private refused(error: BeckError): void {
    const renew = () => this.tokens.reject(this.tokens.now() ?? "");
    this.error = error;
    if (error.code === CODE.TOKEN_EXPIRED && !this.hasNewToken && renew()) {
      this.set.log("info", "connection: the token is not valid any more");
      this.stopTransports();
      this.hasNewToken = true;
      this.tryNow();
    } else if (error.code === CODE.INPUT && this.wasUp && this.canResume) {
      // A resume that the server does not understand must not keep the client out for ever.
      this.seq = null;
      this.hasGap = true;
      this.attemptFailed(error);
    } else if (error.retryable || (error.code === CODE.TOKEN_EXPIRED && this.wasUp && renew())) {
      this.attemptFailed(error);
    } else {
      this.giveUp(error);
    }
  }

  /* ---- up ---- */

  hello(from: object, event: ChatEvent): void {
    if (from !== this.ws && from !== this.poll) return;
    const kind: Transport = from === this.ws ? "websocket" : "longpoll";
    if (this.state === "trying") this.cameUp(kind, event);
    else if (this.state === "up" && this.transport === "longpoll" && kind === "websocket") this.tookOver(event);
    if (this.onlineId === event.connection_id) this.host.event(event); // else who was told has disconnected
  }

  private readHello(event: ChatEvent): { resumed: boolean; gap: boolean } {
    const resumed = event.resumed === true;
    this.id = event.connection_id!;
    this.lastEventAt = Date.now();
    if (typeof event.seq !== "number") this.seq = null;
    else if (!resumed) this.seq = event.seq;
    return { resumed, gap: event.gap === true };
  }

  /** How the other transport stands when this one has won. */
  private settle(winner: Transport): void {
    this.timers.stop("headStart");
    this.timers.stop("takeOver");
    if (winner === "websocket") {
      // With resume the server ends the session that was polled, once all is given.
      if (this.canResume) this.poll?.stop();
      else void this.poll?.goodbye();
      this.poll = null;
      return;
    }
    // Slower is not broken: then it gets its chance soon.
    this.takeOverWait = this.isFlapping ? WS_RETRY_MS : this.wsFailed ? LIMIT.WS_AGAIN_MS : LIMIT.WS_SOON_MS;
    this.ws?.stop();
    this.ws = null;
    this.planTakeOver();
  }

  private cameUp(kind: Transport, event: ChatEvent): void {
    const isFirst = !this.wasUp;
    const before = this.transport;
    const { resumed, gap } = this.readHello(event);
    this.settle(kind);
    this.timers.stop("first");
    this.transport = kind;
    this.error = null;
    this.wasUp = true;
    this.upSince = Date.now();
    this.set.log("info", `connection: up by ${kind}, id ${this.id}${resumed ? ", resumed" : gap ? ", with a gap" : ""}`);
    this.enter("up");
    this.host.up(isFirst, event);
    this.host.local({ type: "connection.changed", online: true });
    if (before !== null && before !== kind && this.state === "up") this.host.local({ type: "transport.changed", transport: kind });
    if (!isFirst && this.state === "up") this.recover(resumed, gap);
    this.noteTime(event);
  }

  /** Without positions it is the time that says what was missed, from the hello on. */
  private noteTime(event: ChatEvent): void {
    if (this.seq === null && event.created_at) this.lastEventTime = event.created_at;
  }

  /** WebSocket takes over from long polling in mid-session: nothing went offline. */
  private tookOver(event: ChatEvent): void {
    const before = this.seq;
    const { resumed, gap } = this.readHello(event);
    if (before !== null && this.seq !== null && !gap) this.seq = Math.max(before, this.seq);
    this.settle("websocket");
    this.transport = "websocket";
    this.upSince = Date.now();
    this.set.log("info", `connection: WebSocket took over, id ${this.id}`);
    this.host.changed();
    this.host.local({ type: "transport.changed", transport: "websocket" });
    // What was asked of the old connection meanwhile, the new one does not know.
    const isAll = [...this.watched, ...this.followed].every((name) => this.carried.has(name));
    if (!resumed) this.recover(resumed, gap);
    else if (!isAll) void this.host.recover(null, () => this.id === event.connection_id);
    this.noteTime(event);
  }

  private planTakeOver(): void {
    const wait = this.takeOverWait;
    this.takeOverWait = Math.min(wait * 2, WS_RETRY_MS);
    this.timers.set("takeOver", wait, () => this.takeOver());
  }

  private takeOver(): void {
    if (this.state !== "up" || this.transport !== "longpoll" || this.ws) return;
    if (this.tokens.now() === null) this.planTakeOver();
    else this.startWs();
  }

  private recover(resumed: boolean, gap: boolean): void {
    this.hasGap ||= gap;
    this.isRecovering = true;
    if (resumed) {
      this.recoveredSoon();
    } else if (gap) {
      this.recovered(); // the watches were taken along
    } else {
      const run = ++this.recovery;
      const isCurrent = () => run === this.recovery;
      void this.host.recover(this.lastEventTime, isCurrent).then((isWhole) => {
        if (!isCurrent()) return;
        this.hasGap ||= !isWhole;
        this.recovered();
      });
    }
  }

  /** A server that does not say when it has caught up has been silent for a while. */
  private recoveredSoon(): void {
    this.timers.set("recovered", LIMIT.RECOVERED_MS, () => this.recovered());
  }

  private recovered(): void {
    const gap = this.hasGap;
    this.isRecovering = this.hasGap = false;
    this.timers.stop("recovered");
    this.host.local({ type: "connection.recovered", gap });
  }

  /** What was missed could not be brought: the next connection tells of it again. */
  stillMissing(): void {
    this.hasGap = true;
  }

  event(from: object, event: ChatEvent): void {
    const isCurrent = this.state === "up" && from === (this.transport === "websocket" ? this.ws : this.poll);
    if (!isCurrent) return;
    const isEnd = event.type === "health.check" && event.caught_up === true;
    this.lastEventAt = Date.now();
    if (this.seq !== null && typeof event.seq === "number" && event.seq > 0) {
      if (event.seq <= this.seq) {
        if (!isEnd) return; // it was given out before
      } else {
        this.seq = event.seq;
      }
    }
    if (this.timers.has("recovered")) this.recoveredSoon();
    this.noteTime(event);
    if (event.cid && /^(channel\.deleted|notification\.(channel_deleted|removed_from_channel))$/.test(event.type)) this.watched.delete(event.cid);
    this.host.changed();
    this.host.event(event);
    if (isEnd && this.isRecovering) this.recovered();
  }

  /* ---- down ---- */

  failed(from: object, error: BeckError): void {
    const isRefusal = error.kind === "api" && error.code !== CODE.CONNECTION_ID;
    if (from === this.ws) {
      this.ws = null;
      this.wsDown(error, isRefusal);
    } else if (from === this.poll) {
      this.poll = null;
      this.pollDown(error, isRefusal);
    }
  }

  private wsDown(error: BeckError, isRefusal: boolean): void {
    if (this.state === "trying") {
      this.wsFailed = true;
      if (isRefusal) return this.refusedNow(error);
      this.tryFailed(error);
      if (this.set.fallback && !this.poll && !this.pollFailed) this.startPoll();
      else if (!this.poll) this.attemptFailed(error);
    } else if (this.state === "up" && (this.transport === "websocket" || !this.poll)) {
      this.lost(error, isRefusal);
    } else if (this.state === "up") {
      this.planTakeOver();
    }
  }

  private pollDown(error: BeckError, isRefusal: boolean): void {
    if (this.state === "trying") {
      this.pollFailed = true;
      if (isRefusal && !this.ws) return this.refusedNow(error);
      this.tryFailed(error);
      if (!this.ws) this.attemptFailed(error);
    } else if (this.state === "up" && this.transport === "longpoll" && !this.ws) {
      this.lost(error, isRefusal);
    }
    // With a WebSocket on its way the server has ended the polled session for it. If it does not come, that is the loss.
  }

  private refusedNow(error: BeckError): void {
    this.stopTransports();
    this.refused(error);
  }

  private tryFailed(error: BeckError): void {
    this.error = error;
    this.set.log("info", `connection: ${error.message}`);
  }

  private lost(error: BeckError, isRefusal: boolean): void {
    const lived = Date.now() - this.upSince;
    if (this.transport === "websocket") this.shortLives = lived < LIMIT.SHORT_LIFE_MS ? this.shortLives + 1 : 0;
    // One that lets in and throws out at once is no better than one that does not let in.
    if (lived >= LIMIT.RECOVERED_MS) {
      this.attempts = 0;
      this.hasNewToken = false;
    }
    this.set.log("warn", `connection: lost: ${error.message}`);
    this.recovery++;
    this.timers.stop("recovered");
    this.hasGap ||= this.isRecovering && !this.canResume;
    this.isRecovering = false;
    this.error = error;
    this.attempts++;
    this.stopTransports();
    this.state = "trying"; // nobody who is told now may take it for online
    const serial = ++this.serial;
    this.host.local({ type: "connection.changed", online: false });
    if (serial !== this.serial) return; // who was told has disconnected
    if (isRefusal && !error.retryable) {
      this.refused(error);
    } else {
      this.pauseFor(this.pauseMs());
    }
  }

  /** The server does not know this connection any more. */
  idIsUnknown(id: string): void {
    if (this.state === "up" && id === this.id) this.lost(new BeckError("network", "the server does not know this connection any more"), false);
  }

  /** The device is online again, or awake. */
  networkChanged(): void {
    this.shortLives = 0;
    if (this.state === "paused") {
      this.attempts = 0;
      this.tryNow();
    } else if (this.state === "up" && this.transport === "websocket") {
      this.ws?.lookAlive();
    } else if (this.state === "up") {
      this.takeOver();
    }
  }
}
