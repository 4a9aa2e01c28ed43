/* Persistence of messages, threads and read state. Same rules as store.h. Users inside a message carry their pk only
 * (message.user, pinned_by); mentioned, quoted, participants and member are not filled.
 *
 * Unread, in one place (see DESIGN 5): a member's unread = hi - lo - exceptions in (lo, hi], where
 *   lo = max(read_seq, channel.floor_seq), hi = channel.counted_seq (mute_seq while he has muted the channel),
 *   exceptions = counted messages deleted since, by himself for himself too, restricted away from him, his own, and holes
 *   (erased rows).
 * read_seq -1 (pending) counts nothing. channels.exception_seq and members.own_seq say when no exception can lie in between, so
 * the common case needs no look at messages. */
#ifndef BECK_STORE_STORE_MESSAGES_H
#define BECK_STORE_STORE_MESSAGES_H

#include "store/store_channels.h"
#include "wire/filter.h"

/* ---------- one message (store_messages.c) ---------- */
enum err store_message_get(
	struct store_tx *tx, int64_t app, struct span id, struct arena *a, struct message *out) BECK_WARN_UNUSED;
/* The hash it was sent with, to tell a retry from another message. */
enum err store_message_hash(struct store_tx *tx, int64_t pk, struct arena *a, struct span *out) BECK_WARN_UNUSED;
/* Many at once, in the order asked; out[i].pk == 0 where there is none. */
enum err store_messages_get_pk(
	struct store_tx *tx, const int64_t *pks, size_t n, struct arena *a, struct message *out) BECK_WARN_UNUSED;

/* What a new message does to its channel. Fills created_at (later than any before it in the channel) and, when it counts, seq. */
struct store_advance {
	int64_t channel_pk, now_us;
	int64_t given_created_at; /* a server-given time in the past, 0 = none; older than the newest message: it does not count
				   */
	bool counts;              /* takes a counted sequence */
	bool moves_last;          /* last_message_at follows */
	bool in_message_count;
	bool has_exception; /* restricted: its sequence is an exception for some */
	/* answer */
	int64_t created_at, seq, counted_seq, message_count, last_message_at;
};
enum err store_channel_advance(struct store_tx *tx, struct store_advance *v) BECK_WARN_UNUSED;
/* A new row; fills pk. ERR_AGAIN: the id is taken. */
enum err store_message_insert(struct store_tx *tx, int64_t app, struct message *m, struct span content_hash) BECK_WARN_UNUSED;
/* Writes what an edit changes: content, custom data, mentions, quote, pin, updated_at, text_updated_at. */
enum err store_message_put(struct store_tx *tx, const struct message *m) BECK_WARN_UNUSED;
/* Marks deleted: counters of channel and parent follow, pins go, a counted sequence becomes an exception. */
enum err store_message_delete(struct store_tx *tx, const struct message *m, int64_t now_us) BECK_WARN_UNUSED;
enum err store_message_undelete(struct store_tx *tx, const struct message *m, int64_t now_us) BECK_WARN_UNUSED;
/* Erases the row and its replies; counted sequences leave holes; last_message_at is that of what remains. */
enum err store_message_erase(struct store_tx *tx, const struct message *m) BECK_WARN_UNUSED;
/* Slow mode: when this user last sent here (0 = never noted), and noting it. */
enum err store_slow_mode_get(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t *sent_at) BECK_WARN_UNUSED;
enum err store_slow_mode_set(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t sent_at) BECK_WARN_UNUSED;

/* ---------- earlier versions (store_message_history.c) ---------- */
/* Before a change of what a version shows: `old` becomes history, replaced by a user (0: its author) at that moment. */
enum err store_history_add(struct store_tx *tx, int64_t app, const struct message *old, int64_t by, int64_t at) BECK_WARN_UNUSED;
/* All of a message's, whose content is overwritten for good. (Erasing a message takes them along.) */
enum err store_history_erase(struct store_tx *tx, int64_t message_pk) BECK_WARN_UNUSED;
/* What a filter may name, for filter_check. */
extern const struct filter_field store_history_fields[];
extern const size_t store_history_field_count;
struct store_history_query {
	int64_t app;
	const struct filter *filter; /* names message_id */
	bool descending;
	int64_t from_at, from_pk; /* only what lies behind this row; from_pk 0 = from the beginning */
	int64_t limit;
};
/* By (written_at, pk). Versions of messages that are shown to nobody any more are left out. */
enum err store_history_query(struct store_tx *tx, const struct store_history_query *q, struct arena *a,
	struct message_version **out, size_t *n) BECK_WARN_UNUSED;

/* ---------- deleted for one user alone (store_deleted_for_me.c) ---------- */
/* *added: he had not before. */
enum err store_own_delete_add(
	struct store_tx *tx, int64_t app, const struct message *m, int64_t user_pk, int64_t at, bool *added) BECK_WARN_UNUSED;
enum err store_own_delete_any(struct store_tx *tx, int64_t user_pk, bool *any) BECK_WARN_UNUSED;
enum err store_own_delete_any_in(struct store_tx *tx, int64_t channel_pk, bool *any) BECK_WARN_UNUSED;
enum err store_own_delete_is(struct store_tx *tx, int64_t user_pk, int64_t message_pk, bool *is) BECK_WARN_UNUSED;
/* Who deleted this message for himself. */
enum err store_own_delete_users(
	struct store_tx *tx, int64_t message_pk, struct arena *a, int64_t **out, size_t *n) BECK_WARN_UNUSED;
/* The newest LIMIT_DELETED_MESSAGES ids as a JSON array, in the order of deletion; not given when there are none. */
enum err store_own_delete_ids(
	struct store_tx *tx, int64_t channel_pk, int64_t user_pk, struct arena *a, struct span *out) BECK_WARN_UNUSED;

/* ---------- lists (store_message_pages.c) ---------- */
enum store_page_op { STORE_PAGE_LT, STORE_PAGE_LTE, STORE_PAGE_GT, STORE_PAGE_GTE };
struct store_page {
	int64_t channel_pk, parent_pk; /* replies of parent_pk; 0: the channel's list */
	int64_t viewer_pk;             /* shadowed and restricted messages are shown to their author and to those named ... */
	struct span viewer_id;
	bool sees_all;         /* ... or here */
	int64_t cut_us;        /* only later ones */
	enum store_page_op op; /* lt, lte: the newest `limit` before (at_us, at_id); gt, gte: the oldest after it */
	int64_t at_us;
	struct span at_id;
	int64_t limit;
	int64_t now_us; /* pinned lists: expired pins are left out */
	bool hides;     /* the viewer deleted some for himself: those are left out */
};
/* Oldest first whatever the direction. */
enum err store_messages_page(
	struct store_tx *tx, const struct store_page *p, struct arena *a, struct message **out, size_t *n) BECK_WARN_UNUSED;
/* Pinned ones, by (pinned_at, id): lt, lte newest first, gt, gte oldest first. */
enum err store_messages_pinned(
	struct store_tx *tx, const struct store_page *p, struct arena *a, struct message **out, size_t *n) BECK_WARN_UNUSED;
/* How many of the channel's list are newer; counts no further than `limit`. */
enum err store_messages_newer(
	struct store_tx *tx, int64_t channel_pk, int64_t at_us, struct span at_id, int64_t limit, int64_t *n) BECK_WARN_UNUSED;

/* ---------- pins (store_pins.c) ---------- */
struct store_pin {
	int64_t message_pk, app;
};
/* Messages whose pin ran out, the longest overdue first. */
enum err store_pins_expired(
	struct store_tx *tx, int64_t now_us, int64_t limit, struct arena *a, struct store_pin **out, size_t *n) BECK_WARN_UNUSED;

/* ---------- threads (store_threads.c) ---------- */
/* A reply by user_pk was stored: parent's counter, thread row, participants (parent's author, replier). */
enum err store_thread_reply(
	struct store_tx *tx, int64_t app, const struct message *parent, const struct message *reply) BECK_WARN_UNUSED;
/* Mentioned in a thread: takes part from now on; nothing changes for one who does already. */
enum err store_thread_mention(struct store_tx *tx, int64_t app, const struct message *reply, int64_t user_pk) BECK_WARN_UNUSED;
/* Users who replied, at most the newest `limit`, in order of their first reply. */
enum err store_thread_repliers(
	struct store_tx *tx, int64_t parent_pk, int64_t limit, struct arena *a, int64_t **out, size_t *n) BECK_WARN_UNUSED;
/* Participants who are members of the channel now. */
enum err store_thread_members(struct store_tx *tx, int64_t parent_pk, struct arena *a, int64_t **out, size_t *n) BECK_WARN_UNUSED;
/* Where he stands in a thread. ERR_NOT_FOUND: he takes no part. */
enum err store_thread_read_get(struct store_tx *tx, int64_t parent_pk, int64_t user_pk, int64_t *last_read) BECK_WARN_UNUSED;
enum err store_thread_read_set(
	struct store_tx *tx, int64_t parent_pk, int64_t user_pk, int64_t last_read, struct span message_id) BECK_WARN_UNUSED;
struct store_thread_unread {
	int64_t parent_pk, unread, last_read;
	struct span parent_id, last_read_message_id;
};
/* Threads of his with unread replies. rows NULL: only counted. */
enum err store_threads_unread(struct store_tx *tx, int64_t app, int64_t user_pk, struct arena *a,
	struct store_thread_unread **rows, size_t *n) BECK_WARN_UNUSED;
/* Unread replies of one thread. */
enum err store_thread_unread(struct store_tx *tx, int64_t parent_pk, int64_t user_pk, int64_t *n) BECK_WARN_UNUSED;

/* ---------- lists of threads (store_thread_query.c) ---------- */
struct store_thread {
	int64_t parent_pk, channel_pk;
	int64_t created_by; /* who wrote the first reply */
	int64_t created_at, last_reply_at, participant_count, replier_count;
};
/* What a filter may name and a sort go by, for filter_check and sort_check. */
extern const struct filter_field store_thread_fields[];
extern const size_t store_thread_field_count;
extern const char *const store_thread_sorts[];
extern const size_t store_thread_sort_count;
struct store_thread_query {
	int64_t app, user_pk;
	const struct filter *filter;
	const struct sort *sort; /* empty: those with unread replies first, then the newest */
	int64_t limit, offset;
};
/* Threads he takes part in whose parent he can have seen; whether he may read the channel is not looked at. */
enum err store_threads_query(struct store_tx *tx, const struct store_thread_query *q, struct arena *a, struct store_thread **out,
	size_t *n) BECK_WARN_UNUSED;
/* ERR_NOT_FOUND: nobody ever replied. */
enum err store_thread_get(struct store_tx *tx, int64_t parent_pk, struct store_thread *out) BECK_WARN_UNUSED;
struct store_participant {
	int64_t user_pk, created_at, last_read;
	struct span last_read_message_id;
};
/* In the order in which they came to it. */
enum err store_thread_participants(struct store_tx *tx, int64_t parent_pk, int64_t limit, struct arena *a,
	struct store_participant **out, size_t *n) BECK_WARN_UNUSED;

/* ---------- read state (store_read.c) ---------- */
/* ERR_NOT_FOUND: no such membership. */
enum err store_unread(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t *unread) BECK_WARN_UNUSED;
struct store_pointer {
	int64_t channel_pk, user_pk;
	int64_t read_seq, last_read;
	struct span last_read_message_id, first_unread_message_id; /* not given = cleared */
	int64_t own_seq;                                           /* sending: his own counted message; 0 = unchanged */
	/* the delivered pointer is raised along; 0 = not */
	int64_t delivered_at;
	struct span delivered_id;
};
/* Moves the read pointer of a membership (of a pending one only last_read). */
enum err store_pointer_set(struct store_tx *tx, const struct store_pointer *p) BECK_WARN_UNUSED;
/* Raises the delivered pointer; *moved: it was older. */
enum err store_delivered_set(
	struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t at, struct span id, bool *moved) BECK_WARN_UNUSED;
/* Greatest counted sequence of a list message not later than `at_us`, 0 = none. */
enum err store_seq_at(struct store_tx *tx, int64_t channel_pk, int64_t at_us, int64_t *seq) BECK_WARN_UNUSED;
/* Everything of this user is read as of `now`, threads too. */
enum err store_read_all(struct store_tx *tx, int64_t app, int64_t user_pk, int64_t now_us) BECK_WARN_UNUSED;
/* read[] of a channel: the newest members first, at most limit, own_pk always among them (0 = nobody's); unread filled, users
 * loaded. */
enum err store_read_list(struct store_tx *tx, int64_t channel_pk, int64_t own_pk, int64_t limit, struct arena *a,
	struct member **out, size_t *n) BECK_WARN_UNUSED;
/* Members of the channel with it hidden and not muted. */
enum err store_hidden_members(
	struct store_tx *tx, int64_t channel_pk, struct arena *a, int64_t **out, size_t *n) BECK_WARN_UNUSED;
enum err store_member_show(struct store_tx *tx, int64_t channel_pk, int64_t user_pk) BECK_WARN_UNUSED;
/* What a message shows of its sender's membership: role, custom data, muting. out[i].user_pk == 0: no member. */
enum err store_sender_members(struct store_tx *tx, int64_t channel_pk, const int64_t *users, size_t n, struct arena *a,
	struct member *out) BECK_WARN_UNUSED;
/* Channels of his with unread messages, newest first by last_message_at. */
struct store_unread_row {
	int64_t channel_pk, unread, last_read;
	struct span type, id, team;
};
enum err store_unread_list(struct store_tx *tx, int64_t app, int64_t user_pk, struct arena *a, struct store_unread_row **out,
	size_t *n) BECK_WARN_UNUSED;

#endif
