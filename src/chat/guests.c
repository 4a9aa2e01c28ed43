/* Guests: users that start without anybody vouching for them. Contract: connection-and-users.md 1.6. */
#include "base/limits.h"
#include "chat/user_rules.h"
#include "wire/ids.h"
#include "wire/jwt.h"

static struct span make_token(struct chat_ctx *c, struct span user_id)
{
	struct buf claims, token;
	struct jsonw w;
	buf_init(&claims, (size_t)LIMIT_BODY_BYTES);
	buf_init(&token, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &claims);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "user_id", user_id);
	jsonw_kint(&w, "iat", c->now_us / 1000000); /* so that revocation can tell it from a newer one */
	jsonw_obj_end(&w);
	if (c->app->secret_count > 0) jwt_sign(&token, buf_span(&claims), c->app->secrets[0]);
	struct span out = claims.failed || token.failed || token.n == 0 ? SPAN_NONE : arena_dup(c->arena, buf_span(&token));
	buf_deinit(&claims);
	buf_deinit(&token);
	return out;
}

static enum err store_guest(struct chat_ctx *c, struct span id, yyjson_val *object, struct user *u)
{
	bool changed;
	/* The id is the server's, the role is fixed, and nobody may raise himself by this door. */
	enum caller_kind caller = c->caller;
	struct user me = c->me;
	*u = user_new(id);
	u->role = SPAN("guest");
	c->caller = CALLER_ANONYMOUS;
	c->me = *u;
	enum err e = chat_user_apply(c, u, object, USER_MERGE_UPSERT, &changed);
	c->caller = caller;
	c->me = me;
	return e == ERR_OK ? chat_user_store(c, u, false, false) : e;
}

/* 202611 */
int chat_month(int64_t wall_us)
{
	char text[28];
	time_format(wall_us, text);
	return (text[0] - '0') * 100000 + (text[1] - '0') * 10000 + (text[2] - '0') * 1000 + (text[3] - '0') * 100 +
	       (text[5] - '0') * 10 + (text[6] - '0');
}

enum err chat_create_guest(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	yyjson_val *object = json_get(body, "user");
	struct span wanted = json_span(json_get(object, "id"));
	char uuid[37];
	struct user u;
	if (!chat_app_allows_guests(c->chat, c->app))
		return chat_fail(c, ERR_NOT_ALLOWED, NULL, "guests are switched off in this application");
	if (!yyjson_is_obj(object)) return chat_fail(c, ERR_INPUT, "user", "user must be an object with an id");
	if (!user_id_valid(wanted)) return chat_fail(c, ERR_INPUT, "user", "the id of a guest must be made of a-z A-Z 0-9 @ _ -");
	rng_uuid4(c->chat->rng, uuid);
	struct span id = arena_printf(c->arena, "guest-%s-%.*s", uuid, SPAN_FMT(wanted));
	if (!user_id_valid(id)) return chat_fail(c, ERR_INPUT, "user", "the id of a guest is too long");
	enum err e = store_guest(c, id, object, &u);
	if (e != ERR_OK) return e;
	e = store_mau_mark(c->tx, c->app->pk, chat_month(c->now_us), u.pk);
	if (e != ERR_OK) return chat_store_fail(c, e);
	struct span token = make_token(c, id);
	if (!span_given(token)) return chat_store_fail(c, ERR_UNAVAILABLE);
	jsonw_key(w, "user");
	user_write(w, c->dialect, chat_is_server(c) ? USER_VIEW_SERVER : USER_VIEW_COMMON, &u);
	jsonw_kstr(w, "access_token", token);
	return ERR_OK;
}
