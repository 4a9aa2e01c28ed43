#include "store/reerase.h"

#include "store/store_channels.h"
#include "store/store_messages.h"

enum { SCRATCH_BYTES = 16 * 1024 * 1024, PER_BATCH = 128, SLICE = 1000 };

struct entry {
	struct span app_key, kind, id;
	int64_t at;
};
struct work {
	struct store_tx *tx;
	struct arena scratch; /* one entry's */
	int64_t app, erased;
};

static enum err run_key(struct store_tx *tx, const char *literal, int64_t key)
{
	struct sql_stmt *s = sql_prepare(tx, literal);
	sql_int(s, 1, key);
	return sql_run(s);
}

static enum err app_by_key(struct work *w, struct span key, bool *found)
{
	struct sql_stmt *s = sql_prepare(w->tx, "SELECT pk FROM apps WHERE key = ?1");
	sql_text(s, 1, key);
	return sql_get_int(s, &w->app, found);
}

static enum err erase_message_pk(struct work *w, int64_t pk)
{
	struct message m;
	arena_reset(&w->scratch);
	enum err e = store_messages_get_pk(w->tx, &pk, 1, &w->scratch, &m);
	return e == ERR_OK && m.pk ? store_message_erase(w->tx, &m) : e;
}

static enum err find(struct work *w, const char *literal, const struct entry *x, int64_t *pk, bool *found)
{
	struct sql_stmt *s = sql_prepare(w->tx, literal);
	sql_int(s, 1, w->app);
	sql_text(s, 2, x->id);
	sql_int(s, 3, x->at);
	return sql_get_int(s, pk, found);
}

static enum err erase_message(struct work *w, const struct entry *x)
{
	int64_t pk = 0;
	bool found = false;
	enum err e = find(w, "SELECT pk FROM pending_messages WHERE app = ?1 AND id = ?2 AND created_at <= ?3", x, &pk, &found);
	if (e == ERR_OK && found) {
		w->erased++;
		e = run_key(w->tx, "DELETE FROM pending_messages WHERE pk = ?1", pk);
	}
	if (e == ERR_OK) e = find(w, "SELECT pk FROM messages WHERE app = ?1 AND id = ?2 AND created_at <= ?3", x, &pk, &found);
	if (e != ERR_OK || !found) return e;
	w->erased++;
	return erase_message_pk(w, pk);
}

static enum err find_channel(struct work *w, const struct entry *x, int64_t *pk, bool *found)
{
	size_t colon = span_find(x->id, ':');
	struct sql_stmt *s =
		sql_prepare(w->tx, "SELECT pk FROM channels WHERE app = ?1 AND type = ?2 AND id = ?3 AND created_at <= ?4");
	sql_int(s, 1, w->app);
	sql_text(s, 2, span_make(x->id.p, colon));
	sql_text(s, 3, span_skip(x->id, colon + 1));
	sql_int(s, 4, x->at);
	enum err e = sql_get_int(s, pk, found);
	if (e == ERR_OK && *found) w->erased++;
	return e;
}

/* Up to the moment named. */
static enum err erase_history(struct work *w, const struct entry *x)
{
	int64_t pk = 0;
	bool found = false, more = true, whole;
	struct channel ch;
	enum err e = find_channel(w, x, &pk, &found);
	if (e != ERR_OK || !found) return e;
	arena_reset(&w->scratch);
	e = store_channel_get_pk(w->tx, pk, &w->scratch, &ch);
	if (e == ERR_OK && ch.truncated_at < x->at) e = store_channel_truncate(w->tx, &ch, x->at, false, 0, &whole);
	while (e == ERR_OK && more) e = store_channel_purge_messages(w->tx, pk, x->at, SLICE, &more);
	return e;
}

static enum err erase_channel(struct work *w, const struct entry *x)
{
	int64_t pk = 0;
	bool found = false, more = true;
	enum err e = find_channel(w, x, &pk, &found);
	if (e != ERR_OK || !found) return e;
	while (e == ERR_OK && more) e = store_channel_purge_messages(w->tx, pk, INT64_MAX, SLICE, &more);
	if (e == ERR_OK) e = run_key(w->tx, "DELETE FROM members WHERE channel_pk = ?1", pk);
	for (more = true; e == ERR_OK && more;) e = store_channel_purge_rest(w->tx, pk, SLICE, &more);
	return e;
}

static enum err erase_messages_of(struct work *w, int64_t user_pk, int64_t upto)
{
	struct sql_stmt *waiting = sql_prepare(w->tx, "DELETE FROM pending_messages WHERE user_pk = ?1 AND created_at <= ?2");
	sql_int(waiting, 1, user_pk);
	sql_int(waiting, 2, upto);
	enum err waited = sql_run(waiting);
	if (waited != ERR_OK) return waited;
	for (;;) {
		int64_t pk = 0;
		bool found = false;
		struct sql_stmt *s =
			sql_prepare(w->tx, "SELECT pk FROM messages WHERE user_pk = ?1 AND created_at <= ?2 LIMIT 1");
		sql_int(s, 1, user_pk);
		sql_int(s, 2, upto);
		enum err e = sql_get_int(s, &pk, &found);
		if (e == ERR_OK && found) e = erase_message_pk(w, pk);
		if (e != ERR_OK || !found) return e;
	}
}

static enum err find_user(struct work *w, const struct entry *x, int64_t *pk, bool *found)
{
	enum err e = find(w, "SELECT pk FROM users WHERE app = ?1 AND id = ?2 AND created_at <= ?3", x, pk, found);
	if (e == ERR_OK && *found) w->erased++;
	return e;
}

static enum err erase_user_messages(struct work *w, const struct entry *x)
{
	int64_t pk = 0;
	bool found = false;
	enum err e = find_user(w, x, &pk, &found);
	return e == ERR_OK && found ? erase_messages_of(w, pk, x->at) : e;
}

static enum err erase_user(struct work *w, const struct entry *x)
{
	static const char leave_channels[] = "UPDATE channels SET member_count = member_count - 1 "
					     "WHERE pk IN (SELECT channel_pk FROM members WHERE user_pk = ?1)";
	static const char *const steps[] = {
		leave_channels,
		"DELETE FROM members WHERE user_pk = ?1",
		"DELETE FROM thread_participants WHERE user_pk = ?1",
		"DELETE FROM slow_mode WHERE user_pk = ?1",
		"DELETE FROM deleted_for_me WHERE user_pk = ?1",
		"DELETE FROM events WHERE (user_pk = ?1 AND user_pk <> 0) OR actor_pk = ?1",
		"UPDATE channels SET created_by = 0 WHERE created_by = ?1",
		"UPDATE channels SET truncated_by = 0 WHERE truncated_by = ?1",
		"UPDATE messages SET pinned_by = 0 WHERE pinned_by = ?1",
	};
	int64_t pk = 0;
	bool found = false;
	enum err e = find_user(w, x, &pk, &found);
	if (e != ERR_OK || !found) return e;
	e = erase_messages_of(w, pk, INT64_MAX);
	for (size_t i = 0; e == ERR_OK && i < BECK_COUNT(steps); i++) e = run_key(w->tx, steps[i], pk);
	return e == ERR_OK ? store_user_remove(w->tx, pk) : e;
}

static enum err remember(struct work *w, const struct entry *x)
{
	struct sql_stmt *s = sql_prepare(w->tx, "INSERT INTO erasures (app, kind, id, at) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS "
						"(SELECT 1 FROM erasures WHERE app = ?1 AND kind = ?2 AND id = ?3 AND at = ?4)");
	sql_int(s, 1, w->app);
	sql_text(s, 2, x->kind);
	sql_text(s, 3, x->id);
	sql_int(s, 4, x->at);
	return sql_run(s);
}

static enum err apply(struct work *w, const struct entry *x)
{
	bool found = false;
	enum err e = app_by_key(w, x->app_key, &found);
	if (e != ERR_OK || !found) return e;
	if (span_is(x->kind, "message")) e = erase_message(w, x);
	if (span_is(x->kind, "channel")) e = erase_channel(w, x);
	if (span_is(x->kind, "channel.history")) e = erase_history(w, x);
	if (span_is(x->kind, "user.messages")) e = erase_user_messages(w, x);
	if (span_is(x->kind, "user")) e = erase_user(w, x);
	return e == ERR_OK ? remember(w, x) : e;
}

/* One batch: up to PER_BATCH entries of the list, by position. */
static enum err next_entries(struct store_tx *list, int64_t after, struct arena *a, struct entry *out, size_t *n, int64_t *last)
{
	struct sql_stmt *s = sql_prepare(list, "SELECT p.key, e.kind, e.id, e.at, e.pk FROM erasures e JOIN apps p ON p.pk = "
					       "e.app WHERE e.pk > ?1 ORDER BY e.pk LIMIT ?2");
	sql_int(s, 1, after);
	sql_int(s, 2, PER_BATCH);
	size_t got = 0;
	while (got < PER_BATCH && sql_step(s) == SQL_ROW) {
		out[got++] =
			(struct entry){ sql_col_text(s, a, 0), sql_col_text(s, a, 1), sql_col_text(s, a, 2), sql_col_int(s, 3) };
		*last = sql_col_int(s, 4);
	}
	*n = got;
	return sql_done(s);
}

static enum err apply_batch(struct store *s, struct work *w, const struct entry *items, size_t n)
{
	enum err e = store_batch_begin(s, &w->tx);
	if (e != ERR_OK) return e;
	for (size_t i = 0; e == ERR_OK && i < n; i++) e = apply(w, &items[i]);
	if (e != ERR_OK) {
		store_batch_abort(w->tx);
		return e;
	}
	return store_batch_commit(w->tx) == STORE_COMMITTED ? ERR_OK : ERR_UNAVAILABLE;
}

static enum err apply_list(struct store *s, struct store_tx *list, struct work *w)
{
	struct entry items[PER_BATCH];
	struct arena a;
	size_t n = PER_BATCH;
	int64_t last = 0;
	enum err e = ERR_OK;
	arena_init(&a, SCRATCH_BYTES);
	while (e == ERR_OK && n == PER_BATCH) {
		arena_reset(&a);
		e = next_entries(list, last, &a, items, &n, &last);
		if (e == ERR_OK) e = apply_batch(s, w, items, n);
	}
	arena_deinit(&a);
	return e;
}

enum err reerase(struct store *s, struct span folder, const char *vfs, struct arena *a, int64_t *erased, struct span *why)
{
	struct span path = arena_printf(a, "%.*s/beck.db", SPAN_FMT(folder));
	struct store_tx list;
	enum err e = path.p ? db_open(&list, NULL, path.p, vfs, s->clock, DB_KEEPER, false) : ERR_UNAVAILABLE;
	if (e != ERR_OK) {
		*why = arena_printf(a, "%.*s: there is no readable beck.db to take erasures from", SPAN_FMT(folder));
		return e;
	}
	bool is_new = false;
	int version = 0;
	struct work w = { 0 };
	arena_init(&w.scratch, SCRATCH_BYTES);
	e = migrate_inspect(&list, &is_new, &version, a, why);
	if (e == ERR_OK && !is_new) {
		e = apply_list(s, &list, &w);
		if (e != ERR_OK) *why = SPAN("the erasures could not be repeated");
	}
	arena_deinit(&w.scratch);
	db_close(&list);
	if (e == ERR_OK) *erased = w.erased;
	return e;
}
