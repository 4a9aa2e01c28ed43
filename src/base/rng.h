/* Randomness comes from here and nowhere else. rng_system is the operating system's, fit for secrets; the simulator passes
 * a seeded one. Any thread (the simulator has one). */
#ifndef BECK_BASE_RNG_H
#define BECK_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
	void (*fill)(void *ctx, void *p, size_t n);
	void *ctx;
};

extern const struct rng rng_system;
static inline void rng_fill(const struct rng *r, void *p, size_t n) { r->fill(r->ctx, p, n); }
uint64_t rng_u64(const struct rng *r);
/* 36 characters and a NUL: a version 4 UUID. */
void rng_uuid4(const struct rng *r, char out[37]);

#endif
