/* Reading messages: one, several by id, replies, pinned ones. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/message_rules.h"
#include "chat/message_sending.h"
#include "wire/ids.h"

/* The message object with its channel inside. */
static enum err write_with_channel(struct chat_ctx *c, struct jsonw *w, const struct message *m, const struct channel_ctx *x)
{
	struct buf b;
	struct jsonw inner;
	buf_init(&b, (size_t)LIMIT_REPLY_BYTES);
	jsonw_init(&inner, &b);
	message_write(&inner, c->dialect, m);
	if (b.failed) {
		buf_deinit(&b);
		return chat_store_fail(c, ERR_UNAVAILABLE);
	}
	jsonw_obj_begin(w);
	jsonw_raw_members(w, buf_span(&b));
	jsonw_key(w, "channel");
	chat_channel_write(c, w, x, false);
	jsonw_obj_end(w);
	buf_deinit(&b);
	return ERR_OK;
}

/* One that waits for its commit is there for the server side only. */
static enum err get_pending(struct chat_ctx *c, struct span id, struct jsonw *w)
{
	struct channel_ctx x;
	struct sending *s = arena_new(c->arena, struct sending);
	enum err e = s != NULL ? pending_load(c, id, &x, s) : chat_store_fail(c, ERR_UNAVAILABLE);
	if (e != ERR_OK) return e;
	jsonw_key(w, "message");
	e = write_with_channel(c, w, &s->m, &x);
	pending_metadata_write(w, s->metadata);
	return e;
}

enum err chat_get_message(struct chat_ctx *c, struct span id, bool with_deleted, struct jsonw *w)
{
	struct channel_ctx x;
	struct message m;
	enum err e = message_load(c, id, &x, &m);
	if (e == ERR_NOT_FOUND && chat_is_server(c)) return get_pending(c, id, w);
	if (e != ERR_OK) return e;
	struct message raw = m;
	e = message_fill(c, &x.ch, &m, 1);
	if (e != ERR_OK) return e;
	message_hide_quotes(c, &m, 1);
	if (with_deleted && chat_is_server(c) && raw.deleted_at) {
		m.text = raw.text;
		m.html = span_given(raw.html) ? raw.html : message_html(c->arena, raw.text);
		m.mml = raw.mml;
		m.attachments = raw.attachments;
		m.custom = raw.custom;
	}
	jsonw_key(w, "message");
	return write_with_channel(c, w, &m, &x);
}

static void write_list(struct chat_ctx *c, struct jsonw *w, const struct message *m, size_t n)
{
	jsonw_key(w, "messages");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n; i++) message_write(w, c->dialect, &m[i]);
	jsonw_arr_end(w);
}

enum err chat_get_messages(struct chat_ctx *c, struct span type, struct span id, struct span ids, struct jsonw *w)
{
	enum { MOST = 100 };
	struct channel_ctx x;
	enum err e = chat_channel_load(c, type, id, &x);
	if (e != ERR_OK) return e;
	if (ids.n == 0) return chat_fail(c, ERR_INPUT, "ids", "ids must name at least one message");
	struct message *list = arena_array(c->arena, struct message, MOST);
	if (!list) return chat_store_fail(c, ERR_UNAVAILABLE);
	size_t n = 0, asked = 0;
	for (struct span rest = ids; rest.n;) {
		struct span one = span_make(rest.p, span_find(rest, ','));
		rest = span_skip(rest, one.n + 1);
		if (++asked > MOST) return chat_fail(c, ERR_INPUT, "ids", "at most %d ids", MOST);
		if (!message_id_valid(one)) continue;
		e = store_message_get(c->tx, c->app->pk, one, c->arena, &list[n]);
		if (e == ERR_NOT_FOUND) continue;
		if (e != ERR_OK) return chat_store_fail(c, e);
		if (list[n].channel_pk == x.ch.pk && message_visible(c, &x, &list[n])) n++;
	}
	e = message_fill(c, &x.ch, list, n);
	if (e == ERR_OK) message_hide_quotes(c, list, n);
	if (e == ERR_OK) write_list(c, w, list, n);
	return e;
}

/* Sort of replies: [{field:"created_at",direction:1}] or one such object: oldest first page. */
static enum err take_order(struct chat_ctx *c, yyjson_val *json, bool *ascending)
{
	static const char *const fields[] = { "created_at" };
	struct sort sort = { .n = 0 };
	enum err e = sort_parse(c->arena, json, &sort, &c->error);
	if (e == ERR_OK) e = sort_check(&sort, fields, BECK_COUNT(fields), false, &c->error);
	*ascending = sort.n > 0 && !sort.keys[0].descending;
	return e;
}

enum err chat_get_replies(struct chat_ctx *c, struct span id, yyjson_val *page_obj, yyjson_val *sort, struct jsonw *w)
{
	struct channel_ctx x;
	struct message parent, *list = NULL;
	struct page page;
	size_t n = 0;
	enum err e = message_load(c, id, &x, &parent);
	bool ascending = false;
	if (e == ERR_OK) e = chat_page_parse(c, page_obj, 50, LIMIT_PAGE_MESSAGES, &page);
	if (e == ERR_OK) e = take_order(c, sort, &ascending);
	if (e != ERR_OK) return e;
	if (page.family == PAGE_NEWEST && ascending) page.family = PAGE_AFTER;
	e = chat_replies_page(c, &x, &parent, &page, &list, &n);
	if (e == ERR_OK) write_list(c, w, list, n);
	return e;
}

enum err chat_get_pinned_messages(struct chat_ctx *c, struct span type, struct span id, yyjson_val *payload, struct jsonw *w)
{
	struct channel_ctx x;
	struct message *list = NULL;
	size_t n = 0;
	enum err e = chat_channel_load(c, type, id, &x);
	if (e == ERR_OK) e = chat_pinned_page(c, &x, payload, &list, &n);
	if (e == ERR_OK) write_list(c, w, list, n);
	return e;
}
