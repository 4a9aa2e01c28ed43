#include "cm.h"

#include "base/map.h"

enum { KEYS = 3000 };
static const uint64_t seed[2] = { 1, 2 };

/* The first of the published vectors of the function: key 00..0f, input 00..0e; and the empty input. */
static void siphash_matches_its_vectors(void **state)
{
	(void)state;
	const uint64_t k[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
	char input[15];
	for (int i = 0; i < 15; i++) input[i] = (char)i;
	assert_true(map_siphash(k, (struct span){ input, 15 }) == UINT64_C(0xa129ca6149be45e5));
	assert_true(map_siphash(k, SPAN_NONE) == UINT64_C(0x726fdb47dd0e0e31));
}

static uint64_t next(uint64_t *x) { return *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); }

/* Random operations against an array that holds the truth. */
static void strings_against_a_model(void **state)
{
	(void)state;
	static char names[KEYS][16];
	static int values[KEYS];
	static bool present[KEYS];
	struct map m;
	map_init(&m, seed);
	uint64_t x = 7;
	size_t count = 0;
	for (int i = 0; i < KEYS; i++) snprintf(names[i], sizeof names[i], "k%d", i);
	for (int step = 0; step < 60000; step++) {
		size_t k = (size_t)(next(&x) >> 33) % KEYS;
		struct span key = span_str(names[k]);
		if ((next(&x) >> 40) % 5 < (step / 20000 == 1 ? 1u : 3u)) {
			assert_true(map_put(&m, key, &values[k]));
			count += !present[k];
			present[k] = true;
		} else {
			assert_ptr_equal(map_remove(&m, key), present[k] ? &values[k] : NULL);
			count -= present[k];
			present[k] = false;
		}
		assert_int_equal(m.count, count);
	}
	size_t seen = 0, it = 0;
	while (map_next(&m, &it)) seen++;
	assert_int_equal(seen, count);
	for (size_t k = 0; k < KEYS; k++) assert_ptr_equal(map_get(&m, span_str(names[k])), present[k] ? &values[k] : NULL);
	for (size_t k = 0; k < KEYS; k++) map_remove(&m, span_str(names[k]));
	assert_int_equal(m.cap, 0);
	map_deinit(&m);
}

static void put_replaces_the_key_too(void **state)
{
	(void)state;
	struct map m;
	map_init(&m, seed);
	char a[] = "same", b[] = "same";
	int one, two;
	assert_null(map_get(&m, span_str(a)));
	assert_true(map_put(&m, span_str(a), &one));
	assert_true(map_put(&m, span_str(b), &two));
	a[0] = 'X';
	assert_ptr_equal(map_get(&m, SPAN("same")), &two);
	assert_int_equal(m.count, 1);
	assert_true(map_put(&m, SPAN(""), &one));
	assert_ptr_equal(map_get(&m, SPAN_NONE), &one);
	map_deinit(&m);
	map_deinit(&m);
}

static void integers_against_a_model(void **state)
{
	(void)state;
	static int values[KEYS];
	static bool present[KEYS];
	struct u64map m;
	u64map_init(&m);
	uint64_t x = 9;
	for (int step = 0; step < 60000; step++) {
		size_t k = (size_t)(next(&x) >> 33) % KEYS;
		uint64_t key = (uint64_t)k << (k % 40); /* shared low bits */
		key = key ^ (uint64_t)k << 48;
		if ((next(&x) >> 40) % 2) {
			assert_true(u64map_put(&m, key, &values[k]));
			present[k] = true;
		} else {
			assert_ptr_equal(u64map_remove(&m, key), present[k] ? &values[k] : NULL);
			present[k] = false;
		}
	}
	size_t count = 0, seen = 0, it = 0;
	for (size_t k = 0; k < KEYS; k++) count += present[k];
	uint64_t key;
	for (int *v; (v = u64map_next(&m, &it, &key)); seen++) assert_ptr_equal(u64map_get(&m, key), v);
	assert_int_equal(seen, count);
	assert_int_equal(m.count, count);
	it = 0;
	assert_true(u64map_next(&m, &it, NULL) != NULL);
	u64map_deinit(&m);
	int zero_key;
	assert_true(u64map_put(&m, 0, &zero_key));
	assert_ptr_equal(u64map_get(&m, 0), &zero_key);
	assert_null(u64map_get(&m, 1));
	u64map_deinit(&m);
}

static void churn_does_not_grow(void **state)
{
	(void)state;
	struct u64map m;
	u64map_init(&m);
	int v;
	for (uint64_t i = 0; i < 100000; i++) {
		assert_true(u64map_put(&m, i, &v));
		if (i >= 10) assert_ptr_equal(u64map_remove(&m, i - 10), &v);
	}
	assert_true(m.cap <= 64);
	u64map_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(siphash_matches_its_vectors),
		cmocka_unit_test(strings_against_a_model), cmocka_unit_test(put_replaces_the_key_too),
		cmocka_unit_test(integers_against_a_model), cmocka_unit_test(churn_does_not_grow) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
