/* Tokens whose signature was found good, so that a client who comes again pays for no HMAC and no parsing. One per loop; bounded;
 * a newer token takes the place of an older one. It remembers proof only: times and revocation are looked at on every call. */
#ifndef BECK_API_TOKEN_CACHE_H
#define BECK_API_TOKEN_CACHE_H

#include "base/rng.h"
#include "wire/jwt.h"

struct token_cache;

struct token_cache *token_cache_create(const struct rng *rng) BECK_WARN_UNUSED; /* NULL without memory */
void token_cache_destroy(struct token_cache *t);
/* Fills out (but not what verification needs), with its user id in the arena. app: the snapshot's serial, which changes with the
 * application's secrets. A NULL cache knows nothing. */
bool token_cache_get(const struct token_cache *t, uint64_t app, struct span token, struct arena *a, struct jwt *out);
void token_cache_put(struct token_cache *t, uint64_t app, struct span token, const struct jwt *verified);

#endif
