/* Calls that nobody vouches for, limited by client address: those without a user's or server token, and the making of guests,
 * which each come with a token. Shared by all loops; any thread. Fixed in size: when a set of places is full of addresses that
 * are still in debt, the one whose debt ends first is forgotten. */
#ifndef BECK_API_STRANGERS_H
#define BECK_API_STRANGERS_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/rng.h"
#include "base/span.h"

enum stranger_call { STRANGER_CALL, STRANGER_GUEST, STRANGER_CALLS };

struct strangers;
/* guests_at_once: 0 = LIMIT_GUESTS_PER_ADDR. NULL without memory. */
struct strangers *strangers_create(const struct rng *rng, int64_t guests_at_once) BECK_WARN_UNUSED;
void strangers_destroy(struct strangers *s);
/* 0: the call may be made, and is counted. Else in so many seconds. A NULL table lets everything pass. */
int strangers_wait_s(struct strangers *s, struct span peer, enum stranger_call what, int64_t now_us) BECK_WARN_UNUSED;

#endif
