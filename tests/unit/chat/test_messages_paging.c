/* Windows over lists: every family against the same list cut by hand. */
#include "message_support.h"
#include "store/store_members.h"

enum { SENT = 12 };

static int setup(void **state)
{
	int r = world_setup(state);
	struct world *w = *state;
	make_channel(w, "c", 2);
	for (int i = 0; i < SENT; i++) {
		char body[96];
		snprintf(body, sizeof body, "{\"message\":{\"id\":\"m%02d\",\"text\":\"%d\"}}", i, i);
		send_ok(w, i % 2, "c", body);
		if (i == 3) send_ok(w, 0, "c", "{\"message\":{\"id\":\"hidden-reply\",\"text\":\"r\",\"parent_id\":\"m03\"}}");
	}
	return r;
}

static int64_t created(struct world *w, const char *id)
{
	struct message m;
	assert_int_equal(store_message_get(w->tx, w->app->pk, span_str(id), &w->arena, &m), ERR_OK);
	return m.created_at;
}

struct window_case {
	const char *page; /* %s: a time */
	const char *time_of;
	const char *ids; /* expected, comma-joined */
	enum err err;
};
static const struct window_case table[] = {
	{ "{\"limit\":3}", NULL, "m09,m10,m11", ERR_OK },
	{ "{}", NULL, "m00,m01,m02,m03,m04,m05,m06,m07,m08,m09,m10,m11", ERR_OK },
	{ "{\"limit\":0,\"id_lt\":\"\"}", NULL, "m00,m01,m02,m03,m04,m05,m06,m07,m08,m09,m10,m11", ERR_OK },
	{ "{\"limit\":3,\"offset\":2}", NULL, "m07,m08,m09", ERR_OK },
	{ "{\"limit\":3,\"id_lt\":\"m05\"}", NULL, "m02,m03,m04", ERR_OK },
	{ "{\"limit\":3,\"id_lte\":\"m05\"}", NULL, "m03,m04,m05", ERR_OK },
	{ "{\"limit\":3,\"id_gt\":\"m05\"}", NULL, "m06,m07,m08", ERR_OK },
	{ "{\"limit\":3,\"id_gte\":\"m05\"}", NULL, "m05,m06,m07", ERR_OK },
	{ "{\"limit\":3,\"id_lt\":\"m00\"}", NULL, "", ERR_OK },
	{ "{\"limit\":3,\"id_gt\":\"m11\"}", NULL, "", ERR_OK },
	{ "{\"limit\":4,\"id_around\":\"m05\"}", NULL, "m03,m04,m05,m06,m07", ERR_OK },
	{ "{\"limit\":5,\"id_around\":\"m05\"}", NULL, "m03,m04,m05,m06,m07", ERR_OK },
	{ "{\"limit\":4,\"id_around\":\"m00\"}", NULL, "m00,m01,m02", ERR_OK },
	{ "{\"limit\":4,\"id_around\":\"m11\"}", NULL, "m09,m10,m11", ERR_OK },
	{ "{\"limit\":3,\"created_at_before\":\"%s\"}", "m05", "m02,m03,m04", ERR_OK },
	{ "{\"limit\":3,\"created_at_before_or_equal\":\"%s\"}", "m05", "m03,m04,m05", ERR_OK },
	{ "{\"limit\":3,\"created_at_after\":\"%s\"}", "m05", "m06,m07,m08", ERR_OK },
	{ "{\"limit\":3,\"created_at_after_or_equal\":\"%s\"}", "m05", "m05,m06,m07", ERR_OK },
	{ "{\"limit\":4,\"created_at_around\":\"%s\"}", "m05", "m03,m04,m05,m06,m07", ERR_OK },
	{ "{\"id_lt\":\"nope\"}", NULL, NULL, ERR_NOT_FOUND },
	{ "{\"id_lt\":\"m01\",\"id_gt\":\"m00\"}", NULL, NULL, ERR_INPUT },
	{ "{\"id_lt\":\"m01\",\"created_at_after\":\"2026-01-01T00:00:00Z\"}", NULL, NULL, ERR_INPUT },
	{ "{\"limit\":301}", NULL, NULL, ERR_INPUT },
	{ "{\"limit\":-1}", NULL, NULL, ERR_INPUT },
	{ "{\"limit\":300}", NULL, "m00,m01,m02,m03,m04,m05,m06,m07,m08,m09,m10,m11", ERR_OK },
	{ "{\"created_at_after\":\"yesterday\"}", NULL, NULL, ERR_INPUT },
	{ "{\"limit\":2,\"created_at_after\":\"0001-01-01T00:00:00Z\"}", NULL, "m10,m11", ERR_OK },
};

static void check(struct world *w, const struct window_case *t)
{
	struct call k;
	struct channel_ctx x;
	struct page p;
	struct message *list = NULL;
	size_t n = 0;
	char page[256], at[28] = "", ids[256] = "";
	if (t->time_of) time_format(created(w, t->time_of), at);
	const char *mark = strstr(t->page, "%s");
	if (mark)
		snprintf(page, sizeof page, "%.*s%s%s", (int)(mark - t->page), t->page, at, mark + 2);
	else
		snprintf(page, sizeof page, "%s", t->page);
	call_begin(&k, w, 0);
	enum err e = chat_channel_load(&k.c, SPAN("messaging"), SPAN("c"), &x);
	if (e == ERR_OK) e = chat_page_parse(&k.c, call_json(&k, page), 25, 300, &p);
	if (e == ERR_OK) e = chat_messages_page(&k.c, &x, &p, &list, &n);
	if (e != t->err) fail_msg("%s: %s", page, e ? err_name(e) : "OK");
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		size_t used = strlen(ids);
		snprintf(ids + used, sizeof ids - used, "%s%.*s", i ? "," : "", SPAN_FMT(list[i].id));
	}
	if (e == ERR_OK && strcmp(ids, t->ids) != 0) fail_msg("%s\n  gave     %s\n  expected %s", page, ids, t->ids);
	call_end(&k, e);
	call_free(&k);
}

static void every_window(void **state)
{
	for (size_t i = 0; i < BECK_COUNT(table); i++) check(*state, &table[i]);
}

/* What lies before a member's history cut is not his, whichever way he pages. */
static void a_history_cut_bounds_every_window(void **state)
{
	struct world *w = *state;
	struct call k;
	call_begin(&k, w, 0);
	struct member m;
	assert_int_equal(store_member_get(w->tx, channel_pk(w, "c"), w->users[0], &k.arena, &m), ERR_OK);
	m.hide_before = created(w, "m05");
	assert_int_equal(store_member_put(w->tx, &m), ERR_OK);
	call_end(&k, ERR_OK);
	call_free(&k);
	static const struct window_case cut[] = {
		{ "{\"limit\":300}", NULL, "m06,m07,m08,m09,m10,m11", ERR_OK },
		{ "{\"limit\":2,\"created_at_after\":\"%s\"}", "m02", "m06,m07", ERR_OK },
		{ "{\"limit\":2,\"id_lt\":\"m07\"}", NULL, "m06", ERR_OK },
		{ "{\"limit\":2,\"id_gt\":\"m02\"}", NULL, NULL, ERR_NOT_FOUND },
		{ "{\"limit\":4,\"id_around\":\"m06\"}", NULL, "m06,m07,m08", ERR_OK },
	};
	for (size_t i = 0; i < BECK_COUNT(cut); i++) check(w, &cut[i]);
}

static void replies_page_like_channels(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *page, *sort, *first;
		size_t n;
	} cases[] = { { NULL, NULL, "t0", 5 }, { "{\"limit\":2}", NULL, "t3", 2 },
		{ "{\"limit\":2}", "[{\"field\":\"created_at\",\"direction\":1}]", "t0", 2 },
		{ "{\"limit\":2,\"id_lt\":\"t3\"}", NULL, "t1", 2 }, { "{\"limit\":2,\"id_gte\":\"t3\"}", NULL, "t3", 2 } };
	for (int i = 0; i < 5; i++) {
		char body[96];
		snprintf(body, sizeof body, "{\"message\":{\"id\":\"t%d\",\"text\":\"x\",\"parent_id\":\"m07\"}}", i);
		send_ok(w, 0, "c", body);
	}
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct call k;
		call_begin(&k, w, 1);
		call_end(&k, chat_get_replies(&k.c, SPAN("m07"), cases[i].page ? call_json(&k, cases[i].page) : NULL,
				     cases[i].sort ? call_json(&k, cases[i].sort) : NULL, &k.j));
		EXPECT_ERR(&k, ERR_OK);
		yyjson_val *list = json_get(k.reply, "messages");
		assert_int_equal(yyjson_arr_size(list), cases[i].n);
		assert_string_equal(str_at(yyjson_arr_get_first(list), "id", NULL), cases[i].first);
		call_free(&k);
	}
}

static void pinned_ones_page_by_pin(void **state)
{
	struct world *w = *state;
	static const char *const pins[] = { "m04", "m01", "m09" }; /* in order of pinning */
	for (size_t i = 0; i < BECK_COUNT(pins); i++) {
		struct call k;
		w->now_us += 1000;
		call_begin(&k, w, AS_SERVER);
		call_end(&k,
			chat_update_message_partial(&k.c, span_str(pins[i]), call_json(&k, "{\"set\":{\"pinned\":true}}"), &k.j));
		EXPECT_ERR(&k, ERR_OK);
		call_free(&k);
	}
	static const struct {
		const char *payload, *ids;
	} cases[] = { { "{}", "m09,m01,m04" }, { "{\"sort\":[{\"field\":\"pinned_at\",\"direction\":1}]}", "m04,m01,m09" },
		{ "{\"id_lt\":\"m09\"}", "m01,m04" }, { "{\"id_gt\":\"m04\"}", "m09,m01" }, { "{\"limit\":1}", "m09" },
		{ "{\"limit\":2,\"id_around\":\"m01\"}", "m09,m01,m04" } };
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct call k;
		char ids[64] = "";
		call_begin(&k, w, 0);
		call_end(&k, chat_get_pinned_messages(&k.c, SPAN("messaging"), SPAN("c"), call_json(&k, cases[i].payload), &k.j));
		EXPECT_ERR(&k, ERR_OK);
		size_t at, n;
		yyjson_val *m;
		yyjson_arr_foreach(json_get(k.reply, "messages"), at, n, m)
		{
			size_t used = strlen(ids);
			snprintf(ids + used, sizeof ids - used, "%s%s", at ? "," : "", str_at(m, "id", NULL));
		}
		if (strcmp(ids, cases[i].ids) != 0)
			fail_msg("%s\n  gave     %s\n  expected %s", cases[i].payload, ids, cases[i].ids);
		call_free(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(every_window, setup, world_teardown),
		cmocka_unit_test_setup_teardown(a_history_cut_bounds_every_window, setup, world_teardown),
		cmocka_unit_test_setup_teardown(replies_page_like_channels, setup, world_teardown),
		cmocka_unit_test_setup_teardown(pinned_ones_page_by_pin, setup, world_teardown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
