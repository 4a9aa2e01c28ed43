/* The frame decoder: any bytes, any role, with and without deflate. Byte one chooses; the rest goes in whole and in pieces, which
 * must be heard the same. */
#include "base/utf8.h"
#include "wire/ws.h"

enum { MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
	struct buf log;
	uint16_t code;
};

static void hear(struct heard *h, char kind, struct span s)
{
	buf_add_char(&h->log, kind);
	buf_add(&h->log, &s.n, sizeof s.n);
	buf_add_span(&h->log, s);
}

static void on_message(void *ctx, enum ws_opcode op, struct span s)
{
	BECK_ASSERT(s.n <= MAX && (op == WS_TEXT || op == WS_BINARY));
	BECK_ASSERT(op == WS_BINARY || utf8_valid(s));
	hear(ctx, op == WS_TEXT ? 'T' : 'B', s);
}
static void on_ping(void *ctx, struct span s)
{
	BECK_ASSERT(s.n <= 125);
	hear(ctx, 'P', s);
}
static void on_pong(void *ctx, struct span s)
{
	BECK_ASSERT(s.n <= 125);
	hear(ctx, 'O', s);
}
static void on_close(void *ctx, uint16_t code, struct span s)
{
	BECK_ASSERT(s.n <= 123 && utf8_valid(s) && (code == 1005 || (code >= 1000 && code <= 4999)));
	hear(ctx, (char)code, s);
}
static const struct ws_events events = { on_message, on_ping, on_pong, on_close };

static void decode(struct heard *h, uint8_t choice, struct span in, size_t step)
{
	struct ws_decoder d;
	buf_init(&h->log, 64u << 20);
	ws_decoder_init(&d, choice & 1 ? WS_CLIENT : WS_SERVER, MAX, &events, h);
	if (choice & 2) BECK_ASSERT(ws_decoder_use_deflate(&d));
	while (in.n) {
		size_t n = in.n < step ? in.n : step;
		uint16_t code = ws_decoder_feed(&d, in.p, n);
		BECK_ASSERT(!code || !h->code);
		if (code) h->code = code;
		in = span_skip(in, n);
	}
	BECK_ASSERT(!h->code || d.message.p == NULL);
	ws_decoder_deinit(&d);
}

static void offer(struct span s)
{
	struct buf answer;
	buf_init(&answer, 1000);
	BECK_ASSERT(ws_deflate_offer(s, &answer) == (answer.n > 0));
	buf_deinit(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1) return 0;
	struct span in = { (const char *)data + 1, size - 1 };
	struct heard whole = { 0 }, pieces = { 0 };
	decode(&whole, data[0], in, in.n);
	decode(&pieces, data[0], in, (size_t)(data[0] >> 2) % 16 + 1);
	BECK_ASSERT(whole.code == pieces.code && span_eq(buf_span(&whole.log), buf_span(&pieces.log)));
	buf_deinit(&whole.log);
	buf_deinit(&pieces.log);
	offer(in);
	return 0;
}
