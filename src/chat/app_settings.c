/* Application settings: what there is, what values they take, how PATCH merges them and how they are shown. They are kept as one
 * JSON object with only what was ever set; defaults are applied when they are shown or used. */
#include "base/limits.h"
#include "chat/apps.h"
#include "chat/permissions.h"
#include "chat/user_rules.h"

enum setting_kind { SET_BOOL, SET_TEXT, SET_INT, SET_TIME, SET_LIST, SET_MAP };
enum setting_flag { SETTING_SECRET = 1 /* stored, never shown */, SETTING_CLIENT = 2 /* clients see it too */ };
struct setting {
	const char *name;
	enum setting_kind kind;
	unsigned flags;
	const char *fallback; /* JSON shown when never set; NULL = the key is left out */
	int64_t min, max;     /* SET_INT */
};

#define UPLOADS                                                                                                                  \
	"{\"allowed_file_extensions\":[],\"blocked_file_extensions\":[],\"allowed_mime_types\":[],\"blocked_mime_types\":[],"    \
	"\"size_limit\":0}"

static const struct setting settings[] = {
	{ "disable_auth_checks", SET_BOOL, 0, "false", 0, 0 },
	{ "disable_permissions_checks", SET_BOOL, 0, "false", 0, 0 },
	{ "revoke_tokens_issued_before", SET_TIME, 0, NULL, 0, 0 },
	{ "multi_tenant_enabled", SET_BOOL, 0, "false", 0, 0 },
	{ "guest_user_creation_disabled", SET_BOOL, 0, NULL, 0, 0 },
	{ "development", SET_BOOL, 0, "false", 0, 0 },
	{ "enforce_unique_usernames", SET_TEXT, 0, "\"no\"", 0, 0 },
	{ "user_search_disallowed_roles", SET_LIST, 0, "[]", 0, 0 },
	{ "user_response_time_enabled", SET_BOOL, 0, "false", 0, 0 },
	{ "permission_version", SET_TEXT, 0, "\"v2\"", 0, 0 },
	{ "migrate_permissions_to_v2", SET_BOOL, 0, NULL, 0, 0 },
	{ "grants", SET_MAP, 0, NULL, 0, 0 },
	{ "channel_hide_members_only", SET_BOOL, 0, "false", 0, 0 },
	{ "reminders_interval", SET_INT, 0, "300", 60, 86400 },
	{ "reminders_max_members", SET_INT, 0, NULL, 0, INT32_MAX },
	{ "event_hooks", SET_LIST, 0, "[]", 0, 0 },
	{ "webhook_url", SET_TEXT, 0, "\"\"", 0, 0 },
	{ "webhook_events", SET_LIST, 0, "[]", 0, 0 },
	{ "enable_hook_payload_compression", SET_BOOL, 0, NULL, 0, 0 },
	{ "sqs_url", SET_TEXT, 0, "\"\"", 0, 0 },
	{ "sqs_key", SET_TEXT, 0, "\"\"", 0, 0 },
	{ "sqs_secret", SET_TEXT, SETTING_SECRET, NULL, 0, 0 },
	{ "sns_topic_arn", SET_TEXT, 0, "\"\"", 0, 0 },
	{ "sns_key", SET_TEXT, 0, "\"\"", 0, 0 },
	{ "sns_secret", SET_TEXT, SETTING_SECRET, NULL, 0, 0 },
	{ "before_message_send_hook_url", SET_TEXT, 0, "\"\"", 0, 0 },
	{ "before_message_send_hook_attempt_timeout_ms", SET_INT, 0, NULL, 0, 5000 },
	{ "custom_action_handler_url", SET_TEXT, 0, "\"\"", 0, 0 },
	{ "file_upload_config", SET_MAP, SETTING_CLIENT, UPLOADS, 0, 0 },
	{ "image_upload_config", SET_MAP, SETTING_CLIENT, UPLOADS, 0, 0 },
	{ "cdn_expiration_seconds", SET_INT, 0, "1209600", 0, INT32_MAX },
	{ "push_config", SET_MAP, 0, NULL, 0, 0 },
	{ "apn_config", SET_MAP, SETTING_SECRET, NULL, 0, 0 },
	{ "firebase_config", SET_MAP, SETTING_SECRET, NULL, 0, 0 },
	{ "huawei_config", SET_MAP, SETTING_SECRET, NULL, 0, 0 },
	{ "xiaomi_config", SET_MAP, SETTING_SECRET, NULL, 0, 0 },
	{ "async_url_enrich_enabled", SET_BOOL, SETTING_CLIENT, "false", 0, 0 },
	{ "auto_translation_enabled", SET_BOOL, SETTING_CLIENT, "false", 0, 0 },
	{ "video_provider", SET_TEXT, SETTING_CLIENT, "\"\"", 0, 0 },
	{ "image_moderation_enabled", SET_BOOL, 0, "false", 0, 0 },
	{ "image_moderation_labels", SET_LIST, 0, NULL, 0, 0 },
	{ "async_moderation_config", SET_MAP, 0, NULL, 0, 0 },
	{ "shared_locations_enabled", SET_BOOL, 0, "true", 0, 0 },
	{ "allowed_flag_reasons", SET_LIST, 0, NULL, 0, 0 },
};

static const struct setting *find(struct span name)
{
	for (size_t i = 0; i < BECK_COUNT(settings); i++)
		if (span_is(name, settings[i].name)) return &settings[i];
	return NULL;
}

/* ---- use ---- */
static bool on(const struct app *a, const char *name) { return yyjson_is_true(json_get(a->settings, name)); }

/* Grants of the application's scope: roles that settings name replace the defaults of those roles. */
static bool load_grants(struct app *a)
{
	const char *why;
	size_t at, i, n;
	yyjson_val *own = json_get(a->settings, "grants"), *key, *list;
	struct buf base, merged;
	struct jsonw w;
	buf_init(&base, (size_t)LIMIT_BODY_BYTES);
	buf_init(&merged, (size_t)LIMIT_BODY_BYTES * 2);
	jsonw_init(&w, &base);
	default_grants_write(&w, SPAN(".app"));
	yyjson_val *defaults = base.failed ? NULL : json_parse(&a->arena, buf_span(&base), &why, &at);
	jsonw_init(&w, &merged);
	jsonw_obj_begin(&w);
	yyjson_obj_foreach(defaults, i, n, key, list)
	{
		if (yyjson_obj_getn(own, yyjson_get_str(key), yyjson_get_len(key)) != NULL) continue;
		jsonw_key_span(&w, json_span(key));
		jsonw_val(&w, list);
	}
	yyjson_obj_foreach(own, i, n, key, list)
	{
		jsonw_key_span(&w, json_span(key));
		jsonw_val(&w, list);
	}
	jsonw_obj_end(&w);
	a->grants = defaults == NULL || merged.failed ? NULL : json_parse(&a->arena, buf_span(&merged), &why, &at);
	buf_deinit(&base);
	buf_deinit(&merged);
	return a->grants != NULL;
}

bool app_settings_load(struct app *a)
{
	const char *why;
	size_t at;
	a->settings = json_parse(&a->arena, a->settings_json, &why, &at);
	if (!yyjson_is_obj(a->settings)) return false;
	a->suspended = on(a, "suspended");
	a->disable_auth_checks = on(a, "disable_auth_checks");
	a->disable_permissions_checks = on(a, "disable_permissions_checks");
	a->multi_tenant_enabled = on(a, "multi_tenant_enabled");
	a->guest_user_creation_disabled = on(a, "guest_user_creation_disabled");
	a->user_response_time_enabled = on(a, "user_response_time_enabled");
	a->is_development = on(a, "development");
	struct span unique = json_span(json_get(a->settings, "enforce_unique_usernames"));
	a->unique_usernames = span_is(unique, "app") ? 1 : span_is(unique, "team") ? 2 : 0;
	struct span revoked = json_span(json_get(a->settings, "revoke_tokens_issued_before"));
	if (span_given(revoked) && !time_parse(revoked, &a->revoke_before)) return false;
	return load_grants(a);
}

bool chat_app_skips_token_checks(const struct chat *chat, const struct app *a, bool is_placeholder)
{
	if (!chat->is_dev) return false;
	return a->disable_auth_checks || (is_placeholder && json_get(a->settings, "disable_auth_checks") == NULL);
}

bool chat_app_allows_guests(const struct chat *chat, const struct app *a)
{
	yyjson_val *disabled = json_get(a->settings, "guest_user_creation_disabled");
	return !a->multi_tenant_enabled && (disabled != NULL ? !yyjson_is_true(disabled) : chat->is_dev);
}

/* ---- PATCH ---- */
static bool all_strings(yyjson_val *list)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(list, i, n, v)
	{
		if (!yyjson_is_str(v)) return false;
	}
	return true;
}

static enum err check_int(struct chat_ctx *c, const struct setting *s, yyjson_val *v)
{
	if (yyjson_is_int(v) && yyjson_get_sint(v) >= s->min && yyjson_get_sint(v) <= s->max) return ERR_OK;
	return chat_fail(
		c, ERR_INPUT, s->name, "%s must be an integer from %lld to %lld", s->name, (long long)s->min, (long long)s->max);
}

static enum err check_list(struct chat_ctx *c, const struct setting *s, yyjson_val *v)
{
	if (!yyjson_is_arr(v)) return chat_fail(c, ERR_INPUT, s->name, "%s must be an array", s->name);
	bool of_objects = strcmp(s->name, "event_hooks") == 0;
	if (!of_objects && !all_strings(v)) return chat_fail(c, ERR_INPUT, s->name, "%s must be an array of strings", s->name);
	size_t i, n;
	yyjson_val *item;
	yyjson_arr_foreach(v, i, n, item)
	{
		if (of_objects && !yyjson_is_obj(item)) return chat_fail(c, ERR_INPUT, s->name, "a hook must be an object");
		if (strcmp(s->name, "user_search_disallowed_roles") == 0 && !role_known(json_span(item), true))
			return chat_fail(c, ERR_INPUT, s->name, "role %.*s does not exist", SPAN_FMT(json_span(item)));
	}
	return ERR_OK;
}

static enum err check_text(struct chat_ctx *c, const struct setting *s, yyjson_val *v)
{
	if (!yyjson_is_str(v)) return chat_fail(c, ERR_INPUT, s->name, "%s must be a string", s->name);
	if (strcmp(s->name, "enforce_unique_usernames") != 0) return ERR_OK;
	struct span t = json_span(v);
	if (span_is(t, "no") || span_is(t, "app") || span_is(t, "team")) return ERR_OK;
	return chat_fail(c, ERR_INPUT, s->name, "enforce_unique_usernames must be no, app or team");
}

static const char *const upload_lists[] = { "allowed_file_extensions", "blocked_file_extensions", "allowed_mime_types",
	"blocked_mime_types" };

static enum err check_uploads(struct chat_ctx *c, const struct setting *s, yyjson_val *v)
{
	for (size_t i = 0; i < BECK_COUNT(upload_lists); i++) {
		yyjson_val *list = json_get(v, upload_lists[i]);
		if (list != NULL && !yyjson_is_null(list) && (!yyjson_is_arr(list) || !all_strings(list)))
			return chat_fail(c, ERR_INPUT, s->name, "%s must be an array of strings", upload_lists[i]);
	}
	yyjson_val *size = json_get(v, "size_limit");
	if (size == NULL || yyjson_is_null(size) || (yyjson_is_int(size) && yyjson_get_sint(size) >= 0)) return ERR_OK;
	return chat_fail(c, ERR_INPUT, s->name, "size_limit must be a number of bytes");
}

static enum err check_map(struct chat_ctx *c, const struct setting *s, yyjson_val *v)
{
	if (!yyjson_is_obj(v)) return chat_fail(c, ERR_INPUT, s->name, "%s must be an object", s->name);
	if (s->flags & SETTING_CLIENT) return check_uploads(c, s, v);
	return strcmp(s->name, "grants") == 0 ? grants_check(c, v, true) : ERR_OK;
}

static enum err check(struct chat_ctx *c, const struct setting *s, yyjson_val *v)
{
	int64_t us;
	switch (s->kind) {
	case SET_BOOL: return yyjson_is_bool(v) ? ERR_OK : chat_fail(c, ERR_INPUT, s->name, "%s must be a boolean", s->name);
	case SET_INT: return check_int(c, s, v);
	case SET_TIME:
		if (yyjson_is_str(v) && time_parse(json_span(v), &us)) return ERR_OK;
		return chat_fail(c, ERR_INPUT, s->name, "%s must be an RFC 3339 time", s->name);
	case SET_TEXT: return check_text(c, s, v);
	case SET_LIST: return check_list(c, s, v);
	case SET_MAP: return check_map(c, s, v);
	}
	return ERR_OK;
}

/* What counts as not sent: null for lists and maps, "" for enumerations, the zero time, and zero for bounded numbers. */
static bool is_sent(const struct setting *s, yyjson_val *v)
{
	if (v == NULL) return false;
	if (yyjson_is_null(v)) return s->kind != SET_LIST && s->kind != SET_MAP;
	if (yyjson_is_str(v) && yyjson_get_len(v) == 0)
		return strcmp(s->name, "enforce_unique_usernames") != 0 && strcmp(s->name, "permission_version") != 0 &&
		       s->kind != SET_TIME;
	if (s->kind == SET_INT && s->min > 0 && yyjson_is_int(v) && yyjson_get_sint(v) == 0) return false;
	int64_t us;
	return !(s->kind == SET_TIME && time_parse(json_span(v), &us) && us == TIME_ZERO);
}

/* `grants` merge by role; everything else is replaced as a whole. */
static void write_value(struct jsonw *w, const struct setting *s, yyjson_val *old, yyjson_val *v)
{
	if (strcmp(s->name, "grants") != 0 || yyjson_obj_size(v) == 0) {
		jsonw_val(w, v);
	} else {
		jsonw_merged(w, old, v);
	}
}

static enum err merge(struct chat_ctx *c, struct jsonw *w, yyjson_val *old, yyjson_val *body)
{
	size_t i, n;
	yyjson_val *key, *value;
	jsonw_obj_begin(w);
	yyjson_obj_foreach(old, i, n, key, value)
	{ /* what the table does not list (suspended) is the operator's: kept */
		const struct setting *s = find(json_span(key));
		if (s != NULL && is_sent(s, json_get(body, s->name))) continue;
		jsonw_key_span(w, json_span(key));
		jsonw_val(w, value);
	}
	for (size_t k = 0; k < BECK_COUNT(settings); k++) {
		const struct setting *s = &settings[k];
		yyjson_val *v = json_get(body, s->name);
		if (!is_sent(s, v) || yyjson_is_null(v)) continue;
		enum err e = check(c, s, v);
		if (e != ERR_OK) return e;
		jsonw_key(w, s->name);
		write_value(w, s, json_get(old, s->name), v);
	}
	jsonw_obj_end(w);
	return ERR_OK;
}

/* Clients whose tokens were revoked are told, so that they fetch new ones. */
static enum err end_revoked(struct chat_ctx *c, yyjson_val *body)
{
	int64_t us;
	yyjson_val *v = json_get(body, "revoke_tokens_issued_before");
	if (!time_parse(json_span(v), &us) || us == TIME_ZERO || us == c->app->revoke_before) return ERR_OK;
	return chat_end_revoked(c, 0, us);
}

/* What they were before does not matter: looking once too often changes nothing. */
static bool concerns_rights(yyjson_val *body)
{
	static const char *const names[] = { "grants", "disable_permissions_checks", "multi_tenant_enabled" };
	for (size_t i = 0; i < BECK_COUNT(names); i++)
		if (json_get(body, names[i]) != NULL) return true;
	return false;
}

enum err chat_app_update(struct chat_ctx *c, yyjson_val *body)
{
	enum { SETTINGS_BYTES = 1 << 20 };
	struct buf text;
	struct jsonw w;
	buf_init(&text, SETTINGS_BYTES);
	jsonw_init(&w, &text);
	/* The snapshot may be older than another PATCH of this batch: read what is stored now. */
	struct store_app *apps;
	size_t n, i = 0;
	const char *why;
	enum err e = store_app_list(c->tx, c->arena, &apps, &n);
	while (e == ERR_OK && i < n && apps[i].pk != c->app->pk) i++;
	if (e == ERR_OK && i == n) e = ERR_NOT_FOUND;
	if (e != ERR_OK) return chat_store_fail(c, e);
	size_t at;
	e = merge(c, &w, json_parse(c->arena, apps[i].settings, &why, &at), body);
	if (e == ERR_OK && text.failed)
		e = chat_fail(c, ERR_INPUT, NULL, "the settings are larger than %d bytes", SETTINGS_BYTES);
	if (e == ERR_OK) {
		e = store_app_set_settings(c->tx, c->app->pk, buf_span(&text), c->now_us);
		if (e != ERR_OK) e = chat_store_fail(c, e);
	}
	buf_deinit(&text);
	c->apps_changed = e == ERR_OK;
	if (e == ERR_OK && concerns_rights(body)) e = chat_check_watches(c);
	return e == ERR_OK ? end_revoked(c, body) : e;
}

/* ---- GET ---- */
static void write_setting(struct jsonw *w, enum dialect d, const struct setting *s, yyjson_val *v)
{
	int64_t us;
	if (v == NULL) {
		if (s->fallback != NULL) jsonw_kraw(w, s->name, span_str(s->fallback));
	} else if (s->kind == SET_TIME) {
		if (time_parse(json_span(v), &us)) jsonw_ktime(w, s->name, d, us);
	} else {
		jsonw_key(w, s->name);
		jsonw_val(w, v);
	}
}

/* Upload limits are replaced as a whole by PATCH and always have all their keys. */
static void write_uploads(struct jsonw *w, const struct setting *s, yyjson_val *v)
{
	jsonw_key(w, s->name);
	jsonw_obj_begin(w);
	for (size_t i = 0; i < BECK_COUNT(upload_lists); i++) {
		jsonw_key(w, upload_lists[i]);
		if (yyjson_is_arr(json_get(v, upload_lists[i])))
			jsonw_val(w, json_get(v, upload_lists[i]));
		else
			jsonw_raw(w, SPAN("[]"));
	}
	yyjson_val *size = json_get(v, "size_limit");
	jsonw_kint(w, "size_limit", yyjson_is_int(size) ? yyjson_get_sint(size) : 0);
	jsonw_obj_end(w);
}

static void write_types(struct jsonw *w, enum dialect d, const struct app *a)
{
	jsonw_key(w, "channel_configs");
	jsonw_obj_begin(w);
	for (size_t i = 0; i < a->type_count; i++) {
		jsonw_key_span(w, a->types[i].name);
		jsonw_obj_begin(w);
		chat_channel_type_write(w, d, &a->types[i], false, false);
		jsonw_obj_end(w);
	}
	jsonw_obj_end(w);
}

static void write_server_part(struct chat_ctx *c, struct jsonw *w)
{
	const struct app *a = c->app;
	jsonw_kint(w, "id", a->pk);
	jsonw_kstr(w, "organization", a->name);
	jsonw_kbool(w, "suspended", a->suspended);
	jsonw_kstr(w, "suspended_explanation", json_span(json_get(a->settings, "suspended_explanation")));
	if (json_get(a->settings, "guest_user_creation_disabled") == NULL)
		jsonw_kbool(w, "guest_user_creation_disabled", !chat_app_allows_guests(c->chat, a));
	if (json_get(a->settings, "grants") == NULL) {
		jsonw_key(w, "grants");
		jsonw_val(w, a->grants);
	}
	jsonw_kraw(w, "policies", SPAN("{}"));
	jsonw_kraw(w, "push_notifications", SPAN("{\"version\":\"v2\",\"offline_only\":false}"));
	write_types(w, c->dialect, a);
}

void chat_app_write(struct chat_ctx *c, struct jsonw *w)
{
	bool server = chat_is_server(c);
	jsonw_obj_begin(w);
	jsonw_kstr(w, "name", c->app->name);
	for (size_t i = 0; i < BECK_COUNT(settings); i++) {
		const struct setting *s = &settings[i];
		yyjson_val *v = json_get(c->app->settings, s->name);
		if (s->flags & SETTING_SECRET || (!server && !(s->flags & SETTING_CLIENT))) continue;
		if (s->kind == SET_MAP && s->flags & SETTING_CLIENT)
			write_uploads(w, s, v);
		else if (strcmp(s->name, "grants") == 0 && v != NULL) {
			jsonw_key(w, "grants");
			jsonw_val(w, c->app->grants);
		} else
			write_setting(w, c->dialect, s, v);
	}
	if (server) write_server_part(c, w);
	jsonw_obj_end(w);
}
