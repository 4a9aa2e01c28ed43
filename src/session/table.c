#include <stdlib.h>

#include "session/hub.h"

bool grow(void **items, uint32_t *cap, uint32_t n, size_t size)
{
	if (n < *cap) return true;
	uint32_t more = *cap ? *cap * 2 : 4;
	void *p = realloc(*items, more * size);
	if (!p) return false;
	*items = p;
	*cap = more;
	return true;
}

bool table_add(struct table *t, void *item, uint32_t *slot)
{
	if (t->free_count) {
		*slot = t->free_slots[--t->free_count];
	} else {
		void *items = t->items;
		/* A slot that is in use must always find room in the list of free ones. */
		void *slots = t->free_slots;
		bool ok = grow(&items, &t->cap, t->n, sizeof *t->items);
		t->items = items;
		if (ok) ok = grow(&slots, &t->free_cap, t->n, sizeof *t->free_slots);
		t->free_slots = slots;
		if (!ok) return false;
		*slot = t->n++;
	}
	t->items[*slot] = item;
	return true;
}

void *table_get(const struct table *t, uint32_t slot) { return slot < t->n ? t->items[slot] : NULL; }

void table_remove(struct table *t, uint32_t slot)
{
	t->items[slot] = NULL;
	t->free_slots[t->free_count++] = slot;
}

void table_deinit(struct table *t)
{
	free(t->items);
	free(t->free_slots);
	*t = (struct table){ 0 };
}
