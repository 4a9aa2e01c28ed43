#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/uv_driver.h"

enum { IOV_PER_CALL = 1024 };

static void on_ready(uv_poll_t *h, int status, int events);

/* ---- what is watched ---- */

void uv_stream_watch(struct uv_stream *s)
{
	if (s->phase == UV_CLOSED) return;
	bool writable = s->wants_write || (s->tls && s->tls->wants_write);
	int want = (s->reading && !s->at_eof ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
	if (s->why) want = 0;
	if (want == s->watched) return;
	s->watched = (uint8_t)want;
	if (want) {
		uv_poll_start(&s->poll, want, on_ready);
	} else {
		uv_poll_stop(&s->poll);
	}
}

/* ---- set-up ---- */

static void set_peer(struct uv_stream *s, const struct net_addr *a) { s->base.peer_n = net_addr_text(a, s->base.peer); }

void uv_stream_opened(struct uv_stream *s)
{
	struct uv_listener *ls = s->setup->listener;
	free(s->setup);
	s->setup = NULL;
	net_timer_stop(s->base.loop, &s->timer);
	s->phase = UV_OPEN;
	s->reading = true;
	if (ls->on_accept(ls->ctx, &s->base) != 0) {
		s->base.ev = NULL;
		uv_driver_close(&s->base);
		return;
	}
	uv_stream_watch(s);
	/* The first request may have come with the end of the handshake. */
	if (s->tls && s->phase == UV_OPEN) net_defer(s->base.loop, &s->later);
}

/* After the PROXY header, or instead of it. */
static void begin_speaking(struct uv_stream *s)
{
	struct uv_listener *ls = s->setup->listener;
	if (!ls->tls) {
		uv_stream_opened(s);
		return;
	}
	s->phase = UV_HANDSHAKE;
	if (uv_tls_begin(s, ls->tls)) {
		uv_stream_watch(s);
	} else {
		uv_driver_close(&s->base);
	}
}

/* Reads exactly the header, so that nothing has to be put back. */
static void read_proxy_head(struct uv_stream *s)
{
	struct uv_setup *u = s->setup;
	for (;;) {
		size_t total;
		struct net_addr client;
		enum proxy_result r = proxy_v2_parse(u->bytes, u->n, &total, &client);
		if (r == PROXY_ADDRESS) set_peer(s, &client);
		if (r == PROXY_ADDRESS || r == PROXY_LOCAL) {
			begin_speaking(s);
			return;
		}
		ssize_t n = r == PROXY_BAD ? 0 : recv(s->fd, u->bytes + u->n, total - u->n, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
		if (n <= 0) {
			uv_driver_close(&s->base);
			return;
		}
		u->n += (size_t)n;
	}
}

static void on_deadline(struct net_timer *t) { uv_driver_close(&BECK_CONTAINER(t, struct uv_stream, timer)->base); }

static void on_later(struct net_deferred *d)
{
	struct uv_stream *s = BECK_CONTAINER(d, struct uv_stream, later);
	if (s->phase != UV_OPEN) return;
	if (s->why) {
		if (s->base.ev) s->base.ev->on_error(s->base.ctx, &s->base, s->why);
	} else if (s->tls && s->reading && !s->at_eof) {
		uv_tls_read(s);
	}
}

static struct uv_stream *stream_make(struct uv_listener *ls, int fd)
{
	struct uv_driver_loop *l = uv_driver_of(ls->base.loop);
	struct uv_stream *s = calloc(1, sizeof *s);
	if (!s) return NULL;
	s->setup = calloc(1, ls->proxy_v2 ? sizeof *s->setup : offsetof(struct uv_setup, bytes));
	if (!s->setup || uv_poll_init(&l->uv, &s->poll, fd) != 0) {
		free(s->setup);
		free(s);
		return NULL;
	}
	s->base.loop = ls->base.loop;
	s->base.is_tls = ls->tls != NULL;
	s->fd = fd;
	s->poll.data = s;
	s->later.run = on_later;
	s->timer.run = on_deadline;
	s->setup->listener = ls;
	list_push(&l->streams, &s->node);
	return s;
}

void uv_stream_accepted(struct uv_listener *ls, int fd, const struct sockaddr *peer)
{
	struct net_addr address;
	struct uv_stream *s = net_addr_of(peer, &address) ? stream_make(ls, fd) : NULL;
	if (!s) {
		close(fd);
		return;
	}
	set_peer(s, &address);
	bool is_proxy = ls->proxy_v2 && net_cidrs_match(ls->trusted, ls->trusted_n, &address);
	if (is_proxy || ls->tls) net_timer_start(s->base.loop, &s->timer, LIMIT_TLS_MS);
	s->reading = true;
	if (is_proxy) {
		s->phase = UV_PROXY;
		uv_stream_watch(s);
	} else {
		begin_speaking(s);
	}
}

/* ---- events ---- */

void uv_stream_fail(struct uv_stream *s, const char *why)
{
	if (s->why || s->phase == UV_CLOSED) return;
	if (s->phase != UV_OPEN) {
		uv_driver_close(&s->base);
		return;
	}
	s->why = why;
	uv_stream_watch(s);
	net_defer(s->base.loop, &s->later);
}

void uv_stream_eof(struct uv_stream *s)
{
	s->at_eof = true;
	uv_stream_watch(s);
	if (s->base.ev) s->base.ev->on_read(s->base.ctx, &s->base, "", 0);
}

static void read_plain(struct uv_stream *s)
{
	char *scratch = uv_driver_of(s->base.loop)->scratch;
	ssize_t n = recv(s->fd, scratch, UV_READ_BYTES, 0);
	if (n > 0) {
		if (s->base.ev) s->base.ev->on_read(s->base.ctx, &s->base, scratch, (size_t)n);
	} else if (n == 0) {
		uv_stream_eof(s);
	} else if (errno != EAGAIN && errno != EINTR) {
		uv_stream_fail(s, strerror(errno));
	}
}

/* Bytes nobody wants: read on, so that our last answer is not lost to a reset. */
static void discard(struct uv_stream *s)
{
	ssize_t n = recv(s->fd, uv_driver_of(s->base.loop)->scratch, UV_READ_BYTES, 0);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return;
	s->at_eof = true;
	if (n == 0 && s->phase == UV_FLUSHING) {
		uv_stream_watch(s); /* it may still read what we are sending */
	} else {
		uv_driver_close(&s->base);
	}
}

static void on_readable(struct uv_stream *s)
{
	switch ((enum uv_phase)s->phase) {
	case UV_PROXY: read_proxy_head(s); break;
	case UV_HANDSHAKE: uv_tls_handshake(s); break;
	case UV_OPEN:
		if (s->tls) {
			uv_tls_read(s);
		} else {
			read_plain(s);
		}
		break;
	case UV_FLUSHING:
	case UV_LINGER: discard(s); break;
	case UV_CLOSED: break;
	}
}

static void half_close(struct uv_stream *s)
{
	if (s->tls) uv_tls_shutdown(s);
	s->phase = UV_LINGER;
	s->wants_write = false;
	s->reading = true;
	if (s->at_eof || shutdown(s->fd, SHUT_WR) != 0) {
		uv_driver_close(&s->base);
	} else {
		uv_stream_watch(s);
	}
}

static void on_writable(struct uv_stream *s)
{
	if (s->phase == UV_HANDSHAKE) {
		uv_tls_handshake(s);
		return;
	}
	if (s->tls) {
		s->tls->wants_write = false;
		if (!uv_tls_flush(s)) return;
		if (s->phase == UV_OPEN && s->reading && !s->at_eof) net_defer(s->base.loop, &s->later);
	}
	if (s->phase == UV_FLUSHING) {
		half_close(s);
		return;
	}
	bool told = s->wants_write;
	s->wants_write = false;
	if (told && s->phase == UV_OPEN && s->base.ev) s->base.ev->on_writable(s->base.ctx, &s->base);
	uv_stream_watch(s);
}

/* libuv has stopped watching when it reports an error. */
static void on_poll_error(struct uv_stream *s)
{
	int e = 0;
	socklen_t n = sizeof e;
	s->watched = 0;
	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &n);
	uv_stream_fail(s, e ? strerror(e) : "connection failed");
}

static void on_ready(uv_poll_t *h, int status, int events)
{
	struct uv_stream *s = h->data;
	uv_driver_touch(uv_driver_of(s->base.loop));
	if (status < 0) {
		on_poll_error(s);
		return;
	}
	if (events & UV_WRITABLE) on_writable(s);
	/* The first half may have closed the stream, broken it, or turned reading off. */
	if ((events & UV_READABLE) && s->reading && !s->at_eof && !s->why) on_readable(s);
}

/* ---- the driver's functions ---- */

static int64_t iov_bytes(const struct iovec *iov, int count)
{
	int64_t n = 0;
	for (int i = 0; i < count; i++) n += (int64_t)iov[i].iov_len;
	return n;
}

static int64_t write_plain(struct uv_stream *s, const struct iovec *iov, int count)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov,
		.msg_iovlen = (size_t)(count < IOV_PER_CALL ? count : IOV_PER_CALL) };
	ssize_t n;
	do {
		n = sendmsg(s->fd, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN) {
		uv_stream_fail(s, strerror(errno));
		return -1;
	}
	return n < 0 ? 0 : n;
}

int64_t uv_driver_write(struct net_stream *base, const struct iovec *iov, int count)
{
	struct uv_stream *s = uv_stream_of(base);
	if (s->phase != UV_OPEN || s->why) return -1;
	int64_t n = s->tls ? uv_tls_write(s, iov, count) : write_plain(s, iov, count);
	if (n >= 0 && n < iov_bytes(iov, count)) {
		s->wants_write = true;
		uv_stream_watch(s);
	}
	return n;
}

int64_t uv_driver_unacked(struct net_stream *base)
{
	struct uv_stream *s = uv_stream_of(base);
	int n = 0;
	if (s->phase == UV_CLOSED || ioctl(s->fd, SIOCOUTQ, &n) != 0) return 0;
	return n + (s->tls ? (int64_t)s->tls->record_n : 0);
}

void uv_driver_read(struct net_stream *base, bool on)
{
	struct uv_stream *s = uv_stream_of(base);
	if (s->phase != UV_OPEN || s->reading == on) return;
	s->reading = on;
	uv_stream_watch(s);
	/* Bytes that OpenSSL took from the kernel already make no descriptor readable. */
	if (on && s->tls) net_defer(base->loop, &s->later);
}

void uv_driver_close_gracefully(struct net_stream *base, int64_t linger_ms)
{
	struct uv_stream *s = uv_stream_of(base);
	if (s->phase != UV_OPEN) return;
	if (s->why) {
		uv_driver_close(base);
		return;
	}
	net_timer_start(base->loop, &s->timer, linger_ms);
	s->phase = UV_FLUSHING;
	if (!s->tls || uv_tls_flush(s)) half_close(s);
}

static void on_uv_closed(uv_handle_t *h)
{
	struct uv_stream *s = h->data;
	if (s->base.ev) s->base.ev->on_closed(s->base.ctx, &s->base);
	uv_tls_end(s);
	free(s);
}

void uv_driver_close(struct net_stream *base)
{
	struct uv_stream *s = uv_stream_of(base);
	if (s->phase == UV_CLOSED) return;
	s->phase = UV_CLOSED;
	s->reading = false;
	net_timer_stop(base->loop, &s->timer);
	net_defer_cancel(&s->later);
	list_remove(&s->node);
	free(s->setup);
	s->setup = NULL;
	uv_close((uv_handle_t *)&s->poll, on_uv_closed);
	close(s->fd);
}
