#include "../base/cm.h"

#include "base/compiler.h"
#include "client/reply.h"

#include <beck/beck.h>

static beck_document *doc;
static const beck_value *root;

static int setup(void **state)
{
	(void)state;
	static const char text[] =
		"{\"a\":{\"b\":[10,{\"c\":\"deep\"},null,[]]},\"t\":true,\"s\":\"x\\u00e9\",\"d\":-2.75,\"big\":"
		"18446744073709551615,"
		"\"min\":-9223372036854775808,\"huge\":1e300,\"when\":\"2026-01-02T03:04:05.5Z\",\"ns\":1500,\"a\":2,\"e\":{}}";
	beck_error err = { 0 };
	if (beck_document_parse(text, sizeof text - 1, &doc, &err) != BECK_OK) return -1;
	root = beck_document_root(doc);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	beck_document_free(doc);
	return 0;
}

static const beck_value *at(const char *path) { return beck_value_path(root, path); }

static void kinds(void **state)
{
	(void)state;
	assert_int_equal(beck_value_kind(root), BECK_OBJECT);
	assert_int_equal(beck_value_kind(at("a.b")), BECK_ARRAY);
	assert_int_equal(beck_value_kind(at("a.b.2")), BECK_NULL);
	assert_int_equal(beck_value_kind(at("t")), BECK_BOOL);
	assert_int_equal(beck_value_kind(at("d")), BECK_NUMBER);
	assert_int_equal(beck_value_kind(at("s")), BECK_STRING);
	assert_int_equal(beck_value_kind(at("none")), BECK_NOTHING);
	assert_int_equal(beck_value_kind(NULL), BECK_NOTHING);
}

static void paths(void **state)
{
	(void)state;
	assert_string_equal(beck_value_text(at("a.b.1.c")), "deep");
	assert_int_equal(beck_value_int(at("a.b.0"), -1), 10);
	static const char *const nowhere[] = { "a.b.4", "a.b.-1", "a.b.x", "a.b.99999999999999999999", "a.b.1.c.d", "t.x", "a..b",
		".", "a.c" };
	for (size_t i = 0; i < BECK_COUNT(nowhere); i++)
		if (at(nowhere[i])) fail_msg("\"%s\" is somewhere", nowhere[i]);
	assert_ptr_equal(at(""), root);
	assert_ptr_equal(beck_value_path(root, NULL), root);
	assert_null(beck_value_path(NULL, "a"));
	assert_null(beck_value_get(root, NULL));
	assert_null(beck_value_get(NULL, "a"));
	/* Of two members of the same key the first counts. */
	assert_int_equal(beck_value_kind(beck_value_get(root, "a")), BECK_OBJECT);
}

static void walking(void **state)
{
	(void)state;
	size_t walk = 0, n = 0;
	const char *key = NULL;
	const beck_value *item = NULL;
	assert_int_equal(beck_value_count(at("a.b")), 4);
	assert_int_equal(beck_value_count(root), 11);
	assert_int_equal(beck_value_count(at("s")), 0);
	while (beck_value_next(at("a.b"), &walk, &key, &item)) {
		assert_null(key);
		assert_ptr_equal(item, beck_value_at(at("a.b"), n));
		n++;
	}
	assert_int_equal(n, 4);
	for (walk = n = 0; beck_value_next(root, &walk, &key, &item); n++) assert_ptr_equal(item, beck_value_at(root, n));
	assert_int_equal(n, 11);
	assert_string_equal(key, "e");
	walk = 0;
	assert_false(beck_value_next(at("e"), &walk, &key, &item));
	assert_false(beck_value_next(at("a.b.3"), &walk, NULL, &item));
	assert_false(beck_value_next(at("s"), &walk, NULL, &item));
	assert_false(beck_value_next(NULL, &walk, NULL, &item));
	assert_false(beck_value_next(root, NULL, NULL, &item));
	assert_null(beck_value_at(root, 11));
	assert_null(beck_value_at(at("a.b"), SIZE_MAX));
	assert_null(beck_value_at(NULL, 0));
}

static void reading(void **state)
{
	(void)state;
	assert_string_equal(beck_value_string(at("s")), "x\xc3\xa9");
	assert_null(beck_value_string(at("t")));
	assert_string_equal(beck_value_text(at("t")), "");
	assert_string_equal(beck_value_text(NULL), "");
	assert_int_equal(beck_value_int(at("d"), 9), -2);
	assert_int_equal(beck_value_int(at("big"), 9), 9);
	assert_int_equal(beck_value_int(at("huge"), 9), 9);
	assert_true(beck_value_int(at("min"), 9) == INT64_MIN);
	assert_int_equal(beck_value_int(at("s"), 9), 9);
	assert_int_equal(beck_value_int(NULL, 9), 9);
	assert_true(beck_value_double(at("d"), 0) == -2.75);
	assert_true(beck_value_double(at("ns"), 0) == 1500.0);
	assert_true(beck_value_double(at("s"), 4) == 4.0);
	assert_true(beck_value_bool(at("t"), false));
	assert_true(beck_value_bool(at("s"), true));
	assert_false(beck_value_bool(NULL, false));
}

static void times(void **state)
{
	(void)state;
	int64_t us = 7;
	assert_true(beck_value_time(at("when"), &us));
	assert_true(us == INT64_C(1767323045500000));
	assert_true(beck_value_time(at("ns"), &us) && us == 1);
	us = 7;
	assert_false(beck_value_time(at("s"), &us));
	assert_false(beck_value_time(at("d"), &us));
	assert_false(beck_value_time(at("big"), &us));
	assert_false(beck_value_time(NULL, &us));
	assert_false(beck_value_time(at("when"), NULL));
	assert_int_equal(us, 7);
}

static void text_again(void **state)
{
	(void)state;
	char *text = beck_value_json(at("a.b"));
	assert_string_equal(text, "[10,{\"c\":\"deep\"},null,[]]");
	beck_free(text);
	assert_null(beck_value_json(NULL));
}

static void no_document(const char *text, const char *why)
{
	beck_error err = { 0 };
	beck_document *d = doc;
	assert_int_equal(beck_document_parse(text, strlen(text), &d, &err), BECK_EARG);
	if (!strstr(err.message, why)) fail_msg("\"%s\" says nothing of \"%s\"", err.message, why);
	assert_ptr_equal(d, doc);
}

static void documents(void **state)
{
	(void)state;
	beck_error err = { 0 };
	beck_document *d = NULL;
	char deep[200];
	no_document("", "nothing");
	no_document("{\"a\":]", "byte 5");
	no_document("{} x", "byte 3");
	no_document("\"\xff\"", "byte");
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	assert_int_equal(beck_document_parse(deep, sizeof deep, &d, &err), BECK_EARG);
	assert_non_null(strstr(err.message, "deep"));
	assert_int_equal(beck_document_parse(deep + 36, 128, &d, &err), BECK_OK); /* 64 of each */
	beck_document_free(d);
	assert_int_equal(beck_document_parse("[\"[[[[\\\"[[[\"]x", 13, &d, &err), BECK_OK);
	beck_document_free(d);
	assert_int_equal(beck_document_parse(NULL, 1, &d, &err), BECK_EARG);
	assert_int_equal(beck_document_parse("{}", 2, NULL, &err), BECK_EARG);
	assert_null(beck_document_root(NULL));
	beck_document_free(NULL);
}

/* ---- replies and events ---- */

static void replies(void **state)
{
	(void)state;
	beck_result why;
	struct beck_reply *r = reply_create(201, document_parse(SPAN("{\"n\":1}"), &why));
	assert_ptr_equal(beck_reply_ref(r), r);
	beck_reply_unref(r);
	assert_int_equal(beck_reply_status(r), 201);
	assert_int_equal(beck_value_int(beck_value_get(beck_reply_value(r), "n"), 0), 1);
	beck_reply_unref(r);
	beck_reply_unref(NULL);
	assert_null(beck_reply_ref(NULL));
	assert_int_equal(beck_reply_status(NULL), 0);
	assert_null(beck_reply_value(NULL));
}

static void events(void **state)
{
	(void)state;
	beck_result why;
	int64_t us = 0;
	static const char text[] = "{\"type\":\"message.new\",\"cid\":\"a:b\",\"seq\":9,\"created_at\":\"1970-01-01T00:00:01Z\","
				   "\"user\":{\"id\":\"u\"}} ";
	struct beck_event *e = event_create(span_str(text), false, &why);
	assert_ptr_equal(beck_event_ref(e), e);
	beck_event_unref(e);
	assert_string_equal(beck_event_type(e), "message.new");
	assert_string_equal(beck_event_cid(e), "a:b");
	assert_int_equal(beck_event_seq(e), 9);
	assert_false(beck_event_is_local(e));
	assert_true(beck_event_created_at(e, &us) && us == 1000000);
	assert_string_equal(beck_event_json(e), text);
	assert_string_equal(beck_user_get_id(beck_event_user(e)), "u");
	beck_event_unref(e);
	e = event_create(SPAN("{\"type\":\"health.check\",\"cid\":\"*\",\"seq\":-1}"), true, &why);
	assert_string_equal(beck_event_cid(e), "");
	assert_int_equal(beck_event_seq(e), 0);
	assert_true(beck_event_is_local(e));
	assert_false(beck_event_created_at(e, &us));
	assert_null(beck_event_user(e));
	beck_event_unref(e);
	beck_event_unref(NULL);
	assert_null(beck_event_ref(NULL));
	assert_string_equal(beck_event_type(NULL), "");
	assert_string_equal(beck_event_cid(NULL), "");
	assert_string_equal(beck_event_json(NULL), "");
	assert_int_equal(beck_event_seq(NULL), 0);
	assert_false(beck_event_is_local(NULL) || beck_event_created_at(NULL, &us));
	assert_null(beck_event_value(NULL));
}

static void no_events(void **state)
{
	(void)state;
	static const char *const garbage[] = { "", " ", "{}", "[]", "7", "{\"type\":7}", "{\"type\":\"\"}", "{\"type\":\"a\"",
		"\xff" };
	for (size_t i = 0; i < BECK_COUNT(garbage); i++) {
		beck_result why = BECK_OK;
		assert_null(event_create(span_str(garbage[i]), false, &why));
		assert_int_equal(why, BECK_EPROTOCOL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(kinds), cmocka_unit_test(paths), cmocka_unit_test(walking),
		cmocka_unit_test(reading), cmocka_unit_test(times), cmocka_unit_test(text_again), cmocka_unit_test(documents),
		cmocka_unit_test(replies), cmocka_unit_test(events), cmocka_unit_test(no_events) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
