/* A call of the API on its way: from a public function to an HTTP exchange and back. The public functions of channels, messages
 * and users do nothing but check their arguments, fill in a struct call and start it here. */
#ifndef BECK_CLIENT_CALL_H
#define BECK_CLIENT_CALL_H

#include <yyjson.h>

#include "base/span.h"

#include <beck/message.h>
#include <beck/request.h>

/* What an answered call means to the connection, which must know what to ask for again after a reconnect. */
enum call_effect { /* bits */
	CALL_PLAIN = 0,
	CALL_WATCHES = 1,   /* "channel", or each of "channels", of the answer is watched now */
	CALL_UNWATCHES = 2, /* the channel `cid` is not any more */
	CALL_PRESENCE = 4,  /* each of "users", and each member of those channels, is followed now */
};

/* Of a query with "watch" and "presence". */
static inline unsigned call_effect_of(yyjson_val *query)
{
	return (yyjson_is_true(yyjson_obj_get(query, "watch")) ? CALL_WATCHES : CALL_PLAIN) |
	       (yyjson_is_true(yyjson_obj_get(query, "presence")) ? CALL_PRESENCE : CALL_PLAIN);
}

struct call {
	const char *method;
	struct span path;  /* "/channels/messaging/x/query", encoded; the base URL's prefix, key and connection id are added */
	struct span query; /* "a=b&c=d", encoded; or SPAN_NONE */
	struct span body;  /* JSON, or SPAN_NONE */
	struct span cid;   /* for CALL_UNWATCHES */
	unsigned effect;   /* of enum call_effect */
	bool needs_connection; /* waits for the connection and carries its id */
	bool is_as_key_only;   /* no user needed: carries the key and Stream-Auth-Type: anonymous (POST /guest) */
	const char *file_path; /* upload: instead of a body */
	struct span content_type;
	beck_progress_fn progress;
	void *progress_ctx;
};

/* Runs it and waits. Everything in *call is copied. reply may be NULL. BECK_ECALLBACK inside a callback. */
beck_result call_wait(beck_client *client, const struct call *call, const beck_reply **reply, beck_error *err);
/* Starts it. fn may be NULL; on a failing return it is never called. */
beck_result call_start(beck_client *client, const struct call *call, beck_reply_fn fn, void *ctx, beck_error *err);

/* Messages go by way of the outbox: body is {"message":{...,"id":message_id}}. */
beck_result outbox_send_wait(beck_client *client, struct span cid, struct span message_id, struct span message_json,
	const beck_reply **reply, beck_error *err);
beck_result outbox_send(beck_client *client, struct span cid, struct span message_id, struct span message_json, beck_reply_fn fn,
	void *ctx, beck_error *err);

/* A random id for a message: "<user id>-<uuid>", fits BECK_MESSAGE_ID_SIZE. */
void call_message_id(beck_client *client, char out[BECK_MESSAGE_ID_SIZE]);

/* Runs fn once under the client's lock at or after `after_ms` from now, or never when the client goes first; one timer per
 * (owner, kind), set again by a second call; after_ms < 0 takes it away. For typing's clocks. */
typedef void (*client_timer_fn)(beck_client *client, void *owner);
void client_lock(beck_client *client);
void client_unlock(beck_client *client);
bool client_timer(beck_client *client, void *owner, int kind, int64_t after_ms, client_timer_fn fn);
int64_t client_now_ms(beck_client *client);
/* call_start for those who hold the lock already, as timers do. */
beck_result call_start_locked(beck_client *client, const struct call *call, beck_reply_fn fn, void *ctx, beck_error *err);

#endif
