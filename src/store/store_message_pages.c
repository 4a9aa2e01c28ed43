/* Lists of messages by (created_at, id) or (pinned_at, id). */
#include "store/store_message_row.h"
#include "store/store_messages.h"

/* ?2 viewer, ?3 his id in quotes as it stands in the JSON list, ?4 sees all, ?5 cut, ?9 deleted some for himself. replace() is an
 * exact, case-sensitive search that both databases know. */
#define VISIBLE                                                                                                                  \
	" AND (?4 = 1 OR m.shadowed = 0 OR m.user_pk = ?2)"                                                                      \
	" AND (m.restricted IS NULL OR ?4 = 1 OR m.user_pk = ?2 OR replace(m.restricted, ?3, '') <> m.restricted)"               \
	" AND (?9 = 0 OR NOT EXISTS (SELECT 1 FROM deleted_for_me d WHERE d.user_pk = ?2 AND d.message_pk = m.pk))"
#define PAGE(where, by, op, order)                                                                                               \
	"SELECT " MESSAGE_ROW " FROM messages m WHERE " where VISIBLE " AND (" by ", m.id) " op " (?6, ?7) "                     \
	"ORDER BY " by " " order ", m.id " order " LIMIT ?8"
/* Going back the cut is the other bound of the index range. Going forward the position is the bound, and the plus keeps the
 * planner from taking the cut in its place (it would walk the channel from there). */
#define BACK(where, op)  PAGE(where " AND m.created_at > ?5", "m.created_at", op, "DESC")
#define FORTH(where, op) PAGE(where " AND +m.created_at > ?5", "m.created_at", op, "ASC")
#define IN_CHANNEL       "m.channel_pk = ?1 AND " MESSAGE_IN_LIST
#define IN_THREAD        "m.parent_pk = ?1 AND m.parent_pk <> 0"
#define IN_PINS                                                                                                                  \
	"m.channel_pk = ?1 AND m.pinned = 1 AND +m.created_at > ?5 AND (m.pin_expires = 0 OR m.pin_expires > ?10) "              \
	"AND m.deleted_at = 0"

static const char *const channel_sql[] = { BACK(IN_CHANNEL, "<"), BACK(IN_CHANNEL, "<="), FORTH(IN_CHANNEL, ">"),
	FORTH(IN_CHANNEL, ">=") };
static const char *const thread_sql[] = { BACK(IN_THREAD, "<"), BACK(IN_THREAD, "<="), FORTH(IN_THREAD, ">"),
	FORTH(IN_THREAD, ">=") };
static const char *const pinned_sql[] = { PAGE(IN_PINS, "m.pinned_at", "<", "DESC"), PAGE(IN_PINS, "m.pinned_at", "<=", "DESC"),
	PAGE(IN_PINS, "m.pinned_at", ">", "ASC"), PAGE(IN_PINS, "m.pinned_at", ">=", "ASC") };

/* Going forward from before the cut would walk what lies behind it: the walk starts at the cut. */
static struct store_page from_cut(const struct store_page *p)
{
	struct store_page r = *p;
	if ((p->op == STORE_PAGE_GT || p->op == STORE_PAGE_GTE) && p->at_us <= p->cut_us) {
		r.op = STORE_PAGE_GTE;
		r.at_us = p->cut_us + 1;
		r.at_id = SPAN("");
	}
	return r;
}

static enum err run_page(struct store_tx *tx, const char *sql, const struct store_page *p, bool is_pinned, struct arena *a,
	struct message **out, size_t *n)
{
	if (p->limit <= 0) {
		*out = NULL;
		*n = 0;
		return ERR_OK;
	}
	struct message *rows = arena_array(a, struct message, (size_t)p->limit);
	struct span quoted = arena_printf(a, "\"%.*s\"", SPAN_FMT(p->viewer_id));
	if (!rows || !quoted.p) return ERR_UNAVAILABLE;
	struct sql_stmt *s = sql_prepare(tx, sql);
	sql_int(s, 1, !is_pinned && p->parent_pk ? p->parent_pk : p->channel_pk);
	sql_int(s, 2, p->viewer_pk);
	sql_text(s, 3, quoted);
	sql_int(s, 4, p->sees_all);
	sql_int(s, 5, p->cut_us);
	sql_int(s, 6, p->at_us);
	sql_text(s, 7, span_given(p->at_id) ? p->at_id : SPAN(""));
	sql_int(s, 8, p->limit);
	sql_int(s, 9, p->hides);
	if (is_pinned) sql_int(s, 10, p->now_us);
	enum err e = message_rows_read(s, a, rows, (size_t)p->limit, n);
	if (e == ERR_OK) *out = rows;
	return e;
}

enum err store_messages_page(struct store_tx *tx, const struct store_page *p, struct arena *a, struct message **out, size_t *n)
{
	struct message *rows = NULL;
	size_t count = 0;
	struct store_page q = from_cut(p);
	enum err e = run_page(tx, (q.parent_pk ? thread_sql : channel_sql)[q.op], &q, false, a, &rows, &count);
	if (e != ERR_OK) return e;
	bool is_backwards = p->op == STORE_PAGE_LT || p->op == STORE_PAGE_LTE;
	for (size_t i = 0; is_backwards && i < count / 2; i++) {
		struct message swap = rows[i];
		rows[i] = rows[count - 1 - i];
		rows[count - 1 - i] = swap;
	}
	*out = rows;
	*n = count;
	return ERR_OK;
}

enum err store_messages_pinned(struct store_tx *tx, const struct store_page *p, struct arena *a, struct message **out, size_t *n)
{
	return run_page(tx, pinned_sql[p->op], p, true, a, out, n);
}

enum err store_messages_newer(
	struct store_tx *tx, int64_t channel_pk, int64_t at_us, struct span at_id, int64_t limit, int64_t *n)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT count(*) FROM (SELECT 1 FROM messages m WHERE m.channel_pk = ?1 AND " MESSAGE_IN_LIST
				" AND (m.created_at, m.id) > (?2, ?3) LIMIT ?4) x");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, at_us);
	sql_text(s, 3, at_id);
	sql_int(s, 4, limit);
	return sql_get_int(s, n, NULL);
}
