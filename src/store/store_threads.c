/* Threads: who takes part and what of them he has not read. */
#include "store/store_message_row.h"

/* His threads that may hold such replies: he is a member, the channel is there, a reply came after his pointer, and what it
 * replies to lies after his history cut: a thread that he cannot open could never be read. */
#define MY_THREADS                                                                                                               \
	"FROM thread_participants t JOIN threads h ON h.parent_pk = t.parent_pk "                                                \
	"JOIN members m ON m.channel_pk = t.channel_pk AND m.user_pk = t.user_pk AND m.read_seq >= 0 "                           \
	"JOIN channels c ON c.pk = t.channel_pk AND c.deleted_at = 0 "                                                           \
	"JOIN messages p ON p.pk = t.parent_pk AND p.created_at > m.hide_before AND p.created_at > c.truncated_at "              \
	"WHERE t.user_pk = ?2 AND t.app = ?1 AND h.last_reply_at > t.last_read "                                                 \
	"AND NOT EXISTS (SELECT 1 FROM deleted_for_me o WHERE o.user_pk = ?2 AND o.message_pk = t.parent_pk) "

static enum err participant_add(
	struct store_tx *tx, int64_t app, const struct message *reply, int64_t user_pk, int64_t last_read, bool has_replied)
{
	struct sql_stmt *s = sql_prepare(tx,
		"INSERT INTO thread_participants (parent_pk, user_pk, app, channel_pk, last_read, last_read_message_id, "
		"created_at, replied) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (parent_pk, user_pk) DO UPDATE SET "
		"last_read = CASE WHEN excluded.replied = 1 AND excluded.last_read > thread_participants.last_read THEN "
		"excluded.last_read "
		"ELSE thread_participants.last_read END, "
		"last_read_message_id = CASE WHEN excluded.replied = 1 THEN excluded.last_read_message_id "
		"ELSE thread_participants.last_read_message_id END, "
		"created_at = CASE WHEN excluded.replied = 1 AND thread_participants.replied = 0 THEN excluded.created_at "
		"ELSE thread_participants.created_at END, "
		"replied = CASE WHEN excluded.replied = 1 THEN 1 ELSE thread_participants.replied END");
	sql_int(s, 1, reply->parent_pk);
	sql_int(s, 2, user_pk);
	sql_int(s, 3, app);
	sql_int(s, 4, reply->channel_pk);
	sql_int(s, 5, last_read);
	sql_text(s, 6, has_replied ? reply->id : SPAN_NONE);
	sql_int(s, 7, reply->created_at);
	sql_int(s, 8, has_replied);
	return sql_run(s);
}

static enum err thread_touch(struct store_tx *tx, int64_t app, const struct message *reply)
{
	struct sql_stmt *s = sql_prepare(tx,
		"INSERT INTO threads (parent_pk, channel_pk, app, reply_seq, last_reply_at, created_by, created_at) "
		"VALUES (?1, ?2, ?3, 1, ?4, ?5, ?4) ON CONFLICT (parent_pk) DO UPDATE SET reply_seq = threads.reply_seq + 1, "
		"last_reply_at = CASE WHEN excluded.last_reply_at > threads.last_reply_at THEN excluded.last_reply_at ELSE "
		"threads.last_reply_at END");
	sql_int(s, 1, reply->parent_pk);
	sql_int(s, 2, reply->channel_pk);
	sql_int(s, 3, app);
	sql_int(s, 4, reply->created_at);
	sql_int(s, 5, reply->user_pk);
	return sql_run(s);
}

enum err store_thread_reply(struct store_tx *tx, int64_t app, const struct message *parent, const struct message *reply)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE messages SET reply_count = reply_count + 1 WHERE pk = ?1");
	sql_int(s, 1, parent->pk);
	enum err e = sql_run(s);
	if (e == ERR_OK) e = thread_touch(tx, app, reply);
	if (e == ERR_OK && parent->user_pk != reply->user_pk)
		e = participant_add(tx, app, reply, parent->user_pk, parent->created_at, false);
	if (e == ERR_OK) e = participant_add(tx, app, reply, reply->user_pk, reply->created_at, true);
	return e;
}

enum err store_thread_mention(struct store_tx *tx, int64_t app, const struct message *reply, int64_t user_pk)
{
	return participant_add(tx, app, reply, user_pk, reply->created_at - 1, false);
}

/* Grows by doubling; the arena forgets nothing, which is fine for lists of this size. */
static enum err read_pks(struct sql_stmt *s, struct arena *a, int64_t **out, size_t *n)
{
	int64_t *pks = NULL;
	size_t got = 0, cap = 0;
	bool no_memory = false;
	while (!no_memory && sql_step(s) == SQL_ROW) {
		if (got == cap) {
			size_t grown = cap ? cap * 2 : 8;
			int64_t *more = arena_realloc(a, pks, cap * sizeof *pks, grown * sizeof *pks);
			no_memory = more == NULL;
			if (no_memory) break;
			pks = more;
			cap = grown;
		}
		pks[got++] = sql_col_int(s, 0);
	}
	enum err e = sql_done(s);
	if (no_memory) return ERR_UNAVAILABLE;
	if (e != ERR_OK) return e;
	*out = pks;
	*n = got;
	return ERR_OK;
}

enum err store_thread_repliers(struct store_tx *tx, int64_t parent_pk, int64_t limit, struct arena *a, int64_t **out, size_t *n)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT user_pk FROM (SELECT user_pk, created_at FROM thread_participants "
				"WHERE parent_pk = ?1 AND replied = 1 ORDER BY created_at DESC LIMIT ?2) x ORDER BY created_at");
	sql_int(s, 1, parent_pk);
	sql_int(s, 2, limit);
	return read_pks(s, a, out, n);
}

enum err store_thread_members(struct store_tx *tx, int64_t parent_pk, struct arena *a, int64_t **out, size_t *n)
{
	struct sql_stmt *s = sql_prepare(tx,
		"SELECT t.user_pk FROM thread_participants t JOIN members m "
		"ON m.channel_pk = t.channel_pk AND m.user_pk = t.user_pk AND m.read_seq >= 0 WHERE t.parent_pk = ?1");
	sql_int(s, 1, parent_pk);
	return read_pks(s, a, out, n);
}

enum err store_hidden_members(struct store_tx *tx, int64_t channel_pk, struct arena *a, int64_t **out, size_t *n)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT user_pk FROM members WHERE channel_pk = ?1 AND hidden = 1 AND muted = 0");
	sql_int(s, 1, channel_pk);
	return read_pks(s, a, out, n);
}

enum err store_thread_read_get(struct store_tx *tx, int64_t parent_pk, int64_t user_pk, int64_t *last_read)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT last_read FROM thread_participants WHERE parent_pk = ?1 AND user_pk = ?2");
	sql_int(s, 1, parent_pk);
	sql_int(s, 2, user_pk);
	bool found = false;
	enum err e = sql_get_int(s, last_read, &found);
	return e == ERR_OK && !found ? ERR_NOT_FOUND : e;
}

enum err store_thread_read_set(struct store_tx *tx, int64_t parent_pk, int64_t user_pk, int64_t last_read, struct span message_id)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE thread_participants SET last_read = ?3, last_read_message_id = ?4 "
					     "WHERE parent_pk = ?1 AND user_pk = ?2");
	sql_int(s, 1, parent_pk);
	sql_int(s, 2, user_pk);
	sql_int(s, 3, last_read);
	sql_text(s, 4, message_id);
	return sql_run(s);
}

static enum err count_threads(struct store_tx *tx, int64_t app, int64_t user_pk, size_t *n)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT count(*) " MY_THREADS "AND EXISTS (SELECT 1 FROM messages r WHERE " UNREAD_REPLY
				" AND r.created_at > m.hide_before AND r.created_at > c.truncated_at)");
	sql_int(s, 1, app);
	sql_int(s, 2, user_pk);
	int64_t count = 0;
	enum err e = sql_get_int(s, &count, NULL);
	if (e == ERR_OK) *n = (size_t)count;
	return e;
}

enum err store_threads_unread(
	struct store_tx *tx, int64_t app, int64_t user_pk, struct arena *a, struct store_thread_unread **rows, size_t *n)
{
	size_t count = 0;
	enum err e = count_threads(tx, app, user_pk, &count);
	if (e != ERR_OK || !rows || count == 0) {
		if (e == ERR_OK) *n = count;
		if (e == ERR_OK && rows) *rows = NULL;
		return e;
	}
	struct store_thread_unread *list = arena_array(a, struct store_thread_unread, count);
	if (!list) return ERR_UNAVAILABLE;
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT * FROM (SELECT t.parent_pk, (SELECT count(*) FROM messages r WHERE " UNREAD_REPLY
				" AND r.created_at > m.hide_before AND r.created_at > c.truncated_at) AS unread, t.last_read, "
				"(SELECT p.id FROM messages p WHERE p.pk = t.parent_pk) AS parent_id, t.last_read_message_id, "
				"h.last_reply_at AS at " MY_THREADS ") x WHERE unread > 0 ORDER BY at DESC");
	sql_int(s, 1, app);
	sql_int(s, 2, user_pk);
	size_t got = 0;
	while (got < count && sql_step(s) == SQL_ROW)
		list[got++] = (struct store_thread_unread){ .parent_pk = sql_col_int(s, 0),
			.unread = sql_col_int(s, 1),
			.last_read = sql_col_int(s, 2),
			.parent_id = sql_col_text(s, a, 3),
			.last_read_message_id = sql_col_text(s, a, 4) };
	e = sql_done(s);
	if (e != ERR_OK) return e;
	*rows = list;
	*n = got;
	return ERR_OK;
}

enum err store_thread_unread(struct store_tx *tx, int64_t parent_pk, int64_t user_pk, int64_t *n)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT (SELECT count(*) FROM messages r WHERE " UNREAD_REPLY ") FROM thread_participants t "
				"WHERE t.parent_pk = ?1 AND t.user_pk = ?2");
	sql_int(s, 1, parent_pk);
	sql_int(s, 2, user_pk);
	int64_t count = 0;
	enum err e = sql_get_int(s, &count, NULL);
	if (e == ERR_OK) *n = count;
	return e;
}
