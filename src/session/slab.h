/* Fixed-size elements named by a 32-bit handle (0 = none). Elements never move; a freed handle is given out again. For the hub's
 * tables, where a handle of 4 bytes instead of a pointer halves the memory of a membership. One thread. */
#ifndef BECK_SESSION_SLAB_H
#define BECK_SESSION_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum { SLAB_CHUNK_BITS = 8, SLAB_CHUNK = 1 << SLAB_CHUNK_BITS };

struct slab {
	char **chunks;
	uint32_t chunk_count, next, free_head; /* next: first handle never given out */
	uint32_t size;                         /* of an element, a multiple of 8 */
};

void slab_init(struct slab *s, size_t element_size);
void slab_deinit(struct slab *s);
/* Zeroed; NULL without memory. */
void *slab_alloc(struct slab *s, uint32_t *handle) BECK_WARN_UNUSED;
void slab_free(struct slab *s, uint32_t handle);
static inline void *slab_get(const struct slab *s, uint32_t handle)
{
	return s->chunks[handle >> SLAB_CHUNK_BITS] + (size_t)(handle & (SLAB_CHUNK - 1)) * s->size;
}

#endif
