/* Which users connected on this loop are members of a channel: channel row -> set of user handles. One thread. */
#ifndef BECK_SESSION_MEMBERS_H
#define BECK_SESSION_MEMBERS_H

#include "session/idset.h"
#include "session/slab.h"

struct member_index {
	struct slab channels;
	uint32_t *slots; /* handles of channels by hash of their row number; 0 = free */
	uint32_t count, cap;
};

void member_index_init(struct member_index *x);
void member_index_deinit(struct member_index *x);
bool member_index_add(struct member_index *x, int64_t channel, uint32_t user) BECK_WARN_UNUSED;
void member_index_remove(struct member_index *x, int64_t channel, uint32_t user);
const struct idset *member_index_get(const struct member_index *x, int64_t channel); /* NULL = nobody */

#endif
