/* A blocking call's place on its stack: whoever ends what it waits for fills it in, under the client's lock. */
#ifndef BECK_CLIENT_WAIT_H
#define BECK_CLIENT_WAIT_H

#include <beck/request.h>

struct wait {
	bool done;
	beck_result result;
	beck_error err;
	const beck_reply *reply; /* a reference of its own */
};

/* err NULL: it went well, with the reply if there is one. w NULL: nobody waits. */
void wait_end(beck_client *c, struct wait *w, const beck_error *err, const beck_reply *reply);
/* What the blocking call returns: the reply passes to *reply, which may be NULL, the error to *err. */
beck_result wait_take(struct wait *w, const beck_reply **reply, beck_error *err);

#endif
