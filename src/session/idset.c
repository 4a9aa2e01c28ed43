#include "session/idset.h"

#include <stdlib.h>
#include <string.h>

static uint32_t home(uint32_t id, uint32_t cap) { return (id * UINT32_C(0x9e3779b9) >> 7) & (cap - 1); }
static uint32_t *array_of(struct idset *s) { return s->cap ? s->u.items : s->u.in; }

/* Where it is, or the free slot where it would be. */
static uint32_t slot_of(const uint32_t *items, uint32_t cap, uint32_t id)
{
	uint32_t i = home(id, cap);
	while (items[i] && items[i] != id) i = (i + 1) & (cap - 1);
	return i;
}

static uint32_t index_in_row(const struct idset *s, uint32_t id)
{
	const uint32_t *p = s->cap ? s->u.items : s->u.in;
	uint32_t i = 0;
	while (i < s->n && p[i] != id) i++;
	return i;
}

bool idset_has(const struct idset *s, uint32_t id)
{
	if (s->cap > IDSET_SMALL) return s->u.items[slot_of(s->u.items, s->cap, id)] == id;
	return index_in_row(s, id) < s->n;
}

static bool resize(struct idset *s, uint32_t cap)
{
	uint32_t *to = cap ? calloc(cap, sizeof *to) : NULL, it = 0, id, n = 0, row[IDSET_INLINE] = { 0 };
	if (cap && !to) return false;
	while ((id = idset_next(s, &it))) {
		if (!cap) {
			row[n++] = id;
		} else if (cap <= IDSET_SMALL) {
			to[n++] = id;
		} else {
			to[slot_of(to, cap, id)] = id;
		}
	}
	if (s->cap) free(s->u.items);
	s->cap = cap;
	if (cap) {
		s->u.items = to;
	} else {
		memcpy(s->u.in, row, sizeof row);
	}
	return true;
}

/* Rows are filled to the brim, tables to three quarters. */
static bool make_room(struct idset *s)
{
	if (s->cap == 0) return s->n < IDSET_INLINE || resize(s, 4);
	if (s->cap < IDSET_SMALL) return s->n < s->cap || resize(s, s->cap * 2);
	if (s->cap == IDSET_SMALL) return s->n < s->cap || resize(s, IDSET_SMALL * 2);
	if (s->n + 1 <= s->cap / 4 * 3) return true;
	return s->cap <= UINT32_MAX / 4 && resize(s, s->cap * 2);
}

bool idset_add(struct idset *s, uint32_t id)
{
	if (idset_has(s, id)) return true;
	if (!make_room(s)) return false;
	uint32_t *p = array_of(s);
	p[s->cap > IDSET_SMALL ? slot_of(p, s->cap, id) : s->n] = id;
	s->n++;
	return true;
}

/* Closes the hole so that no probe stops at it. */
static void remove_from_table(struct idset *s, uint32_t hole)
{
	uint32_t *p = s->u.items, mask = s->cap - 1;
	for (uint32_t i = (hole + 1) & mask; p[i]; i = (i + 1) & mask) {
		uint32_t want = home(p[i], s->cap);
		if (((i - want) & mask) < ((i - hole) & mask)) continue;
		p[hole] = p[i];
		hole = i;
	}
	p[hole] = 0;
}

void idset_remove(struct idset *s, uint32_t id)
{
	uint32_t *p = array_of(s);
	if (s->cap > IDSET_SMALL) {
		uint32_t at = slot_of(p, s->cap, id);
		if (p[at] != id) return;
		remove_from_table(s, at);
		s->n--;
		uint32_t half = s->cap / 2;
		/* Without memory it stays large. */
		if (s->n * 8 < s->cap) (void)resize(s, half > IDSET_SMALL ? half : IDSET_SMALL);
		return;
	}
	uint32_t at = index_in_row(s, id);
	if (at == s->n) return;
	p[at] = p[--s->n];
	p[s->n] = 0;
	if (s->cap && s->n <= IDSET_INLINE / 2) (void)resize(s, 0);
}

void idset_deinit(struct idset *s)
{
	if (s->cap) free(s->u.items);
	*s = (struct idset){ 0 };
}
