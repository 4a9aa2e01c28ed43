/* "This was committed": carries events from the lane (and ephemeral ones from readers) to every loop of every node. The local bus
 * posts to mailboxes; the bus between nodes comes later behind the same table.
 * Delivery to each loop is in publishing order. Back-pressure: publish blocks the caller (never a loop thread) while a loop is
 * more than LIMIT_MAILBOX_BYTES behind. */
#ifndef BECK_BUS_BUS_H
#define BECK_BUS_BUS_H

#include "net/net.h"
#include "wire/event.h"

/* Events of one commit, in position order. The sink owns one reference to each while it runs. */
struct bus_sink {
	void (*deliver)(void *ctx, struct event *const *events, size_t n); /* on the loop's thread */
	void *ctx;
	struct net_loop *loop;
};
struct bus;
struct bus *bus_create_local(const struct bus_sink *sinks, size_t n) BECK_WARN_UNUSED;
/* After every loop has stopped and nobody publishes any more. What was not delivered is freed. */
void bus_destroy(struct bus *b);
/* From now on bus_publish waits for nobody: for a simulator's one thread, and for shutting down, when loops have stopped (who
 * waits then goes on). Any thread. */
void bus_never_wait(struct bus *b);
/* Any thread but a loop's. Takes over the caller's references. */
void bus_publish(struct bus *b, struct event **events, size_t n);
/* From a loop thread: ephemeral only, never blocks (a loop that far behind misses droppable ones; others are delivered). */
void bus_publish_from_loop(struct bus *b, struct event **events, size_t n);

#endif
