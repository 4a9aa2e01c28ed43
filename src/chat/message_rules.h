/* The rules behind the routes of messages, read state, client events and sync, called by src/api only. Bodies come in as parsed
 * JSON (NULL = {}); replies are written as members of the reply object. The acting user of a server call is set before
 * (chat_acting_user). */
#ifndef BECK_CHAT_MESSAGE_RULES_H
#define BECK_CHAT_MESSAGE_RULES_H

#include "chat/messages.h"

/* ---- messages (message_send.c, message_edit.c, message_delete.c, message_get.c) ---- */
enum err chat_send_message(
	struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_update_message(struct chat_ctx *c, struct span id, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_update_message_partial(struct chat_ctx *c, struct span id, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_delete_message(struct chat_ctx *c, struct span id, bool hard, struct jsonw *w) BECK_WARN_UNUSED;
/* In the acting user's view alone (message_own.c). */
enum err chat_delete_message_for_me(struct chat_ctx *c, struct span id, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_undelete_message(struct chat_ctx *c, struct span id, struct jsonw *w) BECK_WARN_UNUSED;
/* One that waits is sent on. Its author acts. */
enum err chat_commit_message(struct chat_ctx *c, struct span id, struct jsonw *w) BECK_WARN_UNUSED;
/* Earlier versions (message_history.c). */
enum err chat_message_history(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
/* with_deleted: a server call that wants the text of a soft-deleted message. */
enum err chat_get_message(struct chat_ctx *c, struct span id, bool with_deleted, struct jsonw *w) BECK_WARN_UNUSED;
/* ids: comma-joined. */
enum err chat_get_messages(
	struct chat_ctx *c, struct span type, struct span id, struct span ids, struct jsonw *w) BECK_WARN_UNUSED;
/* page: an object of the window parameters; sort: as a request may give it, NULL = none. */
enum err chat_get_replies(
	struct chat_ctx *c, struct span id, yyjson_val *page, yyjson_val *sort, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_get_pinned_messages(
	struct chat_ctx *c, struct span type, struct span id, yyjson_val *payload, struct jsonw *w) BECK_WARN_UNUSED;

/* ---- read state (read.c, unread.c) ---- */
enum err chat_mark_read(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_mark_channels_read(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_mark_unread(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body) BECK_WARN_UNUSED;
enum err chat_mark_delivered(struct chat_ctx *c, yyjson_val *body) BECK_WARN_UNUSED;
enum err chat_unread_counts(struct chat_ctx *c, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_unread_counts_batch(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;

/* ---- client events (client_events.c) ---- */
/* ERR_AGAIN: this one (message.read) needs the lane. */
enum err chat_send_event(
	struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_send_user_event(struct chat_ctx *c, struct span user_id, yyjson_val *body) BECK_WARN_UNUSED;

/* ---- sync (sync.c) ---- */
enum err chat_sync(struct chat_ctx *c, yyjson_val *body, bool with_inaccessible, struct jsonw *w) BECK_WARN_UNUSED;
/* The channels of such a request that the caller may read, for `watch`. */
enum err chat_sync_channels(struct chat_ctx *c, yyjson_val *body, struct channel_ctx **out, size_t *n) BECK_WARN_UNUSED;

#endif
