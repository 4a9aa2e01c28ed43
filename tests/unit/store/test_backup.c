/* Backup while writing, restore with repeated erasures, check and how it turns red. */
#include "support.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "store/store_channels.h"
#include "store/store_messages.h"

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	fixture_init(f);
	*state = f;
	return 0;
}

static struct span sub(struct fixture *f, const char *name) { return arena_printf(&f->arena, "%s/%s", f->folder, name); }

static struct store *open_at(struct fixture *f, struct span folder)
{
	struct span why = SPAN_NONE;
	struct store_options o = { .folder = folder, .readers = 2, .clock = &f->clock, .rng = &f->rng };
	struct store *s = store_open(&o, &f->arena, &why);
	if (!s) fail_msg("store_open: %.*s", SPAN_FMT(why));
	return s;
}

static void run(struct store_tx *tx, const char *sql) { fixture_run(tx, sql); }

/* One application, three users, one channel with two members, six messages, one of them a reply. */
static void furnish(struct fixture *f, struct store *s)
{
	struct store_tx *tx;
	assert_int_equal(store_batch_begin(s, &tx), ERR_OK);
	struct store_app app = { .name = SPAN("a"), .key = SPAN("k"), .settings = SPAN("{}"), .created_at = 1, .updated_at = 1 };
	assert_int_equal(store_app_create(tx, &app, &f->app), ERR_OK);
	for (int i = 0; i < 3; i++) {
		struct user u = {
			.id = arena_printf(&f->arena, "u%d", i), .role = SPAN("user"), .created_at = 1, .updated_at = 1
		};
		assert_int_equal(store_user_put(tx, f->app, &u, SPAN_NONE), ERR_OK);
	}
	run(tx, "INSERT INTO channels (app, type, id, created_by, member_count, message_count, counted_seq, last_created_at, "
		"created_at, updated_at, "
		"sort_at) VALUES (1, 'messaging', 'c', 1, 2, 5, 5, 15, 1, 1, 1)");
	run(tx, "INSERT INTO members (channel_pk, user_pk, app, channel_role, created_at, updated_at, last_read, own_seq) "
		"VALUES (1, 1, 1, 'channel_member', 1, 1, 1, 5), (1, 2, 1, 'channel_member', 1, 1, 1, 4)");
	run(tx, "INSERT INTO messages (app, id, channel_pk, user_pk, type, text, created_at, updated_at, seq, content_hash, "
		"reply_count) "
		"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5) "
		"SELECT 1, 'm' || x, 1, 1 + (x + 1) % 2, 'regular', 'marker-' || x, 10 + x, 10 + x, x, 'h', x = 1 FROM c");
	run(tx, "INSERT INTO messages (app, id, channel_pk, user_pk, type, text, created_at, updated_at, parent_pk, "
		"content_hash) "
		"VALUES (1, 'r1', 1, 2, 'reply', 'marker-r1', 15, 15, 1, 'h')");
	run(tx, "INSERT INTO threads (parent_pk, channel_pk, app, reply_seq, last_reply_at, created_by, created_at) VALUES (1, "
		"1, 1, 1, 15, 2, 15)");
	struct store_event e = { .app = f->app, .type = SPAN("message.new"), .channel_pk = 1, .created_at = 15 };
	assert_int_equal(store_event_add(tx, &e), ERR_OK);
	assert_int_equal(store_batch_commit(tx), STORE_COMMITTED);
}

static void check_is(struct fixture *f, struct span folder, enum err want, const char *says)
{
	struct span report = SPAN_NONE;
	enum err e = store_check(folder, &f->arena, &report);
	if (e != want || (says && !memmem(report.p, report.n, says, strlen(says))))
		fail_msg("%s: %.*s", says ? says : "check", SPAN_FMT(report));
}

static void a_sound_store_checks_green_while_in_use(void **state)
{
	struct fixture *f = *state;
	f->store = open_at(f, sub(f, "data"));
	furnish(f, f->store);
	check_is(f, sub(f, "data"), ERR_OK, "ok: reply counts");
	fixture_begin(f); /* beside an open batch */
	check_is(f, sub(f, "data"), ERR_OK, NULL);
	fixture_commit(f);
	check_is(f, sub(f, "nothing"), ERR_INTERNAL, "does not exist");
}

static const struct {
	const char *damage, *says;
} damages[] = {
	{ "UPDATE channels SET member_count = 3", "member_count is 3, counted 2" },
	{ "UPDATE channels SET message_count = 4", "message_count is 4, counted 5" },
	{ "UPDATE channels SET counted_seq = 4", "counted_seq is 4, a message has 5" },
	{ "UPDATE messages SET seq = 2 WHERE seq = 1", "sequence 2 was given 2 times" },
	{ "UPDATE messages SET deleted_at = 20 WHERE id = 'm5'", "exception_seq is 0, message m5 has 5" },
	{ "UPDATE members SET read_seq = 9", "read sequence 9" },
	{ "UPDATE members SET own_seq = 0", "own_seq of user 1 is 0" },
	{ "UPDATE messages SET created_at = 99 WHERE id = 'm5'", "message m5 is newer" },
	{ "UPDATE messages SET reply_count = 2 WHERE id = 'm1'", "message m1: reply_count is 2" },
	{ "UPDATE messages SET deleted_reply_count = 1 WHERE id = 'm2'", "message m2: reply_count is 0 and 1 deleted" },
	{ "DELETE FROM users WHERE id = 'u1'", "no such user" },
	{ "DELETE FROM messages WHERE id = 'm1'", "message r1: no such parent" },
	{ "DELETE FROM channels", "no such channel" },
	{ "DELETE FROM apps", "no such application" },
	{ "INSERT INTO devices VALUES (1, 'd', 77, 'apn', NULL, 1)", "device of user 77" },
	{ "DELETE FROM sqlite_sequence WHERE name = 'events'", "event 1 lies beyond" },
	{ "INSERT INTO meta VALUES ('events_floor', '5')", "below the floor" },
	{ "INSERT INTO events (app, type, channel_pk, created_at) VALUES (1, 'x', 1, 3)", "older than the one before" },
	{ "UPDATE events SET user_pk = 3", "two audiences" },
	{ "DELETE FROM meta WHERE key = 'epoch'", "no epoch" },
	{ "PRAGMA user_version = 4711", "newer version" },
	{ "PRAGMA application_id = 1", "another program" },
};

static void execute(struct fixture *f, struct span folder, const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(arena_printf(&f->arena, "%.*s/beck.db", SPAN_FMT(folder)).p, &db), SQLITE_OK);
	char *why = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", sql, why);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void planted_damage_turns_the_check_red(void **state)
{
	struct fixture *f = *state;
	struct span why;
	f->store = open_at(f, sub(f, "data"));
	furnish(f, f->store);
	for (size_t i = 0; i < BECK_COUNT(damages); i++) {
		struct span folder = arena_printf(&f->arena, "%s/b%zu", f->folder, i);
		assert_int_equal(store_backup(f->store, folder, &f->arena, &why), ERR_OK);
		check_is(f, folder, ERR_OK, NULL);
		execute(f, folder, damages[i].damage);
		check_is(f, folder, ERR_INTERNAL, damages[i].says);
	}
}

static void flipped_bytes_are_found(void **state)
{
	struct fixture *f = *state;
	struct span why;
	f->store = open_at(f, sub(f, "data"));
	furnish(f, f->store);
	struct span folder = sub(f, "copy");
	assert_int_equal(store_backup(f->store, folder, &f->arena, &why), ERR_OK);
	FILE *file = fopen(arena_printf(&f->arena, "%.*s/beck.db", SPAN_FMT(folder)).p, "r+b");
	for (long page = 1; page < 40; page++) { /* the cell counts of many b-tree pages */
		fseek(file, page * 4096 + 3, SEEK_SET);
		fputs("\x7f\x7f", file);
	}
	fclose(file);
	check_is(f, folder, ERR_INTERNAL, "bad: ");
	/* and such a backup is not restored */
	struct span to = sub(f, "new");
	assert_int_not_equal(store_restore(folder, to, &f->arena, &why), ERR_OK);
	assert_int_not_equal(access(arena_printf(&f->arena, "%.*s/beck.db", SPAN_FMT(to)).p, F_OK), 0);
}

struct writer {
	struct store *s;
	atomic_bool stop;
	atomic_llong committed;
};

/* Each batch holds two rows that belong together. */
static void *write_pairs(void *arg)
{
	struct writer *w = arg;
	while (!w->stop) {
		struct store_tx *tx;
		if (store_batch_begin(w->s, &tx) != ERR_OK) return NULL;
		for (int i = 0; i < 2; i++) {
			struct store_event e = { .app = 1,
				.type = SPAN("pair"),
				.channel_pk = 1,
				.data = SPAN("{\"some\":\"more bytes to copy\"}"),
				.created_at = 20 };
			if (store_event_add(tx, &e) != ERR_OK) return NULL;
		}
		if (store_batch_commit(tx) != STORE_COMMITTED) return NULL;
		w->committed += 2;
	}
	return w;
}

static int64_t count_at(struct fixture *f, struct span folder, const char *sql)
{
	struct store *s = open_at(f, folder);
	struct store_tx *tx;
	assert_int_equal(store_read_begin(s, 0, 0, &tx), ERR_OK);
	int64_t n = fixture_int(tx, sql);
	store_read_end(tx);
	store_close(s);
	return n;
}

static void a_backup_beside_a_writer_is_of_one_moment(void **state)
{
	struct fixture *f = *state;
	struct span why;
	f->store = open_at(f, sub(f, "data"));
	furnish(f, f->store);
	struct writer w = { .s = f->store };
	pthread_t t;
	void *end;
	assert_int_equal(pthread_create(&t, NULL, write_pairs, &w), 0);
	int64_t before = 0;
	for (int i = 0; i < 5; i++) {
		while (w.committed < before + 20) sched_yield();
		before = w.committed;
		struct span folder = arena_printf(&f->arena, "%s/b%d", f->folder, i);
		if (store_backup(f->store, folder, &f->arena, &why) != ERR_OK) fail_msg("%.*s", SPAN_FMT(why));
		int64_t after = w.committed;
		check_is(f, folder, ERR_OK, NULL);
		int64_t pairs = count_at(f, folder, "SELECT count(*) FROM events WHERE type = 'pair'");
		assert_int_equal(pairs % 2, 0);
		assert_in_range(pairs, before, after + 2);
		store_checkpoint(f->store);
	}
	w.stop = true;
	pthread_join(t, &end);
	assert_non_null(end);
	check_is(f, sub(f, "data"), ERR_OK, NULL);
}

static void a_backup_never_overwrites(void **state)
{
	struct fixture *f = *state;
	struct span why = SPAN_NONE;
	f->store = open_at(f, sub(f, "data"));
	assert_int_equal(store_backup(f->store, sub(f, "copy"), &f->arena, &why), ERR_OK);
	assert_int_equal(store_backup(f->store, sub(f, "copy"), &f->arena, &why), ERR_INPUT);
	assert_int_equal(store_backup(f->store, sub(f, "data"), &f->arena, &why), ERR_INPUT);
	assert_int_not_equal(store_backup(f->store, sub(f, "no/where"), &f->arena, &why), ERR_OK);
}

static void a_store_in_memory_can_be_backed_up(void **state)
{
	struct fixture *f = *state;
	struct span why = SPAN_NONE;
	fixture_open(f, false);
	furnish(f, f->store);
	if (store_backup(f->store, sub(f, "copy"), &f->arena, &why) != ERR_OK) fail_msg("%.*s", SPAN_FMT(why));
	assert_int_equal(count_at(f, sub(f, "copy"), "SELECT count(*) FROM messages"), 6);
}

static void a_restore_is_a_new_store(void **state)
{
	struct fixture *f = *state;
	struct span why = SPAN_NONE;
	f->store = open_at(f, sub(f, "data"));
	furnish(f, f->store);
	assert_int_equal(store_backup(f->store, sub(f, "copy"), &f->arena, &why), ERR_OK);
	/* the target must be empty */
	assert_int_equal(store_restore(sub(f, "copy"), sub(f, "data"), &f->arena, &why), ERR_INPUT);
	assert_true(memmem(why.p, why.n, "not empty", 9) != NULL);
	assert_int_not_equal(store_restore(sub(f, "nothing"), sub(f, "new"), &f->arena, &why), ERR_OK);
	if (store_restore(sub(f, "copy"), sub(f, "new"), &f->arena, &why) != ERR_OK) fail_msg("%.*s", SPAN_FMT(why));
	check_is(f, sub(f, "new"), ERR_OK, NULL);
	struct store *s = open_at(f, sub(f, "new"));
	assert_false(span_eq(store_epoch(s), store_epoch(f->store)));
	struct store_tx *tx;
	struct user u;
	assert_int_equal(store_read_begin(s, 0, 0, &tx), ERR_OK);
	assert_int_equal(store_user_get(tx, f->app, SPAN("u2"), &f->arena, &u), ERR_OK);
	store_read_end(tx);
	store_close(s);
	assert_int_not_equal(access(sub(f, "new/beck.db.restoring").p, F_OK), 0);
	assert_int_equal(store_restore(sub(f, "copy"), sub(f, "new"), &f->arena, &why), ERR_INPUT);
}

/* What a search over every byte of the folder's files finds. */
static const char *sought;
static int hits;
static int search_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)at;
	if (flag != FTW_F) return 0;
	FILE *in = fopen(path, "rb");
	char *bytes = malloc((size_t)st->st_size + 1);
	size_t n = fread(bytes, 1, (size_t)st->st_size, in);
	hits += memmem(bytes, n, sought, strlen(sought)) != NULL;
	free(bytes);
	fclose(in);
	return 0;
}

static int search(struct span folder, const char *text)
{
	sought = text;
	hits = 0;
	nftw(folder.p, search_one, 8, FTW_PHYS);
	return hits;
}

static void erased_rows_stay_erased(void **state)
{
	struct fixture *f = *state;
	struct span why = SPAN_NONE;
	f->store = open_at(f, sub(f, "data"));
	furnish(f, f->store);
	assert_int_equal(store_backup(f->store, sub(f, "copy"), &f->arena, &why), ERR_OK);
	/* afterwards erased in the live store: a message with a reply, a user who has come anew since, one who has not */
	fixture_begin(f);
	assert_int_equal(store_erasure_add(f->tx, f->app, SPAN("message"), SPAN("m1"), 50), ERR_OK);
	assert_int_equal(store_erasure_add(f->tx, f->app, SPAN("user"), SPAN("u1"), 50), ERR_OK);
	assert_int_equal(
		store_erasure_add(f->tx, f->app, SPAN("user"), SPAN("u2"), 0), ERR_OK); /* before the backup's u2 was made */
	assert_int_equal(store_erasure_add(f->tx, f->app, SPAN("message"), SPAN("gone anyway"), 50), ERR_OK);
	fixture_commit(f);
	struct store_restore_options o = { .from = sub(f, "copy"),
		.folder = sub(f, "new"),
		.erasures_from = sub(f, "data"),
		.rng = &f->rng,
		.clock = &f->clock };
	if (store_restore_with(&o, &f->arena, &why) != ERR_OK) fail_msg("%.*s", SPAN_FMT(why));
	check_is(f, o.folder, ERR_OK, NULL);
	assert_int_equal(search(sub(f, "copy"), "marker-2"), 1);
	assert_int_equal(search(o.folder, "marker-1"), 0);  /* m1 */
	assert_int_equal(search(o.folder, "marker-r1"), 0); /* its reply */
	assert_int_equal(search(o.folder, "marker-2"), 0);  /* u1's */
	assert_int_equal(search(o.folder, "marker-3"), 1);
	assert_int_equal(count_at(f, o.folder, "SELECT count(*) FROM users"), 2);
	assert_int_equal(count_at(f, o.folder, "SELECT count(*) FROM messages"), 2); /* m3, m5 of u0 */
	assert_int_equal(count_at(f, o.folder, "SELECT member_count FROM channels"), 1);
	assert_int_equal(count_at(f, o.folder, "SELECT message_count FROM channels"), 2);
	assert_int_equal(count_at(f, o.folder, "SELECT count(*) FROM erasures"), 4);
}

/* Erasing is real: after it, and with the log wiped, no byte of it is in the folder, whatever the b-trees did meanwhile. */
static void erased_bytes_are_gone_from_the_folder(void **state)
{
	struct fixture *f = *state;
	enum { N = 1500 };
	f->store = open_at(f, sub(f, "data"));
	furnish(f, f->store);
	fixture_begin(f);
	for (int i = 0; i < N; i++) {
		struct span text = arena_printf(&f->arena, "<secret-%d-%0*d>", i, (int)(rng_u64(&f->rng) % 900), i);
		struct sql_stmt *s = sql_prepare(f->tx,
			"INSERT INTO messages (app, id, channel_pk, user_pk, type, text, created_at, updated_at, content_hash) "
			"VALUES (1, ?1, 1, 1, 'regular', ?2, 10, 10, 'h')");
		sql_text(s, 1, arena_printf(&f->arena, "id-secret-%d-", i));
		sql_text(s, 2, text);
		assert_int_equal(sql_run(s), ERR_OK);
		if (i % 50 == 0) {
			fixture_commit(f);
			fixture_begin(f);
		}
	}
	fixture_run(f->tx, "UPDATE channels SET message_count = message_count + 1500");
	fixture_commit(f);
	store_checkpoint(f->store);
	bool gone[N] = { false };
	for (int k = 0; k < N; k++) {
		int i = (int)(rng_u64(&f->rng) % N);
		if (gone[i] || k % 3 == 0) continue;
		gone[i] = true;
		fixture_begin(f);
		struct message m;
		assert_int_equal(
			store_message_get(f->tx, f->app, arena_printf(&f->arena, "id-secret-%d-", i), &f->arena, &m), ERR_OK);
		assert_int_equal(store_message_erase(f->tx, &m), ERR_OK);
		fixture_commit(f);
	}
	store_checkpoint(f->store);
	fixture_begin(f); /* the lane goes on with the pages it has cached */
	fixture_run(f->tx, "UPDATE messages SET updated_at = updated_at + 1");
	store_erased(f->tx);
	fixture_commit(f);
	f->mono_us += 3000000; /* wipes take turns */
	store_checkpoint(f->store);
	check_is(f, sub(f, "data"), ERR_OK, NULL);
	for (int i = 0; i < N; i++) {
		int found = search(sub(f, "data"), arena_printf(&f->arena, "secret-%d-", i).p);
		if (found != !gone[i]) fail_msg("message %d: %s, %d files", i, gone[i] ? "erased" : "kept", found);
	}
}

static void an_erased_channel_stays_erased(void **state)
{
	struct fixture *f = *state;
	struct span why = SPAN_NONE;
	f->store = open_at(f, sub(f, "data"));
	furnish(f, f->store);
	assert_int_equal(store_backup(f->store, sub(f, "copy"), &f->arena, &why), ERR_OK);
	fixture_begin(f);
	assert_int_equal(store_erasure_add(f->tx, f->app, SPAN("channel"), SPAN("messaging:c"), 50), ERR_OK);
	fixture_commit(f);
	struct store_restore_options o = { .from = sub(f, "copy"),
		.folder = sub(f, "new"),
		.erasures_from = sub(f, "data"),
		.rng = &f->rng,
		.clock = &f->clock };
	if (store_restore_with(&o, &f->arena, &why) != ERR_OK) fail_msg("%.*s", SPAN_FMT(why));
	check_is(f, o.folder, ERR_OK, NULL);
	assert_int_equal(search(o.folder, "marker-"), 0);
	assert_int_equal(count_at(f, o.folder, "SELECT count(*) FROM channels"), 0);
	assert_int_equal(count_at(f, o.folder, "SELECT count(*) FROM members"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
		T(a_sound_store_checks_green_while_in_use),
		T(planted_damage_turns_the_check_red),
		T(flipped_bytes_are_found),
		T(a_backup_beside_a_writer_is_of_one_moment),
		T(a_backup_never_overwrites),
		T(a_store_in_memory_can_be_backed_up),
		T(a_restore_is_a_new_store),
		T(erased_rows_stay_erased),
		T(erased_bytes_are_gone_from_the_folder),
		T(an_erased_channel_stays_erased),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
