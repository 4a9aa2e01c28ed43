/* Time comes from here and nowhere else, so that tests and the simulator can hold it in their hand.
 * wall_us: microseconds since the Unix epoch, may step. mono_us: never goes back. Any thread. */
#ifndef BECK_BASE_CLOCK_H
#define BECK_BASE_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t (*wall_us)(void *ctx);
	int64_t (*mono_us)(void *ctx);
	void *ctx;
};

extern const struct clock clock_system;
static inline int64_t clock_wall_us(const struct clock *c) { return c->wall_us(c->ctx); }
static inline int64_t clock_mono_us(const struct clock *c) { return c->mono_us(c->ctx); }

#endif
