/* The user's token: given once, or fetched when there is none that will do. One question to the application at a time. */
import { BeckError, toError } from "./errors.js";
import { LIMIT } from "./schema.js";
import { fromBase64url, toBase64url } from "./text.js";
import type { TokenOrProvider } from "./types.js";

export interface Claims {
  user_id?: unknown;
  server?: unknown;
  exp?: unknown;
}

export function claimsOf(token: string): Claims {
  const parts = token.split(".");
  try {
    const claims: unknown = JSON.parse(fromBase64url(parts[1] ?? ""));
    if (parts.length === 3 && typeof claims === "object" && claims !== null) return claims as Claims;
  } catch {
    /* said below */
  }
  throw new BeckError("token", "this is no token: it should be three parts of base64url with dots between them");
}

/** A token that only a server in development mode takes: it is not signed. */
export function devToken(userId: string, claims: Record<string, unknown> = {}): string {
  const part = (v: unknown) => toBase64url(JSON.stringify(v));
  return `${part({ alg: "HS256", typ: "JWT" })}.${part({ user_id: userId, ...claims })}.devtoken`;
}

export interface TokenSource {
  /** A token that will do as far as one can tell here, or null: then ask `get`. */
  now(): string | null;
  get(): Promise<string>;
  /** The server says that this one has expired. False: there is no other. */
  reject(token: string): boolean;
  /** Who asks now gets no answer any more. */
  stop(): void;
}

export class Tokens implements TokenSource {
  private token: string | null = null;
  private expiresAt = Infinity;
  private asking: Promise<string> | null = null;
  private giveUp: ((e: BeckError) => void) | undefined;

  constructor(
    private readonly userId: string,
    private readonly source: TokenOrProvider,
  ) {
    if (typeof source === "string") this.take(source);
    else if (typeof source !== "function")
      throw new BeckError("argument", "connectUser needs a token, or a function that fetches one", { field: "token" });
  }

  now(): string | null {
    return this.token !== null && (Date.now() < this.expiresAt || typeof this.source === "string") ? this.token : null;
  }

  get(): Promise<string> {
    const now = this.now();
    if (now !== null) return Promise.resolve(now);
    this.asking ??= this.ask().finally(() => (this.asking = null));
    return this.asking;
  }

  reject(token: string): boolean {
    if (token === this.token) this.token = typeof this.source === "string" ? token : null;
    return typeof this.source !== "string";
  }

  stop(): void {
    this.giveUp?.(new BeckError("state", "disconnected"));
  }

  private async ask(): Promise<string> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, fail) => {
      this.giveUp = fail;
      const text = `the token provider did not answer within ${LIMIT.TOKEN_MS} ms`;
      timer = setTimeout(() => fail(new BeckError("token", text, { retryable: true })), LIMIT.TOKEN_MS);
    });
    try {
      const given = Promise.resolve((this.source as () => string | Promise<string>)());
      this.take(await Promise.race([given, late]));
      return this.token!;
    } catch (e) {
      throw toError(e, "token", "the token provider failed");
    } finally {
      clearTimeout(timer);
      this.giveUp = undefined;
    }
  }

  private take(token: unknown): void {
    if (typeof token !== "string" || token === "") throw new BeckError("token", "the token provider gave no token");
    const claims = claimsOf(token);
    if (claims.server === true)
      throw new BeckError("token", "this is a server token, which may do everything: it must never be in a browser. Make one for the user");
    if (claims.user_id !== this.userId)
      throw new BeckError("token", `the token is for ${claims.user_id === undefined ? "no user" : `"${String(claims.user_id)}"`}, not for "${this.userId}"`);
    const expiresAt = typeof claims.exp === "number" ? claims.exp * 1000 : Infinity;
    this.token = token;
    // A fresh token that is over already means that this machine's clock is wrong: the server decides.
    this.expiresAt = expiresAt > Date.now() ? expiresAt : Infinity;
  }
}

/** Of the anonymous user: there is none. */
export const NO_TOKEN: TokenSource = { now: () => "", get: () => Promise.resolve(""), reject: () => false, stop: () => undefined };
