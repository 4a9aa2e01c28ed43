/* Watches that are looked at anew after rights changed (contract: connection-and-users-events.md 5.3, "Lost"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../support/hub_world.h"
#include "base/limits.h"
#include "session/hub.h"

enum { ANN = 1, BOB = 2, CHANNEL = 50, OTHER = 51 };

static int up(void **state)
{
	struct world *w = malloc(sizeof *w);
	if (!w) return -1;
	world_init(w, 22);
	*state = w;
	return 0;
}

static int down(void **state)
{
	world_deinit(*state);
	free(*state);
	return 0;
}

static void rights_change(struct world *w, int64_t user, int64_t channel)
{
	struct event *e = world_event(w, EVENT_USER_UPDATED, channel, user, NULL);
	e->cls = EVENT_CLASS_OWN;
	e->flags |= EVENT_CHECK_WATCHES;
	world_deliver(w, e);
}

static bool watches(const struct client *c, int64_t channel)
{
	return topic_subscription(&((const struct session *)c->session)->watches, channel) != NULL;
}

/* Answers what was asked: this channel is lost, the others are not. */
static void answer(struct world *w, int64_t lost, bool failed)
{
	struct session_check *c = w->check;
	assert_non_null(c);
	w->check = NULL;
	c->failed = failed;
	for (size_t i = 0; i < c->n; i++) c->items[i].lost = c->items[i].channel == lost;
	session_hub_post_checked(c);
	fake_loop_turn(w->loop);
}

static void test_lost_watches_end_and_are_told(void **state)
{
	struct world *w = *state;
	struct client *ann = client_open(w, ANN), *bob = client_open(w, BOB);
	world_watch(w, ann, CHANNEL);
	world_watch(w, ann, OTHER);
	world_watch(w, bob, CHANNEL);
	rights_change(w, ANN, 0);
	assert_int_equal(w->check->n, 2); /* hers alone */
	assert_int_equal(w->check->app, WORLD_APP);
	assert_int_equal(w->check->items[0].user, ANN);
	assert_true(watches(ann, CHANNEL)); /* until the answer is there */
	answer(w, CHANNEL, false);
	assert_false(watches(ann, CHANNEL));
	assert_true(watches(ann, OTHER) && watches(bob, CHANNEL));
	struct asked *a = world_asked(w, ASKED_ENDED);
	assert_true(a && a->user == ANN && a->n == 1 && a->channels[0] == CHANNEL && a->counts[0] == 1 && !a->last);
	assert_null(w->check);
	client_free(ann);
	client_free(bob);
}

static void test_who_is_concerned(void **state)
{
	struct world *w = *state;
	struct client *ann = client_open(w, ANN), *bob = client_open(w, BOB), *nobody = client_open(w, 0);
	rights_change(w, ANN, 0);
	rights_change(w, 0, 0);
	assert_null(w->check); /* nobody watches */
	world_watch(w, ann, OTHER);
	world_watch(w, bob, CHANNEL);
	world_watch(w, nobody, CHANNEL);
	rights_change(w, 0, CHANNEL);
	assert_int_equal(w->check->n, 2);
	answer(w, 0, false);
	rights_change(w, 0, 0);
	assert_int_equal(w->check->n, 3);
	answer(w, CHANNEL, false);
	assert_true(watches(ann, OTHER) && !watches(bob, CHANNEL) && !watches(nobody, CHANNEL));
	client_free(ann);
	client_free(bob);
	client_free(nobody);
}

static void test_one_slice_at_a_time(void **state)
{
	struct world *w = *state;
	enum { CLIENTS = 5, EACH = 200 };
	struct client *c[CLIENTS];
	size_t seen = 0, slices = 0;
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = client_open(w, 1 + i);
		for (int k = 0; k < EACH; k++) world_watch(w, c[i], 1000 + k);
	}
	rights_change(w, 0, 0);
	rights_change(w, 0, 0); /* all again, but for those who are asked about just now nobody twice */
	while (w->check) {
		assert_in_range(w->check->n, 1, LIMIT_WATCH_RECHECK_SLICE);
		seen += w->check->n;
		slices++;
		answer(w, 0, false);
	}
	assert_int_equal(seen, (CLIENTS + 2) * EACH);
	assert_in_range(slices, 4, 5);
	for (int i = 0; i < CLIENTS; i++) client_free(c[i]);
}

static void test_session_with_more_than_a_slice(void **state)
{
	struct world *w = *state;
	struct client *c = client_open(w, ANN);
	for (int k = 0; k < LIMIT_WATCHES_PER_SESSION; k++) world_watch(w, c, 1000 + k);
	rights_change(w, ANN, 0);
	assert_int_equal(w->check->n, LIMIT_WATCHES_PER_SESSION);
	answer(w, 1000, false);
	assert_false(watches(c, 1000));
	client_free(c);
}

static void test_failed_check_is_tried_again(void **state)
{
	struct world *w = *state;
	struct client *c = client_open(w, ANN);
	world_watch(w, c, CHANNEL);
	rights_change(w, ANN, 0);
	answer(w, CHANNEL, true);
	assert_true(watches(c, CHANNEL));
	assert_null(w->check);
	fake_pass(&w->time, w->loop, 1100);
	answer(w, CHANNEL, false);
	assert_false(watches(c, CHANNEL));
	client_free(c);
}

static void test_watch_asked_for_meanwhile(void **state)
{
	struct world *w = *state;
	struct client *c = client_open(w, ANN);
	world_watch(w, c, CHANNEL);
	rights_change(w, ANN, 0);
	world_watch(w, c, CHANNEL); /* granted under newer rights, for all the hub knows */
	answer(w, CHANNEL, false);
	assert_true(watches(c, CHANNEL));
	assert_int_equal(w->check->n, 1); /* looked at once more */
	world_unwatch(w, c, CHANNEL);
	world_watch(w, c, CHANNEL); /* another one */
	answer(w, CHANNEL, false);
	assert_true(watches(c, CHANNEL));
	assert_null(w->check);
	client_free(c);
}

static void test_session_that_ends_meanwhile(void **state)
{
	struct world *w = *state;
	struct client *ann = client_open(w, ANN), *bob = client_open(w, BOB);
	world_watch(w, ann, CHANNEL);
	world_watch(w, bob, CHANNEL);
	rights_change(w, ANN, 0);
	rights_change(w, BOB, 0);
	client_free(ann);
	client_free(bob); /* his turn had not come */
	answer(w, CHANNEL, false);
	assert_null(w->check);
}

/* Its watches were found under rights that changed before it opened. */
static void test_open_after_a_change(void **state)
{
	struct world *w = *state;
	int64_t channel = CHANNEL;
	struct session_start start = world_start(w, ANN);
	start.wants_seq = true;
	start.watch = &channel;
	start.watch_count = 1;
	rights_change(w, ANN, 0); /* after the snapshot of start */
	struct client *c = client_open_as(w, &start, false);
	assert_non_null(w->check);
	answer(w, CHANNEL, false);
	assert_false(watches(c, CHANNEL));
	client_free(c);
	start.snapshot_pos = w->pos;
	c = client_open_as(w, &start, false);
	assert_null(w->check);
	client_free(c);
	start.must_check = true; /* settings of the application */
	c = client_open_as(w, &start, false);
	answer(w, CHANNEL, false);
	assert_false(watches(c, CHANNEL));
	client_free(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = { T(test_lost_watches_end_and_are_told), T(test_who_is_concerned),
		T(test_one_slice_at_a_time), T(test_session_with_more_than_a_slice), T(test_failed_check_is_tried_again),
		T(test_watch_asked_for_meanwhile), T(test_session_that_ends_meanwhile), T(test_open_after_a_change) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
