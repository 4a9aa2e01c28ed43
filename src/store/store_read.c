/* Read state: the unread formula, pointers, totals. The formula stands in store_messages.h. */
#include "store/sql.h"
#include "store/store_messages.h"

/* What the formula needs of one membership: columns of the member m and its channel c. */
#define UNREAD_COLUMNS                                                                                                           \
	"m.channel_pk, m.user_pk, m.read_seq, m.muted, m.mute_seq, m.own_seq, c.counted_seq, c.exception_seq, c.floor_seq"
enum { UNREAD_WIDTH = 9 };
struct basis {
	int64_t channel_pk, user_pk, read_seq, muted, mute_seq, own_seq, counted_seq, exception_seq, floor_seq;
};

static struct basis basis_read(struct sql_stmt *s)
{
	return (struct basis){ .channel_pk = sql_col_int(s, 0),
		.user_pk = sql_col_int(s, 1),
		.read_seq = sql_col_int(s, 2),
		.muted = sql_col_int(s, 3),
		.mute_seq = sql_col_int(s, 4),
		.own_seq = sql_col_int(s, 5),
		.counted_seq = sql_col_int(s, 6),
		.exception_seq = sql_col_int(s, 7),
		.floor_seq = sql_col_int(s, 8) };
}

static enum err count_range(
	struct store_tx *tx, const char *sql, const struct basis *b, int64_t lo, int64_t hi, bool names_user, int64_t *sum)
{
	struct sql_stmt *s = sql_prepare(tx, sql);
	sql_int(s, 1, b->channel_pk);
	sql_int(s, 2, lo);
	sql_int(s, 3, hi);
	if (names_user) sql_int(s, 4, b->user_pk);
	int64_t n = 0;
	enum err e = sql_get_int(s, &n, NULL);
	if (e == ERR_OK) *sum += n;
	return e;
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static enum err unread_of(struct store_tx *tx, const struct basis *b, int64_t *unread)
{
	int64_t lo = larger(b->read_seq, b->floor_seq);
	int64_t hi = b->muted ? smaller(b->mute_seq, b->counted_seq) : b->counted_seq;
	int64_t except = 0;
	enum err e = ERR_OK;
	if (b->read_seq < 0 || hi <= lo) {
		*unread = 0;
		return ERR_OK;
	}
	if (b->exception_seq > lo) {
		int64_t top = smaller(hi, b->exception_seq);
		e = count_range(tx,
			"SELECT count(*) FROM messages WHERE channel_pk = ?1 AND seq > ?2 AND seq <= ?3 AND seq <> 0 "
			"AND (deleted_at <> 0 OR restricted IS NOT NULL) AND user_pk <> ?4 AND (deleted_at <> 0 OR "
			"replace(restricted, (SELECT '\"' || u.id || '\"' FROM users u WHERE u.pk = ?4), '') = restricted)",
			b, lo, top, true, &except);
		if (e == ERR_OK)
			e = count_range(tx,
				"SELECT count(*) FROM deleted_for_me d JOIN messages m ON m.pk = d.message_pk WHERE d.channel_pk "
				"= ?1 AND d.user_pk = ?4 AND m.seq > ?2 AND m.seq <= ?3 AND m.seq <> 0 AND m.user_pk <> ?4 AND "
				"m.deleted_at = 0 AND (m.restricted IS NULL OR replace(m.restricted, (SELECT '\"' || u.id || "
				"'\"' FROM users u WHERE u.pk = ?4), '') <> m.restricted)",
				b, lo, top, true, &except);
		if (e == ERR_OK)
			e = count_range(tx, "SELECT count(*) FROM seq_holes WHERE channel_pk = ?1 AND seq > ?2 AND seq <= ?3", b,
				lo, top, false, &except);
	}
	if (e == ERR_OK && b->own_seq > lo)
		e = count_range(tx,
			"SELECT count(*) FROM messages WHERE channel_pk = ?1 AND seq > ?2 AND seq <= ?3 AND seq <> 0 AND user_pk "
			"= ?4",
			b, lo, smaller(hi, b->own_seq), true, &except);
	if (e == ERR_OK) *unread = larger(hi - lo - except, 0);
	return e;
}

enum err store_unread(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t *unread)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT " UNREAD_COLUMNS " FROM members m JOIN channels c ON c.pk = m.channel_pk "
					     "WHERE m.channel_pk = ?1 AND m.user_pk = ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, user_pk);
	bool found = sql_step(s) == SQL_ROW;
	struct basis b = found ? basis_read(s) : (struct basis){ 0 };
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	return found ? unread_of(tx, &b, unread) : ERR_NOT_FOUND;
}

/* ---- totals ---- */
static bool grow(struct arena *a, struct store_membership **items, size_t n, size_t *cap)
{
	if (n < *cap) return true;
	size_t more = *cap ? *cap * 2 : 32;
	struct store_membership *p = arena_realloc(a, *items, *cap * sizeof **items, more * sizeof **items);
	if (!p) return false;
	*items = p;
	*cap = more;
	return true;
}

enum err store_totals_load(struct store_tx *tx, int64_t app, int64_t user_pk, struct arena *a, struct store_totals *out)
{
	struct store_totals t = { 0 };
	size_t cap = 0;
	enum err e = ERR_OK;
	struct sql_stmt *s = sql_prepare(tx, "SELECT " UNREAD_COLUMNS " FROM members m JOIN channels c ON c.pk = m.channel_pk "
					     "WHERE m.user_pk = ?1 AND m.app = ?2 AND c.deleted_at = 0");
	sql_int(s, 1, user_pk);
	sql_int(s, 2, app);
	while (e == ERR_OK && sql_step(s) == SQL_ROW) {
		if (!grow(a, &t.items, t.n, &cap)) {
			e = ERR_UNAVAILABLE;
			break;
		}
		struct basis b = basis_read(s);
		struct store_membership *m = &t.items[t.n++];
		*m = (struct store_membership){ .channel_pk = b.channel_pk,
			.read_seq = larger(b.read_seq, b.floor_seq),
			.muted = b.muted != 0,
			.pending = b.read_seq < 0 };
		e = unread_of(tx, &b, &m->unread);
		t.total_unread += m->unread;
		t.unread_channels += m->unread > 0;
	}
	enum err done = sql_done(s);
	if (e == ERR_OK) e = done;
	size_t threads = 0;
	if (e == ERR_OK) e = store_threads_unread(tx, app, user_pk, a, NULL, &threads);
	if (e != ERR_OK) return e;
	t.unread_threads = (int64_t)threads;
	*out = t;
	return ERR_OK;
}

enum err store_unread_list(
	struct store_tx *tx, int64_t app, int64_t user_pk, struct arena *a, struct store_unread_row **out, size_t *n)
{
	struct store_unread_row *rows = NULL;
	size_t got = 0, cap = 0;
	enum err e = ERR_OK;
	struct sql_stmt *s = sql_prepare(tx, "SELECT " UNREAD_COLUMNS ", m.last_read, c.type, c.id, c.team FROM members m "
					     "JOIN channels c ON c.pk = m.channel_pk WHERE m.user_pk = ?1 AND m.app = ?2 AND "
					     "c.deleted_at = 0 AND c.counted_seq > m.read_seq "
					     "AND m.read_seq >= 0 ORDER BY c.last_message_at DESC");
	sql_int(s, 1, user_pk);
	sql_int(s, 2, app);
	while (e == ERR_OK && sql_step(s) == SQL_ROW) {
		struct basis b = basis_read(s);
		int64_t unread = 0;
		e = unread_of(tx, &b, &unread);
		if (e != ERR_OK || unread == 0) continue;
		if (got == cap) {
			size_t more = cap ? cap * 2 : 16;
			struct store_unread_row *p = arena_realloc(a, rows, cap * sizeof *rows, more * sizeof *rows);
			if (!p) {
				e = ERR_UNAVAILABLE;
				break;
			}
			rows = p;
			cap = more;
		}
		rows[got++] = (struct store_unread_row){ .channel_pk = b.channel_pk,
			.unread = unread,
			.last_read = sql_col_int(s, UNREAD_WIDTH),
			.type = sql_col_text(s, a, UNREAD_WIDTH + 1),
			.id = sql_col_text(s, a, UNREAD_WIDTH + 2),
			.team = sql_col_text(s, a, UNREAD_WIDTH + 3) };
	}
	enum err done = sql_done(s);
	if (e == ERR_OK) e = done;
	if (e != ERR_OK) return e;
	*out = rows;
	*n = got;
	return ERR_OK;
}

/* ---- pointers ---- */
enum err store_pointer_set(struct store_tx *tx, const struct store_pointer *p)
{
	struct sql_stmt *s = sql_prepare(tx,
		"UPDATE members SET read_seq = CASE WHEN read_seq < 0 THEN read_seq ELSE ?3 END, last_read = ?4, "
		"last_read_message_id = ?5, first_unread_message_id = ?6, own_seq = CASE WHEN ?7 > own_seq THEN ?7 ELSE own_seq "
		"END, "
		"last_delivered_message_id = CASE WHEN ?8 > last_delivered_at THEN ?9 ELSE last_delivered_message_id END, "
		"last_delivered_at = CASE WHEN ?8 > last_delivered_at THEN ?8 ELSE last_delivered_at END "
		"WHERE channel_pk = ?1 AND user_pk = ?2");
	sql_int(s, 1, p->channel_pk);
	sql_int(s, 2, p->user_pk);
	sql_int(s, 3, p->read_seq);
	sql_int(s, 4, p->last_read);
	sql_text(s, 5, p->last_read_message_id);
	sql_text(s, 6, p->first_unread_message_id);
	sql_int(s, 7, p->own_seq);
	sql_int(s, 8, p->delivered_at);
	sql_text(s, 9, p->delivered_id);
	return sql_run(s);
}

enum err store_delivered_set(struct store_tx *tx, int64_t channel_pk, int64_t user_pk, int64_t at, struct span id, bool *moved)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE members SET last_delivered_at = ?3, last_delivered_message_id = ?4 "
					     "WHERE channel_pk = ?1 AND user_pk = ?2 AND last_delivered_at < ?3");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, user_pk);
	sql_int(s, 3, at);
	sql_text(s, 4, id);
	enum err e = sql_run(s);
	if (e == ERR_OK) *moved = sql_changes(tx) > 0;
	return e;
}

enum err store_seq_at(struct store_tx *tx, int64_t channel_pk, int64_t at_us, int64_t *seq)
{
	struct sql_stmt *s = sql_prepare(tx,
		"SELECT m.seq FROM messages m WHERE m.channel_pk = ?1 AND (m.parent_pk = 0 OR m.show_in_channel = 1) "
		"AND m.created_at <= ?2 AND m.seq <> 0 ORDER BY m.created_at DESC, m.id DESC LIMIT 1");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, at_us);
	int64_t v = 0;
	enum err e = sql_get_int(s, &v, NULL);
	if (e == ERR_OK) *seq = v;
	return e;
}

enum err store_read_all(struct store_tx *tx, int64_t app, int64_t user_pk, int64_t now_us)
{
	/* The newest message that everybody sees stands for the newest he sees: it only names where he was. */
	struct sql_stmt *s =
		sql_prepare(tx, "UPDATE members SET last_read = ?3, first_unread_message_id = NULL, "
				"last_read_message_id = (SELECT m.id FROM messages m WHERE m.channel_pk = members.channel_pk AND "
				"(m.parent_pk = 0 OR m.show_in_channel = 1) AND m.shadowed = 0 AND m.restricted IS NULL ORDER BY "
				"m.created_at DESC, m.id DESC LIMIT 1), "
				"read_seq = (SELECT c.counted_seq FROM channels c WHERE c.pk = members.channel_pk) "
				"WHERE user_pk = ?1 AND app = ?2 AND read_seq >= 0 AND (first_unread_message_id IS NOT NULL OR "
				"read_seq < (SELECT c.counted_seq FROM channels c WHERE c.pk = members.channel_pk))");
	sql_int(s, 1, user_pk);
	sql_int(s, 2, app);
	sql_int(s, 3, now_us);
	enum err e = sql_run(s);
	if (e != ERR_OK) return e;
	s = sql_prepare(tx, "UPDATE thread_participants SET last_read = ?3, last_read_message_id = (SELECT r.id FROM messages r "
			    "WHERE r.parent_pk = thread_participants.parent_pk AND r.parent_pk <> 0 AND r.shadowed = 0 AND "
			    "r.restricted IS NULL "
			    "ORDER BY r.created_at DESC, r.id DESC LIMIT 1) WHERE user_pk = ?1 AND app = ?2 AND last_read < "
			    "(SELECT h.last_reply_at FROM threads h WHERE h.parent_pk = thread_participants.parent_pk)");
	sql_int(s, 1, user_pk);
	sql_int(s, 2, app);
	sql_int(s, 3, now_us);
	return sql_run(s);
}

enum err store_member_show(struct store_tx *tx, int64_t channel_pk, int64_t user_pk)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE members SET hidden = 0 WHERE channel_pk = ?1 AND user_pk = ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, user_pk);
	return sql_run(s);
}

/* ---- lists ---- */
#define READ_COLUMNS                                                                                                             \
	UNREAD_COLUMNS ", m.last_read, m.last_read_message_id, m.first_unread_message_id, m.last_delivered_at, "                 \
		       "m.last_delivered_message_id FROM members m JOIN channels c ON c.pk = m.channel_pk "
struct read_rows {
	struct member *items;
	struct basis *bases;
	size_t n, cap;
};

static enum err read_rows_add(struct sql_stmt *s, struct arena *a, struct read_rows *r)
{
	while (r->n < r->cap && sql_step(s) == SQL_ROW) {
		struct basis b = basis_read(s);
		r->bases[r->n] = b;
		r->items[r->n++] = (struct member){ .channel_pk = b.channel_pk,
			.user_pk = b.user_pk,
			.user.pk = b.user_pk,
			.read_seq = b.read_seq,
			.last_read = sql_col_int(s, UNREAD_WIDTH),
			.last_read_message_id = sql_col_text(s, a, UNREAD_WIDTH + 1),
			.first_unread_message_id = sql_col_text(s, a, UNREAD_WIDTH + 2),
			.last_delivered_at = sql_col_int(s, UNREAD_WIDTH + 3),
			.last_delivered_message_id = sql_col_text(s, a, UNREAD_WIDTH + 4) };
	}
	return sql_done(s);
}

static enum err read_rows_own(struct store_tx *tx, int64_t channel_pk, int64_t own_pk, struct arena *a, struct read_rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].user_pk == own_pk) return ERR_OK;
	if (r->n == r->cap) r->n--; /* his place is the last one's */
	struct sql_stmt *s = sql_prepare(tx, "SELECT " READ_COLUMNS "WHERE m.channel_pk = ?1 AND m.user_pk = ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, own_pk);
	size_t had = r->n;
	enum err e = read_rows_add(s, a, r);
	if (e == ERR_OK && r->n == had && had + 1 == r->cap) r->n++; /* no member after all: the last one stays */
	return e;
}

static enum err read_rows_finish(struct store_tx *tx, struct arena *a, struct read_rows *r)
{
	int64_t *pks = arena_array(a, int64_t, r->n);
	struct user *users = arena_array(a, struct user, r->n);
	if (!pks || !users) return ERR_UNAVAILABLE;
	for (size_t i = 0; i < r->n; i++) pks[i] = r->items[i].user_pk;
	enum err e = store_users_get_pk(tx, pks, r->n, a, users);
	for (size_t i = 0; e == ERR_OK && i < r->n; i++) {
		r->items[i].user = users[i];
		e = unread_of(tx, &r->bases[i], &r->items[i].unread);
	}
	return e;
}

enum err store_read_list(
	struct store_tx *tx, int64_t channel_pk, int64_t own_pk, int64_t limit, struct arena *a, struct member **out, size_t *n)
{
	struct read_rows r = { .items = arena_array(a, struct member, (size_t)limit),
		.bases = arena_array(a, struct basis, (size_t)limit),
		.cap = (size_t)limit };
	if (!r.items || !r.bases) return ERR_UNAVAILABLE;
	struct sql_stmt *s = sql_prepare(
		tx, "SELECT " READ_COLUMNS "WHERE m.channel_pk = ?1 ORDER BY m.created_at DESC, m.user_pk DESC LIMIT ?2");
	sql_int(s, 1, channel_pk);
	sql_int(s, 2, limit);
	enum err e = read_rows_add(s, a, &r);
	if (e == ERR_OK && own_pk) e = read_rows_own(tx, channel_pk, own_pk, a, &r);
	if (e == ERR_OK && r.n) e = read_rows_finish(tx, a, &r);
	if (e != ERR_OK) return e;
	*out = r.items;
	*n = r.n;
	return ERR_OK;
}

enum err store_sender_members(
	struct store_tx *tx, int64_t channel_pk, const int64_t *users, size_t n, struct arena *a, struct member *out)
{
	for (size_t i = 0; i < n; i++) {
		struct sql_stmt *s =
			sql_prepare(tx, "SELECT channel_role, custom, muted FROM members WHERE channel_pk = ?1 AND user_pk = ?2");
		sql_int(s, 1, channel_pk);
		sql_int(s, 2, users[i]);
		out[i] = (struct member){ 0 };
		if (sql_step(s) == SQL_ROW)
			out[i] = (struct member){ .channel_pk = channel_pk,
				.user_pk = users[i],
				.channel_role = sql_col_text(s, a, 0),
				.custom = sql_col_text(s, a, 1),
				.muted = sql_col_int(s, 2) != 0 };
		enum err e = sql_done(s);
		if (e != ERR_OK) return e;
	}
	return ERR_OK;
}
