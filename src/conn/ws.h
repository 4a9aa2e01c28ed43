/* The WebSocket on a connection: frames, control frames, the close handshake, pings, liveness. What is said over it is the
 * ws_app's. */
#ifndef BECK_CONN_WS_H
#define BECK_CONN_WS_H

#include "conn/peer.h"

struct conn_ws {
	struct session_carrier carrier;
	struct session *session;    /* NULL until it is open */
	struct conn_place place;    /* of a session without a user, beside its socket's */
	struct exchange *opening;   /* the connect request: waiting for its frame, or at work */
	struct ws_decoder *decoder; /* only while the peer is in the middle of a frame or message */
	struct buf out;             /* control frames, and data that is ours to keep; empty when idle */
	size_t out_at;              /* of it written */
	size_t item_at;             /* bytes of the session's first item written; then it goes on before anything else */
	int64_t last_in_us, ping_us;
	int64_t taken; /* by the peer, when liveness last asked */
	struct conn *conn;
	uint16_t close_code; /* what we close with */
	bool is_deflate, awaits_frame, peer_closed, is_broken, is_ending, is_paused;
};

/* The request is an upgrade and its turn has come: sends 101 and goes on as a WebSocket. Takes the exchange. False without
 * memory. */
bool conn_ws_begin(struct conn *c, struct exchange *ex) BECK_WARN_UNUSED;
void conn_ws_read(struct conn *c, struct span in); /* in.n == 0: end of file */
void conn_ws_flush(struct conn *c);
int64_t conn_ws_due(const struct conn *c);
void conn_ws_expired(struct conn *c);
void conn_ws_end(struct conn *c); /* the connection goes */

/* Queues one data frame (compressed when negotiated and worth it). False: without memory, the connection closes with 1011. */
bool conn_ws_send(struct conn *c, enum ws_opcode op, struct span payload);
size_t conn_ws_pending(const struct conn *c);
/* Begins the close handshake: nothing is sent after this close frame. */
void conn_ws_close(struct conn *c, uint16_t code);

extern const struct ws_app ws_session_app;
void ws_session_expired(struct conn *c); /* the first frame did not come */
void ws_session_drain(struct conn *c);

#endif
