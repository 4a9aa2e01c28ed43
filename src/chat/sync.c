/* POST /sync: what happened in these channels since a time. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/message_rules.h"
#include "chat/replay_parts.h"
#include "wire/ids.h"

/* Rows looked at for each event that may be answered: some are not for him, and must not be counted. Reads that others hid are
 * dropped before rendering, so that how many there are shows in nothing. */
enum { ROWS_PER_EVENT = 4, RAW_ROWS_PER_EVENT = 20 };

struct sync_list {
	struct channel_ctx *items; /* those he may read */
	int64_t *pks;
	size_t n;
	struct span *inaccessible; /* cids */
	size_t inaccessible_n;
};

static enum err take_channels(struct chat_ctx *c, yyjson_val *cids, struct sync_list *l)
{
	size_t count = yyjson_arr_size(cids), i, n;
	if (!yyjson_is_arr(cids) || count > (size_t)LIMIT_SYNC_CIDS)
		return chat_fail(c, ERR_INPUT, "channel_cids", "channel_cids must be an array of at most %lld cids",
			(long long)LIMIT_SYNC_CIDS);
	l->items = arena_array(c->arena, struct channel_ctx, count + 1);
	l->pks = arena_array(c->arena, int64_t, count + 1);
	l->inaccessible = arena_array(c->arena, struct span, count + 1);
	if (!l->items || !l->pks || !l->inaccessible) return chat_store_fail(c, ERR_UNAVAILABLE);
	yyjson_val *v;
	yyjson_arr_foreach(cids, i, n, v)
	{
		struct span type, id;
		struct channel_ctx x;
		if (!cid_split(json_span(v), &type, &id))
			return chat_fail(c, ERR_INPUT, "channel_cids", "channel_cids must hold cids");
		enum err e = chat_channel_load(c, type, id, &x);
		if (e == ERR_OK) {
			l->items[l->n] = x;
			l->pks[l->n++] = x.ch.pk;
		} else if (e == ERR_NOT_FOUND || e == ERR_NOT_ALLOWED) {
			c->error = (struct error){ 0 };
			l->inaccessible[l->inaccessible_n++] = json_span(v);
		} else {
			return e;
		}
	}
	return ERR_OK;
}

static enum err take_since(struct chat_ctx *c, yyjson_val *v, int64_t *since)
{
	enum err e = draft_time(c, v, "last_sync_at", since);
	if (e != ERR_OK) return e;
	if (*since == 0) return chat_fail(c, ERR_INPUT, "last_sync_at", "last_sync_at is required");
	if (*since < c->now_us - LIMIT_SYNC_DAYS * 86400 * 1000000)
		return chat_fail(
			c, ERR_INPUT, "last_sync_at", "last_sync_at is more than %lld days ago", (long long)LIMIT_SYNC_DAYS);
	return ERR_OK;
}

static enum err too_many(struct chat_ctx *c)
{
	return chat_fail(c, ERR_INPUT, "last_sync_at", "more than %lld events since then; use a more recent last_sync_at",
		(long long)LIMIT_SYNC_EVENTS);
}

static enum err too_large(struct chat_ctx *c)
{
	return chat_fail(c, ERR_INPUT, "last_sync_at",
		"the events since then are more than %lld bytes; use a more recent last_sync_at, or fewer channels",
		(long long)LIMIT_SYNC_BYTES);
}

static bool is_hidden_read(const struct chat_ctx *c, const struct store_event *row)
{
	if (row->actor_pk == c->me.pk || !span_is(row->type, "message.read")) return false;
	struct span mark = SPAN("\"hidden\":true");
	for (size_t i = 0; i + mark.n <= row->data.n; i++)
		if (memcmp(row->data.p + i, mark.p, mark.n) == 0) return true;
	return false;
}

static enum err load_rows(struct chat_ctx *c, const struct sync_list *l, int64_t since, struct store_event **rows, size_t *n)
{
	size_t count = 0;
	int64_t most = LIMIT_SYNC_EVENTS * RAW_ROWS_PER_EVENT;
	enum err e = store_events_since(c->tx, c->app->pk, c->me.pk, l->pks, l->n, since, most + 1, c->arena, rows, &count);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (count > (size_t)most) return too_many(c);
	*n = 0;
	for (size_t i = 0; i < count; i++)
		if (!is_hidden_read(c, &(*rows)[i])) (*rows)[(*n)++] = (*rows)[i];
	return *n > (size_t)(LIMIT_SYNC_EVENTS * ROWS_PER_EVENT) ? too_many(c) : ERR_OK;
}

static enum err render(struct chat_ctx *c, const struct sync_list *l, int64_t since, struct replayed *out)
{
	struct store_event *rows = NULL;
	size_t count = 0;
	struct replay_options o = { .watched = l->pks, .watched_n = l->n, .is_sync = true };
	o.most_bytes = (size_t)LIMIT_SYNC_BYTES;
	if (l->n == 0) return ERR_OK;
	enum err e = load_rows(c, l, since, &rows, &count);
	if (e != ERR_OK) return e;
	out->events = arena_array(c->arena, struct event *, count + 1);
	if (!out->events) return chat_store_fail(c, ERR_UNAVAILABLE);
	e = replay_render(c, rows, count, &o, out);
	if (e != ERR_OK) return e;
	if (out->n > (size_t)LIMIT_SYNC_EVENTS) return too_many(c);
	return out->rows < count || out->bytes > (size_t)LIMIT_SYNC_BYTES ? too_large(c) : ERR_OK;
}

/* A body lacks its closing brace, which sessions add with the counts. */
static void write_event(struct jsonw *w, struct span body)
{
	jsonw_raw(w, body);
	buf_add_char(w->out, '}');
}

static void write_removed(struct chat_ctx *c, struct jsonw *w, struct span cid)
{
	struct span type, id;
	if (!cid_split(cid, &type, &id)) return;
	jsonw_obj_begin(w);
	jsonw_kstr(w, "type", SPAN("notification.removed_from_channel"));
	jsonw_ktime(w, "created_at", DIALECT_1, c->now_us);
	jsonw_kstr(w, "cid", cid);
	jsonw_kstr(w, "channel_type", type);
	jsonw_kstr(w, "channel_id", id);
	jsonw_key(w, "channel");
	jsonw_obj_begin(w);
	jsonw_kstr(w, "id", id);
	jsonw_kstr(w, "type", type);
	jsonw_kstr(w, "cid", cid);
	jsonw_obj_end(w);
	jsonw_obj_end(w);
}

static void write_answer(struct chat_ctx *c, struct jsonw *w, const struct sync_list *l, struct event *const *events, size_t n,
	bool with_inaccessible)
{
	jsonw_key(w, "events");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n; i++) write_event(w, blob_span(events[i]->body));
	for (size_t i = 0; i < l->inaccessible_n; i++) write_removed(c, w, l->inaccessible[i]);
	jsonw_arr_end(w);
	if (!with_inaccessible) return;
	jsonw_key(w, "inaccessible_cids");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < l->inaccessible_n; i++) jsonw_str(w, l->inaccessible[i]);
	jsonw_arr_end(w);
}

static enum err run(struct chat_ctx *c, yyjson_val *body, bool with_inaccessible, struct jsonw *w)
{
	int64_t since = 0;
	struct sync_list l = { 0 };
	struct replayed r = { 0 };
	enum err e = take_since(c, json_get(body, "last_sync_at"), &since);
	if (e == ERR_OK) e = take_channels(c, json_get(body, "channel_cids"), &l);
	if (e == ERR_OK) e = render(c, &l, since, &r);
	if (e == ERR_OK) write_answer(c, w, &l, r.events, r.n, with_inaccessible);
	for (size_t i = 0; i < r.n; i++) event_unref(r.events[i]);
	return e;
}

static enum err require_user(struct chat_ctx *c)
{
	return c->me.pk == 0 && chat_is_server(c) ? chat_fail(c, ERR_INPUT, "user_id", "a server call names the user in user_id")
						  : ERR_OK;
}

enum err chat_sync(struct chat_ctx *c, yyjson_val *body, bool with_inaccessible, struct jsonw *w)
{
	enum err e = require_user(c);
	if (e != ERR_OK) return e;
	/* A server sees here what that user would see. */
	enum caller_kind caller = c->caller;
	if (chat_is_server(c)) c->caller = CALLER_USER;
	e = run(c, body, with_inaccessible, w);
	c->caller = caller;
	return e;
}

enum err chat_sync_channels(struct chat_ctx *c, yyjson_val *body, struct channel_ctx **out, size_t *n)
{
	struct sync_list l = { 0 };
	enum err e = require_user(c);
	if (e == ERR_OK) e = take_channels(c, json_get(body, "channel_cids"), &l);
	if (e != ERR_OK) return e;
	*out = l.items;
	*n = l.n;
	return ERR_OK;
}
