/* Lists of channels and members: filters, sorts, visibility. */
#include "chat/message_rules.h"
#include "world.h"

static void create(struct world *w, const char *who, const char *type, const char *id, const char *data)
{
	char body[1024];
	snprintf(body, sizeof body, "{\"data\":%s}", data);
	struct channel_want want;
	struct channel_ctx x;
	struct chat_ctx *c = world_as(w, who);
	enum err e = chat_want_parse(c, J(w, body), true, &want);
	if (e == ERR_OK) e = chat_get_or_create(c, span_str(type), span_str(id), &want, &x);
	OK(world_end(w, e));
}

/* Ids in order, "a b c". */
static const char *ids(struct world *w, const struct channel_list *l)
{
	struct span out = SPAN("");
	for (size_t i = 0; i < l->n; i++)
		out = arena_printf(&w->arena, "%.*s%s%.*s", SPAN_FMT(out), i ? " " : "", SPAN_FMT(l->items[i].ch.id));
	return out.p;
}

static enum err run(struct world *w, const char *who, const char *body, struct channel_list *l)
{
	return AS(w, who, chat_query_channels(&w->c, J(w, body), l));
}

static const char *find(struct world *w, const char *who, const char *filter, const char *sort)
{
	struct channel_list l;
	char body[2048];
	snprintf(body, sizeof body, "{\"filter_conditions\":%s,\"sort\":%s,\"limit\":30}", filter, sort);
	enum err e = run(w, who, body, &l);
	return e == ERR_OK ? ids(w, &l) : err_name(e);
}

static void people(struct world *w)
{
	static const char *const names[] = { "ann", "bob", "cid", "dan" };
	for (size_t i = 0; i < BECK_COUNT(names); i++) (void)world_user(w, names[i]);
}

/* ann: a b c e; bob: a b; cid: b (invited to e) */
static void fill(struct world *w)
{
	people(w);
	create(w, "ann", "messaging", "a", "{\"members\":[\"ann\",\"bob\"],\"name\":\"Red apples\",\"n\":3}");
	create(w, "ann", "messaging", "b",
		"{\"members\":[\"ann\",\"bob\",\"cid\"],\"name\":\"green pears\",\"n\":1,\"tags\":[\"x\",\"y\"]}");
	create(w, "ann", "messaging", "c", "{\"members\":[\"ann\"],\"n\":2,\"open\":true,\"deep\":{\"er\":5}}");
	create(w, "server", "livestream", "d", "{\"created_by_id\":\"dan\",\"filter_tags\":[\"t1\"],\"name\":\"d\"}");
	create(w, "ann", "messaging", "e", "{\"members\":[\"ann\"],\"invites\":[\"cid\"]}");
}

#define FIND(who, filter, sort, want) assert_string_equal(find(w, (who), (filter), (sort)), (want))

static void test_visibility(void **state)
{
	struct world *w = *state;
	fill(w);
	FIND("ann", "{}", "[]", "e d c b a");
	FIND("bob", "{}", "[]", "d b a");
	FIND("dan", "{}", "[]", "d");
	FIND("!anon", "{}", "[]", "d");
	FIND("server", "{}", "[]", "e d c b a");
	FIND("bob", "{\"type\":\"messaging\"}", "[]", "b a");
	FIND("dan", "{\"type\":\"messaging\"}", "[]", "");
	FIND("!anon", "{\"type\":\"messaging\"}", "[]", "NO_CHANNELS");
	FIND("dan", "{\"type\":\"messaging\",\"joined\":false}", "[]", ""); /* it could be one of his making */
	FIND("dan", "{\"cid\":\"messaging:a\"}", "[]", "NO_CHANNELS");
	FIND("dan", "{\"cid\":\"messaging:none\"}", "[]", "");
	FIND("bob", "{\"cid\":{\"$in\":[\"messaging:a\",\"messaging:c\",\"livestream:d\"]}}", "[]", "d a");
	FIND("dan", "{\"members\":{\"$in\":[\"ann\"]}}", "[]", "");
}

static void test_members(void **state)
{
	struct world *w = *state;
	fill(w);
	FIND("bob", "{\"members\":{\"$in\":[\"bob\"]}}", "[]", "b a");
	FIND("ann", "{\"members\":{\"$in\":[\"bob\",\"cid\"]}}", "[]", "e b a");
	FIND("ann", "{\"members\":{\"$eq\":[\"bob\",\"ann\"]}}", "[]", "a");
	FIND("server", "{\"members\":{\"$eq\":[\"bob\",\"ann\",\"bob\"]}}", "[]", "a");
	FIND("server", "{\"members\":[\"cid\",\"bob\",\"ann\"]}", "[]", "b");
	FIND("server", "{\"members\":{\"$eq\":[]}}", "[]", "d");
	FIND("server", "{\"members\":{\"$in\":[\"nobody\"]}}", "[]", "");
	FIND("ann", "{\"member.user.name\":\"cid\"}", "[]", "e b");
	FIND("ann", "{\"member.user.name\":{\"$autocomplete\":\"BO\"}}", "[]", "b a");
	FIND("cid", "{\"joined\":true}", "[]", "b");
	FIND("cid", "{\"joined\":false}", "[]", "e d");
	FIND("cid", "{\"invite\":\"pending\"}", "[]", "e");
	FIND("cid", "{\"invite\":\"accepted\"}", "[]", "");
	FIND("server", "{\"invite\":\"pending\"}", "[]", "INPUT");
	FIND("server:cid", "{\"invite\":\"pending\"}", "[]", "e");
	FIND("ann", "{\"created_by_id\":\"dan\"}", "[]", "d");
	FIND("ann", "{\"created_by_id\":{\"$ne\":\"dan\"}}", "[]", "e c b a");
}

static void test_fields(void **state)
{
	struct world *w = *state;
	fill(w);
	FIND("ann", "{\"name\":\"Red apples\"}", "[]", "a");
	FIND("ann", "{\"name\":{\"$autocomplete\":\"PEA\"}}", "[]", "b");
	FIND("ann", "{\"name\":{\"$q\":\"apples red\"}}", "[]", "a");
	FIND("ann", "{\"name\":{\"$exists\":false}}", "[]", "e c");
	FIND("ann", "{\"n\":{\"$gt\":1}}", "[]", "c a");
	FIND("ann", "{\"n\":{\"$gte\":1,\"$lt\":3}}", "[]", "c b");
	FIND("ann", "{\"tags\":{\"$contains\":\"y\"}}", "[]", "b");
	FIND("ann", "{\"open\":true}", "[]", "c");
	FIND("ann", "{\"deep.er\":5}", "[]", "c");
	FIND("ann", "{\"$or\":[{\"n\":1},{\"id\":\"e\"}]}", "[]", "e b");
	FIND("ann", "{\"$nor\":[{\"n\":1},{\"id\":\"e\"}],\"type\":\"messaging\"}", "[]", "c a");
	FIND("ann", "{\"member_count\":{\"$gte\":2}}", "[]", "e b a");
	FIND("ann", "{\"filter_tags\":{\"$in\":[\"t1\",\"t2\"]}}", "[]", "d");
	FIND("ann", "{\"frozen\":false,\"id\":{\"$in\":[\"a\",\"d\"]}}", "[]", "d a");
	FIND("ann", "{\"last_message_at\":{\"$exists\":true}}", "[]", "");
	FIND("ann", "{\"created_at\":{\"$gt\":\"2020-01-01T00:00:00Z\"},\"n\":1}", "[]", "b");
	FIND("ann", "{\"app_banned\":\"excluded\",\"n\":3}", "[]", "a");
	FIND("ann", "{\"app_banned\":\"only\"}", "[]", "");
	static const char *const refused[] = { "{\"app_banned\":\"x\"}", "{\"frozen\":1}", "{\"cid\":{\"$gt\":\"a\"}}",
		"{\"a b\":1}", "[]", "7", "{\"members\":{\"$nin\":[\"ann\"]}}", "{\"created_at\":5}", "{\"$or\":[]}" };
	for (size_t i = 0; i < BECK_COUNT(refused); i++) FIND("ann", refused[i], "[]", "INPUT");
}

static void test_own_state(void **state)
{
	struct world *w = *state;
	fill(w);
	OK(AS(w, "ann", chat_hide_channel(&w->c, SPAN("messaging"), SPAN("a"), J(w, "{}"))));
	struct event *hidden = event_of(w, EVENT_CHANNEL_HIDDEN, 0);
	assert_false(is(body_of(w, hidden), "clear_history"));
	FIND("ann", "{}", "[]", "e d c b");
	FIND("ann", "{\"hidden\":true}", "[]", "a");
	FIND("ann", "{\"hidden\":false}", "[]", "e d c b");
	FIND("bob", "{}", "[]", "d b a");
	OK(AS(w, "ann", chat_show_channel(&w->c, SPAN("messaging"), SPAN("a"))));
	assert_non_null(event_of(w, EVENT_CHANNEL_VISIBLE, 0));
	FIND("ann", "{}", "[]", "e d c b a");
	assert_int_equal(AS(w, "dan", chat_hide_channel(&w->c, SPAN("livestream"), SPAN("d"), NULL)), ERR_NOT_ALLOWED);
	assert_int_equal(AS(w, "server", chat_hide_channel(&w->c, SPAN("livestream"), SPAN("d"), NULL)), ERR_INPUT);
	/* pins: his own business, the latest pin first */
	OK(AS(w, "ann",
		chat_update_member_partial(
			&w->c, SPAN("messaging"), SPAN("b"), SPAN("ann"), J(w, "{\"set\":{\"pinned\":true}}"), &w->out)));
	assert_true(has(json_get(w->answer, "channel_member"), "pinned_at"));
	struct event *own = event_of(w, EVENT_MEMBER_UPDATED, 0);
	assert_int_equal(own->cls, EVENT_CLASS_OWN);
	OK(AS(w, "ann",
		chat_update_member_partial(
			&w->c, SPAN("messaging"), SPAN("c"), SPAN("ann"), J(w, "{\"set\":{\"pinned\":true}}"), &w->out)));
	FIND("ann", "{\"pinned\":true}", "[{\"field\":\"pinned_at\",\"direction\":-1}]", "c b");
	FIND("ann", "{\"pinned\":false,\"type\":\"messaging\"}", "[]", "e a");
	FIND("ann", "{\"type\":\"messaging\"}", "[{\"field\":\"pinned_at\",\"direction\":1},{\"field\":\"cid\",\"direction\":1}]",
		"b c a e");
	OK(AS(w, "ann",
		chat_update_member_partial(&w->c, SPAN("messaging"), SPAN("b"), SPAN("ann"),
			J(w, "{\"set\":{\"archived\":true,\"k\":1}}"), &w->out)));
	assert_false(has(json_get(w->answer, "channel_member"), "pinned_at"));
	assert_int_equal(num(json_get(w->answer, "channel_member"), "k"), 1);
	FIND("ann", "{\"archived\":true}", "[]", "b");
	FIND("bob", "{\"archived\":true}", "[]", "");
	assert_int_equal(AS(w, "bob",
				 chat_update_member_partial(
					 &w->c, SPAN("messaging"), SPAN("b"), SPAN("ann"), J(w, "{\"set\":{\"k\":2}}"), &w->out)),
		ERR_NOT_ALLOWED);
	assert_int_equal(AS(w, "bob",
				 chat_update_member_partial(&w->c, SPAN("messaging"), SPAN("b"), SPAN("bob"),
					 J(w, "{\"set\":{\"banned\":true}}"), &w->out)),
		ERR_INPUT);
	FIND("ann", "{\"muted\":false,\"blocked\":false,\"n\":1}", "[]", "b");
	FIND("ann", "{\"has_unread\":true}", "[]", "");
}

static void test_sort_and_page(void **state)
{
	struct world *w = *state;
	struct channel_list l;
	fill(w);
	FIND("ann", "{}", "[{\"field\":\"created_at\",\"direction\":1}]", "a b c d e");
	FIND("ann", "{\"type\":\"messaging\"}", "{\"member_count\":-1,\"cid\":1}", "b a e c");
	FIND("ann", "{\"type\":\"messaging\"}", "[{\"field\":\"n\",\"direction\":1,\"type\":\"number\"}]", "b c a e");
	FIND("ann", "{\"type\":\"messaging\"}", "[{\"field\":\"n\",\"direction\":-1}]", "a c b e");
	FIND("ann", "{}", "[{\"field\":\"unread_count\",\"direction\":-1},{\"field\":\"cid\"}]", "d a b c e");
	FIND("server", "{}", "[{\"field\":\"unread_count\"}]", "INPUT");
	FIND("ann", "{}", "[{\"field\":\"id\",\"direction\":5}]", "INPUT");
	OK(run(w, "bob", "{\"limit\":1,\"offset\":1}", &l));
	assert_string_equal(ids(w, &l), "b");
	OK(run(w, "bob", "{\"limit\":2,\"offset\":2}", &l));
	assert_string_equal(ids(w, &l), "a");
	OK(run(w, "bob", "{}", &l));
	assert_int_equal(l.n, 3);
	static const char *const refused[] = { "{\"limit\":31}", "{\"offset\":1001}", "{\"limit\":-1}", "{\"message_limit\":301}",
		"{\"member_limit\":101}", "{\"limit\":\"1\"}" };
	for (size_t i = 0; i < BECK_COUNT(refused); i++) assert_int_equal(run(w, "bob", refused[i], &l), ERR_INPUT);
	OK(run(w, "bob", "{\"limit\":30,\"offset\":1000,\"message_limit\":300,\"member_limit\":100}", &l));
}

/* ---- unread in SQL against the formula in C, over a random story ---- */

static uint64_t dice(struct world *w, uint64_t sides) { return rng_u64(&w->rng) % sides; }

static void random_step(struct world *w)
{
	static const char *const who[] = { "ann", "bob" }, *const where[] = { "a", "b", "c2" };
	char body[256];
	const char *me = who[dice(w, 2)];
	struct span id = span_str(where[dice(w, 3)]);
	switch (dice(w, 6)) {
	case 0: OK(AS(w, me, chat_mark_read(&w->c, SPAN("messaging"), id, NULL, &w->out))); return;
	case 1: {
		struct channel_ctx x;
		struct message *m;
		size_t n = 0;
		struct page page = { .family = PAGE_NEWEST, .limit = 5 };
		struct chat_ctx *c = world_as(w, me);
		OK(chat_channel_load(c, SPAN("messaging"), id, &x));
		OK(world_end(w, chat_messages_page(c, &x, &page, &m, &n)));
		if (n == 0) return;
		snprintf(body, sizeof body, "{\"message_id\":\"%.*s\"}", SPAN_FMT(m[dice(w, n)].id));
		(void)AS(w, me, chat_mark_unread(&w->c, SPAN("messaging"), id, J(w, body)));
		(void)AS(w, "server", chat_delete_message(&w->c, m[dice(w, n)].id, dice(w, 2) == 0, &w->out));
		return;
	}
	case 2:
		OK(AS(w, "server:ann",
			chat_send_message(&w->c, SPAN("messaging"), id,
				J(w, "{\"message\":{\"text\":\"x\",\"restricted_visibility\":[\"ann\"]}}"), &w->out)));
		return;
	case 3:
		if (dice(w, 4) == 0)
			OK(AS(w, "server", chat_truncate_channel(&w->c, SPAN("messaging"), id, J(w, "{}"), &w->out)));
		return;
	default:
		OK(AS(w, me, chat_send_message(&w->c, SPAN("messaging"), id, J(w, "{\"message\":{\"text\":\"hi\"}}"), &w->out)));
		return;
	}
}

static int64_t unread_in(const struct store_totals *t, int64_t channel_pk)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->items[i].channel_pk == channel_pk) return t->items[i].unread;
	return 0;
}

static void compare_unread(struct world *w, const char *who)
{
	struct store_totals t;
	struct channel_list sorted, some;
	OK(AS(w, who, chat_totals(&w->c, w->c.me.pk, &t)));
	OK(run(w, who,
		"{\"filter_conditions\":{\"joined\":true},\"sort\":[{\"field\":\"unread_count\",\"direction\":-1}],\"limit\":30}",
		&sorted));
	OK(run(w, who, "{\"filter_conditions\":{\"has_unread\":true},\"limit\":30}", &some));
	size_t with = 0;
	for (size_t i = 0; i < sorted.n; i++) {
		int64_t here = unread_in(&t, sorted.items[i].ch.pk);
		with += here > 0;
		if (i > 0) assert_true(unread_in(&t, sorted.items[i - 1].ch.pk) >= here);
		/* and as the state shows it */
		OK(AS(w, who, store_member_unread(w->tx, &sorted.items[i].ch, &sorted.items[i].own)));
		assert_int_equal(sorted.items[i].own.unread, here);
	}
	assert_int_equal(some.n, with);
}

static void test_unread(void **state)
{
	struct world *w = *state;
	fill(w);
	create(w, "ann", "messaging", "c2", "{\"members\":[\"ann\",\"bob\"]}");
	for (int i = 0; i < 300; i++) {
		random_step(w);
		compare_unread(w, "ann");
		compare_unread(w, "bob");
	}
}

/* The same rows after a subscription; what is gone meanwhile is left out. */
static void test_reload(void **state)
{
	struct world *w = *state;
	struct channel_list l, again;
	fill(w);
	OK(run(w, "bob", "{}", &l));
	int64_t pks[8];
	for (size_t i = 0; i < l.n; i++) pks[i] = l.items[i].ch.pk;
	OK(AS(w, "server",
		chat_update_channel(&w->c, SPAN("messaging"), SPAN("b"), J(w, "{\"remove_members\":[\"bob\"]}"), &w->out)));
	OK(AS(w, "bob", chat_reload_channels(&w->c, NULL, pks, l.n, &again)));
	assert_string_equal(ids(w, &again), "d a");
}

static const char *list_members(struct world *w, const char *who, const char *payload)
{
	enum err e = AS(w, who, chat_query_members(&w->c, J(w, payload), &w->out));
	if (e != ERR_OK) return err_name(e);
	struct span out = SPAN("");
	size_t i, n;
	yyjson_val *m;
	yyjson_arr_foreach(json_get(w->answer, "members"), i, n, m) out =
		arena_printf(&w->arena, "%.*s%s%.*s", SPAN_FMT(out), i ? " " : "", SPAN_FMT(at(m, "user_id")));
	return out.p;
}

static void test_query_members(void **state)
{
	struct world *w = *state;
	fill(w);
	OK(AS(w, "server",
		chat_update_channel(&w->c, SPAN("messaging"), SPAN("b"), J(w, "{\"add_moderators\":[\"dan\"]}"), &w->out)));
#define LIST(who, rest, want) assert_string_equal(list_members(w, (who), "{\"type\":\"messaging\",\"id\":\"b\"" rest "}"), (want))
	LIST("ann", "", "ann bob cid dan");
	LIST("ann", ",\"filter_conditions\":null", "ann bob cid dan");
	LIST("ann", ",\"sort\":[{\"field\":\"created_at\",\"direction\":-1}]", "dan cid bob ann");
	LIST("ann", ",\"sort\":[{\"field\":\"name\",\"direction\":-1}],\"limit\":2,\"offset\":1", "cid bob");
	LIST("ann", ",\"filter_conditions\":{\"name\":{\"$autocomplete\":\"c\"}}", "cid");
	LIST("ann", ",\"filter_conditions\":{\"name\":{\"$q\":\"bob\"}}", "bob");
	LIST("ann", ",\"filter_conditions\":{\"id\":{\"$in\":[\"bob\",\"dan\",\"x\"]}}", "bob dan");
	LIST("ann", ",\"filter_conditions\":{\"id\":{\"$nin\":[\"bob\",\"dan\"]}}", "ann cid");
	LIST("ann", ",\"filter_conditions\":{\"is_moderator\":true}", "dan");
	LIST("ann", ",\"filter_conditions\":{\"channel_role\":\"channel_moderator\"}", "dan");
	LIST("ann", ",\"filter_conditions\":{\"joined\":true},\"user_id_gt\":\"bob\"", "cid dan");
	LIST("ann", ",\"user_id_lte\":\"bob\"", "ann bob");
	LIST("ann", ",\"filter_conditions\":{\"last_active\":{\"$exists\":false}}", "ann bob cid dan");
	LIST("ann", ",\"filter_conditions\":{\"cid\":\"messaging:b\"}", "INPUT");
	LIST("ann", ",\"limit\":101", "INPUT");
	LIST("ann", ",\"created_at_after\":\"yesterday\"", "INPUT");
	LIST("ann", ",\"created_at_after\":\"2020-01-01T00:00:00Z\"", "ann bob cid dan");
	assert_string_equal(list_members(w, "dan", "{\"type\":\"messaging\",\"id\":\"a\"}"), "NOT_ALLOWED");
	assert_string_equal(list_members(w, "ann", "{\"type\":\"messaging\",\"id\":\"nope\"}"), "NOT_FOUND");
	assert_string_equal(list_members(w, "ann", "{\"type\":\"messaging\"}"), "INPUT");
	assert_string_equal(list_members(w, "ann", "{\"id\":\"a\"}"), "INPUT");
	assert_string_equal(
		list_members(w, "cid", "{\"type\":\"messaging\",\"id\":\"e\",\"filter_conditions\":{\"invite\":\"pending\"}}"),
		"cid");
	/* distinct channels by their members */
	struct channel_want want;
	struct channel_ctx x;
	struct chat_ctx *c = world_as(w, "ann");
	OK(chat_want_parse(c, J(w, "{\"data\":{\"members\":[\"bob\",\"ann\"]}}"), true, &want));
	OK(world_end(w, chat_get_or_create(c, SPAN("messaging"), SPAN_NONE, &want, &x)));
	assert_string_equal(
		list_members(w, "ann", "{\"type\":\"messaging\",\"members\":[\"ann\",{\"user_id\":\"bob\"}]}"), "ann bob");
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_visibility), TEST(test_members), TEST(test_fields), TEST(test_own_state),
		TEST(test_sort_and_page), TEST(test_unread), TEST(test_reload), TEST(test_query_members) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
