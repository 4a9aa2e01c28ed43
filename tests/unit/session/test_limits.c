/* The bounds of a session, at each and one past it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../support/hub_world.h"
#include "session/hub.h"

enum { ANN = 1, BOB = 2, CHANNEL = 50 };

static int up(void **state)
{
	struct world *w = malloc(sizeof *w);
	if (!w) return -1;
	world_init(w, 41);
	*state = w;
	return 0;
}

static int down(void **state)
{
	world_deinit(*state);
	free(*state);
	return 0;
}

static void big(struct world *w, size_t bytes, unsigned flags, enum event_type t, int64_t user)
{
	struct event *e = world_event(w, t, CHANNEL, user, NULL);
	blob_unref(e->body);
	e->body = blob_alloc(bytes);
	assert_non_null(e->body);
	memset(e->body->p, 'x', bytes);
	e->flags = flags;
	e->actor = user;
	world_deliver(w, e);
}

static bool is_closed(const struct client *c, uint16_t want)
{
	uint16_t code = 0;
	return session_is_closed(c->session, &code) && code == want;
}

static struct client *watcher(struct world *w, bool is_poll)
{
	struct session_start start = world_start(w, ANN);
	struct client *c = client_open_as(w, &start, is_poll);
	world_watch(w, c, CHANNEL);
	client_drain(c);
	c->n = 0;
	return c;
}

static struct session_stats stats(const struct world *w)
{
	struct session_stats s = { 0 };
	session_hub_stats(w->hub, &s);
	return s;
}

static void test_hard_limit(void **state)
{
	struct world *w = *state;
	struct client *c = watcher(w, false);
	/* 16 of 256 KiB with head and tail are just beyond. */
	for (int i = 0; i < 15; i++) big(w, 256 << 10, 0, EVENT_MESSAGE_NEW, 0);
	big(w, (256 << 10) - 16 * 11, 0, EVENT_MESSAGE_NEW, 0);
	assert_int_equal(stats(w).bytes_queued, LIMIT_QUEUE_HARD_BYTES);
	assert_false(is_closed(c, 1008));
	world_deliver(w, world_event(w, EVENT_MESSAGE_NEW, CHANNEL, 0, NULL));
	assert_true(is_closed(c, 1008));
	assert_int_equal(stats(w).closed_slow, 1);
	assert_int_equal(stats(w).sessions, 0);
	/* Only what may be half written stays. */
	assert_int_equal(session_queued(c->session, NULL), 1);
	client_free(c);
	assert_int_equal(stats(w).bytes_queued, 0);
}

static void test_soft_limit_has_a_grace_time(void **state)
{
	struct world *w = *state;
	struct client *c = watcher(w, false);
	for (int i = 0; i < 5; i++) big(w, 256 << 10, 0, EVENT_MESSAGE_NEW, 0);
	fake_pass(&w->time, w->loop, LIMIT_QUEUE_SOFT_MS - 1000);
	assert_false(is_closed(c, 1008));
	client_drain_some(c, 2); /* below again: the time starts anew */
	fake_pass(&w->time, w->loop, 5000);
	for (int i = 0; i < 2; i++) big(w, 256 << 10, 0, EVENT_MESSAGE_NEW, 0);
	fake_pass(&w->time, w->loop, LIMIT_QUEUE_SOFT_MS - 1000);
	assert_false(is_closed(c, 1008));
	fake_pass(&w->time, w->loop, 2000);
	assert_true(is_closed(c, 1008));
	assert_int_equal(stats(w).closed_slow, 1);
	client_free(c);
}

static void test_above_the_soft_limit_a_peer_must_take(void **state)
{
	struct world *w = *state;
	struct client *c = watcher(w, false);
	for (int i = 0; i < 5; i++) big(w, 256 << 10, 0, EVENT_MESSAGE_NEW, 0);
	for (int i = 0; i < 4; i++) {
		c->taken += LIMIT_QUEUE_TAKEN_BYTES;
		fake_pass(&w->time, w->loop, LIMIT_QUEUE_SOFT_MS);
		assert_false(is_closed(c, 1008));
	}
	c->taken += LIMIT_QUEUE_TAKEN_BYTES - 1;
	fake_pass(&w->time, w->loop, LIMIT_QUEUE_SOFT_MS);
	assert_true(is_closed(c, 1008));
	assert_int_equal(stats(w).closed_slow, 1);
	client_free(c);
}

static void test_slow_sessions_lose_typing_and_keep_the_newest_presence(void **state)
{
	struct world *w = *state;
	struct client *c = watcher(w, false);
	big(w, 1 << 20, 0, EVENT_MESSAGE_NEW, 0);
	big(w, 10, EVENT_LATEST_ONLY, EVENT_USER_WATCHING_START, BOB);
	big(w, 11, EVENT_LATEST_ONLY, EVENT_USER_WATCHING_START, BOB + 1);
	big(w, 12, EVENT_DROPPABLE, EVENT_TYPING_START, BOB);
	assert_int_equal(session_queued(c->session, NULL), 3);
	big(w, 13, EVENT_LATEST_ONLY, EVENT_USER_WATCHING_STOP, BOB);
	big(w, 14, 0, EVENT_CUSTOM_CHANNEL, BOB);
	assert_int_equal(session_queued(c->session, NULL), 4);
	assert_int_equal(stats(w).events_dropped, 2);
	struct session_out out[4];
	assert_int_equal(session_peek(c->session, 0, out, 4), 4);
	assert_int_equal(out[1].body.n, 13);
	assert_int_equal(out[2].body.n, 11);
	session_consume(c->session, 4);
	assert_int_equal(stats(w).bytes_queued, 0);
	big(w, 12, EVENT_DROPPABLE, EVENT_TYPING_START, BOB); /* no longer slow */
	assert_int_equal(session_queued(c->session, NULL), 1);
	client_free(c);
}

static void test_polls_queue_a_number(void **state)
{
	struct world *w = *state;
	struct client *c = watcher(w, true);
	for (int i = 0; i < LIMIT_POLL_QUEUE_EVENTS; i++) world_deliver(w, world_event(w, EVENT_MESSAGE_NEW, CHANNEL, 0, NULL));
	assert_false(is_closed(c, 1008));
	world_deliver(w, world_event(w, EVENT_MESSAGE_NEW, CHANNEL, 0, NULL));
	assert_true(is_closed(c, 1008));
	client_free(c);
}

static void test_connections_of_a_user(void **state)
{
	struct world *w = *state;
	struct client *c[8];
	struct session_start start = world_start(w, ANN);
	bool came;
	assert_true(LIMIT_CONNS_PER_USER_DEV <= 8);
	start.connection_limit = LIMIT_CONNS_PER_USER_DEV;
	for (int i = 0; i < LIMIT_CONNS_PER_USER_DEV; i++) c[i] = client_open_as(w, &start, i % 2);
	struct client *more = client_make(w, false);
	assert_int_equal(session_open(more->session, &start, &came), ERR_RATE_LIMIT);
	start.user = BOB;
	assert_int_equal(session_open(more->session, &start, &came), ERR_OK); /* nothing had changed */
	for (int i = 0; i < LIMIT_CONNS_PER_USER_DEV; i++) client_free(c[i]);
	client_free(more);
}

static void test_watches_and_presence_of_a_session(void **state)
{
	struct world *w = *state;
	enum { MORE = 5 };
	struct client *c = client_open(w, ANN);
	static int64_t keys[1000 + MORE], counts[1000 + MORE];
	static bool first[1000 + MORE];
	assert_int_equal(LIMIT_WATCHES_PER_SESSION, 1000);
	for (int i = 0; i < 1000 + MORE; i++) keys[i] = 1000 + i;
	struct session_subscribe r = { .channels = keys,
		.channel_count = 1000 + MORE,
		.first = first,
		.watcher_count = counts,
		.presence = keys,
		.presence_count = 1000 + MORE };
	world_subscribe(w, &r, c);
	assert_true(r.found);
	assert_true(first[999]);
	assert_false(first[1000]);
	assert_int_equal(counts[1000], 0);
	assert_int_equal(registry_watcher_count(w->registry, WORLD_APP, keys[999]), 1);
	assert_int_equal(registry_watcher_count(w->registry, WORLD_APP, keys[1000]), 0);
	assert_int_equal(((const struct session *)c->session)->presence.n, LIMIT_PRESENCE_PER_SESSION);
	client_free(c);
	assert_int_equal(registry_watcher_count(w->registry, WORLD_APP, keys[0]), 0);
}

static void test_health_every_30_seconds_from_the_last(void **state)
{
	struct world *w = *state;
	struct client *c = client_open(w, ANN);
	c->n = 0;
	fake_pass(&w->time, w->loop, LIMIT_HEALTH_MS - 1500);
	assert_int_equal(client_took(c, "health.check"), 0);
	fake_pass(&w->time, w->loop, 2000);
	assert_int_equal(client_took(c, "health.check"), 1);
	fake_pass(&w->time, w->loop, 20000);
	session_health(c->session);
	client_drain(c);
	assert_null(json_get(client_json(c, 0), "me"));
	assert_true(span_eq(json_span(json_get(client_json(c, 0), "connection_id")), session_id(c->session)));
	assert_int_equal(client_took(c, "health.check"), 1);
	fake_pass(&w->time, w->loop, 20000);
	assert_int_equal(client_took(c, "health.check"), 0);
	fake_pass(&w->time, w->loop, 10000);
	assert_int_equal(client_took(c, "health.check"), 1);
	client_free(c);
}

static void test_the_connected_are_seen_every_quarter(void **state)
{
	struct world *w = *state;
	struct registry_seen seen[4];
	struct client *c = client_open(w, ANN);
	assert_int_equal(registry_list_seen(w->registry, seen, 4), 1);
	registry_forget_seen(w->registry, seen, 1);
	for (int i = 0; i < 28; i++) {
		fake_pass(&w->time, w->loop, 30000);
		client_drain(c);
	}
	assert_int_equal(registry_list_seen(w->registry, seen, 4), 0);
	for (int i = 0; i < 4; i++) fake_pass(&w->time, w->loop, 30000);
	assert_int_equal(registry_list_seen(w->registry, seen, 4), 1);
	assert_true(seen[0].user == ANN && seen[0].at_us > 0);
	client_free(c);
}

static void test_idle_sessions_are_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct session) <= 320);
	assert_true(sizeof(struct hub_user) <= 160);
	assert_int_equal(sizeof(struct membership), 16);
}

static void test_aborted_before_open(void **state)
{
	struct world *w = *state;
	struct client *c = client_make(w, false);
	assert_null(session_find(w->hub, session_id(c->session)));
	session_abort(c->session);
	arena_deinit(&c->arena);
	free(c);
	assert_int_equal(stats(w).sessions, 0);
}

static void test_without_carrier(void **state)
{
	struct world *w = *state;
	struct client *c = client_open(w, ANN);
	char id[CONNECTION_ID_MAX + 1] = { 0 };
	memcpy(id, session_id(c->session).p, session_id(c->session).n);
	session_set_carrier(c->session, NULL);
	world_deliver(w, world_event(w, EVENT_CHANNEL_HIDDEN, 0, ANN, NULL));
	size_t ready = c->ready;
	session_set_carrier(c->session, &c->carrier);
	assert_int_equal(c->ready, ready + 1);
	session_set_carrier(c->session, NULL);
	session_close(c->session, 0, NULL); /* frees it */
	assert_null(session_find(w->hub, span_str(id)));
	arena_deinit(&c->arena);
	free(c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = { T(test_hard_limit), T(test_soft_limit_has_a_grace_time),
		T(test_above_the_soft_limit_a_peer_must_take), T(test_slow_sessions_lose_typing_and_keep_the_newest_presence),
		T(test_polls_queue_a_number), T(test_connections_of_a_user), T(test_watches_and_presence_of_a_session),
		T(test_health_every_30_seconds_from_the_last), T(test_the_connected_are_seen_every_quarter),
		T(test_idle_sessions_are_small), T(test_aborted_before_open), T(test_without_carrier) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
