#include <pthread.h>

#include "base/log.h"
#include "store/sqlite/db.h"
#include "store/sqlite/functions.h"

enum err db_map(const struct store_tx *tx, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return ERR_OK;
	case SQLITE_INTERRUPT: return ERR_TIMEOUT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_NOMEM:
	case SQLITE_CANTOPEN:
	case SQLITE_PROTOCOL:
	case SQLITE_ABORT: return ERR_UNAVAILABLE;
	/* A reader that writes is a defect; on the lane it is a file system that turned read-only. */
	case SQLITE_READONLY: return tx->is_reader ? ERR_INTERNAL : ERR_UNAVAILABLE;
	case SQLITE_CONSTRAINT:
		return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID
			       ? ERR_AGAIN
			       : ERR_INTERNAL;
	default: return ERR_INTERNAL;
	}
}

static int on_progress(void *ctx)
{
	const struct store_tx *tx = ctx;
	return tx->deadline_us != 0 && tx->may_interrupt && clock_mono_us(tx->clock) > tx->deadline_us;
}

int db_exec_rc(struct store_tx *tx, const char *sql) { return sqlite3_exec(tx->handle, sql, NULL, NULL, NULL); }

enum err db_exec(struct store_tx *tx, const char *sql) { return db_map(tx, db_exec_rc(tx, sql)); }

/* secure_delete: what is hard-deleted must not stay readable in free pages. Checkpoints are the keeper's business: the lane never
 * pays for one inside a commit, nor for cutting the log to size (journal_size_limit): that took 50 ms, and its blocks had to be
 * allocated anew. */
static enum err apply_pragmas(struct store_tx *tx, enum db_role role)
{
	static const char *const common = "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF; PRAGMA synchronous=FULL;"
					  "PRAGMA wal_autocheckpoint=0; PRAGMA mmap_size=268435456; PRAGMA secure_delete=ON;"
					  "PRAGMA trusted_schema=OFF;";
	static const char *const by_role[] = {
		[DB_LANE] = "PRAGMA cache_size=-16384; PRAGMA busy_timeout=5000;",
		[DB_READER] = "PRAGMA cache_size=-4096; PRAGMA busy_timeout=5000; PRAGMA query_only=ON;",
		[DB_KEEPER] = "PRAGMA cache_size=-1024; PRAGMA busy_timeout=250;",
	};
	enum err e = db_exec(tx, common);
	return e == ERR_OK ? db_exec(tx, by_role[role]) : e;
}

static enum err open_error(struct store_tx *tx, int rc, bool may_create)
{
	if ((rc & 0xff) == SQLITE_CANTOPEN && !may_create) return ERR_NOT_FOUND;
	return db_map(tx, rc);
}

/* Every allocation of SQLite would pass one lock to be counted, and nobody looks at the count. Once per process, before SQLite
 * starts; refused (and harmless) where somebody has started it already. */
static void configure(void) { (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

enum err db_open(struct store_tx *tx, struct store *store, const char *path, const char *vfs, const struct clock *clock,
	enum db_role role, bool may_create)
{
	static pthread_once_t configured = PTHREAD_ONCE_INIT;
	(void)pthread_once(&configured, configure);
	*tx = (struct store_tx){ .store = store, .clock = clock, .is_reader = role == DB_READER };
	list_init(&tx->busy);
	u64map_init(&tx->literals);
	tx->broken = (struct sql_stmt){ .tx = tx, .err = ERR_UNAVAILABLE };
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (may_create ? SQLITE_OPEN_CREATE : 0);
	int rc = sqlite3_open_v2(path, &tx->handle, flags, vfs);
	enum err e = open_error(tx, rc, may_create);
	if (e == ERR_OK) e = apply_pragmas(tx, role);
	if (e == ERR_OK) e = db_map(tx, functions_register(tx->handle));
	if (e != ERR_OK) {
		db_close(tx);
		return e;
	}
	sqlite3_limit(tx->handle, SQLITE_LIMIT_ATTACHED, 1);
	sqlite3_progress_handler(tx->handle, DB_PROGRESS_OPS, on_progress, tx);
	return ERR_OK;
}

void db_close(struct store_tx *tx)
{
	if (!tx->handle) return;
	db_statements_free(tx);
	int rc = sqlite3_close(tx->handle);
	if (rc != SQLITE_OK) LOG_ERR("database connection not closed", "sqlite=%d", rc);
	tx->handle = NULL;
}
