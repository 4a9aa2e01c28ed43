/* The bus of one process. Each loop has a lane: a queue of batches in publishing order and one message that wakes the loop. A
 * batch is made once and shared by all lanes. */
#include <pthread.h>
#include <stdlib.h>

#include "base/limits.h"
#include "bus/bus.h"

enum {
	SLICE = 16,          /* events between two looks at the clock */
	TURN_US = 4000,      /* what one turn of a loop gives to fan-out; then its sockets have their say */
	EVENT_OVERHEAD = 256 /* of an event beside its bodies, bytes */
};

struct batch {
	struct list node; /* bus->batches */
	size_t n, lanes;  /* lanes that still have to deliver it; under the lock */
	int64_t bytes;
	struct event *events[];
};
struct parcel { /* a batch in a lane */
	struct list node;
	struct batch *batch;
	size_t done;
	bool without_droppable;
};
struct lane {
	struct bus *bus;
	struct bus_sink sink;
	struct net_message message;
	/* under the lock: */
	struct list parcels;
	int64_t waiting_bytes;
	bool is_posted;
};
struct bus {
	pthread_mutex_t lock;
	pthread_cond_t room;
	bool never_waits;
	unsigned waiters;
	struct list batches;
	size_t n;
	struct lane lanes[];
};

static void run_lane(struct net_message *m);

struct bus *bus_create_local(const struct bus_sink *sinks, size_t n)
{
	struct bus *b = calloc(1, sizeof *b + n * sizeof *b->lanes);
	if (!b) return NULL;
	BECK_ASSERT(pthread_mutex_init(&b->lock, NULL) == 0 && pthread_cond_init(&b->room, NULL) == 0);
	list_init(&b->batches);
	b->n = n;
	for (size_t i = 0; i < n; i++) {
		b->lanes[i] = (struct lane){ .bus = b, .sink = sinks[i], .message.run = run_lane };
		list_init(&b->lanes[i].parcels);
	}
	return b;
}

void bus_never_wait(struct bus *b)
{
	pthread_mutex_lock(&b->lock);
	b->never_waits = true;
	pthread_cond_broadcast(&b->room);
	pthread_mutex_unlock(&b->lock);
}

static void batch_free(struct batch *t)
{
	for (size_t i = 0; i < t->n; i++) event_unref(t->events[i]);
	free(t);
}

void bus_destroy(struct bus *b)
{
	struct list *node;
	if (!b) return;
	for (size_t i = 0; i < b->n; i++)
		while ((node = list_shift(&b->lanes[i].parcels))) free(BECK_CONTAINER(node, struct parcel, node));
	while ((node = list_shift(&b->batches))) batch_free(BECK_CONTAINER(node, struct batch, node));
	pthread_cond_destroy(&b->room);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* ---- delivering, on the lane's loop ---- */

static struct parcel *first_parcel(struct lane *l)
{
	return list_empty(&l->parcels) ? NULL : BECK_CONTAINER(l->parcels.next, struct parcel, node);
}

static void deliver_slice(struct lane *l, struct parcel *p)
{
	struct event *some[SLICE];
	size_t n = 0;
	for (; p->done < p->batch->n && n < SLICE; p->done++) {
		struct event *e = p->batch->events[p->done];
		if (!p->without_droppable || !(e->flags & EVENT_DROPPABLE)) some[n++] = e;
	}
	if (n) l->sink.deliver(l->sink.ctx, some, n);
}

/* Returns what follows. */
static struct parcel *finish(struct lane *l, struct parcel *p)
{
	struct bus *b = l->bus;
	struct batch *t = p->batch;
	pthread_mutex_lock(&b->lock);
	list_remove(&p->node);
	l->waiting_bytes -= t->bytes;
	bool is_last = --t->lanes == 0;
	if (is_last) list_remove(&t->node);
	if (b->waiters) pthread_cond_broadcast(&b->room);
	struct parcel *next = first_parcel(l);
	l->is_posted = next != NULL;
	pthread_mutex_unlock(&b->lock);
	free(p);
	if (is_last) batch_free(t);
	return next;
}

static void run_lane(struct net_message *m)
{
	struct lane *l = BECK_CONTAINER(m, struct lane, message);
	const struct clock *clock = net_clock(l->sink.loop);
	int64_t until = clock_mono_us(clock) + TURN_US;
	pthread_mutex_lock(&l->bus->lock);
	struct parcel *p = first_parcel(l); /* stays: only this thread takes out */
	pthread_mutex_unlock(&l->bus->lock);
	while (p) {
		deliver_slice(l, p);
		if (p->done == p->batch->n) p = finish(l, p);
		if (p && clock_mono_us(clock) >= until) {
			net_post(l->sink.loop, &l->message);
			return;
		}
	}
}

/* ---- publishing ---- */

static int64_t weight(struct event *const *events, size_t n)
{
	int64_t bytes = 0;
	for (size_t i = 0; i < n; i++) {
		const struct event *e = events[i];
		bytes += EVENT_OVERHEAD + (int64_t)(e->body ? e->body->n : 0) + (int64_t)(e->notify ? e->notify->n : 0);
	}
	return bytes;
}

/* What was committed must not be lost in silence, so without memory the process ends and recovers from the log. */
static void *must(void *p)
{
	if (!p) beck_panic(__FILE__, __LINE__, "out of memory for events to deliver");
	return p;
}

static bool is_full(const struct bus *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->lanes[i].waiting_bytes > LIMIT_MAILBOX_BYTES) return true;
	return false;
}

/* With the lock held; whether the loop must be woken. */
static bool put(struct lane *l, struct batch *t, struct parcel *p, bool may_leave_out)
{
	*p = (struct parcel){ .batch = t, .without_droppable = may_leave_out && l->waiting_bytes > LIMIT_MAILBOX_BYTES };
	list_push(&l->parcels, &p->node);
	l->waiting_bytes += t->bytes;
	bool wake = !l->is_posted;
	l->is_posted = true;
	return wake;
}

static void publish(struct bus *b, struct event **events, size_t n, bool is_loop)
{
	if (!n || !b->n) {
		for (size_t i = 0; i < n; i++) event_unref(events[i]);
		return;
	}
	struct batch *t = must(malloc(sizeof *t + n * sizeof(struct event *)));
	*t = (struct batch){ .n = n, .lanes = b->n, .bytes = weight(events, n) };
	for (size_t i = 0; i < n; i++) t->events[i] = events[i];
	struct list parcels;
	list_init(&parcels);
	for (size_t i = 0; i < b->n; i++) {
		struct parcel *p = must(calloc(1, sizeof *p));
		list_push(&parcels, &p->node);
	}
	pthread_mutex_lock(&b->lock);
	while (!is_loop && !b->never_waits && is_full(b)) {
		b->waiters++;
		pthread_cond_wait(&b->room, &b->lock);
		b->waiters--;
	}
	list_push(&b->batches, &t->node);
	for (size_t i = 0; i < b->n; i++) {
		struct parcel *p = BECK_CONTAINER(list_shift(&parcels), struct parcel, node);
		/* Posted under the lock, so that all lanes see all batches in one order. The mailbox's lock is the inner one. */
		if (put(&b->lanes[i], t, p, is_loop)) net_post(b->lanes[i].sink.loop, &b->lanes[i].message);
	}
	pthread_mutex_unlock(&b->lock);
}

void bus_publish(struct bus *b, struct event **events, size_t n) { publish(b, events, n, false); }
void bus_publish_from_loop(struct bus *b, struct event **events, size_t n) { publish(b, events, n, true); }
