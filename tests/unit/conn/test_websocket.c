/* A session over a WebSocket: opening, refusing, draining with partial writes, health checks, liveness, the close handshake. */
#include "fake.h"

#define UPGRADE(query)                                                                                                           \
	"GET /connect?" query " HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                            \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

/* A masked frame from the client. */
static void send_frame(struct fake_stream *s, enum ws_opcode op, const char *payload, size_t n)
{
	struct buf b;
	static const uint8_t mask[4] = { 1, 2, 3, 4 };
	buf_init(&b, 1 << 20);
	ws_frame(&b, op, span_make(payload, n), mask);
	receive(s, b.p, b.n);
	buf_deinit(&b);
}
static void send_text(struct fake_stream *s, const char *text) { send_frame(s, WS_TEXT, text, strlen(text)); }

/* What the client understood so far. */
struct client {
	struct ws_decoder d;
	char texts[1 << 18];
	size_t n, messages;
	unsigned pings, pongs;
	int close_code;
	bool failed;
};
static void c_message(void *ctx, enum ws_opcode op, struct span payload)
{
	struct client *c = ctx;
	assert_int_equal(op, WS_TEXT);
	c->messages++;
	c->n += (size_t)snprintf(c->texts + c->n, sizeof c->texts - c->n, "%.*s\n", SPAN_FMT(payload));
}
static void c_ping(void *ctx, struct span payload)
{
	(void)payload;
	((struct client *)ctx)->pings++;
}
static void c_pong(void *ctx, struct span payload)
{
	(void)payload;
	((struct client *)ctx)->pongs++;
}
static void c_close(void *ctx, uint16_t code, struct span reason)
{
	(void)reason;
	((struct client *)ctx)->close_code = code;
}
static void client_begin(struct client *c)
{
	static const struct ws_events events = { c_message, c_ping, c_pong, c_close };
	*c = (struct client){ .close_code = 0 };
	ws_decoder_init(&c->d, WS_CLIENT, 1 << 20, &events, c);
}
static void client_take(struct client *c, struct fake_stream *s)
{
	size_t skip = 0;
	if (s->sent.n >= 12 && memcmp(s->sent.p, "HTTP/1.1 101", 12) == 0) {
		char *end = memmem(s->sent.p, s->sent.n, "\r\n\r\n", 4);
		assert_non_null(end);
		skip = (size_t)(end - s->sent.p) + 4;
	}
	assert_int_equal(ws_decoder_feed(&c->d, s->sent.p + skip, s->sent.n - skip), 0);
	buf_clear(&s->sent);
}

static struct fake_stream *open_ws(struct world *w, struct client *c)
{
	struct fake_stream *s = dial(w, 0);
	client_begin(c);
	receive_text(s, UPGRADE("json=%7B%7D"));
	turns(&w->loops[0], 2);
	assert_has(peek(s), "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
	complete_connect(0, 5, "ann");
	turns(&w->loops[0], 2);
	client_take(c, s);
	assert_int_equal(c->messages, 1);
	assert_has(c->texts, "\"me\":{}");
	return s;
}

static void test_connect(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = open_ws(&w, &c);
	assert_int_equal(came_online, 1);
	session_push(last_session, "{\"type\":\"a\"}");
	session_push(last_session, "{\"type\":\"b\"}");
	turn(&w.loops[0], 0);
	client_take(&c, s);
	assert_has(c.texts, "{\"type\":\"a\"}\n{\"type\":\"b\"}\n");
	assert_int_equal(last_session->consumed, 3);
	world_end(&w);
}

static void test_refusal_is_a_frame(void **state)
{
	(void)state;
	static const struct {
		enum err err;
		int close;
		const char *text;
	} cases[] = { { ERR_TOKEN_EXPIRED, 1000, "{\"error\":{\"code\":40," },
		{ ERR_UNAVAILABLE, 1011, "{\"error\":{\"code\":-1," } };
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct world w;
		struct client c;
		world_begin(&w);
		struct fake_stream *s = dial(&w, 0);
		client_begin(&c);
		receive_text(s, UPGRADE("json=1"));
		calls[0]->chat.error = (struct error){ .err = cases[i].err, .message = SPAN("x") };
		complete(0);
		turns(&w.loops[0], 3);
		client_take(&c, s);
		assert_int_equal(c.messages, 1);
		assert_has(c.texts, cases[i].text);
		assert_int_equal(c.close_code, cases[i].close);
		assert_false(s->is_half_closed); /* the peer's close frame is awaited */
		send_frame(s, WS_CLOSE, "\x03\xe8", 2);
		turns(&w.loops[0], 2);
		assert_true(s->is_half_closed);
		world_end(&w);
	}
}

/* An application-wide revocation that comes while a session is opening. */
static void test_application_is_looked_at_again(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	client_begin(&c);
	receive_text(s, UPGRADE("json=1"));
	recheck_says = ERR_TOKEN_EXPIRED;
	complete_connect(0, 5, "ann");
	recheck_says = ERR_OK;
	turns(&w.loops[0], 3);
	client_take(&c, s);
	assert_has(c.texts, "{\"error\":{\"code\":40,");
	assert_int_equal(c.messages, 1);
	assert_int_equal(came_online, 0);
	world_end(&w);
}

static void test_a_snapshot_too_old_is_read_again(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	client_begin(&c);
	receive_text(s, UPGRADE("json=1"));
	for (int i = 0; i < 3; i++) {
		next_open_result = ERR_AGAIN;
		complete_connect(0, 5, "ann");
		next_open_result = ERR_OK;
		assert_int_equal(call_count, 1);
	}
	complete_connect(0, 5, "ann");
	turns(&w.loops[0], 3);
	client_take(&c, s);
	assert_has(c.texts, "\"me\":{}");
	world_end(&w);
}

static void test_refusal_before_any_work(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	client_begin(&c);
	receive_text(s, UPGRADE("token=bad"));
	turns(&w.loops[0], 3);
	client_take(&c, s);
	assert_has(c.texts, "\"code\":5,");
	turn(&w.loops[0], LIMIT_CLOSE_MS + 1); /* a peer that does not answer the close */
	turn(&w.loops[0], 0);
	assert_true(s->is_closed);
	world_end(&w);
}

static void test_too_many_connections(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	next_open_result = ERR_RATE_LIMIT;
	struct fake_stream *s = dial(&w, 0);
	client_begin(&c);
	receive_text(s, UPGRADE("json=1"));
	complete_connect(0, 5, "ann");
	turns(&w.loops[0], 3);
	client_take(&c, s);
	assert_has(c.texts, "\"code\":9,");
	assert_int_equal(c.close_code, 1000);
	assert_int_equal(sessions_alive, 0);
	world_end(&w);
}

static void test_peer_gone_while_connecting(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	receive_text(s, UPGRADE("json=1"));
	turns(&w.loops[0], 2);
	receive(s, "", 0);
	turns(&w.loops[0], 2);
	complete_connect(0, 5, "ann");
	assert_int_equal(sessions_alive, 0);
	world_end(&w);
}

static void test_resume_from_first_frame(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	client_begin(&c);
	struct fake_stream *s = dial(&w, 0);
	receive_text(s, UPGRADE("api_key=k&json=%7B%22user_id%22%3A%22a+b%22%2C%22resume_from%22%3A%22frame%22%7D"));
	turns(&w.loops[0], 2);
	assert_int_equal(call_count, 0);
	send_text(s, "{\"resume_from\":{\"connection_id\":\"old\",\"seq\":5},\"other\":1}");
	assert_int_equal(call_count, 1);
	struct span json = url_query_get(&calls[0]->query, "json");
	assert_string_equal(arena_dup(&calls[0]->arena, json).p,
		"{\"user_id\":\"a b\",\"resume_from\":{\"connection_id\":\"old\",\"seq\":5}}");
	assert_true(span_is(url_query_get(&calls[0]->query, "api_key"), "k"));
	complete_connect(0, 5, "ann");
	/* and one that never says it */
	struct fake_stream *silent = dial(&w, 0);
	receive_text(silent, UPGRADE("json=%7B%22resume_from%22%3A%22frame%22%7D"));
	turn(&w.loops[0], LIMIT_HEAD_MS + 1);
	turns(&w.loops[0], 3);
	client_take(&c, silent);
	assert_has(c.texts, "\"code\":23,");
	/* and one that says nonsense */
	client_begin(&c);
	struct fake_stream *wild = dial(&w, 0);
	receive_text(wild, UPGRADE("json=%7B%22resume_from%22%3A%22frame%22%7D"));
	send_text(wild, "[1]");
	turns(&w.loops[0], 3);
	client_take(&c, wild);
	assert_has(c.texts, "\"code\":4,");
	world_end(&w);
}

/* The socket takes k bytes at a time, for many k: items, control frames and the close never mix inside a frame. */
static void test_partial_writes(void **state)
{
	(void)state;
	for (int64_t k = 1; k < 60; k++) {
		struct world w;
		struct client c;
		world_begin(&w);
		struct fake_stream *s = open_ws(&w, &c);
		char expect[8192];
		size_t n = 0;
		c.n = c.messages = 0;
		s->room = 0;
		for (int i = 0; i < 30; i++) {
			char text[300];
			snprintf(text, sizeof text, "{\"n\":%d,\"pad\":\"%.*s\"}", i, i * 7,
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
			session_push(last_session, text);
			n += (size_t)snprintf(expect + n, sizeof expect - n, "%s\n", text);
			if (i % 5 == 0) send_frame(s, WS_PING, "p", 1);
			give_room(s, k);
			turn(&w.loops[0], 0);
		}
		for (int i = 0; i < 8000 && c.messages < 30; i++) {
			give_room(s, k);
			turn(&w.loops[0], 0);
			client_take(&c, s);
		}
		assert_int_equal(c.messages, 30);
		assert_string_equal(c.texts, expect);
		assert_int_equal(c.pongs, 6);
		/* Closing in the middle of an item: it is finished, the rest is not sent. */
		s->room = 0;
		session_push(
			last_session, "{\"begun\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}");
		session_push(last_session, "{\"never\":1}");
		turn(&w.loops[0], 0);
		give_room(s, k);
		turns(&w.loops[0], 1);
		send_frame(s, WS_CLOSE, "\x0f\xa0", 2);
		for (int i = 0; i < 400 && !s->is_half_closed; i++) {
			give_room(s, k);
			turn(&w.loops[0], 0);
			client_take(&c, s);
		}
		assert_true(s->is_half_closed);
		assert_has(c.texts, "{\"begun\":");
		assert_false(has(c.texts, "never"));
		assert_int_equal(c.close_code, 4000);
		assert_int_equal(sessions_alive, 0);
		world_end(&w);
	}
}

static void test_health_checks(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = open_ws(&w, &c);
	send_text(s, "[{\"type\":\"health.check\",\"client_id\":\"x\"}]");
	send_text(s, "{\"type\":\"health.check\"}");
	send_text(s, "{\"type\":\"message.new\"}");
	send_text(s, "[]");
	send_text(s, "5");
	assert_int_equal(last_session->health_checks, 2);
	turn(&w.loops[0], 0);
	client_take(&c, s);
	assert_int_equal(c.messages, 3);
	world_end(&w);
}

static void test_bad_input_closes(void **state)
{
	(void)state;
	static char big[70000];
	memset(big, ' ', sizeof big);
	const struct {
		enum ws_opcode op;
		const char *p;
		size_t n;
		int code;
	} cases[] = { { WS_TEXT, "nonsense", 8, 1007 }, { WS_TEXT, "\xff", 1, 1007 }, { WS_BINARY, "{}", 2, 1003 },
		{ WS_TEXT, big, 65537, 1009 }, { WS_TEXT, "", 0, 1007 }, { WS_CONT, "a", 1, 1002 } };
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct world w;
		struct client c;
		world_begin(&w);
		struct fake_stream *s = open_ws(&w, &c);
		send_frame(s, cases[i].op, cases[i].p, cases[i].n);
		turns(&w.loops[0], 3);
		client_take(&c, s);
		assert_int_equal(c.close_code, cases[i].code);
		assert_int_equal(sessions_alive, 0);
		world_end(&w);
	}
	/* and the bound itself is fine */
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = open_ws(&w, &c);
	big[0] = '{';
	big[65535] = '}';
	send_frame(s, WS_TEXT, big, 65536);
	turns(&w.loops[0], 3);
	client_take(&c, s);
	assert_int_equal(c.close_code, 0);
	world_end(&w);
}

static void test_ping_and_liveness(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = open_ws(&w, &c);
	turn(&w.loops[0], LIMIT_PING_MS + 1);
	turn(&w.loops[0], 0);
	client_take(&c, s);
	assert_int_equal(c.pings, 1);
	send_frame(s, WS_PONG, "", 0);
	turn(&w.loops[0], LIMIT_PING_MS + 1);
	turn(&w.loops[0], 0);
	turn(&w.loops[0], LIMIT_LIVENESS_MS - LIMIT_PING_MS - 10);
	turn(&w.loops[0], 0);
	client_take(&c, s);
	assert_int_equal(c.close_code, 0);
	turn(&w.loops[0], 20);
	turns(&w.loops[0], 2);
	client_take(&c, s);
	assert_int_equal(c.close_code, 1001);
	assert_int_equal(sessions_alive, 0);
	world_end(&w);
}

static void test_liveness_waits_for_who_catches_up(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = open_ws(&w, &c);
	char text[4096];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	for (int i = 0; i < 48; i++) session_push(last_session, text);
	turn(&w.loops[0], 0);
	s->unacked = 4 * LIMIT_QUEUE_TAKEN_BYTES;
	turn(&w.loops[0], LIMIT_LIVENESS_MS);
	turn(&w.loops[0], 0);
	for (int i = 0; i < 3; i++) {
		s->unacked -= LIMIT_QUEUE_TAKEN_BYTES;
		turn(&w.loops[0], LIMIT_QUEUE_SOFT_MS);
		turn(&w.loops[0], 0);
		client_take(&c, s);
		assert_int_equal(c.close_code, 0);
	}
	s->unacked -= LIMIT_QUEUE_TAKEN_BYTES - 1;
	turn(&w.loops[0], LIMIT_QUEUE_SOFT_MS);
	turns(&w.loops[0], 2);
	client_take(&c, s);
	assert_int_equal(c.close_code, 1001);
	world_end(&w);
}

static void test_session_that_ends_is_drained_first(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = open_ws(&w, &c);
	session_push(last_session, "{\"error\":{\"code\":40}}");
	session_close(last_session, 1000, NULL);
	turns(&w.loops[0], 3);
	client_take(&c, s);
	assert_has(c.texts, "{\"error\":{\"code\":40}}");
	assert_int_equal(c.close_code, 1000);
	assert_int_equal(sessions_alive, 0);
	/* a peer that takes nothing gets so long */
	s = open_ws(&w, &c);
	s->room = 0;
	session_push(last_session, "{\"error\":{\"code\":40}}");
	session_close(last_session, 1000, NULL);
	turns(&w.loops[0], 3);
	turn(&w.loops[0], LIMIT_CLOSE_MS + 1);
	turn(&w.loops[0], 0);
	assert_true(s->is_closed);
	assert_int_equal(sessions_alive, 0);
	world_end(&w);
}

static void test_stalled_peer(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = open_ws(&w, &c);
	s->room = 5;
	session_push(last_session, "{\"type\":\"a\"}");
	turn(&w.loops[0], 0);
	turn(&w.loops[0], LIMIT_QUEUE_SOFT_MS - 1);
	assert_false(s->is_closed);
	turn(&w.loops[0], 2);
	turn(&w.loops[0], 0);
	assert_true(s->is_closed);
	assert_int_equal(sessions_alive, 0);
	struct conn_stats stats = { 0 };
	conn_host_stats(w.hosts[0], &stats);
	assert_int_equal(stats.stalled, 1);
	assert_int_equal(stats.websockets, 0);
	assert_int_equal(stats.open, 0);
	world_end(&w);
}

/* A kernel that holds megabytes has no room before a third of them are gone, but says what of them is. */
static void test_peer_that_is_behind_and_takes_goes_on(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = open_ws(&w, &c);
	s->room = 5;
	s->unacked = 4 << 20;
	session_push(last_session, "{\"type\":\"a\"}");
	turn(&w.loops[0], 0);
	for (int i = 0; i < 4; i++) {
		turn(&w.loops[0], LIMIT_QUEUE_SOFT_MS / 2);
		s->unacked -= LIMIT_QUEUE_TAKEN_BYTES;
		turn(&w.loops[0], LIMIT_QUEUE_SOFT_MS / 2);
		assert_false(s->is_closed);
		receive(s, "\x8a\x80\0\0\0\0", 6); /* a pong */
	}
	s->unacked -= LIMIT_QUEUE_TAKEN_BYTES - 1;
	turn(&w.loops[0], LIMIT_QUEUE_SOFT_MS);
	turn(&w.loops[0], 0);
	assert_true(s->is_closed);
	struct conn_stats stats = { 0 };
	conn_host_stats(w.hosts[0], &stats);
	assert_int_equal(stats.stalled, 1);
	world_end(&w);
}

static void test_upgrade_behind_other_requests(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	client_begin(&c);
	struct fake_stream *s = dial(&w, 0);
	/* and the first frames in the same packet, in two pieces of one frame */
	char bytes[1024];
	size_t n = (size_t)snprintf(bytes, sizeof bytes, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n%s", UPGRADE("json=1"));
	memcpy(bytes + n, "\x89\x81\x01\x02\x03\x04\x71\x89", 8); /* a ping, and the first byte of another */
	receive(s, bytes, n + 8);
	assert_int_equal(call_count, 1);
	complete(0);
	turns(&w.loops[0], 2);
	assert_int_equal(call_count, 1);
	complete_connect(0, 5, "ann");
	receive(s, "\x81\x01\x02\x03\x04\x71", 6);
	turns(&w.loops[0], 2);
	char *switching = memmem(s->sent.p, s->sent.n, "HTTP/1.1 101", 12);
	assert_non_null(switching);
	assert_has(peek(s), "HTTP/1.1 200");
	buf_consume(&s->sent, (size_t)(switching - s->sent.p));
	client_take(&c, s);
	assert_int_equal(c.pongs, 2);
	assert_int_equal(c.messages, 1);
	world_end(&w);
}

static void test_drain_sends_1012(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	world_begin(&w);
	struct fake_stream *s = open_ws(&w, &c), *opening = dial(&w, 0);
	receive_text(opening, UPGRADE("json=1"));
	conn_host_drain(w.hosts[0], NULL, NULL);
	turns(&w.loops[0], 3);
	client_take(&c, s);
	assert_int_equal(c.close_code, 1012);
	assert_int_equal(sessions_alive, 0);
	client_begin(&c);
	client_take(&c, opening);
	assert_int_equal(c.close_code, 1012);
	complete(0);
	world_end(&w);
}

/* A restart brings everybody back at once: nobody is refused for it, and one who gives up meanwhile holds up nobody. */
static void test_storm_of_connects_waits_its_turn(void **state)
{
	(void)state;
	struct world w;
	struct fake_stream *late[4];
	world_begin(&w);
	for (int i = 0; i < LIMIT_CONNECTS_AT_ONCE; i++) receive_text(dial(&w, 0), UPGRADE("json=%7B%7D"));
	assert_int_equal(call_count, LIMIT_CONNECTS_AT_ONCE);
	for (int i = 0; i < 4; i++) receive_text(late[i] = dial(&w, 0), UPGRADE("json=%7B%7D"));
	assert_int_equal(call_count, LIMIT_CONNECTS_AT_ONCE);
	receive(late[0], "", 0); /* gone before its turn */
	turns(&w.loops[0], 2);
	complete_connect(0, 5, "ann");
	assert_int_equal(call_count, LIMIT_CONNECTS_AT_ONCE); /* one home, the next at work */
	queue_is_full = true;
	complete_connect(0, 5, "ann");
	assert_int_equal(call_count, LIMIT_CONNECTS_AT_ONCE - 1); /* it waits for room, and is not refused */
	queue_is_full = false;
	while (call_count) complete_connect(0, 5, "ann");
	turns(&w.loops[0], 2);
	for (int i = 1; i < 4; i++) assert_has(peek(late[i]), "\"me\":{}");
	assert_int_equal(sessions_alive, LIMIT_CONNECTS_AT_ONCE + 3);
	world_end(&w);
}

/* With no connect at work nobody would come home to start the next: then a full queue is said. */
static void test_connect_with_full_queue_is_refused(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	queue_is_full = true;
	struct fake_stream *s = dial(&w, 0);
	receive_text(s, UPGRADE("json=%7B%7D"));
	turns(&w.loops[0], 2);
	assert_has(peek(s), "too many requests are waiting");
	world_end(&w);
}

static void test_deflate(void **state)
{
	(void)state;
	struct world w;
	struct client c;
	fake_settings.deflate = true;
	world_begin(&w);
	client_begin(&c);
	assert_true(ws_decoder_use_deflate(&c.d));
	struct fake_stream *s = dial(&w, 0);
	receive_text(s,
		"GET /connect HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
		"dGhlIHNhbXBsZSBub25jZQ==\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n");
	complete_connect(0, 5, "ann");
	turns(&w.loops[0], 2);
	assert_has(peek(s), "Sec-WebSocket-Extensions: permessage-deflate");
	client_take(&c, s);
	c.messages = 0;
	char text[2000];
	memset(text, 'x', sizeof text);
	memcpy(text, "{\"a\":\"", 6);
	memcpy(text + sizeof text - 3, "\"}", 3);
	for (int i = 0; i < 50; i++) session_push(last_session, text);
	turns(&w.loops[0], 3);
	assert_true(s->sent.n < 50 * 200);
	c.n = 0;
	client_take(&c, s);
	assert_int_equal(c.messages, 50);
	assert_int_equal(last_session->consumed, 51);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_refusal_is_a_frame),
		cmocka_unit_test(test_application_is_looked_at_again),
		cmocka_unit_test(test_a_snapshot_too_old_is_read_again),
		cmocka_unit_test(test_refusal_before_any_work),
		cmocka_unit_test(test_too_many_connections),
		cmocka_unit_test(test_peer_gone_while_connecting),
		cmocka_unit_test(test_resume_from_first_frame),
		cmocka_unit_test(test_partial_writes),
		cmocka_unit_test(test_health_checks),
		cmocka_unit_test(test_bad_input_closes),
		cmocka_unit_test(test_ping_and_liveness),
		cmocka_unit_test(test_session_that_ends_is_drained_first),
		cmocka_unit_test(test_liveness_waits_for_who_catches_up),
		cmocka_unit_test(test_stalled_peer),
		cmocka_unit_test(test_peer_that_is_behind_and_takes_goes_on),
		cmocka_unit_test(test_upgrade_behind_other_requests),
		cmocka_unit_test(test_drain_sends_1012),
		cmocka_unit_test(test_storm_of_connects_waits_its_turn),
		cmocka_unit_test(test_connect_with_full_queue_is_refused),
		cmocka_unit_test(test_deflate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
