/* JSON that came from the server, to look at without copying.
 *
 * A beck_value belongs to the reply, event or document it came from and lives as long as that. Every function accepts NULL and
 * any type: what is not there or not of that type is NULL, 0 or the fallback given, so lookups can be chained without checks. */
#ifndef BECK_VALUE_H
#define BECK_VALUE_H

#include <beck/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beck_value beck_value;

typedef enum beck_kind {
	BECK_NOTHING = 0, /* not there */
	BECK_NULL = 1,
	BECK_BOOL = 2,
	BECK_NUMBER = 3,
	BECK_STRING = 4,
	BECK_ARRAY = 5,
	BECK_OBJECT = 6,
} beck_kind;

/* What it is; BECK_NOTHING for NULL. */
BECK_API beck_kind beck_value_kind(const beck_value *v);
/* Member of an object by its key. */
BECK_API const beck_value *beck_value_get(const beck_value *v, const char *key);
/* Down a path of keys and indices parted by dots: "message.user.name", "members.0.user_id". */
BECK_API const beck_value *beck_value_path(const beck_value *v, const char *path);
/* Number of items of an array or members of an object. */
BECK_API size_t beck_value_count(const beck_value *v);
/* Item of an array, or value of an object's member, by position. Walking all of an object this way is quadratic: use
 * beck_value_next. */
BECK_API const beck_value *beck_value_at(const beck_value *v, size_t index);
/* Walks an array or object: start with *at = 0; false at the end. `key` (may be NULL) gets the member's key, NULL in arrays.
 *	size_t at = 0; const char *key; const beck_value *item;
 *	while (beck_value_next(v, &at, &key, &item)) ... */
BECK_API bool beck_value_next(const beck_value *v, size_t *at, const char **key, const beck_value **item);

/* NULL when it is no string. */
BECK_API const char *beck_value_string(const beck_value *v);
/* The same, "" when it is no string. */
BECK_API const char *beck_value_text(const beck_value *v);
/* Whole numbers; a fraction is cut off; out of range gives the fallback. */
BECK_API int64_t beck_value_int(const beck_value *v, int64_t fallback);
BECK_API double beck_value_double(const beck_value *v, double fallback);
BECK_API bool beck_value_bool(const beck_value *v, bool fallback);
/* A time as microseconds since 1970 in UTC: an RFC 3339 string, or a number of nanoseconds. False when it is neither. */
BECK_API bool beck_value_time(const beck_value *v, int64_t *us);
/* Compact JSON text, the caller's to free with beck_free. NULL for nothing or without memory. */
BECK_API char *beck_value_json(const beck_value *v);

/* A document of one's own, from JSON text. */
typedef struct beck_document beck_document;
BECK_API beck_result beck_document_parse(const char *json, size_t length, beck_document **document, beck_error *err);
/* The outermost value, which lives as long as the document. */
BECK_API const beck_value *beck_document_root(const beck_document *document);
BECK_API void beck_document_free(beck_document *document); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
