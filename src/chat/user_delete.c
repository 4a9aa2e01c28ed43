/* Deleting users, and bringing soft-deleted ones back. The users vanish with the call; what hangs on them goes in a task.
 * Contract: connection-and-users.md 4.5. */
#include "base/limits.h"
#include "chat/user_rules.h"

/* "" = untouched */
struct removal {
	struct span user, messages, conversations, owner;
};

enum err users_named(struct chat_ctx *c, yyjson_val *body, bool with_deleted, struct user **out, size_t *n)
{
	yyjson_val *ids = json_get(body, "user_ids"), *v;
	size_t i, count, kept = 0;
	if (!yyjson_is_arr(ids) || yyjson_arr_size(ids) == 0 || yyjson_arr_size(ids) > (size_t)LIMIT_USERS_BATCH)
		return chat_fail(c, ERR_INPUT, "user_ids", "user_ids must be an array of 1 to %lld user ids",
			(long long)LIMIT_USERS_BATCH);
	struct user *users = arena_array(c->arena, struct user, yyjson_arr_size(ids));
	if (users == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	yyjson_arr_foreach(ids, i, count, v)
	{
		struct span id = json_span(v);
		size_t k = 0;
		if (!span_given(id)) return chat_fail(c, ERR_INPUT, "user_ids", "user_ids must be an array of strings");
		while (k < kept && !span_eq(users[k].id, id)) k++;
		if (k < kept) continue;
		enum err e = store_user_get(c->tx, c->app->pk, id, c->arena, &users[kept]);
		if (e == ERR_NOT_FOUND || (e == ERR_OK && users[kept].deleted_at != 0 && !with_deleted))
			return chat_fail(c, ERR_NOT_FOUND, "user_ids", "user %.*s does not exist", SPAN_FMT(id));
		if (e != ERR_OK) return chat_store_fail(c, e);
		kept++;
	}
	*out = users;
	*n = kept;
	return ERR_OK;
}

/* ---- the request ---- */
static enum err take_mode(struct chat_ctx *c, yyjson_val *body, const char *key, bool may_prune, struct span *out)
{
	yyjson_val *v = json_get(body, key);
	if (v == NULL || yyjson_is_null(v) || (yyjson_is_str(v) && yyjson_get_len(v) == 0)) return ERR_OK;
	struct span mode = json_span(v);
	if (!span_is(mode, "soft") && !span_is(mode, "hard") && !(may_prune && span_is(mode, "pruning")))
		return chat_fail(c, ERR_INPUT, key, "%s must be soft, %shard", key, may_prune ? "pruning or " : "or ");
	*out = mode;
	return ERR_OK;
}

static enum err check_owner(struct chat_ctx *c, yyjson_val *body, struct span *out)
{
	struct user u;
	struct span id = json_span(json_get(body, "new_channel_owner_id"));
	if (id.n == 0) return ERR_OK;
	enum err e = store_user_get(c->tx, c->app->pk, id, c->arena, &u);
	if (e == ERR_NOT_FOUND || (e == ERR_OK && u.deleted_at != 0))
		return chat_fail(c, ERR_INPUT, "new_channel_owner_id", "user %.*s does not exist", SPAN_FMT(id));
	if (e != ERR_OK) return chat_store_fail(c, e);
	*out = id;
	return ERR_OK;
}

static enum err parse(struct chat_ctx *c, yyjson_val *body, struct removal *r)
{
	*r = (struct removal){ SPAN("soft"), SPAN(""), SPAN(""), SPAN("") };
	enum err e = take_mode(c, body, "user", true, &r->user);
	if (e == ERR_OK) e = take_mode(c, body, "messages", true, &r->messages);
	if (e == ERR_OK) e = take_mode(c, body, "conversations", false, &r->conversations);
	if (e == ERR_OK) e = check_owner(c, body, &r->owner);
	if (e == ERR_OK && span_is(r->user, "hard") && (!span_is(r->messages, "hard") || !span_is(r->conversations, "hard")))
		e = chat_fail(c, ERR_INPUT, "user", "user hard needs messages hard and conversations hard");
	return e;
}

/* ---- the moment ---- */
void chat_user_deleted_modes(struct jsonw *w, struct span user, struct span messages, struct span conversations)
{
	jsonw_kstr(w, "delete_user", user);
	jsonw_kstr(w, "delete_messages", messages);
	jsonw_kstr(w, "delete_conversation", conversations);
	jsonw_kbool(w, "hard_delete", span_is(user, "hard"));
	jsonw_kbool(w, "mark_messages_deleted", messages.n > 0);
	jsonw_kbool(w, "delete_conversation_channels", conversations.n > 0);
}

static enum err record_deleted(struct chat_ctx *c, const struct user *u, const struct removal *r)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_REPLY_BYTES);
	jsonw_init(&w, &text);
	chat_event_begin(c, &w, event_type_name(EVENT_USER_DELETED), c->now_us, NULL);
	jsonw_key(&w, "user");
	user_write(&w, DIALECT_1, USER_VIEW_COMMON, u);
	chat_user_deleted_modes(&w, r->user, r->messages, r->conversations);
	/* It must tell of him when his row is gone. Ids and modes need no escaping. */
	struct store_event log = { .user_pk = u->pk,
		.actor_pk = u->pk,
		.data = arena_printf(c->arena,
			"{\"id\":\"%.*s\",\"user\":\"%.*s\",\"messages\":\"%.*s\",\"conversations\":\"%.*s\"}", SPAN_FMT(u->id),
			SPAN_FMT(r->user), SPAN_FMT(r->messages), SPAN_FMT(r->conversations)) };
	bool ok = !text.failed && span_given(log.data);
	struct event *ev = ok ? chat_record(c, EVENT_USER_DELETED, &log, buf_span(&text), SPAN_NONE) : NULL;
	buf_deinit(&text);
	return ev != NULL ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}

static enum err mark(struct chat_ctx *c, struct user *u, const struct removal *r)
{
	if (u->deleted_at == 0) u->deleted_at = c->now_us;
	u->updated_at = c->now_us;
	if (!span_is(r->user, "soft")) {
		u->invisible = false;
		u->invisible_since_last_active = USER_PRUNED;
	}
	enum err e = store_user_put(c->tx, c->app->pk, u, SPAN_NONE);
	if (e != ERR_OK) return chat_store_fail(c, e);
	e = record_deleted(c, u, r);
	return e == ERR_OK ? chat_end_sessions(c, u->pk, ERR_NOT_FOUND, "the user was deleted") : e;
}

static enum err make_task(struct chat_ctx *c, const struct user *users, size_t n, const struct removal *r, struct span *id)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "user", r->user);
	jsonw_kstr(&w, "messages", r->messages);
	jsonw_kstr(&w, "conversations", r->conversations);
	jsonw_kstr(&w, "owner", r->owner);
	jsonw_key(&w, "users");
	jsonw_arr_begin(&w);
	for (size_t i = 0; i < n; i++) {
		jsonw_obj_begin(&w);
		jsonw_kstr(&w, "id", users[i].id);
		jsonw_kint(&w, "pk", users[i].pk);
		jsonw_obj_end(&w);
	}
	jsonw_arr_end(&w);
	jsonw_obj_end(&w);
	enum err e = text.failed ? chat_store_fail(c, ERR_UNAVAILABLE) : chat_task_make(c, "users.delete", buf_span(&text), id);
	buf_deinit(&text);
	return e;
}

/* A restore of an older backup must not bring it back: said at once, whatever becomes of the task. */
static enum err remember_erased(struct chat_ctx *c, const struct user *u, const struct removal *r)
{
	bool all = span_is(r->user, "hard");
	if (!all && !span_is(r->messages, "hard")) return ERR_OK;
	enum err e = store_erasure_add(c->tx, c->app->pk, all ? SPAN("user") : SPAN("user.messages"), u->id, c->now_us);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

static enum err remove_users(struct chat_ctx *c, struct user *users, size_t n, const struct removal *r, struct span *task)
{
	enum err e = ERR_OK;
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		e = mark(c, &users[i], r);
		if (e == ERR_OK) e = remember_erased(c, &users[i], r);
	}
	return e == ERR_OK ? make_task(c, users, n, r, task) : e;
}

enum err chat_delete_users(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	struct removal r;
	struct user *users = NULL;
	size_t n = 0;
	struct span task;
	enum err e = parse(c, body, &r);
	if (e == ERR_OK) e = users_named(c, body, true, &users, &n);
	if (e == ERR_OK) e = remove_users(c, users, n, &r, &task);
	if (e == ERR_OK) jsonw_kstr(w, "task_id", task);
	return e;
}

enum err chat_delete_user(struct chat_ctx *c, struct span id, const struct user_delete_options *o, struct jsonw *w)
{
	struct user u;
	struct span task;
	struct removal r = { o->hard ? SPAN("hard") : SPAN("soft"),
		o->hard                    ? SPAN("hard")
		: o->mark_messages_deleted ? SPAN("soft")
					   : SPAN(""),
		!o->delete_conversations ? SPAN("")
		: o->hard                ? SPAN("hard")
					 : SPAN("soft"),
		SPAN("") };
	enum err e = store_user_get(c->tx, c->app->pk, id, c->arena, &u);
	if (e == ERR_NOT_FOUND || (e == ERR_OK && u.deleted_at != 0 && !o->hard))
		return chat_fail(c, ERR_NOT_FOUND, NULL, "user %.*s does not exist", SPAN_FMT(id));
	if (e != ERR_OK) return chat_store_fail(c, e);
	e = remove_users(c, &u, 1, &r, &task);
	if (e != ERR_OK) return e;
	jsonw_key(w, "user");
	return chat_user_write_full(c, w, &u);
}

/* ---- and back ---- */
enum err chat_restore_users(struct chat_ctx *c, yyjson_val *body)
{
	struct user *users = NULL;
	size_t n = 0;
	enum err e = users_named(c, body, true, &users, &n);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		struct user *u = &users[i];
		if (u->deleted_at == 0) continue;
		if (u->invisible_since_last_active == USER_PRUNED)
			return chat_fail(c, ERR_INPUT, "user_ids", "user %.*s was not soft-deleted and cannot be restored",
				SPAN_FMT(u->id));
		u->deleted_at = 0;
		u->updated_at = c->now_us;
		e = store_user_put(c->tx, c->app->pk, u, span_given(u->name) ? chat_fold(c->arena, u->name) : SPAN_NONE);
		if (e != ERR_OK) e = chat_store_fail(c, e);
	}
	return e;
}
