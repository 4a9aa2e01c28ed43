/* Filters and sorts on custom fields: values inside a JSON object column. JSON knows types, SQL comparison would mix them (any
 * text is greater than any number, true equals 1), so each comparison asks for the type first. Paths are bound like any other
 * value. */
#include "store/filter_sql.h"

/* "a.b" -> $."a"."b". Field names are [A-Za-z0-9_.-]{1,64}: nothing in them needs escaping inside the quotes. */
static int keep_path(struct sql_builder *b, struct span path)
{
	struct buf out;
	buf_init(&out, 1024);
	buf_add_char(&out, '$');
	for (struct span rest = path; rest.n > 0;) {
		size_t n = span_find(rest, '.');
		buf_add_span(&out, SPAN(".\""));
		buf_add(&out, rest.p, n);
		buf_add_char(&out, '"');
		rest = span_skip(rest, n + 1);
	}
	struct span kept = out.failed ? SPAN_NONE : arena_dup(b->a, buf_span(&out));
	buf_deinit(&out);
	if (!kept.p && b->err == ERR_OK) b->err = ERR_UNAVAILABLE;
	return sql_builder_text(b, kept);
}

struct place {
	const char *object;
	int path;
};

static void call(struct sql_builder *b, const char *function, const struct place *p)
{
	sql_builder_add(b, function);
	sql_builder_add(b, "(");
	sql_builder_add(b, p->object);
	sql_builder_add(b, ", ");
	sql_builder_put(b, p->path);
	sql_builder_add(b, ")");
}

static void type_is(struct sql_builder *b, const struct place *p, const char *test)
{
	call(b, "json_type", p);
	sql_builder_add(b, test);
}

static const char *type_test(yyjson_val *v)
{
	if (yyjson_is_str(v)) return " = 'text'";
	if (yyjson_is_num(v)) return " IN ('integer', 'real')";
	if (yyjson_is_true(v)) return " = 'true'";
	if (yyjson_is_false(v)) return " = 'false'";
	if (yyjson_is_arr(v)) return " = 'array'";
	if (yyjson_is_obj(v)) return " = 'object'";
	return " = 'null'";
}

static void put_operand(struct sql_builder *b, yyjson_val *v)
{
	if (yyjson_is_str(v)) {
		sql_builder_put_text(b, json_span(v));
	} else if (yyjson_is_sint(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) <= INT64_MAX)) {
		sql_builder_put_int(b, yyjson_get_sint(v));
	} else if (yyjson_is_num(v)) {
		sql_builder_put_double(b, yyjson_get_num(v));
	} else {
		/* arrays and objects: as compact text, the form in which they are stored */
		struct span text = json_text(b->a, v);
		if (!text.p && b->err == ERR_OK) b->err = ERR_UNAVAILABLE;
		sql_builder_put_text(b, text);
	}
}

static void missing(struct sql_builder *b, const struct place *p, bool is_missing)
{
	sql_builder_add(b, "COALESCE(");
	call(b, "json_type", p);
	sql_builder_add(b, is_missing ? ", 'null') = 'null'" : ", 'null') <> 'null'");
}

static void compare_one(struct sql_builder *b, const struct place *p, const char *sign, yyjson_val *v)
{
	if (yyjson_is_null(v)) {
		missing(b, p, true);
		return;
	}
	sql_builder_add(b, "(");
	type_is(b, p, type_test(v));
	if (!yyjson_is_bool(v)) {
		sql_builder_add(b, " AND ");
		call(b, "json_extract", p);
		sql_builder_add(b, sign);
		put_operand(b, v);
	}
	sql_builder_add(b, ")");
}

static void compare_any(struct sql_builder *b, const struct place *p, yyjson_val *list)
{
	sql_builder_add(b, "(0");
	size_t n = yyjson_is_arr(list) ? yyjson_arr_size(list) : 1;
	for (size_t i = 0; i < n; i++) {
		sql_builder_add(b, " OR ");
		compare_one(b, p, " = ", yyjson_is_arr(list) ? yyjson_arr_get(list, i) : list);
	}
	sql_builder_add(b, ")");
}

static void contains(struct sql_builder *b, const struct place *p, yyjson_val *v)
{
	sql_builder_add(b, "(");
	type_is(b, p, " = 'array' AND EXISTS (SELECT 1 FROM json_each(");
	sql_builder_add(b, p->object);
	sql_builder_add(b, ", ");
	sql_builder_put(b, p->path);
	sql_builder_add(b, ") AS j WHERE j.type");
	sql_builder_add(b, type_test(v));
	if (!yyjson_is_bool(v) && !yyjson_is_null(v)) {
		sql_builder_add(b, " AND j.value = ");
		put_operand(b, v);
	}
	sql_builder_add(b, "))");
}

static void text_match(struct sql_builder *b, const struct place *p, const char *function, yyjson_val *v)
{
	sql_builder_add(b, "(");
	type_is(b, p, " = 'text' AND ");
	sql_builder_add(b, function);
	sql_builder_add(b, "(");
	call(b, "json_extract", p);
	sql_builder_add(b, ", ");
	sql_builder_put_text(b, json_span(v));
	sql_builder_add(b, "))");
}

static void negated(struct sql_builder *b, const struct filter *leaf, const struct place *p)
{
	sql_builder_add(b, "NOT COALESCE(");
	if (leaf->op == FILTER_NE) {
		compare_one(b, p, " = ", leaf->value);
	} else {
		compare_any(b, p, leaf->value);
	}
	sql_builder_add(b, ", 0)");
}

static void order(struct sql_builder *b, const struct filter *leaf, const struct place *p)
{
	static const char *const signs[] = {
		[FILTER_GT] = " > ", [FILTER_GTE] = " >= ", [FILTER_LT] = " < ", [FILTER_LTE] = " <= "
	};
	if (yyjson_is_str(leaf->value) || yyjson_is_num(leaf->value)) {
		compare_one(b, p, signs[leaf->op], leaf->value);
	} else {
		sql_builder_add(b, "0");
	}
}

enum err filter_sql_compare_custom(struct sql_builder *b, const struct filter *leaf, const char *object, struct span path)
{
	struct place p = { object, keep_path(b, path) };
	switch (leaf->op) {
	case FILTER_EQ: compare_one(b, &p, " = ", leaf->value); break;
	case FILTER_IN: compare_any(b, &p, leaf->value); break;
	case FILTER_NE:
	case FILTER_NIN: negated(b, leaf, &p); break;
	case FILTER_GT:
	case FILTER_GTE:
	case FILTER_LT:
	case FILTER_LTE: order(b, leaf, &p); break;
	case FILTER_EXISTS: missing(b, &p, !yyjson_is_true(leaf->value)); break;
	case FILTER_CONTAINS: contains(b, &p, leaf->value); break;
	case FILTER_AUTOCOMPLETE: text_match(b, &p, "beck_autocomplete", leaf->value); break;
	case FILTER_Q: text_match(b, &p, "beck_terms", leaf->value); break;
	case FILTER_AND:
	case FILTER_OR:
	case FILTER_NOR: return ERR_INTERNAL;
	}
	return b->err;
}

/* ---- sorts ---- */
static void put_custom_key(struct sql_builder *b, const struct sort_key *k, const char *object)
{
	struct place p = { object, keep_path(b, k->field) };
	if (k->as != FILTER_T_NUMBER && k->as != FILTER_T_BOOL) {
		call(b, "json_extract", &p);
		return;
	}
	sql_builder_add(b, "CASE WHEN ");
	type_is(b, &p, k->as == FILTER_T_NUMBER ? " IN ('integer', 'real') THEN " : " IN ('true', 'false') THEN ");
	call(b, "json_extract", &p);
	sql_builder_add(b, " END");
}

static void put_key(struct sql_builder *b, const struct sort_key *k, const struct filter_target *t)
{
	bool may_miss = true;
	if (k->field_id == FILTER_CUSTOM) {
		put_custom_key(b, k, t->custom ? t->custom : "NULL");
	} else {
		const struct filter_sort_column *c = &t->sorts[k->field_id];
		bool zero_misses = c->may_miss && c->is_time;
		may_miss = c->may_miss;
		sql_builder_add(b, zero_misses ? "NULLIF(" : "");
		sql_builder_add(b, c->sql);
		sql_builder_add(b, zero_misses ? ", 0)" : "");
	}
	sql_builder_add(b, k->descending ? " DESC" : " ASC");
	/* said only where it matters: otherwise an index may serve the order */
	if (may_miss) sql_builder_add(b, " NULLS LAST");
}

enum err filter_sql_order(struct sql_builder *b, const struct sort *s, const struct filter_target *t)
{
	sql_builder_add(b, " ORDER BY ");
	for (size_t i = 0; i < s->n; i++) {
		put_key(b, &s->keys[i], t);
		sql_builder_add(b, ", ");
	}
	sql_builder_add(b, t->tie_breaker);
	sql_builder_add(b, s->n > 0 && s->keys[s->n - 1].descending ? " DESC" : " ASC");
	return b->err;
}
