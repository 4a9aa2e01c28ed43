import { html, type TemplateResult } from "lit";

const ADDRESS = /\bhttps?:\/\/[^\s<>"']+/giu;
/** What ends a sentence does not belong to the address; a closing bracket does when it was opened in it. */
function trimmed(address: string): string {
  let a = address.replace(/[.,;:!?…]+$/u, "");
  while (a.endsWith(")") && a.split("(").length < a.split(")").length) a = a.slice(0, -1).replace(/[.,;:!?…]+$/u, "");
  return a;
}

/** Text as text; addresses of http(s) alone become links. */
export function linked(text: string): (string | TemplateResult)[] {
  const parts: (string | TemplateResult)[] = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(at, match.index), html`<a href=${address} target="_blank" rel="noopener noreferrer nofollow">${address}</a>`);
    at = match.index + address.length;
  }
  parts.push(text.slice(at));
  return parts;
}
