/* api calls on workers: loop -> reader or lane (-> hub of a connection -> reader) -> loop. */
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "server/beckd.h"

struct call_job {
	struct job job;
	struct api_call *call;
	struct beckd *d;
	struct session_subscribe subscribe;
};

static void call_back(struct net_message *m)
{
	struct api_call *c = BECK_CONTAINER(m, struct api_call, message);
	c->done(c);
}

static void answer(struct call_job *j)
{
	j->call->message.run = call_back;
	net_post(j->call->loop, &j->call->message);
}

static enum job_next run(struct job *job)
{
	struct call_job *j = BECK_CONTAINER(job, struct call_job, job);
	switch (api_run(j->call)) {
	case API_TO_WRITE: return JOB_TO_LANE;
	case API_TO_SUBSCRIBE: return JOB_LATER;
	case API_DONE: break;
	}
	return JOB_DONE;
}

static void refuse(struct call_job *j)
{
	j->call->chat.error =
		(struct error){ .err = ERR_UNAVAILABLE, .message = SPAN("too many requests are waiting"), .retry_after_s = 1 };
	answer(j);
}

/* Also on the hub's loop thread, after the subscriptions were made. */
static void read_again(struct call_job *j)
{
	j->call->subscribe.done = true;
	if (!workers_read(j->d->workers, &j->job)) refuse(j);
}

static void subscribed(struct session_subscribe *s)
{
	struct call_job *j = BECK_CONTAINER(s, struct call_job, subscribe);
	j->call->subscribe.found = s->found;
	read_again(j);
}

static void subscribe(struct call_job *j)
{
	struct api_call *c = j->call;
	unsigned node, loop;
	c->subscribe.found = false;
	struct span id = c->subscribe.connection_id;
	if (id.n > CONNECTION_ID_MAX || !connection_id_loop(id, &node, &loop) || node != 0 || loop >= j->d->loop_count) {
		read_again(j);
		return;
	}
	struct session_subscribe *s = &j->subscribe;
	*s = (struct session_subscribe){ .app = c->app->pk,
		.user = c->chat.me.pk,
		.channels = c->subscribe.channels,
		.channel_count = c->subscribe.channel_count,
		.quiet = c->subscribe.quiet,
		.unwatch = c->subscribe.unwatch,
		.unwatch_count = c->subscribe.unwatch_count,
		.presence = c->subscribe.presence,
		.presence_count = c->subscribe.presence_count,
		.first = c->subscribe.first,
		.watcher_count = c->subscribe.watcher_count,
		.last = c->subscribe.last,
		.done = subscribed };
	memcpy(s->connection_id, id.p, id.n);
	session_hub_post_subscribe(j->d->loops[loop].hub, s);
}

static void done(struct job *job)
{
	struct call_job *j = BECK_CONTAINER(job, struct call_job, job);
	if (job->next == JOB_LATER && job->chat->error.err == ERR_OK) {
		subscribe(j);
	} else {
		answer(j);
	}
}

bool beckd_submit(void *ctx, struct api_call *call)
{
	struct beckd *d = ctx;
	struct call_job *j = arena_new(&call->arena, struct call_job);
	if (!j) return false;
	j->job = (struct job){ .chat = &call->chat, .app = call->app ? call->app->pk : 0, .run = run, .done = done };
	j->job.is_slow = (call->route->flags & API_SLOW) != 0;
	j->call = call;
	j->d = d;
	call->chat.chat = &d->chat;
	call->chat.arena = &call->arena;
	if (call->route->kind == API_WRITE) return workers_write(d->workers, &j->job);
	return workers_read(d->workers, &j->job);
}
