/* Query users. Filters and sorts see a hidden value as the caller would: an invisible user's last_active is the one frozen when
 * he went invisible, and a shadow ban is known to server-side callers only. */
#include "base/compiler.h"
#include "base/limits.h"
#include "store/filter_sql.h"
#include "store/user_row.h"

#define TEXT_OPS                                                                                                                 \
	(FILTER_SAME | FILTER_NOT | FILTER_ORDER | FILTER_BIT(FILTER_EXISTS) | FILTER_BIT(FILTER_AUTOCOMPLETE) |                 \
		FILTER_BIT(FILTER_Q))
#define TIME_OPS (FILTER_SAME | FILTER_NOT | FILTER_ORDER | FILTER_BIT(FILTER_EXISTS))
#define BOOL_OPS (FILTER_SAME | FILTER_NOT | FILTER_BIT(FILTER_EXISTS))
#define LIST_OPS (FILTER_SAME | FILTER_NOT | FILTER_BIT(FILTER_CONTAINS) | FILTER_BIT(FILTER_EXISTS))

/* ?1 = viewer, 0 = server side; ?2 = now */
#define SEES_ALL         "(?1 = 0 OR u.pk = ?1)"
#define BAN_STANDS       "(u.ban_expires = 0 OR u.ban_expires > ?2)"
#define SEEN_LAST_ACTIVE "CASE WHEN u.invisible = 0 OR " SEES_ALL " THEN u.last_active ELSE u.frozen_last_active END"

enum { FIELD_ID = 0, SORT_CREATED_AT = 3 };

const struct filter_field store_user_fields[] = {
	{ "id", FILTER_T_STRING, TEXT_OPS },
	{ "name", FILTER_T_STRING, TEXT_OPS },
	{ "image", FILTER_T_STRING, TEXT_OPS },
	{ "language", FILTER_T_STRING, TEXT_OPS },
	{ "role", FILTER_T_STRING, TEXT_OPS },
	{ "banned", FILTER_T_BOOL, BOOL_OPS },
	{ "shadow_banned", FILTER_T_BOOL, BOOL_OPS },
	{ "created_at", FILTER_T_TIME, TIME_OPS },
	{ "updated_at", FILTER_T_TIME, TIME_OPS },
	{ "last_active", FILTER_T_TIME, TIME_OPS },
	{ "deactivated_at", FILTER_T_TIME, TIME_OPS },
	{ "teams", FILTER_T_STRINGS, LIST_OPS },
};
const size_t store_user_field_count = BECK_COUNT(store_user_fields);

static const struct filter_column columns[] = {
	{ FILTER_S_TEXT, "u.id" },
	{ FILTER_S_TEXT, "u.name" },
	{ FILTER_S_TEXT, "u.image" },
	{ FILTER_S_TEXT, "u.language" },
	{ FILTER_S_TEXT, "u.role" },
	{ FILTER_S_BOOL, "(u.banned = 1 AND " BAN_STANDS ")" },
	{ FILTER_S_BOOL, "(u.shadow_banned = 1 AND " BAN_STANDS " AND ?1 = 0)" },
	{ FILTER_S_TIME, "u.created_at" },
	{ FILTER_S_TIME, "u.updated_at" },
	{ FILTER_S_TIME, "(" SEEN_LAST_ACTIVE ")" },
	{ FILTER_S_TIME, "u.deactivated_at" },
	{ FILTER_S_STRINGS, "u.teams" },
};

const char *const store_user_sorts[] = { "id", "name", "role", "created_at", "updated_at", "last_active", "image", "language",
	"banned" };
const size_t store_user_sort_count = BECK_COUNT(store_user_sorts);

#define SORTS(created_at)                                                                                                        \
	{                                                                                                                        \
		{ "u.id", false, false }, { "u.name", true, false }, { "u.role", false, false }, { created_at, false, false },   \
			{ "u.updated_at", false, false }, { SEEN_LAST_ACTIVE, true, true }, { "u.image", true, false },          \
			{ "u.language", true, false }, { "(u.banned = 1 AND " BAN_STANDS ")", false, false },                    \
	}
static const struct filter_sort_column sorts[] = SORTS("u.created_at");
/* A few named ids are looked up and sorted. Left to itself the planner walks users_created through the whole application instead,
 * because that needs no sorting; the sign takes this index away. */
static const struct filter_sort_column sorts_of_few[] = SORTS("+u.created_at");

static bool put_id_bound(struct sql_builder *b, const char *text, struct span id)
{
	if (!span_given(id)) return false;
	sql_builder_add(b, text);
	sql_builder_put_text(b, id);
	return true;
}

static bool put_id_bounds(struct sql_builder *b, const struct user_query *q)
{
	bool any = put_id_bound(b, " AND u.id > ", q->id_gt);
	any |= put_id_bound(b, " AND u.id >= ", q->id_gte);
	any |= put_id_bound(b, " AND u.id < ", q->id_lt);
	any |= put_id_bound(b, " AND u.id <= ", q->id_lte);
	return any;
}

/* Must every user that passes have one of some named ids? */
static bool names_ids(const struct filter *f)
{
	if (f->op == FILTER_EQ || f->op == FILTER_IN) return f->field_id == FIELD_ID;
	for (size_t i = 0; f->op == FILTER_AND && i < f->kid_count; i++)
		if (names_ids(&f->kids[i])) return true;
	return false;
}

static enum err put_order(struct sql_builder *b, const struct user_query *q, const struct filter_target *target, bool by_id)
{
	static const struct sort by_creation = { .keys = { { .field_id = SORT_CREATED_AT, .descending = true } }, .n = 1 };
	static const struct sort none = { .n = 0 };
	if (q->sort && q->sort->n > 0) return filter_sql_order(b, q->sort, target);
	return filter_sql_order(b, by_id ? &none : &by_creation, target);
}

static enum err build(struct sql_builder *b, struct store_tx *tx, int64_t app, const struct user_query *q)
{
	bool of_few = q->filter && names_ids(q->filter);
	const struct filter_target target = {
		.columns = columns, .sorts = of_few ? sorts_of_few : sorts, .custom = "u.custom", .tie_breaker = "u.id"
	};
	sql_builder_int(b, q->viewer_pk);
	sql_builder_int(b, sql_wall_us(tx));
	sql_builder_add(b, "SELECT " USER_COLUMNS " FROM users u WHERE u.app = ");
	sql_builder_put_int(b, app);
	sql_builder_add(b, " AND u.deleted_at = 0");
	if (!q->with_deactivated) sql_builder_add(b, " AND u.deactivated_at = 0");
	bool by_id = put_id_bounds(b, q);
	enum err e = ERR_OK;
	if (q->filter) {
		sql_builder_add(b, " AND ");
		e = filter_sql_where(b, q->filter, &target);
	}
	if (e == ERR_OK) e = put_order(b, q, &target, by_id);
	sql_builder_limit(b, q->limit, q->offset);
	return e;
}

static bool sorts_by_custom(const struct sort *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		if (s->keys[i].field_id == FILTER_CUSTOM) return true;
	return false;
}

static enum err read_rows(struct sql_stmt *s, struct arena *a, struct user *rows, size_t max, size_t *n)
{
	size_t got = 0;
	while (got < max && sql_step(s) == SQL_ROW) user_row_read(s, 0, a, &rows[got++]);
	enum err e = sql_done(s);
	if (e == ERR_OK) *n = got;
	return e;
}

enum err store_user_query(struct store_tx *tx, int64_t app, const struct user_query *q, struct arena *a, struct user **out,
	size_t *n, struct error *e)
{
	struct sql_builder b;
	sql_builder_init(&b, a);
	enum err err = build(&b, tx, app, q);
	struct user *rows = q->limit > 0 ? arena_array(a, struct user, (size_t)q->limit) : NULL;
	if (err == ERR_OK && q->limit > 0 && !rows) err = ERR_UNAVAILABLE;
	if (err == ERR_OK && q->limit > 0) {
		bool is_custom = (q->filter && filter_uses_custom(q->filter)) || sorts_by_custom(q->sort);
		int64_t saved = is_custom ? sql_budget_begin(tx, LIMIT_CUSTOM_FILTER_MS) : 0;
		err = read_rows(sql_builder_compile(&b, tx), a, rows, (size_t)q->limit, n);
		if (is_custom) sql_budget_end(tx, saved);
	} else if (err == ERR_OK) {
		*n = 0;
	}
	if (err != ERR_OK) {
		*e = (struct error){ .err = err,
			.message = err == ERR_TIMEOUT ? SPAN("the query took too long") : SPAN("the query could not be run") };
		return err;
	}
	*out = rows;
	return ERR_OK;
}
