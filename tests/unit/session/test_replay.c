/* Resume: pages of the log, live events meanwhile, the seam between them, and the ways in which it goes wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../support/hub_world.h"
#include "session/hub.h"

enum { ANN = 1, CHANNEL = 50, PAGE_MAX = 1000 };

static int up(void **state)
{
	struct world *w = malloc(sizeof *w);
	if (!w) return -1;
	world_init(w, 31);
	*state = w;
	return 0;
}

static int down(void **state)
{
	world_deinit(*state);
	free(*state);
	return 0;
}

static struct session_start resuming(const struct world *w, int64_t seq)
{
	static int64_t watch[] = { CHANNEL };
	struct session_start s = world_start(w, ANN);
	s.wants_seq = s.has_resume = true;
	s.resume_seq = seq;
	s.watch = watch;
	s.watch_count = 1;
	return s;
}

static struct event *at(int64_t pos)
{
	struct event *e = event_new(EVENT_MESSAGE_NEW);
	assert_non_null(e);
	e->app = WORLD_APP;
	e->channel = CHANNEL;
	e->body = world_body("message.new");
	e->pos = pos;
	return e;
}

static void live(struct world *w)
{
	struct event *e = at(++w->pos);
	world_deliver(w, e);
}

/* Answers the page that was asked for last, with positions after + 1 .. upto. */
static void page(struct world *w, struct client *c, int64_t upto, bool at_head)
{
	struct asked *a = world_asked(w, ASKED_REPLAY);
	struct event *events[PAGE_MAX];
	size_t n = 0;
	assert_non_null(a);
	for (int64_t pos = a->after + 1; pos <= upto; pos++) events[n++] = at(pos);
	world_page(w, session_id(c->session), events, n, upto, at_head);
}

/* Everything drained so far: health.check, then positions from..to without gap or repetition. */
static void assert_stream(struct client *c, int64_t from, int64_t to)
{
	int64_t want = from;
	client_drain(c);
	for (size_t i = 0; i < c->n; i++) {
		if (!c->pos[i]) continue;
		assert_int_equal(c->pos[i], want);
		assert_int_equal(client_int(c, i, "seq"), want);
		want++;
	}
	assert_int_equal(want, to + 1);
}

static void test_pages_then_live(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 40);
	struct client *c = client_open_as(w, &start, false);
	struct asked *a = world_asked(w, ASKED_REPLAY);
	client_drain(c);
	assert_true(yyjson_get_bool(json_get(client_json(c, 0), "resumed")));
	assert_int_equal(client_int(c, 0, "seq"), 40);
	assert_true(a && a->after == 40 && a->n == 1 && a->channels[0] == CHANNEL);
	live(w);
	page(w, c, 70, false);
	assert_int_equal(world_count(w, ASKED_REPLAY), 2);
	live(w);
	page(w, c, 101, true); /* the head of its snapshot; 102 came after */
	live(w);
	assert_stream(c, 41, 103);
	assert_int_equal(world_count(w, ASKED_REPLAY), 2);
	client_free(c);
}

static void test_replayed_events_tell_present_totals(void **state)
{
	struct world *w = *state;
	struct session_membership m = { CHANNEL, 0, 3, false };
	struct session_start start = resuming(w, 98);
	start.memberships = &m;
	start.membership_count = 1;
	struct client *c = client_open_as(w, &start, false);
	struct event *events[] = { at(99), event_new(EVENT_NOTIFICATION_MARK_READ) };
	assert_non_null(events[1]);
	events[1]->pos = 100;
	events[1]->body = world_body("notification.mark_read");
	events[0]->flags = events[1]->flags = EVENT_HAS_COUNTS;
	world_page(w, session_id(c->session), events, 2, 100, true);
	client_drain(c);
	assert_int_equal(client_int(c, 1, "total_unread_count"), 3);
	assert_int_equal(client_int(c, 1, "seq"), 99);
	assert_int_equal(client_int(c, 2, "unread_channels"), 1);
	assert_int_equal(client_int(c, 2, "unread_threads"), 0);
	client_free(c);
}

static void test_nothing_missed(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 100);
	struct client *c = client_open_as(w, &start, false);
	page(w, c, 100, true);
	live(w);
	assert_stream(c, 101, 101);
	client_free(c);
}

static void test_the_next_page_waits_for_the_peer(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 0);
	struct client *c = client_open_as(w, &start, false);
	w->pos = 3000;
	page(w, c, 1000, false);
	assert_int_equal(world_count(w, ASKED_REPLAY), 1);
	client_drain_some(c, 900);
	assert_int_equal(world_count(w, ASKED_REPLAY), 1);
	client_drain_some(c, 1);
	assert_int_equal(world_count(w, ASKED_REPLAY), 2);
	page(w, c, 2000, false);
	client_drain(c);
	page(w, c, 3000, true);
	live(w);
	assert_int_equal(session_queued(c->session, NULL), 1000); /* live waits: the queue is for the log now */
	assert_stream(c, 1, 3001);
	live(w);
	assert_stream(c, 1, 3002);
	client_free(c);
}

static void test_ephemeral_events_wait_their_turn(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 98);
	struct client *c = client_open_as(w, &start, false);
	struct event *typing = world_event(w, EVENT_TYPING_START, CHANNEL, 0, NULL),
		     *custom = world_event(w, EVENT_CUSTOM_CHANNEL, CHANNEL, 0, NULL);
	typing->flags = EVENT_DROPPABLE;
	world_deliver(w, typing);
	live(w);
	world_deliver(w, custom);
	client_drain(c);
	assert_int_equal(c->n, 1);
	page(w, c, 101, true);
	client_drain(c);
	assert_int_equal(c->n, 6);
	assert_int_equal(c->pos[3], 101);
	assert_true(span_is(client_type(c, 4), "health.check")); /* it has caught up */
	assert_true(span_is(client_type(c, 5), "custom"));
	client_free(c);
}

static void test_more_live_events_than_are_held_come_from_the_log(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 100);
	struct client *c = client_open_as(w, &start, false);
	for (int i = 0; i < 600; i++) live(w);
	page(w, c, 100, true); /* an old snapshot: what was let go of is not in it */
	client_drain(c);
	assert_int_equal(world_count(w, ASKED_REPLAY), 2);
	page(w, c, 650, true);
	assert_stream(c, 101, 700);
	client_free(c);
}

static void test_events_delivered_before_it_came_are_asked_of_the_log(void **state)
{
	struct world *w = *state;
	for (int i = 0; i < 5; i++) live(w);
	struct session_start start = resuming(w, 90);
	struct client *c = client_open_as(w, &start, false);
	page(w, c, 100, true); /* a head that is behind what this loop has delivered */
	client_drain(c);
	assert_int_equal(world_count(w, ASKED_REPLAY), 2);
	page(w, c, 105, true);
	live(w);
	assert_stream(c, 91, 106);
	client_free(c);
}

static void test_events_still_under_way_when_the_log_is_through(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 90);
	struct client *c = client_open_as(w, &start, false);
	w->pos = 110;
	page(w, c, 110, true);
	for (int64_t pos = 105; pos <= 112; pos++) world_deliver(w, at(pos));
	assert_stream(c, 91, 112);
	client_free(c);
}

static void test_failed_page_ends_the_session(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 90);
	struct client *c = client_open_as(w, &start, false);
	struct session_replay_page *p = calloc(1, sizeof *p);
	uint16_t code = 0;
	assert_non_null(p);
	arena_init(&p->arena, 4096);
	p->failed = true;
	p->free_page = world_free_page;
	memcpy(p->connection_id, session_id(c->session).p, session_id(c->session).n);
	session_hub_post_replay(w->hub, p);
	fake_loop_turn(w->loop);
	assert_true(session_is_closed(c->session, &code) && code == 1011);
	client_free(c);
}

static void test_page_that_gets_nowhere_ends_the_session(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 90);
	struct client *c = client_open_as(w, &start, false);
	uint16_t code = 0;
	page(w, c, 90, false);
	assert_true(session_is_closed(c->session, &code) && code == 1011);
	client_free(c);
}

static void test_page_for_a_session_that_has_gone(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 90);
	struct client *c = client_open_as(w, &start, false);
	char id[CONNECTION_ID_MAX + 1] = { 0 };
	memcpy(id, session_id(c->session).p, session_id(c->session).n);
	client_free(c);
	struct event *e = at(91);
	world_page(w, span_str(id), &e, 1, 91, true);
	e = at(92); /* and one that is never read: the hub frees it */
	struct session_replay_page *p = calloc(1, sizeof *p);
	assert_non_null(p);
	arena_init(&p->arena, 4096);
	p->events = arena_array(&p->arena, struct event *, 1);
	p->events[0] = e;
	p->n = 1;
	p->free_page = world_free_page;
	session_hub_post_replay(w->hub, p);
}

static void test_the_old_session_ends_when_live(void **state)
{
	struct world *w = *state;
	struct client *old = client_open(w, ANN);
	struct session_start start = resuming(w, 90);
	uint16_t code = 0;
	start.old_connection_id = session_id(old->session);
	start.connection_limit = 1; /* the one that it replaces does not count */
	struct client *c = client_open_as(w, &start, false);
	assert_false(c->came_online);
	assert_false(session_is_closed(old->session, &code));
	page(w, c, 100, true);
	assert_true(session_is_closed(old->session, &code) && code == 1000);
	assert_int_equal(world_count(w, ASKED_ENDED), 0); /* nobody has seen him go */
	assert_int_equal(registry_sessions(w->registry, WORLD_APP, ANN), 1);
	client_free(old);
	client_free(c);
}

static void test_the_old_session_on_another_loop(void **state)
{
	struct world *w = *state;
	struct session_hub *second = session_hub_create(w->loop, 0, 1, w->registry, &w->ops);
	struct session_hub *peers[] = { w->hub, second };
	assert_non_null(second);
	session_hub_set_peers(w->hub, peers, 2);
	session_hub_set_peers(second, peers, 2);
	struct client *old = client_open(w, ANN), *foreign = client_open(w, ANN + 1);
	struct session_hub *first = w->hub;
	struct session_start start = resuming(w, 90);
	uint16_t code = 0;
	w->hub = second;
	start.old_connection_id = session_id(old->session);
	struct client *c = client_open_as(w, &start, true);
	page(w, c, 100, true);
	fake_loop_turn(w->loop);
	assert_true(session_is_closed(old->session, &code) && code == 1000);
	/* Naming somebody else's does nothing; a gap ends the old one at once. */
	start.old_connection_id = session_id(foreign->session);
	start.gap = true;
	struct client *thief = client_open_as(w, &start, true);
	fake_loop_turn(w->loop);
	assert_false(session_is_closed(foreign->session, &code));
	client_free(old);
	client_free(foreign);
	client_free(c);
	client_free(thief);
	w->hub = first;
	session_hub_destroy(second);
}

static void test_watching_again_is_announced_when_it_had_ended(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 90);
	struct client *c = client_open_as(w, &start, false);
	struct asked *a = world_asked(w, ASKED_WATCHING);
	assert_true(a && a->user == ANN && a->n == 1 && a->channels[0] == CHANNEL && a->counts[0] == 1);
	struct client *again = client_open_as(w, &start, false);
	assert_int_equal(world_count(w, ASKED_WATCHING), 1);
	client_free(again);
	client_free(c);
}

static void test_right_to_watch_lost_between_snapshot_and_open(void **state)
{
	struct world *w = *state;
	struct session_start start = resuming(w, 90);
	struct event *e = at(++w->pos);
	e->user = ANN;
	e->flags = EVENT_DROP_WATCH;
	world_deliver(w, e);
	struct client *c = client_open_as(w, &start, false);
	assert_int_equal(registry_watcher_count(w->registry, WORLD_APP, CHANNEL), 0);
	assert_int_equal(world_asked(w, ASKED_REPLAY)->n, 0);
	client_free(c);
}

/* ---- polls ---- */

static struct client *poll_at(struct world *w, int64_t resume_seq)
{
	struct session_start start = resuming(w, resume_seq);
	struct client *c = client_open_as(w, &start, true);
	page(w, c, w->pos, true);
	client_drain(c);
	c->n = 0;
	return c;
}

static size_t waiting(struct client *c) { return session_queued(c->session, NULL); }

static void test_rewind_within_the_queue(void **state)
{
	struct world *w = *state;
	struct client *c = poll_at(w, 100);
	for (int i = 0; i < 6; i++) live(w); /* 101..106 */
	world_deliver(w, world_event(w, EVENT_CUSTOM_CHANNEL, CHANNEL, 0, NULL));
	assert_int_equal(client_drain_some(c, 4), 4);
	assert_true(session_rewind(c->session, 100));
	assert_int_equal(waiting(c), 7);
	client_drain(c);
	assert_true(session_rewind(c->session, 104)); /* the answer was lost after 104 */
	assert_int_equal(waiting(c), 2);              /* without what carries no seq */
	client_drain(c);
	assert_true(session_rewind(c->session, 106));
	assert_int_equal(waiting(c), 0);
	live(w);
	assert_true(session_rewind(c->session, 106));
	assert_int_equal(waiting(c), 1);
	client_free(c);
}

static void test_rewind_beyond_the_queue_reads_the_log_again(void **state)
{
	struct world *w = *state;
	struct client *c = poll_at(w, 100);
	for (int i = 0; i < 4; i++) live(w); /* 101..104 */
	client_drain(c);
	assert_true(session_rewind(c->session, 104));
	live(w);
	c->n = 0;
	assert_false(session_rewind(c->session, 102));
	assert_int_equal(world_asked(w, ASKED_REPLAY)->after, 102);
	live(w);
	page(w, c, 105, true);
	assert_stream(c, 103, 106);
	client_free(c);
}

static void test_what_is_kept_for_a_rewind_is_bounded(void **state)
{
	struct world *w = *state;
	for (int64_t back = 0; back < 2; back++) {
		struct client *c = poll_at(w, w->pos);
		int64_t first = w->pos;
		for (int i = 0; i < LIMIT_POLL_QUEUE_EVENTS + 5; i++) {
			live(w);
			client_drain(c); /* polls that never say how far they came */
			c->n = 0;
		}
		assert_int_equal(session_rewind(c->session, first + 5 - back), back == 0);
		assert_int_equal(waiting(c), back ? 0 : LIMIT_POLL_QUEUE_EVENTS);
		if (back) assert_int_equal(world_asked(w, ASKED_REPLAY)->after, first + 4);
		client_free(c);
	}
}

static void test_rewind_while_a_page_is_under_way(void **state)
{
	struct world *w = *state;
	struct client *c = poll_at(w, 100);
	for (int i = 0; i < 4; i++) live(w);
	client_drain(c);
	assert_true(session_rewind(c->session, 103));
	assert_false(session_rewind(c->session, 101));
	size_t before = world_count(w, ASKED_REPLAY);
	assert_false(session_rewind(c->session, 100));
	assert_int_equal(world_count(w, ASKED_REPLAY), before);
	c->n = 0;
	struct event *stale = at(102);
	world_page(w, session_id(c->session), &stale, 1, 104, true);
	assert_int_equal(world_asked(w, ASKED_REPLAY)->after, 100);
	page(w, c, 104, true);
	assert_stream(c, 101, 104);
	client_free(c);
}

/* Answers what was asked, if anything, with the log as it is: positions 101 .. w->pos, all of CHANNEL. */
static void answer(struct world *w, struct client *c)
{
	struct asked *a = world_asked(w, ASKED_REPLAY);
	if (!a) return;
	int64_t most = 1 + (int64_t)fake_below(&w->time, 60), upto = a->after + most < w->pos ? a->after + most : w->pos;
	struct event *events[PAGE_MAX];
	size_t n = 0;
	for (int64_t pos = a->after + 1; pos <= upto; pos++) events[n++] = at(pos);
	w->asked_n = 0;
	world_page(w, session_id(c->session), events, n, upto, upto == w->pos);
}

static void poll(struct world *w, struct client *c, int64_t *had)
{
	bool is_lost = fake_below(&w->time, 4) == 0;
	(void)session_rewind(c->session, *had);
	client_drain_some(c, 1 + fake_below(&w->time, 40));
	for (size_t i = 0; i < c->n && !is_lost; i++) {
		if (!c->pos[i]) continue;
		assert_int_equal(c->pos[i], *had + 1);
		++*had;
	}
	c->n = 0;
	arena_reset(&c->arena);
}

static void test_random_polls_lose_and_repeat_nothing(void **state)
{
	struct world *w = *state;
	struct fake_time *t = &w->time;
	struct client *c = poll_at(w, 100);
	int64_t had = 100; /* the client's position */
	w->asked_n = 0;
	for (int step = 0; step < 20000; step++) {
		uint64_t what = fake_below(t, 100);
		if (what < 45 && waiting(c) < 900) {
			live(w);
		} else if (what < 50 && waiting(c) < 900) {
			world_deliver(w, world_event(w, EVENT_CUSTOM_CHANNEL, CHANNEL, 0, NULL));
		} else if (what < 53 && had > 120) {
			had -= (int64_t)fake_below(t, 20); /* restarted from what it had stored */
		} else if (what < 56) {
			fake_pass(t, w->loop, 1000);
		} else if (what < 80) {
			poll(w, c, &had);
		} else {
			answer(w, c);
		}
	}
	assert_true(had > 1000);
	client_free(c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = { T(test_pages_then_live), T(test_nothing_missed),
		T(test_replayed_events_tell_present_totals), T(test_the_next_page_waits_for_the_peer),
		T(test_ephemeral_events_wait_their_turn), T(test_more_live_events_than_are_held_come_from_the_log),
		T(test_events_delivered_before_it_came_are_asked_of_the_log),
		T(test_events_still_under_way_when_the_log_is_through), T(test_failed_page_ends_the_session),
		T(test_page_that_gets_nowhere_ends_the_session), T(test_page_for_a_session_that_has_gone),
		T(test_the_old_session_ends_when_live), T(test_the_old_session_on_another_loop),
		T(test_watching_again_is_announced_when_it_had_ended), T(test_right_to_watch_lost_between_snapshot_and_open),
		T(test_rewind_within_the_queue), T(test_rewind_beyond_the_queue_reads_the_log_again),
		T(test_what_is_kept_for_a_rewind_is_bounded), T(test_rewind_while_a_page_is_under_way),
		T(test_random_polls_lose_and_repeat_nothing) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
