/* Statements: cache, binding, stepping, results. Contract: store/sql.h. */
#include <stdlib.h>

#include "base/log.h"
#include "store/sqlite/db.h"

static void stmt_free(struct sql_stmt *s)
{
	sqlite3_finalize(s->st);
	free(s);
}

static struct sql_stmt *stmt_new(struct store_tx *tx, struct span text, bool is_kept)
{
	struct sql_stmt *s = calloc(1, sizeof *s);
	if (!s || text.n > INT32_MAX) {
		free(s);
		return NULL;
	}
	s->tx = tx;
	int rc = sqlite3_prepare_v3(tx->handle, text.p, (int)text.n, is_kept ? SQLITE_PREPARE_PERSISTENT : 0, &s->st, NULL);
	s->err = s->st ? ERR_OK : rc == SQLITE_OK ? ERR_INTERNAL : db_map(tx, rc);
	if (s->err == ERR_INTERNAL) {
		char quoted[256];
		LOG_ERR("statement not prepared", "sqlite=%d why=%s", rc,
			log_quote(quoted, sizeof quoted, sqlite3_errmsg(tx->handle), strlen(sqlite3_errmsg(tx->handle))));
	}
	return s;
}

static struct sql_stmt *lend(struct sql_stmt *s)
{
	s->is_busy = true;
	s->has_run = false;
	if (s->st) s->err = ERR_OK;
	list_init(&s->busy);
	list_push(&s->tx->busy, &s->busy);
	return s;
}

/* A statement that could not be prepared is not kept: memory may be there next time. */
static struct sql_stmt *lend_once(struct sql_stmt *s)
{
	s->is_temporary = true;
	return lend(s);
}

struct sql_stmt *sql_prepare(struct store_tx *tx, const char *literal)
{
	uint64_t key = (uint64_t)(uintptr_t)literal;
	struct sql_stmt *first = u64map_get(&tx->literals, key);
	int copies = 0;
	for (struct sql_stmt *s = first; s; s = s->next, copies++)
		if (!s->is_busy) return lend(s);
	struct sql_stmt *s = stmt_new(tx, span_str(literal), copies < DB_COPIES_CACHED);
	if (!s) return &tx->broken;
	if (!s->st || copies >= DB_COPIES_CACHED) return lend_once(s);
	if (first) {
		s->next = first->next;
		first->next = s;
	} else if (!u64map_put(&tx->literals, key, s)) {
		return lend_once(s);
	}
	return lend(s);
}

static uint64_t text_hash(struct span t)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < t.n; i++) h = (h ^ (unsigned char)t.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* The slot to use for a new text: free, or the least recently used idle one; NULL when all are in use. */
static struct sql_stmt **built_victim(struct store_tx *tx)
{
	struct sql_stmt **victim = NULL;
	for (size_t i = 0; i < DB_BUILT_CACHED; i++) {
		struct sql_stmt *s = tx->built[i];
		if (!s) return &tx->built[i];
		if (!s->is_busy && (!victim || s->used_at < (*victim)->used_at)) victim = &tx->built[i];
	}
	return victim;
}

struct sql_stmt *sql_compile(struct store_tx *tx, struct span text)
{
	uint64_t h = text_hash(text);
	for (size_t i = 0; i < DB_BUILT_CACHED; i++) {
		struct sql_stmt *s = tx->built[i];
		if (!s || s->hash != h || s->is_busy || !span_eq(span_str(sqlite3_sql(s->st)), text)) continue;
		s->used_at = ++tx->tick;
		return lend(s);
	}
	struct sql_stmt *s = stmt_new(tx, text, true);
	if (!s) return &tx->broken;
	struct sql_stmt **slot = s->st ? built_victim(tx) : NULL;
	if (!slot) return lend_once(s);
	if (*slot) stmt_free(*slot);
	*slot = s;
	s->hash = h;
	s->used_at = ++tx->tick;
	return lend(s);
}

/* ---- binding: the first failure is kept for sql_step ---- */
static void note(struct sql_stmt *s, int rc)
{
	if (rc != SQLITE_OK && s->err == ERR_OK) s->err = rc == SQLITE_TOOBIG ? ERR_TOO_BIG : db_map(s->tx, rc);
}

void sql_int(struct sql_stmt *s, int index, int64_t v)
{
	if (s->st) note(s, sqlite3_bind_int64(s->st, index, v));
}

void sql_text(struct sql_stmt *s, int index, struct span v)
{
	if (!s->st) return;
	note(s, v.p ? sqlite3_bind_text64(s->st, index, v.p, v.n, SQLITE_STATIC, SQLITE_UTF8) : sqlite3_bind_null(s->st, index));
}

void sql_double(struct sql_stmt *s, int index, double v)
{
	if (s->st) note(s, sqlite3_bind_double(s->st, index, v));
}

void sql_null(struct sql_stmt *s, int index)
{
	if (s->st) note(s, sqlite3_bind_null(s->st, index));
}

void sql_fail(struct sql_stmt *s, enum err e)
{
	if (s->is_busy && s->err == ERR_OK) s->err = e;
}

/* ---- stepping ---- */
static enum sql_step step_failed(struct sql_stmt *s, int rc)
{
	s->err = db_map(s->tx, rc);
	if (s->err == ERR_INTERNAL) {
		char quoted[256];
		const char *why = sqlite3_errmsg(s->tx->handle);
		LOG_ERR("statement failed", "sqlite=%d why=%s", rc, log_quote(quoted, sizeof quoted, why, strlen(why)));
	}
	return SQL_FAILED;
}

/* Before the first step: past its deadline nothing starts, and after SQLite ended the batch nothing runs outside it (it would be
 * committed on its own). */
static bool may_start(struct sql_stmt *s)
{
	struct store_tx *tx = s->tx;
	bool only_reads = sqlite3_stmt_readonly(s->st) != 0;
	tx->may_interrupt = only_reads;
	if (s->has_run) return true;
	s->has_run = true;
	if (db_lost(tx)) {
		s->err = ERR_UNAVAILABLE;
	} else if (only_reads && tx->deadline_us && clock_mono_us(tx->clock) > tx->deadline_us) {
		s->err = ERR_TIMEOUT;
	}
	return s->err == ERR_OK;
}

enum sql_step sql_step(struct sql_stmt *s)
{
	if (!s->st || s->err != ERR_OK || !may_start(s)) return SQL_FAILED;
	int rc = sqlite3_step(s->st);
	s->tx->may_interrupt = false;
	if (rc == SQLITE_ROW) return SQL_ROW;
	return rc == SQLITE_DONE ? SQL_DONE : step_failed(s, rc);
}

int64_t sql_col_int(struct sql_stmt *s, int column) { return s->st ? sqlite3_column_int64(s->st, column) : 0; }

struct span sql_col_text(struct sql_stmt *s, struct arena *a, int column)
{
	if (!s->st || sqlite3_column_type(s->st, column) == SQLITE_NULL) return SPAN_NONE;
	const char *p = (const char *)sqlite3_column_text(s->st, column);
	int n = sqlite3_column_bytes(s->st, column);
	if (!p) {
		note(s, SQLITE_NOMEM);
		return SPAN_NONE;
	}
	struct span out = arena_dup(a, span_make(p, (size_t)n));
	if (!out.p) note(s, SQLITE_NOMEM);
	return out;
}

bool sql_col_is_null(struct sql_stmt *s, int column) { return !s->st || sqlite3_column_type(s->st, column) == SQLITE_NULL; }

enum err sql_done(struct sql_stmt *s)
{
	enum err e = s->err;
	if (!s->is_busy) return e; /* the stand-in */
	list_remove(&s->busy);
	s->is_busy = false;
	if (s->is_temporary) {
		stmt_free(s);
		return e;
	}
	sqlite3_reset(s->st); /* its result repeats the last step's */
	sqlite3_clear_bindings(s->st);
	return e;
}

enum err sql_run(struct sql_stmt *s)
{
	while (sql_step(s) == SQL_ROW) {
	}
	return sql_done(s);
}

enum err sql_get_int(struct sql_stmt *s, int64_t *out, bool *found)
{
	enum sql_step step = sql_step(s);
	int64_t v = step == SQL_ROW ? sql_col_int(s, 0) : 0;
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	if (step == SQL_ROW) *out = v;
	if (found) *found = step == SQL_ROW;
	return ERR_OK;
}

enum err sql_exists(struct sql_stmt *s, bool *found)
{
	int64_t one;
	return sql_get_int(s, &one, found);
}

int64_t sql_changes(struct store_tx *tx) { return sqlite3_changes64(tx->handle); }
int64_t sql_last_pk(struct store_tx *tx) { return sqlite3_last_insert_rowid(tx->handle); }
int64_t sql_wall_us(struct store_tx *tx) { return clock_wall_us(tx->clock); }

int64_t sql_budget_begin(struct store_tx *tx, int64_t ms)
{
	int64_t saved = tx->deadline_us;
	store_tx_deadline(tx, clock_mono_us(tx->clock) + ms * 1000);
	return saved;
}

void sql_budget_end(struct store_tx *tx, int64_t saved) { tx->deadline_us = saved; }

/* ---- life ---- */
void db_release_busy(struct store_tx *tx)
{
	while (!list_empty(&tx->busy)) {
		struct sql_stmt *s = BECK_CONTAINER(tx->busy.next, struct sql_stmt, busy);
		char quoted[256];
		/* sql_done unlinks before it frees; the analyzer loses the ring. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		const char *text = s->st ? sqlite3_sql(s->st) : "";
		LOG_ERR("statement left open", "sql=%s", log_quote(quoted, sizeof quoted, text, strlen(text)));
		enum err e = sql_done(s);
		(void)e; /* whoever left it open did not ask */
	}
}

void db_statements_free(struct store_tx *tx)
{
	db_release_busy(tx);
	size_t it = 0;
	uint64_t key;
	struct sql_stmt *s;
	while ((s = u64map_next(&tx->literals, &it, &key)) != NULL) {
		while (s) {
			struct sql_stmt *next = s->next;
			stmt_free(s);
			s = next;
		}
	}
	u64map_deinit(&tx->literals);
	for (size_t i = 0; i < DB_BUILT_CACHED; i++) {
		if (tx->built[i]) stmt_free(tx->built[i]);
		tx->built[i] = NULL;
	}
}
