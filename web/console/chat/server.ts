/* What the server says of itself before anybody is signed in. */
import { BeckError } from "beck-chat";

export interface Health {
  version?: string;
  /** A name is enough to sign in. */
  development?: boolean;
  api_key?: string;
}

/** The oldest server that this page has been tried with. */
const OLDEST = "0.1.0";

export async function askHealth(baseURL: string): Promise<Health> {
  let answer: Response;
  try {
    answer = await fetch(`${baseURL}/beck/health`, { cache: "no-store", signal: AbortSignal.timeout(10_000) });
  } catch (cause) {
    throw new BeckError("network", "no answer", { cause });
  }
  // A server without this path is an old one, and may still chat.
  if (answer.status === 404) return {};
  try {
    return (await answer.json()) as Health;
  } catch {
    throw new BeckError("network", "no answer of a chat server", { status: answer.status });
  }
}

export function isOlder({ version = "0" }: Health): boolean {
  return version.localeCompare(OLDEST, "en", { numeric: true }) < 0;
}
