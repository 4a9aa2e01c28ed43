#include <string.h>

#include "chat/channel_config.h"

#include "base/limits.h"
#include "chat/channel_data.h"

/* Text written through a buffer into the arena. */
static enum err text_done(struct chat_ctx *c, struct buf *text, struct span *out)
{
	struct span copy = text->failed ? SPAN_NONE : arena_dup(c->arena, buf_span(text));
	buf_deinit(text);
	if (!span_given(copy)) return chat_store_fail(c, ERR_UNAVAILABLE);
	*out = copy;
	return ERR_OK;
}

/* ---- overrides ---- */

static const struct {
	const char *key;
	size_t offset;
} switches[] = {
	{ "count_messages", offsetof(struct channel_type, count_messages) },
	{ "quotes", offsetof(struct channel_type, quotes) },
	{ "reactions", offsetof(struct channel_type, reactions) },
	{ "replies", offsetof(struct channel_type, replies) },
	{ "typing_events", offsetof(struct channel_type, typing_events) },
	{ "uploads", offsetof(struct channel_type, uploads) },
	{ "url_enrichment", offsetof(struct channel_type, url_enrichment) },
};

static void apply_switches(struct channel_type *t, yyjson_val *overrides)
{
	for (size_t i = 0; i < BECK_COUNT(switches); i++) {
		yyjson_val *v = json_get(overrides, switches[i].key);
		if (yyjson_is_bool(v)) *(bool *)(void *)((char *)t + switches[i].offset) = yyjson_get_bool(v);
	}
	yyjson_val *length = json_get(overrides, "max_message_length");
	if (yyjson_is_int(length)) t->max_message_length = yyjson_get_sint(length);
}

static bool list_has(yyjson_val *list, struct span value)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(list, i, n, v)
	{
		if (span_eq(json_span(v), value)) return true;
	}
	return false;
}

/* "!id" in the changes takes the permission away. */
static bool list_removes(yyjson_val *changes, struct span value)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(changes, i, n, v)
	{
		struct span s = json_span(v);
		if (s.n > 0 && s.p[0] == '!' && span_eq(span_skip(s, 1), value)) return true;
	}
	return false;
}

static void merge_role(struct jsonw *w, struct span role, yyjson_val *base, yyjson_val *changes)
{
	size_t i, n;
	yyjson_val *v;
	jsonw_key_span(w, role);
	jsonw_arr_begin(w);
	yyjson_arr_foreach(base, i, n, v)
	{
		if (!list_removes(changes, json_span(v))) jsonw_val(w, v);
	}
	yyjson_arr_foreach(changes, i, n, v)
	{
		struct span s = json_span(v);
		if ((s.n == 0 || s.p[0] != '!') && !list_has(base, s)) jsonw_val(w, v);
	}
	jsonw_arr_end(w);
}

static yyjson_val *merge_grants(struct chat_ctx *c, yyjson_val *base, yyjson_val *changes)
{
	struct buf text;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	size_t i, n;
	yyjson_val *key, *list;
	yyjson_obj_foreach(base, i, n, key, list)
		merge_role(&w, json_span(key), list, yyjson_obj_getn(changes, yyjson_get_str(key), yyjson_get_len(key)));
	yyjson_obj_foreach(changes, i, n, key, list)
	{
		if (yyjson_obj_getn(base, yyjson_get_str(key), yyjson_get_len(key)) == NULL)
			merge_role(&w, json_span(key), NULL, list);
	}
	jsonw_obj_end(&w);
	struct span copy = text.failed ? SPAN_NONE : arena_dup(c->arena, buf_span(&text));
	buf_deinit(&text);
	return stored_json(c, copy);
}

static enum err merge_config(struct chat_ctx *c, struct channel_type *t, yyjson_val *overrides)
{
	struct buf text;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	size_t i, n;
	yyjson_val *key, *value;
	yyjson_obj_foreach(t->config, i, n, key, value)
	{
		yyjson_val *over = yyjson_obj_getn(overrides, yyjson_get_str(key), yyjson_get_len(key));
		jsonw_key_span(&w, json_span(key));
		jsonw_val(&w, over != NULL ? over : value);
	}
	yyjson_obj_foreach(overrides, i, n, key, value)
	{
		struct span k = json_span(key);
		if (span_is(k, "grants") || yyjson_obj_getn(t->config, k.p, k.n) != NULL) continue;
		jsonw_key_span(&w, k);
		jsonw_val(&w, value);
	}
	jsonw_obj_end(&w);
	enum err e = text_done(c, &text, &t->config_json);
	if (e != ERR_OK) return e;
	t->config = stored_json(c, t->config_json);
	return t->config != NULL ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}

enum err channel_effective(struct chat_ctx *c, struct channel_ctx *x)
{
	x->effective = *x->type;
	yyjson_val *overrides = stored_json(c, x->ch.config_overrides);
	if (yyjson_obj_size(overrides) == 0) return ERR_OK;
	x->effective.shown_json = SPAN_NONE;
	apply_switches(&x->effective, overrides);
	yyjson_val *grants = json_get(overrides, "grants");
	if (yyjson_obj_size(grants) > 0) {
		x->effective.grants = merge_grants(c, x->type->grants, grants);
		if (x->effective.grants == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	}
	return merge_config(c, &x->effective, overrides);
}

/* ---- configuration ---- */

static const struct {
	const char *name, *description, *args, *set;
} commands[] = {
	{ "giphy", "Post a GIF that fits the text", "[text]", "fun_set" },
	{ "ban", "Ban a user from this channel", "[@username] [reason]", "moderation_set" },
	{ "unban", "Lift the ban of a user", "[@username]", "moderation_set" },
	{ "mute", "Mute a user", "[@username]", "moderation_set" },
	{ "unmute", "Unmute a user", "[@username]", "moderation_set" },
	{ "flag", "Flag a user", "[@username]", "moderation_set" },
};

/* GIFs need a provider, and there is none. */
static bool is_offered(size_t i) { return strcmp(commands[i].name, "giphy") != 0; }

bool channel_command_known(struct span name)
{
	for (size_t i = 0; i < BECK_COUNT(commands); i++)
		if (is_offered(i) && span_is(name, commands[i].name)) return true;
	return false;
}

void channel_commands_write_all(struct jsonw *w)
{
	jsonw_arr_begin(w);
	for (size_t i = 0; i < BECK_COUNT(commands); i++)
		if (is_offered(i)) jsonw_str(w, span_str(commands[i].name));
	jsonw_arr_end(w);
}

static void write_command(struct jsonw *w, struct span name)
{
	size_t i = 0;
	while (i < BECK_COUNT(commands) && !span_is(name, commands[i].name)) i++;
	bool known = i < BECK_COUNT(commands);
	jsonw_obj_begin(w);
	jsonw_kstr(w, "name", name);
	jsonw_kstr(w, "description", known ? span_str(commands[i].description) : SPAN(""));
	jsonw_kstr(w, "args", known ? span_str(commands[i].args) : SPAN(""));
	jsonw_kstr(w, "set", known ? span_str(commands[i].set) : SPAN(""));
	jsonw_obj_end(w);
}

static void write_commands(struct jsonw *w, yyjson_val *list)
{
	size_t i, n;
	yyjson_val *v;
	jsonw_arr_begin(w);
	yyjson_arr_foreach(list, i, n, v) write_command(w, json_span(v));
	jsonw_arr_end(w);
}

void chat_config_write(struct jsonw *w, const struct channel_type *t, bool commands_as_objects)
{
	size_t i, n;
	yyjson_val *key, *value;
	jsonw_obj_begin(w);
	yyjson_obj_foreach(t->config, i, n, key, value)
	{
		jsonw_key_span(w, json_span(key));
		if (commands_as_objects && span_is(json_span(key), "commands"))
			write_commands(w, value);
		else
			jsonw_val(w, value);
	}
	jsonw_obj_end(w);
}

enum err channel_config_text(struct chat_ctx *c, const struct channel_type *effective, struct span *out)
{
	if (span_given(effective->shown_json)) {
		*out = effective->shown_json;
		return ERR_OK;
	}
	struct buf text;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	chat_config_write(&w, effective, true);
	return text_done(c, &text, out);
}

/* ---- capabilities ---- */

/* A capability comes from a permission, a switch of the configuration, or both. */
static const struct capability {
	const char *name, *permission, *flag;
	bool as_owner; /* the "-owner" form of the permission is enough */
} capabilities[] = {
	{ "send-message", "create-message", NULL, false },
	{ "send-reply", "create-reply", "replies", false },
	{ "create-attachment", "create-attachment", NULL, false },
	{ "upload-file", "upload-attachment", "uploads", false },
	{ "send-links", "add-links", NULL, false },
	{ "create-mention", "create-mention", NULL, false },
	{ "notify-channel", "notify-channel", NULL, false },
	{ "notify-here", "notify-here", NULL, false },
	{ "notify-role", "notify-role", NULL, false },
	{ "notify-group", "notify-group", NULL, false },
	{ "send-reaction", "create-reaction", "reactions", false },
	{ "update-any-message", "update-message", NULL, false },
	{ "update-own-message", "update-message", NULL, true },
	{ "delete-any-message", "delete-message", NULL, false },
	{ "delete-own-message", "delete-message", NULL, true },
	{ "pin-message", "pin-message", NULL, false },
	{ "flag-message", "flag-message", NULL, false },
	{ "send-restricted-visibility-message", "create-restricted-visibility-message", NULL, false },
	{ "send-custom-events", "send-custom-event", "custom_events", false },
	{ "update-channel", "update-channel", NULL, false },
	{ "update-channel-members", "update-channel-members", NULL, false },
	{ "freeze-channel", "update-channel-frozen", NULL, false },
	{ "set-channel-cooldown", "update-channel-cooldown", NULL, false },
	{ "skip-slow-mode", "skip-channel-cooldown", NULL, false },
	{ "delete-channel", "delete-channel", NULL, false },
	{ "join-channel", "add-own-channel-membership", NULL, false },
	{ "leave-channel", "remove-own-channel-membership", NULL, false },
	{ "ban-channel-members", "ban-channel-member", NULL, false },
	{ "mute-channel", "mute-channel", "mutes", false },
	{ "search-messages", NULL, "search", false },
	{ "send-poll", "send-poll", "polls", false },
	{ "cast-poll-vote", "cast-poll-vote", "polls", false },
	{ "query-poll-votes", "query-poll-votes", "polls", false },
	{ "share-location", "share-location", "shared_locations", false },
	{ "update-thread", "update-thread", "replies", false },
	{ "typing-events", NULL, "typing_events", false },
	{ "send-typing-events", NULL, "typing_events", false },
	{ "read-events", NULL, "read_events", false },
	{ "connect-events", NULL, "connect_events", false },
	{ "delivery-events", NULL, "delivery_events", false },
	{ "quote-message", NULL, "quotes", false },
};

static bool has_capability(struct chat_ctx *c, const struct channel_ctx *x, const struct member *own, const struct capability *k)
{
	if (k->flag != NULL && !yyjson_is_true(json_get(x->effective.config, k->flag))) return false;
	/* Of a message the owner is its author, not who made the channel. */
	bool of_message = k->permission != NULL &&
			  (strcmp(k->permission, "update-message") == 0 || strcmp(k->permission, "delete-message") == 0);
	bool is_owner = k->as_owner || (x->is_owner && !of_message);
	return k->permission == NULL || chat_may_in(c, &x->effective, &x->ch, own, k->permission, is_owner);
}

enum err channel_capabilities_text(struct chat_ctx *c, const struct channel_ctx *x, struct span *out)
{
	const struct member *own = x->is_member ? &x->own : NULL;
	struct buf text;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	jsonw_arr_begin(&w);
	bool skips = false;
	for (size_t i = 0; i < BECK_COUNT(capabilities); i++) {
		if (!has_capability(c, x, own, &capabilities[i])) continue;
		if (strcmp(capabilities[i].name, "skip-slow-mode") == 0) skips = true;
		jsonw_str(&w, span_str(capabilities[i].name));
	}
	if (x->ch.cooldown_s > 0 && !skips) jsonw_str(&w, SPAN("slow-mode"));
	jsonw_arr_end(&w);
	return text_done(c, &text, out);
}
