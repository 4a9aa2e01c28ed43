/* The uv driver's insides: raw non-blocking descriptors watched by uv_poll_t, so that a read goes into the loop's scratch and a
 * write is one sendmsg (or SSL_write) at the moment the caller asks.
 *
 * A stream's life:   PROXY -> HANDSHAKE -> OPEN -> (FLUSHING ->) LINGER -> CLOSED   (each step may be skipped, CLOSED comes from
 * any) PROXY, HANDSHAKE  nobody owns it yet; `setup` is set; a deadline runs; failure closes silently. OPEN              the
 * owner's callbacks are called. `why` set: broken, on_error is deferred or was called. FLUSHING          half-close is asked for;
 * a TLS record is still to be sent. LINGER            our side is closed; what comes is thrown away until the peer's end of file
 * or the deadline. CLOSED            descriptor closed; memory goes in libuv's close callback, after on_closed. */
#ifndef BECK_NET_UV_DRIVER_H
#define BECK_NET_UV_DRIVER_H

#include <uv.h>

#include "net/addr.h"
#include "net/driver.h"
#include "net/proxy.h"
#include "net/tls.h"

enum { UV_READ_BYTES = 65536, UV_GATHER_BYTES = 65536, UV_ACCEPTS_PER_TURN = 64, UV_TRUSTED_MAX = 64 };

struct uv_driver_loop {
	struct net_loop base;
	uv_loop_t uv;
	uv_async_t async;
	uv_prepare_t prepare;
	uv_idle_t idle; /* runs while something is deferred, which keeps libuv from sleeping */
	uv_timer_t timer;
	int64_t armed_us; /* what `timer` waits for; 0 = nothing */
	bool is_awake;    /* the clock was read since libuv may have slept */
	atomic_bool stopping;
	struct list streams, listeners;
	int spare_fd; /* given up to accept and refuse one peer when descriptors run out; -1 = used up */
	char *scratch, *gather;
};

struct uv_listener {
	struct net_listener base;
	uv_poll_t poll;
	struct list node;
	struct net_timer pause;
	int fd;
	struct net_tls *tls;
	bool proxy_v2;
	int (*on_accept)(void *ctx, struct net_stream *s);
	void *ctx;
	struct net_cidr trusted[UV_TRUSTED_MAX];
	size_t trusted_n;
};

enum uv_phase { UV_PROXY, UV_HANDSHAKE, UV_OPEN, UV_FLUSHING, UV_LINGER, UV_CLOSED };

struct uv_setup {
	struct uv_listener *listener;
	size_t n;
	uint8_t bytes[PROXY_MAX_BYTES];
};

struct uv_tls {
	SSL *ssl;
	/* A record that OpenSSL has made but the kernel has not taken: the same bytes must be offered again. */
	char *record;
	size_t record_n;
	bool wants_write; /* reading or shaking hands waits for room to write */
};

struct uv_stream {
	struct net_stream base;
	int fd;
	uint8_t phase, watched; /* watched: events libuv watches for now */
	bool reading, at_eof, wants_write;
	uv_poll_t poll;
	struct list node;
	struct net_deferred later; /* report the error; read what OpenSSL holds back */
	struct net_timer timer;    /* set-up, later linger */
	const char *why;
	struct uv_setup *setup;
	struct uv_tls *tls;
};

static inline struct uv_driver_loop *uv_driver_of(struct net_loop *l) { return BECK_CONTAINER(l, struct uv_driver_loop, base); }
static inline struct uv_stream *uv_stream_of(struct net_stream *s) { return BECK_CONTAINER(s, struct uv_stream, base); }

/* uv_loop.c: reads the clock, once a turn. First thing in every libuv callback. */
void uv_driver_touch(struct uv_driver_loop *l);

/* uv_listen.c */
struct net_listener *uv_driver_listen(struct net_loop *l, const struct net_listen_options *o, const char **why);
void uv_driver_listener_close(struct net_listener *ls);

/* uv_stream.c */
void uv_stream_accepted(struct uv_listener *ls, int fd, const struct sockaddr *peer); /* takes fd */
void uv_stream_opened(struct uv_stream *s);                                           /* set-up is through */
void uv_stream_watch(struct uv_stream *s);                                            /* after a change of what is wanted */
void uv_stream_fail(struct uv_stream *s, const char *why);
void uv_stream_eof(struct uv_stream *s);
int64_t uv_driver_write(struct net_stream *s, const struct iovec *iov, int count);
int64_t uv_driver_unacked(struct net_stream *s);
void uv_driver_read(struct net_stream *s, bool on);
void uv_driver_close_gracefully(struct net_stream *s, int64_t linger_ms);
void uv_driver_close(struct net_stream *s);

/* uv_tls.c */
bool uv_tls_begin(struct uv_stream *s, struct net_tls *t);
void uv_tls_handshake(struct uv_stream *s);
void uv_tls_read(struct uv_stream *s);
int64_t uv_tls_write(struct uv_stream *s, const struct iovec *iov, int count);
bool uv_tls_flush(struct uv_stream *s); /* true when no record waits any more */
void uv_tls_shutdown(struct uv_stream *s);
void uv_tls_end(struct uv_stream *s);

#endif
