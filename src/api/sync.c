#include "api/handlers.h"
#include "api/subscribe.h"
#include "chat/channel_data.h"
#include "chat/channel_rules.h"
#include "chat/message_rules.h"

static enum err ask_subscription(struct api_call *c, const struct channel_ctx *x, size_t n)
{
	const struct channel_want want = { .watch = true };
	return api_subscribe_channels(c, x, n, &want, 0);
}

/* After the subscription: it is told, and what happened before it is read. */
static enum err announce(struct api_call *c, const struct channel_ctx *x, size_t n)
{
	enum err e = api_check_connection(c);
	if (e == ERR_OK) api_subscribe_keep(c, x, n);
	for (size_t i = 0; e == ERR_OK && i < n; i++) e = api_announce_watch(c, &x[i]);
	return e;
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
