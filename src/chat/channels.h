/* Channels and members as every rule needs them (chat/channels.c, channel_config.c, channel_delete.c). The rules behind the
 * routes are in channel_rules.h.
 *
 * What the log rows hold beside channel and actor (all else is rendered from the tables at replay):
 * - channel.created: nothing more
 * - channel.updated, channel.truncated: message_pk, when a system message came along
 * - channel.deleted: data {"cid":..,"type":..,"id":..}, since a channel deleted for good has lost its name
 * - channel.hidden, channel.visible: user_pk, context_pk; hidden: data {"clear_history":bool}
 * - member.added, member.updated, member.removed: data {"user_pk":n,"user_id":..}
 * - notification.added_to_channel, invited, invite_accepted, invite_rejected: user_pk, context_pk
 * - notification.removed_from_channel: the same, and data {"user_pk":n,"user_id":..} */
#ifndef BECK_CHAT_CHANNELS_H
#define BECK_CHAT_CHANNELS_H

#include "chat/chat.h"
#include "store/store_members.h"

/* A channel as one rule sees it. */
struct channel_ctx {
	struct channel ch;
	const struct channel_type *type;
	struct channel_type effective; /* type with the channel's config_overrides applied */
	struct member own;             /* the caller's (or acting user's) row */
	bool is_member, is_owner;      /* is_owner: he created the channel */
	bool is_new;                   /* made by this call */
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

/* Whether somebody who watches may still read, asked by the server of its own accord (channel_watch.c). */
struct watcher {
	struct user user;
	bool is_gone;
};
enum err chat_watcher_load(struct chat_ctx *c, int64_t user_pk, struct watcher *out) BECK_WARN_UNUSED; /* 0 = anonymous */
enum err chat_watcher_check(struct chat_ctx *c, const struct watcher *w, int64_t channel_pk, bool *lost) BECK_WARN_UNUSED;

/* Fills in type, effective type, own row and creator of x->ch, read by somebody else; looks at no rights. ERR_NOT_FOUND: unknown
 * type. */
enum err chat_channel_fill(struct chat_ctx *c, struct channel_ctx *x) BECK_WARN_UNUSED;
/* A member as others may act on him: fills user and is_owner of a row of this channel. */
enum err chat_member_fill(struct chat_ctx *c, const struct channel_ctx *x, struct member *m) BECK_WARN_UNUSED;
/* The configuration object of a type; commands as objects or, in answers to writes, as names. */
void chat_config_write(struct jsonw *w, const struct channel_type *t, bool commands_as_objects);

/* Soft-deletes and tells everybody. hard: the name is free at once and x is to be given to chat_channel_purge. */
enum err chat_channel_remove(struct chat_ctx *c, struct channel_ctx *x, bool hard, bool keep_history) BECK_WARN_UNUSED;
struct channel_purge {
	int64_t channel_pk;
	struct span cid;
	int64_t cut; /* messages up to it; 0 = the whole channel; -1 = nothing (already done, only reported) */
};
/* Makes the task of kind "channels.purge" that erases these in slices; its result is {cid: {"status":"ok"}}. */
enum err chat_channel_purge(
	struct chat_ctx *c, const struct channel_purge *items, size_t n, struct span *task_id) BECK_WARN_UNUSED;
/* One slice of such a task; writes t's new state. *done: it is completed. */
/* PUT /channels/batch, a channel per step (channel_batch.c). */
enum err chat_channel_batch_step(struct chat_ctx *c, struct store_task *t, bool *done) BECK_WARN_UNUSED;
enum err chat_channel_delete_step(struct chat_ctx *c, struct store_task *t, bool *done) BECK_WARN_UNUSED;

#endif
