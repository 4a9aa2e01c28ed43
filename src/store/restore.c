/* Restore: a verified copy of a backup becomes a new store in an empty folder, with an epoch of its own (every resume across it
 * is a gap), and what was erased after the backup was made is erased again. The work is done under another name; only when all of
 * it is on disk does the file become beck.db, so that a restore broken off never leaves something that a server would start on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "store/reerase.h"
#include "store/store_state.h"

#define WORK_NAME "beck.db.restoring"

/* ---- the folder on the real disk ---- */
static bool folder_is_empty(const char *path)
{
	DIR *d = opendir(path);
	if (!d) return false;
	bool empty = true;
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		struct span name = span_str(e->d_name);
		/* a restore that was broken off may be begun again */
		bool ours = span_is(name, ".") || span_is(name, "..") || span_is(name, "beck.lock") ||
			    span_starts(name, SPAN(WORK_NAME));
		empty = empty && ours;
	}
	closedir(d);
	return empty;
}

static bool prepare_folder(const struct store_restore_options *o, bool *was_made, struct arena *a, struct span *why)
{
	if (o->vfs) return true;
	struct span path = arena_dup(a, o->folder);
	*was_made = path.p && mkdir(path.p, 0700) == 0;
	if (path.p && !*was_made && errno != EEXIST) {
		*why = arena_printf(a, "%.*s cannot be made", SPAN_FMT(o->folder));
		return false;
	}
	if (!path.p || !folder_is_empty(path.p)) {
		*why = arena_printf(a, "%.*s is not empty; a restore never overwrites", SPAN_FMT(o->folder));
		return false;
	}
	return true;
}

static enum err publish(
	const struct store_restore_options *o, struct span work, struct span final, struct arena *a, struct span *why)
{
	struct span folder = arena_dup(a, o->folder);
	if (folder.p && rename(work.p, final.p) == 0 && folder_sync(folder.p)) return ERR_OK;
	*why = arena_printf(a, "%.*s cannot be put in its place", SPAN_FMT(work));
	return ERR_UNAVAILABLE;
}

/* ---- the copy ---- */
static enum err integrity(struct store_tx *tx, struct arena *a, struct span *why)
{
	struct sql_stmt *q = sql_prepare(tx, "PRAGMA integrity_check(1)");
	struct span said = sql_step(q) == SQL_ROW ? sql_col_text(q, a, 0) : SPAN_NONE;
	enum err e = sql_done(q);
	if (e == ERR_OK && !span_is(said, "ok")) e = ERR_INTERNAL;
	if (e != ERR_OK) *why = arena_printf(a, "the backup is damaged: %.*s", SPAN_FMT(said));
	return e;
}

static enum err copy_backup(const struct store_restore_options *o, const char *to, struct arena *a, struct span *why)
{
	struct span path = arena_printf(a, "%.*s/beck.db", SPAN_FMT(o->from));
	struct store_tx from;
	enum err e = path.p ? db_open(&from, NULL, path.p, o->vfs, o->clock, DB_KEEPER, false) : ERR_UNAVAILABLE;
	if (e != ERR_OK) {
		*why = arena_printf(a, "%.*s: there is no readable beck.db", SPAN_FMT(o->from));
		return e;
	}
	bool is_new = false;
	int version = 0;
	e = migrate_inspect(&from, &is_new, &version, a, why);
	if (e == ERR_OK && is_new) {
		*why = arena_printf(a, "%.*s holds an empty database", SPAN_FMT(o->from));
		e = ERR_INTERNAL;
	}
	if (e == ERR_OK) e = integrity(&from, a, why);
	if (e == ERR_OK) e = backup_copy(&from, to, o->vfs, a, why);
	db_close(&from);
	return e;
}

/* ---- what makes it a new store ---- */
static enum err new_epoch(struct store *s, struct arena *a, struct span *why)
{
	struct store_tx *tx;
	enum err e = store_batch_begin(s, &tx);
	if (e == ERR_OK) {
		e = migrate_set_epoch(tx, s->rng);
		if (e == ERR_OK) e = events_leap(tx, clock_wall_us(s->clock));
		if (e != ERR_OK) {
			store_batch_abort(tx);
		} else if (store_batch_commit(tx) != STORE_COMMITTED) {
			e = ERR_UNAVAILABLE;
		}
	}
	if (e != ERR_OK) *why = arena_printf(a, "the restored store cannot be written");
	return e;
}

/* Only the database file is put in its place: everything must be in it. */
static enum err empty_log(struct store *s, struct span *why)
{
	int rc = sqlite3_wal_checkpoint_v2(s->lane.handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (rc != SQLITE_OK) *why = SPAN("the restored store cannot be written");
	return db_map(&s->lane, rc);
}

static enum err finish(const struct store_restore_options *o, const char *file, struct arena *a, struct span *why)
{
	struct store_options so = { .folder = o->folder, .vfs = o->vfs, .readers = 0, .clock = o->clock, .rng = o->rng };
	struct store *s = store_open_file(&so, file, a, why);
	if (!s) return ERR_INTERNAL;
	enum err e = new_epoch(s, a, why);
	int64_t erased = 0;
	if (e == ERR_OK && span_given(o->erasures_from)) e = reerase(s, o->erasures_from, o->vfs, a, &erased, why);
	/* the bytes too */
	if (e == ERR_OK && erased > 0 && db_exec(&s->lane, "VACUUM") != ERR_OK) {
		*why = SPAN("the erased rows could not be wiped from the file");
		e = ERR_UNAVAILABLE;
	}
	if (e == ERR_OK) e = empty_log(s, why);
	store_close(s);
	return e;
}

enum err store_restore_with(const struct store_restore_options *o, struct arena *a, struct span *why)
{
	*why = SPAN_NONE;
	bool was_made = false;
	if (!prepare_folder(o, &was_made, a, why)) return ERR_INPUT;
	/* A VFS cannot rename: there the copy has its final name from the start. */
	struct span final = arena_printf(a, "%.*s/beck.db", SPAN_FMT(o->folder));
	struct span work = o->vfs ? final : arena_printf(a, "%.*s/" WORK_NAME, SPAN_FMT(o->folder));
	if (!final.p || !work.p) return ERR_UNAVAILABLE;
	if (o->vfs && backup_file_exists(o->vfs, final.p)) {
		*why = arena_printf(a, "%.*s is not empty; a restore never overwrites", SPAN_FMT(o->folder));
		return ERR_INPUT;
	}
	enum err e = copy_backup(o, work.p, a, why);
	if (e == ERR_OK) e = finish(o, o->vfs ? "beck.db" : WORK_NAME, a, why);
	if (e == ERR_OK && !o->vfs) e = publish(o, work, final, a, why);
	/* What was copied stays, for it may be looked at or begun again; a folder with nothing in it was not there before. */
	struct span folder = arena_dup(a, o->folder);
	if (e != ERR_OK && was_made && folder.p) (void)rmdir(folder.p);
	return e;
}

enum err store_restore(struct span from, struct span folder, struct arena *a, struct span *why)
{
	struct store_restore_options o = { .from = from, .folder = folder, .rng = &rng_system, .clock = &clock_system };
	return store_restore_with(&o, a, why);
}
