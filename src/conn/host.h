/* The connections of one loop and what they share. Loop thread, but for the counters. */
#ifndef BECK_CONN_HOST_H
#define BECK_CONN_HOST_H

#include <stdatomic.h>

#include "base/map.h"
#include "conn/conn.h"
#include "net/addr.h"
#include "wire/ws.h"

enum { CONN_LINGER_MS = 2000 };

struct conn;
struct exchange;
struct poll_session;

/* What one client address holds. */
struct conn_address {
	int64_t count;     /* ADDRESS_PLACE */
	int64_t anonymous; /* ADDRESS_ANONYMOUS */
	uint8_t text_n;
	char text[];
};
/* What was counted for one socket or session. */
struct conn_place {
	struct conn_address *address; /* NULL: of a trusted proxy, not counted */
	unsigned what;
};

/* What counts against an address: sockets and long-poll sessions; sessions without a user. */
enum { ADDRESS_PLACE = 1, ADDRESS_ANONYMOUS = 2 };

#define CONN_COUNTERS(X)                                                                                                         \
	X(open)                                                                                                                  \
	X(websockets)                                                                                                            \
	X(connects_waiting)                                                                                                      \
	X(polls_parked) X(requests) X(requests_4xx) X(requests_5xx) X(bytes_in) X(bytes_out) X(refused) X(stalled)
struct conn_counters {
#define X(name) _Atomic int64_t name;
	CONN_COUNTERS(X)
#undef X
};

/* What speaks over a WebSocket: sessions (ws_session.c), or the echo of tests/support. */
struct ws_app {
	/* 101 is on its way. Takes the exchange of the upgrade request. */
	void (*open)(struct conn *c, struct exchange *ex);
	void (*message)(struct conn *c, enum ws_opcode op, struct span payload);
	/* The close handshake began or the peer is gone; no message follows. */
	void (*end)(struct conn *c);
};

struct conn_host {
	struct net_loop *loop;
	struct session_hub *hub;
	struct chat *chat;
	const struct conn_ops *ops;
	struct conn_settings settings;
	struct net_cidr trusted[CONN_TRUSTED_MAX];
	size_t trusted_n;
	const struct ws_app *ws_app;
	uint32_t ws_message_bytes;
	struct ws_decoder decoder;   /* for connections that are not in the middle of a frame */
	struct token_cache *tokens;  /* NULL without chat */
	struct arena scratch;        /* for one inbound frame */
	struct buf lines;            /* for the header lines of one response */
	struct buf every, every_api; /* header lines of every response, and of every API answer; made anew each second */
	int64_t every_s;             /* the second they are of */
	struct list conns;
	struct list in_flight; /* exchanges whose call or poll is elsewhere */
	struct list connects_waiting;
	unsigned connects_at_work;
	size_t body_bytes; /* of all exchanges of this loop */
	struct conn_addresses *addresses;
	bool owns_addresses;
	struct map polls;      /* struct poll_session by connection_id */
	struct list poll_list; /* the same, for going through */
	uint64_t serial;
	bool is_draining;
	bool is_ending; /* being destroyed: the other loops' hosts may be gone */
	void (*drained)(void *ctx);
	void *drained_ctx;
	struct net_deferred drain_check;
	struct conn_counters counters;
};

static inline void conn_count(_Atomic int64_t *counter, int64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* What is served over a WebSocket, and the largest message, instead of sessions. */
void conn_host_set_ws_app(struct conn_host *h, const struct ws_app *app, uint32_t message_bytes);
/* Counts `what` of an address. False when it has too many already, or without memory. Trusted proxies are not counted. */
bool conn_host_enter(struct conn_host *h, struct span peer, unsigned what, struct conn_place *out) BECK_WARN_UNUSED;
void conn_host_leave(struct conn_host *h, struct conn_place *p); /* once more does nothing */
/* A connection or poll session has ended: perhaps the last one of a drain. */
void conn_host_left(struct conn_host *h);
/* The client's address: the peer's, or what trusted proxies say (the rightmost entry that is not one of them). Lives in `a`
 * or as long as the stream. */
struct span conn_host_client(const struct conn_host *h, struct span peer, const struct http_request *r, struct arena *a);

#endif
