/* A call from its request to its reply. */
#include "api/api.h"

#include <stdio.h>

#include "api/auth.h"
#include "api/handlers.h"
#include "api/rates.h"
#include "api/strangers.h"
#include "base/limits.h"
#include "base/utf8.h"

static const struct api_route connect_route = { "Connect", HTTP_M_GET, "/connect", API_READ, API_CLIENT_ONLY | API_QUERY_AUTH,
	api_connect };

bool api_is_connect(const struct api_call *c) { return c->route == &connect_route; }

/* ---- on the loop ---- */
static void begin(struct chat *chat, struct api_call *c)
{
	c->chat = (struct chat_ctx){ .chat = chat, .arena = &c->arena, .dialect = DIALECT_1 };
	if (c->reply.max == 0) buf_init(&c->reply, (size_t)LIMIT_REPLY_BYTES);
}

static enum err parse_query(struct api_call *c)
{
	bool ok = url_query_parse(&c->arena, c->http.query, &c->query);
	for (size_t i = 0; ok && i < c->query.n; i++) ok = utf8_valid(c->query.items[i].value);
	if (ok) return ERR_OK;
	c->query.n = 0;
	return chat_fail(&c->chat, ERR_INPUT, NULL, "the query string is malformed");
}

static enum err check_params(struct api_call *c)
{
	for (size_t i = 0; i < API_PARAMS_MAX; i++)
		if (!utf8_valid(c->params[i])) return chat_fail(&c->chat, ERR_INPUT, NULL, "the path is not UTF-8");
	return ERR_OK;
}

static enum err parse_object(struct api_call *c, struct span text, const char *what)
{
	const char *why = "";
	size_t at = 0;
	yyjson_val *v = json_parse(&c->arena, text, &why, &at);
	if (v == NULL && arena_failed(&c->arena)) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	if (v == NULL) return chat_fail(&c->chat, ERR_INPUT, NULL, "%s is not acceptable JSON: %s at byte %zu", what, why, at);
	if (!yyjson_is_obj(v)) return chat_fail(&c->chat, ERR_INPUT, NULL, "%s must be a JSON object", what);
	c->body = v;
	return ERR_OK;
}

static bool is_blank(struct span s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\n' || s.p[0] == '\r' || s.p[0] == '\t')) s = span_skip(s, 1);
	return s.n == 0 || span_is(s, "null");
}

static enum err admit(struct api_call *c)
{
	bool is_guest = c->route->run == api_create_guest, is_known = c->has_token && !is_guest;
	if (c->chat.caller == CALLER_SERVER || is_known) return ERR_OK;
	int wait_s = strangers_wait_s(
		c->strangers, c->peer, is_guest ? STRANGER_GUEST : STRANGER_CALL, clock_mono_us(c->chat.chat->clock));
	if (wait_s == 0) return ERR_OK;
	enum err e = chat_fail(&c->chat, ERR_RATE_LIMIT, NULL,
		is_guest ? "too many guests from this address; try again later"
			 : "too many calls without a token from this address; try again later");
	c->chat.error.retry_after_s = wait_s;
	return e;
}

static enum err authenticate(struct api_call *c)
{
	enum err e = auth_prepare(c);
	if (e == ERR_OK) e = admit(c);
	if (e == ERR_OK) api_rate_count(c);
	return e;
}

enum err api_prepare(struct chat *chat, struct api_call *c)
{
	begin(chat, c);
	c->route = api_find(c->http.method, c->http.path, &c->arena, c->params, &c->chat.dialect);
	if (c->route == NULL) return chat_fail(&c->chat, ERR_NOT_FOUND, NULL, "there is nothing at this method and path");
	enum err e = parse_query(c);
	if (e == ERR_OK) e = authenticate(c);
	if (e == ERR_OK) e = check_params(c);
	if (e == ERR_OK && !is_blank(c->http.body)) e = parse_object(c, c->http.body, "the body");
	return e;
}

enum err api_prepare_connect(struct chat *chat, struct api_call *c)
{
	begin(chat, c);
	c->route = &connect_route;
	if (span_starts(c->http.path, SPAN("/api/v2/"))) c->chat.dialect = DIALECT_2;
	enum err e = parse_query(c);
	if (e == ERR_OK) e = authenticate(c);
	return e == ERR_OK ? parse_object(c, url_query_get(&c->query, "json"), "json") : e;
}

/* ---- on a worker ---- */
static void reset(struct api_call *c)
{
	buf_clear(&c->reply);
	jsonw_init(&c->out, &c->reply);
	jsonw_obj_begin(&c->out);
	c->status = 0;
	c->raw_type = SPAN_NONE;
	if (!c->subscribe.done) memset(&c->subscribe, 0, sizeof c->subscribe);
}

/* What failed at our own bounds fails again however often it is tried. */
static enum err too_large(struct api_call *c)
{
	if (!arena_is_full(&c->arena) && !c->reply.is_full) return ERR_UNAVAILABLE;
	c->chat.error = (struct error){ .err = ERR_INPUT,
		.message = SPAN("the answer would be too large: ask for fewer channels or messages") };
	return ERR_INPUT;
}

/* What changed after the subscription is told to its hub; what changed before must be known to this run. */
static void renew_app(struct api_call *c)
{
	struct app *now = chat_app_by_pk(c->chat.chat->apps, c->app->pk);
	if (now == NULL) return;
	chat_app_unref(c->app_before);
	c->app_before = c->app; /* the first run may have left something that lies in it */
	c->app = now;
	c->chat.app = now;
}

static enum err run_rule(struct api_call *c)
{
	if (c->subscribe.done) renew_app(c);
	enum err e = auth_load(c);
	if (e == ERR_OK && c->subscribe.done && !c->subscribe.found)
		e = chat_fail(
			&c->chat, ERR_CONNECTION_ID, "connection_id", "there is no connection of yours with this connection_id");
	if (e == ERR_OK) e = c->route->run(c);
	if (e == ERR_OK && c->reply.failed) e = chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	return e == ERR_UNAVAILABLE ? too_large(c) : e;
}

enum api_next api_run(struct api_call *c)
{
	reset(c);
	enum err e = run_rule(c);
	if (e == ERR_AGAIN && !c->chat.can_write) {
		c->chat.error = (struct error){ 0 };
		return API_TO_WRITE;
	}
	if (e == ERR_AGAIN) e = ERR_INTERNAL;
	if (e == ERR_OK) return c->subscribe.wanted && !c->subscribe.done ? API_TO_SUBSCRIBE : API_DONE;
	if (c->chat.error.err != e) c->chat.error = (struct error){ .err = e, .message = err_text(e) };
	return API_DONE;
}

/* ---- on the loop again ---- */
static struct span operation_of(const struct api_call *c)
{
	return c->route != NULL ? span_str(c->route->name) : SPAN("Request");
}

static void finish_error(struct api_call *c, int64_t duration_us)
{
	struct jsonw w;
	buf_clear(&c->reply);
	jsonw_init(&w, &c->reply);
	chat_error_write(c->chat.chat, &w, operation_of(c), &c->chat.error, duration_us);
	c->status = err_http(c->chat.error.err);
	c->raw_type = SPAN_NONE;
}

static int status_of(const struct api_call *c)
{
	if (c->status != 0) return c->status;
	return c->http.method == HTTP_M_POST ? 201 : 200;
}

void api_finish(struct api_call *c, int64_t now_us)
{
	int64_t took = now_us - c->started_us;
	if (c->reply.max == 0) buf_init(&c->reply, (size_t)LIMIT_REPLY_BYTES);
	if (c->chat.error.err == ERR_OK && c->reply.failed && too_large(c) == ERR_UNAVAILABLE)
		c->chat.error =
			(struct error){ .err = ERR_UNAVAILABLE, .message = err_text(ERR_UNAVAILABLE), .retry_after_s = 1 };
	if (c->chat.error.err != ERR_OK) {
		finish_error(c, took);
		return;
	}
	c->status = status_of(c);
	if (span_given(c->raw_type)) return;
	chat_duration_write(&c->out, took);
	jsonw_obj_end(&c->out);
}

struct span api_error_json(
	const struct chat *chat, struct arena *a, const char *operation, const struct error *e, int64_t duration_us)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &text);
	chat_error_write(chat, &w, span_str(operation), e, duration_us);
	struct span out = text.failed ? SPAN_NONE : arena_dup(a, buf_span(&text));
	buf_deinit(&text);
	return out;
}

void api_call_deinit(struct api_call *c)
{
	for (size_t i = 0; i < c->chat.event_count; i++) event_unref(c->chat.events[i]);
	c->chat.event_count = 0;
	chat_app_unref(c->app);
	chat_app_unref(c->app_before);
	c->app = c->app_before = NULL;
	c->chat.app = NULL;
	buf_deinit(&c->reply);
	arena_deinit(&c->arena);
}
