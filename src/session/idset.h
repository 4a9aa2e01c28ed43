/* A set of handles (0 excluded). Up to IDSET_SMALL a plain array, above an open-addressed table: 4 to 16 bytes per element, and a
 * channel of 2 costs what one of 100,000 costs per head. Order of iteration follows from the history alone. One thread. */
#ifndef BECK_SESSION_IDSET_H
#define BECK_SESSION_IDSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

enum { IDSET_INLINE = 2, IDSET_SMALL = 16 };

struct idset {
	uint32_t n, cap; /* cap <= IDSET_SMALL: items[0..n) in a row; above: a table of cap slots, a power of two, 0 = free */
	union {
		uint32_t in[IDSET_INLINE];
		uint32_t *items;
	} u;
};

/* A zeroed set is empty. Adding what is there changes nothing. False without memory. */
bool idset_add(struct idset *s, uint32_t id) BECK_WARN_UNUSED;
void idset_remove(struct idset *s, uint32_t id);
bool idset_has(const struct idset *s, uint32_t id);
void idset_deinit(struct idset *s);
/* uint32_t it = 0, id; while ((id = idset_next(s, &it))) ... ; the set must not change meanwhile. */
static inline uint32_t idset_next(const struct idset *s, uint32_t *it)
{
	const uint32_t *p = s->cap ? s->u.items : s->u.in;
	uint32_t end = s->cap > IDSET_SMALL ? s->cap : s->n;
	while (*it < end) {
		uint32_t id = p[(*it)++];
		if (id) return id;
	}
	return 0;
}

#endif
