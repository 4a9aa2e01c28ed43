#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/store_state.h"

enum { OWN_BYTES = 64 * 1024 };
#define STORE_FILE "beck.db"

static struct span fail_text(struct arena *a, struct span folder, const char *what)
{
	return arena_printf(a, "%.*s: %s", SPAN_FMT(folder), what);
}

/* The folder itself is made, its parents are not: a mistyped path should not become a new store somewhere. */
static bool make_folder(const char *path)
{
	if (mkdir(path, 0700) == 0) return true;
	struct stat st;
	return errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool lock_folder(struct store *s, struct arena *a, struct span *why)
{
	struct span path = arena_printf(&s->own, "%.*s/beck.lock", SPAN_FMT(s->folder));
	struct span folder = arena_dup(&s->own, s->folder);
	if (!path.p || !folder.p || !make_folder(folder.p)) {
		*why = fail_text(a, s->folder, "the data folder cannot be made or is no folder");
		return false;
	}
	s->lock_fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0) {
		*why = fail_text(a, s->folder, "the data folder cannot be written");
		return false;
	}
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		*why = fail_text(a, s->folder, "the data folder is in use by another server");
		return false;
	}
	return true;
}

/* A VFS of the caller's has paths of its own: there is nothing to make or lock on the real disk. */
static bool place(struct store *s, const struct store_options *o, const char *file, struct arena *a, struct span *why)
{
	s->lock_fd = -1;
	if (!span_given(o->folder)) {
		s->memory = memvfs_create(s->rng);
		s->path = "/beck.db";
		s->vfs = s->memory ? memvfs_name(s->memory) : NULL;
		if (!s->memory) *why = SPAN("no memory");
		return s->memory != NULL;
	}
	s->folder = arena_dup(&s->own, o->folder);
	s->path = arena_printf(&s->own, "%.*s/%s", SPAN_FMT(o->folder), file).p;
	s->vfs = o->vfs ? arena_dup(&s->own, span_str(o->vfs)).p : NULL;
	if (!s->path || !s->folder.p || (o->vfs && !s->vfs)) {
		*why = SPAN("no memory");
		return false;
	}
	return s->vfs || o->is_shared || lock_folder(s, a, why);
}

static enum err load_state(struct store *s)
{
	struct arena scratch;
	arena_init(&scratch, OWN_BYTES);
	struct sql_stmt *q = sql_prepare(&s->lane, "SELECT value FROM meta WHERE key = 'epoch'");
	struct span epoch = sql_step(q) == SQL_ROW ? sql_col_text(q, &scratch, 0) : SPAN_NONE;
	enum err e = sql_done(q);
	if (e == ERR_OK && epoch.n != sizeof s->epoch - 1) e = ERR_INTERNAL;
	if (e == ERR_OK) memcpy(s->epoch, epoch.p, epoch.n);
	arena_deinit(&scratch);
	if (e != ERR_OK) return e;
	return sql_get_int(
		sql_prepare(&s->lane, "SELECT created_at FROM events ORDER BY pos DESC LIMIT 1"), &s->last_event_at, NULL);
}

/* A process that died may have erased something after its last wipe. A copy made just now by a migration is not older than any
 * erasure; others go when in doubt. */
static enum err load_erased(struct store *s)
{
	bool found = false;
	enum err e = sql_exists(sql_prepare(&s->lane, "SELECT 1 FROM erasures LIMIT 1"), &found);
	if (e == ERR_OK) atomic_store(&s->has_erased, found);
	return e;
}

static int on_commit(void *ctx, sqlite3 *handle, const char *schema, int frames)
{
	struct store *s = ctx;
	(void)handle, (void)schema;
	atomic_store(&s->log_frames, frames);
	return SQLITE_OK;
}

/* Beside a running server the format is that server's business. */
static enum err require_current(struct store *s, struct arena *a, struct span *why)
{
	bool is_new = false;
	int version = 0;
	enum err e = migrate_inspect(&s->lane, &is_new, &version, a, why);
	if (e == ERR_OK && (is_new || version != migrate_newest())) {
		*why = fail_text(a, s->folder, "beck.db has an older format; start the server on it first");
		e = ERR_INTERNAL;
	}
	return e;
}

static enum err open_lane(struct store *s, bool is_shared, struct arena *a, struct span *why)
{
	enum err e = db_open(&s->lane, s, s->path, cleanvfs_name(s->clean), s->clock, DB_LANE, !is_shared);
	if (e != ERR_OK) {
		*why = fail_text(a, s->folder,
			e == ERR_INTERNAL    ? "beck.db is not a database of Beck, or damaged; nothing was changed"
			: e == ERR_NOT_FOUND ? "there is no beck.db"
					     : "beck.db cannot be opened");
		return e;
	}
	struct span copy = s->is_work_file ? SPAN_NONE : arena_printf(&s->own, "%s.before-%d", s->path, migrate_newest());
	if (!copy.p && !s->is_work_file) {
		*why = SPAN("no memory");
		return ERR_UNAVAILABLE;
	}
	sqlite3_wal_hook(s->lane.handle, on_commit, s);
	bool migrated = false;
	e = is_shared ? require_current(s, a, why) : migrate_run(s, &s->lane, copy.p, &migrated, a, why);
	if (e != ERR_OK) return e;
	if (!is_shared && !migrated) e = load_erased(s);
	if (e != ERR_OK) return e;
	e = is_shared || checkpoint_settle(&s->lane) ? load_state(s) : ERR_UNAVAILABLE;
	if (e != ERR_OK) *why = fail_text(a, s->folder, "beck.db cannot be read; run a check");
	return e;
}

static enum err open_rest(struct store *s, int readers, struct arena *a, struct span *why)
{
	enum err e = db_open(&s->keeper, s, s->path, cleanvfs_name(s->clean), s->clock, DB_KEEPER, false);
	s->readers = calloc(readers > 0 ? (size_t)readers : 1, sizeof *s->readers);
	if (!s->readers) e = ERR_UNAVAILABLE;
	for (; e == ERR_OK && s->reader_count < readers; s->reader_count++)
		e = db_open(&s->readers[s->reader_count], s, s->path, cleanvfs_name(s->clean), s->clock, DB_READER, false);
	if (e != ERR_OK) *why = fail_text(a, s->folder, "beck.db cannot be opened for reading");
	return e;
}

static bool make_clean(struct store *s, struct span *why)
{
	s->clean = cleanvfs_create(s->vfs, s->rng);
	if (!s->clean) *why = SPAN("no memory");
	return s->clean != NULL;
}

struct store *store_open(const struct store_options *o, struct arena *a, struct span *why)
{
	return store_open_file(o, STORE_FILE, a, why);
}

struct store *store_open_file(const struct store_options *o, const char *file, struct arena *a, struct span *why)
{
	struct store *s = calloc(1, sizeof *s);
	if (!s) {
		*why = SPAN("no memory");
		return NULL;
	}
	s->clock = o->clock;
	s->rng = o->rng;
	s->log_bytes_max = o->log_bytes ? o->log_bytes : LIMIT_WAL_BYTES;
	s->is_work_file = strcmp(file, STORE_FILE) != 0;
	arena_init(&s->own, OWN_BYTES);
	short_lock_init(&s->gate_lock);
	cond_init(&s->gate_moved);
	if (place(s, o, file, a, why) && make_clean(s, why) && open_lane(s, o->is_shared, a, why) == ERR_OK &&
		open_rest(s, o->readers, a, why) == ERR_OK)
		return s;
	store_close(s);
	return NULL;
}

void store_close(struct store *s)
{
	if (!s) return;
	for (int i = 0; i < s->reader_count; i++) db_close(&s->readers[i]);
	free(s->readers);
	db_close(&s->keeper);
	if (s->lane.state == DB_BATCH) store_batch_abort(&s->lane);
	db_close(&s->lane); /* the last connection checkpoints and removes the log */
	cleanvfs_destroy(s->clean);
	memvfs_destroy(s->memory);
	if (s->lock_fd >= 0) close(s->lock_fd);
	pthread_cond_destroy(&s->gate_moved);
	pthread_mutex_destroy(&s->gate_lock);
	arena_deinit(&s->own);
	free(s);
}

struct span store_epoch(const struct store *s) { return span_make(s->epoch, sizeof s->epoch - 1); }
