/* Deleting channels: at once for everybody who looks, then, where it must be for good, erasing in slices on the lane. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/channel_events.h"
#include "chat/channel_rules.h"
#include "wire/ids.h"

/* ---- marking ---- */

static enum err deleted_data(struct chat_ctx *c, const struct channel *ch, struct span *out)
{
	/* names of channels need no escaping */
	*out = arena_printf(c->arena, "{\"cid\":\"%.*s\",\"type\":\"%.*s\",\"id\":\"%.*s\"}", SPAN_FMT(ch->cid),
		SPAN_FMT(ch->type), SPAN_FMT(ch->id));
	return span_given(*out) ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}

static enum err tell_deleted(struct chat_ctx *c, const struct channel_ctx *x)
{
	struct event *ev;
	struct channel_news n = { .type = EVENT_CHANNEL_DELETED, .twin = EVENT_NOTIFICATION_CHANNEL_DELETED, .x = x };
	enum err e = channel_event_text(c, x, &n.channel_text);
	if (e == ERR_OK) e = deleted_data(c, &x->ch, &n.log_data);
	if (e == ERR_OK) e = channel_news_record(c, &n, &ev);
	if (e != ERR_OK) return e;
	ev->flags |= EVENT_DROP_WATCH;
	ev->move = MOVE_RESET;
	ev->seq = x->ch.counted_seq;
	return ERR_OK;
}

static enum err mark_erased(struct chat_ctx *c, const struct channel *ch)
{
	enum err e = store_channel_retire_name(c->tx, ch->pk);
	if (e == ERR_OK) e = store_erasure_add(c->tx, c->app->pk, SPAN("channel"), ch->cid, c->now_us);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

enum err chat_channel_remove(struct chat_ctx *c, struct channel_ctx *x, bool hard, bool keep_history)
{
	bool was_deleted = x->ch.deleted_at != 0;
	if (!was_deleted) {
		x->ch.deleted_at = x->ch.updated_at = c->now_us;
		x->ch.keep_history = keep_history;
		enum err e = channel_row_store(c, &x->ch);
		if (e == ERR_OK) e = tell_deleted(c, x);
		if (e != ERR_OK) return e;
	}
	return hard ? mark_erased(c, &x->ch) : ERR_OK;
}

/* ---- the task ---- */

#define PURGE_KIND "channels.purge"

static void write_purges(struct jsonw *w, const struct channel_purge *items, size_t n)
{
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n; i++) {
		jsonw_obj_begin(w);
		jsonw_kint(w, "channel_pk", items[i].channel_pk);
		jsonw_kstr(w, "cid", items[i].cid);
		jsonw_kint(w, "cut", items[i].cut);
		jsonw_obj_end(w);
	}
	jsonw_arr_end(w);
}

enum err chat_channel_purge(struct chat_ctx *c, const struct channel_purge *items, size_t n, struct span *task_id)
{
	char id[37];
	rng_uuid4(c->chat->rng, id);
	struct buf text;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	write_purges(&w, items, n);
	struct store_task t = { .id = arena_dup(c->arena, span_str(id)),
		.kind = SPAN(PURGE_KIND),
		.status = SPAN("waiting"),
		.input = buf_span(&text),
		.cursor = SPAN("0"),
		.app = c->app->pk,
		.created_at = c->now_us,
		.updated_at = c->now_us };
	enum err e = text.failed || !span_given(t.id) ? ERR_UNAVAILABLE : store_task_put(c->tx, &t);
	buf_deinit(&text);
	if (e != ERR_OK) return chat_store_fail(c, e);
	*task_id = t.id;
	return ERR_OK;
}

/* One slice of one channel. */
static enum err purge_slice(struct chat_ctx *c, const struct channel_purge *p, bool *more)
{
	*more = false;
	if (p->cut < 0) return ERR_OK;
	enum err e = store_channel_purge_messages(c->tx, p->channel_pk, p->cut > 0 ? p->cut : INT64_MAX, LIMIT_PURGE_SLICE, more);
	if (e != ERR_OK || *more || p->cut > 0) return e;
	return store_channel_blank(c->tx, p->channel_pk, LIMIT_PURGE_SLICE, more);
}

static struct channel_purge purge_read(yyjson_val *v)
{
	return (struct channel_purge){ .channel_pk = yyjson_get_sint(json_get(v, "channel_pk")),
		.cid = json_span(json_get(v, "cid")),
		.cut = yyjson_get_sint(json_get(v, "cut")) };
}

static enum err purge_result(struct chat_ctx *c, yyjson_val *items, struct span *out)
{
	struct buf text;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(items, i, n, v)
	{
		jsonw_key_span(&w, purge_read(v).cid);
		jsonw_raw(&w, SPAN("{\"status\":\"ok\"}"));
	}
	jsonw_obj_end(&w);
	*out = text.failed ? SPAN_NONE : arena_dup(c->arena, buf_span(&text));
	buf_deinit(&text);
	return span_given(*out) ? ERR_OK : ERR_UNAVAILABLE;
}

enum err chat_channel_delete_step(struct chat_ctx *c, struct store_task *t, bool *done)
{
	long long at = 0;
	bool more = false;
	yyjson_val *items = stored_json(c, t->input);
	size_t n = yyjson_arr_size(items);
	if (span_given(t->cursor) && !span_to_i64(t->cursor, &at)) at = 0;
	enum err e = ERR_OK;
	if ((size_t)at < n) {
		struct channel_purge p = purge_read(yyjson_arr_get(items, (size_t)at));
		e = purge_slice(c, &p, &more);
	}
	if (e == ERR_OK && !more) at++;
	bool is_done = (size_t)at >= n;
	if (e == ERR_OK && is_done) e = purge_result(c, items, &t->result);
	if (e != ERR_OK) return chat_store_fail(c, e);
	t->status = is_done ? SPAN("completed") : SPAN("running");
	t->cursor = arena_printf(c->arena, "%lld", at);
	t->updated_at = c->now_us;
	e = store_task_put(c->tx, t);
	if (e != ERR_OK) return chat_store_fail(c, e);
	*done = is_done;
	return ERR_OK;
}

/* ---- one channel ---- */

/* A server call may still erase what was only marked. */
static enum err load_for_deletion(struct chat_ctx *c, struct span type, struct span id, bool hard, struct channel_ctx *x)
{
	if (!hard) return chat_channel_load(c, type, id, x);
	*x = (struct channel_ctx){ .type = NULL };
	enum err e = store_channel_get(c->tx, c->app->pk, type, id, c->arena, &x->ch);
	if (e == ERR_NOT_FOUND)
		return chat_fail(c, ERR_NOT_FOUND, NULL, "channel %.*s:%.*s does not exist", SPAN_FMT(type), SPAN_FMT(id));
	return e == ERR_OK ? chat_channel_fill(c, x) : chat_store_fail(c, e);
}

static enum err check_options(struct chat_ctx *c, const struct channel_ctx *x, const struct delete_options *o)
{
	if (!o->skip_truncate) return ERR_OK;
	if (!chat_is_server(c)) return chat_fail(c, ERR_NOT_ALLOWED, "skip_truncate", "skip_truncate is for server calls only");
	if (o->hard || !span_starts(x->ch.id, SPAN("!members-")))
		return chat_fail(
			c, ERR_INPUT, "skip_truncate", "skip_truncate is for distinct channels, and not with hard_delete");
	return ERR_OK;
}

enum err chat_delete_channel(
	struct chat_ctx *c, struct span type, struct span id, const struct delete_options *o, struct jsonw *w)
{
	struct channel_ctx x;
	if (o->hard && !chat_is_server(c))
		return chat_fail(c, ERR_NOT_ALLOWED, "hard_delete", "hard_delete is for server calls only");
	enum err e = load_for_deletion(c, type, id, o->hard, &x);
	if (e == ERR_OK) e = chat_require(c, &x, "delete-channel", x.is_owner);
	if (e == ERR_OK) e = check_options(c, &x, o);
	if (e == ERR_OK) e = chat_channel_remove(c, &x, o->hard, o->skip_truncate);
	if (e == ERR_OK && o->hard) {
		struct channel_purge p = { .channel_pk = x.ch.pk, .cid = x.ch.cid };
		struct span task;
		e = chat_channel_purge(c, &p, 1, &task);
	}
	if (e != ERR_OK) return e;
	jsonw_key(w, "channel");
	chat_channel_write(c, w, &x, false);
	return ERR_OK;
}

/* ---- many ---- */

struct batch {
	struct channel_purge items[100]; /* LIMIT_CHANNELS_DELETE */
	const char *failed[100];         /* NULL = fine */
	size_t n;
};

static enum err delete_one(struct chat_ctx *c, struct span cid, bool hard, struct batch *b)
{
	struct channel_ctx x = { .type = NULL };
	struct span type, id;
	if (!cid_split(cid, &type, &id)) return chat_fail(c, ERR_INPUT, "cids", "%.*s is no cid", SPAN_FMT(cid));
	for (size_t i = 0; i < b->n; i++)
		if (span_eq(b->items[i].cid, cid)) return ERR_OK;
	struct channel_purge *p = &b->items[b->n];
	*p = (struct channel_purge){ .cid = cid, .cut = -1 };
	enum err e = store_channel_get(c->tx, c->app->pk, type, id, c->arena, &x.ch);
	bool missing = e == ERR_NOT_FOUND || (e == ERR_OK && x.ch.deleted_at != 0 && !hard) ||
		       (e == ERR_OK && chat_app_type(c->app, type) == NULL);
	b->failed[b->n++] = missing ? "the channel does not exist" : NULL;
	if (missing) return ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	e = chat_channel_fill(c, &x);
	if (e == ERR_OK) e = chat_channel_remove(c, &x, hard, false);
	p->channel_pk = x.ch.pk;
	p->cut = hard ? 0 : -1;
	return e;
}

static void write_results(struct jsonw *w, const struct batch *b)
{
	jsonw_key(w, "result");
	jsonw_obj_begin(w);
	for (size_t i = 0; i < b->n; i++) {
		jsonw_key_span(w, b->items[i].cid);
		jsonw_obj_begin(w);
		jsonw_kstr(w, "status", b->failed[i] != NULL ? SPAN("error") : SPAN("ok"));
		if (b->failed[i] != NULL) jsonw_kstr(w, "error", span_str(b->failed[i]));
		jsonw_obj_end(w);
	}
	jsonw_obj_end(w);
}

static enum err start_task(struct chat_ctx *c, const struct batch *b, struct jsonw *w)
{
	struct channel_purge done[BECK_COUNT(b->items)];
	size_t n = 0;
	for (size_t i = 0; i < b->n; i++)
		if (b->failed[i] == NULL) done[n++] = b->items[i];
	struct span task;
	enum err e = chat_channel_purge(c, done, n, &task);
	if (e == ERR_OK) jsonw_kstr(w, "task_id", task);
	return e;
}

enum err chat_delete_channels(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	yyjson_val *cids = json_get(body, "cids"), *v;
	size_t i, n = yyjson_arr_size(cids);
	bool hard = false;
	if (n == 0 || n > (size_t)LIMIT_CHANNELS_DELETE)
		return chat_fail(c, ERR_INPUT, "cids", "cids must hold 1 to %lld cids", (long long)LIMIT_CHANNELS_DELETE);
	struct batch *b = arena_new(c->arena, struct batch);
	enum err e = b != NULL ? take_bool(c, body, "hard_delete", &hard, NULL) : chat_store_fail(c, ERR_UNAVAILABLE);
	yyjson_arr_foreach(cids, i, n, v)
	{
		if (e == ERR_OK && !yyjson_is_str(v)) e = chat_fail(c, ERR_INPUT, "cids", "cids must be strings");
		if (e == ERR_OK) e = delete_one(c, json_span(v), hard, b);
	}
	if (e == ERR_OK) e = start_task(c, b, w);
	if (e == ERR_OK) write_results(w, b);
	return e;
}
