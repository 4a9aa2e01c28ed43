/* The handle of a channel. */
#ifndef BECK_CLIENT_CHANNEL_H
#define BECK_CLIENT_CHANNEL_H

#include <stdatomic.h>

#include "base/list.h"
#include "client/op.h"

#include <beck/channel.h>

/* A thread of the channel, or the channel itself (""), in which the user presses keys. */
struct typing {
	struct beck_channel *channel;
	char parent_id[256];
	bool is_on;      /* typing.start was sent, typing.stop not yet */
	int64_t sent_ms; /* the last typing.start */
};

enum { TYPING_PLACES = 4, TYPISTS_MAX = 64, CHANNEL_HANDLERS_MAX = 64 };

/* Somebody else who types. */
struct typist {
	char user_id[256], parent_id[256];
	int64_t until_ms;
};

struct beck_channel {
	atomic_int refs;
	beck_client *client;
	/* Empty until the answer of a distinct create says them; written once, under the client's lock. */
	char type[65], id[65], cid[130];
	/* Under the client's lock. */
	beck_handler *handlers;
	size_t n_handlers, cap_handlers;
	bool no_typing; /* the server said that it is not allowed here */
	struct typing places[TYPING_PLACES];
	beck_handler typing_handlers[3];
	struct typist *typists; /* NULL until somebody types */
	size_t n_typists;
};

/* A message goes out: whoever typed it has stopped. */
void typing_sent(beck_channel *ch, const char *parent_id);
void typing_begin(beck_channel *ch); /* listens to others, from the moment the cid is known */
void typing_deaf(beck_channel *ch);  /* hears nobody any more when it returns */
void typing_end(beck_channel *ch);   /* with the lock */
/* Of a handler that ends with the channel; takes the lock. */
void channel_own_handler(beck_channel *ch, beck_handler handler);

/* A request on /channels/{type}/{id}/... ; fails when the id is not known. */
void op_begin_channel(struct op *op, beck_channel *ch, const char *method, const char *what);
beck_client *channel_client(beck_channel *ch); /* NULL of NULL */

#endif
