#include "session/ring.h"

#include <stdlib.h>

bool ring_init(struct ring *r, uint32_t cap)
{
	*r = (struct ring){ .cap = cap };
	r->items = calloc(cap, sizeof(struct event *));
	return r->items != NULL;
}

void ring_deinit(struct ring *r)
{
	for (uint32_t i = 0; i < r->n; i++) event_unref(ring_get(r, i));
	free(r->items);
	*r = (struct ring){ 0 };
}

/* An unnumbered one is in every snapshot that contains the next position, and perhaps in those before. */
static int64_t gone_with_oldest(const struct ring *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (ring_get(r, i)->pos) return ring_get(r, i)->pos;
	return r->newest + 1;
}

void ring_add(struct ring *r, struct event *e)
{
	if (r->n == r->cap) {
		int64_t gone = gone_with_oldest(r);
		if (gone > r->floor) r->floor = gone;
		event_unref(ring_get(r, 0));
		r->head = (r->head + 1) & (r->cap - 1);
		r->n--;
	}
	if (e->pos > r->newest) r->newest = e->pos;
	r->items[(r->head + r->n++) & (r->cap - 1)] = event_ref(e);
}

uint32_t ring_after(const struct ring *r, int64_t pos)
{
	uint32_t i = r->n;
	while (i && (!ring_get(r, i - 1)->pos || ring_get(r, i - 1)->pos > pos)) i--;
	return i;
}
