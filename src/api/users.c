/* Users: query, upsert, partial update, guests. */
#include "api/handlers.h"
#include "api/subscribe.h"
#include "base/limits.h"
#include "chat/user_rules.h"

/* ---- query ---- */
static enum err wants_presence(struct api_call *c, yyjson_val *payload, bool *out)
{
	yyjson_val *v = json_get(payload, "presence");
	if (v != NULL && !yyjson_is_null(v) && !yyjson_is_bool(v))
		return chat_fail(&c->chat, ERR_INPUT, "presence", "presence must be a boolean");
	*out = yyjson_is_true(v);
	return ERR_OK;
}

static enum err ask_subscription(struct api_call *c, const struct user_list *l)
{
	enum err e = api_subscribe_room(c, 0, l->n);
	if (e != ERR_OK) return e;
	for (size_t i = 0; i < l->n; i++) c->subscribe.presence[i] = l->items[i].pk;
	c->subscribe.presence_count = l->n;
	c->subscribe.wanted = true;
	return ERR_OK;
}

/* Those who came into the page since the first run are not followed, those who left it no longer. */
static enum err keep_users(struct api_call *c, const struct user_list *l)
{
	int64_t *pks = arena_array(&c->arena, int64_t, l->n + 1);
	if (pks == NULL) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	for (size_t i = 0; i < l->n; i++) pks[i] = l->items[i].pk;
	api_subscribe_keep_users(c, pks, l->n);
	return ERR_OK;
}

enum err api_query_users(struct api_call *c)
{
	yyjson_val *payload;
	struct user_list list;
	bool presence = false;
	enum err e = api_payload(c, &payload);
	if (e == ERR_OK) e = wants_presence(c, payload, &presence);
	if (e == ERR_OK) e = api_acting_user(c, payload, false);
	if (e == ERR_OK && presence) e = api_require_connection(c);
	if (e == ERR_OK) e = chat_query_users(&c->chat, payload, &list);
	if (e != ERR_OK) return e;
	if (presence && !c->subscribe.done) return ask_subscription(c, &list);
	if (presence) e = keep_users(c, &list);
	jsonw_key(&c->out, "users");
	jsonw_arr_begin(&c->out);
	for (size_t i = 0; e == ERR_OK && i < list.n; i++) e = chat_user_write_full(&c->chat, &c->out, &list.items[i]);
	jsonw_arr_end(&c->out);
	return e;
}

/* ---- changes ---- */
enum err api_update_users(struct api_call *c) { return chat_update_users(&c->chat, c->body, &c->out); }
enum err api_update_users_partial(struct api_call *c) { return chat_update_users_partial(&c->chat, c->body, &c->out); }
enum err api_create_guest(struct api_call *c) { return chat_create_guest(&c->chat, c->body, &c->out); }
