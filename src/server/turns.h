/* Jobs that wait, in fair order: turns go round the applications, and within one round those who call. Each keeps his own order.
 * As for room, an application may have as many jobs here as there is room left beside them all: alone it fills half of it, a
 * second one then half of the rest, so that who comes new always finds some. The caller holds a lock. */
#ifndef BECK_SERVER_TURNS_H
#define BECK_SERVER_TURNS_H

#include "base/map.h"
#include "server/workers.h"

struct turns {
	struct list ring;     /* applications with jobs, next in turn first */
	struct u64map by_app; /* every application that ever had one */
	size_t callers;       /* rings of callers in an application: 1 = its jobs stay in the order of their coming */
	size_t count, most;
	uint64_t serial;
};

void turns_init(struct turns *t, size_t callers, size_t most);
void turns_deinit(struct turns *t); /* empty */
/* By j->app and j->who. False: no room for more of this application, or no memory. */
bool turns_push(struct turns *t, struct job *j) BECK_WARN_UNUSED;
struct job *turns_pop(struct turns *t); /* NULL: none waits */

#endif
