/* What struct workers holds, for the files that are its life: workers.c (threads, what both sorts do with a job), readers.c,
 * lane.c. Nobody else includes this. */
#ifndef BECK_SERVER_WORKERS_STATE_H
#define BECK_SERVER_WORKERS_STATE_H

#include <pthread.h>

#include "server/turns.h"

struct reader {
	struct workers *w;
	pthread_t thread;
	int index;
};

struct workers {
	struct workers_options o;
	pthread_mutex_t lock;
	pthread_cond_t read_wake, lane_wake;
	struct turns reads;
	uint64_t read_serial; /* of the newest read ever queued */
	int idle_readers;     /* asleep, or on their way out of it */
	int slow_reads;       /* being run that may take long: who runs them is not counted on */
	bool is_reader_called, is_lane_idle;
	int64_t last_read_us;   /* when a reader last took a job */
	int64_t recent_read_us; /* how long reads take: the longest, fading */
	struct turns writes;
	bool is_stopping, is_closed;
	struct reader *readers;
	pthread_t lane;
	struct job *batch[256];
	int guarded; /* batches to come that run with savepoints; the lane's */
	struct workers_stats stats;
};

/* ---- workers.c: a job's steps, on the thread that runs it ---- */
void job_begin(struct workers *w, struct job *j, struct store_tx *tx, bool can_write);
void job_publish(struct workers *w, struct chat_ctx *c);
void job_drop_events(struct chat_ctx *c);
void job_fail(struct job *j, enum err e, struct span message);

/* ---- threads; each until the end ---- */
void *reader_main(void *reader);
void *lane_main(void *workers);

#endif
