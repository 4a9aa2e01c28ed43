/* Moves the write-ahead log into the database, beside the lane. */
#include "base/limits.h"
#include "base/log.h"
#include "store/store_state.h"

/* Lets the reads under way end (their deadlines bound it) and holds back new ones. False while a copy is made: it would not end soon. */
static bool pause_reads(struct store *s)
{
	pthread_mutex_lock(&s->gate_lock);
	bool may = s->copies_active == 0;
	s->reads_paused = may;
	while (may && s->reads_active > 0)
		pthread_cond_wait(&s->gate_moved, &s->gate_lock);
	pthread_mutex_unlock(&s->gate_lock);
	return may;
}

static void resume_reads(struct store *s)
{
	pthread_mutex_lock(&s->gate_lock);
	s->reads_paused = false;
	pthread_cond_broadcast(&s->gate_moved);
	pthread_mutex_unlock(&s->gate_lock);
}

static int checkpoint(struct store *s, int mode, int64_t *log_bytes)
{
	int frames = 0, done = 0;
	int rc = sqlite3_wal_checkpoint_v2(s->keeper.handle, "main", mode, &frames, &done);
	enum { FRAME_BYTES = 4096 + 24 };
	*log_bytes = frames > 0 ? (int64_t)frames * FRAME_BYTES : 0;
	return rc;
}

void store_checkpoint(struct store *s)
{
	int64_t bytes = 0;
	int rc = checkpoint(s, SQLITE_CHECKPOINT_PASSIVE, &bytes);
	if (rc == SQLITE_OK && bytes > LIMIT_WAL_BYTES && pause_reads(s)) {
		rc = checkpoint(s, SQLITE_CHECKPOINT_RESTART, &bytes);
		resume_reads(s);
	}
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) LOG_ERR("checkpoint failed", "sqlite=%d wal_bytes=%lld", rc, (long long)bytes);
}
