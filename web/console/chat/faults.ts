/* Real faults between the page and the server, made in the two functions by which the client reaches it. */
import type { Options, TokenOrProvider, WebSocketLike } from "beck-chat";
import { Followed } from "./follow.js";

/** `blocked`: refused at once, as strict firewalls do. `swallowed`: nothing ever arrives, as behind bad proxies. */
export type WebSocketFault = "none" | "blocked" | "swallowed";

export class Faults extends Followed {
  isCut = false;
  webSocket: WebSocketFault = "none";
  /** Until the client has asked for a new token, each request carries one that has expired. */
  isTokenExpired = false;
  private readonly underway = new Set<AbortController>();
  private readonly sockets = new Set<Socket>();

  /** One that the server refuses with code 40; without it, expiring cannot be shown. */
  constructor(readonly expiredToken: string | null) {
    super();
  }

  readonly options: Pick<Options, "fetch" | "WebSocket"> = {
    fetch: (input, init) => this.fetch(input, init),
    WebSocket: socketsOf(this),
  };

  /** The provider, which ends the expiry. */
  provider(token: TokenOrProvider): () => Promise<string> {
    return async () => {
      const fresh = typeof token === "string" ? token : await token();
      if (this.isTokenExpired) {
        this.isTokenExpired = false;
        this.changed();
      }
      return fresh;
    };
  }

  cut(isCut: boolean): void {
    this.isCut = isCut;
    this.changed();
    if (isCut) this.drop();
  }

  setWebSocket(fault: WebSocketFault): void {
    this.webSocket = fault;
    this.changed();
    if (fault === "blocked") this.dropSockets();
  }

  /** The connection drops too: an open WebSocket is not asked for its token again. */
  expireToken(): void {
    if (!this.expiredToken) return;
    this.isTokenExpired = true;
    this.changed();
    this.drop();
  }

  connect(url: string, socket: Socket): WebSocket {
    this.sockets.add(socket);
    const to = new URL(url);
    if (this.isTokenExpired && to.searchParams.has("authorization")) to.searchParams.set("authorization", this.expiredToken!);
    return new WebSocket(to);
  }

  forget(socket: Socket): void {
    this.sockets.delete(socket);
  }

  private drop(): void {
    for (const request of this.underway) request.abort();
    this.dropSockets();
  }

  private dropSockets(): void {
    for (const socket of [...this.sockets]) socket.drop();
  }

  private async fetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    if (this.isCut) throw new TypeError("the network is cut");
    const headers = new Headers(init.headers);
    if (this.isTokenExpired && headers.has("authorization")) headers.set("authorization", this.expiredToken!);
    const breaker = new AbortController();
    this.underway.add(breaker);
    const signal = init.signal ? AbortSignal.any([init.signal, breaker.signal]) : breaker.signal;
    try {
      const answer = await fetch(input, { ...init, headers, signal });
      // the body is part of what a cut breaks
      const body = await answer.arrayBuffer();
      return new Response(body.byteLength ? body : null, answer);
    } catch (error) {
      throw breaker.signal.aborted ? new TypeError("the line went dead") : error;
    } finally {
      this.underway.delete(breaker);
    }
  }
}

/** The client makes its sockets with `new`; a bound constructor is the shortest way to hand the faults in. */
const socketsOf = (faults: Faults): new (url: string) => WebSocketLike => Socket.bind(null, faults) as never;

class Socket implements WebSocketLike {
  readyState: number = WebSocket.CONNECTING;
  onopen: WebSocketLike["onopen"] = null;
  onmessage: WebSocketLike["onmessage"] = null;
  onerror: WebSocketLike["onerror"] = null;
  onclose: WebSocketLike["onclose"] = null;
  private real: WebSocket | null = null;

  constructor(private readonly faults: Faults, url: string) {
    if (faults.isCut || faults.webSocket === "blocked") {
      setTimeout(() => this.end(1006, ""));
      return;
    }
    const real = (this.real = faults.connect(url, this));
    real.onopen = (event) => {
      if (this.isSwallowed) return;
      this.readyState = WebSocket.OPEN;
      this.onopen?.(event as never);
    };
    real.onmessage = (event) => {
      if (!this.isSwallowed) this.onmessage?.(event);
    };
    real.onclose = (event) => this.end(event.code, event.reason);
  }

  private get isSwallowed(): boolean {
    return this.faults.webSocket === "swallowed";
  }

  send(text: string): void {
    if (!this.isSwallowed) this.real?.send(text);
  }

  close(code?: number, reason?: string): void {
    this.readyState = WebSocket.CLOSING;
    this.real?.close(code, reason);
  }

  /** As if the line went dead. */
  drop(): void {
    this.real!.onclose = null;
    this.real!.close();
    this.end(1006, "");
  }

  private end(code: number, reason: string): void {
    if (this.readyState === WebSocket.CLOSED) return;
    this.readyState = WebSocket.CLOSED;
    this.faults.forget(this);
    if (code === 1006) this.onerror?.({} as never);
    this.onclose?.({ code, reason });
  }
}
