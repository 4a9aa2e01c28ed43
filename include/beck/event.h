/* Events: what others do, and what happens to the connection.
 *
 * Durable events of a channel reach handlers in the server's order, each once, whatever happens to the connection in
 * between; where that cannot be kept (the server's log does not reach back) "connection.recovered" has "gap": true.
 *
 * Local events, never on the wire:
 *   connection.changed    {"online": bool}
 *   connection.recovered  {"gap": bool}  after a reconnect, when everything missed has been given out
 *   transport.changed     {"transport": "websocket" | "longpoll"}
 *   outbox.changed        {"message_id", "cid", "state": "pending" | "sent" | "failed", "error"?}  */
#ifndef BECK_EVENT_H
#define BECK_EVENT_H

#include <beck/client.h>
#include <beck/types.h>
#include <beck/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beck_event beck_event;

/* The event is valid during the call; beck_event_ref keeps it. */
typedef void (*beck_event_fn)(void *ctx, beck_client *client, const beck_event *event);
typedef uint64_t beck_handler; /* names a handler; 0 is none */

/* Calls `fn` for each event of that type; type NULL: for all. Handlers are called in the order in which they were added.
 * 0 on failure (no memory, NULL). Survives reconnects and disconnects; ends with beck_off or the client. */
BECK_API beck_handler beck_on(beck_client *client, const char *type, beck_event_fn fn, void *ctx);
/* Takes a handler away. When it returns, fn is not called any more, unless it is running on another thread right now; it may be
 * called by fn itself. Unknown handlers and 0 are ignored. */
BECK_API void beck_off(beck_client *client, beck_handler handler);

/* Keeps an event beyond the handler's call: one more owner. Returns the event. */
BECK_API const beck_event *beck_event_ref(const beck_event *event);
BECK_API void beck_event_unref(const beck_event *event); /* one owner less; NULL is fine */

BECK_API const char *beck_event_type(const beck_event *event); /* "message.new"; never NULL */
BECK_API const char *beck_event_cid(const beck_event *event);  /* "messaging:general", "" when it is about no channel */
BECK_API int64_t beck_event_seq(const beck_event *event);      /* position in the server's log; 0 for passing events */
BECK_API bool beck_event_is_local(const beck_event *event);    /* made by the library, never on the wire */
BECK_API bool beck_event_created_at(const beck_event *event, int64_t *us); /* as beck_value_time; false without a time */
BECK_API const beck_value *beck_event_value(const beck_event *event);      /* the whole object */
BECK_API const char *beck_event_json(const beck_event *event);             /* its text as received */

#ifdef __cplusplus
}
#endif
#endif
