/* What handlers share: parameters, payloads, who acts, and whose connection subscribes. */
#include "api/handlers.h"
#include "base/limits.h"

struct span api_query(const struct api_call *c, const char *name)
{
	struct span v = url_query_get(&c->query, name);
	return v.n > 0 ? v : SPAN_NONE;
}

enum err api_query_bool(struct api_call *c, const char *name, bool *out)
{
	struct span v = api_query(c, name);
	if (!span_given(v)) return ERR_OK;
	bool yes = span_eq_nocase(v, SPAN("true")) || span_is(v, "1"), no = span_eq_nocase(v, SPAN("false")) || span_is(v, "0");
	if (!yes && !no) return chat_fail(&c->chat, ERR_INPUT, name, "%s must be true or false", name);
	*out = yes;
	return ERR_OK;
}

enum err api_query_int(struct api_call *c, const char *name, int64_t min, int64_t max, int64_t *out)
{
	struct span v = api_query(c, name);
	long long n;
	if (!span_given(v)) return ERR_OK;
	if (!span_to_i64(v, &n) || n < min || n > max)
		return chat_fail(&c->chat, ERR_INPUT, name, "%s must be an integer from %lld to %lld", name, (long long)min,
			(long long)max);
	*out = n;
	return ERR_OK;
}

static enum err parse(struct api_call *c, const char *name, struct span text, yyjson_val **out)
{
	const char *why = "";
	size_t at = 0;
	yyjson_val *v = json_parse(&c->arena, text, &why, &at);
	if (v == NULL && arena_failed(&c->arena)) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	if (v == NULL) return chat_fail(&c->chat, ERR_INPUT, name, "%s is not acceptable JSON: %s at byte %zu", name, why, at);
	*out = v;
	return ERR_OK;
}

enum err api_payload(struct api_call *c, yyjson_val **out)
{
	struct span text = api_query(c, "payload");
	yyjson_val *v = NULL;
	if (span_given(text)) {
		enum err e = parse(c, "payload", text, &v);
		if (e != ERR_OK) return e;
	}
	if (v != NULL && !yyjson_is_null(v) && !yyjson_is_obj(v))
		return chat_fail(&c->chat, ERR_INPUT, "payload", "payload must be an object");
	*out = yyjson_is_obj(v) ? v : NULL;
	return ERR_OK;
}

enum err api_query_json(struct api_call *c, const char *name, bool is_list, yyjson_val **out)
{
	struct span text = api_query(c, name);
	*out = NULL;
	if (!span_given(text)) return ERR_OK;
	if (is_list && text.p[0] != '[') text = arena_printf(&c->arena, "[%.*s]", SPAN_FMT(text));
	if (!span_given(text)) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	return parse(c, name, text, out);
}

enum err api_acting_user(struct api_call *c, yyjson_val *object, bool may_create)
{
	return chat_acting_user(&c->chat, object, api_query(c, "user_id"), may_create);
}

enum err api_require_connection(struct api_call *c)
{
	struct span id = api_query(c, "connection_id");
	if (!span_given(id)) id = json_span(json_get(c->body, "connection_id"));
	if (chat_is_server(&c->chat))
		return chat_fail(
			&c->chat, ERR_INPUT, "watch", "watch and presence are for clients: a server-side call has no connection");
	if (id.n == 0)
		return chat_fail(&c->chat, ERR_INPUT, "connection_id",
			"watch or presence needs an active websocket connection; please make sure to pass its connection_id");
	c->subscribe.connection_id = id;
	return ERR_OK;
}
