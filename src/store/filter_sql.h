/* Statements built at run time: text from trusted pieces, values always bound, and the contract's filters and sorts compiled into
 * it. For the files of src/store that answer queries. Everything lives in the arena given; a failure (memory, a value that cannot
 * be) is kept and comes out of sql_builder_compile or the filter_sql_ functions, so callers append freely.
 *
 * Use:  struct sql_builder b;
 *       sql_builder_init(&b, arena);
 *       sql_builder_int(&b, viewer_pk);             -- becomes ?1, which column expressions may name
 *       sql_builder_add(&b, "SELECT ... WHERE u.app = ");
 *       sql_builder_put_int(&b, app);               -- writes "?2" and binds
 *       sql_builder_add(&b, " AND ");
 *       e = filter_sql_where(&b, filter, &target);
 *       e = filter_sql_order(&b, sort, &target);
 *       struct sql_stmt *s = sql_builder_compile(&b, tx);   -- step, sql_done as ever
 */
#ifndef BECK_STORE_FILTER_SQL_H
#define BECK_STORE_FILTER_SQL_H

#include "store/sql.h"
#include "wire/filter.h"

struct sql_value {
	enum { SQL_VALUE_NULL, SQL_VALUE_INT, SQL_VALUE_DOUBLE, SQL_VALUE_TEXT } type;
	int64_t i;
	double d;
	struct span s;
};
struct sql_builder {
	struct arena *a;
	char *text;
	size_t n, cap;
	struct sql_value *values;
	size_t value_count, value_cap;
	enum err err;
};
void sql_builder_init(struct sql_builder *b, struct arena *a);
/* Text as it stands: literals of the program, never anything from outside. */
void sql_builder_add(struct sql_builder *b, const char *trusted);
/* Keeps a value without writing text; returns its parameter number. Called before everything else the numbers are 1, 2, ... */
int sql_builder_int(struct sql_builder *b, int64_t v);
int sql_builder_text(struct sql_builder *b, struct span v); /* not kept beyond the arena's or caller's life; not given = NULL */
/* Keeps a value and writes its "?n". */
void sql_builder_put_int(struct sql_builder *b, int64_t v);
void sql_builder_put_double(struct sql_builder *b, double v);
void sql_builder_put_text(struct sql_builder *b, struct span v);
/* Writes "?n" of a value kept before. */
void sql_builder_put(struct sql_builder *b, int number);
/* " LIMIT ?n OFFSET ?m" */
void sql_builder_limit(struct sql_builder *b, int64_t limit, int64_t offset);
/* Prepares (small cache by text) and binds. Never NULL; a failure of the builder surfaces at the first step. */
struct sql_stmt *sql_builder_compile(struct sql_builder *b, struct store_tx *tx);

/* What a column expression yields. Missing values: NULL, and 0 for times. */
enum filter_storage {
	FILTER_S_HOOK, /* no expression: the hook emits each comparison */
	FILTER_S_TEXT,
	FILTER_S_INT,
	FILTER_S_BOOL,    /* 0 or 1, never missing */
	FILTER_S_TIME,    /* microseconds */
	FILTER_S_STRINGS, /* JSON array of strings as text */
};
struct filter_column {
	enum filter_storage storage;
	const char *sql; /* trusted expression; may name parameters kept before (?1) */
};
struct filter_sort_column {
	const char *sql;
	bool may_miss; /* NULL, or 0 with is_time: sorts last in both directions */
	bool is_time;
};
struct filter_target {
	const struct filter_column *columns;    /* parallel to the struct filter_field table given to filter_check */
	const struct filter_sort_column *sorts; /* parallel to the names given to sort_check */
	const char *custom;                     /* expression of the JSON object with custom fields; NULL = none */
	const char *tie_breaker;                /* unique expression that ends every sort, in the direction of the last key */
	/* Emits one boolean expression for a comparison on a FILTER_S_HOOK column (leaf->field_id says which). Its result may be
	 * NULL for "no". Parentheses are the compiler's. */
	enum err (*hook)(struct sql_builder *b, const struct filter *leaf, void *ctx);
	void *ctx;
};
/* One parenthesised boolean expression; "1" for an empty filter. The filter has passed filter_check with the same table. */
enum err filter_sql_where(struct sql_builder *b, const struct filter *f, const struct filter_target *t) BECK_WARN_UNUSED;
/* Does it name a custom field (then the query wants the tighter deadline)? */
bool filter_uses_custom(const struct filter *f);
/* " ORDER BY ...": keys, missing values last, then the tie-breaker. An empty sort gives the tie-breaker alone, ascending. */
enum err filter_sql_order(struct sql_builder *b, const struct sort *s, const struct filter_target *t) BECK_WARN_UNUSED;

/* For hooks: one comparison on an expression of a given storage, with the same meaning as a column of that kind. */
enum err filter_sql_compare(
	struct sql_builder *b, const struct filter *leaf, enum filter_storage storage, const char *sql) BECK_WARN_UNUSED;
/* The same on a (possibly nested) custom field `path` (dots nest) of a JSON object expression. */
enum err filter_sql_compare_custom(
	struct sql_builder *b, const struct filter *leaf, const char *object, struct span path) BECK_WARN_UNUSED;
/* " IN (?a, ?b, ...)" over the strings of an array (a scalar counts as one); padded to a power of two, so that few texts arise.
 */
void filter_sql_in_strings(struct sql_builder *b, yyjson_val *list);

#endif
