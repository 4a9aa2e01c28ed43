/* Keys and secrets of applications that the server makes itself, and the file beside the database that tells the first
 * application's: data/api_secret, which its owner alone can read. Any thread, one at a time. */
#ifndef BECK_SERVER_SECRET_H
#define BECK_SERVER_SECRET_H

#include "base/arena.h"
#include "base/rng.h"

enum { SECRET_BYTES = 32, API_KEY_BYTES = 9 };
/* So many random bytes (at most SECRET_BYTES) as text. */
struct span secret_make(const struct rng *rng, size_t bytes, struct arena *a);

struct span secret_path(struct span data, struct arena *a);
bool secret_keep(struct span data, struct span secret, struct arena *a, struct span *why) BECK_WARN_UNUSED;
bool secret_kept(struct span data, struct arena *a, struct span *out); /* false: there is no such file */

#endif
