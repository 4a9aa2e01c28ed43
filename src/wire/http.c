#include "wire/http.h"

#include <limits.h>
#include <stdlib.h>
/* llhttp's kind of parser has the name of our result. */
#define HTTP_REQUEST LLHTTP_KIND_REQUEST
#include <llhttp.h>
#undef HTTP_REQUEST
#include <zlib.h>

#include "base/limits.h"
#include "wire/deflate.h"
#include "wire/url.h"

/* llhttp calls back with pieces; they are gathered in the request's arena, where the newest allocation grows in place.
 *
 * Framing is where smuggling lives, so the rules are strict: llhttp without any lenient flag, and in head_accept() those it
 * leaves to its user (one Host, no transfer coding but chunked, no body beside an upgrade). The parser pauses at the end of each
 * head, which measures it exactly, and at the end of each request, where pipelined bytes stay with the caller. */

enum {
	HTTP_HEADERS_FIRST = 16,
	HTTP_BODY_FIRST_BYTES = 1024,
	/* Chunk heads, extensions and trailers: at most this much, and so much more per body byte (the cost of one-byte chunks).
	 */
	HTTP_FRAMING_BYTES = 65536,
	HTTP_FRAMING_PER_BODY_BYTE = 8,
};

struct text {
	char *p;
	size_t n, cap;
};

struct http_parser {
	llhttp_t ll;
	struct arena *arena;
	size_t max_body_bytes;
	size_t head_bytes;      /* of the request line and headers so far */
	size_t body_wire_bytes; /* consumed behind the head, framing included */
	size_t body_bytes;      /* of body data, still encoded */
	struct text target, name, value, body;
	struct http_header *headers;
	size_t header_count, header_cap;
	enum err err;
	bool begun, head_done, complete;
	bool wants_continue, is_upgrade, keep_alive, accepts_gzip, gzip_body;
	enum http_method method;
};

static int fail(struct http_parser *p, enum err err)
{
	p->err = err;
	return HPE_USER;
}

/* Without memory the request counts as too large: the arena's size is a bound like the others. */
static bool text_reserve(struct http_parser *p, struct text *t, size_t extra, size_t first)
{
	if (t->p && t->cap - t->n >= extra) return true;
	size_t cap = t->cap * 2 > t->n + extra ? t->cap * 2 : t->n + extra;
	if (cap < first) cap = first;
	char *grown = arena_realloc(p->arena, t->p, t->cap, cap);
	if (!grown) return false;
	t->p = grown;
	t->cap = cap;
	return true;
}

static bool text_add(struct http_parser *p, struct text *t, const char *at, size_t n)
{
	if (!text_reserve(p, t, n, 32)) return false;
	memcpy(t->p + t->n, at, n);
	t->n += n;
	return true;
}

static struct span text_take(struct text *t)
{
	struct span s = { t->p ? t->p : "", t->n };
	*t = (struct text){ 0 };
	return s;
}

static int on_message_begin(llhttp_t *ll)
{
	struct http_parser *p = ll->data;
	p->begun = true;
	return 0;
}

static int on_url(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parser *p = ll->data;
	if (p->target.n + n > (size_t)LIMIT_URL_BYTES || !text_add(p, &p->target, at, n)) return fail(p, ERR_HEADER_TOO_BIG);
	return 0;
}

static int on_header_field(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parser *p = ll->data;
	if (p->head_done) return 0; /* trailers are counted as framing and dropped */
	if (!text_add(p, &p->name, at, n)) return fail(p, ERR_HEADER_TOO_BIG);
	return 0;
}

static int on_header_value(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parser *p = ll->data;
	if (p->head_done) return 0;
	if (!text_add(p, &p->value, at, n)) return fail(p, ERR_HEADER_TOO_BIG);
	return 0;
}

static void lower_case(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] >= 'A' && p[i] <= 'Z') p[i] = (char)(p[i] + ('a' - 'A'));
}

static bool headers_grow(struct http_parser *p)
{
	if (p->header_count < p->header_cap) return true;
	size_t cap = p->header_cap ? p->header_cap * 2 : HTTP_HEADERS_FIRST;
	void *grown = arena_realloc(p->arena, p->headers, p->header_cap * sizeof *p->headers, cap * sizeof *p->headers);
	if (!grown) return false;
	p->headers = grown;
	p->header_cap = cap;
	return true;
}

static int on_header_value_complete(llhttp_t *ll)
{
	struct http_parser *p = ll->data;
	if (p->head_done) return 0;
	lower_case(p->name.p, p->name.n);
	struct http_header h = { text_take(&p->name), span_trim(text_take(&p->value)) };
	if (p->header_count == (size_t)LIMIT_HEADERS || !headers_grow(p)) return fail(p, ERR_HEADER_TOO_BIG);
	p->headers[p->header_count++] = h;
	return 0;
}

/* The one header of a name; *count says how many there were. */
static struct span header_once(const struct http_parser *p, const char *lower_name, size_t *count)
{
	struct span found = SPAN_NONE;
	*count = 0;
	for (size_t i = 0; i < p->header_count; i++) {
		if (!span_is(p->headers[i].name, lower_name)) continue;
		if (++*count == 1) found = p->headers[i].value;
	}
	return found;
}

static bool list_has(struct span list, struct span token)
{
	while (list.n)
		if (span_eq_nocase(span_cut(&list, ','), token)) return true;
	return false;
}

/* A token in any of the headers of that name. */
static bool headers_list_has(const struct http_parser *p, const char *lower_name, struct span token)
{
	for (size_t i = 0; i < p->header_count; i++)
		if (span_is(p->headers[i].name, lower_name) && list_has(p->headers[i].value, token)) return true;
	return false;
}

static bool is_zero_quality(struct span params)
{
	size_t eq = span_find(params, '=');
	struct span name = span_trim((struct span){ params.p, eq }), v = span_trim(span_skip(params, eq + 1));
	if (!span_eq_nocase(name, SPAN("q")) || v.n == 0) return false;
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != '0' && v.p[i] != '.') return false;
	return true;
}

/* RFC 9110 12.5.3; "gzip" itself wins over "*". */
static bool accepts_gzip(const struct http_parser *p)
{
	bool any = false;
	for (size_t i = 0; i < p->header_count; i++) {
		if (!span_is(p->headers[i].name, "accept-encoding")) continue;
		struct span list = p->headers[i].value;
		while (list.n) {
			struct span one = span_cut(&list, ',');
			size_t semi = span_find(one, ';');
			struct span coding = span_trim((struct span){ one.p, semi });
			bool wanted = !is_zero_quality(span_trim(span_skip(one, semi + 1)));
			if (span_eq_nocase(coding, SPAN("gzip")) || span_eq_nocase(coding, SPAN("x-gzip"))) return wanted;
			if (span_is(coding, "*")) any = wanted;
		}
	}
	return any;
}

static bool is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* Base64 of 16 bytes: 22 digits and two pads, the last digit's four low bits unused (some clients leave them set). */
static bool ws_key_ok(struct span key)
{
	if (key.n != 24 || key.p[22] != '=' || key.p[23] != '=') return false;
	for (size_t i = 0; i < 22; i++)
		if (!is_base64(key.p[i])) return false;
	return true;
}

static bool upgrade_ok(const struct http_parser *p)
{
	size_t keys, versions;
	struct span key = header_once(p, "sec-websocket-key", &keys),
		    version = header_once(p, "sec-websocket-version", &versions);
	return p->method == HTTP_M_GET && p->ll.http_minor == 1 && headers_list_has(p, "connection", SPAN("upgrade")) &&
	       keys == 1 && ws_key_ok(key) && versions == 1 && span_is(version, "13");
}

static enum http_method method_of(uint8_t m)
{
	switch (m) {
	case HTTP_GET: return HTTP_M_GET;
	case HTTP_HEAD: return HTTP_M_HEAD;
	case HTTP_POST: return HTTP_M_POST;
	case HTTP_PUT: return HTTP_M_PUT;
	case HTTP_PATCH: return HTTP_M_PATCH;
	case HTTP_DELETE: return HTTP_M_DELETE;
	case HTTP_OPTIONS: return HTTP_M_OPTIONS;
	default: return HTTP_M_OTHER;
	}
}

/* Whether the body's framing and coding are ones we take; sets gzip_body. */
static bool body_coding_ok(struct http_parser *p)
{
	size_t codings, encodings;
	struct span transfer = header_once(p, "transfer-encoding", &codings),
		    content = header_once(p, "content-encoding", &encodings);
	if (codings > 1 || (codings == 1 && (p->ll.http_minor == 0 || !span_eq_nocase(transfer, SPAN("chunked"))))) return false;
	if (encodings > 1) return false;
	p->gzip_body = encodings && (span_eq_nocase(content, SPAN("gzip")) || span_eq_nocase(content, SPAN("x-gzip")));
	return encodings == 0 || p->gzip_body || content.n == 0 || span_eq_nocase(content, SPAN("identity"));
}

static enum err head_accept(struct http_parser *p)
{
	size_t hosts, expects;
	header_once(p, "host", &hosts);
	bool chunked = p->ll.flags & F_CHUNKED, has_body = chunked || p->ll.content_length > 0;
	bool websocket = headers_list_has(p, "upgrade", SPAN("websocket"));
	if (p->ll.http_major != 1 || p->ll.http_minor > 1) return ERR_INPUT;
	/* A tunnel has no path here; SOURCE is the one method that llhttp lets in with another protocol's name. */
	if (p->ll.method == HTTP_CONNECT || p->ll.method == HTTP_SOURCE) return ERR_INPUT;
	if (hosts > 1 || (hosts == 0 && p->ll.http_minor == 1)) return ERR_INPUT;
	if (!body_coding_ok(p) || (websocket && has_body)) return ERR_INPUT;
	if (!chunked && p->ll.content_length > p->max_body_bytes) return ERR_TOO_BIG;
	p->accepts_gzip = accepts_gzip(p);
	p->is_upgrade = websocket && upgrade_ok(p);
	struct span expect = header_once(p, "expect", &expects);
	p->wants_continue = has_body && p->ll.http_minor == 1 && span_eq_nocase(expect, SPAN("100-continue"));
	return ERR_OK;
}

static int on_headers_complete(llhttp_t *ll)
{
	struct http_parser *p = ll->data;
	p->method = method_of(ll->method);
	enum err err = head_accept(p);
	if (err) return fail(p, err);
	/* Only our own upgrade ends the HTTP of this connection; others ("h2c") are declined by going on. */
	ll->upgrade = p->is_upgrade;
	p->head_done = true;
	return HPE_PAUSED;
}

/* ---- gzip: what was sent is held as it came and inflated when it is whole, so a request that is never finished costs no more
 * than its bytes ---- */
struct inflating {
	z_stream z;
	size_t most;
	bool ended;
};

/* Bounded by `most`: at the bound one spare byte tells "exactly full" from "too big". */
static int inflate_step(struct http_parser *p, struct inflating *g)
{
	size_t room = g->most - p->body.n;
	char spare;
	if (room && !text_reserve(p, &p->body, 1, HTTP_BODY_FIRST_BYTES)) return fail(p, ERR_TOO_BIG);
	if (room > p->body.cap - p->body.n) room = p->body.cap - p->body.n;
	g->z.next_out = room ? (Bytef *)(p->body.p + p->body.n) : (Bytef *)&spare;
	g->z.avail_out = room ? (uInt)room : 1;
	int rc = inflate(&g->z, Z_NO_FLUSH);
	size_t made = (room ? room : 1) - g->z.avail_out;
	if (made && !room) return fail(p, ERR_TOO_BIG);
	p->body.n += made;
	if (rc == Z_STREAM_END)
		g->ended = true;
	else if (rc != Z_OK && rc != Z_BUF_ERROR)
		return fail(p, rc == Z_MEM_ERROR ? ERR_TOO_BIG : ERR_INPUT);
	return 0;
}

static int inflate_whole(struct http_parser *p)
{
	struct span packed = text_take(&p->body);
	struct inflating g = { .most = p->max_body_bytes < (size_t)LIMIT_BODY_BYTES ? p->max_body_bytes
										    : (size_t)LIMIT_BODY_BYTES };
	if (packed.n > UINT_MAX || inflateInit2(&g.z, 16 + 15) != Z_OK) return fail(p, ERR_TOO_BIG); /* 16: gzip wrapping only */
	g.z.next_in = (Bytef *)(uintptr_t)packed.p;
	g.z.avail_in = (uInt)packed.n;
	int rc = 0;
	do rc = inflate_step(p, &g);
	while (rc == 0 && !g.ended && (g.z.avail_in || g.z.avail_out == 0));
	/* Cut short, or bytes behind the stream. */
	if (rc == 0 && (!g.ended || g.z.avail_in)) rc = fail(p, ERR_INPUT);
	inflateEnd(&g.z);
	return rc;
}

static int on_body(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parser *p = ll->data;
	p->wants_continue = false;
	if (n > p->max_body_bytes - p->body_bytes) return fail(p, ERR_TOO_BIG);
	p->body_bytes += n;
	if (!text_reserve(p, &p->body, n, HTTP_BODY_FIRST_BYTES)) return fail(p, ERR_TOO_BIG);
	memcpy(p->body.p + p->body.n, at, n);
	p->body.n += n;
	return 0;
}

static int on_message_complete(llhttp_t *ll)
{
	struct http_parser *p = ll->data;
	if (p->gzip_body && p->body_bytes) {
		int rc = inflate_whole(p);
		if (rc) return rc;
	}
	p->keep_alive = llhttp_should_keep_alive(ll);
	p->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_message_begin = on_message_begin,
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_header_value_complete = on_header_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

struct http_parser *http_parser_create(void)
{
	struct http_parser *p = calloc(1, sizeof *p);
	if (!p) return NULL;
	llhttp_init(&p->ll, LLHTTP_KIND_REQUEST, &settings);
	p->ll.data = p;
	return p;
}

void http_parser_destroy(struct http_parser *p) { free(p); }

void http_parser_next(struct http_parser *p, struct arena *arena, size_t max_body_bytes)
{
	llhttp_t ll = p->ll; /* keeps its place between two requests */
	*p = (struct http_parser){ .ll = ll, .arena = arena, .max_body_bytes = max_body_bytes };
}

/* Origin form as it is; absolute form (RFC 9112 3.2.2) without its authority; "*" of OPTIONS. */
static bool target_split(struct http_parser *p, struct http_request *r)
{
	struct span t = r->target;
	struct url_base base;
	if (t.n && t.p[0] != '/' && !(span_is(t, "*") && p->method == HTTP_M_OPTIONS)) {
		size_t scheme = span_find(t, ':');
		struct span rest = span_skip(t, scheme + 3);
		size_t path = 0;
		while (path < rest.n && rest.p[path] != '/' && rest.p[path] != '?') path++;
		if (!url_base_parse((struct span){ t.p, t.n - rest.n + path }, &base)) return false;
		t = span_skip(rest, path);
	}
	url_split_target(t, &r->path, &r->query);
	if (r->path.n == 0) r->path = SPAN("/");
	return true;
}

static enum http_feed finish(struct http_parser *p, struct http_request *out, enum err *err)
{
	struct http_request r = { .method = p->method,
		.headers = p->headers,
		.header_count = p->header_count,
		.keep_alive = p->keep_alive,
		.is_upgrade = p->is_upgrade,
		.accepts_gzip = p->accepts_gzip,
		.minor = p->ll.http_minor };
	r.target = text_take(&p->target);
	r.body = text_take(&p->body);
	if (!target_split(p, &r)) {
		*err = p->err = ERR_INPUT;
		return HTTP_ERROR;
	}
	*out = r;
	return HTTP_REQUEST;
}

/* One run of llhttp over `in`; returns what it consumed. */
static size_t execute(struct http_parser *p, struct span in)
{
	llhttp_errno_t rc = llhttp_get_errno(&p->ll);
	if (rc == HPE_PAUSED) llhttp_resume(&p->ll);
	rc = llhttp_execute(&p->ll, in.p, in.n);
	if (rc == HPE_OK) return in.n;
	if (rc != HPE_PAUSED) {
		if (!p->err) p->err = ERR_INPUT;
		return 0;
	}
	return (size_t)(llhttp_get_error_pos(&p->ll) - in.p);
}

static size_t feed_head(struct http_parser *p, struct span in)
{
	size_t room = (size_t)LIMIT_HEAD_BYTES - p->head_bytes;
	size_t used = execute(p, (struct span){ in.p, in.n < room ? in.n : room });
	p->head_bytes += used;
	if (!p->err && !p->head_done && p->head_bytes == (size_t)LIMIT_HEAD_BYTES) p->err = ERR_HEADER_TOO_BIG;
	return used;
}

static size_t feed_body(struct http_parser *p, struct span in)
{
	size_t used = execute(p, in);
	p->body_wire_bytes += used;
	size_t framing = p->body_wire_bytes - p->body_bytes;
	if (!p->err && framing > HTTP_FRAMING_BYTES &&
		(framing - HTTP_FRAMING_BYTES) / HTTP_FRAMING_PER_BODY_BYTE > p->body_bytes)
		p->err = ERR_TOO_BIG;
	return used;
}

enum http_feed http_parser_feed(struct http_parser *p, struct span in, size_t *used, struct http_request *out, enum err *err)
{
	size_t at = 0;
	/* The head's end pauses even when no bytes follow: a request without a body completes in the turn after it. */
	bool paused = false;
	while (!p->err && !p->complete && (at < in.n || paused)) {
		bool was_head = !p->head_done;
		struct span rest = { in.p + at, in.n - at };
		at += was_head ? feed_head(p, rest) : feed_body(p, rest);
		paused = was_head && p->head_done;
	}
	*used = at;
	if (p->err) {
		*err = p->err;
		return HTTP_ERROR;
	}
	return p->complete ? finish(p, out, err) : HTTP_MORE;
}

enum http_phase http_parser_phase(const struct http_parser *p)
{
	return p->head_done ? HTTP_IN_BODY : p->begun ? HTTP_IN_HEAD : HTTP_IDLE;
}

bool http_parser_wants_continue(struct http_parser *p)
{
	bool wants = p->wants_continue && p->head_done && !p->complete;
	if (wants) p->wants_continue = false;
	return wants;
}

struct span http_header_get(const struct http_request *r, const char *lower_name)
{
	for (size_t i = 0; i < r->header_count; i++)
		if (span_is(r->headers[i].name, lower_name)) return r->headers[i].value;
	return SPAN_NONE;
}

const char *http_status_text(int status)
{
	switch (status) {
	case 100: return "Continue";
	case 101: return "Switching Protocols";
	case 200: return "OK";
	case 201: return "Created";
	case 202: return "Accepted";
	case 204: return "No Content";
	case 206: return "Partial Content";
	case 301: return "Moved Permanently";
	case 302: return "Found";
	case 303: return "See Other";
	case 304: return "Not Modified";
	case 307: return "Temporary Redirect";
	case 308: return "Permanent Redirect";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 409: return "Conflict";
	case 413: return "Content Too Large";
	case 415: return "Unsupported Media Type";
	case 416: return "Range Not Satisfiable";
	case 426: return "Upgrade Required";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	default: return "Unknown";
	}
}

enum { HEAD_ROOM_BYTES = 192 }; /* what a head has besides `extra`, mostly: one allocation instead of four */

void http_response_head(
	struct buf *out, int status, struct span content_type, int64_t content_length, bool keep_alive, struct span extra)
{
	(void)buf_reserve(out, HEAD_ROOM_BYTES + extra.n);
	buf_add_span(out, SPAN("HTTP/1.1 "));
	buf_add_i64(out, status);
	buf_add_char(out, ' ');
	buf_add_span(out, span_str(http_status_text(status)));
	buf_add_span(out, SPAN("\r\n"));
	if (span_given(content_type)) {
		buf_add_span(out, SPAN("Content-Type: "));
		buf_add_span(out, content_type);
		buf_add_span(out, SPAN("\r\n"));
	}
	if (content_length >= 0) {
		buf_add_span(out, SPAN("Content-Length: "));
		buf_add_i64(out, content_length);
		buf_add_span(out, SPAN("\r\n"));
	}
	/* On 101 Connection belongs to the handshake, in `extra`. */
	if (status != 101) buf_add_span(out, keep_alive ? SPAN("Connection: keep-alive\r\n") : SPAN("Connection: close\r\n"));
	buf_add_span(out, extra);
	buf_add_span(out, SPAN("\r\n"));
}

bool http_gzip(struct buf *out, struct span in) { return deflate_whole(out, in, DEFLATE_GZIP); }
