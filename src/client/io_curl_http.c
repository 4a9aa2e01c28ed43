/* HTTP exchanges. */
#include "base/mem.h"
#include "client/io_curl.h"

struct exchange {
	struct transfer t;
	struct buf body;
	struct curl_slist *headers;
	curl_mime *mime;
	/* Of a file. */
	curl_off_t sent, total;
	int64_t told_ms; /* when progress was last told; -1: the end was */
	bool has_progress;
	curl_off_t moved; /* bytes in both directions at moved_ms */
	int64_t moved_ms, patience_ms;
	CURLcode failed; /* before it began */
};

static struct exchange *of(struct transfer *t) { return BECK_CONTAINER(t, struct exchange, t); }

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	buf_add(&x->body, p, size * n);
	return x->body.failed ? 0 : size * n;
}

/* Curl calls this often, also while a handle is taken away; the program hears of it ten times a second, from `turn`. */
static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	enum { EVERY_MS = 100 };
	struct exchange *x = ctx;
	int64_t now = os_now_ms();
	(void)down_total;
	if (up + down != x->moved) {
		x->moved = up + down;
		x->moved_ms = now;
	}
	if (now - x->moved_ms > x->patience_ms) return 1;
	bool is_end = up_total > 0 && up == up_total;
	if (up_total <= 0 || (!is_end && now - x->told_ms < EVERY_MS) || x->told_ms < 0) return 0;
	x->told_ms = is_end ? -1 : now;
	x->sent = up;
	x->total = up_total;
	x->has_progress = x->t.io->has_news = true;
	return 0;
}

/* ---- making ---- */

static bool add_header(struct exchange *x, struct span header)
{
	char *z = mem_alloc(header.n + 1);
	if (!z) return false;
	memcpy(z, header.p, header.n);
	z[header.n] = '\0';
	struct curl_slist *more = curl_slist_append(x->headers, z);
	mem_free(z);
	if (more) x->headers = more;
	return more != NULL;
}

static bool add_content_type(struct exchange *x, struct span type)
{
	struct buf b;
	buf_init(&b, 512);
	buf_add_span(&b, SPAN("Content-Type: "));
	buf_add_span(&b, type);
	bool ok = !b.failed && add_header(x, buf_span(&b));
	buf_deinit(&b);
	return ok;
}

static bool set_headers(struct exchange *x, const struct io_http *r)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (!add_header(x, r->headers[i])) return false;
	/* "Expect: 100-continue" would cost a round trip or a second. */
	if (!add_header(x, SPAN("Expect:"))) return false;
	if (span_given(r->body) && !r->file_path && !add_content_type(x, r->content_type)) return false;
	return curl_easy_setopt(x->t.easy, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK;
}

static bool set_body(struct exchange *x, struct span body)
{
	return curl_easy_setopt(x->t.easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n) == CURLE_OK &&
	       curl_easy_setopt(x->t.easy, CURLOPT_COPYPOSTFIELDS, body.n ? body.p : "") == CURLE_OK;
}

static bool set_mime_type(curl_mimepart *part, struct span type)
{
	struct buf z;
	if (!span_given(type)) return true;
	buf_init(&z, 512);
	buf_add_span(&z, type);
	buf_add_char(&z, '\0');
	bool ok = !z.failed && curl_mime_type(part, z.p) == CURLE_OK;
	buf_deinit(&z);
	return ok;
}

static bool set_file(struct exchange *x, const struct io_http *r)
{
	enum { SECONDS = 1000 };
	x->mime = curl_mime_init(x->t.easy);
	curl_mimepart *part = x->mime ? curl_mime_addpart(x->mime) : NULL;
	if (!part || curl_mime_name(part, "file") != CURLE_OK || !set_mime_type(part, r->content_type)) return false;
	/* Of a directory curl would send a broken request. */
	x->failed = os_is_file(r->file_path) ? curl_mime_filedata(part, r->file_path) : CURLE_READ_ERROR;
	if (x->failed == CURLE_OUT_OF_MEMORY) return false;
	(void)curl_easy_setopt(x->t.easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(x->t.easy, CURLOPT_XFERINFODATA, x);
	(void)curl_easy_setopt(x->t.easy, CURLOPT_NOPROGRESS, 0L);
	/* Bounded by progress instead of time. Curl's own measure is the speed of the last five seconds, which ends later than is
	 * asked for, but has it look each second. */
	x->patience_ms = r->timeout_ms;
	x->moved_ms = os_now_ms();
	(void)curl_easy_setopt(x->t.easy, CURLOPT_CONNECTTIMEOUT_MS, (long)r->timeout_ms);
	(void)curl_easy_setopt(x->t.easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	(void)curl_easy_setopt(x->t.easy, CURLOPT_LOW_SPEED_TIME, (long)((r->timeout_ms + SECONDS - 1) / SECONDS));
	return curl_easy_setopt(x->t.easy, CURLOPT_MIMEPOST, x->mime) == CURLE_OK;
}

static bool set_up(struct exchange *x, const struct io_http *r)
{
	bool ok = set_headers(x, r);
	if (r->file_path)
		ok = ok && set_file(x, r);
	else if (span_given(r->body))
		ok = ok && set_body(x, r->body);
	(void)curl_easy_setopt(x->t.easy, CURLOPT_CUSTOMREQUEST, r->method);
	if (!r->file_path) (void)curl_easy_setopt(x->t.easy, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
	(void)curl_easy_setopt(x->t.easy, CURLOPT_ACCEPT_ENCODING, "");
	(void)curl_easy_setopt(x->t.easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(x->t.easy, CURLOPT_WRITEDATA, x);
	return ok;
}

uint64_t io_http_start(struct io *io, const struct io_http *r)
{
	struct io_curl *c = io_curl_of(io);
	struct exchange *x = mem_calloc(1, sizeof *x);
	if (!x) return 0;
	x->t.kind = TRANSFER_HTTP;
	x->t.id = ++c->last_id;
	buf_init(&x->body, r->max_answer_bytes);
	list_push(&c->transfers, &x->t.in);
	bool ok = io_curl_prepare(c, &x->t, r->url) && set_up(x, r);
	if (ok && x->failed != CURLE_OK)
		c->has_news = true;
	else
		ok = ok && curl_multi_add_handle(c->multi, x->t.easy) == CURLM_OK;
	if (ok) {
		io_curl_wake(io);
		return x->t.id;
	}
	io_http_free(c, &x->t);
	return 0;
}

/* ---- ending ---- */

void io_http_free(struct io_curl *c, struct transfer *t)
{
	struct exchange *x = of(t);
	list_remove(&t->in);
	if (t->easy) {
		(void)curl_multi_remove_handle(c->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(x->headers);
	curl_mime_free(x->mime);
	buf_deinit(&x->body);
	mem_free(x);
}

void io_http_cancel(struct io *io, uint64_t id)
{
	struct io_curl *c = io_curl_of(io);
	struct transfer *t = io_curl_find(c, id, TRANSFER_HTTP);
	if (t) io_http_free(c, t);
}

static beck_result how_it_ended(const struct exchange *x, CURLcode code, struct span *problem)
{
	*problem = x->failed                           ? SPAN("the file cannot be read")
		   : code == CURLE_ABORTED_BY_CALLBACK ? SPAN("the peer took or said nothing for too long")
						       : io_curl_problem(&x->t, code);
	if (!x->body.failed) return io_curl_result(&x->t, code);
	*problem = x->body.is_full ? SPAN("the answer is larger than any that is expected") : SPAN("out of memory");
	return x->body.is_full ? BECK_EPROTOCOL : BECK_ENOMEM;
}

void io_http_done(struct io_curl *c, struct transfer *t, CURLcode code)
{
	struct exchange *x = of(t);
	struct io *io = &c->io;
	struct io_answer a = { .body = buf_span(&x->body) };
	long status = 0;
	curl_off_t retry_s = 0;
	uint64_t id = t->id;
	enum { RETRY_MAX_S = 3600 };
	a.result = how_it_ended(x, code, &a.problem);
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_s);
	a.status = (int)status;
	a.retry_after_ms = (int32_t)((retry_s < 0 ? 0 : retry_s > RETRY_MAX_S ? RETRY_MAX_S : retry_s) * 1000);
	/* Out of the list first: the callback may start and cancel others, or this one. */
	list_remove(&t->in);
	io->events->on_answer(io->ctx, id, &a);
	io_http_free(c, t);
}

static struct exchange *find_news(struct io_curl *c)
{
	for (struct list *l = c->transfers.next; l != &c->transfers; l = l->next) {
		struct transfer *t = BECK_CONTAINER(l, struct transfer, in);
		if (t->kind == TRANSFER_HTTP && (of(t)->has_progress || of(t)->failed != CURLE_OK)) return of(t);
	}
	return NULL;
}

void io_http_tell(struct io_curl *c)
{
	struct io *io = &c->io;
	struct exchange *x;
	c->has_news = false;
	/* From the start each time: a callback may end this one and others. */
	while ((x = find_news(c)) != NULL) {
		bool has_failed = x->failed != CURLE_OK;
		x->has_progress = false;
		if (has_failed)
			io_http_done(c, &x->t, x->failed);
		else
			io->events->on_progress(io->ctx, x->t.id, (uint64_t)x->sent, (uint64_t)x->total);
	}
}
