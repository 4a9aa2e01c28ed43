#include <string.h>

#include "base/mem.h"
#include "client/error.h"
#include "client/reply.h"
#include "client/text.h"
#include "wire/timestamp.h"

#include <beck/value.h>

beck_kind beck_value_kind(const beck_value *v)
{
	switch (yyjson_get_type(value_val(v))) {
	case YYJSON_TYPE_NULL: return BECK_NULL;
	case YYJSON_TYPE_BOOL: return BECK_BOOL;
	case YYJSON_TYPE_NUM: return BECK_NUMBER;
	case YYJSON_TYPE_STR: return BECK_STRING;
	case YYJSON_TYPE_ARR: return BECK_ARRAY;
	case YYJSON_TYPE_OBJ: return BECK_OBJECT;
	default: return BECK_NOTHING;
	}
}

/* ---- finding ---- */

const beck_value *beck_value_get(const beck_value *v, const char *key)
{
	return key ? value_of(yyjson_obj_get(value_val(v), key)) : NULL;
}

static yyjson_val *step(yyjson_val *v, struct span part)
{
	long long index;
	if (yyjson_is_obj(v)) return yyjson_obj_getn(v, part.p, part.n);
	if (!yyjson_is_arr(v) || !span_to_i64(part, &index) || index < 0) return NULL;
	return yyjson_arr_get(v, (size_t)index);
}

const beck_value *beck_value_path(const beck_value *v, const char *path)
{
	yyjson_val *at = value_val(v);
	struct span rest = span_str(path);
	while (at && rest.n) {
		struct span part = { rest.p, span_find(rest, '.') };
		rest = span_skip(rest, part.n + 1);
		at = step(at, part);
	}
	return value_of(at);
}

size_t beck_value_count(const beck_value *v)
{
	yyjson_val *val = value_val(v);
	return yyjson_is_arr(val) ? yyjson_arr_size(val) : yyjson_obj_size(val);
}

const beck_value *beck_value_at(const beck_value *v, size_t index)
{
	yyjson_val *val = value_val(v);
	if (yyjson_is_arr(val)) return value_of(yyjson_arr_get(val, index));
	yyjson_obj_iter it = yyjson_obj_iter_with(val);
	yyjson_val *key = NULL;
	for (size_t i = 0; i <= index; i++)
		if (!(key = yyjson_obj_iter_next(&it))) return NULL;
	return value_of(yyjson_obj_iter_get_val(key));
}

/* *at is how many values of the document's memory the walk has passed: keys, items, and all that is inside them. */
bool beck_value_next(const beck_value *v, size_t *at, const char **key, const beck_value **item)
{
	yyjson_val *val = value_val(v);
	if (!at || !item || !yyjson_is_ctn(val)) return false;
	yyjson_val *here = val + 1 + *at, *end = unsafe_yyjson_get_next(val);
	if (here >= end) return false;
	yyjson_val *value = yyjson_is_obj(val) ? here + 1 : here;
	if (key) *key = value == here ? NULL : yyjson_get_str(here);
	*item = value_of(value);
	*at = (size_t)(unsafe_yyjson_get_next(value) - val - 1);
	return true;
}

/* ---- reading ---- */

const char *beck_value_string(const beck_value *v) { return yyjson_get_str(value_val(v)); }

const char *beck_value_text(const beck_value *v)
{
	const char *s = beck_value_string(v);
	return s ? s : "";
}

int64_t beck_value_int(const beck_value *v, int64_t fallback)
{
	yyjson_val *val = value_val(v);
	if (yyjson_is_sint(val)) return yyjson_get_sint(val);
	if (yyjson_is_uint(val)) return yyjson_get_uint(val) <= INT64_MAX ? (int64_t)yyjson_get_uint(val) : fallback;
	if (!yyjson_is_real(val)) return fallback;
	double d = yyjson_get_real(val);
	return d > -9.2e18 && d < 9.2e18 ? (int64_t)d : fallback;
}

double beck_value_double(const beck_value *v, double fallback)
{
	return yyjson_is_num(value_val(v)) ? yyjson_get_num(value_val(v)) : fallback;
}
bool beck_value_bool(const beck_value *v, bool fallback)
{
	return yyjson_is_bool(value_val(v)) ? yyjson_get_bool(value_val(v)) : fallback;
}

bool beck_value_time(const beck_value *v, int64_t *us)
{
	yyjson_val *val = value_val(v);
	if (!us) return false;
	if (yyjson_is_str(val)) return time_parse(span_make(yyjson_get_str(val), yyjson_get_len(val)), us);
	if (!yyjson_is_int(val) || (yyjson_is_uint(val) && yyjson_get_uint(val) > INT64_MAX)) return false;
	*us = yyjson_get_sint(val) / 1000;
	return true;
}

char *beck_value_json(const beck_value *v)
{
	size_t n;
	return v ? document_text(value_val(v), &n) : NULL;
}

/* ---- documents of one's own ---- */

struct beck_document {
	yyjson_doc *doc;
};

beck_result beck_document_parse(const char *json, size_t length, beck_document **document, beck_error *err)
{
	beck_result why;
	if (!json || !document) return error_set(err, BECK_EARG, "json or document is NULL");
	yyjson_doc *doc = document_parse(span_make(json, length), &why);
	if (!doc && why == BECK_ENOMEM) return error_set(err, BECK_ENOMEM, "out of memory");
	if (!doc) {
		char problem[DOCUMENT_PROBLEM_SIZE];
		document_problem(span_make(json, length), problem);
		return error_set(err, BECK_EARG, "this is no JSON: %s", problem);
	}
	struct beck_document *d = mem_alloc(sizeof *d);
	if (!d) {
		yyjson_doc_free(doc);
		return error_set(err, BECK_ENOMEM, "out of memory");
	}
	d->doc = doc;
	*document = d;
	return BECK_OK;
}

const beck_value *beck_document_root(const beck_document *d) { return d ? value_of(yyjson_doc_get_root(d->doc)) : NULL; }

void beck_document_free(beck_document *d)
{
	if (!d) return;
	yyjson_doc_free(d->doc);
	mem_free(d);
}
