#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/uv_driver.h"

enum { PAUSE_MS = 100 };

static void on_acceptable(uv_poll_t *h, int status, int events);

static void resume(struct net_timer *t)
{
	struct uv_listener *ls = BECK_CONTAINER(t, struct uv_listener, pause);
	uv_poll_start(&ls->poll, UV_READABLE, on_acceptable);
}

/* The queue of the kernel stays readable while we can take nothing: look away for a moment instead of spinning. */
static void pause_accepting(struct uv_listener *ls)
{
	uv_poll_stop(&ls->poll);
	net_timer_start(ls->base.loop, &ls->pause, PAUSE_MS);
}

/* Out of descriptors: take one peer with the spare one and hang up, so that he learns it at once. */
static void refuse_one(struct uv_listener *ls)
{
	struct uv_driver_loop *l = uv_driver_of(ls->base.loop);
	LOG_ERR("out of file descriptors, refusing a connection", "port=%u", (unsigned)ls->base.port);
	if (l->spare_fd >= 0) close(l->spare_fd);
	int fd = accept4(ls->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) close(fd);
	l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || l->spare_fd < 0) pause_accepting(ls);
}

/* False when there is nothing more to take in this turn. */
static bool accept_one(struct uv_listener *ls)
{
	struct sockaddr_storage peer;
	socklen_t n = sizeof peer;
	int fd = accept4(ls->fd, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		uv_stream_accepted(ls, fd, (struct sockaddr *)&peer);
		return true;
	}
	switch (errno) {
	case EMFILE:
	case ENFILE: refuse_one(ls); return false;
	case ENOBUFS:
	case ENOMEM: pause_accepting(ls); return false;
	case EAGAIN: return false;
	default: return true; /* that one peer is gone already */
	}
}

static void on_acceptable(uv_poll_t *h, int status, int events)
{
	struct uv_listener *ls = h->data;
	(void)events;
	uv_driver_touch(uv_driver_of(ls->base.loop));
	if (status < 0) {
		LOG_ERR("listener failed", "port=%u why=\"%s\"", (unsigned)ls->base.port, uv_strerror(status));
		pause_accepting(ls);
		return;
	}
	for (int i = 0; i < UV_ACCEPTS_PER_TURN && accept_one(ls); i++)
		if (ls->fd < 0) return; /* closed by on_accept */
}

static socklen_t fill_address(const char *host, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	if (uv_ip4_addr(host, port, in) == 0) return sizeof *in;
	return uv_ip6_addr(host, port, in6) == 0 ? sizeof *in6 : 0;
}

/* A bound descriptor, or -1 with errno. TCP_NODELAY is inherited by accepted sockets, which saves a call for each. */
static int bind_socket(const struct sockaddr_storage *address, socklen_t n, bool may_share)
{
	int on = 1, off = 0, share = may_share;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) return -1;
	if (address->ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &share, sizeof share) == 0 &&
		bind(fd, (const struct sockaddr *)address, n) == 0)
		return fd;
	int kept = errno;
	close(fd);
	errno = kept;
	return -1;
}

/* Sockets with SO_REUSEPORT share an address with those of any process of the same user; one without it tells whether there are
 * any. */
static bool is_free(const struct sockaddr_storage *address, socklen_t n)
{
	int fd = bind_socket(address, n, false);
	if (fd >= 0) close(fd);
	return fd >= 0;
}

static int open_socket(const struct sockaddr_storage *address, socklen_t n, int backlog)
{
	int fd = bind_socket(address, n, true);
	if (fd < 0 || listen(fd, backlog > 0 ? backlog : SOMAXCONN) == 0) return fd;
	int kept = errno;
	close(fd);
	errno = kept;
	return -1;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage s = { 0 };
	socklen_t n = sizeof s;
	if (getsockname(fd, (struct sockaddr *)&s, &n) != 0) return 0;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	memcpy(&v4, &s, sizeof v4);
	memcpy(&v6, &s, sizeof v6);
	return ntohs(s.ss_family == AF_INET ? v4.sin_port : v6.sin6_port);
}

static bool start(struct uv_listener *ls, const struct net_listen_options *o, const char **why)
{
	struct sockaddr_storage address = { 0 };
	socklen_t n = fill_address(o->host, o->port, &address);
	*why = "not a numeric address";
	if (!n) return false;
	*why = "trusted proxies: not a list of addresses and CIDRs, or too many";
	if (!net_cidrs_parse(o->trusted_proxies, ls->trusted, UV_TRUSTED_MAX, &ls->trusted_n)) return false;
	ls->fd = o->is_first && o->port && !is_free(&address, n) ? -1 : open_socket(&address, n, o->backlog);
	*why = ls->fd < 0 ? strerror(errno) : "cannot watch the socket"; /* glibc's texts of known numbers are constants */
	if (ls->fd < 0) return false;
	ls->base.port = bound_port(ls->fd);
	if (uv_poll_init(&uv_driver_of(ls->base.loop)->uv, &ls->poll, ls->fd) == 0) return true;
	close(ls->fd);
	return false;
}

struct net_listener *uv_driver_listen(struct net_loop *l, const struct net_listen_options *o, const char **why)
{
	struct uv_listener *ls = calloc(1, sizeof *ls);
	*why = "out of memory";
	if (!ls) return NULL;
	ls->base.loop = l;
	ls->tls = o->tls;
	ls->proxy_v2 = o->proxy_v2 != 0;
	ls->on_accept = o->on_accept;
	ls->ctx = o->ctx;
	ls->pause.run = resume;
	if (!start(ls, o, why)) {
		free(ls);
		return NULL;
	}
	ls->poll.data = ls;
	list_push(&uv_driver_of(l)->listeners, &ls->node);
	uv_poll_start(&ls->poll, UV_READABLE, on_acceptable);
	return &ls->base;
}

static void on_closed(uv_handle_t *h) { free(h->data); }

static void drop_unfinished(struct uv_listener *ls)
{
	struct list *head = &uv_driver_of(ls->base.loop)->streams;
	for (struct list *at = head->next, *next; at != head; at = next) {
		next = at->next;
		struct uv_stream *s = BECK_CONTAINER(at, struct uv_stream, node);
		if (s->setup && s->setup->listener == ls) uv_driver_close(&s->base);
	}
}

void uv_driver_listener_close(struct net_listener *base)
{
	struct uv_listener *ls = BECK_CONTAINER(base, struct uv_listener, base);
	if (ls->fd < 0) return;
	drop_unfinished(ls);
	net_timer_stop(base->loop, &ls->pause);
	list_remove(&ls->node);
	uv_close((uv_handle_t *)&ls->poll, on_closed);
	close(ls->fd);
	ls->fd = -1;
}
