#include "../base/cm.h"

#include "base/limits.h"
#include "wire/filter.h"

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

static yyjson_val *json(const char *text)
{
	const char *why;
	size_t at;
	yyjson_val *v = json_parse(&arena, span_str(text), &why, &at);
	if (!v) fail_msg("%s: %s", text, why);
	return v;
}

static const char *const names[] = { "and", "or", "nor", "=", "!=", ">", ">=", "<", "<=", "in", "nin", "exists", "auto", "q",
	"has" };

static void show(struct buf *b, const struct filter *f)
{
	if (f->op <= FILTER_NOR) {
		buf_printf(b, "%s(", names[f->op]);
		for (size_t i = 0; i < f->kid_count; i++) {
			if (i) buf_add_char(b, ' ');
			show(b, &f->kids[i]);
		}
		buf_add_char(b, ')');
		return;
	}
	buf_printf(b, "%.*s%s", SPAN_FMT(f->field), names[f->op]);
	buf_add_span(b, json_text(&arena, f->value));
}

static void shapes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "{}", "and()" },
		{ "null", "and()" },
		{ "{\"a\":1}", "a=1" },
		{ "{\"a\":{\"$eq\":\"x\"}}", "a=\"x\"" },
		{ "{\"a\":1,\"b\":true}", "and(a=1 b=true)" },
		{ "{\"a\":{\"$gt\":1,\"$lte\":5}}", "and(a>1 a<=5)" },
		{ "{\"a\":{}}", "and()" },
		{ "{\"a\":{},\"b\":1}", "b=1" },
		{ "{\"members\":[\"a\",\"b\"]}", "members=[\"a\",\"b\"]" },
		{ "{\"a\":{\"$in\":[]}}", "ain[]" },
		{ "{\"a\":{\"$in\":[1,\"x\",null]},\"b\":{\"$nin\":[2]}}", "and(ain[1,\"x\",null] bnin[2])" },
		{ "{\"a\":{\"$exists\":false}}", "aexistsfalse" },
		{ "{\"a\":{\"$autocomplete\":\"x\"},\"b\":{\"$q\":\"y\"},\"c\":{\"$contains\":\"z\"}}",
			"and(aauto\"x\" bq\"y\" chas\"z\")" },
		{ "{\"a\":{\"$ne\":null}}", "a!=null" },
		{ "{\"$or\":[{\"a\":1},{\"b\":2,\"c\":3}]}", "or(a=1 and(b=2 c=3))" },
		{ "{\"$and\":[{\"a\":1}],\"b\":2}", "and(and(a=1) b=2)" },
		{ "{\"$nor\":[{\"a\":1},{\"$or\":[{\"b\":1},{}]}]}", "nor(a=1 or(b=1 and()))" },
		{ "{\"a.b-c_d\":1}", "a.b-c_d=1" },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct filter f;
		struct error e;
		struct buf b;
		buf_init(&b, 1000);
		if (filter_parse(&arena, json(cases[i].text), &f, &e)) fail_msg("%s: %.*s", cases[i].text, SPAN_FMT(e.message));
		show(&b, &f);
		assert_span(buf_span(&b), cases[i].want);
		buf_deinit(&b);
	}
	struct filter f;
	struct error e;
	assert_int_equal(filter_parse(&arena, NULL, &f, &e), ERR_OK);
	assert_int_equal(f.op, FILTER_AND);
	assert_int_equal(f.kid_count, 0);
}

static void bad_shapes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *field;
	} cases[] = {
		{ "[]", NULL },
		{ "1", NULL },
		{ "\"x\"", NULL },
		{ "{\"\":1}", NULL },
		{ "{\"a\":{\"b\":1}}", "a" },
		{ "{\"a\":{\"$foo\":1}}", "a" },
		{ "{\"a\":{\"$and\":[{\"b\":1}]}}", "a" },
		{ "{\"a\":{\"$eq\":{}}}", "a" },
		{ "{\"a\":[[1]]}", "a" },
		{ "{\"a\":{\"$gt\":true}}", "a" },
		{ "{\"a\":{\"$lt\":null}}", "a" },
		{ "{\"a\":{\"$gte\":[1]}}", "a" },
		{ "{\"a\":{\"$in\":1}}", "a" },
		{ "{\"a\":{\"$in\":{}}}", "a" },
		{ "{\"a\":{\"$in\":[[]]}}", "a" },
		{ "{\"a\":{\"$exists\":1}}", "a" },
		{ "{\"a\":{\"$autocomplete\":\"\"}}", "a" },
		{ "{\"a\":{\"$q\":1}}", "a" },
		{ "{\"a\":{\"$contains\":[1]}}", "a" },
		{ "{\"$and\":[]}", "$and" },
		{ "{\"$or\":{}}", "$or" },
		{ "{\"$nor\":[1]}", "$nor" },
		{ "{\"$eq\":1}", "$eq" },
		{ "{\"$foo\":[]}", "$foo" },
		{ "{\"$or\":[{\"a\":{\"$foo\":1}}]}", "a" },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct filter f;
		struct error e = { 0 };
		if (filter_parse(&arena, json(cases[i].text), &f, &e) != ERR_INPUT) fail_msg("%s", cases[i].text);
		assert_int_equal(e.err, ERR_INPUT);
		assert_true(e.message.n > 0);
		if (cases[i].field)
			assert_span(e.field, cases[i].field);
		else
			assert_false(span_given(e.field));
	}
}

static enum err parse_built(struct buf *b, struct error *e)
{
	struct filter f;
	buf_add_char(b, 0);
	enum err err = filter_parse(&arena, json(b->p), &f, e);
	buf_clear(b);
	return err;
}

static void bounds(void **state)
{
	(void)state;
	struct buf b;
	struct error e;
	buf_init(&b, 100000);
	for (int past = 0; past < 2; past++) {
		/* leaves */
		buf_add_char(&b, '{');
		for (int64_t i = 0; i < LIMIT_FILTER_LEAVES + past; i++) buf_printf(&b, "%s\"f%d\":1", i ? "," : "", (int)i);
		buf_add_char(&b, '}');
		assert_int_equal(parse_built(&b, &e), past ? ERR_INPUT : ERR_OK);
		/* leaves over groups */
		buf_add_span(&b, SPAN("{\"$or\":["));
		for (int64_t i = 0; i < LIMIT_FILTER_LEAVES / 2; i++) buf_printf(&b, "%s{\"a\":1,\"b\":2}", i ? "," : "");
		buf_add_span(&b, past ? SPAN("],\"c\":1}") : SPAN("]}"));
		assert_int_equal(parse_built(&b, &e), past ? ERR_INPUT : ERR_OK);
		/* depth */
		for (int64_t i = 0; i < LIMIT_FILTER_DEPTH + past; i++) buf_add_span(&b, SPAN("{\"$and\":["));
		buf_add_span(&b, SPAN("{\"a\":1}"));
		for (int64_t i = 0; i < LIMIT_FILTER_DEPTH + past; i++) buf_add_span(&b, SPAN("]}"));
		assert_int_equal(parse_built(&b, &e), past ? ERR_INPUT : ERR_OK);
		/* values */
		buf_add_span(&b, SPAN("{\"a\":{\"$in\":[0"));
		for (int64_t i = 1; i < LIMIT_FILTER_IN + past; i++) buf_add_span(&b, SPAN(",1"));
		buf_add_span(&b, SPAN("]}}"));
		assert_int_equal(parse_built(&b, &e), past ? ERR_INPUT : ERR_OK);
	}
	/* Groups without leaves cannot grow without bound. */
	buf_add_span(&b, SPAN("{\"$or\":[{}"));
	for (int i = 0; i < 1000; i++) buf_add_span(&b, SPAN(",{}"));
	buf_add_span(&b, SPAN("]}"));
	assert_int_equal(parse_built(&b, &e), ERR_INPUT);
	buf_deinit(&b);
}

static const struct filter_field table[] = {
	{ "id", FILTER_T_STRING, FILTER_SAME | FILTER_NOT | FILTER_BIT(FILTER_AUTOCOMPLETE) },
	{ "count", FILTER_T_NUMBER, FILTER_SAME | FILTER_ORDER },
	{ "frozen", FILTER_T_BOOL, FILTER_BIT(FILTER_EQ) },
	{ "created_at", FILTER_T_TIME, FILTER_SAME | FILTER_ORDER | FILTER_BIT(FILTER_EXISTS) },
	{ "members", FILTER_T_STRINGS, FILTER_SAME | FILTER_BIT(FILTER_CONTAINS) },
};

static enum err check(const char *text, bool custom_ok, struct filter *f, struct error *e)
{
	*e = (struct error){ 0 };
	if (filter_parse(&arena, json(text), f, e)) fail_msg("%s", text);
	return filter_check(&arena, f, table, BECK_COUNT(table), custom_ok, e);
}

static void fields_and_types(void **state)
{
	(void)state;
	static const char *const good[] = { "{\"id\":\"x\"}", "{\"id\":{\"$in\":[\"x\",\"y\"]}}", "{\"id\":{\"$ne\":\"x\"}}",
		"{\"id\":{\"$autocomplete\":\"x\"}}", "{\"count\":{\"$gt\":1,\"$lt\":2.5}}", "{\"count\":{\"$in\":[1]}}",
		"{\"frozen\":false}", "{\"created_at\":{\"$gt\":\"2026-01-01T00:00:00Z\"}}",
		"{\"created_at\":{\"$exists\":true}}", "{\"created_at\":{\"$in\":[\"2026-01-01T00:00:00Z\"]}}",
		"{\"members\":{\"$in\":[\"a\"]}}", "{\"members\":[\"a\",\"b\"]}", "{\"members\":\"a\"}",
		"{\"members\":{\"$contains\":\"a\"}}", "{\"$or\":[{\"id\":\"x\"},{\"count\":1}]}", "{}" };
	static const struct {
		const char *text, *field;
	} bad[] = {
		{ "{\"id\":1}", "id" },
		{ "{\"id\":null}", "id" },
		{ "{\"id\":{\"$in\":[\"x\",1]}}", "id" },
		{ "{\"id\":[\"x\"]}", "id" },
		{ "{\"id\":{\"$gt\":\"x\"}}", "id" },
		{ "{\"count\":\"1\"}", "count" },
		{ "{\"count\":{\"$exists\":true}}", "count" },
		{ "{\"frozen\":1}", "frozen" },
		{ "{\"frozen\":{\"$in\":[true]}}", "frozen" },
		{ "{\"created_at\":5}", "created_at" },
		{ "{\"created_at\":{\"$lt\":\"yesterday\"}}", "created_at" },
		{ "{\"members\":[1]}", "members" },
		{ "{\"members\":{\"$contains\":1}}", "members" },
		{ "{\"unknown\":1}", "unknown" },
		{ "{\"ID\":\"x\"}", "ID" },
		{ "{\"$or\":[{\"id\":\"x\"},{\"$and\":[{\"count\":\"x\"}]}]}", "count" },
	};
	struct filter f;
	struct error e;
	for (size_t i = 0; i < BECK_COUNT(good); i++)
		if (check(good[i], false, &f, &e)) fail_msg("%s: %.*s", good[i], SPAN_FMT(e.message));
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		if (check(bad[i].text, false, &f, &e) != ERR_INPUT) fail_msg("%s", bad[i].text);
		assert_span(e.field, bad[i].field);
		assert_true(span_given(e.field_why));
	}
	assert_int_equal(check("{\"created_at\":{\"$gt\":\"1970-01-01T00:00:00.000007Z\"}}", false, &f, &e), ERR_OK);
	assert_int_equal(f.field_id, 3);
	assert_int_equal(f.time_us, 7);
}

static void custom_fields(void **state)
{
	(void)state;
	struct filter f;
	struct error e;
	assert_int_equal(check("{\"color\":\"red\"}", true, &f, &e), ERR_OK);
	assert_int_equal(f.field_id, FILTER_CUSTOM);
	assert_int_equal(check("{\"a.b\":{\"$gt\":5}}", true, &f, &e), ERR_OK);
	assert_int_equal(check("{\"color\":[\"a\"]}", true, &f, &e), ERR_INPUT);
	assert_int_equal(check("{\"colour's\":1}", true, &f, &e), ERR_INPUT);
	assert_int_equal(check("{\"a b\":1}", true, &f, &e), ERR_INPUT);
	assert_int_equal(check("{\"\xc3\xa4\":1}", true, &f, &e), ERR_INPUT);
	char name[80] = "{\"";
	memset(name + 2, 'a', 65);
	memcpy(name + 2 + 64, "\":1}", 5);
	assert_int_equal(check(name, true, &f, &e), ERR_OK);
	name[66] = 'a';
	memcpy(name + 2 + 65, "\":1}", 5);
	assert_int_equal(check(name, true, &f, &e), ERR_INPUT);
}

/* What is told back is short and still UTF-8. */
static void long_names_are_cut_between_characters(void **state)
{
	(void)state;
	struct filter f;
	struct error e;
	struct buf b;
	buf_init(&b, 1000);
	buf_add_span(&b, SPAN("{\"a"));
	for (int i = 0; i < 100; i++) buf_add_span(&b, SPAN("\xe2\x82\xac"));
	buf_add_span(&b, SPAN("\":{\"$foo\":1}}\0"));
	assert_int_equal(filter_parse(&arena, json(b.p), &f, &e), ERR_INPUT);
	assert_int_equal(e.field.n, 64);
	assert_int_equal(e.field.n % 3, 1);
	buf_deinit(&b);
}

static void sorts(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "null", "" },
		{ "[]", "" },
		{ "{}", "" },
		{ "[{}]", "" },
		{ "[{\"field\":\"a\",\"direction\":-1},{\"field\":\"b\"}]", "-a +b " },
		{ "[{\"field\":\"a\",\"direction\":0},{\"field\":\"b\",\"direction\":1.0}]", "+a +b " },
		{ "[{\"a\":-1},{\"b\":1}]", "-a +b " },
		{ "[{\"a\":-1,\"b\":1}]", "-a +b " },
		{ "{\"a\":-1,\"b\":1}", "-a +b " },
		{ "{\"field\":\"a\",\"direction\":-1}", "-a " },
		{ "[{\"field\":-1}]", "-field " },
		{ "[{\"field\":\"a\",\"type\":\"number\"},{\"field\":\"b\",\"type\":\"boolean\",\"direction\":-1},{\"field\":"
		  "\"c\",\"type\":\"\"}]",
			"+a:n -b:b +c " },
		{ "[{\"field\":\"a\",\"type\":null,\"direction\":null}]", "+a " },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct sort s;
		struct error e;
		struct buf b;
		buf_init(&b, 1000);
		if (sort_parse(&arena, json(cases[i].text), &s, &e)) fail_msg("%s: %.*s", cases[i].text, SPAN_FMT(e.message));
		for (size_t k = 0; k < s.n; k++)
			buf_printf(&b, "%c%.*s%s ", s.keys[k].descending ? '-' : '+', SPAN_FMT(s.keys[k].field),
				s.keys[k].as == FILTER_T_NUMBER ? ":n"
				: s.keys[k].as == FILTER_T_BOOL ? ":b"
								: "");
		assert_span(buf_span(&b), cases[i].want);
		buf_deinit(&b);
	}
	static const char *const bad[] = { "1", "\"a\"", "[1]", "[[]]", "[{\"field\":\"\"}]", "[{\"\":1}]",
		"[{\"field\":\"a\",\"direction\":2}]", "[{\"a\":\"desc\"}]", "[{\"a\":true}]",
		"[{\"field\":\"a\",\"type\":\"date\"}]", "[{\"field\":\"a\",\"type\":1}]",
		"{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		struct sort s;
		struct error e;
		if (sort_parse(&arena, json(bad[i]), &s, &e) != ERR_INPUT) fail_msg("%s", bad[i]);
	}
	struct sort s;
	struct error e;
	assert_int_equal(
		sort_parse(&arena, json("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1}"), &s, &e), ERR_OK);
	assert_int_equal(s.n, 8);
	assert_int_equal(sort_parse(&arena, NULL, &s, &e), ERR_OK);
	assert_int_equal(s.n, 0);
}

static void sort_fields(void **state)
{
	(void)state;
	static const char *const fields[] = { "created_at", "cid" };
	struct sort s;
	struct error e;
	assert_int_equal(sort_parse(&arena, json("[{\"cid\":1},{\"own\":-1}]"), &s, &e), ERR_OK);
	assert_int_equal(sort_check(&s, fields, 2, true, &e), ERR_OK);
	assert_int_equal(s.keys[0].field_id, 1);
	assert_int_equal(s.keys[1].field_id, FILTER_CUSTOM);
	assert_int_equal(sort_check(&s, fields, 2, false, &e), ERR_INPUT);
	assert_span(e.field, "own");
	assert_int_equal(sort_parse(&arena, json("[{\"a'b\":1}]"), &s, &e), ERR_OK);
	assert_int_equal(sort_check(&s, fields, 2, true, &e), ERR_INPUT);
}

static void without_memory_it_is_refused(void **state)
{
	(void)state;
	yyjson_val *v = json("{\"$or\":[{\"a\":1,\"b\":2},{\"c\":{\"$gt\":1,\"$lt\":2}}],\"d\":1}");
	for (size_t max = 0; max < 2000; max += 16) {
		struct arena small;
		struct filter f;
		struct error e;
		arena_init(&small, max);
		enum err err = filter_parse(&small, v, &f, &e);
		assert_true(err == ERR_OK || err == ERR_UNAVAILABLE);
		arena_deinit(&small);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(shapes), T(bad_shapes), T(bounds), T(fields_and_types), T(custom_fields),
		T(long_names_are_cut_between_characters), T(sorts), T(sort_fields), T(without_memory_it_is_refused) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
