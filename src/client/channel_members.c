/* Members of a channel, and what they have read. */
#include "base/limits.h"
#include "client/channel.h"

/* ---- members ---- */

static void write_ids(struct op *op, struct jsonw *w, const char *const *ids)
{
	int64_t n = 0;
	jsonw_arr_begin(w);
	for (; ids && ids[n]; n++) {
		op_check_user_id(op, "user_ids", ids[n]);
		if (n < LIMIT_MEMBERS_PER_CALL) jsonw_str(w, span_str(ids[n]));
	}
	jsonw_arr_end(w);
	if (n == 0) op_fail(op, BECK_EARG, "user_ids", "at least one user is needed");
	if (n > LIMIT_MEMBERS_PER_CALL) op_fail(op, BECK_ETOOBIG, "user_ids", "at most 100 users fit in one call");
}

static void make_members(struct op *op, beck_channel *ch, const char *key, const char *const *ids, const char *text)
{
	struct jsonw w;
	op_begin_channel(op, ch, "POST", "");
	jsonw_init(&w, &op->body);
	jsonw_obj_begin(&w);
	jsonw_key(&w, key);
	write_ids(op, &w, ids);
	if (text) {
		op_check_text(op, "message_text", text);
		jsonw_key(&w, "message");
		jsonw_obj_begin(&w);
		jsonw_kstr(&w, "text", span_str(text));
		jsonw_obj_end(&w);
	}
	jsonw_obj_end(&w);
}

beck_result beck_add_members(
	beck_channel *ch, const char *const *ids, const char *text, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_members(&op, ch, "add_members", ids, text);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_add_members_async(
	beck_channel *ch, const char *const *ids, const char *text, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_members(&op, ch, "add_members", ids, text);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}

beck_result beck_remove_members(
	beck_channel *ch, const char *const *ids, const char *text, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_members(&op, ch, "remove_members", ids, text);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_remove_members_async(
	beck_channel *ch, const char *const *ids, const char *text, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_members(&op, ch, "remove_members", ids, text);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}

/* For requests that name the channel elsewhere than in the path. */
static void check_known(struct op *op, beck_channel *ch)
{
	if (!ch) op_fail(op, BECK_EARG, "channel", "the channel is NULL");
	if (!channel_id(ch))
		op_fail(op, BECK_ESTATE, "channel", "the channel's id is not known yet: beck_channel_create comes first");
}

static void make_query(struct op *op, beck_channel *ch, const char *query_json)
{
	struct buf payload;
	struct jsonw w;
	op_begin(op, "GET", "/members");
	check_known(op, ch);
	if (!op_check_json(op, "query", query_json, '{')) return;
	buf_init(&payload, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &payload);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "type", span_str(ch->type));
	jsonw_kstr(&w, "id", span_str(ch->id));
	jsonw_raw_members(&w, span_str(query_json));
	jsonw_obj_end(&w);
	if (payload.failed) op->query.failed = true;
	op_query(op, "payload", buf_span(&payload));
	buf_deinit(&payload);
}

beck_result beck_query_members(beck_channel *ch, const char *query_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_query(&op, ch, query_json);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_query_members_async(beck_channel *ch, const char *query_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_query(&op, ch, query_json);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}

/* ---- read state ---- */

/* message_id NULL: none is named. */
static void make_mark(struct op *op, beck_channel *ch, const char *what, const char *message_id)
{
	struct jsonw w;
	op_begin_channel(op, ch, "POST", what);
	if (message_id) op_check_message_id(op, message_id);
	jsonw_init(&w, &op->body);
	jsonw_obj_begin(&w);
	if (message_id) jsonw_kstr(&w, "message_id", span_str(message_id));
	jsonw_obj_end(&w);
}

beck_result beck_mark_read(beck_channel *ch, const char *message_id, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_mark(&op, ch, "/read", message_id);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_mark_read_async(beck_channel *ch, const char *message_id, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_mark(&op, ch, "/read", message_id);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}

static void make_unread(struct op *op, beck_channel *ch, const char *message_id)
{
	make_mark(op, ch, "/unread", message_id);
	if (!message_id) op_fail(op, BECK_EARG, "message_id", "the first unread message is needed");
}

beck_result beck_mark_unread(beck_channel *ch, const char *message_id, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_unread(&op, ch, message_id);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_mark_unread_async(beck_channel *ch, const char *message_id, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_unread(&op, ch, message_id);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}

static void make_delivered(struct op *op, beck_channel *ch, const char *message_id)
{
	struct jsonw w;
	op_begin(op, "POST", "/channels/delivered");
	op_check_message_id(op, message_id);
	check_known(op, ch);
	if (op->err.result != BECK_OK) return;
	jsonw_init(&w, &op->body);
	jsonw_obj_begin(&w);
	jsonw_key(&w, "latest_delivered_messages");
	jsonw_arr_begin(&w);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "cid", span_str(ch->cid));
	jsonw_kstr(&w, "id", span_str(message_id));
	jsonw_obj_end(&w);
	jsonw_arr_end(&w);
	jsonw_obj_end(&w);
}

beck_result beck_mark_delivered(beck_channel *ch, const char *message_id, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_delivered(&op, ch, message_id);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_mark_delivered_async(beck_channel *ch, const char *message_id, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_delivered(&op, ch, message_id);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}

beck_result beck_unread_counts(beck_client *c, const beck_reply **reply, beck_error *err)
{
	struct op op;
	op_begin(&op, "GET", "/unread");
	return op_wait(&op, c, reply, err);
}

beck_result beck_unread_counts_async(beck_client *c, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	op_begin(&op, "GET", "/unread");
	return op_start(&op, c, fn, ctx, err);
}
