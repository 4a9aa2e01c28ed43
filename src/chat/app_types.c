/* Channel types: the built-in ones of a new application, stored ones as the rules use them, and their JSON. */
#include "base/limits.h"
#include "chat/apps.h"
#include "chat/channels.h"
#include "chat/permissions.h"

/* ---- built-in ---- */
struct built_in {
	const char *name, *commands;
	bool url_enrichment;
};
static const struct built_in built_in[] = {
#define CONFIG(key, value)
#define CHANNEL_TYPE(name_, url_, commands_) { name_, commands_, url_ },
#include "channel_types.def"
#undef CONFIG
#undef CHANNEL_TYPE
};

static void write_config(struct jsonw *w, const struct built_in *t)
{
	jsonw_obj_begin(w);
	jsonw_kstr(w, "name", span_str(t->name));
#define CONFIG(key, value) jsonw_kraw(w, key, SPAN(value));
#define CHANNEL_TYPE(name_, url_, commands_)
#include "channel_types.def"
#undef CONFIG
#undef CHANNEL_TYPE
	jsonw_kbool(w, "url_enrichment", t->url_enrichment);
	jsonw_kraw(w, "commands", span_str(t->commands));
	jsonw_obj_end(w);
}

enum err app_types_create(struct store_tx *tx, struct arena *a, int64_t app, int64_t now_us)
{
	struct buf config, grants;
	struct jsonw w;
	enum err e = ERR_OK;
	(void)a;
	buf_init(&config, (size_t)LIMIT_BODY_BYTES);
	buf_init(&grants, (size_t)LIMIT_BODY_BYTES);
	for (size_t i = 0; e == ERR_OK && i < BECK_COUNT(built_in); i++) {
		buf_clear(&config);
		buf_clear(&grants);
		jsonw_init(&w, &config);
		write_config(&w, &built_in[i]);
		jsonw_init(&w, &grants);
		default_grants_write(&w, span_str(built_in[i].name));
		struct store_channel_type row = { .name = span_str(built_in[i].name),
			.config = buf_span(&config),
			.grants = buf_span(&grants),
			.created_at = now_us,
			.updated_at = now_us };
		e = config.failed || grants.failed ? ERR_UNAVAILABLE : store_type_put(tx, app, &row);
	}
	buf_deinit(&config);
	buf_deinit(&grants);
	return e;
}

bool app_type_is_built_in(struct span name)
{
	for (size_t i = 0; i < BECK_COUNT(built_in); i++)
		if (span_is(name, built_in[i].name)) return true;
	return false;
}

/* Like messaging, the type that keeps most to its members. */
enum err app_type_defaults(struct chat_ctx *c, struct store_channel_type *row)
{
	struct buf config, grants;
	struct jsonw w;
	buf_init(&config, (size_t)LIMIT_BODY_BYTES);
	buf_init(&grants, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &config);
	write_config(&w, &built_in[0]);
	jsonw_init(&w, &grants);
	default_grants_write(&w, span_str(built_in[0].name));
	bool failed = config.failed || grants.failed;
	row->config = failed ? SPAN_NONE : arena_dup(c->arena, buf_span(&config));
	row->grants = failed ? SPAN_NONE : arena_dup(c->arena, buf_span(&grants));
	buf_deinit(&config);
	buf_deinit(&grants);
	return span_given(row->config) && span_given(row->grants) ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}

/* ---- stored ---- */
static const struct {
	const char *key;
	size_t offset;
} switches[] = {
#define SWITCH(name)                                                                                                             \
	{                                                                                                                        \
#name, offsetof(struct channel_type, name)                                                                       \
	}
	SWITCH(typing_events),
	SWITCH(read_events),
	SWITCH(connect_events),
	SWITCH(delivery_events),
	SWITCH(custom_events),
	SWITCH(search),
	SWITCH(reactions),
	SWITCH(replies),
	SWITCH(quotes),
	SWITCH(mutes),
	SWITCH(uploads),
	SWITCH(url_enrichment),
	SWITCH(count_messages),
	SWITCH(mark_messages_pending),
	SWITCH(skip_last_msg_update_for_system_msgs),
#undef SWITCH
};

/* Rendered once: every answer and event with a channel in it holds this text. */
static bool show(struct arena *a, struct channel_type *t)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &text);
	chat_config_write(&w, t, true);
	t->shown_json = text.failed ? SPAN_NONE : arena_dup(a, buf_span(&text));
	buf_deinit(&text);
	return span_given(t->shown_json);
}

bool channel_type_load(struct arena *a, const struct store_channel_type *row, struct channel_type *out)
{
	const char *why;
	size_t at;
	*out = (struct channel_type){ .name = arena_dup(a, row->name),
		.config_json = arena_dup(a, row->config),
		.grants_json = arena_dup(a, row->grants),
		.created_at = row->created_at,
		.updated_at = row->updated_at };
	out->config = json_parse(a, out->config_json, &why, &at);
	out->grants = json_parse(a, out->grants_json, &why, &at);
	if (!yyjson_is_obj(out->config) || !yyjson_is_obj(out->grants)) return false;
	for (size_t i = 0; i < BECK_COUNT(switches); i++)
		*(bool *)(void *)((char *)out + switches[i].offset) = yyjson_is_true(json_get(out->config, switches[i].key));
	yyjson_val *length = json_get(out->config, "max_message_length");
	out->max_message_length = yyjson_is_int(length) ? yyjson_get_sint(length) : 5000;
	return show(a, out) && !arena_failed(a);
}

/* ---- JSON ---- */
void chat_channel_type_write(
	struct jsonw *w, enum dialect d, const struct channel_type *t, bool commands_as_objects, bool with_grants)
{
	struct buf text;
	struct jsonw inner;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&inner, &text);
	chat_config_write(&inner, t, commands_as_objects);
	if (text.failed) w->out->failed = true;
	jsonw_raw_members(w, buf_span(&text));
	buf_deinit(&text);
	jsonw_ktime(w, "created_at", d, t->created_at);
	jsonw_ktime(w, "updated_at", d, t->updated_at);
	if (!with_grants) return;
	jsonw_kraw(w, "permissions", SPAN("[]"));
	jsonw_kraw(w, "grants", t->grants_json);
}
