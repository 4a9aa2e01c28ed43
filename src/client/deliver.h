/* What is to be told to the program: callbacks wait here, in order, until no lock is held. Adding takes the lock's holder, giving
 * out is done by one thread at a time (thread.c). A delivery lives inside what it tells of, or is freed by its `free`. */
#ifndef BECK_CLIENT_DELIVER_H
#define BECK_CLIENT_DELIVER_H

#include "base/compiler.h"
#include "base/list.h"

#include <beck/client.h>

struct delivery {
	struct list in;
	void (*run)(beck_client *c, struct delivery *d);  /* without the lock: calls the program; may be NULL */
	void (*free)(beck_client *c, struct delivery *d); /* with the lock: afterwards, or instead when the client ends */
};

struct deliveries {
	struct list waiting;
	size_t count;
};

void deliver(beck_client *c, struct delivery *d, void (*run)(beck_client *c, struct delivery *d),
	void (*free)(beck_client *c, struct delivery *d));
/* Runs what waits, at most what waited at the start; with the lock, which it leaves for each. Returns how many were told. */
int deliver_all(beck_client *c);
void deliveries_free(beck_client *c);

/* One line for options.log, if its level is asked for. Without memory it is lost. */
void client_log(beck_client *c, beck_log_level level, const char *fmt, ...) BECK_PRINTF(3, 4);

#endif
