/* Deactivated users cannot connect and are left out of queries; their history stays, unless it is asked to go with them. What
 * goes then carries the moment of the deactivation, by which reactivation finds it again. */
#include "base/limits.h"
#include "chat/user_rules.h"

struct wishes {
	bool messages, channels;
	struct span name;
};

static enum err take_flag(struct chat_ctx *c, yyjson_val *body, const char *key, bool *out)
{
	yyjson_val *v = json_get(body, key);
	if (v == NULL || yyjson_is_null(v)) return ERR_OK;
	if (!yyjson_is_bool(v)) return chat_fail(c, ERR_INPUT, key, "%s must be a boolean", key);
	*out = yyjson_get_bool(v);
	return ERR_OK;
}

static enum err take_text(struct chat_ctx *c, yyjson_val *body, const char *key, struct span *out)
{
	yyjson_val *v = json_get(body, key);
	if (v != NULL && !yyjson_is_null(v) && !yyjson_is_str(v)) return chat_fail(c, ERR_INPUT, key, "%s must be a string", key);
	*out = json_span(v);
	return ERR_OK;
}

static enum err parse(struct chat_ctx *c, yyjson_val *body, const char *messages, const char *channels, struct wishes *out)
{
	struct span by; /* for hooks alone */
	*out = (struct wishes){ false, false, SPAN_NONE };
	enum err e = take_text(c, body, "name", &out->name);
	if (e == ERR_OK) e = take_text(c, body, "created_by_id", &by);
	if (e == ERR_OK) e = take_flag(c, body, messages, &out->messages);
	return e == ERR_OK ? take_flag(c, body, channels, &out->channels) : e;
}

/* stamps[i]: the moment of the deactivation. */
static enum err make_task(struct chat_ctx *c, const char *kind, const struct user *users, const int64_t *stamps, size_t n,
	const struct wishes *wish, struct span *id)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "messages", wish->messages ? SPAN("soft") : SPAN(""));
	jsonw_kbool(&w, "channels", wish->channels);
	jsonw_key(&w, "users");
	jsonw_arr_begin(&w);
	for (size_t i = 0; i < n; i++) {
		jsonw_obj_begin(&w);
		jsonw_kstr(&w, "id", users[i].id);
		jsonw_kint(&w, "pk", users[i].pk);
		jsonw_kint(&w, "at", stamps[i]);
		jsonw_obj_end(&w);
	}
	jsonw_arr_end(&w);
	jsonw_obj_end(&w);
	enum err e = text.failed ? chat_store_fail(c, ERR_UNAVAILABLE) : chat_task_make(c, kind, buf_span(&text), id);
	buf_deinit(&text);
	return e;
}

static enum err load(struct chat_ctx *c, struct span id, struct user *u)
{
	enum err e = store_user_get(c->tx, c->app->pk, id, c->arena, u);
	if (e == ERR_NOT_FOUND || (e == ERR_OK && u->deleted_at != 0))
		return chat_fail(c, ERR_NOT_FOUND, NULL, "user %.*s does not exist", SPAN_FMT(id));
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

static enum err put(struct chat_ctx *c, struct user *u)
{
	u->updated_at = c->now_us;
	enum err e = store_user_put(c->tx, c->app->pk, u, span_given(u->name) ? chat_fold(c->arena, u->name) : SPAN_NONE);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

/* ---- off ---- */
static enum err deactivate(struct chat_ctx *c, struct user *u, int64_t *stamp)
{
	if (u->deactivated_at == 0) {
		u->deactivated_at = c->now_us;
		enum err e = put(c, u);
		if (e == ERR_OK) e = chat_end_sessions(c, u->pk, ERR_NOT_ALLOWED, "the user was deactivated");
		if (e != ERR_OK) return e;
	}
	*stamp = u->deactivated_at;
	return ERR_OK;
}

enum err chat_deactivate_user(struct chat_ctx *c, struct span id, yyjson_val *body, struct jsonw *w)
{
	struct wishes wish;
	struct user u;
	struct span task;
	int64_t stamp;
	enum err e = parse(c, body, "mark_messages_deleted", "mark_channels_deleted", &wish);
	if (e == ERR_OK) e = load(c, id, &u);
	if (e == ERR_OK) e = deactivate(c, &u, &stamp);
	if (e == ERR_OK && (wish.messages || wish.channels)) e = make_task(c, "users.deactivate", &u, &stamp, 1, &wish, &task);
	if (e != ERR_OK) return e;
	jsonw_key(w, "user");
	return chat_user_write_full(c, w, &u);
}

typedef enum err change(struct chat_ctx *c, struct user *u, int64_t *stamp);

static enum err many(
	struct chat_ctx *c, yyjson_val *body, const char *kind, const struct wishes *wish, change *one, struct jsonw *w)
{
	struct user *users = NULL;
	size_t n = 0;
	struct span task;
	enum err e = users_named(c, body, false, &users, &n);
	int64_t *stamps = arena_array(c->arena, int64_t, n ? n : 1);
	if (e == ERR_OK && stamps == NULL) e = chat_store_fail(c, ERR_UNAVAILABLE);
	for (size_t i = 0; e == ERR_OK && i < n; i++) e = one(c, &users[i], &stamps[i]);
	if (e == ERR_OK) e = make_task(c, kind, users, stamps, n, wish, &task);
	if (e == ERR_OK) jsonw_kstr(w, "task_id", task);
	return e;
}

enum err chat_deactivate_users(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	struct wishes wish;
	enum err e = parse(c, body, "mark_messages_deleted", "mark_channels_deleted", &wish);
	return e == ERR_OK ? many(c, body, "users.deactivate", &wish, deactivate, w) : e;
}

/* ---- on ---- */
static enum err reactivate(struct chat_ctx *c, struct user *u, int64_t *stamp)
{
	*stamp = u->deactivated_at;
	if (u->deactivated_at == 0) return ERR_OK;
	u->deactivated_at = 0;
	return put(c, u);
}

enum err chat_reactivate_user(struct chat_ctx *c, struct span id, yyjson_val *body, struct jsonw *w)
{
	struct wishes wish;
	struct user u, before;
	struct span task;
	int64_t stamp;
	bool changed;
	enum err e = parse(c, body, "restore_messages", "restore_channels", &wish);
	if (e == ERR_OK) e = load(c, id, &u);
	if (e != ERR_OK) return e;
	before = u;
	if (wish.name.n > 0) u.name = wish.name;
	e = user_check(c, &before, &u, &changed);
	if (e == ERR_OK) e = reactivate(c, &u, &stamp);
	if (e == ERR_OK && changed) e = chat_user_store(c, &u, true, false);
	if (e == ERR_OK && stamp != 0 && (wish.messages || wish.channels))
		e = make_task(c, "users.reactivate", &u, &stamp, 1, &wish, &task);
	if (e != ERR_OK) return e;
	jsonw_key(w, "user");
	return chat_user_write_full(c, w, &u);
}

enum err chat_reactivate_users(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	struct wishes wish;
	enum err e = parse(c, body, "restore_messages", "restore_channels", &wish);
	return e == ERR_OK ? many(c, body, "users.reactivate", &wish, reactivate, w) : e;
}
