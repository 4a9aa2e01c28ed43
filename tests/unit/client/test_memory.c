/* The n-th allocation fails, for every n: each call says BECK_ENOMEM or does without, and leaves nothing behind. */
#include <stdlib.h>

#include "fake.h"

#include "client/client.h"
#include "client/error.h"
#include "client/names.h"
#include "client/user.h"

/* ---- an allocator that fails when told to ---- */

static long count, fails_at; /* 0: never */
static size_t held;

static bool is_refused(void) { return ++count == fails_at; }
static void *get(void *ctx, size_t n)
{
	(void)ctx;
	void *p = is_refused() ? NULL : malloc(n);
	held += p != NULL;
	return p;
}
static void *resize(void *ctx, void *old, size_t n)
{
	(void)ctx;
	void *p = is_refused() ? NULL : realloc(old, n);
	held += p && !old;
	return p;
}
static void release(void *ctx, void *p)
{
	(void)ctx;
	held -= p != NULL;
	free(p);
}

static beck_client *client;
static beck_channel *ch;

/* Until it needs no more memory than there is. `what` says how it ended. */
static void torture(beck_result (*what)(beck_error *err))
{
	for (long n = 1;; n++) {
		beck_error err = { 0 };
		size_t before = held;
		count = 0;
		fails_at = n;
		beck_result r = what(&err);
		bool was_reached = count >= n;
		fails_at = 0;
		if (fake.fn) fake_answer("{}");
		if (r != BECK_OK && r != BECK_ENOMEM) fail_msg("allocation %ld: %s %s", n, beck_result_name(r), err.message);
		assert_int_equal(err.result, r);
		if (held != before) fail_msg("allocation %ld: %zu held, %zu before", n, held, before);
		if (was_reached) continue;
		assert_int_equal(r, BECK_OK);
		return;
	}
}

/* ---- what is tried ---- */

#define ASYNC(name, call)                                                                                                        \
	static beck_result name(beck_error *err) { return call; }
static const char *const ids[] = { "a", NULL };
ASYNC(create, beck_channel_create_async(ch, "{\"a\":1}", NULL, NULL, err))
ASYNC(watch, beck_channel_watch_async(ch, NULL, NULL, NULL, err))
ASYNC(stop, beck_channel_stop_watching_async(ch, NULL, NULL, err))
ASYNC(query_channels, beck_query_channels_async(client, "{\"watch\":true}", NULL, NULL, err))
ASYNC(query_members, beck_query_members_async(ch, "{\"limit\":1}", NULL, NULL, err))
ASYNC(add_members, beck_add_members_async(ch, ids, "x", NULL, NULL, err))
ASYNC(update_channel, beck_channel_update_async(ch, "{\"set\":{}}", NULL, NULL, err))
ASYNC(send_event, beck_send_event_async(ch, "{\"type\":\"x\"}", NULL, NULL, err))
ASYNC(mark_read, beck_mark_read_async(ch, "m", NULL, NULL, err))
ASYNC(mark_delivered, beck_mark_delivered_async(ch, "m", NULL, NULL, err))
ASYNC(send_message, beck_send_message_async(ch, "{\"text\":\"x\"}", NULL, NULL, NULL, err))
ASYNC(send_text, beck_send_text_async(ch, "x", NULL, NULL, NULL, err))
ASYNC(update_message, beck_update_message_async(client, "m", "{\"text\":\"x\"}", NULL, NULL, err))
ASYNC(page, beck_page_messages_async(ch, 5, "m", NULL, NULL, err))
ASYNC(replies, beck_get_replies_async(client, "m", 5, "m", NULL, NULL, err))
ASYNC(react, beck_send_reaction_async(client, "m", "like", false, NULL, NULL, err))
ASYNC(query_users, beck_query_users_async(client, "{\"presence\":true}", NULL, NULL, err))
ASYNC(update_user, beck_update_user_async(client, "a", "{\"set\":{}}", NULL, NULL, err))
ASYNC(upsert_users, beck_upsert_users_async(client, "[{\"id\":\"a\"}]", NULL, NULL, err))

static beck_result check_user(beck_error *err)
{
	char id[256];
	return user_json_check(SPAN("{\"id\":\"a\",\"x\":[1,2]}"), id, err);
}

static beck_result build_user(beck_error *err)
{
	beck_user_builder *b = beck_user_builder_create("john");
	beck_user_builder_name(b, "John");
	beck_user_builder_set(b, "x", "[1]");
	beck_user_builder_read_receipts(b, true);
	const char *json = beck_user_builder_json(b, err);
	beck_user_builder_free(b);
	return json ? BECK_OK : (beck_result)err->result;
}

static beck_result token(beck_error *err)
{
	char *t = beck_create_token("secret", "john", 5, err);
	beck_free(t);
	return t ? BECK_OK : (beck_result)err->result;
}

static beck_result parse(beck_error *err)
{
	beck_document *d;
	beck_result r = beck_document_parse("{\"a\":[1]}", 9, &d, err);
	if (r == BECK_OK) beck_document_free(d);
	return r;
}

static beck_result open_channel(beck_error *err)
{
	beck_channel *d = beck_channel_open(client, "messaging", "other");
	beck_channel_unref(d);
	return d ? BECK_OK : error_set(err, BECK_ENOMEM, "none");
}

static void nothing(void *ctx, beck_client *c, const beck_event *e)
{
	(void)ctx;
	(void)c;
	(void)e;
}

static beck_result listen_to_channel(beck_error *err)
{
	beck_channel *d = beck_channel_open(client, "messaging", "other");
	beck_handler h = beck_channel_on(d, "message.new", nothing, NULL);
	beck_channel_unref(d);
	return h ? BECK_OK : error_set(err, BECK_ENOMEM, "none");
}

static beck_result make_client(beck_error *err)
{
	beck_client *c = beck_client_create(
		"key", &(beck_options){ .base_url = "http://h/p", .threading = BECK_NO_THREAD, .proxy = "p", .error = err });
	beck_release(c);
	return c ? BECK_OK : (beck_result)err->result;
}

static void every_allocation(void **state)
{
	(void)state;
	static beck_result (*const all[])(beck_error *) = { create, watch, stop, query_channels, query_members, add_members,
		update_channel, send_event, mark_read, mark_delivered, send_message, send_text, update_message, page, replies,
		react, query_users, update_user, upsert_users, check_user, build_user, token, parse, open_channel,
		listen_to_channel, make_client };
	client = fake_client();
	ch = beck_channel_open(client, "messaging", "general");
	/* So that lists have grown before what is held is counted. */
	beck_handler grown[20];
	for (size_t i = 0; i < BECK_COUNT(grown); i++) grown[i] = beck_channel_on(ch, NULL, nothing, NULL);
	for (size_t i = 0; i < BECK_COUNT(grown); i++) beck_off(client, grown[i]);
	for (size_t i = 0; i < BECK_COUNT(all); i++) torture(all[i]);
	beck_channel_unref(ch);
	beck_release(client);
	assert_int_equal(held, 0);
}

static void typing_without_memory(void **state)
{
	(void)state;
	client = fake_client();
	ch = beck_channel_open(client, "messaging", "general");
	for (long n = 1; n < 20; n++) {
		count = 0;
		fails_at = n;
		beck_result r = beck_keystroke(ch, NULL);
		assert_true(r == BECK_OK || r == BECK_ENOMEM);
		fails_at = 0;
		if (fake.fn) fake_answer("{}");
		assert_int_equal(beck_stop_typing(ch, NULL), BECK_OK);
		if (fake.fn) fake_answer("{}");
		fake_sleep(client, 5000);
		assert_null(fake.fn);
	}
	beck_channel_unref(ch);
	beck_release(client);
	assert_int_equal(held, 0);
}

static void sets_of_names(void **state)
{
	(void)state;
	struct names s = { 0 };
	char name[8];
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof name, "n%d", i * 7 % 20);
		for (long n = 1; n <= 2; n++) {
			count = 0;
			fails_at = n;
			if (names_add(&s, span_str(name), 20)) break;
			assert_false(names_has(&s, span_str(name)));
		}
		fails_at = 0;
		assert_true(names_add(&s, span_str(name), 20));
	}
	assert_int_equal(s.n, 20);
	assert_false(names_add(&s, SPAN("more"), 20));
	for (size_t i = 1; i < s.n; i++) assert_true(strcmp(s.items[i - 1], s.items[i]) < 0);
	names_remove(&s, SPAN("n7"));
	names_remove(&s, SPAN("none"));
	assert_int_equal(s.n, 19);
	assert_false(names_has(&s, SPAN("n7")));
	assert_true(names_has(&s, SPAN("n8")));
	names_free(&s);
	assert_int_equal(held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sets_of_names), cmocka_unit_test(every_allocation),
		cmocka_unit_test(typing_without_memory) };
	if (beck_set_allocator(&(beck_allocator){ get, resize, release, NULL, { NULL } }) != BECK_OK) return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
