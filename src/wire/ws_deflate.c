/* permessage-deflate, RFC 7692, always without context takeover: a message is inflated or deflated alone, so an idle connection
 * holds no zlib state and one compressed body serves every receiver. */
#include "wire/ws.h"

#include <limits.h>
#include <zlib.h>

#include "wire/deflate.h"

enum {
	WS_WINDOW_BITS = 15,
	WS_STEP_BYTES = 4096,
	WS_FAIL_DATA = 1007,
	WS_FAIL_TOO_BIG = 1009,
	WS_FAIL_MEMORY = 1011,
};
static const char tail[4] = { 0, 0, (char)0xff, (char)0xff };

/* A window parameter's value, 8..15, quoted or not; 0 when it is none. */
static int window_bits(struct span v)
{
	if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"') v = (struct span){ v.p + 1, v.n - 2 };
	if (v.n == 1 && (v.p[0] == '8' || v.p[0] == '9')) return v.p[0] - '0';
	if (v.n == 2 && v.p[0] == '1' && v.p[1] >= '0' && v.p[1] <= '5') return 10 + v.p[1] - '0';
	return 0;
}

enum { SEEN_SERVER_TAKEOVER = 1, SEEN_CLIENT_TAKEOVER = 2, SEEN_SERVER_BITS = 4, SEEN_CLIENT_BITS = 8 };

/* The flag of a parameter we can honour, 0 otherwise. A smaller server window is declined: bodies are compressed once for
 * everybody. */
static unsigned param_flag(struct span param)
{
	size_t eq = span_find(param, '=');
	bool valued = eq < param.n;
	struct span name = span_trim((struct span){ param.p, eq }), value = span_trim(span_skip(param, eq + 1));
	if (span_eq_nocase(name, SPAN("server_no_context_takeover"))) return valued ? 0 : SEEN_SERVER_TAKEOVER;
	if (span_eq_nocase(name, SPAN("client_no_context_takeover"))) return valued ? 0 : SEEN_CLIENT_TAKEOVER;
	if (span_eq_nocase(name, SPAN("server_max_window_bits")))
		return window_bits(value) == WS_WINDOW_BITS ? SEEN_SERVER_BITS : 0;
	if (span_eq_nocase(name, SPAN("client_max_window_bits"))) return !valued || window_bits(value) ? SEEN_CLIENT_BITS : 0;
	return 0;
}

static bool offer_ok(struct span offer, unsigned *seen)
{
	*seen = 0;
	if (!span_eq_nocase(span_cut(&offer, ';'), SPAN("permessage-deflate"))) return false;
	while (offer.n) {
		unsigned flag = param_flag(span_cut(&offer, ';'));
		if (flag == 0 || (*seen & flag)) return false;
		*seen |= flag;
	}
	return true;
}

bool ws_deflate_offer(struct span header, struct buf *answer)
{
	while (header.n) {
		unsigned seen;
		if (!offer_ok(span_cut(&header, ','), &seen)) continue;
		buf_add_span(answer, SPAN("permessage-deflate; server_no_context_takeover; client_no_context_takeover"));
		if (seen & SEEN_SERVER_BITS) buf_add_span(answer, SPAN("; server_max_window_bits=15"));
		return !answer->failed;
	}
	return false;
}

/* One call of inflate() behind what out holds. At out's bound a spare byte tells "exactly full" from "too big". */
static uint16_t inflate_step(z_stream *z, struct buf *out, int *rc)
{
	size_t room = out->max - out->n < WS_STEP_BYTES ? out->max - out->n : WS_STEP_BYTES;
	char spare;
	if (room && !buf_reserve(out, room)) return WS_FAIL_MEMORY;
	z->next_out = room ? (Bytef *)(out->p + out->n) : (Bytef *)&spare;
	z->avail_out = room ? (uInt)room : 1;
	*rc = inflate(z, Z_SYNC_FLUSH);
	size_t made = (room ? room : 1) - z->avail_out;
	if (made && !room) return WS_FAIL_TOO_BIG;
	out->n += made;
	if (*rc == Z_MEM_ERROR) return WS_FAIL_MEMORY;
	return *rc == Z_OK || *rc == Z_BUF_ERROR || *rc == Z_STREAM_END ? 0 : WS_FAIL_DATA;
}

/* Inflates `in` wholly. A block marked as the last one (RFC 7692 7.2.3.4) may be followed by more. */
static uint16_t inflate_piece(z_stream *z, struct buf *out, struct span in)
{
	z->next_in = (Bytef *)(uintptr_t)in.p;
	z->avail_in = (uInt)in.n;
	for (;;) {
		int rc;
		uint16_t fail = inflate_step(z, out, &rc);
		if (fail) return fail;
		if (rc == Z_STREAM_END && inflateReset(z) != Z_OK) return WS_FAIL_DATA;
		if (z->avail_in == 0 && z->avail_out) return 0;
		if (rc == Z_BUF_ERROR && z->avail_out) return WS_FAIL_DATA;
	}
}

static uint16_t inflate_message(struct buf *out, struct span compressed)
{
	z_stream z = { 0 };
	if (compressed.n > UINT_MAX) return WS_FAIL_TOO_BIG;
	if (inflateInit2(&z, -WS_WINDOW_BITS) != Z_OK) return WS_FAIL_MEMORY;
	uint16_t fail = inflate_piece(&z, out, compressed);
	if (!fail) fail = inflate_piece(&z, out, (struct span){ tail, sizeof tail });
	/* 128: between two blocks, where every whole message ends. */
	if (!fail && !(z.data_type & 128)) fail = WS_FAIL_DATA;
	inflateEnd(&z);
	return fail;
}

static const struct ws_inflate with_zlib = { inflate_message };

bool ws_decoder_use_deflate(struct ws_decoder *d)
{
	d->inflate = &with_zlib;
	return true;
}

bool ws_deflate(struct buf *out, struct span payload)
{
	if (!deflate_whole(out, payload, DEFLATE_FLUSH)) return false;
	out->n -= sizeof tail;
	return true;
}
