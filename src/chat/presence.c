#include "chat/presence.h"

#include "base/limits.h"

enum err presence_body(struct chat_ctx *c, enum event_type t, enum user_view view, const struct user *u, struct span *out)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_REPLY_BYTES);
	jsonw_init(&w, &text);
	chat_event_begin(c, &w, event_type_name(t), c->now_us, NULL);
	jsonw_key(&w, "user");
	user_write(&w, DIALECT_1, view, u);
	struct span copy = text.failed ? SPAN_NONE : arena_dup(c->arena, buf_span(&text));
	buf_deinit(&text);
	if (!span_given(copy)) return chat_store_fail(c, ERR_UNAVAILABLE);
	*out = copy;
	return ERR_OK;
}

/* *found false: there is nobody to speak of. */
static enum err load(struct chat_ctx *c, int64_t user_pk, struct user *u, bool *found)
{
	*found = false;
	if (user_pk <= 0) return ERR_OK; /* anonymous */
	enum err e = store_user_get_pk(c->tx, user_pk, c->arena, u);
	if (e == ERR_NOT_FOUND) return ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	chat_user_for_viewer(c, u);
	*found = !u->invisible && u->deleted_at == 0;
	return ERR_OK;
}

static enum err record_presence(struct chat_ctx *c, struct user *u, bool online)
{
	struct span body;
	if (u->online != online) return ERR_OK;
	/* What the connect set is written within a second; the event need not wait for it. */
	if (online && u->last_active < c->now_us) u->last_active = c->now_us;
	enum err e = presence_body(c, EVENT_USER_PRESENCE_CHANGED, USER_VIEW_COMMON, u, &body);
	if (e != ERR_OK) return e;
	struct event *ev = chat_record(c, EVENT_USER_PRESENCE_CHANGED, NULL, body, SPAN_NONE);
	if (ev == NULL) return chat_told(c);
	ev->user = ev->actor = u->pk;
	ev->flags |= EVENT_LATEST_ONLY;
	return ERR_OK;
}

enum err chat_presence_event(struct chat_ctx *c, int64_t user_pk, bool online)
{
	struct user u;
	bool found;
	enum err e = load(c, user_pk, &u, &found);
	return e == ERR_OK && found ? record_presence(c, &u, online) : e;
}

static enum err record_watching(struct chat_ctx *c, enum event_type t, const struct user *u, int64_t channel_pk, int64_t watchers)
{
	struct channel ch;
	enum err e = store_channel_get_pk(c->tx, channel_pk, c->arena, &ch);
	if (e == ERR_NOT_FOUND || (e == ERR_OK && ch.deleted_at != 0)) return ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	const struct channel_type *type = chat_app_type(c->app, ch.type);
	if (type == NULL || !type->connect_events) return ERR_OK;
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_REPLY_BYTES);
	jsonw_init(&w, &text);
	chat_event_begin(c, &w, event_type_name(t), c->now_us, &ch);
	jsonw_key(&w, "user");
	user_write(&w, DIALECT_1, USER_VIEW_COMMON, u);
	jsonw_kint(&w, "watcher_count", watchers);
	struct event *ev = text.failed ? NULL : chat_record(c, t, NULL, buf_span(&text), SPAN_NONE);
	buf_deinit(&text);
	if (ev == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	ev->channel = channel_pk;
	ev->user = ev->actor = u->pk;
	ev->flags |= EVENT_LATEST_ONLY | EVENT_THIN_5S | EVENT_CONNECT_EVENTS;
	return ERR_OK;
}

enum err chat_session_ended(
	struct chat_ctx *c, int64_t user_pk, const int64_t *channels, const int64_t *counts, size_t n, bool last)
{
	struct user u;
	bool found;
	enum err e = load(c, user_pk, &u, &found);
	if (e != ERR_OK || !found) return e;
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = record_watching(c, EVENT_USER_WATCHING_STOP, &u, channels[i], counts[i]);
	return e == ERR_OK && last ? record_presence(c, &u, false) : e;
}

enum err chat_session_watching(struct chat_ctx *c, int64_t user_pk, const int64_t *channels, const int64_t *counts, size_t n)
{
	struct user u;
	bool found;
	enum err e = load(c, user_pk, &u, &found);
	for (size_t i = 0; e == ERR_OK && found && i < n; i++)
		e = record_watching(c, EVENT_USER_WATCHING_START, &u, channels[i], counts[i]);
	return e;
}
