/* Long polling: one session carried by many requests, on its own loop and through another one. */
#include "fake.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"

static void both_turn(struct world *w, int64_t ms)
{
	fake_now_us += ms * 1000;
	for (int i = 0; i < 6; i++) {
		turn(&w->loops[0], 0);
		turn(&w->loops[1], 0);
	}
}

/* A session on loop 0; its id in `id`. */
static struct session *open_session(struct world *w, char id[CONNECTION_ID_MAX + 1], const char *user)
{
	struct fake_stream *s = dial(w, 0);
	receive_text(s, GET("/longpoll?json=%7B%7D"));
	complete_connect(0, 5, user);
	both_turn(w, 0);
	const char *text = seen(s);
	assert_has(text, "HTTP/1.1 200 ");
	assert_has(text, "Cache-Control: no-store\r\n");
	assert_has(text, "{\"event\":{\"type\":\"health.check\",\"connection_id\":\"session-");
	assert_has(text, "\"me\":{}},\"duration\":");
	snprintf(id, CONNECTION_ID_MAX + 1, "%s", last_session->id);
	assert_true(last_session->is_poll);
	assert_int_equal(last_session->consumed, 1);
	return last_session;
}

static struct fake_stream *ask(struct world *w, int host, const char *id, const char *more)
{
	char request[256];
	struct fake_stream *s = dial(w, host);
	snprintf(request, sizeof request, "GET /longpoll?connection_id=%s%s HTTP/1.1\r\nHost: h\r\n\r\n", id, more);
	receive_text(s, request);
	both_turn(w, 0);
	return s;
}

static void test_events_are_gathered(void **state)
{
	(void)state;
	for (int host = 0; host < 2; host++) {
		struct world w;
		char id[CONNECTION_ID_MAX + 1];
		world_begin(&w);
		struct session *x = open_session(&w, id, "ann");
		struct fake_stream *s = ask(&w, host, id, "");
		assert_string_equal(seen(s), "");
		both_turn(&w, 5000);
		session_push(x, "{\"n\":1}");
		both_turn(&w, 0);
		both_turn(&w, LIMIT_POLL_GATHER_MS - 5);
		session_push(x, "{\"n\":2}");
		both_turn(&w, 0);
		assert_string_equal(seen(s), "");
		assert_int_equal(x->consumed, 1);
		both_turn(&w, 6);
		both_turn(&w, 0);
		assert_has(seen(s), "{\"events\":[{\"n\":1},{\"n\":2}],\"duration\":");
		both_turn(&w, 0);
		assert_int_equal(x->consumed, 3);
		/* queued meanwhile: at once */
		session_push(x, "{\"n\":3}");
		s = ask(&w, host, id, "");
		both_turn(&w, 0);
		assert_has(seen(s), "{\"events\":[{\"n\":3}],");
		world_end(&w);
	}
}

/* The client has the whole answer of one loop and asks again, before that loop's report is home: nothing comes twice. */
static void test_next_poll_overtakes_the_report(void **state)
{
	(void)state;
	for (int host = 0; host < 2; host++) {
		struct world w;
		char id[CONNECTION_ID_MAX + 1], request[256];
		world_begin(&w);
		struct session *x = open_session(&w, id, "ann");
		session_push(x, "{\"n\":1}");
		struct fake_stream *first = dial(&w, 1), *second = dial(&w, host);
		snprintf(request, sizeof request, "GET /longpoll?connection_id=%s HTTP/1.1\r\nHost: h\r\n\r\n", id);
		receive_text(first, request);
		turn(&w.loops[0], 0); /* lends */
		turn(&w.loops[1], 0); /* sends, reports */
		assert_has(peek(first), "{\"events\":[{\"n\":1}],");
		assert_int_equal(x->consumed, 1);
		receive_text(second, request);
		both_turn(&w, 0);
		assert_string_equal(seen(second), "");
		assert_int_equal(x->consumed, 2);
		session_push(x, "{\"n\":2}");
		both_turn(&w, 0);
		both_turn(&w, LIMIT_POLL_GATHER_MS);
		both_turn(&w, 0);
		assert_has(seen(second), "{\"events\":[{\"n\":2}],");
		world_end(&w);
	}
}

/* The answer that is on its way was not taken whole: the next poll has its events. */
static void test_next_poll_takes_over_what_was_not_sent(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1], request[256];
	world_begin(&w);
	struct session *x = open_session(&w, id, "ann");
	session_push(x, "{\"n\":1}");
	struct fake_stream *first = dial(&w, 1), *second = dial(&w, 0);
	snprintf(request, sizeof request, "GET /longpoll?connection_id=%s HTTP/1.1\r\nHost: h\r\n\r\n", id);
	first->room = 10;
	receive_text(first, request);
	both_turn(&w, 0);
	assert_int_equal(x->consumed, 1);
	receive_text(second, request);
	both_turn(&w, 0);
	assert_has(seen(second), "{\"events\":[{\"n\":1}],");
	both_turn(&w, 0);
	assert_int_equal(x->consumed, 2);
	world_end(&w);
}

static void test_empty_after_the_hold(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1];
	world_begin(&w);
	open_session(&w, id, "ann");
	struct fake_stream *s = ask(&w, 1, id, "");
	both_turn(&w, LIMIT_POLL_HOLD_MS - 1);
	assert_string_equal(seen(s), "");
	both_turn(&w, 2);
	assert_has(seen(s), "{\"events\":[],\"duration\":");
	struct conn_stats stats = { 0 };
	conn_host_stats(w.hosts[0], &stats);
	assert_int_equal(stats.polls_parked, 0);
	world_end(&w);
}

static void test_batch_is_bounded(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1];
	world_begin(&w);
	struct session *x = open_session(&w, id, "ann");
	for (int i = 0; i < 150; i++) session_push(x, "{\"e\":0}");
	both_turn(&w, 0);
	struct fake_stream *s = ask(&w, 0, id, "");
	both_turn(&w, 0);
	assert_int_equal(count_of(seen(s), "{\"e\":0}"), LIMIT_POLL_BATCH);
	s = ask(&w, 0, id, "");
	both_turn(&w, 0);
	assert_int_equal(count_of(seen(s), "{\"e\":0}"), 50);
	world_end(&w);
}

static void test_newer_poll_wins(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1];
	world_begin(&w);
	struct session *x = open_session(&w, id, "ann");
	struct fake_stream *older = ask(&w, 0, id, ""), *newer = ask(&w, 1, id, "");
	assert_has(seen(older), "{\"events\":[],");
	assert_string_equal(seen(newer), "");
	session_push(x, "{\"n\":1}");
	both_turn(&w, 0);
	both_turn(&w, LIMIT_POLL_GATHER_MS + 1);
	both_turn(&w, 0);
	assert_has(seen(newer), "{\"n\":1}");
	world_end(&w);
}

/* An answer that did not go out whole has consumed nothing: the next poll gets the same. */
static void test_aborted_poll_consumes_nothing(void **state)
{
	(void)state;
	for (int host = 0; host < 2; host++) {
		struct world w;
		char id[CONNECTION_ID_MAX + 1];
		world_begin(&w);
		struct session *x = open_session(&w, id, "ann");
		struct fake_stream *gone = ask(&w, host, id, "");
		receive(gone, "", 0); /* un-parks */
		both_turn(&w, 0);
		session_push(x, "{\"n\":1}");
		both_turn(&w, 100);
		assert_int_equal(x->consumed, 1);
		struct fake_stream *half = dial(&w, host);
		char request[128];
		snprintf(request, sizeof request, "GET /longpoll?connection_id=%s HTTP/1.1\r\nHost: h\r\n\r\n", id);
		half->room = 100;
		receive_text(half, request);
		both_turn(&w, 0);
		assert_int_equal(half->sent.n, 100);
		assert_int_equal(x->consumed, 1);
		if (host) { /* superseded before it was written */
			struct fake_stream *next = ask(&w, host, id, "");
			assert_has(seen(next), "{\"n\":1}");
			assert_int_equal(x->consumed, 2);
			give_room(half, -1);
			both_turn(&w, 0);
			assert_int_equal(x->consumed, 2);
		} else {
			half->base.ev->on_error(half->base.ctx, &half->base, "reset");
			both_turn(&w, 0);
			assert_int_equal(x->consumed, 1);
			struct fake_stream *next = ask(&w, host, id, "");
			assert_has(seen(next), "{\"n\":1}");
			assert_int_equal(x->consumed, 2);
		}
		world_end(&w);
	}
}

static void test_expiry(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1];
	world_begin(&w);
	open_session(&w, id, "ann");
	both_turn(&w, LIMIT_POLL_EXPIRE_MS - 1);
	struct fake_stream *s = ask(&w, 1, id, "");
	both_turn(&w, LIMIT_POLL_HOLD_MS + 1);
	assert_has(seen(s), "\"events\":[]");
	both_turn(&w, LIMIT_POLL_EXPIRE_MS - 1);
	assert_int_equal(sessions_alive, 1);
	both_turn(&w, 2);
	assert_int_equal(sessions_alive, 0);
	s = ask(&w, 1, id, "");
	assert_has(seen(s), "\"code\":46,");
	world_end(&w);
}

static void test_aborted_poll_restarts_the_expiry(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1];
	world_begin(&w);
	open_session(&w, id, "ann");
	struct fake_stream *s = ask(&w, 1, id, "");
	receive(s, "", 0);
	both_turn(&w, 0);
	both_turn(&w, LIMIT_POLL_EXPIRE_MS - 1);
	assert_int_equal(sessions_alive, 1);
	both_turn(&w, 2);
	assert_int_equal(sessions_alive, 0);
	world_end(&w);
}

static void test_close(void **state)
{
	(void)state;
	for (int host = 0; host < 2; host++) {
		struct world w;
		char id[CONNECTION_ID_MAX + 1];
		world_begin(&w);
		open_session(&w, id, "ann");
		struct fake_stream *parked = ask(&w, 1 - host, id, "");
		struct fake_stream *s = ask(&w, host, id, "&close=true");
		assert_has(seen(parked), "{\"events\":[],");
		assert_has(seen(s), "\r\n\r\n{\"duration\":");
		assert_int_equal(sessions_alive, 0);
		s = ask(&w, host, id, "&close=true");
		assert_has(seen(s), "\"code\":46,");
		world_end(&w);
	}
}

static void test_only_its_own_user(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1];
	world_begin(&w);
	struct session *x = open_session(&w, id, "ann");
	session_push(x, "{\"secret\":1}");
	assert_has(seen(ask(&w, 1, id, "&token=bob")), "\"code\":46,");
	assert_has(seen(ask(&w, 0, id, "&token=anonymous")), "\"code\":46,");
	assert_has(seen(ask(&w, 0, id, "&token=bob&close=true")), "\"code\":46,");
	assert_has(seen(ask(&w, 0, id, "&token=bad")), "\"code\":5,");
	assert_has(seen(ask(&w, 0, id, "&token=ann")), "\"secret\":1");
	loop_of_ids = 9; /* a loop that is not there */
	assert_has(seen(ask(&w, 0, id, "")), "\"code\":46,");
	world_end(&w);
}

static void test_seq_rewinds(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1];
	world_begin(&w);
	struct session *x = open_session(&w, id, "ann");
	ask(&w, 1, id, "&seq=17");
	assert_int_equal(x->rewound_to, 17);
	/* Seen ones still in the queue (a poll that came late had them un-consumed) are not given again. */
	static const int64_t positions[] = { 16, 17, 0, 12, 18 };
	for (size_t i = 0; i < BECK_COUNT(positions); i++) {
		char text[40];
		snprintf(text, sizeof text, "{\"n\":%d}", (int)i);
		x->pos[x->n] = positions[i];
		session_push(x, text);
	}
	struct fake_stream *s = ask(&w, 1, id, "&seq=17");
	both_turn(&w, 0);
	assert_has(seen(s), "{\"events\":[{\"n\":2},{\"n\":4}],");
	assert_int_equal(x->consumed, x->n);
	world_end(&w);
}

/* A session that is ended from outside: what was queued, then its error as an HTTP error, then code 46. */
static void test_parting_error(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1];
	world_begin(&w);
	struct session *x = open_session(&w, id, "ann");
	session_push(x, "{\"n\":1}");
	session_push(x, "{\"error\":{\"code\":40,\"StatusCode\":401}}");
	session_close(x, 1000, NULL);
	both_turn(&w, 0);
	const char *text = seen(ask(&w, 1, id, ""));
	assert_has(text, "{\"events\":[{\"n\":1}],");
	text = seen(ask(&w, 1, id, ""));
	assert_has(text, "HTTP/1.1 401 ");
	assert_has(text, "\r\n\r\n{\"code\":40,\"StatusCode\":401}");
	assert_has(seen(ask(&w, 1, id, "")), "\"code\":46,");
	/* while a poll is parked */
	x = open_session(&w, id, "ann");
	struct fake_stream *parked = ask(&w, 1, id, "");
	session_push(x, "{\"error\":{\"code\":17,\"StatusCode\":403}}");
	session_close(x, 1000, NULL);
	both_turn(&w, 0);
	assert_has(seen(parked), "HTTP/1.1 403 ");
	/* overflow: no error is queued, the next poll finds nothing */
	x = open_session(&w, id, "ann");
	session_push(x, "{\"n\":1}");
	session_close(x, 1008, NULL);
	both_turn(&w, 0);
	assert_int_equal(sessions_alive, 0);
	assert_has(seen(ask(&w, 1, id, "")), "\"code\":46,");
	world_end(&w);
}

static void test_payload_in_the_body(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	const char *body = "{\"json\":{\"user_id\":\"b\",\"x\":1},\"resume_from\":{\"seq\":3}}";
	char request[512];
	snprintf(request, sizeof request,
		"POST /longpoll?api_key=k&json=%%7B%%22user_id%%22%%3A%%22a%%22%%2C%%22resume%%22%%3Atrue%%7D HTTP/1.1\r\nHost: "
		"h\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	receive_text(s, request);
	assert_int_equal(call_count, 1);
	assert_string_equal(arena_dup(&calls[0]->arena, url_query_get(&calls[0]->query, "json")).p,
		"{\"resume\":true,\"user_id\":\"b\",\"x\":1,\"resume_from\":{\"seq\":3}}");
	complete_connect(0, 5, "ann");
	both_turn(&w, 0);
	assert_has(seen(s), "{\"event\":");
	receive_text(s, "POST /longpoll HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n[1]");
	both_turn(&w, 0);
	assert_has(seen(s), "\"code\":4,");
	world_end(&w);
}

static void test_refused_connect(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	struct fake_stream *s = dial(&w, 0);
	next_open_result = ERR_RATE_LIMIT;
	receive_text(s, GET("/longpoll?json=1"));
	complete_connect(0, 5, "ann");
	both_turn(&w, 0);
	assert_has(seen(s), "\"code\":9,");
	receive_text(s, GET("/longpoll?json=1&token=bad"));
	both_turn(&w, 0);
	assert_has(seen(s), "\"code\":5,");
	world_end(&w);
}

static void test_drain(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1];
	world_begin(&w);
	struct session *x = open_session(&w, id, "ann");
	struct fake_stream *parked = ask(&w, 1, id, "");
	session_push(x, "{\"n\":1}");
	conn_host_drain(w.hosts[0], NULL, NULL);
	both_turn(&w, 0);
	assert_has(seen(parked), "{\"events\":[{\"n\":1}],");
	assert_int_equal(sessions_alive, 0);
	world_end(&w);
}

/* Both hosts go while a poll of one is parked at the other. */
static void test_destroy_with_parked_polls(void **state)
{
	(void)state;
	struct world w;
	char id[CONNECTION_ID_MAX + 1];
	world_begin(&w);
	struct session *x = open_session(&w, id, "ann");
	ask(&w, 1, id, "");
	world_end(&w);
	world_begin(&w);
	x = open_session(&w, id, "ann");
	struct fake_stream *away = ask(&w, 1, id, "");
	session_push(x, "{\"n\":1}");
	both_turn(&w, 0);
	turn(&w.loops[0], LIMIT_POLL_GATHER_MS + 1); /* the answer is in the mailbox */
	receive(away, "", 0);                        /* and its cancel crosses it */
	both_turn(&w, 0);
	assert_int_equal(x->consumed, 1);
	receive(ask(&w, 1, id, ""), "", 0);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_are_gathered),
		cmocka_unit_test(test_next_poll_overtakes_the_report),
		cmocka_unit_test(test_next_poll_takes_over_what_was_not_sent),
		cmocka_unit_test(test_empty_after_the_hold),
		cmocka_unit_test(test_batch_is_bounded),
		cmocka_unit_test(test_newer_poll_wins),
		cmocka_unit_test(test_aborted_poll_consumes_nothing),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_aborted_poll_restarts_the_expiry),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_only_its_own_user),
		cmocka_unit_test(test_seq_rewinds),
		cmocka_unit_test(test_parting_error),
		cmocka_unit_test(test_payload_in_the_body),
		cmocka_unit_test(test_refused_connect),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_destroy_with_parked_polls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
