/* One exchange with the server, with its own end in time. */
import { BeckError, errorFromAnswer } from "./errors.js";
import { LIMIT } from "./schema.js";
import { queryOf } from "./text.js";

export interface Place {
  baseURL: string;
  apiKey: string;
  fetch: typeof fetch;
}

export interface Exchange {
  method: string;
  path: string;
  query?: Record<string, unknown>;
  body?: unknown;
  /** Empty: anonymous. */
  token: string;
  timeout: number;
  signal?: AbortSignal;
  keepalive?: boolean;
}

export type Reply = Record<string, unknown>;

export const AGENT = "beck-chat-js-0.1.0";

export const urlOf = (place: Place, path: string, query: Record<string, unknown> = {}): string =>
  `${place.baseURL}${path}${path.includes("?") ? "&" : "?"}${queryOf({ api_key: place.apiKey, ...query })}`;

export async function exchange(place: Place, x: Exchange): Promise<Reply> {
  const abort = new AbortController();
  const onAbort = () => abort.abort();
  if (x.signal?.aborted) abort.abort();
  x.signal?.addEventListener("abort", onAbort);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    abort.abort();
  }, x.timeout);
  const headers: Record<string, string> = { "Stream-Auth-Type": x.token ? "jwt" : "anonymous", "X-Stream-Client": AGENT };
  if (x.token) headers.Authorization = x.token;
  if (x.body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const answer = await place.fetch(urlOf(place, x.path, x.query), {
      method: x.method,
      headers,
      signal: abort.signal,
      cache: "no-store",
      ...(x.body !== undefined && { body: JSON.stringify(x.body) }),
      ...(x.keepalive && { keepalive: true }),
    });
    const text = await answer.text();
    const body = parsed(text);
    if (!answer.ok) throw errorFromAnswer(answer.status, body ?? text, answer.headers.get("Retry-After"));
    if (!body) throw new BeckError("network", `no answer of a chat server: ${text.slice(0, 80)}`, { status: answer.status });
    return body;
  } catch (e) {
    if (e instanceof BeckError) throw e;
    if (isLate) throw new BeckError("timeout", `${place.baseURL} did not answer within ${x.timeout} ms`);
    if (x.signal?.aborted) throw new BeckError("state", "the call was given up", { retryable: true });
    throw new BeckError("network", `${place.baseURL} cannot be reached`, { cause: e });
  } finally {
    clearTimeout(timer);
    x.signal?.removeEventListener("abort", onAbort);
  }
}

export function parsed(text: string): Reply | null {
  try {
    const v: unknown = JSON.parse(text);
    return typeof v === "object" && v !== null && !Array.isArray(v) ? (v as Reply) : null;
  } catch {
    return null;
  }
}

/** Why nothing could be reached: a browser does not say, so ask in a way that every server lets through. */
export async function whyUnreachable(place: Place): Promise<string> {
  const page = globalThis.location?.origin;
  if (globalThis.navigator?.onLine === false) return "this device is offline";
  if (!page || place.baseURL.startsWith(page)) return `${place.baseURL} cannot be reached: the server is down, or the network does not let through`;
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), LIMIT.GOODBYE_MS);
  try {
    await place.fetch(`${place.baseURL}/beck/health`, { mode: "no-cors", cache: "no-store", signal: abort.signal });
    return `${place.baseURL} is there but does not let pages of ${page} call it: its setting cors-origins names who may`;
  } catch {
    return `${place.baseURL} cannot be reached: wrong address (http or https?), the server is down, or the network does not let through`;
  } finally {
    clearTimeout(timer);
  }
}
