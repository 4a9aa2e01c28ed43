/* A hub in a fake loop, with clients that keep what they get, and ops that keep what was asked. Include in one file of a program.
 */
#ifndef BECK_TESTS_HUB_WORLD_H
#define BECK_TESTS_HUB_WORLD_H

#include <stdio.h>

#include "base/json.h"
#include "fake_loop.h"
#include "session/session.h"

enum { WORLD_APP = 7, WORLD_KEEP = 4096, WORLD_ASKED = 256 };

struct asked {
	enum { ASKED_REPLAY, ASKED_RECOUNT, ASKED_ENDED, ASKED_WATCHING } what;
	char id[CONNECTION_ID_MAX + 1];
	int64_t user, after, channels[64], counts[64];
	size_t n, followed;
	int64_t first_followed;
	bool last;
};
struct world {
	struct fake_time time;
	struct net_loop *loop;
	struct registry *registry;
	struct session_hub *hub;
	struct session_ops ops;
	struct asked asked[WORLD_ASKED];
	size_t asked_n;
	int64_t pos; /* of the newest event */
	struct session_check *check;
};
/* `got` has one line per item: the whole JSON. */
struct client {
	struct session_carrier carrier;
	struct session *session;
	struct arena arena;
	struct span got[WORLD_KEEP];
	int64_t pos[WORLD_KEEP];
	size_t n, ready;
	int64_t taken; /* by the peer, as the carrier says */
	bool came_online;
};

static inline struct asked *world_note(struct world *w)
{
	BECK_ASSERT(w->asked_n < WORLD_ASKED);
	return &w->asked[w->asked_n++];
}

static inline void world_replay(void *ctx, struct session_hub *hub, struct span id, int64_t app, int64_t user, int64_t after,
	const struct session_interest *in, enum dialect d)
{
	(void)hub;
	(void)app;
	(void)d;
	struct asked *a = world_note(ctx);
	*a = (struct asked){
		.what = ASKED_REPLAY, .user = user, .after = after, .n = in->channel_count, .followed = in->user_count
	};
	memcpy(a->id, id.p, id.n);
	for (size_t i = 0; i < in->channel_count && i < 64; i++) a->channels[i] = in->channels[i];
	if (in->user_count) a->first_followed = in->users[0];
}

static inline void world_recount(void *ctx, struct session_hub *hub, int64_t app, int64_t user)
{
	(void)hub;
	(void)app;
	*world_note(ctx) = (struct asked){ .what = ASKED_RECOUNT, .user = user };
}

static inline void world_announce(struct world *w, struct asked a, const int64_t *channels, const int64_t *counts)
{
	for (size_t i = 0; i < a.n && i < 64; i++) {
		a.channels[i] = channels[i];
		a.counts[i] = counts[i];
	}
	*world_note(w) = a;
}

static inline void world_ended(
	void *ctx, int64_t app, int64_t user, const int64_t *channels, const int64_t *counts, size_t n, bool last)
{
	(void)app;
	world_announce(ctx, (struct asked){ .what = ASKED_ENDED, .user = user, .n = n, .last = last }, channels, counts);
}

static inline void world_watching(void *ctx, int64_t app, int64_t user, const int64_t *channels, const int64_t *counts, size_t n)
{
	(void)app;
	world_announce(ctx, (struct asked){ .what = ASKED_WATCHING, .user = user, .n = n }, channels, counts);
}

/* Kept for the test to answer; one at a time. */
static inline void world_check(void *ctx, struct session_check *c)
{
	struct world *w = ctx;
	BECK_ASSERT(!w->check);
	w->check = c;
}

static inline void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof *w);
	fake_time_init(&w->time, seed);
	w->loop = fake_loop_create(&w->time);
	w->registry = registry_create(&w->time.rng);
	w->ops = (struct session_ops){ world_replay, world_recount, world_ended, world_watching, world_check, w };
	w->hub = session_hub_create(w->loop, 0, 0, w->registry, &w->ops);
	w->pos = 100;
	BECK_ASSERT(w->loop && w->registry && w->hub);
}

static inline void world_deinit(struct world *w)
{
	free(w->check);
	session_hub_destroy(w->hub);
	registry_destroy(w->registry);
	net_loop_destroy(w->loop);
}

/* Takes the newest question of a kind off the list; NULL when there is none. */
static inline struct asked *world_asked(struct world *w, int what)
{
	for (size_t i = w->asked_n; i-- > 0;)
		if ((int)w->asked[i].what == what) return &w->asked[i];
	return NULL;
}

static inline size_t world_count(const struct world *w, int what)
{
	size_t n = 0;
	for (size_t i = 0; i < w->asked_n; i++)
		if ((int)w->asked[i].what == what) n++;
	return n;
}

/* ---- clients ---- */

static inline void client_ready(struct session_carrier *c) { BECK_CONTAINER(c, struct client, carrier)->ready++; }

static inline int64_t client_taken(struct session_carrier *c) { return BECK_CONTAINER(c, struct client, carrier)->taken; }

static inline struct session_start world_start(const struct world *w, int64_t user)
{
	return (struct session_start){
		.app = WORLD_APP, .user = user, .me = SPAN("{\"id\":\"u\"}"), .snapshot_pos = w->pos, .dialect = DIALECT_1
	};
}

static inline struct client *client_make(struct world *w, bool is_poll)
{
	struct client *c = calloc(1, sizeof *c);
	BECK_ASSERT(c);
	c->carrier = (struct session_carrier){ client_ready, client_taken };
	arena_init(&c->arena, 1 << 26);
	c->session = session_create(w->hub, &c->carrier, is_poll);
	BECK_ASSERT(c->session);
	return c;
}

/* Takes everything that is queued (at most `most`). */
static inline size_t client_drain_some(struct client *c, size_t most)
{
	struct session_out out[16];
	size_t n, taken = 0;
	while (taken < most && (n = session_peek(c->session, 0, out, most - taken < 16 ? most - taken : 16))) {
		for (size_t i = 0; i < n; i++) {
			BECK_ASSERT(c->n < WORLD_KEEP);
			c->pos[c->n] = out[i].pos;
			c->got[c->n++] = arena_printf(&c->arena, "%.*s%.*s", SPAN_FMT(out[i].body), SPAN_FMT(out[i].tail));
		}
		session_consume(c->session, n);
		taken += n;
	}
	return taken;
}

static inline size_t client_drain(struct client *c) { return client_drain_some(c, SIZE_MAX); }

static inline struct client *client_open_as(struct world *w, const struct session_start *start, bool is_poll)
{
	struct client *c = client_make(w, is_poll);
	enum err e = session_open(c->session, start, &c->came_online);
	BECK_ASSERT(e == ERR_OK);
	return c;
}

/* Opened, and the first health.check taken. */
static inline struct client *client_open(struct world *w, int64_t user)
{
	struct session_start start = world_start(w, user);
	struct client *c = client_open_as(w, &start, false);
	client_drain(c);
	return c;
}

static inline void client_free(struct client *c)
{
	uint16_t code;
	if (!session_is_closed(c->session, &code)) session_close(c->session, 0, NULL);
	session_release(c->session);
	arena_deinit(&c->arena);
	free(c);
}

static inline yyjson_val *client_json(struct client *c, size_t i)
{
	const char *why = "";
	size_t at;
	yyjson_val *v = json_parse(&c->arena, c->got[i], &why, &at);
	if (!v) fprintf(stderr, "not JSON (%s): %.*s\n", why, SPAN_FMT(c->got[i]));
	BECK_ASSERT(v);
	return v;
}

static inline struct span client_type(struct client *c, size_t i) { return json_span(json_get(client_json(c, i), "type")); }
static inline int64_t client_int(struct client *c, size_t i, const char *key)
{
	yyjson_val *v = json_get(client_json(c, i), key);
	return v ? yyjson_get_sint(v) : -1;
}

/* How many events of a type came; the list is emptied. */
static inline size_t client_took(struct client *c, const char *type)
{
	size_t n = 0;
	client_drain(c);
	for (size_t i = 0; i < c->n; i++)
		if (span_is(client_type(c, i), type)) n++;
	c->n = 0;
	return n;
}

/* ---- events ---- */

static inline struct blob *world_body(const char *type)
{
	char text[128];
	int n = snprintf(text, sizeof text, "{\"type\":\"%s\"", type);
	struct blob *b = blob_make(span_make(text, (size_t)n));
	BECK_ASSERT(b);
	return b;
}

/* Durable ones get the next position. `notify`: the twin's type or NULL. */
static inline struct event *world_event(struct world *w, enum event_type t, int64_t channel, int64_t user, const char *notify)
{
	struct event *e = event_new(t);
	BECK_ASSERT(e);
	char type[64];
	snprintf(type, sizeof type, "%.*s", SPAN_FMT(event_type_name(t)));
	e->app = WORLD_APP;
	e->channel = channel;
	e->user = user;
	e->body = world_body(type[0] ? type : "custom");
	if (notify) e->notify = world_body(notify);
	if (event_type_durable(t)) e->pos = ++w->pos;
	return e;
}

static inline void world_deliver(struct world *w, struct event *e)
{
	session_hub_deliver(w->hub, &e, 1);
	event_unref(e);
}

/* ---- requests ---- */

static inline void world_done(struct session_subscribe *s) { (void)s; }

static inline void world_subscribe(struct world *w, struct session_subscribe *r, const struct client *c)
{
	r->app = session_app(c->session);
	r->user = session_user(c->session);
	r->done = world_done;
	memcpy(r->connection_id, session_id(c->session).p, session_id(c->session).n);
	session_hub_post_subscribe(w->hub, r);
	fake_loop_turn(w->loop);
}

static inline int64_t world_watch(struct world *w, const struct client *c, int64_t channel)
{
	bool first;
	int64_t count = -1;
	struct session_subscribe r = { .channels = &channel, .channel_count = 1, .first = &first, .watcher_count = &count };
	world_subscribe(w, &r, c);
	BECK_ASSERT(r.found);
	return count;
}

static inline void world_unwatch(struct world *w, const struct client *c, int64_t channel)
{
	struct session_subscribe r = { .unwatch = &channel, .unwatch_count = 1 };
	world_subscribe(w, &r, c);
}

static inline void world_follow(struct world *w, const struct client *c, int64_t user)
{
	struct session_subscribe r = { .presence = &user, .presence_count = 1 };
	world_subscribe(w, &r, c);
}

/* Answers a resume with `n` events (taken over). */
static inline void world_free_page(struct session_replay_page *p)
{
	arena_deinit(&p->arena);
	free(p);
}

static inline void world_page(struct world *w, struct span id, struct event **events, size_t n, int64_t upto, bool at_head)
{
	struct session_replay_page *p = calloc(1, sizeof *p);
	BECK_ASSERT(p);
	arena_init(&p->arena, 1 << 20);
	p->events = arena_array(&p->arena, struct event *, n ? n : 1);
	for (size_t i = 0; i < n; i++) p->events[i] = events[i];
	p->n = n;
	p->upto = upto;
	p->at_head = at_head;
	p->free_page = world_free_page;
	memcpy(p->connection_id, id.p, id.n);
	session_hub_post_replay(w->hub, p);
	fake_loop_turn(w->loop);
}

static inline void world_free_totals(struct session_totals_answer *t)
{
	arena_deinit(&t->arena);
	free(t);
}

/* Answers a recount; memberships NULL and n == SIZE_MAX: it failed. */
static inline void world_totals(
	struct world *w, int64_t user, const struct session_membership *m, size_t n, int64_t threads, int64_t pos)
{
	struct session_totals_answer *t = calloc(1, sizeof *t);
	BECK_ASSERT(t);
	arena_init(&t->arena, 1 << 20);
	t->failed = n == SIZE_MAX;
	t->start = world_start(w, user);
	t->start.snapshot_pos = pos;
	t->start.unread_threads = threads;
	t->start.membership_count = t->failed ? 0 : n;
	t->start.memberships = arena_array(&t->arena, struct session_membership, n && !t->failed ? n : 1);
	for (size_t i = 0; i < t->start.membership_count; i++) t->start.memberships[i] = m[i];
	t->free_answer = world_free_totals;
	session_hub_post_totals(w->hub, t);
	fake_loop_turn(w->loop);
}

#endif
