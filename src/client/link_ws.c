/* The connection by WebSocket: handshake, frames, signs of life. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "client/client.h"
#include "client/reply.h"
#include "client/text.h"
#include "wire/base64.h"
#include "wire/url.h"

static const struct ws_events frames;

/* ---- ending ---- */

static void turn_off(beck_client *c)
{
	struct ws *w = &c->link.ws;
	if (w->state == WS_OFF) return;
	if (w->state >= WS_HELLO) ws_decoder_deinit(&w->decoder);
	timer_stop(&w->patience);
	timer_stop(&w->health);
	buf_deinit(&w->head);
	buf_init(&w->head, (size_t)LIMIT_CLIENT_HEAD_BYTES);
	w->state = WS_OFF;
	w->stream = 0;
}

static bool send_frame(beck_client *c, enum ws_opcode op, struct span payload)
{
	struct buf b;
	uint8_t mask[4];
	c->io->driver->random(c->io, mask, sizeof mask);
	buf_init(&b, payload.n + 64);
	ws_frame(&b, op, payload, mask);
	bool ok = !b.failed && c->io->driver->stream_send(c->io, c->link.ws.stream, buf_span(&b));
	buf_deinit(&b);
	return ok;
}

static void send_close(beck_client *c, uint16_t code)
{
	uint8_t payload[125];
	size_t n = ws_close_payload(payload, code, SPAN_NONE);
	(void)send_frame(c, WS_CLOSE, span_make((const char *)payload, n));
}

void ws_stop(beck_client *c)
{
	struct ws *w = &c->link.ws;
	uint64_t stream = w->stream;
	if (w->state == WS_OFF) return;
	if (w->state >= WS_HELLO) send_close(c, 1000);
	turn_off(c);
	c->io->driver->stream_close(c->io, stream);
}

static void fail(beck_client *c, const beck_error *err, bool is_refusal)
{
	uint64_t stream = c->link.ws.stream;
	/* Frames are being decoded maybe: the decoder is stopped first and ends with the stream. */
	turn_off(c);
	if (stream) c->io->driver->stream_close(c->io, stream);
	link_failed(c, BECK_TRANSPORT_WEBSOCKET, err, is_refusal);
}

static void fail_with(beck_client *c, beck_result result, const char *what)
{
	beck_error err = { 0 };
	error_set(&err, result, "%s", what);
	err.is_retryable = 1;
	fail(c, &err, false);
}

/* ---- starting ---- */

static void out_of_patience(beck_client *c, struct timer *t)
{
	(void)t;
	bool was_live = c->link.ws.state == WS_LIVE;
	fail_with(c, BECK_ETIMEOUT, was_live ? "nothing was heard of the server" : "no first event over WebSocket in time");
}

void ws_start(beck_client *c, bool resumes)
{
	struct ws *w = &c->link.ws;
	w->is_probed = false;
	w->resumes = resumes;
	w->stream = c->io->driver->stream_open(c->io, span_str(c->origin), (uint32_t)LIMIT_CLIENT_HELLO_MS);
	w->state = WS_OPENING;
	timer_set(c, &w->patience, LIMIT_CLIENT_HELLO_MS, out_of_patience);
	/* Told by the timer, not from in here. */
	if (!w->stream) timer_set(c, &w->patience, 0, out_of_patience);
}

static void write_target(beck_client *c, struct buf *out)
{
	struct buf payload;
	struct span token = token_now(c);
	body_init(&payload);
	link_payload(c, &payload, c->link.ws.resumes ? RESUME_FRAME : RESUME_NOT);
	buf_printf(out, "%s/connect?json=", c->prefix);
	url_encode(out, buf_span(&payload));
	if (payload.failed) out->failed = true;
	buf_deinit(&payload);
	buf_add_span(out, SPAN("&api_key="));
	url_encode(out, span_str(c->api_key));
	if (span_given(token)) {
		buf_add_span(out, SPAN("&authorization="));
		url_encode(out, token);
	}
	buf_printf(out, "&stream-auth-type=%s&X-Stream-Client=", c->user.kind == USER_ANONYMOUS ? "anonymous" : "jwt");
	url_encode(out, span_str(c->set.client_name));
}

void ws_on_open(beck_client *c)
{
	struct ws *w = &c->link.ws;
	struct buf b;
	uint8_t nonce[16];
	c->io->driver->random(c->io, nonce, sizeof nonce);
	base64_encode(nonce, sizeof nonce, w->key);
	w->state = WS_HANDSHAKE;
	body_init(&b);
	buf_add_span(&b, SPAN("GET "));
	write_target(c, &b);
	buf_printf(&b,
		" HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
		"Sec-WebSocket-Version: 13\r\nUser-Agent: %s\r\n\r\n",
		c->host, w->key, c->set.client_name);
	bool ok = !b.failed && c->io->driver->stream_send(c->io, w->stream, buf_span(&b));
	buf_deinit(&b);
	if (!ok) fail_with(c, BECK_ENOMEM, "out of memory");
}

/* ---- the handshake's answer ---- */

/* One field of a head whose first line has been skipped; SPAN_NONE without. */
static struct span field(struct span head, const char *name)
{
	while (head.n) {
		struct span line = { head.p, span_find(head, '\n') };
		head = span_skip(head, line.n + 1);
		size_t colon = span_find(line, ':');
		if (colon == line.n || !span_eq_nocase(span_make(line.p, colon), span_str(name))) continue;
		line = span_skip(line, colon + 1);
		if (line.n && line.p[line.n - 1] == '\r') line.n--;
		return span_trim(line);
	}
	return SPAN_NONE;
}

static int status_of(struct span head)
{
	long long status;
	if (!span_starts(head, SPAN("HTTP/1.1 ")) || head.n < 12 || !span_to_i64(span_make(head.p + 9, 3), &status)) return 0;
	return (int)status;
}

static bool is_accepted(const struct ws *w, struct span head)
{
	char wanted[29];
	struct span fields = span_skip(head, span_find(head, '\n') + 1);
	ws_accept(span_str(w->key), wanted);
	return span_eq_nocase(field(fields, "Upgrade"), SPAN("websocket")) &&
	       span_is(field(fields, "Sec-WebSocket-Accept"), wanted);
}

static bool check_answer(beck_client *c, struct span head)
{
	int status = status_of(head);
	char what[96];
	if (status == 101 && is_accepted(&c->link.ws, head)) return true;
	if (status == 101 || status == 0)
		(void)snprintf(what, sizeof what, "what answered the WebSocket handshake does not speak WebSocket");
	else
		(void)snprintf(what, sizeof what, "the WebSocket handshake was answered with status %d", status);
	fail_with(c, status == 101 || status == 0 ? BECK_EPROTOCOL : BECK_ENETWORK, what);
	return false;
}

static void begin_frames(beck_client *c)
{
	struct ws *w = &c->link.ws;
	ws_decoder_init(&w->decoder, WS_CLIENT, (uint32_t)LIMIT_CLIENT_FRAME_BYTES, &frames, c);
	w->state = WS_HELLO;
	if (!w->resumes) return;
	struct buf b;
	body_init(&b);
	link_resume_from(c, &b);
	bool ok = !b.failed && send_frame(c, WS_TEXT, buf_span(&b));
	buf_deinit(&b);
	if (!ok) fail_with(c, BECK_ENOMEM, "out of memory");
}

/* Index behind the empty line that ends the head; 0: not there yet. */
static size_t head_end(struct span s, size_t from)
{
	for (size_t i = from > 3 ? from - 3 : 0; i + 4 <= s.n; i++)
		if (memcmp(s.p + i, "\r\n\r\n", 4) == 0) return i + 4;
	return 0;
}

static void feed(beck_client *c, struct span bytes)
{
	struct ws *w = &c->link.ws;
	uint64_t stream = w->stream;
	uint16_t code = bytes.n ? ws_decoder_feed(&w->decoder, bytes.p, bytes.n) : 0;
	if (w->stream != stream) return; /* a callback ended it */
	if (w->ends) {
		w->ends = false;
		fail(c, &w->end_error, w->is_refusal);
	} else if (code) {
		send_close(c, code);
		fail_with(c, BECK_EPROTOCOL, "the server sent a wrong WebSocket frame");
	}
}

/* A record of TLS, alert or handshake, where an HTTP answer is due. */
static bool is_tls(struct span s) { return s.n >= 2 && (s.p[0] == 0x15 || s.p[0] == 0x16) && s.p[1] == 0x03; }

static void on_handshake(beck_client *c, struct span bytes)
{
	struct ws *w = &c->link.ws;
	size_t before = w->head.n;
	buf_add(&w->head, bytes.p, bytes.n);
	if (is_tls(buf_span(&w->head))) {
		fail_with(c, BECK_EPROTOCOL, "the server speaks TLS on this port: is its address https:// instead of http://?");
		return;
	}
	if (w->head.failed) {
		fail_with(c, BECK_EPROTOCOL, "the answer to the WebSocket handshake is too long");
		return;
	}
	size_t end = head_end(buf_span(&w->head), before);
	if (!end) return;
	/* Behind the head come frames; they were in these bytes, since the head was not complete before. */
	struct span rest = span_skip(bytes, end - before);
	struct span head = { buf_span(&w->head).p, end };
	if (!check_answer(c, head)) return;
	buf_deinit(&w->head);
	buf_init(&w->head, (size_t)LIMIT_CLIENT_HEAD_BYTES);
	begin_frames(c);
	if (w->state == WS_HELLO) feed(c, rest);
}

void ws_on_data(beck_client *c, struct span bytes)
{
	struct ws *w = &c->link.ws;
	if (w->state == WS_LIVE && !w->is_probed) timer_set(c, &w->patience, LIMIT_CLIENT_SILENCE_MS, out_of_patience);
	if (w->state == WS_HANDSHAKE)
		on_handshake(c, bytes);
	else if (w->state >= WS_HELLO)
		feed(c, bytes);
}

void ws_on_closed(beck_client *c, beck_result result, struct span problem)
{
	struct ws *w = &c->link.ws;
	beck_error err = { 0 };
	w->stream = 0;
	error_set(&err, result == BECK_OK ? BECK_ENETWORK : result, "%.*s",
		SPAN_FMT(problem.n ? problem : SPAN("the connection was closed")));
	err.is_retryable = result != BECK_ETLS;
	fail(c, &err, false);
}

/* ---- signs of life ---- */

static void send_health(beck_client *c)
{
	char text[160];
	int n = snprintf(text, sizeof text, "[{\"type\":\"health.check\",\"client_id\":\"%s\"}]", c->link.id);
	(void)send_frame(c, WS_TEXT, span_make(text, (size_t)n));
}

static void health_due(beck_client *c, struct timer *t)
{
	timer_set(c, t, LIMIT_CLIENT_HEALTH_MS, health_due);
	send_health(c);
}

void ws_look_alive(beck_client *c)
{
	struct ws *w = &c->link.ws;
	if (w->state != WS_LIVE) return;
	send_health(c);
	w->is_probed = true;
	timer_set(c, &w->patience, LIMIT_CLIENT_PROBE_MS, out_of_patience);
}

/* ---- frames ---- */

/* Ends the stream when the decoder has returned: it must not be freed under it. */
static void end_later(struct ws *w, bool is_refusal)
{
	ws_decoder_stop(&w->decoder);
	w->ends = true;
	w->is_refusal = is_refusal;
}

static void on_wrong_text(beck_client *c, struct span text, beck_result why)
{
	struct ws *w = &c->link.ws;
	w->end_error = (beck_error){ 0 };
	if (why != BECK_ENOMEM && error_from_frame(&w->end_error, text)) {
		end_later(w, true);
		return;
	}
	error_set(&w->end_error, why, why == BECK_ENOMEM ? "out of memory" : "the server sent something that is no event");
	end_later(w, false);
}

static void note_life(beck_client *c, const struct beck_event *e)
{
	struct ws *w = &c->link.ws;
	if (!w->is_probed || strcmp(e->type, "health.check") != 0) return;
	w->is_probed = false;
	timer_set(c, &w->patience, LIMIT_CLIENT_SILENCE_MS, out_of_patience);
}

static void on_message(void *ctx, enum ws_opcode op, struct span payload)
{
	beck_client *c = ctx;
	struct ws *w = &c->link.ws;
	beck_result why = BECK_EPROTOCOL;
	if (w->ends) return;
	struct beck_event *e = op == WS_TEXT ? event_create(payload, false, &why) : NULL;
	if (!e) {
		on_wrong_text(c, payload, why);
	} else if (w->state == WS_LIVE) {
		note_life(c, e);
		if (!link_event(c, BECK_TRANSPORT_WEBSOCKET, e)) on_wrong_text(c, payload, BECK_ENOMEM);
	} else if (strcmp(e->type, "health.check") == 0) {
		w->state = WS_LIVE;
		timer_set(c, &w->patience, LIMIT_CLIENT_SILENCE_MS, out_of_patience);
		link_hello(c, BECK_TRANSPORT_WEBSOCKET, e);
		timer_set(c, &w->health, LIMIT_CLIENT_HEALTH_MS, health_due);
	} else {
		beck_event_unref(e);
		error_set(&w->end_error, BECK_EPROTOCOL, "the first event is no health.check");
		end_later(w, false);
	}
}

static void on_ping(void *ctx, struct span payload) { (void)send_frame(ctx, WS_PONG, payload); }
static void on_pong(void *ctx, struct span payload)
{
	(void)ctx;
	(void)payload;
}

static void on_close(void *ctx, uint16_t code, struct span reason)
{
	beck_client *c = ctx;
	struct ws *w = &c->link.ws;
	if (w->ends) return;
	send_close(c, code == 1005 ? 1000 : code);
	w->end_error = (beck_error){ 0 };
	error_set(&w->end_error, BECK_ENETWORK, "the server closed the connection (%u%s%.*s)", code, reason.n ? " " : "",
		SPAN_FMT(reason));
	w->end_error.is_retryable = 1;
	end_later(w, false);
}

static const struct ws_events frames = { on_message, on_ping, on_pong, on_close };
