#include "fake.h"

#include "client/channel.h"
#include "client/client.h"

static beck_client *client;
static beck_channel *ch;

static int setup(void **state)
{
	(void)state;
	client = fake_client();
	ch = beck_channel_open(client, "messaging", "general");
	if (client) client->user.id = client_strdup("me");
	return client && ch ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	if (fake.fn) fake_answer("{}");
	beck_channel_unref(ch);
	beck_release(client);
	return 0;
}

/* The last request was an event of that type, and the only one since. */
static void assert_sent(int count, const char *body)
{
	assert_int_equal(fake.calls, count);
	assert_request("POST", "/channels/messaging/general/event", "", body);
	if (fake.fn) fake_answer("{}");
}
#define START "{\"event\":{\"type\":\"typing.start\"}}"
#define STOP  "{\"event\":{\"type\":\"typing.stop\"}}"

static void start_at_most_every_two_seconds(void **state)
{
	(void)state;
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	assert_sent(1, START);
	fake_sleep(client, 1999);
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	assert_int_equal(fake.calls, 1);
	fake_sleep(client, 1);
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	assert_sent(2, START);
}

static void stop_three_seconds_after_the_last_key(void **state)
{
	(void)state;
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	fake_answer("{}");
	fake_sleep(client, 1500);
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	fake_sleep(client, 2999);
	assert_int_equal(fake.calls, 1);
	fake_sleep(client, 1);
	assert_sent(2, STOP);
	fake_sleep(client, 60000);
	assert_int_equal(fake.calls, 2);
	assert_int_equal(beck_stop_typing(ch, NULL), BECK_OK);
	assert_int_equal(fake.calls, 2);
}

static void stop_with_the_message(void **state)
{
	(void)state;
	beck_error err = { 0 };
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	fake_answer("{}");
	assert_int_equal(beck_send_text(ch, "hello", NULL, &err), BECK_OK);
	assert_int_equal(fake.messages, 1);
	assert_int_equal(fake.calls, 2);
	fake_answer("{}");
	fake_sleep(client, 10000);
	assert_int_equal(fake.calls, 2);
}

static void threads_have_clocks_of_their_own(void **state)
{
	(void)state;
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	assert_sent(1, START);
	assert_int_equal(beck_keystroke(ch, "p1"), BECK_OK);
	assert_sent(2, "{\"event\":{\"type\":\"typing.start\",\"parent_id\":\"p1\"}}");
	assert_int_equal(beck_stop_typing(ch, "p1"), BECK_OK);
	assert_sent(3, "{\"event\":{\"type\":\"typing.stop\",\"parent_id\":\"p1\"}}");
	assert_int_equal(beck_keystroke(ch, "p1"), BECK_OK);
	fake_answer("{}");
	assert_int_equal(beck_keystroke(ch, "p2"), BECK_OK);
	fake_answer("{}");
	assert_int_equal(beck_keystroke(ch, "p3"), BECK_OK);
	fake_answer("{}");
	assert_int_equal(beck_keystroke(ch, "p4"), BECK_EFULL);
	/* All fall silent, each for itself. */
	fake.fn = NULL;
	beck_error err = { 0 };
	assert_int_equal(beck_send_message(ch, "{\"text\":\"x\",\"parent_id\":\"p2\"}", NULL, &err), BECK_OK);
	assert_sent(7, "{\"event\":{\"type\":\"typing.stop\",\"parent_id\":\"p2\"}}");
	beck_stop_typing(ch, NULL);
	assert_sent(8, STOP);
	beck_stop_typing(ch, "p1");
	fake_answer("{}");
	beck_stop_typing(ch, "p3");
	assert_int_equal(fake.calls, 10);
}

static void refused_for_good(int status, int code)
{
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	fake_refuse(status, code);
	fake_sleep(client, 2500);
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	assert_int_equal(beck_stop_typing(ch, NULL), BECK_OK);
	assert_int_equal(fake.calls, 1);
}

static void not_where_it_is_off(void **state)
{
	(void)state;
	refused_for_good(400, 19);
}

static void not_who_may_not(void **state)
{
	(void)state;
	refused_for_good(403, 17);
}

static void other_failures_pass(void **state)
{
	(void)state;
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	fake_refuse(503, -1);
	fake_sleep(client, 2000);
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	assert_sent(2, START);
	fake.result = BECK_EFULL;
	fake_sleep(client, 2000);
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	fake.fn = NULL;
}

static void refusals_of_arguments(void **state)
{
	(void)state;
	char long_id[300];
	memset(long_id, 'x', sizeof long_id);
	long_id[256] = '\0';
	assert_int_equal(beck_keystroke(NULL, NULL), BECK_EARG);
	assert_int_equal(beck_stop_typing(NULL, NULL), BECK_EARG);
	assert_int_equal(beck_keystroke(ch, long_id), BECK_EARG);
	assert_int_equal(fake.calls, 0);
}

/* The event that is on its way is answered when nobody is there any more. */
static void clocks_end_with_the_channel(void **state)
{
	(void)state;
	assert_int_equal(beck_keystroke(ch, NULL), BECK_OK);
	beck_channel_unref(ch);
	ch = NULL;
	fake_sleep(client, 10000);
	assert_int_equal(fake.calls, 1);
	fake_refuse(400, 19);
}

/* ---- the others ---- */

static char names[256];
static void name(void *ctx, const char *user_id, const char *parent_id)
{
	size_t n = strlen(names);
	(void)ctx;
	(void)snprintf(names + n, sizeof names - n, "%s/%s ", user_id, parent_id);
}

static void assert_typing(const char *want)
{
	names[0] = '\0';
	(void)beck_each_typing(ch, name, NULL);
	assert_string_equal(names, want);
}

#define EVENT(type, user, more) "{\"type\":\"" type "\",\"cid\":\"messaging:general\",\"user\":{\"id\":\"" user "\"}" more "}"

static void others(void **state)
{
	(void)state;
	assert_typing("");
	fake_event(client, EVENT("typing.start", "ann", ""));
	fake_event(client, EVENT("typing.start", "me", ""));
	fake_event(client, "{\"type\":\"typing.start\",\"cid\":\"messaging:other\",\"user\":{\"id\":\"eve\"}}");
	fake_event(client, "{\"type\":\"typing.start\",\"cid\":\"messaging:general\"}");
	fake_event(client, EVENT("typing.start", "bob", ",\"parent_id\":\"p\""));
	assert_typing("ann/ bob/p ");
	fake_event(client, EVENT("typing.start", "ann", ""));
	assert_typing("bob/p ann/ ");
	fake_event(client, EVENT("typing.stop", "ann", ""));
	assert_typing("bob/p ");
	fake_event(client, EVENT("typing.start", "bob", ""));
	fake_event(client, EVENT("message.new", "bob", ""));
	assert_typing("");
}

static void others_fall_silent(void **state)
{
	(void)state;
	fake_event(client, EVENT("typing.start", "ann", ""));
	fake_sleep(client, 6000);
	fake_event(client, EVENT("typing.start", "bob", ""));
	fake_sleep(client, 999);
	assert_typing("ann/ bob/ ");
	fake_sleep(client, 1);
	assert_typing("bob/ ");
	assert_int_equal(beck_each_typing(ch, NULL, NULL), 0);
	assert_int_equal(beck_each_typing(NULL, name, NULL), 0);
}

static void a_crowd_is_bounded(void **state)
{
	(void)state;
	char event[200];
	for (int i = 0; i < TYPISTS_MAX + 10; i++) {
		(void)snprintf(event, sizeof event, EVENT("typing.start", "u%d", ""), i);
		fake_event(client, event);
	}
	names[0] = '\0';
	assert_int_equal(beck_each_typing(ch, name, NULL), TYPISTS_MAX);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(start_at_most_every_two_seconds), T(stop_three_seconds_after_the_last_key),
		T(stop_with_the_message), T(threads_have_clocks_of_their_own), T(not_where_it_is_off), T(not_who_may_not),
		T(other_failures_pass), T(refusals_of_arguments), T(clocks_end_with_the_channel), T(others),
		T(others_fall_silent), T(a_crowd_is_bounded) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
