/* Channels: query, create, watch, change, delete. */
#include "api/handlers.h"
#include "api/subscribe.h"
#include "base/limits.h"

/* ---- subscriptions ---- */

enum err api_subscribe_room(struct api_call *c, size_t channels, size_t presence)
{
	struct arena *a = &c->arena;
	c->subscribe.channels = arena_array(a, int64_t, channels + 1);
	c->subscribe.quiet = arena_array(a, bool, channels + 1);
	c->subscribe.first = arena_array(a, bool, channels + 1);
	c->subscribe.lost = arena_array(a, bool, channels + 1);
	c->subscribe.watcher_count = arena_array(a, int64_t, channels + 1);
	c->subscribe.presence = arena_array(a, int64_t, presence + 1);
	c->subscribe.presence_causes = arena_array(a, int64_t, presence + 1);
	c->subscribe.presence_lost = arena_array(a, bool, presence + 1);
	return arena_failed(a) ? chat_store_fail(&c->chat, ERR_UNAVAILABLE) : ERR_OK;
}

static bool listed(const int64_t *pks, size_t n, int64_t pk)
{
	for (size_t i = 0; i < n; i++)
		if (pks[i] == pk) return true;
	return false;
}

void api_subscribe_keep(struct api_call *c, const struct channel_ctx *x, size_t n)
{
	for (size_t i = 0; i < c->subscribe.channel_count; i++) {
		size_t k = 0;
		while (k < n && x[k].ch.pk != c->subscribe.channels[i]) k++;
		c->subscribe.lost[i] = k == n;
	}
}

void api_subscribe_keep_users(struct api_call *c, const int64_t *pks, size_t n)
{
	for (size_t i = 0; i < c->subscribe.presence_count; i++)
		c->subscribe.presence_lost[i] = !listed(pks, n, c->subscribe.presence[i]);
}

struct followed {
	int64_t *pks, *causes;
	size_t n;
};

static enum err list_followed(struct api_call *c, const struct channel_ctx *x, size_t n, const struct channel_want *want,
	int64_t presence_max, struct followed *f)
{
	for (size_t i = 0; i < n; i++) {
		int64_t left = LIMIT_PRESENCE_PER_SESSION - (int64_t)f->n;
		enum err e = chat_presence_users(&c->chat, &x[i], want->members_limit, left < presence_max ? left : presence_max,
			f->pks, f->causes, &f->n);
		if (e != ERR_OK) return e;
	}
	return ERR_OK;
}

enum err api_subscribe_channels(
	struct api_call *c, const struct channel_ctx *x, size_t n, const struct channel_want *want, int64_t presence_max)
{
	enum err e = api_subscribe_room(c, n, want->presence ? (size_t)LIMIT_PRESENCE_PER_SESSION : 0);
	if (e != ERR_OK) return e;
	for (size_t i = 0; want->watch && i < n; i++) {
		c->subscribe.channels[i] = x[i].ch.pk;
		c->subscribe.quiet[i] = !x[i].effective.connect_events;
	}
	struct followed f = { c->subscribe.presence, c->subscribe.presence_causes, 0 };
	if (want->presence) e = list_followed(c, x, n, want, presence_max, &f);
	if (e != ERR_OK) return e;
	c->subscribe.presence_count = f.n;
	c->subscribe.channel_count = want->watch ? n : 0;
	c->subscribe.wanted = true;
	return ERR_OK;
}

/* Whom a channel brought that is left out now, and no other one. */
static enum err keep_followed(struct api_call *c, const struct channel_list *l)
{
	size_t most = (size_t)LIMIT_PRESENCE_PER_SESSION;
	if (c->subscribe.presence_count == 0) return ERR_OK;
	struct followed f = { arena_array(&c->arena, int64_t, most + 1), arena_array(&c->arena, int64_t, most + 1), 0 };
	if (arena_failed(&c->arena)) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	enum err e = list_followed(c, l->items, l->n, &l->want, LIMIT_PRESENCE_PER_SESSION, &f);
	if (e == ERR_OK) api_subscribe_keep_users(c, f.pks, f.n);
	return e;
}

enum err api_check_connection(struct api_call *c)
{
	if (c->subscribe.found) return ERR_OK;
	return chat_fail(&c->chat, ERR_CONNECTION_ID, "connection_id", "there is no connection %.*s",
		SPAN_FMT(c->subscribe.connection_id));
}

/* Second run, reading after the subscription: an event may be in state and stream, never in neither. */
enum err api_announce_watch(struct api_call *c, const struct channel_ctx *x)
{
	for (size_t i = 0; i < c->subscribe.channel_count; i++) {
		bool is_first = c->subscribe.first[i] || (c->subscribe.is_new && c->subscribe.watcher_count[i] > 0);
		if (c->subscribe.channels[i] != x->ch.pk || !is_first) continue;
		return chat_watch_announce(&c->chat, x, true, c->subscribe.watcher_count[i]);
	}
	return ERR_OK;
}

static enum err write_state(struct api_call *c, struct jsonw *w, const struct channel_ctx *x, const struct channel_want *want)
{
	struct state_writer *s = chat_state_begin(&c->chat);
	if (s == NULL) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	enum err e = chat_state_write(s, w, x, want);
	chat_state_end(s);
	return e;
}

/* ---- get or create ---- */

static enum err get_or_create(struct api_call *c, struct span id)
{
	struct channel_want want;
	struct channel_ctx x;
	enum err e = chat_want_parse(&c->chat, c->body, c->chat.dialect == DIALECT_2, &want);
	bool subscribes = e == ERR_OK && (want.watch || want.presence);
	if (e == ERR_OK) e = api_acting_user(c, c->body, true);
	if (e == ERR_OK && subscribes) e = api_require_connection(c);
	if (e == ERR_OK && c->subscribe.done) e = api_check_connection(c);
	if (subscribes) want.connection_id = c->subscribe.connection_id;
	if (e == ERR_OK) e = chat_get_or_create(&c->chat, c->params[0], id, &want, &x);
	if (e != ERR_OK) return e;
	if (!c->subscribe.done) c->subscribe.is_new = x.is_new;
	if (subscribes && !c->subscribe.done) return api_subscribe_channels(c, &x, 1, &want, LIMIT_PRESENCE_PER_WATCH);
	if (subscribes) e = api_announce_watch(c, &x);
	return e == ERR_OK ? write_state(c, &c->out, &x, &want) : e;
}

enum err api_get_or_create_channel(struct api_call *c) { return get_or_create(c, c->params[1]); }
enum err api_get_or_create_distinct_channel(struct api_call *c) { return get_or_create(c, SPAN_NONE); }

/* ---- get ---- */

/* The window parameters of the query as the object that paging reads. */
static enum err page_from_query(struct api_call *c, struct page *out)
{
	static const char *const ids[] = { "id_lt", "id_lte", "id_gt", "id_gte", "id_around" };
	struct buf text;
	buf_init(&text, (size_t)LIMIT_URL_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	for (size_t i = 0; i < BECK_COUNT(ids); i++) {
		char name[32] = "messages_";
		memcpy(name + strlen(name), ids[i], strlen(ids[i]) + 1);
		struct span v = api_query(c, name);
		if (span_given(v)) jsonw_kstr(&w, ids[i], v);
	}
	jsonw_obj_end(&w);
	const char *why;
	size_t at;
	yyjson_val *obj = text.failed ? NULL : json_parse(&c->arena, buf_span(&text), &why, &at);
	buf_deinit(&text);
	int64_t limit = 25;
	enum err e = obj != NULL ? ERR_OK : chat_fail(&c->chat, ERR_INPUT, "messages_id_lt", "this is no message id");
	if (e == ERR_OK) e = api_query_int(c, "messages_limit", 0, LIMIT_PAGE_MESSAGES, &limit);
	return e == ERR_OK ? chat_page_parse(&c->chat, obj, limit > 0 ? limit : 25, LIMIT_PAGE_MESSAGES, out) : e;
}

static enum err want_from_query(struct api_call *c, struct channel_want *out)
{
	struct channel_want v = { .state = c->chat.dialect == DIALECT_2 };
	enum err e = api_query_bool(c, "state", &v.state);
	if (e == ERR_OK) e = page_from_query(c, &v.messages);
	if (e == ERR_OK) e = api_query_int(c, "members_limit", 0, LIMIT_PAGE_MEMBERS, &v.members_limit);
	if (e == ERR_OK) e = api_query_int(c, "watchers_limit", 0, LIMIT_PAGE_MEMBERS, &v.watchers_limit);
	if (v.members_limit == 0) v.members_limit = 100;
	if (v.watchers_limit == 0) v.watchers_limit = 100;
	if (e == ERR_OK) *out = v;
	return e;
}

enum err api_get_channel(struct api_call *c)
{
	struct channel_want want;
	struct channel_ctx x;
	enum err e = api_acting_user(c, NULL, false);
	if (e == ERR_OK) e = want_from_query(c, &want);
	if (e == ERR_OK) e = chat_channel_load(&c->chat, c->params[0], c->params[1], &x);
	return e == ERR_OK ? write_state(c, &c->out, &x, &want) : e;
}

/* ---- query ---- */

static enum err write_channels(struct api_call *c, const struct channel_list *l)
{
	struct state_writer *s = chat_state_begin(&c->chat);
	if (s == NULL) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	enum err e = ERR_OK;
	jsonw_key(&c->out, "channels");
	jsonw_arr_begin(&c->out);
	for (size_t i = 0; e == ERR_OK && i < l->n; i++) {
		jsonw_obj_begin(&c->out);
		e = chat_state_write(s, &c->out, &l->items[i], &l->want);
		jsonw_obj_end(&c->out);
	}
	jsonw_arr_end(&c->out);
	chat_state_end(s);
	return e;
}

/* After the subscription: the watched channels and no others, so that what is answered is what is watched. */
static enum err query_again(struct api_call *c, yyjson_val *body, struct channel_list *l)
{
	enum err e = api_check_connection(c);
	if (e == ERR_OK) e = chat_reload_channels(&c->chat, body, c->subscribe.channels, c->subscribe.channel_count, l);
	if (e == ERR_OK && !l->want.watch) e = chat_query_channels(&c->chat, body, l); /* presence alone */
	if (e != ERR_OK) return e;
	api_subscribe_keep(c, l->items, l->n);
	e = keep_followed(c, l);
	for (size_t i = 0; e == ERR_OK && i < l->n; i++) e = api_announce_watch(c, &l->items[i]);
	return e;
}

enum err api_query_channels(struct api_call *c)
{
	struct channel_list l;
	yyjson_val *body = c->body;
	bool again = c->subscribe.done;
	enum err e = body == NULL ? api_payload(c, &body) : ERR_OK; /* older clients */
	if (e == ERR_OK) e = api_acting_user(c, body, false);
	if (e == ERR_OK) e = again ? query_again(c, body, &l) : chat_query_channels(&c->chat, body, &l);
	if (e != ERR_OK) return e;
	if (again || (!l.want.watch && !l.want.presence)) return write_channels(c, &l);
	e = api_require_connection(c);
	return e == ERR_OK ? api_subscribe_channels(c, l.items, l.n, &l.want, LIMIT_PRESENCE_PER_SESSION) : e;
}

enum err api_stop_watching_channel(struct api_call *c)
{
	struct channel_ctx x;
	enum err e = api_require_connection(c);
	if (e == ERR_OK && c->subscribe.done) e = api_check_connection(c);
	if (e == ERR_OK) e = chat_channel_load(&c->chat, c->params[0], c->params[1], &x);
	if (e != ERR_OK) return e;
	if (c->subscribe.done) {
		bool was_last = c->subscribe.unwatch_count > 0 && c->subscribe.last[0];
		return was_last ? chat_watch_announce(&c->chat, &x, false, c->subscribe.watcher_count[0]) : ERR_OK;
	}
	c->subscribe.unwatch = arena_array(&c->arena, int64_t, 1);
	c->subscribe.last = arena_array(&c->arena, bool, 1);
	c->subscribe.watcher_count = arena_array(&c->arena, int64_t, 1);
	if (arena_failed(&c->arena)) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	c->subscribe.unwatch[0] = x.ch.pk;
	c->subscribe.unwatch_count = 1;
	c->subscribe.wanted = true;
	return ERR_OK;
}

/* ---- changes ---- */

enum err api_update_channel(struct api_call *c)
{
	enum err e = api_acting_user(c, c->body, true);
	return e == ERR_OK ? chat_update_channel(&c->chat, c->params[0], c->params[1], c->body, &c->out) : e;
}

enum err api_update_channel_partial(struct api_call *c)
{
	enum err e = api_acting_user(c, c->body, true);
	return e == ERR_OK ? chat_update_channel_partial(&c->chat, c->params[0], c->params[1], c->body, &c->out) : e;
}

enum err api_delete_channel(struct api_call *c)
{
	struct delete_options o = { .hard = false };
	enum err e = api_acting_user(c, NULL, false);
	if (e == ERR_OK) e = api_query_bool(c, "hard_delete", &o.hard);
	if (e == ERR_OK) e = api_query_bool(c, "skip_truncate", &o.skip_truncate);
	return e == ERR_OK ? chat_delete_channel(&c->chat, c->params[0], c->params[1], &o, &c->out) : e;
}

enum err api_delete_channels(struct api_call *c) { return chat_delete_channels(&c->chat, c->body, &c->out); }

enum err api_update_channels_batch(struct api_call *c) { return chat_channels_batch(&c->chat, c->body, &c->out); }

enum err api_truncate_channel(struct api_call *c)
{
	enum err e = api_acting_user(c, c->body, true);
	return e == ERR_OK ? chat_truncate_channel(&c->chat, c->params[0], c->params[1], c->body, &c->out) : e;
}

enum err api_hide_channel(struct api_call *c)
{
	enum err e = api_acting_user(c, c->body, true);
	return e == ERR_OK ? chat_hide_channel(&c->chat, c->params[0], c->params[1], c->body) : e;
}

enum err api_show_channel(struct api_call *c)
{
	enum err e = api_acting_user(c, c->body, true);
	return e == ERR_OK ? chat_show_channel(&c->chat, c->params[0], c->params[1]) : e;
}
