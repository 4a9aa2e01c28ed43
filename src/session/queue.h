/* Outbound queue of a session: a ring of references, in the struct itself while short, freed when empty. The first `kept` items
 * were consumed already and wait for their acknowledgement (long poll with resume); indexes of the calls count from the first
 * unconsumed. It knows no limits: session_give does. One thread. */
#ifndef BECK_SESSION_QUEUE_H
#define BECK_SESSION_QUEUE_H

#include "session/frame.h"

enum { QUEUE_INLINE = 2 };
struct queue_item {
	struct frame *frame;
	struct tail *tail; /* NULL = the frame's */
};
struct queue {
	struct queue_item *items; /* cap slots, a power of two */
	uint32_t head, n, cap, kept;
	uint64_t bytes, kept_bytes; /* unconsumed, kept */
	struct queue_item in[QUEUE_INLINE];
};

/* The queue must not move after it. */
void queue_init(struct queue *q);
void queue_clear(struct queue *q, struct tail_pool *pool);
static inline uint32_t queue_waiting(const struct queue *q) { return q->n - q->kept; }
static inline struct queue_item *queue_at(const struct queue *q, uint32_t i)
{
	return &q->items[(q->head + q->kept + i) & (q->cap - 1)];
}
bool queue_grow(struct queue *q) BECK_WARN_UNUSED;
/* References pass over when it returns true. */
static inline bool queue_push(struct queue *q, struct frame *f, struct tail *t)
{
	if (BECK_UNLIKELY(q->n == q->cap) && !queue_grow(q)) return false;
	q->items[(q->head + q->n) & (q->cap - 1)] = (struct queue_item){ f, t };
	q->n++;
	q->bytes += f->bytes;
	return true;
}
/* The first n unconsumed leave. keep: durable ones stay as kept. */
void queue_consume(struct queue *q, struct tail_pool *pool, uint32_t n, bool keep);
/* Drops the oldest kept item; its position, or 0 when there is none. */
int64_t queue_forget(struct queue *q, struct tail_pool *pool);
/* What is kept is unconsumed again. */
void queue_unkeep(struct queue *q);
/* Drops everything unconsumed from index `from` on. */
void queue_cut(struct queue *q, struct tail_pool *pool, uint32_t from);
/* Drops unconsumed durable items up to a position; the newest position dropped, 0 = none. Nothing may be kept. */
int64_t queue_drop_durable(struct queue *q, struct tail_pool *pool, int64_t upto);
/* Puts f in the place of the newest unconsumed item of the same subject, the first excepted (it may be half written). The
 * caller's reference passes over when it returns true. */
bool queue_replace(struct queue *q, struct tail_pool *pool, struct frame *f);

#endif
