/* The bus of one process: one message per loop and batch, into its mailbox. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "bus/bus.h"

struct lane {
	struct bus_sink sink;
	struct bus *bus;
	int64_t waiting_bytes; /* under bus->lock */
};
struct bus {
	pthread_mutex_t lock;
	pthread_cond_t room;
	size_t n;
	struct lane lanes[];
};
struct delivery {
	struct net_message message;
	struct lane *lane;
	int64_t bytes;
	size_t n;
	struct event *events[];
};

struct bus *bus_create_local(const struct bus_sink *sinks, size_t n)
{
	struct bus *b = calloc(1, sizeof *b + n * sizeof *b->lanes);
	if (!b) return NULL;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->room, NULL);
	b->n = n;
	for (size_t i = 0; i < n; i++)
		b->lanes[i] = (struct lane){ .sink = sinks[i], .bus = b };
	return b;
}

void bus_destroy(struct bus *b)
{
	if (!b) return;
	pthread_cond_destroy(&b->room);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static void deliver(struct net_message *m)
{
	struct delivery *d = BECK_CONTAINER(m, struct delivery, message);
	struct lane *l = d->lane;
	l->sink.deliver(l->sink.ctx, d->events, d->n);
	for (size_t i = 0; i < d->n; i++)
		event_unref(d->events[i]);
	pthread_mutex_lock(&l->bus->lock);
	l->waiting_bytes -= d->bytes;
	pthread_cond_broadcast(&l->bus->room);
	pthread_mutex_unlock(&l->bus->lock);
	free(d);
}

static int64_t weight(struct event *const *events, size_t n)
{
	int64_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += 256 + (int64_t)(events[i]->body ? events[i]->body->n : 0) + (int64_t)(events[i]->notify ? events[i]->notify->n : 0);
	return bytes;
}

static void send(struct lane *l, struct event *const *events, size_t n, int64_t bytes)
{
	struct delivery *d = malloc(sizeof *d + n * sizeof *d->events);
	if (!d) beck_panic(__FILE__, __LINE__, "out of memory for a delivery"); /* a committed event must not be lost in silence */
	*d = (struct delivery){ .message.run = deliver, .lane = l, .bytes = bytes, .n = n };
	for (size_t i = 0; i < n; i++)
		d->events[i] = event_ref(events[i]);
	net_post(l->sink.loop, &d->message);
}

static void publish(struct bus *b, struct event **events, size_t n, bool may_wait)
{
	int64_t bytes = weight(events, n);
	for (size_t i = 0; i < b->n; i++) {
		struct lane *l = &b->lanes[i];
		pthread_mutex_lock(&b->lock);
		while (may_wait && l->waiting_bytes > LIMIT_MAILBOX_BYTES)
			pthread_cond_wait(&b->room, &b->lock);
		l->waiting_bytes += bytes;
		pthread_mutex_unlock(&b->lock);
		send(l, events, n, bytes);
	}
	for (size_t i = 0; i < n; i++)
		event_unref(events[i]);
}

void bus_publish(struct bus *b, struct event **events, size_t n) { publish(b, events, n, true); }
void bus_publish_from_loop(struct bus *b, struct event **events, size_t n) { publish(b, events, n, false); }
