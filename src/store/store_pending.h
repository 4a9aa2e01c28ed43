/* Messages that wait for a commit. They are in no list and no count: a table of their own keeps what is needed to send them
 * later. */
#ifndef BECK_STORE_STORE_PENDING_H
#define BECK_STORE_STORE_PENDING_H

#include "store/store.h"

struct store_pending {
	int64_t channel_pk, user_pk, created_at;
	struct span id, body, metadata, content_hash; /* body: chat's own JSON */
};
/* ERR_AGAIN: the id is taken. */
enum err store_pending_add(struct store_tx *tx, int64_t app, const struct store_pending *p) BECK_WARN_UNUSED;
enum err store_pending_get(
	struct store_tx *tx, int64_t app, struct span id, struct arena *a, struct store_pending *out) BECK_WARN_UNUSED;
enum err store_pending_remove(struct store_tx *tx, int64_t app, struct span id) BECK_WARN_UNUSED;
/* Does anything of his wait anywhere? */
enum err store_pending_any(struct store_tx *tx, int64_t user_pk, bool *any) BECK_WARN_UNUSED;
/* His in one channel, oldest first, later than `cut`. */
enum err store_pending_list(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t cut, int64_t limit, struct arena *a,
	struct store_pending **out, size_t *n) BECK_WARN_UNUSED;
/* Erased in slices: all of a user, or of a channel up to `cut`. */
enum err store_pending_purge_user(struct store_tx *tx, int64_t user_pk, int64_t slice, bool *more) BECK_WARN_UNUSED;
enum err store_pending_purge_channel(
	struct store_tx *tx, int64_t channel_pk, int64_t cut, int64_t slice, bool *more) BECK_WARN_UNUSED;

#endif
