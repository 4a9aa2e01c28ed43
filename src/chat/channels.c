#include "chat/channels.h"

#include "base/limits.h"
#include "chat/channel_config.h"
#include "chat/channel_data.h"
#include "chat/people.h"

/* ---- loading ---- */

static enum err load_own(struct chat_ctx *c, struct channel_ctx *x)
{
	x->own = (struct member){ 0 };
	x->is_member = false;
	if (c->me.pk == 0) return ERR_OK;
	enum err e = store_member_get(c->tx, x->ch.pk, c->me.pk, c->arena, &x->own);
	if (e == ERR_NOT_FOUND) return ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	x->is_member = true;
	x->own.user = c->me;
	chat_user_for_viewer(c, &x->own.user);
	x->own.is_owner = x->is_owner;
	return ERR_OK;
}

static enum err load_people(struct chat_ctx *c, struct channel *ch)
{
	struct people p;
	people_init(&p, c);
	people_want(&p, ch->created_by.pk);
	people_want(&p, ch->truncated_by.pk);
	enum err e = people_load(&p);
	if (e != ERR_OK) return e;
	if (ch->created_by.pk != 0) people_fill(&p, &ch->created_by);
	if (ch->truncated_by.pk != 0) people_fill(&p, &ch->truncated_by);
	return ERR_OK;
}

static enum err fill(struct chat_ctx *c, struct channel_ctx *x)
{
	x->is_owner = c->me.pk != 0 && x->ch.created_by.pk == c->me.pk;
	enum err e = channel_effective(c, x);
	if (e == ERR_OK) e = load_own(c, x);
	return e == ERR_OK ? load_people(c, &x->ch) : e;
}

enum err chat_channel_fill(struct chat_ctx *c, struct channel_ctx *x)
{
	x->type = chat_app_type(c->app, x->ch.type);
	/* An erased channel can outlive its type in the log. Those who were away are told of its end by the rules that new types
	 * start from. */
	if (x->type == NULL && x->ch.deleted_at != 0) x->type = chat_app_type(c->app, SPAN("messaging"));
	if (x->type == NULL) return chat_fail(c, ERR_NOT_FOUND, NULL, "channel type %.*s does not exist", SPAN_FMT(x->ch.type));
	return fill(c, x);
}

bool chat_channel_readable(struct chat_ctx *c, const struct channel_ctx *x)
{
	if (chat_is_server(c)) return true;
	if (x->ch.disabled) return false;
	if (c->app->multi_tenant_enabled && span_given(x->ch.team)) {
		struct error kept = c->error;
		bool fits = team_check(c, x->ch.team) == ERR_OK;
		c->error = kept;
		if (!fits) return false;
	}
	return chat_may_in(c, &x->effective, &x->ch, x->is_member ? &x->own : NULL, "read-channel", x->is_owner);
}

static enum err check_readable(struct chat_ctx *c, const struct channel_ctx *x)
{
	if (x->ch.deleted_at != 0) return chat_fail(c, ERR_NOT_FOUND, NULL, "channel %.*s does not exist", SPAN_FMT(x->ch.cid));
	if (chat_channel_readable(c, x)) return ERR_OK;
	if (x->ch.disabled) return chat_fail(c, ERR_NOT_ALLOWED, NULL, "channel %.*s is disabled", SPAN_FMT(x->ch.cid));
	return chat_fail(c, ERR_NOT_ALLOWED, NULL, "user %.*s with role %.*s may not read channel %.*s", SPAN_FMT(c->me.id),
		SPAN_FMT(c->me.role), SPAN_FMT(x->ch.cid));
}

enum err chat_channel_load(struct chat_ctx *c, struct span type, struct span id, struct channel_ctx *out)
{
	struct channel_ctx x = { .type = chat_app_type(c->app, type) };
	if (x.type == NULL) return chat_fail(c, ERR_NOT_FOUND, NULL, "channel type %.*s does not exist", SPAN_FMT(type));
	enum err e = store_channel_get(c->tx, c->app->pk, type, id, c->arena, &x.ch);
	if (e == ERR_NOT_FOUND)
		return chat_fail(c, ERR_NOT_FOUND, NULL, "channel %.*s:%.*s does not exist", SPAN_FMT(type), SPAN_FMT(id));
	if (e != ERR_OK) return chat_store_fail(c, e);
	e = fill(c, &x);
	if (e == ERR_OK) e = check_readable(c, &x);
	if (e == ERR_OK) *out = x;
	return e;
}

enum err chat_channel_load_pk(struct chat_ctx *c, int64_t pk, struct channel_ctx *out)
{
	struct channel_ctx x = { 0 };
	enum err e = store_channel_get_pk(c->tx, pk, c->arena, &x.ch);
	if (e == ERR_NOT_FOUND) return chat_fail(c, ERR_NOT_FOUND, NULL, "the channel does not exist");
	if (e != ERR_OK) return chat_store_fail(c, e);
	e = chat_channel_fill(c, &x);
	if (e == ERR_OK) e = check_readable(c, &x);
	if (e == ERR_OK) *out = x;
	return e;
}

/* ---- rights ---- */

enum err chat_require(struct chat_ctx *c, const struct channel_ctx *x, const char *permission, bool is_owner)
{
	if (chat_may_in(c, &x->effective, &x->ch, x->is_member ? &x->own : NULL, permission, is_owner)) return ERR_OK;
	return chat_fail(c, ERR_NOT_ALLOWED, NULL, "user %.*s with role %.*s may not %s in channel %.*s", SPAN_FMT(c->me.id),
		SPAN_FMT(c->me.role), permission, SPAN_FMT(x->ch.cid));
}

/* ---- encoding ---- */

enum err chat_channel_view(struct chat_ctx *c, const struct channel_ctx *x, struct channel_view *out)
{
	struct channel_view v = { .own = x->is_member ? &x->own : NULL, .count_messages = x->effective.count_messages };
	enum err e = channel_config_text(c, &x->effective, &v.config_json);
	if (e == ERR_OK && !chat_is_server(c)) e = channel_capabilities_text(c, x, &v.capabilities_json);
	if (e == ERR_OK) *out = v;
	return e;
}

void chat_channel_write(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, bool in_event)
{
	struct channel_view v = { .count_messages = x->effective.count_messages };
	enum err e = in_event ? channel_config_text(c, &x->effective, &v.config_json) : chat_channel_view(c, x, &v);
	if (e != ERR_OK) w->out->failed = true; /* without memory; whoever looks at the buffer answers 503 */
	channel_write(w, in_event ? DIALECT_1 : c->dialect, &x->ch, &v);
}

/* What is no business of other clients: the pins and archives of a member, and that he is shadow banned. */
static void hide_from_others(const struct chat_ctx *c, struct member *m)
{
	if (chat_is_server(c)) return;
	m->shadow_banned = false;
	if (m->user_pk == c->me.pk) return;
	m->pinned_at = m->archived_at = 0;
}

void chat_members_write(struct chat_ctx *c, struct jsonw *w, const struct member *m, size_t n)
{
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n; i++) {
		bool as_is = chat_is_server(c) || (!m[i].shadow_banned && m[i].pinned_at == 0 && m[i].archived_at == 0);
		if (as_is) {
			member_write(w, c->dialect, &m[i]);
			continue;
		}
		struct member shown = m[i];
		hide_from_others(c, &shown);
		member_write(w, c->dialect, &shown);
	}
	jsonw_arr_end(w);
}

enum err chat_member_fill(struct chat_ctx *c, const struct channel_ctx *x, struct member *m)
{
	enum err e = store_user_get_pk(c->tx, m->user_pk, c->arena, &m->user);
	if (e != ERR_OK) return chat_store_fail(c, e);
	chat_user_for_viewer(c, &m->user);
	m->is_owner = x->ch.created_by.pk == m->user_pk;
	return ERR_OK;
}
