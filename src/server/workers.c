#include "server/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"

enum { READ_STUCK_US = 1000, READ_CALL_US = 300 };

/* Turns are shared between applications: each has its own queue, and the lane goes round them. */
struct lane_queue {
	struct list node; /* in lane.ring while not empty */
	struct list jobs;
	int64_t app;
};

struct reader {
	struct workers *w;
	pthread_t thread;
	int index;
};

struct workers {
	struct workers_options o;
	pthread_mutex_t lock;
	pthread_cond_t read_wake, lane_wake;
	struct list reads;
	uint64_t read_serial; /* of the newest read ever queued */
	int idle_readers;     /* asleep, or on their way out of it */
	bool is_reader_called, is_lane_idle;
	int64_t last_read_us;   /* when a reader last took a job */
	int64_t recent_read_us; /* how long reads take: the longest, fading */
	struct list ring;       /* lane queues with work, next in turn first */
	struct u64map by_app;   /* every lane queue ever made */
	size_t read_count, lane_count;
	bool is_stopping, is_closed;
	struct reader *readers;
	pthread_t lane;
	struct job *batch[256];
	int guarded; /* batches to come that run with savepoints; the lane's */
	struct workers_stats stats;
};

static struct lane_queue *lane_queue_of(struct workers *w, int64_t app)
{
	struct lane_queue *q = u64map_get(&w->by_app, (uint64_t)app + 1);
	if (q) return q;
	q = calloc(1, sizeof *q);
	if (!q || !u64map_put(&w->by_app, (uint64_t)app + 1, q)) {
		free(q);
		return NULL;
	}
	list_init(&q->node);
	list_init(&q->jobs);
	q->app = app;
	return q;
}

/* With the lock held. True: signal read_wake. A wake costs more than a cheap read, so another reader is called only when none is
 * at work, when what waits would take long, or when those at work do not come back. */
static bool call_reader(struct workers *w, int64_t now_us)
{
	if (w->is_reader_called || w->idle_readers == 0 || list_empty(&w->reads)) return false;
	bool none_works = w->idle_readers == w->o.readers, is_stuck = now_us - w->last_read_us > READ_STUCK_US;
	w->is_reader_called = none_works || is_stuck || (int64_t)w->read_count * w->recent_read_us > READ_CALL_US;
	return w->is_reader_called;
}

bool workers_read(struct workers *w, struct job *j)
{
	int64_t now = clock_mono_us(w->o.clock);
	pthread_mutex_lock(&w->lock);
	bool ok = !w->is_closed && w->read_count < (size_t)LIMIT_READ_QUEUE, call = false;
	if (ok) {
		list_init(&j->node);
		list_push(&w->reads, &j->node);
		j->serial = ++w->read_serial;
		w->read_count++;
		call = call_reader(w, now);
	} else {
		w->stats.rejected++;
	}
	pthread_mutex_unlock(&w->lock);
	/* Signalled without the lock, or the woken thread would only wait for it. */
	if (call) pthread_cond_signal(&w->read_wake);
	return ok;
}

bool workers_write(struct workers *w, struct job *j)
{
	pthread_mutex_lock(&w->lock);
	struct lane_queue *q = !w->is_closed && w->lane_count < (size_t)LIMIT_LANE_QUEUE ? lane_queue_of(w, j->app) : NULL;
	bool call = q && w->is_lane_idle;
	if (q) {
		list_init(&j->node);
		list_push(&q->jobs, &j->node);
		if (!list_linked(&q->node)) list_push(&w->ring, &q->node);
		w->lane_count++;
		w->is_lane_idle = false;
	} else {
		w->stats.rejected++;
	}
	pthread_mutex_unlock(&w->lock);
	if (call) pthread_cond_signal(&w->lane_wake);
	return q != NULL;
}

/* With the lock held. */
static struct job *lane_pop(struct workers *w)
{
	struct list *n = list_shift(&w->ring);
	if (!n) return NULL;
	struct lane_queue *q = BECK_CONTAINER(n, struct lane_queue, node);
	struct job *j = BECK_CONTAINER(list_shift(&q->jobs), struct job, node);
	if (!list_empty(&q->jobs)) list_push(&w->ring, &q->node);
	w->lane_count--;
	return j;
}

static void drop_events(struct chat_ctx *c)
{
	for (size_t i = 0; i < c->event_count; i++) event_unref(c->events[i]);
	c->event_count = 0;
}

static void publish(struct workers *w, struct chat_ctx *c)
{
	chat_committed(c);
	if (c->event_count) bus_publish(w->o.bus, c->events, c->event_count);
	c->event_count = 0;
}

static void begin(struct workers *w, struct job *j, struct store_tx *tx, bool can_write)
{
	struct chat_ctx *c = j->chat;
	drop_events(c);
	c->tx = tx;
	c->can_write = can_write;
	c->apps_changed = false;
	c->now_us = clock_wall_us(w->o.clock);
	c->error = (struct error){ 0 };
}

static void fail(struct job *j, enum err e, struct span message)
{
	drop_events(j->chat);
	j->chat->error = (struct error){ .err = e, .message = message, .retry_after_s = e == ERR_UNAVAILABLE ? 1 : 0 };
	j->next = JOB_DONE;
}

/* ---- readers ---- */
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
		publish(t->w, j->chat);
	} else {
		drop_events(j->chat);
	}
	if (j->next == JOB_TO_LANE) {
		if (workers_write(t->w, j)) return;
		fail(j, ERR_UNAVAILABLE, SPAN("too many writes are waiting"));
	}
	list_push(&t->finished, &j->node);
}

static void run_read(struct read_turn *t, struct job *j, int64_t now_us)
{
	int64_t deadline = j->deadline_us ? j->deadline_us : now_us + LIMIT_READ_DEADLINE_MS * 1000;
	enum err e = t->tx ? ERR_OK : store_read_begin(t->w->o.store, t->reader, deadline, &t->tx);
	if (e != ERR_OK) {
		t->tx = NULL;
		fail(j, e, SPAN("the store cannot be read now"));
	} else {
		store_read_next(t->tx, deadline);
		begin(t->w, j, t->tx, false);
		j->next = j->run(j);
		j->chat->tx = NULL;
	}
	finish_read(t, j);
}

/* The next job of this turn, with a snapshot it may use still open or none; NULL: the turn is over. */
static struct job *next_read(struct read_turn *t, int64_t now_us, int64_t took_us)
{
	struct workers *w = t->w;
	if (t->count == LIMIT_READ_TURN || (t->count && now_us >= t->until_us)) return NULL;
	pthread_mutex_lock(&w->lock);
	struct list *n = list_shift(&w->reads);
	struct job *j = n ? BECK_CONTAINER(n, struct job, node) : NULL;
	bool is_newer = j && j->serial > t->newest;
	if (is_newer) t->newest = w->read_serial;
	w->read_count -= j != NULL;
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
		run_read(&t, j, now);
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
	while (list_empty(&w->reads) && !w->is_stopping) {
		pthread_cond_wait(&w->read_wake, &w->lock);
		w->is_reader_called = false;
	}
	w->idle_readers--;
	bool more = !list_empty(&w->reads);
	pthread_mutex_unlock(&w->lock);
	return more;
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	char name[16];
	(void)snprintf(name, sizeof name, "reader-%d", r->index);
	(void)pthread_setname_np(pthread_self(), name);
	while (wait_for_read(r->w)) workers_step_reader(r->w, r->index);
	return NULL;
}

/* ---- the lane ---- */
/* RULE_AGAIN: it refused after it had written, in a batch without savepoints, which has to run again with them. RULE_BROKEN: the
 * whole batch is gone. */
enum rule_end { RULE_OVER, RULE_AGAIN, RULE_BROKEN };

static enum rule_end run_write(struct workers *w, struct job *j, struct store_tx *tx)
{
	begin(w, j, tx, true);
	enum err e = store_rule_begin(tx);
	if (e == ERR_OK) {
		j->next = j->run(j);
		j->chat->tx = NULL;
		bool keep = j->chat->error.err == ERR_OK;
		if (!keep) drop_events(j->chat);
		if (!store_batch_broken(tx)) e = store_rule_end(tx, keep);
		if (e == ERR_AGAIN) return RULE_AGAIN;
	}
	if (store_batch_broken(tx)) return RULE_BROKEN;
	if (e != ERR_OK) fail(j, e, SPAN("the store could not write"));
	return RULE_OVER;
}

static enum rule_end gather(struct workers *w, struct store_tx *tx, size_t *n)
{
	int64_t until = clock_mono_us(w->o.clock) + LIMIT_LANE_BATCH_MS * 1000;
	*n = 0;
	while (*n < BECK_COUNT(w->batch) && *n < (size_t)LIMIT_LANE_BATCH) {
		pthread_mutex_lock(&w->lock);
		struct job *j = lane_pop(w);
		pthread_mutex_unlock(&w->lock);
		if (!j) break;
		w->batch[(*n)++] = j;
		enum rule_end end = run_write(w, j, tx);
		if (end != RULE_OVER) return end;
		if (clock_mono_us(w->o.clock) >= until) break;
	}
	return RULE_OVER;
}

/* Rules have no effect outside transaction and arena, so they may run twice. */
static enum store_commit run_again(struct workers *w, size_t n)
{
	struct store_tx *tx;
	if (store_batch_begin(w->o.store, &tx) != ERR_OK) return STORE_ROLLED_BACK;
	for (size_t i = 0; i < n; i++) {
		if (run_write(w, w->batch[i], tx) == RULE_OVER) continue;
		store_batch_abort(tx);
		return STORE_ROLLED_BACK;
	}
	return store_batch_commit(tx);
}

/* One batch of what waits; how many jobs it took in hand. */
static size_t run_gathered(struct workers *w, struct store_tx *tx, enum store_commit *outcome)
{
	enum { GUARDED_AFTER_AGAIN = 64 }; /* who makes batches run twice does it once in so many */
	size_t n;
	if (w->guarded > 0) {
		w->guarded--;
	} else {
		store_batch_unguarded(tx);
	}
	enum rule_end end = gather(w, tx, &n);
	if (end == RULE_OVER) {
		*outcome = store_batch_commit(tx);
		return n;
	}
	store_batch_abort(tx);
	if (end == RULE_BROKEN) return n;
	w->guarded = GUARDED_AFTER_AGAIN;
	*outcome = run_again(w, n);
	return n;
}

static void reload_apps(struct workers *w)
{
	struct store_tx *tx;
	/* The last reader of the store's pool is the lane's own: there is one more than there are reader threads. */
	enum err e = store_read_begin(w->o.store, w->o.readers, 0, &tx);
	if (e == ERR_OK) {
		e = chat_apps_load(w->o.chat->apps, tx);
		store_read_end(tx);
	}
	if (e != ERR_OK) LOG_ERR("applications not reloaded", "err=%s", err_name(e));
}

static void finish_batch(struct workers *w, size_t n, enum store_commit outcome)
{
	bool apps_changed = false;
	for (size_t i = 0; i < n; i++) {
		if (outcome != STORE_COMMITTED)
			fail(w->batch[i], ERR_UNAVAILABLE, SPAN("the store could not commit; nothing was stored"));
		apps_changed |= w->batch[i]->chat->apps_changed;
	}
	if (outcome == STORE_COMMITTED && apps_changed) reload_apps(w);
	for (size_t i = 0; i < n; i++) publish(w, w->batch[i]->chat);
	for (size_t i = 0; i < n; i++) w->batch[i]->done(w->batch[i]);
}

static void run_batch(struct workers *w)
{
	struct store_tx *tx;
	enum store_commit outcome = STORE_ROLLED_BACK;
	size_t n;
	if (store_batch_begin(w->o.store, &tx) == ERR_OK) {
		n = run_gathered(w, tx, &outcome);
	} else {
		pthread_mutex_lock(&w->lock);
		for (n = 0; n < BECK_COUNT(w->batch) && (w->batch[n] = lane_pop(w)) != NULL;) n++;
		pthread_mutex_unlock(&w->lock);
	}
	pthread_mutex_lock(&w->lock);
	w->stats.batches++;
	w->stats.writes += (int64_t)n;
	w->stats.broken_batches += outcome != STORE_COMMITTED;
	pthread_mutex_unlock(&w->lock);
	if (outcome == STORE_UNKNOWN) {
		/* The rows may or may not be in the file: whatever we said now could be a lie. */
		w->o.fatal(w->o.ctx, "COMMIT failed with an unknown outcome");
	}
	finish_batch(w, n, outcome);
}

bool workers_step_lane(struct workers *w)
{
	pthread_mutex_lock(&w->lock);
	bool work = !list_empty(&w->ring);
	pthread_mutex_unlock(&w->lock);
	if (work) run_batch(w);
	return work;
}

static void *lane_main(void *arg)
{
	struct workers *w = arg;
	(void)pthread_setname_np(pthread_self(), "lane");
	for (;;) {
		pthread_mutex_lock(&w->lock);
		while (list_empty(&w->ring) && !w->is_stopping) {
			w->is_lane_idle = true;
			pthread_cond_wait(&w->lane_wake, &w->lock);
		}
		w->is_lane_idle = false;
		bool end = list_empty(&w->ring);
		pthread_mutex_unlock(&w->lock);
		if (end) return NULL;
		run_batch(w);
	}
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
	list_init(&w->reads);
	list_init(&w->ring);
	u64map_init(&w->by_app);
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
	size_t it = 0;
	struct lane_queue *q;
	while ((q = u64map_next(&w->by_app, &it, NULL)) != NULL) free(q);
	u64map_deinit(&w->by_app);
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
	out->read_queue = (int64_t)w->read_count;
	out->lane_queue = (int64_t)w->lane_count;
	pthread_mutex_unlock(&w->lock);
}
