/* Requests on their way: queued until they may go, in flight, answered. Under the client's lock.
 *
 *   QUEUED ----> SENT ----> done: its waiter or callback gets the answer
 *     ^            |
 *     '------------'   once for a new token (code 40), once for a new connection id (code 46), and as long as there is time for
 *                      GETs that met a lost connection or an overloaded server */
#ifndef BECK_CLIENT_CALLS_H
#define BECK_CLIENT_CALLS_H

#include "base/list.h"
#include "client/call.h"
#include "client/deliver.h"
#include "client/io.h"
#include "client/timer.h"

/* Under the lock, for the client's own purposes. reply NULL: it failed. */
typedef void (*call_done_fn)(beck_client *c, void *ctx, const beck_error *err, const struct beck_reply *reply);

struct calls {
	struct list queued, sent;
	size_t count;
};

void calls_init(struct calls *all);
/* Starts what may go now; by the driver. */
void calls_step(beck_client *c);
/* Fails all that wait or are on their way. */
void calls_fail_all(beck_client *c, const beck_error *err);
void calls_token_failed(beck_client *c, const beck_error *err);
void calls_on_answer(beck_client *c, uint64_t id, const struct io_answer *answer);
void calls_on_progress(beck_client *c, uint64_t id, uint64_t sent_bytes, uint64_t total_bytes);
/* A call whose end is told under the lock. A failing return: done is never called. */
beck_result calls_start_inner(beck_client *c, const struct call *call, call_done_fn done, void *ctx, beck_error *err);

#endif
