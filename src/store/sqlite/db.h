/* One SQLite connection and its statements: what stands behind struct store_tx and struct sql_stmt.
 *
 * Included by the store's own life, batch, migration, backup and check files; the typed functions know only sql.h.
 * A connection belongs to one thread at a time. Statements are cached per connection: literals by pointer for good (their number
 * is that of the literals in the code), built text in a small LRU. Deadlines are looked at by SQLite's progress handler; they
 * interrupt reading statements only, because an interrupted write would end the whole batch. */
#ifndef BECK_STORE_SQLITE_DB_H
#define BECK_STORE_SQLITE_DB_H

#include <sqlite3.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "store/sql.h"

enum { DB_BUILT_CACHED = 24, DB_COPIES_CACHED = 3, DB_PROGRESS_OPS = 1000 };
enum db_state { DB_IDLE, DB_READ, DB_BATCH };

struct sql_stmt {
	struct store_tx *tx;
	sqlite3_stmt *st;      /* NULL: could not be prepared, err says why */
	struct sql_stmt *next; /* another copy of the same literal, made for nested use */
	struct list busy;      /* in tx->busy while used */
	uint64_t hash;         /* built text */
	int64_t used_at;       /* LRU tick */
	enum err err;
	bool is_busy, is_temporary, has_run;
};

struct store_tx {
	sqlite3 *handle;
	struct store *store;
	const struct clock *clock;
	enum db_state state;
	bool is_reader;
	bool may_interrupt; /* the running statement only reads */
	bool has_savepoint;
	bool is_unguarded; /* this batch: rules run without savepoints ... */
	int64_t changes;   /* ... and this many rows had been changed when the rule began */
	int64_t deadline_us;
	struct u64map literals; /* literal's address -> first copy */
	struct sql_stmt *built[DB_BUILT_CACHED];
	int64_t tick;
	struct list busy;
	struct sql_stmt broken; /* stands in when there is no memory for a statement */
};

enum db_role { DB_LANE, DB_READER, DB_KEEPER /* checkpoints, backups, checks */ };
/* Opens (creating when may_create) and sets the pragmas of the role. ERR_NOT_FOUND: no such file; ERR_INTERNAL: not a database.
 */
enum err db_open(struct store_tx *tx, struct store *store, const char *path, const char *vfs, const struct clock *clock,
	enum db_role role, bool may_create) BECK_WARN_UNUSED;
void db_close(struct store_tx *tx); /* a zeroed one is fine */
/* Runs trusted text without parameters, several statements allowed. */
enum err db_exec(struct store_tx *tx, const char *sql) BECK_WARN_UNUSED;
/* Same, returning SQLite's own extended code. */
int db_exec_rc(struct store_tx *tx, const char *sql);
enum err db_map(const struct store_tx *tx, int rc);
/* True when SQLite has ended the batch by itself. */
static inline bool db_lost(const struct store_tx *tx) { return tx->state == DB_BATCH && sqlite3_get_autocommit(tx->handle) != 0; }
/* Ends what a rule left open (a defect of the rule; logged). */
void db_release_busy(struct store_tx *tx);
/* Finalises every cached statement. */
void db_statements_free(struct store_tx *tx);

#endif
