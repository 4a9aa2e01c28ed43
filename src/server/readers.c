/* The readers: whoever is free takes the next read; several share one snapshot. */
#include <stdio.h>

#include "base/limits.h"
#include "server/workers_state.h"

/* With the lock held. True: signal read_wake. A wake costs more than a cheap read, so another reader is called only when none is
 * at work, when what waits would take long, or when those at work do not come back. */
static bool call_reader(struct workers *w, int64_t now_us)
{
	if (w->is_reader_called || w->idle_readers == 0 || w->reads.count == 0) return false;
	bool none_works = w->idle_readers == w->o.readers, is_stuck = now_us - w->last_read_us > LIMIT_READ_STUCK_US;
	w->is_reader_called =
		none_works || is_stuck || w->slow_reads > 0 || (int64_t)w->reads.count * w->recent_read_us > LIMIT_READ_CALL_US;
	return w->is_reader_called;
}

bool workers_read(struct workers *w, struct job *j)
{
	int64_t now = clock_mono_us(w->o.clock);
	pthread_mutex_lock(&w->lock);
	bool ok = !w->is_closed && turns_push(&w->reads, j), call = false;
	if (ok) {
		j->serial = ++w->read_serial;
		j->queued_us = now;
		call = call_reader(w, now);
	} else {
		w->stats.rejected++;
	}
	pthread_mutex_unlock(&w->lock);
	/* Signalled without the lock, or the woken thread would only wait for it. */
	if (call) pthread_cond_signal(&w->read_wake);
	return ok;
}

/* One turn of a reader. Jobs that were queued before its snapshot was taken share it: each sees all that was acknowledged before
 * it was asked. Answers go back together, so that a burst wakes its loop once. */
struct read_turn {
	struct workers *w;
	int reader;
	struct store_tx *tx; /* NULL: no snapshot is held */
	uint64_t newest;     /* the last job that may use it */
	int64_t until_us;
	size_t count;
	struct list finished;
};

static void end_snapshot(struct read_turn *t)
{
	if (t->tx) store_read_end(t->tx);
	t->tx = NULL;
}

static void give_back(struct read_turn *t)
{
	struct list *n;
	while ((n = list_shift(&t->finished)) != NULL) {
		struct job *j = BECK_CONTAINER(n, struct job, node);
		j->done(j);
	}
}

static void finish_read(struct read_turn *t, struct job *j)
{
	if (j->chat->error.err == ERR_OK && j->next != JOB_TO_LANE) {
		job_publish(t->w, j->chat);
	} else {
		job_drop_events(j->chat);
	}
	if (j->next == JOB_TO_LANE) {
		if (workers_write(t->w, j)) return;
		job_fail(j, ERR_UNAVAILABLE, SPAN("too many writes are waiting"));
	}
	list_push(&t->finished, &j->node);
}

static void run_read(struct read_turn *t, struct job *j, int64_t now_us)
{
	int64_t deadline = (j->is_patient ? now_us : j->queued_us) + LIMIT_READ_DEADLINE_MS * 1000;
	if (now_us >= deadline) {
		job_fail(j, ERR_UNAVAILABLE, SPAN("the server had no time for this; try again"));
		finish_read(t, j);
		return;
	}
	enum err e = t->tx ? ERR_OK : store_read_begin(t->w->o.store, t->reader, deadline, &t->tx);
	if (e != ERR_OK) {
		t->tx = NULL;
		job_fail(j, e, SPAN("the store cannot be read now"));
	} else {
		store_read_next(t->tx, deadline);
		job_begin(t->w, j, t->tx, false);
		j->next = j->run(j);
		j->chat->tx = NULL;
	}
	finish_read(t, j);
}

/* Before it the answers of this turn go home, and after it others need not call a reader for what this one can do. */
static void run_slow(struct read_turn *t, struct job *j, int64_t now_us)
{
	give_back(t);
	run_read(t, j, now_us);
	pthread_mutex_lock(&t->w->lock);
	t->w->slow_reads--;
	pthread_mutex_unlock(&t->w->lock);
}

/* The next job of this turn, with a snapshot it may use still open or none; NULL: the turn is over. */
static struct job *next_read(struct read_turn *t, int64_t now_us, int64_t took_us)
{
	struct workers *w = t->w;
	if (t->count == LIMIT_READ_TURN || (t->count && now_us >= t->until_us)) return NULL;
	pthread_mutex_lock(&w->lock);
	struct job *j = turns_pop(&w->reads);
	bool is_newer = j && j->serial > t->newest;
	if (is_newer) t->newest = w->read_serial;
	w->slow_reads += j && j->is_slow;
	w->stats.reads += j != NULL;
	w->last_read_us = now_us;
	w->recent_read_us = took_us > w->recent_read_us ? took_us : w->recent_read_us - w->recent_read_us / 64;
	bool call = call_reader(w, now_us);
	pthread_mutex_unlock(&w->lock);
	if (call) pthread_cond_signal(&w->read_wake);
	if (is_newer) end_snapshot(t);
	t->count += j != NULL;
	return j;
}

bool workers_step_reader(struct workers *w, int reader)
{
	int64_t now = clock_mono_us(w->o.clock), before = now;
	struct read_turn t = { .w = w, .reader = reader, .until_us = now + LIMIT_READ_TURN_US };
	list_init(&t.finished);
	struct job *j;
	while ((j = next_read(&t, now, now - before)) != NULL) {
		if (j->is_slow) {
			run_slow(&t, j, now);
		} else {
			run_read(&t, j, now);
		}
		before = now;
		now = clock_mono_us(w->o.clock);
	}
	end_snapshot(&t);
	give_back(&t);
	return t.count > 0;
}

/* Sleeps until there is something to read; false: the end. */
static bool wait_for_read(struct workers *w)
{
	pthread_mutex_lock(&w->lock);
	w->idle_readers++;
	while (w->reads.count == 0 && !w->is_stopping) {
		pthread_cond_wait(&w->read_wake, &w->lock);
		w->is_reader_called = false;
	}
	w->idle_readers--;
	bool more = w->reads.count > 0;
	pthread_mutex_unlock(&w->lock);
	return more;
}

void *reader_main(void *arg)
{
	struct reader *r = arg;
	char name[16];
	(void)snprintf(name, sizeof name, "reader-%d", r->index);
	(void)pthread_setname_np(pthread_self(), name);
	while (wait_for_read(r->w)) workers_step_reader(r->w, r->index);
	return NULL;
}
