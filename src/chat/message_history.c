/* Earlier versions of messages, page by page; for the server side. A page is named by a cursor that carries filter, order and the
 * row it lies behind: versions made meanwhile move nothing. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/cursor.h"
#include "chat/message_parts.h"
#include "chat/message_rules.h"

enum { DEFAULT_LIMIT = 25 };

struct history {
	struct cursor cursor;
	yyjson_val *filter_json;
	struct filter filter;
	bool ascending;
	int64_t limit, from_at, from_pk;
	struct message_version *items;
	size_t n;
	bool has_more; /* in the direction of reading */
};

static enum err take_order(struct chat_ctx *c, yyjson_val *body, struct history *h)
{
	static const char *const fields[] = { "message_updated_at" };
	struct sort sort = { .n = 0 };
	enum err e = sort_parse(c->arena, json_get(body, "sort"), &sort, &c->error);
	if (e == ERR_OK) e = sort_check(&sort, fields, BECK_COUNT(fields), false, &c->error);
	h->ascending = e == ERR_OK && sort.n > 0 && !sort.keys[0].descending;
	return e;
}

static enum err take_place(struct chat_ctx *c, yyjson_val *body, struct history *h)
{
	enum err e = cursor_take(c, body, &h->cursor);
	if (e != ERR_OK) return e;
	if (!h->cursor.place) {
		h->filter_json = json_get(body, "filter");
		return take_order(c, body, h);
	}
	yyjson_val *at = json_get(h->cursor.place, "at"), *pk = json_get(h->cursor.place, "pk");
	if (!yyjson_is_int(at) || !yyjson_is_int(pk)) return cursor_refuse(c, &h->cursor);
	h->from_at = yyjson_get_sint(at);
	h->from_pk = yyjson_get_sint(pk);
	h->ascending = yyjson_is_true(json_get(h->cursor.place, "up"));
	h->filter_json = json_get(h->cursor.place, "f");
	return ERR_OK;
}

/* The messages must be named for every version that matches: by itself or within $and. */
static bool names_message(const struct filter *f)
{
	if (f->op != FILTER_AND) return span_is(f->field, "message_id") && (f->op == FILTER_EQ || f->op == FILTER_IN);
	for (size_t i = 0; i < f->kid_count; i++)
		if (names_message(&f->kids[i])) return true;
	return false;
}

static enum err take_filter(struct chat_ctx *c, struct history *h)
{
	enum err e = filter_parse(c->arena, h->filter_json, &h->filter, &c->error);
	if (e == ERR_OK)
		e = filter_check(c->arena, &h->filter, store_history_fields, store_history_field_count, false, &c->error);
	if (e == ERR_OK && !names_message(&h->filter))
		e = chat_fail(c, ERR_INPUT, "filter", "filter must name message_id, with $eq or $in");
	return e;
}

static enum err parse(struct chat_ctx *c, yyjson_val *body, struct history *h)
{
	int64_t limit = 0;
	enum err e = take_int(c, body, "limit", 0, LIMIT_PAGE_QUERY, &limit, NULL);
	h->limit = limit > 0 ? limit : DEFAULT_LIMIT;
	if (e == ERR_OK) e = take_place(c, body, h);
	return e == ERR_OK ? take_filter(c, h) : e;
}

static void reverse(struct message_version *v, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct message_version swap = v[i];
		v[i] = v[n - 1 - i];
		v[n - 1 - i] = swap;
	}
}

/* One more than asked for, to see whether there is more. Going back reads the other way round. */
static enum err find(struct chat_ctx *c, struct history *h)
{
	struct store_history_query q = { .app = c->app->pk,
		.filter = &h->filter,
		.descending = h->ascending == h->cursor.is_prev,
		.from_at = h->from_at,
		.from_pk = h->from_pk,
		.limit = h->limit + 1 };
	enum err e = store_history_query(c->tx, &q, c->arena, &h->items, &h->n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	h->has_more = h->n > (size_t)h->limit;
	if (h->has_more) h->n--;
	if (h->cursor.is_prev) reverse(h->items, h->n);
	return ERR_OK;
}

/* ---- the answer ---- */
static enum err write_cursor(
	struct chat_ctx *c, struct jsonw *w, const char *key, const struct history *h, const struct message_version *at)
{
	struct cursor_text t;
	cursor_begin(&t);
	jsonw_kint(&t.w, "at", at->written_at);
	jsonw_kint(&t.w, "pk", at->pk);
	jsonw_kbool(&t.w, "up", h->ascending);
	cursor_value(&t, "f", h->filter_json);
	return cursor_end(c, &t, w, key);
}

/* Custom data lies beside the version's own keys in dialect 1, and may not take their place. */
static void settle(struct chat_ctx *c, struct message_version *v)
{
	if (c->dialect != DIALECT_1 || !span_given(v->custom)) return;
	yyjson_val *all = stored_json(c, v->custom);
	v->custom = custom_collect(c->arena, all, message_version_reserved);
}

static enum err write_list(struct chat_ctx *c, struct jsonw *w, struct history *h)
{
	jsonw_key(w, "message_history");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < h->n; i++) {
		settle(c, &h->items[i]);
		message_version_write(w, c->dialect, &h->items[i]);
	}
	jsonw_arr_end(w);
	return arena_failed(c->arena) ? chat_store_fail(c, ERR_UNAVAILABLE) : ERR_OK;
}

enum err chat_message_history(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	struct history h = { .n = 0 };
	enum err e = parse(c, body, &h);
	if (e == ERR_OK) e = find(c, &h);
	if (e == ERR_OK) e = write_list(c, w, &h);
	if (e != ERR_OK || h.n == 0) return e;
	bool has_next = h.cursor.is_prev || h.has_more, has_prev = h.cursor.is_prev ? h.has_more : h.cursor.place != NULL;
	if (has_next) e = write_cursor(c, w, "next", &h, &h.items[h.n - 1]);
	if (e == ERR_OK && has_prev) e = write_cursor(c, w, "prev", &h, &h.items[0]);
	return e;
}
