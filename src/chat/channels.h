/* Channels and members (chat/channels.c, members.c, channel_query.c, channel_types.c). Included by the rules of messages and read state. */
#ifndef BECK_CHAT_CHANNELS_H
#define BECK_CHAT_CHANNELS_H

#include "chat/chat.h"

/* A channel as one rule sees it. */
struct channel_ctx {
	struct channel ch;
	const struct channel_type *type;
	struct channel_type effective; /* type with the channel's config_overrides applied */
	struct member own;             /* the caller's (or acting user's) row */
	bool is_member, is_owner;      /* is_owner: he created the channel */
};
/* Loads by type and id for the caller. Unknown: ERR_NOT_FOUND; not readable: ERR_NOT_ALLOWED; deleted: ERR_NOT_FOUND. */
enum err chat_channel_load(struct chat_ctx *c, struct span type, struct span id, struct channel_ctx *out) BECK_WARN_UNUSED;
enum err chat_channel_load_pk(struct chat_ctx *c, int64_t pk, struct channel_ctx *out) BECK_WARN_UNUSED;
/* Same checks as chat_channel_load, for one already loaded; false = the caller may not read it. */
bool chat_channel_readable(struct chat_ctx *c, const struct channel_ctx *x);
/* As bool with chat_fail done: permission in this channel. */
enum err chat_require(struct chat_ctx *c, const struct channel_ctx *x, const char *permission, bool is_owner) BECK_WARN_UNUSED;
/* Config, capabilities and own state for encoding; arena-backed. */
enum err chat_channel_view(struct chat_ctx *c, const struct channel_ctx *x, struct channel_view *out) BECK_WARN_UNUSED;
/* The channel object inside events and replies. in_event: no per-caller fields. */
void chat_channel_write(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, bool in_event);
/* Members to write, users already passed through chat_user_for_viewer. */
void chat_members_write(struct chat_ctx *c, struct jsonw *w, const struct member *m, size_t n);

#endif
