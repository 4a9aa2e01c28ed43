#include "base/utf8.h"

/* The state between two bytes: 0, or what the next byte must be: bits 0-7 continuation bytes still due, bits 8-15 the least and
 * bits 16-23 the greatest value of the next one. The bounds of the second byte keep out overlong forms (E0, F0), surrogates (ED)
 * and what lies beyond U+10FFFF (F4). */
static uint32_t expect(uint32_t due, uint32_t least, uint32_t most) { return due | least << 8 | most << 16; }

/* State after a lead byte >= 0x80; 0 when it is none. */
static uint32_t lead(uint8_t c)
{
	if (c < 0xc2 || c > 0xf4) return 0;
	if (c < 0xe0) return expect(1, 0x80, 0xbf);
	if (c == 0xe0) return expect(2, 0xa0, 0xbf);
	if (c == 0xed) return expect(2, 0x80, 0x9f);
	if (c < 0xf0) return expect(2, 0x80, 0xbf);
	if (c == 0xf0) return expect(3, 0x90, 0xbf);
	if (c == 0xf4) return expect(3, 0x80, 0x8f);
	return expect(3, 0x80, 0xbf);
}

static size_t ascii_run(const char *p, size_t n)
{
	size_t i = 0;
	for (; n - i >= 8; i += 8) {
		uint64_t word;
		memcpy(&word, p + i, sizeof word);
		if (word & UINT64_C(0x8080808080808080)) break;
	}
	while (i < n && (uint8_t)p[i] < 0x80) i++;
	return i;
}

bool utf8_feed(uint32_t *state, struct span s)
{
	uint32_t st = *state;
	for (size_t i = 0; i < s.n;) {
		uint8_t c = (uint8_t)s.p[i];
		if (st == 0) {
			if (c < 0x80) {
				i += ascii_run(s.p + i, s.n - i);
				continue;
			}
			st = lead(c);
			if (st == 0) return false;
		} else {
			if (c < (st >> 8 & 0xff) || c > (st >> 16)) return false;
			uint32_t due = (st & 0xff) - 1;
			st = due ? expect(due, 0x80, 0xbf) : 0;
		}
		i++;
	}
	*state = st;
	return true;
}

bool utf8_valid(struct span s)
{
	uint32_t state = 0;
	return utf8_feed(&state, s) && utf8_complete(state);
}

size_t utf8_length(struct span s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
	return n;
}
