#include "cm.h"

#include <limits.h>

static void order(void **state)
{
	(void)state;
	assert_true(span_cmp(SPAN("a"), SPAN("b")) < 0);
	assert_true(span_cmp(SPAN("b"), SPAN("a")) > 0);
	assert_true(span_cmp(SPAN("a"), SPAN("ab")) < 0);
	assert_true(span_cmp(SPAN("ab"), SPAN("a")) > 0);
	assert_int_equal(span_cmp(SPAN("a"), SPAN("a")), 0);
	assert_int_equal(span_cmp(SPAN_NONE, SPAN("")), 0);
	assert_true(span_cmp(SPAN("\x7f"), SPAN("\x80")) < 0);
}

static void case_is_ignored_for_ascii_only(void **state)
{
	(void)state;
	assert_true(span_eq_nocase(SPAN("WebSocket"), SPAN("wEBsOCKET")));
	assert_false(span_eq_nocase(SPAN("a"), SPAN("ab")));
	assert_false(span_eq_nocase(SPAN("\xc3\x84"), SPAN("\xc3\xa4")));
	assert_false(span_eq_nocase(SPAN("@"), SPAN("`")));
}

static void lists_are_cut_and_trimmed(void **state)
{
	(void)state;
	struct span list = SPAN(" a\t, ,b c,");
	assert_span(span_cut(&list, ','), "a");
	assert_span(span_cut(&list, ','), "");
	assert_span(span_cut(&list, ','), "b c");
	assert_int_equal(list.n, 0);
	assert_span(span_trim(SPAN(" \t ")), "");
	assert_span(span_trim(SPAN("\na")), "\na");
	assert_int_equal(span_cut(&list, ',').n, 0);
}

static void find_and_skip(void **state)
{
	(void)state;
	assert_int_equal(span_find(SPAN("a.b"), '.'), 1);
	assert_int_equal(span_find(SPAN("ab"), '.'), 2);
	assert_int_equal(span_find(SPAN_NONE, '.'), 0);
	assert_span(span_skip(SPAN("abc"), 1), "bc");
	assert_true(span_given(span_skip(SPAN("abc"), 9)));
	assert_int_equal(span_skip(SPAN("abc"), 9).n, 0);
	assert_false(span_given(span_skip(SPAN_NONE, 1)));
}

static void integers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		long long v;
	} cases[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "+7", true, 7 },
		{ "007", true, 7 },
		{ "-12", true, -12 },
		{ "9223372036854775807", true, LLONG_MAX },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775808", true, LLONG_MIN },
		{ "-9223372036854775809", false, 0 },
		{ "99999999999999999999999", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
		{ "+", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "1.0", false, 0 },
		{ "--1", false, 0 },
		{ "0x1", false, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		long long v = 42;
		if (span_to_i64(span_str(cases[i].text), &v) != cases[i].ok) fail_msg("%s", cases[i].text);
		assert_true(v == (cases[i].ok ? cases[i].v : 42));
	}
	long long v;
	assert_false(span_to_i64(SPAN_NONE, &v));
	assert_false(span_to_i64((struct span){ "1\0002", 3 }, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(order), cmocka_unit_test(case_is_ignored_for_ascii_only),
		cmocka_unit_test(lists_are_cut_and_trimmed), cmocka_unit_test(find_and_skip), cmocka_unit_test(integers) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
