/* One TCP peer: the HTTP cycle, a WebSocket, or polls of a long-poll session. Parses with wire, asks api, drains a session.
 *
 * Diagram of a connection (conn.c):   HTTP -> (WS_OPENING -> WS -> WS_CLOSING) -> CLOSED;   HTTP may stay HTTP for ever.
 * Everything on its loop's thread. Work for workers leaves through conn_ops.submit and comes back through the mailbox. */
#ifndef BECK_CONN_CONN_H
#define BECK_CONN_CONN_H

#include "api/api.h"
#include "net/net.h"
#include "session/session.h"

struct conn_asset {
	struct span bytes, type, tag; /* tag: differs when the bytes do */
	struct span packed;           /* the bytes as gzip; may not be given */
	bool is_folder;               /* nothing but a page in it: its address ends in "/" */
};
struct conn_ops {
	/* Hands the call to a reader or the lane by its route's kind; false when the queue is full (503). c->done follows on the
	 * loop. */
	bool (*submit)(void *ctx, struct api_call *c);
	/* The hub of a loop index on this node, NULL when there is none. */
	struct session_hub *(*hub)(void *ctx, unsigned loop);
	/* The connections of a loop index: where a poll goes whose session lives on another loop. NULL when there is none; a
	 * server with one loop may leave the function out. */
	struct conn_host *(*host)(void *ctx, unsigned loop);
	/* Pages and the browser client; false = not found. */
	bool (*asset)(void *ctx, struct span path, struct conn_asset *out);
	/* Publish presence after a session came online (a rule on a reader). */
	void (*came_online)(void *ctx, int64_t app, int64_t user);
	void *ctx;
};
/* How many sockets each client address holds, over all loops of a server. Any thread. */
struct conn_addresses;
struct conn_addresses *conn_addresses_create(const struct rng *rng) BECK_WARN_UNUSED;
void conn_addresses_destroy(struct conn_addresses *a); /* after every conn_host that uses it */

enum { CONN_TRUSTED_MAX = 64 }; /* entries of trusted_proxies */
struct conn_settings {
	struct conn_addresses *addresses; /* shared by the loops; NULL = this loop counts alone */
	bool deflate;                     /* permessage-deflate may be negotiated */
	struct span trusted_proxies;      /* comma-separated CIDRs whose X-Forwarded-For is believed */
	struct span cors_origins;         /* "*" by default, else a comma-separated list */
	bool http_log;
	bool metrics_only; /* a listener of the operator's: /beck/metrics and /beck/health without credentials, nothing else */
	int64_t max_per_address;     /* open sockets and long-poll sessions of one client address; 0 = LIMIT_CONNS_PER_ADDR */
	struct strangers *strangers; /* limits of calls without a token, shared by the loops; NULL = none */
};
struct conn_host; /* per loop: its connections, limits per address, counters */
struct conn_host *conn_host_create(struct net_loop *loop, struct session_hub *hub, struct chat *chat, const struct conn_ops *ops,
	const struct conn_settings *s) BECK_WARN_UNUSED;
/* After the loop and the workers have stopped: frees what is still in hand, calls that were never answered too. */
void conn_host_destroy(struct conn_host *h);
int conn_host_accept(void *host, struct net_stream *s); /* net_listen_options.on_accept */
/* Drain: no new requests are read, sessions get 1012, idle connections close; calls `drained` when all are gone. Loop thread. */
void conn_host_drain(struct conn_host *h, void (*drained)(void *ctx), void *ctx);
struct conn_stats {
	int64_t open, websockets, connects_waiting, polls_parked, requests, requests_4xx, requests_5xx, bytes_in, bytes_out,
		refused, stalled;
};
void conn_host_stats(struct conn_host *h, struct conn_stats *out); /* any thread; adds to *out */

#endif
