/* Persistence of channels, members, messages, read state, threads. Same rules as store.h. */
#ifndef BECK_STORE_STORE_CHANNELS_H
#define BECK_STORE_STORE_CHANNELS_H

#include "store/store.h"

/* One membership as the realtime side keeps it for a connected user. */
struct store_membership {
	int64_t channel_pk, read_seq, unread;
	bool muted, pending; /* nothing counts */
};
struct store_totals {
	struct store_membership *items;
	size_t n;
	int64_t total_unread, unread_channels, unread_threads;
};
/* Everything for `me` and for the loop's table, in one pass over the user's memberships. */
enum err store_totals_load(struct store_tx *tx, int64_t app, int64_t user_pk, struct arena *a, struct store_totals *out) BECK_WARN_UNUSED;

/* The functions of the channels part are declared here by whoever writes src/store/store_channels.c, store_members.c,
 * store_messages.c, store_read.c. */

#endif
