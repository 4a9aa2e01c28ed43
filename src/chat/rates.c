#include "chat/rates.h"

#include <stdatomic.h>
#include <stdlib.h>

/* A cell is the minute it speaks of (upper half) and the calls in it: both change in one step, so none is lost at the turn. */
struct rates {
	atomic_uint refs;
	_Atomic uint64_t cells[RATE_OPERATIONS_MAX][RATE_PLATFORMS];
};

struct rates *rates_create(void)
{
	struct rates *r = calloc(1, sizeof *r);
	if (r != NULL) atomic_init(&r->refs, 1);
	return r;
}

struct rates *rates_ref(struct rates *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void rates_unref(struct rates *r)
{
	if (r != NULL && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1) free(r);
}

static uint32_t calls_of(uint64_t cell, uint32_t minute) { return cell >> 32 == minute ? (uint32_t)cell : 0; }

uint32_t rates_add(struct rates *r, size_t operation, enum rate_platform p, uint32_t minute)
{
	BECK_ASSERT(operation < RATE_OPERATIONS_MAX);
	_Atomic uint64_t *cell = &r->cells[operation][p];
	uint64_t old = atomic_load_explicit(cell, memory_order_relaxed), next;
	do {
		uint32_t calls = calls_of(old, minute);
		next = (uint64_t)minute << 32 | (calls < UINT32_MAX ? calls + 1 : calls);
	} while (!atomic_compare_exchange_weak_explicit(cell, &old, next, memory_order_relaxed, memory_order_relaxed));
	return (uint32_t)next;
}

uint32_t rates_get(const struct rates *r, size_t operation, enum rate_platform p, uint32_t minute)
{
	BECK_ASSERT(operation < RATE_OPERATIONS_MAX);
	return calls_of(atomic_load_explicit(&r->cells[operation][p], memory_order_relaxed), minute);
}
