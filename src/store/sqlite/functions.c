#include "store/sqlite/functions.h"

#include "base/span.h"
#include "store/fold.h"

static struct span arg_span(sqlite3_value *v)
{
	const char *p = (const char *)sqlite3_value_text(v);
	return p ? span_make(p, (size_t)sqlite3_value_bytes(v)) : SPAN_NONE;
}

/* The needle is the same for every row of a statement: folded once, kept by SQLite. */
static const struct fold_needle *needle_of(sqlite3_context *ctx, sqlite3_value *v)
{
	struct fold_needle *n = sqlite3_get_auxdata(ctx, 1);
	if (n) return n;
	struct span text = arg_span(v);
	if (!text.p) return NULL;
	n = sqlite3_malloc64(sizeof *n + (text.n + 1) * sizeof(uint32_t));
	if (!n) {
		sqlite3_result_error_nomem(ctx);
		return NULL;
	}
	fold_needle_init(n, (uint32_t *)(void *)(n + 1), text);
	sqlite3_set_auxdata(ctx, 1, n, sqlite3_free);
	return sqlite3_get_auxdata(ctx, 1); /* NULL when it could not be kept (then it is freed) */
}

typedef bool fold_match(struct span value, const struct fold_needle *needle);

static void match(sqlite3_context *ctx, sqlite3_value **args, fold_match *how)
{
	if (sqlite3_value_type(args[0]) == SQLITE_NULL) return;
	struct span value = arg_span(args[0]);
	const struct fold_needle *needle = needle_of(ctx, args[1]);
	if (value.p && needle) sqlite3_result_int(ctx, how(value, needle));
}

static void fn_autocomplete(sqlite3_context *ctx, int n, sqlite3_value **args)
{
	(void)n;
	match(ctx, args, fold_autocomplete);
}

static void fn_terms(sqlite3_context *ctx, int n, sqlite3_value **args)
{
	(void)n;
	match(ctx, args, fold_has_terms);
}

int functions_register(sqlite3 *db)
{
	int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
	int rc = sqlite3_create_function_v2(db, "beck_autocomplete", 2, flags, NULL, fn_autocomplete, NULL, NULL, NULL);
	return rc == SQLITE_OK ? sqlite3_create_function_v2(db, "beck_terms", 2, flags, NULL, fn_terms, NULL, NULL, NULL) : rc;
}
