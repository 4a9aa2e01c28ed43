#include "client/reply.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

/* ---- documents ---- */

static void *get(void *ctx, size_t n)
{
	(void)ctx;
	return mem_alloc(n);
}
static void *resize(void *ctx, void *p, size_t old, size_t n)
{
	(void)ctx;
	(void)old;
	return mem_realloc(p, n);
}
static void release(void *ctx, void *p)
{
	(void)ctx;
	mem_free(p);
}
const yyjson_alc document_allocator = { get, resize, release, NULL };

/* Deeper than any answer is: readers of values may recurse. Strings are skipped, since brackets in them count for nothing. */
static bool is_too_deep(struct span s)
{
	int64_t depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (in_string) {
			if (c == '\\') i++;
			if (c == '"') in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '[' || c == '{') {
			if (++depth > LIMIT_CLIENT_JSON_DEPTH) return true;
		} else if (c == ']' || c == '}') {
			depth--;
		}
	}
	return false;
}

/* Without YYJSON_READ_INSITU the input is only read, whatever the signature says. */
static yyjson_doc *read_document(struct span text, yyjson_read_err *err)
{
	return yyjson_read_opts((char *)(uintptr_t)text.p, text.n, 0, &document_allocator, err);
}

void document_problem(struct span text, char out[DOCUMENT_PROBLEM_SIZE])
{
	yyjson_read_err err = { .msg = "nothing is there" };
	bool is_deep = text.n && is_too_deep(text);
	if (is_deep) err.msg = "it is nested too deep";
	if (text.n && !is_deep) yyjson_doc_free(read_document(text, &err));
	(void)snprintf(out, DOCUMENT_PROBLEM_SIZE, "%s at byte %zu", err.msg ? err.msg : "read anew", err.pos);
}

yyjson_doc *document_parse(struct span text, beck_result *result)
{
	yyjson_read_err err = { 0 };
	*result = BECK_EPROTOCOL;
	if (!text.n || is_too_deep(text)) return NULL;
	yyjson_doc *doc = read_document(text, &err);
	if (!doc && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) *result = BECK_ENOMEM;
	return doc;
}

/* ---- replies ---- */

struct beck_reply *reply_create(int status, yyjson_doc *doc)
{
	struct beck_reply *r = mem_calloc(1, sizeof *r);
	if (!r) {
		yyjson_doc_free(doc);
		return NULL;
	}
	atomic_init(&r->refs, 1);
	r->status = status;
	r->doc = doc;
	return r;
}

/* Counting references changes nothing that a reader of a const object sees. */
static struct beck_reply *own_reply(const beck_reply *r) { return (struct beck_reply *)(uintptr_t)r; }
static struct beck_event *own_event(const beck_event *e) { return (struct beck_event *)(uintptr_t)e; }

const beck_reply *beck_reply_ref(const beck_reply *r)
{
	if (r) atomic_fetch_add(&own_reply(r)->refs, 1);
	return r;
}

void beck_reply_unref(const beck_reply *r)
{
	if (!r || atomic_fetch_sub(&own_reply(r)->refs, 1) != 1) return;
	yyjson_doc_free(r->doc);
	mem_free(own_reply(r));
}

int beck_reply_status(const beck_reply *r) { return r ? r->status : 0; }
const beck_value *beck_reply_value(const beck_reply *r) { return r ? value_of(yyjson_doc_get_root(r->doc)) : NULL; }

/* ---- events ---- */

static const char *text_of(yyjson_val *obj, const char *key)
{
	const char *s = yyjson_get_str(yyjson_obj_get(obj, key));
	return s ? s : "";
}

static bool read_event(struct beck_event *e)
{
	yyjson_val *root = yyjson_doc_get_root(e->doc);
	e->type = text_of(root, "type");
	e->cid = text_of(root, "cid");
	yyjson_val *seq = yyjson_obj_get(root, "seq");
	e->seq = yyjson_is_int(seq) && yyjson_get_sint(seq) > 0 ? yyjson_get_sint(seq) : 0;
	return yyjson_is_obj(root) && e->type[0];
}

struct beck_event *event_create(struct span text, bool is_local, beck_result *result)
{
	*result = BECK_ENOMEM;
	struct beck_event *e = mem_calloc(1, sizeof *e + text.n + 1);
	if (!e) return NULL;
	atomic_init(&e->refs, 1);
	e->is_local = is_local;
	if (text.n) memcpy(e->text, text.p, text.n);
	e->doc = document_parse(span_make(e->text, text.n), result);
	if (!e->doc || !read_event(e)) {
		if (e->doc) *result = BECK_EPROTOCOL;
		beck_event_unref(e);
		return NULL;
	}
	return e;
}

const beck_event *beck_event_ref(const beck_event *e)
{
	if (e) atomic_fetch_add(&own_event(e)->refs, 1);
	return e;
}

void beck_event_unref(const beck_event *e)
{
	if (!e || atomic_fetch_sub(&own_event(e)->refs, 1) != 1) return;
	yyjson_doc_free(e->doc);
	mem_free(own_event(e));
}

const char *beck_event_type(const beck_event *e) { return e ? e->type : ""; }
const char *beck_event_cid(const beck_event *e) { return e && strcmp(e->cid, "*") != 0 ? e->cid : ""; }
int64_t beck_event_seq(const beck_event *e) { return e ? e->seq : 0; }
bool beck_event_is_local(const beck_event *e) { return e && e->is_local; }
const beck_value *beck_event_value(const beck_event *e) { return e ? value_of(yyjson_doc_get_root(e->doc)) : NULL; }
const char *beck_event_json(const beck_event *e) { return e ? e->text : ""; }

bool beck_event_created_at(const beck_event *e, int64_t *us)
{
	return beck_value_time(beck_value_get(beck_event_value(e), "created_at"), us);
}
