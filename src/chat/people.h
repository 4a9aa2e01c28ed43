/* The users of one reply, each read once and made fit for the caller's eyes. Lives in the request's arena.
 *
 * A reply that is put together by several rules (a channel's state: members, messages, read state) may share what is read:
 * between people_share and people_unshare every struct people of this context is a view of one table. */
#ifndef BECK_CHAT_PEOPLE_H
#define BECK_CHAT_PEOPLE_H

#include "chat/chat.h"

struct people_slot {
	int64_t pk; /* 0 = free */
	size_t index;
};
struct people_table {
	struct people_slot *slots;
	size_t slot_count;
	int64_t *pks; /* in order of asking; users[0 .. loaded) are there */
	struct user *users;
	size_t n, cap, loaded, room;
	/* All memberships of one channel, while its state is being written. */
	int64_t members_of;
	const struct member *members;
	size_t member_count;
};
struct people {
	struct chat_ctx *c;
	struct people_table own, *t;
};
void people_init(struct people *p, struct chat_ctx *c);
/* Asks for a user; 0 is nobody. Without memory the arena says so. */
void people_want(struct people *p, int64_t pk);
/* Reads those asked for since the last time. */
enum err people_load(struct people *p) BECK_WARN_UNUSED;
/* NULL: not asked for, or gone. */
const struct user *people_get(const struct people *p, int64_t pk);
/* Fills u by u->pk; one who is gone keeps an id that tells so. */
void people_fill(const struct people *p, struct user *u);

/* t: zeroed, lives until people_unshare. Users in it come with their text (struct user, rendered). */
void people_share(struct chat_ctx *c, struct people_table *t);
void people_unshare(struct chat_ctx *c);
/* *known: the shared table has all members of this channel; then NULL means that he is none. */
const struct member *people_member(const struct chat_ctx *c, int64_t channel_pk, int64_t user_pk, bool *known);

#endif
