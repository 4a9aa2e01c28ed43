/* Timers in order of their instants, messages from threads, the end of a turn. Time is held in hand where it matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "net/driver.h"

/* ---- a driver without anything, stepped by the test ---- */
static unsigned wakes;
static void count_wake(struct net_loop *l)
{
	(void)l;
	wakes++;
}
static const struct net_driver no_driver = { .wake = count_wake };

static int64_t fake_now_us;
static int64_t fake_time(void *ctx)
{
	(void)ctx;
	return fake_now_us;
}
static const struct clock fake_clock = { fake_time, fake_time, NULL };

static void begin(struct net_loop *l)
{
	*l = (struct net_loop){ 0 };
	fake_now_us = 1000000;
	wakes = 0;
	net_loop_init(l, &no_driver, &fake_clock, &rng_system);
}

static void step_to(struct net_loop *l, int64_t at_us)
{
	fake_now_us = at_us;
	net_loop_touch(l);
	net_loop_run_timers(l);
}

/* ---- timers ---- */
enum { TIMERS = 2000 };
struct timed {
	struct net_timer timer;
	struct net_loop *loop;
	int64_t ran_at_us;
	unsigned runs, again;
};
static int64_t last_due_us;

static void on_timed(struct net_timer *t)
{
	struct timed *x = BECK_CONTAINER(t, struct timed, timer);
	assert_false(net_timer_running(t));
	x->runs++;
	x->ran_at_us = fake_now_us;
	if (x->again) {
		x->again--;
		net_timer_start(x->loop, t, 0);
	}
}

static void on_ordered(struct net_timer *t)
{
	struct timed *x = BECK_CONTAINER(t, struct timed, timer);
	x->runs++;
	assert_true(x->ran_at_us >= last_due_us);
	last_due_us = x->ran_at_us;
}

static void test_timers_run_in_order(void **state)
{
	(void)state;
	struct net_loop l;
	static struct timed t[TIMERS];
	begin(&l);
	for (unsigned i = 0; i < TIMERS; i++) {
		int64_t delay_ms = (int64_t)(i * 7919u % 4001u) + 1;
		t[i] = (struct timed){ .timer = { .run = on_ordered }, .loop = &l, .ran_at_us = fake_now_us + delay_ms * 1000 };
		net_timer_start(&l, &t[i].timer, delay_ms);
	}
	for (unsigned i = 0; i < TIMERS; i += 3) net_timer_stop(&l, &t[i].timer);
	for (unsigned i = 0; i < TIMERS; i += 6) net_timer_start_at(&l, &t[i].timer, t[i].ran_at_us);
	last_due_us = 0;
	assert_int_equal(net_loop_next_due(&l) > fake_now_us, 1);
	step_to(&l, fake_now_us + 5000000);
	for (unsigned i = 0; i < TIMERS; i++) assert_int_equal(t[i].runs, i % 3 != 0 || i % 6 == 0);
	assert_int_equal(net_loop_next_due(&l), 0);
	net_loop_deinit(&l);
}

static void test_timer_waits_for_its_instant(void **state)
{
	(void)state;
	struct net_loop l;
	begin(&l);
	struct timed t = { .timer = { .run = on_timed }, .loop = &l };
	net_timer_start(&l, &t.timer, 10);
	step_to(&l, 1009999);
	assert_int_equal(t.runs, 0);
	net_timer_start(&l, &t.timer, 20); /* restarts */
	step_to(&l, 1029998);
	assert_int_equal(t.runs, 0);
	step_to(&l, 1029999);
	assert_int_equal(t.runs, 1);
	net_loop_deinit(&l);
}

static void test_timer_that_restarts_itself_runs_once_a_turn(void **state)
{
	(void)state;
	struct net_loop l;
	begin(&l);
	struct timed t = { .timer = { .run = on_timed }, .loop = &l, .again = 5 };
	net_timer_start(&l, &t.timer, 0);
	step_to(&l, fake_now_us + 1);
	assert_int_equal(t.runs, 1);
	step_to(&l, fake_now_us + 1);
	assert_int_equal(t.runs, 2);
	net_timer_stop(&l, &t.timer);
	net_timer_stop(&l, &t.timer);
	net_loop_deinit(&l);
}

static void test_time_scale_shortens_delays(void **state)
{
	(void)state;
	struct net_loop l;
	begin(&l);
	net_loop_set_time_scale(&l, 100);
	struct timed t = { .timer = { .run = on_timed }, .loop = &l };
	net_timer_start(&l, &t.timer, 1000);
	assert_int_equal(t.timer.due_us, fake_now_us + 10000);
	assert_int_equal(net_delay_us(&l, 60000), 600000);
	net_timer_stop(&l, &t.timer);
	net_loop_deinit(&l);
}

/* ---- deferred ---- */
struct noted {
	struct net_deferred deferred;
	struct net_loop *loop;
	struct noted *also, *cancel;
	unsigned runs, order;
};
static unsigned order;

static void on_noted(struct net_deferred *d)
{
	struct noted *n = BECK_CONTAINER(d, struct noted, deferred);
	n->runs++;
	n->order = ++order;
	if (n->also) net_defer(n->loop, &n->also->deferred);
	if (n->cancel) net_defer_cancel(&n->cancel->deferred);
}

static void test_deferred_runs_once_in_order(void **state)
{
	(void)state;
	struct net_loop l;
	begin(&l);
	struct noted a = { .deferred = { .run = on_noted }, .loop = &l }, b = a, c = a;
	order = 0;
	a.also = &a;   /* asks again while it runs: next turn */
	a.cancel = &c; /* in the same batch, later */
	net_defer(&l, &a.deferred);
	net_defer(&l, &b.deferred);
	net_defer(&l, &a.deferred);
	net_defer(&l, &c.deferred);
	assert_true(net_loop_has_deferred(&l));
	net_loop_run_deferred(&l);
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 1);
	assert_int_equal(c.runs, 0);
	assert_true(a.order < b.order);
	assert_true(net_loop_has_deferred(&l));
	a.also = NULL;
	net_loop_run_deferred(&l);
	assert_int_equal(a.runs, 2);
	assert_false(net_loop_has_deferred(&l));
	net_loop_deinit(&l);
}

/* ---- mailbox ---- */
enum { SENDERS = 4, MESSAGES = 5000 };
struct letter {
	struct net_message message;
	struct post *post;
	unsigned sender, number;
};
struct post {
	struct net_loop *loop;
	unsigned seen[SENDERS], total;
	struct letter letters[SENDERS][MESSAGES];
};

static void on_letter(struct net_message *m)
{
	struct letter *x = BECK_CONTAINER(m, struct letter, message);
	assert_int_equal(x->post->seen[x->sender], x->number); /* the order of each sender */
	x->post->seen[x->sender]++;
	if (++x->post->total == SENDERS * MESSAGES) net_loop_stop(x->post->loop);
}

static void *send_all(void *arg)
{
	struct letter *first = arg;
	for (unsigned i = 0; i < MESSAGES; i++) net_post(first->post->loop, &first[i].message);
	return NULL;
}

static void test_messages_from_threads(void **state)
{
	(void)state;
	static struct post p;
	p.loop = net_loop_create_uv(&clock_system, &rng_system);
	assert_non_null(p.loop);
	for (unsigned s = 0; s < SENDERS; s++)
		for (unsigned i = 0; i < MESSAGES; i++)
			p.letters[s][i] =
				(struct letter){ .message = { .run = on_letter }, .post = &p, .sender = s, .number = i };
	pthread_t threads[SENDERS];
	for (unsigned s = 0; s < SENDERS; s++) assert_int_equal(pthread_create(&threads[s], NULL, send_all, p.letters[s]), 0);
	net_loop_run(p.loop);
	for (unsigned s = 0; s < SENDERS; s++) pthread_join(threads[s], NULL);
	assert_int_equal(p.total, SENDERS * MESSAGES);
	net_loop_destroy(p.loop);
}

static void test_one_wake_for_a_batch(void **state)
{
	(void)state;
	struct net_loop l;
	begin(&l);
	static struct post p;
	p = (struct post){ .loop = &l };
	for (unsigned i = 0; i < 3; i++) {
		p.letters[0][i] = (struct letter){ .message = { .run = on_letter }, .post = &p, .number = i };
		net_post(&l, &p.letters[0][i].message);
	}
	assert_int_equal(wakes, 1);
	net_loop_run_mailbox(&l);
	assert_int_equal(p.total, 3);
	net_loop_deinit(&l);
}

/* What is deferred from a deferred call must not wait for the next event from outside. */
struct chain {
	struct net_deferred deferred;
	struct net_message message;
	struct net_loop *loop;
	unsigned left;
};
static void on_chain(struct net_deferred *d)
{
	struct chain *c = BECK_CONTAINER(d, struct chain, deferred);
	if (--c->left) {
		net_defer(c->loop, d);
	} else {
		net_loop_stop(c->loop);
	}
}
static void begin_chain(struct net_message *m)
{
	struct chain *c = BECK_CONTAINER(m, struct chain, message);
	net_defer(c->loop, &c->deferred);
}

static void test_loop_does_not_sleep_on_deferred(void **state)
{
	(void)state;
	struct chain c = { .deferred = { .run = on_chain }, .message = { .run = begin_chain }, .left = 100 };
	c.loop = net_loop_create_uv(&clock_system, &rng_system);
	assert_non_null(c.loop);
	net_post(c.loop, &c.message);
	net_loop_run(c.loop); /* hangs when it sleeps */
	assert_int_equal(c.left, 0);
	net_loop_destroy(c.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_run_in_order),
		cmocka_unit_test(test_timer_waits_for_its_instant),
		cmocka_unit_test(test_timer_that_restarts_itself_runs_once_a_turn),
		cmocka_unit_test(test_time_scale_shortens_delays),
		cmocka_unit_test(test_deferred_runs_once_in_order),
		cmocka_unit_test(test_messages_from_threads),
		cmocka_unit_test(test_one_wake_for_a_batch),
		cmocka_unit_test(test_loop_does_not_sleep_on_deferred),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
