/* Where rules run: reader threads and the one write lane (DESIGN 4). A job travels loop -> reader or lane -> loop.
 *
 * A job's `run` may be called more than once (rerun on the lane, after subscriptions, after a broken batch is not retried). Its
 * events are published by the workers: after the commit on the lane, after `run` on a reader. `done` comes on a worker thread,
 * after that. The simulator makes workers without threads and calls workers_step_* itself. */
#ifndef BECK_SERVER_WORKERS_H
#define BECK_SERVER_WORKERS_H

#include "api/api.h"
#include "bus/bus.h"
#include "chat/chat.h"
#include "store/store.h"

struct workers;

enum job_next { JOB_DONE, JOB_TO_LANE, JOB_LATER /* the job itself arranges its continuation (subscriptions) */ };

struct job {
	struct list node;
	struct chat_ctx *chat; /* tx, can_write and now_us are set before run */
	int64_t app;           /* for fair turns ... */
	uint64_t who;          /* ... and within it, on readers: whose it is, hashed; 0 = it takes a turn for itself */
	int64_t queued_us;     /* the workers': monotonic, when it came to the readers */
	bool is_patient;       /* a read whose time counts from its start; others' from when they came */
	uint64_t serial;       /* the workers': place among all reads */
	bool is_duty;          /* the server's own, not counted */
	bool is_slow;          /* a read that may take long: others must not wait behind it */
	enum job_next next;    /* as run left it */
	enum job_next (*run)(struct job *j);
	/* The error in chat->error is final (a broken batch puts 503 there). Not called after JOB_TO_LANE. */
	void (*done)(struct job *j);
};

struct workers_options {
	struct store *store; /* opened with readers + 1 */
	struct bus *bus;
	struct chat *chat;
	const struct clock *clock;
	int readers;
	bool is_threaded;
	/* COMMIT with an unknown outcome: must not return in production (the simulator restarts the server). */
	void (*fatal)(void *ctx, const char *why);
	void *ctx;
};
struct workers *workers_create(const struct workers_options *o) BECK_WARN_UNUSED;
/* Refuses new jobs, finishes what is queued (the loops must still take answers), ends the threads. */
void workers_stop(struct workers *w);
void workers_destroy(struct workers *w); /* after workers_stop and after the loops have stopped */

bool workers_read(struct workers *w, struct job *j); /* false: queue full, nothing happened */
bool workers_write(struct workers *w, struct job *j);

/* One unit of work without threads; false when there was none. */
bool workers_step_reader(struct workers *w, int reader);
bool workers_step_lane(struct workers *w);

struct workers_stats {
	int64_t reads, writes, batches, rejected, read_queue, lane_queue, broken_batches;
};
void workers_stats(struct workers *w, struct workers_stats *out);

#endif
