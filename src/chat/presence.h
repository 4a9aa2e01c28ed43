/* Who comes and goes, told by the session layer through the server: rules of the server's own (no caller), on a reader. Nothing
 * is said about invisible and anonymous users. */
#ifndef BECK_CHAT_PRESENCE_H
#define BECK_CHAT_PRESENCE_H

#include "chat/chat.h"

/* His first session opened, or his last one closed: user.presence.changed, unless he has changed back meanwhile (the next event
 * says so). */
enum err chat_presence_event(struct chat_ctx *c, int64_t user_pk, bool online) BECK_WARN_UNUSED;
/* A session ended: user.watching.stop for each channel where it was the user's last (counts: watchers that remain), and presence
 * when it was his last of all. */
enum err chat_session_ended(struct chat_ctx *c, int64_t user_pk, const int64_t *channels, const int64_t *counts, size_t n,
	bool last) BECK_WARN_UNUSED;
/* A resume made the user watch again, and nobody else of his did: user.watching.start. */
enum err chat_session_watching(
	struct chat_ctx *c, int64_t user_pk, const int64_t *channels, const int64_t *counts, size_t n) BECK_WARN_UNUSED;
/* Body of user.presence.changed and the like: {"type","created_at","user"} in a view, text in the arena. */
enum err presence_body(
	struct chat_ctx *c, enum event_type t, enum user_view view, const struct user *u, struct span *out) BECK_WARN_UNUSED;

#endif
