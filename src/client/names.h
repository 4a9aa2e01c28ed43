/* A set of short strings: the channels watched, the users followed. Bounded; under the client's lock. */
#ifndef BECK_CLIENT_NAMES_H
#define BECK_CLIENT_NAMES_H

#include "base/compiler.h"
#include "base/span.h"

struct names {
	char **items; /* sorted by byte order */
	size_t n, cap;
};

void names_free(struct names *s);
bool names_has(const struct names *s, struct span name);
/* False without memory or past `max`. */
bool names_add(struct names *s, struct span name, size_t max);
void names_remove(struct names *s, struct span name);

#endif
