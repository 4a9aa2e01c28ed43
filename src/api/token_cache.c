#include "api/token_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum { SLOTS = 1024, TOKEN_MAX_BYTES = 1024 };

struct entry {
	uint64_t hash, app;
	struct jwt claims; /* user_id lies behind the token in `text` */
	size_t token_n;
	char text[];
};
struct token_cache {
	uint64_t seed[2]; /* secret: nobody can aim at a slot, or at a hash */
	struct entry *slots[SLOTS];
};

struct token_cache *token_cache_create(const struct rng *rng)
{
	struct token_cache *t = calloc(1, sizeof *t);
	if (!t) return NULL;
	t->seed[0] = rng_u64(rng);
	t->seed[1] = rng_u64(rng);
	return t;
}

void token_cache_destroy(struct token_cache *t)
{
	for (size_t i = 0; t && i < SLOTS; i++) free(t->slots[i]);
	free(t);
}

bool token_cache_get(const struct token_cache *t, uint64_t app, struct span token, struct arena *a, struct jwt *out)
{
	if (!t || token.n > TOKEN_MAX_BYTES) return false;
	uint64_t hash = map_siphash(t->seed, token);
	const struct entry *e = t->slots[hash % SLOTS];
	if (!e || e->hash != hash || e->app != app || !span_eq(span_make(e->text, e->token_n), token)) return false;
	struct jwt claims = e->claims;
	claims.user_id = arena_dup(a, e->claims.user_id);
	if (arena_failed(a)) return false;
	*out = claims;
	return true;
}

void token_cache_put(struct token_cache *t, uint64_t app, struct span token, const struct jwt *verified)
{
	if (!t || token.n > TOKEN_MAX_BYTES) return;
	struct entry *e = malloc(sizeof *e + token.n + verified->user_id.n);
	if (!e) return; /* the next call verifies again */
	*e = (struct entry){ .hash = map_siphash(t->seed, token), .app = app, .claims = *verified, .token_n = token.n };
	memcpy(e->text, token.p, token.n);
	e->claims.signed_part = e->claims.signature = SPAN_NONE;
	if (span_given(verified->user_id)) {
		memcpy(e->text + token.n, verified->user_id.p, verified->user_id.n);
		e->claims.user_id.p = e->text + token.n;
	}
	free(t->slots[e->hash % SLOTS]);
	t->slots[e->hash % SLOTS] = e;
}
