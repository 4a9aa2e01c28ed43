/* Duties that nobody asks for: last_active and monthly active users (batched within a second), tasks in slices, the bounds of the
 * event log, pins that expire, applications changed by another process, checkpoints (a thread of their own: they wait for the
 * disk). */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/lock.h"
#include "base/log.h"
#include "chat/background.h"
#include "server/beckd.h"

#define SEEN_BATCH 1000

struct duty_job {
	struct own_job own;
	struct registry_seen *seen;
	size_t seen_count;
	enum err (*rule)(struct duty_job *j);
	bool finished, again, has_mark;
	int64_t mark; /* becomes apps_mark once it is over: rules may run twice */
};

static enum job_next duty_run(struct job *job)
{
	struct duty_job *j = BECK_CONTAINER(job, struct duty_job, own.job);
	j->again = false;
	enum err e = j->rule(j);
	if (e != ERR_OK && j->own.chat.error.err == ERR_OK) j->own.chat.error.err = e;
	return JOB_DONE;
}

static void duty_done(struct job *job)
{
	struct duty_job *j = BECK_CONTAINER(job, struct duty_job, own.job);
	struct beckd *d = j->own.d;
	if (j->has_mark && j->own.chat.error.err == ERR_OK) d->apps_mark = j->mark;
	pthread_mutex_lock(&d->lock);
	j->finished = true;
	pthread_cond_broadcast(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

/* Runs one rule on the lane and waits for its commit: duties take turns with requests and never pile up. Returns whether the rule
 * wants another turn. */
static bool duty(struct beckd *d, int64_t app, enum err (*rule)(struct duty_job *), struct registry_seen *seen, size_t n)
{
	struct duty_job *j = beckd_own_job(d, sizeof *j, app);
	if (!j) return false;
	j->rule = rule;
	j->seen = seen;
	j->seen_count = n;
	j->own.job.run = duty_run;
	j->own.job.done = duty_done;
	j->own.job.is_duty = true;
	bool queued = workers_write(d->workers, &j->own.job);
	while (queued && !d->env.is_threaded && workers_step_lane(d->workers)) {
	}
	pthread_mutex_lock(&d->lock);
	while (queued && !j->finished) pthread_cond_wait(&d->wake, &d->lock);
	pthread_mutex_unlock(&d->lock);
	bool again = queued && j->again && j->own.chat.error.err == ERR_OK;
	if (j->own.chat.error.err != ERR_OK) LOG_WRN("background duty failed", "err=%s", err_name(j->own.chat.error.err));
	beckd_own_job_free(&j->own);
	return again;
}

static enum err seen_rule(struct duty_job *j)
{
	j->again = true;
	return chat_seen_flush(&j->own.chat, j->seen, j->seen_count);
}

static void flush_seen(struct beckd *d)
{
	struct registry_seen *seen = malloc(SEEN_BATCH * sizeof *seen);
	size_t n;
	while (seen && (n = registry_list_seen(d->registry, seen, SEEN_BATCH)) > 0 && duty(d, 0, seen_rule, seen, n))
		registry_forget_seen(d->registry, seen, n);
	free(seen);
}

static enum err prune_rule(struct duty_job *j)
{
	int64_t before = j->own.chat.now_us - LIMIT_SYNC_DAYS * INT64_C(86400000000);
	return store_events_prune(j->own.chat.tx, before, LIMIT_LOG_BYTES, 1000, &j->again);
}

/* Deleted channels of whose end the log tells nobody any more. */
static enum err forget_rule(struct duty_job *j)
{
	int64_t before = j->own.chat.now_us - LIMIT_SYNC_DAYS * INT64_C(86400000000);
	return store_channels_forget(j->own.chat.tx, before, LIMIT_PURGE_SLICE, &j->again);
}

static enum err task_rule(struct duty_job *j) { return chat_background_task(&j->own.chat, &j->again); }
static enum err pins_rule(struct duty_job *j) { return chat_background_pins(&j->own.chat, &j->again); }

static bool is_stopping(struct beckd *d)
{
	pthread_mutex_lock(&d->lock);
	bool stop = d->is_stopping;
	pthread_mutex_unlock(&d->lock);
	return stop;
}

static void repeat(struct beckd *d, enum err (*rule)(struct duty_job *))
{
	while (duty(d, 0, rule, NULL, 0) && !is_stopping(d)) {
	}
}

/* `beck app` beside us writes the same tables: what it changed is noticed here. */
static enum err apps_rule(struct duty_job *j)
{
	int64_t mark;
	enum err e = store_app_mark(j->own.chat.tx, &mark);
	if (e != ERR_OK) return e;
	j->own.chat.apps_changed = mark != j->own.d->apps_mark;
	j->mark = mark;
	j->has_mark = true;
	return ERR_OK;
}

enum { PRUNE_EVERY = 120 }; /* rounds: a minute */

void beckd_background_round(struct beckd *d, bool is_last)
{
	flush_seen(d);
	if (is_last) return;
	repeat(d, apps_rule);
	repeat(d, task_rule);
	repeat(d, pins_rule);
	if (d->rounds++ % PRUNE_EVERY != 0) return;
	repeat(d, prune_rule);
	repeat(d, forget_rule);
}

/* Waits on the condition for `ms` or until the end. Returns whether to go on. */
static bool pause_ms(struct beckd *d, int64_t ms)
{
	struct timespec at = cond_until(ms * 1000);
	pthread_mutex_lock(&d->lock);
	int rc = 0;
	while (!d->is_stopping && rc == 0) rc = pthread_cond_timedwait(&d->wake, &d->lock, &at);
	bool go_on = !d->is_stopping;
	pthread_mutex_unlock(&d->lock);
	return go_on;
}

static void *background_main(void *arg)
{
	struct beckd *d = arg;
	while (pause_ms(d, 500)) beckd_background_round(d, false);
	return NULL;
}

static void *checkpoint_main(void *arg)
{
	struct beckd *d = arg;
	while (pause_ms(d, LIMIT_CHECKPOINT_LOOK_MS)) {
		if (store_checkpoint_due(d->store)) store_checkpoint(d->store);
	}
	return NULL;
}

bool beckd_background_start(struct beckd *d)
{
	if (pthread_create(&d->background, NULL, background_main, d) != 0) return false;
	if (pthread_create(&d->checkpoints, NULL, checkpoint_main, d) != 0)
		beck_panic(__FILE__, __LINE__, "cannot start threads");
	d->background_running = true;
	return true;
}

void beckd_background_stop(struct beckd *d)
{
	pthread_mutex_lock(&d->lock);
	d->is_stopping = true;
	pthread_cond_broadcast(&d->wake);
	pthread_mutex_unlock(&d->lock);
	if (!d->background_running) return;
	pthread_join(d->background, NULL);
	pthread_join(d->checkpoints, NULL);
	d->background_running = false;
	beckd_background_round(d, true);
}
