/* Locks and conditions.
 *
 * A mutex for critical sections of a few instructions between busy threads: spins shortly before it sleeps, since a sleep and a
 * wake cost a hundred times what the section does. */
#ifndef BECK_BASE_LOCK_H
#define BECK_BASE_LOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "base/compiler.h"

static inline void short_lock_init(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;
	BECK_ASSERT(pthread_mutexattr_init(&a) == 0);
	(void)pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ADAPTIVE_NP);
	BECK_ASSERT(pthread_mutex_init(m, &a) == 0);
	pthread_mutexattr_destroy(&a);
}

/* A condition whose timed waits end by the monotonic clock: a step of the wall clock neither holds up nor hurries who waits. */
static inline void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t a;
	BECK_ASSERT(pthread_condattr_init(&a) == 0 && pthread_condattr_setclock(&a, CLOCK_MONOTONIC) == 0);
	BECK_ASSERT(pthread_cond_init(c, &a) == 0);
	pthread_condattr_destroy(&a);
}

/* When such a wait ends that begins now and may take `us`: for pthread_cond_timedwait. */
static inline struct timespec cond_until(int64_t us)
{
	struct timespec t;
	BECK_ASSERT(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	int64_t ns = t.tv_nsec + us % 1000000 * 1000;
	t.tv_sec += us / 1000000 + ns / 1000000000;
	t.tv_nsec = ns % 1000000000;
	return t;
}

#endif
