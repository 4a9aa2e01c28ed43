#include "../base/cm.h"

#include <time.h>

#include "wire/timestamp.h"

static void good_forms(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:00.000001Z", 1 },
		{ "1970-01-01T00:00:00.0000019Z", 1 },
		{ "1969-12-31T23:59:59.999999999Z", -1 },
		{ "1970-01-01T01:00:00+01:00", 0 },
		{ "1969-12-31T18:30:00-05:30", 0 },
		{ "1970-01-01t00:00:00z", 0 },
		{ "1970-01-01T00:00:00-00:00", 0 },
		{ "2026-01-02T03:04:05.678901Z", INT64_C(1767323045678901) },
		{ "2024-02-29T00:00:00.5Z", INT64_C(1709164800500000) },
		{ "2000-02-29T12:00:00Z", INT64_C(951825600000000) },
		{ "0001-01-01T00:00:00Z", TIME_ZERO },
		{ "9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999) },
		{ "9999-12-31T23:59:59.999999+23:59", INT64_C(253402214459999999) },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		int64_t us = 42;
		if (!time_parse(span_str(cases[i].text), &us)) fail_msg("%s", cases[i].text);
		assert_int_equal(us, cases[i].us);
	}
}

static void bad_forms(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z",
		"2026-1-02T03:04:05Z", "2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z", "2026-01-00T03:04:05Z",
		"2026-01-32T03:04:05Z", "2026-04-31T03:04:05Z", "2025-02-29T03:04:05Z", "1900-02-29T03:04:05Z",
		"2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05.1234567890Z", "2026-01-02T03:04:05,5Z", "2026-01-02T03:04:05+1:00", "2026-01-02T03:04:05+01",
		"2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05+01:60", "2026-01-02T03:04:05+0100", "2026-01-02T03:04:05ZZ",
		" 2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z ", "0000-01-01T00:00:00Z", "-001-01-01T00:00:00Z",
		"0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z", "2026-01-02T03:04:0xZ" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		int64_t us = 42;
		if (time_parse(span_str(bad[i]), &us)) fail_msg("%s", bad[i]);
		assert_int_equal(us, 42);
	}
	int64_t us;
	assert_false(time_parse(SPAN_NONE, &us));
}

/* Every cut of a good text is no good text. */
static void cut_anywhere(void **state)
{
	(void)state;
	struct span s = SPAN("2026-01-02T03:04:05.678901+01:30");
	int64_t us;
	assert_true(time_parse(s, &us));
	for (size_t n = 0; n < s.n; n++) assert_false(time_parse((struct span){ s.p, n }, &us));
}

/* Against the C library, a day at a time over ten thousand years in uneven steps. */
static void agrees_with_the_system(void **state)
{
	(void)state;
	for (int64_t us = TIME_ZERO; us < INT64_C(253402300800000000); us += INT64_C(86399 * 7000001)) {
		char got[28], want[40], fraction[8];
		int64_t s = us / 1000000, f = us % 1000000;
		if (f < 0) s--, f += 1000000;
		time_t t = (time_t)s;
		if (t != s) continue; /* 32 bits hold 1901 to 2038 */
		struct tm tm;
		assert_non_null(gmtime_r(&t, &tm));
		size_t n = (size_t)snprintf(want, sizeof want, "%04d", tm.tm_year + 1900);
		strftime(want + n, sizeof want - n, "-%m-%dT%H:%M:%S", &tm);
		time_format(us, got);
		assert_memory_equal(got, want, 19);
		snprintf(fraction, sizeof fraction, "%06d", (int)f);
		assert_memory_equal(got + 20, fraction, 6);
		int64_t back = 0;
		assert_true(time_parse(span_str(got), &back));
		assert_int_equal(back, us);
	}
}

static void out_of_range_is_clamped(void **state)
{
	(void)state;
	char out[28];
	time_format(INT64_MIN, out);
	assert_string_equal(out, "0001-01-01T00:00:00.000000Z");
	time_format(INT64_MAX, out);
	assert_string_equal(out, "9999-12-31T23:59:59.999999Z");
}

static void both_dialects(void **state)
{
	(void)state;
	struct buf b;
	struct jsonw w;
	buf_init(&b, 1000);
	jsonw_init(&w, &b);
	jsonw_obj_begin(&w);
	jsonw_ktime(&w, "a", DIALECT_1, 1);
	jsonw_ktime(&w, "b", DIALECT_2, 1);
	jsonw_ktime(&w, "c", DIALECT_1, TIME_ZERO);
	jsonw_ktime(&w, "d", DIALECT_2, TIME_ZERO);
	jsonw_ktime(&w, "e", DIALECT_2, INT64_MAX);
	jsonw_obj_end(&w);
	assert_span(buf_span(&b),
		"{\"a\":\"1970-01-01T00:00:00.000001Z\",\"b\":1000,\"c\":\"0001-01-01T00:00:00.000000Z\",\"d\":null,"
		"\"e\":9223372036854775807}");
	buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(good_forms), cmocka_unit_test(bad_forms),
		cmocka_unit_test(cut_anywhere), cmocka_unit_test(agrees_with_the_system),
		cmocka_unit_test(out_of_range_is_clamped), cmocka_unit_test(both_dialects) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
