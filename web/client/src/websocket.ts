/* The connection by WebSocket: one attempt, and what it becomes. */
import { BeckError, errorFromFrame } from "./errors.js";
import { parsed } from "./http.js";
import { LIMIT } from "./schema.js";
import type { TransportHost } from "./transport.js";
import type { ChatEvent, WebSocketLike } from "./types.js";

const OPEN = 1;

export class WebSocketTransport {
  private socket: WebSocketLike | null;
  private isUp = false;
  private heardAt = Date.now();
  private readonly opening: ReturnType<typeof setTimeout>;
  private beat: ReturnType<typeof setInterval> | undefined;
  private probe: ReturnType<typeof setTimeout> | undefined;

  /** `firstFrame`: what the server awaits as the first text, if anything. */
  constructor(
    make: new (url: string) => WebSocketLike,
    url: string,
    firstFrame: string | null,
    private readonly host: TransportHost,
  ) {
    const socket = new make(url);
    this.socket = socket;
    this.opening = setTimeout(() => this.fail("no first event came"), LIMIT.HELLO_MS);
    socket.onopen = () => {
      if (this.socket === socket && firstFrame !== null) socket.send(firstFrame);
    };
    socket.onmessage = (m) => {
      if (this.socket === socket) this.onText(m.data);
    };
    socket.onerror = () => {
      /* `onclose` follows and says more */
    };
    socket.onclose = (c) => {
      if (this.socket === socket) this.fail(`closed with ${c.code}${c.reason ? ` ${c.reason}` : ""}`);
    };
  }

  stop(): void {
    const socket = this.socket;
    this.socket = null;
    clearTimeout(this.opening);
    clearInterval(this.beat);
    clearTimeout(this.probe);
    try {
      socket?.close(1000, "done");
    } catch {
      /* some platforms throw while connecting: it is forgotten all the same */
    }
  }

  /** The network has changed, or the machine has slept: a connection that is dead does not say so. */
  lookAlive(): void {
    if (!this.isUp || this.checkSilence()) return;
    const asked = Date.now();
    this.ping();
    clearTimeout(this.probe);
    this.probe = setTimeout(() => {
      if (this.heardAt < asked) this.fail("nothing came back after the network changed");
    }, LIMIT.PROBE_MS);
  }

  private checkSilence(): boolean {
    const isSilent = Date.now() - this.heardAt > LIMIT.SILENCE_MS;
    if (isSilent) this.fail(`nothing came for ${LIMIT.SILENCE_MS / 1000} s`);
    return isSilent;
  }

  private ping(): void {
    if (this.socket?.readyState === OPEN) this.socket.send('[{"type":"health.check"}]');
  }

  private onText(data: unknown): void {
    this.heardAt = Date.now();
    const frame = typeof data === "string" ? parsed(data) : null;
    if (!frame) {
      this.fail("what came is no event");
      return;
    }
    if (typeof frame.error === "object" && frame.error !== null && typeof frame.type !== "string") {
      this.stop();
      this.host.failed(this, errorFromFrame(frame.error as Record<string, unknown>));
      return;
    }
    if (typeof frame.type !== "string") {
      this.fail("what came is no event");
    } else if (this.isUp) {
      this.host.event(this, frame as ChatEvent);
    } else if (frame.type === "health.check" && typeof frame.connection_id === "string" && frame.connection_id) {
      this.isUp = true;
      clearTimeout(this.opening);
      // One clock for both ends: each fifth look is also a sign of life for the server.
      let beats = 0;
      this.beat = setInterval(() => {
        if (!this.checkSilence() && ++beats % 5 === 0) this.ping();
      }, LIMIT.HEALTH_MS / 5);
      this.host.hello(this, frame as ChatEvent);
    }
  }

  private fail(why: string): void {
    if (!this.socket) return;
    this.stop();
    this.host.failed(this, new BeckError("network", `WebSocket: ${why}`));
  }
}
