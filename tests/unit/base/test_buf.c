#include "cm.h"

#include "base/buf.h"

static void bound_is_exact(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 100);
	for (int i = 0; i < 100; i++) buf_add_char(&b, 'a');
	assert_false(b.failed);
	assert_int_equal(b.n, 100);
	buf_add_char(&b, 'b');
	assert_true(b.failed);
	assert_int_equal(b.n, 100);
	buf_add(&b, "", 0);
	assert_true(b.failed);
	buf_clear(&b);
	assert_false(b.failed);
	buf_add_span(&b, SPAN("ok"));
	assert_span(buf_span(&b), "ok");
	assert_false(buf_reserve(&b, 99));
	buf_deinit(&b);
	assert_int_equal(b.max, 100);
	buf_deinit(&b);
}

static void numbers_are_decimal(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 200);
	buf_add_i64(&b, 0);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, -10);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MIN);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MAX);
	buf_add_char(&b, ' ');
	buf_add_u64(&b, UINT64_MAX);
	assert_span(buf_span(&b), "0 -10 -9223372036854775808 9223372036854775807 18446744073709551615");
	buf_deinit(&b);
}

static void failed_changes_nothing_more(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 4);
	buf_add_span(&b, SPAN("ab"));
	buf_add_span(&b, SPAN("cde"));
	buf_add_char(&b, 'c');
	buf_printf(&b, "%d", 1);
	assert_true(b.failed);
	assert_span(buf_span(&b), "ab");
	assert_false(buf_reserve(&b, SIZE_MAX));
	buf_deinit(&b);
}

static void printf_of_any_length(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	buf_printf(&b, "%s=%d;", "a", 1);
	buf_printf(&b, "%900d", 7);
	assert_int_equal(b.n, 904);
	assert_int_equal(b.p[903], '7');
	buf_printf(&b, "%96d", 7);
	assert_false(b.failed);
	assert_int_equal(b.n, 1000);
	buf_printf(&b, "x");
	assert_true(b.failed);
	buf_deinit(&b);
}

static void consume(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 100);
	buf_consume(&b, 3);
	buf_add_span(&b, SPAN("abcdef"));
	buf_consume(&b, 2);
	assert_span(buf_span(&b), "cdef");
	buf_consume(&b, 0);
	assert_span(buf_span(&b), "cdef");
	buf_consume(&b, 9);
	assert_span(buf_span(&b), "");
	buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bound_is_exact), cmocka_unit_test(numbers_are_decimal),
		cmocka_unit_test(failed_changes_nothing_more), cmocka_unit_test(printf_of_any_length),
		cmocka_unit_test(consume) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
