/* Channels: create, watch, query, members; typing and read state. */
#ifndef BECK_CHANNEL_H
#define BECK_CHANNEL_H

#include <beck/client.h>
#include <beck/event.h>
#include <beck/request.h>
#include <beck/types.h>
#include <beck/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A name of a channel on a client, nothing more: making one asks nobody. It holds the client alive. */
typedef struct beck_channel beck_channel;
/* id NULL: a channel of exactly the members that beck_channel_create names; its id is known afterwards. NULL without
 * memory, without a client, or when type or id have characters that the API forbids; beck_channel_open_err says which. */
BECK_API beck_channel *beck_channel_open(beck_client *client, const char *type, const char *id);
/* The same, and when it returns NULL *err says why: BECK_EARG with the field (client, type, id), or BECK_ENOMEM. */
BECK_API beck_channel *beck_channel_open_err(beck_client *client, const char *type, const char *id, beck_error *err);
/* One more owner. Returns the channel. */
BECK_API beck_channel *beck_channel_ref(beck_channel *channel);
/* One owner less. With the last end the channel's handlers and its clocks of typing; calls on their way go on. NULL is fine. */
BECK_API void beck_channel_unref(beck_channel *channel);
BECK_API beck_client *beck_channel_client(beck_channel *channel); /* borrowed */
BECK_API const char *beck_channel_type(beck_channel *channel);    /* as given to beck_channel_open */
BECK_API const char *beck_channel_id(beck_channel *channel);      /* "" until known */
BECK_API const char *beck_channel_cid(beck_channel *channel);     /* "type:id", "" until known */

/* As beck_on, for events of this channel only. beck_off takes it away. 0 also as long as the channel's id is not known. */
BECK_API beck_handler beck_channel_on(beck_channel *channel, const char *type, beck_event_fn fn, void *ctx);

/* Creates the channel or gets it. data_json: {"members":["john"], "name":..., custom fields}; may be NULL. The reply holds
 * "channel", "members", "messages", "read", "watchers". [contract: channels §1] */
BECK_API beck_result beck_channel_create(beck_channel *channel, const char *data_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_channel_create_async(
	beck_channel *channel, const char *data_json, beck_reply_fn fn, void *ctx, beck_error *err);
/* The same, and asks for the channel's events and its members' presence from now on, also over reconnects. */
BECK_API beck_result beck_channel_watch(beck_channel *channel, const char *data_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_channel_watch_async(
	beck_channel *channel, const char *data_json, beck_reply_fn fn, void *ctx, beck_error *err);
/* No events of the channel any more. */
BECK_API beck_result beck_channel_stop_watching(beck_channel *channel, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_channel_stop_watching_async(beck_channel *channel, beck_reply_fn fn, void *ctx, beck_error *err);
/* A channel's query with all its options: {"state":true, "messages":{"limit":25,"id_lt":...}, "members":{...}, ...}. */
BECK_API beck_result beck_channel_query(
	beck_channel *channel, const char *options_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_channel_query_async(
	beck_channel *channel, const char *options_json, beck_reply_fn fn, void *ctx, beck_error *err);
/* Finds channels: {"filter_conditions":{...}, "sort":[...], "limit":30, "watch":true, "state":true, "presence":true}; at most 30
 * channels per call. With "watch" the channels found are watched as by beck_channel_watch. The reply holds "channels". */
BECK_API beck_result beck_query_channels(beck_client *client, const char *query_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_query_channels_async(
	beck_client *client, const char *query_json, beck_reply_fn fn, void *ctx, beck_error *err);
/* Finds members of the channel: {"filter_conditions":{...}, "sort":[...], "limit":100}. The reply holds "members". */
BECK_API beck_result beck_query_members(beck_channel *channel, const char *query_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_query_members_async(
	beck_channel *channel, const char *query_json, beck_reply_fn fn, void *ctx, beck_error *err);
/* Makes users members of the channel. user_ids ends with NULL; at most 100. message_text (may be NULL): a system message that
 * tells of it. */
BECK_API beck_result beck_add_members(
	beck_channel *channel, const char *const *user_ids, const char *message_text, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_add_members_async(beck_channel *channel, const char *const *user_ids, const char *message_text,
	beck_reply_fn fn, void *ctx, beck_error *err);
/* Takes members out of the channel; arguments as of beck_add_members. */
BECK_API beck_result beck_remove_members(
	beck_channel *channel, const char *const *user_ids, const char *message_text, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_remove_members_async(beck_channel *channel, const char *const *user_ids, const char *message_text,
	beck_reply_fn fn, void *ctx, beck_error *err);
/* Changes some fields of the channel: {"set":{...},"unset":[...]}. */
BECK_API beck_result beck_channel_update(
	beck_channel *channel, const char *change_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_channel_update_async(
	beck_channel *channel, const char *change_json, beck_reply_fn fn, void *ctx, beck_error *err);
/* Deletes the channel with all that is in it. */
BECK_API beck_result beck_channel_delete(beck_channel *channel, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_channel_delete_async(beck_channel *channel, beck_reply_fn fn, void *ctx, beck_error *err);

/* Say that the user presses keys. Sends typing.start at most every 2 s, typing.stop 3 s after the last key or with
 * the message; nothing when the channel's configuration forbids it or the user's privacy settings do. parent_id (may be NULL): in
 * that thread. Never waits. Events of this kind are not repeated when they get lost. [contract: events §7] */
BECK_API beck_result beck_keystroke(beck_channel *channel, const char *parent_id);
/* Sends typing.stop at once, if typing.start was sent. */
BECK_API beck_result beck_stop_typing(beck_channel *channel, const char *parent_id);
/* Who types at this moment, as watched: ids, the user himself left out, those who fell silent 7 s ago too. Calls fn for each. */
BECK_API size_t beck_each_typing(
	beck_channel *channel, void (*fn)(void *ctx, const char *user_id, const char *parent_id), void *ctx);

/* Says that the user has read up to a message; message_id NULL: everything up to now. */
BECK_API beck_result beck_mark_read(beck_channel *channel, const char *message_id, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_mark_read_async(
	beck_channel *channel, const char *message_id, beck_reply_fn fn, void *ctx, beck_error *err);
/* Makes the channel unread from this message on. */
BECK_API beck_result beck_mark_unread(beck_channel *channel, const char *message_id, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_mark_unread_async(
	beck_channel *channel, const char *message_id, beck_reply_fn fn, void *ctx, beck_error *err);
/* Says that the message, and all before it, have reached the user's device. */
BECK_API beck_result beck_mark_delivered(
	beck_channel *channel, const char *message_id, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_mark_delivered_async(
	beck_channel *channel, const char *message_id, beck_reply_fn fn, void *ctx, beck_error *err);
/* What is unread in all channels: "total_unread_count", "channels", "threads", ... */
BECK_API beck_result beck_unread_counts(beck_client *client, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_unread_counts_async(beck_client *client, beck_reply_fn fn, void *ctx, beck_error *err);
/* Sends an event of one's own to those who watch the channel: {"type":"my-type", ...}; at most 5 KB. */
BECK_API beck_result beck_send_event(beck_channel *channel, const char *event_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_send_event_async(
	beck_channel *channel, const char *event_json, beck_reply_fn fn, void *ctx, beck_error *err);

#ifdef __cplusplus
}
#endif
#endif
