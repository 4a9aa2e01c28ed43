/* The server as one object: everything hangs from it, so that several can live in one process (tests, the simulator).
 *
 * beckd_create opens the store, makes the first application when there is none, and builds loops, hubs, workers;
 * beckd_start listens and starts the threads; beckd_drain tells everybody to move and waits; beckd_destroy ends it.
 * Called by one thread (main). */
#ifndef BECK_SERVER_BECKD_H
#define BECK_SERVER_BECKD_H

#include <pthread.h>

#include "bus/bus.h"
#include "conn/conn.h"
#include "server/config.h"
#include "server/workers.h"
#include "session/session.h"
#include "store/store.h"

struct beckd;

/* What the world gives a server: the real one for beckd, a simulated one for tests/sim. */
struct beckd_env {
	const struct clock *clock;
	const struct rng *rng;
	struct net_loop *(*make_loop)(void *ctx, const struct clock *clock, const struct rng *rng);
	const char *vfs;   /* SQLite VFS that holds the data folder; NULL = the disk */
	int64_t log_bytes; /* store_options.log_bytes */
	bool is_threaded;  /* false: somebody steps loops and workers (no background threads either) */
	/* COMMIT with an unknown outcome; returns only in a simulation that is about to end this server. */
	void (*fatal)(void *ctx, const char *why);
	void *ctx;
};
extern const struct beckd_env beckd_env_real;

struct beckd_loop {
	struct beckd *d;
	unsigned index;
	struct net_loop *loop;
	struct session_hub *hub;
	struct conn_host *host;
	struct net_listener *listener;
	struct session_ops session_ops;
	struct conn_ops conn_ops;
	pthread_t thread;
	bool is_running;
	struct net_message drain;
};

struct beckd {
	struct config config;
	struct beckd_env env;
	const struct clock *clock;
	const struct rng *rng;
	struct arena arena; /* of the configuration and what lives as long as the server */
	struct store *store;
	struct registry *registry;
	struct chat chat;
	struct bus *bus;
	struct workers *workers;
	struct net_tls *tls;
	struct conn_addresses *addresses;
	struct strangers *strangers;
	uint64_t turns_seed[2]; /* callers' names are hashed with it */
	struct beckd_loop *loops;
	struct session_hub **hubs; /* by loop index */
	unsigned loop_count;
	uint16_t port;
	struct conn_host *metrics_host; /* on loop 0; NULL = none */
	struct net_listener *metrics_listener;
	int64_t started_us; /* monotonic */
	/* background (background.c) */
	pthread_t background, checkpoints;
	bool background_running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_stopping;
	int64_t apps_mark;
	unsigned rounds;
	unsigned draining; /* loops that still have connections */
};

/* NULL with *why in the arena. The config must live in `a`, which the server takes over. */
struct beckd *beckd_create(
	const struct config *c, struct arena *a, const struct beckd_env *env, struct span *why) BECK_WARN_UNUSED;
bool beckd_start(struct beckd *d, struct span *why) BECK_WARN_UNUSED;
struct span beckd_url(struct beckd *d, struct arena *a);
/* Stops accepting, closes sessions with 1012, waits until everything is flushed or LIMIT_DRAIN_MS passed. */
void beckd_drain(struct beckd *d);
void beckd_destroy(struct beckd *d);

/* ---- internal to src/server ---- */
/* first application, its key and secret (bootstrap.c) */
bool beckd_bootstrap(struct beckd *d, struct span *why);
/* calls.c: api calls on workers */
bool beckd_submit(void *d, struct api_call *call);
/* sessions.c: what hubs ask for */
void beckd_fill_session_ops(struct beckd *d, struct session_ops *ops);
void beckd_came_online(void *d, int64_t app, int64_t user);
/* background.c */
bool beckd_background_start(struct beckd *d);
void beckd_background_stop(struct beckd *d);
/* One round of background duties that are due; the simulator calls it itself. */
void beckd_background_round(struct beckd *d, bool is_last);
/* metrics.c: Prometheus text, and the figures of /beck/usage */
void beckd_metrics(void *d, struct buf *out);
/* metrics_listen.c: the operator's own listener, on loop 0. Made before the loops run. */
bool beckd_metrics_start(struct beckd *d, struct span *why);
void beckd_metrics_drain(struct beckd *d, void (*drained)(void *ctx)); /* on loop 0 */
void beckd_metrics_stop(struct beckd *d);                              /* after the loops */

/* A job of the server's own, with its context and arena; freed by beckd_own_job_free. app 0 = no application (store-wide duty).
 */
struct own_job {
	struct job job;
	struct chat_ctx chat;
	struct arena arena;
	struct app *app;
	struct beckd *d;
};
/* size: of the struct that begins with struct own_job. NULL without memory or when the application is gone. */
void *beckd_own_job(struct beckd *d, size_t size, int64_t app) BECK_WARN_UNUSED;
void beckd_own_job_free(struct own_job *j);

#endif
