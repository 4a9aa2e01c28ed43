/* The connection by long polling: connect, poll after poll, goodbye. */
import { BeckError, CODE, toError } from "./errors.js";
import { exchange, type Place, type Reply } from "./http.js";
import { LIMIT } from "./schema.js";
import type { TokenSource } from "./token.js";
import type { TransportHost } from "./transport.js";
import type { ChatEvent } from "./types.js";

export class LongPollTransport {
  /** Empty until the server has said it. */
  id = "";
  private readonly abort = new AbortController();
  private isStopped = false;
  private lastMoment: ReturnType<typeof setTimeout> | undefined;
  private endPause: (() => void) | undefined;

  /** `position`: the last `seq` that came, or null without resume. */
  constructor(
    private readonly place: Place,
    private readonly tokens: TokenSource,
    payload: unknown,
    private readonly position: () => number | null,
    private readonly host: TransportHost,
  ) {
    void this.run(payload);
  }

  /** An attempt that is not wanted any more gets a moment to come to its end, so that the session it makes can be closed. */
  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.endPause?.();
    if (this.id) this.abort.abort();
    else this.lastMoment = setTimeout(() => this.abort.abort(), LIMIT.GOODBYE_MS);
  }

  /** Ends the session on the server too, so that `online` goes off at once. */
  async goodbye(keepalive = false): Promise<void> {
    this.stop();
    if (!this.id) return;
    const query = { connection_id: this.id, close: "true" };
    const deadline = Date.now() + LIMIT.GOODBYE_MS;
    const timer = setTimeout(() => this.tokens.stop(), LIMIT.GOODBYE_MS);
    try {
      const token = this.tokens.now() ?? (await this.tokens.get());
      await exchange(this.place, { method: "GET", path: "/longpoll", query, token, timeout: Math.max(deadline - Date.now(), 1), keepalive });
    } catch {
      /* it expires by itself */
    } finally {
      clearTimeout(timer);
    }
  }

  private async run(payload: unknown): Promise<void> {
    try {
      const reply = await this.ask("POST", {}, { json: payload }, LIMIT.HELLO_MS);
      clearTimeout(this.lastMoment);
      const hello = reply.event as ChatEvent | undefined;
      if (typeof hello?.connection_id !== "string" || hello.connection_id === "")
        throw new BeckError("network", "what answered is no server of this kind");
      this.id = hello.connection_id;
      if (this.isStopped) return void (await this.goodbye());
      this.host.hello(this, hello);
      await this.poll();
    } catch (e) {
      clearTimeout(this.lastMoment);
      if (this.isStopped) return;
      this.isStopped = true;
      this.host.failed(this, toError(e, "network", "long polling"));
    }
  }

  private async poll(): Promise<void> {
    let failures = 0;
    while (!this.isStopped) {
      let token = "";
      try {
        token = await this.tokens.get();
        if (this.isStopped) return;
        const seq = this.position();
        const query = { connection_id: this.id, ...(seq !== null && { seq: String(seq) }) };
        const reply = await this.ask("GET", query, undefined, LIMIT.POLL_MS, token);
        if (!Array.isArray(reply.events)) throw new BeckError("network", "the answer to a poll has no events");
        failures = 0;
        for (const event of reply.events as (ChatEvent | null)[]) {
          if (this.isStopped) return;
          if (typeof event?.type === "string") this.host.event(this, event);
        }
      } catch (e) {
        if (this.isStopped) return;
        const error = toError(e, "network", "long polling");
        const isExpired = error.code === CODE.TOKEN_EXPIRED && this.tokens.reject(token);
        // One poll that failed is not the end of the session: it lives 40 s without.
        if (++failures >= LIMIT.POLL_FAILURES || !(isExpired || error.retryable)) throw error;
        if (!isExpired) await this.pause(Math.max(error.retryAfter ?? 0, 250 * 2 ** failures));
      }
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((go) => {
      const timer = setTimeout(go, ms);
      this.endPause = () => (clearTimeout(timer), go());
    });
  }

  private async ask(method: string, query: Record<string, string>, body: unknown, timeout: number, token?: string): Promise<Reply> {
    return exchange(this.place, {
      method,
      path: "/longpoll",
      query,
      body,
      timeout,
      token: token ?? (await this.tokens.get()),
      signal: this.abort.signal,
    });
  }
}
