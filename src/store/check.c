/* Is the file whole, and do our own books balance? Each check is a query that yields one line per finding. */
#include "store/store_state.h"

enum { SHOWN = 20 /* findings told per check */, REPORT_BYTES = 1024 * 1024 };

#define CID "c.type || ':' || c.id"
#define COUNTED_MESSAGES                                                                                                         \
	"(SELECT count(*) FROM messages m WHERE m.channel_pk = c.pk AND (m.parent_pk = 0 OR m.show_in_channel = 1) "             \
	"AND m.deleted_at = 0 AND m.shadowed = 0 AND m.created_at > c.truncated_at)"

static const struct {
	const char *what, *sql;
} checks[] = {
	{ "database file", "SELECT integrity_check FROM pragma_integrity_check(20) WHERE integrity_check <> 'ok'" },
	{ "store epoch", "SELECT 'the store has no epoch' WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'epoch' AND "
			 "length(value) = 36)" },
	{ "member counts", "SELECT 'channel ' || " CID " || ': member_count is ' || c.member_count || ', counted ' || n FROM "
			   "(SELECT c.*, (SELECT count(*) FROM members m WHERE m.channel_pk = c.pk) AS n FROM channels c) AS c "
			   "WHERE c.member_count <> n AND c.deleted_at = 0" },
	{ "message counts",
		"SELECT 'channel ' || " CID " || ': message_count is ' || c.message_count || ', counted ' || n FROM "
		"(SELECT c.*, " COUNTED_MESSAGES " AS n FROM channels c) AS c WHERE c.message_count <> n AND c.deleted_at = 0" },
	{ "message sequences",
		"SELECT 'channel ' || " CID " || ': counted_seq is ' || c.counted_seq || ', a message has ' || n FROM "
		"(SELECT c.*, (SELECT max(seq) FROM messages m WHERE m.channel_pk = c.pk AND m.seq <> 0) AS n FROM channels c) "
		"AS c "
		"WHERE n > c.counted_seq" },
	{ "double sequences",
		"SELECT 'channel ' || " CID " || ': sequence ' || m.seq || ' was given ' || count(*) || ' times' FROM messages m "
		"JOIN channels c ON c.pk = m.channel_pk WHERE m.seq <> 0 GROUP BY m.channel_pk, m.seq HAVING count(*) > 1" },
	{ "unread exceptions", "SELECT 'channel ' || " CID
			       " || ': exception_seq is ' || c.exception_seq || ', message ' || m.id || ' has ' || m.seq "
			       "FROM messages m JOIN channels c ON c.pk = m.channel_pk WHERE m.seq <> 0 AND (m.deleted_at <> 0 "
			       "OR m.restricted IS NOT NULL) "
			       "AND m.seq > c.exception_seq AND m.seq > c.floor_seq" },
	{ "unread pointers",
		"SELECT 'channel ' || " CID
		" || ': the read sequence ' || m.read_seq || ' of user ' || m.user_pk || ' lies beyond ' || c.counted_seq "
		"FROM members m JOIN channels c ON c.pk = m.channel_pk WHERE m.read_seq > c.counted_seq" },
	{ "own sequences",
		"SELECT 'channel ' || " CID
		" || ': own_seq of user ' || m.user_pk || ' is ' || m.own_seq || ', he wrote ' || x.seq FROM messages x "
		"JOIN members m ON m.channel_pk = x.channel_pk AND m.user_pk = x.user_pk JOIN channels c ON c.pk = x.channel_pk "
		"WHERE x.seq <> 0 AND x.seq > m.own_seq" },
	{ "message times",
		"SELECT 'channel ' || " CID " || ': message ' || m.id || ' is newer than last_created_at' FROM messages m "
		"JOIN channels c ON c.pk = m.channel_pk WHERE m.created_at > c.last_created_at" },
	{ "reply counts",
		"SELECT 'message ' || id || ': reply_count is ' || reply_count || ' and ' || deleted_reply_count || ' deleted, "
		"counted ' || live || "
		"' and ' || gone FROM (SELECT m.id, m.reply_count, m.deleted_reply_count, "
		"(SELECT count(*) FROM messages r WHERE r.parent_pk = m.pk AND r.parent_pk <> 0 AND r.shadowed = 0 AND "
		"r.deleted_at = 0) AS live, "
		"(SELECT count(*) FROM messages r WHERE r.parent_pk = m.pk AND r.parent_pk <> 0 AND r.shadowed = 0 AND "
		"r.deleted_at <> 0) AS gone "
		"FROM messages m WHERE m.parent_pk = 0) AS x WHERE reply_count <> live OR deleted_reply_count <> gone" },
	{ "memberships", "SELECT 'membership of user ' || m.user_pk || ' in channel ' || m.channel_pk || ': no such ' || "
			 "CASE WHEN c.pk IS NULL THEN 'channel' ELSE 'user' END FROM members m LEFT JOIN channels c ON c.pk = "
			 "m.channel_pk "
			 "LEFT JOIN users u ON u.pk = m.user_pk WHERE c.pk IS NULL OR u.pk IS NULL" },
	{ "messages", "SELECT 'message ' || m.id || ': no such ' || CASE WHEN c.pk IS NULL THEN 'channel' WHEN u.pk IS NULL THEN "
		      "'user' ELSE 'parent' END "
		      "FROM messages m LEFT JOIN channels c ON c.pk = m.channel_pk LEFT JOIN users u ON u.pk = m.user_pk "
		      "LEFT JOIN messages p ON p.pk = m.parent_pk WHERE c.pk IS NULL OR u.pk IS NULL OR (m.parent_pk <> 0 AND "
		      "p.pk IS NULL)" },
	{ "message history", "SELECT 'a version of message ' || h.message_pk || ': no such message' FROM message_history h "
			     "LEFT JOIN messages m ON m.pk = h.message_pk WHERE m.pk IS NULL" },
	{ "messages deleted for one user",
		"SELECT 'message ' || d.message_pk || ' deleted by user ' || d.user_pk || ' for himself: no such ' || CASE WHEN "
		"m.pk "
		"IS NULL THEN 'message' ELSE 'user' END FROM deleted_for_me d LEFT JOIN messages m ON m.pk = d.message_pk AND "
		"m.channel_pk = d.channel_pk LEFT JOIN users u ON u.pk = d.user_pk WHERE m.pk IS NULL OR u.pk IS NULL" },
	{ "pending messages",
		"SELECT 'pending message ' || p.id || ': no such ' || CASE WHEN c.pk IS NULL THEN 'channel' ELSE 'user' END "
		"FROM pending_messages p LEFT JOIN channels c ON c.pk = p.channel_pk LEFT JOIN users u ON u.pk = p.user_pk "
		"WHERE c.pk IS NULL OR u.pk IS NULL" },
	{ "channels", "SELECT 'channel ' || " CID
		      " || ': no such ' || CASE WHEN a.pk IS NULL THEN 'application' ELSE 'creator' END FROM channels c "
		      "LEFT JOIN apps a ON a.pk = c.app LEFT JOIN users u ON u.pk = c.created_by "
		      "WHERE a.pk IS NULL OR (c.created_by <> 0 AND u.pk IS NULL)" },
	{ "users", "SELECT 'user ' || u.id || ': no such application' FROM users u LEFT JOIN apps a ON a.pk = u.app WHERE a.pk "
		   "IS NULL" },
	{ "devices", "SELECT 'device of user ' || d.user_pk || ': no such user' FROM devices d LEFT JOIN users u ON u.pk = "
		     "d.user_pk WHERE u.pk IS NULL" },
	{ "threads", "SELECT 'thread ' || t.parent_pk || ': no such message' FROM threads t LEFT JOIN messages m ON m.pk = "
		     "t.parent_pk WHERE m.pk IS NULL "
		     "UNION ALL SELECT 'participant ' || t.user_pk || ' of thread ' || t.parent_pk || ': no such message' FROM "
		     "thread_participants t "
		     "LEFT JOIN messages m ON m.pk = t.parent_pk WHERE m.pk IS NULL" },
	{ "event positions", "SELECT 'event ' || max(pos) || ' lies beyond the newest position given out' FROM events "
			     "HAVING max(pos) > (SELECT COALESCE(max(seq), 0) FROM sqlite_sequence WHERE name = 'events') "
			     "UNION ALL SELECT 'event ' || pos || ' lies below the floor of the log' FROM events "
			     "WHERE pos <= (SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'events_floor')" },
	{ "event times", "SELECT 'event ' || pos || ' is older than the one before it' FROM "
			 "(SELECT pos, created_at, lag(created_at) OVER (ORDER BY pos) AS before FROM events) AS e WHERE "
			 "created_at < before" },
	{ "event audiences",
		"SELECT 'event ' || pos || ' has two audiences' FROM events WHERE channel_pk <> 0 AND user_pk <> 0" },
};

static enum err run_check(struct store_tx *tx, size_t i, struct arena *a, struct buf *report, int64_t *bad)
{
	int64_t found = 0;
	struct sql_stmt *s = sql_prepare(tx, checks[i].sql);
	for (; sql_step(s) == SQL_ROW; found++) {
		if (found >= SHOWN) continue;
		struct span line = sql_col_text(s, a, 0);
		buf_printf(report, "bad: %.*s\n", SPAN_FMT(line));
	}
	enum err e = sql_done(s);
	if (e != ERR_OK) {
		buf_printf(report, "bad: %s: cannot be checked: %s\n", checks[i].what, sqlite3_errmsg(tx->handle));
		(*bad)++;
	} else if (found == 0) {
		buf_printf(report, "ok: %s\n", checks[i].what);
	} else {
		buf_printf(report, "bad: %s: %lld found\n", checks[i].what, (long long)found);
	}
	*bad += found;
	return e;
}

/* All checks see one snapshot: a server may go on writing beside. */
static void run_all(struct store_tx *tx, struct arena *a, struct buf *report, int64_t *bad)
{
	bool is_new = false;
	int version = 0;
	struct span why = SPAN_NONE;
	if (migrate_inspect(tx, &is_new, &version, a, &why) != ERR_OK) {
		buf_printf(report, "bad: %.*s\n", SPAN_FMT(why));
		(*bad)++;
		return;
	}
	if (is_new || version != migrate_newest()) {
		buf_printf(report, "bad: format %d, this program knows %d: start the server on it first\n", version,
			migrate_newest());
		(*bad)++;
		return;
	}
	if (db_exec(tx, "BEGIN") != ERR_OK) {
		buf_add_span(report, SPAN("bad: the database cannot be read\n"));
		(*bad)++;
		return;
	}
	for (size_t i = 0; i < BECK_COUNT(checks); i++) {
		enum err e = run_check(tx, i, a, report, bad);
		if (e == ERR_UNAVAILABLE) break;
	}
	(void)db_exec_rc(tx, "COMMIT"); /* nothing was written */
}

enum err store_check_vfs(struct span folder, const char *vfs, struct arena *a, struct span *report)
{
	struct span path = arena_printf(a, "%.*s/beck.db", SPAN_FMT(folder));
	struct store_tx tx;
	struct buf out;
	int64_t bad = 0;
	if (!path.p) return ERR_UNAVAILABLE;
	buf_init(&out, REPORT_BYTES);
	enum err e = db_open(&tx, NULL, path.p, vfs, &clock_system, DB_KEEPER, false);
	if (e == ERR_OK) {
		run_all(&tx, a, &out, &bad);
		db_close(&tx);
	} else {
		buf_printf(&out, "bad: %.*s %s\n", SPAN_FMT(path), e == ERR_NOT_FOUND ? "does not exist" : "cannot be opened");
		bad = 1;
	}
	*report = arena_dup(a, buf_span(&out));
	buf_deinit(&out);
	return bad ? ERR_INTERNAL : ERR_OK;
}

enum err store_check(struct span folder, struct arena *a, struct span *report)
{
	return store_check_vfs(folder, NULL, a, report);
}
