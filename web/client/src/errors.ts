/* What went wrong, in one class: of the server, of the network, or of the caller. */

/** `api`: the server refused (`code`, `status`). `network`: nothing answered. `timeout`. `token`: no usable token. `state`: not now,
 * or not twice. `argument`: found wrong here, nothing was sent. `full`: too much is waiting. */
export type ErrorKind = "api" | "network" | "timeout" | "token" | "state" | "argument" | "full";

export interface ErrorDetails {
  code?: number;
  status?: number;
  retryable?: boolean;
  field?: string;
  retryAfter?: number;
  cause?: unknown;
}

export class BeckError extends Error {
  readonly kind: ErrorKind;
  /** The server's error code (docs: /console/errors.html); 0 when it is not the server's. */
  readonly code: number;
  /** HTTP status; 0 without an answer. */
  readonly status: number;
  /** The same call may succeed later. */
  readonly retryable: boolean;
  /** The field that is to blame, where one is. */
  readonly field: string | undefined;
  /** Milliseconds that the server would like to have peace. */
  readonly retryAfter: number | undefined;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "BeckError";
    this.kind = kind;
    this.code = details.code ?? 0;
    this.status = details.status ?? 0;
    this.retryable = details.retryable ?? (kind === "network" || kind === "timeout");
    this.field = details.field;
    this.retryAfter = details.retryAfter;
  }
}

/** Codes that a client acts on. */
export const CODE = { INPUT: 4, NOT_FOUND: 16, TOKEN_EXPIRED: 40, CONNECTION_ID: 46 } as const;

const RETRYABLE_STATUS = new Set([408, 429, 500, 502, 503, 504]);

const retryAfterMs = (header: string | null | undefined): number | undefined => {
  if (!header) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return ms >= 0 ? ms : undefined;
};

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);

/** Of an answer that is no success, whatever wrote it: proxies speak HTML. */
export function errorFromAnswer(status: number, body: unknown, retryAfter?: string | null): BeckError {
  const details: ErrorDetails = { status, retryable: RETRYABLE_STATUS.has(status), retryAfter: retryAfterMs(retryAfter) };
  if (!isObject(body) || typeof body.code !== "number") {
    const text = typeof body === "string" ? body.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim().slice(0, 120) : "";
    return new BeckError("network", `no answer of a chat server, but status ${status}${text ? `: ${text}` : ""}`, details);
  }
  const fields = isObject(body.exception_fields) ? Object.keys(body.exception_fields) : [];
  details.code = body.code;
  details.field = fields[0];
  if (body.unrecoverable === true) details.retryable = false;
  return new BeckError("api", typeof body.message === "string" ? body.message : `status ${status}`, details);
}

/** Of the `error` member of a frame. */
export function errorFromFrame(error: Record<string, unknown>): BeckError {
  const status = typeof error.StatusCode === "number" ? error.StatusCode : 400;
  return errorFromAnswer(status, error);
}

export function toError(e: unknown, kind: ErrorKind, text: string): BeckError {
  if (e instanceof BeckError) return e;
  return new BeckError(kind, `${text}: ${e instanceof Error ? e.message : String(e)}`, { cause: e });
}
