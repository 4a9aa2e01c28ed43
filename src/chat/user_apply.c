/* User objects of requests put onto stored users: which keys there are, who may set them, how large it may get. Contract:
 * connection-and-users.md 2.3, 4.1, 4.3. */
#include "base/limits.h"
#include "chat/permissions.h"
#include "chat/user_rules.h"
#include "store/fold.h"
#include "wire/ids.h"

static const char *const read_only[] = { "id", "online", "last_active", "created_at", "updated_at", "deleted_at",
	"deactivated_at", "banned", "shadow_banned", "ban_expires", "devices", "mutes", "channel_mutes", "total_unread_count",
	"total_unread_count_by_team", "unread_count", "unread_channels", "unread_threads", "avg_response_time",
	"latest_hidden_channels", "blocked_user_ids", "roles", "push_notifications", "push_preferences", "custom", "anon" };
static const char *const forbidden[] = { "pk", "app_pk", "user_pk" };

static bool listed(struct span key, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_is(key, names[i])) return true;
	return false;
}

/* ---- built-in keys ---- */
static bool is_null(yyjson_val *v) { return v == NULL || yyjson_is_null(v); }

static enum err take_text(struct chat_ctx *c, const char *key, yyjson_val *v, struct span *out)
{
	if (!is_null(v) && !yyjson_is_str(v)) return chat_fail(c, ERR_INPUT, key, "%s must be a string", key);
	*out = json_span(v);
	return ERR_OK;
}

static enum err apply_name(struct chat_ctx *c, struct user *u, yyjson_val *v) { return take_text(c, "name", v, &u->name); }
static enum err apply_image(struct chat_ctx *c, struct user *u, yyjson_val *v) { return take_text(c, "image", v, &u->image); }

static enum err apply_language(struct chat_ctx *c, struct user *u, yyjson_val *v)
{
	enum err e = take_text(c, "language", v, &u->language);
	if (e == ERR_OK && u->language.n == 0) u->language = SPAN_NONE;
	return e;
}

static enum err apply_invisible(struct chat_ctx *c, struct user *u, yyjson_val *v)
{
	if (is_null(v)) return ERR_OK;
	if (!yyjson_is_bool(v)) return chat_fail(c, ERR_INPUT, "invisible", "invisible must be a boolean");
	u->invisible = yyjson_get_bool(v);
	return ERR_OK;
}

static enum err apply_role(struct chat_ctx *c, struct user *u, yyjson_val *v)
{
	struct span role;
	enum err e = take_text(c, "role", v, &role);
	if (e != ERR_OK || role.n == 0 || span_eq(role, u->role)) return e;
	if (!chat_may(c, "update-user-role"))
		return chat_fail(c, ERR_NOT_ALLOWED, "role", "the role of a user cannot be changed by himself");
	if (!role_known(role, true)) return chat_fail(c, ERR_INPUT, "role", "role %.*s does not exist", SPAN_FMT(role));
	u->role = role;
	return ERR_OK;
}

static enum err check_teams(struct chat_ctx *c, yyjson_val *v)
{
	size_t i, n;
	yyjson_val *team;
	if (!yyjson_is_arr(v)) return chat_fail(c, ERR_INPUT, "teams", "teams must be an array of strings");
	if (yyjson_arr_size(v) > (size_t)LIMIT_TEAMS)
		return chat_fail(c, ERR_INPUT, "teams", "a user is in at most %lld teams", (long long)LIMIT_TEAMS);
	yyjson_arr_foreach(v, i, n, team)
	{
		struct span s = json_span(team);
		if (s.n == 0 || s.n > (size_t)LIMIT_TEAM_BYTES)
			return chat_fail(
				c, ERR_INPUT, "teams", "a team must be a string of 1 to %lld bytes", (long long)LIMIT_TEAM_BYTES);
	}
	return ERR_OK;
}

/* Text of a container; not given when it is empty. */
static struct span text_or_none(struct chat_ctx *c, yyjson_val *v)
{
	return unsafe_yyjson_get_len(v) == 0 ? SPAN_NONE : json_text(c->arena, v);
}

static enum err apply_teams(struct chat_ctx *c, struct user *u, yyjson_val *v)
{
	if (is_null(v)) return ERR_OK;
	enum err e = check_teams(c, v);
	if (e != ERR_OK) return e;
	struct span teams = text_or_none(c, v);
	if (span_eq(teams, u->teams)) return ERR_OK;
	if (!chat_may(c, "update-user-teams"))
		return chat_fail(c, ERR_NOT_ALLOWED, "teams", "the teams of a user cannot be changed by himself");
	u->teams = teams;
	return ERR_OK;
}

static enum err apply_teams_role(struct chat_ctx *c, struct user *u, yyjson_val *v)
{
	size_t i, n;
	yyjson_val *team, *role;
	if (is_null(v)) return ERR_OK;
	if (!yyjson_is_obj(v)) return chat_fail(c, ERR_INPUT, "teams_role", "teams_role must be an object of teams and roles");
	yyjson_obj_foreach(v, i, n, team, role)
	{
		if (!yyjson_is_str(role))
			return chat_fail(c, ERR_INPUT, "teams_role", "teams_role must be an object of teams and roles");
	}
	struct span text = text_or_none(c, v);
	if (span_eq(text, u->teams_role)) return ERR_OK;
	if (!chat_may(c, "update-user-role"))
		return chat_fail(c, ERR_NOT_ALLOWED, "teams_role", "the role of a user cannot be changed by himself");
	yyjson_obj_foreach(v, i, n, team, role)
	{
		if (!role_known(json_span(role), true))
			return chat_fail(c, ERR_INPUT, "teams_role", "role %.*s does not exist", SPAN_FMT(json_span(role)));
	}
	u->teams_role = text;
	return ERR_OK;
}

static enum err apply_revocation(struct chat_ctx *c, struct user *u, yyjson_val *v)
{
	if (!chat_is_server(c)) return ERR_OK;
	int64_t us = 0;
	if (!is_null(v) && (!yyjson_is_str(v) || (yyjson_get_len(v) > 0 && !time_parse(json_span(v), &us))))
		return chat_fail(
			c, ERR_INPUT, "revoke_tokens_issued_before", "revoke_tokens_issued_before must be an RFC 3339 time");
	u->revoke_before = us == TIME_ZERO ? 0 : us;
	return ERR_OK;
}

static enum err apply_privacy(struct chat_ctx *c, struct user *u, yyjson_val *v) { return user_privacy_apply(c, u, v); }

static const struct {
	const char *name;
	enum err (*apply)(struct chat_ctx *c, struct user *u, yyjson_val *v);
} built_in[] = {
	{ "name", apply_name },
	{ "image", apply_image },
	{ "language", apply_language },
	{ "role", apply_role },
	{ "invisible", apply_invisible },
	{ "teams", apply_teams },
	{ "teams_role", apply_teams_role },
	{ "privacy_settings", apply_privacy },
	{ "revoke_tokens_issued_before", apply_revocation },
};

bool user_key_reserved(struct span key)
{
	for (size_t i = 0; i < BECK_COUNT(built_in); i++)
		if (span_is(key, built_in[i].name)) return true;
	return listed(key, read_only, BECK_COUNT(read_only)) || listed(key, forbidden, BECK_COUNT(forbidden));
}

enum err user_key_apply(struct chat_ctx *c, struct user *u, struct span key, yyjson_val *v, bool *known)
{
	*known = true;
	if (listed(key, forbidden, BECK_COUNT(forbidden)))
		return chat_fail(c, ERR_INPUT, "user", "%.*s is a reserved name", SPAN_FMT(key));
	for (size_t i = 0; i < BECK_COUNT(built_in); i++)
		if (span_is(key, built_in[i].name)) return built_in[i].apply(c, u, v);
	*known = listed(key, read_only, BECK_COUNT(read_only));
	return ERR_OK;
}

/* ---- size, name, what changed ---- */
static void write_tri(struct jsonw *w, const char *key, int8_t v)
{
	if (v == TRI_UNSET) return;
	jsonw_key(w, key);
	jsonw_obj_begin(w);
	jsonw_kbool(w, "enabled", v == TRI_ON);
	jsonw_obj_end(w);
}

/* Compact JSON of what a client may set. */
static bool fits(const struct user *u)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_USER_OBJECT_BYTES);
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "id", u->id);
	if (span_given(u->name)) jsonw_kstr(&w, "name", u->name);
	if (span_given(u->image)) jsonw_kstr(&w, "image", u->image);
	if (span_given(u->language)) jsonw_kstr(&w, "language", u->language);
	if (u->invisible) jsonw_kbool(&w, "invisible", true);
	if (u->privacy_typing != TRI_UNSET || u->privacy_read != TRI_UNSET || u->privacy_delivery != TRI_UNSET) {
		jsonw_key(&w, "privacy_settings");
		jsonw_obj_begin(&w);
		write_tri(&w, "typing_indicators", u->privacy_typing);
		write_tri(&w, "read_receipts", u->privacy_read);
		write_tri(&w, "delivery_receipts", u->privacy_delivery);
		jsonw_obj_end(&w);
	}
	if (span_given(u->custom)) jsonw_raw_members(&w, u->custom);
	jsonw_obj_end(&w);
	bool ok = !text.failed;
	buf_deinit(&text);
	return ok;
}

struct span chat_fold(struct arena *a, struct span name)
{
	char *out = arena_alloc(a, name.n * 4 + 1); /* a code point never folds to more than four bytes */
	size_t n = 0;
	for (size_t at = 0; out != NULL && at < name.n;) {
		uint32_t p = fold_lower(fold_next(name, &at));
		if (!fold_is_word(p) && !fold_is_ideograph(p)) continue;
		if (p < 0x80) {
			out[n++] = (char)p;
		} else if (p < 0x800) {
			out[n++] = (char)(0xc0 | p >> 6);
			out[n++] = (char)(0x80 | (p & 0x3f));
		} else if (p < 0x10000) {
			out[n++] = (char)(0xe0 | p >> 12);
			out[n++] = (char)(0x80 | (p >> 6 & 0x3f));
			out[n++] = (char)(0x80 | (p & 0x3f));
		} else {
			out[n++] = (char)(0xf0 | p >> 18);
			out[n++] = (char)(0x80 | (p >> 12 & 0x3f));
			out[n++] = (char)(0x80 | (p >> 6 & 0x3f));
			out[n++] = (char)(0x80 | (p & 0x3f));
		}
	}
	return n ? span_make(out, n) : SPAN_NONE;
}

static enum err check_unique(struct chat_ctx *c, const struct user *u, struct span folded, struct span team)
{
	bool taken = false;
	enum err e = store_user_name_taken(c->tx, c->app->pk, folded, u->id, team, &taken);
	if (e != ERR_OK) return chat_store_fail(c, e);
	return taken ? chat_fail(c, ERR_DUPLICATE_NAME, "name", "a user with the name %.*s exists already", SPAN_FMT(u->name))
		     : ERR_OK;
}

static enum err check_name(struct chat_ctx *c, const struct user *before, const struct user *u)
{
	if (c->app->unique_usernames == 0 || span_eq(before->name, u->name) || !span_given(u->name)) return ERR_OK;
	struct span folded = chat_fold(c->arena, u->name);
	if (!span_given(folded)) return ERR_OK;
	if (c->app->unique_usernames == 1) return check_unique(c, u, folded, SPAN_NONE);
	const char *why;
	size_t at, i, n;
	yyjson_val *team, *teams = span_given(u->teams) ? json_parse(c->arena, u->teams, &why, &at) : NULL;
	enum err e = ERR_OK;
	yyjson_arr_foreach(teams, i, n, team)
	{
		if (e == ERR_OK) e = check_unique(c, u, folded, json_span(team));
	}
	return e;
}

static bool same_json(struct chat_ctx *c, struct span a, struct span b)
{
	if (span_eq(a, b) && span_given(a) == span_given(b)) return true;
	if (!span_given(a) || !span_given(b)) return false;
	const char *why;
	size_t at;
	return json_equal(json_parse(c->arena, a, &why, &at), json_parse(c->arena, b, &why, &at));
}

static bool same_text(struct span a, struct span b) { return span_given(a) == span_given(b) && span_eq(a, b); }

static bool differs(struct chat_ctx *c, const struct user *a, const struct user *b)
{
	return !same_text(a->name, b->name) || !same_text(a->image, b->image) || !span_eq(a->language, b->language) ||
	       !span_eq(a->role, b->role) || !span_eq(a->teams, b->teams) || !same_json(c, a->teams_role, b->teams_role) ||
	       a->invisible != b->invisible || a->privacy_typing != b->privacy_typing || a->privacy_read != b->privacy_read ||
	       a->privacy_delivery != b->privacy_delivery || a->revoke_before != b->revoke_before ||
	       !same_json(c, a->custom, b->custom);
}

enum err user_check(struct chat_ctx *c, const struct user *before, struct user *u, bool *changed)
{
	if (arena_failed(c->arena)) return chat_store_fail(c, ERR_UNAVAILABLE);
	if (!fits(u))
		return chat_fail(
			c, ERR_INPUT, "user", "the user object is larger than %lld bytes", (long long)LIMIT_USER_OBJECT_BYTES);
	enum err e = check_name(c, before, u);
	if (e != ERR_OK) return e;
	if (u->invisible && !before->invisible) {
		struct user then = *before;
		user_seen(c, &then);
		u->invisible_since_last_active = then.last_active;
	}
	if (!u->invisible && before->invisible) u->invisible_since_last_active = 0;
	*changed = u->pk == 0 || differs(c, before, u);
	return ERR_OK;
}

/* ---- whole objects ---- */
struct user user_new(struct span id)
{
	return (struct user){ .id = id,
		.role = SPAN("user"),
		.privacy_typing = TRI_UNSET,
		.privacy_read = TRI_UNSET,
		.privacy_delivery = TRI_UNSET };
}

struct user user_anonymous(void)
{
	struct user u = user_new(SPAN("!anon"));
	u.role = SPAN("anonymous");
	return u;
}

/* Custom data of the object, nulls still in it; NULL when there is none. */
static enum err collect(struct chat_ctx *c, yyjson_val *obj, yyjson_val **out)
{
	if (c->dialect == DIALECT_2) {
		obj = json_get(obj, "custom");
		if (!is_null(obj) && !yyjson_is_obj(obj)) return chat_fail(c, ERR_INPUT, "custom", "custom must be an object");
	}
	const char *why;
	size_t at;
	struct span text = yyjson_is_obj(obj) ? custom_collect(c->arena, obj, user_key_reserved) : SPAN_NONE;
	*out = span_given(text) ? json_parse(c->arena, text, &why, &at) : NULL;
	return arena_failed(c->arena) ? chat_store_fail(c, ERR_UNAVAILABLE) : ERR_OK;
}

enum err chat_user_apply(struct chat_ctx *c, struct user *u, yyjson_val *obj, enum user_merge how, bool *changed)
{
	const struct user before = *u;
	size_t i, n;
	yyjson_val *key, *value, *custom = NULL;
	bool known;
	if (how == USER_MERGE_UPSERT) u->name = u->image = SPAN_NONE;
	yyjson_obj_foreach(obj, i, n, key, value)
	{
		enum err e = user_key_apply(c, u, json_span(key), value, &known);
		if (e != ERR_OK) return e;
	}
	enum err e = collect(c, obj, &custom);
	if (e != ERR_OK) return e;
	if (yyjson_get_len(custom) <=
		(size_t)LIMIT_USER_OBJECT_BYTES) /* more keys than bytes cannot fit, and merging would be dear */
		u->custom = custom_merge(c->arena, how == USER_MERGE_UPSERT ? SPAN_NONE : u->custom, custom);
	else
		return chat_fail(
			c, ERR_INPUT, "user", "the user object is larger than %lld bytes", (long long)LIMIT_USER_OBJECT_BYTES);
	return user_check(c, &before, u, changed);
}
