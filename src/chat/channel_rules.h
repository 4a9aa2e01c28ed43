/* The rules behind the routes of channels and members, called by src/api only. Bodies of requests come in as parsed JSON (NULL =
 * {}), replies are written as members of the reply object. Names after the routes; results as in chat.h. */
#ifndef BECK_CHAT_CHANNEL_RULES_H
#define BECK_CHAT_CHANNEL_RULES_H

#include "chat/channels.h"
#include "chat/messages.h"
#include "chat/people.h"

/* ---- what a channel query wants to see (channel_state.c) ---- */
struct channel_want {
	bool state, watch, presence, hide_for_creator;
	struct page messages;
	int64_t members_limit, members_offset, watchers_limit, watchers_offset;
	yyjson_val *data;
	struct span connection_id; /* with watch, for creation: this one watches the channel from its first event on */
};
/* default_state: what an absent `state` means. */
enum err chat_want_parse(struct chat_ctx *c, yyjson_val *body, bool default_state, struct channel_want *out) BECK_WARN_UNUSED;
/* ChannelStates of several channels share users, configurations and capabilities. */
struct state_writer;
struct state_writer *chat_state_begin(struct chat_ctx *c) BECK_WARN_UNUSED; /* in the arena; NULL without memory */
void chat_state_end(struct state_writer *s);                                /* every begin reaches it, also when writing fails */
/* The members of a ChannelState object. */
enum err chat_state_write(
	struct state_writer *s, struct jsonw *w, const struct channel_ctx *x, const struct channel_want *want) BECK_WARN_UNUSED;
/* {"channel":..,"members":[first 100]} of update answers. */
enum err chat_channel_answer(struct chat_ctx *c, struct jsonw *w, struct channel_ctx *x) BECK_WARN_UNUSED;

/* ---- get or create (channel_create.c) ---- */
/* id not given: distinct, by want->data's members. ERR_AGAIN: creation needs the lane. */
enum err chat_get_or_create(struct chat_ctx *c, struct span type, struct span id, const struct channel_want *want,
	struct channel_ctx *out) BECK_WARN_UNUSED;
/* The id of the distinct channel of these users (in any order, doubles allowed). */
struct span chat_distinct_id(struct arena *a, const struct span *ids, size_t n, struct span team);

/* ---- watching (channel_watch.c) ---- */
/* Whom a `presence` of this channel subscribes, in order of joining; at most limit are added to pks[*n ..]. causes: the channel,
 * or 0 for who is there already because of another one. */
enum err chat_presence_users(struct chat_ctx *c, const struct channel_ctx *x, int64_t members_limit, int64_t limit, int64_t *pks,
	int64_t *causes, size_t *n) BECK_WARN_UNUSED;
/* Records user.watching.start / stop of the caller; visible callers of types with connect_events only. */
enum err chat_watch_announce(
	struct chat_ctx *c, const struct channel_ctx *x, bool starts, int64_t watcher_count) BECK_WARN_UNUSED;

/* ---- query channels (channel_query.c) ---- */
struct channel_list {
	struct channel_ctx *items;
	size_t n;
	struct channel_want want; /* of each */
};
enum err chat_query_channels(struct chat_ctx *c, yyjson_val *body, struct channel_list *out) BECK_WARN_UNUSED;
/* The same channels again after a subscription, read anew; those not readable any more are left out. */
enum err chat_reload_channels(
	struct chat_ctx *c, yyjson_val *body, const int64_t *pks, size_t n, struct channel_list *out) BECK_WARN_UNUSED;

/* ---- changes (channel_update.c, channel_delete.c, channel_hide.c) ---- */
enum err chat_update_channel(
	struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_update_channel_partial(
	struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
struct delete_options {
	bool hard, skip_truncate;
};
enum err chat_delete_channel(
	struct chat_ctx *c, struct span type, struct span id, const struct delete_options *o, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_delete_channels(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
/* Starts the task of a change to many (channel_batch.c). */
enum err chat_channels_batch(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_truncate_channel(
	struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_hide_channel(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body) BECK_WARN_UNUSED;
enum err chat_show_channel(struct chat_ctx *c, struct span type, struct span id) BECK_WARN_UNUSED;

/* ---- members (member_query.c, member_update.c) ---- */
enum err chat_query_members(struct chat_ctx *c, yyjson_val *payload, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_update_member_partial(struct chat_ctx *c, struct span type, struct span id, struct span user_id, yyjson_val *body,
	struct jsonw *w) BECK_WARN_UNUSED;

#endif
