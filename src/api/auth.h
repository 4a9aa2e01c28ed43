/* Who is calling: connection-and-users.md 1.3, in the part before the store (on the loop) and after it (on a worker). */
#ifndef BECK_API_AUTH_H
#define BECK_API_AUTH_H

#include "api/api.h"

/* c->route, http and query are set. Fills app, token, has_token and the caller. */
enum err auth_prepare(struct api_call *c) BECK_WARN_UNUSED;
/* Loads the caller: revoked, deleted, deactivated. A user whom nobody has stored yet is one without rows for reads, and is made
 * for writes (the token vouches for him), but for a connect, which makes him itself. */
enum err auth_load(struct api_call *c) BECK_WARN_UNUSED;

#endif
