/* Counts of a minute: every call once, nothing of the minute before. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chat/rates.h"

static void test_counts_of_one_minute(void **state)
{
	(void)state;
	struct rates *r = rates_create();
	assert_non_null(r);
	assert_int_equal(rates_get(r, 3, RATE_WEB, 7), 0);
	assert_int_equal(rates_add(r, 3, RATE_WEB, 7), 1);
	assert_int_equal(rates_add(r, 3, RATE_WEB, 7), 2);
	assert_int_equal(rates_get(r, 3, RATE_WEB, 7), 2);
	assert_int_equal(rates_get(r, 3, RATE_IOS, 7), 0);
	assert_int_equal(rates_get(r, 4, RATE_WEB, 7), 0);
	rates_unref(r);
}

static void test_the_minute_turns(void **state)
{
	(void)state;
	struct rates *r = rates_create();
	assert_non_null(r);
	rates_add(r, RATE_OPERATIONS_MAX - 1, RATE_UNITY, 7);
	assert_int_equal(rates_get(r, RATE_OPERATIONS_MAX - 1, RATE_UNITY, 8), 0);
	assert_int_equal(rates_add(r, RATE_OPERATIONS_MAX - 1, RATE_UNITY, 8), 1);
	assert_int_equal(rates_get(r, RATE_OPERATIONS_MAX - 1, RATE_UNITY, 7), 0);
	rates_unref(r);
}

enum { THREADS = 4, CALLS = 20000 };
static void *call_often(void *p)
{
	for (int i = 0; i < CALLS; i++) rates_add(p, 0, RATE_SERVER_SIDE, 7);
	return NULL;
}

static void test_no_call_is_lost_between_threads(void **state)
{
	(void)state;
	struct rates *r = rates_create();
	pthread_t threads[THREADS];
	assert_non_null(r);
	for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, call_often, r), 0);
	for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
	assert_int_equal(rates_get(r, 0, RATE_SERVER_SIDE, 7), THREADS * CALLS);
	rates_unref(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_of_one_minute),
		cmocka_unit_test(test_the_minute_turns),
		cmocka_unit_test(test_no_call_is_lost_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
