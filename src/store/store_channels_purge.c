/* Erasing a channel or its history in slices, so that nothing else waits long for the lane. Each slice leaves the store
 * consistent. */
#include "store/channel_row.h"
#include "store/store_channels.h"
#include "store/store_pending.h"

/* Runs "DELETE ... ?1 = key [, ?2 = limit]"; *changed counts rows. */
static enum err delete_by(struct store_tx *tx, const char *text, int64_t key, int64_t limit, int64_t *changed)
{
	struct sql_stmt *s = sql_prepare(tx, text);
	sql_int(s, 1, key);
	if (limit > 0) sql_int(s, 2, limit);
	store_erased(tx);
	enum err e = sql_run(s);
	if (e == ERR_OK) *changed += sql_changes(tx);
	return e;
}

/* What hangs on a message and on its replies: earlier versions, deletions for one user. */
static enum err purge_marks(struct store_tx *tx, int64_t pk, int64_t slice, int64_t *rows, bool *left)
{
	static const char *const slices[] = {
		"DELETE FROM message_history WHERE pk IN (SELECT h.pk FROM messages m JOIN message_history h ON h.message_pk = "
		"m.pk "
		"WHERE m.parent_pk = ?1 AND m.parent_pk <> 0 LIMIT ?2)",
		"DELETE FROM message_history WHERE pk IN (SELECT pk FROM message_history WHERE message_pk = ?1 LIMIT ?2)",
		"DELETE FROM deleted_for_me WHERE (user_pk, message_pk) IN (SELECT d.user_pk, d.message_pk FROM messages m JOIN "
		"deleted_for_me d ON d.message_pk = m.pk WHERE m.parent_pk = ?1 AND m.parent_pk <> 0 LIMIT ?2)",
		"DELETE FROM deleted_for_me WHERE message_pk = ?1 AND user_pk IN (SELECT user_pk FROM deleted_for_me WHERE "
		"message_pk = ?1 LIMIT ?2)",
	};
	int64_t gone = 0;
	enum err e = ERR_OK;
	for (size_t i = 0; e == ERR_OK && i < BECK_COUNT(slices); i++) e = delete_by(tx, slices[i], pk, slice, &gone);
	*rows += gone;
	*left = gone >= slice;
	return e;
}

/* A message of the channel list with everything that hangs on it. *left: something of it remains, the message still stands. */
static enum err purge_one(struct store_tx *tx, int64_t pk, int64_t slice, int64_t *rows, bool *left)
{
	int64_t replies = 0;
	enum err e = purge_marks(tx, pk, slice, rows, left);
	if (e != ERR_OK || *left) return e;
	e = delete_by(tx,
		"DELETE FROM messages WHERE pk IN (SELECT pk FROM messages WHERE parent_pk = ?1 AND parent_pk <> 0 LIMIT ?2)", pk,
		slice, &replies);
	*rows += replies;
	*left = replies >= slice;
	if (e != ERR_OK || *left) return e;
	int64_t people = 0;
	e = delete_by(tx,
		"DELETE FROM thread_participants WHERE parent_pk = ?1 AND user_pk IN "
		"(SELECT user_pk FROM thread_participants WHERE parent_pk = ?1 LIMIT ?2)",
		pk, slice, &people);
	*rows += people;
	*left = people >= slice;
	if (e != ERR_OK || *left) return e;
	e = delete_by(tx, "DELETE FROM threads WHERE parent_pk = ?1", pk, 0, rows);
	return e == ERR_OK ? delete_by(tx, "DELETE FROM messages WHERE pk = ?1", pk, 0, rows) : e;
}

static enum err oldest_message(struct store_tx *tx, int64_t channel, int64_t cut, int64_t *pk, bool *found)
{
	struct sql_stmt *s = sql_prepare(tx,
		"SELECT pk FROM messages WHERE channel_pk = ?1 AND created_at <= ?2 AND (parent_pk = 0 OR show_in_channel = 1) "
		"ORDER BY channel_pk, created_at, id LIMIT 1");
	sql_int(s, 1, channel);
	sql_int(s, 2, cut);
	return sql_get_int(s, pk, found);
}

enum err store_channel_purge_messages(struct store_tx *tx, int64_t pk, int64_t cut, int64_t slice, bool *more)
{
	int64_t rows = 0;
	bool found = true, left = false;
	enum err pending = store_pending_purge_channel(tx, pk, cut, slice, more);
	if (pending != ERR_OK || *more) return pending;
	while (rows < slice && !left) {
		int64_t message;
		enum err e = oldest_message(tx, pk, cut, &message, &found);
		if (e != ERR_OK) return e;
		if (!found) break;
		e = purge_one(tx, message, slice, &rows, &left);
		if (e != ERR_OK) return e;
	}
	*more = found;
	return ERR_OK;
}

/* Runs each of "... ?1 = channel, ?2 = limit" until it finds nothing more. */
static enum err run_slices(struct store_tx *tx, const char *const *texts, size_t n, int64_t pk, int64_t slice, bool *more)
{
	*more = false;
	for (size_t i = 0; i < n && !*more; i++) {
		int64_t rows = 0;
		enum err e = delete_by(tx, texts[i], pk, slice, &rows);
		if (e != ERR_OK) return e;
		*more = rows >= slice;
	}
	return ERR_OK;
}

/* The row that tells of the deletion stays, for those who were away. */
#define FORGET_EVENTS                                                                                                            \
	"DELETE FROM events WHERE pos IN (SELECT pos FROM events WHERE channel_pk = ?1 AND channel_pk <> 0 "                     \
	"AND type <> 'channel.deleted' LIMIT ?2)"
#define FORGET_HOLES                                                                                                             \
	"DELETE FROM seq_holes WHERE channel_pk = ?1 AND seq IN (SELECT seq FROM seq_holes WHERE channel_pk = ?1 LIMIT ?2)"
#define FORGET_SLOW_MODE                                                                                                         \
	"DELETE FROM slow_mode WHERE channel_pk = ?1 AND user_pk IN (SELECT user_pk FROM slow_mode WHERE channel_pk = ?1 LIMIT " \
	"?2)"

enum err store_channel_blank(struct store_tx *tx, int64_t pk, int64_t slice, bool *more)
{
	static const char *const slices[] = { FORGET_EVENTS, FORGET_HOLES, FORGET_SLOW_MODE,
		"UPDATE members SET custom = NULL WHERE channel_pk = ?1 AND user_pk IN "
		"(SELECT user_pk FROM members WHERE channel_pk = ?1 AND custom IS NOT NULL LIMIT ?2)" };
	enum err e = run_slices(tx, slices, BECK_COUNT(slices), pk, slice, more);
	if (e != ERR_OK || *more) return e;
	int64_t rows = 0;
	return delete_by(tx,
		"UPDATE channels SET team = NULL, custom = NULL, config_overrides = NULL, filter_tags = NULL, name_folded = NULL "
		"WHERE pk = ?1",
		pk, 0, &rows);
}

enum err store_channel_purge_rest(struct store_tx *tx, int64_t pk, int64_t slice, bool *more)
{
	static const char *const slices[] = { FORGET_EVENTS, FORGET_HOLES, FORGET_SLOW_MODE };
	enum err e = run_slices(tx, slices, BECK_COUNT(slices), pk, slice, more);
	int64_t rows = 0;
	return e != ERR_OK || *more ? e : delete_by(tx, "DELETE FROM channels WHERE pk = ?1", pk, 0, &rows);
}

enum err store_channels_forget(struct store_tx *tx, int64_t before_us, int64_t slice, bool *more)
{
	int64_t pk = 0, rows = 0;
	struct sql_stmt *s = sql_prepare(tx, "SELECT pk FROM channels WHERE deleted_at <> 0 AND deleted_at < ?1 AND id = '~' || "
					     "pk ORDER BY deleted_at LIMIT 1");
	sql_int(s, 1, before_us);
	enum err e = sql_get_int(s, &pk, more);
	if (e != ERR_OK || !*more) return e;
	bool left;
	e = store_channel_purge_messages(tx, pk, INT64_MAX, slice, &left); /* nothing, when its erasing is through */
	if (e != ERR_OK || left) return e;
	e = delete_by(tx,
		"DELETE FROM members WHERE channel_pk = ?1 AND user_pk IN (SELECT user_pk FROM members WHERE channel_pk = ?1 "
		"LIMIT ?2)",
		pk, slice, &rows);
	if (e != ERR_OK || rows >= slice) return e;
	return store_channel_purge_rest(tx, pk, slice, &left);
}
