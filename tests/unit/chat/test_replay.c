/* What resume and /sync show: present rows under present rights, once, in order. */
#include "message_support.h"
#include "store/store_members.h"

static int setup(void **state)
{
	int r = world_setup(state);
	make_channel(*state, "c", 3);
	return r;
}
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)

struct page_of {
	struct call k;
	struct event **events;
	size_t n;
	int64_t upto;
	bool at_head;
};

static int64_t head(struct world *w)
{
	int64_t pos = 0;
	assert_int_equal(store_event_head(w->tx, &pos), ERR_OK);
	return pos;
}

static void resume(struct page_of *p, struct world *w, int user, int64_t after, bool watches)
{
	int64_t pk = channel_pk(w, "c");
	struct store_interest in = { &pk, watches, NULL, 0 };
	call_begin(&p->k, w, user);
	call_end(&p->k, chat_resume_page(&p->k.c, w->users[user], after, &in, &p->events, &p->n, &p->upto, &p->at_head));
	EXPECT_ERR(&p->k, ERR_OK);
}

static void page_free(struct page_of *p)
{
	for (size_t i = 0; i < p->n; i++) event_unref(p->events[i]);
	call_free(&p->k);
}

static struct event *find(const struct page_of *p, enum event_type t)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->events[i]->type == t) return p->events[i];
	return NULL;
}

static void watchers_and_members_get_their_twin(void **state)
{
	struct world *w = *state;
	int64_t from = head(w);
	send_ok(w, 0, "c", "{\"message\":{\"id\":\"m\",\"text\":\"words\"}}");
	for (int watches = 0; watches < 2; watches++) {
		struct page_of p;
		resume(&p, w, 1, from, watches);
		assert_true(p.at_head);
		assert_int_equal(p.upto, head(w));
		struct event *e = find(&p, watches ? EVENT_MESSAGE_NEW : EVENT_NOTIFICATION_MESSAGE_NEW);
		assert_non_null(e);
		assert_null(find(&p, watches ? EVENT_NOTIFICATION_MESSAGE_NEW : EVENT_MESSAGE_NEW));
		assert_true(e->pos > from);
		assert_string_equal(str_at(event_json(&p.k, e->body), "message", "text"), "words");
		page_free(&p);
	}
}

static void a_live_body_and_its_replay_are_the_same(void **state)
{
	struct world *w = *state;
	struct call k;
	struct page_of p;
	int64_t from = head(w);
	send_json(&k, w, 0, "c",
		"{\"message\":{\"id\":\"m\",\"text\":\"words\",\"x\":{\"y\":[1,null]},\"mentioned_users\":[\"u1\"]}}");
	EXPECT_ERR(&k, ERR_OK);
	resume(&p, w, 1, from, true);
	struct span live = blob_span(call_event(&k, EVENT_MESSAGE_NEW)->body),
		    replayed = blob_span(find(&p, EVENT_MESSAGE_NEW)->body);
	if (!span_eq(live, replayed)) fail_msg("live     %.*s\nreplayed %.*s", SPAN_FMT(live), SPAN_FMT(replayed));
	page_free(&p);
	call_free(&k);
}

static bool mentions(const struct page_of *p, const char *text)
{
	for (size_t i = 0; i < p->n; i++)
		if (memmem(p->events[i]->body->p, p->events[i]->body->n, text, strlen(text))) return true;
	return false;
}

static void what_was_removed_stays_removed(void **state)
{
	struct world *w = *state;
	static const bool ways[] = { false, true };
	for (size_t i = 0; i < BECK_COUNT(ways); i++) {
		struct call k;
		struct page_of p;
		int64_t from = head(w);
		char body[96], id[16];
		snprintf(id, sizeof id, "gone%zu", i);
		snprintf(body, sizeof body, "{\"message\":{\"id\":\"%s\",\"text\":\"marker-words\"}}", id);
		send_ok(w, 0, "c", body);
		w->now_us += 1000;
		call_begin(&k, w, AS_SERVER);
		call_end(&k, chat_delete_message(&k.c, span_str(id), ways[i], &k.j));
		EXPECT_ERR(&k, ERR_OK);
		call_free(&k);
		resume(&p, w, 1, from, true);
		assert_false(mentions(&p, "marker-words"));
		struct event *e = find(&p, EVENT_MESSAGE_DELETED);
		assert_non_null(e);
		yyjson_val *v = event_json(&p.k, e->body);
		assert_string_equal(str_at(v, "message", "id"), id);
		assert_string_equal(str_at(v, "message", "type"), "deleted");
		assert_string_equal(str_at(json_get(v, "message"), "user", "id"), "u0");
		assert_int_equal(yyjson_get_bool(json_get(v, "hard_delete")), ways[i]);
		assert_int_equal(find(&p, EVENT_MESSAGE_NEW) != NULL, !ways[i]);
		page_free(&p);
	}
}

static void restricted_rows_are_for_few(void **state)
{
	struct world *w = *state;
	int64_t from = head(w);
	send_ok(w, AS_SERVER, "c",
		"{\"message\":{\"id\":\"r\",\"text\":\"secret\",\"user_id\":\"u0\",\"restricted_visibility\":[\"u1\"]}}");
	for (int erased = 0; erased < 2; erased++) {
		for (int user = 0; user < 3; user++) {
			struct page_of p;
			resume(&p, w, user, from, true);
			assert_int_equal(mentions(&p, "\"r\""), user != 2);
			page_free(&p);
		}
		struct call k;
		call_begin(&k, w, AS_SERVER);
		call_end(&k, erased ? ERR_OK : chat_delete_message(&k.c, SPAN("r"), true, &k.j));
		call_free(&k);
	}
}

static void pages_join_without_a_seam(void **state)
{
	struct world *w = *state;
	int64_t from = head(w), at = from;
	enum { SENT = 1100 };
	for (int i = 0; i < SENT; i++) send_ok(w, 0, "c", "{\"message\":{\"text\":\"x\"}}");
	size_t seen = 0, pages = 0;
	for (bool done = false; !done; pages++) {
		struct page_of p;
		resume(&p, w, 1, at, true);
		for (size_t i = 0; i < p.n; i++) {
			assert_true(p.events[i]->pos > at);
			at = p.events[i]->pos;
			seen += p.events[i]->type == EVENT_MESSAGE_NEW;
		}
		assert_true(p.upto >= at);
		at = p.upto;
		done = p.at_head;
		page_free(&p);
	}
	assert_int_equal(seen, SENT);
	assert_int_equal(pages, 2);
}

/* ---- /sync ---- */
static void sync(struct call *k, struct world *w, int user, int64_t since, const char *cids, bool inaccessible)
{
	char body[256], at[28];
	time_format(since, at);
	snprintf(body, sizeof body, "{\"channel_cids\":[%s],\"last_sync_at\":\"%s\"}", cids, at);
	call_begin(k, w, user);
	call_end(k, chat_sync(&k->c, call_json(k, body), inaccessible, &k->j));
}

static void sync_names_what_he_lost(void **state)
{
	struct world *w = *state;
	struct call k;
	int64_t since = w->now_us;
	send_ok(w, 0, "c", "{\"message\":{\"text\":\"x\"}}");
	sync(&k, w, 5, since, "\"messaging:c\",\"messaging:none\"", true);
	EXPECT_ERR(&k, ERR_OK);
	assert_int_equal(yyjson_arr_size(json_get(k.reply, "events")), 2);
	assert_int_equal(yyjson_arr_size(json_get(k.reply, "inaccessible_cids")), 2);
	assert_string_equal(
		str_at(yyjson_arr_get_first(json_get(k.reply, "events")), "type", NULL), "notification.removed_from_channel");
	call_free(&k);
	sync(&k, w, 1, since, "\"messaging:c\"", false);
	EXPECT_ERR(&k, ERR_OK);
	assert_string_equal(str_at(yyjson_arr_get_last(json_get(k.reply, "events")), "type", NULL), "message.new");
	call_free(&k);
	sync(&k, w, 1, since - INT64_C(31) * 86400 * 1000000, "\"messaging:c\"", false);
	EXPECT_ERR(&k, ERR_INPUT);
	call_free(&k);
	sync(&k, w, 1, since, "7", false);
	EXPECT_ERR(&k, ERR_INPUT);
	call_free(&k);
}

/* Rows that are not his must not push a sync over the limit: two histories that differ only in what B hides give A the same. */
static void sync_counts_only_what_it_shows(void **state)
{
	struct world *w = *state;
	struct call k;
	struct user u;
	int64_t since = w->now_us + 1000000;
	assert_int_equal(store_user_get_pk(w->tx, w->users[1], &w->arena, &u), ERR_OK);
	u.privacy_read = TRI_OFF;
	assert_int_equal(store_user_put(w->tx, w->app->pk, &u, SPAN_NONE), ERR_OK);
	w->now_us = since;
	for (int i = 0; i < 1200; i++) {
		if (i < 900) send_ok(w, 0, "c", "{\"message\":{\"text\":\"x\"}}");
		w->now_us += 1000;
		call_begin(&k, w, 1);
		call_end(&k, chat_mark_read(&k.c, SPAN("messaging"), SPAN("c"), NULL, &k.j));
		EXPECT_ERR(&k, ERR_OK);
		call_free(&k);
	}
	sync(&k, w, 0, since, "\"messaging:c\"", false);
	EXPECT_ERR(&k, ERR_OK);
	assert_int_equal(yyjson_arr_size(json_get(k.reply, "events")), 900);
	call_free(&k);
	for (int i = 0; i < 101; i++) send_ok(w, 0, "c", "{\"message\":{\"text\":\"x\"}}");
	sync(&k, w, 0, since, "\"messaging:c\"", false);
	EXPECT_ERR(&k, ERR_INPUT);
	call_free(&k);
}

/* ---- client events ---- */
static void client_events(void **state)
{
	struct world *w = *state;
	static const struct {
		int user;
		const char *body;
		enum err err;
		bool delivered;
	} table[] = {
		{ 0, "{\"event\":{\"type\":\"typing.start\",\"parent_id\":\"p\"}}", ERR_OK, true },
		{ 0, "{\"event\":{\"type\":\"typing.stop\"}}", ERR_OK, true },
		{ 0, "{\"event\":{\"type\":\"ai_indicator.update\",\"ai_state\":\"x\"}}", ERR_OK, true },
		{ 0, "{\"event\":{\"type\":\"friendship_request\",\"text\":\"hi\"}}", ERR_OK, true },
		{ 0, "{\"event\":{\"type\":\"message.new\"}}", ERR_EVENT_TYPE, false },
		{ 0, "{\"event\":{\"type\":\"health.check\"}}", ERR_EVENT_TYPE, false },
		{ 0, "{\"event\":{}}", ERR_INPUT, false },
		{ 0, "{}", ERR_INPUT, false },
		{ 0, "{\"event\":{\"type\":\"typing.start\",\"parent_id\":7}}", ERR_INPUT, false },
		{ 5, "{\"event\":{\"type\":\"typing.start\"}}", ERR_NOT_ALLOWED, false },
		{ 1, "{\"event\":{\"type\":\"typing.start\"}}", ERR_OK, false }, /* hides it */
		{ AS_SERVER, "{\"event\":{\"type\":\"typing.start\"}}", ERR_INPUT, false },
	};
	struct user u;
	assert_int_equal(store_user_get_pk(w->tx, w->users[1], &w->arena, &u), ERR_OK);
	u.privacy_typing = TRI_OFF;
	assert_int_equal(store_user_put(w->tx, w->app->pk, &u, SPAN_NONE), ERR_OK);
	int64_t before = head(w);
	for (size_t i = 0; i < BECK_COUNT(table); i++) {
		struct call k;
		call_begin(&k, w, table[i].user);
		call_end(&k, chat_send_event(&k.c, SPAN("messaging"), SPAN("c"), call_json(&k, table[i].body), &k.j));
		if (k.err != table[i].err) fail_msg("%s: %s", table[i].body, k.err ? err_name(k.err) : "OK");
		assert_int_equal(k.c.event_count, table[i].delivered);
		if (k.err == ERR_OK) assert_non_null(path(k.reply, "event", "user"));
		call_free(&k);
	}
	assert_int_equal(head(w), before); /* nothing of it is stored */
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(watchers_and_members_get_their_twin),
		TEST(a_live_body_and_its_replay_are_the_same), TEST(what_was_removed_stays_removed),
		TEST(restricted_rows_are_for_few), TEST(pages_join_without_a_seam), TEST(sync_names_what_he_lost),
		TEST(sync_counts_only_what_it_shows), TEST(client_events) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
