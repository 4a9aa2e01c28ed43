/* The request parser: any bytes as one connection. Byte one chooses the pieces; whole and in pieces it must be the same requests,
 * the same places between them and the same end. */
#include "wire/http.h"

enum { MAX_BODY = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void log_span(struct buf *log, struct span s)
{
	buf_add(log, &s.n, sizeof s.n);
	buf_add_span(log, s);
}

static void log_request(struct buf *log, const struct http_request *r, size_t at)
{
	BECK_ASSERT(r->body.n <= MAX_BODY && r->header_count <= 100 && r->path.n > 0 && (r->minor == 0 || r->minor == 1));
	buf_printf(log, "R %d %d %d %d %zu ", (int)r->method, r->keep_alive, r->is_upgrade, r->accepts_gzip, at);
	log_span(log, r->path);
	log_span(log, r->query);
	log_span(log, r->body);
	for (size_t i = 0; i < r->header_count; i++) {
		BECK_ASSERT(r->headers[i].name.n > 0);
		log_span(log, r->headers[i].name);
		log_span(log, r->headers[i].value);
	}
	BECK_ASSERT(!span_given(http_header_get(r, "not a token"))); /* no header can have this name */
}

static void parse(struct buf *log, struct span in, size_t step)
{
	struct arena arena;
	struct http_parser *p = http_parser_create();
	BECK_ASSERT(p);
	arena_init(&arena, 1 << 20);
	http_parser_next(p, &arena, MAX_BODY);
	for (size_t at = 0; at < in.n;) {
		struct http_request r;
		enum err err = ERR_OK;
		size_t n = in.n - at < step ? in.n - at : step, used = 0;
		enum http_feed f = http_parser_feed(p, (struct span){ in.p + at, n }, &used, &r, &err);
		BECK_ASSERT(used <= n && (f != HTTP_MORE || used == n));
		http_parser_wants_continue(p);
		at += used;
		if (f == HTTP_ERROR) {
			BECK_ASSERT(err == ERR_INPUT || err == ERR_TOO_BIG || err == ERR_HEADER_TOO_BIG);
			buf_printf(log, "E");
			break;
		}
		if (f == HTTP_MORE) continue;
		log_request(log, &r, at);
		if (r.is_upgrade) break;
		arena_reset(&arena);
		http_parser_next(p, &arena, MAX_BODY);
	}
	http_parser_destroy(p);
	arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1) return 0;
	struct span in = { (const char *)data + 1, size - 1 };
	struct buf whole, pieces;
	buf_init(&whole, 256u << 20);
	buf_init(&pieces, 256u << 20);
	parse(&whole, in, in.n + 1);
	parse(&pieces, in, (size_t)data[0] % 32 + 1);
	BECK_ASSERT(span_eq(buf_span(&whole), buf_span(&pieces)));
	buf_deinit(&whole);
	buf_deinit(&pieces);
	return 0;
}
