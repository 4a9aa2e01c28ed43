/* HTTP/1.1 on llhttp, without sockets.
 *
 * Parser: one per connection that speaks HTTP. Feed bytes; a request is complete when http_parser_feed returns HTTP_REQUEST, and
 * *used says how many bytes it took (the rest belongs to the next request or, after an upgrade, to the WebSocket). Everything of
 * the request lives in the arena the caller gave; the caller takes the request and calls http_parser_next with a fresh arena.
 * Bodies: Content-Length and chunked, gzip-encoded ones are inflated once they are whole (bounded by LIMIT_BODY_BYTES
 * inflated). */
#ifndef BECK_WIRE_HTTP_H
#define BECK_WIRE_HTTP_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum http_method { HTTP_M_GET, HTTP_M_HEAD, HTTP_M_POST, HTTP_M_PUT, HTTP_M_PATCH, HTTP_M_DELETE, HTTP_M_OPTIONS, HTTP_M_OTHER };

struct http_header {
	struct span name, value; /* name lower-cased, value trimmed */
};

struct http_request {
	enum http_method method;
	struct span target, path, query; /* raw, path without query */
	struct http_header *headers;
	size_t header_count;
	struct span body;
	bool keep_alive, is_upgrade; /* is_upgrade: a well-formed "Upgrade: websocket" request, RFC 6455 4.2.1 */
	bool accepts_gzip;
	uint8_t minor; /* HTTP/1.minor */
};
struct span http_header_get(const struct http_request *r, const char *lower_name); /* SPAN_NONE when absent */

enum http_feed { HTTP_MORE, HTTP_REQUEST, HTTP_ERROR };
struct http_parser;
struct http_parser *http_parser_create(void) BECK_WARN_UNUSED;
void http_parser_destroy(struct http_parser *p);
/* Where the next request is built. Must be called before the first feed and after each HTTP_REQUEST. */
void http_parser_next(struct http_parser *p, struct arena *arena, size_t max_body_bytes);
/* HTTP_ERROR: *err is ERR_INPUT (400), ERR_TOO_BIG (413) or ERR_HEADER_TOO_BIG (431); answer and close. */
enum http_feed http_parser_feed(struct http_parser *p, struct span in, size_t *used, struct http_request *out, enum err *err);
/* Which deadline applies now. */
enum http_phase { HTTP_IDLE, HTTP_IN_HEAD, HTTP_IN_BODY };
enum http_phase http_parser_phase(const struct http_parser *p);
/* True once, when the head of the current request asked "Expect: 100-continue" and the body has not come. */
bool http_parser_wants_continue(struct http_parser *p);

/* Response head. `extra` is zero or more whole header lines ending in CRLF. content_length < 0 leaves it out (101, 304). */
void http_response_head(
	struct buf *out, int status, struct span content_type, int64_t content_length, bool keep_alive, struct span extra);
const char *http_status_text(int status);
/* Appends gzip of `in`; false without memory (out unchanged). */
bool http_gzip(struct buf *out, struct span in);

#endif
