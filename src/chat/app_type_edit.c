/* Channel types of an application's own making: created, changed, deleted. What a type says is checked here once, so that the
 * rules may trust what is stored. Contract: channels.md 1. */
#include <string.h>

#include "base/limits.h"
#include "chat/apps.h"
#include "chat/channel_config.h"
#include "chat/channel_data.h"
#include "chat/permissions.h"
#include "chat/user_rules.h"

/* ---- fields ---- */
enum field_kind { FIELD_BOOL, FIELD_INT, FIELD_LENGTH, FIELD_WORD, FIELD_TEXT, FIELD_WORDS, FIELD_OBJECT, FIELD_OBJECTS };
static const struct field {
	const char *key;
	enum field_kind kind;
	int64_t max;       /* of FIELD_INT; bytes of FIELD_TEXT */
	const char *words; /* FIELD_WORD: those there are, each between blanks */
} fields[] = {
	{ "typing_events", FIELD_BOOL, 0, NULL },
	{ "read_events", FIELD_BOOL, 0, NULL },
	{ "connect_events", FIELD_BOOL, 0, NULL },
	{ "delivery_events", FIELD_BOOL, 0, NULL },
	{ "custom_events", FIELD_BOOL, 0, NULL },
	{ "search", FIELD_BOOL, 0, NULL },
	{ "reactions", FIELD_BOOL, 0, NULL },
	{ "replies", FIELD_BOOL, 0, NULL },
	{ "quotes", FIELD_BOOL, 0, NULL },
	{ "mutes", FIELD_BOOL, 0, NULL },
	{ "uploads", FIELD_BOOL, 0, NULL },
	{ "url_enrichment", FIELD_BOOL, 0, NULL },
	{ "push_notifications", FIELD_BOOL, 0, NULL },
	{ "count_messages", FIELD_BOOL, 0, NULL },
	{ "polls", FIELD_BOOL, 0, NULL },
	{ "shared_locations", FIELD_BOOL, 0, NULL },
	{ "user_message_reminders", FIELD_BOOL, 0, NULL },
	{ "reminders", FIELD_BOOL, 0, NULL },
	{ "mark_messages_pending", FIELD_BOOL, 0, NULL },
	{ "skip_last_msg_update_for_system_msgs", FIELD_BOOL, 0, NULL },
	{ "max_message_length", FIELD_LENGTH, 0, NULL },
	{ "message_retention", FIELD_TEXT, 16, NULL },
	{ "automod", FIELD_WORD, 0, " disabled simple AI " },
	{ "automod_behavior", FIELD_WORD, 0, " flag block " },
	{ "blocklist_behavior", FIELD_WORD, 0, " flag block shadow_block " },
	{ "push_level", FIELD_WORD, 0, " all all_mentions mentions direct_mentions none " },
	{ "allowed_flag_reasons", FIELD_WORDS, 0, NULL },
	{ "blocklists", FIELD_OBJECTS, 0, NULL },
	{ "automod_thresholds", FIELD_OBJECT, 0, NULL },
	{ "chat_preferences", FIELD_OBJECT, 0, NULL },
	{ "partition_size", FIELD_INT, INT32_MAX, NULL },
	{ "partition_ttl", FIELD_TEXT, 32, NULL },
	{ "commands", FIELD_WORDS, 0, NULL },
};

/* Zero values are not given: clients write them for what they do not mean to set. */
static bool is_sent(const struct field *f, yyjson_val *v)
{
	if (!value_given(v)) return false;
	return !((f->kind == FIELD_INT || f->kind == FIELD_LENGTH) && yyjson_is_int(v) && yyjson_get_sint(v) == 0);
}

static bool is_among(const char *words, struct span word)
{
	if (word.n == 0 || span_find(word, ' ') < word.n) return false;
	for (const char *p = words; (p = strchr(p, ' ')) != NULL; p++)
		if (strncmp(p + 1, word.p, word.n) == 0 && p[1 + word.n] == ' ') return true;
	return false;
}

static bool all_of(yyjson_val *list, bool objects)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(list, i, n, v)
	{
		if (objects ? !yyjson_is_obj(v) : !yyjson_is_str(v)) return false;
	}
	return yyjson_is_arr(list);
}

static bool is_int_to(yyjson_val *v, int64_t max)
{
	return yyjson_is_int(v) && yyjson_get_sint(v) >= 1 && yyjson_get_sint(v) <= max;
}

static bool fits(const struct field *f, yyjson_val *v)
{
	switch (f->kind) {
	case FIELD_BOOL: return yyjson_is_bool(v);
	case FIELD_INT: return is_int_to(v, f->max);
	case FIELD_LENGTH: return is_int_to(v, LIMIT_TEXT_MAX_CHARS);
	case FIELD_WORD: return is_among(f->words, json_span(v));
	case FIELD_TEXT: return yyjson_is_str(v) && yyjson_get_len(v) <= (size_t)f->max;
	case FIELD_WORDS: return all_of(v, false);
	case FIELD_OBJECT: return yyjson_is_obj(v);
	case FIELD_OBJECTS: return all_of(v, true);
	}
	return false;
}

/* "infinite", or days. */
static bool is_retention(struct span s)
{
	if (span_is(s, "infinite")) return true;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9') return false;
	return s.n > 0 && s.n <= 5 && s.p[0] != '0';
}

static enum err check_field(struct chat_ctx *c, const struct field *f, yyjson_val *v)
{
	if (!fits(f, v)) return chat_fail(c, ERR_INPUT, f->key, "%s is not valid", f->key);
	if (strcmp(f->key, "message_retention") == 0 && !is_retention(json_span(v)))
		return chat_fail(c, ERR_INPUT, f->key, "message_retention must be \"infinite\" or a number of days");
	if (strcmp(f->key, "blocklists") == 0 && yyjson_arr_size(v) > 0)
		return chat_fail(c, ERR_INPUT, f->key, "the named block lists do not exist");
	if (strcmp(f->key, "commands") != 0) return ERR_OK;
	size_t i, n;
	yyjson_val *name;
	yyjson_arr_foreach(v, i, n, name)
	{
		if (!span_is(json_span(name), "all") && !channel_command_known(json_span(name)))
			return chat_fail(c, ERR_INPUT, f->key, "command %.*s does not exist", SPAN_FMT(json_span(name)));
	}
	return ERR_OK;
}

/* What would have no effect is refused rather than kept: who sends it counts on it. */
static enum err check_unsupported(struct chat_ctx *c, yyjson_val *body)
{
	if (value_given(json_get(body, "blocklist")))
		return chat_fail(c, ERR_INPUT, "blocklist", "block list %.*s does not exist",
			SPAN_FMT(json_span(json_get(body, "blocklist"))));
	if (yyjson_arr_size(json_get(body, "permissions")) > 0)
		return chat_fail(
			c, ERR_INPUT, "permissions", "policies of the first permission system have no effect: use grants");
	return ERR_OK;
}

static enum err check_body(struct chat_ctx *c, yyjson_val *body)
{
	enum err e = check_unsupported(c, body);
	for (size_t i = 0; e == ERR_OK && i < BECK_COUNT(fields); i++) {
		yyjson_val *v = json_get(body, fields[i].key);
		if (is_sent(&fields[i], v)) e = check_field(c, &fields[i], v);
	}
	yyjson_val *grants = json_get(body, "grants");
	if (e != ERR_OK || !value_given(grants)) return e;
	return grants_check(c, grants, false);
}

/* ---- merging ---- */
static bool comes_before(yyjson_val *list, size_t end, struct span name)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(list, i, n, v)
	{
		if (i >= end) return false;
		if (span_eq(json_span(v), name)) return true;
	}
	return false;
}

/* `all` is every command there is on the day it is stored; each name stands once. */
static void write_command_names(struct jsonw *w, yyjson_val *list)
{
	size_t i, n;
	yyjson_val *v;
	if (comes_before(list, SIZE_MAX, SPAN("all"))) {
		channel_commands_write_all(w);
		return;
	}
	jsonw_arr_begin(w);
	yyjson_arr_foreach(list, i, n, v)
	{
		if (!comes_before(list, i, json_span(v))) jsonw_val(w, v);
	}
	jsonw_arr_end(w);
}

static void write_field(struct jsonw *w, const struct field *f, yyjson_val *v)
{
	jsonw_key(w, f->key);
	if (strcmp(f->key, "commands") == 0)
		write_command_names(w, v);
	else
		jsonw_val(w, v);
}

static void write_config(struct jsonw *w, struct span name, yyjson_val *old, yyjson_val *body)
{
	jsonw_obj_begin(w);
	jsonw_kstr(w, "name", name);
	for (size_t i = 0; i < BECK_COUNT(fields); i++) {
		const struct field *f = &fields[i];
		yyjson_val *v = json_get(body, f->key);
		if (!is_sent(f, v)) v = json_get(old, f->key);
		if (v != NULL) write_field(w, f, v);
	}
	jsonw_obj_end(w);
}

static struct span finish_text(struct chat_ctx *c, struct buf *text)
{
	struct span copy = text->failed ? SPAN_NONE : arena_dup(c->arena, buf_span(text));
	buf_deinit(text);
	return copy;
}

static struct span config_text(struct chat_ctx *c, struct span name, yyjson_val *old, yyjson_val *body)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &text);
	write_config(&w, name, old, body);
	return finish_text(c, &text);
}

static struct span grants_text(struct chat_ctx *c, yyjson_val *old, yyjson_val *sent)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &text);
	jsonw_merged(&w, old, sent);
	return finish_text(c, &text);
}

/* ---- storing ---- */
static enum err put(struct chat_ctx *c, struct store_channel_type *row, yyjson_val *body, struct channel_type *out)
{
	struct span before = row->grants;
	row->config = config_text(c, row->name, stored_json(c, row->config), body);
	row->grants = grants_text(c, stored_json(c, row->grants), json_get(body, "grants"));
	row->updated_at = c->now_us;
	if (!span_given(row->config) || !span_given(row->grants)) return chat_store_fail(c, ERR_UNAVAILABLE);
	if (row->config.n + row->grants.n > (size_t)LIMIT_CHANNEL_TYPE_BYTES)
		return chat_fail(
			c, ERR_INPUT, NULL, "a channel type is larger than %lld bytes", (long long)LIMIT_CHANNEL_TYPE_BYTES);
	enum err e = store_type_put(c->tx, c->app->pk, row);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (!channel_type_load(c->arena, row, out)) return chat_store_fail(c, ERR_UNAVAILABLE);
	c->apps_changed = true;
	return span_eq(before, row->grants) ? ERR_OK : chat_check_watches(c);
}

static bool is_type_name(struct span s)
{
	if (s.n == 0 || s.n > (size_t)LIMIT_CHANNEL_TYPE_NAME_BYTES) return false;
	for (size_t i = 0; i < s.n; i++) {
		char ch = s.p[i];
		bool ok = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' ||
			  ch == '-';
		if (!ok) return false;
	}
	return true;
}

/* As stored now: the snapshot may be older than another write of this batch. *found NULL when there is none. */
static enum err find_stored(struct chat_ctx *c, struct span name, struct store_channel_type **found, size_t *count)
{
	struct store_channel_type *rows;
	enum err e = store_type_list(c->tx, c->app->pk, c->arena, &rows, count);
	if (e != ERR_OK) return chat_store_fail(c, e);
	*found = NULL;
	for (size_t i = 0; i < *count; i++)
		if (span_eq(rows[i].name, name)) *found = &rows[i];
	return ERR_OK;
}

static enum err find_existing(struct chat_ctx *c, struct span name, struct store_channel_type **found)
{
	size_t n;
	enum err e = find_stored(c, name, found, &n);
	if (e != ERR_OK || *found != NULL) return e;
	return chat_fail(c, ERR_NOT_FOUND, NULL, "channel type %.*s does not exist", SPAN_FMT(name));
}

enum err chat_channel_type_create(struct chat_ctx *c, yyjson_val *body, struct channel_type *out)
{
	struct span name = json_span(json_get(body, "name"));
	struct store_channel_type *taken;
	size_t n;
	if (!is_type_name(name))
		return chat_fail(c, ERR_INPUT, "name", "name is required: 1 to %d letters, digits, _ and -",
			(int)LIMIT_CHANNEL_TYPE_NAME_BYTES);
	enum err e = check_body(c, body);
	if (e == ERR_OK) e = find_stored(c, name, &taken, &n);
	if (e != ERR_OK) return e;
	if (taken != NULL) return chat_fail(c, ERR_INPUT, "name", "channel type %.*s exists already", SPAN_FMT(name));
	if (n >= (size_t)LIMIT_CHANNEL_TYPES)
		return chat_fail(c, ERR_INPUT, NULL, "there are %d channel types already, more are not possible", (int)n);
	struct store_channel_type row = { .name = name, .created_at = c->now_us };
	e = app_type_defaults(c, &row);
	return e == ERR_OK ? put(c, &row, body, out) : e;
}

enum err chat_channel_type_update(struct chat_ctx *c, struct span name, yyjson_val *body, struct channel_type *out)
{
	struct store_channel_type *row;
	enum err e = find_existing(c, name, &row);
	if (e == ERR_OK) e = check_body(c, body);
	return e == ERR_OK ? put(c, row, body, out) : e;
}

enum err chat_channel_type_delete(struct chat_ctx *c, struct span name)
{
	struct store_channel_type *row;
	bool used = false;
	enum err e = find_existing(c, name, &row);
	if (e != ERR_OK) return e;
	if (app_type_is_built_in(name))
		return chat_fail(c, ERR_INPUT, NULL, "channel type %.*s is built in and cannot be deleted", SPAN_FMT(name));
	e = store_type_used(c->tx, c->app->pk, name, &used);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (used)
		return chat_fail(c, ERR_INPUT, NULL, "channel type %.*s has channels: delete them (hard) first", SPAN_FMT(name));
	e = store_type_delete(c->tx, c->app->pk, name);
	if (e != ERR_OK) return chat_store_fail(c, e);
	c->apps_changed = true;
	return ERR_OK;
}
