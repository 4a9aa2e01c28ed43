/* What hangs on one user, in slices: for the end of users and for `me`. Same rules as store.h. */
#ifndef BECK_STORE_STORE_USER_DATA_H
#define BECK_STORE_STORE_USER_DATA_H

#include "store/store.h"

/* Keys of the channels he is a member of, above `after`, in order. */
enum err store_user_channels(struct store_tx *tx, int64_t user_pk, int64_t after, int64_t limit, struct arena *a, int64_t **out,
	size_t *n) BECK_WARN_UNUSED;
/* Keys of the channels he created, above `after`, in order; deleted ones too. */
enum err store_user_created_channels(struct store_tx *tx, int64_t user_pk, int64_t after, int64_t limit, struct arena *a,
	int64_t **out, size_t *n) BECK_WARN_UNUSED;
/* Keys of the messages he wrote, above `after`, in order; deleted ones too. */
enum err store_user_messages(struct store_tx *tx, int64_t user_pk, int64_t after, int64_t limit, struct arena *a, int64_t **out,
	size_t *n) BECK_WARN_UNUSED;
/* cids of channels that he has hidden, at most limit. */
enum err store_user_hidden(
	struct store_tx *tx, int64_t user_pk, int64_t limit, struct arena *a, struct span **out, size_t *n) BECK_WARN_UNUSED;
/* Gives up to `limit` channels of one creator to another; *changed counts them. */
enum err store_channels_give(
	struct store_tx *tx, int64_t from_pk, int64_t to_pk, int64_t limit, int64_t *changed) BECK_WARN_UNUSED;
/* A soft-deleted channel that kept its history is there again. */
enum err store_channel_undelete(struct store_tx *tx, int64_t pk, int64_t now_us) BECK_WARN_UNUSED;
/* Drops up to `slice` rows of small tables and of the log's own stream of his; *more when rows are left. */
enum err store_user_purge_rest(struct store_tx *tx, int64_t user_pk, int64_t slice, bool *more) BECK_WARN_UNUSED;
/* Finished tasks that ended before. */
enum err store_tasks_prune(struct store_tx *tx, int64_t before_us) BECK_WARN_UNUSED;

#endif
