/* What watching and presence subscriptions ask of the rules; the sessions themselves are the hub's. */
#include "base/limits.h"
#include "chat/channel_rules.h"
#include "chat/user_rules.h"

static size_t place_of(const int64_t *pks, size_t n, int64_t pk)
{
	size_t i = 0;
	while (i < n && pks[i] != pk) i++;
	return i;
}

enum err chat_presence_users(struct chat_ctx *c, const struct channel_ctx *x, int64_t members_limit, int64_t limit, int64_t *pks,
	int64_t *causes, size_t *n)
{
	if (!x->effective.connect_events) return ERR_OK;
	int64_t *members;
	size_t count;
	enum err e = store_members_pks(c->tx, x->ch.pk, members_limit, c->arena, &members, &count);
	if (e != ERR_OK) return chat_store_fail(c, e);
	size_t added = 0;
	for (size_t i = 0; i < count && added < (size_t)limit; i++) {
		size_t at = place_of(pks, *n, members[i]);
		if (members[i] == c->me.pk) continue;
		causes[at] = at == *n ? x->ch.pk : 0;
		if (at < *n) continue;
		pks[(*n)++] = members[i];
		added++;
	}
	return ERR_OK;
}

static struct span watching_text(
	struct chat_ctx *c, struct buf *text, enum event_type type, const struct channel_ctx *x, int64_t watcher_count)
{
	struct jsonw w;
	jsonw_init(&w, text);
	enum dialect spoken = c->dialect;
	c->dialect = DIALECT_1;
	chat_event_begin(c, &w, event_type_name(type), c->now_us, &x->ch);
	struct user me = c->me;
	chat_user_for_viewer(c, &me);
	jsonw_key(&w, "user");
	user_write(&w, DIALECT_1, USER_VIEW_COMMON, &me);
	jsonw_kint(&w, "watcher_count", watcher_count);
	c->dialect = spoken;
	return text->failed ? SPAN_NONE : buf_span(text);
}

enum err chat_watch_announce(struct chat_ctx *c, const struct channel_ctx *x, bool starts, int64_t watcher_count)
{
	if (c->caller != CALLER_USER || c->me.invisible || !x->effective.connect_events) return ERR_OK;
	enum event_type type = starts ? EVENT_USER_WATCHING_START : EVENT_USER_WATCHING_STOP;
	struct buf text;
	buf_init(&text, (size_t)LIMIT_REPLY_BYTES);
	struct span body = watching_text(c, &text, type, x, watcher_count);
	struct event *ev = span_given(body) ? chat_record(c, type, NULL, body, SPAN_NONE) : NULL;
	buf_deinit(&text);
	if (ev == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	ev->channel = x->ch.pk;
	ev->user = ev->actor = c->me.pk;
	ev->flags |= EVENT_THIN_5S | EVENT_LATEST_ONLY | EVENT_CONNECT_EVENTS;
	return ERR_OK;
}

/* ---- rights that changed ---- */

enum err chat_watcher_load(struct chat_ctx *c, int64_t user_pk, struct watcher *out)
{
	*out = (struct watcher){ .user = user_anonymous() };
	if (user_pk == 0) return ERR_OK;
	enum err e = store_user_get_pk(c->tx, user_pk, c->arena, &out->user);
	out->is_gone = e == ERR_NOT_FOUND || (e == ERR_OK && out->user.deleted_at != 0);
	return e == ERR_OK || e == ERR_NOT_FOUND ? ERR_OK : chat_store_fail(c, e);
}

enum err chat_watcher_check(struct chat_ctx *c, const struct watcher *w, int64_t channel_pk, bool *lost)
{
	struct arena scratch; /* of one channel: there may be many */
	struct channel_ctx x;
	struct chat_ctx as = *c;
	*lost = w->is_gone;
	if (w->is_gone) return ERR_OK;
	arena_init(&scratch, (size_t)LIMIT_ARENA_BYTES);
	as.arena = &scratch;
	as.caller = w->user.pk != 0 ? CALLER_USER : CALLER_ANONYMOUS;
	as.me = w->user;
	enum err e = chat_channel_load_pk(&as, channel_pk, &x);
	arena_deinit(&scratch);
	*lost = e == ERR_NOT_FOUND || e == ERR_NOT_ALLOWED;
	return e == ERR_OK || *lost ? ERR_OK : chat_store_fail(c, e);
}
