/* Persistence of channels, members, messages, read state, threads. Same rules as store.h. */
#ifndef BECK_STORE_STORE_CHANNELS_H
#define BECK_STORE_STORE_CHANNELS_H

#include "store/store.h"

/* One membership as the realtime side keeps it for a connected user. */
struct store_membership {
	int64_t channel_pk, read_seq, unread;
	bool muted, pending; /* nothing counts */
};
struct store_totals {
	struct store_membership *items;
	size_t n;
	int64_t total_unread, unread_channels, unread_threads;
};
/* Everything for `me` and for the loop's table, in one pass over the user's memberships. */
enum err store_totals_load(
	struct store_tx *tx, int64_t app, int64_t user_pk, struct arena *a, struct store_totals *out) BECK_WARN_UNUSED;

/* ---------- channels (store_channels.c). Users inside a channel carry their pk only. ---------- */
/* By name; a soft-deleted channel is found too (deleted_at tells). */
enum err store_channel_get(struct store_tx *tx, int64_t app, struct span type, struct span id, struct arena *a,
	struct channel *out) BECK_WARN_UNUSED;
/* The one whose id comes next within its type; "" begins. */
enum err store_channel_next(struct store_tx *tx, int64_t app, struct span type, struct span after, struct arena *a,
	struct span *id, bool *found) BECK_WARN_UNUSED;
enum err store_channel_get_pk(struct store_tx *tx, int64_t pk, struct arena *a, struct channel *out) BECK_WARN_UNUSED;
/* Fills pk and cid. ERR_AGAIN: the name is taken. name_folded: chat_fold of the custom field `name`. */
enum err store_channel_insert(
	struct store_tx *tx, int64_t app, struct channel *c, struct span name_folded, struct arena *a) BECK_WARN_UNUSED;
/* Writes what updates of a channel change; counters, sequences and last_message_at stay as they are in the table. */
enum err store_channel_put(struct store_tx *tx, const struct channel *c, struct span name_folded) BECK_WARN_UNUSED;
/* Gives a deleted channel's name free: its id becomes one that no caller can write. */
enum err store_channel_retire_name(struct store_tx *tx, int64_t pk) BECK_WARN_UNUSED;
enum err store_channel_add_members(struct store_tx *tx, int64_t pk, int64_t delta) BECK_WARN_UNUSED;
/* History up to `cut` (everything: and up to the newest message) is gone: sets floor_seq, message_count, last_message_at,
 * truncated_*, and later messages get later times; *c follows. *whole: nothing countable is left. */
enum err store_channel_truncate(
	struct store_tx *tx, struct channel *c, int64_t cut, bool everything, int64_t by, bool *whole) BECK_WARN_UNUSED;
/* Raises *at to the time of the newest message of any kind, and makes later messages later than *at. */
enum err store_channel_newest(struct store_tx *tx, int64_t pk, int64_t *at) BECK_WARN_UNUSED;
/* Erases messages up to `cut` (all: INT64_MAX) with their threads, at most about `slice` rows; *more when rows are left. */
enum err store_channel_purge_messages(struct store_tx *tx, int64_t pk, int64_t cut, int64_t slice, bool *more) BECK_WARN_UNUSED;
/* Of a deleted channel without messages, erases in slices what says anything: log rows, custom data of it and its members. What
 * is left, a name that nobody can write and bare memberships, leads those who were away to the news of its end. */
enum err store_channel_blank(struct store_tx *tx, int64_t pk, int64_t slice, bool *more) BECK_WARN_UNUSED;
/* Removes in slices what is left but messages and members: log rows, then the channel itself. */
enum err store_channel_purge_rest(struct store_tx *tx, int64_t pk, int64_t slice, bool *more) BECK_WARN_UNUSED;
/* Removes what store_channel_blank left of channels deleted before a time (the log does not reach further back); *more: call
 * again. */
enum err store_channels_forget(struct store_tx *tx, int64_t before_us, int64_t slice, bool *more) BECK_WARN_UNUSED;
/* What must stay erased after a restore of an older backup. */
enum err store_erasure_add(struct store_tx *tx, int64_t app, struct span kind, struct span id, int64_t at) BECK_WARN_UNUSED;

/* ---------- query (store_channel_query.c) ---------- */
struct channel_query {
	const struct filter *filter; /* passed filter_check with store_channel_fields */
	const struct sort *sort;     /* passed sort_check with store_channel_sorts; n == 0: last_updated, newest first */
	int64_t limit, offset;
	int64_t viewer_pk; /* whose membership the relative fields speak of; 0 = nobody's (such fields then fail: ERR_INPUT) */
	struct span viewer_id;
	bool only_member; /* only channels he is a member of, or made (also_created) */
	bool also_created;
	/* Rights are the caller's matter: rows it refuses are skipped and not counted by offset and limit. own is NULL for no
	 * member. */
	bool (*accept)(void *ctx, const struct channel *c, const struct member *own);
	void *ctx;
	int64_t custom_deadline_us; /* monotonic; used when custom fields are searched without the bound of a membership */
};
struct channel_row {
	struct channel ch;
	struct member own; /* own.user_pk == 0: no member */
};
extern const struct filter_field store_channel_fields[];
extern const size_t store_channel_field_count;
extern const char *const store_channel_sorts[];
extern const size_t store_channel_sort_count;
enum err store_channel_query(struct store_tx *tx, int64_t app, const struct channel_query *q, struct arena *a,
	struct channel_row **out, size_t *n, struct error *e) BECK_WARN_UNUSED;

#endif
