/* Options with their defaults, and whether two sets of them are the same. */
import { BeckError } from "./errors.js";
import type { KeyValueStorage, Options, WebSocketLike } from "./types.js";

export interface Settings {
  baseURL: string;
  timeout: number;
  fallback: boolean;
  headStart: number;
  maxWait: number;
  maxQueue: number;
  maxOutbox: number;
  storage: KeyValueStorage | null;
  fetch: typeof fetch;
  WebSocket: (new (url: string) => WebSocketLike) | undefined;
  log(level: "debug" | "info" | "warn" | "error", text: string): void;
  /** An error of the application's own handlers. */
  report(error: unknown): void;
}

/** Where the module came from, when a server of ours served it. */
export const served = { baseURL: "" };

const TIMER_MAX = 0x7fffffff;

function positive(options: Options, name: "timeout" | "wsHeadStart" | "maxReconnectWait" | "maxQueue" | "maxOutbox", usual: number): number {
  const value = options[name] ?? usual;
  if (typeof value !== "number" || !(value > 0)) throw new BeckError("argument", `${name} must be a number above 0`, { field: name });
  return Math.min(value, TIMER_MAX); // a timer that is set further off goes off at once
}

function baseURLOf(options: Options): string {
  const given = options.baseURL ?? (served.baseURL || globalThis.location?.origin);
  if (!given) throw new BeckError("argument", "baseURL is needed here: where the server is, such as https://chat.example.org", { field: "baseURL" });
  const url = given.replace(/\/+$/, "");
  if (!/^https?:\/\/[^/?#]+(\/[^?#]*)?$/.test(url))
    throw new BeckError("argument", `baseURL "${given}" is no http or https address`, { field: "baseURL" });
  return url;
}

/** Reading the property throws where storage is blocked. */
function localStorageOf(): KeyValueStorage | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

// A browser's fetch wants to be called on its window.
const platformFetch: typeof fetch = (...args) => globalThis.fetch(...args);
const silent = (): void => undefined;

function report(error: unknown): void {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}

const NAMES = new Set<keyof Options>([
  "baseURL", "timeout", "enableWSFallback", "enableWSFallBack", "wsHeadStart", "maxReconnectWait", "maxQueue", "maxOutbox", "storage", "logger", "fetch", "WebSocket",
]);

export function normalised(options: Options): Settings {
  const unknown = Object.keys(options).find((name) => !NAMES.has(name as keyof Options));
  if (unknown !== undefined) throw new BeckError("argument", `there is no option ${unknown}`, { field: unknown });
  const fallback = options.enableWSFallback ?? options.enableWSFallBack ?? false;
  if (typeof fallback !== "boolean") throw new BeckError("argument", "enableWSFallback is true or false", { field: "enableWSFallback" });
  if (!options.fetch && !globalThis.fetch) throw new BeckError("argument", "this platform has no fetch: give one in options.fetch", { field: "fetch" });
  const platformSocket = options.WebSocket ?? (globalThis.WebSocket as Settings["WebSocket"]);
  if (!platformSocket && !fallback)
    throw new BeckError("argument", "this platform has no WebSocket: give one in options.WebSocket, or set enableWSFallback", { field: "WebSocket" });
  return {
    baseURL: baseURLOf(options),
    timeout: positive(options, "timeout", 6000),
    fallback,
    headStart: positive(options, "wsHeadStart", 500),
    maxWait: positive(options, "maxReconnectWait", 30_000),
    maxQueue: positive(options, "maxQueue", 1000),
    maxOutbox: positive(options, "maxOutbox", 1000),
    storage: options.storage === undefined ? localStorageOf() : options.storage,
    fetch: options.fetch ?? platformFetch,
    WebSocket: platformSocket,
    log: options.logger ?? silent,
    report,
  };
}

export function sameOptions(a: Settings, b: Settings): boolean {
  return (Object.keys(a) as (keyof Settings)[]).every((k) => a[k] === b[k]);
}
