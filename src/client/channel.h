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

enum { TYPING_PLACES = 4, TYPISTS_MAX = 64 };

/* Somebody else who types. */
struct typist {
	char user_id[256], parent_id[256];
	int64_t until_ms;
};

/* What a call on its way holds instead of the channel: that would keep the client alive, which could not be released then while
 * something is asked for. */
struct channel_tie {
	atomic_int refs;
	beck_client *client;          /* there as long as callbacks of it are */
	struct beck_channel *channel; /* under the client's lock; NULL: gone */
};

struct beck_channel {
	atomic_int refs;
	beck_client *client;
	struct channel_tie *tie;
	char type[65];
	/* Written once, under the client's lock, and then has_id is set: the answer of a distinct create says them. Read them by
	 * channel_id and channel_cid. */
	char id[65], cid[130];
	atomic_bool has_id;
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
/* Of a handler that ends with the channel; takes the lock. False without memory: the handler is taken away. */
bool channel_own_handler(beck_channel *ch, beck_handler handler);

/* Of the channel that a call was about: for the ctx of its callback, which unties it. */
struct channel_tie *channel_tie(beck_channel *ch);
void channel_untie(struct channel_tie *tie);
/* A reference; NULL when it is gone. Takes the lock. */
beck_channel *channel_tied(struct channel_tie *tie);

/* NULL until known, and of NULL. */
const char *channel_id(beck_channel *ch);
const char *channel_cid(beck_channel *ch);

/* A request on /channels/{type}/{id}/... ; fails when the id is not known. */
void op_begin_channel(struct op *op, beck_channel *ch, const char *method, const char *what);
beck_client *channel_client(beck_channel *ch); /* NULL of NULL */

#endif
