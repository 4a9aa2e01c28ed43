/* WebSocket framing, RFC 6455, as a pure codec: no socket inside, resumable at any byte. Server and client share it.
 *
 * Decoder: feed bytes, get events through `on_*` callbacks in order. Payload of a data message is handed over whole (gathered
 * in `message`, at most max_message_bytes, freed when idle) because the contract's frames are JSON documents; control frames are
 * handed over at once, also between fragments. After an error nothing more is decoded; the owner sends the given close code.
 * Checks: masking (a server demands it, a client refuses it), RSV bits (RSV1 only with deflate), opcodes, control frames
 * <= 125 bytes and unfragmented, fragmentation rules, UTF-8 of text incrementally (fails at the first bad byte), close code and
 * reason. Callbacks must not free the decoder; they may call ws_decoder_stop. */
#ifndef BECK_WIRE_WS_H
#define BECK_WIRE_WS_H

#include <stdint.h>

#include "base/buf.h"

enum ws_opcode { WS_CONT = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
enum ws_role { WS_SERVER, WS_CLIENT };

struct ws_events {
	void (*on_message)(void *ctx, enum ws_opcode op, struct span payload); /* valid during the call */
	void (*on_ping)(void *ctx, struct span payload);
	void (*on_pong)(void *ctx, struct span payload);
	/* The peer's close frame; code 1005 when it carried none. */
	void (*on_close)(void *ctx, uint16_t code, struct span reason);
};

/* How to inflate one message body (bounded by out->max): 0 or a close code. Behind a pointer so that a program that never
 * negotiates permessage-deflate does not link zlib. */
struct ws_inflate {
	uint16_t (*message)(struct buf *out, struct span compressed);
};

struct ws_decoder {
	const struct ws_events *ev;
	void *ctx;
	const struct ws_inflate *inflate; /* NULL when permessage-deflate is not negotiated */
	uint64_t left;                    /* payload bytes still to come of the current frame */
	struct buf message;               /* gathered data payload */
	uint32_t utf8;                    /* incremental state of the text message under way */
	uint32_t max_message_bytes;
	uint8_t role, state, head_n, mask_at;
	uint8_t opcode, message_opcode, fin, compressed, stopped;
	uint8_t head[14], mask[4], control[125], control_n;
};

void ws_decoder_init(struct ws_decoder *d, enum ws_role role, uint32_t max_message_bytes, const struct ws_events *ev, void *ctx);
void ws_decoder_deinit(struct ws_decoder *d);
/* 0 = fine; else, once, the close code to answer with (1002 protocol, 1007 bad UTF-8 or bad deflate, 1009 too big, 1011 out of
 * memory). After an error, a close frame or a stop whatever is fed is ignored. */
uint16_t ws_decoder_feed(struct ws_decoder *d, const char *p, size_t n) BECK_WARN_UNUSED;
void ws_decoder_stop(struct ws_decoder *d);

/* Unmasked header (server to client) for a whole, final frame; returns its length, 2..10. rsv1 = compressed. */
size_t ws_head(uint8_t out[10], enum ws_opcode op, uint64_t payload_bytes, bool rsv1);
/* Appends a whole frame; mask != NULL masks with it (client to server). */
void ws_frame(struct buf *out, enum ws_opcode op, struct span payload, const uint8_t mask[4]);
/* Payload of a close frame into out (at most 125 bytes); returns its length. 1005 gives 0. */
size_t ws_close_payload(uint8_t out[125], uint16_t code, struct span reason);
/* Sec-WebSocket-Accept for a key: 28 characters and a NUL. */
void ws_accept(struct span key, char out[29]);

/* permessage-deflate (RFC 7692), server_no_context_takeover and client_no_context_takeover always. */
/* Looks through a Sec-WebSocket-Extensions request header; true when acceptable, then `answer` gets the response value. */
bool ws_deflate_offer(struct span header, struct buf *answer);
bool ws_decoder_use_deflate(struct ws_decoder *d); /* always true; holds no memory between messages */
/* Compresses one message body (without the trailing 00 00 ff ff). False without memory. */
bool ws_deflate(struct buf *out, struct span payload);

#endif
