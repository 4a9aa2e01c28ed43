/* Moves the write-ahead log into the database, beside the lane. */
#include "base/limits.h"
#include "base/log.h"
#include "store/store_state.h"

/* Lets the reads under way end (their deadlines bound it) and holds back new ones. False while a copy is made: it would not end soon. */
static bool pause_reads(struct store *s)
{
	pthread_mutex_lock(&s->gate_lock);
	bool may = s->copies_active == 0;
	s->pauses += may;
	while (may && s->reads_active > 0)
		pthread_cond_wait(&s->gate_moved, &s->gate_lock);
	pthread_mutex_unlock(&s->gate_lock);
	return may;
}

static void resume_reads(struct store *s)
{
	pthread_mutex_lock(&s->gate_lock);
	s->pauses--;
	pthread_cond_broadcast(&s->gate_moved);
	pthread_mutex_unlock(&s->gate_lock);
}

struct progress {
	int frames, moved;
};
enum { FRAME_BYTES = 4096 + 24 };

static int checkpoint(struct store_tx *tx, int mode, struct progress *p)
{
	*p = (struct progress){ 0, 0 };
	return sqlite3_wal_checkpoint_v2(tx->handle, "main", mode, &p->frames, &p->moved);
}

/* With reads held back a passive run moves everything, unless a process beside us (a backup) reads an old snapshot. Then the log must go on:
 * asking for a restart would hold up the lane for nothing. */
static int restart_log(struct store *s, struct store_tx *tx, int mode)
{
	struct progress p;
	if (!pause_reads(s)) return SQLITE_BUSY;
	int rc = checkpoint(tx, SQLITE_CHECKPOINT_PASSIVE, &p);
	if (rc == SQLITE_OK) rc = p.moved == p.frames ? checkpoint(tx, mode, &p) : SQLITE_BUSY;
	resume_reads(s);
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
