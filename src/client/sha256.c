#include "client/sha256.h"

#include <string.h>

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t constants[64] = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

static uint32_t ror(uint32_t v, int bits) { return v >> bits | v << (32 - bits); }

static void expand(uint32_t w[64], const uint8_t *block)
{
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
		       block[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
}

static void absorb(uint32_t h[8], const uint8_t *block)
{
	uint32_t w[64], v[8];
	expand(w, block);
	memcpy(v, h, sizeof v);
	for (int t = 0; t < 64; t++) {
		uint32_t s1 = ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25), choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t t1 = v[7] + s1 + choice + constants[t] + w[t];
		uint32_t s0 = ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22),
			 majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
		memmove(v + 1, v, 7 * sizeof *v);
		v[4] += t1;
		v[0] = t1 + s0 + majority;
	}
	for (int i = 0; i < 8; i++) h[i] += v[i];
}

void sha256_init(struct sha256 *s)
{
	static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
		0x5be0cd19 };
	*s = (struct sha256){ 0 };
	memcpy(s->h, start, sizeof start);
}

void sha256_feed(struct sha256 *s, struct span data)
{
	s->bytes += data.n;
	for (size_t i = 0; i < data.n; i++) {
		s->block[s->have++] = (uint8_t)data.p[i];
		if (s->have < sizeof s->block) continue;
		absorb(s->h, s->block);
		s->have = 0;
	}
}

void sha256_end(struct sha256 *s, uint8_t out[32])
{
	uint64_t bits = s->bytes * 8;
	char length[8];
	for (int i = 0; i < 8; i++) length[i] = (char)(bits >> (56 - 8 * i) & 0xff);
	sha256_feed(s, span_make("\x80", 1));
	while (s->have != 56) sha256_feed(s, span_make("", 1));
	sha256_feed(s, span_make(length, sizeof length));
	for (int i = 0; i < 32; i++) out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)) & 0xff);
}

static void padded(struct sha256 *s, const uint8_t key[64], uint8_t with)
{
	char block[64];
	for (int i = 0; i < 64; i++) block[i] = (char)(key[i] ^ with);
	sha256_init(s);
	sha256_feed(s, span_make(block, sizeof block));
}

void sha256_hmac(struct span key, struct span data, uint8_t out[32])
{
	struct sha256 s;
	uint8_t block[64] = { 0 };
	if (key.n > sizeof block) {
		sha256_init(&s);
		sha256_feed(&s, key);
		sha256_end(&s, block);
	} else if (key.n) {
		memcpy(block, key.p, key.n);
	}
	padded(&s, block, 0x36);
	sha256_feed(&s, data);
	sha256_end(&s, out);
	padded(&s, block, 0x5c);
	sha256_feed(&s, span_make((const char *)out, 32));
	sha256_end(&s, out);
}
