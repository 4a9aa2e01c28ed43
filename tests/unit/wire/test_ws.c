#include "../base/cm.h"

#include "wire/ws.h"

enum { MAX = 1000, FRAMES = 6 };

/* What a decoder said, as text: "T<payload>|", "B...|", "P...|" (ping), "O...|" (pong), "C<code> <reason>|". */
struct heard {
	struct buf log;
	struct ws_decoder *stop; /* stopped by the first event */
};

static void hear(struct heard *h, const char *kind, struct span s)
{
	buf_add_span(&h->log, span_str(kind));
	if (s.n > 100)
		buf_printf(&h->log, "<%zu>", s.n);
	else
		buf_add_span(&h->log, s);
	buf_add_char(&h->log, '|');
	if (h->stop) ws_decoder_stop(h->stop);
}

static void on_message(void *ctx, enum ws_opcode op, struct span s) { hear(ctx, op == WS_TEXT ? "T" : "B", s); }
static void on_ping(void *ctx, struct span s) { hear(ctx, "P", s); }
static void on_pong(void *ctx, struct span s) { hear(ctx, "O", s); }
static void on_close(void *ctx, uint16_t code, struct span reason)
{
	char head[16];
	snprintf(head, sizeof head, "C%u ", (unsigned)code);
	hear(ctx, head, reason);
}
static const struct ws_events events = { on_message, on_ping, on_pong, on_close };

struct heard_result {
	struct buf log;
	uint16_t code;
	size_t code_at; /* bytes fed when the code came */
};

/* Feeds in pieces that end at `cut` and then every `step` bytes. */
static struct heard_result run(enum ws_role role, bool deflate, struct span in, size_t cut, size_t step)
{
	struct heard h = { 0 };
	struct ws_decoder d;
	struct heard_result r = { 0 };
	buf_init(&h.log, 1 << 20);
	ws_decoder_init(&d, role, MAX, &events, &h);
	if (deflate) assert_true(ws_decoder_use_deflate(&d));
	for (size_t at = 0; at < in.n;) {
		size_t n = at < cut ? cut - at : step;
		if (n > in.n - at) n = in.n - at;
		/* A copy of its own lets the sanitizer see any read beside the piece. */
		struct buf piece;
		buf_init(&piece, n);
		buf_add(&piece, in.p + at, n);
		uint16_t code = ws_decoder_feed(&d, piece.p, n);
		buf_deinit(&piece);
		at += n;
		if (code && r.code) fail_msg("two codes");
		if (code) r.code_at = at;
		if (code) r.code = code;
	}
	/* Idle or stopped, it holds nothing. */
	if (r.code || d.message_opcode == 0) assert_null(d.message.p);
	ws_decoder_deinit(&d);
	r.log = h.log;
	return r;
}

static void expect(const char *name, enum ws_role role, bool deflate, struct span in, const char *log, uint16_t code)
{
	for (size_t cut = 0; cut <= in.n + 1; cut++) {
		/* Every split in two; the last turn is byte by byte. */
		struct heard_result r = cut <= in.n ? run(role, deflate, in, cut, in.n) : run(role, deflate, in, 0, 1);
		if (r.code != code || !span_is(buf_span(&r.log), log))
			fail_msg("%s (cut %zu of %zu, role %d): got %u \"%.*s\", want %u \"%s\"", name, cut, in.n, (int)role,
				r.code, SPAN_FMT(buf_span(&r.log)), code, log);
		buf_deinit(&r.log);
	}
}

struct frame {
	uint8_t first; /* FIN, RSV and opcode */
	const char *payload;
	size_t n;
};
#define F(first, lit)                                                                                                            \
	{                                                                                                                        \
		first, "" lit "", sizeof(lit) - 1                                                                                \
	}
enum { FIN = 0x80, TEXT = WS_TEXT, BIN = WS_BINARY, CONT = WS_CONT, PING = WS_PING, PONG = WS_PONG, CLOSE = WS_CLOSE };

static void add_frame(struct buf *out, enum ws_role receiver, struct frame f)
{
	static const uint8_t mask[4] = { 0x9f, 0x01, 0x80, 0x37 };
	size_t start = out->n;
	ws_frame(out, (enum ws_opcode)(f.first & 15), (struct span){ f.payload, f.n }, receiver == WS_SERVER ? mask : NULL);
	out->p[start] = (char)f.first;
}

struct scenario {
	const char *name;
	struct frame frames[FRAMES];
	const char *log;
	uint16_t code;
};

static void play(const struct scenario *s, bool deflate)
{
	for (int role = WS_SERVER; role <= WS_CLIENT; role++) {
		struct buf in;
		buf_init(&in, 1 << 20);
		for (size_t i = 0; i < FRAMES && s->frames[i].payload; i++) add_frame(&in, (enum ws_role)role, s->frames[i]);
		expect(s->name, (enum ws_role)role, deflate, buf_span(&in), s->log, s->code);
		buf_deinit(&in);
	}
}

#define TEN     "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct scenario scenarios[] = {
	/* payloads */
	{ "empty text", { F(FIN | TEXT, "") }, "T|", 0 },
	{ "empty binary", { F(FIN | BIN, "") }, "B|", 0 },
	{ "text", { F(FIN | TEXT, "hello") }, "Thello|", 0 },
	{ "binary of all kinds", { F(FIN | BIN, "\x80\xff\xfe") }, "B\x80\xff\xfe|", 0 },
	{ "125", { F(FIN | BIN, HUNDRED TEN TEN "01234") }, "B<125>|", 0 },
	{ "126", { F(FIN | BIN, HUNDRED TEN TEN "012345") }, "B<126>|", 0 },
	{ "several", { F(FIN | TEXT, "a"), F(FIN | BIN, "b"), F(FIN | TEXT, "c") }, "Ta|Bb|Tc|", 0 },
	/* control frames */
	{ "ping", { F(FIN | PING, "x") }, "Px|", 0 },
	{ "empty ping", { F(FIN | PING, "") }, "P|", 0 },
	{ "binary ping", { F(FIN | PING, "\xff\xfe") }, "P\xff\xfe|", 0 },
	{ "ping of 125", { F(FIN | PING, HUNDRED TEN TEN "01234") }, "P<125>|", 0 },
	{ "ping of 126", { F(FIN | PING, HUNDRED TEN TEN "012345") }, "", 1002 },
	{ "unasked pong", { F(FIN | PONG, "") }, "O|", 0 },
	{ "pings around", { F(FIN | PING, "1"), F(FIN | TEXT, "a"), F(FIN | PING, "2") }, "P1|Ta|P2|", 0 },
	{ "fragmented ping", { F(PING, "a"), F(FIN | CONT, "b") }, "", 1002 },
	{ "fragmented pong", { F(PONG, "a") }, "", 1002 },
	{ "fragmented close", { F(CLOSE, "") }, "", 1002 },
	/* reserved bits and opcodes */
	{ "rsv1", { F(FIN | 0x40 | TEXT, "a") }, "", 1002 },
	{ "rsv2", { F(FIN | 0x20 | TEXT, "a") }, "", 1002 },
	{ "rsv3", { F(FIN | 0x10 | BIN, "") }, "", 1002 },
	{ "rsv on a ping", { F(FIN | TEXT, "a"), F(FIN | 0x40 | PING, "") }, "Ta|", 1002 },
	{ "rsv on a close", { F(FIN | 0x20 | CLOSE, "") }, "", 1002 },
	{ "opcode 3", { F(FIN | 3, "") }, "", 1002 },
	{ "opcode 7", { F(FIN | 7, "abc") }, "", 1002 },
	{ "opcode 11", { F(FIN | 11, "") }, "", 1002 },
	{ "opcode 15", { F(FIN | TEXT, "a"), F(FIN | 15, "") }, "Ta|", 1002 },
	/* fragmentation */
	{ "two parts", { F(TEXT, "he"), F(FIN | CONT, "llo") }, "Thello|", 0 },
	{ "empty parts", { F(TEXT, ""), F(CONT, ""), F(FIN | CONT, "") }, "T|", 0 },
	{ "empty around", { F(TEXT, ""), F(CONT, "x"), F(FIN | CONT, "") }, "Tx|", 0 },
	{ "binary parts", { F(BIN, "a"), F(CONT, "b"), F(FIN | CONT, "c") }, "Babc|", 0 },
	{ "ping between", { F(TEXT, "a"), F(FIN | PING, "p"), F(FIN | CONT, "b") }, "Pp|Tab|", 0 },
	{ "pings between",
		{ F(TEXT, "a"), F(FIN | PING, "1"), F(FIN | PONG, "2"), F(CONT, "b"), F(FIN | PING, "3"), F(FIN | CONT, "c") },
		"P1|O2|P3|Tabc|", 0 },
	{ "close between", { F(TEXT, "a"), F(FIN | CLOSE, "\x03\xe8"), F(FIN | CONT, "b") }, "C1000 |", 0 },
	{ "continuation of nothing", { F(FIN | CONT, "a") }, "", 1002 },
	{ "continuation of nothing, more", { F(CONT, "a") }, "", 1002 },
	{ "continuation after the end", { F(TEXT, "a"), F(FIN | CONT, "b"), F(FIN | CONT, "c") }, "Tab|", 1002 },
	{ "new message inside", { F(TEXT, "a"), F(FIN | TEXT, "b") }, "", 1002 },
	{ "new binary inside", { F(TEXT, "a"), F(BIN, "b") }, "", 1002 },
	{ "never ended", { F(TEXT, "a"), F(CONT, "b") }, "", 0 },
	/* UTF-8 */
	{ "utf8", { F(FIN | TEXT, "\xce\xba\xe1\xbd\xb9\xf0\x9f\x98\x80") }, "T\xce\xba\xe1\xbd\xb9\xf0\x9f\x98\x80|", 0 },
	{ "character in three frames", { F(TEXT, "\xf0"), F(CONT, "\x9f\x98"), F(FIN | CONT, "\x80") }, "T\xf0\x9f\x98\x80|", 0 },
	{ "character across a ping", { F(TEXT, "\xc3"), F(FIN | PING, "\xff"), F(FIN | CONT, "\xa4") }, "P\xff|T\xc3\xa4|", 0 },
	{ "cut character", { F(FIN | TEXT, "\xe2\x82") }, "", 1007 },
	{ "cut character in parts", { F(TEXT, "\xe2\x82"), F(FIN | CONT, "") }, "", 1007 },
	{ "bad byte", { F(FIN | TEXT, "a\xff") }, "", 1007 },
	{ "surrogate", { F(FIN | TEXT, "\xed\xa0\x80") }, "", 1007 },
	{ "overlong", { F(FIN | TEXT, "\xc0\x80") }, "", 1007 },
	{ "beyond", { F(FIN | TEXT, "\xf4\x90\x80\x80") }, "", 1007 },
	{ "bad before the end", { F(TEXT, "a\xff"), F(FIN | CONT, "b") }, "", 1007 },
	{ "state does not leak", { F(FIN | TEXT, "ok"), F(BIN, "\xc3"), F(FIN | CONT, ""), F(FIN | TEXT, "ok") },
		"Tok|B\xc3|Tok|", 0 },
	/* closing */
	{ "close without a code", { F(FIN | CLOSE, "") }, "C1005 |", 0 },
	{ "close of one byte", { F(FIN | CLOSE, "\x03") }, "", 1002 },
	{ "close 1000", { F(FIN | CLOSE, "\x03\xe8") }, "C1000 |", 0 },
	{ "close with a reason",
		{ F(FIN | CLOSE, "\x03\xe9"
				 "bye") },
		"C1001 bye|", 0 },
	{ "close with a long reason", { F(FIN | CLOSE, "\x03\xe9" HUNDRED TEN TEN "012") }, "C1001 <123>|", 0 },
	{ "close too long", { F(FIN | CLOSE, "\x03\xe9" HUNDRED TEN TEN "0123") }, "", 1002 },
	{ "close with bad utf8", { F(FIN | CLOSE, "\x03\xe8\xff") }, "", 1007 },
	{ "close with cut utf8", { F(FIN | CLOSE, "\x03\xe8\xc3") }, "", 1007 },
	{ "nothing behind a close", { F(FIN | CLOSE, "\x03\xe8"), F(FIN | TEXT, "a"), F(FIN | 15, "") }, "C1000 |", 0 },
	{ "two closes", { F(FIN | CLOSE, "\x03\xe8"), F(FIN | CLOSE, "\x03\xe8") }, "C1000 |", 0 },
};

static void the_table_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < BECK_COUNT(scenarios); i++) play(&scenarios[i], false);
}

static void close_codes(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 66000; code = code < 5010 ? code + 1 : code + 997) {
		uint16_t c = (uint16_t)code;
		char payload[2] = { (char)(c >> 8), (char)(c & 255) };
		bool ok = (c >= 1000 && c <= 1003) || (c >= 1007 && c <= 1014) || (c >= 3000 && c <= 4999);
		struct buf in;
		buf_init(&in, 100);
		add_frame(&in, WS_SERVER, (struct frame){ FIN | CLOSE, payload, 2 });
		struct heard_result r = run(WS_SERVER, false, buf_span(&in), 0, 100);
		assert_int_equal(r.code, ok ? 0 : 1002);
		assert_int_equal(r.log.n > 0, ok);
		buf_deinit(&r.log);
		buf_deinit(&in);
	}
}

static void masking_is_demanded_and_refused(void **state)
{
	(void)state;
	const struct span unmasked = SPAN("\x81\x01"
					  "a"),
			  masked = SPAN("\x81\x81\x01\x02\x03\x04\x60");
	expect("unmasked to a server", WS_SERVER, false, unmasked, "", 1002);
	expect("masked to a client", WS_CLIENT, false, masked, "", 1002);
	expect("masked to a server", WS_SERVER, false, masked, "Ta|", 0);
	expect("unmasked to a client", WS_CLIENT, false, unmasked, "Ta|", 0);
}

static void lengths_have_one_form(void **state)
{
	(void)state;
	expect("16 bits for 125", WS_CLIENT, false, SPAN("\x82\x7e\x00\x7d"), "", 1002);
	expect("64 bits for 125", WS_CLIENT, false, SPAN("\x82\x7f\0\0\0\0\0\0\0\x7d"), "", 1002);
	expect("64 bits for 65535", WS_CLIENT, false, SPAN("\x82\x7f\0\0\0\0\0\0\xff\xff"), "", 1002);
	expect("top bit", WS_CLIENT, false, SPAN("\x82\x7f\x80\0\0\0\0\0\0\0"), "", 1002);
	expect("64 bits too big", WS_CLIENT, false, SPAN("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), "", 1009);
	expect("ping with 16 bits", WS_CLIENT, false, SPAN("\x89\x7e\x00\x05hello"), "", 1002);
	expect("ping with 64 bits", WS_CLIENT, false, SPAN("\x89\x7f\0\0\0\0\0\0\0\x05hello"), "", 1002);
}

/* The bound, one past it, and both spread over fragments. */
static void oversize(void **state)
{
	(void)state;
	static char big[MAX + 1];
	memset(big, 'a', sizeof big);
	const struct scenario at_bound = { "at the bound", { { FIN | TEXT, big, MAX } }, "T<1000>|", 0 },
			      past = { "one past", { { FIN | TEXT, big, MAX + 1 } }, "", 1009 },
			      parts = { "parts at the bound", { { TEXT, big, 600 }, { FIN | CONT, big, 400 } }, "T<1000>|", 0 },
			      parts_past = { "parts one past", { { TEXT, big, 600 }, { FIN | CONT, big, 401 } }, "", 1009 },
			      twice = { "twice", { { FIN | BIN, big, MAX }, { FIN | BIN, big, MAX } }, "B<1000>|B<1000>|", 0 };
	play(&at_bound, false);
	play(&past, false);
	play(&parts, false);
	play(&parts_past, false);
	play(&twice, false);
}

static void fails_as_early_as_it_can(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct span in;
		uint16_t code;
		size_t at;
	} cases[] = {
		{ "opcode at the first byte", { "\x83\x85", 2 }, 1002, 1 },
		{ "mask at the second",
			{ "\x81\x05"
			  "hello",
				7 },
			1002, 2 },
		{ "size at the head's end", { "\x81\xfe\x03\xe9\0\0\0\0aaaa", 12 }, 1009, 8 },
		{ "utf8 at the byte",
			{ "\x81\x85\0\0\0\0a\xff"
			  "bcd",
				11 },
			1007, 8 },
		{ "utf8 beyond at the second byte", { "\x01\x84\0\0\0\0\xf4\x90\x80\x80", 10 }, 1007, 8 },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct heard_result r = run(WS_SERVER, false, cases[i].in, 0, 1);
		if (r.code != cases[i].code || r.code_at != cases[i].at)
			fail_msg("%s: %u at %zu", cases[i].name, r.code, r.code_at);
		buf_deinit(&r.log);
	}
}

static void a_callback_may_stop(void **state)
{
	(void)state;
	struct heard h = { 0 };
	struct ws_decoder d;
	buf_init(&h.log, 1000);
	ws_decoder_init(&d, WS_CLIENT, MAX, &events, &h);
	h.stop = &d;
	assert_int_equal(ws_decoder_feed(&d,
				 "\x81\x01"
				 "a\x81\x01"
				 "b\xff",
				 7),
		0);
	assert_span(buf_span(&h.log), "Ta|");
	assert_int_equal(ws_decoder_feed(&d,
				 "\x81\x01"
				 "c",
				 3),
		0);
	assert_span(buf_span(&h.log), "Ta|");
	assert_null(d.message.p);
	buf_deinit(&h.log);
	ws_decoder_deinit(&d);
}

/* A head that announces much does not make the decoder hold much. */
static void memory_follows_what_came(void **state)
{
	(void)state;
	struct heard h = { 0 };
	struct ws_decoder d;
	ws_decoder_init(&d, WS_CLIENT, 65536, &events, &h);
	assert_int_equal(ws_decoder_feed(&d,
				 "\x82\x7e\xff\xff"
				 "abc",
				 7),
		0);
	assert_true(d.message.cap <= 128);
	ws_decoder_deinit(&d);
	assert_null(d.message.p);
	assert_true(sizeof d <= 256);
}

static void unmasks_at_any_offset(void **state)
{
	(void)state;
	const uint8_t mask[4] = { 1, 2, 4, 8 };
	char plain[67];
	for (size_t i = 0; i < sizeof plain; i++) plain[i] = (char)('0' + i % 64);
	for (size_t n = 0; n <= sizeof plain; n++) {
		struct buf b;
		buf_init(&b, 1000);
		ws_frame(&b, WS_BINARY, (struct span){ plain, n }, mask);
		for (size_t i = 0; i < n; i++) assert_int_equal((uint8_t)b.p[6 + i], (uint8_t)plain[i] ^ mask[i % 4]);
		assert_int_equal(b.n, 6 + n);
		buf_deinit(&b);
	}
}

static void heads(void **state)
{
	(void)state;
	uint8_t h[10];
	assert_int_equal(ws_head(h, WS_TEXT, 0, false), 2);
	assert_memory_equal(h, "\x81\x00", 2);
	assert_int_equal(ws_head(h, WS_TEXT, 125, true), 2);
	assert_memory_equal(h, "\xc1\x7d", 2);
	assert_int_equal(ws_head(h, WS_BINARY, 126, false), 4);
	assert_memory_equal(h, "\x82\x7e\x00\x7e", 4);
	assert_int_equal(ws_head(h, WS_PING, 65535, false), 4);
	assert_memory_equal(h, "\x89\x7e\xff\xff", 4);
	assert_int_equal(ws_head(h, WS_TEXT, 65536, false), 10);
	assert_memory_equal(h, "\x81\x7f\0\0\0\0\0\x01\0\0", 10);
}

static void a_frame_that_does_not_fit_fails_whole(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 7);
	ws_frame(&b, WS_TEXT, SPAN("hello"), NULL);
	assert_false(b.failed);
	buf_clear(&b);
	ws_frame(&b, WS_TEXT, SPAN("hello!"), NULL);
	assert_true(b.failed);
	assert_int_equal(b.n, 0);
	buf_deinit(&b);
}

static void close_payloads(void **state)
{
	(void)state;
	uint8_t out[125];
	assert_int_equal(ws_close_payload(out, 1005, SPAN("x")), 0);
	assert_int_equal(ws_close_payload(out, 1000, SPAN_NONE), 2);
	assert_memory_equal(out, "\x03\xe8", 2);
	assert_int_equal(ws_close_payload(out, 4000, SPAN("why")), 5);
	assert_memory_equal(out, "\x0f\xa0why", 5);
	/* 121 bytes and characters of three: the cut falls between them. */
	assert_int_equal(ws_close_payload(out, 1001,
				 SPAN(HUNDRED TEN TEN "1"
						      "\xe2\x82\xac\xe2\x82\xac")),
		2 + 121);
	assert_int_equal(ws_close_payload(out, 1001, SPAN(HUNDRED TEN TEN "\xe2\x82\xac\xe2\x82\xac")), 2 + 123);
	assert_int_equal(ws_close_payload(out, 1001, SPAN(HUNDRED HUNDRED)), 125);
}

static void accept_key_of_the_rfc(void **state)
{
	(void)state;
	char out[29];
	ws_accept(SPAN("dGhlIHNhbXBsZSBub25jZQ=="), out);
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	ws_accept(SPAN(HUNDRED), out);
	assert_int_equal(strlen(out), 28);
	ws_accept(SPAN_NONE, out);
	assert_int_equal(strlen(out), 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_table_at_every_split), cmocka_unit_test(close_codes),
		cmocka_unit_test(masking_is_demanded_and_refused), cmocka_unit_test(lengths_have_one_form),
		cmocka_unit_test(oversize), cmocka_unit_test(fails_as_early_as_it_can), cmocka_unit_test(a_callback_may_stop),
		cmocka_unit_test(memory_follows_what_came), cmocka_unit_test(unmasks_at_any_offset), cmocka_unit_test(heads),
		cmocka_unit_test(a_frame_that_does_not_fit_fails_whole), cmocka_unit_test(close_payloads),
		cmocka_unit_test(accept_key_of_the_rfc) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
