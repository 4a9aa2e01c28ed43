/* Messages on their way: in order per channel, one at a time, again and again until the server has said yes or no. Under the
 * client's lock. What outlives the process is written by saved.c. */
#ifndef BECK_CLIENT_OUTBOX_H
#define BECK_CLIENT_OUTBOX_H

#include "base/json.h"
#include "base/list.h"
#include "client/timer.h"

#include <beck/client.h>

struct outbox {
	struct list entries;
	size_t n;
};

void outbox_init(struct outbox *o);
void outbox_step(beck_client *c); /* starts what may go */
void outbox_link_up(beck_client *c);
/* Without the user there is nobody to send for: those who wait get the error. */
void outbox_forget(beck_client *c, const beck_error *err);
/* An array of {"cid","id","message"}, and back. */
void outbox_write(beck_client *c, struct jsonw *w);
void outbox_read(beck_client *c, yyjson_val *array);

#endif
