/* Opening: nothing, ours, unknown, newer, damaged, in use. */
#include "support.h"

#include <sqlite3.h>
#include <time.h>

#include "store/store_state.h"

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	fixture_init(f);
	*state = f;
	return 0;
}

static struct span path_in(struct fixture *f, const char *name) { return arena_printf(&f->arena, "%s/%s", f->folder, name); }

static void raw(struct fixture *f, const char *file, const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path_in(f, file).p, &db), SQLITE_OK);
	char *why = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", sql, why);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static struct span slurp(struct fixture *f, const char *name)
{
	FILE *in = fopen(path_in(f, name).p, "rb");
	assert_non_null(in);
	char *bytes = arena_alloc(&f->arena, 4 * 1024 * 1024);
	size_t n = fread(bytes, 1, 4 * 1024 * 1024, in);
	fclose(in);
	return span_make(bytes, n);
}

static bool contains(struct span s, const char *part) { return memmem(s.p, s.n, part, strlen(part)) != NULL; }

static void refused(struct fixture *f, const char *says)
{
	struct span before = slurp(f, "beck.db"), why = SPAN_NONE;
	assert_null(fixture_try_open(f, true, &why));
	if (!contains(why, says)) fail_msg("said: %.*s", SPAN_FMT(why));
	struct span after = slurp(f, "beck.db");
	assert_true(span_eq(before, after)); /* not a byte */
}

static void an_empty_folder_becomes_a_store(void **state)
{
	struct fixture *f = *state;
	struct timespec t0, t1;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	fixture_open(f, true);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	print_message("opened in %.1f ms\n", (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6);
	struct span epoch = arena_dup(&f->arena, store_epoch(f->store));
	assert_int_equal(epoch.n, 36);
	fixture_begin(f);
	assert_int_equal(fixture_int(f->tx, "PRAGMA user_version"), migrate_newest());
	assert_int_equal(fixture_int(f->tx, "PRAGMA application_id"), 0x4265636b);
	assert_int_equal(fixture_int(f->tx, "PRAGMA synchronous"), 2);
	assert_int_equal(fixture_int(f->tx, "PRAGMA wal_autocheckpoint"), 0);
	struct store_app app = { .name = SPAN("a"), .key = SPAN("k"), .settings = SPAN("{}") };
	assert_int_equal(store_app_create(f->tx, &app, &f->app), ERR_OK);
	fixture_commit(f);
	store_close(f->store);
	fixture_open(f, true);
	assert_true(span_eq(epoch, store_epoch(f->store))); /* and stays it */
	fixture_begin(f);
	assert_int_equal(fixture_int(f->tx, "SELECT count(*) FROM apps"), 1);
}

static void a_folder_is_made_but_not_its_parents(void **state)
{
	struct fixture *f = *state;
	struct span why = SPAN_NONE;
	struct store_options o = { .folder = path_in(f, "one"), .readers = 1, .clock = &f->clock, .rng = &f->rng };
	f->store = store_open(&o, &f->arena, &why);
	assert_non_null(f->store);
	store_close(f->store);
	f->store = NULL;
	o.folder = path_in(f, "two/three");
	assert_null(store_open(&o, &f->arena, &why));
	assert_true(contains(why, "cannot be made"));
}

static void a_folder_has_one_server(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, true);
	struct span why = SPAN_NONE;
	assert_null(fixture_try_open(f, true, &why));
	assert_true(contains(why, "in use"));
	/* a tool beside it may */
	struct store_options o = {
		.folder = span_str(f->folder), .readers = 1, .is_shared = true, .clock = &f->clock, .rng = &f->rng
	};
	struct store *beside = store_open(&o, &f->arena, &why);
	assert_non_null(beside);
	struct store_tx *tx;
	assert_int_equal(store_batch_begin(beside, &tx), ERR_OK);
	struct store_app app = { .name = SPAN("a"), .key = SPAN("k"), .settings = SPAN("{}") };
	int64_t pk;
	assert_int_equal(store_app_create(tx, &app, &pk), ERR_OK);
	assert_int_equal(store_batch_commit(tx), STORE_COMMITTED);
	store_close(beside);
	assert_int_equal(store_read_begin(f->store, 0, 0, &tx), ERR_OK);
	assert_int_equal(fixture_int(tx, "SELECT count(*) FROM apps"), 1);
	store_read_end(tx);
}

static void beside_nobody_there_is_nothing_to_share(void **state)
{
	struct fixture *f = *state;
	struct span why = SPAN_NONE;
	struct store_options o = {
		.folder = span_str(f->folder), .readers = 1, .is_shared = true, .clock = &f->clock, .rng = &f->rng
	};
	assert_null(store_open(&o, &f->arena, &why));
	assert_true(contains(why, "no beck.db"));
	assert_int_not_equal(access(path_in(f, "beck.db").p, F_OK), 0);
}

static void another_program_s_database_is_refused(void **state)
{
	struct fixture *f = *state;
	raw(f, "beck.db", "CREATE TABLE recipes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO recipes VALUES (1, 'soup')");
	refused(f, "another program");
}

static void a_file_that_is_no_database_is_refused(void **state)
{
	struct fixture *f = *state;
	FILE *out = fopen(path_in(f, "beck.db").p, "wb");
	for (int i = 0; i < 1000; i++) fputs("this is not a database; ", out);
	fclose(out);
	refused(f, "not a database of Beck");
}

static void a_newer_format_is_refused(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, true);
	store_close(f->store);
	f->store = NULL;
	raw(f, "beck.db", "PRAGMA user_version = 4711");
	refused(f, "format 4711, made by a newer version");
}

static void what_a_kill_during_creation_leaves_is_a_fresh_start(void **state)
{
	struct fixture *f = *state;
	raw(f, "beck.db", "PRAGMA journal_mode=WAL"); /* header written, no tables yet */
	fixture_open(f, true);
	assert_int_equal(store_epoch(f->store).n, 36);
}

static void an_older_format_is_copied_then_migrated(void **state)
{
	struct fixture *f = *state;
	/* A file of format 0 with our mark: the state before the first migration. What stands in it must be in the copy. */
	raw(f, "beck.db", "PRAGMA application_id = 0x4265636b; CREATE TABLE old (x TEXT); INSERT INTO old VALUES ('kept')");
	fixture_open(f, true);
	fixture_begin(f);
	assert_int_equal(fixture_int(f->tx, "PRAGMA user_version"), migrate_newest());
	store_batch_abort(f->tx);
	f->tx = NULL;
	char name[64];
	snprintf(name, sizeof name, "beck.db.before-%d", migrate_newest());
	raw(f, name, "SELECT CASE WHEN x = 'kept' THEN 1 ELSE json('no') END FROM old");
	raw(f, name, "CREATE TABLE apps (still TEXT)"); /* not migrated */
}

/* A file of the first format, as its migration leaves it, with a message in it. */
static void format_1_becomes_the_newest(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, true);
	store_close(f->store);
	f->store = NULL;
	raw(f, "beck.db",
		"DROP TABLE message_history; DROP TABLE deleted_for_me; PRAGMA user_version = 1; "
		"INSERT INTO messages (app, id, channel_pk, user_pk, type, text, created_at, updated_at, content_hash) "
		"VALUES (1, 'old', 1, 1, 'regular', 'kept', 7, 7, '')");
	fixture_open(f, true);
	fixture_begin(f);
	assert_int_equal(fixture_int(f->tx, "PRAGMA user_version"), migrate_newest());
	assert_int_equal(fixture_int(f->tx, "SELECT count(*) FROM messages WHERE text = 'kept'"), 1);
	assert_int_equal(fixture_int(f->tx, "SELECT count(*) FROM message_history"), 0);
}

static void a_failing_migration_changes_nothing(void **state)
{
	struct fixture *f = *state;
	raw(f, "beck.db", "PRAGMA application_id = 0x4265636b; CREATE TABLE users (in_the_way TEXT)");
	struct span why = SPAN_NONE;
	assert_null(fixture_try_open(f, true, &why));
	assert_true(contains(why, "users"));
	raw(f, "beck.db", "SELECT in_the_way FROM users; CREATE TABLE meta (x TEXT)"); /* meta was rolled back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
		T(an_empty_folder_becomes_a_store),
		T(a_folder_is_made_but_not_its_parents),
		T(a_folder_has_one_server),
		T(beside_nobody_there_is_nothing_to_share),
		T(another_program_s_database_is_refused),
		T(a_file_that_is_no_database_is_refused),
		T(a_newer_format_is_refused),
		T(what_a_kill_during_creation_leaves_is_a_fresh_start),
		T(an_older_format_is_copied_then_migrated),
		T(format_1_becomes_the_newest),
		T(a_failing_migration_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
