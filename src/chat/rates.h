/* How often an application's operations were called in the present minute, by platform. Counted whether or not anything is
 * limited by it. One object per application, shared by its snapshots; every thread counts in it. */
#ifndef BECK_CHAT_RATES_H
#define BECK_CHAT_RATES_H

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

enum rate_platform { RATE_SERVER_SIDE, RATE_ANDROID, RATE_IOS, RATE_WEB, RATE_UNITY, RATE_PLATFORMS };
enum { RATE_OPERATIONS_MAX = 160 };

struct rates;
struct rates *rates_create(void) BECK_WARN_UNUSED; /* one reference; NULL: no memory */
struct rates *rates_ref(struct rates *r);
void rates_unref(struct rates *r);
/* One more call in this minute (since the epoch); the calls of that minute so far. */
uint32_t rates_add(struct rates *r, size_t operation, enum rate_platform p, uint32_t minute);
uint32_t rates_get(const struct rates *r, size_t operation, enum rate_platform p, uint32_t minute);

#endif
