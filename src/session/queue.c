#include "session/queue.h"

#include <stdlib.h>

static void item_drop(struct queue_item *i, struct tail_pool *pool)
{
	frame_unref(i->frame);
	tail_unref(pool, i->tail);
}

static struct queue_item *slot(const struct queue *q, uint32_t i) { return &q->items[(q->head + i) & (q->cap - 1)]; }

void queue_init(struct queue *q) { *q = (struct queue){ .items = q->in, .cap = QUEUE_INLINE }; }

static void shrink_if_empty(struct queue *q)
{
	if (q->n || q->items == q->in) return;
	free(q->items);
	queue_init(q);
}

void queue_clear(struct queue *q, struct tail_pool *pool)
{
	for (uint32_t i = 0; i < q->n; i++) item_drop(slot(q, i), pool);
	if (q->items != q->in) free(q->items);
	queue_init(q);
}

bool queue_grow(struct queue *q)
{
	if (q->cap > UINT32_MAX / 4) return false;
	uint32_t cap = q->cap * (q->cap < 64 ? 4 : 2);
	struct queue_item *items = malloc(cap * sizeof *items);
	if (!items) return false;
	for (uint32_t i = 0; i < q->n; i++) items[i] = *slot(q, i);
	if (q->items != q->in) free(q->items);
	q->items = items;
	q->head = 0;
	q->cap = cap;
	return true;
}

/* Kept items move up over the places of those that left, so that they stay in a row. */
static void consume_keeping(struct queue *q, struct tail_pool *pool, uint32_t n)
{
	uint32_t gone = 0, end = q->kept + n;
	for (uint32_t i = end; i-- > 0;) {
		struct queue_item *item = slot(q, i);
		if (i >= q->kept) q->bytes -= item->frame->bytes;
		if (i >= q->kept && item->frame->pos == 0) {
			item_drop(item, pool);
			gone++;
			continue;
		}
		if (i >= q->kept) q->kept_bytes += item->frame->bytes;
		if (gone) *slot(q, i + gone) = *item;
	}
	q->head = (q->head + gone) & (q->cap - 1);
	q->n -= gone;
	q->kept = end - gone;
}

void queue_consume(struct queue *q, struct tail_pool *pool, uint32_t n, bool keep)
{
	BECK_ASSERT(n <= queue_waiting(q) && (keep || q->kept == 0));
	if (keep) {
		consume_keeping(q, pool, n);
	} else {
		for (uint32_t i = 0; i < n; i++) {
			struct queue_item *item = slot(q, i);
			q->bytes -= item->frame->bytes;
			item_drop(item, pool);
		}
		q->head = (q->head + n) & (q->cap - 1);
		q->n -= n;
	}
	shrink_if_empty(q);
}

int64_t queue_forget(struct queue *q, struct tail_pool *pool)
{
	if (!q->kept) return 0;
	struct queue_item *item = slot(q, 0);
	int64_t pos = item->frame->pos;
	q->kept_bytes -= item->frame->bytes;
	item_drop(item, pool);
	q->head = (q->head + 1) & (q->cap - 1);
	q->n--;
	q->kept--;
	shrink_if_empty(q);
	return pos;
}

void queue_unkeep(struct queue *q)
{
	q->bytes += q->kept_bytes;
	q->kept_bytes = 0;
	q->kept = 0;
}

void queue_cut(struct queue *q, struct tail_pool *pool, uint32_t from)
{
	while (queue_waiting(q) > from) {
		struct queue_item *item = slot(q, q->n - 1);
		q->bytes -= item->frame->bytes;
		item_drop(item, pool);
		q->n--;
	}
	shrink_if_empty(q);
}

int64_t queue_drop_durable(struct queue *q, struct tail_pool *pool, int64_t upto)
{
	uint32_t stay = 0;
	int64_t newest = 0;
	BECK_ASSERT(q->kept == 0);
	for (uint32_t i = 0; i < q->n; i++) {
		struct queue_item item = *slot(q, i);
		int64_t pos = item.frame->pos;
		if (pos == 0 || pos > upto) {
			*slot(q, stay++) = item;
			continue;
		}
		if (pos > newest) newest = pos;
		q->bytes -= item.frame->bytes;
		item_drop(&item, pool);
	}
	q->n = stay;
	shrink_if_empty(q);
	return newest;
}

static bool same_subject(const struct frame_subject *a, const struct frame_subject *b)
{
	return a->kind == b->kind && a->channel == b->channel && a->user == b->user;
}

bool queue_replace(struct queue *q, struct tail_pool *pool, struct frame *f)
{
	if (!f->subject.kind) return false;
	for (uint32_t i = queue_waiting(q); i-- > 1;) {
		struct queue_item *item = queue_at(q, i);
		if (!same_subject(&item->frame->subject, &f->subject)) continue;
		q->bytes = q->bytes - item->frame->bytes + f->bytes;
		item_drop(item, pool);
		*item = (struct queue_item){ f, NULL };
		return true;
	}
	return false;
}
