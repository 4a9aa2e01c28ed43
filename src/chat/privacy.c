/* What one user sees of another, and the settings that say so. The encoder veils invisible users by view; here is what depends on
 * the live registry, the clock and the caller. */
#include "chat/chat.h"
#include "chat/user_rules.h"

void user_seen(struct chat_ctx *c, struct user *u)
{
	int64_t at = registry_seen_at(c->chat->registry, u->pk);
	if (at > u->last_active) u->last_active = at;
}

void chat_user_for_viewer(struct chat_ctx *c, struct user *u)
{
	if (u->pk != 0 && c->app != NULL) {
		u->online = registry_is_online(c->chat->registry, c->app->pk, u->pk);
		user_seen(c, u);
	}
	if (u->ban_expires != 0 && u->ban_expires <= c->now_us) {
		u->banned = u->shadow_banned = false;
		u->ban_expires = 0;
	}
}

void chat_user_veil(const struct chat_ctx *c, struct user *u)
{
	if (!chat_is_server(c) || !c->acting_given || u->pk == c->me.pk) return;
	if (u->invisible) {
		u->online = u->invisible = false;
		u->last_active = u->invisible_since_last_active;
	}
	u->privacy_typing = u->privacy_read = u->privacy_delivery = TRI_UNSET;
	u->shadow_banned = false;
}

enum user_view chat_user_view(const struct chat_ctx *c, const struct user *u)
{
	if (chat_is_server(c)) return USER_VIEW_SERVER;
	return c->caller == CALLER_USER && u->pk != 0 && u->pk == c->me.pk ? USER_VIEW_SELF : USER_VIEW_COMMON;
}

int8_t *user_privacy_field(struct user *u, struct span name)
{
	if (span_is(name, "typing_indicators")) return &u->privacy_typing;
	if (span_is(name, "read_receipts")) return &u->privacy_read;
	return span_is(name, "delivery_receipts") ? &u->privacy_delivery : NULL;
}

/* A misspelt setting would leave its user visible who believes that he is not: it is refused. */
enum err user_privacy_set(struct chat_ctx *c, struct user *u, struct span name, yyjson_val *v)
{
	int8_t *out = user_privacy_field(u, name);
	if (out == NULL)
		return chat_fail(c, ERR_INPUT, "privacy_settings",
			"privacy_settings.%.*s is not known; there are typing_indicators, read_receipts and delivery_receipts",
			SPAN_FMT(name));
	if (yyjson_is_null(v)) return ERR_OK;
	size_t i, n;
	yyjson_val *key, *enabled;
	yyjson_obj_foreach(v, i, n, key, enabled)
	{
		if (!span_is(json_span(key), "enabled"))
			return chat_fail(c, ERR_INPUT, "privacy_settings",
				"privacy_settings.%.*s.%.*s is not known; there is enabled", SPAN_FMT(name),
				SPAN_FMT(json_span(key)));
	}
	enabled = json_get(v, "enabled");
	if (yyjson_is_obj(v) && (enabled == NULL || yyjson_is_null(enabled))) return ERR_OK;
	if (!yyjson_is_bool(enabled))
		return chat_fail(c, ERR_INPUT, "privacy_settings",
			"privacy_settings.%.*s must be an object with a boolean enabled", SPAN_FMT(name));
	*out = yyjson_get_bool(enabled) ? TRI_ON : TRI_OFF;
	return ERR_OK;
}

enum err user_privacy_apply(struct chat_ctx *c, struct user *u, yyjson_val *v)
{
	if (v == NULL || yyjson_is_null(v)) return ERR_OK;
	if (!yyjson_is_obj(v)) return chat_fail(c, ERR_INPUT, "privacy_settings", "privacy_settings must be an object");
	enum err e = ERR_OK;
	size_t i, n;
	yyjson_val *name, *one;
	yyjson_obj_foreach(v, i, n, name, one)
	{
		e = user_privacy_set(c, u, json_span(name), one);
		if (e != ERR_OK) break;
	}
	return e;
}
