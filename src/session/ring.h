/* The newest durable events of a loop, and events without a position that move unread state: what closes the gap between a
 * snapshot of the store and the live stream. One thread. */
#ifndef BECK_SESSION_RING_H
#define BECK_SESSION_RING_H

#include "wire/event.h"

struct ring {
	struct event **items;
	uint32_t head, n, cap;
	int64_t floor;  /* what came after this position is in the ring whole */
	int64_t newest; /* position of the newest event that came by, 0 = none yet */
};

bool ring_init(struct ring *r, uint32_t cap) BECK_WARN_UNUSED; /* a power of two */
void ring_deinit(struct ring *r);
void ring_add(struct ring *r, struct event *e); /* takes a reference of its own */
static inline bool ring_reaches(const struct ring *r, int64_t pos) { return r->floor <= pos; }
/* Index of the first entry that a snapshot at `pos` may not contain: positions after it, and unnumbered moves between them and
 * the newest position that it does contain. */
uint32_t ring_after(const struct ring *r, int64_t pos);
static inline struct event *ring_get(const struct ring *r, uint32_t i) { return r->items[(r->head + i) & (r->cap - 1)]; }

#endif
