#include <stdlib.h>

#include "base/limits.h"
#include "conn/poll.h"

/* Fresh chance for each: the distance of two ids of a counter, however it steps, would tell how many requests others made
 * between. */
static uint64_t next_request_id(const struct conn_host *h) { return rng_u64(net_rng(h->loop)); }

static void hex16(uint64_t v, char out[17])
{
	for (int i = 15; i >= 0; i--, v >>= 4) out[i] = "0123456789abcdef"[v & 15];
	out[16] = 0;
}

struct exchange *exchange_make(struct conn *c)
{
	struct exchange *ex = calloc(1, sizeof *ex);
	if (!ex) return NULL;
	ex->conn = c;
	ex->host = c->host;
	arena_init(&ex->call.arena, (size_t)LIMIT_ARENA_BYTES);
	buf_init(&ex->head, (size_t)LIMIT_REPLY_BYTES);
	buf_init(&ex->packed, (size_t)LIMIT_REPLY_BYTES);
	hex16(next_request_id(c->host), ex->request_id);
	ex->call.request_id = span_make(ex->request_id, 16);
	ex->call.started_us = conn_now(c);
	ex->call.owner = ex;
	ex->call.tokens = c->host->tokens;
	ex->call.strangers = c->host->settings.strangers;
	ex->call.loop = c->host->loop;
	return ex;
}

static void stop_waiting(struct exchange *ex)
{
	list_remove(&ex->flight);
	ex->is_waiting = false;
	conn_count(&ex->host->counters.connects_waiting, -1);
}

void exchange_free(struct exchange *ex)
{
	if (!ex) return;
	if (ex->is_waiting) stop_waiting(ex);
	ex->host->body_bytes -= ex->body_counted;
	list_remove(&ex->node);
	list_remove(&ex->flight);
	if (ex->ask) buf_deinit(&ex->ask->body);
	buf_deinit(&ex->head);
	buf_deinit(&ex->packed);
	api_call_deinit(&ex->call);
	free(ex);
}

void exchange_leave(struct exchange *ex, bool was_sent)
{
	list_remove(&ex->node);
	ex->conn = NULL;
	if (ex->ask && longpoll_leave(ex, was_sent)) return;
	if (!list_linked(&ex->flight) || ex->is_waiting) exchange_free(ex);
}

bool exchange_path_is(const struct exchange *ex, const char *path)
{
	struct span have = ex->call.http.path;
	if (span_starts(have, SPAN("/api/v2/"))) have = span_skip(have, 7);
	return span_is(have, path);
}

static void came_home(struct api_call *call);

static bool hand_over(struct exchange *ex)
{
	struct conn_host *h = ex->host;
	ex->call.done = came_home;
	list_push(&h->in_flight, &ex->flight);
	if (h->ops->submit(h->ops->ctx, &ex->call)) return true;
	list_remove(&ex->flight);
	return false;
}

static void too_many(struct exchange *ex)
{
	ex->call.chat.error =
		(struct error){ .err = ERR_UNAVAILABLE, .message = SPAN("too many requests are waiting"), .retry_after_s = 1 };
	ex->done(ex);
}

void exchange_submit(struct exchange *ex, void (*done)(struct exchange *ex))
{
	ex->done = done;
	if (!hand_over(ex)) too_many(ex);
}

/* ---- connects ---- */

static void wait_at(struct list *place, struct exchange *ex)
{
	ex->is_waiting = true;
	list_push(place, &ex->flight);
	conn_count(&ex->host->counters.connects_waiting, 1);
}

static void start_waiting(struct conn_host *h)
{
	while (!list_empty(&h->connects_waiting) && h->connects_at_work < (unsigned)LIMIT_CONNECTS_AT_ONCE) {
		struct exchange *ex = BECK_CONTAINER(h->connects_waiting.next, struct exchange, flight);
		stop_waiting(ex);
		if (hand_over(ex)) {
			h->connects_at_work++;
		} else if (h->connects_at_work > 0) {
			wait_at(h->connects_waiting.next, ex); /* in front; goes when one of those comes home */
			return;
		} else {
			too_many(ex);
		}
	}
}

void exchange_submit_connect(struct exchange *ex, void (*done)(struct exchange *ex))
{
	ex->done = done;
	ex->is_connect = true;
	wait_at(&ex->host->connects_waiting, ex);
	start_waiting(ex->host);
}

/* ---- back ---- */

static void came_home(struct api_call *call)
{
	struct exchange *ex = call->owner;
	struct conn_host *h = ex->host;
	bool was_connect = ex->is_connect;
	ex->is_connect = false;
	list_remove(&ex->flight);
	if (ex->conn) {
		ex->done(ex);
	} else {
		exchange_free(ex);
	}
	if (!was_connect) return;
	h->connects_at_work--;
	if (!h->is_ending) start_waiting(h);
}

enum { CONNECTS_MAX = 4, RETRY_AFTER_S = 5 };

bool exchange_open(struct exchange *ex, enum err (*open)(struct exchange *ex))
{
	struct error *e = &ex->call.chat.error;
	if (e->err == ERR_OK && !ex->call.start) e->err = ERR_INTERNAL;
	if (e->err == ERR_OK) e->err = api_connect_recheck(&ex->call);
	if (e->err == ERR_OK) e->err = open(ex);
	if (e->err == ERR_AGAIN && ++ex->connects < CONNECTS_MAX) {
		*e = (struct error){ 0 };
		exchange_submit_connect(ex, ex->done);
		return false;
	}
	if (e->err == ERR_AGAIN) e->err = ERR_UNAVAILABLE;
	if (e->err == ERR_RATE_LIMIT) {
		e->message = ex->call.chat.me.pk ? SPAN("too many open connections of this user, or from this address")
						 : SPAN("too many open connections without a user, or from this address");
		e->retry_after_s = RETRY_AFTER_S;
	}
	return true;
}

/* The figures are atomics: no worker is needed. */
static void answer_metrics(struct exchange *ex)
{
	const struct chat *chat = ex->host->chat;
	buf_init(&ex->call.reply, (size_t)LIMIT_REPLY_BYTES);
	chat->metrics(chat->metrics_ctx, &ex->call.reply);
	if (ex->call.reply.failed) {
		exchange_fail(ex, ERR_UNAVAILABLE, "no memory");
	} else {
		exchange_answer(ex, 200, SPAN("text/plain; version=0.0.4; charset=utf-8"), buf_span(&ex->call.reply), 0,
			SPAN("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"));
	}
}

static void start_for_operator(struct exchange *ex)
{
	bool is_get = ex->call.http.method == HTTP_M_GET || ex->call.http.method == HTTP_M_HEAD;
	if (is_get && span_is(ex->call.http.path, "/beck/metrics") && ex->host->chat->metrics) {
		answer_metrics(ex);
	} else if (!is_get || !span_is(ex->call.http.path, "/beck/health")) {
		exchange_fail(ex, ERR_NOT_FOUND, "this listener has /beck/metrics and /beck/health alone");
	} else if (api_prepare(ex->host->chat, &ex->call) != ERR_OK) {
		exchange_finish(ex);
	} else {
		exchange_submit(ex, exchange_finish);
	}
}

void exchange_start(struct exchange *ex)
{
	if (ex->host->settings.metrics_only) {
		start_for_operator(ex);
		return;
	}
	if (exchange_answer_local(ex)) return;
	if (!ex->host->chat) {
		exchange_fail(ex, ERR_NOT_FOUND, "there is nothing here but WebSockets");
	} else if (exchange_path_is(ex, "/connect")) {
		exchange_fail(ex, ERR_INPUT, "this needs a WebSocket: GET with Upgrade: websocket, version 13");
	} else if (exchange_path_is(ex, "/longpoll")) {
		longpoll_start(ex);
	} else if (api_prepare(ex->host->chat, &ex->call) != ERR_OK) {
		exchange_finish(ex);
	} else {
		exchange_submit(ex, exchange_finish);
	}
}

/* ---- the connect payload ---- */

static yyjson_val *parse_object(struct arena *a, const char *what, struct span text, const char **why)
{
	size_t at;
	const char *reason;
	yyjson_val *v = json_parse(a, text, &reason, &at);
	if (v && yyjson_is_obj(v)) return v;
	struct span said = v ? arena_printf(a, "%s must be a JSON object", what)
			     : arena_printf(a, "%s is not acceptable JSON: %s at byte %zu", what, reason, at);
	*why = said.p ? said.p : "out of memory";
	return NULL;
}

static void write_members(struct jsonw *w, yyjson_val *obj, yyjson_val *but_not_in, bool with_resume)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	yyjson_val *key;
	while ((key = yyjson_obj_iter_next(&it))) {
		struct span name = json_span(key);
		if (but_not_in && yyjson_obj_getn(but_not_in, name.p, name.n)) continue;
		if (!with_resume && span_is(name, "resume_from")) continue;
		jsonw_key_span(w, name);
		jsonw_val(w, yyjson_obj_iter_get_val(key));
	}
}

/* {"resume_from": {"seq": ...}}, or that object alone. */
static yyjson_val *resume_of(yyjson_val *extra)
{
	yyjson_val *wrapped = json_get(extra, "resume_from");
	return wrapped || !json_get(extra, "seq") ? wrapped : extra;
}

/* payload, what extra.json puts over it, and extra.resume_from. */
static void write_merged(struct buf *out, yyjson_val *payload, yyjson_val *extra)
{
	struct jsonw w;
	yyjson_val *over = json_get(extra, "json"), *resume = resume_of(extra);
	if (!yyjson_is_obj(over)) over = NULL;
	jsonw_init(&w, out);
	jsonw_obj_begin(&w);
	if (payload) write_members(&w, payload, over, !resume);
	if (over) write_members(&w, over, NULL, !resume);
	if (resume) {
		jsonw_key(&w, "resume_from");
		jsonw_val(&w, resume);
	}
	jsonw_obj_end(&w);
}

static void write_query(struct buf *out, const struct url_query *q, struct span json)
{
	buf_add_span(out, SPAN("json="));
	url_encode(out, json);
	for (size_t i = 0; i < q->n; i++) {
		if (span_is(q->items[i].name, "json")) continue;
		buf_add_char(out, '&');
		url_encode(out, q->items[i].name);
		buf_add_char(out, '=');
		url_encode(out, q->items[i].value);
	}
}

bool exchange_merge_payload(struct exchange *ex, const char *what, struct span extra_text, const char **why)
{
	struct arena *a = &ex->call.arena;
	struct url_query q;
	*why = "the query string is malformed";
	if (!url_query_parse(a, ex->call.http.query, &q)) return false;
	struct span json = url_query_get(&q, "json");
	yyjson_val *payload = span_empty(json) ? NULL : parse_object(a, "json of the query", json, why);
	if (!span_empty(json) && !payload) return false;
	yyjson_val *extra = parse_object(a, what, extra_text, why);
	if (!extra) return false;
	*why = "an object with resume_from, or json, is needed";
	if (!json_get(extra, "json") && !resume_of(extra)) return false;
	struct buf merged, query;
	buf_init(&merged, (size_t)LIMIT_REPLY_BYTES);
	buf_init(&query, (size_t)LIMIT_REPLY_BYTES);
	write_merged(&merged, payload, extra);
	write_query(&query, &q, buf_span(&merged));
	struct span text = merged.failed || query.failed ? SPAN_NONE : arena_dup(a, buf_span(&query));
	buf_deinit(&merged);
	buf_deinit(&query);
	*why = "out of memory";
	if (!span_given(text)) return false;
	ex->call.http.query = text;
	ex->call.http.body = span_make("", 0);
	return true;
}
