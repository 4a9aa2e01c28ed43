#include "base/sha1.h"

static uint32_t rol(uint32_t v, int bits) { return v << bits | v >> (32 - bits); }

/* The three bit mixes of FIPS 180-4 section 4.1.1 with their constants. */
static uint32_t mix(int t, uint32_t b, uint32_t c, uint32_t d)
{
	if (t < 20) return ((b & c) | (~b & d)) + 0x5a827999u;
	if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1u;
	if (t < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcu;
	return (b ^ c ^ d) + 0xca62c1d6u;
}

static void absorb(uint32_t h[5], const uint8_t block[64])
{
	uint32_t w[80];
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
		       block[4 * i + 3];
	for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
	for (int t = 0; t < 80; t++) {
		uint32_t next = rol(a, 5) + mix(t, b, c, d) + e + w[t];
		e = d;
		d = c;
		c = rol(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

void sha1(struct span data, uint8_t out[20])
{
	uint32_t h[5] = { 0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u };
	const uint8_t *p = (const uint8_t *)data.p;
	size_t left = data.n;
	for (; left >= 64; p += 64, left -= 64) absorb(h, p);
	/* The rest, a 1 bit, zeros, and the length in bits: one block or two. */
	uint8_t tail[128] = { 0 };
	if (left) memcpy(tail, p, left);
	tail[left] = 0x80;
	size_t end = left < 56 ? 64 : 128;
	for (size_t i = 0; i < 8; i++) tail[end - 1 - i] = (uint8_t)((uint64_t)data.n * 8 >> (8 * i));
	absorb(h, tail);
	if (end == 128) absorb(h, tail + 64);
	for (int i = 0; i < 20; i++) out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}
