/* Persistence of memberships. Same rules as store.h. A member's `user` carries its pk only, unless said otherwise. */
#ifndef BECK_STORE_STORE_MEMBERS_H
#define BECK_STORE_STORE_MEMBERS_H

#include "store/store_channels.h"

/* ERR_NOT_FOUND: no such membership. */
enum err store_member_get(
	struct store_tx *tx, int64_t channel_pk, int64_t user_pk, struct arena *a, struct member *out) BECK_WARN_UNUSED;
/* A new row. last_read is set to created_at; read_seq as given (-1: pending, nothing counts). */
enum err store_member_insert(struct store_tx *tx, int64_t app, const struct member *m) BECK_WARN_UNUSED;
/* Writes what updates of a member change: role, invitation, pins, hiding, custom data. Read state stays as it is in the table. */
enum err store_member_put(struct store_tx *tx, const struct member *m) BECK_WARN_UNUSED;
/* Everything up to `seq` is read as of `at` (joining, hiding with clearing, truncation for some). Never backwards but from -1. */
enum err store_member_catch_up(
	struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t seq, int64_t at) BECK_WARN_UNUSED;
enum err store_member_remove(struct store_tx *tx, int64_t channel_pk, int64_t user_pk) BECK_WARN_UNUSED;
/* In order of joining; `out` has room for limit. */
enum err store_members_page(struct store_tx *tx, int64_t channel_pk, int64_t limit, int64_t offset, struct arena *a,
	struct member *out, size_t *n) BECK_WARN_UNUSED;
/* The same for a channel known to have no more than limit members. */
enum err store_members_all(
	struct store_tx *tx, int64_t channel_pk, int64_t limit, struct arena *a, struct member *out, size_t *n) BECK_WARN_UNUSED;
/* Fills m->unread of a whole row of this channel (the formula stands in store_messages.h). */
enum err store_member_unread(struct store_tx *tx, const struct channel *c, struct member *m) BECK_WARN_UNUSED;
/* The user keys of such a page alone. */
enum err store_members_pks(
	struct store_tx *tx, int64_t channel_pk, int64_t limit, struct arena *a, int64_t **out, size_t *n) BECK_WARN_UNUSED;

struct member_query {
	const struct filter *filter; /* passed filter_check with store_member_fields */
	const struct sort *sort;     /* passed sort_check with store_member_sorts; n == 0: created_at */
	int64_t limit, offset;
	struct span user_id_gt, user_id_gte, user_id_lt, user_id_lte;
	int64_t created_after, created_after_or_equal, created_before, created_before_or_equal; /* 0 = not given */
	int64_t viewer_pk; /* 0 = server side: sees everything */
};
extern const struct filter_field store_member_fields[];
extern const size_t store_member_field_count;
extern const char *const store_member_sorts[];
extern const size_t store_member_sort_count;
enum err store_member_query(struct store_tx *tx, int64_t channel_pk, const struct member_query *q, struct arena *a,
	struct member **out, size_t *n) BECK_WARN_UNUSED;

#endif
