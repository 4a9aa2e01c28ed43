#include "session/ring.h"

#include <stdlib.h>

bool ring_init(struct ring *r, uint32_t cap)
{
	*r = (struct ring){ .cap = cap };
	r->items = calloc(cap, sizeof *r->items);
	return r->items != NULL;
}

void ring_deinit(struct ring *r)
{
	for (uint32_t i = 0; i < r->n; i++) event_unref(ring_get(r, i));
	free(r->items);
	*r = (struct ring){ 0 };
}

void ring_add(struct ring *r, struct event *e)
{
	if (e->pos > r->newest) r->newest = e->pos;
	if (r->n == r->cap) {
		struct ring_entry *oldest = &r->items[r->head];
		/* An unnumbered one may belong to snapshots of its position as well, so only what is newer is whole. */
		int64_t gone = oldest->event->pos ? oldest->at : oldest->at + 1;
		if (gone > r->floor) r->floor = gone;
		event_unref(oldest->event);
		r->head = (r->head + 1) & (r->cap - 1);
		r->n--;
	}
	r->items[(r->head + r->n++) & (r->cap - 1)] = (struct ring_entry){ event_ref(e), r->newest };
}

uint32_t ring_after(const struct ring *r, int64_t pos)
{
	uint32_t i = r->n;
	while (i) {
		const struct ring_entry *e = &r->items[(r->head + i - 1) & (r->cap - 1)];
		if (e->event->pos ? e->at <= pos : e->at < pos) break;
		i--;
	}
	return i;
}
