/* Users: who they are, presence, privacy. */
#ifndef BECK_USER_H
#define BECK_USER_H

#include <beck/event.h>
#include <beck/request.h>
#include <beck/types.h>
#include <beck/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A user as the server shows him. */
typedef struct beck_user beck_user;
BECK_API const beck_user *beck_as_user(const beck_value *v); /* of "user", "me" or an item of "users"; NULL unless an object */
BECK_API const beck_value *beck_user_value(const beck_user *u);
BECK_API const char *beck_user_get_id(const beck_user *u);   /* never NULL, nor are those below */
BECK_API const char *beck_user_get_name(const beck_user *u); /* his id when he has no name */
BECK_API const char *beck_user_get_role(const beck_user *u);
BECK_API const char *beck_user_get_image(const beck_user *u);
BECK_API bool beck_user_is_online(const beck_user *u);
BECK_API bool beck_user_is_banned(const beck_user *u);
BECK_API bool beck_user_last_active(const beck_user *u, int64_t *us);
BECK_API const beck_user *beck_event_user(const beck_event *event); /* NULL without one */

/* The connected user's own object, as said at the last connect and by events since: a copy of its JSON, the caller's to
 * free with beck_free. NULL when nobody is connected. */
BECK_API char *beck_me_json(beck_client *client);

/* Builds user_json for beck_connect_user and beck_update_users. Setters may be called with a NULL builder and remember
 * failures until the end, so only beck_user_builder_json needs a check. */
typedef struct beck_user_builder beck_user_builder;
BECK_API beck_user_builder *beck_user_builder_create(const char *id);
/* NULL is fine. */
BECK_API void beck_user_builder_free(beck_user_builder *b);
/* Fields that every user may have; what is set twice is as it was set last. */
BECK_API void beck_user_builder_name(beck_user_builder *b, const char *name);
BECK_API void beck_user_builder_image(beck_user_builder *b, const char *url);
BECK_API void beck_user_builder_language(beck_user_builder *b, const char *code);
BECK_API void beck_user_builder_invisible(beck_user_builder *b, bool invisible);
/* Any other field, its value as JSON text ("5", "\"red\"", "[1,2]"). */
BECK_API void beck_user_builder_set(beck_user_builder *b, const char *key, const char *value_json);
/* What others may see of this user; one that is not called stays as it is on the server. [contract §4.6] */
BECK_API void beck_user_builder_typing_indicators(beck_user_builder *b, bool enabled);
BECK_API void beck_user_builder_read_receipts(beck_user_builder *b, bool enabled);
BECK_API void beck_user_builder_delivery_receipts(beck_user_builder *b, bool enabled);
/* The text, valid until the next call on b. NULL with *err set when anything failed: id, JSON, size, memory. */
BECK_API const char *beck_user_builder_json(beck_user_builder *b, beck_error *err);

/* Finds users: {"filter_conditions":{...}, "sort":[...], "limit":30, "presence":true}. With "presence" the users found are
 * followed (user.presence.changed), also over reconnects. The reply holds "users". */
BECK_API beck_result beck_query_users(beck_client *client, const char *query_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_query_users_async(
	beck_client *client, const char *query_json, beck_reply_fn fn, void *ctx, beck_error *err);
/* Changes some fields of a user: {"set":{...},"unset":[...]}. */
BECK_API beck_result beck_update_user(
	beck_client *client, const char *user_id, const char *change_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_update_user_async(
	beck_client *client, const char *user_id, const char *change_json, beck_reply_fn fn, void *ctx, beck_error *err);
/* Creates or replaces users: a JSON array of at most 100. Of clients only the user himself. */
BECK_API beck_result beck_upsert_users(beck_client *client, const char *users_json, const beck_reply **reply, beck_error *err);
BECK_API beck_result beck_upsert_users_async(
	beck_client *client, const char *users_json, beck_reply_fn fn, void *ctx, beck_error *err);

#ifdef __cplusplus
}
#endif
#endif
