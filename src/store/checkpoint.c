/* Moves the write-ahead log into the database, beside the lane. */
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "store/store_state.h"

struct progress {
	int frames, moved;
};
enum {
	FRAME_BYTES = 4096 + 24,
	WIPE_PAUSE_US = 2000000, /* between two wipes */
	WIPE_PATIENCE_MS = 20,   /* reads wait so long for others before a wipe is put off ... */
	WIPES_PUT_OFF_MAX = 5,   /* ... and after that many times as long as it takes */
	CUT_PATIENCE_MS = 20,
};

static int64_t bytes_of(int frames) { return (int64_t)frames * FRAME_BYTES; }

static int checkpoint(struct store_tx *tx, int mode, struct progress *p)
{
	*p = (struct progress){ 0, 0 };
	return sqlite3_wal_checkpoint_v2(tx->handle, "main", mode, &p->frames, &p->moved);
}

/* With all held back a passive run moves everything, unless a process beside us (a backup) reads an old snapshot. Then the log
 * must go on: asking for a restart would hold up the lane for nothing. Emptied, the log holds nothing of what was erased. */
static int restart_log(struct store *s, int mode, int64_t patience_ms)
{
	struct progress p;
	int64_t begun = clock_mono_us(s->clock);
	if (!gate_close(s, patience_ms)) return SQLITE_BUSY;
	bool had_erased = atomic_exchange(&s->has_erased, false);
	int rc = checkpoint(&s->keeper, SQLITE_CHECKPOINT_PASSIVE, &p);
	if (rc == SQLITE_OK) rc = p.moved == p.frames ? checkpoint(&s->keeper, mode, &p) : SQLITE_BUSY;
	if (rc == SQLITE_OK) atomic_store(&s->log_frames, 0);
	if (rc == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE) s->log_frames_high = 0;
	if (had_erased && (rc != SQLITE_OK || mode != SQLITE_CHECKPOINT_TRUNCATE)) atomic_store(&s->has_erased, true);
	gate_open(s);
	atomic_fetch_add(&s->pauses, 1);
	atomic_fetch_add(&s->pause_us, clock_mono_us(s->clock) - begun);
	return rc;
}

static bool succeeded(int rc, const char *what)
{
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) LOG_ERR("checkpoint failed", "sqlite=%d step=%s", rc, what);
	return rc == SQLITE_OK;
}

/* Copies kept before migrations hold what has been erased since. */
static void drop_copies(struct store *s)
{
	sqlite3_vfs *v = sqlite3_vfs_find(s->vfs);
	char path[4096];
	for (int i = 1; v && i <= migrate_newest(); i++) {
		int n = snprintf(path, sizeof path, "%s.before-%d", s->path, i);
		if (n > 0 && (size_t)n < sizeof path && backup_file_exists(s->vfs, path)) (void)v->xDelete(v, path, 1);
	}
}

/* What was erased lies in the log still, and nowhere else (sqlite/cleanvfs.h). */
static void wipe(struct store *s)
{
	int64_t now = clock_mono_us(s->clock);
	if (s->wiped_at != 0 && now - s->wiped_at < WIPE_PAUSE_US) return;
	bool is_late = s->wipes_put_off >= WIPES_PUT_OFF_MAX;
	if (!succeeded(restart_log(s, SQLITE_CHECKPOINT_TRUNCATE, is_late ? 0 : WIPE_PATIENCE_MS), "wipe")) {
		s->wipes_put_off++;
		return;
	}
	s->wipes_put_off = 0;
	s->wiped_at = now;
	drop_copies(s);
}

/* Begins the log anew where it is long. The file keeps its length: to write over blocks that are there is what makes commits
 * fast. Only one that a long read has made far too long is cut, once little is in it. */
static void shorten(struct store *s, int frames)
{
	int64_t max = s->log_bytes_max;
	if (frames > s->log_frames_high) s->log_frames_high = frames;
	if (bytes_of(frames) > max) {
		s->is_log_kept = !succeeded(restart_log(s, SQLITE_CHECKPOINT_RESTART, 0), "restart");
	} else if (bytes_of(frames) < max / 16 && bytes_of(s->log_frames_high) > 2 * max) {
		(void)succeeded(restart_log(s, SQLITE_CHECKPOINT_TRUNCATE, CUT_PATIENCE_MS), "cut");
	}
}

bool store_checkpoint_due(const struct store *s)
{
	bool is_long = bytes_of(atomic_load(&s->log_frames)) > s->log_bytes_max;
	return clock_mono_us(s->clock) - s->checkpoint_at >= LIMIT_CHECKPOINT_MS * 1000 || (is_long && !s->is_log_kept);
}

void store_checkpoint(struct store *s)
{
	struct progress p;
	s->checkpoint_at = clock_mono_us(s->clock);
	int rc = checkpoint(&s->keeper, SQLITE_CHECKPOINT_PASSIVE, &p);
	if (!succeeded(rc, "passive")) return;
	atomic_fetch_add(&s->checkpoints, 1);
	if (atomic_load(&s->has_erased)) {
		wipe(s);
	} else {
		shorten(s, p.frames);
	}
}

void store_stats(struct store *s, struct store_stats *out)
{
	*out = (struct store_stats){ .log_bytes = bytes_of(atomic_load(&s->log_frames)),
		.checkpoints = atomic_load(&s->checkpoints),
		.pauses = atomic_load(&s->pauses),
		.pause_us = atomic_load(&s->pause_us) };
}

bool checkpoint_settle(struct store_tx *lane)
{
	struct progress p;
	int rc = checkpoint(lane, SQLITE_CHECKPOINT_PASSIVE, &p);
	return succeeded(rc, "settle") || (rc & 0xff) == SQLITE_BUSY;
}
