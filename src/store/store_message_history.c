/* Earlier versions of messages. A row says who replaced it, so that the version that follows, the current one too, has its
 * writer without a column of messages: sending costs nothing. */
#include "store/filter_sql.h"
#include "store/store_messages.h"

enum field { F_MESSAGE, F_USER, F_COUNT };
const struct filter_field store_history_fields[] = {
	[F_MESSAGE] = { "message_id", FILTER_T_STRING, FILTER_SAME },
	[F_USER] = { "user_id", FILTER_T_STRING, FILTER_SAME },
};
const size_t store_history_field_count = F_COUNT;
static const struct filter_column columns[F_COUNT] = {
	[F_MESSAGE] = { FILTER_S_TEXT, "m.id" },
	[F_USER] = { FILTER_S_TEXT, "u.id" },
};

/* ---- writing ---- */
struct writer {
	int64_t user_pk, at;
};

static enum err current_writer(struct store_tx *tx, const struct message *m, struct writer *out)
{
	struct sql_stmt *s = sql_prepare(
		tx, "SELECT replaced_by, replaced_at FROM message_history WHERE message_pk = ?1 ORDER BY pk DESC LIMIT 1");
	struct writer w = { m->user_pk, m->created_at };
	sql_int(s, 1, m->pk);
	if (sql_step(s) == SQL_ROW) w = (struct writer){ sql_col_int(s, 0), sql_col_int(s, 1) };
	enum err e = sql_done(s);
	if (e == ERR_OK) *out = w;
	return e;
}

enum err store_history_add(struct store_tx *tx, int64_t app, const struct message *old, int64_t by, int64_t at)
{
	struct writer w = { 0 };
	enum err e = current_writer(tx, old, &w);
	if (e != ERR_OK) return e;
	bool is_deleted = old->deleted_at != 0; /* a tombstone has no content; what it covers is a version of its own */
	struct sql_stmt *s =
		sql_prepare(tx, "INSERT INTO message_history (app, message_pk, text, attachments, custom, is_deleted, "
				"written_by, written_at, replaced_by, replaced_at) "
				"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
	sql_int(s, 1, app);
	sql_int(s, 2, old->pk);
	sql_text(s, 3, is_deleted || !span_given(old->text) ? SPAN("") : old->text);
	sql_text(s, 4, is_deleted ? SPAN_NONE : old->attachments);
	sql_text(s, 5, is_deleted ? SPAN_NONE : old->custom);
	sql_int(s, 6, is_deleted);
	sql_int(s, 7, w.user_pk);
	sql_int(s, 8, w.at);
	sql_int(s, 9, by != 0 ? by : old->user_pk);
	sql_int(s, 10, at > w.at ? at : w.at); /* whatever the clock does, versions keep their order */
	return sql_run(s);
}

enum err store_history_erase(struct store_tx *tx, int64_t message_pk)
{
	struct sql_stmt *s = sql_prepare(tx, "DELETE FROM message_history WHERE message_pk = ?1");
	sql_int(s, 1, message_pk);
	store_erased(tx);
	return sql_run(s);
}

/* ---- lists ---- */
static enum err build(struct sql_builder *b, const struct store_history_query *q)
{
	static const struct filter_target target = { columns, NULL, NULL, "h.pk", NULL, NULL };
	const char *order = q->descending ? " ORDER BY h.written_at DESC, h.pk DESC" : " ORDER BY h.written_at, h.pk";
	sql_builder_int(b, q->app);
	/* What nobody is shown any more has no history either. A writer who was erased has no id. */
	sql_builder_add(b, "SELECT h.pk, m.id, u.id, h.written_at, h.text, h.attachments, h.custom, h.is_deleted FROM messages m "
			   "JOIN channels c ON c.pk = m.channel_pk AND c.deleted_at = 0 AND m.created_at > c.truncated_at "
			   "JOIN message_history h ON h.message_pk = m.pk LEFT JOIN users u ON u.pk = h.written_by "
			   "WHERE m.app = ?1 AND ");
	enum err e = filter_sql_where(b, q->filter, &target);
	if (e == ERR_OK && q->from_pk != 0) {
		sql_builder_add(b, q->descending ? " AND (h.written_at, h.pk) < (" : " AND (h.written_at, h.pk) > (");
		sql_builder_put_int(b, q->from_at);
		sql_builder_add(b, ", ");
		sql_builder_put_int(b, q->from_pk);
		sql_builder_add(b, ")");
	}
	sql_builder_add(b, order);
	sql_builder_limit(b, q->limit, 0);
	return e;
}

enum err store_history_query(
	struct store_tx *tx, const struct store_history_query *q, struct arena *a, struct message_version **out, size_t *n)
{
	struct message_version *rows = arena_array(a, struct message_version, (size_t)q->limit);
	struct sql_builder b;
	if (rows == NULL) return ERR_UNAVAILABLE;
	sql_builder_init(&b, a);
	enum err e = build(&b, q);
	if (e != ERR_OK) return e;
	struct sql_stmt *s = sql_builder_compile(&b, tx);
	size_t count = 0;
	while (count < (size_t)q->limit && sql_step(s) == SQL_ROW)
		rows[count++] = (struct message_version){ .pk = sql_col_int(s, 0),
			.message_id = sql_col_text(s, a, 1),
			.written_by = sql_col_text(s, a, 2),
			.written_at = sql_col_int(s, 3),
			.text = sql_col_text(s, a, 4),
			.attachments = sql_col_text(s, a, 5),
			.custom = sql_col_text(s, a, 6),
			.is_deleted = sql_col_int(s, 7) != 0 };
	e = sql_done(s);
	if (e != ERR_OK) return e;
	*out = rows;
	*n = count;
	return ERR_OK;
}
