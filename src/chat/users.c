/* Users as every rule needs them: storing one with the events that are due, and the acting user of a server call. */
#include "base/limits.h"
#include "chat/presence.h"
#include "chat/user_rules.h"
#include "wire/ids.h"

/* ---- storing ---- */
/* The same change goes to his own connections, with his settings as they are, and to those who asked for his presence, with what
 * they may know. */
static enum err record_updated(struct chat_ctx *c, const struct user *u, unsigned flags)
{
	struct span own, others;
	struct store_event log = { .user_pk = u->pk, .actor_pk = c->me.pk };
	enum err e = presence_body(c, EVENT_USER_UPDATED, USER_VIEW_SELF, u, &own);
	if (e == ERR_OK) e = presence_body(c, EVENT_USER_UPDATED, USER_VIEW_PRIVACY, u, &others);
	if (e != ERR_OK) return e;
	struct event *ev = chat_record(c, EVENT_USER_UPDATED, &log, own, SPAN_NONE);
	if (ev == NULL) return chat_told(c);
	ev->cls = EVENT_CLASS_OWN;
	ev->flags |= flags;
	int64_t pos = ev->pos;
	ev = chat_record(c, EVENT_USER_UPDATED, NULL, others, SPAN_NONE);
	if (ev == NULL) return chat_told(c);
	ev->pos = pos; /* one row, told to each session in one of the two ways */
	ev->user = ev->actor = u->pk;
	ev->flags |= EVENT_NOT_ACTOR;
	return ERR_OK;
}

static enum err record_presence(struct chat_ctx *c, const struct user *u)
{
	struct span body;
	enum err e = presence_body(c, EVENT_USER_PRESENCE_CHANGED, USER_VIEW_COMMON, u, &body);
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_USER_PRESENCE_CHANGED, NULL, body, SPAN_NONE) : NULL;
	if (ev == NULL) return chat_told(c);
	ev->user = ev->actor = u->pk;
	ev->flags |= EVENT_LATEST_ONLY | EVENT_NOT_ACTOR;
	return ERR_OK;
}

void chat_committed(const struct chat_ctx *c)
{
	for (size_t i = 0; i < c->event_count; i++) {
		const struct event *ev = c->events[i];
		if (ev->flags & (EVENT_SHOWS_USER | EVENT_HIDES_USER))
			registry_set_visible(c->chat->registry, ev->app, ev->user, (ev->flags & EVENT_SHOWS_USER) != 0);
	}
}

/* Does what he may read change with this? */
static enum err rights_change(struct chat_ctx *c, const struct user *u, unsigned *flags)
{
	struct user old;
	enum err e = store_user_get_pk(c->tx, u->pk, c->arena, &old);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (!span_eq(old.role, u->role) || !span_eq(old.teams, u->teams) || !span_eq(old.teams_role, u->teams_role))
		*flags |= EVENT_CHECK_WATCHES;
	return ERR_OK;
}

enum err chat_user_store(struct chat_ctx *c, struct user *u, bool existed, bool presence_changed)
{
	unsigned flags = !presence_changed ? 0 : u->invisible ? EVENT_HIDES_USER : EVENT_SHOWS_USER;
	u->updated_at = c->now_us;
	if (u->created_at == 0) u->created_at = c->now_us;
	enum err e = existed ? rights_change(c, u, &flags) : ERR_OK;
	if (e != ERR_OK) return e;
	e = store_user_put(c->tx, c->app->pk, u, span_given(u->name) ? chat_fold(c->arena, u->name) : SPAN_NONE);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (!existed) return ERR_OK;
	struct user seen = *u;
	chat_user_for_viewer(c, &seen);
	e = record_updated(c, &seen, flags);
	return e == ERR_OK && presence_changed && seen.online ? record_presence(c, &seen) : e;
}

/* ---- the acting user ---- */
struct named {
	struct span id;
	yyjson_val *object; /* `user` when it says more than the id */
};

static enum err name_from(struct chat_ctx *c, yyjson_val *v, const char *key, struct named *who)
{
	if (v == NULL || yyjson_is_null(v) || (yyjson_is_str(v) && yyjson_get_len(v) == 0)) return ERR_OK;
	if (!yyjson_is_str(v)) return chat_fail(c, ERR_INPUT, key, "%s must be a string", key);
	struct span id = json_span(v);
	if (span_given(who->id) && !span_eq(who->id, id))
		return chat_fail(c, ERR_INPUT, key, "user_id and user name different users");
	who->id = id;
	return ERR_OK;
}

static enum err name_parse(struct chat_ctx *c, yyjson_val *body, struct span query, struct named *who)
{
	yyjson_val *user = json_get(body, "user");
	enum err e = name_from(c, json_get(body, "user_id"), "user_id", who);
	if (e != ERR_OK) return e;
	if (user != NULL && !yyjson_is_null(user)) {
		if (!yyjson_is_obj(user)) return chat_fail(c, ERR_INPUT, "user", "user must be an object");
		e = name_from(c, json_get(user, "id"), "user", who);
		if (e != ERR_OK) return e;
		if (yyjson_obj_size(user) > 1) who->object = user;
	}
	if (query.n > 0 && chat_is_server(c)) {
		if (span_given(who->id) && !span_eq(who->id, query))
			return chat_fail(c, ERR_INPUT, "user_id", "user_id of the query and of the body differ");
		who->id = query;
	}
	return ERR_OK;
}

static enum err make_user(struct chat_ctx *c, struct span id, struct user *out)
{
	enum err e = chat_need_write(c);
	if (e != ERR_OK) return e;
	*out = user_new(id);
	return chat_user_store(c, out, false, false);
}

/* What the `user` object of a server call says is stored first, as a connect would. */
static enum err upsert_acting(struct chat_ctx *c, struct user *u, yyjson_val *object)
{
	bool changed, was_invisible = u->invisible, existed = u->pk != 0;
	enum err e = chat_user_apply(c, u, object, USER_MERGE_CONNECT, &changed);
	if (e != ERR_OK || !changed) return e;
	e = chat_need_write(c);
	return e == ERR_OK ? chat_user_store(c, u, existed, u->invisible != was_invisible) : e;
}

static enum err load_acting(struct chat_ctx *c, const struct named *who, bool may_create, struct user *u)
{
	if (!user_id_valid(who->id))
		return chat_fail(c, ERR_INPUT, "user_id", "a user id is 1 to %lld of the characters a-z A-Z 0-9 @ _ -",
			(long long)LIMIT_USER_ID_BYTES);
	enum err e = store_user_get(c->tx, c->app->pk, who->id, c->arena, u);
	if (e == ERR_NOT_FOUND && may_create) {
		if (who->object == NULL) return make_user(c, who->id, u);
		*u = user_new(who->id);
	} else if (e == ERR_NOT_FOUND) {
		return chat_fail(c, ERR_NOT_FOUND, "user_id", "user %.*s does not exist", SPAN_FMT(who->id));
	} else if (e != ERR_OK) {
		return chat_store_fail(c, e);
	}
	if (u->deleted_at != 0)
		return chat_fail(
			c, may_create ? ERR_INPUT : ERR_NOT_FOUND, "user_id", "user %.*s was deleted", SPAN_FMT(who->id));
	return may_create && who->object != NULL ? upsert_acting(c, u, who->object) : ERR_OK;
}

enum err chat_acting_user(struct chat_ctx *c, yyjson_val *body, struct span query_user_id, bool may_create)
{
	struct named who = { SPAN_NONE, NULL };
	enum err e = name_parse(c, body, query_user_id, &who);
	if (e != ERR_OK || !span_given(who.id)) return e;
	if (c->caller == CALLER_USER && !span_eq(who.id, c->me.id))
		return chat_fail(
			c, ERR_NOT_ALLOWED, "user_id", "user %.*s may not act as %.*s", SPAN_FMT(c->me.id), SPAN_FMT(who.id));
	if (!chat_is_server(c)) return ERR_OK;
	struct user u;
	e = load_acting(c, &who, may_create, &u);
	if (e != ERR_OK) return e;
	c->me = u;
	c->acting_given = true;
	return ERR_OK;
}
