/* The bus of one process: order, sharing, back-pressure, and turns that leave room for sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "../../support/fake_loop.h"
#include "base/limits.h"
#include "bus/bus.h"

enum { LOOPS = 3, KEEP = 100000 };

struct sink {
	struct fake_time *time;
	int64_t got[KEEP];
	size_t n;
	int64_t each_us; /* what an event costs */
};
struct rig {
	struct fake_time time;
	struct net_loop *loops[LOOPS];
	struct sink sinks[LOOPS];
	struct bus *bus;
};

static void take(void *ctx, struct event *const *events, size_t n)
{
	struct sink *s = ctx;
	for (size_t i = 0; i < n; i++) {
		s->got[s->n++] = events[i]->pos;
		if (s->each_us) s->time->mono_us += s->each_us;
	}
}

static int up(void **state)
{
	struct rig *r = calloc(1, sizeof *r);
	struct bus_sink sinks[LOOPS];
	if (!r) return -1;
	fake_time_init(&r->time, 51);
	for (int i = 0; i < LOOPS; i++) {
		r->loops[i] = fake_loop_create(&r->time);
		r->sinks[i].time = &r->time;
		sinks[i] = (struct bus_sink){ take, &r->sinks[i], r->loops[i] };
	}
	r->bus = bus_create_local(sinks, LOOPS);
	*state = r;
	return r->bus ? 0 : -1;
}

static int down(void **state)
{
	struct rig *r = *state;
	bus_destroy(r->bus);
	for (int i = 0; i < LOOPS; i++) net_loop_destroy(r->loops[i]);
	free(r);
	return 0;
}

static struct event *event_of(int64_t pos, size_t bytes)
{
	struct event *e = event_new(EVENT_TYPING_START);
	assert_non_null(e);
	e->pos = pos;
	e->body = blob_alloc(bytes);
	assert_non_null(e->body);
	return e;
}

static void publish(struct rig *r, int64_t from, int64_t n, size_t bytes)
{
	struct event *events[64];
	for (int64_t i = 0; i < n; i++) events[i] = event_of(from + i, bytes);
	bus_publish(r->bus, events, (size_t)n);
}

static void test_every_loop_in_order(void **state)
{
	struct rig *r = *state;
	for (int64_t i = 0; i < 50; i++) {
		publish(r, i * 40, 40, 10);
		if (i % 7 == 0) fake_loop_turn(r->loops[i % LOOPS]);
	}
	for (int i = 0; i < LOOPS; i++) {
		fake_loop_turn(r->loops[i]);
		assert_int_equal(r->sinks[i].n, 2000);
		for (int64_t k = 0; k < 2000; k++) assert_int_equal(r->sinks[i].got[k], k);
	}
}

static void test_a_turn_has_a_budget(void **state)
{
	struct rig *r = *state;
	r->sinks[0].each_us = 100;
	for (int64_t i = 0; i < 10; i++) publish(r, i * 40, 40, 10);
	fake_loop_turn(r->loops[0]);
	assert_in_range(r->sinks[0].n, 16, 60);
	publish(r, 400, 40, 10);
	for (int i = 0; i < 20; i++) fake_loop_turn(r->loops[0]);
	assert_int_equal(r->sinks[0].n, 440);
	for (int64_t k = 0; k < 440; k++) assert_int_equal(r->sinks[0].got[k], k);
}

static void test_what_was_not_delivered_is_freed(void **state) { publish(*state, 0, 5, 10); }

static void test_loops_never_wait_and_miss_only_what_may_be_missed(void **state)
{
	struct rig *r = *state;
	bus_never_wait(r->bus);
	for (int i = 0; i < 9; i++) publish(r, i, 1, 1 << 20);
	struct event *e[2] = { event_of(9, 10), event_of(10, 10) };
	e[0]->flags = EVENT_DROPPABLE;
	fake_loop_turn(r->loops[1]);
	bus_publish_from_loop(r->bus, e, 2);
	for (int i = 0; i < LOOPS; i++) fake_loop_turn(r->loops[i]);
	assert_int_equal(r->sinks[0].n, 10);
	assert_int_equal(r->sinks[0].got[9], 10);
	assert_int_equal(r->sinks[1].n, 11);
}

struct publisher {
	struct rig *r;
	atomic_int done;
};

static void *publish_much(void *arg)
{
	struct publisher *p = arg;
	for (int64_t i = 0; i < 40; i++) {
		publish(p->r, i, 1, 1 << 20);
		atomic_store(&p->done, (int)i + 1);
	}
	return NULL;
}

static void test_publishers_wait_for_a_loop_that_is_behind(void **state)
{
	struct rig *r = *state;
	struct publisher p = { .r = r };
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, publish_much, &p), 0);
	/* 8 MiB and what tips it over: it cannot get further however long it runs. */
	while (atomic_load(&p.done) < 8) sched_yield();
	for (int i = 0; i < 1000; i++) sched_yield();
	assert_in_range(atomic_load(&p.done), 8, 9);
	while (atomic_load(&p.done) < 20) {
		for (int i = 0; i < LOOPS; i++) fake_loop_turn(r->loops[i]);
	}
	bus_never_wait(r->bus); /* shutting down: nobody delivers any more */
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&p.done), 40);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = { T(test_every_loop_in_order), T(test_a_turn_has_a_budget),
		T(test_what_was_not_delivered_is_freed), T(test_loops_never_wait_and_miss_only_what_may_be_missed),
		T(test_publishers_wait_for_a_loop_that_is_behind) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
