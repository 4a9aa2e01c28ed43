/* What hubs ask of the rules: pages of the log for a resume, totals anew, and what to announce when somebody comes or goes. Each
 * is a read job of the server's own. When the queue is full, presence events are lost (they are ephemeral), while a resuming
 * session is told that it failed and comes again. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "chat/messages.h"
#include "chat/channels.h"
#include "chat/presence.h"
#include "server/beckd.h"

void *beckd_own_job(struct beckd *d, size_t size, int64_t app)
{
	struct own_job *j = calloc(1, size);
	if (!j) return NULL;
	arena_init(&j->arena, (size_t)LIMIT_ARENA_BYTES);
	j->d = d;
	j->app = app ? chat_app_by_pk(d->chat.apps, app) : NULL;
	if (app && !j->app) {
		free(j);
		return NULL;
	}
	j->chat = (struct chat_ctx){
		.chat = &d->chat, .arena = &j->arena, .app = j->app, .caller = CALLER_SERVER, .dialect = DIALECT_1
	};
	j->job.chat = &j->chat;
	j->job.app = app;
	j->job.is_patient = true;
	return j;
}

void beckd_own_job_free(struct own_job *j)
{
	for (size_t i = 0; i < j->chat.event_count; i++) event_unref(j->chat.events[i]);
	if (j->app) chat_app_unref(j->app);
	arena_deinit(&j->arena);
	free(j);
}

static void submit_or_drop(struct own_job *j)
{
	if (!workers_read(j->d->workers, &j->job)) beckd_own_job_free(j);
}

/* A rule's result becomes the job's error, so that the workers know whether to publish. */
static enum job_next finish(struct own_job *j, enum err e)
{
	if (e != ERR_OK && j->chat.error.err == ERR_OK) j->chat.error.err = e;
	return JOB_DONE;
}

static void free_when_done(struct job *job)
{
	struct own_job *j = BECK_CONTAINER(job, struct own_job, job);
	if (j->chat.error.err != ERR_OK) LOG_WRN("announcement lost", "err=%s", err_name(j->chat.error.err));
	beckd_own_job_free(j);
}

/* ---- came online ---- */
struct online_job {
	struct own_job own;
	int64_t user;
};

static enum job_next online_run(struct job *job)
{
	struct online_job *j = BECK_CONTAINER(job, struct online_job, own.job);
	return finish(&j->own, chat_presence_event(&j->own.chat, j->user, true));
}

void beckd_came_online(void *ctx, int64_t app, int64_t user)
{
	struct online_job *j = beckd_own_job(ctx, sizeof *j, app);
	if (!j) return;
	j->user = user;
	j->own.job.run = online_run;
	j->own.job.done = free_when_done;
	submit_or_drop(&j->own);
}

/* ---- ended ---- */
struct ended_job {
	struct own_job own;
	int64_t user, *channels, *counts;
	size_t n;
	bool last, came; /* came: he watches again */
};

static enum job_next ended_run(struct job *job)
{
	struct ended_job *j = BECK_CONTAINER(job, struct ended_job, own.job);
	if (j->came) return finish(&j->own, chat_session_watching(&j->own.chat, j->user, j->channels, j->counts, j->n));
	return finish(&j->own, chat_session_ended(&j->own.chat, j->user, j->channels, j->counts, j->n, j->last));
}

static int64_t *copy_pks(struct arena *a, const int64_t *from, size_t n)
{
	int64_t *to = arena_array(a, int64_t, n ? n : 1);
	if (to && n) memcpy(to, from, n * sizeof *to);
	return to;
}

static void announce(
	void *ctx, int64_t app, int64_t user, const int64_t *channels, const int64_t *counts, size_t n, bool last, bool came)
{
	struct ended_job *j = beckd_own_job(ctx, sizeof *j, app);
	if (!j) return;
	j->came = came;
	j->user = user;
	j->n = n;
	j->last = last;
	j->channels = copy_pks(&j->own.arena, channels, n);
	j->counts = copy_pks(&j->own.arena, counts, n);
	j->own.job.run = ended_run;
	j->own.job.done = free_when_done;
	if (!j->channels || !j->counts) {
		beckd_own_job_free(&j->own);
		return;
	}
	submit_or_drop(&j->own);
}

static void on_ended(void *ctx, int64_t app, int64_t user, const int64_t *channels, const int64_t *counts, size_t n, bool last)
{
	announce(ctx, app, user, channels, counts, n, last, false);
}

static void on_watching(void *ctx, int64_t app, int64_t user, const int64_t *channels, const int64_t *counts, size_t n)
{
	announce(ctx, app, user, channels, counts, n, false, true);
}

/* ---- one page of the log for a resuming session ---- */
struct replay_job {
	struct own_job own;
	struct session_hub *hub;
	struct span connection_id;
	int64_t user, after;
	struct store_interest in;
	struct event **events;
	size_t event_count;
	int64_t upto;
	bool at_head;
};

static enum job_next replay_run(struct job *job)
{
	struct replay_job *j = BECK_CONTAINER(job, struct replay_job, own.job);
	enum err e =
		chat_resume_page(&j->own.chat, j->user, j->after, &j->in, &j->events, &j->event_count, &j->upto, &j->at_head);
	return finish(&j->own, e);
}

static void replay_free(struct session_replay_page *p)
{
	arena_deinit(&p->arena);
	free(p);
}

static void replay_answer(struct replay_job *j, bool failed)
{
	struct session_replay_page *p = calloc(1, sizeof *p);
	if (!p) beck_panic(__FILE__, __LINE__, "out of memory for a replay page");
	*p = (struct session_replay_page){ .events = failed ? NULL : j->events,
		.n = failed ? 0 : j->event_count,
		.upto = j->upto,
		.at_head = j->at_head,
		.failed = failed,
		.arena = j->own.arena,
		.free_page = replay_free };
	memcpy(p->connection_id, j->connection_id.p, j->connection_id.n);
	arena_init(&j->own.arena, (size_t)LIMIT_ARENA_BYTES);
	session_hub_post_replay(j->hub, p);
	beckd_own_job_free(&j->own);
}

static void replay_done(struct job *job)
{
	struct replay_job *j = BECK_CONTAINER(job, struct replay_job, own.job);
	replay_answer(j, j->own.chat.error.err != ERR_OK);
}

static void on_replay(void *ctx, struct session_hub *hub, struct span connection_id, int64_t app, int64_t user, int64_t after,
	const struct session_interest *in, enum dialect d)
{
	struct replay_job *j = beckd_own_job(ctx, sizeof *j, app);
	if (!j) beck_panic(__FILE__, __LINE__, "out of memory for a replay");
	j->hub = hub;
	j->user = user;
	j->after = after;
	j->own.chat.dialect = d;
	j->connection_id = arena_dup(&j->own.arena, connection_id);
	j->in = (struct store_interest){ .channels = copy_pks(&j->own.arena, in->channels, in->channel_count),
		.channel_count = in->channel_count,
		.users = copy_pks(&j->own.arena, in->users, in->user_count),
		.user_count = in->user_count };
	j->own.job.who = (uint64_t)user;
	j->own.job.run = replay_run;
	j->own.job.done = replay_done;
	if (!j->in.channels || !j->in.users || !workers_read(j->own.d->workers, &j->own.job)) replay_answer(j, true);
}

/* ---- totals anew ---- */
struct totals_job {
	struct own_job own;
	struct session_hub *hub;
	struct session_start start;
};

static bool copy_totals(struct arena *a, const struct store_totals *t, struct session_start *out)
{
	out->memberships = arena_array(a, struct session_membership, t->n ? t->n : 1);
	if (!out->memberships) return false;
	for (size_t i = 0; i < t->n; i++) {
		const struct store_membership *m = &t->items[i];
		out->memberships[i] = (struct session_membership){ .channel = m->channel_pk,
			.read_seq = m->read_seq,
			.unread = (uint32_t)m->unread,
			.quiet = m->muted || m->pending };
	}
	out->membership_count = t->n;
	out->total_unread = t->total_unread;
	out->unread_channels = t->unread_channels;
	out->unread_threads = t->unread_threads;
	return true;
}

static enum job_next totals_run(struct job *job)
{
	struct totals_job *j = BECK_CONTAINER(job, struct totals_job, own.job);
	struct store_totals t;
	enum err e = chat_recount(&j->own.chat, j->start.user, &t, &j->start.snapshot_pos);
	if (e == ERR_OK && !copy_totals(&j->own.arena, &t, &j->start)) e = ERR_UNAVAILABLE;
	return finish(&j->own, e);
}

static void totals_free(struct session_totals_answer *t)
{
	arena_deinit(&t->arena);
	free(t);
}

static void totals_answer(struct totals_job *j, bool failed)
{
	struct session_totals_answer *t = calloc(1, sizeof *t);
	if (!t) beck_panic(__FILE__, __LINE__, "out of memory for totals");
	*t = (struct session_totals_answer){
		.start = j->start, .failed = failed, .arena = j->own.arena, .free_answer = totals_free
	};
	arena_init(&j->own.arena, (size_t)LIMIT_ARENA_BYTES);
	session_hub_post_totals(j->hub, t);
	beckd_own_job_free(&j->own);
}

static void totals_done(struct job *job)
{
	struct totals_job *j = BECK_CONTAINER(job, struct totals_job, own.job);
	totals_answer(j, j->own.chat.error.err != ERR_OK);
}

static void on_recount(void *ctx, struct session_hub *hub, int64_t app, int64_t user)
{
	struct totals_job *j = beckd_own_job(ctx, sizeof *j, app);
	if (!j) return;
	j->hub = hub;
	j->start.app = app;
	j->start.user = user;
	j->own.job.who = (uint64_t)user;
	j->own.job.run = totals_run;
	j->own.job.done = totals_done;
	if (!workers_read(j->own.d->workers, &j->own.job)) totals_answer(j, true);
}

/* ---- may they still watch? ---- */
struct check_job {
	struct own_job own;
	struct session_check *check;
};

static enum job_next check_run(struct job *job)
{
	struct check_job *j = BECK_CONTAINER(job, struct check_job, own.job);
	struct session_check *k = j->check;
	enum err e = ERR_OK;
	for (size_t i = 0, n; e == ERR_OK && i < k->n; i += n) {
		for (n = 1; i + n < k->n && k->items[i + n].user == k->items[i].user;) n++;
		struct watcher w;
		e = chat_watcher_load(&j->own.chat, k->items[i].user, &w);
		for (size_t m = i; e == ERR_OK && m < i + n; m++)
			e = chat_watcher_check(&j->own.chat, &w, k->items[m].channel, &k->items[m].lost);
	}
	return finish(&j->own, e);
}

static void check_done(struct job *job)
{
	struct check_job *j = BECK_CONTAINER(job, struct check_job, own.job);
	j->check->failed = j->own.chat.error.err != ERR_OK;
	if (j->check->failed) LOG_WRN("rights to watch not looked at yet", "err=%s", err_name(j->own.chat.error.err));
	session_hub_post_checked(j->check);
	beckd_own_job_free(&j->own);
}

static void on_check(void *ctx, struct session_check *check)
{
	struct check_job *j = beckd_own_job(ctx, sizeof *j, check->app);
	if (j) {
		j->check = check;
		j->own.job.is_slow = true;
		j->own.job.run = check_run;
		j->own.job.done = check_done;
		if (workers_read(j->own.d->workers, &j->own.job)) return;
		beckd_own_job_free(&j->own);
	}
	check->failed = true;
	session_hub_post_checked(check);
}

void beckd_fill_session_ops(struct beckd *d, struct session_ops *ops)
{
	*ops = (struct session_ops){ .replay = on_replay,
		.recount = on_recount,
		.ended = on_ended,
		.watching = on_watching,
		.check = on_check,
		.ctx = d };
}
