/* A member's own touches to his membership: pins, archives, custom data. */
#include "chat/channel_data.h"
#include "chat/channel_members.h"
#include "chat/channel_rules.h"

struct member_change {
	struct member m;
	bool own_state;    /* pinned or archived: his own business */
	bool public_state; /* custom data: everybody's */
};

static struct span strip_custom(struct span path) { return span_starts(path, SPAN("custom.")) ? span_skip(path, 7) : path; }

static struct span head_of(struct span path) { return span_make(path.p, span_find(path, '.')); }

/* Setting one clears the other. */
static void set_mark(struct member_change *k, bool pinned, bool on, int64_t now)
{
	int64_t *mark = pinned ? &k->m.pinned_at : &k->m.archived_at, *other = pinned ? &k->m.archived_at : &k->m.pinned_at;
	*mark = on ? (*mark != 0 ? *mark : now) : 0;
	if (on) *other = 0;
	k->own_state = true;
}

static enum err change_path(struct chat_ctx *c, struct member_change *k, struct span key, yyjson_val *value)
{
	const char *verb = value != NULL ? "set" : "unset";
	bool pinned = span_is(key, "pinned");
	if (pinned || span_is(key, "archived")) {
		if (value != NULL && !yyjson_is_bool(value) && !yyjson_is_null(value))
			return chat_fail(c, ERR_INPUT, verb, "%.*s must be a boolean", SPAN_FMT(key));
		set_mark(k, pinned, yyjson_is_true(value), c->now_us);
		return ERR_OK;
	}
	struct span path = strip_custom(key);
	if (member_key_reserved(head_of(path)))
		return chat_fail(c, ERR_INPUT, verb, "%.*s cannot be changed", SPAN_FMT(head_of(path)));
	bool ok = value != NULL ? custom_set_path(c->arena, &k->m.custom, path, value)
				: custom_unset_path(c->arena, &k->m.custom, path);
	k->public_state = true;
	if (ok) return ERR_OK;
	if (arena_failed(c->arena)) return chat_store_fail(c, ERR_UNAVAILABLE);
	return chat_fail(c, ERR_INPUT, verb, "%.*s leads through a value that is no object", SPAN_FMT(path));
}

static enum err apply(struct chat_ctx *c, struct member_change *k, yyjson_val *body)
{
	yyjson_val *set = json_get(body, "set"), *unset = json_get(body, "unset"), *key, *value;
	size_t i, n;
	if (value_given(set) && !yyjson_is_obj(set)) return chat_fail(c, ERR_INPUT, "set", "set must be an object");
	if (value_given(unset) && !yyjson_is_arr(unset))
		return chat_fail(c, ERR_INPUT, "unset", "unset must be an array of keys");
	if (!value_given(set) && !value_given(unset))
		return chat_fail(c, ERR_INPUT, "set", "a partial update needs set or unset");
	enum err e = ERR_OK;
	yyjson_obj_foreach(set, i, n, key, value)
	{
		if (e == ERR_OK) e = change_path(c, k, json_span(key), value);
	}
	yyjson_arr_foreach(unset, i, n, value)
	{
		if (e == ERR_OK && !(yyjson_is_str(value) && yyjson_get_len(value) > 0))
			e = chat_fail(c, ERR_INPUT, "unset", "unset must be an array of keys");
		if (e == ERR_OK) e = change_path(c, k, json_span(value), NULL);
	}
	return e == ERR_OK ? custom_check_size(c, k->m.custom, "member") : e;
}

static enum err find_member(struct chat_ctx *c, const struct channel_ctx *x, struct span user_id, struct member *out)
{
	struct user u;
	enum err e = store_user_get(c->tx, c->app->pk, user_id, c->arena, &u);
	if (e == ERR_OK) e = store_member_get(c->tx, x->ch.pk, u.pk, c->arena, out);
	if (e == ERR_NOT_FOUND)
		return chat_fail(c, e, NULL, "user %.*s is not a member of channel %.*s", SPAN_FMT(user_id), SPAN_FMT(x->ch.cid));
	return e == ERR_OK ? chat_member_fill(c, x, out) : chat_store_fail(c, e);
}

enum err chat_update_member_partial(
	struct chat_ctx *c, struct span type, struct span id, struct span user_id, yyjson_val *body, struct jsonw *w)
{
	struct channel_ctx x;
	struct member_change k = { .own_state = false };
	if (user_id.n == 0 && c->me.pk != 0) user_id = c->me.id;
	if (user_id.n == 0) return chat_fail(c, ERR_INPUT, "user_id", "user_id is missing");
	enum err e = chat_channel_load(c, type, id, &x);
	if (e == ERR_OK && !span_eq(user_id, c->me.id)) e = chat_require(c, &x, "update-channel-members", x.is_owner);
	if (e == ERR_OK) e = find_member(c, &x, user_id, &k.m);
	if (e == ERR_OK) e = apply(c, &k, body);
	if (e == ERR_OK) e = member_store(c, &x, &k.m, k.own_state && !k.public_state);
	if (e != ERR_OK) return e;
	struct member shown = k.m;
	if (!chat_is_server(c)) shown.shadow_banned = false;
	e = chat_members_deleted(c, &shown, 1);
	if (e != ERR_OK) return e;
	jsonw_key(w, "channel_member");
	member_write(w, c->dialect, &shown);
	return ERR_OK;
}
