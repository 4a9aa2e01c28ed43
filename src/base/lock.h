/* A mutex for critical sections of a few instructions between busy threads: spins shortly before it sleeps, since a sleep and a
 * wake cost a hundred times what the section does. */
#ifndef BECK_BASE_LOCK_H
#define BECK_BASE_LOCK_H

#include <pthread.h>

#include "base/compiler.h"

static inline void short_lock_init(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;
	BECK_ASSERT(pthread_mutexattr_init(&a) == 0);
	(void)pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ADAPTIVE_NP);
	BECK_ASSERT(pthread_mutex_init(m, &a) == 0);
	pthread_mutexattr_destroy(&a);
}

#endif
