/* Filters and sorts on users: a table of filter -> ids. It stands for the compiler behind every query. */
#include "support.h"

#include "base/json.h"

/* now = 1800000000 s; times below are seconds before or after that */
struct person {
	const char *id, *name, *role, *teams, *custom;
	int created, active, frozen;
	bool invisible, banned, shadow, deactivated, deleted;
	int ban_expires;
};
static const struct person people[] = {
	{ .id = "ann",
		.name = "Ann Lee",
		.role = "admin",
		.teams = "[\"red\",\"blue\"]",
		.created = 1,
		.active = 50,
		.custom = "{\"age\":30,\"city\":\"Bonn\",\"tags\":[\"x\",\"y\",1,true],\"vip\":true,\"deep\":{\"k\":\"v\"},"
			  "\"nil\":null}" },
	{ .id = "bob",
		.name = "Bob-Lee Smith",
		.role = "user",
		.teams = "[\"red\"]",
		.created = 2,
		.active = 60,
		.frozen = 10,
		.invisible = true,
		.custom = "{\"age\":40,\"city\":\"bonn am rhein\",\"tags\":[\"y\"],\"vip\":false}" },
	{ .id = "cid", .role = "user", .created = 3, .custom = "{\"age\":\"30\",\"city\":5}" },
	{ .id = "dan", .name = "dan", .role = "user", .created = 4, .active = 70, .banned = true, .ban_expires = -5 },
	{ .id = "eve",
		.name = "\xc3\x89ve",
		.role = "user",
		.created = 5,
		.active = 80,
		.banned = true,
		.ban_expires = 5,
		.shadow = true,
		.custom = "{\"age\":30.5,\"vip\":1,\"a-b_c\":7}" },
	{ .id = "off", .name = "Off", .role = "user", .created = 6, .deactivated = true },
	{ .id = "zap", .name = "Zap", .role = "user", .created = 7, .deleted = true },
};

static int setup(void **state)
{
	fixture_setup(state);
	struct fixture *f = *state;
	for (size_t i = 0; i < BECK_COUNT(people); i++) {
		const struct person *p = &people[i];
		int64_t now = f->now_us;
		struct user u = { .id = span_str(p->id),
			.name = span_str(p->name),
			.role = span_str(p->role),
			.teams = span_str(p->teams),
			.custom = span_str(p->custom),
			.created_at = now + p->created * 1000000,
			.updated_at = now + p->created * 1000000,
			.last_active = p->active ? now + p->active * 1000000 : 0,
			.invisible_since_last_active = p->frozen ? now + p->frozen * 1000000 : 0,
			.invisible = p->invisible,
			.banned = p->banned,
			.shadow_banned = p->shadow,
			.deactivated_at = p->deactivated ? now : 0,
			.deleted_at = p->deleted ? now : 0,
			.ban_expires = p->ban_expires ? now + p->ban_expires * 1000000 : 0 };
		assert_int_equal(store_user_put(f->tx, f->app, &u, SPAN_NONE), ERR_OK);
		assert_int_equal(u.pk, i + 1);
	}
	return 0;
}

static yyjson_val *parse(struct fixture *f, const char *text)
{
	const char *why;
	size_t at;
	yyjson_val *v = json_parse(&f->arena, span_str(text), &why, &at);
	if (!v) fail_msg("%s: %s at %zu", text, why, at);
	return v;
}

static const char *query(struct fixture *f, const char *filter, const char *sort, struct user_query q)
{
	struct filter flt;
	struct sort srt = { .n = 0 };
	struct error e = { 0 };
	if (filter_parse(&f->arena, parse(f, filter), &flt, &e) != ERR_OK ||
		filter_check(&f->arena, &flt, store_user_fields, store_user_field_count, true, &e) != ERR_OK)
		fail_msg("%s: %.*s", filter, SPAN_FMT(e.message));
	if (sort && (sort_parse(&f->arena, parse(f, sort), &srt, &e) != ERR_OK ||
			    sort_check(&srt, store_user_sorts, store_user_sort_count, true, &e) != ERR_OK))
		fail_msg("%s: %.*s", sort, SPAN_FMT(e.message));
	q.filter = &flt;
	q.sort = &srt;
	if (!q.limit) q.limit = 30;
	struct user *users;
	size_t n = 0;
	if (store_user_query(f->tx, f->app, &q, &f->arena, &users, &n, &e) != ERR_OK)
		fail_msg("%s: %.*s", filter, SPAN_FMT(e.message));
	struct buf out;
	buf_init(&out, 10000);
	for (size_t i = 0; i < n; i++) buf_printf(&out, "%s%.*s", i ? " " : "", SPAN_FMT(users[i].id));
	struct span text = arena_dup(&f->arena, buf_span(&out));
	buf_deinit(&out);
	return text.p;
}

enum { SERVER = 0, NOBODY = -1, ANN = 1, BOB = 2 };
struct filter_sample {
	int viewer;
	const char *filter, *ids; /* by id */
};
static const struct filter_sample filters[] = {
	{ SERVER, "{}", "ann bob cid dan eve" },
	{ SERVER, "{\"id\":\"bob\"}", "bob" },
	{ SERVER, "{\"id\":{\"$in\":[\"bob\",\"zap\",\"off\",\"eve\"]}}", "bob eve" },
	{ SERVER, "{\"id\":{\"$nin\":[\"bob\",\"eve\",\"dan\"]}}", "ann cid" },
	{ SERVER, "{\"id\":{\"$in\":[]}}", "" },
	{ SERVER, "{\"id\":{\"$gt\":\"bob\",\"$lte\":\"dan\"}}", "cid dan" },
	{ SERVER, "{\"id\":{\"$autocomplete\":\"E\"}}", "eve" },
	{ SERVER, "{\"name\":\"Ann Lee\"}", "ann" },
	{ SERVER, "{\"name\":{\"$ne\":\"Ann Lee\"}}", "bob cid dan eve" }, /* missing is not equal */
	{ SERVER, "{\"name\":{\"$exists\":false}}", "cid" },
	{ SERVER, "{\"name\":{\"$exists\":true}}", "ann bob dan eve" },
	{ SERVER, "{\"name\":{\"$autocomplete\":\"LE\"}}", "ann bob" },
	{ SERVER, "{\"name\":{\"$autocomplete\":\"\xc3\xa9\"}}", "eve" },
	{ SERVER, "{\"name\":{\"$q\":\"smith lee\"}}", "bob" },
	{ SERVER, "{\"name\":{\"$q\":\"le\"}}", "" },
	{ SERVER, "{\"role\":\"admin\"}", "ann" },
	{ SERVER, "{\"$or\":[{\"role\":\"admin\"},{\"id\":\"eve\"}]}", "ann eve" },
	{ SERVER, "{\"$nor\":[{\"role\":\"admin\"},{\"name\":\"dan\"}]}", "bob cid eve" }, /* cid has no name: still not dan */
	{ SERVER, "{\"$and\":[{\"role\":\"user\"},{\"$or\":[{\"id\":\"bob\"},{\"id\":\"cid\"}]}]}", "bob cid" },
	{ SERVER, "{\"$nor\":[{\"$nor\":[{\"id\":\"bob\"}]}]}", "bob" },
	/* a ban that ran out is none; only servers learn of shadow bans */
	{ SERVER, "{\"banned\":true}", "eve" },
	{ SERVER, "{\"banned\":false}", "ann bob cid dan" },
	{ ANN, "{\"banned\":true}", "eve" },
	{ SERVER, "{\"shadow_banned\":true}", "eve" },
	{ ANN, "{\"shadow_banned\":true}", "" },
	{ ANN, "{\"shadow_banned\":{\"$ne\":true}}", "ann bob cid dan eve" },
	/* times */
	{ SERVER, "{\"created_at\":{\"$gt\":\"2027-01-15T08:00:03Z\"}}", "dan eve" },
	{ SERVER, "{\"created_at\":{\"$gte\":\"2027-01-15T08:00:02Z\",\"$lt\":\"2027-01-15T09:00:04+01:00\"}}", "bob cid" },
	{ SERVER, "{\"created_at\":\"2027-01-15T08:00:01Z\"}", "ann" },
	{ SERVER, "{\"created_at\":{\"$in\":[\"2027-01-15T08:00:01Z\",\"2027-01-15T08:00:05Z\"]}}", "ann eve" },
	{ SERVER, "{\"last_active\":{\"$exists\":false}}", "cid" },
	{ SERVER, "{\"last_active\":{\"$lt\":\"2027-01-15T08:00:55Z\"}}", "ann" }, /* never is not before */
	/* invisible bob: 60 to himself and servers, 10 to others */
	{ SERVER, "{\"last_active\":{\"$gt\":\"2027-01-15T08:00:55Z\"}}", "bob dan eve" },
	{ BOB, "{\"last_active\":{\"$gt\":\"2027-01-15T08:00:55Z\"}}", "bob dan eve" },
	{ ANN, "{\"last_active\":{\"$gt\":\"2027-01-15T08:00:55Z\"}}", "dan eve" },
	{ NOBODY, "{\"last_active\":{\"$lte\":\"2027-01-15T08:00:50Z\"}}", "ann bob" },
	/* lists */
	{ SERVER, "{\"teams\":\"red\"}", "ann bob" },
	{ SERVER, "{\"teams\":{\"$contains\":\"blue\"}}", "ann" },
	{ SERVER, "{\"teams\":{\"$in\":[\"blue\",\"green\"]}}", "ann" },
	{ SERVER, "{\"teams\":{\"$in\":[]}}", "" },
	{ SERVER, "{\"teams\":[\"red\"]}", "bob" },
	{ SERVER, "{\"teams\":[\"blue\",\"red\",\"red\"]}", "ann" },
	{ SERVER, "{\"teams\":{\"$ne\":\"red\"}}", "cid dan eve" },
	{ SERVER, "{\"teams\":{\"$exists\":false}}", "cid dan eve" },
	{ SERVER, "{\"teams\":{}}", "ann bob cid dan eve" },
	/* custom fields: types are kept apart */
	{ SERVER, "{\"age\":30}", "ann" },
	{ SERVER, "{\"age\":30.0}", "ann" },
	{ SERVER, "{\"age\":\"30\"}", "cid" },
	{ SERVER, "{\"age\":{\"$gt\":30}}", "bob eve" },
	{ SERVER, "{\"age\":{\"$gte\":30,\"$lt\":40}}", "ann eve" },
	{ SERVER, "{\"age\":{\"$in\":[40,\"30\"]}}", "bob cid" },
	{ SERVER, "{\"age\":{\"$nin\":[40,\"30\"]}}", "ann dan eve" },
	{ SERVER, "{\"age\":{\"$ne\":30}}", "bob cid dan eve" },
	{ SERVER, "{\"age\":{\"$exists\":false}}", "dan" },
	{ SERVER, "{\"vip\":true}", "ann" },
	{ SERVER, "{\"vip\":false}", "bob" },
	{ SERVER, "{\"vip\":1}", "eve" },
	{ SERVER, "{\"nil\":{\"$exists\":true}}", "" },
	{ SERVER, "{\"nil\":null}", "ann bob cid dan eve" },
	{ SERVER, "{\"city\":{\"$gt\":\"A\"}}", "ann bob" }, /* 5 is no text */
	{ SERVER, "{\"city\":{\"$autocomplete\":\"rhe\"}}", "bob" },
	{ SERVER, "{\"city\":{\"$q\":\"BONN\"}}", "ann bob" },
	{ SERVER, "{\"tags\":{\"$contains\":\"y\"}}", "ann bob" },
	{ SERVER, "{\"tags\":{\"$contains\":1}}", "ann" },
	{ SERVER, "{\"tags\":{\"$contains\":true}}", "ann" },
	{ SERVER, "{\"tags\":{\"$contains\":false}}", "" },
	{ SERVER, "{\"city\":{\"$contains\":\"Bonn\"}}", "" }, /* no array */
	{ SERVER, "{\"deep.k\":\"v\"}", "ann" },
	{ SERVER, "{\"deep\":{\"$exists\":true}}", "ann" },
	{ SERVER, "{\"a-b_c\":7}", "eve" },
	/* what would be SQL is a value */
	{ SERVER, "{\"id\":\"' OR 1=1 --\"}", "" },
	{ SERVER, "{\"city\":{\"$in\":[\"') OR 1 --\",\"x\"]}}", "" },
	{ SERVER, "{\"name\":{\"$autocomplete\":\"%\"}}", "" },
};

static void filters_select(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < BECK_COUNT(filters); i++) {
		const char *ids = query(f, filters[i].filter, "[{\"field\":\"id\",\"direction\":1}]",
			(struct user_query){ .viewer_pk = filters[i].viewer });
		if (strcmp(ids, filters[i].ids) != 0) fail_msg("%s: \"%s\", not \"%s\"", filters[i].filter, ids, filters[i].ids);
	}
}

struct sort_sample {
	int viewer;
	const char *sort, *ids;
};
static const struct sort_sample sorts[] = {
	{ SERVER, "[]", "eve dan cid bob ann" }, /* newest first */
	{ SERVER, "[{\"field\":\"created_at\",\"direction\":1}]", "ann bob cid dan eve" },
	{ SERVER, "{\"id\":-1}", "eve dan cid bob ann" },
	{ SERVER, "[{\"field\":\"name\",\"direction\":1}]", "ann bob dan eve cid" },
	{ SERVER, "[{\"field\":\"name\",\"direction\":-1}]", "eve dan bob ann cid" },
	{ SERVER, "[{\"field\":\"last_active\",\"direction\":-1}]", "eve dan bob ann cid" },
	{ ANN, "[{\"field\":\"last_active\",\"direction\":-1}]", "eve dan ann bob cid" },
	{ BOB, "[{\"field\":\"last_active\",\"direction\":-1}]", "eve dan bob ann cid" },
	{ ANN, "[{\"field\":\"last_active\",\"direction\":1}]", "bob ann dan eve cid" },
	{ SERVER, "[{\"field\":\"role\",\"direction\":1},{\"field\":\"id\",\"direction\":-1}]", "ann eve dan cid bob" },
	{ SERVER, "[{\"field\":\"role\",\"direction\":-1}]", "eve dan cid bob ann" }, /* tie: id, same direction */
	{ SERVER, "[{\"field\":\"age\",\"direction\":1,\"type\":\"number\"}]", "ann eve bob cid dan" },
	{ SERVER, "[{\"field\":\"age\",\"direction\":-1,\"type\":\"number\"}]", "bob eve ann dan cid" },
	{ SERVER, "[{\"field\":\"vip\",\"direction\":1,\"type\":\"boolean\"}]", "bob ann cid dan eve" },
};

static void sorts_order(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < BECK_COUNT(sorts); i++) {
		const char *ids = query(f, "{}", sorts[i].sort, (struct user_query){ .viewer_pk = sorts[i].viewer });
		if (strcmp(ids, sorts[i].ids) != 0) fail_msg("%s: \"%s\", not \"%s\"", sorts[i].sort, ids, sorts[i].ids);
	}
}

static void pages_cut(void **state)
{
	struct fixture *f = *state;
	assert_string_equal(query(f, "{}", NULL, (struct user_query){ .limit = 2 }), "eve dan");
	assert_string_equal(query(f, "{}", NULL, (struct user_query){ .limit = 2, .offset = 4 }), "ann");
	assert_string_equal(query(f, "{}", NULL, (struct user_query){ .with_deactivated = true, .limit = 2 }), "off eve");
	assert_string_equal(
		query(f, "{}", NULL, (struct user_query){ .id_gt = SPAN("bob"), .limit = 2 }), "cid dan"); /* by id then */
	assert_string_equal(query(f, "{}", NULL, (struct user_query){ .id_gte = SPAN("bob"), .id_lt = SPAN("dan") }), "bob cid");
	assert_string_equal(query(f, "{}", "{\"id\":-1}", (struct user_query){ .id_lte = SPAN("bob") }), "bob ann");
	assert_string_equal(
		query(f, "{\"deactivated_at\":{\"$exists\":true}}", NULL, (struct user_query){ .with_deactivated = true }),
		"off");
}

static void other_applications_are_not_seen(void **state)
{
	struct fixture *f = *state;
	struct user twin = { .id = SPAN("ann"), .role = SPAN("admin"), .created_at = f->now_us, .updated_at = f->now_us };
	assert_int_equal(store_user_put(f->tx, f->app + 1, &twin, SPAN_NONE), ERR_OK);
	assert_string_equal(query(f, "{\"id\":\"ann\"}", NULL, (struct user_query){ 0 }), "ann");
	assert_string_equal(query(f, "{\"role\":\"admin\"}", NULL, (struct user_query){ 0 }), "ann");
}

/* Does the plan of a query seek where it should? */
static bool plan_has(struct fixture *f, const char *sql, const char *part, bool *sorts_rows)
{
	struct sql_stmt *s = sql_compile(f->tx, arena_printf(&f->arena, "EXPLAIN QUERY PLAN %s", sql));
	bool found = false;
	*sorts_rows = false;
	while (sql_step(s) == SQL_ROW) {
		struct span line = sql_col_text(s, &f->arena, 3);
		found = found || memmem(line.p, line.n, part, strlen(part));
		*sorts_rows = *sorts_rows || memmem(line.p, line.n, "TEMP B-TREE", 11);
	}
	assert_int_equal(sql_done(s), ERR_OK);
	return found;
}

static void plan_says(struct fixture *f, const char *sql, const char *part)
{
	bool sorts_rows;
	if (!plan_has(f, sql, part, &sorts_rows)) fail_msg("%s: no \"%s\"", sql, part);
	if (sorts_rows) fail_msg("%s: sorts", sql);
}

static void plan_sorts(struct fixture *f, const char *sql, const char *part)
{
	bool sorts_rows;
	if (!plan_has(f, sql, part, &sorts_rows)) fail_msg("%s: no \"%s\"", sql, part);
	assert_true(sorts_rows);
}

static void default_and_id_lists_use_their_indexes(void **state)
{
	struct fixture *f = *state;
	plan_says(f,
		"SELECT * FROM users u WHERE u.app = ?3 AND u.deleted_at = 0 AND u.deactivated_at = 0 AND 1 ORDER BY "
		"u.created_at DESC, u.id DESC LIMIT ?4",
		"USING INDEX users_created");
	plan_says(f, "SELECT * FROM users u WHERE u.app = ?3 AND u.deleted_at = 0 AND u.id > ?4 ORDER BY u.id LIMIT ?5",
		"USING INDEX sqlite_autoindex_users_1");
	/* the sign before created_at is what store_user_query writes for a list of ids */
	plan_says(f, "SELECT * FROM users u WHERE u.app = ?3 AND u.deleted_at = 0 AND (u.id IN (?4, ?5)) ORDER BY u.id LIMIT ?6",
		"(app=? AND id=?)");
	plan_sorts(f,
		"SELECT * FROM users u WHERE u.app = ?3 AND u.deleted_at = 0 AND (u.id IN (?4, ?5)) ORDER BY +u.created_at DESC, "
		"u.id DESC LIMIT ?6",
		"(app=? AND id=?)");
	plan_says(f, "SELECT pos FROM events WHERE channel_pk = ?1 AND channel_pk <> 0 AND pos > ?2 AND pos <= ?3 ORDER BY pos",
		"USING COVERING INDEX events_channel (channel_pk=? AND pos>? AND pos<?)");
	plan_says(f, "SELECT pos FROM events WHERE user_pk = ?1 AND user_pk <> 0 AND pos > ?2 AND pos <= ?3 ORDER BY pos",
		"USING COVERING INDEX events_user (user_pk=? AND pos>? AND pos<?)");
	plan_says(f, "SELECT pos FROM events WHERE created_at >= ?1 ORDER BY created_at, pos LIMIT 1",
		"USING COVERING INDEX events_age");
}

static int64_t ticking(void *ctx)
{
	struct fixture *f = ctx;
	return f->mono_us += 20000;
}

static void a_slow_custom_filter_is_cut_off(void **state)
{
	struct fixture *f = *state;
	fixture_run(f->tx,
		"INSERT INTO users (app, id, role, custom, created_at, updated_at) WITH RECURSIVE c(x) AS "
		"(SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000) SELECT 1, 'u' || x, 'user', '{\"n\":1}', x, x FROM c");
	struct filter flt;
	struct error e = { 0 };
	assert_int_equal(filter_parse(&f->arena, parse(f, "{\"n\":2}"), &flt, &e), ERR_OK);
	assert_int_equal(filter_check(&f->arena, &flt, store_user_fields, store_user_field_count, true, &e), ERR_OK);
	struct user_query q = { .filter = &flt, .limit = 10 };
	struct user *users;
	size_t n;
	f->clock.mono_us = ticking;
	assert_int_equal(store_user_query(f->tx, f->app, &q, &f->arena, &users, &n, &e), ERR_TIMEOUT);
	assert_int_equal(e.err, ERR_TIMEOUT);
	assert_true(e.message.n > 0);
	assert_int_equal(fixture_int(f->tx, "SELECT 1"), 1); /* the tighter deadline is gone again */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
		T(filters_select),
		T(sorts_order),
		T(pages_cut),
		T(other_applications_are_not_seen),
		T(default_and_id_lists_use_their_indexes),
		T(a_slow_custom_filter_is_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
