#include "base/rng.h"

#include <errno.h>
#include <sys/random.h>

#include "base/compiler.h"

static void system_fill(void *ctx, void *p, size_t n)
{
	(void)ctx;
	char *at = p;
	while (n) {
		ssize_t got = getrandom(at, n, 0);
		if (got < 0 && errno == EINTR) continue;
		BECK_ASSERT(got > 0);
		at += got;
		n -= (size_t)got;
	}
}

const struct rng rng_system = { system_fill, NULL };

uint64_t rng_u64(const struct rng *r)
{
	uint64_t v;
	rng_fill(r, &v, sizeof v);
	return v;
}

void rng_uuid4(const struct rng *r, char out[37])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t b[16];
	rng_fill(r, b, sizeof b);
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* RFC 9562 variant */
	char *p = out;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10) *p++ = '-';
		*p++ = hex[b[i] >> 4];
		*p++ = hex[b[i] & 15];
	}
	*p = 0;
}
