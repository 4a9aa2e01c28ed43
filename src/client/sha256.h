/* SHA-256 and HMAC-SHA256 (FIPS 180-4, FIPS 198-1), for tokens and webhooks. Our own because libbeck links no cryptographic
 * library: which one libcurl uses is nobody's business. Checked against the published vectors. */
#ifndef BECK_CLIENT_SHA256_H
#define BECK_CLIENT_SHA256_H

#include <stdint.h>

#include "base/span.h"

struct sha256 {
	uint32_t h[8];
	uint64_t bytes;
	uint8_t block[64];
	size_t have;
};

void sha256_init(struct sha256 *s);
void sha256_feed(struct sha256 *s, struct span data);
void sha256_end(struct sha256 *s, uint8_t out[32]);
void sha256_hmac(struct span key, struct span data, uint8_t out[32]);

#endif
