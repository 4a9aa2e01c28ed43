/* Messages that users deleted for themselves alone. */
#include "base/limits.h"
#include "store/sql.h"
#include "store/store_messages.h"

/* The unread formula looks for exceptions only up to the channel's exception_seq. */
static enum err raise_exceptions(struct store_tx *tx, const struct message *m)
{
	if (m->seq == 0) return ERR_OK;
	struct sql_stmt *s = sql_prepare(tx, "UPDATE channels SET exception_seq = ?2 WHERE pk = ?1 AND exception_seq < ?2");
	sql_int(s, 1, m->channel_pk);
	sql_int(s, 2, m->seq);
	return sql_run(s);
}

enum err store_own_delete_add(struct store_tx *tx, int64_t app, const struct message *m, int64_t user_pk, int64_t at, bool *added)
{
	struct sql_stmt *s = sql_prepare(tx, "INSERT INTO deleted_for_me (user_pk, message_pk, app, channel_pk, created_at) "
					     "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (user_pk, message_pk) DO NOTHING");
	sql_int(s, 1, user_pk);
	sql_int(s, 2, m->pk);
	sql_int(s, 3, app);
	sql_int(s, 4, m->channel_pk);
	sql_int(s, 5, at);
	enum err e = sql_run(s);
	if (e != ERR_OK) return e;
	bool is_new = sql_changes(tx) > 0;
	e = is_new ? raise_exceptions(tx, m) : ERR_OK;
	if (e == ERR_OK) *added = is_new;
	return e;
}

enum err store_own_delete_any(struct store_tx *tx, int64_t user_pk, bool *any)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT 1 FROM deleted_for_me WHERE user_pk = ?1 LIMIT 1");
	sql_int(s, 1, user_pk);
	return sql_exists(s, any);
}

enum err store_own_delete_any_in(struct store_tx *tx, int64_t channel_pk, bool *any)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT 1 FROM deleted_for_me WHERE channel_pk = ?1 LIMIT 1");
	sql_int(s, 1, channel_pk);
	return sql_exists(s, any);
}

enum err store_own_delete_is(struct store_tx *tx, int64_t user_pk, int64_t message_pk, bool *is)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT 1 FROM deleted_for_me WHERE user_pk = ?1 AND message_pk = ?2");
	sql_int(s, 1, user_pk);
	sql_int(s, 2, message_pk);
	return sql_exists(s, is);
}

enum err store_own_delete_users(struct store_tx *tx, int64_t message_pk, struct arena *a, int64_t **out, size_t *n)
{
	int64_t *pks = NULL, count = 0;
	size_t got = 0;
	struct sql_stmt *s = sql_prepare(tx, "SELECT count(*) FROM deleted_for_me WHERE message_pk = ?1");
	sql_int(s, 1, message_pk);
	enum err e = sql_get_int(s, &count, NULL);
	if (e == ERR_OK && count > 0) {
		pks = arena_array(a, int64_t, (size_t)count);
		if (pks == NULL) return ERR_UNAVAILABLE;
		s = sql_prepare(tx, "SELECT user_pk FROM deleted_for_me WHERE message_pk = ?1");
		sql_int(s, 1, message_pk);
		while (got < (size_t)count && sql_step(s) == SQL_ROW) pks[got++] = sql_col_int(s, 0);
		e = sql_done(s);
	}
	if (e != ERR_OK) return e;
	*out = pks;
	*n = got;
	return ERR_OK;
}

enum err store_own_delete_ids(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, struct arena *a, struct span *out)
{
	struct buf b;
	buf_init(&b, (size_t)LIMIT_REPLY_BYTES);
	struct sql_stmt *s = sql_prepare(tx,
		"SELECT id FROM (SELECT m.id, d.created_at, d.message_pk FROM deleted_for_me d JOIN messages m ON "
		"m.pk = d.message_pk WHERE d.channel_pk = ?1 AND d.user_pk = ?2 "
		"ORDER BY d.created_at DESC, d.message_pk DESC LIMIT ?3) x ORDER BY created_at, message_pk");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, user_pk);
	sql_int(s, 3, LIMIT_DELETED_MESSAGES);
	while (sql_step(s) == SQL_ROW) {
		struct span id = sql_col_text(s, a, 0); /* ids need no escaping */
		buf_printf(&b, "%s\"%.*s\"", b.n ? "," : "[", SPAN_FMT(id));
	}
	enum err e = sql_done(s);
	struct span text = SPAN_NONE;
	if (b.n) {
		buf_add_char(&b, ']');
		text = b.failed ? SPAN_NONE : arena_dup(a, buf_span(&b));
		if (e == ERR_OK && !span_given(text)) e = ERR_UNAVAILABLE;
	}
	buf_deinit(&b);
	if (e == ERR_OK) *out = text;
	return e;
}
