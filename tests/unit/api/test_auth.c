/* connection-and-users.md 1.3: who may call, and which code says why not. */
#include "harness.h"

static int probe(struct world *w, struct span token)
{
	return get_payload(w, "/users", token, "{\"filter_conditions\":{},\"limit\":1}");
}

static void test_key_comes_first(void **state)
{
	struct world *w = *state;
	GET(w, "/users?api_key=", SPAN("rubbish"));
	FAILS(w, 401, 2);
	GET(w, "/users?api_key=KEY", SERVER);
	FAILS(w, 401, 2);
	assert_non_null(strstr(w->text.p, "api_key not valid"));
}

static void test_kind_and_token(void **state)
{
	struct world *w = *state;
	make_user(w, "ann", "");
	w->kind = "password";
	probe(w, token_of(w, "ann"));
	FAILS(w, 401, 5);
	w->kind = NULL;
	probe(w, token_of(w, "ann"));
	OK(w, 200);
	w->kind = "jwt";
	probe(w, SPAN_NONE);
	FAILS(w, 401, 5);
	static const char *const bad[] = { "abc", "a.b", "a.b.c.d", "..", "e30.!!!!.c2ln", "bm9wZQ.e30.c2ln", "W10.e30.c2ln" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		probe(w, span_str(bad[i]));
		FAILS(w, 401, 5);
	}
	probe(w, arena_printf(&w->arena, "Bearer %.*s", SPAN_FMT(token_of(w, "ann"))));
	OK(w, 200);
}

static struct span timed(struct world *w, const char *claim, int64_t offset_s)
{
	long long s = w->now_us / 1000000 + 1 + offset_s; /* a call moves the clock by a second */
	return sign(w, arena_printf(&w->arena, "{\"user_id\":\"ann\",\"%s\":%lld}", claim, s).p, "secret");
}

static void test_claims(void **state)
{
	struct world *w = *state;
	make_user(w, "ann", "");
	probe(w, sign(w, "{\"user_id\":\"ann\"}", "wrong"));
	FAILS(w, 401, 43);
	probe(w, sign(w, "{\"user_id\":\"ann\",\"exp\":1}", "wrong"));
	FAILS(w, 401, 43);
	probe(w, timed(w, "exp", 0));
	FAILS(w, 401, 40);
	probe(w, timed(w, "exp", 1));
	OK(w, 200);
	probe(w, timed(w, "nbf", 6));
	FAILS(w, 401, 41);
	probe(w, timed(w, "nbf", 5));
	OK(w, 200);
	probe(w, timed(w, "iat", 6));
	FAILS(w, 401, 42);
	static const char *const nobody[] = { "{}", "{\"user_id\":\"\"}", "{\"server\":false}", "{\"user_id\":7}" };
	for (size_t i = 0; i < BECK_COUNT(nobody); i++) {
		probe(w, sign(w, nobody[i], "secret"));
		FAILS(w, 401, 5);
	}
}

static void test_sides(void **state)
{
	struct world *w = *state;
	make_user(w, "ann", "");
	PATCH(w, "/app", token_of(w, "ann"), "{}");
	FAILS(w, 403, 17);
	connect_with(w, sign(w, "{\"server\":true}", "secret"), "{}");
	FAILS(w, 403, 17);
	w->kind = "anonymous";
	POST(w, "/users", SPAN_NONE, "{\"users\":{\"x\":{\"id\":\"x\"}}}");
	FAILS(w, 403, 17);
	GET(w, "/app", SPAN_NONE);
	OK(w, 200);
}

static void test_several_secrets(void **state)
{
	struct world *w = *state;
	struct store_tx *tx = write_begin(w);
	assert_int_equal(store_app_add_secret(tx, w->app.pk, SPAN("newer"), w->now_us), ERR_OK);
	write_end(tx, true);
	world_reload(w);
	GET(w, "/app", sign(w, "{\"server\":true}", "secret"));
	OK(w, 200);
	GET(w, "/app", sign(w, "{\"server\":true}", "newer"));
	OK(w, 200);
	tx = write_begin(w);
	assert_int_equal(store_app_retire_secrets(tx, w->app.pk, 1, w->now_us), ERR_OK);
	write_end(tx, true);
	world_reload(w);
	GET(w, "/app", sign(w, "{\"server\":true}", "secret"));
	FAILS(w, 401, 43);
}

static void test_development_tokens(void **state)
{
	struct world *w = *state;
	/* {"alg":"HS256"} . {"user_id":"dev","exp":1} . devtoken */
	struct span dev = SPAN("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiZGV2IiwiZXhwIjoxfQ.devtoken");
	GET(w, "/app", dev);
	FAILS(w, 401, 43);
	PATCH(w, "/app", SERVER, "{\"disable_auth_checks\":true}");
	OK(w, 200);
	GET(w, "/app", dev);
	FAILS(w, 401, 43); /* only in development mode */
	w->chat.is_dev = true;
	GET(w, "/app", dev);
	OK(w, 200);
	GET(w, "/app", sign(w, "{\"server\":true}", "wrong"));
	FAILS(w, 401, 43);
	PATCH(w, "/app", SERVER, "{\"disable_auth_checks\":false}");
	GET(w, "/app", dev);
	FAILS(w, 401, 43);
}

static void test_revocation_of_a_user(void **state)
{
	struct world *w = *state;
	make_user(w, "ann", "");
	PATCH(w, "/users", SERVER,
		"{\"users\":[{\"id\":\"ann\",\"set\":{\"revoke_tokens_issued_before\":\"2027-01-15T08:00:00.5Z\"}}]}");
	OK(w, 200); /* 1800000000 */
	struct event *end = end_of_sessions(w);
	assert_non_null(end);
	assert_true(end->flags & EVENT_CLOSE_SESSIONS);
	assert_null(end->body);
	assert_non_null(strstr(end->close_frame->p, "\"code\":40"));
	probe(w, token_of(w, "ann"));
	FAILS(w, 401, 40);
	probe(w, sign(w, "{\"user_id\":\"ann\",\"iat\":1799999999}", "secret"));
	FAILS(w, 401, 40);
	probe(w, sign(w, "{\"user_id\":\"ann\",\"iat\":1800000000}", "secret"));
	OK(w, 200);
	PATCH(w, "/users", SERVER, "{\"users\":[{\"id\":\"ann\",\"set\":{\"revoke_tokens_issued_before\":null}}]}");
	probe(w, token_of(w, "ann"));
	OK(w, 200);
}

static void test_revocation_of_an_application(void **state)
{
	struct world *w = *state;
	make_user(w, "ann", "");
	PATCH(w, "/app", SERVER, "{\"revoke_tokens_issued_before\":\"2027-01-15T08:00:00Z\"}");
	OK(w, 200);
	assert_int_equal(end_of_sessions(w)->user, 0);
	probe(w, token_of(w, "ann"));
	FAILS(w, 401, 40);
	probe(w, SERVER);
	OK(w, 200);
	PATCH(w, "/app", SERVER, "{\"revoke_tokens_issued_before\":null}");
	probe(w, token_of(w, "ann"));
	OK(w, 200);
}

static void test_settings(void **state)
{
	struct world *w = *state;
	PATCH(w, "/app", SERVER,
		"{\"multi_tenant_enabled\":true,\"reminders_interval\":0,\"name\":\"\",\"suspended\":true,\"whatever\":1,"
		"\"file_upload_config\":{\"size_limit\":5},\"grants\":{\"user\":[\"search-user\"]}}");
	OK(w, 200);
	GET(w, "/app", SERVER);
	yyjson_val *app = json_get(w->json, "app");
	assert_true(yyjson_is_true(json_get(app, "multi_tenant_enabled")));
	assert_true(yyjson_is_false(json_get(app, "suspended")));
	assert_text(text_at(app, "name"), "first");
	assert_int_equal(yyjson_get_int(json_get(app, "id")), w->app.pk);
	assert_int_equal(yyjson_get_int(json_get(app, "reminders_interval")), 300);
	assert_json(w, json_get(app, "file_upload_config"),
		"{\"allowed_file_extensions\":[],\"blocked_file_extensions\":[],\"allowed_mime_types\":[],\"blocked_mime_types\":"
		"[],\"size_limit\":5}");
	assert_json(w, at(app, "grants", "user"), "[\"search-user\"]");
	assert_non_null(at(app, "grants", "moderator"));
	assert_json(w, json_get(at(app, "channel_configs", "messaging"), "commands"),
		"[\"ban\",\"unban\",\"mute\",\"unmute\",\"flag\"]");
	PATCH(w, "/app", SERVER, "{\"multi_tenant_enabled\":null,\"file_upload_config\":null}");
	GET(w, "/app", SERVER);
	app = json_get(w->json, "app");
	assert_true(yyjson_is_false(json_get(app, "multi_tenant_enabled")));
	assert_int_equal(yyjson_get_int(at(app, "file_upload_config", "size_limit")), 5);
	static const char *const bad[] = { "{\"reminders_interval\":59}", "{\"reminders_interval\":86401}",
		"{\"multi_tenant_enabled\":1}", "{\"enforce_unique_usernames\":\"maybe\"}", "{\"grants\":{\"nobody\":[]}}",
		"{\"grants\":{\"user\":[\"fly\"]}}", "{\"revoke_tokens_issued_before\":\"soon\"}", "{\"webhook_events\":{}}",
		"{\"user_search_disallowed_roles\":[\"x\"]}" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		PATCH(w, "/app", SERVER, bad[i]);
		FAILS(w, 400, 4);
	}
	make_user(w, "ann", "");
	GET(w, "/app", token_of(w, "ann"));
	assert_json(w, json_get(json_get(w->json, "app"), "async_url_enrich_enabled"), "false");
	assert_null(at(w->json, "app", "grants"));
	assert_null(at(w->json, "app", "multi_tenant_enabled"));
}

static void test_channel_types(void **state)
{
	struct world *w = *state;
	GET(w, "/channeltypes", SERVER);
	OK(w, 200);
	yyjson_val *types = json_get(w->json, "channel_types");
	assert_int_equal(yyjson_obj_size(types), 6);
	assert_true(yyjson_is_false(at(types, "livestream", "url_enrichment")));
	GET(w, "/channeltypes/messaging", SERVER);
	OK(w, 200);
	assert_text(text_at(w->json, "name"), "messaging");
	assert_int_equal(yyjson_get_int(json_get(w->json, "max_message_length")), 5000);
	assert_text(text_at(yyjson_arr_get_first(json_get(w->json, "commands")), "name"), "ban");
	assert_true(yyjson_arr_size(at(w->json, "grants", "channel_member")) > 10);
	assert_json(w, json_get(w->json, "permissions"), "[]");
	GET(w, "/api/v2/chat/channeltypes/messaging", SERVER);
	assert_true(yyjson_is_int(json_get(w->json, "created_at")));
	GET(w, "/channeltypes/nothing", SERVER);
	FAILS(w, 404, 16);
}

static void test_ops(void **state)
{
	struct world *w = *state;
	GET(w, "/beck/health?api_key=none", SPAN_NONE);
	OK(w, 200);
	assert_text(text_at(w->json, "status"), "ok");
	GET(w, "/beck/usage", SERVER);
	OK(w, 200);
	assert_text(text_at(w->json, "month"), "2027-01");
	assert_int_equal(yyjson_get_int(json_get(w->json, "monthly_active_users")), 0);
	GET(w, "/beck/metrics", token_of(w, "ann"));
	FAILS(w, 403, 17);
	GET(w, "/tasks/none", SERVER);
	FAILS(w, 404, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_key_comes_first), TEST(test_kind_and_token), TEST(test_claims),
		TEST(test_sides), TEST(test_several_secrets), TEST(test_development_tokens), TEST(test_revocation_of_a_user),
		TEST(test_revocation_of_an_application), TEST(test_settings), TEST(test_channel_types), TEST(test_ops) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
