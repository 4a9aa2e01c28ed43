/* A message of a request: shape, bounds, features, rights. */
#include "base/limits.h"
#include "base/utf8.h"
#include "chat/channel_data.h"
#include "chat/message_parts.h"
#include "wire/ids.h"
#include "wire/jwt.h"

bool message_key_reserved(struct span key)
{
	static const char *const names[] = { "id", "cid", "type", "text", "html", "mml", "attachments", "mentioned_users",
		"mentioned_channel", "mentioned_here", "mentioned_group_ids", "mentioned_groups", "mentioned_roles", "command",
		"command_info", "args", "poll_id", "poll", "shared_location", "i18n", "image_labels", "parent_id",
		"show_in_channel", "reply_count", "deleted_reply_count", "thread_participants", "quoted_message_id",
		"quoted_message", "latest_reactions", "own_reactions", "reaction_counts", "reaction_scores", "reaction_groups",
		"silent", "shadowed", "pinned", "pinned_at", "pinned_by", "pin_expires", "restricted_visibility",
		"deleted_for_me", "moderation", "moderation_details", "member", "draft", "reminder", "user", "user_id",
		"created_at", "updated_at", "deleted_at", "message_text_updated_at", "channel", "custom" };
	for (size_t i = 0; i < BECK_COUNT(names); i++)
		if (span_is(key, names[i])) return true;
	return false;
}

bool text_has_link(struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		struct span rest = span_skip(text, i);
		if (text.p[i] == ':' && rest.n > 3 && rest.p[1] == '/' && rest.p[2] == '/' && (unsigned char)rest.p[3] > ' ' &&
			i > 0 && (text.p[i - 1] | 0x20) >= 'a' && (text.p[i - 1] | 0x20) <= 'z')
			return true;
		bool at_start = i == 0 || (unsigned char)text.p[i - 1] <= ' ' || text.p[i - 1] == '(';
		if (at_start && rest.n > 4 && span_eq_nocase(span_make(rest.p, 4), SPAN("www.")) &&
			(unsigned char)rest.p[4] > ' ')
			return true;
	}
	return false;
}

/* ---- single parts ---- */
enum err draft_attachments(struct chat_ctx *c, yyjson_val *v, struct span *out)
{
	*out = SPAN_NONE;
	if (!value_given(v)) return ERR_OK;
	if (!yyjson_is_arr(v)) return chat_fail(c, ERR_INPUT, "attachments", "attachments must be an array");
	if (yyjson_arr_size(v) > (size_t)LIMIT_ATTACHMENTS)
		return chat_fail(
			c, ERR_INPUT, "attachments", "a message has at most %lld attachments", (long long)LIMIT_ATTACHMENTS);
	size_t i, n;
	yyjson_val *item;
	yyjson_arr_foreach(v, i, n, item)
	{
		if (!yyjson_is_obj(item)) return chat_fail(c, ERR_INPUT, "attachments", "an attachment must be an object");
	}
	if (yyjson_arr_size(v) == 0) return ERR_OK;
	struct span text = json_text(c->arena, v);
	if (!span_given(text)) return chat_store_fail(c, ERR_UNAVAILABLE);
	if (text.n > (size_t)LIMIT_ATTACHMENT_BYTES)
		return chat_fail(c, ERR_INPUT, "attachments", "attachments are larger than %lld bytes together",
			(long long)LIMIT_ATTACHMENT_BYTES);
	*out = text;
	return ERR_OK;
}

/* Ids as strings, or as user objects when a whole message is sent back. Doubles count once. */
static enum err take_ids(struct chat_ctx *c, yyjson_val *v, const char *key, int64_t most, struct span **out, size_t *count)
{
	*count = 0;
	if (!value_given(v)) return ERR_OK;
	if (!yyjson_is_arr(v)) return chat_fail(c, ERR_INPUT, key, "%s must be an array of user ids", key);
	if (yyjson_arr_size(v) > (size_t)most)
		return chat_fail(c, ERR_INPUT, key, "%s has more than %lld entries", key, (long long)most);
	struct span *ids = arena_array(c->arena, struct span, yyjson_arr_size(v) + 1);
	if (!ids) return chat_store_fail(c, ERR_UNAVAILABLE);
	size_t i, n;
	yyjson_val *item;
	yyjson_arr_foreach(v, i, n, item)
	{
		struct span id = yyjson_is_obj(item) ? json_span(json_get(item, "id")) : json_span(item);
		if (!user_id_valid(id)) return chat_fail(c, ERR_INPUT, key, "%s must hold user ids", key);
		size_t k = 0;
		while (k < *count && !span_eq(ids[k], id)) k++;
		if (k == *count) ids[(*count)++] = id;
	}
	*out = ids;
	return ERR_OK;
}

/* Not given when there are none. Valid ids need no escaping. */
static struct span ids_text(struct chat_ctx *c, const struct span *ids, size_t n)
{
	if (n == 0) return SPAN_NONE;
	size_t size = 2;
	for (size_t i = 0; i < n; i++) size += ids[i].n + 3;
	char *p = arena_alloc(c->arena, size), *at = p;
	if (!p) return SPAN_NONE;
	*at++ = '[';
	for (size_t i = 0; i < n; i++) {
		if (i) *at++ = ',';
		*at++ = '"';
		memcpy(at, ids[i].p, ids[i].n);
		at += ids[i].n;
		*at++ = '"';
	}
	*at++ = ']';
	return span_make(p, (size_t)(at - p));
}

enum err draft_mentions(struct chat_ctx *c, yyjson_val *v, struct draft *d)
{
	struct span *ids = NULL;
	size_t n = 0, kept = 0;
	enum err e = take_ids(c, v, "mentioned_users", LIMIT_MENTIONS, &ids, &n);
	d->mentioned = SPAN_NONE;
	d->mention_count = 0;
	if (e != ERR_OK || n == 0) return e;
	struct user *users = arena_array(c->arena, struct user, n);
	d->mention_pks = arena_array(c->arena, int64_t, n);
	if (!users || !d->mention_pks) return chat_store_fail(c, ERR_UNAVAILABLE);
	e = store_users_get(c->tx, c->app->pk, ids, n, c->arena, users);
	if (e != ERR_OK) return chat_store_fail(c, e);
	for (size_t i = 0; i < n; i++) {
		if (users[i].pk == 0) continue;
		ids[kept] = ids[i];
		d->mention_pks[kept++] = users[i].pk;
	}
	d->mention_count = kept;
	d->mentioned = ids_text(c, ids, kept);
	return ERR_OK;
}

enum err draft_time(struct chat_ctx *c, yyjson_val *v, const char *key, int64_t *out)
{
	int64_t at = 0;
	*out = 0;
	if (!value_given(v)) return ERR_OK;
	if (!time_parse(json_span(v), &at)) return chat_fail(c, ERR_INPUT, key, "%s must be an RFC 3339 time", key);
	if (at != TIME_ZERO) *out = at;
	return ERR_OK;
}

static enum err take_restricted(struct chat_ctx *c, yyjson_val *v, struct span *out)
{
	struct span *ids = NULL;
	size_t n = 0;
	enum err e = take_ids(c, v, "restricted_visibility", LIMIT_MEMBERS_PER_CALL, &ids, &n);
	if (e == ERR_OK) *out = ids_text(c, ids, n);
	return e;
}

static enum err take_custom(struct chat_ctx *c, yyjson_val *obj, struct span *out)
{
	yyjson_val *from = c->dialect == DIALECT_2 ? json_get(obj, "custom") : obj;
	if (value_given(from) && !yyjson_is_obj(from)) return chat_fail(c, ERR_INPUT, "custom", "custom must be an object");
	*out = yyjson_is_obj(from) ? custom_collect(c->arena, from, message_key_reserved) : SPAN_NONE;
	return custom_check_size(c, *out, "message");
}

static enum err take_id(struct chat_ctx *c, yyjson_val *obj, const char *key, struct span *out)
{
	enum err e = take_string(c, obj, key, (size_t)LIMIT_MESSAGE_ID_BYTES, out);
	if (e == ERR_OK && span_given(*out) && !message_id_valid(*out))
		return chat_fail(c, ERR_INPUT, key, "%s must be of letters, digits, _ and -", key);
	return e;
}

static enum err take_type(struct chat_ctx *c, yyjson_val *obj, bool *is_system)
{
	yyjson_val *v = json_get(obj, "type");
	if (!value_given(v) || span_is(json_span(v), "regular")) return ERR_OK;
	if (!span_is(json_span(v), "system")) return chat_fail(c, ERR_INPUT, "type", "type must be regular or system");
	*is_system = true;
	return ERR_OK;
}

static enum err take_server_only(struct chat_ctx *c, yyjson_val *obj, struct draft *d)
{
	if (!chat_is_server(c)) return ERR_OK;
	enum err e = take_string(c, obj, "html", (size_t)LIMIT_BODY_BYTES, &d->html);
	if (e == ERR_OK) e = take_string(c, obj, "mml", (size_t)LIMIT_BODY_BYTES, &d->mml);
	if (e == ERR_OK) e = draft_time(c, json_get(obj, "created_at"), "created_at", &d->created_at);
	if (e == ERR_OK && d->created_at > c->now_us)
		return chat_fail(c, ERR_INPUT, "created_at", "created_at lies in the future");
	return e;
}

enum err draft_parse(struct chat_ctx *c, yyjson_val *obj, struct draft *d)
{
	*d = (struct draft){ 0 };
	if (!yyjson_is_obj(obj)) return chat_fail(c, ERR_INPUT, "message", "message must be an object");
	enum err e = take_id(c, obj, "id", &d->id);
	if (e == ERR_OK) e = take_id(c, obj, "parent_id", &d->parent_id);
	if (e == ERR_OK) e = take_id(c, obj, "quoted_message_id", &d->quoted_id);
	if (e == ERR_OK) e = take_string(c, obj, "text", (size_t)LIMIT_BODY_BYTES, &d->text);
	if (e == ERR_OK) e = take_type(c, obj, &d->is_system);
	if (e == ERR_OK) e = take_bool(c, obj, "show_in_channel", &d->show_in_channel, NULL);
	if (e == ERR_OK) e = take_bool(c, obj, "silent", &d->silent, NULL);
	if (e == ERR_OK) e = take_bool(c, obj, "pinned", &d->pinned, &d->pinned_given);
	if (e == ERR_OK) e = draft_time(c, json_get(obj, "pin_expires"), "pin_expires", &d->pin_expires);
	if (e == ERR_OK) e = draft_attachments(c, json_get(obj, "attachments"), &d->attachments);
	if (e == ERR_OK) e = take_restricted(c, json_get(obj, "restricted_visibility"), &d->restricted);
	d->has_poll = value_given(json_get(obj, "poll_id"));
	d->has_location = value_given(json_get(obj, "shared_location"));
	if (e == ERR_OK) e = take_custom(c, obj, &d->custom);
	if (e == ERR_OK) e = draft_mentions(c, json_get(obj, "mentioned_users"), d);
	if (e == ERR_OK) e = take_server_only(c, obj, d);
	if (e == ERR_OK && arena_failed(c->arena)) e = chat_store_fail(c, ERR_UNAVAILABLE);
	return e;
}

/* ---- step 5 ---- */
static enum err check_bounds(struct chat_ctx *c, const struct channel_ctx *x, const struct draft *d)
{
	int64_t most = x->effective.max_message_length;
	if (most <= 0 || most > LIMIT_TEXT_MAX_CHARS) most = LIMIT_TEXT_MAX_CHARS;
	if (utf8_length(d->text) > (size_t)most)
		return chat_fail(c, ERR_TEXT_TOO_LONG, "text", "the text is longer than %lld characters", (long long)most);
	if (d->text.n == 0 && !span_given(d->attachments))
		return chat_fail(c, ERR_INPUT, "text", "a message needs a text or an attachment");
	if (d->pinned && d->pin_expires && d->pin_expires <= c->now_us)
		return chat_fail(c, ERR_INPUT, "pin_expires", "pin_expires lies in the past");
	return ERR_OK;
}

static enum err check_features(struct chat_ctx *c, const struct channel_ctx *x, const struct draft *d)
{
	if (span_given(d->quoted_id) && !x->effective.quotes)
		return chat_fail(c, ERR_FEATURE_OFF, "quoted_message_id", "quotes not enabled");
	/* Not there yet, whatever the type says. */
	if (d->has_poll) return chat_fail(c, ERR_FEATURE_OFF, "poll_id", "polls not enabled");
	if (d->has_location) return chat_fail(c, ERR_FEATURE_OFF, "shared_location", "shared locations not enabled");
	if (span_given(d->parent_id) && !x->effective.replies)
		return chat_fail(c, ERR_FEATURE_OFF, "parent_id", "replies not enabled");
	return ERR_OK;
}

enum err draft_check(struct chat_ctx *c, const struct channel_ctx *x, const struct draft *d)
{
	enum err e = check_features(c, x, d);
	if (e == ERR_OK && span_given(d->attachments)) e = chat_require(c, x, "create-attachment", false);
	if (e == ERR_OK && text_has_link(d->text)) e = chat_require(c, x, "add-links", false);
	if (e == ERR_OK && d->mention_count) e = chat_require(c, x, "create-mention", false);
	if (e == ERR_OK && d->is_system) e = chat_require(c, x, "create-system-message", false);
	if (e == ERR_OK && span_given(d->restricted)) e = chat_require(c, x, "create-restricted-visibility-message", false);
	if (e == ERR_OK && d->pinned) e = chat_require(c, x, "pin-message", false);
	return e == ERR_OK ? check_bounds(c, x, d) : e;
}

/* ---- telling a retry ---- */
struct span draft_hash(struct chat_ctx *c, const struct draft *d)
{
	const struct span parts[] = { d->text, d->attachments, d->mentioned, d->custom, d->restricted, d->parent_id, d->quoted_id,
		d->html, d->mml,
		span_make((const char[]){ (char)('0' + d->show_in_channel), (char)('0' + d->silent), (char)('0' + d->is_system) },
			3) };
	struct buf all;
	buf_init(&all, (size_t)LIMIT_REPLY_BYTES);
	for (size_t i = 0; i < BECK_COUNT(parts); i++) {
		buf_printf(&all, "%zu:", parts[i].n); /* lengths keep neighbours apart */
		buf_add_span(&all, parts[i]);
	}
	uint8_t digest[32];
	char hex[64];
	sha256(buf_span(&all), digest);
	for (size_t i = 0; i < sizeof digest; i++) {
		hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	struct span out = all.failed ? SPAN_NONE : arena_dup(c->arena, span_make(hex, sizeof hex));
	buf_deinit(&all);
	return out;
}
