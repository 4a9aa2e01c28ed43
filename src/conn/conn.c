#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "conn/http.h"
#include "conn/ws.h"

/* ---- state ---- */

void conn_set_state(struct conn *c, enum conn_state to)
{
	static const uint8_t legal[] = {
		[CONN_HTTP] = 1u << CONN_WS_OPENING | 1u << CONN_CLOSED,
		[CONN_WS_OPENING] = 1u << CONN_WS | 1u << CONN_WS_CLOSING | 1u << CONN_CLOSED,
		[CONN_WS] = 1u << CONN_WS_CLOSING | 1u << CONN_CLOSED,
		[CONN_WS_CLOSING] = 1u << CONN_CLOSED,
		[CONN_CLOSED] = 0,
	};
	BECK_ASSERT(legal[c->state] & (1u << to));
	c->state = (uint8_t)to;
}

/* Everything that hangs on the connection but its stream. */
static void let_go(struct conn *c)
{
	struct conn_host *h = c->host;
	conn_set_state(c, CONN_CLOSED);
	net_timer_stop(h->loop, &c->timer);
	net_defer_cancel(&c->flush);
	conn_http_end(c);
	conn_ws_end(c);
	conn_host_leave(h, &c->place);
	conn_count(&h->counters.open, -1);
}

void conn_close(struct conn *c)
{
	if (c->state != CONN_CLOSED) let_go(c);
	net_stream_close(c->stream);
}

void conn_close_gracefully(struct conn *c)
{
	if (c->state == CONN_CLOSED) return;
	let_go(c);
	net_stream_close_gracefully(c->stream, CONN_LINGER_MS);
}

void conn_drain(struct conn *c)
{
	if (c->state == CONN_HTTP) {
		conn_http_drain(c);
	} else if (c->state != CONN_CLOSED) {
		ws_session_drain(c);
	}
}

/* ---- deadlines ---- */

static int64_t sooner(int64_t a, int64_t b) { return !a || (b && b < a) ? b : a; }

static int64_t stall_due(const struct conn *c)
{
	return c->behind_us ? c->behind_us + net_delay_us(c->host->loop, LIMIT_QUEUE_SOFT_MS) : 0;
}

static int64_t conn_due(const struct conn *c)
{
	int64_t stall = stall_due(c);
	switch ((enum conn_state)c->state) {
	case CONN_HTTP: return sooner(stall, conn_http_due(c));
	case CONN_WS_OPENING:
	case CONN_WS:
	case CONN_WS_CLOSING: return sooner(stall, conn_ws_due(c));
	case CONN_CLOSED: break;
	}
	return 0;
}

/* Deadlines mostly move away before they pass: the timer is left where it is and looks again when it fires. */
void conn_waits(struct conn *c)
{
	int64_t due = conn_due(c);
	if (due && (!net_timer_running(&c->timer) || c->timer.due_us > due)) net_timer_start_at(c->host->loop, &c->timer, due);
}

int64_t conn_taken(const struct conn *c) { return c->written_bytes - net_stream_unacked(c->stream); }

static void note_behind(struct conn *c)
{
	c->behind_us = conn_now(c);
	c->behind_taken = conn_taken(c);
}

/* Room for more is no measure of what the peer takes: a kernel that holds megabytes has none before a third of them are gone. */
static void check_taking(struct conn *c)
{
	int64_t since = c->behind_taken;
	note_behind(c);
	if (c->behind_taken - since >= LIMIT_QUEUE_TAKEN_BYTES) return;
	conn_count(&c->host->counters.stalled, 1);
	LOG_INF("peer takes next to nothing, closing", "conn=%llu", (unsigned long long)c->serial);
	conn_close(c);
}

static void on_timer(struct net_timer *t)
{
	struct conn *c = BECK_CONTAINER(t, struct conn, timer);
	int64_t due = conn_due(c), now = conn_now(c);
	if (due && due <= now) {
		if (c->behind_us && stall_due(c) <= now) {
			check_taking(c);
		} else if (c->state == CONN_HTTP) {
			conn_http_expired(c);
		} else {
			conn_ws_expired(c);
		}
	}
	conn_waits(c);
}

/* ---- writing ---- */

void conn_flush_later(struct conn *c)
{
	if (c->state != CONN_CLOSED) net_defer(c->host->loop, &c->flush);
}

static void on_flush(struct net_deferred *d)
{
	struct conn *c = BECK_CONTAINER(d, struct conn, flush);
	if (c->state == CONN_HTTP) {
		conn_http_flush(c);
	} else if (c->state != CONN_CLOSED) {
		conn_ws_flush(c);
	}
}

int64_t conn_write(struct conn *c, const struct iovec *iov, int count, size_t total)
{
	int64_t n = net_write(c->stream, iov, count);
	if (n < 0) return -1; /* on_error closes */
	conn_count(&c->host->counters.bytes_out, n);
	c->written_bytes += n;
	if ((size_t)n == total) {
		c->behind_us = 0;
	} else if (!c->behind_us) {
		note_behind(c);
		conn_waits(c);
	}
	return n;
}

/* ---- the stream's events ---- */

static void on_read(void *ctx, struct net_stream *s, const char *p, size_t n)
{
	struct conn *c = ctx;
	(void)s;
	conn_count(&c->host->counters.bytes_in, (int64_t)n);
	if (c->state == CONN_HTTP) {
		conn_http_read(c, span_make(p, n));
	} else if (c->state != CONN_CLOSED) {
		conn_ws_read(c, span_make(p, n));
	}
}

static void on_writable(void *ctx, struct net_stream *s)
{
	(void)s;
	conn_flush_later(ctx);
}

static void on_error(void *ctx, struct net_stream *s, const char *why)
{
	struct conn *c = ctx;
	(void)s;
	LOG_DBG("connection broke", "conn=%llu why=\"%s\"", (unsigned long long)c->serial, why);
	conn_close(c);
}

static void on_closed(void *ctx, struct net_stream *s)
{
	struct conn *c = ctx;
	struct conn_host *h = c->host;
	(void)s;
	if (c->state != CONN_CLOSED) let_go(c);
	list_remove(&c->node);
	free(c);
	conn_host_left(h);
}

int conn_host_accept(void *host, struct net_stream *s)
{
	static const struct net_stream_events events = { on_read, on_writable, on_error, on_closed };
	struct conn_host *h = host;
	struct span peer = net_stream_peer(s);
	struct conn *c = h->is_draining ? NULL : calloc(1, sizeof *c);
	if (!c || !conn_host_enter(h, peer, ADDRESS_PLACE, &c->place)) {
		if (c) LOG_WRN("connection refused", "peer=%.*s", SPAN_FMT(peer));
		conn_count(&h->counters.refused, 1);
		free(c);
		return -1;
	}
	c->host = h;
	c->stream = s;
	c->serial = ++h->serial;
	c->flush.run = on_flush;
	c->timer.run = on_timer;
	c->since_us = conn_now(c);
	list_push(&h->conns, &c->node);
	conn_count(&h->counters.open, 1);
	net_stream_set(s, &events, c);
	conn_waits(c);
	return 0;
}
