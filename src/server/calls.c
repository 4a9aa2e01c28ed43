/* api calls on workers: loop -> reader or lane (-> hub of a connection -> reader (-> hub, to take back)) -> loop. */
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
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

static void mark_refused(struct call_job *j)
{
	j->call->chat.error =
		(struct error){ .err = ERR_UNAVAILABLE, .message = SPAN("too many requests are waiting"), .retry_after_s = 1 };
}

/* ---- subscriptions that the second run does not grant ---- */

static void taken_back(struct session_subscribe *s) { answer(BECK_CONTAINER(s, struct call_job, subscribe)); }

/* Leaves in the serials those to be taken back. Whether there are any. */
static bool find_lost(struct call_job *j)
{
	const struct api_call *c = j->call;
	struct session_subscribe *s = &j->subscribe;
	bool all = c->chat.error.err != ERR_OK, any = false;
	if (!c->subscribe.found) return false;
	for (size_t i = 0; i < s->channel_count; i++) {
		if (!all && !c->subscribe.lost[i]) s->watch_serials[i] = 0;
		any |= s->watch_serials[i] != 0;
	}
	for (size_t i = 0; i < s->presence_count; i++) {
		if (!all && !c->subscribe.presence_lost[i]) s->presence_serials[i] = 0;
		any |= s->presence_serials[i] != 0;
	}
	return any;
}

/* The caller hears of the refusal when there is nothing more to hear. */
static void finish(struct call_job *j)
{
	if (!find_lost(j)) {
		answer(j);
		return;
	}
	j->subscribe.done = taken_back;
	session_hub_post_take_back(j->subscribe.hub, &j->subscribe);
}

/* ---- the way there ---- */

/* Also on the hub's loop thread, after the subscriptions were made. */
static void read_again(struct call_job *j)
{
	j->call->subscribe.done = true;
	if (workers_read(j->d->workers, &j->job)) return;
	mark_refused(j);
	finish(j);
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
		.presence_channels = c->subscribe.presence_causes,
		.presence_count = c->subscribe.presence_count,
		.watch_serials = arena_array(&c->arena, uint32_t, c->subscribe.channel_count + 1),
		.presence_serials = arena_array(&c->arena, uint32_t, c->subscribe.presence_count + 1),
		.first = c->subscribe.first,
		.watcher_count = c->subscribe.watcher_count,
		.last = c->subscribe.last,
		.done = subscribed };
	if (!s->watch_serials || !s->presence_serials) {
		mark_refused(j);
		answer(j);
		return;
	}
	memcpy(s->connection_id, id.p, id.n);
	session_hub_post_subscribe(j->d->loops[loop].hub, s);
}

static void done(struct job *job)
{
	struct call_job *j = BECK_CONTAINER(job, struct call_job, job);
	if (job->next == JOB_LATER && job->chat->error.err == ERR_OK) {
		subscribe(j);
	} else {
		finish(j);
	}
}

/* For fair turns: a user, or the address of one who has no name. An application's backend needs none. */
static uint64_t who_is(const struct beckd *d, const struct api_call *call)
{
	if (chat_is_server(&call->chat)) return 0;
	return map_siphash(d->turns_seed, call->has_token ? call->token.user_id : call->peer) | 1;
}

bool beckd_submit(void *ctx, struct api_call *call)
{
	struct beckd *d = ctx;
	struct call_job *j = arena_new(&call->arena, struct call_job);
	if (!j) return false;
	j->job = (struct job){
		.chat = &call->chat, .app = call->app ? call->app->pk : 0, .who = who_is(d, call), .run = run, .done = done
	};
	j->job.is_slow = (call->route->flags & API_SLOW) != 0;
	j->call = call;
	j->d = d;
	call->chat.chat = &d->chat;
	call->chat.arena = &call->arena;
	if (call->route->kind == API_WRITE) return workers_write(d->workers, &j->job);
	return workers_read(d->workers, &j->job);
}
