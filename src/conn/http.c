#include "conn/http.h"

#include <stdlib.h>

#include "base/limits.h"
#include "conn/poll.h"
#include "conn/ws.h"

enum { UNREAD_BYTES = 1 << 20, CONN_BODIES_BYTES = 2 << 20, WINDOW_FIRST = 2, LARGE_BYTES = 256 << 10 };
static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

static struct exchange *exchange_at(struct list *node) { return BECK_CONTAINER(node, struct exchange, node); }

static bool http_make(struct conn *c)
{
	struct conn_http *h = calloc(1, sizeof *h);
	if (h) h->parser = http_parser_create();
	if (!h || !h->parser) {
		free(h);
		return false;
	}
	list_init(&h->exchanges);
	buf_init(&h->unread, UNREAD_BYTES);
	h->window = WINDOW_FIRST;
	c->http = h;
	return true;
}

void conn_http_end(struct conn *c)
{
	struct conn_http *h = c->http;
	struct list *node;
	if (!h) return;
	c->http = NULL;
	exchange_free(h->building);
	while ((node = list_shift(&h->exchanges))) exchange_leave(exchange_at(node), false);
	buf_deinit(&h->unread);
	http_parser_destroy(h->parser);
	free(h);
}

/* ---- taking requests ---- */

static bool has_room(const struct conn_http *h)
{
	return h->in_hand < (unsigned)LIMIT_PIPELINE && h->body_bytes < CONN_BODIES_BYTES &&
	       h->waiting_bytes < (size_t)LIMIT_ANSWERS_BYTES;
}

static bool is_upgrade(const struct exchange *ex)
{
	return ex->call.http.is_upgrade && !ex->host->settings.metrics_only &&
	       (ex->host->ws_app != &ws_session_app || exchange_path_is(ex, "/connect"));
}

static bool begin(struct conn *c)
{
	struct conn_http *h = c->http;
	h->building = exchange_make(c);
	if (!h->building) return false;
	http_parser_next(h->parser, &h->building->call.arena, (size_t)LIMIT_BODY_BYTES);
	h->in_body = false;
	c->since_us = conn_now(c);
	return true;
}

static struct exchange *take_built(struct conn_http *h)
{
	struct exchange *ex = h->building;
	h->building = NULL;
	h->had_request = true;
	list_push(&h->exchanges, &ex->node);
	h->in_hand++;
	h->body_bytes += ex->call.http.body.n;
	ex->body_counted = ex->call.http.body.n;
	ex->host->body_bytes += ex->body_counted;
	conn_count(&ex->host->counters.requests, 1);
	return ex;
}

static void take_request(struct conn *c)
{
	struct exchange *ex = take_built(c->http);
	struct http_request *r = &ex->call.http;
	ex->is_safe = r->method == HTTP_M_GET || r->method == HTTP_M_HEAD || r->method == HTTP_M_OPTIONS;
	ex->is_head = r->method == HTTP_M_HEAD;
	if (ex->is_head) r->method = HTTP_M_GET;
	/* Behind an upgrade that we decline the bytes may not be HTTP. */
	ex->is_last = !r->keep_alive || r->is_upgrade || c->host->is_draining;
	if (ex->is_last) c->http->is_last = true;
	ex->call.peer = conn_host_client(c->host, net_stream_peer(c->stream), r, &ex->call.arena);
	ex->call.started_us = conn_now(c);
}

/* The request under construction is answered with an error and is the last. */
static void refuse(struct conn *c, enum err err, const char *message)
{
	struct exchange *ex = take_built(c->http);
	c->http->is_last = ex->is_last = ex->is_started = ex->is_safe = true;
	ex->call.peer = net_stream_peer(c->stream);
	exchange_fail(ex, err, message);
}

static const char *refusal_text(enum err err)
{
	switch (err) {
	case ERR_TOO_BIG: return "the request body is too big";
	case ERR_HEADER_TOO_BIG: return "the request line and headers are too big";
	default: return "the request is not valid HTTP";
	}
}

static void hold(struct conn *c, struct span in)
{
	buf_add_span(&c->http->unread, in);
	net_stream_read(c->stream, 0);
	if (c->http->unread.failed) conn_close(c);
}

/* After bytes that did not complete the request. */
static void note_progress(struct conn *c)
{
	struct conn_http *h = c->http;
	if (!h->in_body && http_parser_phase(h->parser) == HTTP_IN_BODY) {
		h->in_body = true;
		c->since_us = conn_now(c);
	}
	if (http_parser_wants_continue(h->parser)) {
		h->continue_left = sizeof continue_line - 1;
		conn_flush_later(c);
	}
}

/* Feeds one request's worth; what is left over is returned. */
static struct span feed_one(struct conn *c, struct span in)
{
	struct conn_http *h = c->http;
	size_t used = 0;
	enum err err = ERR_OK;
	switch (http_parser_feed(h->parser, in, &used, &h->building->call.http, &err)) {
	case HTTP_MORE: note_progress(c); break;
	case HTTP_REQUEST:
		h->continue_left = 0;
		if (c->host->body_bytes + h->building->call.http.body.n > (size_t)LIMIT_BODIES_BYTES) {
			refuse(c, ERR_UNAVAILABLE, "too many request bodies are in hand");
		} else {
			take_request(c);
		}
		break;
	case HTTP_ERROR: refuse(c, err, refusal_text(err)); break;
	}
	return span_skip(in, used);
}

static void start_what_may(struct conn *c);

static void feed(struct conn *c, struct span in)
{
	while (in.n && !c->http->is_last) {
		if (!has_room(c->http)) {
			hold(c, in);
			in.n = 0;
			if (c->state == CONN_CLOSED) return;
		} else if (c->http->building || begin(c)) {
			in = feed_one(c, in);
		} else {
			conn_close(c);
			return;
		}
	}
	/* Behind an upgrade request: the WebSocket's first frames. */
	struct list *last = c->http->exchanges.prev;
	if (in.n && !list_empty(&c->http->exchanges) && is_upgrade(exchange_at(last))) hold(c, in);
	if (c->state == CONN_CLOSED) return;
	start_what_may(c);
	if (c->state != CONN_CLOSED) conn_waits(c);
}

/* The peer sends nothing more. What it asked for is answered, but nobody waits for a poll behind a closed door. */
static void at_eof(struct conn *c)
{
	struct conn_http *h = c->http;
	bool polls = false;
	h->is_last = h->at_eof = true;
	exchange_free(h->building);
	h->building = NULL;
	for (struct list *at = h->exchanges.next; at != &h->exchanges; at = at->next) polls = polls || exchange_at(at)->ask;
	if (polls || list_empty(&h->exchanges)) conn_close(c);
}

void conn_http_read(struct conn *c, struct span in)
{
	if (!c->http && !http_make(c)) {
		conn_close(c);
		return;
	}
	if (in.n == 0) {
		at_eof(c);
	} else if (c->http->unread.n) {
		hold(c, in);
	} else {
		feed(c, in);
	}
}

/* ---- working on them ---- */

static void upgrade(struct conn *c, struct exchange *ex)
{
	struct buf unread = c->http->unread;
	buf_init(&c->http->unread, 0);
	list_remove(&ex->node);
	c->http->in_hand--;
	if (!conn_ws_begin(c, ex)) {
		conn_close(c);
	} else if (unread.n) {
		net_stream_read(c->stream, 1);
		conn_ws_read(c, buf_span(&unread));
	}
	buf_deinit(&unread);
}

/* RFC 9112 9.3.2: only safe requests may run beside each other. Answers go out in order in any case. */
static void start_what_may(struct conn *c)
{
	struct list *head = &c->http->exchanges;
	bool pending = false;
	unsigned running = 0;
	for (struct list *at = head->next, *next; at != head; at = next) {
		struct exchange *ex = exchange_at(at);
		next = at->next;
		if (!ex->is_started) {
			if (pending && !ex->is_safe) return;
			if (running >= c->http->window || c->http->waiting_bytes >= (size_t)LIMIT_ANSWERS_BYTES) return;
			if (is_upgrade(ex)) {
				if (at == head->next) upgrade(c, ex);
				return;
			}
			ex->is_started = true;
			exchange_start(ex);
		}
		if (!ex->is_ready && !ex->is_safe) return;
		pending = pending || !ex->is_ready;
		running += !ex->is_ready;
	}
}

/* How many run beside each other is found out: more while answers are small, one at a time after a large one. */
void exchange_ready(struct exchange *ex)
{
	struct conn *c = ex->conn;
	struct conn_http *h = c ? c->http : NULL;
	ex->is_ready = true;
	if (!h) return;
	ex->held = ex->head.cap + ex->packed.cap + ex->call.reply.cap + ex->call.arena.used_bytes;
	h->waiting_bytes += ex->held;
	if (ex->held > LARGE_BYTES) {
		h->window = 1;
	} else if (h->window < (unsigned)LIMIT_PIPELINE) {
		h->window++;
	}
	conn_flush_later(c);
}

/* ---- writing ---- */

struct outgoing {
	struct iovec iov[2 * 16 + 1];
	int count;
	size_t total;
};

static void add(struct outgoing *o, const char *p, size_t n, size_t skip)
{
	if (skip >= n) return;
	o->iov[o->count++] = (struct iovec){ (void *)(uintptr_t)(p + skip), n - skip };
	o->total += n - skip;
}

static void collect(struct conn_http *h, struct outgoing *o)
{
	if (h->continue_left && list_empty(&h->exchanges))
		add(o, continue_line, sizeof continue_line - 1, sizeof continue_line - 1 - h->continue_left);
	for (struct list *at = h->exchanges.next; at != &h->exchanges; at = at->next) {
		struct exchange *ex = exchange_at(at);
		if (!ex->is_ready || (size_t)o->count + 2 > BECK_COUNT(o->iov)) return;
		size_t head = ex->head.n;
		add(o, ex->head.p, head, ex->sent);
		add(o, ex->body.p, ex->body.n, ex->sent > head ? ex->sent - head : 0);
	}
}

/* Takes written bytes off; whole answers go. True when the last one of the connection went. */
static bool advance(struct conn *c, size_t n)
{
	struct conn_http *h = c->http;
	if (h->continue_left && list_empty(&h->exchanges)) {
		h->continue_left = (uint8_t)(h->continue_left - n);
		return false;
	}
	while (!list_empty(&h->exchanges)) {
		struct exchange *ex = exchange_at(h->exchanges.next);
		size_t whole = ex->head.n + ex->body.n, left = whole - ex->sent;
		if (!ex->is_ready || n < left) {
			ex->sent += n;
			return false;
		}
		n -= left;
		bool was_last = ex->is_last;
		h->in_hand--;
		h->body_bytes -= ex->body_counted;
		h->waiting_bytes -= ex->held;
		exchange_log(ex, whole);
		exchange_leave(ex, true);
		if (was_last) return true;
	}
	return false;
}

static void take_unread(struct conn *c)
{
	struct conn_http *h = c->http;
	if (!h->unread.n || !has_room(h) || h->is_last) return;
	struct buf unread = h->unread;
	buf_init(&h->unread, UNREAD_BYTES);
	feed(c, buf_span(&unread));
	buf_deinit(&unread);
	if (c->state == CONN_HTTP && !c->http->unread.n) net_stream_read(c->stream, 1);
}

static void go_on(struct conn *c)
{
	take_unread(c);
	if (c->state != CONN_HTTP) return;
	start_what_may(c);
	if (c->state != CONN_HTTP || !list_empty(&c->http->exchanges)) return;
	if (c->http->is_last) {
		conn_close_gracefully(c);
		return;
	}
	if (!c->http->building) c->since_us = conn_now(c);
	conn_waits(c);
}

void conn_http_flush(struct conn *c)
{
	struct outgoing o = { .count = 0 };
	if (!c->http) return;
	collect(c->http, &o);
	if (o.count) {
		int64_t n = conn_write(c, o.iov, o.count, o.total);
		if (n < 0) return;
		if (advance(c, (size_t)n)) {
			conn_close_gracefully(c);
			return;
		}
		if ((size_t)n < o.total) return; /* goes on when there is room */
	}
	go_on(c);
}

/* ---- deadlines ---- */

int64_t conn_http_due(const struct conn *c)
{
	const struct conn_http *h = c->http;
	int64_t ms = 0;
	if (h && h->building) {
		ms = h->in_body ? LIMIT_BODY_MS : LIMIT_HEAD_MS;
	} else if (!h || !h->had_request) {
		ms = LIMIT_HEAD_MS;
	} else if (list_empty(&h->exchanges)) {
		ms = LIMIT_KEEPALIVE_MS;
	}
	return ms ? c->since_us + net_delay_us(c->host->loop, ms) : 0;
}

void conn_http_expired(struct conn *c)
{
	if (c->http && c->http->building) {
		refuse(c, ERR_TIMEOUT, c->http->in_body ? "the request body took too long" : "the request head took too long");
	} else {
		conn_close(c);
	}
}

void conn_http_drain(struct conn *c)
{
	struct conn_http *h = c->http;
	if (!h || list_empty(&h->exchanges)) {
		conn_close_gracefully(c);
		return;
	}
	h->is_last = exchange_at(h->exchanges.prev)->is_last = true;
	exchange_free(h->building);
	h->building = NULL;
}
