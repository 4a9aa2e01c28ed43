/* net.h's streams and listeners, handed to the driver. */
#include "net/driver.h"

int64_t net_write(struct net_stream *s, const struct iovec *iov, int count) { return s->loop->driver->write(s, iov, count); }
int64_t net_stream_unacked(struct net_stream *s) { return s->loop->driver->unacked(s); }

void net_stream_set(struct net_stream *s, const struct net_stream_events *ev, void *ctx)
{
	s->ev = ev;
	s->ctx = ctx;
}

void net_stream_read(struct net_stream *s, int on) { s->loop->driver->read(s, on != 0); }
void net_stream_close_gracefully(struct net_stream *s, int64_t linger_ms) { s->loop->driver->close_gracefully(s, linger_ms); }
void net_stream_close(struct net_stream *s) { s->loop->driver->close(s); }
struct net_loop *net_stream_loop(struct net_stream *s) { return s->loop; }
struct span net_stream_peer(const struct net_stream *s) { return span_make(s->peer, s->peer_n); }
int net_stream_is_tls(const struct net_stream *s) { return s->is_tls; }

struct net_listener *net_listen(struct net_loop *l, const struct net_listen_options *o, const char **why)
{
	return l->driver->listen(l, o, why);
}

uint16_t net_listener_port(const struct net_listener *ls) { return ls->port; }

void net_listener_close(struct net_listener *ls)
{
	if (ls) ls->loop->driver->listener_close(ls);
}
