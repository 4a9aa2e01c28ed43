/* UTF-8 as RFC 3629: no surrogates, no overlong forms, at most U+10FFFF. */
#ifndef BECK_BASE_UTF8_H
#define BECK_BASE_UTF8_H

#include <stdint.h>

#include "base/span.h"

bool utf8_valid(struct span s);
/* Code points in valid UTF-8. */
size_t utf8_length(struct span s);

/* Validation in pieces: feed any split; `state` starts at 0. False at the first bad byte. */
bool utf8_feed(uint32_t *state, struct span s);
/* True when no character is left half-read. */
static inline bool utf8_complete(uint32_t state) { return state == 0; }

#endif
