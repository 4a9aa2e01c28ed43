/* Calls of the API. Those made before the user is connected wait their turn, in order, and run once he is, or fail together with
 * the reason why he could not be. */
import { BeckError, CODE, toError } from "./errors.js";
import { exchange, type Place, type Reply } from "./http.js";
import { LIMIT } from "./schema.js";
import type { TokenSource } from "./token.js";

export interface CallOptions {
  query?: Record<string, unknown>;
  body?: unknown;
  /** The call watches or subscribes: it waits for the connection and carries its id. */
  needsConnection?: boolean;
  timeout?: number;
}

const noSuchCall = (method: string, path: string, cause: BeckError): BeckError =>
  new BeckError("api", `the server has no ${method} ${path}: it is older than this client, or something else answers in its place`, {
    code: cause.code,
    status: cause.status,
    cause,
  });

interface Waiting {
  needsConnection: boolean;
  go(): void;
  fail(e: BeckError): void;
}

export interface CallsHost {
  place: Place;
  timeout: number;
  maxQueue: number;
  /** Empty while there is no connection. */
  connectionId(): string;
  idIsUnknown(id: string): void;
  answered(options: CallOptions, reply: Reply): void;
}

export class Calls {
  /** Null: no user yet. */
  private tokens: TokenSource | null = null;
  private isOpen = false;
  private waiting: Waiting[] = [];

  constructor(private readonly host: CallsHost) {}

  /** There is a user; his calls run from `open` on. */
  begin(tokens: TokenSource): void {
    this.tokens = tokens;
  }

  /** The user has been connected (`isOnline`: is connected now). */
  open(isOnline: boolean): void {
    this.isOpen = true;
    const ready = this.waiting.filter((w) => isOnline || !w.needsConnection);
    this.waiting = this.waiting.filter((w) => !ready.includes(w));
    for (const w of ready) w.go();
  }

  /** All that wait end with this, and new ones wait for the next user. */
  end(why: BeckError): void {
    const all = this.waiting;
    this.waiting = [];
    this.tokens = null;
    this.isOpen = false;
    for (const w of all) w.fail(why);
  }

  async request(method: string, path: string, options: CallOptions = {}): Promise<Reply> {
    const deadline = Date.now() + (options.timeout ?? this.host.timeout);
    const needs = options.needsConnection === true;
    let renewed = false;
    for (let attempt = 1; ; attempt++) {
      if (!this.isOpen || (needs && !this.host.connectionId())) await this.turn(needs, deadline);
      const tokens = this.tokens!;
      const id = needs ? this.host.connectionId() : "";
      let token = "";
      try {
        token = await tokens.get();
        const reply = await exchange(this.host.place, {
          method,
          path,
          token,
          query: { ...options.query, ...(needs && { connection_id: id }) },
          body: options.body,
          timeout: Math.max(deadline - Date.now(), 1),
        });
        if (tokens === this.tokens) this.host.answered(options, reply);
        return reply;
      } catch (e) {
        const error = toError(e, "network", "the call failed");
        if (tokens !== this.tokens) throw error;
        if (error.code === CODE.TOKEN_EXPIRED && !renewed && tokens.reject(token)) {
          renewed = true;
          continue;
        }
        if (error.code === CODE.CONNECTION_ID && needs) {
          this.host.idIsUnknown(id);
          if (Date.now() < deadline) continue;
        }
        const pause = error.retryAfter ?? 250 * 2 ** attempt * (0.5 + Math.random() / 2);
        const isSafe = method === "GET" || error.status === 429 || error.status === 503;
        if (error.code === CODE.NOT_FOUND && error.message.startsWith("Request failed")) throw noSuchCall(method, path, error);
        if (!error.retryable || !isSafe || attempt >= LIMIT.CALL_ATTEMPTS || Date.now() + pause >= deadline) throw error;
        await new Promise((go) => setTimeout(go, pause));
      }
    }
  }

  private turn(needsConnection: boolean, deadline: number): Promise<void> {
    if (this.waiting.length >= this.host.maxQueue)
      throw new BeckError("full", `${this.host.maxQueue} calls wait for the connection already`);
    return new Promise((go, fail) => {
      const why = this.tokens === null ? "nobody is connected: call connectUser" : "the connection did not come in time";
      const leave = () => {
        clearTimeout(timer);
        this.waiting = this.waiting.filter((x) => x !== w);
      };
      const w: Waiting = { needsConnection, go: () => (leave(), go()), fail: (e) => (leave(), fail(e)) };
      const kind = this.tokens === null ? "state" : "timeout";
      const timer = setTimeout(() => w.fail(new BeckError(kind, why, { retryable: true })), Math.max(deadline - Date.now(), 0));
      this.waiting.push(w);
    });
  }
}
