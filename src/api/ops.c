/* What the operator asks: Beck's own paths (DESIGN 10). */
#include <stdio.h>

#include "api/handlers.h"
#include "chat/background.h"
#include "chat/user_rules.h"

/* The chat page signs people in by name there; the key is no secret, every client carries it. */
static enum err say_development(struct api_call *c)
{
	struct store_app *apps;
	size_t n;
	enum err e = store_app_list(c->chat.tx, c->chat.arena, &apps, &n);
	if (e != ERR_OK) return chat_store_fail(&c->chat, e);
	jsonw_kbool(&c->out, "development", true);
	if (n > 0) jsonw_kstr(&c->out, "api_key", apps[0].key);
	return ERR_OK;
}

/* It is a read rule: an answer means that a reader thread and its snapshot of the store were to be had. */
enum err api_health(struct api_call *c)
{
	int64_t head;
	enum err e = store_event_head(c->chat.tx, &head);
	if (e != ERR_OK) return chat_store_fail(&c->chat, e);
	jsonw_kstr(&c->out, "status", SPAN("ok"));
	jsonw_kstr(&c->out, "version", SPAN(BECK_VERSION));
	jsonw_ktime(&c->out, "time", DIALECT_1, c->chat.now_us);
	return c->chat.chat->is_dev ? say_development(c) : ERR_OK;
}

enum err api_metrics(struct api_call *c)
{
	struct chat *chat = c->chat.chat;
	if (chat->metrics == NULL) return chat_fail(&c->chat, ERR_NOT_FOUND, NULL, "this server keeps no figures here");
	buf_clear(&c->reply);
	chat->metrics(chat->metrics_ctx, &c->reply);
	c->raw_type = SPAN("text/plain; version=0.0.4; charset=utf-8");
	return ERR_OK;
}

/* What connects noted since the last batch counts too; they stay noted, the batch writes them again. */
static enum err flush_seen(struct api_call *c)
{
	enum { MORE = 64 /* who is noted meanwhile */ };
	struct registry *r = c->chat.chat->registry;
	size_t cap = registry_seen_count(r) + MORE;
	struct registry_seen *seen = arena_array(&c->arena, struct registry_seen, cap);
	if (seen == NULL) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	return chat_seen_flush(&c->chat, seen, registry_list_seen(r, seen, cap));
}

/* A write for the sake of those marks. */
enum err api_usage(struct api_call *c)
{
	int month = chat_month(c->chat.now_us);
	int64_t users = 0, peak = 0;
	char text[16];
	struct registry *r = c->chat.chat->registry;
	enum err e = flush_seen(c);
	if (e != ERR_OK) return e;
	e = store_mau_count(c->chat.tx, c->app->pk, month, &users);
	if (e == ERR_OK) e = store_peak_get(c->chat.tx, c->app->pk, month, &peak);
	if (e != ERR_OK) return chat_store_fail(&c->chat, e);
	int64_t live = registry_peak(r, c->app->pk, false);
	int n = snprintf(text, sizeof text, "%04d-%02d", month / 100, month % 100);
	jsonw_kstr(&c->out, "month", span_make(text, (size_t)n));
	jsonw_kint(&c->out, "monthly_active_users", users);
	jsonw_kint(&c->out, "concurrent_connections", registry_concurrent(r, c->app->pk));
	jsonw_kint(&c->out, "concurrent_connections_peak", live > peak ? live : peak);
	return ERR_OK;
}
