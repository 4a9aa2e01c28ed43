/* The write lane: one transaction, a savepoint per rule, and what COMMIT's failures mean. */
#include "base/log.h"
#include "store/store_state.h"

enum err store_batch_begin(struct store *s, struct store_tx **tx)
{
	struct store_tx *t = &s->lane;
	BECK_ASSERT(t->state == DB_IDLE);
	gate_enter_batch(s);
	enum err e = sql_run(sql_prepare(t, "BEGIN IMMEDIATE"));
	if (e != ERR_OK) {
		gate_leave_batch(s);
		return e;
	}
	t->state = DB_BATCH;
	t->is_unguarded = false;
	*tx = t;
	return ERR_OK;
}

void store_batch_unguarded(struct store_tx *tx)
{
	BECK_ASSERT(tx->state == DB_BATCH);
	tx->is_unguarded = true;
}

enum err store_rule_begin(struct store_tx *tx)
{
	BECK_ASSERT(tx->state == DB_BATCH && !tx->has_savepoint);
	tx->changes = sqlite3_total_changes64(tx->handle);
	if (tx->is_unguarded) return ERR_OK;
	enum err e = sql_run(sql_prepare(tx, "SAVEPOINT rule"));
	tx->has_savepoint = e == ERR_OK;
	return e;
}

enum err store_rule_end(struct store_tx *tx, bool keep)
{
	BECK_ASSERT(tx->state == DB_BATCH);
	if (!tx->has_savepoint && !tx->is_unguarded) return ERR_UNAVAILABLE;
	tx->has_savepoint = false;
	tx->deadline_us = 0;
	db_release_busy(tx);
	if (tx->is_unguarded) return keep || sqlite3_total_changes64(tx->handle) == tx->changes ? ERR_OK : ERR_AGAIN;
	enum err e = keep ? ERR_OK : sql_run(sql_prepare(tx, "ROLLBACK TO rule"));
	return e == ERR_OK ? sql_run(sql_prepare(tx, "RELEASE rule")) : e;
}

/* A part has a savepoint of its own, in a batch with or without the rules'. */
static bool is_in_rule(const struct store_tx *tx) { return tx->state == DB_BATCH && (tx->has_savepoint || tx->is_unguarded); }

enum err store_part_begin(struct store_tx *tx)
{
	BECK_ASSERT(is_in_rule(tx));
	return sql_run(sql_prepare(tx, "SAVEPOINT part"));
}

enum err store_part_end(struct store_tx *tx, bool keep)
{
	BECK_ASSERT(is_in_rule(tx));
	db_release_busy(tx);
	enum err e = keep ? ERR_OK : sql_run(sql_prepare(tx, "ROLLBACK TO part"));
	return e == ERR_OK ? sql_run(sql_prepare(tx, "RELEASE part")) : e;
}

void store_erased(struct store_tx *tx) { atomic_store(&tx->store->has_erased, true); }

bool store_batch_broken(struct store_tx *tx) { return db_lost(tx); }

static void batch_over(struct store_tx *tx)
{
	db_release_busy(tx);
	if (!sqlite3_get_autocommit(tx->handle)) {
		int rc = db_exec_rc(tx, "ROLLBACK");
		if (rc != SQLITE_OK) LOG_ERR("batch not rolled back", "sqlite=%d", rc);
	}
	tx->state = DB_IDLE;
	tx->has_savepoint = false;
	tx->deadline_us = 0;
	gate_leave_batch(tx->store);
}

/* After an I/O error the commit frame may be in the file all the same, and the next recovery may find it. Everything else that
 * fails left no whole transaction behind. */
static enum store_commit outcome_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK: return STORE_COMMITTED;
	case SQLITE_BUSY:
	case SQLITE_FULL:
	case SQLITE_NOMEM: return STORE_ROLLED_BACK;
	default: return rc == SQLITE_IOERR_NOMEM ? STORE_ROLLED_BACK : STORE_UNKNOWN;
	}
}

enum store_commit store_batch_commit(struct store_tx *tx)
{
	BECK_ASSERT(tx->state == DB_BATCH);
	enum store_commit outcome = STORE_ROLLED_BACK;
	db_release_busy(tx);
	if (!db_lost(tx)) {
		int rc = db_exec_rc(tx, "COMMIT");
		outcome = outcome_of(rc);
		if (rc != SQLITE_OK) LOG_ERR("batch not committed", "sqlite=%d unknown=%d", rc, outcome == STORE_UNKNOWN);
	}
	batch_over(tx);
	return outcome;
}

void store_batch_abort(struct store_tx *tx)
{
	BECK_ASSERT(tx->state == DB_BATCH);
	batch_over(tx);
}
