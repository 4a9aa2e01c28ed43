/* Numbered migrations: schema/migrations/NNNN_name.sql, embedded. The file's format is application_id (ours or not) and
 * user_version (number of the last migration). All that is pending runs in one transaction. */
#include <stdio.h>

#include "base/embedded.h"
#include "store/store_state.h"

enum { APPLICATION_ID = 0x4265636b /* "Beck" */, SCRATCH_BYTES = 1024 * 1024 };

static int file_number(const struct embedded_file *f)
{
	long long n = 0;
	struct span name = span_str(f->name);
	return span_to_i64(span_make(name.p, span_find(name, '_')), &n) && n > 0 && n < 10000 ? (int)n : 0;
}

int migrate_newest(void)
{
	int newest = 0;
	for (const struct embedded_file *f = embedded_migrations; f->name; f++)
		if (file_number(f) > newest) newest = file_number(f);
	return newest;
}

static enum err pragma_int(struct store_tx *tx, const char *text, int64_t *out)
{
	return sql_get_int(sql_prepare(tx, text), out, NULL);
}

enum err migrate_inspect(struct store_tx *tx, bool *is_new, int *version, struct arena *a, struct span *why)
{
	int64_t id = 0, user_version = 0, tables = 0;
	enum err e = pragma_int(tx, "PRAGMA application_id", &id);
	if (e == ERR_OK) e = pragma_int(tx, "PRAGMA user_version", &user_version);
	if (e == ERR_OK) e = pragma_int(tx, "SELECT count(*) FROM sqlite_master", &tables);
	if (e != ERR_OK) {
		*why = e == ERR_INTERNAL ? SPAN("beck.db is not a database of Beck, or damaged; nothing was changed")
					 : SPAN("beck.db cannot be read");
		return e;
	}
	*is_new = id == 0 && user_version == 0 && tables == 0;
	if (!*is_new && id != APPLICATION_ID) {
		*why = SPAN("beck.db is a database of another program; nothing was changed");
		return ERR_INTERNAL;
	}
	if (user_version > migrate_newest()) {
		*why = arena_printf(a,
			"beck.db has format %lld, made by a newer version; this one knows up to %d. Nothing was changed",
			(long long)user_version, migrate_newest());
		return ERR_INTERNAL;
	}
	*version = (int)user_version;
	return ERR_OK;
}

/* What differs between the databases. Row names are never given twice: events, sessions and caches on other threads hold them
 * longer than the row lives. Clustered tables lie in the order of their primary key. */
static const struct {
	struct span mark, text;
} marks[] = {
	{ { "{{pk}}", 6 }, { "INTEGER PRIMARY KEY AUTOINCREMENT", 33 } },
	{ { "{{clustered}}", 13 }, { "WITHOUT ROWID", 13 } },
};

static struct span fill_in(struct arena *a, const struct embedded_file *f)
{
	struct buf out;
	buf_init(&out, SCRATCH_BYTES);
	struct span rest = span_make(f->data, f->n);
	while (rest.n > 0) {
		size_t i = 0;
		while (i < BECK_COUNT(marks) && !span_starts(rest, marks[i].mark)) i++;
		bool is_mark = i < BECK_COUNT(marks);
		if (is_mark) {
			buf_add_span(&out, marks[i].text);
		} else {
			buf_add_char(&out, rest.p[0]);
		}
		rest = span_skip(rest, is_mark ? marks[i].mark.n : 1);
	}
	struct span text = out.failed ? SPAN_NONE : arena_dup(a, buf_span(&out));
	buf_deinit(&out);
	return text;
}

static enum err run_one(struct store_tx *tx, const struct embedded_file *f, struct arena *a, struct span *why)
{
	struct arena scratch;
	arena_init(&scratch, SCRATCH_BYTES);
	struct span text = fill_in(&scratch, f);
	enum err e = text.p ? db_exec(tx, text.p) : ERR_UNAVAILABLE;
	if (e != ERR_OK) *why = arena_printf(a, "migration %s: %s; nothing was changed", f->name, sqlite3_errmsg(tx->handle));
	arena_deinit(&scratch);
	if (e != ERR_OK) return e;
	char pragma[48];
	(void)snprintf(pragma, sizeof pragma, "PRAGMA user_version=%d", file_number(f));
	return db_exec(tx, pragma);
}

enum err migrate_set_epoch(struct store_tx *tx, const struct rng *rng)
{
	char id[37];
	rng_uuid4(rng, id);
	struct sql_stmt *s = sql_prepare(
		tx, "INSERT INTO meta (key, value) VALUES ('epoch', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value");
	sql_text(s, 1, span_str(id));
	return sql_run(s);
}

static enum err run_pending(struct store *s, struct store_tx *tx, bool is_new, int version, struct arena *a, struct span *why)
{
	enum err e = db_exec(tx, "BEGIN IMMEDIATE");
	for (const struct embedded_file *f = embedded_migrations; e == ERR_OK && f->name; f++)
		if (file_number(f) > version) e = run_one(tx, f, a, why);
	if (e == ERR_OK && is_new) {
		char pragma[48];
		(void)snprintf(pragma, sizeof pragma, "PRAGMA application_id=%d", APPLICATION_ID);
		e = db_exec(tx, pragma);
	}
	bool has_epoch = false;
	if (e == ERR_OK) e = sql_exists(sql_prepare(tx, "SELECT 1 FROM meta WHERE key = 'epoch'"), &has_epoch);
	if (e == ERR_OK && !has_epoch) e = migrate_set_epoch(tx, s->rng);
	if (e == ERR_OK) e = db_exec(tx, "COMMIT");
	if (e != ERR_OK && !sqlite3_get_autocommit(tx->handle)) (void)db_exec_rc(tx, "ROLLBACK");
	if (e != ERR_OK && !why->p) *why = arena_printf(a, "beck.db: the migration failed: %s", sqlite3_errmsg(tx->handle));
	return e;
}

static enum err use_wal(struct store_tx *tx, struct arena *a, struct span *why)
{
	struct sql_stmt *q = sql_prepare(tx, "PRAGMA journal_mode=WAL");
	struct span mode = sql_step(q) == SQL_ROW ? sql_col_text(q, a, 0) : SPAN_NONE;
	enum err e = sql_done(q);
	if (e == ERR_OK && !span_is(mode, "wal")) e = ERR_INTERNAL;
	if (e != ERR_OK) *why = SPAN("beck.db: this file system cannot hold a write-ahead log");
	return e;
}

enum err migrate_run(
	struct store *s, struct store_tx *tx, const char *copy_path, bool *changed, struct arena *a, struct span *why)
{
	bool is_new = false;
	int version = 0;
	*why = SPAN_NONE;
	enum err e = migrate_inspect(tx, &is_new, &version, a, why);
	if (e == ERR_OK) e = use_wal(tx, a, why);
	*changed = version != migrate_newest();
	if (e != ERR_OK || !*changed) return e;
	if (!is_new && copy_path) e = backup_copy(tx, copy_path, cleanvfs_name(s->clean), a, why);
	return e == ERR_OK ? run_pending(s, tx, is_new, version, a, why) : e;
}
