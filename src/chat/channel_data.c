#include "chat/channel_data.h"

#include "base/limits.h"

yyjson_val *stored_json(struct chat_ctx *c, struct span text)
{
	const char *why;
	size_t at;
	return span_given(text) ? json_parse(c->arena, text, &why, &at) : NULL;
}

static bool listed(struct span key, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_is(key, names[i])) return true;
	return false;
}

bool channel_key_reserved(struct span key)
{
	static const char *const names[] = { "id", "type", "cid", "created_at", "updated_at", "last_message_at", "deleted_at",
		"truncated_at", "truncated_by", "truncated_by_id", "created_by", "created_by_id", "frozen", "disabled",
		"member_count", "message_count", "team", "cooldown", "filter_tags", "auto_translation_enabled",
		"auto_translation_language", "config", "config_overrides", "own_capabilities", "hidden", "hide_messages_before",
		"muted", "mute_expires_at", "blocked", "members", "invites", "custom" };
	return listed(key, names, BECK_COUNT(names));
}

bool member_key_reserved(struct span key)
{
	static const char *const names[] = { "user_id", "user", "channel_role", "role", "is_moderator", "banned", "ban_expires",
		"shadow_banned", "invited", "invite_accepted_at", "invite_rejected_at", "status", "notifications_muted",
		"pinned_at", "archived_at", "created_at", "updated_at", "deleted_at", "deleted_messages", "custom", "pinned",
		"archived", "id", "channel_id" };
	return listed(key, names, BECK_COUNT(names));
}

bool value_given(yyjson_val *v) { return v != NULL && !yyjson_is_null(v) && !(yyjson_is_str(v) && yyjson_get_len(v) == 0); }

enum err custom_check_size(struct chat_ctx *c, struct span custom, const char *what)
{
	if (custom.n <= (size_t)LIMIT_CUSTOM_BYTES) return ERR_OK;
	return chat_fail(
		c, ERR_INPUT, "custom", "custom data of the %s is larger than %lld bytes", what, (long long)LIMIT_CUSTOM_BYTES);
}

static enum err take_custom(
	struct chat_ctx *c, yyjson_val *obj, bool (*reserved)(struct span), const char *what, struct span *out)
{
	if (c->dialect == DIALECT_2) {
		obj = json_get(obj, "custom");
		if (obj != NULL && !yyjson_is_null(obj) && !yyjson_is_obj(obj))
			return chat_fail(c, ERR_INPUT, "custom", "custom must be an object");
	}
	struct span custom = yyjson_is_obj(obj) ? custom_collect(c->arena, obj, reserved) : SPAN_NONE;
	if (arena_failed(c->arena)) return chat_store_fail(c, ERR_UNAVAILABLE); /* not the same as none */
	enum err e = custom_check_size(c, custom, what);
	if (e == ERR_OK) *out = custom;
	return e;
}

enum err channel_custom_take(struct chat_ctx *c, yyjson_val *obj, struct span *out)
{
	return take_custom(c, obj, channel_key_reserved, "channel", out);
}

enum err member_custom_take(struct chat_ctx *c, yyjson_val *obj, struct span *out)
{
	return take_custom(c, obj, member_key_reserved, "member", out);
}

enum err take_bool(struct chat_ctx *c, yyjson_val *obj, const char *key, bool *out, bool *given)
{
	yyjson_val *v = json_get(obj, key);
	if (!value_given(v)) return ERR_OK;
	if (!yyjson_is_bool(v)) return chat_fail(c, ERR_INPUT, key, "%s must be a boolean", key);
	*out = yyjson_get_bool(v);
	if (given != NULL) *given = true;
	return ERR_OK;
}

enum err take_int(struct chat_ctx *c, yyjson_val *obj, const char *key, int64_t min, int64_t max, int64_t *out, bool *given)
{
	yyjson_val *v = json_get(obj, key);
	if (!value_given(v)) return ERR_OK;
	double number = yyjson_is_num(v) ? yyjson_get_num(v) : -1;
	if (!yyjson_is_num(v) || number < (double)min || number > (double)max || number != (double)(int64_t)number)
		return chat_fail(
			c, ERR_INPUT, key, "%s must be an integer from %lld to %lld", key, (long long)min, (long long)max);
	*out = (int64_t)number;
	if (given != NULL) *given = true;
	return ERR_OK;
}

enum err take_string(struct chat_ctx *c, yyjson_val *obj, const char *key, size_t max_bytes, struct span *out)
{
	yyjson_val *v = json_get(obj, key);
	if (!value_given(v)) return ERR_OK;
	if (!yyjson_is_str(v)) return chat_fail(c, ERR_INPUT, key, "%s must be a string", key);
	if (yyjson_get_len(v) > max_bytes) return chat_fail(c, ERR_INPUT, key, "%s is longer than %zu bytes", key, max_bytes);
	*out = json_span(v);
	return ERR_OK;
}

/* ---- config_overrides ---- */

enum override_kind { OVERRIDE_BOOL, OVERRIDE_STRING, OVERRIDE_LENGTH, OVERRIDE_LIST, OVERRIDE_OBJECT };
static const struct {
	const char *key;
	enum override_kind kind;
} overrides[] = {
	{ "blocklist", OVERRIDE_STRING },
	{ "blocklist_behavior", OVERRIDE_STRING },
	{ "commands", OVERRIDE_LIST },
	{ "count_messages", OVERRIDE_BOOL },
	{ "grants", OVERRIDE_OBJECT },
	{ "max_message_length", OVERRIDE_LENGTH },
	{ "push_level", OVERRIDE_STRING },
	{ "quotes", OVERRIDE_BOOL },
	{ "reactions", OVERRIDE_BOOL },
	{ "replies", OVERRIDE_BOOL },
	{ "shared_locations", OVERRIDE_BOOL },
	{ "typing_events", OVERRIDE_BOOL },
	{ "uploads", OVERRIDE_BOOL },
	{ "url_enrichment", OVERRIDE_BOOL },
	{ "user_message_reminders", OVERRIDE_BOOL },
	{ "chat_preferences", OVERRIDE_OBJECT },
};

static bool all_strings(yyjson_val *v)
{
	if (!yyjson_is_arr(v)) return false;
	size_t i, n;
	yyjson_val *item;
	yyjson_arr_foreach(v, i, n, item)
	{
		if (!yyjson_is_str(item)) return false;
	}
	return true;
}

static bool grants_valid(yyjson_val *v)
{
	size_t i, n;
	yyjson_val *key, *roles;
	yyjson_obj_foreach(v, i, n, key, roles)
	{
		if (!all_strings(roles)) return false;
	}
	return true;
}

static bool override_fits(enum override_kind kind, const char *key, yyjson_val *v)
{
	switch (kind) {
	case OVERRIDE_BOOL: return yyjson_is_bool(v);
	case OVERRIDE_STRING: return yyjson_is_str(v);
	case OVERRIDE_LENGTH: return yyjson_is_int(v) && yyjson_get_sint(v) >= 1 && yyjson_get_sint(v) <= LIMIT_TEXT_MAX_CHARS;
	case OVERRIDE_LIST: return all_strings(v);
	case OVERRIDE_OBJECT: return yyjson_is_obj(v) && (strcmp(key, "grants") != 0 || grants_valid(v));
	}
	return false;
}

enum err overrides_take(struct chat_ctx *c, yyjson_val *v, struct span *out)
{
	if (!yyjson_is_obj(v)) return chat_fail(c, ERR_INPUT, "config_overrides", "config_overrides must be an object");
	struct buf text;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	size_t found = 0, i, n;
	enum err e = ERR_OK;
	yyjson_val *key, *value;
	yyjson_obj_foreach(v, i, n, key, value)
	{
		size_t k = 0;
		while (k < BECK_COUNT(overrides) && !span_is(json_span(key), overrides[k].key)) k++;
		if (!value_given(value)) continue;
		if (k == BECK_COUNT(overrides) || !override_fits(overrides[k].kind, overrides[k].key, value)) {
			e = chat_fail(c, ERR_INPUT, "config_overrides", "config_overrides.%.*s is %s", SPAN_FMT(json_span(key)),
				k == BECK_COUNT(overrides) ? "not among the settings a channel can override" : "not valid");
			break;
		}
		jsonw_key(&w, overrides[k].key);
		jsonw_val(&w, value);
		found++;
	}
	jsonw_obj_end(&w);
	if (e == ERR_OK) e = custom_check_size(c, found ? buf_span(&text) : SPAN_NONE, "config_overrides");
	if (e == ERR_OK && text.failed) e = chat_store_fail(c, ERR_UNAVAILABLE);
	if (e == ERR_OK) *out = found ? arena_dup(c->arena, buf_span(&text)) : SPAN_NONE;
	buf_deinit(&text);
	return e;
}

/* ---- filter tags ---- */

struct tag_list {
	struct span items[10]; /* LIMIT_FILTER_TAGS */
	size_t n;
};

static size_t tag_find(const struct tag_list *l, struct span tag)
{
	size_t i = 0;
	while (i < l->n && !span_eq(l->items[i], tag)) i++;
	return i;
}

static enum err tags_add(struct chat_ctx *c, struct tag_list *l, yyjson_val *add)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(add, i, n, v)
	{
		struct span tag = json_span(v);
		if (!span_given(tag) || tag.n == 0 || tag.n > (size_t)LIMIT_FILTER_TAG_BYTES)
			return chat_fail(c, ERR_INPUT, "filter_tags", "a filter tag must be a string of 1 to %lld bytes",
				(long long)LIMIT_FILTER_TAG_BYTES);
		if (tag_find(l, tag) < l->n) continue;
		if (l->n == BECK_COUNT(l->items))
			return chat_fail(c, ERR_INPUT, "filter_tags", "a channel has at most %lld filter tags",
				(long long)LIMIT_FILTER_TAGS);
		l->items[l->n++] = tag;
	}
	return ERR_OK;
}

static void tags_remove(struct tag_list *l, yyjson_val *gone)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(gone, i, n, v)
	{
		size_t at = tag_find(l, json_span(v));
		if (!yyjson_is_str(v) || at == l->n) continue;
		memmove(&l->items[at], &l->items[at + 1], (l->n - at - 1) * sizeof l->items[0]);
		l->n--;
	}
}

static enum err tags_text(struct chat_ctx *c, const struct tag_list *l, struct span *out)
{
	if (l->n == 0) {
		*out = SPAN_NONE;
		return ERR_OK;
	}
	struct buf text;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	jsonw_arr_begin(&w);
	for (size_t i = 0; i < l->n; i++) jsonw_str(&w, l->items[i]);
	jsonw_arr_end(&w);
	struct span copy = text.failed ? SPAN_NONE : arena_dup(c->arena, buf_span(&text));
	buf_deinit(&text);
	if (!span_given(copy)) return chat_store_fail(c, ERR_UNAVAILABLE);
	*out = copy;
	return ERR_OK;
}

enum err filter_tags_change(struct chat_ctx *c, struct span *tags, yyjson_val *add, yyjson_val *gone)
{
	struct tag_list l = { .n = 0 };
	enum err e = ERR_OK;
	if ((value_given(add) && !yyjson_is_arr(add)) || (value_given(gone) && !yyjson_is_arr(gone)))
		return chat_fail(c, ERR_INPUT, "filter_tags", "filter tags must be an array of strings");
	if (span_given(*tags)) e = tags_add(c, &l, stored_json(c, *tags));
	if (e == ERR_OK && value_given(gone)) tags_remove(&l, gone);
	if (e == ERR_OK && value_given(add)) e = tags_add(c, &l, add);
	return e == ERR_OK ? tags_text(c, &l, tags) : e;
}

/* ---- teams, names ---- */

static bool is_of_team(struct chat_ctx *c, const struct user *u, struct span team)
{
	yyjson_val *teams = stored_json(c, u->teams);
	size_t i, n;
	yyjson_val *v;
	if (team.n == 0 && yyjson_arr_size(teams) == 0) return true;
	yyjson_arr_foreach(teams, i, n, v)
	{
		if (span_eq(json_span(v), team)) return true;
	}
	return false;
}

enum err team_check_member(struct chat_ctx *c, struct span team, const struct user *u)
{
	if (!c->app->multi_tenant_enabled || team.n == 0 || is_of_team(c, u, team)) return ERR_OK;
	return chat_fail(c, ERR_INPUT, "members", "user %.*s is not in the channel's team", SPAN_FMT(u->id));
}

enum err team_check(struct chat_ctx *c, struct span team)
{
	if (!c->app->multi_tenant_enabled || chat_is_server(c) || is_of_team(c, &c->me, team)) return ERR_OK;
	return chat_fail(c, ERR_NOT_ALLOWED, "team", "the channel's team is none of the user's teams");
}

enum err channel_row_store(struct chat_ctx *c, const struct channel *ch)
{
	struct span folded = channel_name_folded(c, ch);
	enum err e = arena_failed(c->arena) ? ERR_UNAVAILABLE : store_channel_put(c->tx, ch, folded);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

struct span channel_name_folded(struct chat_ctx *c, const struct channel *ch)
{
	struct span name = json_span(json_get(stored_json(c, ch->custom), "name"));
	return span_given(name) ? chat_fold(c->arena, name) : SPAN_NONE;
}
