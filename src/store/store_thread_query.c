/* Lists of a user's threads by filter and sort. ?1 is the application, ?2 his key; t his part in the thread h, p its parent, c
 * the channel, m his membership there (none when he left). */
#include "store/filter_sql.h"
#include "store/store_message_row.h"

#define EQ_ONLY  FILTER_BIT(FILTER_EQ)
#define TIME_OPS (FILTER_BIT(FILTER_EQ) | FILTER_ORDER)

enum field { F_CID, F_DISABLED, F_TEAM, F_CREATED_BY, F_PARENT, F_LAST_MESSAGE_AT, F_CREATED_AT, F_UPDATED_AT, F_COUNT };
const struct filter_field store_thread_fields[] = {
	[F_CID] = { "channel_cid", FILTER_T_STRING, FILTER_SAME },
	[F_DISABLED] = { "channel.disabled", FILTER_T_BOOL, EQ_ONLY },
	[F_TEAM] = { "channel.team", FILTER_T_STRING, FILTER_SAME },
	[F_CREATED_BY] = { "created_by_user_id", FILTER_T_STRING, FILTER_SAME },
	[F_PARENT] = { "parent_message_id", FILTER_T_STRING, FILTER_SAME },
	[F_LAST_MESSAGE_AT] = { "last_message_at", FILTER_T_TIME, TIME_OPS },
	[F_CREATED_AT] = { "created_at", FILTER_T_TIME, TIME_OPS },
	[F_UPDATED_AT] = { "updated_at", FILTER_T_TIME, TIME_OPS },
};
const size_t store_thread_field_count = F_COUNT;
static const struct filter_column columns[F_COUNT] = {
	[F_CID] = { FILTER_S_TEXT, "(c.type || ':' || c.id)" },
	[F_DISABLED] = { FILTER_S_BOOL, "c.disabled" },
	[F_TEAM] = { FILTER_S_TEXT, "c.team" },
	[F_CREATED_BY] = { FILTER_S_TEXT, "(SELECT u.id FROM users u WHERE u.pk = h.created_by)" },
	[F_PARENT] = { FILTER_S_TEXT, "p.id" },
	[F_LAST_MESSAGE_AT] = { FILTER_S_TIME, "h.last_reply_at" },
	[F_CREATED_AT] = { FILTER_S_TIME, "h.created_at" },
	[F_UPDATED_AT] = { FILTER_S_TIME, "h.last_reply_at" },
};

#define PARTICIPANTS "(SELECT count(*) FROM thread_participants o WHERE o.parent_pk = h.parent_pk)"
#define REPLIERS     "(SELECT count(*) FROM thread_participants o WHERE o.parent_pk = h.parent_pk AND o.replied = 1)"
#define HAS_UNREAD                                                                                                               \
	"(EXISTS (SELECT 1 FROM messages r WHERE " UNREAD_REPLY                                                                  \
	" AND r.created_at > COALESCE(m.hide_before, 0) AND r.created_at > c.truncated_at))"

enum sort_field {
	S_ACTIVE_PARTICIPANTS,
	S_CREATED_AT,
	S_LAST_MESSAGE_AT,
	S_PARENT,
	S_PARTICIPANTS,
	S_REPLIES,
	S_UPDATED_AT,
	S_HAS_UNREAD,
	S_COUNT
};
const char *const store_thread_sorts[] = { [S_ACTIVE_PARTICIPANTS] = "active_participant_count",
	[S_CREATED_AT] = "created_at",
	[S_LAST_MESSAGE_AT] = "last_message_at",
	[S_PARENT] = "parent_message_id",
	[S_PARTICIPANTS] = "participant_count",
	[S_REPLIES] = "reply_count",
	[S_UPDATED_AT] = "updated_at",
	[S_HAS_UNREAD] = "has_unread" };
const size_t store_thread_sort_count = S_COUNT;
static const struct filter_sort_column sort_columns[S_COUNT] = {
	[S_ACTIVE_PARTICIPANTS] = { REPLIERS, false, false },
	[S_CREATED_AT] = { "h.created_at", false, true },
	[S_LAST_MESSAGE_AT] = { "h.last_reply_at", false, true },
	[S_PARENT] = { "p.id", false, false },
	[S_PARTICIPANTS] = { PARTICIPANTS, false, false },
	[S_REPLIES] = { "p.reply_count", false, false },
	[S_UPDATED_AT] = { "h.last_reply_at", false, true },
	[S_HAS_UNREAD] = { HAS_UNREAD, false, false },
};

#define THREAD_ROW "h.parent_pk, h.channel_pk, h.created_by, h.created_at, h.last_reply_at, " PARTICIPANTS ", " REPLIERS

static struct store_thread read_row(struct sql_stmt *s)
{
	return (struct store_thread){ .parent_pk = sql_col_int(s, 0),
		.channel_pk = sql_col_int(s, 1),
		.created_by = sql_col_int(s, 2),
		.created_at = sql_col_int(s, 3),
		.last_reply_at = sql_col_int(s, 4),
		.participant_count = sql_col_int(s, 5),
		.replier_count = sql_col_int(s, 6) };
}

static enum err build(struct sql_builder *b, const struct store_thread_query *q)
{
	static const struct filter_target target = { columns, sort_columns, NULL, "t.parent_pk", NULL, NULL };
	static const struct sort waiting_first = { .keys = { { .field_id = S_HAS_UNREAD, .descending = true },
							   { .field_id = S_LAST_MESSAGE_AT, .descending = true } },
		.n = 2 };
	sql_builder_int(b, q->app);
	sql_builder_int(b, q->user_pk);
	sql_builder_add(b, "SELECT " THREAD_ROW " FROM thread_participants t JOIN threads h ON h.parent_pk = t.parent_pk "
			   "JOIN messages p ON p.pk = t.parent_pk JOIN channels c ON c.pk = t.channel_pk AND c.deleted_at = 0 "
			   "LEFT JOIN members m ON m.channel_pk = t.channel_pk AND m.user_pk = t.user_pk "
			   "WHERE t.user_pk = ?2 AND t.app = ?1 AND p.created_at > c.truncated_at AND p.created_at > "
			   "COALESCE(m.hide_before, 0) "
			   "AND ");
	enum err e = filter_sql_where(b, q->filter, &target);
	if (e == ERR_OK) e = filter_sql_order(b, q->sort->n > 0 ? q->sort : &waiting_first, &target);
	sql_builder_limit(b, q->limit, q->offset);
	return e;
}

enum err store_threads_query(
	struct store_tx *tx, const struct store_thread_query *q, struct arena *a, struct store_thread **out, size_t *n)
{
	struct store_thread *rows = arena_array(a, struct store_thread, (size_t)q->limit + 1);
	struct sql_builder b;
	if (rows == NULL) return ERR_UNAVAILABLE;
	sql_builder_init(&b, a);
	enum err e = build(&b, q);
	if (e != ERR_OK) return e;
	struct sql_stmt *s = sql_builder_compile(&b, tx);
	size_t count = 0;
	while (count < (size_t)q->limit && sql_step(s) == SQL_ROW) rows[count++] = read_row(s);
	e = sql_done(s);
	if (e != ERR_OK) return e;
	*out = rows;
	*n = count;
	return ERR_OK;
}

enum err store_thread_get(struct store_tx *tx, int64_t parent_pk, struct store_thread *out)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT " THREAD_ROW " FROM threads h WHERE h.parent_pk = ?1");
	bool found = false;
	sql_int(s, 1, parent_pk);
	if (sql_step(s) == SQL_ROW) {
		*out = read_row(s);
		found = true;
	}
	enum err e = sql_done(s);
	return e == ERR_OK && !found ? ERR_NOT_FOUND : e;
}

enum err store_thread_participants(
	struct store_tx *tx, int64_t parent_pk, int64_t limit, struct arena *a, struct store_participant **out, size_t *n)
{
	struct store_participant *rows = arena_array(a, struct store_participant, (size_t)limit);
	if (rows == NULL) return ERR_UNAVAILABLE;
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT user_pk, created_at, last_read, last_read_message_id FROM thread_participants "
				"WHERE parent_pk = ?1 ORDER BY created_at, user_pk LIMIT ?2");
	sql_int(s, 1, parent_pk);
	sql_int(s, 2, limit);
	size_t count = 0;
	while (count < (size_t)limit && sql_step(s) == SQL_ROW)
		rows[count++] = (struct store_participant){ .user_pk = sql_col_int(s, 0),
			.created_at = sql_col_int(s, 1),
			.last_read = sql_col_int(s, 2),
			.last_read_message_id = sql_col_text(s, a, 3) };
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	*out = rows;
	*n = count;
	return ERR_OK;
}
