#include "fake.h"

#include "client/client.h"
#include "client/user.h"

static beck_client *client;

static int setup(void **state)
{
	(void)state;
	client = fake_client();
	return client ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	beck_release(client);
	return 0;
}

static void bad(beck_result result, const char *field, const char *json)
{
	beck_error err = { 0 };
	char id[256] = "untouched";
	assert_int_equal(user_json_check(span_str(json), id, &err), result);
	assert_string_equal(err.field, field);
	assert_string_equal(id, "untouched");
	assert_int_equal(user_json_check(span_str(json), id, NULL), result);
}

static void checked(void **state)
{
	(void)state;
	char id[256] = "";
	assert_int_equal(user_json_check(SPAN(" {\"name\":\"J\",\"id\":\"jo@hn_-9\"}"), id, NULL), BECK_OK);
	assert_string_equal(id, "jo@hn_-9");
	bad(BECK_EARG, "user", NULL);
	bad(BECK_EARG, "user", "");
	bad(BECK_EARG, "user", "{\"id\":\"a\"");
	bad(BECK_EARG, "user", "[]");
	bad(BECK_EARG, "id", "{}");
	bad(BECK_EARG, "id", "{\"id\":5}");
	bad(BECK_EARG, "id", "{\"id\":\"\"}");
	bad(BECK_EARG, "id", "{\"id\":\"jo hn\"}");
	bad(BECK_EARG, "id", "{\"id\":\"!anon\"}");
	bad(BECK_EARG, "color", "{\"id\":\"a\",\"color\":1,\"color\":2}");
}

static void bounds(void **state)
{
	(void)state;
	char text[6000], long_id[300], id[256];
	/* Of 5,120 bytes; blanks do not count. */
	int fill = 5120 - (int)strlen("{\"id\":\"a\",\"x\":\"\"}");
	(void)snprintf(text, sizeof text, "{ \"id\":\"a\", \"x\":\"%0*d\"}", fill, 0);
	assert_int_equal(user_json_check(span_str(text), id, NULL), BECK_OK);
	(void)snprintf(text, sizeof text, "{\"id\":\"a\",\"x\":\"%0*d\"}", fill + 1, 0);
	bad(BECK_ETOOBIG, "", text);
	memset(long_id, 'x', sizeof long_id);
	(void)snprintf(text, sizeof text, "{\"id\":\"%.255s\"}", long_id);
	assert_int_equal(user_json_check(span_str(text), id, NULL), BECK_OK);
	assert_int_equal(strlen(id), 255);
	(void)snprintf(text, sizeof text, "{\"id\":\"%.256s\"}", long_id);
	bad(BECK_EARG, "id", text);
}

/* ---- building ---- */

static void built(void **state)
{
	(void)state;
	beck_error err = { 0 };
	beck_user_builder *b = beck_user_builder_create("john");
	assert_string_equal(beck_user_builder_json(b, &err), "{\"id\":\"john\"}");
	beck_user_builder_name(b, "John \"D\"");
	beck_user_builder_image(b, "http://x/i.png");
	beck_user_builder_language(b, "en");
	beck_user_builder_invisible(b, true);
	beck_user_builder_set(b, "tags", "[1, \"a\"]");
	beck_user_builder_read_receipts(b, false);
	beck_user_builder_typing_indicators(b, true);
	assert_string_equal(beck_user_builder_json(b, &err),
		"{\"id\":\"john\",\"name\":\"John "
		"\\\"D\\\"\",\"image\":\"http://x/i.png\",\"language\":\"en\",\"invisible\":true,\"tags\":[1,"
		"\"a\"],\"privacy_settings\":{\"typing_indicators\":{\"enabled\":true},\"read_receipts\":{\"enabled\":false}}}");
	beck_user_builder_free(b);
	assert_int_equal(err.result, BECK_OK);
}

static void the_last_call_counts(void **state)
{
	(void)state;
	beck_error err = { 0 };
	beck_user_builder *b = beck_user_builder_create("john");
	beck_user_builder_name(b, "A");
	beck_user_builder_set(b, "privacy_settings", "{}");
	beck_user_builder_name(b, "B");
	beck_user_builder_delivery_receipts(b, true);
	beck_user_builder_delivery_receipts(b, false);
	assert_string_equal(beck_user_builder_json(b, &err),
		"{\"id\":\"john\",\"name\":\"B\",\"privacy_settings\":{\"delivery_receipts\":{\"enabled\":false}}}");
	beck_user_builder_free(b);
}

static void not_built(const char *id, const char *key, const char *value, beck_result result, const char *field)
{
	beck_error err = { 0 };
	beck_user_builder *b = beck_user_builder_create(id);
	if (key) beck_user_builder_set(b, key, value);
	beck_user_builder_name(b, "after");
	assert_null(beck_user_builder_json(b, &err));
	assert_int_equal(err.result, result);
	assert_string_equal(err.field, field);
	beck_user_builder_free(b);
}

static void failures_are_remembered(void **state)
{
	(void)state;
	beck_error err = { 0 };
	char big[6000];
	(void)snprintf(big, sizeof big, "\"%05990d\"", 0);
	not_built("a b", NULL, NULL, BECK_EARG, "id");
	not_built(NULL, NULL, NULL, BECK_EARG, "id");
	not_built("john", "color", "red", BECK_EARG, "color");
	not_built("john", "color", NULL, BECK_EARG, "color");
	/* A text that is far too long: the object, or what it is put together in, has no room for it. */
	beck_user_builder *b = beck_user_builder_create("john");
	for (int i = 0; i < 5; i++) beck_user_builder_set(b, "n", big);
	assert_null(beck_user_builder_json(b, &err));
	assert_int_equal(err.result, BECK_ETOOBIG);
	beck_user_builder_free(b);
}

static void without_a_builder(void **state)
{
	(void)state;
	beck_error err = { 0 };
	beck_user_builder_name(NULL, "x");
	beck_user_builder_image(NULL, "x");
	beck_user_builder_language(NULL, "x");
	beck_user_builder_invisible(NULL, true);
	beck_user_builder_set(NULL, "x", "1");
	beck_user_builder_typing_indicators(NULL, true);
	beck_user_builder_read_receipts(NULL, true);
	beck_user_builder_delivery_receipts(NULL, true);
	assert_null(beck_user_builder_json(NULL, &err));
	assert_int_equal(err.result, BECK_ENOMEM);
	beck_user_builder_free(NULL);
	beck_user_builder *b = beck_user_builder_create("john");
	beck_user_builder_name(b, "\xff");
	assert_null(beck_user_builder_json(b, &err));
	assert_string_equal(err.field, "name");
	beck_user_builder_free(b);
}

/* ---- calls ---- */

static void calls(void **state)
{
	(void)state;
	BOTH("GET", "/users", "payload=%7B%22limit%22%3A2%7D", "", beck_query_users, client, "{\"limit\":2}");
	assert_false(fake.needs_connection);
	assert_int_equal(fake.effect, CALL_PLAIN);
	BOTH("GET", "/users", "payload=%7B%22presence%22%3Atrue%7D", "", beck_query_users, client, "{\"presence\":true}");
	assert_true(fake.needs_connection);
	assert_int_equal(fake.effect, CALL_PRESENCE);
	BOTH("PATCH", "/users", "", "{\"users\":[{\"id\":\"john\",\"set\":{\"name\":\"J\"}}]}", beck_update_user, client, "john",
		"{\"set\":{\"name\":\"J\"}}");
	BOTH("POST", "/users", "", "{\"users\":{\"a\":{\"id\":\"a\"},\"b\":{\"id\":\"b\",\"n\":1}}}", beck_upsert_users, client,
		"[{\"id\":\"a\"}, {\"id\":\"b\",\"n\":1}]");
	REFUSED(BECK_EARG, "query", beck_query_users, client, "[]");
	REFUSED(BECK_EARG, "user_id", beck_update_user, client, "a/b", "{}");
	REFUSED(BECK_EARG, "change", beck_update_user, client, "john", "1");
	REFUSED(BECK_EARG, "users", beck_upsert_users, client, "{}");
	REFUSED(BECK_EARG, "users", beck_upsert_users, client, "[]");
	REFUSED(BECK_EARG, "id", beck_upsert_users, client, "[{\"id\":\"a\"},{\"id\":\"\"}]");
	REFUSED(BECK_EARG, "user", beck_upsert_users, client, "[7]");
	REFUSED(BECK_EARG, "client", beck_query_users, NULL, "{}");
}

static void at_most_a_hundred(void **state)
{
	(void)state;
	char text[2000] = "[";
	beck_error err = { 0 };
	for (int i = 0; i < 100; i++) {
		size_t n = strlen(text);
		(void)snprintf(text + n, sizeof text - n, "%s{\"id\":\"u%d\"}", i ? "," : "", i);
	}
	size_t n = strlen(text);
	(void)snprintf(text + n, sizeof text - n, "]");
	assert_int_equal(beck_upsert_users(client, text, NULL, &err), BECK_OK);
	(void)snprintf(text + n, sizeof text - n, ",{\"id\":\"u\"}]");
	REFUSED(BECK_ETOOBIG, "users", beck_upsert_users, client, text);
}

static void shown(void **state)
{
	(void)state;
	beck_document *d = NULL;
	int64_t us = 0;
	static const char text[] = "{\"id\":\"u\",\"role\":\"user\",\"online\":true,\"last_active\":1000000000}";
	assert_int_equal(beck_document_parse(text, sizeof text - 1, &d, NULL), BECK_OK);
	const beck_user *u = beck_as_user(beck_document_root(d));
	assert_string_equal(beck_user_get_id(u), "u");
	assert_string_equal(beck_user_get_name(u), "u");
	assert_string_equal(beck_user_get_role(u), "user");
	assert_string_equal(beck_user_get_image(u), "");
	assert_true(beck_user_is_online(u));
	assert_false(beck_user_is_banned(u));
	assert_true(beck_user_last_active(u, &us) && us == 1000000);
	assert_ptr_equal(beck_user_value(u), beck_document_root(d));
	beck_document_free(d);
	assert_null(beck_as_user(NULL));
	assert_null(beck_event_user(NULL));
	assert_string_equal(beck_user_get_name(NULL), "");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(checked), T(bounds), T(built), T(the_last_call_counts), T(failures_are_remembered),
		T(without_a_builder), T(calls), T(at_most_a_hundred), T(shown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
