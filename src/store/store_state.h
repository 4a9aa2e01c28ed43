/* What struct store holds, for the files that are its life: store.c (open, close), migrate.c, read.c, batch.c, checkpoint.c,
 * backup.c. Nobody else includes this. */
#ifndef BECK_STORE_STORE_STATE_H
#define BECK_STORE_STORE_STATE_H

#include <pthread.h>

#include <stdatomic.h>

#include "store/sqlite/cleanvfs.h"
#include "store/sqlite/db.h"
#include "store/sqlite/memvfs.h"

struct store {
	const struct clock *clock;
	const struct rng *rng;
	struct arena own;   /* path, folder, vfs: as long as the store */
	struct span folder; /* not given = in memory */
	const char *path, *vfs;
	struct memvfs *memory;  /* NULL on disk */
	struct cleanvfs *clean; /* over `vfs`; what the store's own connections go through */
	struct store_tx lane, keeper;
	struct store_tx *readers;
	int reader_count;
	int lock_fd; /* -1 = none */
	char epoch[37];
	bool is_work_file; /* a restore under way: not beck.db, no copy is kept */
	/* Something was erased: the log still holds it. Set within the batch, taken with the lane held back. */
	atomic_bool has_erased;
	/* Lane only. Newest created_at given to a log row: the log's time never steps back, so that reading it by time can seek.
	 */
	int64_t last_event_at;

	int64_t log_bytes_max;
	_Atomic int64_t checkpoints, pauses, pause_us;
	atomic_int log_frames; /* in use, as of the newest commit */
	/* The keeper's: */
	int log_frames_high;   /* most since the file of the log was cut */
	int64_t wiped_at;      /* monotonic */
	int64_t checkpoint_at; /* monotonic, of the last run */
	int wipes_put_off;
	bool is_log_kept; /* a copy or another process did not let the log begin anew */

	/* Reads and the lane pause for a checkpoint that begins the log anew; copies forbid one. */
	bool lane_active;
	int reads_active, copies_active, read_pauses, lane_pauses;
	pthread_mutex_t gate_lock;
	pthread_cond_t gate_moved;
};

/* store.c. As store_open, with another name for the database file in the folder (of which no copy is kept before a migration). */
struct store *store_open_file(
	const struct store_options *o, const char *file, struct arena *a, struct span *why) BECK_WARN_UNUSED;

/* migrate.c. Brings the file of the open connection to this program's format; *why says what is wrong. `copy_path`: where the
 * file is kept before an existing one changes; NULL = nowhere. */
enum err migrate_run(struct store *s, struct store_tx *tx, const char *copy_path, bool *changed, struct arena *a,
	struct span *why) BECK_WARN_UNUSED;
/* Ours and not newer? is_new: nothing is in it yet. */
enum err migrate_inspect(struct store_tx *tx, bool *is_new, int *version, struct arena *a, struct span *why) BECK_WARN_UNUSED;
int migrate_newest(void);
/* store_events.c. The log goes on from a position that no other history of this store has reached. */
enum err events_leap(struct store_tx *tx, int64_t now_us) BECK_WARN_UNUSED;
enum err migrate_set_epoch(struct store_tx *tx, const struct rng *rng) BECK_WARN_UNUSED;

/* backup.c. Copies the whole database of one connection into a file that must not exist yet, as of one moment. */
bool backup_file_exists(const char *vfs, const char *path);
enum err backup_copy(
	struct store_tx *from, const char *path, const char *vfs, struct arena *a, struct span *why) BECK_WARN_UNUSED;

/* After opening: a process that died may have left commits that nobody synced; they read as committed, and would be given out and
 * then lost with the power. A checkpoint syncs the log before it moves anything. */
bool checkpoint_settle(struct store_tx *lane);

/* The gate (gate.c): every read transaction and every batch passes it. */
void gate_enter_read(struct store *s);
void gate_leave_read(struct store *s);
void gate_enter_batch(struct store *s);
void gate_leave_batch(struct store *s);
/* checkpoint.c, for as long as nobody may begin either. False while a copy is made, or when a read does not end within
 * `patience_ms` (0 = their deadlines bound it). */
bool gate_close(struct store *s, int64_t patience_ms);
void gate_open(struct store *s);
/* A copy begins and ends. */
void gate_copy(struct store *s, int delta);

#endif
