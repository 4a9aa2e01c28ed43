#include "../base/cm.h"

#include "wire/ws.h"

enum { MAX = 4000 };

struct heard {
	struct buf last;
	int messages;
};

static void on_message(void *ctx, enum ws_opcode op, struct span s)
{
	(void)op;
	struct heard *h = ctx;
	h->messages++;
	buf_clear(&h->last);
	buf_add_span(&h->last, s);
}
static void on_other(void *ctx, struct span s)
{
	(void)ctx;
	(void)s;
}
static void on_close(void *ctx, uint16_t code, struct span s)
{
	(void)ctx;
	(void)code;
	(void)s;
}
static const struct ws_events events = { on_message, on_other, on_other, on_close };

static uint16_t feed_split(struct heard *h, struct span in, size_t cut)
{
	struct ws_decoder d;
	buf_init(&h->last, 1 << 20);
	ws_decoder_init(&d, WS_CLIENT, MAX, &events, h);
	assert_true(ws_decoder_use_deflate(&d));
	uint16_t code = ws_decoder_feed(&d, in.p, cut);
	if (!code) code = ws_decoder_feed(&d, in.p + cut, in.n - cut);
	assert_null(d.message.p);
	ws_decoder_deinit(&d);
	return code;
}

static void frame(struct buf *out, uint8_t first, struct span payload)
{
	size_t at = out->n;
	ws_frame(out, WS_TEXT, payload, NULL);
	out->p[at] = (char)first;
}

static void round_trip(struct span text)
{
	struct buf body, in;
	buf_init(&body, 1 << 20);
	buf_init(&in, 1 << 20);
	assert_true(ws_deflate(&body, text));
	frame(&in, 0xc1, buf_span(&body));
	size_t step = in.n / 50 + 1;
	for (size_t cut = 0; cut <= in.n; cut += step) {
		struct heard h = { 0 };
		assert_int_equal(feed_split(&h, buf_span(&in), cut), 0);
		assert_int_equal(h.messages, 1);
		assert_true(span_eq(buf_span(&h.last), text));
		buf_deinit(&h.last);
	}
	buf_deinit(&body);
	buf_deinit(&in);
}

static void round_trips(void **state)
{
	(void)state;
	char text[MAX];
	uint32_t x = 1;
	for (size_t i = 0; i < MAX; i++) {
		x = x * 1664525 + 1013904223;
		text[i] = (char)(x >> 25); /* ASCII that hardly compresses */
	}
	round_trip(SPAN(""));
	round_trip(SPAN("Hello"));
	round_trip(SPAN("{\"type\":\"message.new\",\"type\":\"message.new\",\"type\":\"message.new\"}"));
	round_trip((struct span){ text, 1000 });
	round_trip((struct span){ text, MAX });
}

static uint16_t feed_whole(struct span in, struct heard *h)
{
	uint16_t code = feed_split(h, in, in.n);
	return code;
}

static void assert_code(struct span in, uint16_t want, int messages)
{
	struct heard h = { 0 };
	assert_int_equal(feed_whole(in, &h), want);
	assert_int_equal(h.messages, messages);
	buf_deinit(&h.last);
}

/* The examples of RFC 7692 7.2.3: one block, a fragmented message, no compression, BFINAL, two blocks. */
static void examples_of_the_rfc(void **state)
{
	(void)state;
	static const struct span cases[] = {
		{ "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9 },
		{ "\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", 11 },
		{ "\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 13 },
		{ "\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 10 },
		{ "\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 15 },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct heard h = { 0 };
		assert_int_equal(feed_whole(cases[i], &h), 0);
		assert_span(buf_span(&h.last), "Hello");
		buf_deinit(&h.last);
	}
}

static void bounds_and_bad_data(void **state)
{
	(void)state;
	struct buf text, body, in;
	buf_init(&text, 1 << 24);
	buf_init(&body, 1 << 20);
	buf_init(&in, 1 << 20);
	for (int i = 0; i < MAX; i++) buf_add_char(&text, 'a');
	for (int past = 0; past < 2; past++) {
		buf_clear(&body);
		buf_clear(&in);
		assert_true(ws_deflate(&body, buf_span(&text)));
		frame(&in, 0xc1, buf_span(&body));
		assert_code(buf_span(&in), past ? 1009 : 0, past ? 0 : 1);
		buf_add_char(&text, 'a');
	}
	/* A bomb: 8 MiB in a few KiB. */
	while (text.n < 8 << 20) buf_add_span(&text, SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	buf_clear(&body);
	buf_clear(&in);
	assert_true(ws_deflate(&body, buf_span(&text)));
	frame(&in, 0xc1, (struct span){ body.p, MAX });
	assert_code(buf_span(&in), 1009, 0);
	assert_code(SPAN("\xc1\x04\xff\xff\xff\xff"), 1007, 0);
	assert_code(SPAN("\xc1\x03\xf2\x48\xcd"), 1007, 0); /* ends inside a symbol, then the tail is read as data */
	assert_code(SPAN("\xc1\x01\x00"), 0, 1);            /* the empty message */
	/* The tail must complete a block: nothing at all, and a last block without the zero that belongs behind it, leave it
	 * open. */
	assert_code(SPAN("\xc1\x00"), 1007, 0);
	assert_code(SPAN("\xc1\x07\xf3\x48\xcd\xc9\xc9\x07\x00"), 1007, 0);
	assert_code(SPAN("\xc1\x07\x00\x02\x00\xfd\xff\xc3\x28"), 1007, 0); /* stored block with bad UTF-8 */
	/* RSV1 belongs to the first frame of a message and to nothing else. */
	assert_code(SPAN("\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00"), 1002, 0);
	assert_code(SPAN("\xc9\x00"), 1002, 0);
	/* Uncompressed messages pass as before. */
	assert_code(SPAN("\x81\x02hi"), 0, 1);
	buf_deinit(&text);
	buf_deinit(&body);
	buf_deinit(&in);
}

static void deflate_without_room_changes_nothing(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 12);
	buf_add_span(&b, SPAN("keep"));
	assert_false(ws_deflate(&b, SPAN("0123456789abcdefghijklmnopqrstuvwxyz")));
	assert_span(buf_span(&b), "keep");
	assert_false(b.failed);
	buf_deinit(&b);
}

static void offers(void **state)
{
	(void)state;
#define PLAIN "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	static const struct {
		const char *offer, *answer;
	} cases[] = {
		{ "permessage-deflate", PLAIN },
		{ "permessage-deflate; client_max_window_bits", PLAIN },
		{ "Permessage-Deflate ; Client_Max_Window_Bits = 10", PLAIN },
		{ "permessage-deflate; client_max_window_bits=\"15\"", PLAIN },
		{ "permessage-deflate;server_no_context_takeover;client_no_context_takeover", PLAIN },
		{ "permessage-deflate; server_max_window_bits=15", PLAIN "; server_max_window_bits=15" },
		{ "permessage-deflate; server_max_window_bits=10", NULL },
		{ "permessage-deflate; server_max_window_bits=10, permessage-deflate", PLAIN },
		{ "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits", PLAIN },
		{ "permessage-deflate; server_max_window_bits", NULL },
		{ "permessage-deflate; server_max_window_bits=16", NULL },
		{ "permessage-deflate; client_max_window_bits=7", NULL },
		{ "permessage-deflate; client_max_window_bits=015", NULL },
		{ "permessage-deflate; client_no_context_takeover=1", NULL },
		{ "permessage-deflate; client_no_context_takeover; client_no_context_takeover", NULL },
		{ "permessage-deflate; unknown", NULL },
		{ "permessage-deflate;", PLAIN },
		{ "", NULL },
		{ ",,;", NULL },
		{ "permessage-bzip2", NULL },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct buf b;
		buf_init(&b, 1000);
		bool ok = ws_deflate_offer(span_str(cases[i].offer), &b);
		if (ok != (cases[i].answer != NULL)) fail_msg("%s", cases[i].offer);
		assert_span(buf_span(&b), cases[i].answer ? cases[i].answer : "");
		buf_deinit(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(round_trips), cmocka_unit_test(examples_of_the_rfc),
		cmocka_unit_test(bounds_and_bad_data), cmocka_unit_test(deflate_without_room_changes_nothing),
		cmocka_unit_test(offers) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
