/* Devices that connect, resume and count what they get, and requests that may get lost on the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "wire/jwt.h"
#include "wire/url.h"

const char *user_name(int user)
{
	static const char *const names[USERS] = { "ann", "bob", "cleo", "dan" };
	return names[user];
}

struct span user_token(int user)
{
	static char tokens[USERS + 1][256];
	static size_t n[USERS + 1];
	int i = user + 1;
	if (!n[i]) {
		struct buf b;
		char claims[64];
		buf_init(&b, 256);
		snprintf(claims, sizeof claims, user < 0 ? "{\"server\":true}" : "{\"user_id\":\"%s\"}",
			user < 0 ? "" : user_name(user));
		jwt_sign(&b, span_str(claims), SPAN("secret"));
		memcpy(tokens[i], b.p, b.n);
		n[i] = b.n;
		buf_deinit(&b);
	}
	return span_make(tokens[i], n[i]);
}

/* ---- one HTTP request ---- */
static void http_text(struct buf *out, int user, const char *method, struct span path, struct span body)
{
	bool has_query = span_find(path, '?') < path.n;
	buf_printf(out,
		"%s %.*s%capi_key=key HTTP/1.1\r\nHost: sim\r\nAuthorization: %.*s\r\nStream-Auth-Type: jwt\r\nContent-Type: "
		"application/json\r\n"
		"Content-Length: %zu\r\n\r\n",
		method, SPAN_FMT(path), has_query ? '&' : '?', SPAN_FMT(user_token(user)), body.n);
	buf_add_span(out, body);
}

bool http_answer(struct buf *in, int *status, struct span *body)
{
	const char *end = in->n ? memmem(in->p, in->n, "\r\n\r\n", 4) : NULL;
	if (!end) return false;
	size_t head = (size_t)(end - in->p) + 4, length = 0;
	const char *at = memmem(in->p, head, "Content-Length: ", 16);
	if (!at) at = memmem(in->p, head, "content-length: ", 16);
	if (at) length = strtoul(at + 16, NULL, 10);
	if (in->n < head + length) return false;
	*status = (int)strtol(in->p + 9, NULL, 10);
	*body = span_make(in->p + head, length);
	return true;
}

bool request_start(struct sim *s, int user, const char *method, struct span path, struct span body,
	void (*done)(struct op *, int, yyjson_val *), int message, int channel)
{
	struct op *op = NULL;
	for (size_t i = 0; i < BECK_COUNT(s->ops) && !op; i++)
		if (!s->ops[i].done) op = &s->ops[i];
	struct line *line = op ? line_dial() : NULL;
	if (!line) return false;
	*op = (struct op){
		.line = line, .begun_us = world_now(), .done = done, .message = message, .user = user, .channel = channel
	};
	arena_init(&op->arena, 64 << 20);
	buf_init(&op->in, 64 << 20);
	struct buf text;
	buf_init(&text, 1 << 20);
	http_text(&text, user, method, path, body);
	line_send(line, buf_span(&text));
	buf_deinit(&text);
	return true;
}

static void tell(struct sim *s, int user, int device, struct span bytes)
{
	if (s->heard) s->heard(s, user, device, bytes);
}

/* A whole answer of HTTP, head and body. */
static void tell_answer(struct sim *s, int user, int device, const struct buf *in, struct span body)
{
	tell(s, user, device, span_make(in->p, (size_t)(body.p - in->p) + body.n));
}

static void op_finish(struct op *op, int status, struct span body)
{
	const char *why;
	size_t at;
	yyjson_val *v = status ? json_parse(&op->arena, arena_dup(&op->arena, body), &why, &at) : NULL;
	line_free(op->line);
	op->line = NULL;
	buf_deinit(&op->in);
	op->done(op, status, v);
	if (op->is_done) return; /* kept by the caller */
	arena_deinit(&op->arena);
	op->done = NULL;
}

void op_step(struct sim *s, struct op *op)
{
	if (!op->done || op->is_done) return;
	bool open = line_receive(op->line, &op->in, 1 + (size_t)world_below(65536));
	int status;
	struct span body;
	if (http_answer(&op->in, &status, &body)) {
		struct span copy = arena_dup(&op->arena, body);
		if (status == 500) sim_fail(s, "answer 500: %.*s", SPAN_FMT(body));
		tell_answer(s, op->user, -1, &op->in, body);
		op_finish(op, status, copy);
	} else if (!open || world_now() - op->begun_us > 30000000 ||
		   (!s->is_calm && op->message >= 0 && world_below(3000) == 0)) {
		op_finish(op, 0, SPAN_NONE);
	}
}

/* ---- devices ---- */
static void retry(struct phone *d)
{
	line_free(d->line);
	line_free(d->poll);
	d->line = d->poll = NULL;
	buf_deinit(&d->in);
	buf_deinit(&d->poll_in);
	ws_decoder_deinit(&d->ws);
	d->is_live = d->is_open = false;
	d->retry_us = world_now() + (int64_t)world_below(2000000);
}

void device_lost(struct sim *s, struct phone *d)
{
	(void)s;
	if (d->is_library) return; /* it sees for itself */
	if (d->line || d->poll || d->is_live) retry(d);
}

static struct sim *sim_of(struct phone *d); /* devices stand in an array of struct sim */

static void on_message(void *ctx, enum ws_opcode op, struct span payload)
{
	(void)op;
	struct phone *d = ctx;
	struct arena a;
	const char *why;
	size_t at;
	arena_init(&a, 16 << 20);
	tell(sim_of(d), d->user, (int)(d - sim_of(d)->devices), payload);
	yyjson_val *v = json_parse(&a, payload, &why, &at);
	if (!v)
		sim_fail(sim_of(d), "a frame is no JSON (%s): %.*s", why, SPAN_FMT(payload));
	else
		device_event(sim_of(d), d, v);
	arena_deinit(&a);
}
static void on_control(void *ctx, struct span payload) { (void)ctx, (void)payload; }
static void on_ping(void *ctx, struct span payload)
{
	struct phone *d = ctx;
	static const uint8_t mask[4] = { 1, 2, 3, 4 };
	struct buf b;
	buf_init(&b, 256);
	ws_frame(&b, WS_PONG, payload, mask);
	line_send(d->line, buf_span(&b));
	buf_deinit(&b);
}
static void on_close(void *ctx, uint16_t code, struct span reason)
{
	(void)code, (void)reason;
	((struct phone *)ctx)->wants_down = true;
}
static const struct ws_events ws_events = {
	.on_message = on_message, .on_ping = on_ping, .on_pong = on_control, .on_close = on_close
};

static struct sim *sims; /* the one that runs; set by device_step */
static struct sim *sim_of(struct phone *d)
{
	(void)d;
	return sims;
}

static void payload_of(struct phone *d, struct buf *out)
{
	struct jsonw w;
	jsonw_init(&w, out);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "user_id", span_str(user_name(d->user)));
	jsonw_key(&w, "user_details");
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "id", span_str(user_name(d->user)));
	jsonw_obj_end(&w);
	if (!d->no_resume) jsonw_kbool(&w, "resume", true);
	if (d->seq && !d->no_resume) {
		jsonw_key(&w, "resume_from");
		jsonw_obj_begin(&w);
		jsonw_kstr(&w, "connection_id", span_str(d->connection_id));
		jsonw_kint(&w, "seq", d->seq);
		jsonw_key(&w, "watch");
		jsonw_arr_begin(&w);
		/* every second device watches, the others live on notifications */
		for (int c = 0; c < CHANNELS && d->user % 2 == 0; c++) {
			char cid[32];
			snprintf(cid, sizeof cid, "messaging:c%d", c);
			jsonw_str(&w, span_str(cid));
		}
		jsonw_arr_end(&w);
		jsonw_obj_end(&w);
	}
	jsonw_obj_end(&w);
}

static void dial(struct phone *d)
{
	d->line = line_dial();
	if (!d->line) {
		d->retry_us = world_now() + 100000;
		return;
	}
	d->begun_us = world_now();
	d->is_poll = d->only_ws ? false : d->prefers_poll ? !world_chance(20) : world_chance(20);
	d->is_open = d->wants_down = false;
	buf_init(&d->in, 64 << 20);
	buf_init(&d->poll_in, 64 << 20);
	ws_decoder_init(&d->ws, WS_CLIENT, 16 << 20, &ws_events, d);
	if (world_chance(10)) line_set_window(d->line, 4096); /* a slow reader */
	struct buf payload, query, text;
	buf_init(&payload, 65536);
	buf_init(&query, 65536);
	buf_init(&text, 65536);
	payload_of(d, &payload);
	url_encode(&query, buf_span(&payload));
	buf_printf(&text, "GET %s?api_key=key&authorization=%.*s&stream-auth-type=jwt&json=%.*s HTTP/1.1\r\nHost: sim\r\n",
		d->is_poll ? "/longpoll" : "/connect", SPAN_FMT(user_token(d->user)), SPAN_FMT(buf_span(&query)));
	if (!d->is_poll)
		buf_add_span(&text, SPAN("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
					 "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"));
	buf_add_span(&text, SPAN("\r\n"));
	line_send(d->line, buf_span(&text));
	buf_deinit(&payload);
	buf_deinit(&query);
	buf_deinit(&text);
}

static void step_ws(struct sim *s, struct phone *d)
{
	bool open = line_receive(d->line, &d->in, 1 + (size_t)world_below(20000));
	if (!d->is_open && d->in.n) {
		const char *end = memmem(d->in.p, d->in.n, "\r\n\r\n", 4);
		if (end) {
			bool ok = d->in.n > 12 && memcmp(d->in.p, "HTTP/1.1 101", 12) == 0;
			buf_consume(&d->in, (size_t)(end - d->in.p) + 4);
			d->is_open = ok;
			if (!ok) d->wants_down = true;
		}
	}
	if (d->is_open && d->in.n) {
		struct buf taken = d->in;
		buf_init(&d->in, 64 << 20);
		if (ws_decoder_feed(&d->ws, taken.p, taken.n) != 0) sim_fail(s, "the server broke the WebSocket protocol");
		buf_deinit(&taken);
	}
	if (!open) d->wants_down = true;
}

static void poll_again(struct phone *d)
{
	char path[256];
	int n = snprintf(path, sizeof path, "/longpoll?connection_id=%s", d->connection_id);
	if (!d->no_resume) n += snprintf(path + n, sizeof path - (size_t)n, "&seq=%lld", (long long)d->seq);
	d->poll = line_dial();
	if (!d->poll) {
		d->wants_down = true;
		return;
	}
	struct buf text;
	buf_init(&text, 4096);
	http_text(&text, d->user, "GET", span_make(path, (size_t)n), SPAN_NONE);
	line_send(d->poll, buf_span(&text));
	buf_deinit(&text);
	buf_clear(&d->poll_in);
	d->begun_us = world_now();
}

static void poll_answer(struct sim *s, struct phone *d, int status, struct span body)
{
	struct arena a;
	const char *why;
	size_t at;
	arena_init(&a, 64 << 20);
	yyjson_val *v = json_parse(&a, arena_dup(&a, body), &why, &at), *e;
	yyjson_val *events = json_get(v, "events");
	size_t i, n;
	if (status != 200) d->wants_down = true; /* 46: it expired while we were away */
	yyjson_arr_foreach(events, i, n, e) device_event(s, d, e);
	arena_deinit(&a);
}

static void step_poll(struct sim *s, struct phone *d)
{
	int status;
	struct span body;
	if (!d->is_live) {
		bool open = line_receive(d->line, &d->in, 65536);
		if (http_answer(&d->in, &status, &body)) {
			struct arena a;
			const char *why;
			size_t at;
			arena_init(&a, 64 << 20);
			tell_answer(s, d->user, (int)(d - s->devices), &d->in, body);
			yyjson_val *v = json_parse(&a, arena_dup(&a, body), &why, &at), *event = json_get(v, "event");
			if (event)
				device_event(s, d, event);
			else
				d->wants_down = true;
			arena_deinit(&a);
		} else if (!open) {
			d->wants_down = true;
		}
		return;
	}
	if (!d->poll && (!s->polls_in_turn || s->poller == (int)(d - s->devices))) poll_again(d);
	if (!d->poll) return;
	bool open = line_receive(d->poll, &d->poll_in, 65536);
	if (http_answer(&d->poll_in, &status, &body)) {
		tell_answer(s, d->user, (int)(d - s->devices), &d->poll_in, body);
		poll_answer(s, d, status, body);
	} else if (open && world_now() - d->begun_us < 40000000) {
		return;
	} else if (!d->wants_down && world_chance(50)) {
		d->wants_down = true; /* else: the same session is polled again, from the same position */
	}
	line_free(d->poll);
	d->poll = NULL;
	buf_clear(&d->poll_in);
}

void device_step(struct sim *s, struct phone *d)
{
	sims = s;
	if (d->is_library) {
		library_step(s, d);
		return;
	}
	if (!d->line) {
		if (d->retry_us != INT64_MAX && world_now() >= d->retry_us) dial(d);
		return;
	}
	if (d->is_poll)
		step_poll(s, d);
	else
		step_ws(s, d);
	bool late = !d->is_live && world_now() - d->begun_us > 15000000;
	if (!s->is_calm && world_below(20000) == 0) {
		s->cuts++;
		if (d->line) line_cut(d->line);
		if (d->poll) line_cut(d->poll);
		d->wants_down = !d->is_poll || world_chance(50);
	}
	if (d->wants_down || late) retry(d);
}

static int message_of(struct sim *s, struct span id)
{
	long long n;
	if (!span_starts(id, SPAN("m-")) || !span_to_i64(span_skip(id, 2), &n) || n < 0 || n >= s->sent_count) return -1;
	return (int)n;
}

static void note_message(struct sim *s, struct phone *d, yyjson_val *event)
{
	yyjson_val *message = json_get(event, "message");
	int m = message_of(s, json_span(json_get(message, "id")));
	if (m < 0) return;
	int c = s->sent[m].channel;
	for (int i = 0; i < d->seen_count[c]; i++)
		if (d->seen[c][i].message == m) sim_fail(s, "%s got message %d twice", user_name(d->user), m);
	if (d->seen_count[c] < MESSAGES) d->seen[c][d->seen_count[c]++].message = m;
}

/* bob hides his typing and reading: nobody else may ever see either. */
static void check_privacy(struct sim *s, struct phone *d, struct span type, yyjson_val *event)
{
	if (s->bob_is_open || d->user == BOB || !span_is(json_span(json_get(json_get(event, "user"), "id")), "bob")) return;
	if (span_is(type, "message.read") || span_starts(type, SPAN("typing.")))
		sim_fail(s, "%s got %.*s of bob", user_name(d->user), SPAN_FMT(type));
}

static void check_order(struct sim *s, struct phone *d, int64_t seq, struct span type)
{
	if (seq <= d->seq)
		sim_fail(s, "%s got %.*s with seq %lld after %lld", user_name(d->user), SPAN_FMT(type), (long long)seq,
			(long long)d->seq);
	d->seq = seq;
}

void device_event(struct sim *s, struct phone *d, yyjson_val *event)
{
	struct span type = json_span(json_get(event, "type"));
	yyjson_val *seq = json_get(event, "seq");
	if (json_get(event, "error")) {
		if (s->is_calm && s->is_verbose)
			fprintf(stderr, "refused: %.*s\n", SPAN_FMT(json_span(json_get(json_get(event, "error"), "message"))));
		d->wants_down = true;
		return;
	}
	if (span_is(type, "health.check")) {
		if (!json_get(event, "me")) return;
		struct span id = json_span(json_get(event, "connection_id"));
		snprintf(d->connection_id, sizeof d->connection_id, "%.*s", SPAN_FMT(id));
		if (json_get(event, "gap"))
			sim_fail(s, "%s was told of a gap: resumed after %lld, now %lld", user_name(d->user), (long long)d->seq,
				(long long)yyjson_get_sint(seq));
		if (!d->no_resume && !yyjson_is_int(seq)) sim_fail(s, "no seq in the first health.check");
		if (d->no_resume && seq) sim_fail(s, "a seq for a client that did not ask to resume");
		if (!d->seq)
			d->seq = yyjson_get_sint(seq);
		else
			s->replays++;
		d->is_live = true;
		return;
	}
	bool plant = !s->planted && s->plant && yyjson_is_int(seq) && span_is(type, "message.new") && s->sent_count > 20;
	if (plant && s->plant == PLANT_DROP_EVENT) {
		s->planted = true;
		return;
	}
	if (seq) check_order(s, d, yyjson_get_sint(seq), type);
	check_privacy(s, d, type, event);
	if (span_is(type, "message.new") || span_is(type, "notification.message_new")) note_message(s, d, event);
	if (plant && s->plant == PLANT_REPEAT_EVENT) {
		s->planted = true;
		note_message(s, d, event);
	}
	if (plant && s->plant == PLANT_SWAP_EVENTS && d->seen_count[0] > 2) {
		s->planted = true;
		struct seen t = d->seen[0][0];
		d->seen[0][0] = d->seen[0][1];
		d->seen[0][1] = t;
	}
	yyjson_val *total = json_get(event, "total_unread_count");
	if (yyjson_is_int(total)) d->last_total = yyjson_get_sint(total);
}
