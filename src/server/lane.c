/* The write lane: gathers what waits into one commit, application by application. */
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "server/workers_state.h"

bool workers_write(struct workers *w, struct job *j)
{
	pthread_mutex_lock(&w->lock);
	bool ok = !w->is_closed && turns_push(&w->writes, j);
	bool call = ok && w->is_lane_idle;
	if (ok) {
		w->is_lane_idle = false;
	} else {
		w->stats.rejected++;
	}
	pthread_mutex_unlock(&w->lock);
	if (call) pthread_cond_signal(&w->lane_wake);
	return ok;
}

/* RULE_AGAIN: it refused after it had written, in a batch without savepoints, which has to run again with them. RULE_BROKEN: the
 * whole batch is gone. */
enum rule_end { RULE_OVER, RULE_AGAIN, RULE_BROKEN };

static enum rule_end run_write(struct workers *w, struct job *j, struct store_tx *tx)
{
	job_begin(w, j, tx, true);
	enum err e = store_rule_begin(tx);
	if (e == ERR_OK) {
		j->next = j->run(j);
		j->chat->tx = NULL;
		bool keep = j->chat->error.err == ERR_OK;
		if (!keep) job_drop_events(j->chat);
		if (!store_batch_broken(tx)) e = store_rule_end(tx, keep);
		if (e == ERR_AGAIN) return RULE_AGAIN;
	}
	if (store_batch_broken(tx)) return RULE_BROKEN;
	if (e != ERR_OK) job_fail(j, e, SPAN("the store could not write"));
	return RULE_OVER;
}

static enum rule_end gather(struct workers *w, struct store_tx *tx, size_t *n)
{
	int64_t until = clock_mono_us(w->o.clock) + LIMIT_LANE_BATCH_MS * 1000;
	*n = 0;
	while (*n < BECK_COUNT(w->batch) && *n < (size_t)LIMIT_LANE_BATCH) {
		pthread_mutex_lock(&w->lock);
		struct job *j = turns_pop(&w->writes);
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
			job_fail(w->batch[i], ERR_UNAVAILABLE, SPAN("the store could not commit; nothing was stored"));
		apps_changed |= w->batch[i]->chat->apps_changed;
	}
	if (outcome == STORE_COMMITTED && apps_changed) reload_apps(w);
	for (size_t i = 0; i < n; i++) job_publish(w, w->batch[i]->chat);
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
		for (n = 0; n < BECK_COUNT(w->batch) && (w->batch[n] = turns_pop(&w->writes)) != NULL;) n++;
		pthread_mutex_unlock(&w->lock);
	}
	int64_t asked = 0;
	for (size_t i = 0; i < n; i++) asked += !w->batch[i]->is_duty;
	pthread_mutex_lock(&w->lock);
	w->stats.batches += asked > 0;
	w->stats.writes += asked;
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
	bool work = w->writes.count > 0;
	pthread_mutex_unlock(&w->lock);
	if (work) run_batch(w);
	return work;
}

void *lane_main(void *arg)
{
	struct workers *w = arg;
	(void)pthread_setname_np(pthread_self(), "lane");
	for (;;) {
		pthread_mutex_lock(&w->lock);
		while (w->writes.count == 0 && !w->is_stopping) {
			w->is_lane_idle = true;
			pthread_cond_wait(&w->lane_wake, &w->lock);
		}
		w->is_lane_idle = false;
		bool end = w->writes.count == 0;
		pthread_mutex_unlock(&w->lock);
		if (end) return NULL;
		run_batch(w);
	}
}
