/* What somebody has written and not sent, per person and conversation (or thread, or message being edited). */
import { ofBrowser } from "./kept.js";

const key = (user: string, place: string) => `beck.draft.${user}.${place}`;

export const draftOf = (user: string, place: string): string => ofBrowser.get(key(user, place)) ?? "";
export const keepDraft = (user: string, place: string, text: string): void => ofBrowser.set(key(user, place), text.trim() ? text : null);
