/* The contract's identifiers: which byte strings may name a user, a channel, a message. All case-sensitive, bounds in limits.def.
 */
#ifndef BECK_WIRE_IDS_H
#define BECK_WIRE_IDS_H

#include "base/span.h"

bool user_id_valid(struct span id);        /* [A-Za-z0-9_@-]{1,255} */
bool user_id_known_form(struct span id);   /* the same, or the server-made "!anon" */
bool channel_id_valid(struct span id);     /* [A-Za-z0-9_!-]{1,64} */
bool channel_type_valid(struct span type); /* [A-Za-z0-9_-]{1,64} */
bool message_id_valid(struct span id);     /* [A-Za-z0-9_-]{1,255} */
/* "type:id", both valid; false and outputs untouched otherwise. */
bool cid_split(struct span cid, struct span *type, struct span *id);

#endif
