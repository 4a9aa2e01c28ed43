/* Lists of members by filter and sort. ?1 is the viewer's key (0 = server side), ?2 the channel; m the member, u his user. */
#include "store/channel_row.h"
#include "store/filter_sql.h"
#include "store/store_members.h"

#define SCALAR_OPS (FILTER_SAME | FILTER_NOT)
#define TIME_OPS   (FILTER_BIT(FILTER_EQ) | FILTER_ORDER | FILTER_BIT(FILTER_EXISTS))
#define TEXT_OPS   (SCALAR_OPS | FILTER_BIT(FILTER_AUTOCOMPLETE) | FILTER_BIT(FILTER_Q) | FILTER_BIT(FILTER_EXISTS))
#define EQ_ONLY    FILTER_BIT(FILTER_EQ)

/* What the viewer sees of an invisible user. */
#define LAST_ACTIVE "(CASE WHEN u.invisible = 1 AND ?1 <> 0 AND u.pk <> ?1 THEN u.frozen_last_active ELSE u.last_active END)"
/* Member custom data with the user's beside it as "user". */
#define CUSTOM "json_set(COALESCE(m.custom, '{}'), '$.user', json(COALESCE(u.custom, '{}')))"

enum field {
	F_ID,
	F_USER_ID,
	F_USER_DOT_ID,
	F_NAME,
	F_USER_NAME,
	F_USER_ROLE,
	F_CHANNEL_ROLE,
	F_IS_MODERATOR,
	F_BANNED,
	F_JOINED,
	F_INVITE,
	F_CREATED_AT,
	F_UPDATED_AT,
	F_LAST_ACTIVE,
	F_COUNT
};
const struct filter_field store_member_fields[] = {
	[F_ID] = { "id", FILTER_T_STRING, SCALAR_OPS },
	[F_USER_ID] = { "user_id", FILTER_T_STRING, SCALAR_OPS },
	[F_USER_DOT_ID] = { "user.id", FILTER_T_STRING, SCALAR_OPS },
	[F_NAME] = { "name", FILTER_T_STRING, TEXT_OPS },
	[F_USER_NAME] = { "user.name", FILTER_T_STRING, TEXT_OPS },
	[F_USER_ROLE] = { "user.role", FILTER_T_STRING, SCALAR_OPS },
	[F_CHANNEL_ROLE] = { "channel_role", FILTER_T_STRING, SCALAR_OPS },
	[F_IS_MODERATOR] = { "is_moderator", FILTER_T_BOOL, EQ_ONLY },
	[F_BANNED] = { "banned", FILTER_T_BOOL, EQ_ONLY },
	[F_JOINED] = { "joined", FILTER_T_BOOL, EQ_ONLY },
	[F_INVITE] = { "invite", FILTER_T_STRING, EQ_ONLY },
	[F_CREATED_AT] = { "created_at", FILTER_T_TIME, TIME_OPS },
	[F_UPDATED_AT] = { "updated_at", FILTER_T_TIME, TIME_OPS },
	[F_LAST_ACTIVE] = { "last_active", FILTER_T_TIME, TIME_OPS },
};
const size_t store_member_field_count = F_COUNT;
static const struct filter_column columns[F_COUNT] = {
	[F_ID] = { FILTER_S_TEXT, "u.id" },
	[F_USER_ID] = { FILTER_S_TEXT, "u.id" },
	[F_USER_DOT_ID] = { FILTER_S_TEXT, "u.id" },
	[F_NAME] = { FILTER_S_TEXT, "u.name" },
	[F_USER_NAME] = { FILTER_S_TEXT, "u.name" },
	[F_USER_ROLE] = { FILTER_S_TEXT, "u.role" },
	[F_CHANNEL_ROLE] = { FILTER_S_TEXT, "m.channel_role" },
	[F_IS_MODERATOR] = { FILTER_S_BOOL, "m.is_moderator" },
	[F_BANNED] = { FILTER_S_BOOL, "m.banned" },
	[F_JOINED] = { FILTER_S_BOOL, "(CASE WHEN m.invited = 0 OR m.invite_accepted_at <> 0 THEN 1 ELSE 0 END)" },
	[F_INVITE] = { FILTER_S_TEXT,
		"(CASE WHEN m.invited = 1 AND m.invite_accepted_at <> 0 THEN 'accepted' "
		"WHEN m.invited = 1 AND m.invite_rejected_at <> 0 THEN 'rejected' WHEN m.invited = 1 THEN 'pending' END)" },
	[F_CREATED_AT] = { FILTER_S_TIME, "m.created_at" },
	[F_UPDATED_AT] = { FILTER_S_TIME, "m.updated_at" },
	[F_LAST_ACTIVE] = { FILTER_S_TIME, LAST_ACTIVE },
};

enum sort_field { S_CREATED_AT, S_USER_ID, S_NAME, S_CHANNEL_ROLE, S_LAST_ACTIVE, S_COUNT };
const char *const store_member_sorts[] = { [S_CREATED_AT] = "created_at",
	[S_USER_ID] = "user_id",
	[S_NAME] = "name",
	[S_CHANNEL_ROLE] = "channel_role",
	[S_LAST_ACTIVE] = "last_active" };
const size_t store_member_sort_count = S_COUNT;
static const struct filter_sort_column sort_columns[S_COUNT] = {
	[S_CREATED_AT] = { "m.created_at", false, true },
	[S_USER_ID] = { "u.id", false, false },
	[S_NAME] = { "u.name", true, false },
	[S_CHANNEL_ROLE] = { "m.channel_role", false, false },
	[S_LAST_ACTIVE] = { LAST_ACTIVE, true, true },
};

static void put_id_bound(struct sql_builder *b, const char *test, struct span id)
{
	if (!span_given(id)) return;
	sql_builder_add(b, test);
	sql_builder_put_text(b, id);
}

static void put_time_bound(struct sql_builder *b, const char *test, int64_t us)
{
	if (us == 0) return;
	sql_builder_add(b, test);
	sql_builder_put_int(b, us);
}

static void put_bounds(struct sql_builder *b, const struct member_query *q)
{
	put_id_bound(b, " AND u.id > ", q->user_id_gt);
	put_id_bound(b, " AND u.id >= ", q->user_id_gte);
	put_id_bound(b, " AND u.id < ", q->user_id_lt);
	put_id_bound(b, " AND u.id <= ", q->user_id_lte);
	put_time_bound(b, " AND m.created_at > ", q->created_after);
	put_time_bound(b, " AND m.created_at >= ", q->created_after_or_equal);
	put_time_bound(b, " AND m.created_at < ", q->created_before);
	put_time_bound(b, " AND m.created_at <= ", q->created_before_or_equal);
}

static enum err build(struct sql_builder *b, int64_t channel_pk, const struct member_query *q)
{
	static const struct filter_target target = { columns, sort_columns, CUSTOM, "m.user_pk", NULL, NULL };
	static const struct sort oldest_first = { .keys = { { .field_id = S_CREATED_AT } }, .n = 1 };
	sql_builder_int(b, q->viewer_pk);
	sql_builder_int(b, channel_pk);
	/* the order of joining is that of an index on m: keep m outside */
	sql_builder_add(b,
		"SELECT " MEMBER_COLUMNS " FROM members m CROSS JOIN users u WHERE m.channel_pk = ?2 AND u.pk = m.user_pk "
		"AND u.deleted_at = 0");
	put_bounds(b, q);
	sql_builder_add(b, " AND ");
	enum err e = filter_sql_where(b, q->filter, &target);
	if (e == ERR_OK) e = filter_sql_order(b, q->sort->n > 0 ? q->sort : &oldest_first, &target);
	sql_builder_limit(b, q->limit, q->offset);
	return e;
}

enum err store_member_query(
	struct store_tx *tx, int64_t channel_pk, const struct member_query *q, struct arena *a, struct member **out, size_t *n)
{
	struct member *items = arena_array(a, struct member, (size_t)q->limit + 1);
	if (items == NULL) return ERR_UNAVAILABLE;
	struct sql_builder b;
	sql_builder_init(&b, a);
	enum err err = build(&b, channel_pk, q);
	if (err != ERR_OK) return err;
	struct sql_stmt *s = sql_builder_compile(&b, tx);
	size_t count = 0;
	while (count < (size_t)q->limit && sql_step(s) == SQL_ROW) member_row_read(s, 0, a, &items[count++]);
	err = sql_done(s);
	if (err != ERR_OK) return err;
	if (arena_failed(a)) return ERR_UNAVAILABLE;
	*out = items;
	*n = count;
	return ERR_OK;
}
