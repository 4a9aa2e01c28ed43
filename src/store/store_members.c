#include "store/store_members.h"

#include "store/channel_row.h"
#include "store/store_messages.h"

enum err store_member_get(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, struct arena *a, struct member *out)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT " MEMBER_COLUMNS " FROM members m WHERE m.channel_pk = ?1 AND m.user_pk = ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, user_pk);
	struct member m = { 0 };
	bool found = sql_step(s) == SQL_ROW;
	if (found) member_row_read(s, 0, a, &m);
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	if (!found) return ERR_NOT_FOUND;
	if (arena_failed(a)) return ERR_UNAVAILABLE;
	*out = m;
	return ERR_OK;
}

enum err store_member_insert(struct store_tx *tx, int64_t app, const struct member *m)
{
	struct sql_stmt *s = sql_prepare(tx,
		"INSERT INTO members (channel_pk, user_pk, app, channel_role, is_moderator, custom, invited, hidden, "
		"hide_before, created_at, "
		"updated_at, read_seq, last_read, own_seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?10, "
		/* what he sent before he left lies below it */
		"COALESCE((SELECT counted_seq FROM channels WHERE pk = ?1), 0))");
	sql_int(s, 1, m->channel_pk);
	sql_int(s, 2, m->user_pk);
	sql_int(s, 3, app);
	sql_text(s, 4, m->channel_role);
	sql_int(s, 5, m->is_moderator);
	sql_text(s, 6, m->custom);
	sql_int(s, 7, m->invited);
	sql_int(s, 8, m->hidden);
	sql_int(s, 9, m->hide_before);
	sql_int(s, 10, m->created_at);
	sql_int(s, 11, m->updated_at);
	sql_int(s, 12, m->read_seq);
	return sql_run(s);
}

enum err store_member_put(struct store_tx *tx, const struct member *m)
{
	struct sql_stmt *s = sql_prepare(tx,
		"UPDATE members SET channel_role = ?3, is_moderator = ?4, custom = ?5, invited = ?6, invite_accepted_at = ?7, "
		"invite_rejected_at = ?8, pinned_at = ?9, archived_at = ?10, hidden = ?11, hide_before = ?12, updated_at = ?13 "
		"WHERE channel_pk = ?1 AND user_pk = ?2");
	sql_int(s, 1, m->channel_pk);
	sql_int(s, 2, m->user_pk);
	sql_text(s, 3, m->channel_role);
	sql_int(s, 4, m->is_moderator);
	sql_text(s, 5, m->custom);
	sql_int(s, 6, m->invited);
	sql_int(s, 7, m->invite_accepted_at);
	sql_int(s, 8, m->invite_rejected_at);
	sql_int(s, 9, m->pinned_at);
	sql_int(s, 10, m->archived_at);
	sql_int(s, 11, m->hidden);
	sql_int(s, 12, m->hide_before);
	sql_int(s, 13, m->updated_at);
	return sql_run(s);
}

enum err store_member_catch_up(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t seq, int64_t at)
{
	struct sql_stmt *s =
		sql_prepare(tx, "UPDATE members SET read_seq = CASE WHEN read_seq > ?3 THEN read_seq ELSE ?3 END, "
				"last_read = CASE WHEN last_read > ?4 THEN last_read ELSE ?4 END, first_unread_message_id = NULL "
				"WHERE channel_pk = ?1 AND user_pk = ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, user_pk);
	sql_int(s, 3, seq);
	sql_int(s, 4, at);
	return sql_run(s);
}

enum err store_member_remove(struct store_tx *tx, int64_t channel_pk, int64_t user_pk)
{
	struct sql_stmt *s = sql_prepare(tx, "DELETE FROM members WHERE channel_pk = ?1 AND user_pk = ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, user_pk);
	return sql_run(s);
}

/* Most memberships hold little; the whole row is read where there is more. */
static enum err read_rows(struct store_tx *tx, struct sql_stmt *s, struct arena *a, int64_t limit, struct member *out, size_t *n)
{
	size_t count = 0;
	enum err more = ERR_OK;
	while (more == ERR_OK && count < (size_t)limit && sql_step(s) == SQL_ROW) {
		struct member *m = &out[count++];
		if (member_brief_read(s, a, m)) more = store_member_get(tx, m->channel_pk, m->user_pk, a, m);
	}
	enum err e = sql_done(s);
	if (e == ERR_OK) e = more;
	if (e != ERR_OK) return e;
	if (arena_failed(a)) return ERR_UNAVAILABLE;
	*n = count;
	return ERR_OK;
}

enum err store_members_page(
	struct store_tx *tx, int64_t channel_pk, int64_t limit, int64_t offset, struct arena *a, struct member *out, size_t *n)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT " MEMBER_BRIEF
				" FROM members m WHERE m.channel_pk = ?1 ORDER BY m.created_at, m.user_pk LIMIT ?2 OFFSET ?3");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, limit);
	sql_int(s, 3, offset);
	return read_rows(tx, s, a, limit, out, n);
}

static int by_joining(const void *pa, const void *pb)
{
	const struct member *a = *(const struct member *const *)pa, *b = *(const struct member *const *)pb;
	if (a->created_at != b->created_at) return a->created_at < b->created_at ? -1 : 1;
	return a->user_pk < b->user_pk ? -1 : a->user_pk > b->user_pk;
}

static enum err sort_by_joining(struct arena *a, struct member *m, size_t n)
{
	const struct member **order = arena_alloc(a, n * sizeof *order);
	struct member *copy = arena_alloc(a, n * sizeof *copy);
	if (order == NULL || copy == NULL) return ERR_UNAVAILABLE;
	memcpy(copy, m, n * sizeof *copy);
	for (size_t i = 0; i < n; i++) order[i] = &copy[i];
	qsort(order, n, sizeof *order, by_joining);
	for (size_t i = 0; i < n; i++) m[i] = *order[i];
	return ERR_OK;
}

enum err store_members_all(struct store_tx *tx, int64_t channel_pk, int64_t limit, struct arena *a, struct member *out, size_t *n)
{
	/* by key, as the rows lie; they are few and mostly came in that order */
	struct sql_stmt *s = sql_prepare(tx, "SELECT " MEMBER_BRIEF " FROM members m WHERE m.channel_pk = ?1 LIMIT ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, limit);
	enum err e = read_rows(tx, s, a, limit, out, n);
	size_t i = 1;
	while (e == ERR_OK && i < *n && out[i - 1].created_at <= out[i].created_at) i++;
	return e == ERR_OK && i < *n ? sort_by_joining(a, out, *n) : e;
}

enum err store_member_unread(struct store_tx *tx, const struct channel *c, struct member *m)
{
	int64_t lo = m->read_seq > c->floor_seq ? m->read_seq : c->floor_seq;
	int64_t hi = m->muted && m->mute_seq < c->counted_seq ? m->mute_seq : c->counted_seq;
	if (m->read_seq < 0 || hi <= lo) {
		m->unread = 0;
		return ERR_OK;
	}
	/* no exception lies between: nothing to look up */
	if (c->exception_seq <= lo && m->own_seq <= lo) {
		m->unread = hi - lo;
		return ERR_OK;
	}
	return store_unread(tx, m->channel_pk, m->user_pk, &m->unread);
}

static enum err read_pks(struct sql_stmt *s, struct arena *a, int64_t limit, int64_t **out, size_t *n)
{
	int64_t *pks = arena_array(a, int64_t, (size_t)limit + 1);
	size_t count = 0;
	while (pks != NULL && count < (size_t)limit && sql_step(s) == SQL_ROW) pks[count++] = sql_col_int(s, 0);
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	if (pks == NULL) return ERR_UNAVAILABLE;
	*out = pks;
	*n = count;
	return ERR_OK;
}

enum err store_members_pks(struct store_tx *tx, int64_t channel_pk, int64_t limit, struct arena *a, int64_t **out, size_t *n)
{
	struct sql_stmt *s = sql_prepare(
		tx, "SELECT m.user_pk FROM members m WHERE m.channel_pk = ?1 ORDER BY m.created_at, m.user_pk LIMIT ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, limit);
	return read_pks(s, a, limit, out, n);
}
