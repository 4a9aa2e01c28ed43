/* Calls of the API. Those made before the user is connected wait their turn, in order, and run once he is, or fail together with
 * the reason why he could not be. */
import { BeckError, CODE, toError } from "./errors.js";
import { exchange, whyUnreachable, type Place, type Reply } from "./http.js";
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
  /** Users that have gone. */
  private gone = 0;
  /** Ends pauses and questions of calls that are under way. */
  private readonly interrupts = new Set<(e: BeckError) => void>();

  constructor(private readonly host: CallsHost) {}

  /** There is a user; his calls run from `open` on. */
  begin(tokens: TokenSource): void {
    this.tokens = tokens;
  }

  /** A connection stands. */
  open(): void {
    this.isOpen = true;
    const ready = this.waiting;
    this.waiting = [];
    for (const w of ready) w.go();
  }

  /** All that wait end with this, and new ones wait for the next user. */
  end(why: BeckError): void {
    const all = [...this.waiting.map((w) => w.fail), ...this.interrupts];
    this.waiting = [];
    this.interrupts.clear();
    this.tokens = null;
    this.isOpen = false;
    for (const fail of all) fail(why);
  }

  /** The user has gone: what he asked and is answered from now on must not be taken for the next one's. */
  forget(): void {
    this.gone++;
  }

  /** Ends with this at the latest, and when the user goes. `ms` without `call` is a pause. */
  private bounded<T>(ms: number, call?: Promise<T>): Promise<T> {
    return new Promise<T>((go, fail) => {
      const end = (then: () => void) => {
        clearTimeout(timer);
        this.interrupts.delete(interrupt);
        then();
      };
      const interrupt = (e: BeckError) => end(() => fail(e));
      const late = () => (call ? fail(new BeckError("timeout", "no token came in time")) : go(undefined as T));
      const timer = setTimeout(() => end(late), Math.max(ms, 0));
      this.interrupts.add(interrupt);
      call?.then(
        (v) => end(() => go(v)),
        (e: unknown) => end(() => fail(e)),
      );
    });
  }

  async request(method: string, path: string, options: CallOptions = {}): Promise<Reply> {
    const deadline = Date.now() + (options.timeout ?? this.host.timeout);
    const needs = options.needsConnection === true;
    const gone = this.gone;
    let renewed = false;
    let tokens = this.tokens; // null: of whoever is connected next
    for (let attempt = 1; ; attempt++) {
      if (!this.isOpen || (needs && !this.host.connectionId())) await this.turn(deadline);
      tokens ??= this.tokens;
      if (!tokens || tokens !== this.tokens) throw new BeckError("state", "disconnected");
      const id = needs ? this.host.connectionId() : "";
      let token = "";
      let last: ReturnType<typeof setTimeout> | undefined;
      const abort = new AbortController();
      // Who leaves lets it come to its end, but not for long.
      const leave = () => void (last = setTimeout(() => abort.abort(), LIMIT.GOODBYE_MS));
      try {
        token = tokens.now() ?? (await this.bounded(deadline - Date.now(), tokens.get()));
        this.interrupts.add(leave);
        const reply = await exchange(this.host.place, {
          method,
          path,
          token,
          query: { ...options.query, ...(needs && { connection_id: id }) },
          body: options.body,
          timeout: Math.max(deadline - Date.now(), 1),
          signal: abort.signal,
        }).finally(() => {
          clearTimeout(last);
          this.interrupts.delete(leave);
        });
        if (gone !== this.gone) throw new BeckError("state", "disconnected before the answer came");
        if (tokens !== this.tokens) return reply;
        this.host.answered(options, reply);
        // The connection that was to watch is not the one that is there now: once more, for that one.
        if (needs && id !== this.host.connectionId() && Date.now() < deadline) continue;
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
        const pause = Math.max(error.retryAfter ?? 0, 250 * 2 ** attempt * (0.5 + Math.random() / 2));
        const isSafe = method === "GET" || error.status === 429 || error.status === 503;
        if (error.code === CODE.NOT_FOUND && error.message.startsWith("Request failed")) throw noSuchCall(method, path, error);
        if (!error.retryable || !isSafe || attempt >= LIMIT.CALL_ATTEMPTS || Date.now() + pause >= deadline) throw await this.explained(error);
        await this.bounded(pause);
      }
    }
  }

  /** A WebSocket that stands while calls do not get through: a server that lets this page do the one and not the other looks so. */
  private async explained(error: BeckError): Promise<BeckError> {
    if (error.kind !== "network" || error.status !== 0 || !this.host.connectionId()) return error;
    return new BeckError("network", await whyUnreachable(this.host.place), { cause: error });
  }

  private turn(deadline: number): Promise<void> {
    if (this.waiting.length >= this.host.maxQueue)
      throw new BeckError("full", `${this.host.maxQueue} calls wait for the connection already`);
    return new Promise((go, fail) => {
      const why = this.tokens === null ? "nobody is connected: call connectUser" : "the connection did not come in time";
      const leave = () => {
        clearTimeout(timer);
        this.waiting = this.waiting.filter((x) => x !== w);
      };
      const w: Waiting = { go: () => (leave(), go()), fail: (e) => (leave(), fail(e)) };
      const kind = this.tokens === null ? "state" : "timeout";
      const timer = setTimeout(() => w.fail(new BeckError(kind, why, { retryable: true })), Math.max(deadline - Date.now(), 0));
      this.waiting.push(w);
    });
  }
}
