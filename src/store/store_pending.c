#include "store/store_pending.h"

#include "store/sql.h"

#define COLUMNS "channel_pk, user_pk, created_at, id, body, metadata, content_hash"

static struct store_pending read_row(struct sql_stmt *s, struct arena *a)
{
	return (struct store_pending){ .channel_pk = sql_col_int(s, 0),
		.user_pk = sql_col_int(s, 1),
		.created_at = sql_col_int(s, 2),
		.id = sql_col_text(s, a, 3),
		.body = sql_col_text(s, a, 4),
		.metadata = sql_col_text(s, a, 5),
		.content_hash = sql_col_text(s, a, 6) };
}

enum err store_pending_add(struct store_tx *tx, int64_t app, const struct store_pending *p)
{
	struct sql_stmt *s =
		sql_prepare(tx, "INSERT INTO pending_messages (app, " COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
	sql_int(s, 1, app);
	sql_int(s, 2, p->channel_pk);
	sql_int(s, 3, p->user_pk);
	sql_int(s, 4, p->created_at);
	sql_text(s, 5, p->id);
	sql_text(s, 6, p->body);
	sql_text(s, 7, p->metadata);
	sql_text(s, 8, p->content_hash);
	return sql_run(s);
}

enum err store_pending_get(struct store_tx *tx, int64_t app, struct span id, struct arena *a, struct store_pending *out)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT " COLUMNS " FROM pending_messages WHERE app = ?1 AND id = ?2");
	bool found = false;
	sql_int(s, 1, app);
	sql_text(s, 2, id);
	if (sql_step(s) == SQL_ROW) {
		*out = read_row(s, a);
		found = true;
	}
	enum err e = sql_done(s);
	return e == ERR_OK && !found ? ERR_NOT_FOUND : e;
}

enum err store_pending_remove(struct store_tx *tx, int64_t app, struct span id)
{
	struct sql_stmt *s = sql_prepare(tx, "DELETE FROM pending_messages WHERE app = ?1 AND id = ?2");
	sql_int(s, 1, app);
	sql_text(s, 2, id);
	return sql_run(s);
}

enum err store_pending_any(struct store_tx *tx, int64_t user_pk, bool *any)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT 1 FROM pending_messages WHERE user_pk = ?1 LIMIT 1");
	sql_int(s, 1, user_pk);
	return sql_exists(s, any);
}

enum err store_pending_list(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t cut, int64_t limit, struct arena *a,
	struct store_pending **out, size_t *n)
{
	struct store_pending *rows = arena_array(a, struct store_pending, (size_t)limit);
	if (rows == NULL) return ERR_UNAVAILABLE;
	struct sql_stmt *s = sql_prepare(tx, "SELECT " COLUMNS " FROM pending_messages WHERE user_pk = ?2 AND channel_pk = ?1 "
					     "AND created_at > ?3 ORDER BY created_at, id LIMIT ?4");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, user_pk);
	sql_int(s, 3, cut);
	sql_int(s, 4, limit);
	size_t count = 0;
	while (count < (size_t)limit && sql_step(s) == SQL_ROW) rows[count++] = read_row(s, a);
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	*out = rows;
	*n = count;
	return ERR_OK;
}

static enum err purge(struct store_tx *tx, struct sql_stmt *s, int64_t slice, bool *more)
{
	store_erased(tx);
	enum err e = sql_run(s);
	if (e == ERR_OK) *more = sql_changes(tx) >= slice;
	return e;
}

enum err store_pending_purge_user(struct store_tx *tx, int64_t user_pk, int64_t slice, bool *more)
{
	struct sql_stmt *s = sql_prepare(tx, "DELETE FROM pending_messages WHERE pk IN "
					     "(SELECT pk FROM pending_messages WHERE user_pk = ?1 LIMIT ?2)");
	sql_int(s, 1, user_pk);
	sql_int(s, 2, slice);
	return purge(tx, s, slice, more);
}

enum err store_pending_purge_channel(struct store_tx *tx, int64_t channel_pk, int64_t cut, int64_t slice, bool *more)
{
	struct sql_stmt *s = sql_prepare(tx, "DELETE FROM pending_messages WHERE pk IN (SELECT pk FROM pending_messages "
					     "WHERE channel_pk = ?1 AND created_at <= ?2 LIMIT ?3)");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, cut);
	sql_int(s, 3, slice);
	return purge(tx, s, slice, more);
}
