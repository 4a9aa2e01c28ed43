/* Rights as data: defaults from schema/grants.def, what an application changed from its settings and channel types. */
#ifndef BECK_CHAT_PERMISSIONS_H
#define BECK_CHAT_PERMISSIONS_H

#include "chat/chat.h"

/* As chat_may, also by the "-owner" form when the caller owns what he acts on. */
bool chat_may_own(const struct chat_ctx *c, const char *permission, bool is_owner);
/* Is this a permission there is (also in its "-owner" form), and a role (of users only, or of channels too)? */
bool permission_known(struct span id);
bool role_known(struct span role, bool for_users);
/* Grants of a request: every permission in them is there, and every role (of the application: of users only). Else ERR_INPUT. */
enum err grants_check(struct chat_ctx *c, yyjson_val *sent, bool of_app) BECK_WARN_UNUSED;
/* {"role":["id",..],..} of a built-in channel type, or of ".app". */
void default_grants_write(struct jsonw *w, struct span type);

#endif
