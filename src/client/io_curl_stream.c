/* Byte streams: curl connects, with TLS and through proxies; then the bytes are ours. */
#include "base/limits.h"
#include "base/mem.h"
#include "client/io_curl.h"

struct stream {
	struct transfer t;
	curl_socket_t fd; /* CURL_SOCKET_BAD until connected */
	struct buf out;
	size_t sent; /* of out */
};

static struct stream *of(struct transfer *t) { return BECK_CONTAINER(t, struct stream, t); }

void io_stream_free(struct io_curl *c, struct transfer *t)
{
	struct stream *s = of(t);
	list_remove(&t->in);
	if (s->fd != CURL_SOCKET_BAD) (void)io_curl_watch(c, s->fd, 0, 0);
	if (t->easy) {
		(void)curl_multi_remove_handle(c->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	buf_deinit(&s->out);
	mem_free(s);
}

uint64_t io_stream_open(struct io *io, struct span url, uint32_t timeout_ms)
{
	struct io_curl *c = io_curl_of(io);
	struct stream *s = mem_calloc(1, sizeof *s);
	if (!s) return 0;
	s->t.kind = TRANSFER_STREAM;
	s->t.id = ++c->last_id;
	s->fd = CURL_SOCKET_BAD;
	buf_init(&s->out, (size_t)LIMIT_CLIENT_STREAM_BYTES);
	list_push(&c->transfers, &s->t.in);
	bool ok = io_curl_prepare(c, &s->t, url);
	if (ok) {
		(void)curl_easy_setopt(s->t.easy, CURLOPT_CONNECT_ONLY, 1L);
		(void)curl_easy_setopt(s->t.easy, CURLOPT_FRESH_CONNECT, 1L);
		(void)curl_easy_setopt(s->t.easy, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
		(void)curl_easy_setopt(s->t.easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
		(void)curl_easy_setopt(s->t.easy, CURLOPT_BUFFERSIZE, 1024L);
		ok = curl_multi_add_handle(c->multi, s->t.easy) == CURLM_OK;
	}
	if (ok) {
		io_curl_wake(io);
		return s->t.id;
	}
	io_stream_free(c, &s->t);
	return 0;
}

/* The stream is gone when this returns. */
static void end(struct io_curl *c, struct stream *s, beck_result result, struct span problem)
{
	struct io *io = &c->io;
	uint64_t id = s->t.id;
	char text[CURL_ERROR_SIZE];
	size_t n = problem.n < sizeof text ? problem.n : sizeof text - 1;
	memcpy(text, problem.p, n);
	io_stream_free(c, &s->t);
	io->events->on_stream_closed(io->ctx, id, result, span_make(text, n));
}

void io_stream_connected(struct io_curl *c, struct transfer *t, CURLcode code)
{
	struct stream *s = of(t);
	struct io *io = &c->io;
	if (code == CURLE_OK && curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &s->fd) == CURLE_OK &&
		s->fd != CURL_SOCKET_BAD && io_curl_watch(c, s->fd, (short)(s->out.n ? POLLIN | POLLOUT : POLLIN), t->id)) {
		c->has_more = true; /* TLS may have read bytes already */
		io->events->on_stream_open(io->ctx, t->id);
		return;
	}
	beck_result r = code == CURLE_OK ? BECK_ENOMEM : io_curl_result(t, code);
	end(c, s, r, code == CURLE_OK ? SPAN("out of memory") : io_curl_problem(t, code));
}

/* ---- out ---- */

/* CURLE_OK also when the kernel takes no more for now. */
static CURLcode push(struct io_curl *c, struct stream *s)
{
	while (s->sent < s->out.n) {
		size_t n = 0;
		CURLcode code = curl_easy_send(s->t.easy, s->out.p + s->sent, s->out.n - s->sent, &n);
		s->sent += n;
		if (code == CURLE_AGAIN) break;
		if (code != CURLE_OK) return code;
	}
	buf_consume(&s->out, s->sent);
	s->sent = 0;
	bool has_rest = s->out.n > 0;
	if (!has_rest) {
		/* An idle stream holds no buffer. */
		buf_deinit(&s->out);
		buf_init(&s->out, (size_t)LIMIT_CLIENT_STREAM_BYTES);
	}
	(void)io_curl_watch(c, s->fd, (short)(has_rest ? POLLIN | POLLOUT : POLLIN), s->t.id);
	return CURLE_OK;
}

bool io_stream_send(struct io *io, uint64_t id, struct span bytes)
{
	struct io_curl *c = io_curl_of(io);
	struct transfer *t = io_curl_find(c, id, TRANSFER_STREAM);
	if (!t) return false;
	struct stream *s = of(t);
	buf_add_span(&s->out, bytes);
	if (s->out.failed) return false;
	/* A broken stream is seen by the next turn. */
	if (s->fd != CURL_SOCKET_BAD) (void)push(c, s);
	io_curl_wake(io);
	return true;
}

void io_stream_close(struct io *io, uint64_t id)
{
	struct io_curl *c = io_curl_of(io);
	struct transfer *t = io_curl_find(c, id, TRANSFER_STREAM);
	if (t) io_stream_free(c, t);
}

/* ---- in ---- */

/* TLS keeps bytes that poll does not see, so reading goes on until curl has none, or the turn's share is used up. */
static void pull(struct io_curl *c, uint64_t id)
{
	enum { SHARE = 32, AT_ONCE = 8192 };
	char scratch[AT_ONCE]; /* of the turn's stack: an idle client holds none */
	struct io *io = &c->io;
	for (int i = 0; i < SHARE; i++) {
		struct transfer *t = io_curl_find(c, id, TRANSFER_STREAM);
		size_t n = 0;
		if (!t) return; /* a callback closed it */
		CURLcode code = curl_easy_recv(t->easy, scratch, sizeof scratch, &n);
		if (code == CURLE_AGAIN) return;
		if (code != CURLE_OK || n == 0) {
			bool is_end = code == CURLE_OK;
			end(c, of(t), is_end ? BECK_OK : io_curl_result(t, code),
				is_end ? SPAN("the peer closed the connection") : io_curl_problem(t, code));
			return;
		}
		io->events->on_stream_data(io->ctx, id, span_make(scratch, n));
	}
	c->has_more = true;
}

void io_stream_ready(struct io_curl *c, uint64_t id, short events)
{
	struct transfer *t = io_curl_find(c, id, TRANSFER_STREAM);
	CURLcode code = CURLE_OK;
	if (!t) return;
	if (events & POLLOUT) code = push(c, of(t));
	if (code != CURLE_OK)
		end(c, of(t), io_curl_result(t, code), io_curl_problem(t, code));
	else if (events & ~POLLOUT)
		pull(c, id);
}

void io_streams_pull(struct io_curl *c)
{
	/* By id: each may end, and take others with it. Later ones have greater ids. */
	for (uint64_t id = 1; id <= c->last_id; id++) {
		struct transfer *next = NULL;
		for (struct list *l = c->transfers.next; l != &c->transfers; l = l->next) {
			struct transfer *t = BECK_CONTAINER(l, struct transfer, in);
			bool is_next = t->kind == TRANSFER_STREAM && of(t)->fd != CURL_SOCKET_BAD && t->id >= id &&
				       (!next || t->id < next->id);
			if (is_next) next = t;
		}
		if (!next) return;
		id = next->id;
		pull(c, id);
	}
}
