/* Deleting, truncating, clearing; and what watching announces. */
#include "chat/message_rules.h"
#include "chat/replay_parts.h"
#include "world.h"

static enum err create(struct world *w, const char *who, const char *id, const char *body, struct channel_ctx *x)
{
	struct channel_want want;
	struct chat_ctx *c = world_as(w, who);
	enum err e = chat_want_parse(c, J(w, body), true, &want);
	if (e == ERR_OK) e = chat_get_or_create(c, SPAN("messaging"), span_str(id), &want, x);
	if (e == ERR_OK) e = chat_state_write(chat_state_begin(c), &w->out, x, &want);
	return world_end(w, e);
}

static void one(struct world *w)
{
	struct channel_ctx x;
	(void)world_user(w, "ann");
	(void)world_user(w, "bob");
	(void)world_user(w, "cid");
	OK(create(w, "ann", "one", "{\"data\":{\"members\":[\"ann\",\"bob\"],\"name\":\"n\"}}", &x));
}

static void say(struct world *w, const char *who, const char *text)
{
	char body[256];
	snprintf(body, sizeof body, "{\"message\":{\"text\":\"%s\"}}", text);
	OK(AS(w, who, chat_send_message(&w->c, SPAN("messaging"), SPAN("one"), J(w, body), &w->out)));
}

static size_t messages(struct world *w, const char *who)
{
	struct channel_ctx x;
	OK(create(w, who, "one", "{}", &x));
	return yyjson_arr_size(json_get(w->answer, "messages"));
}

static int64_t unread(struct world *w, const char *who)
{
	struct store_totals t;
	OK(AS(w, who, chat_totals(&w->c, w->c.me.pk, &t)));
	return t.total_unread;
}

static int64_t count(struct world *w, const char *sql)
{
	int64_t n = -1;
	assert_int_equal(sql_get_int(sql_compile(w->tx, span_str(sql)), &n, NULL), ERR_OK);
	return n;
}

static enum err delete (struct world *w, const char *who, bool hard, bool keep) {
	struct delete_options o = { .hard = hard, .skip_truncate = keep };
	return AS(w, who, chat_delete_channel(&w->c, SPAN("messaging"), SPAN("one"), &o, &w->out));
}

static void run_tasks(struct world *w)
{
	struct store_task t;
	bool done;
	for (int i = 0; i < 10000; i++) {
		enum err e = store_task_open(w->tx, &w->arena, &t);
		if (e == ERR_NOT_FOUND) return;
		assert_int_equal(e, ERR_OK);
		OK(AS(w, "server", chat_channel_delete_step(&w->c, &t, &done)));
	}
	fail_msg("the task does not end");
}

static void forget(struct world *w, int64_t before)
{
	bool more = true;
	for (int i = 0; more && i < 1000; i++)
		assert_int_equal(store_channels_forget(w->tx, before, LIMIT_PURGE_SLICE, &more), ERR_OK);
	assert_false(more);
}

/* Who was away hears of the end: by resume, from rows that say no more than that. */
static void test_end_is_replayed(void **state)
{
	struct world *w = *state;
	one(w);
	OK(delete (w, "server", true, false));
	run_tasks(w);
	struct store_event *rows;
	struct event *out[32];
	struct replayed r = { .events = out };
	size_t n;
	int64_t head, bob = world_user(w, "bob").pk;
	assert_int_equal(store_event_head(w->tx, &head), ERR_OK);
	assert_int_equal(
		store_events_for_user(w->tx, w->app->pk, bob, &(struct store_interest){ 0 }, 0, head, 32, &w->arena, &rows, &n),
		ERR_OK);
	OK(AS(w, "bob", replay_render(&w->c, rows, n, &(struct replay_options){ .most_bytes = 1 << 20 }, &r)));
	assert_int_equal(r.n, 1);
	yyjson_val *body = body_of(w, out[0]);
	assert_text(at(body, "type"), "notification.channel_deleted");
	assert_text(at(body, "cid"), "messaging:one");
	assert_text(at(json_get(body, "channel"), "id"), "one");
	assert_false(has(json_get(body, "channel"), "name"));
	for (size_t i = 0; i < r.n; i++) event_unref(out[i]);
}

static void test_soft_delete(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	one(w);
	say(w, "ann", "hello");
	assert_int_equal(unread(w, "bob"), 1);
	assert_int_equal(delete (w, "bob", false, false), ERR_NOT_ALLOWED);
	assert_int_equal(delete (w, "ann", true, false), ERR_NOT_ALLOWED);
	OK(delete (w, "ann", false, false));
	assert_true(has(json_get(w->answer, "channel"), "deleted_at"));
	struct event *ev = event_of(w, EVENT_CHANNEL_DELETED, 0);
	assert_true(ev->flags & EVENT_DROP_WATCH);
	assert_int_equal(ev->user, 0);
	assert_int_equal(ev->move, MOVE_RESET);
	assert_non_null(ev->notify);
	assert_int_equal(unread(w, "bob"), 0);
	assert_int_equal(delete (w, "ann", false, false), ERR_NOT_FOUND);
	/* back again it is another, empty one */
	assert_int_equal(create(w, "bob", "one", "{}", &x), ERR_NOT_ALLOWED); /* its creator may, others not */
	OK(create(w, "server", "one", "{\"data\":{\"created_by_id\":\"ann\",\"members\":[\"ann\"]}}", &x));
	assert_true(has(json_get(w->answer, "channel"), "truncated_at"));
	assert_int_equal(num(json_get(w->answer, "channel"), "member_count"), 1);
	assert_int_equal(yyjson_arr_size(json_get(w->answer, "messages")), 0);
	run_tasks(w);
	assert_int_equal(count(w, "SELECT count(*) FROM messages"), 0);
	/* the old one is nameless, and goes when the log does not reach back to it */
	assert_int_equal(count(w, "SELECT count(*) FROM channels WHERE id = '~' || pk AND custom IS NULL"), 1);
	forget(w, w->now_us - 60000000);
	assert_int_equal(count(w, "SELECT count(*) FROM channels"), 2);
	forget(w, w->now_us);
	assert_int_equal(count(w, "SELECT count(*) FROM channels"), 1);
	assert_int_equal(count(w, "SELECT count(*) FROM members"), 1);
}

static void test_hard_delete(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	one(w);
	for (int i = 0; i < 1200; i++) say(w, i % 2 ? "ann" : "bob", "hello");
	OK(delete (w, "server", true, false));
	OK(create(w, "ann", "one", "{\"data\":{\"members\":[\"ann\"]}}", &x));
	assert_int_equal(yyjson_arr_size(json_get(w->answer, "messages")), 0);
	assert_false(has(json_get(w->answer, "channel"), "truncated_at"));
	run_tasks(w);
	assert_int_equal(count(w, "SELECT count(*) FROM messages"), 0);
	assert_int_equal(count(w, "SELECT count(*) FROM channels WHERE custom IS NOT NULL"), 0);
	assert_int_equal(count(w, "SELECT count(*) FROM members WHERE custom IS NOT NULL"), 0);
	assert_int_equal(count(w, "SELECT count(*) FROM erasures WHERE kind = 'channel' AND id = 'messaging:one'"), 1);
	assert_int_equal(count(w, "SELECT count(*) FROM events WHERE type = 'channel.deleted'"), 1);
	assert_int_equal(count(w, "SELECT count(*) FROM events WHERE type = 'message.new'"), 0);
	assert_int_equal(count(w, "SELECT count(*) FROM tasks WHERE status = 'completed' AND result LIKE "
				  "'%\"messaging:one\":{\"status\":\"ok\"}%'"),
		1);
}

static void test_keep_history(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	struct channel_want want;
	(void)world_user(w, "ann");
	(void)world_user(w, "bob");
	struct chat_ctx *c = world_as(w, "ann");
	OK(chat_want_parse(c, J(w, "{\"data\":{\"members\":[\"ann\",\"bob\"]}}"), true, &want));
	OK(world_end(w, chat_get_or_create(c, SPAN("messaging"), SPAN_NONE, &want, &x)));
	OK(AS(w, "ann", chat_send_message(&w->c, SPAN("messaging"), x.ch.id, J(w, "{\"message\":{\"text\":\"x\"}}"), &w->out)));
	struct delete_options o = { .skip_truncate = true };
	assert_int_equal(AS(w, "ann", chat_delete_channel(&w->c, SPAN("messaging"), x.ch.id, &o, &w->out)), ERR_NOT_ALLOWED);
	OK(AS(w, "server", chat_delete_channel(&w->c, SPAN("messaging"), x.ch.id, &o, &w->out)));
	c = world_as(w, "server");
	OK(chat_want_parse(c, J(w, "{\"data\":{\"members\":[\"ann\",\"bob\"],\"created_by_id\":\"bob\"}}"), true, &want));
	struct channel_ctx again;
	enum err e = chat_get_or_create(c, SPAN("messaging"), SPAN_NONE, &want, &again);
	OK(e);
	OK(world_end(w, chat_state_write(chat_state_begin(c), &w->out, &again, &want)));
	assert_int_equal(again.ch.pk, x.ch.pk);
	assert_int_equal(yyjson_arr_size(json_get(w->answer, "messages")), 1);
	assert_int_equal(yyjson_arr_size(json_get(w->answer, "members")), 2);
	one(w);
	assert_int_equal(delete (w, "server", false, true), ERR_INPUT);
}

static void test_delete_many(void **state)
{
	struct world *w = *state;
	one(w);
	OK(AS(w, "server",
		chat_delete_channels(&w->c,
			J(w, "{\"cids\":[\"messaging:one\",\"messaging:two\",\"messaging:one\"],\"hard_delete\":true}"),
			&w->out)));
	assert_true(at(w->answer, "task_id").n == 36);
	yyjson_val *result = json_get(w->answer, "result");
	assert_text(at(json_get(result, "messaging:one"), "status"), "ok");
	assert_text(at(json_get(result, "messaging:two"), "status"), "error");
	run_tasks(w);
	forget(w, w->now_us);
	assert_int_equal(count(w, "SELECT count(*) FROM channels"), 0);
	assert_int_equal(count(w, "SELECT count(*) FROM members"), 0);
	static const char *const refused[] = { "{}", "{\"cids\":[]}", "{\"cids\":[7]}", "{\"cids\":[\"nocolon\"]}",
		"{\"cids\":\"messaging:one\"}" };
	for (size_t i = 0; i < BECK_COUNT(refused); i++)
		assert_int_equal(AS(w, "server", chat_delete_channels(&w->c, J(w, refused[i]), &w->out)), ERR_INPUT);
}

static enum err truncate_it(struct world *w, const char *who, const char *body)
{
	return AS(w, who, chat_truncate_channel(&w->c, SPAN("messaging"), SPAN("one"), J(w, body), &w->out));
}

static void test_truncate(void **state)
{
	struct world *w = *state;
	one(w);
	for (int i = 0; i < 3; i++) say(w, "ann", "old");
	assert_int_equal(truncate_it(w, "bob", "{}"), ERR_NOT_ALLOWED);
	w->now_us -= 5000000; /* the clock steps back: still everything goes */
	OK(truncate_it(w, "server:ann", "{}"));
	assert_text(at(json_get(json_get(w->answer, "channel"), "truncated_by"), "id"), "ann");
	assert_false(has(json_get(w->answer, "channel"), "last_message_at"));
	struct event *ev = event_of(w, EVENT_CHANNEL_TRUNCATED, 0);
	assert_non_null(ev->notify);
	assert_int_equal(w->c.events[0]->move, MOVE_RESET);
	assert_int_equal(messages(w, "bob"), 0);
	assert_int_equal(unread(w, "bob"), 0);
	say(w, "ann", "new");
	assert_int_equal(messages(w, "bob"), 1);
	assert_int_equal(unread(w, "bob"), 1);
	OK(truncate_it(w, "server", "{\"message\":{\"text\":\"cut\",\"user_id\":\"ann\"},\"hard_delete\":true}"));
	assert_text(at(json_get(w->answer, "message"), "type"), "system");
	assert_int_equal(messages(w, "bob"), 1);
	assert_int_equal(unread(w, "bob"), 1);
	run_tasks(w);
	assert_int_equal(count(w, "SELECT count(*) FROM messages"), 1);
	assert_int_equal(truncate_it(w, "server", "{\"truncated_at\":\"2100-01-01T00:00:00Z\"}"), ERR_INPUT);
	assert_int_equal(truncate_it(w, "server", "{\"truncated_at\":\"soon\"}"), ERR_INPUT);
	assert_int_equal(truncate_it(w, "server", "{\"message\":{\"text\":\"x\"}}"), ERR_INPUT);
}

static void test_truncate_some(void **state)
{
	struct world *w = *state;
	one(w);
	say(w, "ann", "a");
	say(w, "ann", "b");
	OK(truncate_it(w, "server", "{\"member_ids\":[\"bob\"]}"));
	struct event *ev = event_of(w, EVENT_CHANNEL_TRUNCATED, 0);
	assert_int_equal(ev->only_count, 1);
	assert_int_equal(ev->only[0], world_user(w, "bob").pk);
	assert_int_equal(messages(w, "bob"), 0);
	assert_int_equal(messages(w, "ann"), 2);
	assert_int_equal(unread(w, "bob"), 0);
	assert_int_equal(truncate_it(w, "server", "{\"member_ids\":[\"cid\"]}"), ERR_INPUT);
}

static void test_truncate_partly(void **state)
{
	struct world *w = *state;
	char body[128], at_text[28];
	one(w);
	say(w, "ann", "a");
	say(w, "ann", "b");
	time_format(w->now_us, at_text);
	say(w, "ann", "c");
	say(w, "ann", "d");
	snprintf(body, sizeof body, "{\"truncated_at\":\"%s\"}", at_text);
	OK(truncate_it(w, "server", body));
	assert_int_equal(w->c.events[0]->move, MOVE_RECOUNT);
	assert_int_equal(messages(w, "bob"), 2);
	assert_int_equal(unread(w, "bob"), 2);
	assert_int_equal(num(json_get(w->answer, "channel"), "message_count"), INT64_MIN);
}

static void test_clear_history(void **state)
{
	struct world *w = *state;
	one(w);
	say(w, "ann", "a");
	assert_int_equal(unread(w, "bob"), 1);
	OK(AS(w, "bob", chat_hide_channel(&w->c, SPAN("messaging"), SPAN("one"), J(w, "{\"clear_history\":true}"))));
	struct event *ev = event_of(w, EVENT_CHANNEL_HIDDEN, 0);
	assert_int_equal(ev->move, MOVE_READ);
	assert_int_equal(ev->unread, 0);
	assert_true(is(body_of(w, ev), "clear_history"));
	assert_int_equal(unread(w, "bob"), 0);
	assert_int_equal(messages(w, "bob"), 0);
	assert_int_equal(messages(w, "ann"), 1);
	say(w, "ann", "b"); /* shows it again */
	assert_int_equal(messages(w, "bob"), 1);
	struct channel_list l;
	OK(AS(w, "bob", chat_query_channels(&w->c, NULL, &l)));
	assert_int_equal(l.n, 1);
}

static void test_watching(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	bool first;
	int64_t watchers = 0, pks[10], causes[10];
	size_t n = 0;
	one(w);
	assert_true(registry_watch(w->registry, w->app->pk, 1, world_user(w, "bob").pk, true, &first, &watchers));
	OK(create(w, "ann", "one", "{}", &x));
	assert_int_equal(num(w->answer, "watcher_count"), 1);
	assert_text(at(yyjson_arr_get(json_get(w->answer, "watchers"), 0), "id"), "bob");
	OK(AS(w, "bob", chat_watch_announce(&w->c, &x, true, 1)));
	struct event *ev = event_of(w, EVENT_USER_WATCHING_START, 0);
	assert_int_equal(ev->flags & EVENT_THIN_5S, EVENT_THIN_5S);
	assert_int_equal(ev->pos, 0);
	assert_int_equal(num(body_of(w, ev), "watcher_count"), 1);
	assert_text(at(json_get(body_of(w, ev), "user"), "id"), "bob");
	struct user u = world_user(w, "bob");
	u.invisible = true;
	assert_int_equal(store_user_put(w->tx, w->app->pk, &u, SPAN_NONE), ERR_OK);
	OK(AS(w, "bob", chat_watch_announce(&w->c, &x, true, 1)));
	assert_int_equal(w->c.event_count, 0);
	OK(AS(w, "ann", chat_presence_users(&w->c, &x, 100, 10, pks, causes, &n)));
	assert_int_equal(n, 1);
	assert_int_equal(pks[0], u.pk);
	assert_int_equal(causes[0], x.ch.pk);
	registry_unwatch(w->registry, w->app->pk, 1, u.pk, &first, &watchers);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_soft_delete), TEST(test_hard_delete), TEST(test_end_is_replayed),
		TEST(test_keep_history), TEST(test_delete_many), TEST(test_truncate), TEST(test_truncate_some),
		TEST(test_truncate_partly), TEST(test_clear_history), TEST(test_watching) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
