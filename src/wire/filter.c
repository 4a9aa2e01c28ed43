#include "wire/filter.h"

#include "base/limits.h"
#include "wire/timestamp.h"

/* Names longer than this are cut when they are told back. */
enum { ECHO_BYTES = 64 };

struct parsing {
	struct arena *arena;
	struct error *error;
	int64_t leaves;
};

static struct span echo(struct arena *a, struct span name)
{
	size_t n = name.n < ECHO_BYTES ? name.n : ECHO_BYTES;
	while (n && n < name.n && ((unsigned char)name.p[n] & 0xc0) == 0x80) n--; /* between characters */
	return arena_dup(a, (struct span){ name.p ? name.p : "", n });
}

static enum err refuse(struct arena *a, struct error *e, struct span field, const char *why)
{
	struct span name = echo(a, field);
	*e = (struct error){ .err = ERR_INPUT, .field = field.n ? name : SPAN_NONE, .field_why = span_str(why) };
	e->message = field.n ? arena_printf(a, "\"%.*s\": %s", SPAN_FMT(name), why) : span_str(why);
	return ERR_INPUT;
}

static enum err no_memory(struct error *e)
{
	*e = (struct error){ .err = ERR_UNAVAILABLE, .message = SPAN("out of memory") };
	return ERR_UNAVAILABLE;
}

static const struct {
	const char *name;
	enum filter_op op;
} operators[] = {
	{ "$and", FILTER_AND },
	{ "$or", FILTER_OR },
	{ "$nor", FILTER_NOR },
	{ "$eq", FILTER_EQ },
	{ "$ne", FILTER_NE },
	{ "$gt", FILTER_GT },
	{ "$gte", FILTER_GTE },
	{ "$lt", FILTER_LT },
	{ "$lte", FILTER_LTE },
	{ "$in", FILTER_IN },
	{ "$nin", FILTER_NIN },
	{ "$exists", FILTER_EXISTS },
	{ "$autocomplete", FILTER_AUTOCOMPLETE },
	{ "$q", FILTER_Q },
	{ "$contains", FILTER_CONTAINS },
};

static bool operator_find(struct span name, enum filter_op *out)
{
	for (size_t i = 0; i < BECK_COUNT(operators); i++) {
		if (!span_is(name, operators[i].name)) continue;
		*out = operators[i].op;
		return true;
	}
	return false;
}

static bool is_group(enum filter_op op) { return op <= FILTER_NOR; }

/* NULL when the operand has a shape the operator can have, else why not. */

static const char *list_why(yyjson_val *v)
{
	size_t i, n;
	yyjson_val *item;
	if (!yyjson_is_arr(v)) return "must be an array";
	if (yyjson_arr_size(v) > (size_t)LIMIT_FILTER_IN) return "has too many values";
	yyjson_arr_foreach(v, i, n, item)
	{
		if (yyjson_is_ctn(item)) return "values must be scalars";
	}
	return NULL;
}

static const char *operand_why(enum filter_op op, yyjson_val *v)
{
	unsigned bit = FILTER_BIT(op);
	if (bit & (FILTER_BIT(FILTER_IN) | FILTER_BIT(FILTER_NIN))) return list_why(v);
	if (bit & FILTER_ORDER) return yyjson_is_num(v) || yyjson_is_str(v) ? NULL : "must be a number or a string";
	if (op == FILTER_EXISTS) return yyjson_is_bool(v) ? NULL : "$exists must be true or false";
	if (op == FILTER_AUTOCOMPLETE || op == FILTER_Q)
		return yyjson_is_str(v) && yyjson_get_len(v) ? NULL : "must be a non-empty string";
	if (op == FILTER_CONTAINS) return yyjson_is_ctn(v) ? "must be a scalar" : NULL;
	if (yyjson_is_arr(v)) return list_why(v);
	return yyjson_is_obj(v) ? "must be a scalar or an array" : NULL;
}

static enum err leaf_parse(struct parsing *p, struct span field, enum filter_op op, yyjson_val *v, struct filter *out)
{
	const char *why = operand_why(op, v);
	if (why) return refuse(p->arena, p->error, field, why);
	if (++p->leaves > LIMIT_FILTER_LEAVES) return refuse(p->arena, p->error, SPAN_NONE, "filter has too many conditions");
	*out = (struct filter){ .op = op, .field = field, .value = v };
	return ERR_OK;
}

static enum err object_parse(struct parsing *p, yyjson_val *obj, int64_t depth, struct filter *out);

static enum err group_parse(
	struct parsing *p, struct span name, enum filter_op op, yyjson_val *v, int64_t depth, struct filter *out)
{
	size_t i, n;
	yyjson_val *item;
	if (depth > LIMIT_FILTER_DEPTH) return refuse(p->arena, p->error, name, "filter is nested too deep");
	if (!yyjson_is_arr(v) || yyjson_arr_size(v) == 0) return refuse(p->arena, p->error, name, "must be a non-empty array");
	/* An object without a leaf ({}) costs nothing else, so groups have the leaves' bound too. */
	if (yyjson_arr_size(v) > (size_t)LIMIT_FILTER_LEAVES) return refuse(p->arena, p->error, name, "has too many conditions");
	*out = (struct filter){ .op = op, .kid_count = yyjson_arr_size(v) };
	out->kids = arena_array(p->arena, struct filter, out->kid_count);
	if (!out->kids) return no_memory(p->error);
	yyjson_arr_foreach(v, i, n, item)
	{
		if (!yyjson_is_obj(item)) return refuse(p->arena, p->error, name, "must hold objects");
		enum err err = object_parse(p, item, depth, &out->kids[i]);
		if (err) return err;
	}
	return ERR_OK;
}

/* {"$gt":1,"$lt":5}: one leaf per operator, appended to kids. */
static enum err operators_parse(struct parsing *p, struct span field, yyjson_val *ops, struct filter *kids, size_t *count)
{
	size_t i, n;
	yyjson_val *key, *v;
	yyjson_obj_foreach(ops, i, n, key, v)
	{
		enum filter_op op;
		if (!operator_find(json_span(key), &op) || is_group(op))
			return refuse(p->arena, p->error, field, "has an unknown operator");
		enum err err = leaf_parse(p, field, op, v, &kids[*count]);
		if (err) return err;
		++*count;
	}
	return ERR_OK;
}

static bool is_operator(struct span key) { return key.n && key.p[0] == '$'; }

/* How many kids the members of an object can become. */
static size_t kids_of(yyjson_val *obj)
{
	size_t i, n, count = 0;
	yyjson_val *key, *v;
	yyjson_obj_foreach(obj, i, n, key, v) count += yyjson_is_obj(v) && !is_operator(json_span(key)) ? yyjson_obj_size(v) : 1;
	return count;
}

static enum err member_parse(struct parsing *p, struct span key, yyjson_val *v, int64_t depth, struct filter *kids, size_t *count)
{
	if (is_operator(key)) {
		enum filter_op op;
		if (!operator_find(key, &op) || !is_group(op)) return refuse(p->arena, p->error, key, "is no operator here");
		return group_parse(p, key, op, v, depth + 1, &kids[(*count)++]);
	}
	if (key.n == 0) return refuse(p->arena, p->error, SPAN_NONE, "a field has no name");
	if (yyjson_is_obj(v)) return operators_parse(p, key, v, kids, count);
	return leaf_parse(p, key, FILTER_EQ, v, &kids[(*count)++]);
}

/* AND of the members; a single one stands for itself. Recursion is bounded by LIMIT_FILTER_DEPTH. */
static enum err object_parse(struct parsing *p, yyjson_val *obj, int64_t depth, struct filter *out)
{
	size_t i, n, count = 0, max = kids_of(obj);
	yyjson_val *key, *v;
	if (max > (size_t)LIMIT_FILTER_LEAVES) return refuse(p->arena, p->error, SPAN_NONE, "filter has too many conditions");
	struct filter *kids = max ? arena_array(p->arena, struct filter, max) : NULL;
	if (max && !kids) return no_memory(p->error);
	yyjson_obj_foreach(obj, i, n, key, v)
	{
		enum err err = member_parse(p, json_span(key), v, depth, kids, &count);
		if (err) return err;
	}
	*out = count == 1 ? kids[0] : (struct filter){ .op = FILTER_AND, .kids = kids, .kid_count = count };
	return ERR_OK;
}

enum err filter_parse(struct arena *a, yyjson_val *json, struct filter *out, struct error *e)
{
	struct parsing p = { .arena = a, .error = e };
	struct filter f = { .op = FILTER_AND };
	if (json && !yyjson_is_null(json)) {
		if (!yyjson_is_obj(json)) return refuse(a, e, SPAN_NONE, "filter must be an object");
		enum err err = object_parse(&p, json, 0, &f);
		if (err) return err;
	}
	if (arena_failed(a)) return no_memory(e);
	*out = f;
	return ERR_OK;
}

/* Checking against a table of fields. */

static bool custom_name_ok(struct span name)
{
	if (name.n == 0 || name.n > 64) return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
			  c == '-';
		if (!ok) return false;
	}
	return true;
}

static const char *scalar_why(enum filter_type type, yyjson_val *v)
{
	int64_t us;
	switch (type) {
	case FILTER_T_STRING:
	case FILTER_T_STRINGS: return yyjson_is_str(v) ? NULL : "must be a string";
	case FILTER_T_NUMBER: return yyjson_is_num(v) ? NULL : "must be a number";
	case FILTER_T_BOOL: return yyjson_is_bool(v) ? NULL : "must be true or false";
	case FILTER_T_TIME: return yyjson_is_str(v) && time_parse(json_span(v), &us) ? NULL : "must be an RFC 3339 time";
	case FILTER_T_ANY: return yyjson_is_ctn(v) ? "must be a scalar" : NULL;
	}
	return "cannot be compared";
}

static const char *typed_why(struct filter *f, enum filter_type type)
{
	size_t i, n;
	yyjson_val *item;
	/* The parser saw to the operands of these. */
	if (f->op == FILTER_EXISTS || f->op == FILTER_AUTOCOMPLETE || f->op == FILTER_Q) return NULL;
	if (!yyjson_is_arr(f->value)) {
		const char *why = scalar_why(type, f->value);
		if (!why && type == FILTER_T_TIME && !time_parse(json_span(f->value), &f->time_us))
			why = "must be an RFC 3339 time";
		return why;
	}
	/* $eq and $ne take an array only where the field is one: the exact set. */
	bool wants_list = f->op == FILTER_IN || f->op == FILTER_NIN || type == FILTER_T_STRINGS;
	if (!wants_list) return "must be a scalar";
	yyjson_arr_foreach(f->value, i, n, item)
	{
		const char *why = scalar_why(type, item);
		if (why) return why;
	}
	return NULL;
}

static enum err leaf_check(
	struct arena *a, struct filter *f, const struct filter_field *table, size_t count, bool custom_ok, struct error *e)
{
	enum filter_type type = FILTER_T_ANY;
	f->field_id = FILTER_CUSTOM;
	for (size_t i = 0; i < count && f->field_id == FILTER_CUSTOM; i++) {
		if (!span_is(f->field, table[i].name)) continue;
		if (!(table[i].ops & FILTER_BIT(f->op))) return refuse(a, e, f->field, "operator is not allowed for this field");
		f->field_id = (int)i;
		type = table[i].type;
	}
	if (f->field_id == FILTER_CUSTOM && !(custom_ok && custom_name_ok(f->field)))
		return refuse(a, e, f->field, "is no field that can be filtered by");
	const char *why = typed_why(f, type);
	return why ? refuse(a, e, f->field, why) : ERR_OK;
}

enum err filter_check(
	struct arena *a, struct filter *f, const struct filter_field *table, size_t count, bool custom_ok, struct error *e)
{
	if (!is_group(f->op)) return leaf_check(a, f, table, count, custom_ok, e);
	for (size_t i = 0; i < f->kid_count; i++) {
		enum err err = filter_check(a, &f->kids[i], table, count, custom_ok, e);
		if (err) return err;
	}
	return ERR_OK;
}

/* Sorting. */

/* 1, -1, or 0 and absent for the default. */
static bool direction_read(yyjson_val *v, bool *descending)
{
	double d = yyjson_is_num(v) ? yyjson_get_num(v) : 0;
	*descending = d < 0;
	return !v || yyjson_is_null(v) || (yyjson_is_num(v) && (d == 1 || d == -1 || d == 0));
}

static bool sort_type_read(yyjson_val *v, enum filter_type *as)
{
	struct span s = json_span(v);
	*as = span_is(s, "number") ? FILTER_T_NUMBER : span_is(s, "boolean") ? FILTER_T_BOOL : FILTER_T_ANY;
	return !v || yyjson_is_null(v) || (span_given(s) && (s.n == 0 || *as != FILTER_T_ANY));
}

static enum err sort_add(
	struct arena *a, struct sort *s, struct span field, yyjson_val *direction, yyjson_val *type, struct error *e)
{
	if (s->n == BECK_COUNT(s->keys)) return refuse(a, e, SPAN("sort"), "has too many keys");
	if (field.n == 0) return refuse(a, e, SPAN("sort"), "a field has no name");
	struct sort_key k = { .field = field };
	if (!direction_read(direction, &k.descending)) return refuse(a, e, field, "direction must be 1 or -1");
	if (!sort_type_read(type, &k.as)) return refuse(a, e, field, "type must be \"number\" or \"boolean\"");
	s->keys[s->n++] = k;
	return ERR_OK;
}

static enum err sort_object(struct arena *a, struct sort *s, yyjson_val *obj, struct error *e)
{
	size_t i, n;
	yyjson_val *key, *v;
	yyjson_val *field = json_get(obj, "field");
	if (yyjson_is_str(field)) return sort_add(a, s, json_span(field), json_get(obj, "direction"), json_get(obj, "type"), e);
	yyjson_obj_foreach(obj, i, n, key, v)
	{
		enum err err = sort_add(a, s, json_span(key), v, NULL, e);
		if (err) return err;
	}
	return ERR_OK;
}

enum err sort_parse(struct arena *a, yyjson_val *json, struct sort *out, struct error *e)
{
	struct sort s = { 0 };
	size_t i, n;
	yyjson_val *item;
	if (json && !yyjson_is_null(json) && !yyjson_is_ctn(json)) return refuse(a, e, SPAN("sort"), "must be an array");
	if (yyjson_is_obj(json)) {
		enum err err = sort_object(a, &s, json, e);
		if (err) return err;
	}
	yyjson_arr_foreach(json, i, n, item)
	{
		if (!yyjson_is_obj(item)) return refuse(a, e, SPAN("sort"), "must hold objects");
		enum err err = sort_object(a, &s, item, e);
		if (err) return err;
	}
	*out = s;
	return ERR_OK;
}

enum err sort_check(struct sort *s, const char *const *fields, size_t count, bool custom_ok, struct error *e)
{
	for (size_t k = 0; k < s->n; k++) {
		struct sort_key *key = &s->keys[k];
		key->field_id = FILTER_CUSTOM;
		for (size_t i = 0; i < count && key->field_id == FILTER_CUSTOM; i++)
			if (span_is(key->field, fields[i])) key->field_id = (int)i;
		if (key->field_id != FILTER_CUSTOM || (custom_ok && custom_name_ok(key->field))) continue;
		*e = (struct error){ .err = ERR_INPUT,
			.message = SPAN("a sort field is unknown"),
			.field = key->field,
			.field_why = SPAN("is no field that can be sorted by") };
		return ERR_INPUT;
	}
	return ERR_OK;
}
