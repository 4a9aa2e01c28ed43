/* The update of a channel: one body, several verbs, applied in the contract's order, the message last. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/channel_members.h"
#include "chat/channel_rules.h"
#include "wire/timestamp.h"

struct update {
	struct channel_ctx x;
	yyjson_val *body;
	bool data_changed; /* channel.updated is due */
	bool is_entitled;  /* the caller had the right to something that the body asks for */
	bool is_regulated; /* who may read is another question now */
};

static enum err need(struct chat_ctx *c, struct update *u, const char *permission)
{
	enum err e = chat_require(c, &u->x, permission, u->x.is_owner);
	u->is_entitled |= e == ERR_OK;
	return e;
}

static bool is_distinct(const struct channel *ch) { return span_starts(ch->id, SPAN("!members-")); }

/* ---- data ---- */

static enum err take_flags(struct chat_ctx *c, struct update *u, yyjson_val *data)
{
	struct channel *ch = &u->x.ch;
	bool frozen = ch->frozen, disabled = ch->disabled;
	enum err e = take_bool(c, data, "frozen", &frozen, NULL);
	if (e == ERR_OK && frozen != ch->frozen) e = need(c, u, "update-channel-frozen");
	if (e == ERR_OK) e = take_bool(c, data, "disabled", &disabled, NULL);
	if (e == ERR_OK && disabled != ch->disabled && !chat_is_server(c))
		e = chat_fail(c, ERR_NOT_ALLOWED, "disabled", "disabled is set by server calls only");
	if (e != ERR_OK) return e;
	ch->frozen = frozen;
	ch->disabled = disabled;
	return ERR_OK;
}

static enum err set_cooldown(struct chat_ctx *c, struct update *u, yyjson_val *obj)
{
	int64_t cooldown = u->x.ch.cooldown_s;
	bool given = false;
	enum err e = take_int(c, obj, "cooldown", 0, LIMIT_COOLDOWN_S, &cooldown, &given);
	if (e != ERR_OK || !given || cooldown == u->x.ch.cooldown_s) return e;
	e = need(c, u, "update-channel-cooldown");
	if (e != ERR_OK) return e;
	u->x.ch.cooldown_s = cooldown;
	u->data_changed = true;
	return ERR_OK;
}

/* Only server calls move a channel to a team or override its configuration; clients send the keys back unchanged. */
static enum err take_server_keys(struct chat_ctx *c, struct update *u, yyjson_val *data)
{
	yyjson_val *overrides = json_get(data, "config_overrides"), *tags = json_get(data, "filter_tags");
	if (!chat_is_server(c)) return ERR_OK;
	enum err e = take_string(c, data, "team", (size_t)LIMIT_TEAM_BYTES, &u->x.ch.team);
	if (e == ERR_OK && value_given(overrides)) e = overrides_take(c, overrides, &u->x.ch.config_overrides);
	if (e == ERR_OK && value_given(tags)) {
		u->x.ch.filter_tags = SPAN_NONE;
		e = filter_tags_change(c, &u->x.ch.filter_tags, tags, NULL);
	}
	return e;
}

static enum err apply_data(struct chat_ctx *c, struct update *u)
{
	yyjson_val *data = json_get(u->body, "data");
	if (!value_given(data)) return ERR_OK;
	if (!yyjson_is_obj(data)) return chat_fail(c, ERR_INPUT, "data", "data must be an object");
	enum err e = need(c, u, "update-channel");
	if (e == ERR_OK) e = take_flags(c, u, data);
	if (e == ERR_OK) e = set_cooldown(c, u, data);
	if (e == ERR_OK) e = take_server_keys(c, u, data);
	if (e == ERR_OK) e = channel_custom_take(c, data, &u->x.ch.custom);
	u->data_changed = true;
	return e;
}

static enum err apply_tags(struct chat_ctx *c, struct update *u)
{
	yyjson_val *add = json_get(u->body, "add_filter_tags"), *gone = json_get(u->body, "remove_filter_tags");
	if (!value_given(add) && !value_given(gone)) return ERR_OK;
	if (yyjson_is_arr(add) && yyjson_arr_size(add) == 0 && yyjson_arr_size(gone) == 0) return ERR_OK;
	enum err e = need(c, u, "update-channel");
	u->data_changed = true;
	return e == ERR_OK ? filter_tags_change(c, &u->x.ch.filter_tags, add, gone) : e;
}

/* ---- members ---- */

static bool only_me(const struct chat_ctx *c, const struct member_list *l)
{
	return l->n == 1 && span_eq(l->items[0].user_id, c->me.id);
}

/* A verb's list, users loaded, rights looked at. own_permission: enough when it names the caller alone; NULL = none is. */
static enum err take_list(
	struct chat_ctx *c, struct update *u, const char *key, const char *own_permission, bool invited, struct member_list *l)
{
	*l = (struct member_list){ 0 };
	enum err e = member_list_parse(c, json_get(u->body, key), key, invited, l);
	if (e != ERR_OK || l->n == 0) return e;
	bool own = own_permission != NULL && only_me(c, l) &&
		   chat_may_in(c, &u->x.effective, &u->x.ch, u->x.is_member ? &u->x.own : NULL, own_permission, u->x.is_owner);
	u->is_entitled |= own;
	if (!own) e = need(c, u, "update-channel-members");
	return e == ERR_OK ? member_list_resolve(c, l, key) : e;
}

static enum err refuse_distinct(struct chat_ctx *c, const struct update *u, const char *key)
{
	if (!is_distinct(&u->x.ch)) return ERR_OK;
	return chat_fail(c, ERR_INPUT, key, "the members of a distinct channel cannot change");
}

static enum err history_cut_of(struct chat_ctx *c, const struct update *u, int64_t *out)
{
	struct span text = SPAN_NONE;
	bool hide = false;
	enum err e = take_bool(c, u->body, "hide_history", &hide, NULL);
	if (e == ERR_OK) e = take_string(c, u->body, "hide_history_before", 64, &text);
	if (e != ERR_OK) return e;
	*out = hide ? c->now_us : 0;
	if (!span_given(text)) return ERR_OK;
	int64_t at;
	if (!time_parse(text, &at))
		return chat_fail(c, ERR_INPUT, "hide_history_before", "hide_history_before must be an RFC 3339 time");
	if (at == TIME_ZERO) return ERR_OK;
	if (at > c->now_us) return chat_fail(c, ERR_INPUT, "hide_history_before", "hide_history_before must lie in the past");
	*out = at;
	return ERR_OK;
}

/* Roles come with a right of their own: joining alone gives none. */
static enum err refuse_own_role(struct chat_ctx *c, const struct update *u, const struct member_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct span role = l->items[i].channel_role;
		if (span_given(role) && !span_is(role, "channel_member"))
			return chat_require(c, &u->x, "update-channel-members", u->x.is_owner);
	}
	return ERR_OK;
}

static enum err add_members(struct chat_ctx *c, struct update *u)
{
	struct member_list l;
	struct member_add how = { .role = "channel_member" };
	enum err e = take_list(c, u, "add_members", "add-own-channel-membership", false, &l);
	if (e != ERR_OK || l.n == 0) return e;
	e = refuse_distinct(c, u, "add_members");
	if (e == ERR_OK) e = refuse_own_role(c, u, &l);
	if (e == ERR_OK) e = history_cut_of(c, u, &how.hide_before);
	return e == ERR_OK ? members_add(c, &u->x, &l, &how) : e;
}

static enum err remove_members(struct chat_ctx *c, struct update *u)
{
	struct member_list l;
	enum err e = take_list(c, u, "remove_members", "remove-own-channel-membership", false, &l);
	if (e == ERR_OK && l.n > 0) e = refuse_distinct(c, u, "remove_members");
	return e == ERR_OK && l.n > 0 ? members_remove(c, &u->x, &l) : e;
}

static enum err assign_roles(struct chat_ctx *c, struct update *u)
{
	struct member_list l;
	enum err e = take_list(c, u, "assign_roles", NULL, false, &l);
	return e == ERR_OK ? members_set_role(c, &u->x, &l, NULL) : e;
}

static enum err add_moderators(struct chat_ctx *c, struct update *u)
{
	struct member_list l;
	enum err e = take_list(c, u, "add_moderators", NULL, false, &l);
	if (e != ERR_OK || l.n == 0) return e;
	/* whoever is no member joins with the role, whoever is one gets it */
	struct member_add how = { .role = "channel_moderator" };
	for (size_t i = 0; i < l.n; i++) l.items[i].channel_role = SPAN("channel_moderator");
	if (!is_distinct(&u->x.ch)) e = members_add(c, &u->x, &l, &how);
	return e == ERR_OK ? members_set_role(c, &u->x, &l, "channel_moderator") : e;
}

static enum err demote_moderators(struct chat_ctx *c, struct update *u)
{
	struct member_list l;
	enum err e = take_list(c, u, "demote_moderators", NULL, false, &l);
	return e == ERR_OK ? members_set_role(c, &u->x, &l, "channel_member") : e;
}

static enum err invite(struct chat_ctx *c, struct update *u)
{
	struct member_list l;
	struct member_add how = { .role = "channel_member" };
	enum err e = take_list(c, u, "invites", NULL, true, &l);
	if (e != ERR_OK || l.n == 0) return e;
	e = refuse_distinct(c, u, "invites");
	if (e == ERR_OK) e = history_cut_of(c, u, &how.hide_before);
	return e == ERR_OK ? members_add(c, &u->x, &l, &how) : e;
}

static enum err answer_invite(struct chat_ctx *c, struct update *u)
{
	bool accept = false, reject = false;
	enum err e = take_bool(c, u->body, "accept_invite", &accept, NULL);
	if (e == ERR_OK) e = take_bool(c, u->body, "reject_invite", &reject, NULL);
	if (e == ERR_OK && accept && reject)
		e = chat_fail(c, ERR_INPUT, "accept_invite", "an invitation cannot be accepted and rejected at once");
	if (e != ERR_OK || (!accept && !reject)) return e;
	e = invite_answer(c, &u->x, accept);
	u->is_entitled |= e == ERR_OK;
	return e;
}

/* ---- the end: row, message, event ---- */

static enum err store_data(struct chat_ctx *c, struct update *u)
{
	if (!u->data_changed) return ERR_OK;
	u->x.ch.updated_at = c->now_us;
	struct channel old;
	enum err e = store_channel_get_pk(c->tx, u->x.ch.pk, c->arena, &old);
	if (e != ERR_OK) return chat_store_fail(c, e);
	u->is_regulated = !span_eq(old.team, u->x.ch.team) || !span_eq(old.config_overrides, u->x.ch.config_overrides);
	e = channel_row_store(c, &u->x.ch);
	return e == ERR_OK ? chat_channel_fill(c, &u->x) : e; /* overrides may have changed */
}

static enum err tell_updated(struct chat_ctx *c, const struct update *u)
{
	struct event *ev;
	const struct channel_ctx *x = &u->x;
	struct channel_news n = { .type = EVENT_CHANNEL_UPDATED, .x = x };
	enum err e = channel_event_text(c, x, &n.channel_text);
	if (e == ERR_OK) e = channel_news_record(c, &n, &ev);
	if (e == ERR_OK && x->ch.disabled) ev->flags |= EVENT_DROP_WATCH; /* nobody may read it any more */
	if (e == ERR_OK && u->is_regulated) ev->flags |= EVENT_CHECK_WATCHES;
	return e;
}

/* The author may be named in the message itself. */
static enum err message_author(struct chat_ctx *c, yyjson_val *message)
{
	if (!chat_is_server(c)) return ERR_OK;
	struct span id = json_span(json_get(message, "user_id"));
	if (id.n == 0) id = json_span(json_get(json_get(message, "user"), "id"));
	if (id.n > 0) return chat_acting_user(c, NULL, id, true);
	return c->me.pk != 0 ? ERR_OK
			     : chat_fail(c, ERR_INPUT, "message.user_id", "the message of a server call needs its author");
}

static enum err add_message(struct chat_ctx *c, struct update *u, struct message *m, bool *has)
{
	yyjson_val *message = json_get(u->body, "message");
	*has = false;
	if (!value_given(message)) return ERR_OK;
	if (!yyjson_is_obj(message)) return chat_fail(c, ERR_INPUT, "message", "message must be an object");
	int64_t actor = c->me.pk;
	/* A word on a change; without one it is a system message like any other. */
	enum err e = u->is_entitled ? ERR_OK : need(c, u, "create-system-message");
	if (e == ERR_OK) e = message_author(c, message);
	if (e == ERR_OK && c->me.pk != actor) e = chat_channel_fill(c, &u->x); /* now as the author stands in it */
	if (e == ERR_OK) e = chat_message_system(c, &u->x, message, m);
	*has = e == ERR_OK;
	return e;
}

static enum err apply_verbs(struct chat_ctx *c, struct update *u)
{
	static enum err (*const verbs[])(struct chat_ctx *, struct update *) = { apply_data, add_members, remove_members,
		assign_roles, add_moderators, demote_moderators, invite, answer_invite };
	enum err e = ERR_OK;
	for (size_t i = 0; e == ERR_OK && i < BECK_COUNT(verbs); i++) e = verbs[i](c, u);
	if (e == ERR_OK) e = set_cooldown(c, u, u->body);
	if (e == ERR_OK) e = apply_tags(c, u);
	return e == ERR_OK ? store_data(c, u) : e;
}

enum err chat_update_channel(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w)
{
	struct update u = { .body = body };
	struct message m;
	bool has_message = false;
	enum err e = chat_channel_load(c, type, id, &u.x);
	if (e == ERR_OK) e = apply_verbs(c, &u);
	/* The message comes after the change, in the log as in the channel. */
	if (e == ERR_OK && u.data_changed) e = tell_updated(c, &u);
	struct user actor = c->me;
	if (e == ERR_OK) e = add_message(c, &u, &m, &has_message);
	bool as_author = c->me.pk != actor.pk;
	c->me = actor;
	if (e == ERR_OK && as_author) e = chat_channel_fill(c, &u.x);
	if (e == ERR_OK) e = chat_channel_answer(c, w, &u.x);
	if (e != ERR_OK || !has_message) return e;
	jsonw_key(w, "message");
	message_write(w, c->dialect, &m);
	return ERR_OK;
}

/* ---- partial update ---- */

static bool is_protected(struct span key)
{
	return channel_key_reserved(key) && !span_is(key, "frozen") && !span_is(key, "disabled") && !span_is(key, "cooldown") &&
	       !span_is(key, "team") && !span_is(key, "config_overrides") && !span_is(key, "filter_tags");
}

static struct span head_of(struct span path) { return span_make(path.p, span_find(path, '.')); }

/* Dialect 2 may say "custom.x". */
static struct span strip_custom(struct span path) { return span_starts(path, SPAN("custom.")) ? span_skip(path, 7) : path; }

static enum err server_key(struct chat_ctx *c, const char *key)
{
	if (chat_is_server(c)) return ERR_OK;
	return chat_fail(c, ERR_NOT_ALLOWED, key, "%s is set by server calls only", key);
}

static enum err set_builtin(struct chat_ctx *c, struct update *u, yyjson_val *set, struct span key, bool *was)
{
	struct channel *ch = &u->x.ch;
	yyjson_val *v = yyjson_obj_getn(set, key.p, key.n);
	*was = true;
	if (span_is(key, "frozen") || span_is(key, "disabled")) {
		if (!yyjson_is_bool(v)) return chat_fail(c, ERR_INPUT, "set", "%.*s must be a boolean", SPAN_FMT(key));
		return take_flags(c, u, set);
	}
	if (span_is(key, "cooldown")) return set_cooldown(c, u, set);
	if (span_is(key, "team")) {
		enum err e = server_key(c, "team");
		return e == ERR_OK ? take_string(c, set, "team", (size_t)LIMIT_TEAM_BYTES, &ch->team) : e;
	}
	if (span_is(key, "config_overrides")) {
		enum err e = server_key(c, "config_overrides");
		return e == ERR_OK ? overrides_take(c, v, &ch->config_overrides) : e;
	}
	if (span_is(key, "filter_tags")) {
		enum err e = server_key(c, "filter_tags");
		ch->filter_tags = SPAN_NONE;
		return e == ERR_OK ? filter_tags_change(c, &ch->filter_tags, v, NULL) : e;
	}
	*was = false;
	return ERR_OK;
}

static enum err unset_builtin(struct chat_ctx *c, struct update *u, struct span key, bool *was)
{
	struct channel *ch = &u->x.ch;
	*was = true;
	if (span_is(key, "frozen")) {
		enum err e = ch->frozen ? need(c, u, "update-channel-frozen") : ERR_OK;
		ch->frozen = false;
		return e;
	}
	if (span_is(key, "cooldown")) {
		enum err e = ch->cooldown_s > 0 ? need(c, u, "update-channel-cooldown") : ERR_OK;
		ch->cooldown_s = 0;
		return e;
	}
	struct span *const texts[] = { &ch->team, &ch->config_overrides, &ch->filter_tags };
	static const char *const names[] = { "team", "config_overrides", "filter_tags" };
	for (size_t i = 0; i < BECK_COUNT(names); i++) {
		if (!span_is(key, names[i])) continue;
		*texts[i] = SPAN_NONE;
		return server_key(c, names[i]);
	}
	*was = span_is(key, "disabled");
	if (!*was) return ERR_OK;
	ch->disabled = false;
	return server_key(c, "disabled");
}

/* One path of set (value given) or unset (NULL). */
static enum err change_path(struct chat_ctx *c, struct update *u, struct span key, yyjson_val *set, yyjson_val *value)
{
	bool was;
	struct span path = strip_custom(key);
	if (is_protected(head_of(path)))
		return chat_fail(
			c, ERR_INPUT, value != NULL ? "set" : "unset", "%.*s cannot be changed", SPAN_FMT(head_of(path)));
	enum err e = value != NULL ? set_builtin(c, u, set, key, &was) : unset_builtin(c, u, key, &was);
	if (e != ERR_OK || was) return e;
	e = need(c, u, "update-channel");
	if (e != ERR_OK) return e;
	bool ok = value != NULL ? custom_set_path(c->arena, &u->x.ch.custom, path, value)
				: custom_unset_path(c->arena, &u->x.ch.custom, path);
	if (ok) return ERR_OK;
	if (arena_failed(c->arena)) return chat_store_fail(c, ERR_UNAVAILABLE);
	return chat_fail(
		c, ERR_INPUT, value != NULL ? "set" : "unset", "%.*s leads through a value that is no object", SPAN_FMT(path));
}

static enum err apply_set(struct chat_ctx *c, struct update *u, yyjson_val *set)
{
	if (!value_given(set)) return ERR_OK;
	if (!yyjson_is_obj(set)) return chat_fail(c, ERR_INPUT, "set", "set must be an object");
	size_t i, n;
	yyjson_val *key, *value;
	enum err e = ERR_OK;
	yyjson_obj_foreach(set, i, n, key, value)
	{
		if (e == ERR_OK) e = change_path(c, u, json_span(key), set, value);
	}
	return e;
}

static enum err apply_unset(struct chat_ctx *c, struct update *u, yyjson_val *unset)
{
	if (!value_given(unset)) return ERR_OK;
	size_t i, n;
	yyjson_val *v;
	enum err e = yyjson_is_arr(unset) ? ERR_OK : chat_fail(c, ERR_INPUT, "unset", "unset must be an array of keys");
	yyjson_arr_foreach(unset, i, n, v)
	{
		if (e == ERR_OK && !(yyjson_is_str(v) && yyjson_get_len(v) > 0))
			e = chat_fail(c, ERR_INPUT, "unset", "unset must be an array of keys");
		if (e == ERR_OK) e = change_path(c, u, json_span(v), NULL, NULL);
	}
	return e;
}

enum err chat_update_channel_partial(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w)
{
	struct update u = { .body = body, .data_changed = true };
	yyjson_val *set = json_get(body, "set"), *unset = json_get(body, "unset");
	enum err e = chat_channel_load(c, type, id, &u.x);
	if (e == ERR_OK && yyjson_obj_size(set) == 0 && yyjson_arr_size(unset) == 0 && !value_given(set) && !value_given(unset))
		e = chat_fail(c, ERR_INPUT, "set", "a partial update needs set or unset");
	if (e == ERR_OK) e = apply_set(c, &u, set);
	if (e == ERR_OK) e = apply_unset(c, &u, unset);
	/* Values as they are and absent keys ask for no right of their own, but everybody would be told. */
	if (e == ERR_OK && !u.is_entitled) e = need(c, &u, "update-channel");
	if (e == ERR_OK) e = custom_check_size(c, u.x.ch.custom, "channel");
	if (e == ERR_OK) e = store_data(c, &u);
	if (e == ERR_OK) e = tell_updated(c, &u);
	return e == ERR_OK ? chat_channel_answer(c, w, &u.x) : e;
}
