#include "base/rng.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/compiler.h"

static void draw(char *p, size_t n)
{
	while (n) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0 && errno == EINTR) continue;
		BECK_ASSERT(got > 0);
		p += got;
		n -= (size_t)got;
	}
}

/* Each thread draws ahead for small wants (a request id costs no system call); what was given is not kept. No process of ours
 * forks once it has threads, so no two have the same pool. */
static void system_fill(void *ctx, void *p, size_t n)
{
	static _Thread_local char pool[256]; /* 256 bytes: as much as getrandom gives in one piece */
	static _Thread_local size_t left;
	(void)ctx;
	if (n > sizeof pool / 4) {
		draw(p, n);
		return;
	}
	if (n > left) {
		draw(pool, sizeof pool);
		left = sizeof pool;
	}
	left -= n;
	memcpy(p, pool + left, n);
	memset(pool + left, 0, n);
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
