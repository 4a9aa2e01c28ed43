/* JSON in: yyjson with our limits. JSON out: a writer that appends to a buf.
 *
 * Reading (json_parse): depth at most LIMIT_JSON_DEPTH, duplicate keys in one object refused, UTF-8 validated, "\u0000" in
 * any string refused. The document's memory comes from the arena; it lives as long as the arena. One thread at a time. */
#ifndef BECK_BASE_JSON_H
#define BECK_BASE_JSON_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"

/* NULL when it is not acceptable JSON; *why (a literal) then says what is wrong, *at the byte. */
yyjson_val *json_parse(struct arena *a, struct span text, const char **why, size_t *at);
/* Member of an object, NULL when absent or when `obj` is no object. */
yyjson_val *json_get(yyjson_val *obj, const char *key);
/* Walks the members of an object; of NULL or anything else there are none:
 * yyjson_obj_iter it = yyjson_obj_iter_with(obj); while (json_next(&it, &key, &value)) ... */
static inline bool json_next(yyjson_obj_iter *it, yyjson_val **key, yyjson_val **value)
{
	*key = yyjson_obj_iter_next(it);
	*value = yyjson_obj_iter_get_val(*key);
	return *key != NULL;
}
static inline struct span json_span(yyjson_val *v)
{
	return yyjson_is_str(v) ? (struct span){ yyjson_get_str(v), yyjson_get_len(v) } : SPAN_NONE;
}
/* Compact text of a value in the arena. */
struct span json_text(struct arena *a, yyjson_val *v);
/* Deep equality; numbers by value, objects regardless of key order. */
bool json_equal(yyjson_val *a, yyjson_val *b);

/* Writing. Commas are the writer's business. Keys are literals (not escaped); json_key_span escapes.
 * Misuse (a value where a key is due) is a programming error and asserts in debug builds. */
struct jsonw {
	struct buf *out;
	bool need_comma, after_key;
	unsigned depth;
	uint64_t in_object; /* bit per depth, newest lowest; looked at by debug builds only */
	/* For the writer of times: the day written last and its text, since times of one reply mostly share it. */
	int64_t memo_day;
	char memo_date[12];
};
static inline void jsonw_init(struct jsonw *w, struct buf *out) { *w = (struct jsonw){ .out = out }; }
void jsonw_obj_begin(struct jsonw *w);
void jsonw_obj_end(struct jsonw *w);
void jsonw_arr_begin(struct jsonw *w);
void jsonw_arr_end(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *literal);
void jsonw_key_span(struct jsonw *w, struct span key);
void jsonw_str(struct jsonw *w, struct span s); /* SPAN_NONE writes "" */
void jsonw_int(struct jsonw *w, int64_t v);
void jsonw_bool(struct jsonw *w, bool v);
void jsonw_null(struct jsonw *w);
void jsonw_raw(struct jsonw *w, struct span json);        /* one whole value, trusted */
void jsonw_raw_members(struct jsonw *w, struct span obj); /* the members of a trusted object text, flattened into this one */
void jsonw_val(struct jsonw *w, yyjson_val *v);
/* An object: the members of `old` (may be NULL) that `over` does not have, then those of `over`. */
void jsonw_merged(struct jsonw *w, yyjson_val *old, yyjson_val *over);
/* key + value in one call */
void jsonw_kstr(struct jsonw *w, const char *key, struct span s);
void jsonw_kint(struct jsonw *w, const char *key, int64_t v);
void jsonw_kbool(struct jsonw *w, const char *key, bool v);
void jsonw_kraw(struct jsonw *w, const char *key, struct span json);

#endif
