/* What went wrong, in plain words, with what to do about it. */
import { BeckError } from "beck-chat";
import { strings as t, type Problem } from "./strings.js";

const known: Record<number, Problem> = {
  2: t.problem.key,
  5: t.problem.token,
  9: t.problem.busy,
  16: t.problem.missing,
  17: t.problem.denied,
  20: t.problem.tooLong,
  40: t.problem.expired,
  41: t.problem.clock,
  42: t.problem.clock,
  43: t.problem.signature,
  60: t.problem.slow,
  73: t.problem.moderated,
  99: t.problem.suspended,
};

/** The words for a refusal by the server. */
export const refused = (code: number, message: string): Problem => known[code] ?? t.problem.other(message);

/** A browser says the same of a server that is down and of one that refuses the page's origin. A request whose answer nobody may read tells
 * them apart: it succeeds when anything at all answers. */
async function unanswered(baseURL: string): Promise<Problem> {
  if (!navigator.onLine) return t.problem.deviceOffline;
  try {
    await fetch(`${baseURL}/beck/health`, { mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(5000) });
  } catch {
    return t.problem.down(new URL(baseURL).host);
  }
  const isForeign = new URL(baseURL).origin !== location.origin;
  return isForeign ? t.problem.origin(location.origin) : t.problem.overloaded;
}

export async function explain(error: unknown, baseURL: string): Promise<Problem> {
  if (!(error instanceof BeckError)) return t.problem.other(error instanceof Error ? error.message : String(error));
  switch (error.kind) {
    case "api":
      return error.code === -1 ? t.problem.overloaded : refused(error.code, error.message);
    case "token":
      return t.problem.token;
    case "network":
      return error.status ? t.problem.stranger(new URL(baseURL).host) : unanswered(baseURL);
    case "timeout":
      return unanswered(baseURL);
    default:
      return t.problem.other(error.message);
  }
}
