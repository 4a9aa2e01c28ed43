#include "harness.h"

#include "api/strangers.h"
#include "base/limits.h"

static int wait_s(struct strangers *s, const char *peer, enum stranger_call what, int64_t now_us)
{
	return strangers_wait_s(s, span_str(peer), what, now_us);
}

static void so_many_at_once_and_then_one_a_second(void **state)
{
	(void)state;
	struct strangers *s = strangers_create(&rng_system, 3);
	assert_non_null(s);
	for (int i = 0; i < 3; i++) assert_int_equal(wait_s(s, "192.0.2.1", STRANGER_GUEST, 5000000), 0);
	assert_int_equal(wait_s(s, "192.0.2.1", STRANGER_GUEST, 5000000), 1);
	assert_int_equal(wait_s(s, "192.0.2.2", STRANGER_GUEST, 5000000), 0);
	assert_int_equal(wait_s(s, "192.0.2.1", STRANGER_CALL, 5000000), 0);
	assert_int_equal(wait_s(s, "192.0.2.1", STRANGER_GUEST, 5999999), 1);
	assert_int_equal(wait_s(s, "192.0.2.1", STRANGER_GUEST, 6000000), 0);
	assert_int_equal(wait_s(s, "192.0.2.1", STRANGER_GUEST, 6000000), 1);
	for (int i = 0; i < 3; i++) assert_int_equal(wait_s(s, "192.0.2.1", STRANGER_GUEST, 99000000), 0);
	assert_int_equal(wait_s(s, "192.0.2.1", STRANGER_GUEST, 99000000), 1);
	strangers_destroy(s);
}

static void an_ipv6_network_is_one_stranger(void **state)
{
	(void)state;
	struct strangers *s = strangers_create(&rng_system, 1);
	assert_int_equal(wait_s(s, "2001:db8::1", STRANGER_GUEST, 1), 0);
	assert_int_equal(wait_s(s, "2001:db8::ffff:1:2", STRANGER_GUEST, 1), 1);
	assert_int_equal(wait_s(s, "2001:db8:0:1::1", STRANGER_GUEST, 1), 0);
	strangers_destroy(s);
}

static void the_bound_stands_in_limits(void **state)
{
	(void)state;
	struct strangers *s = strangers_create(&rng_system, 0);
	for (int i = 0; i < LIMIT_GUESTS_PER_ADDR; i++) assert_int_equal(wait_s(s, "::1", STRANGER_GUEST, 1), 0);
	assert_int_equal(wait_s(s, "::1", STRANGER_GUEST, 1), 1);
	for (int i = 0; i < LIMIT_STRANGER_CALLS; i++) assert_int_equal(wait_s(s, "::1", STRANGER_CALL, 1), 0);
	assert_int_equal(wait_s(s, "::1", STRANGER_CALL, 1), 1);
	assert_int_equal(strangers_wait_s(NULL, SPAN("::1"), STRANGER_CALL, 1), 0);
	strangers_destroy(s);
}

/* More addresses than there are places: nothing breaks, and who is in debt is mostly remembered. */
static void many_addresses_take_bounded_room(void **state)
{
	(void)state;
	struct strangers *s = strangers_create(&rng_system, 1);
	char peer[32];
	int forgotten = 0;
	for (int i = 0; i < 100000; i++) {
		snprintf(peer, sizeof peer, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(wait_s(s, peer, STRANGER_GUEST, 1 + (int64_t)i * 1000), 0);
	}
	for (int i = 99500; i < 100000; i++) {
		snprintf(peer, sizeof peer, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		forgotten += wait_s(s, peer, STRANGER_GUEST, 1 + (int64_t)100000 * 1000) == 0;
	}
	assert_in_range(forgotten, 0, 100);
	strangers_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(so_many_at_once_and_then_one_a_second),
		cmocka_unit_test(an_ipv6_network_is_one_stranger), cmocka_unit_test(the_bound_stands_in_limits),
		cmocka_unit_test(many_addresses_take_bounded_room) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
