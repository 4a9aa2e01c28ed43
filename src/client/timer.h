/* Clocks of the client. A timer lives inside what it is for, so that setting it cannot fail. Under the client's lock; run by
 * whoever drives the client. */
#ifndef BECK_CLIENT_TIMER_H
#define BECK_CLIENT_TIMER_H

#include <stdint.h>

#include "base/list.h"

#include <beck/client.h>

struct timer {
	struct list in;
	int64_t at_ms;
	void (*fn)(beck_client *c, struct timer *t); /* the timer is off when it is called; it may be set again or freed */
};

struct timers {
	struct list set;
};

void timers_init(struct timers *all);
/* Also moves one that is set. The driver is woken when it must look earlier than it thought. */
void timer_set(beck_client *c, struct timer *t, int64_t after_ms, void (*fn)(beck_client *c, struct timer *t));
void timer_stop(struct timer *t); /* a zeroed one is fine */
static inline bool timer_is_set(const struct timer *t) { return list_linked(&t->in); }
/* Milliseconds until the next is due; -1: none is set. */
int64_t timers_wait_ms(const struct timers *all, int64_t now_ms);
void timers_run(beck_client *c, int64_t now_ms);

#endif
