/* Threads and what both sorts of them do with a job. */
#include <signal.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/lock.h"
#include "server/workers_state.h"

enum { READ_CALLERS = 128 };

/* ---- steps of a job ---- */
void job_drop_events(struct chat_ctx *c)
{
	for (size_t i = 0; i < c->event_count; i++) event_unref(c->events[i]);
	c->event_count = 0;
}

void job_publish(struct workers *w, struct chat_ctx *c)
{
	chat_committed(c);
	if (c->event_count) bus_publish(w->o.bus, c->events, c->event_count);
	c->event_count = 0;
}

void job_begin(struct workers *w, struct job *j, struct store_tx *tx, bool can_write)
{
	struct chat_ctx *c = j->chat;
	job_drop_events(c);
	c->tx = tx;
	c->can_write = can_write;
	c->apps_changed = false;
	c->hides_of = 0;
	c->now_us = clock_wall_us(w->o.clock);
	c->error = (struct error){ 0 };
}

void job_fail(struct job *j, enum err e, struct span message)
{
	job_drop_events(j->chat);
	j->chat->error = (struct error){ .err = e, .message = message, .retry_after_s = e == ERR_UNAVAILABLE ? 1 : 0 };
	j->next = JOB_DONE;
}

/* ---- life ---- */
static bool start_threads(struct workers *w)
{
	/* Signals are main's: the threads are born with everything blocked. */
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	bool ok = pthread_create(&w->lane, NULL, lane_main, w) == 0;
	for (int i = 0; ok && i < w->o.readers; i++) {
		w->readers[i] = (struct reader){ .w = w, .index = i };
		ok = pthread_create(&w->readers[i].thread, NULL, reader_main, &w->readers[i]) == 0;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ok;
}

struct workers *workers_create(const struct workers_options *o)
{
	struct workers *w = calloc(1, sizeof *w);
	if (!w) return NULL;
	w->o = *o;
	w->readers = calloc((size_t)o->readers, sizeof *w->readers);
	short_lock_init(&w->lock);
	pthread_cond_init(&w->read_wake, NULL);
	pthread_cond_init(&w->lane_wake, NULL);
	turns_init(&w->reads, READ_CALLERS, LIMIT_READ_QUEUE);
	turns_init(&w->writes, 1, LIMIT_LANE_QUEUE);
	if (!w->readers || (o->is_threaded && !start_threads(w))) beck_panic(__FILE__, __LINE__, "cannot start worker threads");
	return w;
}

void workers_stop(struct workers *w)
{
	if (!w) return;
	pthread_mutex_lock(&w->lock);
	w->is_stopping = true;
	pthread_cond_broadcast(&w->read_wake);
	pthread_cond_broadcast(&w->lane_wake);
	pthread_mutex_unlock(&w->lock);
	if (w->o.is_threaded) {
		for (int i = 0; i < w->o.readers; i++) pthread_join(w->readers[i].thread, NULL);
		pthread_join(w->lane, NULL);
	}
	/* A reader may have sent its last job to the lane after the lane had looked for the last time, and a loop its last to a
	 * reader. */
	while (workers_step_reader(w, 0) || workers_step_lane(w)) {
	}
	pthread_mutex_lock(&w->lock);
	w->is_closed = true;
	pthread_mutex_unlock(&w->lock);
	while (workers_step_reader(w, 0) || workers_step_lane(w)) {
	}
}

void workers_destroy(struct workers *w)
{
	if (!w) return;
	turns_deinit(&w->reads);
	turns_deinit(&w->writes);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->read_wake);
	pthread_cond_destroy(&w->lane_wake);
	free(w->readers);
	free(w);
}

void workers_stats(struct workers *w, struct workers_stats *out)
{
	pthread_mutex_lock(&w->lock);
	*out = w->stats;
	out->read_queue = (int64_t)w->reads.count;
	out->lane_queue = (int64_t)w->writes.count;
	pthread_mutex_unlock(&w->lock);
}
