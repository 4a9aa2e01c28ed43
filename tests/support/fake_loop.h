/* A loop without sockets for unit tests: the test holds the clock and runs each turn by hand. Include in one file of a program.
 */
#ifndef BECK_TESTS_FAKE_LOOP_H
#define BECK_TESTS_FAKE_LOOP_H

#include <stdlib.h>

#include "net/driver.h"

struct fake_time {
	struct clock clock;
	int64_t mono_us, wall_us;
	struct rng rng;
	uint64_t seed;
};

static inline int64_t fake_mono(void *ctx) { return ((struct fake_time *)ctx)->mono_us; }
static inline int64_t fake_wall(void *ctx) { return ((struct fake_time *)ctx)->wall_us; }

/* splitmix64 */
static inline uint64_t fake_random(struct fake_time *t)
{
	uint64_t z = t->seed += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline uint64_t fake_below(struct fake_time *t, uint64_t n) { return fake_random(t) % n; }

static inline void fake_fill(void *ctx, void *p, size_t n)
{
	for (size_t i = 0; i < n; i++) ((uint8_t *)p)[i] = (uint8_t)fake_random(ctx);
}

static inline void fake_time_init(struct fake_time *t, uint64_t seed)
{
	*t = (struct fake_time){ .mono_us = 1000000, .wall_us = INT64_C(1800000000000000), .seed = seed };
	t->clock = (struct clock){ fake_wall, fake_mono, t };
	t->rng = (struct rng){ fake_fill, t };
}

static inline void fake_wake(struct net_loop *l) { (void)l; }
static inline void fake_stop(struct net_loop *l) { (void)l; }
static inline void fake_destroy(struct net_loop *l)
{
	net_loop_deinit(l);
	free(l);
}

static inline struct net_loop *fake_loop_create(struct fake_time *t)
{
	static const struct net_driver driver = { .wake = fake_wake, .stop = fake_stop, .destroy = fake_destroy };
	struct net_loop *l = calloc(1, sizeof *l);
	if (l) net_loop_init(l, &driver, &t->clock, &t->rng);
	return l;
}

static inline void fake_loop_turn(struct net_loop *l)
{
	net_loop_touch(l);
	net_loop_run_mailbox(l);
	net_loop_run_timers(l);
	net_loop_run_deferred(l);
}

/* Time passes in steps, so that timers run in their order. */
static inline void fake_pass(struct fake_time *t, struct net_loop *l, int64_t ms)
{
	for (int64_t left = ms; left > 0; left -= 100) {
		int64_t step = left < 100 ? left : 100;
		t->mono_us += step * 1000;
		t->wall_us += step * 1000;
		fake_loop_turn(l);
	}
}

#endif
