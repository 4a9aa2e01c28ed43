/* JSON from outside, and what is made of it: filters, sorts, custom data. What is written must read back as the same value. */
#include "wire/filter.h"
#include "wire/objects.h"

#include "base/limits.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct filter_field table[] = {
	{ "id", FILTER_T_STRING, FILTER_SAME | FILTER_NOT | FILTER_BIT(FILTER_AUTOCOMPLETE) },
	{ "count", FILTER_T_NUMBER, FILTER_SAME | FILTER_ORDER },
	{ "frozen", FILTER_T_BOOL, FILTER_BIT(FILTER_EQ) },
	{ "created_at", FILTER_T_TIME, FILTER_SAME | FILTER_ORDER | FILTER_BIT(FILTER_EXISTS) },
	{ "members", FILTER_T_STRINGS, FILTER_SAME | FILTER_BIT(FILTER_CONTAINS) },
};

static int64_t leaves(const struct filter *f, int64_t depth)
{
	int64_t n = 0;
	/* One level per group, and one for the AND of an object's members in each. */
	BECK_ASSERT(depth <= 2 * LIMIT_FILTER_DEPTH + 2);
	if (f->op > FILTER_NOR) {
		BECK_ASSERT(f->value && f->field.n);
		return 1;
	}
	for (size_t i = 0; i < f->kid_count; i++) n += leaves(&f->kids[i], depth + 1);
	return n;
}

static void told_well(const struct error *e)
{
	BECK_ASSERT(e->err == ERR_INPUT && e->message.n && utf8_valid(e->message) && e->field.n <= 64 && utf8_valid(e->field));
}

static void as_filter(struct arena *a, yyjson_val *v)
{
	struct filter f;
	struct error e = { 0 };
	if (filter_parse(a, v, &f, &e)) {
		told_well(&e);
		return;
	}
	BECK_ASSERT(leaves(&f, 0) <= LIMIT_FILTER_LEAVES);
	for (int custom = 0; custom < 2; custom++)
		if (filter_check(a, &f, table, BECK_COUNT(table), custom, &e)) told_well(&e);
}

static void as_sort(struct arena *a, yyjson_val *v)
{
	static const char *const fields[] = { "created_at", "id" };
	struct sort s;
	struct error e = { 0 };
	if (sort_parse(a, v, &s, &e)) {
		told_well(&e);
		return;
	}
	BECK_ASSERT(s.n <= 8);
	if (sort_check(&s, fields, 2, true, &e)) BECK_ASSERT(e.err == ERR_INPUT);
}

static bool none_reserved(struct span key) { return key.n == 1 && key.p[0] == 'r'; }

static yyjson_val *again(struct arena *a, struct span text)
{
	const char *why;
	size_t at;
	yyjson_val *v = json_parse(a, text, &why, &at);
	BECK_ASSERT(v);
	return v;
}

static void as_custom(struct arena *a, yyjson_val *v, struct span path)
{
	struct span c = custom_collect(a, v, none_reserved), before = c;
	if (!span_given(c)) return;
	BECK_ASSERT(!json_get(again(a, c), "r"));
	if (custom_set_path(a, &c, path, v))
		again(a, c);
	else
		BECK_ASSERT(c.p == before.p);
	if (custom_unset_path(a, &c, path) && span_given(c)) again(a, c);
	struct span merged = custom_merge(a, before, v);
	if (span_given(merged)) again(a, merged);
}

static void writes_back(struct arena *a, yyjson_val *v)
{
	struct buf b;
	struct jsonw w;
	buf_init(&b, 8u << 20);
	jsonw_init(&w, &b);
	jsonw_val(&w, v);
	BECK_ASSERT(!b.failed && json_equal(v, again(a, arena_dup(a, buf_span(&b)))));
	buf_deinit(&b);
}

/* A line break parts the JSON from a path into it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { size ? (const char *)data : "", size };
	const char *why = NULL;
	size_t at = 0, end = span_find(in, '\n');
	struct arena a;
	arena_init(&a, 64u << 20);
	yyjson_val *v = json_parse(&a, (struct span){ in.p, end }, &why, &at);
	BECK_ASSERT(v || (why && at <= in.n));
	if (v) {
		as_filter(&a, v);
		as_sort(&a, v);
		writes_back(&a, v);
		as_custom(&a, v, span_skip(in, end + 1));
	}
	arena_deinit(&a);
	return 0;
}
