/* Messages, reactions, files. */
#ifndef BECK_MESSAGE_H
#define BECK_MESSAGE_H

#include <beck/channel.h>
#include <beck/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A message as the server shows it: a beck_value with names for what is always there. Look further by beck_message_value. */
typedef struct beck_message beck_message;
BECK_API const beck_message *beck_as_message(
	const beck_value *v); /* of "message" or an item of "messages"; NULL unless an object */
BECK_API const beck_value *beck_message_value(const beck_message *m);
BECK_API const char *beck_message_id(const beck_message *m); /* never NULL, nor are those below */
BECK_API const char *beck_message_text(const beck_message *m);
BECK_API const char *beck_message_type(const beck_message *m); /* "regular", "reply", "system", "deleted", ... */
BECK_API const char *beck_message_cid(const beck_message *m);
BECK_API const char *beck_message_parent_id(const beck_message *m); /* "" unless a reply */
BECK_API const char *beck_message_user_id(const beck_message *m);
BECK_API const char *beck_message_user_name(const beck_message *m); /* his id when he has no name */
BECK_API bool beck_message_created_at(const beck_message *m, int64_t *us);
BECK_API bool beck_message_is_deleted(const beck_message *m);
/* Of a reply with "message", or of an event. NULL without one. */
BECK_API const beck_message *beck_reply_message(const beck_reply *reply);
BECK_API const beck_message *beck_event_message(const beck_event *event);

/* Sends by way of the outbox (outbox.h). message_json: {"text":...} and whatever a message may hold; "id" is made when it has
 * none. The blocking form waits for the server's answer, at most the client's timeout: BECK_ETIMEOUT means that it still waits in
 * the outbox, any other failure that it will not be sent, or (BECK_EAPI) that it stays there as refused. An id that is in the
 * outbox already is BECK_ESTATE. message_id (may be NULL): gets the id at once, before fn can be called. */
#define BECK_MESSAGE_ID_SIZE 256
BECK_API beck_result beck_send_message(
	beck_channel *channel, const char *message_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_send_message_async(beck_channel *channel, const char *message_json,
	char message_id[BECK_MESSAGE_ID_SIZE], beck_reply_fn fn, void *ctx, beck_error *err);
/* The same for plain text. */
BECK_API beck_result beck_send_text(beck_channel *channel, const char *text, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_send_text_async(beck_channel *channel, const char *text, char message_id[BECK_MESSAGE_ID_SIZE],
	beck_reply_fn fn, void *ctx, beck_error *err);
/* Replaces the message by {"text":...}: what is not given goes. */
BECK_API beck_result beck_update_message(
	beck_client *client, const char *message_id, const char *message_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_update_message_async(
	beck_client *client, const char *message_id, const char *message_json, beck_reply_fn fn, void *ctx, beck_error *err);
/* Changes some fields of a message: {"set":{...},"unset":[...]}. */
BECK_API beck_result beck_change_message(
	beck_client *client, const char *message_id, const char *change_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_change_message_async(
	beck_client *client, const char *message_id, const char *change_json, beck_reply_fn fn, void *ctx, beck_error *err);
/* Deletes a message; what is shown of it then has the type "deleted". */
BECK_API beck_result beck_delete_message(beck_client *client, const char *message_id, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_delete_message_async(
	beck_client *client, const char *message_id, beck_reply_fn fn, void *ctx, beck_error *err);
/* The reply holds "message". */
BECK_API beck_result beck_get_message(beck_client *client, const char *message_id, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_get_message_async(
	beck_client *client, const char *message_id, beck_reply_fn fn, void *ctx, beck_error *err);
/* The `limit` messages before the one named, oldest first; before_id NULL: the newest. The reply holds "messages". */
BECK_API beck_result beck_page_messages(
	beck_channel *channel, int limit, const char *before_id, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_page_messages_async(
	beck_channel *channel, int limit, const char *before_id, beck_reply_fn fn, void *ctx, beck_error *err);
/* The same of the replies to a message. */
BECK_API beck_result beck_get_replies(
	beck_client *client, const char *parent_id, int limit, const char *before_id, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_get_replies_async(beck_client *client, const char *parent_id, int limit, const char *before_id,
	beck_reply_fn fn, void *ctx, beck_error *err);

/* Adds a reaction of the user to a message; 404 from servers that have none, as Beck's at present. type: "like" or any name.
 * enforce_unique: instead of the user's other reactions. */
BECK_API beck_result beck_send_reaction(beck_client *client, const char *message_id, const char *type, bool enforce_unique,
	const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_send_reaction_async(beck_client *client, const char *message_id, const char *type, bool enforce_unique,
	beck_reply_fn fn, void *ctx, beck_error *err);
/* Takes the user's reaction of that type away. */
BECK_API beck_result beck_delete_reaction(
	beck_client *client, const char *message_id, const char *type, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_delete_reaction_async(
	beck_client *client, const char *message_id, const char *type, beck_reply_fn fn, void *ctx, beck_error *err);

/* Uploads a file to the channel, streamed from disk; 404 from servers that take none, as Beck's at present. content_type NULL: by
 * the name's end. The reply holds "file", its address. Timeout: it fails when nothing moves for the client's timeout. progress
 * (may be NULL) is called like any callback, at most ten times a second, and at the end. */
typedef void (*beck_progress_fn)(void *ctx, uint64_t sent_bytes, uint64_t total_bytes);
typedef enum beck_upload_kind { BECK_FILE = 0, BECK_IMAGE = 1 } beck_upload_kind;
BECK_API beck_result beck_upload(beck_channel *channel, beck_upload_kind kind, const char *path, const char *content_type,
	beck_progress_fn progress, void *progress_ctx, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_upload_async(beck_channel *channel, beck_upload_kind kind, const char *path, const char *content_type,
	beck_progress_fn progress, void *progress_ctx, beck_reply_fn fn, void *ctx, beck_error *err);

#ifdef __cplusplus
}
#endif
#endif
