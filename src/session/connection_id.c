/* connection_id: base64url of node (2 bytes), loop (2), slot (4), random (12). The random part is what nobody can guess, and what
 * tells a session from an earlier one in its slot. */
#include <string.h>

#include "session/hub.h"

enum { RAW_BYTES = 20, RANDOM_BYTES = 12 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void connection_id_make(char out[CONNECTION_ID_BYTES + 1], unsigned node, unsigned loop, uint32_t slot, const struct rng *rng)
{
	uint8_t raw[RAW_BYTES + 1] = { (uint8_t)(node >> 8), (uint8_t)node, (uint8_t)(loop >> 8), (uint8_t)loop,
		(uint8_t)(slot >> 24), (uint8_t)(slot >> 16), (uint8_t)(slot >> 8), (uint8_t)slot };
	rng_fill(rng, raw + RAW_BYTES - RANDOM_BYTES, RANDOM_BYTES);
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

bool connection_id_parse(struct span id, unsigned *node, unsigned *loop, uint32_t *slot)
{
	uint8_t raw[RAW_BYTES + 1] = { 0 };
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
	*node = (unsigned)raw[0] << 8 | raw[1];
	*loop = (unsigned)raw[2] << 8 | raw[3];
	*slot = (uint32_t)raw[4] << 24 | (uint32_t)raw[5] << 16 | (uint32_t)raw[6] << 8 | raw[7];
	return true;
}

bool connection_id_loop(struct span id, unsigned *node, unsigned *loop)
{
	uint32_t slot;
	return connection_id_parse(id, node, loop, &slot);
}
