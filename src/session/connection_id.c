/* connection_id: base64url of node (2 bytes), loop (2), slot (4), random (12). The random part is what nobody can guess, and what
 * tells a session from an earlier one in its slot. The slot is masked with what its hub alone can tell from the random part: bare
 * it would say how many sessions there are, those of invisible users too. */
#include <string.h>

#include "base/map.h"
#include "session/hub.h"

enum { RAW_BYTES = 20, RANDOM_BYTES = 12 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static uint32_t mask_of(const uint8_t raw[RAW_BYTES], const uint64_t seed[2])
{
	return (uint32_t)map_siphash(seed, span_make((const char *)raw + RAW_BYTES - RANDOM_BYTES, RANDOM_BYTES));
}

void connection_id_make(char out[CONNECTION_ID_BYTES + 1], unsigned node, unsigned loop, uint32_t slot, const uint64_t seed[2],
	const struct rng *rng)
{
	uint8_t raw[RAW_BYTES + 1] = { (uint8_t)(node >> 8), (uint8_t)node, (uint8_t)(loop >> 8), (uint8_t)loop };
	rng_fill(rng, raw + RAW_BYTES - RANDOM_BYTES, RANDOM_BYTES);
	slot ^= mask_of(raw, seed);
	for (int i = 0; i < 4; i++) raw[4 + i] = (uint8_t)(slot >> (24 - 8 * i));
	for (size_t i = 0; i < CONNECTION_ID_BYTES; i++) {
		const uint8_t *p = raw + i / 4 * 3;
		uint32_t three = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		out[i] = digits[three >> (18 - 6 * (i % 4)) & 63];
	}
	out[CONNECTION_ID_BYTES] = 0;
}

static int digit_value(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

static bool decode(struct span id, uint8_t raw[RAW_BYTES + 1])
{
	memset(raw, 0, RAW_BYTES + 1);
	if (id.n != CONNECTION_ID_BYTES) return false;
	for (size_t i = 0; i < id.n; i++) {
		int v = digit_value(id.p[i]);
		if (v < 0) return false;
		uint8_t *p = raw + i / 4 * 3;
		uint32_t three = (uint32_t)v << (18 - 6 * (i % 4));
		p[0] = (uint8_t)(p[0] | three >> 16);
		p[1] = (uint8_t)(p[1] | (three >> 8 & 255));
		p[2] = (uint8_t)(p[2] | (three & 255));
	}
	return true;
}

bool connection_id_slot(struct span id, const uint64_t seed[2], uint32_t *slot)
{
	uint8_t raw[RAW_BYTES + 1];
	if (!decode(id, raw)) return false;
	*slot = ((uint32_t)raw[4] << 24 | (uint32_t)raw[5] << 16 | (uint32_t)raw[6] << 8 | raw[7]) ^ mask_of(raw, seed);
	return true;
}

bool connection_id_loop(struct span id, unsigned *node, unsigned *loop)
{
	uint8_t raw[RAW_BYTES + 1];
	if (!decode(id, raw)) return false;
	*node = (unsigned)raw[0] << 8 | raw[1];
	*loop = (unsigned)raw[2] << 8 | raw[3];
	return true;
}
