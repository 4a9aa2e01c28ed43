#include "wire/dialect2.h"

#include "base/json.h"
#include "base/limits.h"
#include "wire/timestamp.h"

/* Deeper than what may come in: custom data lies in a message, in a quote, in an event. The tables end the recursion. */
enum kind { K_EVENT, K_CHANNEL, K_USER, K_MEMBER, K_SENDER, K_MESSAGE, K_COUNT };
enum how { AS_IS, TIME, OBJECT, LIST };
struct field {
	const char *name;
	enum how how;
	enum kind kind;
};

/* What is not named here is custom data. */
static const struct field event_fields[] = {
	{ "type", AS_IS, 0 },
	{ "created_at", TIME, 0 },
	{ "received_at", TIME, 0 },
	{ "cid", AS_IS, 0 },
	{ "channel_type", AS_IS, 0 },
	{ "channel_id", AS_IS, 0 },
	{ "channel_last_message_at", TIME, 0 },
	{ "team", AS_IS, 0 },
	{ "channel_custom", AS_IS, 0 },
	{ "channel_member_count", AS_IS, 0 },
	{ "channel_message_count", AS_IS, 0 },
	{ "channel", OBJECT, K_CHANNEL },
	{ "user", OBJECT, K_USER },
	{ "user_id", AS_IS, 0 },
	{ "member", OBJECT, K_MEMBER },
	{ "message", OBJECT, K_MESSAGE },
	{ "message_id", AS_IS, 0 },
	{ "thread_participants", LIST, K_USER },
	{ "thread", AS_IS, 0 },
	{ "thread_id", AS_IS, 0 },
	{ "parent_id", AS_IS, 0 },
	{ "watcher_count", AS_IS, 0 },
	{ "hard_delete", AS_IS, 0 },
	{ "deleted_for_me", AS_IS, 0 },
	{ "clear_history", AS_IS, 0 },
	{ "last_read_at", TIME, 0 },
	{ "last_read_message_id", AS_IS, 0 },
	{ "first_unread_message_id", AS_IS, 0 },
	{ "last_delivered_at", TIME, 0 },
	{ "last_delivered_message_id", AS_IS, 0 },
	{ "unread_messages", AS_IS, 0 },
	{ "unread_thread_messages", AS_IS, 0 },
	{ "total_unread_count", AS_IS, 0 },
	{ "unread_count", AS_IS, 0 },
	{ "unread_channels", AS_IS, 0 },
	{ "unread_threads", AS_IS, 0 },
	{ "ai_state", AS_IS, 0 },
	{ "delete_user", AS_IS, 0 },
	{ "delete_messages", AS_IS, 0 },
	{ "delete_conversation", AS_IS, 0 },
	{ "delete_conversation_channels", AS_IS, 0 },
	{ "mark_messages_deleted", AS_IS, 0 },
	{ NULL, 0, 0 },
};
static const struct field channel_fields[] = {
	{ "id", AS_IS, 0 },
	{ "type", AS_IS, 0 },
	{ "cid", AS_IS, 0 },
	{ "created_at", TIME, 0 },
	{ "updated_at", TIME, 0 },
	{ "last_message_at", TIME, 0 },
	{ "deleted_at", TIME, 0 },
	{ "truncated_at", TIME, 0 },
	{ "truncated_by", OBJECT, K_USER },
	{ "created_by", OBJECT, K_USER },
	{ "frozen", AS_IS, 0 },
	{ "disabled", AS_IS, 0 },
	{ "member_count", AS_IS, 0 },
	{ "message_count", AS_IS, 0 },
	{ "team", AS_IS, 0 },
	{ "cooldown", AS_IS, 0 },
	{ "filter_tags", AS_IS, 0 },
	{ "config", AS_IS, 0 },
	{ NULL, 0, 0 },
};
static const struct field user_fields[] = {
	{ "id", AS_IS, 0 },
	{ "role", AS_IS, 0 },
	{ "name", AS_IS, 0 },
	{ "image", AS_IS, 0 },
	{ "language", AS_IS, 0 },
	{ "teams", AS_IS, 0 },
	{ "teams_role", AS_IS, 0 },
	{ "created_at", TIME, 0 },
	{ "updated_at", TIME, 0 },
	{ "deactivated_at", TIME, 0 },
	{ "deleted_at", TIME, 0 },
	{ "last_active", TIME, 0 },
	{ "ban_expires", TIME, 0 },
	{ "revoke_tokens_issued_before", TIME, 0 },
	{ "online", AS_IS, 0 },
	{ "banned", AS_IS, 0 },
	{ "blocked_user_ids", AS_IS, 0 },
	{ "invisible", AS_IS, 0 },
	{ "shadow_banned", AS_IS, 0 },
	{ "privacy_settings", AS_IS, 0 },
	{ NULL, 0, 0 },
};
static const struct field member_fields[] = {
	{ "user_id", AS_IS, 0 },
	{ "user", OBJECT, K_USER },
	{ "channel_role", AS_IS, 0 },
	{ "role", AS_IS, 0 },
	{ "is_moderator", AS_IS, 0 },
	{ "banned", AS_IS, 0 },
	{ "ban_expires", TIME, 0 },
	{ "shadow_banned", AS_IS, 0 },
	{ "invited", AS_IS, 0 },
	{ "invite_accepted_at", TIME, 0 },
	{ "invite_rejected_at", TIME, 0 },
	{ "status", AS_IS, 0 },
	{ "notifications_muted", AS_IS, 0 },
	{ "pinned_at", TIME, 0 },
	{ "archived_at", TIME, 0 },
	{ "deleted_messages", AS_IS, 0 },
	{ "created_at", TIME, 0 },
	{ "updated_at", TIME, 0 },
	{ NULL, 0, 0 },
};
static const struct field sender_fields[] = {
	/* a message's `member` */
	{ "channel_role", AS_IS, 0 },
	{ "notifications_muted", AS_IS, 0 },
	{ NULL, 0, 0 },
};
static const struct field message_fields[] = {
	{ "id", AS_IS, 0 },
	{ "cid", AS_IS, 0 },
	{ "type", AS_IS, 0 },
	{ "text", AS_IS, 0 },
	{ "html", AS_IS, 0 },
	{ "mml", AS_IS, 0 },
	{ "attachments", AS_IS, 0 },
	{ "mentioned_users", LIST, K_USER },
	{ "mentioned_channel", AS_IS, 0 },
	{ "mentioned_here", AS_IS, 0 },
	{ "user", OBJECT, K_USER },
	{ "created_at", TIME, 0 },
	{ "updated_at", TIME, 0 },
	{ "deleted_at", TIME, 0 },
	{ "message_text_updated_at", TIME, 0 },
	{ "parent_id", AS_IS, 0 },
	{ "show_in_channel", AS_IS, 0 },
	{ "reply_count", AS_IS, 0 },
	{ "deleted_reply_count", AS_IS, 0 },
	{ "thread_participants", LIST, K_USER },
	{ "quoted_message_id", AS_IS, 0 },
	{ "quoted_message", OBJECT, K_MESSAGE },
	{ "latest_reactions", AS_IS, 0 },
	{ "own_reactions", AS_IS, 0 },
	{ "reaction_counts", AS_IS, 0 },
	{ "reaction_scores", AS_IS, 0 },
	{ "reaction_groups", AS_IS, 0 },
	{ "silent", AS_IS, 0 },
	{ "shadowed", AS_IS, 0 },
	{ "deleted_for_me", AS_IS, 0 },
	{ "pinned", AS_IS, 0 },
	{ "pinned_at", TIME, 0 },
	{ "pinned_by", OBJECT, K_USER },
	{ "pin_expires", TIME, 0 },
	{ "restricted_visibility", AS_IS, 0 },
	{ "member", OBJECT, K_SENDER },
	{ NULL, 0, 0 },
};
static const struct field *const fields[K_COUNT] = { event_fields, channel_fields, user_fields, member_fields, sender_fields,
	message_fields };

static const struct field *find(enum kind k, struct span key)
{
	for (const struct field *f = fields[k]; f->name; f++)
		if (span_is(key, f->name)) return f;
	return NULL;
}

static void write_members(struct jsonw *w, enum kind k, yyjson_val *obj);

static void write_object(struct jsonw *w, enum kind k, yyjson_val *obj)
{
	if (!yyjson_is_obj(obj)) {
		jsonw_val(w, obj);
		return;
	}
	jsonw_obj_begin(w);
	write_members(w, k, obj);
	jsonw_obj_end(w);
}

static void write_list(struct jsonw *w, enum kind k, yyjson_val *list)
{
	size_t i, n;
	yyjson_val *v;
	jsonw_arr_begin(w);
	yyjson_arr_foreach(list, i, n, v) write_object(w, k, v);
	jsonw_arr_end(w);
}

static void write_time(struct jsonw *w, yyjson_val *v)
{
	int64_t us = 0;
	if (time_parse(json_span(v), &us))
		jsonw_time(w, DIALECT_2, us);
	else
		jsonw_val(w, v);
}

static void write_value(struct jsonw *w, const struct field *f, yyjson_val *v)
{
	switch (f->how) {
	case AS_IS: jsonw_val(w, v); break;
	case TIME: write_time(w, v); break;
	case OBJECT: write_object(w, f->kind, v); break;
	case LIST: write_list(w, f->kind, v); break;
	}
}

/* Dialect 2 wants them in every user, false where dialect 1 says nothing. */
static void write_user_rest(struct jsonw *w, yyjson_val *user)
{
	if (!yyjson_obj_get(user, "invisible")) jsonw_kbool(w, "invisible", false);
	if (!yyjson_obj_get(user, "shadow_banned")) jsonw_kbool(w, "shadow_banned", false);
}

static void write_members(struct jsonw *w, enum kind k, yyjson_val *obj)
{
	size_t i, n;
	yyjson_val *key, *v;
	yyjson_obj_foreach(obj, i, n, key, v)
	{
		const struct field *f = find(k, json_span(key));
		if (!f) continue;
		jsonw_key(w, f->name);
		write_value(w, f, v);
	}
	if (k == K_USER) write_user_rest(w, obj);
	jsonw_key(w, "custom");
	jsonw_obj_begin(w);
	yyjson_obj_foreach(obj, i, n, key, v)
	{
		if (find(k, json_span(key))) continue;
		jsonw_key_span(w, json_span(key));
		jsonw_val(w, v);
	}
	jsonw_obj_end(w);
}

static bool rewrite(struct buf *out, struct span whole)
{
	struct jsonw w;
	yyjson_doc *doc = yyjson_read(whole.p, whole.n, 0); /* our own text: what came from outside was looked at before */
	if (!doc) return false;
	jsonw_init(&w, out);
	jsonw_obj_begin(&w);
	write_members(&w, K_EVENT, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return !out->failed;
}

struct blob *event_in_dialect_2(const struct blob *body)
{
	struct buf whole, out;
	struct blob *made = NULL;
	buf_init(&whole, (size_t)LIMIT_REPLY_BYTES);
	buf_init(&out, (size_t)LIMIT_REPLY_BYTES);
	buf_add_span(&whole, blob_span(body));
	buf_add_char(&whole, '}');
	if (!whole.failed && rewrite(&out, buf_span(&whole))) made = blob_make(buf_span(&out));
	buf_deinit(&whole);
	buf_deinit(&out);
	return made;
}
