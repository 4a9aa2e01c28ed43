/* Read transactions. */
#include "store/store_state.h"

enum err store_read_begin(struct store *s, int reader, int64_t deadline_us, struct store_tx **tx)
{
	BECK_ASSERT(reader >= 0 && reader < s->reader_count);
	struct store_tx *t = &s->readers[reader];
	BECK_ASSERT(t->state == DB_IDLE);
	gate_enter_read(s);
	/* Deferred: the snapshot is taken by the first statement that reads. */
	enum err e = sql_run(sql_prepare(t, "BEGIN"));
	if (e != ERR_OK) {
		gate_leave_read(s);
		return e;
	}
	t->deadline_us = deadline_us;
	t->state = DB_READ;
	*tx = t;
	return ERR_OK;
}

void store_read_next(struct store_tx *tx, int64_t deadline_us)
{
	BECK_ASSERT(tx->state == DB_READ);
	db_release_busy(tx);
	tx->deadline_us = deadline_us;
}

void store_read_end(struct store_tx *tx)
{
	BECK_ASSERT(tx->state == DB_READ);
	tx->deadline_us = 0;
	db_release_busy(tx);
	/* Nothing was written; if even this fails the connection is closed by its owner at the end, and the next BEGIN says so.
	 */
	if (sql_run(sql_prepare(tx, "COMMIT")) != ERR_OK && !sqlite3_get_autocommit(tx->handle)) (void)db_exec_rc(tx, "ROLLBACK");
	tx->state = DB_IDLE;
	gate_leave_read(tx->store);
}

void store_tx_deadline(struct store_tx *tx, int64_t deadline_us)
{
	if (tx->deadline_us == 0 || deadline_us < tx->deadline_us) tx->deadline_us = deadline_us;
}
