#include "cm.h"

#include "base/utf8.h"

/* Valid or not by decoding the plain way; the truth for all sequences of up to four bytes. */
static bool plain_valid(const uint8_t *p, size_t n)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	for (size_t i = 0; i < n;) {
		size_t len = p[i] < 0x80             ? 1
			     : (p[i] & 0xe0) == 0xc0 ? 2
			     : (p[i] & 0xf0) == 0xe0 ? 3
			     : (p[i] & 0xf8) == 0xf0 ? 4
						     : 0;
		if (len == 0 || n - i < len) return false;
		uint32_t v = len == 1 ? p[i] : p[i] & (0xffu >> (len + 1));
		for (size_t k = 1; k < len; k++) {
			if ((p[i + k] & 0xc0) != 0x80) return false;
			v = v << 6 | (p[i + k] & 0x3f);
		}
		if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) return false;
		i += len;
	}
	return true;
}

/* All pairs, and all longer sequences of bytes at the edges of the classes. */
static void every_short_sequence(void **state)
{
	(void)state;
	static const uint8_t edge[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
		0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff };
	enum { N = sizeof edge };
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			uint8_t s[2] = { (uint8_t)a, (uint8_t)b };
			for (size_t n = 1; n <= 2; n++)
				assert_int_equal(utf8_valid((struct span){ (const char *)s, n }), plain_valid(s, n));
		}
	for (size_t i = 0; i < (size_t)N * N * N * N; i++) {
		uint8_t s[4] = { edge[i % N], edge[i / N % N], edge[i / N / N % N], edge[i / N / N / N] };
		if (utf8_valid((struct span){ (const char *)s, 4 }) != plain_valid(s, 4))
			fail_msg("%02x %02x %02x %02x", s[0], s[1], s[2], s[3]);
	}
}

static void any_split_gives_the_same(void **state)
{
	(void)state;
	const struct span s = SPAN("ascii \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 end of a longer run");
	for (size_t i = 0; i <= s.n; i++) {
		uint32_t st = 0;
		assert_true(utf8_feed(&st, (struct span){ s.p, i }));
		assert_true(utf8_feed(&st, span_skip(s, i)));
		assert_true(utf8_complete(st));
	}
	uint32_t st = 0;
	assert_true(utf8_feed(&st, SPAN("\xf0\x9f")));
	assert_false(utf8_complete(st));
	assert_true(utf8_feed(&st, SPAN_NONE));
	assert_false(utf8_complete(st));
}

static void fails_at_the_first_bad_byte(void **state)
{
	(void)state;
	uint32_t st = 0;
	assert_false(utf8_feed(&st, SPAN("\xf4\x90"))); /* beyond U+10FFFF is known after two bytes of four */
	st = 0;
	assert_false(utf8_feed(&st, SPAN("\xed\xa0")));
}

static void length_counts_code_points(void **state)
{
	(void)state;
	assert_int_equal(utf8_length(SPAN("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")), 4);
	assert_int_equal(utf8_length(SPAN_NONE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_short_sequence), cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(fails_at_the_first_bad_byte), cmocka_unit_test(length_counts_code_points) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
