/* connection-and-users.md 2.2 - 2.4, and the positions of resume. */
#include "harness.h"

static void test_unknown_user_is_made(void **state)
{
	struct world *w = *state;
	connect_user(w, "john", "\"name\":\"John\",\"color\":\"red\"");
	OK(w, 200);
	assert_true(w->went_to_lane);
	assert_int_equal(w->call.chat.event_count, 0);
	yyjson_val *me = w->json;
	static const char *const lists[] = { "teams", "devices", "mutes", "channel_mutes", "blocked_user_ids", "roles" };
	for (size_t i = 0; i < BECK_COUNT(lists); i++) assert_json(w, json_get(me, lists[i]), "[]");
	static const char *const counts[] = { "total_unread_count", "unread_count", "unread_channels", "unread_threads" };
	for (size_t i = 0; i < BECK_COUNT(counts); i++) assert_json(w, json_get(me, counts[i]), "0");
	static const char *const absent[] = { "privacy_settings", "shadow_banned", "total_unread_count_by_team", "deleted_at",
		"deactivated_at", "ban_expires", "revoke_tokens_issued_before", "teams_role", "latest_hidden_channels", "image" };
	for (size_t i = 0; i < BECK_COUNT(absent); i++) assert_null(json_get(me, absent[i]));
	assert_text(text_at(me, "role"), "user");
	assert_text(text_at(me, "language"), "");
	assert_text(text_at(me, "color"), "red");
	assert_json(w, json_get(me, "online"), "true");
	assert_json(w, json_get(me, "invisible"), "false");
	assert_true(span_eq(text_at(me, "created_at"), text_at(me, "updated_at")));
	assert_true(span_eq(text_at(me, "last_active"), text_at(me, "created_at")));
	struct session_start *s = w->call.start;
	assert_true(s->user > 0);
	assert_int_equal(s->connection_limit, 50);
	assert_false(s->wants_seq);
	assert_int_equal(s->membership_count, 0);
	yyjson_val *john = stored(w, "john");
	assert_text(text_at(john, "name"), "John");
	assert_text(text_at(john, "role"), "user");
}

static void test_nothing_to_change_is_a_read(void **state)
{
	struct world *w = *state;
	connect_user(w, "john", "\"name\":\"John\",\"x\":{\"a\":[1,2]}");
	struct span updated = arena_dup(&w->arena, text_at(w->json, "updated_at"));
	connect_user(w, "john", "\"x\":{\"a\":[1,2]},\"name\":\"John\",\"online\":false,\"created_at\":\"2001-01-01T00:00:00Z\"");
	OK(w, 200);
	assert_false(w->went_to_lane);
	assert_int_equal(w->call.chat.event_count, 0);
	assert_true(span_eq(text_at(w->json, "updated_at"), updated));
	connect_user(w, "john", "\"name\":\"Johnny\"");
	assert_true(w->went_to_lane);
	assert_false(span_eq(text_at(w->json, "updated_at"), updated));
}

static void test_merge_is_by_top_level_key(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *details, *custom;
	} steps[] = {
		{ "\"x\":1,\"z\":true", "{\"x\":1,\"z\":true}" },
		{ "\"y\":2", "{\"x\":1,\"z\":true,\"y\":2}" },
		{ "\"x\":{\"a\":1,\"b\":2}", "{\"x\":{\"a\":1,\"b\":2},\"z\":true,\"y\":2}" },
		{ "\"x\":{\"c\":3},\"z\":false", "{\"x\":{\"c\":3},\"z\":false,\"y\":2}" },
		{ "\"x\":null,\"none\":null", "{\"z\":false,\"y\":2}" },
		{ "\"z\":null,\"y\":null", "{}" },
	};
	for (size_t i = 0; i < BECK_COUNT(steps); i++) {
		connect_user(w, "john", steps[i].details);
		OK(w, 200);
		yyjson_val *wanted, *key, *value;
		const char *why;
		size_t pos, k, n;
		wanted = json_parse(&w->arena, span_str(steps[i].custom), &why, &pos);
		yyjson_obj_foreach(wanted, k, n, key, value)
			assert_true(json_equal(json_get(w->json, yyjson_get_str(key)), value));
		static const char *const all[] = { "x", "y", "z", "none" };
		for (k = 0; k < BECK_COUNT(all); k++)
			if (!json_get(wanted, all[k])) assert_null(json_get(w->json, all[k]));
	}
}

static void test_privacy_merges_by_setting(void **state)
{
	struct world *w = *state;
	connect_user(w, "john", "\"privacy_settings\":{\"typing_indicators\":{\"enabled\":false}}");
	connect_user(w, "john", "\"privacy_settings\":{\"read_receipts\":{\"enabled\":true}}");
	assert_json(w, json_get(w->json, "privacy_settings"),
		"{\"typing_indicators\":{\"enabled\":false},\"read_receipts\":{\"enabled\":true}}");
}

static void test_change_tells_others_and_himself(void **state)
{
	struct world *w = *state;
	connect_user(w, "john", "\"name\":\"John\"");
	connect_user(
		w, "john", "\"name\":\"Johnny\",\"invisible\":true,\"privacy_settings\":{\"read_receipts\":{\"enabled\":false}}");
	assert_int_equal(event_count(w, EVENT_USER_UPDATED), 2);
	struct event *own = event_at(w, EVENT_USER_UPDATED, 0), *others = event_at(w, EVENT_USER_UPDATED, 1);
	assert_int_equal(own->cls, EVENT_CLASS_OWN);
	assert_true(own->pos > 0);
	assert_json(w, at(body_of(w, own), "user", "invisible"), "true");
	assert_int_equal(others->cls, EVENT_CLASS_PRESENCE);
	assert_int_equal(others->pos, own->pos); /* one row of the log */
	assert_true(others->flags & EVENT_NOT_ACTOR);
	assert_json(w, at(body_of(w, others), "user", "invisible"), "false");
	assert_json(w, at(body_of(w, others), "user", "online"), "false");
	assert_non_null(at(body_of(w, others), "user", "privacy_settings"));
	/* He is offline: nobody saw him come. */
	assert_int_equal(event_count(w, EVENT_USER_PRESENCE_CHANGED), 0);
	struct session_start *s = w->call.start;
	assert_true(s->invisible);
	assert_true(s->snapshot_pos >= own->pos);
	assert_json(w, json_get(w->json, "online"), "true");
}

static void test_refusals(void **state)
{
	struct world *w = *state;
	make_user(w, "jane", "");
	static const struct {
		const char *details;
		int status, code;
	} cases[] = {
		{ "\"role\":\"admin\"", 403, 17 },
		{ "\"role\":\"no-such-role\"", 403, 17 },
		{ "\"teams\":[\"red\"]", 403, 17 },
		{ "\"teams_role\":{\"red\":\"admin\"}", 403, 17 },
		{ "\"pk\":1", 400, 4 },
		{ "\"app_pk\":1", 400, 4 },
		{ "\"user_pk\":null", 400, 4 },
		{ "\"name\":7", 400, 4 },
		{ "\"image\":[]", 400, 4 },
		{ "\"language\":1", 400, 4 },
		{ "\"invisible\":\"yes\"", 400, 4 },
		{ "\"privacy_settings\":1", 400, 4 },
		{ "\"privacy_settings\":{\"read_receipts\":true}", 400, 4 },
		{ "\"privacy_settings\":{\"read_receipts\":{\"enabled\":\"no\"}}", 400, 4 },
		{ "\"role\":1", 400, 4 },
		{ "\"teams\":\"red\"", 400, 4 },
		{ "\"teams\":[1]", 400, 4 },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		connect_user(w, "jane", arena_printf(&w->arena, "%s,\"z\":1", cases[i].details).p);
		expect(w, cases[i].status, cases[i].code, (int)i);
		assert_null(json_get(stored(w, "jane"), "z"));
		connect_user(w, "new", cases[i].details);
		expect(w, cases[i].status, cases[i].code, (int)i);
		assert_null(stored(w, "new"));
	}
	connect_user(w, "jane", "\"role\":\"user\",\"teams\":[]");
	OK(w, 200);
	assert_false(w->went_to_lane);
}

static void test_size_is_that_of_the_merged_object(void **state)
{
	struct world *w = *state;
	char *big = malloc(6000);
	memset(big, 'x', 6000);
	big[3000] = 0;
	connect_user(w, "john", arena_printf(&w->arena, "\"a\":\"%s\"", big).p);
	OK(w, 200);
	connect_user(w, "john", arena_printf(&w->arena, "\"b\":\"%s\"", big).p);
	FAILS(w, 400, 4);
	connect_user(w, "john", arena_printf(&w->arena, "\"a\":null,\"b\":\"%s\"", big).p);
	OK(w, 200);
	/* {"id":"exact","f":"..."} of exactly the limit, and one past it */
	size_t around = strlen("{\"id\":\"exact\",\"f\":\"\"}");
	memset(big, 'x', 6000);
	big[(size_t)LIMIT_USER_OBJECT_BYTES - around + 1] = 0;
	connect_user(w, "exact", arena_printf(&w->arena, "\"f\":\"%s\"", big).p);
	FAILS(w, 400, 4);
	assert_null(stored(w, "exact"));
	big[(size_t)LIMIT_USER_OBJECT_BYTES - around] = 0;
	connect_user(w, "exact", arena_printf(&w->arena, "\"f\":\"%s\"", big).p);
	OK(w, 200);
	free(big);
}

static void test_payload_shapes(void **state)
{
	struct world *w = *state;
	static const char *const bad[] = { "{", "[]", "7", "null", "", "{\"user_details\":{\"id\":\"a\"}}", "{\"user_id\":\"a\"}",
		"{\"user_id\":\"a\",\"user_details\":{}}", "{\"user_id\":\"a\",\"user_details\":[]}",
		"{\"user_id\":\"a\",\"user_details\":{\"id\":7}}", "{\"user_id\":\"a\",\"user_details\":{\"id\":\"b\"}}",
		"{\"user_id\":7,\"user_details\":{\"id\":7}}" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		connect_with(w, token_of(w, "a"), bad[i]);
		expect(w, 400, 4, (int)i);
	}
	connect_with(w, token_of(w, "a"), "{\"user_id\":\"b\",\"user_details\":{\"id\":\"b\"}}");
	FAILS(w, 401, 5);
	static const char *const ids[] = { "has space", "dot.ted", "sla/sh", "colon:", "!bang", "plus+", "*" };
	for (size_t i = 0; i < BECK_COUNT(ids); i++) {
		connect_user(w, ids[i], "");
		expect(w, 400, 4, (int)i);
	}
	assert_null(stored(w, "a"));
	assert_true(span_starts(text_at(w->json, "duration"), SPAN("1.23")));
}

static void test_device(void **state)
{
	struct world *w = *state;
	const char *payload = "{\"user_id\":\"john\",\"user_details\":{\"id\":\"john\"},\"device\":{\"id\":\"d1\",\"push_"
			      "provider\":\"firebase\"}}";
	connect_with(w, token_of(w, "john"), payload);
	OK(w, 200);
	yyjson_val *device = yyjson_arr_get_first(json_get(w->json, "devices"));
	assert_text(text_at(device, "id"), "d1");
	assert_text(text_at(device, "user_id"), "john");
	connect_with(w, token_of(w, "john"), payload);
	assert_false(w->went_to_lane);
	connect_with(w, token_of(w, "john"),
		"{\"user_id\":\"john\",\"user_details\":{\"id\":\"john\"},\"device\":{\"id\":\"d1\",\"push_provider\":\"pigeon\"}"
		"}");
	FAILS(w, 400, 4);
	connect_with(w, token_of(w, "john"), "{\"user_id\":\"john\",\"user_details\":{\"id\":\"john\"},\"device\":null}");
	OK(w, 200);
	for (int i = 0; i < 30; i++)
		connect_with(w, token_of(w, "john"),
			arena_printf(&w->arena,
				"{\"user_id\":\"john\",\"user_details\":{\"id\":\"john\"},\"device\":{\"id\":\"e%d\",\"push_"
				"provider\":\"apn\"}}",
				i)
				.p);
	assert_int_equal(yyjson_arr_size(json_get(w->json, "devices")), LIMIT_DEVICES);
}

static void test_anonymous(void **state)
{
	struct world *w = *state;
	begin_call(w, HTTP_M_GET, "/connect?api_key=key&stream-auth-type=anonymous&json=%7B%22user_id%22%3A%22x%22%7D", SPAN_NONE,
		NULL);
	w->call.http.header_count = 0;
	assert_int_equal(api_prepare_connect(&w->chat, &w->call), ERR_OK);
	run(w);
	struct session_start *s = w->call.start;
	assert_non_null(s);
	assert_int_equal(s->user, 0);
	assert_non_null(strstr(s->me.p, "\"id\":\"!anon\",\"role\":\"anonymous\""));
	assert_non_null(strstr(s->me.p, "\"created_at\":\"0001-01-01T00:00:00Z\""));
	assert_non_null(strstr(s->me.p, "\"channel_mutes\":[]"));
	assert_int_equal(s->connection_limit, LIMIT_ANON_PER_APP);
}

static struct session_start *resume(struct world *w, const char *rest)
{
	connect_with(w, token_of(w, "john"),
		arena_printf(&w->arena, "{\"user_id\":\"john\",\"user_details\":{\"id\":\"john\"},%s}", rest).p);
	return w->call.start;
}

static void test_resume_positions(void **state)
{
	struct world *w = *state;
	make_user(w, "john", "");
	make_user(w, "bob", "");
	PATCH(w, "/users", SERVER, "{\"users\":[{\"id\":\"john\",\"set\":{\"a\":1}}]}"); /* one position */
	struct session_start *s = resume(w, "\"resume\":true");
	OK(w, 200);
	assert_true(s->wants_seq && !s->has_resume && !s->gap);
	assert_int_equal(s->snapshot_pos, 1);
	s = resume(w, "\"resume\":true,\"resume_from\":{\"seq\":1,\"connection_id\":\"old\",\"watch\":[\"messaging:none\",\"x\"],"
		      "\"presence\":[\"bob\",\"nobody\",\"bob\"]}");
	assert_true(s->has_resume && !s->gap);
	assert_int_equal(s->resume_seq, 1);
	assert_int_equal(s->watch_count, 0);
	assert_int_equal(s->presence_count, 1);
	assert_text(s->old_connection_id, "old");
	s = resume(w, "\"resume\":true,\"resume_from\":{\"seq\":2}");
	assert_true(s->gap);
	s = resume(w, "\"resume_from\":{\"seq\":1}");
	assert_false(s->wants_seq || s->has_resume);
	static const char *const bad[] = { "5", "[]", "\"frame\"", "{\"seq\":\"7\"}", "{\"connection_id\":7,\"seq\":1}",
		"{\"seq\":1,\"watch\":\"messaging:x\"}", "{\"seq\":1,\"watch\":[7]}", "{\"seq\":1,\"presence\":{}}",
		"{\"connection_id\":\"x\"}", "{\"seq\":-1}", "{\"seq\":1.5}" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		resume(w, arena_printf(&w->arena, "\"resume\":true,\"resume_from\":%s", bad[i]).p);
		expect(w, 400, 4, (int)i);
	}
}

static void test_resume_watches_are_checked_anew(void **state)
{
	struct world *w = *state;
	make_user(w, "john", "");
	make_user(w, "bob", "");
	POST(w, "/channels/messaging/mine/query", SERVER, "{\"data\":{\"created_by_id\":\"bob\",\"members\":[\"john\"]}}");
	OK(w, 201);
	POST(w, "/channels/messaging/theirs/query", SERVER, "{\"data\":{\"created_by_id\":\"bob\",\"members\":[\"bob\"]}}");
	OK(w, 201);
	POST(w, "/channels/messaging/mine/message", SERVER, "{\"message\":{\"text\":\"hi\",\"user_id\":\"bob\"}}");
	OK(w, 201);
	struct session_start *s = resume(w, "\"resume\":true,\"resume_from\":{\"seq\":0,\"watch\":[\"messaging:theirs\","
					    "\"messaging:mine\",\"messaging:mine\"]}");
	OK(w, 200);
	assert_int_equal(s->watch_count, 1);
	assert_int_equal(s->membership_count, 1);
	assert_int_equal(s->memberships[0].channel, s->watch[0]);
	assert_int_equal(s->memberships[0].unread, 1);
	assert_int_equal(s->total_unread, 1);
	assert_json(w, json_get(w->json, "total_unread_count"), "1");
	assert_json(w, json_get(w->json, "unread_channels"), "1");
}

static void test_guest(void **state)
{
	struct world *w = *state;
	w->kind = "anonymous";
	POST(w, "/guest", SPAN_NONE, "{\"user\":{\"id\":\"tom\",\"name\":\"Tom\",\"x\":1}}");
	FAILS(w, 403, 17); /* off unless the operator says otherwise */
	w->kind = "jwt";
	PATCH(w, "/app", SERVER, "{\"guest_user_creation_disabled\":false}");
	POST(w, "/guest", SPAN_NONE, "{\"user\":{\"id\":\"tom\",\"name\":\"Tom\",\"x\":1}}");
	OK(w, 201);
	struct span id = arena_dup(&w->arena, text_at(json_get(w->json, "user"), "id")),
		    token = arena_dup(&w->arena, text_at(w->json, "access_token"));
	assert_true(span_starts(id, SPAN("guest-")) && span_eq(span_skip(id, id.n - 4), SPAN("-tom")));
	assert_text(text_at(json_get(w->json, "user"), "role"), "guest");
	connect_with(w, token,
		arena_printf(&w->arena, "{\"user_id\":\"%.*s\",\"user_details\":{\"id\":\"%.*s\"}}", SPAN_FMT(id), SPAN_FMT(id))
			.p);
	OK(w, 200);
	assert_text(text_at(w->json, "role"), "guest");
	POST(w, "/guest", SPAN_NONE, "{\"user\":{\"id\":\"tom\",\"role\":\"admin\"}}");
	FAILS(w, 403, 17);
	static const char *const bad[] = { "{}", "{\"user\":{}}", "{\"user\":{\"id\":\"a b\"}}", "{\"user\":[]}" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		POST(w, "/guest", SPAN_NONE, bad[i]);
		expect(w, 400, 4, (int)i);
	}
	GET(w, "/beck/usage", SERVER);
	assert_json(w, json_get(w->json, "monthly_active_users"), "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_unknown_user_is_made), TEST(test_nothing_to_change_is_a_read),
		TEST(test_merge_is_by_top_level_key), TEST(test_privacy_merges_by_setting),
		TEST(test_change_tells_others_and_himself), TEST(test_refusals), TEST(test_size_is_that_of_the_merged_object),
		TEST(test_payload_shapes), TEST(test_device), TEST(test_anonymous), TEST(test_resume_positions),
		TEST(test_resume_watches_are_checked_anew), TEST(test_guest) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
