/* A session over a WebSocket: the connect payload opens it, health checks keep it, its queue is what the connection writes. */
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "conn/http.h"
#include "conn/ws.h"

enum { CODE_NORMAL = 1000, CODE_NOT_TEXT = 1003, CODE_NOT_JSON = 1007, CODE_FAULT = 1011, CODE_RESTART = 1012 };

/* ---- refusing ---- */

/* One text frame, then the close: a browser cannot read the status of a failed upgrade (contract 2.5). */
static void refuse(struct conn *c, struct exchange *ex, const struct error *e)
{
	struct arena *a = &ex->call.arena;
	struct error told = *e;
	if (!span_given(told.message)) told.message = err_text(told.err);
	struct span body = api_error_json(c->host->chat, a, "Connect", &told, conn_now(c) - ex->call.started_us);
	struct span frame = span_given(body) ? arena_printf(a, "{\"error\":%.*s}", SPAN_FMT(body)) : SPAN_NONE;
	if (span_given(frame) && !conn_ws_send(c, WS_TEXT, frame)) return;
	if (c->host->settings.http_log) {
		LOG_INF("connect refused", "conn=%llu id=%s peer=%.*s code=%d", (unsigned long long)c->serial, ex->request_id,
			SPAN_FMT(ex->call.peer), err_code(e->err));
	}
	conn_ws_close(c, err_http(e->err) >= 500 ? CODE_FAULT : CODE_NORMAL);
}

static void refuse_opening(struct conn *c, enum err err, const char *message)
{
	struct exchange *ex = c->ws->opening;
	struct error e = { .err = err, .message = span_str(message) };
	c->ws->opening = NULL;
	c->ws->awaits_frame = false;
	refuse(c, ex, &e);
	exchange_leave(ex, false);
}

void ws_session_expired(struct conn *c) { refuse_opening(c, ERR_TIMEOUT, "the first frame with resume_from did not come"); }

/* ---- opening ---- */

static void on_session_ready(struct session_carrier *carrier)
{
	struct conn_ws *ws = BECK_CONTAINER(carrier, struct conn_ws, carrier);
	conn_flush_later(ws->conn);
}

static int64_t on_session_taken(struct session_carrier *carrier)
{
	return conn_taken(BECK_CONTAINER(carrier, struct conn_ws, carrier)->conn);
}

static enum err open_session(struct exchange *ex)
{
	struct conn *c = ex->conn;
	const struct session_start *start = ex->call.start;
	struct conn_host *h = c->host;
	struct conn_ws *ws = c->ws;
	bool came_online = false;
	ws->carrier = (struct session_carrier){ on_session_ready, on_session_taken };
	struct session *s = session_create(h->hub, &ws->carrier, false);
	if (!s) return ERR_UNAVAILABLE;
	bool has_place = conn_host_enter(h, ex->call.peer, start->user ? 0 : ADDRESS_ANONYMOUS, &ws->place);
	enum err err = has_place ? session_open(s, start, &came_online) : ERR_RATE_LIMIT;
	if (err) {
		conn_host_leave(h, &ws->place);
		session_abort(s);
		return err;
	}
	ws->session = s;
	conn_set_state(c, CONN_WS);
	if (came_online && start->user) h->ops->came_online(h->ops->ctx, start->app, start->user);
	conn_flush_later(c);
	return ERR_OK;
}

static void log_opened(const struct conn *c, const struct exchange *ex, const struct session_start *start)
{
	if (!c->host->settings.http_log) return;
	LOG_INF("connected", "conn=%llu id=%s peer=%.*s app=%lld user=%lld resume=%d us=%lld", (unsigned long long)c->serial,
		ex->request_id, SPAN_FMT(ex->call.peer), (long long)start->app, (long long)start->user, (int)start->has_resume,
		(long long)(conn_now(c) - ex->call.started_us));
}

/* The connect rule has run. */
static void connected(struct exchange *ex)
{
	struct conn *c = ex->conn;
	struct error *e = &ex->call.chat.error;
	if (e->err == ERR_OK && !exchange_open(ex, open_session)) return;
	c->ws->opening = NULL;
	if (e->err == ERR_OK) {
		log_opened(c, ex, ex->call.start);
	} else {
		refuse(c, ex, e);
	}
	exchange_leave(ex, false);
}

static void run_connect(struct conn *c)
{
	struct exchange *ex = c->ws->opening;
	c->ws->awaits_frame = false;
	if (api_prepare_connect(c->host->chat, &ex->call) != ERR_OK) {
		connected(ex);
	} else {
		exchange_submit_connect(ex, connected);
	}
}

/* "resume_from": "frame" in the payload: its value comes as the first text frame, because a URL has no room for it. */
static bool awaits_frame(struct exchange *ex)
{
	struct arena *a = &ex->call.arena;
	struct url_query q;
	const char *why;
	size_t at;
	if (!url_query_parse(a, ex->call.http.query, &q)) return false;
	struct span json = url_query_get(&q, "json");
	if (!span_given(json) || !memmem(json.p, json.n, "resume_from", 11)) return false;
	return span_is(json_span(json_get(json_parse(a, json, &why, &at), "resume_from")), "frame");
}

static void session_ws_open(struct conn *c, struct exchange *ex)
{
	c->ws->opening = ex;
	c->ws->awaits_frame = awaits_frame(ex);
	if (!c->ws->awaits_frame) run_connect(c);
}

/* ---- messages ---- */

static bool is_health_check(yyjson_val *v)
{
	yyjson_val *one = yyjson_is_arr(v) ? yyjson_arr_get_first(v) : v;
	return span_is(json_span(json_get(one, "type")), "health.check");
}

static void session_ws_message(struct conn *c, enum ws_opcode op, struct span payload)
{
	struct arena *a = &c->host->scratch;
	const char *why;
	size_t at;
	if (op != WS_TEXT) {
		conn_ws_close(c, CODE_NOT_TEXT);
		return;
	}
	if (c->ws->awaits_frame) {
		if (exchange_merge_payload(c->ws->opening, "the first frame", payload, &why)) {
			run_connect(c);
		} else {
			refuse_opening(c, ERR_INPUT, why);
		}
		return;
	}
	yyjson_val *v = json_parse(a, payload, &why, &at);
	if (!v) {
		conn_ws_close(c, CODE_NOT_JSON);
	} else if (c->state == CONN_WS && is_health_check(v)) {
		session_health(c->ws->session);
	}
	arena_reset(a);
}

/* ---- ending ---- */

static void session_ws_end(struct conn *c)
{
	struct conn_ws *ws = c->ws;
	uint16_t code;
	if (ws->opening) exchange_leave(ws->opening, false);
	ws->opening = NULL;
	ws->awaits_frame = false;
	conn_host_leave(c->host, &ws->place);
	if (!ws->session) return;
	if (!session_is_closed(ws->session, &code)) session_close(ws->session, ws->peer_closed ? 0 : ws->close_code, NULL);
	if (ws->item_at) return; /* the frame that was begun is finished first */
	session_release(ws->session);
	ws->session = NULL;
}

const struct ws_app ws_session_app = { session_ws_open, session_ws_message, session_ws_end };

void ws_session_drain(struct conn *c)
{
	if (c->state == CONN_WS && c->ws->session) {
		session_close(c->ws->session, CODE_RESTART, NULL);
	} else {
		conn_ws_close(c, CODE_RESTART);
	}
}
