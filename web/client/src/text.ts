/* Small things about text that platforms without a DOM lack. */

export const utf8Length = (s: string): number => {
  let n = 0;
  for (const c of s) {
    const code = c.codePointAt(0)!;
    n += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return n;
};

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Throws on anything that is not base64url of UTF-8. */
export function fromBase64url(text: string): string {
  let bits = 0;
  let held = 0;
  let escaped = "";
  for (const c of text) {
    const value = ALPHABET.indexOf(c);
    if (value < 0) throw new Error("not base64url");
    held = (held << 6) | value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    escaped += `%${((held >> bits) & 0xff).toString(16).padStart(2, "0")}`;
    held &= (1 << bits) - 1;
  }
  return decodeURIComponent(escaped);
}

export function toBase64url(text: string): string {
  let bits = 0;
  let held = 0;
  let out = "";
  const bytes = encodeURIComponent(text).replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  for (let i = 0; i < bytes.length; i++) {
    held = (held << 8) | bytes.charCodeAt(i);
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      out += ALPHABET[(held >> bits) & 63];
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? out + ALPHABET[(held << (6 - bits)) & 63] : out;
}

/** Without `crypto` (some platforms lack it) an id is merely unlikely to repeat: it is no secret. */
export function randomId(): string {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto?.getRandomValues) globalThis.crypto.getRandomValues(bytes);
  else for (let i = 0; i < bytes.length; i++) bytes[i] = Math.random() * 256;
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

export function queryOf(values: Record<string, unknown>): string {
  return Object.entries(values)
    .filter(([, v]) => v !== undefined)
    .map(([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(typeof v === "string" ? v : JSON.stringify(v))}`)
    .join("&");
}

/** RFC 3339 with any number of fraction digits, as text that sorts by time. */
export const timeKey = (at: string | null | undefined): string => {
  if (!at) return "";
  const m = /^(.{19})(?:\.(\d+))?Z$/.exec(at);
  return m ? m[1]! + (m[2] ?? "").padEnd(9, "0") : at;
};
