/* JSON documents that are given to the program: replies, events, documents of his own. Refcounted; a beck_value points into one.
 * Any thread may ref and unref; the content never changes. */
#ifndef BECK_CLIENT_REPLY_H
#define BECK_CLIENT_REPLY_H

#include <stdatomic.h>
#include <yyjson.h>

#include "base/span.h"

#include <beck/event.h>
#include <beck/request.h>
#include <beck/value.h>

/* Parses text with the library's limits (depth; of duplicate keys the first counts). NULL and *result otherwise:
 * BECK_EPROTOCOL or BECK_ENOMEM. Memory comes from base/mem.h. */
/* Everything of libyyjson's that is allocated here: mem_alloc and its like. */
extern const yyjson_alc document_allocator;
yyjson_doc *document_parse(struct span text, beck_result *result);
/* Why document_parse refused it, for people: "unexpected character at byte 7". */
enum { DOCUMENT_PROBLEM_SIZE = 128 };
void document_problem(struct span text, char out[DOCUMENT_PROBLEM_SIZE]);

struct beck_reply {
	atomic_int refs;
	int status;
	yyjson_doc *doc;
};
/* Takes doc, also on failure. */
struct beck_reply *reply_create(int status, yyjson_doc *doc);

struct beck_event {
	atomic_int refs;
	bool is_local;
	int64_t seq;            /* 0: none */
	const char *type, *cid; /* into doc, or "" */
	yyjson_doc *doc;
	char text[]; /* as received, and a NUL */
};
/* NULL and *result when text is no object with a string `type`. */
struct beck_event *event_create(struct span text, bool is_local, beck_result *result);

static inline const beck_value *value_of(const yyjson_val *v) { return (const beck_value *)(const void *)v; }
static inline yyjson_val *value_val(const beck_value *v) { return (yyjson_val *)(uintptr_t)(const void *)v; }

#endif
