/* The event log: adding, its ends, pruning. Reading is in store_events_read.c. */
#include "base/limits.h"
#include "store/store_state.h"

enum err store_event_add(struct store_tx *tx, struct store_event *e)
{
	int64_t *last = &tx->store->last_event_at;
	int64_t at = e->created_at > *last ? e->created_at : *last;
	bool is_own = e->user_pk != 0;
	struct sql_stmt *s = sql_prepare(tx,
		"INSERT INTO events (app, type, channel_pk, user_pk, context_pk, actor_pk, message_pk, data, created_at) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
	sql_int(s, 1, e->app);
	sql_text(s, 2, e->type);
	sql_int(s, 3, is_own ? 0 : e->channel_pk);
	sql_int(s, 4, e->user_pk);
	sql_int(s, 5, is_own && e->context_pk == 0 ? e->channel_pk : e->context_pk);
	sql_int(s, 6, e->actor_pk);
	sql_int(s, 7, e->message_pk);
	sql_text(s, 8, e->data);
	sql_int(s, 9, at);
	enum err err = sql_run(s);
	if (err != ERR_OK) return err;
	e->pos = sql_last_pk(tx);
	e->created_at = *last = at;
	return ERR_OK;
}

/* AUTOINCREMENT keeps the newest number given out, also when the log has been pruned empty. */
enum err store_event_head(struct store_tx *tx, int64_t *pos)
{
	int64_t head = 0;
	enum err e = sql_get_int(sql_prepare(tx, "SELECT seq FROM sqlite_sequence WHERE name = 'events'"), &head, NULL);
	if (e == ERR_OK) *pos = head;
	return e;
}

enum err store_event_floor(struct store_tx *tx, int64_t *pos)
{
	int64_t floor = 0;
	enum err e =
		sql_get_int(sql_prepare(tx, "SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'events_floor'"), &floor, NULL);
	if (e == ERR_OK) *pos = floor;
	return e;
}

/* ---- other histories ----
 * After a restore two servers may have gone on from one backup, and clients come with positions of either. A restored log leaps
 * to (seconds since 1970) << 20: beyond all that was given out before that second, as long as that was less than a million events
 * a second, and below 2^53, which is as far as numbers go in JavaScript, until 2242. What it leapt over is kept in meta, a row
 * per leap: 'events_hole:' || (first position given out after it) -> last one before it. */
#define HOLE_TO   "CAST(substr(key, 13) AS BIGINT)"
#define HOLE_FROM "CAST(value AS BIGINT)"
#define HOLES     " FROM meta WHERE key LIKE 'events_hole:%' "

static enum err keep_hole(struct store_tx *tx, int64_t from, int64_t to)
{
	struct sql_stmt *s =
		sql_prepare(tx, "INSERT INTO meta (key, value) VALUES ('events_hole:' || CAST(?2 AS TEXT), CAST(?1 AS TEXT))");
	sql_int(s, 1, from);
	sql_int(s, 2, to);
	return sql_run(s);
}

enum err events_leap(struct store_tx *tx, int64_t now_us)
{
	const int64_t least = INT64_C(1) << 32; /* should the clock stand in the past */
	int64_t from, to = now_us / 1000000 << 20;
	enum err e = store_event_head(tx, &from);
	if (e != ERR_OK) return e;
	if (to < from + least) to = from + least;
	e = keep_hole(tx, from, to);
	if (e != ERR_OK) return e;
	struct sql_stmt *s = sql_prepare(tx, "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'events'");
	sql_int(s, 1, to);
	e = sql_run(s);
	if (e != ERR_OK || sql_changes(tx) > 0) return e;
	s = sql_prepare(tx, "INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?1)");
	sql_int(s, 1, to);
	return sql_run(s);
}

enum err store_event_is_foreign(struct store_tx *tx, int64_t pos, bool *foreign)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT 1" HOLES "AND " HOLE_FROM " < ?1 AND ?1 < " HOLE_TO " LIMIT 1");
	sql_int(s, 1, pos);
	return sql_exists(s, foreign);
}

/* What `rows` rows before `last` is: over each hole on the way it is as much further. */
static enum err rows_before(struct store_tx *tx, int64_t last, int64_t rows, int64_t *pos)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT " HOLE_FROM ", " HOLE_TO HOLES "ORDER BY 2 DESC");
	*pos = last - rows;
	while (sql_step(s) == SQL_ROW)
		if (*pos <= sql_col_int(s, 1) && sql_col_int(s, 1) <= last) *pos -= sql_col_int(s, 1) - sql_col_int(s, 0);
	return sql_done(s);
}

/* ---- pruning ---- */
static enum err set_floor(struct store_tx *tx, int64_t pos)
{
	struct sql_stmt *s = sql_prepare(tx, "INSERT INTO meta (key, value) VALUES ('events_floor', CAST(?1 AS TEXT)) ON "
					     "CONFLICT (key) DO UPDATE SET value = excluded.value");
	sql_int(s, 1, pos);
	return sql_run(s);
}

struct log_ends {
	int64_t first, last;
};

static enum err ends_of(struct store_tx *tx, struct log_ends *out)
{
	enum err e = sql_get_int(sql_prepare(tx, "SELECT pos FROM events ORDER BY pos LIMIT 1"), &out->first, NULL);
	return e == ERR_OK ? sql_get_int(sql_prepare(tx, "SELECT pos FROM events ORDER BY pos DESC LIMIT 1"), &out->last, NULL)
			   : e;
}

/* Highest position older than the time; 0 = none. The log's time never falls, so everything below is older too. */
static enum err last_before(struct store_tx *tx, int64_t before_us, int64_t *pos)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT pos FROM events WHERE created_at < ?1 ORDER BY created_at DESC, pos DESC LIMIT 1");
	sql_int(s, 1, before_us);
	return sql_get_int(s, pos, NULL);
}

/* Highest position to drop so that about keep_bytes stay. A row's size is that of the newest 256, with its index entries. */
static enum err last_beyond(struct store_tx *tx, const struct log_ends *ends, int64_t keep_bytes, int64_t *pos)
{
	enum { ROW_OVERHEAD_BYTES = 96 };
	int64_t mean = 0;
	struct sql_stmt *s = sql_prepare(tx, "SELECT COALESCE(CAST(avg(n) AS BIGINT), 0) FROM (SELECT length(type) + "
					     "COALESCE(length(data), 0) AS n FROM events "
					     "ORDER BY pos DESC LIMIT 256) AS sample");
	enum err e = sql_get_int(s, &mean, NULL);
	if (e != ERR_OK) return e;
	int64_t keep_rows = keep_bytes / (mean + ROW_OVERHEAD_BYTES);
	return rows_before(tx, ends->last, keep_rows, pos);
}

enum err store_events_prune(struct store_tx *tx, int64_t before_us, int64_t keep_bytes, int64_t slice, bool *more)
{
	struct log_ends ends = { 0, 0 };
	int64_t by_age = 0, by_size = 0, cut = 0;
	enum err e = ends_of(tx, &ends);
	if (e == ERR_OK) e = last_before(tx, before_us, &by_age);
	if (e == ERR_OK && keep_bytes > 0) e = last_beyond(tx, &ends, keep_bytes, &by_size);
	if (e != ERR_OK) return e;
	int64_t want = by_age > by_size ? by_age : by_size;
	*more = false;
	if (ends.first == 0 || want < ends.first) return ERR_OK;
	cut = want - ends.first >= slice ? ends.first + slice - 1 : want;
	struct sql_stmt *s = sql_prepare(tx, "DELETE FROM events WHERE pos <= ?1");
	sql_int(s, 1, cut);
	e = sql_run(s);
	if (e == ERR_OK) e = set_floor(tx, cut);
	if (e == ERR_OK) *more = cut < want;
	return e;
}
