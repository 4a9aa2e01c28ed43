/* Loops, byte streams, timers and the mailbox between threads. Two drivers fill the same interface: uv (libuv and OpenSSL, real
 * sockets) and sim (in memory, stepped by one thread; tests/sim).
 *
 * Threads: everything belongs to one loop for life and is touched on that loop's thread only, except net_post, net_loop_stop and
 * net_now_us, which any thread may call.
 * Memory: a stream holds no buffers while idle; reads go through one scratch area per loop and writes take the caller's iovecs.
 * Turn: events are handled, then everything deferred runs once (that is where connections flush), then the loop sleeps. */
#ifndef BECK_NET_NET_H
#define BECK_NET_NET_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/list.h"
#include "base/rng.h"
#include "base/span.h"

struct net_loop;
struct net_stream;
struct net_listener;
struct net_driver;

/* ---- loop ---- */
struct net_loop *net_loop_create_uv(const struct clock *clock, const struct rng *rng) BECK_WARN_UNUSED;
void net_loop_destroy(struct net_loop *l); /* after it has stopped and every stream is closed */
void net_loop_run(struct net_loop *l);     /* until net_loop_stop; uv driver only (the simulator steps its loops itself) */
void net_loop_stop(struct net_loop *l);    /* any thread */
int64_t net_now_us(struct net_loop *l);    /* monotonic, read once per turn */
const struct clock *net_clock(struct net_loop *l);
const struct rng *net_rng(struct net_loop *l);
/* Factor by which all net_timer delays are shortened (test option --time-scale); 1 normally. */
void net_loop_set_time_scale(struct net_loop *l, int factor);
/* A delay as net_timer_start would take it, in microseconds: for code that compares times itself. */
int64_t net_delay_us(const struct net_loop *l, int64_t delay_ms);

/* ---- mailbox: intrusive messages, run on the loop's thread in posting order (per posting thread). ---- */
struct net_message {
	struct list node;
	void (*run)(struct net_message *m); /* owns the message from here on */
};
void net_post(struct net_loop *l, struct net_message *m); /* any thread; one lock, one coalesced wake; never fails */

/* ---- deferred: run once at the end of this turn, in order of the first request. Idempotent while pending. ---- */
struct net_deferred {
	struct list node;
	void (*run)(struct net_deferred *d);
};
void net_defer(struct net_loop *l, struct net_deferred *d);
void net_defer_cancel(struct net_deferred *d);

/* ---- timers: intrusive, one shot, resolution 1 ms, O(log n) (pairing/binary heap inside the loop, one driver timer). ---- */
struct net_timer {
	int64_t due_us; /* 0 = not running */
	uint32_t index; /* place in the heap */
	void (*run)(struct net_timer *t);
};
void net_timer_start(
	struct net_loop *l, struct net_timer *t, int64_t delay_ms); /* restarts when running; aborts without memory */
/* At an instant of net_now_us instead (no time scale); one that has passed runs in the next turn. */
void net_timer_start_at(struct net_loop *l, struct net_timer *t, int64_t due_us);
void net_timer_stop(struct net_loop *l, struct net_timer *t);
static inline int net_timer_running(const struct net_timer *t) { return t->due_us != 0; }

/* ---- streams ---- */
struct net_stream_events {
	/* Bytes in the loop's scratch, valid during the call. n == 0: the peer's end of file. */
	void (*on_read)(void *ctx, struct net_stream *s, const char *p, size_t n);
	/* After a short net_write: there is room again. */
	void (*on_writable)(void *ctx, struct net_stream *s);
	/* The stream broke (reset, TLS failure, ...). The owner calls net_stream_close. Not called for end of file. */
	void (*on_error)(void *ctx, struct net_stream *s, const char *why);
	/* Last call; the stream is freed after it. Always comes, in a later turn, after net_stream_close. */
	void (*on_closed)(void *ctx, struct net_stream *s);
};
/* Takes what fits now. Returns bytes taken (0 = none; on_writable follows) or -1 when the stream is broken (on_error follows or
 * has come). With TLS all iovecs of one call go into as few records as possible. */
int64_t net_write(struct net_stream *s, const struct iovec *iov, int count);
/* Bytes that net_write took and the peer's machine has not: they grow less while it takes them, long before on_writable. A system
 * call; 0 when it cannot tell. */
int64_t net_stream_unacked(struct net_stream *s);
void net_stream_set(struct net_stream *s, const struct net_stream_events *ev, void *ctx);
/* Reading is on after accept; off means bytes stay in the kernel (back-pressure). */
void net_stream_read(struct net_stream *s, int on);
/* Half-close after what was written (TLS: close_notify first); then close when the peer has closed too or `linger_ms` passed. */
void net_stream_close_gracefully(struct net_stream *s, int64_t linger_ms);
void net_stream_close(struct net_stream *s); /* at once; idempotent */
struct net_loop *net_stream_loop(struct net_stream *s);
/* Peer address as text without port ("127.0.0.1", "::1"), from PROXY v2 when the listener trusts it. */
struct span net_stream_peer(const struct net_stream *s);
int net_stream_is_tls(const struct net_stream *s);

/* ---- listeners ---- */
struct net_tls; /* an SSL_CTX that can be replaced while running */
enum { NET_TLS_WHY_BYTES = 1024 };
/* NULL on failure, and `why` names the file and the reason. TLS 1.2 and later; buffers released when idle; session tickets on. */
struct net_tls *net_tls_create(const char *cert_file, const char *key_file, char why[NET_TLS_WHY_BYTES]) BECK_WARN_UNUSED;
/* Reads the files again; on failure the old pair stays and false is returned. Any thread. */
int net_tls_reload(struct net_tls *t, char why[NET_TLS_WHY_BYTES]);
void net_tls_destroy(struct net_tls *t);

struct net_listen_options {
	const char *host;    /* numeric address */
	uint16_t port;       /* 0 = the system picks; see net_listener_port */
	struct net_tls *tls; /* borrowed; NULL = plain */
	int backlog;
	int is_first; /* 1 = a server's first listener on this address: fails when anybody listens there, another beckd too */
	int proxy_v2; /* 1 = a PROXY v2 header is demanded from trusted peers; others speak directly (operations.md) */
	struct span trusted_proxies; /* comma-separated addresses and CIDRs; read by net_listen only */
	/* On the loop's thread. Returns 0 and sets events with net_stream_set, or -1 to have it closed at once. */
	int (*on_accept)(void *ctx, struct net_stream *s);
	void *ctx;
};
/* One listener per loop on the same address: SO_REUSEPORT. NULL with *why on failure. May be called before the loop runs. */
struct net_listener *net_listen(struct net_loop *l, const struct net_listen_options *o, const char **why) BECK_WARN_UNUSED;
uint16_t net_listener_port(const struct net_listener *l);
void net_listener_close(struct net_listener *l); /* loop thread, or before the loop runs / after it stopped */

#endif
