/* The n-th write, sync or truncation fails, for every n until a run passes untouched: nothing acknowledged is lost, no batch is
 * stored in part, what was refused is not there, and the store opens again. */
#include "support.h"

#include <sqlite3.h>

enum { BATCHES = 5, ROWS = 3 };

/* A VFS over the system's that counts what changes files. */
struct faults {
	sqlite3_vfs vfs;
	sqlite3_vfs *os;
	int64_t count, fail_at;
	int code;
	bool stays; /* every call from fail_at on fails */
	bool hit;
};
struct faulty_file {
	sqlite3_file base;
	struct faults *f;
	sqlite3_file *real;
};

static struct faulty_file *ff(sqlite3_file *f) { return (struct faulty_file *)(void *)f; }
static const sqlite3_io_methods *real_methods(sqlite3_file *f) { return ff(f)->real->pMethods; }

static int due(struct faults *f)
{
	f->count++;
	if (f->fail_at == 0 || f->count < f->fail_at || (!f->stays && f->count > f->fail_at)) return SQLITE_OK;
	f->hit = true;
	return f->code;
}

static int f_close(sqlite3_file *f) { return real_methods(f)->xClose(ff(f)->real); }
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) { return real_methods(f)->xRead(ff(f)->real, p, n, at); }
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int rc = due(ff(f)->f);
	/* half of it gets there */
	if (rc != SQLITE_OK) (void)real_methods(f)->xWrite(ff(f)->real, p, n / 2, at);
	return rc == SQLITE_OK ? real_methods(f)->xWrite(ff(f)->real, p, n, at) : rc == SQLITE_IOERR ? SQLITE_IOERR_WRITE : rc;
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	int rc = due(ff(f)->f);
	return rc == SQLITE_OK ? real_methods(f)->xTruncate(ff(f)->real, n) : SQLITE_IOERR_TRUNCATE;
}
static int f_sync(sqlite3_file *f, int flags)
{
	int rc = due(ff(f)->f);
	return rc == SQLITE_OK ? real_methods(f)->xSync(ff(f)->real, flags) : SQLITE_IOERR_FSYNC;
}
static int f_size(sqlite3_file *f, sqlite3_int64 *n) { return real_methods(f)->xFileSize(ff(f)->real, n); }
static int f_lock(sqlite3_file *f, int l) { return real_methods(f)->xLock(ff(f)->real, l); }
static int f_unlock(sqlite3_file *f, int l) { return real_methods(f)->xUnlock(ff(f)->real, l); }
static int f_reserved(sqlite3_file *f, int *out) { return real_methods(f)->xCheckReservedLock(ff(f)->real, out); }
static int f_control(sqlite3_file *f, int op, void *arg) { return real_methods(f)->xFileControl(ff(f)->real, op, arg); }
static int f_sector(sqlite3_file *f) { return real_methods(f)->xSectorSize(ff(f)->real); }
static int f_device(sqlite3_file *f) { return real_methods(f)->xDeviceCharacteristics(ff(f)->real); }
static int f_map(sqlite3_file *f, int r, int n, int x, void volatile **p)
{
	return real_methods(f)->xShmMap(ff(f)->real, r, n, x, p);
}
static int f_shm_lock(sqlite3_file *f, int at, int n, int flags) { return real_methods(f)->xShmLock(ff(f)->real, at, n, flags); }
static void f_barrier(sqlite3_file *f) { real_methods(f)->xShmBarrier(ff(f)->real); }
static int f_unmap(sqlite3_file *f, int d) { return real_methods(f)->xShmUnmap(ff(f)->real, d); }

static const sqlite3_io_methods faulty = { .iVersion = 2,
	.xClose = f_close,
	.xRead = f_read,
	.xWrite = f_write,
	.xTruncate = f_truncate,
	.xSync = f_sync,
	.xFileSize = f_size,
	.xLock = f_lock,
	.xUnlock = f_unlock,
	.xCheckReservedLock = f_reserved,
	.xFileControl = f_control,
	.xSectorSize = f_sector,
	.xDeviceCharacteristics = f_device,
	.xShmMap = f_map,
	.xShmLock = f_shm_lock,
	.xShmBarrier = f_barrier,
	.xShmUnmap = f_unmap };

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct faults *x = v->pAppData;
	*ff(f) = (struct faulty_file){ .f = x, .real = (sqlite3_file *)(void *)(ff(f) + 1) };
	int rc = x->os->xOpen(x->os, name, ff(f)->real, flags, out);
	if (ff(f)->real->pMethods) f->pMethods = &faulty;
	return rc;
}
static int v_delete(sqlite3_vfs *v, const char *n, int d)
{
	struct faults *x = v->pAppData;
	return x->os->xDelete(x->os, n, d);
}
static int v_access(sqlite3_vfs *v, const char *n, int f, int *o)
{
	struct faults *x = v->pAppData;
	return x->os->xAccess(x->os, n, f, o);
}
static int v_path(sqlite3_vfs *v, const char *n, int c, char *o)
{
	struct faults *x = v->pAppData;
	return x->os->xFullPathname(x->os, n, c, o);
}
static int v_random(sqlite3_vfs *v, int n, char *o)
{
	struct faults *x = v->pAppData;
	return x->os->xRandomness(x->os, n, o);
}
static int v_sleep(sqlite3_vfs *v, int us)
{
	struct faults *x = v->pAppData;
	return x->os->xSleep(x->os, us);
}
static int v_time(sqlite3_vfs *v, double *o)
{
	struct faults *x = v->pAppData;
	return x->os->xCurrentTime(x->os, o);
}
static int v_error(sqlite3_vfs *v, int n, char *o)
{
	struct faults *x = v->pAppData;
	return x->os->xGetLastError(x->os, n, o);
}

static void faults_register(struct faults *x)
{
	x->os = sqlite3_vfs_find(NULL);
	x->vfs = (sqlite3_vfs){ .iVersion = 1,
		.szOsFile = (int)sizeof(struct faulty_file) + x->os->szOsFile,
		.mxPathname = x->os->mxPathname,
		.zName = "beck-test-faults",
		.pAppData = x,
		.xOpen = v_open,
		.xDelete = v_delete,
		.xAccess = v_access,
		.xFullPathname = v_path,
		.xRandomness = v_random,
		.xSleep = v_sleep,
		.xCurrentTime = v_time,
		.xGetLastError = v_error };
	assert_int_equal(sqlite3_vfs_register(&x->vfs, 0), SQLITE_OK);
}

enum fate { FATE_NONE, FATE_STORED, FATE_REFUSED, FATE_UNKNOWN };

static struct span user_id(struct fixture *f, int batch, int row) { return arena_printf(&f->arena, "u%d-%d", batch, row); }

static enum fate one_batch(struct fixture *f, struct store *s, int batch)
{
	struct store_tx *tx;
	if (store_batch_begin(s, &tx) != ERR_OK) return FATE_REFUSED;
	for (int i = 0; i < ROWS; i++) {
		/* long enough for overflow pages now and then */
		struct user u = { .id = user_id(f, batch, i),
			.role = SPAN("user"),
			.custom = arena_printf(&f->arena, "{\"a\":\"%0*d\"}", 500 + 3000 * i, i) };
		enum err e = store_rule_begin(tx);
		if (e == ERR_OK) e = store_user_put(tx, 1, &u, SPAN_NONE);
		if (store_batch_broken(tx)) break;
		if (store_rule_end(tx, e == ERR_OK) != ERR_OK || e != ERR_OK) break; /* this test's batches are all or nothing */
		if (i == ROWS - 1) {
			enum store_commit c = store_batch_commit(tx);
			return c == STORE_COMMITTED ? FATE_STORED : c == STORE_ROLLED_BACK ? FATE_REFUSED : FATE_UNKNOWN;
		}
	}
	store_batch_abort(tx);
	return FATE_REFUSED;
}

static void judge(struct fixture *f, const enum fate *fates, int64_t n)
{
	struct span why = SPAN_NONE, report = SPAN_NONE;
	struct store_options o = { .folder = span_str(f->folder), .readers = 1, .clock = &f->clock, .rng = &f->rng };
	struct store *s = store_open(&o, &f->arena, &why);
	if (!s) fail_msg("fault %lld: does not open again: %.*s", (long long)n, SPAN_FMT(why));
	struct store_tx *tx;
	assert_int_equal(store_read_begin(s, 0, 0, &tx), ERR_OK);
	for (int b = 0; b < BATCHES; b++) {
		int there = 0;
		struct user u;
		for (int i = 0; i < ROWS; i++) there += store_user_get(tx, 1, user_id(f, b, i), &f->arena, &u) == ERR_OK;
		bool ok = fates[b] == FATE_STORED    ? there == ROWS
			  : fates[b] == FATE_UNKNOWN ? there == 0 || there == ROWS
						     : there == 0;
		if (!ok) fail_msg("fault %lld: batch %d with fate %d has %d rows", (long long)n, b, fates[b], there);
	}
	store_read_end(tx);
	if (store_check(span_str(f->folder), &f->arena, &report) != ERR_OK &&
		!memmem(report.p, report.n, "no such application", 19))
		fail_msg("fault %lld: %.*s", (long long)n, SPAN_FMT(report));
	store_close(s);
}

/* A store made without faults, to begin from where its making is not the matter. */
static void make_store(struct fixture *f)
{
	struct span why = SPAN_NONE;
	struct store_options o = { .folder = span_str(f->folder), .readers = 1, .clock = &f->clock, .rng = &f->rng };
	struct store *s = store_open(&o, &f->arena, &why);
	assert_non_null(s);
	store_close(s);
}

static void copy_store(struct fixture *from, struct fixture *to)
{
	static char bytes[1024 * 1024];
	FILE *in = fopen(arena_printf(&from->arena, "%s/beck.db", from->folder).p, "rb");
	FILE *out = fopen(arena_printf(&to->arena, "%s/beck.db", to->folder).p, "wb");
	size_t n = fread(bytes, 1, sizeof bytes, in);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(in);
	fclose(out);
}

static bool run_with_fault(struct fixture *template, int code, bool stays, int64_t n, int *unknown)
{
	struct fixture f;
	fixture_init(&f);
	if (template) copy_store(template, &f);
	struct faults x = { .fail_at = n, .code = code, .stays = stays };
	faults_register(&x);
	enum fate fates[BATCHES] = { FATE_NONE };
	struct span why = SPAN_NONE;
	struct store_options o = {
		.folder = span_str(f.folder), .readers = 1, .vfs = "beck-test-faults", .clock = &f.clock, .rng = &f.rng
	};
	struct store *s = store_open(&o, &f.arena, &why);
	assert_true(s != NULL || why.p != NULL);
	for (int b = 0; s && b < BATCHES; b++) {
		fates[b] = one_batch(&f, s, b);
		if (b == 2) store_checkpoint(s);
		if (fates[b] != FATE_UNKNOWN) continue;
		++*unknown; /* the server exits here */
		break;
	}
	store_close(s);
	sqlite3_vfs_unregister(&x.vfs);
	judge(&f, fates, n);
	fixture_deinit(&f);
	return x.hit;
}

static void every_fault(bool from_nothing, int code, bool stays)
{
	struct fixture template;
	int64_t n = 1;
	int unknown = 0;
	fixture_init(&template);
	make_store(&template);
	while (run_with_fault(from_nothing ? NULL : &template, code, stays, n, &unknown)) n++;
	fixture_deinit(&template);
	print_message("%lld places, %d unknown outcomes\n", (long long)n - 1, unknown);
	assert_true(n > 30);
	assert_true(code == SQLITE_IOERR ? unknown > 0 : true);
}

static void while_the_store_is_made(void **state)
{
	(void)state;
	every_fault(true, SQLITE_IOERR, true);
}

static void an_error_that_passes(void **state)
{
	(void)state;
	every_fault(false, SQLITE_IOERR, false);
}
static void an_error_that_stays(void **state)
{
	(void)state;
	every_fault(false, SQLITE_IOERR, true);
}
static void a_full_disk_that_gets_room(void **state)
{
	(void)state;
	every_fault(false, SQLITE_FULL, false);
}
static void a_full_disk_that_stays(void **state)
{
	(void)state;
	every_fault(false, SQLITE_FULL, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(while_the_store_is_made), cmocka_unit_test(an_error_that_passes),
		cmocka_unit_test(an_error_that_stays), cmocka_unit_test(a_full_disk_that_gets_room),
		cmocka_unit_test(a_full_disk_that_stays) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
