#include "fake.h"

#include "client/channel.h"
#include "client/client.h"

static beck_client *client;
static beck_channel *ch;

static int setup(void **state)
{
	(void)state;
	client = fake_client();
	ch = beck_channel_open(client, "messaging", "general!1");
	return client && ch ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	beck_channel_unref(ch);
	beck_release(client);
	return 0;
}

#define AT "/channels/messaging/general%211"

static void names(void **state)
{
	(void)state;
	assert_string_equal(beck_channel_type(ch), "messaging");
	assert_string_equal(beck_channel_id(ch), "general!1");
	assert_string_equal(beck_channel_cid(ch), "messaging:general!1");
	assert_ptr_equal(beck_channel_client(ch), client);
	assert_string_equal(beck_channel_cid(NULL), "");
	assert_string_equal(beck_channel_type(NULL), "");
	assert_null(beck_channel_client(NULL));
	assert_null(beck_channel_ref(NULL));
	beck_channel_unref(NULL);
}

static void names_that_are_not_allowed(void **state)
{
	(void)state;
	char long_id[66];
	memset(long_id, 'x', 65);
	long_id[65] = '\0';
	assert_null(beck_channel_open(NULL, "messaging", "a"));
	assert_null(beck_channel_open(client, NULL, "a"));
	assert_null(beck_channel_open(client, "mess/aging", "a"));
	assert_null(beck_channel_open(client, "", "a"));
	assert_null(beck_channel_open(client, "messaging", ""));
	assert_null(beck_channel_open(client, "messaging", "a b"));
	assert_null(beck_channel_open(client, "messaging", ".."));
	assert_null(beck_channel_open(client, "messaging", long_id));
	long_id[64] = '\0';
	beck_channel *bound = beck_channel_open(client, "messaging", long_id);
	assert_non_null(bound);
	beck_channel_unref(bound);
}

static void why_a_channel_was_not_opened(void **state)
{
	(void)state;
	static const struct {
		const char *type, *id, *field;
	} wrong[] = { { NULL, "a", "type" }, { "mess/aging", "a", "type" }, { "", NULL, "type" }, { "messaging", "a b", "id" },
		{ "messaging", "", "id" } };
	beck_error e = { 0 };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		e = (beck_error){ 0 };
		assert_null(beck_channel_open_err(client, wrong[i].type, wrong[i].id, &e));
		assert_int_equal(e.result, BECK_EARG);
		assert_string_equal(e.field, wrong[i].field);
		assert_true(e.message[0] != '\0');
		assert_null(beck_channel_open_err(client, wrong[i].type, wrong[i].id, NULL));
	}
	assert_null(beck_channel_open_err(NULL, "messaging", "a", &e));
	assert_string_equal(e.field, "client");
	e = (beck_error){ 0 };
	beck_channel *good = beck_channel_open_err(client, "messaging", "a", &e);
	assert_non_null(good);
	assert_int_equal(e.result, BECK_OK);
	beck_channel_unref(good);
}

static void create_and_watch(void **state)
{
	(void)state;
	BOTH("POST", AT "/query", "", "{\"state\":true}", beck_channel_create, ch, NULL);
	assert_false(fake.needs_connection);
	assert_int_equal(fake.effect, CALL_PLAIN);
	BOTH("POST", AT "/query", "", "{\"data\":{\"members\":[\"john\"]},\"state\":true}", beck_channel_create, ch,
		"{\"members\":[\"john\"]}");
	BOTH("POST", AT "/query", "", "{\"data\":{\"name\":\"x\"},\"state\":true,\"watch\":true,\"presence\":true}",
		beck_channel_watch, ch, "{\"name\":\"x\"}");
	assert_true(fake.needs_connection);
	assert_int_equal(fake.effect, CALL_WATCHES | CALL_PRESENCE);
	REFUSED(BECK_EARG, "data", beck_channel_create, ch, "[1]");
	REFUSED(BECK_EARG, "data", beck_channel_watch, ch, "{\"a\":}");
	REFUSED(BECK_EARG, "channel", beck_channel_create, NULL, NULL);
	BOTH("POST", AT "/stop-watching", "", "{}", beck_channel_stop_watching, ch);
	assert_true(fake.needs_connection);
	assert_int_equal(fake.effect, CALL_UNWATCHES);
	assert_string_equal(fake.cid, "messaging:general!1");
}

static void what_is_wrong_and_where(void **state)
{
	(void)state;
	beck_error err = { 0 };
	assert_int_equal(beck_channel_update(ch, "{\"set\":x}", NULL, &err), BECK_EARG);
	assert_non_null(strstr(err.message, "change must be a JSON object"));
	assert_non_null(strstr(err.message, "byte 7"));
	assert_int_equal(beck_channel_update(ch, NULL, NULL, &err), BECK_EARG);
	assert_non_null(strstr(err.message, "NULL"));
	assert_int_equal(beck_channel_update(ch, "", NULL, &err), BECK_EARG);
	assert_int_equal(fake.calls, 0);
}

static void queries(void **state)
{
	(void)state;
	BOTH("POST", AT "/query", "", "{}", beck_channel_query, ch, NULL);
	assert_false(fake.needs_connection);
	BOTH("POST", AT "/query", "", "{\"state\":true,\"watch\":true}", beck_channel_query, ch,
		"{\"state\":true,\"watch\":true}");
	assert_true(fake.needs_connection);
	assert_int_equal(fake.effect, CALL_WATCHES);
	BOTH("POST", "/channels", "", "{\"limit\":2}", beck_query_channels, client, "{\"limit\":2}");
	assert_false(fake.needs_connection);
	assert_int_equal(fake.effect, CALL_PLAIN);
	BOTH("POST", "/channels", "", "{\"watch\":true}", beck_query_channels, client, "{\"watch\":true}");
	assert_true(fake.needs_connection);
	assert_int_equal(fake.effect, CALL_WATCHES);
	BOTH("POST", "/channels", "", "{\"presence\":true,\"watch\":false}", beck_query_channels, client,
		"{\"presence\":true,\"watch\":false}");
	assert_true(fake.needs_connection);
	assert_int_equal(fake.effect, CALL_PRESENCE);
	REFUSED(BECK_EARG, "query", beck_query_channels, client, "7");
	REFUSED(BECK_EARG, "query", beck_query_channels, client, NULL);
	REFUSED(BECK_EARG, "client", beck_query_channels, NULL, "{}");
	BOTH("GET", "/members", "payload=%7B%22type%22%3A%22messaging%22%2C%22id%22%3A%22general%211%22%2C%22limit%22%3A%209%7D",
		"", beck_query_members, ch, " { \"limit\": 9 } ");
	BOTH("GET", "/members", "payload=%7B%22type%22%3A%22messaging%22%2C%22id%22%3A%22general%211%22%7D", "",
		beck_query_members, ch, "{}");
	REFUSED(BECK_EARG, "channel", beck_query_members, NULL, "{}");
}

static void members(void **state)
{
	(void)state;
	static const char *const two[] = { "john", "a@b", NULL }, *const none[] = { NULL },
				 *const bad[] = { "john", "a/b", NULL };
	const char *many[102];
	for (size_t i = 0; i < 101; i++) many[i] = "u";
	many[101] = NULL;
	BOTH("POST", AT, "", "{\"add_members\":[\"john\",\"a@b\"]}", beck_add_members, ch, two, NULL);
	BOTH("POST", AT, "", "{\"remove_members\":[\"john\",\"a@b\"],\"message\":{\"text\":\"by\\\"e\"}}", beck_remove_members,
		ch, two, "by\"e");
	REFUSED(BECK_EARG, "user_ids", beck_add_members, ch, none, NULL);
	REFUSED(BECK_EARG, "user_ids", beck_add_members, ch, NULL, NULL);
	REFUSED(BECK_EARG, "user_ids", beck_remove_members, ch, bad, NULL);
	REFUSED(BECK_ETOOBIG, "user_ids", beck_add_members, ch, many, NULL);
	REFUSED(BECK_EARG, "message_text", beck_add_members, ch, two, "\xff");
	many[100] = NULL;
	beck_error err = { 0 };
	assert_int_equal(beck_add_members(ch, many, NULL, NULL, &err), BECK_OK);
}

static void changes(void **state)
{
	(void)state;
	BOTH("PATCH", AT, "", "{\"set\":{\"name\":\"x\"}}", beck_channel_update, ch, "{\"set\":{\"name\":\"x\"}}");
	BOTH("DELETE", AT, "", "", beck_channel_delete, ch);
	BOTH("POST", AT "/event", "", "{\"event\":{\"type\":\"wave\"}}", beck_send_event, ch, "{\"type\":\"wave\"}");
	REFUSED(BECK_EARG, "event", beck_send_event, ch, "\"wave\"");
	REFUSED(BECK_EARG, "channel", beck_channel_delete, NULL);
}

static void read_state(void **state)
{
	(void)state;
	BOTH("POST", AT "/read", "", "{}", beck_mark_read, ch, NULL);
	BOTH("POST", AT "/read", "", "{\"message_id\":\"m-1\"}", beck_mark_read, ch, "m-1");
	BOTH("POST", AT "/unread", "", "{\"message_id\":\"m-1\"}", beck_mark_unread, ch, "m-1");
	BOTH("POST", "/channels/delivered", "",
		"{\"latest_delivered_messages\":[{\"cid\":\"messaging:general!1\",\"id\":\"m-1\"}]}", beck_mark_delivered, ch,
		"m-1");
	BOTH("GET", "/unread", "", "", beck_unread_counts, client);
	REFUSED(BECK_EARG, "message_id", beck_mark_read, ch, "m/1");
	REFUSED(BECK_EARG, "message_id", beck_mark_unread, ch, NULL);
	REFUSED(BECK_EARG, "message_id", beck_mark_delivered, ch, NULL);
	REFUSED(BECK_EARG, "channel", beck_mark_delivered, NULL, "m-1");
	REFUSED(BECK_EARG, "client", beck_unread_counts, NULL);
}

/* ---- distinct channels ---- */

static int told;
static void count(void *ctx, const beck_error *error, const beck_reply *reply)
{
	(void)error;
	(void)reply;
	told++;
	if (ctx) assert_string_equal(beck_channel_id(ctx), "!members-x");
}

static void id_is_learnt(void **state)
{
	(void)state;
	beck_error err = { 0 };
	beck_channel *d = beck_channel_open(client, "messaging", NULL);
	assert_string_equal(beck_channel_cid(d), "");
	assert_int_equal(beck_channel_on(d, NULL, NULL, NULL), 0);
	REFUSED(BECK_EARG, "data", beck_channel_create, d, NULL);
	REFUSED(BECK_ESTATE, "channel", beck_mark_read, d, NULL);
	REFUSED(BECK_ESTATE, "channel", beck_mark_delivered, d, "m");
	REFUSED(BECK_ESTATE, "channel", beck_query_members, d, "{}");
	assert_int_equal(beck_keystroke(d, NULL), BECK_ESTATE);
	told = 0;
	assert_int_equal(beck_channel_create_async(d, "{\"members\":[\"a\",\"b\"]}", count, d, &err), BECK_OK);
	assert_request("POST", "/channels/messaging/query", "", "{\"data\":{\"members\":[\"a\",\"b\"]},\"state\":true}");
	fake_answer("{\"channel\":{\"id\":\"!members-x\"}}");
	assert_int_equal(told, 1);
	assert_string_equal(beck_channel_cid(d), "messaging:!members-x");
	BOTH("POST", "/channels/messaging/%21members-x/read", "", "{}", beck_mark_read, d, NULL);
	beck_channel_unref(d);
}

static void id_is_learnt_by_waiting(void **state)
{
	(void)state;
	beck_error err = { 0 };
	const beck_reply *reply = NULL;
	beck_channel *d = beck_channel_open(client, "messaging", NULL);
	fake.answer = "{\"channel\":{\"id\":\"../etc\"}}";
	assert_int_equal(beck_channel_create(d, "{\"members\":[\"a\"]}", NULL, &err), BECK_OK);
	assert_string_equal(beck_channel_id(d), "");
	fake.answer = "{\"channel\":{\"id\":\"!members-x\"}}";
	assert_int_equal(beck_channel_create(d, "{\"members\":[\"a\"]}", &reply, &err), BECK_OK);
	assert_string_equal(beck_channel_id(d), "!members-x");
	assert_string_equal(beck_value_text(beck_value_path(beck_reply_value(reply), "channel.id")), "!members-x");
	beck_reply_unref(reply);
	beck_channel_unref(d);
}

/* A call on its way keeps neither the channel nor, by way of it, the client. */
static void answer_after_the_channel_is_gone(void **state)
{
	(void)state;
	beck_error err = { 0 };
	told = 0;
	int owners = atomic_load(&client->owners);
	beck_channel *d = beck_channel_open(client, "messaging", NULL);
	assert_int_equal(beck_channel_create_async(d, "{\"members\":[\"a\"]}", count, NULL, &err), BECK_OK);
	beck_channel_unref(d);
	assert_int_equal(atomic_load(&client->owners), owners);
	fake_answer("{\"channel\":{\"id\":\"!members-x\"}}");
	assert_int_equal(told, 1);
}

static void a_failing_start_tells_nobody(void **state)
{
	(void)state;
	beck_error err = { 0 };
	told = 0;
	fake.result = BECK_EFULL;
	assert_int_equal(beck_channel_create_async(ch, NULL, count, NULL, &err), BECK_EFULL);
	assert_int_equal(err.result, BECK_EFULL);
	assert_int_equal(told, 0);
	const beck_reply *reply = (const beck_reply *)(const void *)&told;
	assert_int_equal(beck_channel_create(ch, NULL, &reply, &err), BECK_EFULL);
	assert_ptr_equal(reply, &told);
	assert_int_equal(beck_channel_delete(ch, NULL, NULL), BECK_EFULL);
}

/* ---- handlers ---- */

static void seen(void *ctx, beck_client *c, const beck_event *e)
{
	(void)c;
	(void)e;
	++*(int *)ctx;
}

static void handlers(void **state)
{
	(void)state;
	int all = 0, new = 0;
	size_t before = client->handlers.n;
	beck_handler a = beck_channel_on(ch, NULL, seen, &all), b = beck_channel_on(ch, "message.new", seen, &new);
	assert_true(a && b && a != b);
	fake_event(client, "{\"type\":\"message.new\",\"cid\":\"messaging:general!1\"}");
	fake_event(client, "{\"type\":\"message.new\",\"cid\":\"messaging:other\"}");
	fake_event(client, "{\"type\":\"message.read\",\"cid\":\"messaging:general!1\"}");
	assert_int_equal(all, 2);
	assert_int_equal(new, 1);
	beck_off(client, b);
	fake_event(client, "{\"type\":\"message.new\",\"cid\":\"messaging:general!1\"}");
	assert_int_equal(new, 1);
	/* They end with the channel, and those taken away before take no room. */
	for (int i = 0; i < 1000; i++) beck_off(client, beck_channel_on(ch, NULL, seen, &all));
	assert_true(ch->cap_handlers <= 8);
	assert_int_equal(client->handlers.n, before + 1);
	beck_channel_unref(beck_channel_ref(ch));
	assert_int_equal(client->handlers.n, before + 1);
	beck_channel_unref(ch);
	ch = NULL;
	assert_int_equal(client->handlers.n, 0);
	assert_int_equal(beck_channel_on(NULL, NULL, seen, NULL), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(names), T(names_that_are_not_allowed), T(why_a_channel_was_not_opened),
		T(create_and_watch), T(what_is_wrong_and_where), T(queries), T(members), T(changes), T(read_state),
		T(id_is_learnt), T(id_is_learnt_by_waiting), T(answer_after_the_channel_is_gone), T(a_failing_start_tells_nobody),
		T(handlers) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
