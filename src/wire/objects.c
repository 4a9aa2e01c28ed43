#include "wire/objects.h"

#include "base/limits.h"

/* Optional members: written only when there is something to say. */

static void opt_str(struct jsonw *w, const char *key, struct span s)
{
	if (span_given(s)) jsonw_kstr(w, key, s);
}

static void opt_raw(struct jsonw *w, const char *key, struct span json)
{
	if (span_given(json)) jsonw_kraw(w, key, json);
}

static void opt_time(struct jsonw *w, const char *key, enum dialect d, int64_t us)
{
	if (us) jsonw_ktime(w, key, d, us);
}

static void opt_true(struct jsonw *w, const char *key, bool v)
{
	if (v) jsonw_kbool(w, key, true);
}

static void list_or_empty(struct jsonw *w, const char *key, struct span json)
{
	jsonw_kraw(w, key, span_given(json) ? json : SPAN("[]"));
}

/* Dialect 1 puts custom data beside the built-in keys, dialect 2 always has the object. */
static void write_custom(struct jsonw *w, enum dialect d, struct span custom)
{
	if (d == DIALECT_2)
		jsonw_kraw(w, "custom", span_given(custom) ? custom : SPAN("{}"));
	else if (span_given(custom))
		jsonw_raw_members(w, custom);
}

static void write_setting(struct jsonw *w, const char *key, int8_t setting)
{
	if (setting == TRI_UNSET) return;
	jsonw_key(w, key);
	jsonw_obj_begin(w);
	jsonw_kbool(w, "enabled", setting == TRI_ON);
	jsonw_obj_end(w);
}

static void write_privacy(struct jsonw *w, const struct user *u)
{
	if (u->privacy_typing == TRI_UNSET && u->privacy_read == TRI_UNSET && u->privacy_delivery == TRI_UNSET) return;
	jsonw_key(w, "privacy_settings");
	jsonw_obj_begin(w);
	write_setting(w, "typing_indicators", u->privacy_typing);
	write_setting(w, "read_receipts", u->privacy_read);
	write_setting(w, "delivery_receipts", u->privacy_delivery);
	jsonw_obj_end(w);
}

/* What others may not know of an invisible user: that he is there, and since when he was last. */
static void write_presence(struct jsonw *w, enum dialect d, const struct user *u, bool shows_all)
{
	bool veiled = u->invisible && !shows_all;
	opt_time(w, "last_active", d, veiled ? u->invisible_since_last_active : u->last_active);
	jsonw_kbool(w, "online", u->online && !veiled);
}

/* Keys that depend on the view. Dialect 2 wants `invisible` and `shadow_banned` in every view: false where hidden. */
static void write_view(struct jsonw *w, enum dialect d, enum user_view v, const struct user *u)
{
	bool shows_all = v == USER_VIEW_SERVER || v == USER_VIEW_SELF;
	if (shows_all || v == USER_VIEW_PRIVACY || d == DIALECT_2) jsonw_kbool(w, "invisible", shows_all && u->invisible);
	if (v == USER_VIEW_SERVER || d == DIALECT_2) jsonw_kbool(w, "shadow_banned", v == USER_VIEW_SERVER && u->shadow_banned);
	if (v != USER_VIEW_COMMON) write_privacy(w, u);
	if (!shows_all) return;
	opt_time(w, "ban_expires", d, u->ban_expires);
	opt_time(w, "revoke_tokens_issued_before", d, u->revoke_before);
}

void user_write_members(struct jsonw *w, enum dialect d, enum user_view v, const struct user *u)
{
	jsonw_kstr(w, "id", u->id);
	jsonw_kstr(w, "role", u->role);
	opt_str(w, "name", u->name);
	opt_str(w, "image", u->image);
	jsonw_kstr(w, "language", u->language);
	list_or_empty(w, "teams", u->teams);
	opt_raw(w, "teams_role", u->teams_role);
	jsonw_ktime(w, "created_at", d, u->created_at);
	jsonw_ktime(w, "updated_at", d, u->updated_at);
	opt_time(w, "deactivated_at", d, u->deactivated_at);
	opt_time(w, "deleted_at", d, u->deleted_at);
	write_presence(w, d, u, v == USER_VIEW_SERVER || v == USER_VIEW_SELF);
	jsonw_kbool(w, "banned", u->banned);
	if (v != USER_VIEW_SELF) jsonw_kraw(w, "blocked_user_ids", SPAN("[]"));
	write_view(w, d, v, u);
	write_custom(w, d, u->custom);
}

void user_write(struct jsonw *w, enum dialect d, enum user_view v, const struct user *u)
{
	if (v == USER_VIEW_COMMON && span_given(u->rendered) && u->rendered_as == d) {
		jsonw_raw(w, u->rendered);
		return;
	}
	jsonw_obj_begin(w);
	user_write_members(w, d, v, u);
	jsonw_obj_end(w);
}

static void kuser(struct jsonw *w, const char *key, enum dialect d, const struct user *u)
{
	jsonw_key(w, key);
	user_write(w, d, USER_VIEW_COMMON, u);
}

static void opt_user(struct jsonw *w, const char *key, enum dialect d, const struct user *u)
{
	if (span_given(u->id)) kuser(w, key, d, u);
}

void device_write(struct jsonw *w, enum dialect d, const struct device *dev, struct span user_id)
{
	jsonw_obj_begin(w);
	jsonw_kstr(w, "id", dev->id);
	jsonw_kstr(w, "push_provider", dev->push_provider);
	opt_str(w, "push_provider_name", dev->push_provider_name);
	jsonw_kstr(w, "user_id", user_id);
	jsonw_ktime(w, "created_at", d, dev->created_at);
	jsonw_obj_end(w);
}

static void write_own_state(struct jsonw *w, enum dialect d, const struct member *own)
{
	jsonw_kbool(w, "hidden", own->hidden);
	if (own->hidden) opt_time(w, "hide_messages_before", d, own->hide_before);
	jsonw_kbool(w, "muted", own->muted);
	if (own->muted) opt_time(w, "mute_expires_at", d, own->mute_expires_at);
}

static void write_channel_view(struct jsonw *w, enum dialect d, const struct channel *c, const struct channel_view *v)
{
	if (v->count_messages) jsonw_kint(w, "message_count", c->message_count);
	opt_raw(w, "config", v->config_json);
	opt_raw(w, "own_capabilities", v->capabilities_json);
	if (v->own) write_own_state(w, d, v->own);
}

void channel_write(struct jsonw *w, enum dialect d, const struct channel *c, const struct channel_view *v)
{
	jsonw_obj_begin(w);
	jsonw_kstr(w, "id", c->id);
	jsonw_kstr(w, "type", c->type);
	jsonw_kstr(w, "cid", c->cid);
	jsonw_ktime(w, "created_at", d, c->created_at);
	jsonw_ktime(w, "updated_at", d, c->updated_at);
	opt_time(w, "last_message_at", d, c->last_message_at);
	opt_time(w, "deleted_at", d, c->deleted_at);
	opt_time(w, "truncated_at", d, c->truncated_at);
	opt_user(w, "truncated_by", d, &c->truncated_by);
	opt_user(w, "created_by", d, &c->created_by);
	jsonw_kbool(w, "frozen", c->frozen);
	jsonw_kbool(w, "disabled", c->disabled);
	jsonw_kint(w, "member_count", c->member_count);
	opt_str(w, "team", c->team);
	if (c->cooldown_s) jsonw_kint(w, "cooldown", c->cooldown_s);
	opt_raw(w, "filter_tags", c->filter_tags);
	if (v) write_channel_view(w, d, c, v);
	write_custom(w, d, c->custom);
	jsonw_obj_end(w);
}

/* The deprecated mirror of channel_role. */
static struct span member_role(const struct member *m)
{
	if (m->is_owner) return SPAN("owner");
	if (m->is_moderator) return SPAN("moderator");
	return span_is(m->user.role, "admin") ? SPAN("admin") : SPAN("member");
}

static void write_invite(struct jsonw *w, enum dialect d, const struct member *m)
{
	if (!m->invited) return;
	jsonw_kbool(w, "invited", true);
	opt_time(w, "invite_accepted_at", d, m->invite_accepted_at);
	opt_time(w, "invite_rejected_at", d, m->invite_rejected_at);
	jsonw_kstr(w, "status",
		m->invite_accepted_at   ? SPAN("member")
		: m->invite_rejected_at ? SPAN("rejected")
					: SPAN("pending"));
}

void member_write(struct jsonw *w, enum dialect d, const struct member *m)
{
	jsonw_obj_begin(w);
	jsonw_kstr(w, "user_id", m->user.id);
	kuser(w, "user", d, &m->user);
	jsonw_kstr(w, "channel_role", m->channel_role);
	jsonw_kstr(w, "role", member_role(m));
	opt_true(w, "is_moderator", m->is_moderator);
	jsonw_kbool(w, "banned", m->banned);
	opt_time(w, "ban_expires", d, m->ban_expires);
	jsonw_kbool(w, "shadow_banned", m->shadow_banned);
	write_invite(w, d, m);
	jsonw_kbool(w, "notifications_muted", m->muted);
	opt_time(w, "pinned_at", d, m->pinned_at);
	opt_time(w, "archived_at", d, m->archived_at);
	opt_raw(w, "deleted_messages", m->deleted_messages);
	jsonw_ktime(w, "created_at", d, m->created_at);
	jsonw_ktime(w, "updated_at", d, m->updated_at);
	write_custom(w, d, m->custom);
	jsonw_obj_end(w);
}

static void write_users(struct jsonw *w, const char *key, enum dialect d, const struct user *users, size_t count)
{
	jsonw_key(w, key);
	jsonw_arr_begin(w);
	for (size_t i = 0; i < count; i++) user_write(w, d, USER_VIEW_COMMON, &users[i]);
	jsonw_arr_end(w);
}

static void write_sender(struct jsonw *w, enum dialect d, const struct member *m)
{
	jsonw_key(w, "member");
	jsonw_obj_begin(w);
	jsonw_kstr(w, "channel_role", m->channel_role);
	jsonw_kbool(w, "notifications_muted", m->muted);
	write_custom(w, d, m->custom);
	jsonw_obj_end(w);
}

static void write_content(struct jsonw *w, enum dialect d, const struct message *m)
{
	jsonw_kstr(w, "type", m->type);
	jsonw_kstr(w, "text", m->text);
	jsonw_kstr(w, "html", m->html);
	opt_str(w, "mml", m->mml);
	list_or_empty(w, "attachments", m->attachments);
	write_users(w, "mentioned_users", d, m->mentioned, m->mentioned_count);
	jsonw_kbool(w, "mentioned_channel", false);
	jsonw_kbool(w, "mentioned_here", false);
}

static void message_write_level(struct jsonw *w, enum dialect d, const struct message *m, bool is_quoted);

static void write_thread_and_quote(struct jsonw *w, enum dialect d, const struct message *m, bool is_quoted)
{
	opt_str(w, "parent_id", m->parent_id);
	opt_true(w, "show_in_channel", m->show_in_channel);
	jsonw_kint(w, "reply_count", m->reply_count);
	jsonw_kint(w, "deleted_reply_count", m->deleted_reply_count);
	if (m->participant_count) write_users(w, "thread_participants", d, m->participants, m->participant_count);
	opt_str(w, "quoted_message_id", m->quoted_id);
	if (!m->quoted || is_quoted) return;
	jsonw_key(w, "quoted_message");
	message_write_level(w, d, m->quoted, true);
}

static void write_reactions(struct jsonw *w)
{
	jsonw_kraw(w, "latest_reactions", SPAN("[]"));
	jsonw_kraw(w, "own_reactions", SPAN("[]"));
	jsonw_kraw(w, "reaction_counts", SPAN("{}"));
	jsonw_kraw(w, "reaction_scores", SPAN("{}"));
	jsonw_kraw(w, "reaction_groups", SPAN("{}"));
}

static void write_message_state(struct jsonw *w, enum dialect d, const struct message *m)
{
	jsonw_kbool(w, "silent", m->silent);
	jsonw_kbool(w, "shadowed", m->shadowed);
	opt_true(w, "deleted_for_me", m->deleted_for_me);
	jsonw_kbool(w, "pinned", m->pinned);
	if (m->pinned) {
		opt_time(w, "pinned_at", d, m->pinned_at);
		opt_user(w, "pinned_by", d, &m->pinned_by);
		opt_time(w, "pin_expires", d, m->pin_expires);
	}
	list_or_empty(w, "restricted_visibility", m->restricted_visibility);
	if (m->member) write_sender(w, d, m->member);
}

static void message_write_level(struct jsonw *w, enum dialect d, const struct message *m, bool is_quoted)
{
	jsonw_obj_begin(w);
	jsonw_kstr(w, "id", m->id);
	jsonw_kstr(w, "cid", m->cid);
	write_content(w, d, m);
	opt_user(w, "user", d, &m->user);
	jsonw_ktime(w, "created_at", d, m->created_at);
	jsonw_ktime(w, "updated_at", d, m->updated_at);
	opt_time(w, "deleted_at", d, m->deleted_at);
	opt_time(w, "message_text_updated_at", d, m->text_updated_at);
	write_thread_and_quote(w, d, m, is_quoted);
	write_reactions(w);
	write_message_state(w, d, m);
	write_custom(w, d, m->custom);
	jsonw_obj_end(w);
}

void message_write(struct jsonw *w, enum dialect d, const struct message *m) { message_write_level(w, d, m, false); }

bool message_version_reserved(struct span key)
{
	return span_is(key, "message_id") || span_is(key, "message_updated_by_id") || span_is(key, "message_updated_at") ||
	       span_is(key, "is_deleted");
}

void message_version_write(struct jsonw *w, enum dialect d, const struct message_version *v)
{
	jsonw_obj_begin(w);
	jsonw_kstr(w, "message_id", v->message_id);
	jsonw_kstr(w, "message_updated_by_id", v->written_by);
	jsonw_ktime(w, "message_updated_at", d, v->written_at);
	jsonw_kstr(w, "text", v->text);
	list_or_empty(w, "attachments", v->attachments);
	jsonw_kbool(w, "is_deleted", v->is_deleted);
	write_custom(w, d, v->custom);
	jsonw_obj_end(w);
}

void read_write(struct jsonw *w, enum dialect d, const struct member *m, bool hide_delivery)
{
	jsonw_obj_begin(w);
	kuser(w, "user", d, &m->user);
	jsonw_ktime(w, "last_read", d, m->last_read ? m->last_read : TIME_ZERO);
	jsonw_kint(w, "unread_messages", m->unread);
	opt_str(w, "last_read_message_id", m->last_read_message_id);
	opt_str(w, "first_unread_message_id", m->first_unread_message_id);
	if (!hide_delivery) {
		opt_time(w, "last_delivered_at", d, m->last_delivered_at);
		opt_str(w, "last_delivered_message_id", m->last_delivered_message_id);
	}
	jsonw_obj_end(w);
}

/* Custom data: object texts taken apart and written anew through a buffer of the arena's remaining size. */

struct rewrite {
	struct buf buf;
	struct jsonw w;
	size_t members;
};

static void rewrite_begin(struct rewrite *r, struct arena *a)
{
	*r = (struct rewrite){ 0 };
	buf_init(&r->buf, a->max_bytes - a->used_bytes);
	jsonw_init(&r->w, &r->buf);
	jsonw_obj_begin(&r->w);
}

static void rewrite_member(struct rewrite *r, yyjson_val *key, yyjson_val *value)
{
	jsonw_key_span(&r->w, json_span(key));
	jsonw_val(&r->w, value);
	r->members++;
}

/* The text in the arena; not given when it has no members, and (arena failed) without memory. */
static struct span rewrite_end(struct rewrite *r, struct arena *a)
{
	jsonw_obj_end(&r->w);
	if (r->buf.failed) a->failed = true;
	struct span out = r->members && !r->buf.failed ? arena_dup(a, buf_span(&r->buf)) : SPAN_NONE;
	buf_deinit(&r->buf);
	return out;
}

struct span custom_collect(struct arena *a, yyjson_val *obj, bool (*is_reserved)(struct span key))
{
	struct rewrite r;
	yyjson_val *key, *value;
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	rewrite_begin(&r, a);
	while (json_next(&it, &key, &value))
		if (!is_reserved(json_span(key))) rewrite_member(&r, key, value);
	return rewrite_end(&r, a);
}

static yyjson_val *stored_object(struct arena *a, struct span text)
{
	const char *why;
	size_t at;
	return span_given(text) ? json_parse(a, text, &why, &at) : NULL;
}

struct span custom_merge(struct arena *a, struct span base, yyjson_val *patch)
{
	if (yyjson_obj_size(patch) == 0) return base;
	struct rewrite r;
	yyjson_val *key, *value;
	yyjson_obj_iter old = yyjson_obj_iter_with(stored_object(a, base)), fresh = yyjson_obj_iter_with(patch);
	rewrite_begin(&r, a);
	while (json_next(&old, &key, &value))
		if (!yyjson_obj_getn(patch, yyjson_get_str(key), yyjson_get_len(key))) rewrite_member(&r, key, value);
	while (json_next(&fresh, &key, &value))
		if (!yyjson_is_null(value)) rewrite_member(&r, key, value);
	return rewrite_end(&r, a);
}

/* A walk down a dotted path; the first part is `head`, what follows `rest` (not given at the last part). */
static void path_split(struct span path, struct span *head, struct span *rest)
{
	size_t dot = span_find(path, '.');
	*head = (struct span){ path.p, dot };
	*rest = dot == path.n ? SPAN_NONE : span_skip(path, dot + 1);
}

static bool path_ok(struct span path)
{
	int64_t parts = 0;
	for (struct span head, rest = path; span_given(rest); parts++) {
		path_split(rest, &head, &rest);
		if (head.n == 0 || parts == LIMIT_JSON_DEPTH) return false;
	}
	return parts > 0;
}

/* Writes obj (NULL = {}) with the value at the path: set when `value` is given, else removed. Depth is bounded by path_ok. */
static bool write_with_path(struct jsonw *w, yyjson_val *obj, struct span path, yyjson_val *value, size_t *members);

/* The member that the path names, or goes through. */
static bool write_on_path(
	struct jsonw *w, struct span head, struct span rest, yyjson_val *old, yyjson_val *value, size_t *members)
{
	if (!span_given(rest) && !value) return true;
	if (span_given(rest) && old && !yyjson_is_obj(old)) return false;
	jsonw_key_span(w, head);
	++*members;
	if (!span_given(rest)) {
		jsonw_val(w, value);
		return true;
	}
	jsonw_obj_begin(w);
	size_t inner = 0;
	bool ok = write_with_path(w, old, rest, value, &inner);
	jsonw_obj_end(w);
	return ok;
}

static bool write_with_path(struct jsonw *w, yyjson_val *obj, struct span path, yyjson_val *value, size_t *members)
{
	struct span head, rest;
	yyjson_val *key, *old;
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	bool met = false;
	path_split(path, &head, &rest);
	while (json_next(&it, &key, &old)) {
		if (span_eq(json_span(key), head)) {
			met = true;
			if (!write_on_path(w, head, rest, old, value, members)) return false;
			continue;
		}
		jsonw_key_span(w, json_span(key));
		jsonw_val(w, old);
		++*members;
	}
	return met || !value || write_on_path(w, head, rest, NULL, value, members);
}

static bool custom_change(struct arena *a, struct span *obj, struct span path, yyjson_val *value)
{
	struct rewrite r;
	if (!path_ok(path)) return false;
	yyjson_val *old = stored_object(a, *obj);
	rewrite_begin(&r, a);
	bool ok = write_with_path(&r.w, old, path, value, &r.members);
	if (!ok) {
		buf_deinit(&r.buf);
		return false;
	}
	struct span text = rewrite_end(&r, a);
	/* A long path may nest deeper than what can be read back. */
	if (arena_failed(a) || (span_given(text) && !stored_object(a, text))) return false;
	*obj = text;
	return true;
}

bool custom_set_path(struct arena *a, struct span *obj, struct span path, yyjson_val *value)
{
	return value && custom_change(a, obj, path, value);
}

bool custom_unset_path(struct arena *a, struct span *obj, struct span path)
{
	return !span_given(*obj) ? path_ok(path) : custom_change(a, obj, path, NULL);
}
