/* Typed persistence: the only thing the rules know of storage. One struct store per data folder.
 *
 * Threads: store_open .. store_close on one thread. A store_tx belongs to one thread at a time. Any number of read transactions
 * run beside the one write lane. Results live in the arena given; spans passed in are not kept. Errors: ERR_OK, ERR_NOT_FOUND
 * where a row is asked for by name, ERR_UNAVAILABLE (disk full, I/O, busy), ERR_TIMEOUT (a read's deadline), ERR_INTERNAL.
 * Outputs are untouched on failure. After ERR_UNAVAILABLE in a write, ask store_batch_broken. */
#ifndef BECK_STORE_STORE_H
#define BECK_STORE_STORE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/rng.h"
#include "wire/filter.h"
#include "wire/objects.h"

struct store;
struct store_tx;

/* ---------- life ---------- */
struct store_options {
	struct span folder; /* data folder; the database is beck.db in it. Not given = in memory, gone at close (tests) */
	/* SQLite VFS name, NULL = the default; the simulator brings its own. With one, `folder` is a path inside it: nothing is
	 * made or locked on the real disk. */
	const char *vfs;
	int readers;       /* how many read transactions at once */
	bool is_shared;    /* beside a running server (backup, app commands): takes no lock, migrates nothing; the format must be
			      current */
	int64_t log_bytes; /* length at which the write-ahead log begins anew; 0 = LIMIT_WAL_BYTES */
	const struct clock *clock;
	const struct rng *rng;
};
/* Opens or creates, migrates (a copy is kept before), locks the folder against a second server. NULL with *why in the arena:
 * unknown format, newer version, corrupt file, folder in use. Never resets anything. */
struct store *store_open(const struct store_options *o, struct arena *a, struct span *why) BECK_WARN_UNUSED;
void store_close(struct store *s); /* checkpoints */
/* A random id made when the store was created or restored: resume across it is a gap. */
struct span store_epoch(const struct store *s);

/* ---------- read transactions: reader i of store_options.readers, one thread each ---------- */
/* One consistent snapshot until store_read_end. deadline: monotonic us, after it statements fail with ERR_TIMEOUT; 0 = none. */
enum err store_read_begin(struct store *s, int reader, int64_t deadline_us, struct store_tx **tx) BECK_WARN_UNUSED;
/* The next rule in the same snapshot, with a deadline of its own. */
void store_read_next(struct store_tx *tx, int64_t deadline_us);
void store_read_end(struct store_tx *tx);
/* Tightens the deadline of the statements to come (custom-field filters). */
void store_tx_deadline(struct store_tx *tx, int64_t deadline_us);

/* ---------- the write lane: group commit. Called by one thread. ----------
 * batch_begin; per request: rule_begin, the rule, rule_end(keep or not); batch_commit. See docs/adr/0004. */
enum err store_batch_begin(struct store *s, struct store_tx **tx) BECK_WARN_UNUSED;
/* Right after batch_begin: this batch does without savepoints, which cost a copy of every page that a rule changes first. Most
 * rules that refuse have written nothing; for one that has, rule_end says ERR_AGAIN: abort, and run the batch again with them. */
void store_batch_unguarded(struct store_tx *tx);
enum err store_rule_begin(struct store_tx *tx) BECK_WARN_UNUSED;
enum err store_rule_end(struct store_tx *tx, bool keep) BECK_WARN_UNUSED;
/* A part of a rule that is undone alone when it is not kept. Parts do not nest. */
enum err store_part_begin(struct store_tx *tx) BECK_WARN_UNUSED;
enum err store_part_end(struct store_tx *tx, bool keep) BECK_WARN_UNUSED;
/* True when SQLite has ended the whole transaction by itself: everything in this batch is lost, answer 503 to all of it. */
bool store_batch_broken(struct store_tx *tx);
enum store_commit { STORE_COMMITTED, STORE_ROLLED_BACK, STORE_UNKNOWN /* reply to nobody, publish nothing, exit, recover */ };
enum store_commit store_batch_commit(struct store_tx *tx);
void store_batch_abort(struct store_tx *tx);
/* Background duty, any thread but not two at once, and none that has a read or a batch open: passive checkpoint; past log_bytes
 * one that begins the log anew (reads, and for its last moment the lane, pause). After erasures it empties the log and removes
 * the copies kept before migrations: then no byte of what was erased is in the data folder. That waits while a copy is being
 * made, and takes turns of seconds. */
void store_checkpoint(struct store *s);
/* Same thread. LIMIT_CHECKPOINT_MS have passed since the last one, or the log is long: ask every LIMIT_CHECKPOINT_LOOK_MS. */
bool store_checkpoint_due(const struct store *s);
struct store_stats {
	int64_t log_bytes; /* in use of the write-ahead log; its file is as long as it ever was */
	int64_t checkpoints, pauses, pause_us /* that reads and writes were held back, all told */;
};
void store_stats(struct store *s, struct store_stats *out); /* any thread */
/* Within a batch: content was removed or overwritten for good. The functions that delete rows of messages, users and channels
 * say it themselves. */
void store_erased(struct store_tx *tx);

/* ---------- backup, restore, check: see docs/operations.md ---------- */
enum err store_backup(struct store *s, struct span folder, struct arena *a, struct span *why) BECK_WARN_UNUSED;
enum err store_restore(struct span from, struct span folder, struct arena *a, struct span *why) BECK_WARN_UNUSED;
/* As store_restore, and then erases again what `erasures_from` (the newest data folder or backup at hand) lists as erased and the
 * backup still holds. The target is empty by rule, so the list has to be named; not given = the backup as it is. */
struct store_restore_options {
	struct span from, folder, erasures_from;
	const char *vfs; /* NULL = the default */
	const struct rng *rng;
	const struct clock *clock;
};
enum err store_restore_with(const struct store_restore_options *o, struct arena *a, struct span *why) BECK_WARN_UNUSED;
/* Integrity of the file and of our own invariants (counts, sequences, references). *report: human lines; ERR_INTERNAL when bad.
 */
enum err store_check(struct span folder, struct arena *a, struct span *report) BECK_WARN_UNUSED;
enum err store_check_vfs(struct span folder, const char *vfs, struct arena *a, struct span *report) BECK_WARN_UNUSED;

/* ---------- applications ---------- */
struct store_app {
	int64_t pk;
	struct span name, key, settings; /* settings: JSON object text */
	struct span *secrets;            /* active ones, newest first */
	size_t secret_count;
	int64_t created_at, updated_at;
};
enum err store_app_list(struct store_tx *tx, struct arena *a, struct store_app **out, size_t *n) BECK_WARN_UNUSED;
enum err store_app_create(
	struct store_tx *tx, const struct store_app *app, int64_t *pk) BECK_WARN_UNUSED; /* ERR_AGAIN: key taken */
enum err store_app_set_settings(struct store_tx *tx, int64_t app, struct span settings, int64_t now) BECK_WARN_UNUSED;
enum err store_app_add_secret(struct store_tx *tx, int64_t app, struct span secret, int64_t now) BECK_WARN_UNUSED;
/* Keeps the newest `keep` secrets active. */
/* Was it rotated out, and is not active again? */
enum err store_app_is_retired(struct store_tx *tx, int64_t app, struct span secret, bool *retired) BECK_WARN_UNUSED;
enum err store_app_retire_secrets(struct store_tx *tx, int64_t app, int keep, int64_t now) BECK_WARN_UNUSED;
/* A number that changes with every change of applications and their secrets. */
enum err store_app_mark(struct store_tx *tx, int64_t *mark) BECK_WARN_UNUSED;
struct store_channel_type {
	struct span name, config, grants; /* JSON object texts */
	int64_t created_at, updated_at;
};
enum err store_type_list(
	struct store_tx *tx, int64_t app, struct arena *a, struct store_channel_type **out, size_t *n) BECK_WARN_UNUSED;
/* *used: channels of this type are stored, also deleted ones that are not erased. */
enum err store_type_used(struct store_tx *tx, int64_t app, struct span name, bool *used) BECK_WARN_UNUSED;
enum err store_type_delete(struct store_tx *tx, int64_t app, struct span name) BECK_WARN_UNUSED;
enum err store_type_put(struct store_tx *tx, int64_t app, const struct store_channel_type *t) BECK_WARN_UNUSED;

/* ---------- users ---------- */
enum err store_user_get(struct store_tx *tx, int64_t app, struct span id, struct arena *a, struct user *out) BECK_WARN_UNUSED;
enum err store_user_get_pk(struct store_tx *tx, int64_t pk, struct arena *a, struct user *out) BECK_WARN_UNUSED;
/* Many at once, in the order asked; out[i].pk == 0 where there is none. */
enum err store_users_get(
	struct store_tx *tx, int64_t app, const struct span *ids, size_t n, struct arena *a, struct user *out) BECK_WARN_UNUSED;
enum err store_users_get_pk(
	struct store_tx *tx, const int64_t *pks, size_t n, struct arena *a, struct user *out) BECK_WARN_UNUSED;
/* Inserts (pk 0, filled in) or rewrites the whole row. name_folded: chat_fold(name). */
enum err store_user_put(struct store_tx *tx, int64_t app, struct user *u, struct span name_folded) BECK_WARN_UNUSED;
/* Is the folded name taken by another user (team not given = anywhere in the app)? */
enum err store_user_name_taken(struct store_tx *tx, int64_t app, struct span name_folded, struct span not_id, struct span team,
	bool *taken) BECK_WARN_UNUSED;
enum err store_user_remove(
	struct store_tx *tx, int64_t pk) BECK_WARN_UNUSED; /* the row and what hangs on it alone (devices, mau) */
struct user_query {
	const struct filter *filter;
	const struct sort *sort;
	int64_t limit, offset;
	struct span id_gt, id_gte, id_lt, id_lte;
	bool with_deactivated;
	/* What the caller must not see through filters: the user whose own values may be used, 0 = server side (all), -1 = nobody
	 * (anonymous). */
	int64_t viewer_pk;
};
extern const struct filter_field store_user_fields[];
extern const size_t store_user_field_count;
extern const char *const store_user_sorts[];
extern const size_t store_user_sort_count;
enum err store_user_query(struct store_tx *tx, int64_t app, const struct user_query *q, struct arena *a, struct user **out,
	size_t *n, struct error *e) BECK_WARN_UNUSED;
enum err store_user_touch(struct store_tx *tx, int64_t pk, int64_t last_active) BECK_WARN_UNUSED;       /* never backwards */
enum err store_mau_mark(struct store_tx *tx, int64_t app, int month, int64_t user_pk) BECK_WARN_UNUSED; /* month: 202611 */
enum err store_mau_count(struct store_tx *tx, int64_t app, int month, int64_t *out) BECK_WARN_UNUSED;
enum err store_peak_raise(struct store_tx *tx, int64_t app, int month, int64_t concurrent) BECK_WARN_UNUSED;
enum err store_peak_get(struct store_tx *tx, int64_t app, int month, int64_t *out) BECK_WARN_UNUSED;
enum err store_device_put(
	struct store_tx *tx, int64_t app, int64_t user_pk, const struct device *d, int64_t keep) BECK_WARN_UNUSED;
enum err store_device_list(
	struct store_tx *tx, int64_t user_pk, struct arena *a, struct device **out, size_t *n) BECK_WARN_UNUSED;

/* ---------- the event log ---------- */
struct store_event {
	int64_t pos, app, channel_pk, user_pk, context_pk, actor_pk, message_pk, created_at;
	struct span type, data;
};
/* Fills pos. created_at is raised to that of the row before when the clock stepped back: the log's time never falls, so /sync may
 * seek. A row with a user_pk belongs to that user's own stream alone; its channel, if given, becomes the context. */
enum err store_event_add(struct store_tx *tx, struct store_event *e) BECK_WARN_UNUSED;
enum err store_event_head(struct store_tx *tx, int64_t *pos) BECK_WARN_UNUSED;  /* newest position given out, 0 = none */
enum err store_event_floor(struct store_tx *tx, int64_t *pos) BECK_WARN_UNUSED; /* resume from a position below it is a gap */
/* Whether `pos` belongs to another history: one that went on from a backup of this store while this one was restored from it. */
enum err store_event_is_foreign(struct store_tx *tx, int64_t pos, bool *foreign) BECK_WARN_UNUSED;
/* What a session listens to beside the user's own channels and stream. */
struct store_interest {
	const int64_t *channels; /* watched */
	size_t channel_count;
	const int64_t *users; /* followed: their user.updated and user.deleted */
	size_t user_count;
};
/* Events after `after` up to `upto` that concern a user: rows of his channels, of what he listens to, and his own stream. In
 * order, at most limit. Cost is bounded by what is returned, not by the log. */
enum err store_events_for_user(struct store_tx *tx, int64_t app, int64_t user_pk, const struct store_interest *in, int64_t after,
	int64_t upto, int64_t limit, struct arena *a, struct store_event **out, size_t *n) BECK_WARN_UNUSED;
/* The users of that id who were deleted after a position, most recent first; *n at most `max`. */
enum err store_users_gone(
	struct store_tx *tx, int64_t app, struct span id, int64_t after, size_t max, int64_t *pks, size_t *n) BECK_WARN_UNUSED;
/* For /sync: rows of these channels and the user's own rows about them, at or after a time. */
enum err store_events_since(struct store_tx *tx, int64_t app, int64_t user_pk, const int64_t *channels, size_t channel_n,
	int64_t since_us, int64_t limit, struct arena *a, struct store_event **out, size_t *n) BECK_WARN_UNUSED;
/* Drops rows older than `before_us` or beyond `keep_bytes`; at most `slice` rows; *more when it should be called again. */
enum err store_events_prune(
	struct store_tx *tx, int64_t before_us, int64_t keep_bytes, int64_t slice, bool *more) BECK_WARN_UNUSED;

/* ---------- tasks ---------- */
struct store_task {
	struct span id, kind, status, input, result, error, cursor;
	int64_t app, created_at, updated_at;
};
enum err store_task_put(struct store_tx *tx, const struct store_task *t) BECK_WARN_UNUSED; /* insert or rewrite by id */
enum err store_task_get(
	struct store_tx *tx, int64_t app, struct span id, struct arena *a, struct store_task *out) BECK_WARN_UNUSED;
enum err store_task_open(struct store_tx *tx, struct arena *a, struct store_task *out) BECK_WARN_UNUSED; /* oldest unfinished */

#endif
