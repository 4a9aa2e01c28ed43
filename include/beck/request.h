/* Calls to the API, and their answers.
 *
 * Calls made before the user is connected wait their turn, in order, and run once the connection stands; when connecting fails,
 * all fail with that error. A call waits at most options.timeout_ms in all; at most options.queue_max may wait (BECK_EFULL). */
#ifndef BECK_REQUEST_H
#define BECK_REQUEST_H

#include <beck/client.h>
#include <beck/types.h>
#include <beck/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An answer of the server with a 2xx status. */
typedef struct beck_reply beck_reply;
/* One more owner. Returns the reply. */
BECK_API const beck_reply *beck_reply_ref(const beck_reply *reply);
BECK_API void beck_reply_unref(const beck_reply *reply);              /* one owner less; NULL is fine */
BECK_API int beck_reply_status(const beck_reply *reply);              /* of HTTP: 200 to 299; 0 of NULL */
BECK_API const beck_value *beck_reply_value(const beck_reply *reply); /* the whole object */

/* Called once. Error NULL: it succeeded, and the reply is valid during the call (beck_reply_ref keeps it). Else reply is NULL. */
typedef void (*beck_reply_fn)(void *ctx, const beck_error *error, const beck_reply *reply);

/* Any call of the API.
 * method       "GET", "POST", "PUT", "PATCH", "DELETE"
 * path         "/channels/messaging/general/hide", parts percent-encoded, optionally with "?name=value"; key and token are added
 * body_json    the body, or NULL; with GET it becomes the query parameter `payload`
 * flags        BECK_NEEDS_CONNECTION: the call watches or subscribes, so it waits for the connection and carries its id
 * reply        may be NULL; else the caller's to unref */
#define BECK_NEEDS_CONNECTION 1u
BECK_API beck_result beck_request(beck_client *client, const char *method, const char *path, const char *body_json,
	unsigned flags, const beck_reply **reply, beck_error *err);
/* The same without waiting. fn may be NULL. A failing return means that fn is never called. */
BECK_API beck_result beck_request_async(beck_client *client, const char *method, const char *path, const char *body_json,
	unsigned flags, beck_reply_fn fn, void *ctx, beck_error *err);

#ifdef __cplusplus
}
#endif
#endif
