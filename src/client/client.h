/* The client as a whole: what it consists of, and the rules for its lock.
 *
 * One lock guards everything. The thread that drives (thread.c: the client's own, or the one in beck_poll or in a blocking call)
 * alone lets `io` work; others may start or cancel something there, under the lock, and wake it. No callback of the program runs
 * under the lock.
 *
 *   client.c   making, finding, releasing        thread.c   driving, waiting
 *   token.c    which token, when a new one       connect.c  the user: connecting and disconnecting him
 *   link.c     the connection: tries, up, lost   link_ws.c, link_poll.c  its two transports   recover.c  what was missed
 *   calls.c    requests                          outbox.c   messages on their way
 *   events.c   handlers                          deliver.c  callbacks in order */
#ifndef BECK_CLIENT_CLIENT_H
#define BECK_CLIENT_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "base/mem.h"
#include "client/call.h"
#include "client/calls.h"
#include "client/connect.h"
#include "client/deliver.h"
#include "client/error.h"
#include "client/events.h"
#include "client/io.h"
#include "client/link.h"
#include "client/outbox.h"
#include "client/timer.h"
#include "client/token.h"

/* The options, copied; numbers as they hold, defaults put in. */
struct settings {
	char *base_url, *proxy, *ca_file, *state_file, *client_name, *device_json;
	beck_log_fn log;
	void *log_ctx;
	bool enable_ws_fallback, disable_resume, skip_tls_verify;
	uint8_t threading, log_level;
	int32_t timeout_ms, reconnect_max_attempts, reconnect_max_wait_ms, ws_head_start_ms, ws_retry_ms, queue_max, outbox_max;
};

struct beck_client {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* somebody's wait may be over */
	atomic_int owners;      /* beck_client_ref, beck_release */
	int holders;            /* under the lock: token requests that are not answered yet. The memory stays until they are */
	bool is_shared;         /* made by beck_get_instance */
	struct list in_registry;

	struct settings set;
	char *api_key;
	char *origin, *prefix; /* of the base URL: "https://host:port" and "/path" or "" */
	char *host;            /* for the Host header: "host:port" */
	char *server_token;    /* a server-side client; NULL: a user's */

	struct io *io;
	bool is_driving;  /* a thread is in drive() */
	bool is_polled;   /* a thread is in beck_poll() */
	bool is_telling;  /* a thread is in deliver_all() ... */
	pthread_t teller; /* ... this one */
	bool has_thread;  /* it runs */
	bool is_ending;   /* the last owner has gone */
	bool is_dead;     /* nothing is left but the memory, for the holders */
	bool is_orphan;   /* nobody waits for the end: who drives frees */
	pthread_t thread;
	bool is_asleep;
	bool has_news; /* client_changed was called since the driver began its turn */

	struct timers timers;
	struct list owned_timers;
	struct deliveries deliveries;
	struct handlers handlers;
	struct user user;
	struct token token;
	struct link link;
	struct calls calls;
	struct outbox outbox;
	struct timer save;
};

/* ---- client.c ---- */
char *client_strdup(const char *s); /* NULL without memory */
char *client_strndup(struct span s);
/* Frees it; by the thread that ended driving, without the lock. */
void client_free(beck_client *c);
void client_timers_free(beck_client *c);

/* ---- thread.c ---- */
beck_result client_thread_start(beck_client *c);
void client_wake(beck_client *c);    /* the driver has something to do */
void client_changed(beck_client *c); /* somebody's wait may be over; wakes the driver too */
bool client_in_callback(beck_client *c);
void client_tell_rest(beck_client *c); /* what is left to be told when nobody drives any more */
/* Waits, with the lock, until *done or the deadline; drives and tells meanwhile where the client has no thread for it. BECK_OK,
 * BECK_ETIMEOUT. */
beck_result client_wait(beck_client *c, const bool *done, int64_t deadline_ms);

#endif
