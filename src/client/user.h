/* What a client checks of a user before it connects or updates him. */
#ifndef BECK_CLIENT_USER_H
#define BECK_CLIENT_USER_H

#include "base/span.h"

#include <beck/types.h>

/* A JSON object with a good id, no key twice, at most LIMIT_USER_OBJECT_BYTES as compact JSON. id_out gets the id. */
beck_result user_json_check(struct span json, char id_out[256], beck_error *err);

#endif
