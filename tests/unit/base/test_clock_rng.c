#include "cm.h"

#include <string.h>

#include "base/clock.h"
#include "base/rng.h"

static void time_goes_on(void **state)
{
	(void)state;
	assert_true(clock_wall_us(&clock_system) > INT64_C(1700000000000000));
	int64_t last = clock_mono_us(&clock_system);
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_us(&clock_system);
		assert_true(now >= last);
		last = now;
	}
}

static void fill_all(void *ctx, void *p, size_t n) { memset(p, *(int *)ctx, n); }

static void uuid_has_version_and_variant(void **state)
{
	(void)state;
	char text[37];
	int byte = 0xff;
	rng_uuid4(&(struct rng){ fill_all, &byte }, text);
	assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
	byte = 0;
	rng_uuid4(&(struct rng){ fill_all, &byte }, text);
	assert_string_equal(text, "00000000-0000-4000-8000-000000000000");
}

static void system_randomness_differs(void **state)
{
	(void)state;
	assert_true(rng_u64(&rng_system) != rng_u64(&rng_system));
	unsigned char big[70000] = { 0 }; /* more than the system gives at once without a loop */
	rng_fill(&rng_system, big, sizeof big);
	int zeros = 0;
	for (size_t i = sizeof big - 64; i < sizeof big; i++) zeros += big[i] == 0;
	assert_true(zeros < 32);
	rng_fill(&rng_system, big, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(time_goes_on), cmocka_unit_test(uuid_has_version_and_variant),
		cmocka_unit_test(system_randomness_differs) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
