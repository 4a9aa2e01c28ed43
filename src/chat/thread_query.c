/* Lists of a user's threads, page by page. A page is named by a cursor that carries filter, sort and place, so that what the next
 * request says of them does not matter. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/cursor.h"
#include "chat/thread_parts.h"

enum {
	DEFAULT_THREADS = 10,
	DEFAULT_REPLIES = 2,
	ROUNDS = 8, /* pages looked through when many threads lie in channels he may not read any more */
	CURSOR_BYTES = 16384
};

struct item {
	struct store_thread thread;
	struct message parent;
	const struct channel_ctx *x;
};
struct thread_list {
	struct thread_channels channels;
	struct item *items;
	size_t n;
	struct thread_want want;
	struct filter filter;
	struct sort sort;
	yyjson_val *filter_json, *sort_json;
	int64_t limit, offset, end; /* rows offset .. end of the whole list are this page's; end 0: as many as fit */
	bool has_more;
};

/* ---- the request ---- */
static enum err take_error(struct chat_ctx *c, enum err e, const struct error *why)
{
	if (why->err == ERR_OK) return chat_store_fail(c, e);
	c->error = *why;
	return e;
}

static enum err take_place(struct chat_ctx *c, yyjson_val *body, struct thread_list *l)
{
	struct cursor cur;
	enum err e = cursor_take(c, body, &cur);
	l->filter_json = json_get(cur.place ? cur.place : body, cur.place ? "f" : "filter");
	l->sort_json = json_get(cur.place ? cur.place : body, cur.place ? "s" : "sort");
	if (e != ERR_OK || !cur.place) return e;
	yyjson_val *offset = json_get(cur.place, "o"), *end = json_get(cur.place, "e");
	if (!yyjson_is_int(offset) || yyjson_get_sint(offset) < 0 || !yyjson_is_int(end) || yyjson_get_sint(end) < 0)
		return cursor_refuse(c, &cur);
	l->offset = yyjson_get_sint(offset);
	l->end = yyjson_get_sint(end);
	return ERR_OK;
}

static enum err take_numbers(struct chat_ctx *c, yyjson_val *body, struct thread_list *l)
{
	int64_t limit = 0, replies = 0, participants = 0, members = 0;
	enum err e = take_int(c, body, "limit", 0, LIMIT_THREADS, &limit, NULL);
	if (e == ERR_OK) e = take_int(c, body, "reply_limit", 0, LIMIT_THREAD_PARTS, &replies, NULL);
	if (e == ERR_OK) e = take_int(c, body, "participant_limit", 0, LIMIT_THREAD_PARTS, &participants, NULL);
	if (e == ERR_OK) e = take_int(c, body, "member_limit", 0, LIMIT_PAGE_MEMBERS, &members, NULL);
	l->limit = limit > 0 ? limit : DEFAULT_THREADS;
	l->want.replies = replies > 0 ? replies : DEFAULT_REPLIES;
	l->want.participants = participants > 0 ? participants : LIMIT_THREAD_PARTS;
	return e;
}

static enum err parse(struct chat_ctx *c, yyjson_val *body, struct thread_list *l)
{
	struct error why = { 0 };
	enum err e = take_numbers(c, body, l);
	if (e == ERR_OK) e = take_place(c, body, l);
	if (e != ERR_OK) return e;
	e = filter_parse(c->arena, l->filter_json, &l->filter, &why);
	if (e == ERR_OK) e = filter_check(c->arena, &l->filter, store_thread_fields, store_thread_field_count, false, &why);
	if (e == ERR_OK) e = sort_parse(c->arena, l->sort_json, &l->sort, &why);
	if (e == ERR_OK) e = sort_check(&l->sort, store_thread_sorts, store_thread_sort_count, false, &why);
	return e == ERR_OK ? ERR_OK : take_error(c, e, &why);
}

/* ---- finding ---- */
static enum err load_channel(struct chat_ctx *c, int64_t pk, struct channel_ctx *x)
{
	enum err e = store_channel_get_pk(c->tx, pk, c->arena, &x->ch);
	if (e == ERR_OK) return chat_channel_fill(c, x);
	return e == ERR_NOT_FOUND ? e : chat_store_fail(c, e);
}

/* NULL in *out: he may not read it. */
static enum err channel_of(struct chat_ctx *c, struct thread_list *l, int64_t pk, const struct channel_ctx **out)
{
	struct thread_channels *known = &l->channels;
	*out = NULL;
	for (size_t i = 0; i < known->n; i++)
		if (known->items[i].ch.pk == pk) *out = &known->items[i];
	if (*out != NULL) return ERR_OK;
	struct channel_ctx *x = &known->items[known->n];
	*x = (struct channel_ctx){ 0 };
	enum err e = load_channel(c, pk, x);
	if (e == ERR_NOT_FOUND) c->error = (struct error){ 0 };
	if (e != ERR_OK) return e == ERR_NOT_FOUND ? ERR_OK : e;
	if (!chat_channel_readable(c, x)) return ERR_OK;
	known->n++;
	*out = x;
	return ERR_OK;
}

static enum err take_row(struct chat_ctx *c, struct thread_list *l, const struct store_thread *row)
{
	struct item *item = &l->items[l->n];
	*item = (struct item){ .thread = *row };
	enum err e = channel_of(c, l, row->channel_pk, &item->x);
	if (e != ERR_OK || item->x == NULL) return e;
	e = store_messages_get_pk(c->tx, &row->parent_pk, 1, c->arena, &item->parent);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (item->parent.pk != 0 && message_visible(c, item->x, &item->parent)) l->n++;
	return ERR_OK;
}

/* Rows from q->offset on, which moves behind the last one looked at. One more is asked for, to see whether there is more. */
static enum err take_rows(struct chat_ctx *c, struct thread_list *l, struct store_thread_query *q)
{
	struct store_thread *rows;
	size_t n;
	q->limit = l->limit + 1;
	enum err e = store_threads_query(c->tx, q, c->arena, &rows, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	size_t i = 0;
	while (e == ERR_OK && i < n && l->n < (size_t)l->limit && (l->end == 0 || q->offset < l->end)) {
		e = take_row(c, l, &rows[i++]);
		q->offset++;
	}
	l->has_more = i < n || n == (size_t)q->limit;
	return e;
}

static enum err find(struct chat_ctx *c, struct thread_list *l)
{
	struct store_thread_query q = {
		.app = c->app->pk, .user_pk = c->me.pk, .filter = &l->filter, .sort = &l->sort, .offset = l->offset
	};
	l->items = arena_array(c->arena, struct item, (size_t)l->limit + 1);
	l->channels.items = arena_array(c->arena, struct channel_ctx, ROUNDS * ((size_t)l->limit + 1));
	if (l->items == NULL || l->channels.items == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	enum err e = ERR_OK;
	bool is_full = false;
	for (int round = 0; e == ERR_OK && !is_full && round < ROUNDS; round++) {
		e = take_rows(c, l, &q);
		is_full = !l->has_more || l->n == (size_t)l->limit || (l->end != 0 && q.offset >= l->end);
	}
	l->end = q.offset;
	return e;
}

enum err chat_query_threads(struct chat_ctx *c, yyjson_val *body, struct thread_list **out)
{
	struct thread_list *l = arena_new(c->arena, struct thread_list);
	if (l == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	if (c->me.pk == 0) return chat_fail(c, ERR_INPUT, "user_id", "user_id or user is required: whose threads?");
	enum err e = parse(c, body, l);
	if (e == ERR_OK) e = find(c, l);
	*out = l;
	return e;
}

const struct thread_channels *thread_list_channels(const struct thread_list *l) { return &l->channels; }

/* ---- the answer ---- */
static enum err write_cursor(
	struct chat_ctx *c, struct jsonw *w, const char *key, const struct thread_list *l, int64_t offset, int64_t end)
{
	struct cursor_text t;
	cursor_begin(&t);
	jsonw_kint(&t.w, "o", offset);
	jsonw_kint(&t.w, "e", end);
	cursor_value(&t, "f", l->filter_json);
	cursor_value(&t, "s", l->sort_json);
	return cursor_end(c, &t, w, key);
}

enum err thread_list_write(struct chat_ctx *c, const struct thread_list *l, struct jsonw *w)
{
	enum err e = ERR_OK;
	jsonw_key(w, "threads");
	jsonw_arr_begin(w);
	for (size_t i = 0; e == ERR_OK && i < l->n; i++)
		e = thread_write(c, w, l->items[i].x, &l->items[i].thread, &l->items[i].parent, &l->want);
	jsonw_arr_end(w);
	if (e == ERR_OK && l->has_more) e = write_cursor(c, w, "next", l, l->end, 0);
	int64_t before = l->offset > l->limit ? l->offset - l->limit : 0;
	if (e == ERR_OK && l->offset > 0) e = write_cursor(c, w, "prev", l, before, l->offset);
	return e;
}

/* ---- one ---- */
enum err chat_get_thread(
	struct chat_ctx *c, struct span id, const struct thread_want *want, struct channel_ctx *x, struct jsonw *w)
{
	struct message parent;
	struct store_thread t;
	enum err e = message_load(c, id, x, &parent);
	if (e != ERR_OK) return e;
	e = store_thread_get(c->tx, parent.pk, &t);
	if (e == ERR_NOT_FOUND) return chat_fail(c, ERR_NOT_FOUND, NULL, "message %.*s has no thread", SPAN_FMT(id));
	if (e != ERR_OK) return chat_store_fail(c, e);
	jsonw_key(w, "thread");
	return thread_write(c, w, x, &t, &parent, want);
}
