#include "api/handlers.h"
#include "chat/channel_data.h"
#include "chat/channel_rules.h"
#include "chat/message_rules.h"

static enum err ask_subscription(struct api_call *c, const struct channel_ctx *x, size_t n)
{
	struct arena *a = &c->arena;
	c->subscribe.channels = arena_array(a, int64_t, n + 1);
	c->subscribe.quiet = arena_array(a, bool, n + 1);
	c->subscribe.first = arena_array(a, bool, n + 1);
	c->subscribe.watcher_count = arena_array(a, int64_t, n + 1);
	if (arena_failed(a)) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	for (size_t i = 0; i < n; i++) {
		c->subscribe.channels[i] = x[i].ch.pk;
		c->subscribe.quiet[i] = !x[i].effective.connect_events;
	}
	c->subscribe.channel_count = n;
	c->subscribe.wanted = true;
	return ERR_OK;
}

/* After the subscription: it is told, and what happened before it is read. */
static enum err announce(struct api_call *c, const struct channel_ctx *x, size_t n)
{
	if (!c->subscribe.found)
		return chat_fail(&c->chat, ERR_CONNECTION_ID, "connection_id", "there is no connection %.*s",
			SPAN_FMT(c->subscribe.connection_id));
	for (size_t i = 0; i < c->subscribe.channel_count; i++) {
		for (size_t k = 0; c->subscribe.first[i] && k < n; k++) {
			if (x[k].ch.pk != c->subscribe.channels[i]) continue;
			enum err e = chat_watch_announce(&c->chat, &x[k], true, c->subscribe.watcher_count[i]);
			if (e != ERR_OK) return e;
			break;
		}
	}
	return ERR_OK;
}

enum err api_sync(struct api_call *c)
{
	bool watch = false, with_inaccessible = false;
	struct channel_ctx *x = NULL;
	size_t n = 0;
	enum err e = api_acting_user(c, c->body, false);
	if (e == ERR_OK) e = api_query_bool(c, "with_inaccessible_cids", &with_inaccessible);
	if (e == ERR_OK) e = take_bool(&c->chat, c->body, "with_inaccessible_cids", &with_inaccessible, NULL);
	if (e == ERR_OK) e = take_bool(&c->chat, c->body, "watch", &watch, NULL);
	if (e == ERR_OK && watch) e = api_require_connection(c);
	if (e == ERR_OK && watch) e = chat_sync_channels(&c->chat, c->body, &x, &n);
	if (e != ERR_OK) return e;
	if (watch && !c->subscribe.done) return ask_subscription(c, x, n);
	if (watch) e = announce(c, x, n);
	return e == ERR_OK ? chat_sync(&c->chat, c->body, with_inaccessible, &c->out) : e;
}
