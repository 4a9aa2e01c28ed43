/* Handlers of events, and handing events to them. */
#ifndef BECK_CLIENT_EVENTS_H
#define BECK_CLIENT_EVENTS_H

#include "base/compiler.h"
#include "base/span.h"

#include <beck/event.h>

struct handler;
struct handlers {
	struct handler *items;
	size_t n, cap;
	beck_handler last;
	int running;          /* > 0: one is being called; nothing is moved then */
	beck_handler current; /* the one that runs, without the lock */
};

/* As beck_on; cid (copied) NULL: of any channel. Takes the lock. */
beck_handler events_on(beck_client *c, const char *type, const char *cid, beck_event_fn fn, void *ctx);
/* As beck_off, and when it returns the handler does not run any more either. Not for handlers that call the program. */
void events_off_wait(beck_client *c, beck_handler handler);
void handlers_free(beck_client *c);
/* Whether it still is one; with the lock. */
bool events_has(const beck_client *c, beck_handler handler);

/* Queues the event for all handlers; takes over the reference. False without memory (the reference is gone). Under the lock, as
 * are those below. */
bool events_give(beck_client *c, struct beck_event *event) BECK_WARN_UNUSED;
/* A local event from its type and the JSON text of further members ("\"online\":true"). Lost without memory, which only a
 * client that has none left sees. */
void events_give_local(beck_client *c, const char *type, struct span members);
void events_give_flag(beck_client *c, const char *type, const char *name, bool value);

#endif
