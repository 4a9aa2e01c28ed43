/* Times, names and previews as people read them. */
import type { Channel, Message, User } from "beck-chat";
import { strings as t } from "./strings.js";

const lang = () => document.documentElement.lang || t.lang;
const formats = new Map<string, Intl.DateTimeFormat>();
function format(at: number, options: Intl.DateTimeFormatOptions): string {
  const key = lang() + JSON.stringify(options);
  let f = formats.get(key);
  if (!f) formats.set(key, (f = new Intl.DateTimeFormat(lang(), options)));
  return f.format(at);
}

export const clock = (at: number) => format(at, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const clockSeconds = (at: number) => format(at, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

const midnight = (at: number) => new Date(at).setHours(0, 0, 0, 0);
const DAY = 86_400_000;
/** Days between two instants by the calendar, not by 24 hours. */
const daysBetween = (a: number, b: number) => Math.round((midnight(b) - midnight(a)) / DAY);

export function day(at: number): string {
  const days = daysBetween(at, Date.now());
  if (days === 0 || days === 1) {
    const word = new Intl.RelativeTimeFormat(lang(), { numeric: "auto" }).format(-days, "day");
    return word.charAt(0).toLocaleUpperCase(lang()) + word.slice(1);
  }
  const thisYear = new Date(at).getFullYear() === new Date().getFullYear();
  return format(at, { weekday: "long", day: "numeric", month: "long", ...(thisYear ? {} : { year: "numeric" }) });
}

/** As short as it can be told apart: a time today, a weekday this week, else a date. */
export function shortTime(at: number): string {
  const days = daysBetween(at, Date.now());
  if (days <= 0) return clock(at);
  if (days < 7) return format(at, { weekday: "short" });
  return format(at, { day: "numeric", month: "numeric", year: "2-digit" });
}

export const fullTime = (at: number) => format(at, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });

export const nameOf = (user: User | null | undefined): string => user?.name || user?.id || t.messages.somebody;

export const initials = (name: string): string => {
  const words = name.trim().split(/[\s_-]+/u);
  const first = (word: string | undefined) => [...(word ?? "")][0] ?? "";
  return (first(words[0]) + (words.length > 1 ? first(words[words.length - 1]) : "")).toLocaleUpperCase(lang());
};

export function othersIn(channel: Channel, me: string | undefined): User[] {
  return Object.values(channel.state.members)
    .filter((m) => m.user_id !== me)
    .map((m) => m.user ?? { id: m.user_id });
}

/** A channel's fields are whatever its members have put there. */
const ownName = ({ data }: Channel): string => (typeof data.name === "string" ? data.name.trim() : "");

export function titleOf(channel: Channel, me: string | undefined): string {
  const name = ownName(channel);
  if (name) return name;
  const others = othersIn(channel, me);
  if (others.length) return t.list.names(others.slice(0, 4).map(nameOf));
  return channel.data.member_count === 1 ? t.list.nobody : channel.id;
}

/** The other person of a conversation of two without a name of its own. */
export function companion(channel: Channel, me: string | undefined): User | null {
  const others = othersIn(channel, me);
  return others.length === 1 && !ownName(channel) ? others[0]! : null;
}

export function previewOf(message: Message): string {
  if (message.deleted_at || message.type === "deleted") return t.list.deleted;
  return message.text.replace(/\s+/gu, " ").trim() || (message.attachments?.length ? t.list.attachment : "");
}
