#include "../base/cm.h"

#include "wire/url.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

static void decode(void **state)
{
	(void)state;
	assert_span(url_decode(&arena, SPAN("a%20b%2Fc%c3%A4"), false), "a b/c\xc3\xa4");
	assert_span(url_decode(&arena, SPAN("a+b%2B"), true), "a b+");
	assert_span(url_decode(&arena, SPAN("a+b"), false), "a+b");
	struct span same = SPAN("plain");
	assert_ptr_equal(url_decode(&arena, same, true).p, same.p);
	assert_true(span_given(url_decode(&arena, SPAN(""), true)));
	static const char *const bad[] = { "%", "%4", "%zz", "%4z", "%z4", "a%", "%%41", "%00", "%-1", "% 1" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++)
		if (span_given(url_decode(&arena, span_str(bad[i]), false))) fail_msg("%s", bad[i]);
}

static void encode_is_undone_by_decode(void **state)
{
	(void)state;
	char all[255];
	for (int i = 0; i < 255; i++) all[i] = (char)(i + 1);
	struct buf b;
	buf_init(&b, 1000);
	url_encode(&b, (struct span){ all, sizeof all });
	assert_true(span_eq(url_decode(&arena, buf_span(&b), true), (struct span){ all, sizeof all }));
	buf_clear(&b);
	url_encode(&b, SPAN("aZ0-._~ /+%\xff"));
	assert_span(buf_span(&b), "aZ0-._~%20%2F%2B%25%FF");
	buf_deinit(&b);
}

static void queries(void **state)
{
	(void)state;
	struct url_query q;
	assert_true(url_query_parse(&arena, SPAN("a=1&b=x%26y&&c&=d&a=2&e=%3D=z"), &q));
	assert_int_equal(q.n, 6);
	assert_span(url_query_get(&q, "a"), "1");
	assert_span(url_query_get(&q, "b"), "x&y");
	assert_span(url_query_get(&q, "c"), "");
	assert_true(span_given(url_query_get(&q, "c")));
	assert_span(url_query_get(&q, ""), "d");
	assert_span(url_query_get(&q, "e"), "==z");
	assert_false(span_given(url_query_get(&q, "zz")));
	assert_true(url_query_parse(&arena, SPAN_NONE, &q));
	assert_int_equal(q.n, 0);
	assert_true(url_query_parse(&arena, SPAN(""), &q));
	assert_int_equal(q.n, 0);
	assert_false(url_query_parse(&arena, SPAN("a=%4"), &q));
	assert_false(url_query_parse(&arena, SPAN("%zz=4"), &q));
}

static void parameters_at_the_bound_and_one_past(void **state)
{
	(void)state;
	struct buf b;
	struct url_query q;
	buf_init(&b, 1000);
	for (int i = 0; i < 100; i++) buf_add_span(&b, SPAN("a=1&"));
	assert_true(url_query_parse(&arena, buf_span(&b), &q));
	assert_int_equal(q.n, 100);
	buf_add_span(&b, SPAN("a=1"));
	assert_false(url_query_parse(&arena, buf_span(&b), &q));
	buf_deinit(&b);
}

static void targets(void **state)
{
	(void)state;
	struct span path, query;
	url_split_target(SPAN("/a/b?c=d?e#f"), &path, &query);
	assert_span(path, "/a/b");
	assert_span(query, "c=d?e");
	url_split_target(SPAN("/a#?"), &path, &query);
	assert_span(path, "/a");
	assert_false(span_given(query));
	url_split_target(SPAN("/a?"), &path, &query);
	assert_true(span_given(query));
	assert_int_equal(query.n, 0);
}

static void bases(void **state)
{
	(void)state;
	static const struct {
		const char *text, *host, *prefix;
		bool tls;
		uint16_t port;
	} good[] = {
		{ "http://localhost", "localhost", "", false, 80 },
		{ "HTTPS://chat.example.com/", "chat.example.com", "", true, 443 },
		{ "http://127.0.0.1:8800", "127.0.0.1", "", false, 8800 },
		{ "https://h:1/api/v2//", "h", "/api/v2", true, 1 },
		{ "http://[::1]:65535/x", "::1", "/x", false, 65535 },
		{ "http://[fe80::1.2.3.4]", "fe80::1.2.3.4", "", false, 80 },
	};
	for (size_t i = 0; i < BECK_COUNT(good); i++) {
		struct url_base b;
		if (!url_base_parse(span_str(good[i].text), &b)) fail_msg("%s", good[i].text);
		assert_span(b.host, good[i].host);
		assert_span(b.prefix, good[i].prefix);
		assert_int_equal(b.tls, good[i].tls);
		assert_int_equal(b.port, good[i].port);
	}
	static const char *const bad[] = { "", "localhost", "ftp://h", "http://", "http:///x", "http://:80",
		"http://h:", "http://h:0", "http://h:65536", "http://h:+1", "http://h:8a", "http://h:000080", "http://u@h",
		"http://u:p@h", "http://[::1", "http://[]", "http://[::1]x", "http://[zz]", "http://h/?q", "http://h/#f",
		"http://h?q", "http://h h", "http://h/a b", "http://h/\x7f", "http:/h", "http//h" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		struct url_base b;
		if (url_base_parse(span_str(bad[i]), &b)) fail_msg("%s", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(decode), cmocka_unit_test(encode_is_undone_by_decode),
		cmocka_unit_test(queries), cmocka_unit_test(parameters_at_the_bound_and_one_past), cmocka_unit_test(targets),
		cmocka_unit_test(bases) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
