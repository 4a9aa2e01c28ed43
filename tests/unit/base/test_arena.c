#include "cm.h"

#include <stdlib.h>

#include "base/arena.h"

static void bound_is_exact(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 160);
	assert_non_null(arena_alloc(&a, 160));
	assert_false(arena_failed(&a));
	assert_null(arena_alloc(&a, 1));
	assert_true(arena_failed(&a));
	arena_reset(&a);
	assert_false(arena_failed(&a));
	assert_null(arena_alloc(&a, 161));
	arena_reset(&a);
	for (int i = 0; i < 10; i++) assert_non_null(arena_alloc(&a, 16));
	assert_null(arena_alloc(&a, 1));
	arena_deinit(&a);
	arena_deinit(&a);
	struct arena zeroed = { 0 };
	arena_deinit(&zeroed);
}

static void aligned_and_apart(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 24);
	unsigned char *kept[500];
	for (size_t i = 0; i < 500; i++) {
		size_t n = i * 37 % 3000;
		kept[i] = arena_alloc(&a, n);
		assert_non_null(kept[i]);
		assert_int_equal((uintptr_t)kept[i] % _Alignof(max_align_t), 0);
		memset(kept[i], (int)(i & 255), n);
	}
	for (size_t i = 0; i < 500; i++)
		for (size_t j = 0; j < i * 37 % 3000; j++) assert_int_equal(kept[i][j], i & 255);
	arena_deinit(&a);
}

static void big_ones_leave_the_block_usable(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 24);
	char *small = arena_alloc(&a, 16);
	char *big = arena_alloc(&a, 1 << 20);
	char *next = arena_alloc(&a, 16);
	assert_non_null(big);
	memset(big, 1, 1 << 20);
	assert_ptr_equal(next, small + 16);
	arena_reset(&a);
	assert_int_equal(a.used_bytes, 0);
	assert_ptr_equal(arena_alloc(&a, 16), small);
	arena_deinit(&a);
}

static void zeroed_arrays_check_their_size(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, SIZE_MAX);
	int *v = arena_array(&a, int, 100);
	assert_non_null(v);
	for (int i = 0; i < 100; i++) assert_int_equal(v[i], 0);
	assert_null(arena_zalloc(&a, SIZE_MAX / 2, 3));
	assert_true(arena_failed(&a));
	arena_reset(&a);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_true(arena_failed(&a));
	arena_deinit(&a);
}

static void realloc_keeps_content(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 24);
	char *p = arena_realloc(&a, NULL, 0, 10);
	memset(p, 'x', 10);
	size_t n = 10;
	for (size_t next = 11; next < 2000000; next = next * 5 / 3) {
		p = arena_realloc(&a, p, n, next);
		assert_non_null(p);
		for (size_t i = 0; i < n; i++) assert_int_equal(p[i], 'x');
		memset(p + n, 'x', next - n);
		n = next;
		if (n < 1000) assert_non_null(arena_alloc(&a, 3)); /* something newer in the way */
	}
	/* Grown in place: nothing but the last size counts for the large steps. */
	assert_true(a.used_bytes < n * 2);
	assert_ptr_equal(arena_realloc(&a, p, n, 5), p);
	assert_null(arena_realloc(&a, p, n, 1 << 25));
	assert_true(arena_failed(&a));
	assert_int_equal(p[n - 1], 'x');
	arena_deinit(&a);
}

static void texts(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 4096);
	struct span s = arena_dup(&a, SPAN("abc"));
	assert_span(s, "abc");
	assert_int_equal(s.p[3], 0);
	assert_true(span_given(arena_dup(&a, SPAN(""))));
	assert_false(span_given(arena_dup(&a, SPAN_NONE)));
	assert_span(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	assert_false(span_given(arena_printf(&a, "%5000d", 7)));
	assert_true(arena_failed(&a));
	assert_false(span_given(arena_dup(&a, (struct span){ s.p, SIZE_MAX })));
	arena_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bound_is_exact), cmocka_unit_test(aligned_and_apart),
		cmocka_unit_test(big_ones_leave_the_block_usable), cmocka_unit_test(zeroed_arrays_check_their_size),
		cmocka_unit_test(realloc_keeps_content), cmocka_unit_test(texts) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
