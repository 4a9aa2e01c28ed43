/* Copies of a whole database by SQLite's backup API, while it is being written. */
#include <errno.h>
#include <sys/stat.h>

#include "store/store_state.h"

enum { COPY_PAGES = 2048 };

bool backup_file_exists(const char *vfs_name, const char *path)
{
	sqlite3_vfs *v = sqlite3_vfs_find(vfs_name);
	int there = 1;
	return !v || v->xAccess(v, path, SQLITE_ACCESS_EXISTS, &there) != SQLITE_OK || there != 0;
}

/* The source's snapshot is held from the first page to the last: the copy is of one moment and is not begun again by writes. The
 * destination is one transaction: a copy that was broken off is an empty file, never half a database. */
static int copy_pages(struct store_tx *from, struct store_tx *to)
{
	sqlite3_backup *b = sqlite3_backup_init(to->handle, "main", from->handle, "main");
	if (!b) return sqlite3_extended_errcode(to->handle);
	int rc = SQLITE_OK;
	while (rc == SQLITE_OK) rc = sqlite3_backup_step(b, COPY_PAGES);
	int end = sqlite3_backup_finish(b);
	return rc == SQLITE_DONE ? end : rc;
}

static enum err verify(struct store_tx *to, struct arena *a, struct span *why)
{
	struct sql_stmt *q = sql_prepare(to, "PRAGMA quick_check(1)");
	struct span said = sql_step(q) == SQL_ROW ? sql_col_text(q, a, 0) : SPAN_NONE;
	enum err e = sql_done(q);
	if (e == ERR_OK && !span_is(said, "ok")) e = ERR_INTERNAL;
	if (e != ERR_OK) *why = arena_printf(a, "the copy is damaged: %.*s", SPAN_FMT(said));
	return e;
}

enum err backup_copy(struct store_tx *from, const char *path, const char *vfs, struct arena *a, struct span *why)
{
	struct store_tx to;
	enum err e = db_open(&to, NULL, path, vfs, from->clock, DB_KEEPER, true);
	if (e != ERR_OK) {
		*why = arena_printf(a, "%s cannot be written", path);
		return e;
	}
	bool own_snapshot = sqlite3_get_autocommit(from->handle) != 0;
	if (own_snapshot) e = db_exec(from, "BEGIN; SELECT count(*) FROM sqlite_master");
	if (e == ERR_OK) {
		int rc = copy_pages(from, &to);
		e = db_map(&to, rc);
		if (e != ERR_OK) *why = arena_printf(a, "%s: copying failed: %s", path, sqlite3_errstr(rc));
	}
	if (own_snapshot && !sqlite3_get_autocommit(from->handle)) (void)db_exec_rc(from, "COMMIT");
	if (e == ERR_OK) e = verify(&to, a, why);
	/* One file that needs nothing beside it, also on a read-only medium; opening it as a store turns the log on again. */
	if (e == ERR_OK) e = db_exec(&to, "PRAGMA journal_mode=DELETE");
	db_close(&to);
	return e;
}

static bool make_folder(struct arena *a, struct span folder, const char *vfs)
{
	if (vfs) return true;
	struct span path = arena_dup(a, folder);
	struct stat st;
	if (!path.p) return false;
	if (mkdir(path.p, 0700) == 0) return true;
	return errno == EEXIST && stat(path.p, &st) == 0 && S_ISDIR(st.st_mode);
}

enum err store_backup(struct store *s, struct span folder, struct arena *a, struct span *why)
{
	/* A store in memory is copied to the real disk. */
	const char *vfs = s->memory ? NULL : s->vfs;
	struct span path = arena_printf(a, "%.*s/beck.db", SPAN_FMT(folder));
	if (!path.p || !make_folder(a, folder, vfs)) {
		*why = arena_printf(a, "%.*s cannot be made", SPAN_FMT(folder));
		return ERR_UNAVAILABLE;
	}
	if (backup_file_exists(vfs, path.p)) {
		*why = arena_printf(a, "%.*s exists already", SPAN_FMT(path));
		return ERR_INPUT;
	}
	struct store_tx from;
	enum err e = db_open(&from, s, s->path, s->vfs, s->clock, DB_READER, false);
	if (e != ERR_OK) {
		*why = SPAN("beck.db cannot be opened for the backup");
		return e;
	}
	gate_copy(s, 1);
	e = backup_copy(&from, path.p, s->memory ? NULL : cleanvfs_name(s->clean), a, why);
	gate_copy(s, -1);
	db_close(&from);
	return e;
}
