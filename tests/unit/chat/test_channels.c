/* Creating, reading and changing channels. */
#include "world.h"

static enum err create(
	struct world *w, const char *who, const char *type, const char *id, const char *body, struct channel_ctx *x)
{
	struct channel_want want;
	struct chat_ctx *c = world_as(w, who);
	enum err e = chat_want_parse(c, J(w, body), true, &want);
	if (e == ERR_OK) e = chat_get_or_create(c, span_str(type), span_str(id), &want, x);
	if (e == ERR_OK) e = chat_state_write(chat_state_begin(c), &w->out, x, &want);
	return world_end(w, e);
}

static enum err update(struct world *w, const char *who, const char *id, const char *body)
{
	return AS(w, who, chat_update_channel(&w->c, SPAN("messaging"), span_str(id), J(w, body), &w->out));
}

static enum err patch(struct world *w, const char *who, const char *id, const char *body)
{
	return AS(w, who, chat_update_channel_partial(&w->c, SPAN("messaging"), span_str(id), J(w, body), &w->out));
}

static void people(struct world *w)
{
	static const char *const ids[] = { "ann", "bob", "cid", "dan" };
	for (size_t i = 0; i < BECK_COUNT(ids); i++) (void)world_user(w, ids[i]);
}

static yyjson_val *channel(struct world *w) { return json_get(w->answer, "channel"); }
static size_t members(struct world *w) { return yyjson_arr_size(json_get(w->answer, "members")); }

static void test_create_and_get(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	people(w);
	w->read_only = true;
	assert_int_equal(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":[\"ann\",\"bob\"]}}", &x), ERR_AGAIN);
	w->read_only = false;
	OK(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":[\"ann\",\"bob\",\"bob\"],\"name\":\"First\",\"x\":1}}",
		&x));
	assert_text(at(channel(w), "cid"), "messaging:one");
	assert_text(at(channel(w), "name"), "First");
	assert_int_equal(num(channel(w), "x"), 1);
	assert_int_equal(num(channel(w), "member_count"), 2);
	assert_int_equal(members(w), 2);
	assert_text(at(json_get(channel(w), "created_by"), "id"), "ann");
	assert_true(yyjson_is_arr(json_get(channel(w), "own_capabilities")));
	assert_true(yyjson_is_obj(json_get(channel(w), "config")));
	assert_true(has(w->answer, "membership"));
	static const char *const lists[] = { "messages", "members", "pinned_messages", "threads", "read", "watchers" };
	for (size_t i = 0; i < BECK_COUNT(lists); i++) assert_true(yyjson_is_arr(json_get(w->answer, lists[i])));
	assert_int_equal(num(w->answer, "watcher_count"), 0);
	/* to each member his own event, and the creation */
	assert_non_null(event_of(w, EVENT_CHANNEL_CREATED, 0));
	struct event *added = event_of(w, EVENT_NOTIFICATION_ADDED_TO_CHANNEL, 1);
	assert_non_null(added);
	assert_null(event_of(w, EVENT_NOTIFICATION_ADDED_TO_CHANNEL, 2));
	assert_int_equal(added->move, MOVE_JOIN);
	assert_int_equal(added->user, world_user(w, "bob").pk);
	assert_int_equal(added->flags & (EVENT_NOT_WATCHING | EVENT_HAS_COUNTS), EVENT_NOT_WATCHING | EVENT_HAS_COUNTS);
	assert_text(at(json_get(body_of(w, added), "member"), "user_id"), "bob");
	assert_null(event_of(w, EVENT_MEMBER_ADDED, 0));
	/* again: data is ignored, nothing happens, a reader is enough */
	w->read_only = true;
	OK(create(w, "bob", "messaging", "one", "{\"data\":{\"name\":\"Other\"}}", &x));
	assert_text(at(channel(w), "name"), "First");
	assert_int_equal(w->c.event_count, 0);
	assert_int_equal(create(w, "cid", "messaging", "one", "{}", &x), ERR_NOT_ALLOWED);
}

static void test_state_off(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	people(w);
	OK(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":[\"ann\"]},\"state\":false}", &x));
	assert_true(has(w->answer, "membership"));
	assert_int_equal(members(w), 0);
	assert_false(has(w->answer, "read"));
	assert_false(has(w->answer, "watchers"));
}

static void test_create_refusals(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	people(w);
	assert_int_equal(create(w, "ann", "nothing", "one", "{}", &x), ERR_NOT_FOUND);
	assert_int_equal(create(w, "ann", "messaging", "a b", "{}", &x), ERR_INPUT);
	assert_int_equal(create(w, "ann", "messaging", "!members-x", "{}", &x), ERR_INPUT);
	assert_int_equal(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":[\"nobody\"]}}", &x), ERR_INPUT);
	assert_true(memmem(w->c.error.message.p, w->c.error.message.n, "nobody", 6) != NULL);
	assert_int_equal(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":\"ann\"}}", &x), ERR_INPUT);
	assert_int_equal(create(w, "ann", "messaging", "one", "{\"data\":{\"disabled\":true}}", &x), ERR_NOT_ALLOWED);
	assert_int_equal(create(w, "server", "messaging", "one", "{\"data\":{}}", &x), ERR_INPUT);
	assert_int_equal(create(w, "!anon", "messaging", "one", "{}", &x), ERR_NOT_ALLOWED);
	assert_int_equal(create(w, "ann", "gaming", "one", "{}", &x), ERR_NOT_ALLOWED);
	OK(create(w, "server", "messaging", "one", "{\"data\":{\"created_by_id\":\"new-one\"}}", &x));
	assert_text(at(json_get(channel(w), "created_by"), "id"), "new-one");
	assert_false(has(channel(w), "own_capabilities"));
	OK(create(w, "server", "messaging", "one", "{}", &x));
	OK(create(w, "server", "messaging", "one", "{\"data\":{\"created_by_id\":\"ann\"}}", &x));
	assert_text(at(json_get(channel(w), "created_by"), "id"), "new-one");
}

static void test_custom_bounds(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	char body[8192], text[8192];
	people(w);
	memset(text, 'x', sizeof text);
	int n = (int)LIMIT_CUSTOM_BYTES - (int)strlen("{\"x\":\"\"}");
	snprintf(body, sizeof body, "{\"data\":{\"x\":\"%.*s\"}}", n, text);
	OK(create(w, "ann", "messaging", "fits", body, &x));
	snprintf(body, sizeof body, "{\"data\":{\"x\":\"%.*s\"}}", n + 1, text);
	assert_int_equal(create(w, "ann", "messaging", "not", body, &x), ERR_INPUT);
}

static void test_distinct(void **state)
{
	struct world *w = *state;
	struct channel_ctx x, y;
	struct channel_want want;
	people(w);
	struct chat_ctx *c = world_as(w, "ann");
	OK(chat_want_parse(c, J(w, "{\"data\":{\"members\":[\"bob\",\"ann\",\"bob\"]}}"), true, &want));
	OK(world_end(w, chat_get_or_create(c, SPAN("messaging"), SPAN_NONE, &want, &x)));
	assert_true(span_starts(x.ch.id, SPAN("!members-")));
	assert_int_equal(x.ch.id.n, 9 + 43);
	c = world_as(w, "bob");
	OK(chat_want_parse(c, J(w, "{\"data\":{\"members\":[{\"user_id\":\"ann\"},\"bob\"]}}"), true, &want));
	OK(world_end(w, chat_get_or_create(c, SPAN("messaging"), SPAN_NONE, &want, &y)));
	assert_int_equal(x.ch.pk, y.ch.pk);
	/* others cannot be put together, and nobody comes or goes */
	c = world_as(w, "cid");
	OK(chat_want_parse(c, J(w, "{\"data\":{\"members\":[\"dan\",\"bob\"]}}"), true, &want));
	assert_int_equal(world_end(w, chat_get_or_create(c, SPAN("messaging"), SPAN_NONE, &want, &y)), ERR_NOT_ALLOWED);
	c = world_as(w, "cid");
	OK(chat_want_parse(c, J(w, "{}"), true, &want));
	assert_int_equal(world_end(w, chat_get_or_create(c, SPAN("messaging"), SPAN_NONE, &want, &y)), ERR_INPUT);
	assert_int_equal(update(w, "server:ann", x.ch.id.p, "{\"add_members\":[\"cid\"]}"), ERR_INPUT);
	assert_int_equal(update(w, "bob", x.ch.id.p, "{\"remove_members\":[\"bob\"]}"), ERR_INPUT);
	/* the id of the contract: SHA-256 of the sorted ids joined by NUL, base64url */
	const struct span ids[] = { SPAN("b"), SPAN("a"), SPAN("b") };
	assert_text(chat_distinct_id(&w->arena, ids, 3, SPAN_NONE), "!members-WbJxrhu8sdMdQZKYF_Sxb7Q5608xUgta0dXOmJIKcTg");
}

static void test_members_in_and_out(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	people(w);
	OK(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":[\"ann\"]}}", &x));
	OK(update(w, "ann", "one",
		"{\"add_members\":[\"bob\",{\"user_id\":\"cid\",\"color\":\"red\",\"banned\":true,\"channel_role\":\"\"},\"ann\"]"
		"}"));
	assert_int_equal(members(w), 3);
	assert_int_equal(num(channel(w), "member_count"), 3);
	assert_non_null(event_of(w, EVENT_MEMBER_ADDED, 1));
	assert_null(event_of(w, EVENT_MEMBER_ADDED, 2));
	assert_null(event_of(w, EVENT_CHANNEL_UPDATED, 0));
	yyjson_val *m = json_get(body_of(w, event_of(w, EVENT_MEMBER_ADDED, 1)), "member");
	assert_text(at(m, "color"), "red");
	assert_false(is(m, "banned"));
	assert_text(at(m, "channel_role"), "channel_member");
	OK(update(w, "server", "one", "{\"remove_members\":[\"bob\",\"dan\"]}"));
	assert_int_equal(members(w), 2);
	assert_int_equal(num(channel(w), "member_count"), 2);
	struct event *left = event_of(w, EVENT_NOTIFICATION_REMOVED_FROM_CHANNEL, 0);
	assert_int_equal(left->move, MOVE_LEAVE);
	struct event *gone = event_of(w, EVENT_MEMBER_REMOVED, 0);
	assert_true(gone->flags & EVENT_DROP_WATCH);
	assert_int_equal(gone->user, world_user(w, "bob").pk);
	assert_null(event_of(w, EVENT_MEMBER_REMOVED, 1));
	/* rights: a plain member adds nobody, leaves by himself */
	assert_int_equal(update(w, "cid", "one", "{\"add_members\":[\"dan\"]}"), ERR_NOT_ALLOWED);
	assert_int_equal(update(w, "cid", "one", "{\"remove_members\":[\"ann\"]}"), ERR_NOT_ALLOWED);
	OK(update(w, "cid", "one", "{\"remove_members\":[\"cid\"]}"));
	assert_int_equal(update(w, "cid", "one", "{}"), ERR_NOT_ALLOWED);
	assert_int_equal(update(w, "ann", "one", "{\"add_members\":[\"nobody\"]}"), ERR_INPUT);
	assert_int_equal(update(w, "ann", "one", "{\"add_members\":[7]}"), ERR_INPUT);
}

static void test_members_per_call(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	char body[4096], id[16];
	people(w);
	OK(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":[\"ann\"]}}", &x));
	for (int n = 100; n <= 101; n++) {
		size_t used = (size_t)snprintf(body, sizeof body, "{\"add_members\":[");
		for (int i = 0; i < n; i++) {
			snprintf(id, sizeof id, "u%d", i);
			(void)world_user(w, id);
			used += (size_t)snprintf(body + used, sizeof body - used, "%s\"%s\"", i ? "," : "", id);
		}
		snprintf(body + used, sizeof body - used, "]}");
		assert_int_equal(update(w, "ann", "one", body), n == 100 ? ERR_OK : ERR_INPUT);
	}
	OK(patch(w, "ann", "one", "{\"set\":{\"a\":1}}"));
	assert_int_equal(num(channel(w), "member_count"), 101);
	assert_int_equal(members(w), 100);
}

static void test_roles(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	people(w);
	OK(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":[\"ann\",\"bob\"]}}", &x));
	/* roles see the members added by the same body */
	OK(update(w, "server", "one",
		"{\"assign_roles\":[{\"user_id\":\"cid\",\"channel_role\":\"channel_moderator\"}],\"add_members\":[\"cid\"]}"));
	yyjson_val *cid = yyjson_arr_get(json_get(w->answer, "members"), 2);
	assert_text(at(cid, "channel_role"), "channel_moderator");
	assert_text(at(cid, "role"), "moderator");
	assert_non_null(event_of(w, EVENT_MEMBER_UPDATED, 0));
	assert_int_equal(
		update(w, "server", "one", "{\"assign_roles\":[{\"user_id\":\"dan\",\"channel_role\":\"channel_member\"}]}"),
		ERR_INPUT);
	OK(update(w, "server", "one", "{\"demote_moderators\":[\"cid\"],\"add_moderators\":[\"bob\",\"dan\"]}"));
	assert_int_equal(members(w), 4);
	assert_text(at(yyjson_arr_get(json_get(w->answer, "members"), 2), "role"), "member");
	assert_text(at(yyjson_arr_get(json_get(w->answer, "members"), 1), "role"), "moderator");
	assert_text(at(yyjson_arr_get(json_get(w->answer, "members"), 0), "role"), "owner");
	assert_text(at(yyjson_arr_get(json_get(w->answer, "members"), 3), "channel_role"), "channel_moderator");
}

static void test_invites(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	people(w);
	OK(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":[\"ann\",\"bob\"],\"invites\":[\"bob\",\"cid\"]}}", &x));
	assert_int_equal(num(channel(w), "member_count"), 3);
	assert_text(at(yyjson_arr_get(json_get(w->answer, "members"), 1), "status"), "pending");
	struct event *invited = event_of(w, EVENT_NOTIFICATION_INVITED, 1);
	assert_int_equal(invited->user, world_user(w, "cid").pk);
	assert_int_equal(invited->move, MOVE_RECOUNT);
	OK(update(w, "bob", "one", "{\"accept_invite\":true}"));
	struct event *own = event_of(w, EVENT_NOTIFICATION_INVITE_ACCEPTED, 0),
		     *others = event_of(w, EVENT_NOTIFICATION_INVITE_ACCEPTED, 1);
	assert_int_equal(own->move, MOVE_JOIN);
	assert_int_equal(others->cls, EVENT_CLASS_NOTIFY);
	assert_true(others->flags & EVENT_NOT_ACTOR);
	assert_non_null(event_of(w, EVENT_MEMBER_UPDATED, 0));
	assert_int_equal(update(w, "bob", "one", "{\"accept_invite\":true}"), ERR_INPUT);
	OK(update(w, "server:cid", "one", "{\"reject_invite\":true}"));
	assert_int_equal(update(w, "ann", "one", "{\"reject_invite\":true}"), ERR_INPUT);
	OK(update(w, "ann", "one", "{\"invites\":[\"cid\",\"dan\"]}"));
	assert_int_equal(num(channel(w), "member_count"), 4);
	assert_text(at(yyjson_arr_get(json_get(w->answer, "members"), 2), "status"), "pending");
}

static void test_data_replaces(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	people(w);
	OK(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":[\"ann\",\"bob\"],\"name\":\"n\",\"a\":1}}", &x));
	OK(update(w, "ann", "one", "{\"data\":{\"b\":2,\"member_count\":9,\"id\":\"z\"}}"));
	assert_false(has(channel(w), "a"));
	assert_false(has(channel(w), "name"));
	assert_int_equal(num(channel(w), "b"), 2);
	assert_int_equal(num(channel(w), "member_count"), 2);
	struct event *updated = event_of(w, EVENT_CHANNEL_UPDATED, 0);
	assert_int_equal(num(json_get(body_of(w, updated), "channel"), "b"), 2);
	assert_false(has(json_get(body_of(w, updated), "channel"), "own_capabilities"));
	assert_int_equal(update(w, "bob", "one", "{\"data\":{\"b\":3}}"), ERR_NOT_ALLOWED);
	assert_int_equal(update(w, "ann", "one", "{\"data\":{\"frozen\":true}}"), ERR_NOT_ALLOWED);
	OK(update(w, "server", "one", "{\"data\":{\"frozen\":true},\"cooldown\":120}"));
	assert_true(is(channel(w), "frozen"));
	assert_int_equal(num(channel(w), "cooldown"), 120);
	assert_int_equal(update(w, "server", "one", "{\"cooldown\":121}"), ERR_INPUT);
	OK(update(w, "server", "one", "{\"data\":{}}"));
	assert_true(is(channel(w), "frozen"));
}

static void test_patch(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	people(w);
	OK(create(w, "ann", "messaging", "one", "{\"data\":{\"members\":[\"ann\",\"bob\"],\"a\":{\"b\":1},\"c\":2}}", &x));
	OK(patch(w, "ann", "one", "{\"set\":{\"a.d\":3,\"e\":null},\"unset\":[\"c\",\"nothing\"]}"));
	assert_int_equal(num(json_get(channel(w), "a"), "b"), 1);
	assert_int_equal(num(json_get(channel(w), "a"), "d"), 3);
	assert_false(has(channel(w), "c"));
	assert_non_null(event_of(w, EVENT_CHANNEL_UPDATED, 0));
	static const char *const refused[] = { "{\"set\":{\"id\":\"x\"}}", "{\"unset\":[\"member_count\"]}",
		"{\"set\":{\"config\":{}}}", "{\"set\":{\"c.d\":1,\"c\":1}}", "{}", "{\"set\":7}", "{\"unset\":[7]}",
		"{\"set\":{\"frozen\":1}}" };
	OK(patch(w, "ann", "one", "{\"set\":{\"c\":1}}"));
	for (size_t i = 0; i < BECK_COUNT(refused); i++) assert_int_equal(patch(w, "server", "one", refused[i]), ERR_INPUT);
	assert_int_equal(patch(w, "ann", "one", "{\"set\":{\"disabled\":true}}"), ERR_NOT_ALLOWED);
	assert_int_equal(patch(w, "ann", "one", "{\"set\":{\"config_overrides\":{\"replies\":false}}}"), ERR_NOT_ALLOWED);
	OK(patch(w, "server", "one",
		"{\"set\":{\"config_overrides\":{\"replies\":false,\"grants\":{\"channel_member\":[\"!create-message\"]}}}}"));
	assert_false(is(json_get(channel(w), "config"), "replies"));
	OK(create(w, "bob", "messaging", "one", "{}", &x));
	yyjson_val *capabilities = json_get(channel(w), "own_capabilities"), *v;
	size_t i, n;
	yyjson_arr_foreach(capabilities, i, n, v)
	{
		assert_false(span_is(json_span(v), "send-message"));
		assert_false(span_is(json_span(v), "send-reply"));
	}
	assert_int_equal(patch(w, "server", "one", "{\"set\":{\"config_overrides\":{\"nothing\":1}}}"), ERR_INPUT);
	OK(patch(w, "server", "one", "{\"set\":{\"disabled\":true}}"));
	assert_int_equal(create(w, "bob", "messaging", "one", "{}", &x), ERR_NOT_ALLOWED);
	OK(patch(w, "server", "one", "{\"unset\":[\"disabled\",\"config_overrides\"]}"));
	OK(create(w, "bob", "messaging", "one", "{}", &x));
	assert_true(is(json_get(channel(w), "config"), "replies"));
}

static void test_filter_tags(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	people(w);
	OK(create(w, "server", "messaging", "one", "{\"data\":{\"created_by_id\":\"ann\",\"filter_tags\":[\"a\",\"b\"]}}", &x));
	OK(update(w, "server", "one", "{\"add_filter_tags\":[\"c\",\"a\"],\"remove_filter_tags\":[\"b\",\"z\"]}"));
	assert_int_equal(yyjson_arr_size(json_get(channel(w), "filter_tags")), 2);
	OK(update(w, "server", "one", "{\"add_filter_tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}"));
	assert_int_equal(update(w, "server", "one", "{\"add_filter_tags\":[\"11\"]}"), ERR_INPUT);
	assert_int_equal(update(w, "server", "one", "{\"add_filter_tags\":[\"\"]}"), ERR_INPUT);
	assert_int_equal(update(w, "server", "one", "{\"add_filter_tags\":\"x\"}"), ERR_INPUT);
}

static void test_dialect_2(void **state)
{
	struct world *w = *state;
	struct channel_ctx x;
	people(w);
	w->dialect = DIALECT_2;
	OK(create(w, "ann", "messaging", "one",
		"{\"data\":{\"members\":[{\"user_id\":\"ann\",\"custom\":{\"k\":1}}],\"custom\":{\"name\":\"n\"},\"stray\":1}}",
		&x));
	assert_text(at(json_get(channel(w), "custom"), "name"), "n");
	assert_false(has(channel(w), "stray"));
	assert_true(yyjson_is_int(json_get(channel(w), "created_at")));
	OK(patch(w, "ann", "one", "{\"set\":{\"color\":\"red\",\"custom.size\":2}}"));
	assert_text(at(json_get(channel(w), "custom"), "color"), "red");
	assert_int_equal(num(json_get(channel(w), "custom"), "size"), 2);
	yyjson_val *in_event = json_get(body_of(w, event_of(w, EVENT_CHANNEL_UPDATED, 0)), "channel");
	assert_text(at(in_event, "color"), "red");
	assert_true(yyjson_is_str(json_get(in_event, "created_at")));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_create_and_get), TEST(test_state_off), TEST(test_create_refusals),
		TEST(test_custom_bounds), TEST(test_distinct), TEST(test_members_in_and_out), TEST(test_members_per_call),
		TEST(test_roles), TEST(test_invites), TEST(test_data_replaces), TEST(test_patch), TEST(test_filter_tags),
		TEST(test_dialect_2) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
