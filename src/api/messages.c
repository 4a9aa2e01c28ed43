#include "api/handlers.h"
#include "base/limits.h"
#include "chat/message_rules.h"

enum err api_send_message(struct api_call *c)
{
	enum err e = api_acting_user(c, json_get(c->body, "message"), true);
	return e == ERR_OK ? chat_send_message(&c->chat, c->params[0], c->params[1], c->body, &c->out) : e;
}

enum err api_get_message(struct api_call *c)
{
	bool with_deleted = false;
	enum err e = api_acting_user(c, NULL, false);
	if (e == ERR_OK) e = api_query_bool(c, "show_deleted_message", &with_deleted);
	return e == ERR_OK ? chat_get_message(&c->chat, c->params[0], with_deleted, &c->out) : e;
}

enum err api_get_many_messages(struct api_call *c)
{
	enum err e = api_acting_user(c, NULL, false);
	return e == ERR_OK ? chat_get_messages(&c->chat, c->params[0], c->params[1], api_query(c, "ids"), &c->out) : e;
}

enum err api_update_message(struct api_call *c)
{
	enum err e = api_acting_user(c, json_get(c->body, "message"), true);
	if (e != ERR_OK) return e;
	return chat_update_message(&c->chat, c->params[0], c->body, &c->out);
}

enum err api_update_message_partial(struct api_call *c)
{
	enum err e = api_acting_user(c, c->body, true);
	return e == ERR_OK ? chat_update_message_partial(&c->chat, c->params[0], c->body, &c->out) : e;
}

/* deleted_by names the acting user of a server call. */
static enum err acting_from(struct api_call *c, struct span id)
{
	if (!chat_is_server(&c->chat) || id.n == 0) return api_acting_user(c, NULL, false);
	return chat_acting_user(&c->chat, NULL, id, false);
}

enum err api_delete_message(struct api_call *c)
{
	bool hard = false, for_me = false;
	enum err e = acting_from(c, api_query(c, "deleted_by"));
	if (e == ERR_OK) e = api_query_bool(c, "hard", &hard);
	if (e == ERR_OK) e = api_query_bool(c, "delete_for_me", &for_me);
	if (e != ERR_OK) return e;
	if (for_me && hard) return chat_fail(&c->chat, ERR_INPUT, "delete_for_me", "hard and delete_for_me exclude each other");
	if (for_me) return chat_delete_message_for_me(&c->chat, c->params[0], &c->out);
	return chat_delete_message(&c->chat, c->params[0], hard, &c->out);
}

enum err api_commit_message(struct api_call *c) { return chat_commit_message(&c->chat, c->params[0], &c->out); }

enum err api_undelete_message(struct api_call *c)
{
	enum err e = acting_from(c, json_span(json_get(c->body, "undeleted_by")));
	return e == ERR_OK ? chat_undelete_message(&c->chat, c->params[0], &c->out) : e;
}

enum err api_message_history(struct api_call *c) { return chat_message_history(&c->chat, c->body, &c->out); }

/* The window parameters of a query string as the object that bodies carry. */
static enum err page_from_query(struct api_call *c, yyjson_val **out)
{
	static const char *const names[] = { "id_lt", "id_lte", "id_gt", "id_gte", "id_around", "created_at_before",
		"created_at_before_or_equal", "created_at_after", "created_at_after_or_equal", "created_at_around" };
	struct chat_ctx *chat = &c->chat;
	struct buf b;
	struct jsonw w;
	int64_t limit = 0;
	enum err e = api_query_int(c, "limit", 0, LIMIT_PAGE_MESSAGES, &limit);
	if (e != ERR_OK) return e;
	buf_init(&b, (size_t)LIMIT_URL_BYTES * 2);
	jsonw_init(&w, &b);
	jsonw_obj_begin(&w);
	jsonw_kint(&w, "limit", limit);
	for (size_t i = 0; i < BECK_COUNT(names); i++) {
		struct span v = api_query(c, names[i]);
		if (v.n) jsonw_kstr(&w, names[i], v);
	}
	jsonw_obj_end(&w);
	const char *why = NULL;
	size_t at = 0;
	*out = b.failed ? NULL : json_parse(chat->arena, buf_span(&b), &why, &at);
	buf_deinit(&b);
	return *out ? ERR_OK : chat_fail(chat, ERR_INPUT, NULL, "the paging parameters are not readable");
}

enum err api_get_replies(struct api_call *c)
{
	yyjson_val *page = NULL, *sort = NULL;
	enum err e = api_acting_user(c, NULL, false);
	if (e == ERR_OK) e = page_from_query(c, &page);
	if (e == ERR_OK) e = api_query_json(c, "sort", true, &sort);
	return e == ERR_OK ? chat_get_replies(&c->chat, c->params[0], page, sort, &c->out) : e;
}

enum err api_get_pinned_messages(struct api_call *c)
{
	yyjson_val *payload = NULL;
	enum err e = api_payload(c, &payload);
	if (e == ERR_OK) e = api_acting_user(c, payload, false);
	return e == ERR_OK ? chat_get_pinned_messages(&c->chat, c->params[0], c->params[1], payload, &c->out) : e;
}
