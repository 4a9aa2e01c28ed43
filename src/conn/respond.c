#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/log.h"
#include "conn/http.h"

enum { GZIP_ABOVE_BYTES = 1024, ECHOED_ID_BYTES = 256 };

/* ---- header lines ---- */

#define EXPOSED                                                                                                                  \
	"Access-Control-Expose-Headers: X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, "              \
	"X-Request-Id, "                                                                                                         \
	"X-Client-Request-Id\r\n"

static bool is_open_to_all(const struct conn_host *h)
{
	return span_empty(h->settings.cors_origins) || span_is(h->settings.cors_origins, "*");
}

static void date_line(struct buf *out, int64_t now_s)
{
	time_t t = (time_t)now_s;
	struct tm tm;
	char text[64];
	if (gmtime_r(&t, &tm) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		buf_printf(out, "Date: %s\r\n", text);
}

/* What is the same in every response of a second. */
static void refresh(struct conn_host *h)
{
	int64_t now_s = clock_wall_us(net_clock(h->loop)) / 1000000;
	if (now_s == h->every_s) return;
	h->every_s = now_s;
	buf_clear(&h->every);
	date_line(&h->every, now_s);
	if (is_open_to_all(h)) buf_add_span(&h->every, SPAN("Access-Control-Allow-Origin: *\r\n" EXPOSED));
	buf_clear(&h->every_api);
	buf_add_span(&h->every_api, buf_span(&h->every));
	buf_add_span(&h->every_api, SPAN("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"));
	buf_printf(&h->every_api, "X-RateLimit-Limit: %d\r\nX-RateLimit-Reset: %lld\r\n", (int)LIMIT_RATE_WHILE_OFF,
		(long long)now_s / 60 * 60 + 60);
}

static bool list_names(struct span list, struct span one)
{
	while (list.n) {
		size_t comma = span_find(list, ',');
		struct span entry = span_make(list.p, comma);
		while (entry.n && entry.p[0] == ' ') entry = span_skip(entry, 1);
		while (entry.n && (entry.p[entry.n - 1] == ' ' || entry.p[entry.n - 1] == '/')) entry.n--; /* "https://host/" */
		if (span_eq_nocase(entry, one)) return true;
		list = span_skip(list, comma + 1);
	}
	return false;
}

/* Only where not every origin is allowed. */
static void cors_lines(const struct exchange *ex, struct buf *out)
{
	struct span allowed = ex->host->settings.cors_origins, origin = http_header_get(&ex->call.http, "origin");
	buf_add_span(out, SPAN("Vary: Origin\r\n"));
	if (!span_given(origin) || !list_names(allowed, origin)) return;
	buf_add_span(out, SPAN("Access-Control-Allow-Origin: "));
	buf_add_span(out, origin);
	buf_add_span(out, SPAN("\r\n" EXPOSED));
}

/* Visible ASCII only: it goes back into a header. */
static bool is_echoable(struct span id)
{
	if (id.n == 0 || id.n > ECHOED_ID_BYTES) return false;
	for (size_t i = 0; i < id.n; i++)
		if (id.p[i] < 0x20 || id.p[i] > 0x7e) return false;
	return true;
}

static void remaining_line(const struct exchange *ex, struct buf *out)
{
	int64_t left = LIMIT_RATE_WHILE_OFF - ex->call.calls_in_minute;
	buf_add_span(out, SPAN("X-RateLimit-Remaining: "));
	buf_add_i64(out, left > 0 ? left : 0);
	buf_add_span(out, SPAN("\r\n"));
}

static void api_lines(const struct exchange *ex, struct buf *out)
{
	remaining_line(ex, out);
	if (ex->call.chat.error.retry_after_s > 0) buf_printf(out, "Retry-After: %d\r\n", ex->call.chat.error.retry_after_s);
	struct span theirs = http_header_get(&ex->call.http, "x-client-request-id");
	if (is_echoable(theirs)) buf_printf(out, "X-Client-Request-Id: %.*s\r\n", SPAN_FMT(theirs));
	if (exchange_path_is(ex, "/connect")) buf_add_span(out, SPAN("Sec-WebSocket-Version: 13\r\n"));
}

static void page_lines(struct buf *out)
{
	buf_add_span(out,
		SPAN("Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
		     "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: "
		     "blob:; "
		     "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"));
}

/* ---- the answer ---- */

static bool compressible(struct span type)
{
	return span_starts(type, SPAN("text/")) || span_starts(type, SPAN("application/json")) ||
	       span_starts(type, SPAN("image/svg"));
}

static bool pack(struct exchange *ex, struct span body)
{
	if (!http_gzip(&ex->packed, body) || ex->packed.n >= body.n) return false;
	ex->body = buf_span(&ex->packed);
	return true;
}

static void count_status(const struct exchange *ex)
{
	if (ex->status >= 500) {
		conn_count(&ex->host->counters.requests_5xx, 1);
	} else if (ex->status >= 400) {
		conn_count(&ex->host->counters.requests_4xx, 1);
	}
}

void exchange_answer(struct exchange *ex, int status, struct span type, struct span body, unsigned flags, struct span lines)
{
	struct conn_host *h = ex->host;
	struct buf *out = &h->lines;
	bool is_packed = flags & ANSWER_PACKED, packable = body.n > GZIP_ABOVE_BYTES && compressible(type);
	ex->status = status;
	ex->body = body;
	buf_clear(out);
	refresh(h);
	buf_add_span(out, buf_span(flags & ANSWER_API ? &h->every_api : &h->every));
	if (!is_open_to_all(h)) cors_lines(ex, out);
	buf_add_span(out, SPAN("X-Request-Id: "));
	buf_add_span(out, ex->call.request_id);
	buf_add_span(out, SPAN("\r\n"));
	if (flags & ANSWER_API) api_lines(ex, out);
	if (flags & ANSWER_PAGE) page_lines(out);
	if (packable || is_packed) buf_add_span(out, SPAN("Vary: Accept-Encoding\r\n"));
	if (is_packed || (packable && ex->call.http.accepts_gzip && pack(ex, body)))
		buf_add_span(out, SPAN("Content-Encoding: gzip\r\n"));
	buf_add_span(out, lines);
	int64_t length = status == 204 || status == 304 ? -1 : (int64_t)ex->body.n;
	http_response_head(&ex->head, status, ex->body.n ? type : SPAN_NONE, length, !ex->is_last, buf_span(out));
	if (ex->is_head) ex->body = SPAN_NONE;
	count_status(ex);
	if (ex->conn && (ex->head.failed || out->failed)) {
		conn_close(ex->conn); /* without memory for a head there is nothing to say */
	} else {
		exchange_ready(ex);
	}
}

/* ---- API answers ---- */

struct span exchange_operation(const struct exchange *ex)
{
	if (ex->call.route) return span_str(ex->call.route->name);
	if (exchange_path_is(ex, "/connect")) return SPAN("Connect");
	if (exchange_path_is(ex, "/longpoll")) return SPAN("LongPoll");
	return SPAN("Request");
}

/* The call's arena may be full of what made it fail: the reply's buffer has room for an error. */
static struct span bare_error(struct exchange *ex, struct error *e, int64_t took)
{
	struct jsonw w;
	struct buf *reply = &ex->call.reply;
	buf_deinit(reply);
	buf_init(reply, (size_t)LIMIT_REPLY_BYTES);
	jsonw_init(&w, reply);
	chat_error_write(ex->host->chat, &w, exchange_operation(ex), e, took);
	if (!reply->failed) return buf_span(reply);
	e->err = ERR_UNAVAILABLE;
	return SPAN("{\"code\":-1,\"message\":\"out of memory\",\"StatusCode\":503,\"duration\":\"0.00ms\",\"more_info\":\"\","
		    "\"details\":[],\"exception_fields\":{}}");
}

static void answer_error(struct exchange *ex)
{
	struct error *e = &ex->call.chat.error;
	int64_t took = net_now_us(ex->host->loop) - ex->call.started_us;
	if (!span_given(e->message)) e->message = err_text(e->err);
	struct span body = api_error_json(ex->host->chat, &ex->call.arena, exchange_operation(ex).p, e, took);
	if (!span_given(body)) body = bare_error(ex, e, took);
	exchange_answer(ex, err_http(e->err), SPAN("application/json; charset=utf-8"), body, ANSWER_API, SPAN_NONE);
}

void exchange_fail(struct exchange *ex, enum err err, const char *message)
{
	ex->call.chat.error = (struct error){ .err = err, .message = span_str(message) };
	answer_error(ex);
}

enum { SHED_ABOVE_BYTES = 65536 };

/* What made a large answer is given back before a slow peer has read it: of the call only what the answer and the log say of it
 * stays. */
static void shed(struct exchange *ex)
{
	struct api_call *call = &ex->call;
	struct arena small;
	if (call->arena.used_bytes < SHED_ABOVE_BYTES || ex->ask || call->start) return;
	arena_init(&small, call->arena.max_bytes);
	struct span id = http_header_get(&call->http, "x-client-request-id"), origin = http_header_get(&call->http, "origin");
	struct http_header *kept = arena_array(&small, struct http_header, 2);
	struct http_request r = { .method = call->http.method,
		.path = arena_dup(&small, call->http.path),
		.headers = kept,
		.accepts_gzip = call->http.accepts_gzip };
	struct span peer = arena_dup(&small, call->peer), type = arena_dup(&small, call->raw_type);
	if (kept && span_given(id))
		kept[r.header_count++] = (struct http_header){ SPAN("x-client-request-id"), arena_dup(&small, id) };
	if (kept && span_given(origin))
		kept[r.header_count++] = (struct http_header){ SPAN("origin"), arena_dup(&small, origin) };
	if (arena_failed(&small)) {
		arena_deinit(&small);
		return;
	}
	arena_deinit(&call->arena);
	call->arena = small;
	call->http = r;
	call->peer = peer;
	call->raw_type = type;
	call->body = NULL;
	call->query = (struct url_query){ 0 };
	memset(call->params, 0, sizeof call->params);
	call->token = (struct jwt){ 0 };
	call->chat = (struct chat_ctx){ .chat = call->chat.chat, .arena = &call->arena, .app = call->chat.app };
}

void exchange_finish(struct exchange *ex)
{
	struct api_call *call = &ex->call;
	if (call->chat.error.err != ERR_OK) {
		answer_error(ex);
		return;
	}
	api_finish(call, net_now_us(ex->host->loop));
	if (call->chat.error.err != ERR_OK || call->reply.failed) {
		if (call->chat.error.err == ERR_OK)
			call->chat.error = (struct error){ .err = ERR_INTERNAL, .message = SPAN("the reply is too big") };
		answer_error(ex);
		return;
	}
	shed(ex);
	struct span type = span_given(call->raw_type) ? call->raw_type : SPAN("application/json; charset=utf-8");
	exchange_answer(ex, call->status ? call->status : 200, type, buf_span(&call->reply), ANSWER_API, SPAN_NONE);
}

/* ---- OPTIONS and pages ---- */

static void answer_options(struct exchange *ex)
{
	exchange_answer(ex, 204, SPAN_NONE, SPAN_NONE, 0,
		SPAN("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
		     "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
		     "Access-Control-Allow-Headers: authorization, stream-auth-type, x-stream-client, x-stream-ext, "
		     "x-client-request-id, "
		     "content-type, content-encoding, cache-control\r\n"
		     "Access-Control-Max-Age: 86400\r\n"));
}

/* Relative, since a proxy may have put a prefix in front. */
static void answer_folder(struct exchange *ex)
{
	char line[256];
	struct span path = ex->call.http.path;
	size_t at = path.n;
	while (at > 0 && path.p[at - 1] != '/') at--;
	int n = snprintf(line, sizeof line, "Location: %.*s/\r\n", (int)(path.n - at), path.p + at);
	exchange_answer(ex, 308, SPAN_NONE, SPAN_NONE, ANSWER_PAGE, span_make(line, (size_t)n));
}

static void answer_asset(struct exchange *ex, const struct conn_asset *asset)
{
	char tag[64];
	if (asset->is_folder) {
		answer_folder(ex);
		return;
	}
	int n = snprintf(tag, sizeof tag, "ETag: \"%.*s\"\r\n", SPAN_FMT(asset->tag));
	struct span line = span_make(tag, (size_t)n), quoted = span_make(tag + 6, (size_t)n - 8);
	char weak[64];
	int w = snprintf(weak, sizeof weak, "W/%.*s", SPAN_FMT(quoted));
	struct span known = http_header_get(&ex->call.http, "if-none-match");
	/* A proxy that compresses makes the tag a weak one. */
	bool is_known = list_names(known, quoted) || list_names(known, span_make(weak, (size_t)w));
	if (is_known)
		exchange_answer(ex, 304, asset->type, SPAN_NONE, ANSWER_PAGE, line);
	else if (span_given(asset->packed) && ex->call.http.accepts_gzip)
		exchange_answer(ex, 200, asset->type, asset->packed, ANSWER_PAGE | ANSWER_PACKED, line);
	else
		exchange_answer(ex, 200, asset->type, asset->bytes, ANSWER_PAGE, line);
}

bool exchange_answer_local(struct exchange *ex)
{
	const struct http_request *r = &ex->call.http;
	const struct conn_ops *ops = ex->host->ops;
	if (r->method == HTTP_M_OPTIONS) {
		answer_options(ex);
		return true;
	}
	if (!ops->asset || r->method != HTTP_M_GET) return false;
	if (span_is(r->path, "/")) { /* a person with a browser: API clients ask for other paths */
		exchange_answer(ex, 302, SPAN_NONE, SPAN_NONE, ANSWER_PAGE, SPAN("Location: console/\r\n"));
		return true;
	}
	struct conn_asset asset = { 0 };
	if (!ops->asset(ops->ctx, r->path, &asset)) return false;
	answer_asset(ex, &asset);
	return true;
}

/* ---- the request log ---- */

static const char *method_name(const struct exchange *ex)
{
	switch (ex->call.http.method) {
	case HTTP_M_GET: return ex->is_head ? "HEAD" : "GET";
	case HTTP_M_HEAD: return "HEAD";
	case HTTP_M_POST: return "POST";
	case HTTP_M_PUT: return "PUT";
	case HTTP_M_PATCH: return "PATCH";
	case HTTP_M_DELETE: return "DELETE";
	case HTTP_M_OPTIONS: return "OPTIONS";
	case HTTP_M_OTHER: break;
	}
	return "OTHER";
}

/* The path without its query: that carries tokens. */
void exchange_log(const struct exchange *ex, size_t bytes)
{
	const struct api_call *call = &ex->call;
	if (!ex->host->settings.http_log) return;
	char path[512], theirs[300];
	struct span id = http_header_get(&call->http, "x-client-request-id");
	log_quote(path, sizeof path, call->http.path.p, call->http.path.n);
	log_quote(theirs, sizeof theirs, id.p, id.n);
	LOG_INF("request", "conn=%llu id=%s peer=%.*s method=%s path=%s op=%.*s status=%d us=%lld bytes=%zu client_id=%s",
		ex->conn ? (unsigned long long)ex->conn->serial : 0ull, ex->request_id, SPAN_FMT(call->peer), method_name(ex),
		path, SPAN_FMT(exchange_operation(ex)), ex->status, (long long)(net_now_us(ex->host->loop) - call->started_us),
		bytes, theirs);
}
