/* The statement layer that drivers fill: prepare once, bind, step, read. Used by src/store only; nobody above sees SQL.
 * SQL text is in the common subset of SQLite and PostgreSQL with numbered parameters ?1 ?2 ... and lives in string literals (the
 * statement cache is keyed by pointer; text built at run time, for filters, goes through sql_compile).
 *
 * A sql_stmt is valid until sql_done, which every path must reach; one use of the same statement at a time per connection
 * (nested use of the same text gets a second copy). Bound spans must live until sql_done.
 * Errors: a failed bind or prepare surfaces at sql_step, which returns ERR_*; SQL_ROW and SQL_DONE are results, not errors. */
#ifndef BECK_STORE_SQL_H
#define BECK_STORE_SQL_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"

struct sql_stmt;
enum sql_step { SQL_ROW, SQL_DONE, SQL_FAILED };

struct sql_stmt *sql_prepare(struct store_tx *tx, const char *literal); /* cached; never NULL */
struct sql_stmt *sql_compile(struct store_tx *tx, struct span text);    /* small LRU keyed by text; never NULL */
void sql_int(struct sql_stmt *s, int index, int64_t v);                 /* index from 1 */
void sql_text(struct sql_stmt *s, int index, struct span v);            /* not given = NULL */
void sql_double(struct sql_stmt *s, int index, double v);
void sql_null(struct sql_stmt *s, int index);
void sql_fail(struct sql_stmt *s, enum err e); /* the first step will fail with e */
enum sql_step sql_step(struct sql_stmt *s);
int64_t sql_col_int(struct sql_stmt *s, int column);                       /* column from 0; NULL reads as 0 */
struct span sql_col_text(struct sql_stmt *s, struct arena *a, int column); /* dup'd into the arena; NULL = not given */
bool sql_col_is_null(struct sql_stmt *s, int column);
/* Ends the use. Returns ERR_OK, or why the last step failed: ERR_UNAVAILABLE (disk full, I/O, busy), ERR_TIMEOUT (deadline),
 * ERR_DUPLICATE_NAME never; a broken UNIQUE constraint is ERR_AGAIN (the caller decides what it means), the rest ERR_INTERNAL. */
enum err sql_done(struct sql_stmt *s) BECK_WARN_UNUSED;

/* One-liners on top: run to the end / first column of the first row. */
enum err sql_run(struct sql_stmt *s) BECK_WARN_UNUSED; /* step until done, then sql_done */
enum err sql_get_int(struct sql_stmt *s, int64_t *out, bool *found) BECK_WARN_UNUSED;
enum err sql_exists(struct sql_stmt *s, bool *found) BECK_WARN_UNUSED; /* whether there is a row; not set on failure */
int64_t sql_changes(struct store_tx *tx);                              /* rows changed by the last statement */
int64_t sql_last_pk(struct store_tx *tx);                              /* key made by the last INSERT */
int64_t sql_wall_us(struct store_tx *tx);                              /* the store's clock: expiry inside queries */
/* A tighter deadline for the statements between the two (custom-field filters): the query runs at most `ms` from now. The value
 * returned goes back to sql_budget_end. */
int64_t sql_budget_begin(struct store_tx *tx, int64_t ms);
void sql_budget_end(struct store_tx *tx, int64_t saved);

#endif
