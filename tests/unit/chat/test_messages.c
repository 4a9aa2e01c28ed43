#include "message_support.h"

static int setup(void **state)
{
	int r = world_setup(state);
	make_channel(*state, "c", 3);
	return r;
}
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)

/* ---- sending ---- */
static void a_sent_message_has_its_shape(void **state)
{
	struct world *w = *state;
	struct call k;
	send_json(&k, w, 0, "c",
		"{\"message\":{\"id\":\"m1\",\"text\":\"hello\",\"color\":\"red\",\"reply_count\":9,\"mentioned_users\":[\"u1\","
		"\"ghost\"],"
		"\"attachments\":[{\"type\":\"image\",\"image_url\":\"https://x.example/a.png\"}]}}");
	EXPECT_ERR(&k, ERR_OK);
	yyjson_val *m = json_get(k.reply, "message");
	assert_string_equal(str_at(m, "id", NULL), "m1");
	assert_string_equal(str_at(m, "cid", NULL), "messaging:c");
	assert_string_equal(str_at(m, "type", NULL), "regular");
	assert_string_equal(str_at(m, "html", NULL), "<p>hello</p>\n");
	assert_string_equal(str_at(m, "color", NULL), "red");
	assert_string_equal(str_at(m, "user", "id"), "u0");
	assert_string_equal(str_at(m, "member", "channel_role"), "channel_member");
	assert_int_equal(int_at(m, "reply_count", NULL), 0);
	assert_int_equal(yyjson_arr_size(json_get(m, "attachments")), 1);
	assert_int_equal(yyjson_arr_size(json_get(m, "mentioned_users")), 1);
	struct event *e = call_event(&k, EVENT_MESSAGE_NEW);
	assert_non_null(e);
	assert_int_equal(e->cls, EVENT_CLASS_WATCH);
	assert_int_equal(e->move, MOVE_COUNTED);
	assert_int_equal(e->seq, 1);
	assert_int_equal(e->actor, w->users[0]);
	assert_true(e->flags & EVENT_HAS_COUNTS);
	assert_true(e->pos > 0);
	yyjson_val *body = event_json(&k, e->body), *twin = event_json(&k, e->notify);
	assert_string_equal(str_at(body, "type", NULL), "message.new");
	assert_string_equal(str_at(body, "message_id", NULL), "m1");
	assert_string_equal(str_at(body, "user", "id"), "u0");
	assert_non_null(json_get(body, "watcher_count"));
	assert_string_equal(str_at(twin, "type", NULL), "notification.message_new");
	assert_string_equal(str_at(twin, "channel", "cid"), "messaging:c");
	call_free(&k);
	assert_int_equal(unread_of_user(w, "c", 1), 1);
	assert_int_equal(unread_of_user(w, "c", 0), 0);
}

static void refusals(void **state)
{
	struct world *w = *state;
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"parent\",\"text\":\"p\"}}");
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"reply\",\"text\":\"r\",\"parent_id\":\"parent\"}}");
	char long_text[5200] = "{\"message\":{\"text\":\"";
	size_t n = strlen(long_text);
	memset(long_text + n, 'x', 5001);
	memcpy(long_text + n + 5001, "\"}}", 4);
	const struct {
		int user;
		const char *body;
		enum err err;
	} table[] = {
		{ 0, "{}", ERR_INPUT },
		{ 0, "{\"message\":[]}", ERR_INPUT },
		{ 0, "{\"message\":{}}", ERR_INPUT },
		{ 0, "{\"message\":{\"text\":\"\"}}", ERR_INPUT },
		{ 0, "{\"message\":{\"text\":7}}", ERR_INPUT },
		{ 0, "{\"message\":{\"text\":\"x\",\"id\":\"a b\"}}", ERR_INPUT },
		{ 0, "{\"message\":{\"text\":\"x\",\"type\":\"error\"}}", ERR_INPUT },
		{ 0, "{\"message\":{\"text\":\"x\",\"attachments\":{}}}", ERR_INPUT },
		{ 0, "{\"message\":{\"text\":\"x\",\"mentioned_users\":[1]}}", ERR_INPUT },
		{ 0, "{\"message\":{\"text\":\"x\",\"type\":\"system\"}}", ERR_NOT_ALLOWED },
		{ 0, "{\"message\":{\"text\":\"x\",\"pinned\":true}}", ERR_NOT_ALLOWED },
		{ 0, "{\"message\":{\"text\":\"x\",\"restricted_visibility\":[\"u1\"]}}", ERR_NOT_ALLOWED },
		{ 0, "{\"message\":{\"text\":\"x\",\"parent_id\":\"nope\"}}", ERR_NOT_FOUND },
		{ 0, "{\"message\":{\"text\":\"x\",\"parent_id\":\"reply\"}}", ERR_NESTING },
		{ 0, "{\"message\":{\"text\":\"x\",\"quoted_message_id\":\"nope\"}}", ERR_NOT_FOUND },
		{ 0, long_text, ERR_TEXT_TOO_LONG },
		{ 5, "{\"message\":{\"text\":\"x\"}}", ERR_NOT_ALLOWED },
		{ AS_SERVER, "{\"message\":{\"text\":\"x\"}}", ERR_INPUT },
		{ AS_SERVER, "{\"message\":{\"text\":\"x\",\"user_id\":\"u0\",\"created_at\":\"2999-01-01T00:00:00Z\"}}",
			ERR_INPUT },
		{ 0,
			"{\"message\":{\"text\":\"x\",\"id\":\"\",\"parent_id\":\"\",\"quoted_message_id\":\"\",\"attachments\":"
			"null,\"mentioned_users\":null}}",
			ERR_OK },
		{ AS_SERVER, "{\"message\":{\"text\":\"x\",\"user_id\":\"fresh\"}}", ERR_OK },
	};
	for (size_t i = 0; i < BECK_COUNT(table); i++) {
		struct call k;
		send_json(&k, w, table[i].user, "c", table[i].body);
		if (k.err != table[i].err) fail_msg("%s: %s", table[i].body, k.err ? err_name(k.err) : "OK");
		call_free(&k);
	}
}

/* stream-chat-react#2331: a retried send fails for ever with "already exists". */
static void a_retry_answers_like_the_first_time(void **state)
{
	struct world *w = *state;
	struct call k;
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"m\",\"text\":\"x\",\"a\":1}}");
	send_json(&k, w, 0, "c", "{\"message\":{\"id\":\"m\",\"text\":\"x\",\"a\":1}}");
	EXPECT_ERR(&k, ERR_OK);
	assert_string_equal(str_at(k.reply, "message", "id"), "m");
	assert_int_equal(k.c.event_count, 0);
	call_free(&k);
	static const struct {
		int user;
		const char *body;
	} others[] = { { 1, "{\"message\":{\"id\":\"m\",\"text\":\"x\",\"a\":1}}" },
		{ 0, "{\"message\":{\"id\":\"m\",\"text\":\"y\",\"a\":1}}" },
		{ 0, "{\"message\":{\"id\":\"m\",\"text\":\"x\",\"a\":2}}" } };
	for (size_t i = 0; i < BECK_COUNT(others); i++) {
		send_json(&k, w, others[i].user, "c", others[i].body);
		EXPECT_ERR(&k, ERR_INPUT);
		call_free(&k);
	}
	assert_int_equal(unread_of_user(w, "c", 1), 1);
}

static void set_channel(struct world *w, const char *what)
{
	struct channel ch;
	assert_int_equal(store_channel_get(w->tx, w->app->pk, SPAN("messaging"), SPAN("c"), &w->arena, &ch), ERR_OK);
	if (strcmp(what, "frozen") == 0) ch.frozen = true;
	if (strcmp(what, "slow") == 0) ch.cooldown_s = 10;
	assert_int_equal(store_channel_put(w->tx, &ch, SPAN_NONE), ERR_OK);
}

static void a_frozen_channel_answers_with_an_error_message(void **state)
{
	struct world *w = *state;
	struct call k;
	set_channel(w, "frozen");
	send_json(&k, w, 0, "c", "{\"message\":{\"id\":\"f\",\"text\":\"x\"}}");
	EXPECT_ERR(&k, ERR_OK);
	assert_string_equal(str_at(k.reply, "message", "type"), "error");
	assert_string_equal(str_at(k.reply, "message", "id"), "f");
	assert_int_equal(k.c.event_count, 0);
	call_free(&k);
	struct message m;
	assert_int_equal(store_message_get(w->tx, w->app->pk, SPAN("f"), &w->arena, &m), ERR_NOT_FOUND);
}

static void slow_mode_lets_retries_through(void **state)
{
	struct world *w = *state;
	struct call k;
	set_channel(w, "slow");
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"s1\",\"text\":\"x\"}}");
	send_json(&k, w, 0, "c", "{\"message\":{\"id\":\"s2\",\"text\":\"x\"}}");
	EXPECT_ERR(&k, ERR_COOLDOWN);
	call_free(&k);
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"s1\",\"text\":\"x\"}}");
	send_ok(w, 1, "c", "{\"message\":{\"text\":\"x\"}}");
	w->now_us += 10 * 1000000;
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"s3\",\"text\":\"x\"}}");
}

static void times_rise_though_the_clock_falls(void **state)
{
	struct world *w = *state;
	int64_t last = 0;
	for (int i = 0; i < 5; i++) {
		struct call k;
		int64_t at = 0;
		w->now_us -= 10000;
		send_json(&k, w, i % 3, "c", "{\"message\":{\"text\":\"x\"}}");
		EXPECT_ERR(&k, ERR_OK);
		assert_true(time_parse(json_span(path(k.reply, "message", "created_at")), &at));
		assert_true(at > last);
		last = at;
		call_free(&k);
	}
}

/* ---- visibility ---- */
static size_t seen_by(struct world *w, int user, const char *id)
{
	struct call k;
	call_begin(&k, w, user);
	call_end(&k, chat_get_message(&k.c, span_str(id), false, &k.j));
	size_t n = k.err == ERR_OK;
	if (n == 0) EXPECT_ERR(&k, ERR_NOT_FOUND);
	call_free(&k);
	struct channel_ctx x;
	struct page p = { .family = PAGE_NEWEST, .limit = 10 };
	struct message *list;
	size_t count;
	call_begin(&k, w, user);
	enum err e = chat_channel_load(&k.c, SPAN("messaging"), SPAN("c"), &x);
	if (e == ERR_OK) e = chat_messages_page(&k.c, &x, &p, &list, &count);
	assert_int_equal(e, ERR_OK);
	size_t in_list = 0;
	for (size_t i = 0; i < count; i++) in_list += span_is(list[i].id, id);
	call_end(&k, e);
	call_free(&k);
	assert_int_equal(n, in_list);
	return n;
}

static void restricted_and_shadowed_are_for_few(void **state)
{
	struct world *w = *state;
	struct call k;
	send_json(&k, w, AS_SERVER, "c",
		"{\"message\":{\"id\":\"r\",\"text\":\"x\",\"user_id\":\"u0\",\"restricted_visibility\":[\"u1\"]}}");
	EXPECT_ERR(&k, ERR_OK);
	struct event *e = call_event(&k, EVENT_MESSAGE_NEW);
	assert_int_equal(e->only_count, 2);
	call_free(&k);
	assert_int_equal(seen_by(w, 0, "r"), 1);
	assert_int_equal(seen_by(w, 1, "r"), 1);
	assert_int_equal(seen_by(w, 2, "r"), 0);
	assert_int_equal(unread_of_user(w, "c", 1), 1);
	assert_int_equal(unread_of_user(w, "c", 2), 0);

	struct user u;
	assert_int_equal(store_user_get_pk(w->tx, w->users[2], &w->arena, &u), ERR_OK);
	u.shadow_banned = true;
	assert_int_equal(store_user_put(w->tx, w->app->pk, &u, SPAN_NONE), ERR_OK);
	send_json(&k, w, 2, "c", "{\"message\":{\"id\":\"s\",\"text\":\"x\"}}");
	EXPECT_ERR(&k, ERR_OK);
	e = call_event(&k, EVENT_MESSAGE_NEW);
	assert_int_equal(e->only_count, 1);
	assert_int_equal(e->only[0], w->users[2]);
	call_free(&k);
	assert_int_equal(seen_by(w, 2, "s"), 1);
	assert_int_equal(seen_by(w, 0, "s"), 0);
	assert_int_equal(unread_of_user(w, "c", 0), 0);
}

/* A quote carries no words of a message that not everybody may read. */
static void a_quote_does_not_leak(void **state)
{
	struct world *w = *state;
	struct call k;
	send_ok(w, AS_SERVER, "c",
		"{\"message\":{\"id\":\"r\",\"text\":\"secret\",\"user_id\":\"u0\",\"restricted_visibility\":[\"u1\"]}}");
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"open\",\"text\":\"words\"}}");
	send_json(&k, w, 1, "c", "{\"message\":{\"text\":\"x\",\"quoted_message_id\":\"r\"}}");
	EXPECT_ERR(&k, ERR_OK);
	assert_null(path(k.reply, "message", "quoted_message"));
	call_free(&k);
	send_json(&k, w, 1, "c", "{\"message\":{\"text\":\"x\",\"quoted_message_id\":\"open\"}}");
	EXPECT_ERR(&k, ERR_OK);
	assert_string_equal(str_at(json_get(k.reply, "message"), "quoted_message", "text"), "words");
	call_free(&k);
	send_json(&k, w, 2, "c", "{\"message\":{\"text\":\"x\",\"quoted_message_id\":\"r\"}}");
	EXPECT_ERR(&k, ERR_NOT_FOUND);
	call_free(&k);
}

/* ---- edit, pin, delete ---- */
static void edit(struct call *k, struct world *w, int user, const char *id, const char *body, bool partial)
{
	w->now_us += 1000;
	call_begin(k, w, user);
	yyjson_val *v = call_json(k, body);
	call_end(k, partial ? chat_update_message_partial(&k->c, span_str(id), v, &k->j)
			    : chat_update_message(&k->c, span_str(id), v, &k->j));
}

static void editing(void **state)
{
	struct world *w = *state;
	struct call k;
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"m\",\"text\":\"old\",\"a\":{\"b\":1,\"c\":2},\"keep\":true}}");
	edit(&k, w, 0, "m", "{\"message\":{\"id\":\"m\",\"text\":\"new\",\"z\":1,\"silent\":true}}", false);
	EXPECT_ERR(&k, ERR_OK);
	yyjson_val *m = json_get(k.reply, "message");
	assert_string_equal(str_at(m, "text", NULL), "new");
	assert_string_equal(str_at(m, "html", NULL), "<p>new</p>\n");
	assert_null(json_get(m, "keep"));
	assert_non_null(json_get(m, "message_text_updated_at"));
	assert_false(yyjson_get_bool(json_get(m, "silent")));
	assert_non_null(call_event(&k, EVENT_MESSAGE_UPDATED));
	call_free(&k);
	edit(&k, w, 0, "m", "{\"set\":{\"a.b\":3,\"color\":\"red\"},\"unset\":[\"z\"]}", true);
	EXPECT_ERR(&k, ERR_OK);
	m = json_get(k.reply, "message");
	assert_int_equal(int_at(m, "a", "b"), 3);
	assert_null(json_get(m, "z"));
	assert_string_equal(str_at(m, "text", NULL), "new");
	call_free(&k);
	static const struct {
		int user;
		const char *id, *body;
		bool partial;
		enum err err;
	} table[] = {
		{ 1, "m", "{\"message\":{\"text\":\"mine now\"}}", false, ERR_NOT_ALLOWED },
		{ 1, "m", "{\"set\":{\"text\":\"mine now\"}}", true, ERR_NOT_ALLOWED },
		{ 0, "nope", "{\"set\":{\"text\":\"x\"}}", true, ERR_NOT_FOUND },
		{ 0, "m", "{}", true, ERR_INPUT },
		{ 0, "m", "{\"set\":{},\"unset\":[]}", true, ERR_INPUT },
		{ 0, "m", "{\"set\":{\"a.b\":1},\"unset\":[\"a\"]}", true, ERR_INPUT },
		{ 0, "m", "{\"unset\":[\"text\"]}", true, ERR_INPUT },
		{ 0, "m", "{\"set\":{\"pinned\":true}}", true, ERR_NOT_ALLOWED },
		{ AS_SERVER, "m", "{\"set\":{\"pinned\":true,\"pin_expires\":\"2020-01-01T00:00:00Z\"}}", true, ERR_INPUT },
	};
	for (size_t i = 0; i < BECK_COUNT(table); i++) {
		edit(&k, w, table[i].user, table[i].id, table[i].body, table[i].partial);
		if (k.err != table[i].err) fail_msg("%s: %s", table[i].body, k.err ? err_name(k.err) : "OK");
		call_free(&k);
	}
}

static void pins_run_out(void **state)
{
	struct world *w = *state;
	struct call k;
	char body[128], at[28];
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"m\",\"text\":\"x\"}}");
	time_format(w->now_us + 60 * 1000000, at);
	snprintf(body, sizeof body, "{\"set\":{\"pinned\":true,\"pin_expires\":\"%s\"}}", at);
	edit(&k, w, AS_SERVER, "m", body, true);
	EXPECT_ERR(&k, ERR_OK);
	assert_true(yyjson_get_bool(path(k.reply, "message", "pinned")));
	assert_non_null(path(k.reply, "message", "pinned_at"));
	call_free(&k);
	for (int late = 0; late < 2; late++) {
		call_begin(&k, w, 1);
		call_end(&k, chat_get_pinned_messages(&k.c, SPAN("messaging"), SPAN("c"), NULL, &k.j));
		EXPECT_ERR(&k, ERR_OK);
		assert_int_equal(yyjson_arr_size(json_get(k.reply, "messages")), !late);
		call_free(&k);
		call_begin(&k, w, 1);
		call_end(&k, chat_get_message(&k.c, SPAN("m"), false, &k.j));
		assert_int_equal(yyjson_get_bool(path(k.reply, "message", "pinned")), !late);
		if (late) assert_null(path(k.reply, "message", "pinned_at"));
		call_free(&k);
		w->now_us += 61 * 1000000;
	}
}

static void deleted(struct call *k, struct world *w, int user, const char *id, bool hard)
{
	w->now_us += 1000;
	call_begin(k, w, user);
	call_end(k, chat_delete_message(&k->c, span_str(id), hard, &k->j));
}

static void deleting(void **state)
{
	struct world *w = *state;
	struct call k;
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"m\",\"text\":\"words\",\"x\":1}}");
	deleted(&k, w, 1, "m", false);
	EXPECT_ERR(&k, ERR_NOT_ALLOWED);
	call_free(&k);
	deleted(&k, w, 0, "m", true);
	EXPECT_ERR(&k, ERR_NOT_ALLOWED);
	call_free(&k);
	deleted(&k, w, 0, "m", false);
	EXPECT_ERR(&k, ERR_OK);
	assert_string_equal(str_at(k.reply, "message", "type"), "deleted");
	assert_string_equal(str_at(k.reply, "message", "text"), "");
	struct event *e = call_event(&k, EVENT_MESSAGE_DELETED);
	assert_int_equal(e->move, MOVE_UNCOUNTED);
	assert_int_equal(e->seq, 1);
	yyjson_val *body = event_json(&k, e->body);
	assert_false(yyjson_get_bool(json_get(body, "hard_delete")));
	assert_null(path(body, "message", "x"));
	call_free(&k);
	assert_int_equal(unread_of_user(w, "c", 1), 0);
	for (int full = 0; full < 2; full++) {
		call_begin(&k, w, AS_SERVER);
		call_end(&k, chat_get_message(&k.c, SPAN("m"), full, &k.j));
		assert_string_equal(str_at(k.reply, "message", "text"), full ? "words" : "");
		assert_string_equal(str_at(k.reply, "message", "type"), "deleted");
		call_free(&k);
	}
	call_begin(&k, w, AS_SERVER);
	call_end(&k, chat_undelete_message(&k.c, SPAN("m"), &k.j));
	EXPECT_ERR(&k, ERR_OK);
	assert_string_equal(str_at(k.reply, "message", "text"), "words");
	call_free(&k);
	deleted(&k, w, AS_SERVER, "m", true);
	EXPECT_ERR(&k, ERR_OK);
	call_free(&k);
	call_begin(&k, w, AS_SERVER);
	call_end(&k, chat_get_message(&k.c, SPAN("m"), true, &k.j));
	EXPECT_ERR(&k, ERR_NOT_FOUND);
	call_free(&k);
}

/* ---- threads ---- */
static void threads(void **state)
{
	struct world *w = *state;
	struct call k;
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"p\",\"text\":\"parent\"}}");
	send_json(
		&k, w, 1, "c", "{\"message\":{\"id\":\"r1\",\"text\":\"one\",\"parent_id\":\"p\",\"mentioned_users\":[\"u2\"]}}");
	EXPECT_ERR(&k, ERR_OK);
	assert_string_equal(str_at(k.reply, "message", "type"), "reply");
	assert_string_equal(str_at(k.reply, "message", "parent_id"), "p");
	struct event *e = call_event(&k, EVENT_MESSAGE_NEW);
	assert_int_equal(e->move, MOVE_NONE);
	assert_null(e->notify);
	assert_int_equal(yyjson_arr_size(json_get(event_json(&k, e->body), "thread_participants")), 1);
	size_t told = 0;
	for (size_t i = 0; i < k.c.event_count; i++) {
		struct event *n = k.c.events[i];
		if (n->type != EVENT_NOTIFICATION_THREAD_MESSAGE_NEW) continue;
		assert_true(n->user == w->users[0] || n->user == w->users[2]);
		assert_true(n->flags & EVENT_NOT_WATCHING);
		assert_string_equal(str_at(event_json(&k, n->body), "thread_id", NULL), "p");
		told++;
	}
	assert_int_equal(told, 2);
	call_free(&k);
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"r2\",\"text\":\"two\",\"parent_id\":\"p\",\"show_in_channel\":true}}");
	call_begin(&k, w, 2);
	call_end(&k, chat_get_message(&k.c, SPAN("p"), false, &k.j));
	assert_int_equal(int_at(k.reply, "message", "reply_count"), 2);
	assert_int_equal(yyjson_arr_size(path(k.reply, "message", "thread_participants")), 2);
	call_free(&k);
	deleted(&k, w, 1, "r1", false);
	EXPECT_ERR(&k, ERR_OK);
	call_free(&k);
	call_begin(&k, w, 2);
	call_end(&k, chat_get_message(&k.c, SPAN("p"), false, &k.j));
	assert_int_equal(int_at(k.reply, "message", "reply_count"), 1);
	assert_int_equal(int_at(k.reply, "message", "deleted_reply_count"), 1);
	call_free(&k);
	call_begin(&k, w, 2);
	call_end(&k, chat_get_replies(&k.c, SPAN("p"), NULL, NULL, &k.j));
	assert_int_equal(yyjson_arr_size(json_get(k.reply, "messages")), 2);
	call_free(&k);
	deleted(&k, w, AS_SERVER, "p", true);
	EXPECT_ERR(&k, ERR_OK);
	call_free(&k);
	struct message m;
	assert_int_equal(store_message_get(w->tx, w->app->pk, SPAN("r2"), &w->arena, &m), ERR_NOT_FOUND);
}

/* ---- hidden channels ---- */
static void a_message_shows_a_hidden_channel_again(void **state)
{
	struct world *w = *state;
	struct call k;
	static const struct {
		const char *body;
		bool shows;
	} table[] = { { "{\"message\":{\"text\":\"x\",\"silent\":true}}", false },
		{ "{\"keep_channel_hidden\":true,\"message\":{\"text\":\"x\"}}", false },
		{ "{\"message\":{\"text\":\"x\"}}", true } };
	call_begin(&k, w, 1);
	call_end(&k, chat_hide_channel(&k.c, SPAN("messaging"), SPAN("c"), NULL));
	EXPECT_ERR(&k, ERR_OK);
	call_free(&k);
	for (size_t i = 0; i < BECK_COUNT(table); i++) {
		send_json(&k, w, 0, "c", table[i].body);
		EXPECT_ERR(&k, ERR_OK);
		struct event *e = call_event(&k, EVENT_CHANNEL_VISIBLE);
		assert_int_equal(e != NULL, table[i].shows);
		if (e) assert_int_equal(e->user, w->users[1]);
		call_free(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(a_sent_message_has_its_shape), TEST(refusals),
		TEST(a_retry_answers_like_the_first_time), TEST(a_frozen_channel_answers_with_an_error_message),
		TEST(slow_mode_lets_retries_through), TEST(times_rise_though_the_clock_falls),
		TEST(restricted_and_shadowed_are_for_few), TEST(a_quote_does_not_leak), TEST(editing), TEST(pins_run_out),
		TEST(deleting), TEST(threads), TEST(a_message_shows_a_hidden_channel_again) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
