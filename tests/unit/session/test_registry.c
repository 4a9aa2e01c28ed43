#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "../../support/fake_loop.h"
#include "session/registry.h"

static struct fake_time now;

static int up(void **state)
{
	fake_time_init(&now, 11);
	*state = registry_create(&now.rng);
	return *state ? 0 : -1;
}

static int down(void **state)
{
	registry_destroy(*state);
	return 0;
}

static void test_first_last_and_limit(void **state)
{
	struct registry *r = *state;
	bool first, last;
	assert_false(registry_is_online(r, 1, 5));
	assert_true(registry_connect(r, 1, 5, 2, &first));
	assert_true(first);
	assert_true(registry_connect(r, 1, 5, 2, &first));
	assert_false(first);
	assert_false(registry_connect(r, 1, 5, 2, &first));
	assert_int_equal(registry_sessions(r, 1, 5), 2);
	assert_true(registry_is_online(r, 1, 5));
	registry_disconnect(r, 1, 5, &last);
	assert_false(last);
	assert_true(registry_connect(r, 1, 5, 2, &first));
	registry_disconnect(r, 1, 5, &last);
	registry_disconnect(r, 1, 5, &last);
	assert_true(last);
	assert_false(registry_is_online(r, 1, 5));
	assert_int_equal(registry_concurrent(r, 0), 0);
}

static void test_anonymous_count_as_connections(void **state)
{
	struct registry *r = *state;
	bool first, last;
	for (int i = 0; i < 60; i++) assert_true(registry_connect(r, 1, 0, 60, &first));
	assert_false(first);
	assert_false(registry_connect(r, 1, 0, 60, &first));
	assert_int_equal(registry_concurrent(r, 1), 60);
	assert_false(registry_is_online(r, 1, 0));
	for (int i = 0; i < 60; i++) registry_disconnect(r, 1, 0, &last);
	assert_false(last);
	assert_int_equal(registry_concurrent(r, 1), 0);
}

static void test_concurrent_and_peak(void **state)
{
	struct registry *r = *state;
	bool b;
	for (int64_t u = 1; u <= 5; u++) assert_true(registry_connect(r, 1, u, 0, &b));
	for (int64_t u = 6; u <= 8; u++) assert_true(registry_connect(r, 2, u, 0, &b));
	for (int64_t u = 1; u <= 4; u++) registry_disconnect(r, 1, u, &b);
	assert_int_equal(registry_concurrent(r, 1), 1);
	assert_int_equal(registry_concurrent(r, 2), 3);
	assert_int_equal(registry_concurrent(r, 3), 0);
	assert_int_equal(registry_concurrent(r, 0), 4);
	assert_int_equal(registry_peak(r, 1, false), 5);
	assert_int_equal(registry_peak(r, 0, false), 8);
	assert_int_equal(registry_peak(r, 1, true), 5);
	assert_int_equal(registry_peak(r, 1, false), 1);
	registry_disconnect(r, 1, 5, &b);
	for (int64_t u = 6; u <= 8; u++) registry_disconnect(r, 2, u, &b);
}

static void test_watching(void **state)
{
	struct registry *r = *state;
	bool b;
	int64_t n;
	assert_true(registry_watch(r, 1, 100, 5, true, &b, &n));
	assert_true(b && n == 1);
	assert_true(registry_watch(r, 1, 100, 5, true, &b, &n));
	assert_true(!b && n == 1);
	assert_true(registry_watch(r, 1, 100, 0, true, &b, &n));
	assert_true(b && n == 2);
	assert_true(registry_watch(r, 1, 100, 0, true, &b, &n));
	assert_true(b && n == 3);
	assert_true(registry_watch(r, 1, 100, 6, false, &b, &n));
	assert_true(b && n == 3);
	assert_true(registry_is_watching(r, 1, 100, 6));
	assert_false(registry_is_watching(r, 1, 101, 6));
	registry_unwatch(r, 1, 100, 5, &b, &n);
	assert_true(!b && n == 3);
	registry_unwatch(r, 1, 100, 5, &b, &n);
	assert_true(b && n == 2);
	registry_unwatch(r, 1, 100, 5, &b, &n);
	assert_true(!b && n == 2);
	registry_unwatch(r, 1, 100, 6, &b, &n);
	registry_unwatch(r, 1, 100, 0, &b, &n);
	registry_unwatch(r, 1, 100, 0, &b, &n);
	assert_true(b && n == 0);
	assert_int_equal(registry_watcher_count(r, 1, 100), 0);
}

static void test_watchers_are_paged_in_order_of_coming(void **state)
{
	struct registry *r = *state;
	struct arena a;
	int64_t *users, n;
	bool b;
	arena_init(&a, 1 << 20);
	for (int64_t u = 1; u <= 500; u++) assert_true(registry_watch(r, 1, 9, u, u % 10 != 0, &b, &n));
	for (int64_t u = 1; u <= 500; u++)
		if (u % 3 == 0) registry_unwatch(r, 1, 9, u, &b, &n);
	size_t got = 0;
	int64_t before = 0;
	for (int64_t offset = 0;; offset += 70) {
		size_t page = registry_watchers(r, 1, 9, offset, 70, &a, &users);
		for (size_t i = 0; i < page; i++) {
			assert_true(users[i] > before && users[i] % 3 && users[i] % 10);
			before = users[i];
		}
		got += page;
		if (page < 70) break;
	}
	assert_int_equal(got, registry_watcher_count(r, 1, 9));
	assert_int_equal(registry_watchers(r, 1, 9, 0, 0, &a, &users), 0);
	assert_int_equal(registry_watchers(r, 1, 10, 0, 5, &a, &users), 0);
	for (int64_t u = 1; u <= 500; u++) registry_unwatch(r, 1, 9, u, &b, &n);
	assert_int_equal(registry_watcher_count(r, 1, 9), 0);
	arena_deinit(&a);
}

static void test_invisible_does_not_count(void **state)
{
	struct registry *r = *state;
	bool b;
	int64_t n;
	registry_set_visible(r, 1, 5, false);
	assert_false(registry_is_visible(r, 1, 5));
	assert_true(registry_connect(r, 1, 5, 0, &b));
	assert_true(registry_is_visible(r, 1, 5));
	for (int64_t c = 1; c <= 10; c++) assert_true(registry_watch(r, 1, c, 5, true, &b, &n));
	registry_set_visible(r, 1, 5, false);
	for (int64_t c = 1; c <= 10; c++) assert_int_equal(registry_watcher_count(r, 1, c), 0);
	assert_true(registry_watch(r, 1, 11, 5, true, &b, &n)); /* what is watched meanwhile neither */
	assert_int_equal(n, 0);
	registry_set_visible(r, 1, 5, true);
	for (int64_t c = 1; c <= 11; c++) assert_int_equal(registry_watcher_count(r, 1, c), 1);
	for (int64_t c = 1; c <= 11; c++) registry_unwatch(r, 1, c, 5, &b, &n);
	registry_disconnect(r, 1, 5, &b);
	assert_false(registry_is_visible(r, 1, 5));
}

static void test_thinned_announcements(void **state)
{
	struct registry *r = *state;
	bool b;
	int64_t n;
	assert_true(registry_watch(r, 1, 3, 5, true, &b, &n));
	assert_true(registry_may_announce(r, 1, 3, 1000));
	assert_false(registry_may_announce(r, 1, 3, 5000999));
	assert_true(registry_may_announce(r, 1, 3, 5001000));
	registry_unwatch(r, 1, 3, 5, &b, &n);
}

/* As a batch does that is committed. */
static size_t take_seen(struct registry *r, struct registry_seen *out, size_t cap)
{
	size_t n = registry_list_seen(r, out, cap);
	registry_forget_seen(r, out, n);
	return n;
}

static void test_seen_stays_until_it_is_forgotten(void **state)
{
	struct registry *r = *state;
	struct registry_seen out[8];
	registry_mark_seen(r, 1, 3, 50);
	assert_int_equal(registry_list_seen(r, out, 8), 1);
	assert_int_equal(registry_seen_at(r, 3), 50);
	registry_mark_seen(r, 1, 3, 60); /* while the batch is being written */
	registry_forget_seen(r, out, 1);
	assert_int_equal(registry_seen_at(r, 3), 60);
	assert_int_equal(take_seen(r, out, 8), 1);
	assert_int_equal(registry_seen_at(r, 3), 0);
	assert_int_equal(registry_seen_count(r), 0);
}

static void test_seen(void **state)
{
	struct registry *r = *state;
	struct registry_seen out[8];
	registry_mark_seen(r, 1, 0, 5);
	for (int64_t u = 1; u <= 12; u++) registry_mark_seen(r, 1, u, u);
	registry_mark_seen(r, 1, 3, 99);
	size_t a = take_seen(r, out, 8), b = 0;
	bool has = false;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < (round ? b : a); i++) has = has || (out[i].user == 3 && out[i].at_us == 99);
		if (!round) b = take_seen(r, out, 8);
	}
	assert_int_equal(a + b, 12);
	assert_true(has);
	assert_int_equal(take_seen(r, out, 8), 0);
}

/* Everything at once from several threads: for TSan, and the sums must come out. */
static void *hammer(void *arg)
{
	struct registry *r = arg;
	struct fake_time t;
	bool b;
	int64_t n;
	fake_time_init(&t, (uint64_t)(uintptr_t)&t);
	for (int i = 0; i < 3000; i++) {
		int64_t user = 1 + (int64_t)fake_below(&t, 20), channel = 1 + (int64_t)fake_below(&t, 5);
		if (!registry_connect(r, 1, user, 0, &b)) continue;
		assert_true(registry_watch(r, 1, channel, user, true, &b, &n));
		registry_set_visible(r, 1, user, fake_below(&t, 2));
		registry_mark_seen(r, 1, user, i);
		registry_unwatch(r, 1, channel, user, &b, &n);
		registry_disconnect(r, 1, user, &b);
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	struct registry *r = *state;
	pthread_t threads[4];
	for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, hammer, r), 0);
	for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
	assert_int_equal(registry_concurrent(r, 0), 0);
	for (int64_t c = 1; c <= 5; c++) assert_int_equal(registry_watcher_count(r, 1, c), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_last_and_limit, up, down),
		cmocka_unit_test_setup_teardown(test_anonymous_count_as_connections, up, down),
		cmocka_unit_test_setup_teardown(test_concurrent_and_peak, up, down),
		cmocka_unit_test_setup_teardown(test_watching, up, down),
		cmocka_unit_test_setup_teardown(test_watchers_are_paged_in_order_of_coming, up, down),
		cmocka_unit_test_setup_teardown(test_invisible_does_not_count, up, down),
		cmocka_unit_test_setup_teardown(test_thinned_announcements, up, down),
		cmocka_unit_test_setup_teardown(test_seen, up, down),
		cmocka_unit_test_setup_teardown(test_seen_stays_until_it_is_forgotten, up, down),
		cmocka_unit_test_setup_teardown(test_many_threads, up, down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
