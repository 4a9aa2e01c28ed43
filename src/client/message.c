#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "client/channel.h"
#include "client/reply.h"
#include "client/text.h"
#include "wire/ids.h"

#include <beck/message.h>

/* ---- as shown ---- */

static const beck_value *of(const beck_message *m) { return (const beck_value *)(const void *)m; }

const beck_message *beck_as_message(const beck_value *v)
{
	return beck_value_kind(v) == BECK_OBJECT ? (const beck_message *)(const void *)v : NULL;
}
const beck_value *beck_message_value(const beck_message *m) { return of(m); }
const char *beck_message_id(const beck_message *m) { return beck_value_text(beck_value_get(of(m), "id")); }
const char *beck_message_text(const beck_message *m) { return beck_value_text(beck_value_get(of(m), "text")); }
const char *beck_message_type(const beck_message *m) { return beck_value_text(beck_value_get(of(m), "type")); }
const char *beck_message_cid(const beck_message *m) { return beck_value_text(beck_value_get(of(m), "cid")); }
const char *beck_message_parent_id(const beck_message *m) { return beck_value_text(beck_value_get(of(m), "parent_id")); }
const char *beck_message_user_id(const beck_message *m) { return beck_value_text(beck_value_path(of(m), "user.id")); }
bool beck_message_created_at(const beck_message *m, int64_t *us)
{
	return beck_value_time(beck_value_get(of(m), "created_at"), us);
}
bool beck_message_is_deleted(const beck_message *m) { return strcmp(beck_message_type(m), "deleted") == 0; }
const beck_message *beck_reply_message(const beck_reply *r)
{
	return beck_as_message(beck_value_get(beck_reply_value(r), "message"));
}
const beck_message *beck_event_message(const beck_event *e)
{
	return beck_as_message(beck_value_get(beck_event_value(e), "message"));
}

const char *beck_message_user_name(const beck_message *m)
{
	const char *name = beck_value_text(beck_value_path(of(m), "user.name"));
	return *name ? name : beck_message_user_id(m);
}

/* ---- sending ---- */

/* A message as it goes into the outbox: its object, with an id. */
struct outgoing {
	struct buf json;
	char id[BECK_MESSAGE_ID_SIZE];
	char parent_id[BECK_MESSAGE_ID_SIZE];
	beck_error err;
};

static void fail(struct outgoing *o, beck_result result, const char *field, const char *what)
{
	if (o->err.result == BECK_OK) (void)error_field(&o->err, result, field, "%s", what);
}

static void check_room(struct outgoing *o, const struct buf *b)
{
	if (b->failed && b->is_full) fail(o, BECK_ETOOBIG, "message", "the message is larger than the API allows");
	if (b->failed) fail(o, BECK_ENOMEM, "", "out of memory");
}

static void take_ids(struct outgoing *o, beck_channel *ch, yyjson_val *message)
{
	struct span id = json_span(yyjson_obj_get(message, "id")), parent = json_span(yyjson_obj_get(message, "parent_id"));
	if (yyjson_obj_get(message, "id") && !message_id_valid(id))
		fail(o, BECK_EARG, "id", "a message id has 1 to 255 of the characters A-Z a-z 0-9 _ -");
	if (id.n)
		(void)snprintf(o->id, sizeof o->id, "%.*s", SPAN_FMT(id));
	else
		call_message_id(ch->client, o->id);
	(void)snprintf(o->parent_id, sizeof o->parent_id, "%.*s", SPAN_FMT(parent));
}

static void write_message(struct outgoing *o, yyjson_val *message)
{
	struct jsonw w;
	yyjson_obj_iter it = yyjson_obj_iter_with(message);
	yyjson_val *key, *value;
	jsonw_init(&w, &o->json);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "id", span_str(o->id));
	while (json_next(&it, &key, &value)) {
		if (span_is(json_span(key), "id")) continue;
		jsonw_key_span(&w, json_span(key));
		jsonw_val(&w, value);
	}
	jsonw_obj_end(&w);
}

/* json NULL: it is JSON, but no object, or none at all. */
static void fail_json(struct outgoing *o, const char *json)
{
	char problem[DOCUMENT_PROBLEM_SIZE] = "";
	if (json) document_problem(span_str(json), problem);
	(void)error_field(&o->err, BECK_EARG, "message", "the message must be a JSON object%s%s", json ? ": " : "", problem);
}

static void make(struct outgoing *o, beck_channel *ch, const char *message_json)
{
	beck_result why = BECK_EARG;
	*o = (struct outgoing){ 0 };
	body_init(&o->json);
	if (!ch) fail(o, BECK_EARG, "channel", "the channel is NULL");
	if (!channel_cid(ch))
		fail(o, BECK_ESTATE, "channel", "the channel's id is not known yet: beck_channel_create comes first");
	if (o->err.result != BECK_OK) return;
	yyjson_doc *doc = message_json ? document_parse(span_str(message_json), &why) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc);
	if (!doc && why == BECK_ENOMEM) {
		fail(o, BECK_ENOMEM, "", "out of memory");
	} else if (!yyjson_is_obj(root)) {
		fail_json(o, doc ? NULL : message_json);
	} else {
		take_ids(o, ch, root);
		write_message(o, root);
		check_room(o, &o->json);
	}
	yyjson_doc_free(doc);
}

static void make_text(struct outgoing *o, beck_channel *ch, const char *text)
{
	struct buf b;
	struct jsonw w;
	if (!text || !utf8_valid(span_str(text))) {
		*o = (struct outgoing){ 0 };
		fail(o, BECK_EARG, "text", text ? "the text is not UTF-8" : "the text is NULL");
		return;
	}
	body_init(&b);
	jsonw_init(&w, &b);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "text", span_str(text));
	jsonw_obj_end(&w);
	buf_add(&b, "", 1);
	if (b.failed) {
		*o = (struct outgoing){ 0 };
		check_room(o, &b);
	} else {
		make(o, ch, b.p);
	}
	buf_deinit(&b);
}

static beck_result refuse(struct outgoing *o, beck_error *err)
{
	beck_result r = (beck_result)o->err.result;
	if (err) *err = o->err;
	buf_deinit(&o->json);
	return r;
}

static beck_result wait_for(struct outgoing *o, beck_channel *ch, const beck_reply **reply, beck_error *err)
{
	if (o->err.result != BECK_OK) return refuse(o, err);
	typing_sent(ch, o->parent_id);
	beck_result r = outbox_send_wait(ch->client, span_str(ch->cid), span_str(o->id), buf_span(&o->json), reply, err);
	buf_deinit(&o->json);
	return r;
}

static beck_result start(
	struct outgoing *o, beck_channel *ch, char message_id[BECK_MESSAGE_ID_SIZE], beck_reply_fn fn, void *ctx, beck_error *err)
{
	if (o->err.result != BECK_OK) return refuse(o, err);
	if (message_id) memcpy(message_id, o->id, strlen(o->id) + 1);
	typing_sent(ch, o->parent_id);
	beck_result r = outbox_send(ch->client, span_str(ch->cid), span_str(o->id), buf_span(&o->json), fn, ctx, err);
	buf_deinit(&o->json);
	return r;
}

beck_result beck_send_message(beck_channel *ch, const char *message_json, const beck_reply **reply, beck_error *err)
{
	struct outgoing o;
	make(&o, ch, message_json);
	return wait_for(&o, ch, reply, err);
}

beck_result beck_send_message_async(beck_channel *ch, const char *message_json, char message_id[BECK_MESSAGE_ID_SIZE],
	beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct outgoing o;
	make(&o, ch, message_json);
	return start(&o, ch, message_id, fn, ctx, err);
}

beck_result beck_send_text(beck_channel *ch, const char *text, const beck_reply **reply, beck_error *err)
{
	struct outgoing o;
	make_text(&o, ch, text);
	return wait_for(&o, ch, reply, err);
}

beck_result beck_send_text_async(
	beck_channel *ch, const char *text, char message_id[BECK_MESSAGE_ID_SIZE], beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct outgoing o;
	make_text(&o, ch, text);
	return start(&o, ch, message_id, fn, ctx, err);
}

/* ---- one message ---- */

static void begin(struct op *op, const char *method, const char *message_id)
{
	op_begin(op, method, "/messages");
	op_check_message_id(op, message_id);
	op_path(op, message_id ? message_id : "");
}

static void make_update(struct op *op, const char *message_id, const char *message_json)
{
	begin(op, "POST", message_id);
	if (!op_check_json(op, "message", message_json, '{')) return;
	buf_printf(&op->body, "{\"message\":%s}", message_json);
}

beck_result beck_update_message(
	beck_client *c, const char *message_id, const char *message_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_update(&op, message_id, message_json);
	return op_wait(&op, c, reply, err);
}

beck_result beck_update_message_async(
	beck_client *c, const char *message_id, const char *message_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_update(&op, message_id, message_json);
	return op_start(&op, c, fn, ctx, err);
}

static void make_change(struct op *op, const char *message_id, const char *change_json)
{
	begin(op, "PUT", message_id);
	op_body_object(op, "change", change_json, false);
}

beck_result beck_change_message(
	beck_client *c, const char *message_id, const char *change_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_change(&op, message_id, change_json);
	return op_wait(&op, c, reply, err);
}

beck_result beck_change_message_async(
	beck_client *c, const char *message_id, const char *change_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_change(&op, message_id, change_json);
	return op_start(&op, c, fn, ctx, err);
}

beck_result beck_delete_message(beck_client *c, const char *message_id, const beck_reply **reply, beck_error *err)
{
	struct op op;
	begin(&op, "DELETE", message_id);
	return op_wait(&op, c, reply, err);
}

beck_result beck_delete_message_async(beck_client *c, const char *message_id, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	begin(&op, "DELETE", message_id);
	return op_start(&op, c, fn, ctx, err);
}

beck_result beck_get_message(beck_client *c, const char *message_id, const beck_reply **reply, beck_error *err)
{
	struct op op;
	begin(&op, "GET", message_id);
	return op_wait(&op, c, reply, err);
}

beck_result beck_get_message_async(beck_client *c, const char *message_id, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	begin(&op, "GET", message_id);
	return op_start(&op, c, fn, ctx, err);
}

/* ---- pages ---- */

static void check_limit(struct op *op, int limit)
{
	if (limit < 1 || limit > LIMIT_PAGE_MESSAGES) op_fail(op, BECK_EARG, "limit", "a page has 1 to 300 messages");
}

static void make_page(struct op *op, beck_channel *ch, int limit, const char *before_id)
{
	struct jsonw w;
	op_begin_channel(op, ch, "POST", "/query");
	check_limit(op, limit);
	if (before_id) op_check_message_id(op, before_id);
	jsonw_init(&w, &op->body);
	jsonw_obj_begin(&w);
	jsonw_kbool(&w, "state", true);
	jsonw_key(&w, "messages");
	jsonw_obj_begin(&w);
	jsonw_kint(&w, "limit", limit);
	if (before_id) jsonw_kstr(&w, "id_lt", span_str(before_id));
	jsonw_obj_end(&w);
	jsonw_obj_end(&w);
}

beck_result beck_page_messages(beck_channel *ch, int limit, const char *before_id, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_page(&op, ch, limit, before_id);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_page_messages_async(
	beck_channel *ch, int limit, const char *before_id, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_page(&op, ch, limit, before_id);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}

static void make_replies(struct op *op, const char *parent_id, int limit, const char *before_id)
{
	char number[16];
	begin(op, "GET", parent_id);
	op_path_literal(op, "/replies");
	check_limit(op, limit);
	if (before_id) op_check_message_id(op, before_id);
	(void)snprintf(number, sizeof number, "%d", limit);
	op_query(op, "limit", span_str(number));
	if (before_id) op_query(op, "id_lt", span_str(before_id));
}

beck_result beck_get_replies(
	beck_client *c, const char *parent_id, int limit, const char *before_id, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_replies(&op, parent_id, limit, before_id);
	return op_wait(&op, c, reply, err);
}

beck_result beck_get_replies_async(
	beck_client *c, const char *parent_id, int limit, const char *before_id, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_replies(&op, parent_id, limit, before_id);
	return op_start(&op, c, fn, ctx, err);
}

/* ---- reactions ---- */

/* Of "." and ".." in a path nothing would be left: it would name the message itself. */
static void check_reaction(struct op *op, const char *type)
{
	op_check_text(op, "type", type);
	if (type && !*type) op_fail(op, BECK_EARG, "type", "a reaction has a type");
	if (type && (strcmp(type, ".") == 0 || strcmp(type, "..") == 0))
		op_fail(op, BECK_EARG, "type", "a reaction has another type");
}

static void make_reaction(struct op *op, const char *message_id, const char *type, bool enforce_unique)
{
	struct jsonw w;
	begin(op, "POST", message_id);
	op_path_literal(op, "/reaction");
	check_reaction(op, type);
	jsonw_init(&w, &op->body);
	jsonw_obj_begin(&w);
	jsonw_key(&w, "reaction");
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "type", span_str(type));
	jsonw_obj_end(&w);
	jsonw_kbool(&w, "enforce_unique", enforce_unique);
	jsonw_obj_end(&w);
}

beck_result beck_send_reaction(
	beck_client *c, const char *message_id, const char *type, bool enforce_unique, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_reaction(&op, message_id, type, enforce_unique);
	return op_wait(&op, c, reply, err);
}

beck_result beck_send_reaction_async(beck_client *c, const char *message_id, const char *type, bool enforce_unique,
	beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_reaction(&op, message_id, type, enforce_unique);
	return op_start(&op, c, fn, ctx, err);
}

static void make_no_reaction(struct op *op, const char *message_id, const char *type)
{
	begin(op, "DELETE", message_id);
	op_path_literal(op, "/reaction");
	check_reaction(op, type);
	op_path(op, type ? type : "");
}

beck_result beck_delete_reaction(
	beck_client *c, const char *message_id, const char *type, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_no_reaction(&op, message_id, type);
	return op_wait(&op, c, reply, err);
}

beck_result beck_delete_reaction_async(
	beck_client *c, const char *message_id, const char *type, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_no_reaction(&op, message_id, type);
	return op_start(&op, c, fn, ctx, err);
}

/* ---- uploads ---- */

static const char *type_by_name(const char *path)
{
	static const char *const known[][2] = { { "png", "image/png" }, { "jpg", "image/jpeg" }, { "jpeg", "image/jpeg" },
		{ "gif", "image/gif" }, { "webp", "image/webp" }, { "pdf", "application/pdf" }, { "txt", "text/plain" },
		{ "mp4", "video/mp4" }, { "mp3", "audio/mpeg" }, { "ogg", "audio/ogg" }, { "zip", "application/zip" } };
	const char *dot = strrchr(path, '.');
	for (size_t i = 0; dot && i < BECK_COUNT(known); i++)
		if (span_eq_nocase(span_str(dot + 1), span_str(known[i][0]))) return known[i][1];
	return "application/octet-stream";
}

static bool is_header_value(const char *s)
{
	for (const char *p = s; *p; p++)
		if (*p < ' ' || *p > '~') return false;
	return *s != '\0';
}

static void make_upload(struct op *op, beck_channel *ch, beck_upload_kind kind, const char *path, const char *content_type,
	beck_progress_fn progress, void *progress_ctx)
{
	FILE *f = path ? fopen(path, "rb") : NULL;
	op_begin_channel(op, ch, "POST", kind == BECK_IMAGE ? "/image" : "/file");
	if (f)
		(void)fclose(f);
	else
		op_fail(op, path ? BECK_EFILE : BECK_EARG, "path", path ? "the file cannot be opened" : "the path is NULL");
	if (kind != BECK_FILE && kind != BECK_IMAGE) op_fail(op, BECK_EARG, "kind", "an upload is BECK_FILE or BECK_IMAGE");
	if (content_type && !is_header_value(content_type))
		op_fail(op, BECK_EARG, "content_type", "a content type is one line of ASCII");
	op->call.file_path = path;
	op->call.content_type = span_str(content_type ? content_type : type_by_name(path ? path : ""));
	op->call.progress = progress;
	op->call.progress_ctx = progress_ctx;
}

beck_result beck_upload(beck_channel *ch, beck_upload_kind kind, const char *path, const char *content_type,
	beck_progress_fn progress, void *progress_ctx, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_upload(&op, ch, kind, path, content_type, progress, progress_ctx);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_upload_async(beck_channel *ch, beck_upload_kind kind, const char *path, const char *content_type,
	beck_progress_fn progress, void *progress_ctx, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_upload(&op, ch, kind, path, content_type, progress, progress_ctx);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}
