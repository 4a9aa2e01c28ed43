/* Windows over lists of messages: channels-and-messages.md 5. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/message_parts.h"
#include "wire/ids.h"

struct window {
	const char *key;
	enum page_family family;
	bool is_time;
};
static const struct window windows[] = {
	{ "id_lt", PAGE_ID_LT, false },
	{ "id_lte", PAGE_ID_LTE, false },
	{ "id_gt", PAGE_ID_GT, false },
	{ "id_gte", PAGE_ID_GTE, false },
	{ "id_around", PAGE_ID_AROUND, false },
	{ "created_at_before", PAGE_BEFORE, true },
	{ "created_at_before_or_equal", PAGE_BEFORE_EQ, true },
	{ "created_at_after", PAGE_AFTER, true },
	{ "created_at_after_or_equal", PAGE_AFTER_EQ, true },
	{ "created_at_around", PAGE_AROUND, true },
};
static const struct window pinned_windows[] = {
	{ "id_lt", PAGE_ID_LT, false },
	{ "id_lte", PAGE_ID_LTE, false },
	{ "id_gt", PAGE_ID_GT, false },
	{ "id_gte", PAGE_ID_GTE, false },
	{ "id_around", PAGE_ID_AROUND, false },
	{ "pinned_at_before", PAGE_BEFORE, true },
	{ "pinned_at_before_or_equal", PAGE_BEFORE_EQ, true },
	{ "pinned_at_after", PAGE_AFTER, true },
	{ "pinned_at_after_or_equal", PAGE_AFTER_EQ, true },
	{ "pinned_at_around", PAGE_AROUND, true },
};

static enum err parse_window(struct chat_ctx *c, yyjson_val *obj, const struct window *win, struct page *p)
{
	yyjson_val *v = json_get(obj, win->key);
	if (!value_given(v)) return ERR_OK;
	int64_t at = 0;
	if (win->is_time) {
		enum err e = draft_time(c, v, win->key, &at);
		if (e != ERR_OK || at == 0) return e;
	} else if (!message_id_valid(json_span(v))) {
		return chat_fail(c, ERR_INPUT, win->key, "%s must be a message id", win->key);
	}
	if (p->family != PAGE_NEWEST) return chat_fail(c, ERR_INPUT, win->key, "at most one paging parameter");
	p->family = win->family;
	p->time_us = at;
	p->id = win->is_time ? SPAN_NONE : json_span(v);
	return ERR_OK;
}

static enum err parse(struct chat_ctx *c, yyjson_val *obj, const struct window *wins, size_t count, int64_t default_limit,
	int64_t max_limit, struct page *out)
{
	struct page p = { .family = PAGE_NEWEST };
	if (obj && !yyjson_is_null(obj) && !yyjson_is_obj(obj))
		return chat_fail(c, ERR_INPUT, "messages", "paging must be an object");
	enum err e = take_int(c, obj, "limit", 0, max_limit, &p.limit, NULL);
	if (e == ERR_OK) e = take_int(c, obj, "offset", 0, LIMIT_QUERY_OFFSET, &p.offset, NULL);
	for (size_t i = 0; e == ERR_OK && i < count; i++) e = parse_window(c, obj, &wins[i], &p);
	if (e != ERR_OK) return e;
	if (p.limit == 0) p.limit = default_limit;
	*out = p;
	return ERR_OK;
}

enum err chat_page_parse(struct chat_ctx *c, yyjson_val *obj, int64_t default_limit, int64_t max_limit, struct page *out)
{
	return parse(c, obj, windows, BECK_COUNT(windows), default_limit, max_limit, out);
}

/* ---- running ---- */
typedef enum err (*page_query)(struct store_tx *tx, const struct store_page *p, struct arena *a, struct message **out, size_t *n);

static struct store_page base_of(struct chat_ctx *c, const struct channel_ctx *x, int64_t parent_pk)
{
	return (struct store_page){ .channel_pk = x->ch.pk,
		.parent_pk = parent_pk,
		.viewer_pk = c->me.pk,
		.viewer_id = c->me.id,
		.sees_all = sees_all(c),
		.cut_us = history_cut(x),
		.at_id = SPAN(""),
		.now_us = c->now_us,
		.hides = chat_viewer_hides(c) };
}

/* The position an id stands for. An id that is not of this list is unknown here. */
static enum err locate(struct chat_ctx *c, const struct channel_ctx *x, struct store_page *q, struct span id, bool is_pinned)
{
	struct message m;
	enum err e = store_message_get(c->tx, c->app->pk, id, c->arena, &m);
	if (e != ERR_OK && e != ERR_NOT_FOUND) return chat_store_fail(c, e);
	bool known = e == ERR_OK && m.channel_pk == x->ch.pk && message_visible(c, x, &m) && (!is_pinned || m.pinned);
	if (known && !is_pinned && q->parent_pk) known = m.parent_pk == q->parent_pk || m.pk == q->parent_pk;
	if (!known) return chat_fail(c, ERR_NOT_FOUND, "id", "message %.*s does not exist here", SPAN_FMT(id));
	q->at_us = is_pinned ? m.pinned_at : m.created_at;
	q->at_id = m.id;
	return ERR_OK;
}

static void set_op(const struct page *p, struct store_page *q)
{
	q->limit = p->limit;
	switch (p->family) {
	case PAGE_NEWEST:
		q->op = STORE_PAGE_LT;
		q->at_us = INT64_MAX;
		break;
	case PAGE_ID_LT: q->op = STORE_PAGE_LT; break;
	case PAGE_ID_LTE: q->op = STORE_PAGE_LTE; break;
	case PAGE_ID_GT: q->op = STORE_PAGE_GT; break;
	case PAGE_ID_GTE:
	case PAGE_ID_AROUND: q->op = STORE_PAGE_GTE; break;
	/* times: every id of that moment lies between (t, "") and (t + 1, "") */
	case PAGE_BEFORE:
		q->op = STORE_PAGE_LT;
		q->at_us = p->time_us;
		break;
	case PAGE_BEFORE_EQ:
		q->op = STORE_PAGE_LT;
		q->at_us = p->time_us + 1;
		break;
	case PAGE_AFTER:
		q->op = STORE_PAGE_GTE;
		q->at_us = p->time_us + 1;
		break;
	case PAGE_AFTER_EQ:
	case PAGE_AROUND:
		q->op = STORE_PAGE_GTE;
		q->at_us = p->time_us;
		break;
	}
}

static void reverse(struct message *m, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct message swap = m[i];
		m[i] = m[n - 1 - i];
		m[n - 1 - i] = swap;
	}
}

/* Half of the limit on each side; the target itself comes on top. Oldest first. */
static enum err run_around(
	struct chat_ctx *c, const struct page *p, struct store_page *q, bool is_pinned, struct message **out, size_t *n)
{
	page_query query = is_pinned ? store_messages_pinned : store_messages_page;
	struct message *before = NULL, *after = NULL;
	size_t n_before = 0, n_after = 0, half = (size_t)p->limit / 2;
	struct store_page back = *q;
	back.op = STORE_PAGE_LT;
	back.limit = (int64_t)half;
	q->limit = (int64_t)half + 1;
	enum err e = query(c->tx, &back, c->arena, &before, &n_before);
	if (e == ERR_OK) e = query(c->tx, q, c->arena, &after, &n_after);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (is_pinned) reverse(before, n_before);
	bool has_target = n_after > 0 &&
			  (p->family == PAGE_ID_AROUND || (is_pinned ? after[0].pinned_at : after[0].created_at) == p->time_us);
	if (!has_target && n_after > half) n_after = half;
	struct message *all = arena_array(c->arena, struct message, n_before + n_after);
	if (n_before + n_after && !all) return chat_store_fail(c, ERR_UNAVAILABLE);
	if (n_before) memcpy(all, before, n_before * sizeof *all);
	if (n_after) memcpy(all + n_before, after, n_after * sizeof *all);
	*out = all;
	*n = n_before + n_after;
	return ERR_OK;
}

static enum err fill(struct chat_ctx *c, const struct channel_ctx *x, struct message *m, size_t n)
{
	enum err e = message_fill(c, &x->ch, m, n);
	if (e == ERR_OK) message_hide_quotes(c, m, n);
	return e;
}

static enum err run(struct chat_ctx *c, const struct channel_ctx *x, const struct page *p, struct store_page *q, bool is_pinned,
	struct message **out, size_t *n)
{
	page_query query = is_pinned ? store_messages_pinned : store_messages_page;
	enum err e = ERR_OK;
	if (span_given(p->id)) e = locate(c, x, q, p->id, is_pinned);
	if (e != ERR_OK) return e;
	set_op(p, q);
	if (p->family == PAGE_ID_AROUND || p->family == PAGE_AROUND) {
		e = run_around(c, p, q, is_pinned, out, n);
		return e == ERR_OK ? fill(c, x, *out, *n) : e;
	}
	e = query(c->tx, q, c->arena, out, n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	return fill(c, x, *out, *n);
}

enum err chat_messages_page(
	struct chat_ctx *c, const struct channel_ctx *x, const struct page *p, struct message **out, size_t *n)
{
	struct store_page q = base_of(c, x, 0);
	struct page wide = *p;
	if (p->family != PAGE_NEWEST) return run(c, x, p, &q, false, out, n);
	wide.limit += p->offset; /* older clients page by offset, counted from the newest */
	enum err e = run(c, x, &wide, &q, false, out, n);
	if (e == ERR_OK) *n = *n > (size_t)p->offset ? *n - (size_t)p->offset : 0;
	return e;
}

enum err chat_replies_page(struct chat_ctx *c, const struct channel_ctx *x, const struct message *parent, const struct page *p,
	struct message **out, size_t *n)
{
	struct store_page q = base_of(c, x, parent->pk);
	return run(c, x, p, &q, false, out, n);
}

enum err chat_messages_pinned(struct chat_ctx *c, const struct channel_ctx *x, int64_t limit, struct message **out, size_t *n)
{
	struct store_page q = base_of(c, x, 0);
	struct page p = { .family = PAGE_NEWEST, .limit = limit };
	return run(c, x, &p, &q, true, out, n);
}

static bool sorts_ascending(yyjson_val *sort)
{
	if (yyjson_is_arr(sort)) sort = yyjson_arr_get_first(sort);
	yyjson_val *direction = json_get(sort, "direction");
	if (!direction) direction = json_get(sort, "pinned_at");
	return yyjson_is_num(direction) && yyjson_get_num(direction) > 0;
}

enum err chat_pinned_page(struct chat_ctx *c, const struct channel_ctx *x, yyjson_val *payload, struct message **out, size_t *n)
{
	struct page p;
	struct store_page q = base_of(c, x, 0);
	bool ascending = sorts_ascending(json_get(payload, "sort"));
	enum err e = parse(c, payload, pinned_windows, BECK_COUNT(pinned_windows), 100, LIMIT_PAGE_MESSAGES, &p);
	if (e != ERR_OK) return e;
	if (p.family == PAGE_NEWEST && ascending) p.family = PAGE_AFTER;
	e = run(c, x, &p, &q, true, out, n);
	if (e != ERR_OK) return e;
	/* The store gives each window in its own direction; the answer is in the one asked for. */
	bool came_ascending = q.op == STORE_PAGE_GT || q.op == STORE_PAGE_GTE;
	if (came_ascending != ascending) reverse(*out, *n);
	return ERR_OK;
}
