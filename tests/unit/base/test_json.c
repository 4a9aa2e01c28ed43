#include "cm.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, (size_t)LIMIT_ARENA_BYTES);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

static yyjson_val *parse(const char *text)
{
	const char *why = NULL;
	size_t at = 0;
	yyjson_val *v = json_parse(&arena, span_str(text), &why, &at);
	if (!v) fail_msg("%s: %s at %zu", text, why, at);
	return v;
}

static void assert_refused(struct span text, const char *want_why, size_t want_at)
{
	const char *why = NULL;
	size_t at = 0;
	assert_null(json_parse(&arena, text, &why, &at));
	assert_non_null(why);
	if (want_why) {
		assert_string_equal(why, want_why);
		assert_int_equal(at, want_at);
	}
}

static void refuses(void **state)
{
	(void)state;
	static const char *const bad[] = { "", " ", "{", "[1,]", "{\"a\":1,}", "{'a':1}", "nul", "01", "+1", "1.", ".5", "1e",
		"NaN", "Infinity", "\"a", "\"\\x\"", "\"\x01\"", "\"\t\"", "[1] 2", "{\"a\"}", "{a:1}", "/**/1", "\xef\xbb\xbf{}",
		"\"\xc3\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "1e999" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) assert_refused(span_str(bad[i]), NULL, 0);
	assert_refused(SPAN_NONE, NULL, 0);
	assert_refused((struct span){ "1\0", 2 }, NULL, 0);
}

static void refuses_nul_in_strings(void **state)
{
	(void)state;
	assert_refused(SPAN("{\"a\":\"x\\u0000y\"}"), "\\u0000 in a string", 6);
	assert_refused(SPAN("{\"\\u0000\":1}"), "\\u0000 in a string", 2);
	assert_refused(SPAN("[[\"\\u0000\"]]"), "\\u0000 in a string", 3);
	assert_refused(SPAN("[\"\\\\\",\"\\\\\\u0000\"]"), "\\u0000 in a string", 7);
	parse("\"\\\\u0000\"");
	parse("[\"\\u0001\",\"\\\\\"]");
}

static void refuses_duplicate_keys(void **state)
{
	(void)state;
	assert_refused(SPAN("{\"a\":1,\"a\":2}"), "duplicate key", 8);
	assert_refused(SPAN("{\"a\":1,\"\\u0061\":2}"), "duplicate key", 8);
	assert_refused(SPAN("[{\"x\":{\"\":1,\"\":2}}]"), "duplicate key", 13);
	parse("{\"a\":{\"a\":1},\"b\":{\"a\":1},\"ab\":1,\"\":0}");
}

static struct span many_keys(struct buf *b, int n, int duplicate_of)
{
	buf_clear(b);
	buf_add_char(b, '{');
	for (int i = 0; i < n; i++)
		buf_printf(b, "%s\"k%d\":%d", i ? "," : "", i == n - 1 && duplicate_of >= 0 ? duplicate_of : i, i);
	buf_add_char(b, '}');
	return buf_span(b);
}

static void duplicate_keys_in_objects_of_any_size(void **state)
{
	(void)state;
	struct buf b;
	const char *why;
	size_t at;
	buf_init(&b, 1 << 20);
	for (int n = 2; n < 40; n++) {
		assert_non_null(json_parse(&arena, many_keys(&b, n, -1), &why, &at));
		for (int d = 0; d < n - 1; d++) assert_refused(many_keys(&b, n, d), NULL, 0);
		arena_reset(&arena);
	}
	assert_non_null(json_parse(&arena, many_keys(&b, 50000, -1), &why, &at));
	assert_refused(many_keys(&b, 50000, 25000), NULL, 0);
	buf_deinit(&b);
}

static struct span nested(struct buf *b, int64_t depth, const char *open, const char *close)
{
	buf_clear(b);
	for (int64_t i = 0; i < depth; i++) buf_add_span(b, span_str(open));
	buf_add_char(b, '1');
	for (int64_t i = 0; i < depth; i++) buf_add_span(b, span_str(close));
	return buf_span(b);
}

static void depth_at_the_bound_and_one_past(void **state)
{
	(void)state;
	struct buf b;
	const char *why;
	size_t at;
	buf_init(&b, 4 << 20);
	assert_non_null(json_parse(&arena, nested(&b, LIMIT_JSON_DEPTH, "[", "]"), &why, &at));
	assert_refused(nested(&b, LIMIT_JSON_DEPTH + 1, "[", "]"), "nested too deep", (size_t)LIMIT_JSON_DEPTH);
	assert_non_null(json_parse(&arena, nested(&b, LIMIT_JSON_DEPTH, "{\"[\":", "}"), &why, &at));
	assert_refused(nested(&b, LIMIT_JSON_DEPTH + 1, "{\"[\":", "}"), "nested too deep", 5 * (size_t)LIMIT_JSON_DEPTH);
	assert_refused(nested(&b, 500000, "[", "]"), "nested too deep", (size_t)LIMIT_JSON_DEPTH);
	buf_deinit(&b);
	/* Depth counts what is open, not what was. */
	parse("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[1,[]]"
	      "]");
}

static void without_memory_it_is_refused(void **state)
{
	(void)state;
	struct arena small;
	const char *why = NULL;
	size_t at;
	arena_init(&small, 128);
	assert_null(json_parse(&small, SPAN("{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}"), &why, &at));
	assert_true(arena_failed(&small));
	arena_deinit(&small);
}

static void members(void **state)
{
	(void)state;
	yyjson_val *v = parse("{\"a\":\"x\",\"n\":null}");
	assert_span(json_span(json_get(v, "a")), "x");
	assert_false(span_given(json_span(json_get(v, "n"))));
	assert_false(span_given(json_span(json_get(v, "zz"))));
	assert_null(json_get(NULL, "a"));
	assert_null(json_get(parse("[1]"), "a"));
	assert_span(json_text(&arena, parse(" { \"a\" : [ 1 , 2.5 , \"\\u00e4\\n\" ] } ")), "{\"a\":[1,2.5,\"\xc3\xa4\\n\"]}");
}

static void equality(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
		{ "1", "1.0", true },
		{ "1", "2", false },
		{ "-1", "-1", true },
		{ "-1", "1", false },
		{ "18446744073709551615", "-1", false },
		{ "0", "-0", true },
		{ "\"a\"", "\"a\"", true },
		{ "\"a\"", "\"b\"", false },
		{ "null", "null", true },
		{ "null", "false", false },
		{ "true", "false", false },
		{ "1", "\"1\"", false },
		{ "[1,2]", "[1,2]", true },
		{ "[1,2]", "[2,1]", false },
		{ "[1]", "[1,1]", false },
		{ "[]", "{}", false },
		{ "{\"a\":1,\"b\":[{}]}", "{\"b\":[{}],\"a\":1}", true },
		{ "{\"a\":1}", "{\"b\":1}", false },
		{ "{\"a\":1}", "{\"a\":1,\"b\":1}", false },
		{ "{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}", false },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++)
		if (json_equal(parse(cases[i].a), parse(cases[i].b)) != cases[i].equal) fail_msg("%s %s", cases[i].a, cases[i].b);
	assert_true(json_equal(NULL, NULL));
	assert_false(json_equal(NULL, parse("null")));
}

static void equality_of_large_objects(void **state)
{
	(void)state;
	struct buf b;
	const char *why;
	size_t at;
	buf_init(&b, 1 << 20);
	yyjson_val *up = json_parse(&arena, many_keys(&b, 20000, -1), &why, &at);
	buf_clear(&b);
	buf_add_char(&b, '{');
	for (int i = 20000; i-- > 0;) buf_printf(&b, "\"k%d\":%d%s", i, i, i ? "," : "}");
	yyjson_val *down = json_parse(&arena, buf_span(&b), &why, &at);
	assert_true(json_equal(up, down));
	b.p[6] = 'x'; /* a key's first digit behind {"k1 */
	assert_false(json_equal(up, json_parse(&arena, buf_span(&b), &why, &at)));
	buf_deinit(&b);
}

static void writing(void **state)
{
	(void)state;
	struct buf b;
	struct jsonw w;
	buf_init(&b, 10000);
	jsonw_init(&w, &b);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "s", SPAN("x"));
	jsonw_kint(&w, "min", INT64_MIN);
	jsonw_kint(&w, "max", INT64_MAX);
	jsonw_kbool(&w, "t", true);
	jsonw_kraw(&w, "raw", SPAN("[1,2]"));
	jsonw_key_span(&w, SPAN("q\"\\"));
	jsonw_null(&w);
	jsonw_raw_members(&w, SPAN(" { \"m\" : 1 , \"n\":{} } "));
	jsonw_raw_members(&w, SPAN("{ }"));
	jsonw_raw_members(&w, SPAN_NONE);
	jsonw_key(&w, "arr");
	jsonw_arr_begin(&w);
	jsonw_str(&w, SPAN_NONE);
	jsonw_int(&w, 0);
	jsonw_obj_begin(&w);
	jsonw_raw_members(&w, SPAN("{\"first\":1}"));
	jsonw_kint(&w, "then", -7);
	jsonw_obj_end(&w);
	jsonw_arr_begin(&w);
	jsonw_arr_end(&w);
	jsonw_arr_end(&w);
	jsonw_obj_end(&w);
	assert_span(buf_span(&b),
		"{\"s\":\"x\",\"min\":-9223372036854775808,\"max\":9223372036854775807,\"t\":true,\"raw\":[1,2],"
		"\"q\\\"\\\\\":null,\"m\" : 1 , \"n\":{},\"arr\":[\"\",0,{\"first\":1,\"then\":-7},[]]}");
	parse("{}");
	buf_deinit(&b);
}

/* Each byte at each place of a word, written and read back. */
static void escapes_round_trip(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	for (int c = 1; c < 128; c++)
		for (size_t at = 0; at < 20; at++) {
			char text[20];
			memset(text, 'a', sizeof text);
			text[at] = (char)c;
			struct jsonw w;
			buf_clear(&b);
			jsonw_init(&w, &b);
			jsonw_str(&w, (struct span){ text, sizeof text });
			const char *why;
			size_t pos;
			yyjson_val *v = json_parse(&arena, buf_span(&b), &why, &pos);
			assert_true(span_eq(json_span(v), (struct span){ text, sizeof text }));
			arena_reset(&arena);
		}
	struct jsonw w;
	buf_clear(&b);
	jsonw_init(&w, &b);
	jsonw_str(&w, SPAN("\b\f\n\r\t\x01\x1f\x7f/\xe2\x82\xac"));
	assert_span(buf_span(&b), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\xe2\x82\xac\"");
	buf_deinit(&b);
}

static void values_are_written_as_they_were(void **state)
{
	(void)state;
	const char *text = "{\"a\":[1,-1,0,18446744073709551615,-9223372036854775808,0.1,1e100,-0.0,true,false,null,\"\\\"\"],"
			   "\"b\":{\"c\":{}}}";
	struct buf b;
	struct jsonw w;
	buf_init(&b, 1000);
	jsonw_init(&w, &b);
	jsonw_val(&w, parse(text));
	assert_span(buf_span(&b), text);
	buf_deinit(&b);
}

static void a_full_buffer_only_fails(void **state)
{
	(void)state;
	for (size_t max = 0; max < 60; max++) {
		struct buf b;
		struct jsonw w;
		buf_init(&b, max);
		jsonw_init(&w, &b);
		jsonw_val(&w, parse("{\"a\":[1,2.5,\"x\\n\"],\"b\":{\"c\":null,\"d\":true}}"));
		assert_int_equal(b.failed, max < 43);
		buf_deinit(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_nul_in_strings, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_duplicate_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(duplicate_keys_in_objects_of_any_size, setup, teardown),
		cmocka_unit_test_setup_teardown(depth_at_the_bound_and_one_past, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_it_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(members, setup, teardown),
		cmocka_unit_test_setup_teardown(equality, setup, teardown),
		cmocka_unit_test_setup_teardown(equality_of_large_objects, setup, teardown),
		cmocka_unit_test_setup_teardown(writing, setup, teardown),
		cmocka_unit_test_setup_teardown(escapes_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(values_are_written_as_they_were, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_buffer_only_fails, setup, teardown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
