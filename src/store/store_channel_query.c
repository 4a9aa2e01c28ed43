/* Lists of channels by filter and sort. ?1 is the viewer's key (0 = nobody), ?2 the application; c the channel, m the viewer's
 * membership. */
#include "base/limits.h"
#include "store/channel_row.h"
#include "store/filter_sql.h"
#include "store/store_channels.h"

/* The unread formula of store_messages.h as one expression. */
#define UNREAD_LO       "(CASE WHEN m.read_seq > c.floor_seq THEN m.read_seq ELSE c.floor_seq END)"
#define UNREAD_HI       "(CASE WHEN m.muted = 1 AND m.mute_seq < c.counted_seq THEN m.mute_seq ELSE c.counted_seq END)"
#define UNREAD_RANGE(t) t ".channel_pk = c.pk AND " t ".seq > " UNREAD_LO " AND " t ".seq <= " UNREAD_HI
#define UNREAD_EXCEPT                                                                                                            \
	"(SELECT count(*) FROM messages x WHERE " UNREAD_RANGE(                                                                  \
		"x") " AND x.seq <> 0 AND (x.deleted_at <> 0 OR x.restricted IS NOT NULL) "                                      \
		     "AND x.user_pk <> m.user_pk AND (x.deleted_at <> 0 OR replace(x.restricted, "                               \
		     "(SELECT '\"' || u.id || '\"' FROM users u WHERE u.pk = m.user_pk), '') = x.restricted)) "                  \
		     "+ (SELECT count(*) FROM seq_holes h WHERE " UNREAD_RANGE(                                                  \
			     "h") ") "                                                                                           \
				  "+ (SELECT count(*) FROM deleted_for_me d JOIN messages y ON y.pk = d.message_pk "             \
				  "WHERE d.channel_pk = c.pk AND d.user_pk = m.user_pk AND " UNREAD_RANGE(                       \
					  "y") " AND y.seq <> 0 "                                                                \
					       "AND y.user_pk <> m.user_pk AND y.deleted_at = 0 AND (y.restricted IS NULL OR "   \
					       "replace(y.restricted, "                                                          \
					       "(SELECT '\"' || u.id || '\"' FROM users u WHERE u.pk = m.user_pk), '') <> "      \
					       "y.restricted))"
#define UNREAD_OWN "(SELECT count(*) FROM messages o WHERE " UNREAD_RANGE("o") " AND o.seq <> 0 AND o.user_pk = m.user_pk)"
#define UNREAD                                                                                                                   \
	"(CASE WHEN m.user_pk IS NULL OR m.read_seq < 0 OR " UNREAD_HI " <= " UNREAD_LO " THEN 0 ELSE " UNREAD_HI                \
	" - " UNREAD_LO " - CASE WHEN c.exception_seq > " UNREAD_LO " THEN " UNREAD_EXCEPT                                       \
	" ELSE 0 END - CASE WHEN m.own_seq > " UNREAD_LO " THEN " UNREAD_OWN " ELSE 0 END END)"
#define HAS_UNREAD "(CASE WHEN " UNREAD " > 0 THEN 1 ELSE 0 END)"

#define SCALAR_OPS (FILTER_SAME | FILTER_NOT)
#define TIME_OPS   (FILTER_BIT(FILTER_EQ) | FILTER_ORDER | FILTER_BIT(FILTER_EXISTS))
#define NUMBER_OPS (FILTER_SAME | FILTER_NOT | FILTER_ORDER | FILTER_BIT(FILTER_EXISTS))
#define EQ_ONLY    FILTER_BIT(FILTER_EQ)

enum field {
	F_CID,
	F_TYPE,
	F_ID,
	F_MEMBERS,
	F_MEMBER_NAME,
	F_CREATED_BY,
	F_TEAM,
	F_FROZEN,
	F_DISABLED,
	F_HIDDEN,
	F_MUTED,
	F_ARCHIVED,
	F_PINNED,
	F_JOINED,
	F_BLOCKED,
	F_INVITE,
	F_HAS_UNREAD,
	F_LAST_MESSAGE_AT,
	F_LAST_UPDATED,
	F_CREATED_AT,
	F_UPDATED_AT,
	F_MEMBER_COUNT,
	F_COOLDOWN,
	F_FILTER_TAGS,
	F_APP_BANNED,
	F_COUNT
};

const struct filter_field store_channel_fields[] = {
	[F_CID] = { "cid", FILTER_T_STRING, SCALAR_OPS },
	[F_TYPE] = { "type", FILTER_T_STRING, SCALAR_OPS },
	[F_ID] = { "id", FILTER_T_STRING, SCALAR_OPS },
	[F_MEMBERS] = { "members", FILTER_T_STRINGS, FILTER_SAME },
	[F_MEMBER_NAME] = { "member.user.name", FILTER_T_STRING, FILTER_BIT(FILTER_EQ) | FILTER_BIT(FILTER_AUTOCOMPLETE) },
	[F_CREATED_BY] = { "created_by_id", FILTER_T_STRING, SCALAR_OPS },
	[F_TEAM] = { "team", FILTER_T_STRING, SCALAR_OPS | FILTER_BIT(FILTER_EXISTS) },
	[F_FROZEN] = { "frozen", FILTER_T_BOOL, EQ_ONLY | FILTER_BIT(FILTER_NE) },
	[F_DISABLED] = { "disabled", FILTER_T_BOOL, EQ_ONLY | FILTER_BIT(FILTER_NE) },
	[F_HIDDEN] = { "hidden", FILTER_T_BOOL, EQ_ONLY },
	[F_MUTED] = { "muted", FILTER_T_BOOL, EQ_ONLY },
	[F_ARCHIVED] = { "archived", FILTER_T_BOOL, EQ_ONLY },
	[F_PINNED] = { "pinned", FILTER_T_BOOL, EQ_ONLY },
	[F_JOINED] = { "joined", FILTER_T_BOOL, EQ_ONLY },
	[F_BLOCKED] = { "blocked", FILTER_T_BOOL, EQ_ONLY },
	[F_INVITE] = { "invite", FILTER_T_STRING, EQ_ONLY },
	[F_HAS_UNREAD] = { "has_unread", FILTER_T_BOOL, EQ_ONLY },
	[F_LAST_MESSAGE_AT] = { "last_message_at", FILTER_T_TIME, TIME_OPS },
	[F_LAST_UPDATED] = { "last_updated", FILTER_T_TIME, TIME_OPS },
	[F_CREATED_AT] = { "created_at", FILTER_T_TIME, TIME_OPS },
	[F_UPDATED_AT] = { "updated_at", FILTER_T_TIME, TIME_OPS },
	[F_MEMBER_COUNT] = { "member_count", FILTER_T_NUMBER, NUMBER_OPS },
	[F_COOLDOWN] = { "cooldown", FILTER_T_NUMBER, NUMBER_OPS },
	[F_FILTER_TAGS] = { "filter_tags", FILTER_T_STRINGS, FILTER_SAME },
	[F_APP_BANNED] = { "app_banned", FILTER_T_STRING, EQ_ONLY },
};
const size_t store_channel_field_count = F_COUNT;

#define AS_BOOL(condition) "(CASE WHEN " condition " THEN 1 ELSE 0 END)"
static const struct filter_column columns[F_COUNT] = {
	[F_CID] = { FILTER_S_HOOK, NULL },
	[F_TYPE] = { FILTER_S_TEXT, "c.type" },
	[F_ID] = { FILTER_S_TEXT, "c.id" },
	[F_MEMBERS] = { FILTER_S_HOOK, NULL },
	[F_MEMBER_NAME] = { FILTER_S_HOOK, NULL },
	[F_CREATED_BY] = { FILTER_S_HOOK, NULL },
	[F_TEAM] = { FILTER_S_TEXT, "c.team" },
	[F_FROZEN] = { FILTER_S_BOOL, "c.frozen" },
	[F_DISABLED] = { FILTER_S_BOOL, "c.disabled" },
	[F_HIDDEN] = { FILTER_S_BOOL, "COALESCE(m.hidden, 0)" },
	[F_MUTED] = { FILTER_S_BOOL, "COALESCE(m.muted, 0)" },
	[F_ARCHIVED] = { FILTER_S_BOOL, AS_BOOL("m.archived_at <> 0") },
	[F_PINNED] = { FILTER_S_BOOL, AS_BOOL("m.pinned_at <> 0") },
	[F_JOINED] = { FILTER_S_BOOL, AS_BOOL("m.invited = 0 OR m.invite_accepted_at <> 0") },
	[F_BLOCKED] = { FILTER_S_BOOL, "0" },
	[F_INVITE] = { FILTER_S_TEXT,
		"(CASE WHEN m.invited = 1 AND m.invite_accepted_at <> 0 THEN 'accepted' "
		"WHEN m.invited = 1 AND m.invite_rejected_at <> 0 THEN 'rejected' WHEN m.invited = 1 THEN 'pending' END)" },
	[F_HAS_UNREAD] = { FILTER_S_BOOL, HAS_UNREAD },
	[F_LAST_MESSAGE_AT] = { FILTER_S_TIME, "c.last_message_at" },
	[F_LAST_UPDATED] = { FILTER_S_TIME, "c.sort_at" },
	[F_CREATED_AT] = { FILTER_S_TIME, "c.created_at" },
	[F_UPDATED_AT] = { FILTER_S_TIME, "c.updated_at" },
	[F_MEMBER_COUNT] = { FILTER_S_INT, "c.member_count" },
	[F_COOLDOWN] = { FILTER_S_INT, "c.cooldown_s" },
	[F_FILTER_TAGS] = { FILTER_S_STRINGS, "c.filter_tags" },
	[F_APP_BANNED] = { FILTER_S_HOOK, NULL },
};

enum sort_field {
	S_LAST_UPDATED,
	S_LAST_MESSAGE_AT,
	S_UPDATED_AT,
	S_CREATED_AT,
	S_MEMBER_COUNT,
	S_UNREAD_COUNT,
	S_HAS_UNREAD,
	S_PINNED_AT,
	S_ARCHIVED_AT,
	S_CID,
	S_COUNT
};
const char *const store_channel_sorts[] = { [S_LAST_UPDATED] = "last_updated",
	[S_LAST_MESSAGE_AT] = "last_message_at",
	[S_UPDATED_AT] = "updated_at",
	[S_CREATED_AT] = "created_at",
	[S_MEMBER_COUNT] = "member_count",
	[S_UNREAD_COUNT] = "unread_count",
	[S_HAS_UNREAD] = "has_unread",
	[S_PINNED_AT] = "pinned_at",
	[S_ARCHIVED_AT] = "archived_at",
	[S_CID] = "cid" };
const size_t store_channel_sort_count = S_COUNT;
static const struct filter_sort_column sort_columns[S_COUNT] = {
	[S_LAST_UPDATED] = { "c.sort_at", false, true },
	[S_LAST_MESSAGE_AT] = { "c.last_message_at", true, true },
	[S_UPDATED_AT] = { "c.updated_at", false, true },
	[S_CREATED_AT] = { "c.created_at", false, true },
	[S_MEMBER_COUNT] = { "c.member_count", false, false },
	[S_UNREAD_COUNT] = { UNREAD, false, false },
	[S_HAS_UNREAD] = { HAS_UNREAD, false, false },
	[S_PINNED_AT] = { "m.pinned_at", true, true },
	[S_ARCHIVED_AT] = { "m.archived_at", true, true },
	[S_CID] = { "(c.type || ':' || c.id)", false, false },
};

static bool is_group(const struct filter *f) { return f->op == FILTER_AND || f->op == FILTER_OR || f->op == FILTER_NOR; }

static bool is_relative(int field)
{
	return field == F_HIDDEN || field == F_MUTED || field == F_ARCHIVED || field == F_PINNED || field == F_JOINED ||
	       field == F_INVITE || field == F_HAS_UNREAD;
}

/* The first leaf of these fields anywhere in the tree. */
static const struct filter *find_leaf(const struct filter *f, bool (*wanted)(int field))
{
	if (!is_group(f)) return f->field_id >= 0 && wanted(f->field_id) ? f : NULL;
	for (size_t i = 0; i < f->kid_count; i++) {
		const struct filter *found = find_leaf(&f->kids[i], wanted);
		if (found != NULL) return found;
	}
	return NULL;
}

static bool is_hidden_field(int field) { return field == F_HIDDEN; }

/* ---- members and names ---- */

/* How many different strings; not more than FILTER_IN. */
static int64_t distinct(yyjson_val *list)
{
	if (!yyjson_is_arr(list)) return 1;
	int64_t n = 0;
	for (size_t i = 0; i < yyjson_arr_size(list); i++) {
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++) seen = yyjson_equals(yyjson_arr_get(list, i), yyjson_arr_get(list, k));
		n += !seen;
	}
	return n;
}

static void put_users(struct sql_builder *b, yyjson_val *ids)
{
	sql_builder_add(b, "(SELECT u.pk FROM users u WHERE u.app = ?2 AND u.id");
	filter_sql_in_strings(b, ids);
	sql_builder_add(b, ")");
}

static void put_members(struct sql_builder *b, const struct filter *leaf)
{
	if (yyjson_is_arr(leaf->value) && yyjson_arr_size(leaf->value) == 0) {
		sql_builder_add(b, leaf->op == FILTER_EQ ? "c.member_count = 0" : "0");
		return;
	}
	sql_builder_add(b, "c.pk IN (SELECT e.channel_pk FROM members e WHERE e.user_pk IN ");
	put_users(b, leaf->value);
	sql_builder_add(b, ")");
	if (leaf->op != FILTER_EQ) return;
	int64_t n = distinct(leaf->value);
	sql_builder_add(b, " AND c.member_count = ");
	sql_builder_put_int(b, n);
	sql_builder_add(b, " AND (SELECT count(*) FROM members e WHERE e.channel_pk = c.pk AND e.user_pk IN ");
	put_users(b, leaf->value);
	sql_builder_add(b, ") = ");
	sql_builder_put_int(b, n);
}

static void put_cid(struct sql_builder *b, struct span cid)
{
	size_t colon = span_find(cid, ':');
	sql_builder_add(b, "(c.type = ");
	sql_builder_put_text(b, span_make(cid.p, colon));
	sql_builder_add(b, " AND c.id = ");
	sql_builder_put_text(b, colon < cid.n ? span_skip(cid, colon + 1) : SPAN(""));
	sql_builder_add(b, ")");
}

static void put_cids(struct sql_builder *b, const struct filter *leaf)
{
	bool negated = leaf->op == FILTER_NE || leaf->op == FILTER_NIN;
	sql_builder_add(b, negated ? "NOT (0" : "(0");
	size_t n = yyjson_is_arr(leaf->value) ? yyjson_arr_size(leaf->value) : 1;
	for (size_t i = 0; i < n; i++) {
		sql_builder_add(b, " OR ");
		put_cid(b, json_span(yyjson_is_arr(leaf->value) ? yyjson_arr_get(leaf->value, i) : leaf->value));
	}
	sql_builder_add(b, ")");
}

static void put_creator(struct sql_builder *b, const struct filter *leaf)
{
	bool negated = leaf->op == FILTER_NE || leaf->op == FILTER_NIN;
	if (yyjson_is_arr(leaf->value) && yyjson_arr_size(leaf->value) == 0) {
		sql_builder_add(b, negated ? "1" : "0");
		return;
	}
	sql_builder_add(b, negated ? "c.created_by NOT IN " : "c.created_by IN ");
	put_users(b, leaf->value);
}

static enum err put_member_name(struct sql_builder *b, const struct filter *leaf)
{
	sql_builder_add(b, "EXISTS (SELECT 1 FROM members e JOIN users u ON u.pk = e.user_pk WHERE e.channel_pk = c.pk AND ");
	enum err e = filter_sql_compare(b, leaf, FILTER_S_TEXT, "u.name");
	sql_builder_add(b, ")");
	return e;
}

/* Two-person channels whose other side is banned from the application. */
static enum err put_app_banned(struct sql_builder *b, const struct filter *leaf)
{
	struct span v = json_span(leaf->value);
	bool only = span_is(v, "only");
	if (!only && !span_is(v, "excluded")) return ERR_INPUT;
	sql_builder_add(b, only ? "" : "NOT ");
	sql_builder_add(b, "(c.member_count = 2 AND EXISTS (SELECT 1 FROM members e JOIN users u ON u.pk = e.user_pk "
			   "WHERE e.channel_pk = c.pk AND e.user_pk <> ?1 AND u.banned = 1))");
	return b->err;
}

static enum err hook(struct sql_builder *b, const struct filter *leaf, void *ctx)
{
	(void)ctx;
	switch (leaf->field_id) {
	case F_CID: put_cids(b, leaf); return b->err;
	case F_MEMBERS: put_members(b, leaf); return b->err;
	case F_MEMBER_NAME: return put_member_name(b, leaf);
	case F_CREATED_BY: put_creator(b, leaf); return b->err;
	case F_APP_BANNED: return put_app_banned(b, leaf);
	default: return ERR_INTERNAL;
	}
}

/* ---- the statement ---- */

static bool names_viewer(yyjson_val *list, struct span id)
{
	if (!yyjson_is_arr(list)) return span_eq(json_span(list), id);
	for (size_t i = 0; i < yyjson_arr_size(list); i++)
		if (span_eq(json_span(yyjson_arr_get(list, i)), id)) return true;
	return false;
}

/* Can only channels of the viewer match? Then his memberships lead the search. */
static bool needs_membership(const struct filter *f, struct span viewer)
{
	if (f->op == FILTER_AND) {
		for (size_t i = 0; i < f->kid_count; i++)
			if (needs_membership(&f->kids[i], viewer)) return true;
		return false;
	}
	if (is_group(f) || f->field_id < 0) return false;
	if (f->field_id == F_INVITE) return true;
	if (f->field_id == F_MEMBERS) return names_viewer(f->value, viewer) && (f->op == FILTER_EQ || distinct(f->value) == 1);
	return is_relative(f->field_id) && yyjson_is_true(f->value);
}

/* What the search walks along. The planner knows nothing of how many rows there are, so the order of tables is written down. */
enum lead {
	LEAD_CHANNELS, /* all of the application, in the order of an index where there is one */
	LEAD_OWN,      /* the viewer's memberships */
	LEAD_VISIBLE,  /* his memberships and the channels he made */
	LEAD_MEMBERS,  /* channels of the users that the filter demands */
	LEAD_CIDS,     /* the channels named */
	LEAD_CREATORS, /* what the users demanded made */
};

static const struct filter *demanded(const struct filter *f, int field)
{
	if (f->op == FILTER_AND) {
		for (size_t i = 0; i < f->kid_count; i++) {
			const struct filter *found = demanded(&f->kids[i], field);
			if (found != NULL) return found;
		}
		return NULL;
	}
	bool is_given = !yyjson_is_arr(f->value) || yyjson_arr_size(f->value) > 0;
	return !is_group(f) && f->field_id == field && (f->op == FILTER_EQ || f->op == FILTER_IN) && is_given ? f : NULL;
}

static enum lead lead_of(const struct channel_query *q)
{
	if (q->viewer_pk != 0 && ((q->only_member && !q->also_created) || needs_membership(q->filter, q->viewer_id)))
		return LEAD_OWN;
	if (demanded(q->filter, F_CID) != NULL) return LEAD_CIDS;
	if (q->only_member) return LEAD_VISIBLE;
	if (demanded(q->filter, F_MEMBERS) != NULL) return LEAD_MEMBERS;
	return demanded(q->filter, F_CREATED_BY) != NULL ? LEAD_CREATORS : LEAD_CHANNELS;
}

#define JOIN_OWN " LEFT JOIN members m ON m.channel_pk = c.pk AND m.user_pk = ?1 WHERE c.app = ?2 AND c.deleted_at = 0"

static size_t value_count(const struct filter *leaf) { return yyjson_is_arr(leaf->value) ? yyjson_arr_size(leaf->value) : 1; }

static struct span value_at(const struct filter *leaf, size_t i)
{
	return json_span(yyjson_is_arr(leaf->value) ? yyjson_arr_get(leaf->value, i) : leaf->value);
}

static void put_named(struct sql_builder *b, const struct filter *leaf)
{
	sql_builder_add(b, "SELECT DISTINCT n.pk FROM (VALUES ");
	for (size_t i = 0; i < value_count(leaf); i++) {
		struct span cid = value_at(leaf, i);
		size_t colon = span_find(cid, ':');
		sql_builder_add(b, i ? ", (" : "(");
		sql_builder_put_text(b, span_make(cid.p, colon));
		sql_builder_add(b, ", ");
		sql_builder_put_text(b, colon < cid.n ? span_skip(cid, colon + 1) : SPAN(""));
		sql_builder_add(b, ")");
	}
	sql_builder_add(b, ") AS k CROSS JOIN channels n ON n.app = ?2 AND n.type = k.column1 AND n.id = k.column2");
}

static void put_lead(struct sql_builder *b, const struct channel_query *q, enum lead lead)
{
	switch (lead) {
	case LEAD_VISIBLE:
		sql_builder_add(b, "SELECT e.channel_pk AS pk FROM members e WHERE e.user_pk = ?1 "
				   "UNION SELECT o.pk FROM channels o WHERE o.created_by = ?1");
		return;
	case LEAD_MEMBERS:
		sql_builder_add(b, "SELECT DISTINCT e.channel_pk AS pk FROM members e WHERE e.user_pk IN ");
		put_users(b, demanded(q->filter, F_MEMBERS)->value);
		return;
	case LEAD_CREATORS:
		sql_builder_add(b, "SELECT o.pk FROM channels o WHERE o.created_by IN ");
		put_users(b, demanded(q->filter, F_CREATED_BY)->value);
		return;
	case LEAD_CIDS: put_named(b, demanded(q->filter, F_CID)); return;
	case LEAD_OWN:
	case LEAD_CHANNELS: return; /* the tables themselves */
	}
}

static void put_from(struct sql_builder *b, const struct channel_query *q, enum lead lead)
{
	if (lead == LEAD_OWN) {
		sql_builder_add(b, " FROM members m CROSS JOIN channels c ON c.pk = m.channel_pk "
				   "WHERE m.user_pk = ?1 AND c.app = ?2 AND c.deleted_at = 0");
		return;
	}
	if (lead == LEAD_CHANNELS) {
		sql_builder_add(b, " FROM channels c" JOIN_OWN);
		return;
	}
	sql_builder_add(b, " FROM (");
	put_lead(b, q, lead);
	sql_builder_add(b, ") v CROSS JOIN channels c ON c.pk = v.pk" JOIN_OWN);
}

static enum err check_viewer(const struct channel_query *q, struct error *e)
{
	const struct filter *leaf = find_leaf(q->filter, is_relative);
	struct span field = leaf != NULL ? leaf->field : SPAN_NONE;
	for (size_t i = 0; i < q->sort->n && !span_given(field); i++) {
		int id = q->sort->keys[i].field_id;
		if (id == S_UNREAD_COUNT || id == S_HAS_UNREAD || id == S_PINNED_AT || id == S_ARCHIVED_AT)
			field = q->sort->keys[i].field;
	}
	if (q->viewer_pk != 0 || !span_given(field)) return ERR_OK;
	*e = (struct error){ .err = ERR_INPUT,
		.message = SPAN("a filter or sort on a user's own state needs user_id"),
		.field = field,
		.field_why = SPAN("needs user_id") };
	return ERR_INPUT;
}

static enum err build(struct sql_builder *b, int64_t app, const struct channel_query *q, enum lead lead, struct error *e)
{
	static const struct filter_target target = { columns, sort_columns, "c.custom", "c.pk", hook, NULL };
	static const struct sort newest_first = { .keys = { { .field_id = S_LAST_UPDATED, .descending = true } }, .n = 1 };
	sql_builder_int(b, q->viewer_pk);
	sql_builder_int(b, app);
	sql_builder_add(b, "SELECT " CHANNEL_COLUMNS ", " MEMBER_COLUMNS);
	put_from(b, q, lead);
	if (find_leaf(q->filter, is_hidden_field) == NULL) sql_builder_add(b, " AND COALESCE(m.hidden, 0) = 0");
	sql_builder_add(b, " AND ");
	enum err err = filter_sql_where(b, q->filter, &target);
	if (err == ERR_INPUT)
		*e = (struct error){ .err = ERR_INPUT,
			.message = SPAN("app_banned must be \"excluded\" or \"only\""),
			.field = SPAN("app_banned"),
			.field_why = SPAN("must be \"excluded\" or \"only\"") };
	return err == ERR_OK ? filter_sql_order(b, q->sort->n > 0 ? q->sort : &newest_first, &target) : err;
}

/* ---- running it ---- */

static void read_row(struct sql_stmt *s, struct arena *a, struct channel_row *out)
{
	channel_row_read(s, 0, a, &out->ch);
	out->own = (struct member){ 0 };
	if (!sql_col_is_null(s, CHANNEL_COLUMN_COUNT)) member_row_read(s, CHANNEL_COLUMN_COUNT, a, &out->own);
}

/* Rows that the caller refuses must not fill his arena: each is first read into a scratch one. */
static bool is_accepted(struct sql_stmt *s, const struct channel_query *q, struct arena *scratch)
{
	if (q->accept == NULL) return true;
	struct channel_row row;
	arena_reset(scratch);
	read_row(s, scratch, &row);
	return !arena_failed(scratch) && q->accept(q->ctx, &row.ch, row.own.user_pk != 0 ? &row.own : NULL);
}

static size_t collect(struct sql_stmt *s, const struct channel_query *q, struct arena *a, struct channel_row *rows)
{
	struct arena scratch;
	arena_init(&scratch, (size_t)LIMIT_BODY_BYTES);
	int64_t skip = q->offset;
	size_t n = 0;
	while (n < (size_t)q->limit && sql_step(s) == SQL_ROW) {
		if (!is_accepted(s, q, &scratch)) continue;
		if (skip-- > 0) continue;
		read_row(s, a, &rows[n++]);
	}
	arena_deinit(&scratch);
	return n;
}

enum err store_channel_query(struct store_tx *tx, int64_t app, const struct channel_query *q, struct arena *a,
	struct channel_row **out, size_t *n, struct error *e)
{
	enum err err = check_viewer(q, e);
	if (err != ERR_OK) return err;
	enum lead lead = lead_of(q);
	struct sql_builder b;
	sql_builder_init(&b, a);
	err = build(&b, app, q, lead, e);
	if (err != ERR_OK) return err;
	struct channel_row *rows = arena_array(a, struct channel_row, (size_t)q->limit + 1);
	if (rows == NULL) return ERR_UNAVAILABLE;
	if (lead == LEAD_CHANNELS && q->custom_deadline_us != 0 && filter_uses_custom(q->filter))
		store_tx_deadline(tx, q->custom_deadline_us);
	struct sql_stmt *s = sql_builder_compile(&b, tx);
	size_t count = collect(s, q, a, rows);
	err = sql_done(s);
	if (err != ERR_OK) return err;
	if (arena_failed(a)) return ERR_UNAVAILABLE;
	*out = rows;
	*n = count;
	return ERR_OK;
}
