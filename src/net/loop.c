#include <stdlib.h>

#include "base/lock.h"
#include "net/driver.h"

/* ---- loop: what both drivers share ---- */

void net_loop_init(struct net_loop *l, const struct net_driver *driver, const struct clock *clock, const struct rng *rng)
{
	l->driver = driver;
	l->clock = clock;
	l->rng = rng;
	l->time_scale = 1;
	list_init(&l->deferred);
	list_init(&l->inbox);
	short_lock_init(&l->lock);
	atomic_init(&l->now_us, clock_mono_us(clock));
}

void net_loop_deinit(struct net_loop *l)
{
	free(l->heap);
	pthread_mutex_destroy(&l->lock);
}

void net_loop_destroy(struct net_loop *l)
{
	if (l) l->driver->destroy(l);
}

void net_loop_run(struct net_loop *l) { l->driver->run(l); }
void net_loop_stop(struct net_loop *l) { l->driver->stop(l); }
int64_t net_now_us(struct net_loop *l) { return atomic_load_explicit(&l->now_us, memory_order_relaxed); }
const struct clock *net_clock(struct net_loop *l) { return l->clock; }
const struct rng *net_rng(struct net_loop *l) { return l->rng; }
void net_loop_touch(struct net_loop *l) { atomic_store_explicit(&l->now_us, clock_mono_us(l->clock), memory_order_relaxed); }
void net_loop_set_time_scale(struct net_loop *l, int factor) { l->time_scale = factor > 0 ? factor : 1; }
int64_t net_delay_us(const struct net_loop *l, int64_t delay_ms) { return delay_ms * 1000 / l->time_scale; }

/* ---- mailbox ---- */

void net_post(struct net_loop *l, struct net_message *m)
{
	pthread_mutex_lock(&l->lock);
	bool was_empty = list_empty(&l->inbox);
	list_push(&l->inbox, &m->node);
	pthread_mutex_unlock(&l->lock);
	/* Only the first of a batch wakes: whoever finds the box filled knows that a wake is under way. */
	if (was_empty) l->driver->wake(l);
}

void net_loop_run_mailbox(struct net_loop *l)
{
	struct list batch, *node;
	pthread_mutex_lock(&l->lock);
	list_take_all(&batch, &l->inbox);
	pthread_mutex_unlock(&l->lock);
	while ((node = list_shift(&batch))) {
		struct net_message *m = BECK_CONTAINER(node, struct net_message, node);
		m->run(m);
	}
}

/* ---- deferred ---- */

void net_defer(struct net_loop *l, struct net_deferred *d)
{
	if (!list_linked(&d->node)) list_push(&l->deferred, &d->node);
}

void net_defer_cancel(struct net_deferred *d) { list_remove(&d->node); }

/* What is asked for meanwhile runs in the next turn, so that no two objects can keep a turn busy for ever. */
void net_loop_run_deferred(struct net_loop *l)
{
	struct list batch, *node;
	list_take_all(&batch, &l->deferred);
	while ((node = list_shift(&batch))) {
		struct net_deferred *d = BECK_CONTAINER(node, struct net_deferred, node);
		d->run(d);
	}
}

/* ---- timers ---- */

enum { HEAP_ARITY = 4, HEAP_FIRST = 64 };

static void heap_set(struct net_loop *l, uint32_t at, struct net_heap_slot slot)
{
	l->heap[at] = slot;
	slot.timer->index = at;
}

static void sift_up(struct net_loop *l, uint32_t at, struct net_heap_slot slot)
{
	while (at) {
		uint32_t parent = (at - 1) / HEAP_ARITY;
		if (l->heap[parent].due_us <= slot.due_us) break;
		heap_set(l, at, l->heap[parent]);
		at = parent;
	}
	heap_set(l, at, slot);
}

static void sift_down(struct net_loop *l, uint32_t at, struct net_heap_slot slot)
{
	for (;;) {
		uint32_t first = at * HEAP_ARITY + 1, best = first;
		if (first >= l->timer_count) break;
		for (uint32_t i = first + 1; i < first + HEAP_ARITY && i < l->timer_count; i++)
			if (l->heap[i].due_us < l->heap[best].due_us) best = i;
		if (l->heap[best].due_us >= slot.due_us) break;
		heap_set(l, at, l->heap[best]);
		at = best;
	}
	heap_set(l, at, slot);
}

static void sift(struct net_loop *l, uint32_t at, struct net_heap_slot slot)
{
	if (at && l->heap[(at - 1) / HEAP_ARITY].due_us > slot.due_us) {
		sift_up(l, at, slot);
	} else {
		sift_down(l, at, slot);
	}
}

static void heap_grow(struct net_loop *l)
{
	uint32_t cap = l->timer_cap ? l->timer_cap * 2 : HEAP_FIRST;
	struct net_heap_slot *grown = realloc(l->heap, cap * sizeof *grown);
	BECK_ASSERT(grown != NULL);
	l->heap = grown;
	l->timer_cap = cap;
}

void net_timer_start_at(struct net_loop *l, struct net_timer *t, int64_t due_us)
{
	int64_t now = net_now_us(l);
	bool running = net_timer_running(t);
	/* Never in this turn, or a timer that restarts itself without delay would keep the loop for ever. */
	t->due_us = due_us > now ? due_us : now + 1;
	if (!running) {
		if (l->timer_count == l->timer_cap) heap_grow(l);
		t->index = l->timer_count++;
	}
	sift(l, t->index, (struct net_heap_slot){ t->due_us, t });
}

void net_timer_start(struct net_loop *l, struct net_timer *t, int64_t delay_ms)
{
	net_timer_start_at(l, t, net_now_us(l) + net_delay_us(l, delay_ms));
}

void net_timer_stop(struct net_loop *l, struct net_timer *t)
{
	if (!net_timer_running(t)) return;
	uint32_t hole = t->index;
	t->due_us = 0;
	struct net_heap_slot last = l->heap[--l->timer_count];
	if (hole < l->timer_count) sift(l, hole, last);
}

void net_loop_run_timers(struct net_loop *l)
{
	int64_t now = net_now_us(l);
	while (l->timer_count && l->heap[0].due_us <= now) {
		struct net_timer *t = l->heap[0].timer;
		net_timer_stop(l, t);
		t->run(t);
	}
}

int64_t net_loop_next_due(const struct net_loop *l) { return l->timer_count ? l->heap[0].due_us : 0; }
