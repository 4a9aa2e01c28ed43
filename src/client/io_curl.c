#include "client/io_curl.h"

#include <stdatomic.h>

#include "base/limits.h"
#include "base/mem.h"

/* ---- descriptors ---- */

static struct watched_fd *find_fd(struct io_curl *c, curl_socket_t fd)
{
	for (size_t i = 0; i < c->n_fds; i++)
		if (c->fds[i].fd == fd) return &c->fds[i];
	return NULL;
}

static bool make_room(struct io_curl *c, size_t n)
{
	if (n <= c->cap_fds) return true;
	size_t cap = n + c->cap_fds;
	struct watched_fd *fds = mem_realloc(c->fds, cap * sizeof *fds),
			  *ready = fds ? mem_realloc(c->ready, cap * sizeof *ready) : NULL;
	if (fds) c->fds = fds;
	if (ready) c->ready = ready;
	if (!fds || !ready) return false;
	c->cap_fds = cap;
	return true;
}

/* Before a handle begins: curl takes no excuse when it announces a descriptor, a refusal breaks all its handles for good. */
static bool make_room_for_handle(struct io_curl *c)
{
	enum { PER_HANDLE = 4 }; /* two addresses side by side, the resolver's, and one to spare */
	size_t n = 0;
	for (struct list *l = c->transfers.next; l != &c->transfers; l = l->next) n += PER_HANDLE;
	(void)pthread_mutex_lock(&c->guard);
	bool ok = make_room(c, n);
	(void)pthread_mutex_unlock(&c->guard);
	return ok;
}

static bool add_fd(struct io_curl *c, curl_socket_t fd, short events, uint64_t stream)
{
	if (!make_room(c, c->n_fds + 1)) return false;
	c->fds[c->n_fds++] = (struct watched_fd){ fd, events, stream };
	return true;
}

bool io_curl_watch(struct io_curl *c, curl_socket_t fd, short events, uint64_t stream)
{
	bool ok = true;
	(void)pthread_mutex_lock(&c->guard);
	struct watched_fd *w = find_fd(c, fd);
	if (w && events)
		*w = (struct watched_fd){ fd, events, stream };
	else if (w)
		*w = c->fds[--c->n_fds];
	else if (events)
		ok = add_fd(c, fd, events, stream);
	(void)pthread_mutex_unlock(&c->guard);
	return ok;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *ptr)
{
	(void)easy;
	(void)ptr;
	short events = 0;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= POLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= POLLOUT;
	return io_curl_watch(ctx, fd, events, 0) ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct io_curl *c = ctx;
	(void)multi;
	c->due_ms = timeout_ms < 0 ? -1 : os_now_ms() + timeout_ms;
	return 0;
}

/* ---- handles ---- */

struct transfer *io_curl_find(struct io_curl *c, uint64_t id, enum transfer_kind kind)
{
	for (struct list *l = c->transfers.next; l != &c->transfers; l = l->next) {
		struct transfer *t = BECK_CONTAINER(l, struct transfer, in);
		if (t->id == id && t->kind == kind) return t;
	}
	return NULL;
}

static bool set_url(CURL *easy, struct span url)
{
	char *z = mem_alloc(url.n + 1);
	if (!z) return false;
	memcpy(z, url.p, url.n);
	z[url.n] = '\0';
	bool ok = curl_easy_setopt(easy, CURLOPT_URL, z) == CURLE_OK;
	mem_free(z);
	return ok;
}

static bool set_trust(CURL *easy, const struct io_setup *s)
{
	bool ok = true;
	if (s->proxy) ok = curl_easy_setopt(easy, CURLOPT_PROXY, s->proxy) == CURLE_OK;
	if (s->ca_file) ok = ok && curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file) == CURLE_OK;
	if (s->skip_tls_verify) {
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return ok;
}

/* Curl before 8.14 lets its sockets survive exec. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
	(void)ctx;
	(void)purpose;
	return os_socket(a->family, a->socktype, a->protocol);
}

bool io_curl_prepare(struct io_curl *c, struct transfer *t, struct span url)
{
	t->io = c;
	if (!make_room_for_handle(c)) return false;
	t->easy = curl_easy_init();
	if (!t->easy) return false;
	(void)curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->problem);
	(void)curl_easy_setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Ending a handle must not wait for a name server. */
	(void)curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
#if LIBCURL_VERSION_NUM >= 0x075500
	(void)curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	(void)curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	return set_url(t->easy, url) && set_trust(t->easy, &c->setup);
}

/* Curl has one code for a refused handshake and for one that was cut off, which is the network's doing and may heal. With other
 * TLS libraries than OpenSSL the text may differ; then it counts as refused. */
static bool was_cut(const struct transfer *t)
{
	static const char *const texts[] = { "Recv failure", "Send failure", "SSL_ERROR_SYSCALL", "unexpected eof" };
	for (size_t i = 0; i < BECK_COUNT(texts); i++)
		if (strstr(t->problem, texts[i])) return true;
	return false;
}

beck_result io_curl_result(const struct transfer *t, CURLcode code)
{
	switch (code) {
	case CURLE_OK: return BECK_OK;
	case CURLE_OUT_OF_MEMORY: return BECK_ENOMEM;
	case CURLE_ABORTED_BY_CALLBACK: /* io_curl_http.c: no progress */
	case CURLE_OPERATION_TIMEDOUT: return BECK_ETIMEOUT;
	case CURLE_SSL_CONNECT_ERROR: return was_cut(t) ? BECK_ENETWORK : BECK_ETLS;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR: return BECK_ETLS;
	case CURLE_WRITE_ERROR:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING: return BECK_EPROTOCOL;
	case CURLE_READ_ERROR: return BECK_EFILE;
	default: return BECK_ENETWORK;
	}
}

/* What TLS libraries say of bytes that are no TLS, such as the answer of an HTTP server to a handshake. */
static bool met_no_tls(const struct transfer *t)
{
	static const char *const texts[] = { "wrong version number", "packet length too long", "unexpected TLS packet" };
	for (size_t i = 0; i < BECK_COUNT(texts); i++)
		if (strstr(t->problem, texts[i])) return true;
	return false;
}

struct span io_curl_problem(const struct transfer *t, CURLcode code)
{
	if (code == CURLE_SSL_CONNECT_ERROR && met_no_tls(t))
		return SPAN("the server does not speak TLS on this port: is its address http:// instead of https://?");
	return span_str(t->problem[0] ? t->problem : curl_easy_strerror(code));
}

/* ---- the driver ---- */

int64_t io_curl_now(struct io *io)
{
	(void)io;
	return os_now_ms();
}

static int64_t wall_us(struct io *io)
{
	(void)io;
	return os_wall_us();
}

static void fill_random(struct io *io, void *p, size_t n)
{
	(void)io;
	if (!os_random(p, n)) memset(p, 0x5a, n); /* checked at creation; masks and pauses need no secret */
}

void io_curl_wake(struct io *io)
{
	struct io_curl *c = io_curl_of(io);
	if (!atomic_exchange(&c->is_woken, true)) os_wake_send(c->wake);
}

/* Everything to wait for, with the wake descriptor first. The number; 0 without memory, which is then a short nap. */
static size_t gather(struct io_curl *c)
{
	(void)pthread_mutex_lock(&c->guard);
	size_t n = c->n_fds + 1;
	if (c->cap_polled < n) {
		os_pollfd *more = mem_realloc(c->polled, (n + 8) * sizeof *more);
		if (more) {
			c->polled = more;
			c->cap_polled = n + 8;
		}
	}
	if (c->cap_polled < n) n = 0;
	for (size_t i = 0; i < n; i++)
		c->polled[i] = i == 0 ? (os_pollfd){ .fd = c->wake[0], .events = POLLIN }
				      : (os_pollfd){ .fd = c->fds[i - 1].fd, .events = c->fds[i - 1].events };
	(void)pthread_mutex_unlock(&c->guard);
	return n;
}

static void wait_for(struct io *io, int timeout_ms)
{
	struct io_curl *c = io_curl_of(io);
	size_t n = gather(c);
	(void)os_poll(c->polled, n, n ? timeout_ms : 10);
}

/* Which of the watched descriptors are ready now: copied, because what is done about one may change the list. */
static size_t find_ready(struct io_curl *c)
{
	size_t n = gather(c), ready = 0;
	if (!n || os_poll(c->polled, n, 0) == 0) return 0;
	/* Whatever the flag says: the byte of a wake may arrive after the turn that has heard it. */
	if (c->polled[0].revents) os_wake_take(c->wake);
	(void)pthread_mutex_lock(&c->guard);
	for (size_t i = 1; i < n && i - 1 < c->n_fds; i++) {
		if (!c->polled[i].revents) continue;
		c->ready[ready] = c->fds[i - 1];
		c->ready[ready++].events = c->polled[i].revents;
	}
	(void)pthread_mutex_unlock(&c->guard);
	return ready;
}

static void finish_done(struct io_curl *c)
{
	int left;
	CURLMsg *m;
	while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct transfer *t = NULL;
		CURLcode code = m->data.result;
		if (m->msg != CURLMSG_DONE) continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&t);
		if (t->kind == TRANSFER_HTTP)
			io_http_done(c, t, code);
		else
			io_stream_connected(c, t, code);
	}
}

static void act(struct io_curl *c, const struct watched_fd *w)
{
	int running, mask = 0;
	if (w->events & (POLLIN | POLLHUP)) mask |= CURL_CSELECT_IN;
	if (w->events & POLLOUT) mask |= CURL_CSELECT_OUT;
	if (w->events & (POLLERR | POLLNVAL)) mask |= CURL_CSELECT_ERR;
	if (w->stream)
		io_stream_ready(c, w->stream, w->events);
	else
		(void)curl_multi_socket_action(c->multi, w->fd, mask, &running);
}

static void turn(struct io *io)
{
	struct io_curl *c = io_curl_of(io);
	int running;
	bool had_more = c->has_more;
	c->has_more = false;
	size_t n = find_ready(c);
	/* After the pipe was emptied: a wake from now on writes into it again, and one from before is heard by what follows. */
	atomic_store(&c->is_woken, false);
	for (size_t i = 0; i < n; i++) act(c, &c->ready[i]);
	if (had_more) io_streams_pull(c);
	if (c->due_ms >= 0 && c->due_ms <= os_now_ms()) {
		c->due_ms = -1;
		(void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	finish_done(c);
	if (c->has_news) io_http_tell(c);
}

static size_t fds(struct io *io, beck_fd *out, size_t max)
{
	struct io_curl *c = io_curl_of(io);
	(void)pthread_mutex_lock(&c->guard);
	size_t n = c->n_fds + 1;
	for (size_t i = 0; i < n && i < max; i++) {
		short events = i == 0 ? POLLIN : c->fds[i - 1].events;
		out[i] = (beck_fd){ .fd = (intptr_t)(i == 0 ? c->wake[0] : c->fds[i - 1].fd),
			.events = (int16_t)((events & POLLIN ? 1 : 0) | (events & POLLOUT ? 4 : 0)) };
	}
	(void)pthread_mutex_unlock(&c->guard);
	return n;
}

static int deadline_ms(struct io *io)
{
	struct io_curl *c = io_curl_of(io);
	if (c->has_more || c->has_news || atomic_load(&c->is_woken)) return 0;
	if (c->due_ms < 0) return -1;
	int64_t left = c->due_ms - os_now_ms();
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static void destroy(struct io *io)
{
	struct io_curl *c = io_curl_of(io);
	while (!list_empty(&c->transfers)) {
		struct transfer *t = BECK_CONTAINER(c->transfers.next, struct transfer, in);
		if (t->kind == TRANSFER_HTTP)
			io_http_free(c, t);
		else
			io_stream_free(c, t);
	}
	if (c->multi) (void)curl_multi_cleanup(c->multi);
	os_wake_close(c->wake);
	(void)pthread_mutex_destroy(&c->guard);
	mem_free(c->fds);
	mem_free(c->ready);
	mem_free(c->polled);
	mem_free(c);
}

static const struct io_driver driver = {
	.destroy = destroy,
	.http_start = io_http_start,
	.http_cancel = io_http_cancel,
	.stream_open = io_stream_open,
	.stream_send = io_stream_send,
	.stream_close = io_stream_close,
	.wait = wait_for,
	.wake = io_curl_wake,
	.turn = turn,
	.fds = fds,
	.deadline_ms = deadline_ms,
	.now_ms = io_curl_now,
	.wall_us = wall_us,
	.random = fill_random,
};

/* ---- making ---- */

/* Once for the process and never undone: the host program may use curl too. */
static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;
static void global_init(void) { global_result = curl_global_init(CURL_GLOBAL_DEFAULT); }

static bool set_multi(struct io_curl *c)
{
	enum { KEPT_CONNECTIONS = 8 };
	c->multi = curl_multi_init();
	return c->multi && curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
	       curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) == CURLM_OK &&
	       curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
	       curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c) == CURLM_OK &&
	       curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS) == CURLM_OK;
}

struct io *io_curl_create(const struct io_setup *setup, const struct io_events *events, void *ctx)
{
	unsigned char probe[8];
	(void)pthread_once(&global_once, global_init);
	if (global_result != CURLE_OK || !os_random(probe, sizeof probe)) return NULL;
	struct io_curl *c = mem_calloc(1, sizeof *c);
	if (!c) return NULL;
	if (!os_wake_open(c->wake)) {
		mem_free(c);
		return NULL;
	}
	c->io = (struct io){ &driver, events, ctx };
	c->setup = *setup;
	c->due_ms = -1;
	list_init(&c->transfers);
	bool has_guard = pthread_mutex_init(&c->guard, NULL) == 0;
	if (has_guard && set_multi(c)) return &c->io;
	if (has_guard) {
		destroy(&c->io);
	} else {
		os_wake_close(c->wake);
		mem_free(c);
	}
	return NULL;
}
