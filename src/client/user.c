#include "client/user.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "client/error.h"
#include "client/op.h"
#include "client/reply.h"
#include "client/text.h"
#include "wire/ids.h"

#include <beck/user.h>

/* ---- as shown ---- */

static const beck_value *of(const beck_user *u) { return (const beck_value *)(const void *)u; }

const beck_user *beck_as_user(const beck_value *v)
{
	return beck_value_kind(v) == BECK_OBJECT ? (const beck_user *)(const void *)v : NULL;
}
const beck_value *beck_user_value(const beck_user *u) { return of(u); }
const char *beck_user_get_id(const beck_user *u) { return beck_value_text(beck_value_get(of(u), "id")); }
const char *beck_user_get_role(const beck_user *u) { return beck_value_text(beck_value_get(of(u), "role")); }
const char *beck_user_get_image(const beck_user *u) { return beck_value_text(beck_value_get(of(u), "image")); }
bool beck_user_is_online(const beck_user *u) { return beck_value_bool(beck_value_get(of(u), "online"), false); }
bool beck_user_is_banned(const beck_user *u) { return beck_value_bool(beck_value_get(of(u), "banned"), false); }
bool beck_user_last_active(const beck_user *u, int64_t *us) { return beck_value_time(beck_value_get(of(u), "last_active"), us); }
const beck_user *beck_event_user(const beck_event *e) { return beck_as_user(beck_value_get(beck_event_value(e), "user")); }

const char *beck_user_get_name(const beck_user *u)
{
	const char *name = beck_value_text(beck_value_get(of(u), "name"));
	return *name ? name : beck_user_get_id(u);
}

/* ---- checking ---- */

static beck_result check_keys(yyjson_val *obj, beck_error *err)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	yyjson_val *key, *value;
	while (json_next(&it, &key, &value)) {
		struct span name = json_span(key);
		/* Of two the first is found. */
		if (yyjson_obj_getn(obj, name.p, name.n) != value)
			return error_field(err, BECK_EARG, name.p, "the user has the key \"%.*s\" twice", SPAN_FMT(name));
	}
	return BECK_OK;
}

static beck_result check_size(yyjson_val *obj, beck_error *err)
{
	size_t n = 0;
	char *text = document_text(obj, &n);
	mem_free(text);
	if (!text) return error_set(err, BECK_ENOMEM, "out of memory");
	if (n > (size_t)LIMIT_USER_OBJECT_BYTES)
		return error_set(
			err, BECK_ETOOBIG, "the user has %zu bytes; the API allows %lld", n, (long long)LIMIT_USER_OBJECT_BYTES);
	return BECK_OK;
}

static beck_result check_object(yyjson_val *obj, char id_out[256], beck_error *err)
{
	struct span id = json_span(yyjson_obj_get(obj, "id"));
	if (!yyjson_is_obj(obj)) return error_field(err, BECK_EARG, "user", "the user must be a JSON object");
	if (!user_id_valid(id))
		return error_field(err, BECK_EARG, "id", "a user id has 1 to 255 of the characters A-Z a-z 0-9 _ @ -");
	beck_result r = check_keys(obj, err);
	if (r == BECK_OK) r = check_size(obj, err);
	if (r == BECK_OK) (void)snprintf(id_out, 256, "%.*s", SPAN_FMT(id));
	return r;
}

beck_result user_json_check(struct span json, char id_out[256], beck_error *err)
{
	beck_result why = BECK_EARG;
	yyjson_doc *doc = json.n ? document_parse(json, &why) : NULL;
	if (!doc && why == BECK_ENOMEM) return error_set(err, BECK_ENOMEM, "out of memory");
	if (!doc) {
		char problem[DOCUMENT_PROBLEM_SIZE];
		document_problem(json, problem);
		return error_field(err, BECK_EARG, "user", "an object like {\"id\":\"john\"} is expected: %s", problem);
	}
	beck_result r = check_object(yyjson_doc_get_root(doc), id_out, err);
	yyjson_doc_free(doc);
	return r;
}

/* ---- building ---- */

enum { PRIVACY_KINDS = 3 };
static const char *const privacy_names[PRIVACY_KINDS] = { "typing_indicators", "read_receipts", "delivery_receipts" };

struct beck_user_builder {
	struct buf members; /* "key":value,... */
	struct buf text;
	int8_t privacy[PRIVACY_KINDS]; /* -1: not said */
	beck_error err;
};

static void put_json(beck_user_builder *b, const char *key, struct span value)
{
	struct jsonw w;
	if (b->members.n) buf_add_char(&b->members, ',');
	jsonw_init(&w, &b->members);
	jsonw_str(&w, span_str(key));
	buf_add_char(&b->members, ':');
	buf_add_span(&b->members, value);
}

static void put_text(beck_user_builder *b, const char *key, const char *value)
{
	struct buf text;
	struct jsonw w;
	if (!b || b->err.result != BECK_OK) return;
	if (!value || !utf8_valid(span_str(value))) {
		(void)error_field(&b->err, BECK_EARG, key, "%s", value ? "the text is not UTF-8" : "the text is NULL");
		return;
	}
	body_init(&text);
	jsonw_init(&w, &text);
	jsonw_str(&w, span_str(value));
	if (text.failed) b->members.failed = true;
	put_json(b, key, buf_span(&text));
	buf_deinit(&text);
}

beck_user_builder *beck_user_builder_create(const char *id)
{
	beck_user_builder *b = mem_calloc(1, sizeof *b);
	if (!b) return NULL;
	buf_init(&b->members, 4 * (size_t)LIMIT_USER_OBJECT_BYTES);
	buf_init(&b->text, 5 * (size_t)LIMIT_USER_OBJECT_BYTES);
	memset(b->privacy, -1, sizeof b->privacy);
	put_text(b, "id", id);
	return b;
}

void beck_user_builder_free(beck_user_builder *b)
{
	if (!b) return;
	buf_deinit(&b->members);
	buf_deinit(&b->text);
	mem_free(b);
}

void beck_user_builder_name(beck_user_builder *b, const char *name) { put_text(b, "name", name); }
void beck_user_builder_image(beck_user_builder *b, const char *url) { put_text(b, "image", url); }
void beck_user_builder_language(beck_user_builder *b, const char *code) { put_text(b, "language", code); }

void beck_user_builder_invisible(beck_user_builder *b, bool invisible)
{
	if (b) put_json(b, "invisible", invisible ? SPAN("true") : SPAN("false"));
}

void beck_user_builder_set(beck_user_builder *b, const char *key, const char *value_json)
{
	beck_result why = BECK_EARG;
	if (!b || b->err.result != BECK_OK) return;
	yyjson_doc *doc = key && value_json ? document_parse(span_str(value_json), &why) : NULL;
	if (doc)
		put_json(b, key, span_str(value_json));
	else if (why == BECK_ENOMEM)
		(void)error_set(&b->err, BECK_ENOMEM, "out of memory");
	else
		(void)error_field(&b->err, BECK_EARG, key ? key : "key", "the value of \"%s\" is no JSON", key ? key : "");
	yyjson_doc_free(doc);
}

void beck_user_builder_typing_indicators(beck_user_builder *b, bool enabled)
{
	if (b) b->privacy[0] = enabled;
}
void beck_user_builder_read_receipts(beck_user_builder *b, bool enabled)
{
	if (b) b->privacy[1] = enabled;
}
void beck_user_builder_delivery_receipts(beck_user_builder *b, bool enabled)
{
	if (b) b->privacy[2] = enabled;
}

static void write_privacy(const beck_user_builder *b, struct buf *out)
{
	bool any = false;
	for (int i = 0; i < PRIVACY_KINDS; i++) {
		if (b->privacy[i] < 0) continue;
		buf_printf(out, "%s\"%s\":{\"enabled\":%s}", any ? "," : ",\"privacy_settings\":{", privacy_names[i],
			b->privacy[i] ? "true" : "false");
		any = true;
	}
	if (any) buf_add_char(out, '}');
}

/* The iterator is a copy: it goes on from where the caller's is. */
static bool comes_again(yyjson_obj_iter it, struct span name)
{
	yyjson_val *key, *value;
	while (json_next(&it, &key, &value))
		if (span_eq(json_span(key), name)) return true;
	return false;
}

/* What was set twice is as it was set last. */
static void write_last(yyjson_val *all, struct buf *out)
{
	struct jsonw w;
	yyjson_obj_iter it = yyjson_obj_iter_with(all);
	yyjson_val *key, *value;
	jsonw_init(&w, out);
	jsonw_obj_begin(&w);
	while (json_next(&it, &key, &value)) {
		if (comes_again(it, json_span(key))) continue;
		jsonw_key_span(&w, json_span(key));
		jsonw_val(&w, value);
	}
	jsonw_obj_end(&w);
}

static void write_user(beck_user_builder *b)
{
	beck_result why;
	struct buf all;
	buf_init(&all, b->members.max + 256);
	buf_add_char(&all, '{');
	buf_add_span(&all, buf_span(&b->members));
	write_privacy(b, &all);
	buf_add_char(&all, '}');
	buf_clear(&b->text);
	yyjson_doc *doc = all.failed ? NULL : document_parse(buf_span(&all), &why);
	if (doc) write_last(yyjson_doc_get_root(doc), &b->text);
	buf_add(&b->text, "", 1);
	if (!doc) b->text.failed = true;
	yyjson_doc_free(doc);
	buf_deinit(&all);
}

const char *beck_user_builder_json(beck_user_builder *b, beck_error *err)
{
	char id[256];
	if (!b) {
		(void)error_set(err, BECK_ENOMEM, "out of memory");
		return NULL;
	}
	write_user(b);
	if (b->err.result != BECK_OK) {
		if (err) *err = b->err;
		return NULL;
	}
	if (b->members.failed || b->text.failed) {
		bool is_full = b->members.is_full || b->text.is_full;
		(void)error_set(err, is_full ? BECK_ETOOBIG : BECK_ENOMEM,
			is_full ? "the user is larger than the API allows" : "out of memory");
		return NULL;
	}
	return user_json_check(span_make(b->text.p, b->text.n - 1), id, err) == BECK_OK ? b->text.p : NULL;
}

/* ---- calls ---- */

static void make_query(struct op *op, const char *query_json)
{
	op_begin(op, "GET", "/users");
	yyjson_doc *doc = op_parse(op, "query", query_json, '{');
	if (!doc) return;
	op_query(op, "payload", span_str(query_json));
	op->call.effect = call_effect_of(yyjson_doc_get_root(doc)) & CALL_PRESENCE;
	op->call.needs_connection = op->call.effect != CALL_PLAIN;
	yyjson_doc_free(doc);
}

beck_result beck_query_users(beck_client *c, const char *query_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_query(&op, query_json);
	return op_wait(&op, c, reply, err);
}

beck_result beck_query_users_async(beck_client *c, const char *query_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_query(&op, query_json);
	return op_start(&op, c, fn, ctx, err);
}

/* {"users":[{"id":...,"set":...,"unset":...}]} */
static void make_update(struct op *op, const char *user_id, const char *change_json)
{
	struct jsonw w;
	op_begin(op, "PATCH", "/users");
	op_check_user_id(op, "user_id", user_id);
	if (!op_check_json(op, "change", change_json, '{')) return;
	jsonw_init(&w, &op->body);
	jsonw_obj_begin(&w);
	jsonw_key(&w, "users");
	jsonw_arr_begin(&w);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "id", span_str(user_id));
	jsonw_raw_members(&w, span_str(change_json));
	jsonw_obj_end(&w);
	jsonw_arr_end(&w);
	jsonw_obj_end(&w);
}

beck_result beck_update_user(
	beck_client *c, const char *user_id, const char *change_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_update(&op, user_id, change_json);
	return op_wait(&op, c, reply, err);
}

beck_result beck_update_user_async(
	beck_client *c, const char *user_id, const char *change_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_update(&op, user_id, change_json);
	return op_start(&op, c, fn, ctx, err);
}

/* An array is what people have; an object by id is what the API wants. */
static void make_upsert(struct op *op, const char *users_json)
{
	struct jsonw w;
	size_t i, n;
	yyjson_val *user;
	op_begin(op, "POST", "/users");
	yyjson_doc *doc = op_parse(op, "users", users_json, '[');
	if (!doc) return;
	n = yyjson_arr_size(yyjson_doc_get_root(doc));
	if (n == 0) op_fail(op, BECK_EARG, "users", "at least one user is needed");
	if (n > (size_t)LIMIT_USERS_BATCH) op_fail(op, BECK_ETOOBIG, "users", "at most 100 users fit in one call");
	jsonw_init(&w, &op->body);
	jsonw_obj_begin(&w);
	jsonw_key(&w, "users");
	jsonw_obj_begin(&w);
	yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, user)
	{
		char id[256];
		if (op->err.result != BECK_OK || check_object(user, id, &op->err) != BECK_OK) break;
		jsonw_key_span(&w, span_str(id));
		jsonw_val(&w, user);
	}
	if (op->err.result == BECK_OK) {
		jsonw_obj_end(&w);
		jsonw_obj_end(&w);
	}
	yyjson_doc_free(doc);
}

beck_result beck_upsert_users(beck_client *c, const char *users_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_upsert(&op, users_json);
	return op_wait(&op, c, reply, err);
}

beck_result beck_upsert_users_async(beck_client *c, const char *users_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_upsert(&op, users_json);
	return op_start(&op, c, fn, ctx, err);
}
