#include "store/filter_sql.h"

#include <stdio.h>

/* ---- the builder ---- */
void sql_builder_init(struct sql_builder *b, struct arena *a) { *b = (struct sql_builder){ .a = a }; }

static void add_bytes(struct sql_builder *b, const char *p, size_t n)
{
	if (b->err != ERR_OK) return;
	if (b->cap - b->n < n) {
		size_t cap = b->cap ? b->cap * 2 : 512;
		while (cap - b->n < n) cap *= 2;
		char *text = arena_realloc(b->a, b->text, b->n, cap);
		if (!text) {
			b->err = ERR_UNAVAILABLE;
			return;
		}
		b->text = text;
		b->cap = cap;
	}
	memcpy(b->text + b->n, p, n);
	b->n += n;
}

void sql_builder_add(struct sql_builder *b, const char *trusted) { add_bytes(b, trusted, strlen(trusted)); }

static int keep(struct sql_builder *b, struct sql_value v)
{
	if (b->err != ERR_OK) return 0;
	if (b->value_count == b->value_cap) {
		size_t cap = b->value_cap ? b->value_cap * 2 : 16;
		struct sql_value *values = arena_realloc(b->a, b->values, b->value_count * sizeof v, cap * sizeof v);
		if (!values) {
			b->err = ERR_UNAVAILABLE;
			return 0;
		}
		b->values = values;
		b->value_cap = cap;
	}
	b->values[b->value_count++] = v;
	return (int)b->value_count;
}

int sql_builder_int(struct sql_builder *b, int64_t v) { return keep(b, (struct sql_value){ .type = SQL_VALUE_INT, .i = v }); }

int sql_builder_text(struct sql_builder *b, struct span v)
{
	return keep(b, (struct sql_value){ .type = v.p ? SQL_VALUE_TEXT : SQL_VALUE_NULL, .s = v });
}

void sql_builder_put(struct sql_builder *b, int number)
{
	char text[16];
	int n = snprintf(text, sizeof text, "?%d", number);
	add_bytes(b, text, (size_t)n);
}

void sql_builder_put_int(struct sql_builder *b, int64_t v) { sql_builder_put(b, sql_builder_int(b, v)); }

void sql_builder_put_double(struct sql_builder *b, double v)
{
	sql_builder_put(b, keep(b, (struct sql_value){ .type = SQL_VALUE_DOUBLE, .d = v }));
}

void sql_builder_put_text(struct sql_builder *b, struct span v) { sql_builder_put(b, sql_builder_text(b, v)); }

void sql_builder_limit(struct sql_builder *b, int64_t limit, int64_t offset)
{
	sql_builder_add(b, " LIMIT ");
	sql_builder_put_int(b, limit);
	sql_builder_add(b, " OFFSET ");
	sql_builder_put_int(b, offset);
}

struct sql_stmt *sql_builder_compile(struct sql_builder *b, struct store_tx *tx)
{
	struct sql_stmt *s = sql_compile(tx, span_make(b->text, b->n));
	if (b->err != ERR_OK) sql_fail(s, b->err);
	for (size_t i = 0; i < b->value_count; i++) {
		const struct sql_value *v = &b->values[i];
		switch (v->type) {
		case SQL_VALUE_NULL: sql_null(s, (int)i + 1); break;
		case SQL_VALUE_INT: sql_int(s, (int)i + 1, v->i); break;
		case SQL_VALUE_DOUBLE: sql_double(s, (int)i + 1, v->d); break;
		case SQL_VALUE_TEXT: sql_text(s, (int)i + 1, v->s); break;
		}
	}
	return s;
}

/* ---- lists ---- */
static size_t padded(size_t n)
{
	size_t p = 1;
	while (p < n) p *= 2;
	return p;
}

static size_t list_size(yyjson_val *v) { return yyjson_is_arr(v) ? yyjson_arr_size(v) : 1; }
static yyjson_val *list_at(yyjson_val *v, size_t i) { return yyjson_is_arr(v) ? yyjson_arr_get(v, i) : v; }

typedef bool wanted_value(yyjson_val *v);
static bool want_string(yyjson_val *v) { return yyjson_is_str(v); }
static bool want_number(yyjson_val *v) { return yyjson_is_num(v); }

static size_t count_of(yyjson_val *list, wanted_value *wanted)
{
	size_t n = 0;
	for (size_t i = 0; i < list_size(list); i++) n += wanted(list_at(list, i));
	return n;
}

static void put_number(struct sql_builder *b, yyjson_val *v)
{
	if (yyjson_is_sint(v)) {
		sql_builder_put_int(b, yyjson_get_sint(v));
	} else if (yyjson_is_uint(v) && yyjson_get_uint(v) <= INT64_MAX) {
		sql_builder_put_int(b, (int64_t)yyjson_get_uint(v));
	} else {
		sql_builder_put_double(b, yyjson_get_num(v));
	}
}

static void put_scalar(struct sql_builder *b, yyjson_val *v)
{
	if (yyjson_is_str(v)) {
		sql_builder_put_text(b, json_span(v));
	} else if (yyjson_is_num(v)) {
		put_number(b, v);
	} else {
		sql_builder_put_int(b, yyjson_is_true(v));
	}
}

/* " IN (...)" over the wanted values of a list; the last one repeated up to a power of two. */
static void put_in(struct sql_builder *b, yyjson_val *list, wanted_value *wanted)
{
	size_t n = 0, size = list_size(list), target = padded(count_of(list, wanted));
	yyjson_val *last = NULL;
	sql_builder_add(b, " IN (");
	for (size_t i = 0; i < size; i++) {
		yyjson_val *v = list_at(list, i);
		if (!wanted(v)) continue;
		if (n++) sql_builder_add(b, ", ");
		put_scalar(b, v);
		last = v;
	}
	for (int number = (int)b->value_count; last && n < target; n++) {
		sql_builder_add(b, ", ");
		sql_builder_put(b, number);
	}
	sql_builder_add(b, ")");
}

void filter_sql_in_strings(struct sql_builder *b, yyjson_val *list) { put_in(b, list, want_string); }

/* ---- comparisons on columns ---- */
static const char *order_sign(enum filter_op op)
{
	switch (op) {
	case FILTER_GT: return " > ";
	case FILTER_GTE: return " >= ";
	case FILTER_LT: return " < ";
	case FILTER_LTE: return " <= ";
	default: return " = ";
	}
}

/* The negation of a comparison: true for missing values too. */
static enum err negated(struct sql_builder *b, const struct filter *leaf, enum filter_storage storage, const char *sql)
{
	struct filter same = *leaf;
	same.op = leaf->op == FILTER_NE ? FILTER_EQ : FILTER_IN;
	sql_builder_add(b, "NOT COALESCE(");
	enum err e = filter_sql_compare(b, &same, storage, sql);
	sql_builder_add(b, ", 0)");
	return e;
}

static void put_missing(struct sql_builder *b, enum filter_storage storage, const char *sql, bool is_missing)
{
	sql_builder_add(b, "(");
	sql_builder_add(b, sql);
	if (storage == FILTER_S_TIME) {
		sql_builder_add(b, is_missing ? " = 0)" : " <> 0)");
	} else {
		sql_builder_add(b, is_missing ? " IS NULL)" : " IS NOT NULL)");
	}
}

static void put_function(struct sql_builder *b, const char *function, const char *sql, struct span needle)
{
	sql_builder_add(b, function);
	sql_builder_add(b, "(");
	sql_builder_add(b, sql);
	sql_builder_add(b, ", ");
	sql_builder_put_text(b, needle);
	sql_builder_add(b, ")");
}

static void put_never(struct sql_builder *b) { sql_builder_add(b, "0"); }

static void compare_scalar(struct sql_builder *b, const struct filter *leaf, enum filter_storage storage, const char *sql)
{
	bool fits = storage == FILTER_S_TEXT   ? yyjson_is_str(leaf->value)
		    : storage == FILTER_S_BOOL ? yyjson_is_bool(leaf->value)
					       : yyjson_is_num(leaf->value);
	if (!fits) {
		put_never(b);
		return;
	}
	sql_builder_add(b, sql);
	sql_builder_add(b, order_sign(leaf->op));
	put_scalar(b, leaf->value);
}

static void compare_in(struct sql_builder *b, const struct filter *leaf, enum filter_storage storage, const char *sql)
{
	wanted_value *wanted = storage == FILTER_S_TEXT ? want_string : storage == FILTER_S_BOOL ? yyjson_is_bool : want_number;
	if (count_of(leaf->value, wanted) == 0) {
		put_never(b);
		return;
	}
	sql_builder_add(b, sql);
	put_in(b, leaf->value, wanted);
}

static void time_is(struct sql_builder *b, const char *sql, const char *sign, int64_t us)
{
	sql_builder_add(b, "(");
	sql_builder_add(b, sql);
	sql_builder_add(b, " <> 0 AND ");
	sql_builder_add(b, sql);
	sql_builder_add(b, sign);
	sql_builder_put_int(b, us);
	sql_builder_add(b, ")");
}

static void compare_time(struct sql_builder *b, const struct filter *leaf, const char *sql)
{
	if (leaf->op != FILTER_IN) {
		time_is(b, sql, order_sign(leaf->op), leaf->time_us);
		return;
	}
	int64_t us;
	sql_builder_add(b, "(0");
	for (size_t i = 0; i < list_size(leaf->value); i++) {
		if (!time_parse(json_span(list_at(leaf->value, i)), &us)) continue;
		sql_builder_add(b, " OR ");
		time_is(b, sql, " = ", us);
	}
	sql_builder_add(b, ")");
}

static void any_element_in(struct sql_builder *b, const char *sql, yyjson_val *list)
{
	sql_builder_add(b, "EXISTS (SELECT 1 FROM json_each(");
	sql_builder_add(b, sql);
	sql_builder_add(b, ") AS j WHERE j.value");
	put_in(b, list, want_string);
	sql_builder_add(b, ")");
}

/* The same set: as many different elements, and none that the list lacks. */
static void same_set(struct sql_builder *b, const char *sql, yyjson_val *list)
{
	size_t n = 0;
	for (size_t i = 0; i < yyjson_arr_size(list); i++) {
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++) seen = yyjson_equals(yyjson_arr_get(list, i), yyjson_arr_get(list, k));
		n += !seen;
	}
	sql_builder_add(b, "(");
	sql_builder_add(b, sql);
	sql_builder_add(b, " IS NOT NULL AND (SELECT count(DISTINCT j.value) FROM json_each(");
	sql_builder_add(b, sql);
	sql_builder_add(b, ") AS j) = ");
	sql_builder_put_int(b, (int64_t)n);
	sql_builder_add(b, " AND NOT EXISTS (SELECT 1 FROM json_each(");
	sql_builder_add(b, sql);
	sql_builder_add(b, ") AS j WHERE NOT j.value");
	put_in(b, list, want_string);
	sql_builder_add(b, "))");
}

static void compare_strings(struct sql_builder *b, const struct filter *leaf, const char *sql)
{
	yyjson_val *v = leaf->value;
	bool is_set = leaf->op == FILTER_EQ && yyjson_is_arr(v);
	if (is_set) {
		same_set(b, sql, v);
	} else if (count_of(v, want_string) == 0) {
		put_never(b);
	} else {
		any_element_in(b, sql, v);
	}
}

enum err filter_sql_compare(struct sql_builder *b, const struct filter *leaf, enum filter_storage storage, const char *sql)
{
	bool is_null = yyjson_is_null(leaf->value);
	switch (leaf->op) {
	case FILTER_NE:
	case FILTER_NIN: return negated(b, leaf, storage, sql);
	case FILTER_EXISTS: put_missing(b, storage, sql, !yyjson_is_true(leaf->value)); return b->err;
	case FILTER_AUTOCOMPLETE: put_function(b, "beck_autocomplete", sql, json_span(leaf->value)); return b->err;
	case FILTER_Q: put_function(b, "beck_terms", sql, json_span(leaf->value)); return b->err;
	default: break;
	}
	if (is_null && leaf->op == FILTER_EQ) {
		put_missing(b, storage, sql, true);
	} else if (storage == FILTER_S_STRINGS) {
		compare_strings(b, leaf, sql);
	} else if (storage == FILTER_S_TIME) {
		compare_time(b, leaf, sql);
	} else if (leaf->op == FILTER_IN) {
		compare_in(b, leaf, storage, sql);
	} else {
		compare_scalar(b, leaf, storage, sql);
	}
	return b->err;
}

/* ---- the tree ---- */
static enum err put_leaf(struct sql_builder *b, const struct filter *f, const struct filter_target *t)
{
	if (f->field_id == FILTER_CUSTOM) return t->custom ? filter_sql_compare_custom(b, f, t->custom, f->field) : ERR_INPUT;
	const struct filter_column *c = &t->columns[f->field_id];
	if (c->storage != FILTER_S_HOOK) return filter_sql_compare(b, f, c->storage, c->sql);
	return t->hook ? t->hook(b, f, t->ctx) : ERR_INTERNAL;
}

/* A comparison may come out NULL ("no"). AND and OR pass that on harmlessly; only a negation must look: hence COALESCE under NOR.
 */
enum err filter_sql_where(struct sql_builder *b, const struct filter *f, const struct filter_target *t)
{
	bool is_tree = f->op == FILTER_AND || f->op == FILTER_OR || f->op == FILTER_NOR;
	if (is_tree && f->kid_count == 0) {
		sql_builder_add(b, "1");
		return b->err;
	}
	enum err e = ERR_OK;
	sql_builder_add(b, f->op == FILTER_NOR ? "(NOT COALESCE(" : "(");
	if (!is_tree) e = put_leaf(b, f, t);
	for (size_t i = 0; is_tree && e == ERR_OK && i < f->kid_count; i++) {
		if (i) sql_builder_add(b, f->op == FILTER_AND ? " AND " : " OR ");
		e = filter_sql_where(b, &f->kids[i], t);
	}
	sql_builder_add(b, f->op == FILTER_NOR ? ", 0))" : ")");
	if (e != ERR_OK && b->err == ERR_OK) b->err = e;
	return b->err;
}

bool filter_uses_custom(const struct filter *f)
{
	if (f->op != FILTER_AND && f->op != FILTER_OR && f->op != FILTER_NOR) return f->field_id == FILTER_CUSTOM;
	for (size_t i = 0; i < f->kid_count; i++)
		if (filter_uses_custom(&f->kids[i])) return true;
	return false;
}
