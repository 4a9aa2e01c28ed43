#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

enum { READ_BYTES = 65536, TURN_EVENTS = 512 };

static struct sockaddr_in target;
static int epoll_fd;
static SSL_CTX *tls; /* NULL: plain */

void connections_init(const char *host_port, bool wants_tls)
{
	long long port;
	const char *colon = strrchr(host_port, ':');
	char host[64] = { 0 };
	if (colon && (size_t)(colon - host_port) < sizeof host) memcpy(host, host_port, (size_t)(colon - host_port));
	if (!colon || !span_to_i64(span_str(colon + 1), &port) || inet_pton(AF_INET, host, &target.sin_addr) != 1)
		refuse("not an address", host_port, strlen(host_port));
	target.sin_family = AF_INET;
	target.sin_port = htons((uint16_t)port);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0) die("epoll_create1");
	if (!wants_tls) return;
	tls = must(SSL_CTX_new(TLS_client_method()));
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* ---- as read(2) and write(2) ---- */

static ssize_t tls_result(struct connection *c, int n)
{
	if (n > 0) return n;
	int e = SSL_get_error(c->ssl, n);
	errno = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
	return e == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t read_some(struct connection *c, char *to, size_t n)
{
	return c->ssl ? tls_result(c, SSL_read(c->ssl, to, (int)n)) : read(c->fd, to, n);
}

static ssize_t write_some(struct connection *c, const char *from, size_t n)
{
	return c->ssl ? tls_result(c, SSL_write(c->ssl, from, (int)n)) : write(c->fd, from, n);
}

/* ---- life ---- */

static void watch(struct connection *c, bool out, int op)
{
	struct epoll_event ev = { .events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = c };
	if (epoll_ctl(epoll_fd, op, c->fd, &ev) != 0) die("epoll_ctl");
}

void dial(struct connection *c)
{
	int one = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) die("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(c->fd, (struct sockaddr *)&target, sizeof target) != 0 && errno != EINPROGRESS) die("connect");
	if (tls) {
		c->ssl = must(SSL_new(tls));
		if (SSL_set_fd(c->ssl, c->fd) != 1) refuse("TLS", "", 0);
		SSL_set_connect_state(c->ssl);
	}
	watch(c, true, EPOLL_CTL_ADD);
}

void hang_up(struct connection *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	free(c->in);
	free(c->out);
}

/* ---- out ---- */

static void pump(struct connection *c)
{
	while (c->out_at < c->out_n) {
		ssize_t n = write_some(c, c->out + c->out_at, c->out_n - c->out_at);
		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS)) break;
		if (n < 0) die("write");
		c->out_at += (size_t)n;
	}
	if (c->out_at == c->out_n) {
		free(c->out);
		c->out = NULL;
		c->out_n = c->out_at = 0;
	}
	/* A TLS handshake waits for the other side: reading goes on with it. */
	watch(c, c->out && !c->ssl, EPOLL_CTL_MOD);
}

void say(struct connection *c, const void *p, size_t n)
{
	c->out = must(realloc(c->out, c->out_n + n));
	memcpy(c->out + c->out_n, p, n);
	c->out_n += n;
	pump(c);
}

/* ---- in ---- */

static ssize_t fill_once(struct connection *c)
{
	if (c->in_cap - c->in_n < READ_BYTES) {
		c->in_cap = c->in_n + 2 * READ_BYTES;
		c->in = must(realloc(c->in, c->in_cap));
	}
	ssize_t n = read_some(c, c->in + c->in_n, c->in_cap - c->in_n);
	if (n > 0) c->in_n += (size_t)n;
	return n;
}

/* What OpenSSL holds makes no descriptor readable: takes it all. */
static void fill(struct connection *c)
{
	ssize_t n = fill_once(c), more = n;
	int why = errno;
	if (c->ssl && c->out) pump(c);
	while (c->ssl && more > 0) more = fill_once(c);
	errno = why;
	if (n == 0) refuse("the server closed a connection", c->in, c->in_n);
	if (n < 0 && errno != EAGAIN) die("read");
	c->heard_us = now_us();
}

static void forget_buffer(struct connection *c)
{
	free(c->in);
	c->in = NULL;
	c->in_cap = 0;
}

void drop(struct connection *c, size_t n)
{
	memmove(c->in, c->in + n, c->in_n - n);
	c->in_n -= n;
}

static void on_event(struct connection *c, uint32_t events)
{
	if (events & EPOLLOUT) pump(c);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
	fill(c);
	if (c->in_n) c->hear(c);
	if (c->in_n == 0 && c->is_light) forget_buffer(c);
}

void turn(int timeout_ms)
{
	struct epoll_event got[TURN_EVENTS];
	int n = epoll_wait(epoll_fd, got, TURN_EVENTS, timeout_ms);
	for (int i = 0; i < n; i++) on_event(got[i].data.ptr, got[i].events);
}
