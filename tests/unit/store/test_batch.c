/* Savepoints, and batches that SQLite ends by itself. */
#include "support.h"

#include "store/store_state.h"

static int setup(void **state)
{
	fixture_setup(state);
	struct fixture *f = *state;
	fixture_run(f->tx, "CREATE TABLE t (a BIGINT, b TEXT)");
	fixture_commit(f);
	fixture_begin(f);
	return 0;
}

static enum err put(struct store_tx *tx, int64_t a, size_t bytes)
{
	char *text = malloc(bytes);
	memset(text, 'x', bytes);
	struct sql_stmt *s = sql_prepare(tx, "INSERT INTO t VALUES (?1, ?2)");
	sql_int(s, 1, a);
	sql_text(s, 2, span_make(text, bytes));
	enum err e = sql_run(s);
	free(text);
	return e;
}

static int64_t committed(struct fixture *f)
{
	struct store_tx *r;
	assert_int_equal(store_read_begin(f->store, 0, 0, &r), ERR_OK);
	int64_t n = fixture_int(r, "SELECT count(*) FROM t");
	store_read_end(r);
	return n;
}

static void a_refused_rule_leaves_the_others(void **state)
{
	struct fixture *f = *state;
	for (int64_t i = 0; i < 4; i++) {
		assert_int_equal(store_rule_begin(f->tx), ERR_OK);
		assert_int_equal(put(f->tx, i, 10), ERR_OK);
		assert_int_equal(store_rule_end(f->tx, i % 2 == 0), ERR_OK);
		assert_false(store_batch_broken(f->tx));
	}
	assert_int_equal(committed(f), 0);
	fixture_commit(f);
	assert_int_equal(committed(f), 2);
}

/* Without savepoints a rule that only looked may refuse; one that wrote makes the batch run again. */
static void an_unguarded_batch_says_when_it_must_run_again(void **state)
{
	struct fixture *f = *state;
	store_batch_unguarded(f->tx);
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 1, 10), ERR_OK);
	assert_int_equal(store_rule_end(f->tx, true), ERR_OK);
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(fixture_int(f->tx, "SELECT count(*) FROM t"), 1);
	assert_int_equal(store_rule_end(f->tx, false), ERR_OK);
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 2, 10), ERR_OK);
	assert_int_equal(store_rule_end(f->tx, false), ERR_AGAIN);
	store_batch_abort(f->tx);
	assert_int_equal(committed(f), 0);
	fixture_begin(f); /* the next one is guarded unless it says otherwise */
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 2, 10), ERR_OK);
	assert_int_equal(store_rule_end(f->tx, false), ERR_OK);
	fixture_commit(f);
	assert_int_equal(committed(f), 0);
}

static void a_part_can_be_taken_back_in_an_unguarded_batch(void **state)
{
	struct fixture *f = *state;
	store_batch_unguarded(f->tx);
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 1, 10), ERR_OK);
	assert_int_equal(store_part_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 2, 10), ERR_OK);
	assert_int_equal(store_part_end(f->tx, false), ERR_OK);
	assert_int_equal(store_part_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 3, 10), ERR_OK);
	assert_int_equal(store_part_end(f->tx, true), ERR_OK);
	assert_int_equal(store_rule_end(f->tx, true), ERR_OK);
	fixture_commit(f);
	assert_int_equal(committed(f), 2);
}

static void an_aborted_batch_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 1, 10), ERR_OK);
	assert_int_equal(store_rule_end(f->tx, true), ERR_OK);
	store_batch_abort(f->tx);
	assert_int_equal(committed(f), 0);
	fixture_begin(f);
	assert_int_equal(put(f->tx, 2, 10), ERR_OK);
	fixture_commit(f);
	assert_int_equal(committed(f), 1);
}

static void a_broken_constraint_does_not_break_the_batch(void **state)
{
	struct fixture *f = *state;
	fixture_run(f->tx, "CREATE UNIQUE INDEX t_a ON t (a)");
	assert_int_equal(put(f->tx, 1, 10), ERR_OK);
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 1, 10), ERR_AGAIN);
	assert_false(store_batch_broken(f->tx));
	assert_int_equal(store_rule_end(f->tx, false), ERR_OK);
	fixture_commit(f);
	assert_int_equal(committed(f), 1);
}

/* Full in the middle of a statement: SQLite rolls the whole transaction back, earlier savepoints included. */
static void a_full_disk_can_break_the_whole_batch(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 1, 10), ERR_OK);
	assert_int_equal(store_rule_end(f->tx, true), ERR_OK);
	int64_t pages = fixture_int(f->tx, "PRAGMA page_count");
	struct span limit = arena_printf(&f->arena, "PRAGMA max_page_count=%lld", (long long)pages + 2);
	assert_int_equal(sql_run(sql_compile(f->tx, limit)), ERR_OK);

	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 2, 100000), ERR_UNAVAILABLE);
	assert_true(store_batch_broken(f->tx));
	/* nothing may slip in beside the lost transaction */
	assert_int_equal(put(f->tx, 3, 10), ERR_UNAVAILABLE);
	assert_int_equal(store_batch_commit(f->tx), STORE_ROLLED_BACK);
	f->tx = NULL;
	assert_int_equal(committed(f), 0);

	/* and when there is room again the lane goes on */
	fixture_begin(f);
	assert_false(store_batch_broken(f->tx));
	fixture_run(f->tx, "PRAGMA max_page_count=1000000");
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(put(f->tx, 4, 100000), ERR_OK);
	assert_int_equal(store_rule_end(f->tx, true), ERR_OK);
	fixture_commit(f);
	assert_int_equal(committed(f), 1);
}

static void a_statement_left_open_does_not_block_the_savepoint(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(put(f->tx, 1, 10), ERR_OK);
	assert_int_equal(put(f->tx, 2, 10), ERR_OK);
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	struct sql_stmt *s = sql_prepare(f->tx, "SELECT a FROM t");
	assert_int_equal(sql_step(s), SQL_ROW);
	assert_int_equal(put(f->tx, 3, 10), ERR_OK);
	assert_int_equal(store_rule_end(f->tx, false), ERR_OK);
	fixture_commit(f);
	assert_int_equal(committed(f), 2);
}

static void row_names_are_never_given_twice(void **state)
{
	struct fixture *f = *state;
	struct user u = { .id = SPAN("a"), .role = SPAN("user") };
	assert_int_equal(store_user_put(f->tx, f->app, &u, SPAN_NONE), ERR_OK);
	int64_t first = u.pk;
	assert_int_equal(store_user_remove(f->tx, u.pk), ERR_OK);
	u.pk = 0;
	assert_int_equal(store_user_put(f->tx, f->app, &u, SPAN_NONE), ERR_OK);
	assert_true(u.pk > first);
}

static void checkpoints_move_the_log_beside_a_snapshot(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(put(f->tx, 1, 1000), ERR_OK);
	fixture_commit(f);
	struct store_tx *r;
	assert_int_equal(store_read_begin(f->store, 0, 0, &r), ERR_OK);
	assert_int_equal(fixture_int(r, "SELECT count(*) FROM t"), 1);
	fixture_begin(f);
	assert_int_equal(put(f->tx, 2, 1000), ERR_OK);
	store_checkpoint(f->store); /* beside an open batch and an open snapshot */
	fixture_commit(f);
	store_checkpoint(f->store);
	assert_int_equal(fixture_int(r, "SELECT count(*) FROM t"), 1);
	store_read_end(r);
	assert_int_equal(committed(f), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
		T(a_refused_rule_leaves_the_others),
		T(an_unguarded_batch_says_when_it_must_run_again),
		T(a_part_can_be_taken_back_in_an_unguarded_batch),
		T(an_aborted_batch_leaves_nothing),
		T(a_broken_constraint_does_not_break_the_batch),
		T(a_full_disk_can_break_the_whole_batch),
		T(a_statement_left_open_does_not_block_the_savepoint),
		T(row_names_are_never_given_twice),
		T(checkpoints_move_the_log_beside_a_snapshot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
