#include "net/proxy.h"

#include <string.h>

static const uint8_t signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };
enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21, TCP4_BYTES = 12, TCP6_BYTES = 36 };

static bool read_address(const uint8_t *p, size_t length, struct net_addr *client)
{
	if (p[13] == FAMILY_TCP4 && length >= TCP4_BYTES) {
		memset(client->bytes, 0, 10);
		client->bytes[10] = client->bytes[11] = 0xff;
		memcpy(client->bytes + 12, p + PROXY_HEAD_BYTES, 4);
		return true;
	}
	if (p[13] != FAMILY_TCP6 || length < TCP6_BYTES) return false;
	memcpy(client->bytes, p + PROXY_HEAD_BYTES, 16);
	return true;
}

enum proxy_result proxy_v2_parse(const uint8_t *p, size_t n, size_t *total, struct net_addr *client)
{
	*total = PROXY_HEAD_BYTES;
	if (memcmp(p, signature, n < sizeof signature ? n : sizeof signature) != 0) return PROXY_BAD;
	if (n < PROXY_HEAD_BYTES) return PROXY_MORE;
	size_t length = (size_t)p[14] << 8 | p[15];
	if (p[12] != COMMAND_LOCAL && p[12] != COMMAND_PROXY) return PROXY_BAD;
	if (PROXY_HEAD_BYTES + length > PROXY_MAX_BYTES) return PROXY_BAD;
	*total = PROXY_HEAD_BYTES + length;
	if (n < *total) return PROXY_MORE;
	if (p[12] == COMMAND_LOCAL || p[13] == 0) return PROXY_LOCAL;
	return read_address(p, length, client) ? PROXY_ADDRESS : PROXY_BAD;
}
