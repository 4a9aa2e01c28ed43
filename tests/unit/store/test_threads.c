/* The lane, readers and the keeper at once: every snapshot is whole, and the log is begun anew when it has grown. */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/limits.h"

enum { READERS = 2, BATCHES = 400 };

struct shared {
	struct store *s;
	atomic_bool stop;
	atomic_int failures;
	atomic_llong reads;
};
struct reader {
	struct shared *sh;
	int index;
};

/* The sum of all balances is 0 in every committed state. */
static void *read_sums(void *arg)
{
	struct reader *r = arg;
	while (!r->sh->stop) {
		struct store_tx *tx;
		int64_t first = -1, second = -1;
		if (store_read_begin(r->sh->s, r->index, 0, &tx) != ERR_OK) {
			r->sh->failures++;
			continue;
		}
		enum err e = sql_get_int(sql_prepare(tx, "SELECT sum(balance) FROM accounts"), &first, NULL);
		if (e == ERR_OK)
			e = sql_get_int(sql_prepare(tx, "SELECT sum(balance) FROM accounts WHERE id >= 0"), &second, NULL);
		store_read_end(tx);
		if (e != ERR_OK || first != 0 || second != 0) r->sh->failures++;
		r->sh->reads++;
	}
	return NULL;
}

static void *keep(void *arg)
{
	struct shared *sh = arg;
	while (!sh->stop) {
		store_checkpoint(sh->s);
		sched_yield();
	}
	return NULL;
}

static void transfer(struct fixture *f, struct span filler)
{
	for (int i = 0; i < 2; i++) {
		struct sql_stmt *s = sql_prepare(f->tx, "UPDATE accounts SET balance = balance + ?2 WHERE id = ?1");
		sql_int(s, 1, i ? (int64_t)(rng_u64(&f->rng) % 5) : 5 + (int64_t)(rng_u64(&f->rng) % 5));
		sql_int(s, 2, i ? 3 : -3);
		assert_int_equal(sql_run(s), ERR_OK);
	}
	struct sql_stmt *s = sql_prepare(f->tx, "INSERT INTO filler VALUES (?1)");
	sql_text(s, 1, filler);
	assert_int_equal(sql_run(s), ERR_OK);
}

static int64_t log_bytes(struct fixture *f)
{
	struct stat st;
	return stat(arena_printf(&f->arena, "%s/beck.db-wal", f->folder).p, &st) == 0 ? (int64_t)st.st_size : -1;
}

static void run_all(struct fixture *f, size_t filler_bytes)
{
	char *bytes = calloc(1, filler_bytes);
	memset(bytes, 'f', filler_bytes);
	fixture_begin(f);
	fixture_run(f->tx, "CREATE TABLE accounts (id BIGINT PRIMARY KEY, balance BIGINT)");
	fixture_run(f->tx, "CREATE TABLE filler (x TEXT)");
	fixture_run(f->tx, "INSERT INTO accounts WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x < 9) "
			   "SELECT x, 0 FROM c");
	fixture_commit(f);
	struct shared sh = { .s = f->store };
	struct reader readers[READERS];
	pthread_t threads[READERS + 1];
	for (int i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ &sh, i };
		assert_int_equal(pthread_create(&threads[i], NULL, read_sums, &readers[i]), 0);
	}
	assert_int_equal(pthread_create(&threads[READERS], NULL, keep, &sh), 0);
	for (int b = 0; b < BATCHES; b++) {
		fixture_begin(f);
		for (int k = 0; k < 3; k++) {
			assert_int_equal(store_rule_begin(f->tx), ERR_OK);
			transfer(f, span_make(bytes, filler_bytes));
			assert_int_equal(store_rule_end(f->tx, k != 1), ERR_OK);
		}
		fixture_commit(f);
	}
	sh.stop = true;
	for (int i = 0; i <= READERS; i++) pthread_join(threads[i], NULL);
	assert_int_equal(sh.failures, 0);
	assert_true(sh.reads > 0);
	free(bytes);
}

static void snapshots_are_whole_in_memory(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f);
	fixture_open(&f, false);
	run_all(&f, 100);
	fixture_deinit(&f);
}

static void the_log_on_disk_stays_bounded(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f);
	fixture_open(&f, true);
	run_all(&f, 256 * 1024); /* 200 MiB go through the log */
	int64_t bytes = log_bytes(&f);
	if (bytes < 0 || bytes > LIMIT_WAL_BYTES * 2) fail_msg("the log has %lld bytes", (long long)bytes);
	store_close(f.store);
	f.store = NULL;
	assert_int_equal(log_bytes(&f), -1); /* moved and removed at the end */
	fixture_deinit(&f);
}

static void write_filler(struct fixture *f, int rows, struct span filler)
{
	fixture_begin(f);
	for (int i = 0; i < rows; i++) {
		struct sql_stmt *s = sql_prepare(f->tx, "INSERT INTO filler VALUES (?1)");
		sql_text(s, 1, filler);
		assert_int_equal(sql_run(s), ERR_OK);
	}
	fixture_commit(f);
}

static void a_log_begins_anew_at_its_length_and_is_cut_when_something_made_it_far_longer(void **state)
{
	(void)state;
	static char bytes[64 * 1024];
	memset(bytes, 'f', sizeof bytes);
	struct span filler = span_make(bytes, sizeof bytes);
	struct fixture f;
	fixture_init(&f);
	f.log_bytes = 1 << 20;
	fixture_open(&f, true);
	fixture_begin(&f);
	fixture_run(f.tx, "CREATE TABLE filler (x TEXT)");
	fixture_commit(&f);
	store_checkpoint(f.store);
	assert_false(store_checkpoint_due(f.store));
	write_filler(&f, 20, filler);
	assert_true(store_checkpoint_due(f.store)); /* no time has passed */
	store_checkpoint(f.store);
	assert_false(store_checkpoint_due(f.store));
	int64_t once = log_bytes(&f);
	write_filler(&f, 10, filler);
	assert_int_equal(log_bytes(&f), once); /* written over what was there */
	write_filler(&f, 100, filler);
	int64_t high = log_bytes(&f);
	assert_true(high > 6 << 20);
	store_checkpoint(f.store); /* begins anew, keeps the file */
	assert_int_equal(log_bytes(&f), high);
	write_filler(&f, 1, SPAN("short"));
	store_checkpoint(f.store);
	assert_int_equal(log_bytes(&f), 0);
	store_checkpoint(f.store);
	write_filler(&f, 1, SPAN("more"));
	assert_true(log_bytes(&f) > 0);
	fixture_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(snapshots_are_whole_in_memory),
		cmocka_unit_test(the_log_on_disk_stays_bounded),
		cmocka_unit_test(a_log_begins_anew_at_its_length_and_is_cut_when_something_made_it_far_longer) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
