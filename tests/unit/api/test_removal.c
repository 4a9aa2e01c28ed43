/* connection-and-users.md 4.5: deleting, restoring, deactivating and reactivating users. */
#include "harness.h"
#include "store/store_members.h"

/* alice and bob in a pair, alice and bob and carol in a group, each with a message of alice's and one of bob's; alice made the
 * group. */
static void scene(struct world *w)
{
	make_user(w, "alice", "\"name\":\"Alice\",\"secret\":\"marker-of-alice\"");
	make_user(w, "bob", "");
	make_user(w, "carol", "");
	POST(w, "/channels/messaging/pair/query", SERVER,
		"{\"data\":{\"created_by_id\":\"bob\",\"members\":[\"alice\",\"bob\"]}}");
	OK(w, 201);
	POST(w, "/channels/messaging/group/query", SERVER,
		"{\"data\":{\"created_by_id\":\"alice\",\"members\":[\"alice\",\"bob\",\"carol\"]}}");
	OK(w, 201);
	static const char *const channels[] = { "pair", "group" }, *const users[] = { "alice", "bob" };
	for (size_t c = 0; c < 2; c++)
		for (size_t u = 0; u < 2; u++) {
			POST(w, arena_printf(&w->arena, "/channels/messaging/%s/message", channels[c]).p, SERVER,
				arena_printf(&w->arena,
					"{\"message\":{\"id\":\"%s-%s\",\"text\":\"text of %s\",\"user_id\":\"%s\"}}",
					channels[c], users[u], users[u], users[u])
					.p);
			OK(w, 201);
		}
}

static yyjson_val *task_result(struct world *w, struct span id)
{
	run_tasks(w);
	GET(w, arena_printf(&w->arena, "/tasks/%.*s", SPAN_FMT(id)).p, SERVER);
	OK(w, 200);
	if (!span_is(text_at(w->json, "status"), "completed")) fail_msg("%.*s", SPAN_FMT(w->text));
	return json_get(w->json, "result");
}

static yyjson_val *remove_users(struct world *w, const char *body)
{
	POST(w, "/users/delete", SERVER, body);
	OK(w, 201);
	return task_result(w, arena_dup(&w->arena, text_at(w->json, "task_id")));
}

static yyjson_val *channel(struct world *w, const char *id)
{
	POST(w, arena_printf(&w->arena, "/channels/messaging/%s/query", id).p, SERVER, "{\"state\":true}");
	OK(w, 201);
	return w->json;
}

static struct span message_type(struct world *w, const char *id)
{
	GET(w, arena_printf(&w->arena, "/messages/%s", id).p, SERVER);
	return w->status == 200 ? text_at(json_get(w->json, "message"), "type") : SPAN_NONE;
}

static void test_soft_delete_and_restore(void **state)
{
	struct world *w = *state;
	scene(w);
	POST(w, "/users/delete", SERVER, "{\"user_ids\":[\"alice\"]}");
	OK(w, 201);
	struct span task = arena_dup(&w->arena, text_at(w->json, "task_id"));
	/* gone when the call is answered */
	yyjson_val *body = body_of(w, event_at(w, EVENT_USER_DELETED, 0));
	assert_text(text_at(body, "delete_user"), "soft");
	assert_text(text_at(body, "delete_messages"), "");
	assert_json(w, json_get(body, "hard_delete"), "false");
	assert_non_null(at(body, "user", "deleted_at"));
	struct event *end = end_of_sessions(w);
	assert_true(end->flags & EVENT_CLOSE_SESSIONS);
	assert_non_null(strstr(end->close_frame->p, "\"code\":16"));
	assert_null(stored(w, "alice"));
	GET(w, "/app", token_of(w, "alice"));
	FAILS(w, 404, 16);
	connect_user(w, "alice", "");
	FAILS(w, 404, 16);
	POST(w, "/users", SERVER, "{\"users\":{\"alice\":{\"id\":\"alice\"}}}");
	FAILS(w, 400, 4);
	GET(w, arena_printf(&w->arena, "/tasks/%.*s", SPAN_FMT(task)).p, SERVER);
	assert_text(text_at(w->json, "status"), "waiting");
	assert_json(w, task_result(w, task), "{\"alice\":{\"status\":\"ok\"}}");
	assert_text(message_type(w, "group-alice"), "regular");
	assert_non_null(at(json_get(w->json, "message"), "user", "deleted_at"));
	POST(w, "/users/restore", SERVER, "{\"user_ids\":[\"alice\",\"bob\"]}");
	OK(w, 201);
	assert_text(text_at(stored(w, "alice"), "name"), "Alice");
	assert_int_equal(yyjson_get_int(at(channel(w, "group"), "channel", "member_count")), 2); /* memberships stay gone */
}

static void test_messages_and_conversations(void **state)
{
	struct world *w = *state;
	scene(w);
	assert_json(w,
		remove_users(w, "{\"user_ids\":[\"alice\",\"alice\"],\"user\":\"soft\",\"messages\":\"soft\",\"conversations\":"
				"\"soft\"}"),
		"{\"alice\":{\"status\":\"ok\"}}");
	assert_text(message_type(w, "group-alice"), "deleted");
	assert_text(message_type(w, "group-bob"), "regular");
	GET(w, "/channels/messaging/pair", SERVER);
	FAILS(w, 404, 16);
	yyjson_val *group = channel(w, "group");
	assert_int_equal(yyjson_get_int(at(group, "channel", "message_count")), 1);
	connect_user(w, "carol", "");
	assert_json(w, json_get(w->json, "total_unread_count"), "1");
	assert_int_equal(w->call.start->membership_count, 1);
}

static void test_hard_delete(void **state)
{
	struct world *w = *state;
	scene(w);
	assert_json(w,
		remove_users(w, "{\"user_ids\":[\"alice\"],\"user\":\"hard\",\"messages\":\"hard\",\"conversations\":\"hard\"}"),
		"{\"alice\":{\"status\":\"ok\"}}");
	assert_false(span_given(message_type(w, "group-alice")));
	assert_text(message_type(w, "group-bob"), "regular");
	GET(w, "/channels/messaging/pair", SERVER);
	FAILS(w, 404, 16);
	yyjson_val *group = channel(w, "group");
	struct span owner = text_at(at(group, "channel", "created_by"), "id");
	assert_true(span_starts(owner, SPAN("delete-user-")));
	assert_int_equal(yyjson_get_int(at(group, "channel", "member_count")), 2);
	POST(w, "/users/restore", SERVER, "{\"user_ids\":[\"alice\"]}");
	FAILS(w, 404, 16);
	/* The name is free again. */
	make_user(w, "alice", "\"name\":\"Another\"");
	assert_null(json_get(stored(w, "alice"), "secret"));
	connect_user(w, "alice", "");
	assert_int_equal(w->call.start->membership_count, 0);
}

static void test_hard_delete_to_a_new_owner(void **state)
{
	struct world *w = *state;
	scene(w);
	remove_users(w, "{\"user_ids\":[\"alice\"],\"user\":\"hard\",\"messages\":\"hard\",\"conversations\":\"hard\",\"new_"
			"channel_owner_id\":\"carol\"}");
	assert_text(text_at(at(channel(w, "group"), "channel", "created_by"), "id"), "carol");
}

static void test_pruning(void **state)
{
	struct world *w = *state;
	scene(w);
	remove_users(w, "{\"user_ids\":[\"alice\"],\"user\":\"pruning\",\"messages\":\"pruning\"}");
	assert_text(message_type(w, "group-alice"), "deleted");
	GET(w, "/messages/group-alice?show_deleted_message=true", SERVER);
	assert_null(strstr(w->text.p, "text of alice"));
	assert_null(strstr(w->text.p, "marker-of-alice"));
	POST(w, "/users/restore", SERVER, "{\"user_ids\":[\"alice\"]}");
	FAILS(w, 400, 4);
}

static void test_delete_one(void **state)
{
	struct world *w = *state;
	scene(w);
	call(w, HTTP_M_DELETE, "/users/alice?mark_messages_deleted=true&delete_conversation_channels=true", SERVER, NULL);
	OK(w, 200);
	assert_non_null(at(w->json, "user", "deleted_at"));
	run_tasks(w);
	assert_text(message_type(w, "group-alice"), "deleted");
	GET(w, "/channels/messaging/pair", SERVER);
	FAILS(w, 404, 16);
	call(w, HTTP_M_DELETE, "/users/alice", SERVER, NULL);
	FAILS(w, 404, 16);
	call(w, HTTP_M_DELETE, "/users/bob?hard_delete=true", SERVER, NULL);
	OK(w, 200);
	run_tasks(w);
	assert_false(span_given(message_type(w, "group-bob")));
	call(w, HTTP_M_DELETE, "/users/carol?hard_delete=maybe", SERVER, NULL);
	FAILS(w, 400, 4);
}

static void test_bad_requests(void **state)
{
	struct world *w = *state;
	make_user(w, "a", "");
	static const char *const bad[] = { "{}", "{\"user_ids\":[]}", "{\"user_ids\":\"a\"}", "{\"user_ids\":[7]}",
		"{\"user_ids\":[\"a\"],\"user\":\"very\"}", "{\"user_ids\":[\"a\"],\"user\":\"hard\"}",
		"{\"user_ids\":[\"a\"],\"user\":\"hard\",\"messages\":\"hard\"}",
		"{\"user_ids\":[\"a\"],\"conversations\":\"pruning\"}",
		"{\"user_ids\":[\"a\"],\"new_channel_owner_id\":\"nobody\"}" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		POST(w, "/users/delete", SERVER, bad[i]);
		expect(w, 400, 4, (int)i);
	}
	static const char *const paths[] = { "/users/delete", "/users/restore", "/users/deactivate", "/users/reactivate" };
	for (size_t i = 0; i < BECK_COUNT(paths); i++) {
		POST(w, paths[i], SERVER, "{\"user_ids\":[\"a\",\"nobody\"]}");
		expect(w, 404, 16, (int)i);
	}
	assert_non_null(stored(w, "a"));
	POST(w, "/users/nobody/deactivate", SERVER, "{}");
	FAILS(w, 404, 16);
}

static void test_deactivate_and_reactivate(void **state)
{
	struct world *w = *state;
	scene(w);
	POST(w, "/users/alice/deactivate", SERVER, "{\"mark_messages_deleted\":true,\"mark_channels_deleted\":true}");
	OK(w, 201);
	assert_non_null(at(w->json, "user", "deactivated_at"));
	assert_non_null(strstr(end_of_sessions(w)->close_frame->p, "\"code\":17"));
	connect_user(w, "alice", "");
	FAILS(w, 403, 17);
	assert_null(stored(w, "alice"));
	get_payload(w, "/users", SERVER, "{\"filter_conditions\":{\"id\":\"alice\"},\"include_deactivated_users\":true}");
	assert_int_equal(yyjson_arr_size(json_get(w->json, "users")), 1);
	run_tasks(w);
	assert_text(message_type(w, "pair-alice"), "deleted");
	GET(w, "/channels/messaging/group", SERVER);
	FAILS(w, 404, 16);
	POST(w, "/users/alice/reactivate", SERVER, "{\"restore_messages\":true,\"restore_channels\":true,\"name\":\"Alice II\"}");
	OK(w, 201);
	assert_null(at(w->json, "user", "deactivated_at"));
	run_tasks(w);
	assert_text(message_type(w, "pair-alice"), "regular");
	yyjson_val *group = channel(w, "group");
	assert_int_equal(yyjson_arr_size(json_get(group, "messages")), 2);
	assert_int_equal(yyjson_get_int(at(group, "channel", "member_count")), 3);
	assert_text(text_at(stored(w, "alice"), "name"), "Alice II");
	connect_user(w, "alice", "");
	OK(w, 200);
}

static void test_deactivate_many(void **state)
{
	struct world *w = *state;
	scene(w);
	POST(w, "/users/deactivate", SERVER, "{\"user_ids\":[\"alice\",\"bob\"]}");
	OK(w, 201);
	assert_json(w, task_result(w, arena_dup(&w->arena, text_at(w->json, "task_id"))),
		"{\"alice\":{\"status\":\"ok\"},\"bob\":{\"status\":\"ok\"}}");
	assert_text(message_type(w, "pair-alice"), "regular");
	POST(w, "/users/reactivate", SERVER, "{\"user_ids\":[\"alice\",\"bob\"]}");
	OK(w, 201);
	run_tasks(w);
	assert_non_null(stored(w, "bob"));
}

static void test_many_messages_go_in_slices(void **state)
{
	struct world *w = *state;
	make_user(w, "alice", "");
	make_user(w, "bob", "");
	POST(w, "/channels/messaging/c/query", SERVER, "{\"data\":{\"created_by_id\":\"bob\",\"members\":[\"alice\",\"bob\"]}}");
	for (int i = 0; i < 350; i++) {
		POST(w, "/channels/messaging/c/message", SERVER,
			i % 7 ? "{\"message\":{\"text\":\"x\",\"user_id\":\"alice\"}}"
			      : "{\"message\":{\"text\":\"y\",\"user_id\":\"bob\"}}");
		OK(w, 201);
	}
	POST(w, "/users/delete", SERVER, "{\"user_ids\":[\"alice\"],\"messages\":\"hard\"}");
	assert_in_range(run_tasks(w), 4, 20);
	yyjson_val *c = channel(w, "c");
	assert_int_equal(yyjson_get_int(at(c, "channel", "message_count")), 50);
	assert_int_equal(yyjson_get_int(at(c, "channel", "member_count")), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_soft_delete_and_restore), TEST(test_messages_and_conversations),
		TEST(test_hard_delete), TEST(test_hard_delete_to_a_new_owner), TEST(test_pruning), TEST(test_delete_one),
		TEST(test_bad_requests), TEST(test_deactivate_and_reactivate), TEST(test_deactivate_many),
		TEST(test_many_messages_go_in_slices) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
