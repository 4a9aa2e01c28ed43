/* The rule behind a new session, whatever carries it. */
#ifndef BECK_CHAT_CONNECT_H
#define BECK_CHAT_CONNECT_H

#include "chat/chat.h"
#include "session/session.h"

/* Checks the payload, merges the user (ERR_AGAIN: that needs the lane), and fills what the session starts with, in the arena. The
 * token's user is c->me (pk 0: not stored yet); c->me is the stored user afterwards. */
enum err chat_connect(struct chat_ctx *c, yyjson_val *payload, struct session_start *out) BECK_WARN_UNUSED;
/* Memberships and totals of a user as loops keep them. */
enum err session_totals_fill(struct chat_ctx *c, int64_t user_pk, struct session_start *out) BECK_WARN_UNUSED;
/* What resume_from of the payload asks for, under present rights (connect_resume.c). c->me is the connecting user. */
enum err connect_resume(struct chat_ctx *c, yyjson_val *payload, struct session_start *out) BECK_WARN_UNUSED;
/* Text of `me`, after out's totals are there (connect_me.c). */
enum err connect_me(
	struct chat_ctx *c, const struct user *u, const struct session_start *totals, struct span *out) BECK_WARN_UNUSED;

#endif
