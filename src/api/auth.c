#include "api/auth.h"

#include "api/token_cache.h"
#include "chat/connect.h"
#include "chat/user_rules.h"
#include "wire/ids.h"

enum { LEEWAY_S = 5 }; /* of nbf and iat */

/* ---- where credentials stand ---- */
static struct span credential(const struct api_call *c, const char *header, const char *parameter)
{
	struct span v = http_header_get(&c->http, header);
	if (!span_given(v) && c->route->flags & API_QUERY_AUTH) v = url_query_get(&c->query, parameter);
	return v;
}

static struct span token_text(const struct api_call *c)
{
	struct span t = credential(c, "authorization", "authorization");
	if (t.n > 7 && span_eq_nocase(span_make(t.p, 7), SPAN("Bearer "))) t = span_skip(t, 7);
	return t;
}

/* ---- verification, in the contract's order ---- */
static enum err find_app(struct api_call *c)
{
	struct span key = url_query_get(&c->query, "api_key");
	c->app = span_given(key) ? chat_app_by_key(c->chat.chat->apps, key) : NULL;
	if (c->app == NULL) return chat_fail(&c->chat, ERR_API_KEY, "api_key", "api_key not valid");
	c->chat.app = c->app;
	if (c->app->suspended) return chat_fail(&c->chat, ERR_SUSPENDED, NULL, "this application is suspended");
	return ERR_OK;
}

static enum err check_signature(struct api_call *c, struct span text)
{
	/* A server token is proof whatever the mode of the application. */
	if (!c->token.is_server && chat_app_skips_token_checks(c->chat.chat, c->app, c->token.is_placeholder)) return ERR_OK;
	for (size_t i = 0; i < c->app->secret_count; i++) {
		if (!jwt_verify(&c->token, c->app->secrets[i])) continue;
		token_cache_put(c->tokens, c->app->serial, text, &c->token);
		return ERR_OK;
	}
	return chat_fail(&c->chat, ERR_TOKEN_SIGNATURE, NULL, "token signature is not valid");
}

static enum err check_times(struct api_call *c)
{
	const struct jwt *t = &c->token;
	int64_t now = clock_wall_us(c->chat.chat->clock) / 1000000;
	/* A development token that carries an end has one: so that an application's renewal can be tried without a backend. */
	bool skips = !t->is_server && chat_app_skips_token_checks(c->chat.chat, c->app, false);
	if (t->has_exp && now >= t->exp_s && !skips) return chat_fail(&c->chat, ERR_TOKEN_EXPIRED, NULL, "token is expired");
	if (t->has_nbf && t->nbf_s > now + LEEWAY_S)
		return chat_fail(&c->chat, ERR_TOKEN_NOT_YET, NULL, "token is not valid yet (nbf)");
	if (t->has_iat && t->iat_s > now + LEEWAY_S)
		return chat_fail(&c->chat, ERR_TOKEN_IAT, NULL, "token is used before it was issued (iat)");
	return ERR_OK;
}

static enum err check_token(struct api_call *c, struct span text)
{
	enum err e = ERR_OK;
	if (!token_cache_get(c->tokens, c->app->serial, text, &c->arena, &c->token)) {
		if (!jwt_parse(&c->arena, text, &c->token)) return chat_fail(&c->chat, ERR_AUTH, NULL, "the token is malformed");
		e = check_signature(c, text);
	}
	if (e == ERR_OK) e = check_times(c);
	if (e == ERR_OK && !c->token.is_server && c->token.user_id.n == 0)
		e = chat_fail(&c->chat, ERR_AUTH, NULL, "the token names no user and is no server token");
	if (e != ERR_OK) return e;
	c->has_token = true;
	c->chat.caller = c->token.is_server ? CALLER_SERVER : CALLER_USER;
	c->chat.me = c->token.is_server ? (struct user){ 0 } : user_new(c->token.user_id);
	return ERR_OK;
}

static void become_anonymous(struct api_call *c)
{
	c->chat.caller = CALLER_ANONYMOUS;
	c->chat.me = user_anonymous();
}

static enum err identify(struct api_call *c)
{
	struct span kind = credential(c, "stream-auth-type", "stream-auth-type"), token = token_text(c);
	if (kind.n == 0 || span_is(kind, "jwt")) {
		if (token.n > 0) return check_token(c, token);
		if (c->route->flags & API_KEY_ONLY) {
			become_anonymous(c);
			return ERR_OK;
		}
		return chat_fail(&c->chat, ERR_AUTH, NULL, "there is no token: header Authorization is missing or empty");
	}
	if (!span_is(kind, "anonymous"))
		return chat_fail(&c->chat, ERR_AUTH, NULL, "unknown auth type: stream-auth-type is jwt or anonymous");
	become_anonymous(c);
	return ERR_OK;
}

static enum err check_side(struct api_call *c)
{
	unsigned flags = c->route->flags;
	bool server = c->chat.caller == CALLER_SERVER;
	if (flags & API_SERVER_ONLY && !server)
		return chat_fail(&c->chat, ERR_NOT_ALLOWED, NULL, "this is for server-side calls only");
	if (flags & API_CLIENT_ONLY && server)
		return chat_fail(&c->chat, ERR_NOT_ALLOWED, NULL, "this is for client-side calls only");
	if (c->chat.caller == CALLER_ANONYMOUS && c->route->kind == API_WRITE && !(flags & API_KEY_ONLY))
		return chat_fail(&c->chat, ERR_NOT_ALLOWED, NULL, "anonymous users may not write");
	return ERR_OK;
}

enum err auth_prepare(struct api_call *c)
{
	if (c->route->flags & API_PUBLIC) return ERR_OK;
	enum err e = find_app(c);
	if (e == ERR_OK) e = identify(c);
	return e == ERR_OK ? check_side(c) : e;
}

/* ---- with the store ---- */
/* Whole seconds; a token of that very second is good. One that does not say when it was issued is not. */
static bool is_revoked(const struct jwt *t, int64_t before_us)
{
	if (before_us == 0) return false;
	return !t->has_iat || t->iat_s < before_us / 1000000;
}

static enum err revoked(struct api_call *c)
{
	return chat_fail(&c->chat, ERR_TOKEN_EXPIRED, NULL, "this token has been revoked, please generate a new one");
}

enum err api_connect_recheck(struct api_call *c)
{
	struct app *now = chat_app_by_pk(c->chat.chat->apps, c->app->pk);
	if (now == NULL) return chat_fail(&c->chat, ERR_API_KEY, "api_key", "api_key not valid");
	enum err e = ERR_OK;
	if (now->suspended) e = chat_fail(&c->chat, ERR_SUSPENDED, NULL, "this application is suspended");
	if (e == ERR_OK && c->chat.caller == CALLER_USER && is_revoked(&c->token, now->revoke_before)) e = revoked(c);
	if (e == ERR_OK && c->start != NULL) c->start->must_check = now->serial != c->app->serial;
	chat_app_unref(now);
	return e;
}

static enum err check_stored(struct api_call *c, const struct user *u)
{
	if (is_revoked(&c->token, c->app->revoke_before) || is_revoked(&c->token, u->revoke_before)) return revoked(c);
	if (u->deleted_at != 0) return chat_fail(&c->chat, ERR_NOT_FOUND, NULL, "the user %.*s was deleted", SPAN_FMT(u->id));
	if (u->deactivated_at != 0)
		return chat_fail(&c->chat, ERR_NOT_ALLOWED, NULL, "the user %.*s was deactivated", SPAN_FMT(u->id));
	return ERR_OK;
}

static enum err make_user(struct api_call *c, struct user *u)
{
	if (!user_id_valid(u->id)) return chat_fail(&c->chat, ERR_INPUT, "user_id", "the token's user_id is no user id");
	return chat_user_store(&c->chat, u, false, false);
}

enum err auth_load(struct api_call *c)
{
	struct chat_ctx *x = &c->chat;
	if (x->caller == CALLER_SERVER) { /* named anew by the rule, which may be running again */
		x->me = (struct user){ 0 };
		x->acting_given = false;
		return ERR_OK;
	}
	if (x->caller != CALLER_USER) return ERR_OK;
	struct user u;
	enum err e = store_user_get(x->tx, c->app->pk, c->token.user_id, &c->arena, &u);
	if (e == ERR_NOT_FOUND) {
		u = user_new(c->token.user_id);
		e = check_stored(c, &u);
		if (e == ERR_OK && x->can_write && !api_is_connect(c)) e = make_user(c, &u);
	} else if (e == ERR_OK) {
		e = check_stored(c, &u);
	} else {
		e = chat_store_fail(x, e);
	}
	if (e == ERR_OK) x->me = u;
	return e;
}
