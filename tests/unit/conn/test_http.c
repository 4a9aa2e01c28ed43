/* The HTTP cycle: order, limits, deadlines, headers, and what happens to a call whose connection has gone. */
#include "fake.h"

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"

static void test_answers_in_request_order(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	receive_text(s, GET("/before"));
	complete(0);
	turns(&w.loops[0], 2);
	(void)seen(s);
	receive_text(s, GET("/a") GET("/b") GET("/c"));
	assert_int_equal(call_count, 3); /* safe ones run beside each other */
	calls[0]->status = 200;
	calls[1]->status = 201;
	calls[2]->status = 202;
	complete(2);
	complete(1);
	turns(&w.loops[0], 2);
	assert_string_equal(seen(s), "");
	complete(0);
	turns(&w.loops[0], 2);
	const char *text = seen(s);
	const char *a = strstr(text, "HTTP/1.1 200"), *b = strstr(text, "HTTP/1.1 201"), *c = strstr(text, "HTTP/1.1 202");
	assert_true(a && b && c && a < b && b < c);
	world_end(&w);
}

static void test_unsafe_requests_wait_their_turn(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	receive_text(s, GET("/a") POST("/b") GET("/c") POST("/d"));
	assert_int_equal(call_count, 1);
	complete(0);
	turns(&w.loops[0], 2);
	assert_int_equal(call_count, 1);
	assert_int_equal(calls[0]->http.method, HTTP_M_POST);
	complete(0);
	turns(&w.loops[0], 2);
	assert_int_equal(call_count, 1);
	complete(0);
	turns(&w.loops[0], 2);
	complete(0);
	turns(&w.loops[0], 2);
	assert_int_equal(count_of(seen(s), "HTTP/1.1 200"), 4);
	world_end(&w);
}

static void test_pipeline_is_bounded(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	struct buf many;
	buf_init(&many, 1 << 20);
	for (int i = 0; i < 40; i++) buf_printf(&many, GET("/%d"), i);
	receive(s, many.p, many.n);
	buf_deinit(&many);
	assert_int_equal(call_count, 2); /* until it is known that its answers are small */
	assert_false(s->reading);
	int answered = 0;
	size_t most = 0;
	for (int i = 0; i < 200 && answered < 40; i++) {
		if (call_count > most) most = call_count;
		if (call_count) complete(0);
		turn(&w.loops[0], 0);
		answered += count_of(seen(s), "HTTP/1.1 200");
		assert_true(call_count <= (size_t)LIMIT_PIPELINE);
	}
	assert_int_equal(answered, 40);
	assert_in_range(most, 8, LIMIT_PIPELINE);
	assert_true(s->reading);
	world_end(&w);
}

static void test_one_byte_at_a_time(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	s->room = 0;
	const char *request = POST("/x") GET("/y");
	for (size_t i = 0; i < strlen(request); i++) receive(s, request + i, 1);
	complete(0);
	turns(&w.loops[0], 2);
	for (int i = 0; i < 3000; i++) {
		if (call_count) complete(0);
		give_room(s, 1);
		turn(&w.loops[0], 0);
	}
	assert_int_equal(count_of(seen(s), "HTTP/1.1 200"), 2);
	assert_false(s->is_closed);
	world_end(&w);
}

static void test_headers(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	receive_text(s, "GET /x HTTP/1.1\r\nHost: h\r\nX-Client-Request-Id: trace-1\r\n\r\n");
	complete(0);
	turn(&w.loops[0], 0);
	const char *text = seen(s);
	assert_has(text, "HTTP/1.1 200 OK\r\n");
	assert_has(text, "Content-Type: application/json");
	assert_has(text, "Cache-Control: no-store\r\n");
	assert_has(text, "Access-Control-Allow-Origin: *\r\n");
	assert_has(text, "Access-Control-Expose-Headers: X-RateLimit-Limit");
	assert_has(text, "X-RateLimit-Limit: ");
	assert_has(text, "X-RateLimit-Remaining: ");
	assert_has(text, "X-RateLimit-Reset: 60\r\n");
	assert_has(text, "X-Request-Id: ");
	assert_has(text, "X-Client-Request-Id: trace-1\r\n");
	assert_has(text, "Date: Thu, 01 Jan 1970 00:00:0");
	assert_has(text, "{\"duration\":\"0.00ms\"}");
	receive_text(s, GET("/x"));
	calls[0]->chat.error = (struct error){ .err = ERR_RATE_LIMIT, .message = SPAN("slow"), .retry_after_s = 9 };
	complete(0);
	turn(&w.loops[0], 0);
	text = seen(s);
	assert_has(text, "HTTP/1.1 429 ");
	assert_has(text, "Retry-After: 9\r\n");
	assert_has(text, "FakeOperation failed with error: \\\"slow\\\"");
	world_end(&w);
}

static void test_cors(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	receive_text(
		s, "OPTIONS /channels HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\nAccess-Control-Request-Method: POST\r\n\r\n");
	turn(&w.loops[0], 0);
	const char *text = seen(s);
	assert_has(text, "HTTP/1.1 204 ");
	assert_has(text, "Access-Control-Allow-Headers: authorization, stream-auth-type, x-stream-client");
	assert_has(text, "Access-Control-Max-Age: ");
	assert_false(has(text, "Content-Length"));
	assert_int_equal(call_count, 0);
	world_end(&w);
	fake_settings.cors_origins = SPAN("http://a, https://b");
	world_begin(&w);
	s = dial(&w, 0);
	receive_text(s, "OPTIONS / HTTP/1.1\r\nHost: h\r\nOrigin: https://b\r\n\r\n");
	turn(&w.loops[0], 0);
	assert_has(seen(s), "Access-Control-Allow-Origin: https://b\r\n");
	receive_text(s, "OPTIONS / HTTP/1.1\r\nHost: h\r\nOrigin: https://c\r\n\r\n");
	turn(&w.loops[0], 0);
	assert_false(has(seen(s), "Access-Control-Allow-Origin"));
	world_end(&w);
}

static void test_pages(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	receive_text(s, "GET /console/ HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
	turn(&w.loops[0], 0);
	const char *text = seen(s);
	assert_has(text, "Content-Security-Policy: default-src 'none'");
	assert_has(text, "Content-Encoding: gzip\r\n");
	assert_has(text, "Vary: Accept-Encoding\r\n");
	receive_text(s, "HEAD /console/ HTTP/1.1\r\nHost: h\r\n\r\n");
	turn(&w.loops[0], 0);
	text = seen(s);
	assert_has(text, "Content-Length: 4096\r\n");
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	receive_text(s, "GET /console/packed HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
	turn(&w.loops[0], 0);
	text = seen(s);
	assert_has(text, "Content-Encoding: gzip\r\n");
	assert_has(text, "Vary: Accept-Encoding\r\n");
	assert_has(text, "Content-Length: 7\r\n");
	assert_has(text, "\r\n\r\nas gzip");
	receive_text(s, GET("/console/packed"));
	turn(&w.loops[0], 0);
	text = seen(s);
	assert_has(text, "Content-Length: 4096\r\n");
	assert_null(strstr(text, "Content-Encoding"));
	receive_text(s, "GET /console/ HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"12ab\"\r\n\r\n");
	turn(&w.loops[0], 0);
	text = seen(s);
	assert_has(text, "HTTP/1.1 304 ");
	assert_has(text, "ETag: \"12ab\"\r\n");
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	receive_text(s, GET("/console"));
	turn(&w.loops[0], 0);
	assert_has(seen(s), "Location: console/\r\n");
	receive_text(s, GET("/console/none"));
	assert_int_equal(call_count, 1); /* the api says 404 in the contract's form */
	complete(0);
	world_end(&w);
}

static void test_refusals(void **state)
{
	(void)state;
	static const struct {
		const char *request, *status, *code;
	} cases[] = {
		{ "FOO\r\n\r\n", "HTTP/1.1 400 ", "\"code\":4," },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n", "HTTP/1.1 413 ", "\"code\":22," },
		{ "GET /connect HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 ", "\"code\":4," },
		{ "GET /longpoll HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 ", "\"code\":4," },
		{ "GET /longpoll?close=true HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 ", "\"code\":4," },
		{ "GET /longpoll?connection_id=x HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 ", "\"code\":46," },
		{ "GET /longpoll?connection_id=session-1&seq=-4 HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 ", "\"code\":4," },
		{ "GET /x?token=bad HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 401 ", "\"code\":5," },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct world w;
		world_begin(&w);
		struct fake_stream *s = dial(&w, 0);
		receive_text(s, cases[i].request);
		turns(&w.loops[0], 2);
		const char *text = seen(s);
		assert_has(text, cases[i].status);
		assert_has(text, cases[i].code);
		world_end(&w);
	}
}

static void test_full_queue_is_503(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	queue_is_full = true;
	receive_text(s, GET("/x"));
	turn(&w.loops[0], 0);
	const char *text = seen(s);
	assert_has(text, "HTTP/1.1 503 ");
	assert_has(text, "Retry-After: 1\r\n");
	assert_false(s->is_closed || s->is_half_closed);
	world_end(&w);
}

/* ---- deadlines ---- */

static void test_slow_head_is_408(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	for (int i = 0; i < 9; i++) {
		receive_text(s, i ? "X" : "GET / HTTP/1.1\r\nA");
		turn(&w.loops[0], 1000);
	}
	assert_string_equal(seen(s), "");
	turn(&w.loops[0], 1001);
	turns(&w.loops[0], 2);
	const char *text = seen(s);
	assert_has(text, "HTTP/1.1 408 ");
	assert_has(text, "\"code\":23,");
	assert_has(text, "Connection: close\r\n");
	assert_true(s->is_half_closed);
	world_end(&w);
}

static void test_slow_body_is_408(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	receive_text(s, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n");
	turn(&w.loops[0], 15000);
	receive_text(s, "x");
	turn(&w.loops[0], 14900);
	assert_string_equal(seen(s), "");
	turn(&w.loops[0], 200);
	turns(&w.loops[0], 2);
	assert_has(seen(s), "HTTP/1.1 408 ");
	world_end(&w);
}

static void test_idle_closes_silently(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *fresh = dial(&w, 0), *kept = dial(&w, 0);
	receive_text(kept, GET("/x"));
	turn(&w.loops[0], LIMIT_HEAD_MS + 1);
	turn(&w.loops[0], 0);
	assert_true(fresh->is_closed);
	assert_string_equal(seen(fresh), "");
	turn(&w.loops[0], 60000); /* work in hand has no deadline of ours */
	assert_false(kept->is_closed);
	complete(0);
	turn(&w.loops[0], 0);
	assert_has(seen(kept), "HTTP/1.1 200");
	turn(&w.loops[0], LIMIT_KEEPALIVE_MS - 1);
	assert_false(kept->is_closed);
	turn(&w.loops[0], 2);
	assert_true(kept->is_closed);
	assert_string_equal(seen(kept), "");
	world_end(&w);
}

static void test_peer_that_takes_nothing_is_closed(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	s->room = 10;
	receive_text(s, GET("/x"));
	complete(0);
	turn(&w.loops[0], 0);
	turn(&w.loops[0], LIMIT_QUEUE_SOFT_MS - 1000);
	give_room(s, 10); /* next to nothing */
	turn(&w.loops[0], 0);
	assert_false(s->is_closed);
	turn(&w.loops[0], 1001);
	assert_true(s->is_closed);
	world_end(&w);
}

static void test_time_scale_holds_for_deadlines(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	net_loop_set_time_scale(&w.loops[0].base, 100);
	struct fake_stream *s = dial(&w, 0);
	turn(&w.loops[0], LIMIT_HEAD_MS / 100 + 1);
	turn(&w.loops[0], 0);
	assert_true(s->is_closed);
	world_end(&w);
}

/* ---- connections that go ---- */

static void test_call_outlives_its_connection(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0), *left = dial(&w, 0);
	receive_text(s, GET("/a") GET("/b"));
	receive_text(left, GET("/c")); /* never completed: destroy frees it */
	s->base.ev->on_error(s->base.ctx, &s->base, "reset");
	turns(&w.loops[0], 2);
	assert_true(s->is_told);
	complete(1);
	complete(0);
	turns(&w.loops[0], 2);
	world_end(&w);
}

static void test_half_closed_peer_gets_its_answer(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	receive_text(s, GET("/a"));
	receive(s, "", 0);
	complete(0);
	turns(&w.loops[0], 2);
	assert_has(seen(s), "HTTP/1.1 200");
	assert_true(s->is_half_closed);
	world_end(&w);
}

static void test_http_1_0_closes(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	receive_text(s, "GET /a HTTP/1.0\r\n\r\n" GET("/b"));
	assert_int_equal(call_count, 1); /* what follows is not looked at */
	complete(0);
	turns(&w.loops[0], 2);
	assert_has(seen(s), "Connection: close\r\n");
	assert_true(s->is_half_closed);
	world_end(&w);
}

static unsigned drained;
static void on_drained(void *ctx)
{
	(void)ctx;
	drained++;
}

static void test_drain(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	drained = 0;
	struct fake_stream *idle = dial(&w, 0), *busy = dial(&w, 0);
	receive_text(busy, GET("/a") GET("/b"));
	conn_host_drain(w.hosts[0], on_drained, NULL);
	assert_true(idle->is_half_closed);
	receive_text(busy, GET("/c"));
	assert_int_equal(call_count, 2);
	complete(0);
	complete(0);
	turns(&w.loops[0], 2);
	const char *text = seen(busy);
	assert_int_equal(count_of(text, "HTTP/1.1 200"), 2);
	assert_int_equal(count_of(text, "Connection: close"), 1);
	assert_true(busy->is_half_closed);
	assert_int_equal(drained, 0);
	tell_closed(idle);
	tell_closed(busy);
	turn(&w.loops[0], 0);
	assert_int_equal(drained, 1);
	struct fake_stream *late = dial(&w, 0);
	assert_true(late->is_closed);
	world_end(&w);
}

/* ---- addresses ---- */

static const char *client_of(struct world *w, const char *peer, const char *lines)
{
	static char text[64], request[512];
	struct fake_stream *s = dial_from(w, 0, peer);
	snprintf(request, sizeof request, "GET /x HTTP/1.1\r\nHost: h\r\n%s\r\n", lines);
	receive_text(s, request);
	snprintf(text, sizeof text, "%.*s", SPAN_FMT(calls[0]->peer));
	complete(0);
	return text;
}

static void test_forwarded_for(void **state)
{
	(void)state;
	struct world w;
	fake_settings.trusted_proxies = SPAN("10.0.0.0/8, ::1");
	world_begin(&w);
	assert_string_equal(client_of(&w, "1.1.1.1", "X-Forwarded-For: 2.2.2.2\r\n"), "1.1.1.1"); /* not one of ours */
	assert_string_equal(client_of(&w, "10.0.0.1", ""), "10.0.0.1");
	assert_string_equal(client_of(&w, "10.0.0.1", "X-Forwarded-For: 2.2.2.2\r\n"), "2.2.2.2");
	assert_string_equal(client_of(&w, "::1", "X-Forwarded-For: 6.6.6.6, 3.3.3.3:99, 10.2.2.2\r\n"), "3.3.3.3");
	assert_string_equal(
		client_of(&w, "10.0.0.1", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 10.9.9.9, [2001:db8::5]:1\r\n"),
		"2001:db8::5");
	assert_string_equal(client_of(&w, "10.0.0.1", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 10.9.9.9\r\n"), "6.6.6.6");
	assert_string_equal(client_of(&w, "10.0.0.1", "X-Forwarded-For: 6.6.6.6, unknown, 10.9.9.9\r\n"), "10.9.9.9");
	assert_string_equal(client_of(&w, "10.0.0.1", "X-Forwarded-For: \r\n"), "10.0.0.1");
	world_end(&w);
	fake_settings.trusted_proxies = SPAN("10.0.0.0/99");
	struct fake_loop l = { 0 };
	net_loop_init(&l.base, &fake_driver, &fake_clock, &rng_system);
	assert_null(conn_host_create(&l.base, NULL, NULL, &fake_ops, &fake_settings));
	net_loop_deinit(&l.base);
	fake_settings = (struct conn_settings){ 0 };
}

static void test_sockets_per_address(void **state)
{
	(void)state;
	struct world w;
	fake_settings.max_per_address = 2;
	fake_settings.trusted_proxies = SPAN("10.0.0.1");
	world_begin(&w);
	struct fake_stream *a = dial_from(&w, 0, "1.1.1.1"), *b = dial_from(&w, 0, "1.1.1.1"), *c = dial_from(&w, 0, "1.1.1.1");
	assert_false(a->is_closed || b->is_closed);
	assert_true(c->is_closed);
	assert_false(dial_from(&w, 0, "1.1.1.2")->is_closed);
	for (int i = 0; i < 4; i++) assert_false(dial_from(&w, 0, "10.0.0.1")->is_closed); /* everybody comes through it */
	a->base.ev->on_error(a->base.ctx, &a->base, "reset");
	turn(&w.loops[0], 0);
	assert_false(dial_from(&w, 0, "1.1.1.1")->is_closed);
	struct conn_stats stats = { 0 };
	conn_host_stats(w.hosts[0], &stats);
	assert_int_equal(stats.refused, 1);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_in_request_order),
		cmocka_unit_test(test_unsafe_requests_wait_their_turn),
		cmocka_unit_test(test_pipeline_is_bounded),
		cmocka_unit_test(test_one_byte_at_a_time),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_cors),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_full_queue_is_503),
		cmocka_unit_test(test_slow_head_is_408),
		cmocka_unit_test(test_slow_body_is_408),
		cmocka_unit_test(test_idle_closes_silently),
		cmocka_unit_test(test_peer_that_takes_nothing_is_closed),
		cmocka_unit_test(test_time_scale_holds_for_deadlines),
		cmocka_unit_test(test_call_outlives_its_connection),
		cmocka_unit_test(test_half_closed_peer_gets_its_answer),
		cmocka_unit_test(test_http_1_0_closes),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_forwarded_for),
		cmocka_unit_test(test_sockets_per_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
