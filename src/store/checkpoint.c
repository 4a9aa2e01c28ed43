/* Moves the write-ahead log into the database, beside the lane. */
#include "base/limits.h"
#include "base/log.h"
#include "store/store_state.h"

struct progress {
	int frames, moved;
};
enum { FRAME_BYTES = 4096 + 24 };

static int checkpoint(struct store_tx *tx, int mode, struct progress *p)
{
	*p = (struct progress){ 0, 0 };
	return sqlite3_wal_checkpoint_v2(tx->handle, "main", mode, &p->frames, &p->moved);
}

/* With all held back a passive run moves everything, unless a process beside us (a backup) reads an old snapshot. Then the log
 * must go on: asking for a restart would hold up the lane for nothing. */
static int restart_log(struct store *s, struct store_tx *tx, int mode)
{
	struct progress p;
	if (!gate_close(s)) return SQLITE_BUSY;
	int rc = checkpoint(tx, SQLITE_CHECKPOINT_PASSIVE, &p);
	if (rc == SQLITE_OK) rc = p.moved == p.frames ? checkpoint(tx, mode, &p) : SQLITE_BUSY;
	gate_open(s);
	return rc;
}

static bool succeeded(int rc, const char *what)
{
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) LOG_ERR("checkpoint failed", "sqlite=%d step=%s", rc, what);
	return rc == SQLITE_OK;
}

void store_checkpoint(struct store *s)
{
	struct progress p;
	int rc = checkpoint(&s->keeper, SQLITE_CHECKPOINT_PASSIVE, &p);
	if (succeeded(rc, "passive") && (int64_t)p.frames * FRAME_BYTES > LIMIT_WAL_BYTES)
		(void)succeeded(restart_log(s, &s->keeper, SQLITE_CHECKPOINT_RESTART), "restart");
}

bool checkpoint_empty_log(struct store *s, struct store_tx *lane)
{
	return succeeded(restart_log(s, lane, SQLITE_CHECKPOINT_TRUNCATE), "truncate");
}

bool checkpoint_settle(struct store_tx *lane)
{
	struct progress p;
	int rc = checkpoint(lane, SQLITE_CHECKPOINT_PASSIVE, &p);
	return succeeded(rc, "settle") || (rc & 0xff) == SQLITE_BUSY;
}
