/* One message: reading, storing, changing, erasing, and what that does to its channel. */
#include "store/store_messages.h"
#include "store/store_message_row.h"

void message_row_read(struct sql_stmt *s, struct arena *a, struct message *m)
{
	*m = (struct message){ .pk = sql_col_int(s, 0),
		.id = sql_col_text(s, a, 1),
		.channel_pk = sql_col_int(s, 2),
		.user_pk = sql_col_int(s, 3),
		.type = sql_col_text(s, a, 4),
		.text = sql_col_text(s, a, 5),
		.html = sql_col_text(s, a, 6),
		.mml = sql_col_text(s, a, 7),
		.attachments = sql_col_text(s, a, 8),
		.mentioned_ids = sql_col_text(s, a, 9),
		.custom = sql_col_text(s, a, 10),
		.restricted_visibility = sql_col_text(s, a, 11),
		.parent_pk = sql_col_int(s, 12),
		.show_in_channel = sql_col_int(s, 13) != 0,
		.quoted_pk = sql_col_int(s, 14),
		.reply_count = sql_col_int(s, 15),
		.deleted_reply_count = sql_col_int(s, 16),
		.silent = sql_col_int(s, 17) != 0,
		.shadowed = sql_col_int(s, 18) != 0,
		.pinned = sql_col_int(s, 19) != 0,
		.pinned_at = sql_col_int(s, 20),
		.pin_expires = sql_col_int(s, 22),
		.created_at = sql_col_int(s, 23),
		.updated_at = sql_col_int(s, 24),
		.text_updated_at = sql_col_int(s, 25),
		.deleted_at = sql_col_int(s, 26),
		.seq = sql_col_int(s, 27),
		.parent_id = sql_col_text(s, a, 28),
		.quoted_id = sql_col_text(s, a, 29) };
	m->user.pk = m->user_pk;
	m->pinned_by.pk = sql_col_int(s, 21);
}

enum err message_rows_read(struct sql_stmt *s, struct arena *a, struct message *out, size_t limit, size_t *n)
{
	size_t got = 0;
	while (got < limit && sql_step(s) == SQL_ROW) message_row_read(s, a, &out[got++]);
	enum err e = sql_done(s);
	if (e == ERR_OK) *n = got;
	return e;
}

static enum err read_one(struct sql_stmt *s, struct arena *a, struct message *out)
{
	struct message m;
	size_t n = 0;
	enum err e = message_rows_read(s, a, &m, 1, &n);
	if (e != ERR_OK) return e;
	if (n == 0) return ERR_NOT_FOUND;
	*out = m;
	return ERR_OK;
}

enum err store_message_get(struct store_tx *tx, int64_t app, struct span id, struct arena *a, struct message *out)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT " MESSAGE_ROW " FROM messages m WHERE m.app = ?1 AND m.id = ?2");
	sql_int(s, 1, app);
	sql_text(s, 2, id);
	return read_one(s, a, out);
}

enum err store_message_hash(struct store_tx *tx, int64_t pk, struct arena *a, struct span *out)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT content_hash FROM messages WHERE pk = ?1");
	sql_int(s, 1, pk);
	bool found = sql_step(s) == SQL_ROW;
	struct span hash = found ? sql_col_text(s, a, 0) : SPAN_NONE;
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	if (!found) return ERR_NOT_FOUND;
	*out = hash;
	return ERR_OK;
}

enum err store_messages_get_pk(struct store_tx *tx, const int64_t *pks, size_t n, struct arena *a, struct message *out)
{
	for (size_t i = 0; i < n; i++) {
		struct sql_stmt *s = sql_prepare(tx, "SELECT " MESSAGE_ROW " FROM messages m WHERE m.pk = ?1");
		sql_int(s, 1, pks[i]);
		enum err e = read_one(s, a, &out[i]);
		if (e == ERR_NOT_FOUND) {
			out[i] = (struct message){ 0 };
		} else if (e != ERR_OK) {
			return e;
		}
	}
	return ERR_OK;
}

/* What a channel's row says before a new message. (RETURNING would do it in one statement, and SQLite opens a table of its own
 * for each such answer: three times the cost. PostgreSQL will want FOR UPDATE here.) */
struct advance_from {
	int64_t last_created_at, counted_seq, exception_seq, message_count, last_message_at, sort_at;
};

static enum err advance_read(struct store_tx *tx, int64_t channel_pk, struct advance_from *out)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT last_created_at, counted_seq, exception_seq, message_count, last_message_at, "
				"sort_at FROM channels WHERE pk = ?1");
	sql_int(s, 1, channel_pk);
	bool found = sql_step(s) == SQL_ROW;
	struct advance_from from = { sql_col_int(s, 0), sql_col_int(s, 1), sql_col_int(s, 2), sql_col_int(s, 3),
		sql_col_int(s, 4), sql_col_int(s, 5) };
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	if (!found) return ERR_NOT_FOUND;
	*out = from;
	return ERR_OK;
}

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

static enum err advance_write(struct store_tx *tx, int64_t channel_pk, const struct advance_from *to)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE channels SET last_created_at = ?2, counted_seq = ?3, exception_seq = ?4, "
					     "message_count = ?5, last_message_at = ?6, sort_at = ?7 WHERE pk = ?1");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, to->last_created_at);
	sql_int(s, 3, to->counted_seq);
	sql_int(s, 4, to->exception_seq);
	sql_int(s, 5, to->message_count);
	sql_int(s, 6, to->last_message_at);
	sql_int(s, 7, to->sort_at);
	return sql_run(s);
}

enum err store_channel_advance(struct store_tx *tx, struct store_advance *v)
{
	struct advance_from c;
	enum err e = advance_read(tx, v->channel_pk, &c);
	if (e != ERR_OK) return e;
	struct store_advance r = *v;
	bool is_given = v->given_created_at != 0;
	/* Whether a message with a given time counts depends on the newest one there is. */
	bool counts = v->counts && (!is_given || v->given_created_at > c.last_created_at);
	r.created_at = is_given ? v->given_created_at : later(v->now_us, c.last_created_at + 1);
	c.last_created_at = later(c.last_created_at, r.created_at);
	c.counted_seq += counts;
	if (counts && v->has_exception) c.exception_seq = c.counted_seq;
	c.message_count += v->in_message_count;
	if (v->moves_last) {
		c.last_message_at = later(c.last_message_at, r.created_at);
		c.sort_at = later(c.sort_at, r.created_at);
	}
	r.counted_seq = c.counted_seq;
	r.message_count = c.message_count;
	r.last_message_at = c.last_message_at;
	r.seq = counts ? c.counted_seq : 0;
	e = advance_write(tx, v->channel_pk, &c);
	if (e == ERR_OK) *v = r;
	return e;
}

enum err store_message_insert(struct store_tx *tx, int64_t app, struct message *m, struct span content_hash)
{
	struct sql_stmt *s = sql_prepare(tx, "INSERT INTO messages (app, id, channel_pk, user_pk, type, text, html, mml, "
					     "attachments, mentioned, custom, restricted, "
					     "parent_pk, show_in_channel, quoted_pk, silent, shadowed, pinned, pinned_at, "
					     "pinned_by, pin_expires, created_at, updated_at, "
					     "seq, content_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
					     "?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, "
					     "?22, ?22, ?23, ?24)");
	sql_int(s, 1, app);
	sql_text(s, 2, m->id);
	sql_int(s, 3, m->channel_pk);
	sql_int(s, 4, m->user_pk);
	sql_text(s, 5, m->type);
	sql_text(s, 6, span_given(m->text) ? m->text : SPAN(""));
	sql_text(s, 7, m->html);
	sql_text(s, 8, m->mml);
	sql_text(s, 9, m->attachments);
	sql_text(s, 10, m->mentioned_ids);
	sql_text(s, 11, m->custom);
	sql_text(s, 12, m->restricted_visibility);
	sql_int(s, 13, m->parent_pk);
	sql_int(s, 14, m->show_in_channel);
	sql_int(s, 15, m->quoted_pk);
	sql_int(s, 16, m->silent);
	sql_int(s, 17, m->shadowed);
	sql_int(s, 18, m->pinned);
	sql_int(s, 19, m->pinned_at);
	sql_int(s, 20, m->pinned_by.pk);
	sql_int(s, 21, m->pin_expires);
	sql_int(s, 22, m->created_at);
	sql_int(s, 23, m->seq);
	sql_text(s, 24, content_hash);
	enum err e = sql_run(s);
	if (e == ERR_OK) m->pk = sql_last_pk(tx);
	return e;
}

enum err store_message_put(struct store_tx *tx, const struct message *m)
{
	struct sql_stmt *s = sql_prepare(tx,
		"UPDATE messages SET text = ?2, html = ?3, mml = ?4, attachments = ?5, mentioned = ?6, custom = ?7, quoted_pk = "
		"?8, pinned = ?9, "
		"pinned_at = ?10, pinned_by = ?11, pin_expires = ?12, updated_at = ?13, text_updated_at = ?14 WHERE pk = ?1");
	sql_int(s, 1, m->pk);
	sql_text(s, 2, span_given(m->text) ? m->text : SPAN(""));
	sql_text(s, 3, m->html);
	sql_text(s, 4, m->mml);
	sql_text(s, 5, m->attachments);
	sql_text(s, 6, m->mentioned_ids);
	sql_text(s, 7, m->custom);
	sql_int(s, 8, m->quoted_pk);
	sql_int(s, 9, m->pinned);
	sql_int(s, 10, m->pinned_at);
	sql_int(s, 11, m->pinned_by.pk);
	sql_int(s, 12, m->pin_expires);
	sql_int(s, 13, m->updated_at);
	sql_int(s, 14, m->text_updated_at);
	return sql_run(s);
}

/* ---- deleting ---- */
static bool is_counted_in_channel(const struct message *m) { return (m->parent_pk == 0 || m->show_in_channel) && !m->shadowed; }

static enum err channel_shift(struct store_tx *tx, const struct message *m, int64_t delta)
{
	/* What lies before the cut of a truncation has left the count with it. */
	struct sql_stmt *s =
		sql_prepare(tx, "UPDATE channels SET "
				"message_count = message_count + CASE WHEN ?4 > truncated_at THEN ?2 ELSE 0 END, "
				"exception_seq = CASE WHEN ?3 > exception_seq THEN ?3 ELSE exception_seq END WHERE pk = ?1");
	sql_int(s, 1, m->channel_pk);
	sql_int(s, 2, is_counted_in_channel(m) ? delta : 0);
	sql_int(s, 3, m->seq);
	sql_int(s, 4, m->created_at);
	return sql_run(s);
}

static enum err parent_shift(struct store_tx *tx, int64_t parent_pk, int64_t replies, int64_t deleted)
{
	if (parent_pk == 0) return ERR_OK;
	struct sql_stmt *s = sql_prepare(tx, "UPDATE messages SET reply_count = reply_count + ?2, deleted_reply_count = "
					     "deleted_reply_count + ?3 WHERE pk = ?1");
	sql_int(s, 1, parent_pk);
	sql_int(s, 2, replies);
	sql_int(s, 3, deleted);
	return sql_run(s);
}

enum err store_message_delete(struct store_tx *tx, const struct message *m, int64_t now_us)
{
	struct sql_stmt *s =
		sql_prepare(tx, "UPDATE messages SET deleted_at = ?2, updated_at = ?2, pinned = 0, pinned_at = 0, pinned_by = 0, "
				"pin_expires = 0 WHERE pk = ?1");
	sql_int(s, 1, m->pk);
	sql_int(s, 2, now_us);
	enum err e = sql_run(s);
	if (e == ERR_OK) e = channel_shift(tx, m, -1);
	if (e == ERR_OK) e = parent_shift(tx, m->parent_pk, -1, 1);
	return e;
}

enum err store_message_undelete(struct store_tx *tx, const struct message *m, int64_t now_us)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE messages SET deleted_at = 0, updated_at = ?2 WHERE pk = ?1");
	sql_int(s, 1, m->pk);
	sql_int(s, 2, now_us);
	enum err e = sql_run(s);
	if (e == ERR_OK) e = channel_shift(tx, m, 1);
	if (e == ERR_OK) e = parent_shift(tx, m->parent_pk, 1, -1);
	return e;
}

static enum err run_on(struct store_tx *tx, const char *sql, int64_t pk)
{
	struct sql_stmt *s = sql_prepare(tx, sql);
	sql_int(s, 1, pk);
	return sql_run(s);
}

static enum err erase_replies(struct store_tx *tx, int64_t channel_pk, int64_t parent_pk)
{
	static const char *const steps[] = {
		"DELETE FROM message_history WHERE message_pk IN (SELECT pk FROM messages WHERE parent_pk = ?1 AND parent_pk <> "
		"0)",
		"DELETE FROM deleted_for_me WHERE message_pk IN (SELECT pk FROM messages WHERE parent_pk = ?1 AND parent_pk <> "
		"0)",
		"INSERT INTO seq_holes (channel_pk, seq) SELECT channel_pk, seq FROM messages WHERE parent_pk = ?1 AND parent_pk "
		"<> 0 AND seq <> 0",
		"DELETE FROM thread_participants WHERE parent_pk = ?1",
		"DELETE FROM threads WHERE parent_pk = ?1",
	};
	int64_t shown = 0;
	struct sql_stmt *s = sql_prepare(tx,
		"SELECT count(*) FROM messages WHERE parent_pk = ?1 AND parent_pk <> 0 AND show_in_channel = 1 "
		"AND shadowed = 0 AND deleted_at = 0 AND created_at > (SELECT truncated_at FROM channels WHERE pk = ?2)");
	sql_int(s, 1, parent_pk);
	sql_int(s, 2, channel_pk);
	enum err e = sql_get_int(s, &shown, NULL);
	for (size_t i = 0; e == ERR_OK && i < BECK_COUNT(steps); i++) e = run_on(tx, steps[i], parent_pk);
	if (e != ERR_OK) return e;
	s = sql_prepare(tx, "UPDATE channels SET message_count = message_count - ?2, exception_seq = counted_seq WHERE pk = ?1");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, shown);
	e = sql_run(s);
	return e == ERR_OK ? run_on(tx, "DELETE FROM messages WHERE parent_pk = ?1 AND parent_pk <> 0", parent_pk) : e;
}

static enum err last_message_follow(struct store_tx *tx, int64_t channel_pk)
{
	int64_t last = 0;
	struct sql_stmt *s = sql_prepare(tx, "SELECT m.created_at FROM messages m JOIN channels c ON c.pk = m.channel_pk "
					     "WHERE m.channel_pk = ?1 AND " MESSAGE_IN_LIST
					     " AND m.shadowed = 0 AND m.restricted IS NULL AND m.created_at > c.truncated_at "
					     "ORDER BY m.created_at DESC LIMIT 1");
	sql_int(s, 1, channel_pk);
	enum err e = sql_get_int(s, &last, NULL);
	if (e != ERR_OK) return e;
	s = sql_prepare(tx,
		"UPDATE channels SET last_message_at = ?2, sort_at = CASE WHEN created_at > ?2 THEN created_at ELSE ?2 END "
		"WHERE pk = ?1 AND last_message_at > ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, last);
	return sql_run(s);
}

enum err store_message_erase(struct store_tx *tx, const struct message *m)
{
	bool was_deleted = m->deleted_at != 0;
	store_erased(tx);
	enum err e = m->parent_pk == 0 ? erase_replies(tx, m->channel_pk, m->pk) : ERR_OK;
	if (e == ERR_OK && m->seq) {
		struct sql_stmt *s = sql_prepare(tx, "INSERT INTO seq_holes (channel_pk, seq) VALUES (?1, ?2)");
		sql_int(s, 1, m->channel_pk);
		sql_int(s, 2, m->seq);
		e = sql_run(s);
	}
	if (e == ERR_OK) e = channel_shift(tx, m, was_deleted ? 0 : -1);
	if (e == ERR_OK) e = parent_shift(tx, m->parent_pk, was_deleted ? 0 : -1, was_deleted ? -1 : 0);
	if (e == ERR_OK) e = store_history_erase(tx, m->pk);
	if (e == ERR_OK) e = run_on(tx, "DELETE FROM deleted_for_me WHERE message_pk = ?1", m->pk);
	if (e == ERR_OK) e = run_on(tx, "DELETE FROM messages WHERE pk = ?1", m->pk);
	return e == ERR_OK ? last_message_follow(tx, m->channel_pk) : e;
}

/* ---- slow mode ---- */
enum err store_slow_mode_get(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t *sent_at)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT sent_at FROM slow_mode WHERE channel_pk = ?1 AND user_pk = ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, user_pk);
	int64_t at = 0;
	enum err e = sql_get_int(s, &at, NULL);
	if (e == ERR_OK) *sent_at = at;
	return e;
}

enum err store_slow_mode_set(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t sent_at)
{
	struct sql_stmt *s = sql_prepare(tx, "INSERT INTO slow_mode (channel_pk, user_pk, sent_at) VALUES (?1, ?2, ?3) "
					     "ON CONFLICT (channel_pk, user_pk) DO UPDATE SET sent_at = excluded.sent_at");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, user_pk);
	sql_int(s, 3, sent_at);
	return sql_run(s);
}
