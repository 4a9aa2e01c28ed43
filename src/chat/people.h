/* The users of one reply, each read once and made fit for the caller's eyes. Lives in the request's arena. */
#ifndef BECK_CHAT_PEOPLE_H
#define BECK_CHAT_PEOPLE_H

#include "chat/chat.h"

struct people_slot {
	int64_t pk; /* 0 = free */
	size_t index;
};
struct people {
	struct chat_ctx *c;
	struct people_slot *slots;
	size_t slot_count;
	int64_t *pks; /* in order of asking; users[0 .. loaded) are there */
	struct user *users;
	size_t n, cap, loaded;
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

#endif
