/* POST and PATCH /users. A batch is one transaction: the first bad user fails all. Contract: connection-and-users.md 4.3. */
#include "base/limits.h"
#include "chat/permissions.h"
#include "chat/user_rules.h"
#include "wire/ids.h"

enum { PATHS_MAX = 512 }; /* of one partial update; more cannot fit into the object */

/* ---- what both do ---- */
struct batch {
	struct user *users;
	size_t n;
	struct buf left; /* {"id":["team",..],..}: teams that were left */
	struct jsonw left_w;
	bool any_left;
};

static enum err batch_begin(struct chat_ctx *c, size_t n, struct batch *b)
{
	*b = (struct batch){ .users = arena_array(c->arena, struct user, n) };
	if (n == 0) return chat_fail(c, ERR_INPUT, "users", "users must name at least one user");
	if (n > (size_t)LIMIT_USERS_BATCH)
		return chat_fail(c, ERR_INPUT, "users", "at most %lld users in one call", (long long)LIMIT_USERS_BATCH);
	if (b->users == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	buf_init(&b->left, (size_t)LIMIT_REPLY_BYTES);
	jsonw_init(&b->left_w, &b->left);
	jsonw_obj_begin(&b->left_w);
	return ERR_OK;
}

static enum err check_right(struct chat_ctx *c, struct span id)
{
	bool own = c->caller == CALLER_USER && span_eq(id, c->me.id);
	if (chat_may_own(c, "update-user", own)) return ERR_OK;
	return chat_fail(c, ERR_NOT_ALLOWED, NULL, "user %.*s with role %.*s may not update user %.*s", SPAN_FMT(c->me.id),
		SPAN_FMT(c->me.role), SPAN_FMT(id));
}

static bool has_team(yyjson_val *teams, struct span team)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(teams, i, n, v)
	{
		if (span_eq(json_span(v), team)) return true;
	}
	return false;
}

static void note_left_teams(struct chat_ctx *c, struct batch *b, const struct user *before, const struct user *u)
{
	const char *why;
	size_t at, i, n;
	if (!span_given(before->teams) || span_eq(before->teams, u->teams)) return;
	yyjson_val *old = json_parse(c->arena, before->teams, &why, &at), *team;
	yyjson_val *now = span_given(u->teams) ? json_parse(c->arena, u->teams, &why, &at) : NULL;
	bool open = false;
	yyjson_arr_foreach(old, i, n, team)
	{
		if (has_team(now, json_span(team))) continue;
		if (!open) {
			jsonw_key_span(&b->left_w, u->id);
			jsonw_arr_begin(&b->left_w);
			open = b->any_left = true;
		}
		jsonw_val(&b->left_w, team);
	}
	if (open) jsonw_arr_end(&b->left_w);
}

static enum err store_one(struct chat_ctx *c, struct batch *b, const struct user *before, struct user *u)
{
	bool existed = before->pk != 0;
	enum err e = chat_user_store(c, u, existed, existed && before->invisible != u->invisible);
	if (e != ERR_OK) return e;
	note_left_teams(c, b, before, u);
	if (u->revoke_before != 0 && u->revoke_before != before->revoke_before && existed)
		return chat_end_revoked(c, u->pk, u->revoke_before);
	return ERR_OK;
}

static enum err make_leave_task(struct chat_ctx *c, struct batch *b, struct span *id)
{
	*id = SPAN("");
	if (!b->any_left) return ERR_OK;
	jsonw_obj_end(&b->left_w);
	if (b->left.failed) return chat_store_fail(c, ERR_UNAVAILABLE);
	return chat_task_make(c, "users.leave_teams", buf_span(&b->left), id);
}

static enum err reply(struct chat_ctx *c, struct batch *b, struct jsonw *w)
{
	struct span task;
	enum err e = make_leave_task(c, b, &task);
	if (e != ERR_OK) return e;
	jsonw_key(w, "users");
	jsonw_obj_begin(w);
	for (size_t i = 0; e == ERR_OK && i < b->n; i++) {
		jsonw_key_span(w, b->users[i].id);
		e = chat_user_write_full(c, w, &b->users[i]);
	}
	jsonw_obj_end(w);
	jsonw_kstr(w, "membership_deletion_task_id", task);
	return e;
}

/* ---- POST: replaces ---- */
static enum err upsert_one(struct chat_ctx *c, struct batch *b, struct span id, yyjson_val *object)
{
	bool changed;
	struct user before, *u = &b->users[b->n];
	if (!yyjson_is_obj(object)) return chat_fail(c, ERR_INPUT, "users", "a user must be an object");
	if (!user_id_valid(id))
		return chat_fail(c, ERR_INPUT, "users", "a user id is 1 to %lld of the characters a-z A-Z 0-9 @ _ -",
			(long long)LIMIT_USER_ID_BYTES);
	if (!span_eq(json_span(json_get(object, "id")), id))
		return chat_fail(c, ERR_INPUT, "users", "the key of user %.*s must be his id", SPAN_FMT(id));
	enum err e = check_right(c, id);
	if (e == ERR_OK) e = store_user_get(c->tx, c->app->pk, id, c->arena, u);
	if (e == ERR_NOT_FOUND) {
		*u = user_new(id);
	} else if (e != ERR_OK) {
		return c->error.err == e ? e : chat_store_fail(c, e);
	}
	if (u->deleted_at != 0) return chat_fail(c, ERR_INPUT, "users", "user %.*s was deleted", SPAN_FMT(id));
	before = *u;
	e = chat_user_apply(c, u, object, USER_MERGE_UPSERT, &changed);
	if (e == ERR_OK && changed) e = store_one(c, b, &before, u);
	b->n += e == ERR_OK;
	return e;
}

enum err chat_update_users(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	yyjson_val *users = json_get(body, "users"), *key, *object;
	size_t i, n;
	struct batch b;
	if (!yyjson_is_obj(users)) return chat_fail(c, ERR_INPUT, "users", "users must be an object of user objects by id");
	enum err e = batch_begin(c, yyjson_obj_size(users), &b);
	if (e != ERR_OK) return e;
	yyjson_obj_foreach(users, i, n, key, object)
	{
		if (e == ERR_OK) e = upsert_one(c, &b, json_span(key), object);
	}
	if (e == ERR_OK) e = reply(c, &b, w);
	buf_deinit(&b.left);
	return e;
}

/* ---- PATCH: sets and unsets by path ---- */
static struct span path_head(struct span path) { return span_make(path.p, span_find(path, '.')); }

/* Dialect 2 may put "custom." before keys that replies nest there. */
static struct span path_of(const struct chat_ctx *c, struct span path)
{
	return c->dialect == DIALECT_2 && span_starts(path, SPAN("custom.")) ? span_skip(path, 7) : path;
}

static bool path_covers(struct span a, struct span b)
{
	return span_eq(a, b) || (b.n > a.n && span_starts(b, a) && b.p[a.n] == '.');
}

static enum err check_paths(struct chat_ctx *c, yyjson_val *set, yyjson_val *unset)
{
	struct span paths[PATHS_MAX];
	size_t count = 0, i, n;
	yyjson_val *key, *value;
	if (yyjson_get_len(set) + yyjson_get_len(unset) > PATHS_MAX)
		return chat_fail(c, ERR_INPUT, "set", "at most %d paths in one update of a user", PATHS_MAX);
	yyjson_obj_foreach(set, i, n, key, value) paths[count++] = path_of(c, json_span(key));
	yyjson_arr_foreach(unset, i, n, value)
	{
		if (!yyjson_is_str(value)) return chat_fail(c, ERR_INPUT, "unset", "unset must be an array of strings");
		paths[count++] = path_of(c, json_span(value));
	}
	for (i = 0; i < count; i++) {
		if (paths[i].n == 0 || span_find(paths[i], ' ') < paths[i].n)
			return chat_fail(c, ERR_INPUT, "set", "a path must not be empty or contain a blank");
		for (size_t k = 0; k < i; k++)
			if (path_covers(paths[i], paths[k]) || path_covers(paths[k], paths[i]))
				return chat_fail(c, ERR_INPUT, "set", "%.*s is set or unset twice", SPAN_FMT(paths[i]));
	}
	return ERR_OK;
}

/* privacy_settings.<name>[.enabled]; value NULL unsets. */
static enum err privacy_path(struct chat_ctx *c, struct user *u, struct span path, yyjson_val *value)
{
	struct span rest = span_skip(path, path_head(path).n + 1), name = path_head(rest);
	bool whole = name.n == rest.n;
	int8_t *field = user_privacy_field(u, name);
	if (field == NULL || (!whole && !span_is(span_skip(rest, name.n + 1), "enabled")))
		return chat_fail(c, ERR_INPUT, "privacy_settings", "%.*s is no privacy setting", SPAN_FMT(path));
	if (value == NULL) {
		*field = TRI_UNSET;
		return ERR_OK;
	}
	if (whole) return user_privacy_set(c, u, name, value);
	if (!yyjson_is_bool(value)) return chat_fail(c, ERR_INPUT, "privacy_settings", "%.*s must be a boolean", SPAN_FMT(path));
	*field = yyjson_get_bool(value) ? TRI_ON : TRI_OFF;
	return ERR_OK;
}

static enum err set_custom(struct chat_ctx *c, struct user *u, struct span path, yyjson_val *value)
{
	if (u->custom.n > (size_t)LIMIT_BODY_BYTES || !custom_set_path(c->arena, &u->custom, path, value)) {
		if (arena_failed(c->arena)) return chat_store_fail(c, ERR_UNAVAILABLE);
		return chat_fail(c, ERR_INPUT, "set", "%.*s cannot be set: something on its way is no object", SPAN_FMT(path));
	}
	return ERR_OK;
}

static enum err set_one(struct chat_ctx *c, struct user *u, struct span path, yyjson_val *value)
{
	struct span head = path_head(path);
	bool known;
	if (span_is(head, "id") && !span_eq(json_span(value), u->id))
		return chat_fail(c, ERR_INPUT, "set", "the id of a user cannot be changed");
	if (head.n < path.n && span_is(head, "privacy_settings")) return privacy_path(c, u, path, value);
	if (head.n < path.n && user_key_reserved(head))
		return chat_fail(c, ERR_INPUT, "set", "%.*s has nothing inside that could be set", SPAN_FMT(head));
	if (head.n == path.n) {
		enum err e = user_key_apply(c, u, head, value, &known);
		if (e != ERR_OK || known) return e;
	}
	return set_custom(c, u, path, value);
}

static void unset_built_in(struct user *u, struct span key)
{
	if (span_is(key, "name")) u->name = SPAN_NONE;
	if (span_is(key, "image")) u->image = SPAN_NONE;
	if (span_is(key, "language")) u->language = SPAN_NONE;
	if (span_is(key, "invisible")) u->invisible = false;
	if (span_is(key, "privacy_settings")) u->privacy_typing = u->privacy_read = u->privacy_delivery = TRI_UNSET;
}

static enum err unset_one(struct chat_ctx *c, struct user *u, struct span path)
{
	struct span head = path_head(path);
	if (span_is(head, "id")) return chat_fail(c, ERR_INPUT, "unset", "the id of a user cannot be unset");
	if (head.n < path.n && span_is(head, "privacy_settings")) return privacy_path(c, u, path, NULL);
	if (!user_key_reserved(head)) {
		if (custom_unset_path(c->arena, &u->custom, path)) return ERR_OK;
		if (arena_failed(c->arena)) return chat_store_fail(c, ERR_UNAVAILABLE);
		return chat_fail(
			c, ERR_INPUT, "unset", "%.*s cannot be unset: something on its way is no object", SPAN_FMT(path));
	}
	if (span_is(head, "teams") && !chat_may(c, "update-user-teams"))
		return chat_fail(c, ERR_NOT_ALLOWED, "teams", "the teams of a user cannot be changed by himself");
	if (span_is(head, "teams_role") && !chat_may(c, "update-user-role"))
		return chat_fail(c, ERR_NOT_ALLOWED, "teams_role", "the role of a user cannot be changed by himself");
	if (span_is(head, "teams")) u->teams = SPAN_NONE;
	if (span_is(head, "teams_role")) u->teams_role = SPAN_NONE;
	if (span_is(head, "revoke_tokens_issued_before") && chat_is_server(c)) u->revoke_before = 0;
	unset_built_in(u, head);
	return ERR_OK;
}

static enum err apply_paths(struct chat_ctx *c, struct user *u, yyjson_val *set, yyjson_val *unset)
{
	size_t i, n;
	yyjson_val *key, *value;
	enum err e = check_paths(c, set, unset);
	yyjson_obj_foreach(set, i, n, key, value)
	{
		if (e == ERR_OK) e = set_one(c, u, path_of(c, json_span(key)), value);
	}
	yyjson_arr_foreach(unset, i, n, value)
	{
		if (e == ERR_OK) e = unset_one(c, u, path_of(c, json_span(value)));
	}
	return e;
}

/* A user that the batch names twice goes on from what the first change left. */
static enum err load_one(struct chat_ctx *c, struct span id, struct user *u)
{
	enum err e = store_user_get(c->tx, c->app->pk, id, c->arena, u);
	if (e == ERR_NOT_FOUND || (e == ERR_OK && u->deleted_at != 0))
		return chat_fail(c, ERR_NOT_FOUND, "users", "user %.*s does not exist", SPAN_FMT(id));
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

static enum err patch_one(struct chat_ctx *c, struct batch *b, yyjson_val *item)
{
	struct span id = json_span(json_get(item, "id"));
	yyjson_val *set = json_get(item, "set"), *unset = json_get(item, "unset");
	bool changed;
	struct user before, *u = &b->users[b->n];
	if (!span_given(id)) return chat_fail(c, ERR_INPUT, "users", "each entry must have the id of a user");
	if (set != NULL && !yyjson_is_null(set) && !yyjson_is_obj(set))
		return chat_fail(c, ERR_INPUT, "set", "set must be an object");
	if (unset != NULL && !yyjson_is_null(unset) && !yyjson_is_arr(unset))
		return chat_fail(c, ERR_INPUT, "unset", "unset must be an array of strings");
	enum err e = check_right(c, id);
	if (e == ERR_OK) e = load_one(c, id, u);
	if (e != ERR_OK) return e;
	before = *u;
	e = apply_paths(c, u, yyjson_is_obj(set) ? set : NULL, yyjson_is_arr(unset) ? unset : NULL);
	if (e == ERR_OK) e = user_check(c, &before, u, &changed);
	if (e == ERR_OK && changed) e = store_one(c, b, &before, u);
	b->n += e == ERR_OK;
	return e;
}

/* One entry per user in the reply, the last word about each. */
static void drop_doubles(struct batch *b)
{
	size_t kept = 0;
	for (size_t i = 0; i < b->n; i++) {
		bool later = false;
		for (size_t k = i + 1; k < b->n && !later; k++) later = b->users[k].pk == b->users[i].pk;
		if (!later) b->users[kept++] = b->users[i];
	}
	b->n = kept;
}

enum err chat_update_users_partial(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	yyjson_val *users = json_get(body, "users"), *item;
	size_t i, n;
	struct batch b;
	if (!yyjson_is_arr(users)) return chat_fail(c, ERR_INPUT, "users", "users must be an array of changes");
	enum err e = batch_begin(c, yyjson_arr_size(users), &b);
	if (e != ERR_OK) return e;
	yyjson_arr_foreach(users, i, n, item)
	{
		if (e == ERR_OK) e = patch_one(c, &b, item);
	}
	if (e == ERR_OK) {
		drop_doubles(&b);
		e = reply(c, &b, w);
	}
	buf_deinit(&b.left);
	return e;
}
