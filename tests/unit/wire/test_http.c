#include "../base/cm.h"

#include <stdlib.h>

#include "base/limits.h"
#include "wire/http.h"

enum { MAX_BODY = 1000 };

/* One log line per outcome: "0 /path?query [body] headers ka|", "!err". Fed with a cut at `cut` and then every `step` bytes; each
 * piece is a copy of its own, so that the sanitizer sees reads beside it. */
static struct buf run(struct span in, size_t cut, size_t step)
{
	struct buf log;
	struct arena arena;
	struct http_parser *p = http_parser_create();
	buf_init(&log, 1 << 22);
	arena_init(&arena, (size_t)LIMIT_ARENA_BYTES);
	http_parser_next(p, &arena, MAX_BODY);
	for (size_t at = 0; at < in.n;) {
		size_t n = at < cut ? cut - at : step, used = 0;
		if (n > in.n - at) n = in.n - at;
		struct buf piece;
		buf_init(&piece, n);
		buf_add(&piece, in.p + at, n);
		struct http_request r;
		enum err err = ERR_OK;
		enum http_feed f = http_parser_feed(p, buf_span(&piece), &used, &r, &err);
		buf_deinit(&piece);
		assert_true(used <= n && (f != HTTP_MORE || used == n));
		at += used;
		if (f == HTTP_ERROR) {
			buf_printf(&log, "!%s", err_name(err));
			break;
		}
		if (f == HTTP_MORE) continue;
		buf_printf(&log, "%d %.*s", (int)r.method, SPAN_FMT(r.path));
		if (span_given(r.query)) buf_printf(&log, "?%.*s", SPAN_FMT(r.query));
		if (r.body.n > 100)
			buf_printf(&log, " <%zu>", r.body.n);
		else if (r.body.n)
			buf_printf(&log, " [%.*s]", SPAN_FMT(r.body));
		buf_add_span(&log, r.keep_alive ? SPAN("") : SPAN(" close"));
		buf_add_span(&log, r.is_upgrade ? SPAN(" upgrade") : SPAN(""));
		buf_add_char(&log, '|');
		if (r.is_upgrade) {
			buf_printf(&log, "rest %zu", in.n - at);
			break;
		}
		arena_reset(&arena);
		http_parser_next(p, &arena, MAX_BODY);
	}
	http_parser_destroy(p);
	arena_deinit(&arena);
	return log;
}

static void expect_step(const char *name, struct span in, const char *want, size_t cut, size_t step)
{
	struct buf log = run(in, cut, step);
	if (!span_is(buf_span(&log), want))
		fail_msg("%s (cut %zu, step %zu): got \"%.*s\", want \"%.*s\"", name, cut, step, SPAN_FMT(buf_span(&log)),
			SPAN_FMT(span_str(want)));
	buf_deinit(&log);
}

static void expect(const char *name, struct span in, const char *want)
{
	for (size_t cut = 0; cut <= in.n; cut++) expect_step(name, in, want, cut, in.n);
	expect_step(name, in, want, 0, 1);
	expect_step(name, in, want, 0, 7);
}

#define H          "Host: a\r\n"
#define UPGRADE    "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define KEY        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION    "Sec-WebSocket-Version: 13\r\n"
#define WS         UPGRADE "Connection: keep-alive, Upgrade\r\n" KEY VERSION
#define CHUNKED    "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H "\r\n"
#define C(name, text, want)                                                                                                      \
	{                                                                                                                        \
		name, { text, sizeof(text) - 1 }, want                                                                           \
	}

static const struct {
	const char *name;
	struct span in;
	const char *want;
} cases[] = {
	C("simple", "GET /a?b=c HTTP/1.1\r\n" H "\r\n", "0 /a?b=c|"),
	C("methods",
		"HEAD / HTTP/1.1\r\n" H "\r\nPATCH / HTTP/1.1\r\n" H "\r\nDELETE / HTTP/1.1\r\n" H "\r\nPROPFIND / HTTP/1.1\r\n" H
		"\r\n",
		"1 /|4 /|5 /|7 /|"),
	C("pipelined",
		"GET /a HTTP/1.1\r\n" H "\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n" H "\r\nxyzPUT /c HTTP/1.1\r\n" H "\r\n",
		"0 /a|2 /b [xyz]|3 /c|"),
	C("empty line between", "GET /a HTTP/1.1\r\n" H "\r\n\r\nGET /c HTTP/1.1\r\n" H "\r\n", "0 /a|0 /c|"),
	C("body of a GET", "GET /b HTTP/1.1\r\nContent-Length: 2\r\n" H "\r\nabGET /c HTTP/1.1\r\n" H "\r\n", "0 /b [ab]|0 /c|"),
	C("length 0", "POST /b HTTP/1.1\r\nContent-Length: 0\r\n" H "\r\n", "2 /b|"),
	C("absolute form", "GET http://a:80/x?y HTTP/1.1\r\n" H "\r\n", "0 /x?y|"),
	C("absolute form, no path", "GET https://a?y HTTP/1.1\r\n" H "\r\n", "0 /?y|"),
	C("absolute form, bad port", "GET http://a:b/ HTTP/1.1\r\n" H "\r\n", "!INPUT"),
	C("other scheme", "GET ftp://a/x HTTP/1.1\r\n" H "\r\n", "!INPUT"),
	C("star", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "6 *|"),
	C("star of a GET", "GET * HTTP/1.1\r\n" H "\r\n", "!INPUT"),
	C("fragment", "GET /a?b#c HTTP/1.1\r\n" H "\r\n", "0 /a?b|"),
	/* versions and connection */
	C("1.0", "GET /b HTTP/1.0\r\n\r\n", "0 /b close|"),
	C("1.0 keep-alive", "GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /c HTTP/1.0\r\n\r\n", "0 /b|0 /c close|"),
	C("close", "GET /b HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "0 /b close|"),
	C("more after close", "GET /b HTTP/1.1\r\n" H "Connection: close\r\n\r\nGET /c HTTP/1.1\r\n" H "\r\n",
		"0 /b close|!INPUT"),
	C("2.0", "GET /b HTTP/2.0\r\n" H "\r\n", "!INPUT"),
	C("1.2", "GET /b HTTP/1.2\r\n" H "\r\n", "!INPUT"),
	C("0.9", "GET /b\r\n\r\n", "!INPUT"),
	C("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!INPUT"),
	C("CONNECT", "CONNECT a:1 HTTP/1.1\r\n" H "\r\n", "!INPUT"),
	C("other protocols", "SOURCE /b ICE/1.0\r\n" H "\r\n", "!INPUT"),
	C("RTSP", "DESCRIBE rtsp://x RTSP/1.0\r\n" H "\r\n", "!INPUT"),
	C("unknown method", "FOO /b HTTP/1.1\r\n" H "\r\n", "!INPUT"),
	C("TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "!INPUT"),
	C("no host", "GET /b HTTP/1.1\r\n\r\n", "!INPUT"),
	C("two hosts", "GET /b HTTP/1.1\r\n" H "Host: b\r\n\r\n", "!INPUT"),
	/* header syntax */
	C("empty value", "GET /b HTTP/1.1\r\nX:\r\n" H "\r\n", "0 /b|"),
	C("obs-fold", "GET /b HTTP/1.1\r\nX: a\r\n b\r\n" H "\r\n", "!INPUT"),
	C("obs-fold by tab", "GET /b HTTP/1.1\r\nX: a\r\n\tb\r\n" H "\r\n", "!INPUT"),
	C("obs-fold of the coding", "POST /b HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n" H "\r\n0\r\n\r\n", "!INPUT"),
	C("blank before the colon", "GET /b HTTP/1.1\r\nX : a\r\n" H "\r\n", "!INPUT"),
	C("blank before the first", "GET /b HTTP/1.1\r\n X: a\r\n" H "\r\n", "!INPUT"),
	C("blank in a name", "GET /b HTTP/1.1\r\nA B: a\r\n" H "\r\n", "!INPUT"),
	C("no name", "GET /b HTTP/1.1\r\n: a\r\n" H "\r\n", "!INPUT"),
	C("no colon", "GET /b HTTP/1.1\r\nabc\r\n" H "\r\n", "!INPUT"),
	C("bare LF", "GET /b HTTP/1.1\nHost: a\n\n", "!INPUT"),
	C("bare LF in headers", "GET /b HTTP/1.1\r\nX: b\nHost: a\r\n\r\n", "!INPUT"),
	C("bare CR in headers", "GET /b HTTP/1.1\r\nX: b\rHost: a\r\n\r\n", "!INPUT"),
	C("NUL in a value", "GET /b HTTP/1.1\r\nX: b\0c\r\n" H "\r\n", "!INPUT"),
	C("NUL in the target", "GET /b\0 HTTP/1.1\r\n" H "\r\n", "!INPUT"),
	C("blank in the target", "GET /b c HTTP/1.1\r\n" H "\r\n", "!INPUT"),
	/* smuggling */
	C("length and coding", "POST /b HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n" H "\r\n0\r\n\r\n",
		"!INPUT"),
	C("coding and length", "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n" H "\r\n0\r\n\r\n",
		"!INPUT"),
	C("two lengths", "POST /b HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n" H "\r\nabc", "!INPUT"),
	C("equal lengths", "POST /b HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n" H "\r\nabc", "!INPUT"),
	C("list of lengths", "POST /b HTTP/1.1\r\nContent-Length: 3, 3\r\n" H "\r\nabc", "!INPUT"),
	C("signed length", "POST /b HTTP/1.1\r\nContent-Length: +3\r\n" H "\r\nabc", "!INPUT"),
	C("negative length", "POST /b HTTP/1.1\r\nContent-Length: -3\r\n" H "\r\nabc", "!INPUT"),
	C("hexadecimal length", "POST /b HTTP/1.1\r\nContent-Length: 0x3\r\n" H "\r\nabc", "!INPUT"),
	C("empty length", "POST /b HTTP/1.1\r\nContent-Length: \r\n" H "\r\nabc", "!INPUT"),
	C("huge length", "POST /b HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n" H "\r\nabc", "!INPUT"),
	C("wrapping length", "POST /b HTTP/1.1\r\nContent-Length: 18446744073709551619\r\n" H "\r\nabc", "!INPUT"),
	C("unknown coding", "POST /b HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n" H "\r\n0\r\n\r\n", "!INPUT"),
	C("coding list", "POST /b HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n" H "\r\n0\r\n\r\n", "!INPUT"),
	C("coding not last", "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n" H "\r\n0\r\n\r\n", "!INPUT"),
	C("coding twice", "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" H "\r\n0\r\n\r\n",
		"!INPUT"),
	C("coding with a tab", "POST /b HTTP/1.1\r\nTransfer-Encoding:\tchunked\r\n" H "\r\n3\r\nabc\r\n0\r\n\r\n",
		"2 /b [abc]|"),
	C("coding in 1.0", "POST /b HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" H "\r\n0\r\n\r\n", "!INPUT"),
	/* chunks */
	C("chunked", CHUNKED "3\r\nxyz\r\n00002\r\nab\r\n0\r\n\r\nGET /c HTTP/1.1\r\n" H "\r\n", "2 /b [xyzab]|0 /c|"),
	C("empty chunked", CHUNKED "0\r\n\r\n", "2 /b|"),
	C("chunk extension", CHUNKED "3;a=b;c=\"d\"\r\nxyz\r\n0;z\r\n\r\n", "2 /b [xyz]|"),
	C("framing in trailers", CHUNKED "1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n", "!INPUT"),
	C("trailers", CHUNKED "1\r\nx\r\n0\r\nAuthorization: z\r\nHost: b\r\n\r\nGET /c HTTP/1.1\r\n" H "\r\n", "2 /b [x]|0 /c|"),
	C("bad chunk size", CHUNKED "zz\r\n", "!INPUT"),
	C("signed chunk size", CHUNKED "-1\r\n", "!INPUT"),
	C("wrapping chunk size", CHUNKED "10000000000000003\r\nabc", "!INPUT"),
	C("0x chunk size", CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", "!INPUT"),
	C("chunk size with blank", CHUNKED "3 \r\nabc\r\n0\r\n\r\n", "!INPUT"),
	C("chunk head by LF", CHUNKED "3\nabc\r\n0\r\n\r\n", "!INPUT"),
	C("chunk extension by LF", CHUNKED "3;\nabc\r\n0\r\n\r\n", "!INPUT"),
	C("chunk too long", CHUNKED "3\r\nabcd\r\n0\r\n\r\n", "!INPUT"),
	/* upgrade */
	C("upgrade", "GET /x HTTP/1.1\r\n" H WS "\r\nWSBYTES", "0 /x upgrade|rest 7"),
	C("upgrade with length 0", "GET /x HTTP/1.1\r\n" H WS "Content-Length: 0\r\n\r\nWSBYTES", "0 /x upgrade|rest 7"),
	C("upgrade with a body", "GET /x HTTP/1.1\r\n" H WS "Content-Length: 3\r\n\r\nabc", "!INPUT"),
	C("upgrade with chunks", "GET /x HTTP/1.1\r\n" H WS "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "!INPUT"),
	C("upgrade of a POST", "POST /x HTTP/1.1\r\n" H WS "\r\n", "2 /x|"),
	C("upgrade in 1.0", "GET /x HTTP/1.0\r\n" H WS "\r\n", "0 /x|"),
	C("upgrade, other version",
		"GET /x HTTP/1.1\r\n" H UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 8\r\n\r\nGET /c HTTP/1.1\r\n" H "\r\n",
		"0 /x|0 /c|"),
	C("upgrade, short key",
		"GET /x HTTP/1.1\r\n" H UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n\r\n", "0 /x|"),
	C("upgrade, two keys", "GET /x HTTP/1.1\r\n" H WS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", "0 /x|"),
	C("upgrade without Connection", "GET /x HTTP/1.1\r\n" H UPGRADE KEY VERSION "\r\nGET /c HTTP/1.1\r\n" H "\r\n",
		"0 /x|0 /c|"),
	C("h2c is declined",
		"POST /x HTTP/1.1\r\n" H "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 3\r\n\r\nabc"
		"GET /c HTTP/1.1\r\n" H "\r\n",
		"2 /x [abc]|0 /c|"),
	C("list of protocols", "GET /x HTTP/1.1\r\n" H "Upgrade: h2c\r\n" WS "\r\n", "0 /x upgrade|rest 0"),
	/* bodies */
	C("identity", "POST /b HTTP/1.1\r\nContent-Length: 3\r\nContent-Encoding: identity\r\n" H "\r\nabc", "2 /b [abc]|"),
	C("other encoding", "POST /b HTTP/1.1\r\nContent-Length: 3\r\nContent-Encoding: br\r\n" H "\r\nabc", "!INPUT"),
	C("two encodings", "POST /b HTTP/1.1\r\nContent-Length: 3\r\nContent-Encoding: gzip, gzip\r\n" H "\r\nabc", "!INPUT"),
	C("not gzip", "POST /b HTTP/1.1\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n" H "\r\nabc", "!INPUT"),
	C("gzip of nothing", "POST /b HTTP/1.1\r\nContent-Length: 0\r\nContent-Encoding: gzip\r\n" H "\r\n", "2 /b|"),
	C("too long by its length", "POST /b HTTP/1.1\r\nContent-Length: 1001\r\n" H "\r\n", "!TOO_BIG"),
	C("too long by its chunk", CHUNKED "3e9\r\n", ""),
};

static void the_table_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < BECK_COUNT(cases); i++) expect(cases[i].name, cases[i].in, cases[i].want);
}

/* A parser and its arena for cases that look closer. */
struct one {
	struct http_parser *p;
	struct arena arena;
	struct http_request r;
	enum err err;
	size_t used;
};

static void one_begin(struct one *o, size_t max_body)
{
	*o = (struct one){ .p = http_parser_create() };
	arena_init(&o->arena, (size_t)LIMIT_ARENA_BYTES);
	http_parser_next(o->p, &o->arena, max_body);
}

static void one_end(struct one *o)
{
	http_parser_destroy(o->p);
	arena_deinit(&o->arena);
}

static enum http_feed one_feed(struct one *o, struct span in) { return http_parser_feed(o->p, in, &o->used, &o->r, &o->err); }

static enum http_feed feed_all(struct span in, size_t max_body, struct one *o)
{
	one_begin(o, max_body);
	return one_feed(o, in);
}

static void headers(void **state)
{
	(void)state;
	struct one o;
	assert_int_equal(
		feed_all(SPAN("GET /x HTTP/1.1\r\nHOST: a\r\nX-One:  \t v  w \t\r\nx-one: second\r\nEmpty:\r\n\r\n"), 0, &o),
		HTTP_REQUEST);
	assert_int_equal(o.r.header_count, 4);
	assert_span(o.r.headers[0].name, "host");
	assert_span(http_header_get(&o.r, "x-one"), "v  w");
	assert_true(span_given(http_header_get(&o.r, "empty")));
	assert_int_equal(http_header_get(&o.r, "empty").n, 0);
	assert_false(span_given(http_header_get(&o.r, "none")));
	assert_span(o.r.target, "/x");
	assert_int_equal(o.r.minor, 1);
	one_end(&o);
}

static void accept_encoding(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		bool ok;
	} values[] = {
		{ "gzip", true },
		{ "GZIP", true },
		{ "deflate, gzip;q=0.5", true },
		{ "x-gzip", true },
		{ "*", true },
		{ "gzip ; q=1.0", true },
		{ "", false },
		{ "deflate", false },
		{ "gzip;q=0", false },
		{ "gzip;q=0.000", false },
		{ "gzip; q = 0 ", false },
		{ "*;q=0", false },
		{ "gzip;q=0, *", false },
		{ "*;q=0, gzip", true },
		{ "gzipx", false },
	};
	for (size_t i = 0; i < BECK_COUNT(values); i++) {
		struct one o;
		char text[200];
		snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" H "Accept-Encoding: %s\r\n\r\n", values[i].value);
		assert_int_equal(feed_all(span_str(text), 0, &o), HTTP_REQUEST);
		if (o.r.accepts_gzip != values[i].ok) fail_msg("%s", values[i].value);
		one_end(&o);
	}
}

/* A head of exactly n bytes. */
static void head_of(struct buf *b, size_t n, size_t target)
{
	buf_clear(b);
	buf_add_span(b, SPAN("GET /"));
	for (size_t i = 1; i < target; i++) buf_add_char(b, 'a');
	buf_add_span(b, SPAN(" HTTP/1.1\r\n" H "X: "));
	while (b->n < n - 4) buf_add_char(b, 'x');
	buf_add_span(b, SPAN("\r\n\r\n"));
	assert_int_equal(b->n, n);
}

static void head_and_url_at_the_bound_and_one_past(void **state)
{
	(void)state;
	struct buf b;
	size_t head = (size_t)LIMIT_HEAD_BYTES, url = (size_t)LIMIT_URL_BYTES;
	buf_init(&b, 1 << 20);
	const struct {
		size_t head, url;
		const char *want;
	} bounds[] = { { head, 1, "0 /|" }, { head + 1, 1, "!HEADER_TOO_BIG" }, { head, url, NULL },
		{ head, url + 1, "!HEADER_TOO_BIG" } };
	for (size_t i = 0; i < BECK_COUNT(bounds); i++) {
		head_of(&b, bounds[i].head, bounds[i].url);
		for (size_t step = 1; step < 100000; step = step * 11 + 4) {
			struct buf log = run(buf_span(&b), 0, step);
			if (bounds[i].want)
				assert_span(buf_span(&log), bounds[i].want);
			else
				assert_int_equal(log.n, url + 3);
			buf_deinit(&log);
		}
	}
	/* Two of them behind one another: the count begins anew. */
	head_of(&b, head, 1);
	buf_add_span(&b, SPAN("GET /n HTTP/1.1\r\n" H "\r\n"));
	expect_step("pipelined", buf_span(&b), "0 /|0 /n|", 0, 100000);
	/* Empty lines before a request count too. */
	buf_clear(&b);
	while (b.n < head) buf_add_span(&b, SPAN("\r\n"));
	expect_step("empty lines", buf_span(&b), "!HEADER_TOO_BIG", 0, 1000);
	buf_deinit(&b);
}

static void header_count_at_the_bound_and_one_past(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1 << 16);
	for (int past = 0; past < 2; past++) {
		buf_clear(&b);
		buf_add_span(&b, SPAN("GET / HTTP/1.1\r\n" H));
		for (int64_t i = 1; i < LIMIT_HEADERS + past; i++) buf_printf(&b, "x%d: %d\r\n", (int)i, (int)i);
		buf_add_span(&b, SPAN("\r\n"));
		struct one o;
		assert_int_equal(feed_all(buf_span(&b), 0, &o), past ? HTTP_ERROR : HTTP_REQUEST);
		if (past)
			assert_int_equal(o.err, ERR_HEADER_TOO_BIG);
		else
			assert_span(http_header_get(&o.r, "x99"), "99");
		one_end(&o);
	}
	buf_deinit(&b);
}

static void add_body(struct buf *b, bool chunked, struct span body, const char *headers_text)
{
	buf_printf(b, "POST / HTTP/1.1\r\n" H "%s", headers_text);
	if (chunked)
		buf_printf(b, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", body.n);
	else
		buf_printf(b, "Content-Length: %zu\r\n\r\n", body.n);
	buf_add_span(b, body);
	if (chunked) buf_add_span(b, SPAN("\r\n0\r\n\r\n"));
}

static void body_at_the_bound_and_one_past(void **state)
{
	(void)state;
	static char body[MAX_BODY + 1];
	memset(body, 'b', sizeof body);
	struct buf b;
	buf_init(&b, 1 << 16);
	for (int chunked = 0; chunked < 2; chunked++)
		for (size_t n = MAX_BODY; n <= MAX_BODY + 1; n++) {
			buf_clear(&b);
			add_body(&b, chunked, (struct span){ body, n }, "");
			for (size_t step = 1; step < 3000; step = step * 3 + 1)
				expect_step("body", buf_span(&b), n == MAX_BODY ? "2 / <1000>|" : "!TOO_BIG", 0, step);
		}
	struct one o;
	buf_clear(&b);
	add_body(&b, false, SPAN("x"), "");
	assert_int_equal(feed_all(buf_span(&b), 0, &o), HTTP_ERROR);
	assert_int_equal(o.err, ERR_TOO_BIG);
	one_end(&o);
	buf_deinit(&b);
}

static void gzip_bodies(void **state)
{
	(void)state;
	struct buf plain, packed, b;
	buf_init(&plain, 1 << 24);
	buf_init(&packed, 1 << 20);
	buf_init(&b, 1 << 20);
	const char *enc = "Content-Encoding: gzip\r\n";
	assert_true(http_gzip(&packed, SPAN("{\"hello\":\"world\"}")));
	for (int chunked = 0; chunked < 2; chunked++) {
		buf_clear(&b);
		add_body(&b, chunked, buf_span(&packed), enc);
		buf_add_span(&b, SPAN("GET /n HTTP/1.1\r\n" H "\r\n"));
		expect("gzip", buf_span(&b), "2 / [{\"hello\":\"world\"}]|0 /n|");
		/* Cut short, and with bytes behind. */
		buf_clear(&b);
		add_body(&b, chunked, (struct span){ packed.p, packed.n - 1 }, enc);
		expect("cut", buf_span(&b), "!INPUT");
		buf_clear(&b);
		buf_add_char(&packed, 0);
		add_body(&b, chunked, buf_span(&packed), enc);
		packed.n--;
		expect("more", buf_span(&b), "!INPUT");
	}
	/* A wrong checksum. */
	packed.p[packed.n - 6] ^= 1;
	buf_clear(&b);
	add_body(&b, false, buf_span(&packed), enc);
	expect("checksum", buf_span(&b), "!INPUT");
	/* The inflated bound and one past it. */
	for (size_t n = MAX_BODY; n <= MAX_BODY + 1; n++) {
		buf_clear(&plain);
		for (size_t i = 0; i < n; i++) buf_add_char(&plain, 'z');
		buf_clear(&packed);
		assert_true(http_gzip(&packed, buf_span(&plain)));
		buf_clear(&b);
		add_body(&b, false, buf_span(&packed), enc);
		expect("inflated bound", buf_span(&b), n == MAX_BODY ? "2 / <1000>|" : "!TOO_BIG");
	}
	buf_deinit(&plain);
	buf_deinit(&packed);
	buf_deinit(&b);
}

/* Some kilobytes that would be megabytes stop at LIMIT_BODY_BYTES, however much of the wire is allowed. */
static void zip_bombs(void **state)
{
	(void)state;
	struct buf plain, packed, b;
	buf_init(&plain, 1 << 24);
	buf_init(&packed, 1 << 20);
	buf_init(&b, 1 << 20);
	for (int64_t past = 0; past < 3; past++) {
		size_t n = past == 2 ? 1 << 24 : (size_t)(LIMIT_BODY_BYTES + past);
		buf_clear(&plain);
		assert_true(buf_reserve(&plain, n));
		memset(plain.p, 0, n);
		plain.n = n;
		buf_clear(&packed);
		assert_true(http_gzip(&packed, buf_span(&plain)));
		buf_clear(&b);
		add_body(&b, false, buf_span(&packed), "Content-Encoding: gzip\r\n");
		struct one o;
		assert_int_equal(feed_all(buf_span(&b), 10 << 20, &o), past ? HTTP_ERROR : HTTP_REQUEST);
		if (past)
			assert_int_equal(o.err, ERR_TOO_BIG);
		else
			assert_int_equal(o.r.body.n, n);
		assert_true(o.arena.used_bytes < (size_t)LIMIT_BODY_BYTES * 3);
		one_end(&o);
	}
	buf_deinit(&plain);
	buf_deinit(&packed);
	buf_deinit(&b);
}

/* Chunk heads, extensions and trailers are bounded although the body stays small. */
static void framing_floods(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1 << 22);
	buf_add_span(&b, SPAN(CHUNKED));
	for (int i = 0; i < 200; i++) {
		buf_add_span(&b, SPAN("1;x="));
		for (int k = 0; k < 1000; k++) buf_add_char(&b, 'e');
		buf_add_span(&b, SPAN("\r\nx\r\n"));
	}
	expect_step("extensions", buf_span(&b), "!TOO_BIG", 0, 4096);
	buf_clear(&b);
	buf_add_span(&b, SPAN(CHUNKED "0\r\n"));
	for (int i = 0; i < 20000; i++) buf_add_span(&b, SPAN("a: b\r\n"));
	expect_step("trailers", buf_span(&b), "!TOO_BIG", 0, 4096);
	/* One-byte chunks are a poor but honest way to send. */
	buf_clear(&b);
	buf_add_span(&b, SPAN(CHUNKED));
	for (int i = 0; i < MAX_BODY; i++) buf_add_span(&b, SPAN("1\r\nx\r\n"));
	buf_add_span(&b, SPAN("0\r\n\r\n"));
	expect_step("one-byte chunks", buf_span(&b), "2 /b <1000>|", 0, 4096);
	buf_deinit(&b);
}

static void phases_and_continue(void **state)
{
	(void)state;
	struct one o;
	one_begin(&o, 100);
	assert_int_equal(http_parser_phase(o.p), HTTP_IDLE);
	assert_int_equal(one_feed(&o, SPAN("\r\n")), HTTP_MORE);
	assert_int_equal(http_parser_phase(o.p), HTTP_IDLE);
	assert_int_equal(one_feed(&o, SPAN("P")), HTTP_MORE);
	assert_int_equal(http_parser_phase(o.p), HTTP_IN_HEAD);
	assert_int_equal(one_feed(&o, SPAN("OST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 2\r\n\r")), HTTP_MORE);
	assert_false(http_parser_wants_continue(o.p));
	assert_int_equal(one_feed(&o, SPAN("\n")), HTTP_MORE);
	assert_int_equal(http_parser_phase(o.p), HTTP_IN_BODY);
	assert_true(http_parser_wants_continue(o.p));
	assert_false(http_parser_wants_continue(o.p));
	assert_int_equal(one_feed(&o, SPAN("ab")), HTTP_REQUEST);
	assert_span(o.r.body, "ab");
	arena_reset(&o.arena);
	http_parser_next(o.p, &o.arena, 100);
	assert_int_equal(http_parser_phase(o.p), HTTP_IDLE);
	/* Not when the body came along, nor without one. */
	assert_int_equal(
		one_feed(&o, SPAN("POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\na")), HTTP_MORE);
	assert_false(http_parser_wants_continue(o.p));
	assert_int_equal(one_feed(&o, SPAN("b")), HTTP_REQUEST);
	http_parser_next(o.p, &o.arena, 100);
	assert_int_equal(one_feed(&o, SPAN("GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n")), HTTP_REQUEST);
	assert_false(http_parser_wants_continue(o.p));
	one_end(&o);
	http_parser_destroy(NULL);
}

static void an_error_stays(void **state)
{
	(void)state;
	struct one o;
	assert_int_equal(feed_all(SPAN("nonsense\r\n\r\n"), 0, &o), HTTP_ERROR);
	o.err = ERR_OK;
	assert_int_equal(one_feed(&o, SPAN("GET / HTTP/1.1\r\n" H "\r\n")), HTTP_ERROR);
	assert_int_equal(o.err, ERR_INPUT);
	one_end(&o);
}

static void without_memory_it_is_refused(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 10000);
	static char body[900];
	memset(body, 'b', sizeof body);
	add_body(&b, false, (struct span){ body, sizeof body }, "X-Long-Name: and a value\r\nAnother: one\r\n");
	for (size_t max = 0; max < 4096; max += 16) {
		struct one o;
		one_begin(&o, MAX_BODY);
		arena_deinit(&o.arena);
		arena_init(&o.arena, max);
		enum http_feed f = one_feed(&o, buf_span(&b));
		assert_int_not_equal(f, HTTP_MORE);
		if (f == HTTP_ERROR)
			assert_true(o.err == ERR_HEADER_TOO_BIG || o.err == ERR_TOO_BIG);
		else
			assert_int_equal(o.r.body.n, 900);
		one_end(&o);
	}
	buf_deinit(&b);
}

static void response_heads(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	http_response_head(&b, 200, SPAN("application/json"), 12, true, SPAN("X: y\r\n"));
	assert_span(buf_span(&b), "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\nConnection: "
				  "keep-alive\r\nX: y\r\n\r\n");
	buf_clear(&b);
	http_response_head(&b, 101, SPAN_NONE, -1, true, SPAN("Upgrade: websocket\r\nConnection: Upgrade\r\n"));
	assert_span(buf_span(&b), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
	buf_clear(&b);
	http_response_head(&b, 431, SPAN_NONE, 0, false, SPAN_NONE);
	assert_span(
		buf_span(&b), "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	buf_deinit(&b);
	for (int e = 0; e < ERR_COUNT; e++) assert_string_not_equal(http_status_text(err_http((enum err)e)), "Unknown");
	assert_string_equal(http_status_text(799), "Unknown");
}

static void gzip_without_room_changes_nothing(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 20);
	buf_add_span(&b, SPAN("keep"));
	assert_false(http_gzip(&b, SPAN("0123456789")));
	assert_span(buf_span(&b), "keep");
	assert_false(b.failed);
	buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_table_at_every_split), cmocka_unit_test(headers),
		cmocka_unit_test(accept_encoding), cmocka_unit_test(head_and_url_at_the_bound_and_one_past),
		cmocka_unit_test(header_count_at_the_bound_and_one_past), cmocka_unit_test(body_at_the_bound_and_one_past),
		cmocka_unit_test(gzip_bodies), cmocka_unit_test(zip_bombs), cmocka_unit_test(framing_floods),
		cmocka_unit_test(phases_and_continue), cmocka_unit_test(an_error_stays),
		cmocka_unit_test(without_memory_it_is_refused), cmocka_unit_test(response_heads),
		cmocka_unit_test(gzip_without_room_changes_nothing) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
