/* Erases again, in a restored store, what the erasure list of a newer data folder or backup names. Used by restore.c alone. */
#ifndef BECK_STORE_REERASE_H
#define BECK_STORE_REERASE_H

#include "store/store_state.h"

/* Applications are matched by key. An entry strikes only what was created before the erasure: an id may have been used anew
 * since. message          the message, with its replies channel          (id = cid) the channel and all that is in it
 *   channel.history  (id = cid) what was sent into it until then
 *   user             the user, his messages, memberships, devices, thread participation and own stream; channels he made stay,
 *                    without creator
 *   user.messages    what he had written until then
 * The entries are added to the restored store's own list. *erased counts what was found and removed. */
enum err reerase(struct store *s, struct span folder, const char *vfs, struct arena *a, int64_t *erased,
	struct span *why) BECK_WARN_UNUSED;

#endif
