/* A store for one test: in memory or in a folder of its own, with a clock and randomness that the test holds. */
#ifndef BECK_TESTS_UNIT_STORE_SUPPORT_H
#define BECK_TESTS_UNIT_STORE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sql.h"
#include "store/store.h"

struct fixture {
	int64_t now_us, mono_us;
	uint64_t seed;
	struct clock clock;
	struct rng rng;
	struct arena arena;
	char folder[64];
	int64_t log_bytes; /* of store_options; set before opening */
	struct store *store;
	struct store_tx *tx;
	int64_t app;
};

static int64_t fixture_wall(void *ctx) { return ((struct fixture *)ctx)->now_us; }
static int64_t fixture_mono(void *ctx) { return ((struct fixture *)ctx)->mono_us; }
static void fixture_fill(void *ctx, void *p, size_t n)
{
	struct fixture *f = ctx;
	for (size_t i = 0; i < n; i++) {
		f->seed = f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		((unsigned char *)p)[i] = (unsigned char)(f->seed >> 56);
	}
}

static inline struct store *fixture_try_open(struct fixture *f, bool on_disk, struct span *why)
{
	struct store_options o = { .readers = 2, .log_bytes = f->log_bytes, .clock = &f->clock, .rng = &f->rng };
	if (on_disk) o.folder = span_str(f->folder);
	return store_open(&o, &f->arena, why);
}

static inline void fixture_open(struct fixture *f, bool on_disk)
{
	struct span why = SPAN_NONE;
	f->store = fixture_try_open(f, on_disk, &why);
	if (!f->store) fail_msg("store_open: %.*s", SPAN_FMT(why));
}

static inline void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ .now_us = INT64_C(1800000000000000), .mono_us = 1000, .seed = 42 };
	f->clock = (struct clock){ fixture_wall, fixture_mono, f };
	f->rng = (struct rng){ fixture_fill, f };
	arena_init(&f->arena, 64 * 1024 * 1024);
	snprintf(f->folder, sizeof f->folder, "/tmp/beck-unit-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
}

static int fixture_remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static inline void fixture_deinit(struct fixture *f)
{
	store_close(f->store);
	arena_deinit(&f->arena);
	nftw(f->folder, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_begin(struct fixture *f) { assert_int_equal(store_batch_begin(f->store, &f->tx), ERR_OK); }

static inline void fixture_commit(struct fixture *f)
{
	assert_int_equal(store_batch_commit(f->tx), STORE_COMMITTED);
	f->tx = NULL;
}

/* cmocka set-up: in memory, one application, a batch open. */
static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	fixture_init(f);
	fixture_open(f, false);
	fixture_begin(f);
	struct store_app app = {
		.name = SPAN("test"), .key = SPAN("key"), .settings = SPAN("{}"), .created_at = f->now_us, .updated_at = f->now_us
	};
	assert_int_equal(store_app_create(f->tx, &app, &f->app), ERR_OK);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	if (f->tx) store_batch_abort(f->tx);
	fixture_deinit(f);
	free(f);
	return 0;
}

/* One number from trusted SQL. */
static inline int64_t fixture_int(struct store_tx *tx, const char *sql)
{
	int64_t v = INT64_MIN;
	bool found = false;
	assert_int_equal(sql_get_int(sql_compile(tx, span_str(sql)), &v, &found), ERR_OK);
	assert_true(found);
	return v;
}

static inline void fixture_run(struct store_tx *tx, const char *sql)
{
	assert_int_equal(sql_run(sql_compile(tx, span_str(sql))), ERR_OK);
}

#endif
