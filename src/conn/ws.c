#include "conn/ws.h"

#include <stdlib.h>

#include "base/limits.h"
#include "conn/http.h"

enum {
	CODE_NORMAL = 1000,
	CODE_AWAY = 1001,
	CODE_NONE = 1005,
	CODE_MEMORY = 1011,
	OUT_SLACK_BYTES = 4 << 20,     /* what may wait beside one largest message */
	OUT_PAUSE_BYTES = 1 << 20,     /* of our own frames: above, the peer is not read */
	CONTROL_WAITING_BYTES = 65536, /* above, pings go unanswered: a pong may stand for several */
	DEFLATE_ABOVE_BYTES = 128,
	DEFLATE_AHEAD_BYTES = 65536,
	ITEMS_PER_WRITE = 64,
	WRITES_PER_TURN = 8,
};

/* ---- beginning ---- */

static void answer_handshake(struct conn_ws *ws, const struct http_request *r, bool may_deflate)
{
	char accept[29];
	struct buf extension, lines;
	buf_init(&extension, 256);
	buf_init(&lines, 1024);
	ws_accept(http_header_get(r, "sec-websocket-key"), accept);
	buf_printf(&lines, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", accept);
	if (may_deflate && ws_deflate_offer(http_header_get(r, "sec-websocket-extensions"), &extension)) {
		ws->is_deflate = true;
		buf_printf(&lines, "Sec-WebSocket-Extensions: %.*s\r\n", SPAN_FMT(buf_span(&extension)));
	}
	http_response_head(&ws->out, 101, SPAN_NONE, -1, true, buf_span(&lines));
	if (lines.failed) ws->out.failed = true;
	buf_deinit(&extension);
	buf_deinit(&lines);
}

bool conn_ws_begin(struct conn *c, struct exchange *ex)
{
	struct conn_host *h = c->host;
	struct conn_ws *ws = calloc(1, sizeof *ws);
	if (!ws) {
		exchange_leave(ex, false);
		return false;
	}
	buf_init(&ws->out, (size_t)h->ws_message_bytes + OUT_SLACK_BYTES);
	ws->conn = c;
	ws->last_in_us = c->since_us = conn_now(c);
	ws->ping_us = ws->last_in_us + net_delay_us(h->loop, LIMIT_PING_MS);
	answer_handshake(ws, &ex->call.http, h->settings.deflate);
	if (ws->out.failed) {
		buf_deinit(&ws->out);
		free(ws);
		exchange_leave(ex, false);
		return false;
	}
	conn_set_state(c, CONN_WS_OPENING);
	conn_http_end(c);
	c->ws = ws;
	conn_count(&h->counters.websockets, 1);
	conn_flush_later(c);
	h->ws_app->open(c, ex);
	conn_waits(c);
	return true;
}

void conn_ws_end(struct conn *c)
{
	struct conn_ws *ws = c->ws;
	if (!ws) return;
	c->host->ws_app->end(c);
	if (ws->session) session_release(ws->session);
	if (ws->decoder) ws_decoder_deinit(ws->decoder);
	free(ws->decoder);
	buf_deinit(&ws->out);
	free(ws);
	c->ws = NULL;
	conn_count(&c->host->counters.websockets, -1);
}

/* ---- our own frames ---- */

size_t conn_ws_pending(const struct conn *c) { return c->ws->out.n - c->ws->out_at; }

void conn_ws_close(struct conn *c, uint16_t code)
{
	struct conn_ws *ws = c->ws;
	uint8_t payload[125];
	if (c->state == CONN_WS_CLOSING || c->state == CONN_CLOSED) return;
	ws->close_code = code;
	ws_frame(&ws->out, WS_CLOSE, span_make((const char *)payload, ws_close_payload(payload, code, SPAN_NONE)), NULL);
	if (ws->out.failed) ws->is_broken = true; /* without memory: end of file says it */
	ws->out.failed = false;
	conn_set_state(c, CONN_WS_CLOSING);
	c->host->ws_app->end(c);
	c->since_us = conn_now(c);
	conn_waits(c);
	conn_flush_later(c);
}

/* Appends a compressed frame, or leaves out as it was. */
static bool add_deflated(struct buf *out, enum ws_opcode op, struct span payload)
{
	struct buf packed;
	uint8_t head[10];
	buf_init(&packed, payload.n);
	bool ok = ws_deflate(&packed, payload);
	if (ok) {
		buf_add(out, head, ws_head(head, op, packed.n, true));
		buf_add_span(out, buf_span(&packed));
	}
	buf_deinit(&packed);
	return ok;
}

bool conn_ws_send(struct conn *c, enum ws_opcode op, struct span payload)
{
	struct conn_ws *ws = c->ws;
	bool packed = ws->is_deflate && payload.n >= DEFLATE_ABOVE_BYTES && add_deflated(&ws->out, op, payload);
	if (!packed) ws_frame(&ws->out, op, payload, NULL);
	conn_flush_later(c);
	if (!ws->out.failed) return true;
	ws->out.failed = false;
	conn_ws_close(c, CODE_MEMORY);
	return false;
}

/* ---- inbound ---- */

static void on_message(void *ctx, enum ws_opcode op, struct span payload)
{
	struct conn *c = ctx;
	if (c->state == CONN_WS_OPENING || c->state == CONN_WS) c->host->ws_app->message(c, op, payload);
}

static void on_ping(void *ctx, struct span payload)
{
	struct conn *c = ctx;
	if (c->state == CONN_WS_CLOSING || conn_ws_pending(c) > CONTROL_WAITING_BYTES) return;
	ws_frame(&c->ws->out, WS_PONG, payload, NULL);
	c->ws->out.failed = false;
	conn_flush_later(c);
}

static void on_pong(void *ctx, struct span payload)
{
	(void)ctx;
	(void)payload;
}

static void on_close(void *ctx, uint16_t code, struct span reason)
{
	struct conn *c = ctx;
	(void)reason;
	c->ws->peer_closed = true;
	conn_ws_close(c, code);
	conn_flush_later(c);
}

static bool is_between_frames(const struct ws_decoder *d) { return d->state == 0 && d->head_n == 0 && d->message_opcode == 0; }

/* A decoder between two messages is worth nothing, so the loop's one serves everybody; who stops inside one keeps a copy. */
static void keep_or_drop(struct conn *c, struct ws_decoder *d)
{
	struct conn_ws *ws = c->ws;
	if (d == ws->decoder) {
		if (!d->stopped && !is_between_frames(d)) return;
		ws->decoder = NULL;
		ws_decoder_deinit(d);
		free(d);
	} else if (d->stopped || is_between_frames(d)) {
		ws_decoder_deinit(d);
	} else if ((ws->decoder = malloc(sizeof *d))) {
		*ws->decoder = *d;
	} else {
		ws_decoder_deinit(d);
		ws->is_broken = true;
		conn_ws_close(c, CODE_MEMORY);
	}
}

void conn_ws_read(struct conn *c, struct span in)
{
	static const struct ws_events events = { on_message, on_ping, on_pong, on_close };
	struct conn_host *h = c->host;
	struct conn_ws *ws = c->ws;
	if (in.n == 0) {
		conn_close(c);
		return;
	}
	ws->last_in_us = conn_now(c);
	if (ws->is_broken || ws->peer_closed) return;
	struct ws_decoder *d = ws->decoder ? ws->decoder : &h->decoder;
	if (d == &h->decoder) {
		ws_decoder_init(d, WS_SERVER, h->ws_message_bytes, &events, c);
		if (ws->is_deflate) (void)ws_decoder_use_deflate(d);
	}
	uint16_t fail = ws_decoder_feed(d, in.p, in.n);
	keep_or_drop(c, d);
	if (fail) {
		ws->is_broken = true;
		conn_ws_close(c, fail);
		conn_flush_later(c);
	}
	if (conn_ws_pending(c) > OUT_PAUSE_BYTES && !ws->is_paused) {
		ws->is_paused = true;
		net_stream_read(c->stream, 0);
	}
}

/* ---- outbound ---- */

/* The bytes of one writev, in order: the rest of a begun item, then our own frames, then further items. A frame that was begun is
 * always finished first: item_at > 0 and out_at > 0 never come together. */
struct outgoing {
	struct iovec iov[ITEMS_PER_WRITE * 3 + 1];
	size_t item_bytes[ITEMS_PER_WRITE]; /* whole, head and tail included */
	int count;
	size_t items, total;
};

static void add(struct outgoing *o, const void *p, size_t n, size_t *skip)
{
	size_t cut = *skip < n ? *skip : n;
	*skip -= cut;
	if (cut == n) return;
	o->iov[o->count++] = (struct iovec){ (void *)(uintptr_t)((const char *)p + cut), n - cut };
	o->total += n - cut;
}

static void add_item(struct outgoing *o, const struct session_out *item, size_t skip)
{
	o->item_bytes[o->items++] = item->ws_head_n + item->body.n + item->tail.n;
	add(o, item->ws_head, item->ws_head_n, &skip);
	add(o, item->body.p, item->body.n, &skip);
	add(o, item->tail.p, item->tail.n, &skip);
}

static void collect(struct conn *c, struct outgoing *o)
{
	struct conn_ws *ws = c->ws;
	struct session_out items[ITEMS_PER_WRITE];
	size_t n = 0, most = ITEMS_PER_WRITE;
	if (c->state == CONN_WS_CLOSING) most = ws->item_at ? 1 : 0;
	if (ws->session && most && !ws->is_deflate) n = session_peek(ws->session, 0, items, most);
	size_t at = 0, out_skip = ws->out_at;
	o->count = 0;
	o->items = o->total = 0;
	if (n && ws->item_at) add_item(o, &items[at++], ws->item_at);
	add(o, ws->out.p, ws->out.n, &out_skip);
	while (at < n) add_item(o, &items[at++], 0);
}

/* Takes n written bytes off our own frames; returns what is left of n. */
static size_t advance_out(struct conn_ws *ws, size_t n)
{
	size_t left = ws->out.n - ws->out_at;
	if (n < left) {
		ws->out_at += n;
		return 0;
	}
	ws->out_at = 0;
	buf_deinit(&ws->out); /* keeps its maximum; an idle connection holds nothing */
	return n - left;
}

static void advance(struct conn_ws *ws, const struct outgoing *o, size_t n)
{
	size_t done = 0;
	if (ws->item_at && o->items) {
		size_t left = o->item_bytes[0] - ws->item_at;
		if (n < left) {
			ws->item_at += n;
			return;
		}
		n -= left;
		ws->item_at = 0;
		done = 1;
	}
	n = advance_out(ws, n);
	for (; done < o->items && n >= o->item_bytes[done]; done++) n -= o->item_bytes[done];
	if (done < o->items) ws->item_at = n;
	if (done) session_consume(ws->session, done);
}

/* With compression the frames are made here, a little ahead of what the peer takes. */
static void pack_items(struct conn *c)
{
	struct conn_ws *ws = c->ws;
	struct session_out items[ITEMS_PER_WRITE];
	while (c->state == CONN_WS && conn_ws_pending(c) < DEFLATE_AHEAD_BYTES) {
		size_t n = session_peek(ws->session, 0, items, 1);
		if (!n) return;
		struct buf whole;
		buf_init(&whole, items[0].body.n + items[0].tail.n);
		buf_add_span(&whole, items[0].body);
		buf_add_span(&whole, items[0].tail);
		if (whole.failed) {
			conn_ws_close(c, CODE_MEMORY);
		} else if (conn_ws_send(c, WS_TEXT, buf_span(&whole))) {
			session_consume(ws->session, 1);
		}
		buf_deinit(&whole);
	}
}

/* Everything that could be written is. */
static void settle(struct conn *c)
{
	struct conn_ws *ws = c->ws;
	uint16_t code = 0;
	if (c->state == CONN_WS_CLOSING) {
		if (ws->session) session_release(ws->session);
		ws->session = NULL;
		if (ws->peer_closed || ws->is_broken) conn_close_gracefully(c);
		return; /* else the peer's close frame is awaited */
	}
	if (ws->session && session_is_closed(ws->session, &code)) {
		conn_ws_close(c, code ? code : CODE_NORMAL);
		return;
	}
	if (ws->is_paused) {
		ws->is_paused = false;
		net_stream_read(c->stream, 1);
	}
}

/* A session that ended has so long to be drained. */
static void note_ending(struct conn *c)
{
	uint16_t code;
	if (c->state != CONN_WS || c->ws->is_ending || !c->ws->session || !session_is_closed(c->ws->session, &code)) return;
	c->ws->is_ending = true;
	c->since_us = conn_now(c);
	conn_waits(c);
}

void conn_ws_flush(struct conn *c)
{
	struct conn_ws *ws = c->ws;
	note_ending(c);
	for (int i = 0; i < WRITES_PER_TURN; i++) {
		struct outgoing o;
		if (ws->is_deflate && ws->session) pack_items(c);
		collect(c, &o);
		if (!o.count) {
			settle(c);
			return;
		}
		int64_t n = conn_write(c, o.iov, o.count, o.total);
		if (n < 0) return;
		advance(ws, &o, (size_t)n);
		if ((size_t)n < o.total) return; /* goes on when there is room */
	}
	conn_flush_later(c);
}

/* ---- deadlines ---- */

int64_t conn_ws_due(const struct conn *c)
{
	const struct conn_ws *ws = c->ws;
	const struct net_loop *l = c->host->loop;
	if (c->state == CONN_WS_CLOSING || ws->is_ending) return c->since_us + net_delay_us(l, LIMIT_CLOSE_MS);
	int64_t dead = ws->last_in_us + net_delay_us(l, LIMIT_LIVENESS_MS);
	int64_t due = ws->ping_us < dead ? ws->ping_us : dead;
	int64_t frame = c->since_us + net_delay_us(l, LIMIT_HEAD_MS);
	return ws->awaits_frame && frame < due ? frame : due;
}

/* A ping behind megabytes is not answered before they are taken: who is taking them is alive for a while. */
static bool is_catching_up(struct conn *c)
{
	struct conn_ws *ws = c->ws;
	int64_t since = ws->taken;
	if (net_stream_unacked(c->stream) == 0) return false;
	ws->taken = conn_taken(c);
	return ws->taken - since >= LIMIT_QUEUE_TAKEN_BYTES;
}

void conn_ws_expired(struct conn *c)
{
	struct conn_ws *ws = c->ws;
	const struct net_loop *l = c->host->loop;
	int64_t now = conn_now(c);
	if (c->state == CONN_WS_CLOSING || ws->is_ending) {
		conn_close(c);
	} else if (now >= ws->last_in_us + net_delay_us(l, LIMIT_LIVENESS_MS)) {
		if (is_catching_up(c)) {
			ws->last_in_us += net_delay_us(l, LIMIT_QUEUE_SOFT_MS);
		} else {
			conn_ws_close(c, CODE_AWAY);
		}
	} else if (ws->awaits_frame && now >= c->since_us + net_delay_us(l, LIMIT_HEAD_MS)) {
		ws_session_expired(c);
	} else if (now >= ws->ping_us) {
		ws->ping_us = now + net_delay_us(l, LIMIT_PING_MS);
		if (conn_ws_pending(c) < CONTROL_WAITING_BYTES) ws_frame(&ws->out, WS_PING, SPAN_NONE, NULL);
		ws->out.failed = false;
		conn_flush_later(c);
	}
}
