#include "store/store_user_data.h"

#include "base/compiler.h"
#include "store/sql.h"

/* ?1 = user, ?2 = after, ?3 = limit; one integer column. */
static enum err list_keys(struct store_tx *tx, const char *literal, int64_t user_pk, int64_t after, int64_t limit,
	struct arena *a, int64_t **out, size_t *n)
{
	int64_t *keys = arena_array(a, int64_t, (size_t)limit);
	if (!keys) return ERR_UNAVAILABLE;
	struct sql_stmt *s = sql_prepare(tx, literal);
	sql_int(s, 1, user_pk);
	sql_int(s, 2, after);
	sql_int(s, 3, limit);
	size_t got = 0;
	while (got < (size_t)limit && sql_step(s) == SQL_ROW) keys[got++] = sql_col_int(s, 0);
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	*out = keys;
	*n = got;
	return ERR_OK;
}

enum err store_user_channels(
	struct store_tx *tx, int64_t user_pk, int64_t after, int64_t limit, struct arena *a, int64_t **out, size_t *n)
{
	return list_keys(tx, "SELECT channel_pk FROM members WHERE user_pk = ?1 AND channel_pk > ?2 ORDER BY channel_pk LIMIT ?3",
		user_pk, after, limit, a, out, n);
}

enum err store_user_created_channels(
	struct store_tx *tx, int64_t user_pk, int64_t after, int64_t limit, struct arena *a, int64_t **out, size_t *n)
{
	return list_keys(tx, "SELECT pk FROM channels WHERE created_by = ?1 AND pk > ?2 ORDER BY pk LIMIT ?3", user_pk, after,
		limit, a, out, n);
}

enum err store_user_messages(
	struct store_tx *tx, int64_t user_pk, int64_t after, int64_t limit, struct arena *a, int64_t **out, size_t *n)
{
	return list_keys(tx, "SELECT pk FROM messages WHERE user_pk = ?1 AND pk > ?2 ORDER BY pk LIMIT ?3", user_pk, after, limit,
		a, out, n);
}

enum err store_user_hidden(struct store_tx *tx, int64_t user_pk, int64_t limit, struct arena *a, struct span **out, size_t *n)
{
	struct span *cids = NULL;
	struct sql_stmt *s = sql_prepare(tx, "SELECT c.type || ':' || c.id FROM members m JOIN channels c ON c.pk = m.channel_pk "
					     "WHERE m.user_pk = ?1 AND m.hidden = 1 "
					     "AND c.deleted_at = 0 LIMIT ?2");
	sql_int(s, 1, user_pk);
	sql_int(s, 2, limit);
	size_t got = 0;
	bool ok = true;
	while (ok && got < (size_t)limit && sql_step(s) == SQL_ROW) {
		if (!cids) ok = (cids = arena_array(a, struct span, (size_t)limit)) != NULL;
		if (ok) cids[got++] = sql_col_text(s, a, 0);
	}
	enum err e = sql_done(s);
	if (!ok) e = ERR_UNAVAILABLE;
	if (e != ERR_OK) return e;
	*out = cids;
	*n = got;
	return ERR_OK;
}

enum err store_channels_give(struct store_tx *tx, int64_t from_pk, int64_t to_pk, int64_t limit, int64_t *changed)
{
	struct sql_stmt *s = sql_prepare(
		tx, "UPDATE channels SET created_by = ?2 WHERE pk IN (SELECT pk FROM channels WHERE created_by = ?1 LIMIT ?3)");
	sql_int(s, 1, from_pk);
	sql_int(s, 2, to_pk);
	sql_int(s, 3, limit);
	enum err e = sql_run(s);
	if (e == ERR_OK) *changed = sql_changes(tx);
	return e;
}

enum err store_channel_undelete(struct store_tx *tx, int64_t pk, int64_t now_us)
{
	struct sql_stmt *s = sql_prepare(
		tx, "UPDATE channels SET deleted_at = 0, keep_history = 0, updated_at = ?2 WHERE pk = ?1 AND keep_history = 1");
	sql_int(s, 1, pk);
	sql_int(s, 2, now_us);
	return sql_run(s);
}

enum err store_user_purge_rest(struct store_tx *tx, int64_t user_pk, int64_t slice, bool *more)
{
	static const char *const slices[] = {
		"DELETE FROM thread_participants WHERE user_pk = ?1 AND parent_pk IN "
		"(SELECT parent_pk FROM thread_participants WHERE user_pk = ?1 LIMIT ?2)",
		"DELETE FROM deleted_for_me WHERE user_pk = ?1 AND message_pk IN "
		"(SELECT message_pk FROM deleted_for_me WHERE user_pk = ?1 LIMIT ?2)",
		/* what tells of his going stays, for those who were away */
		"DELETE FROM events WHERE pos IN (SELECT pos FROM events WHERE user_pk = ?1 AND user_pk <> 0 AND type <> "
		"'user.deleted' ORDER BY pos LIMIT ?2)",
	};
	*more = false;
	store_erased(tx);
	for (size_t i = 0; i < BECK_COUNT(slices) && !*more; i++) {
		struct sql_stmt *s = sql_prepare(tx, slices[i]);
		sql_int(s, 1, user_pk);
		sql_int(s, 2, slice);
		enum err e = sql_run(s);
		if (e != ERR_OK) return e;
		*more = sql_changes(tx) >= slice;
	}
	return ERR_OK;
}

enum err store_tasks_prune(struct store_tx *tx, int64_t before_us)
{
	struct sql_stmt *s = sql_prepare(tx, "DELETE FROM tasks WHERE status IN ('completed', 'failed') AND updated_at < ?1");
	sql_int(s, 1, before_us);
	return sql_run(s);
}
