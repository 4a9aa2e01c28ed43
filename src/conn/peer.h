/* One TCP connection.
 *
 *   HTTP --upgrade--> WS_OPENING --session is open--> WS --either side closes--> WS_CLOSING --> CLOSED
 *
 *   HTTP        `http` holds what is in hand (NULL until the first byte).
 *   WS_OPENING  101 is sent; `ws` is set; the connect payload waits for its first frame or its rule runs. Frames are decoded.
 *   WS          ws->session is set and drained at the end of each turn that brought something.
 *   WS_CLOSING  our close frame is queued; nothing more is taken from the session but the rest of a frame that was begun.
 *   CLOSED      everything is let go; only the stream is still closing. Freed in its on_closed.
 * conn_set_state is the only place where the state changes. */
#ifndef BECK_CONN_PEER_H
#define BECK_CONN_PEER_H

#include "conn/host.h"

enum conn_state { CONN_HTTP, CONN_WS_OPENING, CONN_WS, CONN_WS_CLOSING, CONN_CLOSED };

struct conn_http;
struct conn_ws;
struct conn {
	struct list node;
	struct conn_host *host;
	struct net_stream *stream;
	struct conn_place place;
	struct net_deferred flush;
	struct net_timer timer; /* the one deadline; may be early, never late */
	uint64_t serial;        /* for logs */
	int64_t since_us;       /* when what is waited for began */
	int64_t written_bytes;  /* that the stream ever took */
	int64_t behind_us;      /* the peer was behind then; 0 = it is not */
	int64_t behind_taken;   /* ... and had taken so much */
	struct conn_http *http;
	struct conn_ws *ws;
	uint8_t state;
};

static inline int64_t conn_now(const struct conn *c) { return net_now_us(c->host->loop); }
void conn_set_state(struct conn *c, enum conn_state to);
/* Writes at the end of this turn. */
void conn_flush_later(struct conn *c);
/* What the connection waits for has changed: `since_us` and the state say until when. */
void conn_waits(struct conn *c);
/* Bytes that have reached the peer. */
int64_t conn_taken(const struct conn *c);
/* Writes now and keeps the account of a peer that is behind. Bytes taken, -1 when the stream is broken. */
int64_t conn_write(struct conn *c, const struct iovec *iov, int count, size_t total);
/* Lets everything go and closes: at once, or after the peer has read what was written. */
void conn_close(struct conn *c);
void conn_close_gracefully(struct conn *c);
/* No new requests, sessions move (1012). */
void conn_drain(struct conn *c);

#endif
