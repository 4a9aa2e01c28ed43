#include "support.h"

#include <sqlite3.h>

#include "store/store_state.h"

static void statements_bind_step_and_read(void **state)
{
	struct fixture *f = *state;
	fixture_run(f->tx, "CREATE TABLE t (a BIGINT, b TEXT, c DOUBLE)");
	struct sql_stmt *s = sql_prepare(f->tx, "INSERT INTO t VALUES (?1, ?2, ?3)");
	sql_int(s, 1, INT64_MIN);
	sql_text(s, 2, SPAN("x\xc3\xa9"));
	sql_double(s, 3, 1.5);
	assert_int_equal(sql_run(s), ERR_OK);
	assert_int_equal(sql_changes(f->tx), 1);
	s = sql_prepare(f->tx, "INSERT INTO t VALUES (?1, ?2, ?3)");
	sql_text(s, 2, SPAN(""));
	sql_null(s, 3);
	assert_int_equal(sql_run(s), ERR_OK); /* ?1 was cleared: NULL */

	s = sql_prepare(f->tx, "SELECT a, b, c FROM t ORDER BY rowid");
	assert_int_equal(sql_step(s), SQL_ROW);
	assert_int_equal(sql_col_int(s, 0), INT64_MIN);
	assert_true(span_is(sql_col_text(s, &f->arena, 1), "x\xc3\xa9"));
	assert_int_equal(sql_step(s), SQL_ROW);
	assert_true(sql_col_is_null(s, 0));
	assert_int_equal(sql_col_int(s, 0), 0);
	struct span empty = sql_col_text(s, &f->arena, 1);
	assert_true(span_given(empty) && empty.n == 0);
	assert_false(span_given(sql_col_text(s, &f->arena, 2)));
	assert_int_equal(sql_step(s), SQL_DONE);
	assert_int_equal(sql_done(s), ERR_OK);
}

static const char *const one_text = "SELECT value FROM json_each('[1,2,3]')";

static void nested_use_of_one_text_gets_copies(void **state)
{
	struct fixture *f = *state;
	struct sql_stmt *s[6];
	for (size_t i = 0; i < BECK_COUNT(s); i++) {
		s[i] = sql_prepare(f->tx, one_text);
		for (size_t k = 0; k < i; k++) assert_ptr_not_equal(s[i], s[k]);
		assert_int_equal(sql_step(s[i]), SQL_ROW);
	}
	for (size_t i = 0; i < BECK_COUNT(s); i++) {
		assert_int_equal(sql_step(s[i]), SQL_ROW);
		assert_int_equal(sql_col_int(s[i], 0), 2);
	}
	for (size_t i = 0; i < BECK_COUNT(s); i++) assert_int_equal(sql_done(s[i]), ERR_OK);
	/* back in the cache: the same statements again */
	struct sql_stmt *again = sql_prepare(f->tx, one_text);
	assert_true(again == s[0] || again == s[1] || again == s[2]);
	assert_int_equal(sql_done(again), ERR_OK);
}

static void built_text_is_cached_by_content(void **state)
{
	struct fixture *f = *state;
	struct sql_stmt *first = sql_compile(f->tx, SPAN("SELECT 7"));
	assert_int_equal(sql_done(first), ERR_OK);
	char copy[] = "SELECT 7";
	struct sql_stmt *second = sql_compile(f->tx, span_str(copy));
	assert_ptr_equal(first, second);
	struct sql_stmt *nested = sql_compile(f->tx, SPAN("SELECT 7"));
	assert_ptr_not_equal(nested, second);
	assert_int_equal(sql_done(nested), ERR_OK);
	assert_int_equal(sql_done(second), ERR_OK);
	for (int i = 0; i < 100; i++) { /* more texts than the cache holds */
		struct span text = arena_printf(&f->arena, "SELECT %d", i);
		int64_t v = -1;
		assert_int_equal(sql_get_int(sql_compile(f->tx, text), &v, NULL), ERR_OK);
		assert_int_equal(v, i);
	}
}

static void errors_are_mapped(void **state)
{
	struct fixture *f = *state;
	fixture_run(f->tx, "CREATE TABLE u (a TEXT PRIMARY KEY, b TEXT NOT NULL)");
	fixture_run(f->tx, "INSERT INTO u VALUES ('x', 'y')");
	assert_int_equal(sql_run(sql_compile(f->tx, SPAN("INSERT INTO u VALUES ('x', 'z')"))), ERR_AGAIN);
	assert_int_equal(sql_run(sql_compile(f->tx, SPAN("INSERT INTO u VALUES ('w', NULL)"))), ERR_INTERNAL);
	assert_int_equal(sql_run(sql_compile(f->tx, SPAN("SELECT nothing FROM nowhere"))), ERR_INTERNAL);
	assert_int_equal(sql_run(sql_compile(f->tx, SPAN(""))), ERR_INTERNAL);
	struct sql_stmt *s = sql_prepare(f->tx, "SELECT ?1");
	sql_int(s, 2, 1); /* no such parameter */
	assert_int_equal(sql_step(s), SQL_FAILED);
	assert_int_equal(sql_done(s), ERR_INTERNAL);
	int64_t v = 5;
	bool found = true;
	assert_int_equal(sql_get_int(sql_compile(f->tx, SPAN("SELECT 1 WHERE 0")), &v, &found), ERR_OK);
	assert_false(found);
	assert_int_equal(v, 5);
}

static void a_full_arena_is_an_error_not_an_empty_text(void **state)
{
	struct fixture *f = *state;
	struct arena small;
	arena_init(&small, 256);
	struct sql_stmt *s = sql_prepare(f->tx, "SELECT hex(zeroblob(100000))");
	assert_int_equal(sql_step(s), SQL_ROW);
	assert_false(span_given(sql_col_text(s, &small, 0)));
	assert_int_equal(sql_done(s), ERR_UNAVAILABLE);
	arena_deinit(&small);
}

static const char *const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

/* The clock runs on each time somebody looks. */
static int64_t ticking(void *ctx)
{
	struct fixture *f = ctx;
	return f->mono_us += 1000;
}

static void a_deadline_ends_a_read(void **state)
{
	struct fixture *f = *state;
	fixture_commit(f);
	struct store_tx *tx;
	f->clock.mono_us = ticking;
	assert_int_equal(store_read_begin(f->store, 0, f->mono_us + 50000, &tx), ERR_OK);
	struct sql_stmt *s = sql_prepare(tx, endless);
	assert_int_equal(sql_step(s), SQL_FAILED);
	assert_int_equal(sql_done(s), ERR_TIMEOUT);
	/* past it nothing starts */
	assert_int_equal(sql_run(sql_prepare(tx, "SELECT 1")), ERR_TIMEOUT);
	store_read_end(tx);
	assert_int_equal(store_read_begin(f->store, 0, 0, &tx), ERR_OK);
	assert_int_equal(fixture_int(tx, "SELECT 1"), 1);
	int64_t saved = sql_budget_begin(tx, 20);
	assert_int_equal(sql_run(sql_prepare(tx, endless)), ERR_TIMEOUT);
	sql_budget_end(tx, saved);
	assert_int_equal(fixture_int(tx, "SELECT 2"), 2);
	store_read_end(tx);
}

static void a_deadline_on_the_lane_spares_writes(void **state)
{
	struct fixture *f = *state;
	fixture_run(f->tx, "CREATE TABLE big (x BIGINT)");
	f->clock.mono_us = ticking;
	store_tx_deadline(f->tx, f->mono_us + 1);
	fixture_run(f->tx, "INSERT INTO big WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000) "
			   "SELECT x FROM c");
	assert_false(store_batch_broken(f->tx));
	assert_int_equal(sql_run(sql_compile(f->tx, SPAN("SELECT count(*) FROM big"))), ERR_TIMEOUT);
	assert_false(store_batch_broken(f->tx));
	fixture_commit(f);
}

static void a_snapshot_stays_until_its_end(void **state)
{
	struct fixture *f = *state;
	fixture_run(f->tx, "CREATE TABLE t (a BIGINT)");
	fixture_commit(f);
	struct store_tx *r0, *r1;
	assert_int_equal(store_read_begin(f->store, 0, 0, &r0), ERR_OK);
	assert_int_equal(fixture_int(r0, "SELECT count(*) FROM t"), 0);
	fixture_begin(f);
	fixture_run(f->tx, "INSERT INTO t VALUES (1)");
	assert_int_equal(store_read_begin(f->store, 1, 0, &r1), ERR_OK);
	assert_int_equal(fixture_int(r1, "SELECT count(*) FROM t"), 0); /* not committed */
	store_read_end(r1);
	fixture_commit(f);
	assert_int_equal(fixture_int(r0, "SELECT count(*) FROM t"), 0);
	store_read_end(r0);
	assert_int_equal(store_read_begin(f->store, 0, 0, &r0), ERR_OK);
	assert_int_equal(fixture_int(r0, "SELECT count(*) FROM t"), 1);
	/* a reader cannot write */
	assert_int_equal(sql_run(sql_compile(r0, SPAN("INSERT INTO t VALUES (2)"))), ERR_INTERNAL);
	store_read_end(r0);
}

static void a_statement_left_open_does_not_hold_the_snapshot(void **state)
{
	struct fixture *f = *state;
	fixture_run(f->tx, "CREATE TABLE t (a BIGINT)");
	fixture_run(f->tx, "INSERT INTO t VALUES (1), (2)");
	fixture_commit(f);
	struct store_tx *r;
	assert_int_equal(store_read_begin(f->store, 0, 0, &r), ERR_OK);
	struct sql_stmt *forgotten = sql_prepare(r, "SELECT a FROM t");
	assert_int_equal(sql_step(forgotten), SQL_ROW);
	store_read_end(r);
	fixture_begin(f);
	fixture_run(f->tx, "DELETE FROM t");
	fixture_commit(f);
	assert_int_equal(store_read_begin(f->store, 0, 0, &r), ERR_OK);
	assert_int_equal(fixture_int(r, "SELECT count(*) FROM t"), 0);
	store_read_end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(statements_bind_step_and_read),
		T(nested_use_of_one_text_gets_copies),
		T(built_text_is_cached_by_content),
		T(errors_are_mapped),
		T(a_full_arena_is_an_error_not_an_empty_text),
		T(a_deadline_ends_a_read),
		T(a_deadline_on_the_lane_spares_writes),
		T(a_snapshot_stays_until_its_end),
		T(a_statement_left_open_does_not_hold_the_snapshot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
