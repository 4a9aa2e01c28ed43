#include "chat/rates.h"
#include "harness.h"

static const struct api_route *find(
	struct world *w, enum http_method m, const char *path, struct span params[API_PARAMS_MAX], enum dialect *d)
{
	memset(params, 0, sizeof(struct span) * API_PARAMS_MAX);
	return api_find(m, span_str(path), &w->arena, params, d);
}

static void found(struct world *w, enum http_method m, const char *path, const char *name, const char *p0, const char *p1)
{
	struct span params[API_PARAMS_MAX];
	enum dialect d;
	const struct api_route *r = find(w, m, path, params, &d);
	if (!r) fail_msg("nothing at %s", path);
	assert_string_equal(r->name, name);
	if (p0) assert_text(params[0], p0);
	if (p1) assert_text(params[1], p1);
	assert_int_equal(d, strncmp(path, "/api/v2/", 8) == 0 ? DIALECT_2 : DIALECT_1);
}

static void lost(struct world *w, enum http_method m, const char *path)
{
	struct span params[API_PARAMS_MAX];
	enum dialect d;
	const struct api_route *r = find(w, m, path, params, &d);
	if (r) fail_msg("%s leads to %s", path, r->name);
}

static void test_literals_go_before_parameters(void **state)
{
	struct world *w = *state;
	found(w, HTTP_M_POST, "/channels/delete", "DeleteChannels", NULL, NULL);
	found(w, HTTP_M_POST, "/channels/messaging/query", "GetOrCreateDistinctChannel", "messaging", NULL);
	found(w, HTTP_M_POST, "/channels/messaging/general", "UpdateChannel", "messaging", "general");
	found(w, HTTP_M_POST, "/channels/messaging/general/query", "GetOrCreateChannel", "messaging", "general");
	found(w, HTTP_M_POST, "/users/delete", "DeleteUsers", NULL, NULL);
	found(w, HTTP_M_DELETE, "/users/delete", "DeleteUser", "delete", NULL);
	found(w, HTTP_M_POST, "/users/bob/deactivate", "DeactivateUser", "bob", NULL);
}

static void test_both_dialects(void **state)
{
	struct world *w = *state;
	found(w, HTTP_M_POST, "/api/v2/chat/channels", "QueryChannels", NULL, NULL);
	found(w, HTTP_M_GET, "/api/v2/users", "QueryUsers", NULL, NULL);
	found(w, HTTP_M_POST, "/api/v2/chat/users/x/event", "SendUserCustomEvent", "x", NULL);
	found(w, HTTP_M_GET, "/api/v2/chat/channeltypes/team", "GetChannelType", "team", NULL);
	found(w, HTTP_M_PATCH, "/api/v2/chat/channels/team/a/member", "UpdateMemberPartial", "team", "a");
	found(w, HTTP_M_PATCH, "/channels/team/a/member/bob", "UpdateMemberPartial", "team", "a");
	lost(w, HTTP_M_POST, "/api/v2/channels");
	lost(w, HTTP_M_GET, "/api/v2/chat/app");
	lost(w, HTTP_M_DELETE, "/api/v2/users/x");
	lost(w, HTTP_M_GET, "/api/v2/beck/health");
}

static void test_parameters_are_decoded(void **state)
{
	struct world *w = *state;
	found(w, HTTP_M_GET, "/channels/messaging/%21members-x", "GetChannel", "messaging", "!members-x");
	found(w, HTTP_M_GET, "/messages/a%2Fb", "GetMessage", "a/b", NULL);
	lost(w, HTTP_M_GET, "/messages/a%2");
	lost(w, HTTP_M_GET, "/messages/a%00b");
}

static void test_what_is_not_there(void **state)
{
	struct world *w = *state;
	static const char *const paths[] = { "", "/", "users", "//users", "/users//x", "/users/a/b/c/d/e/f/g/h/i/j", "/nothing",
		"/app/x", "/api/v2", "/api/v2/" };
	for (size_t i = 0; i < BECK_COUNT(paths); i++) lost(w, HTTP_M_GET, paths[i]);
	lost(w, HTTP_M_PUT, "/users");
	lost(w, HTTP_M_OTHER, "/users");
	found(w, HTTP_M_HEAD, "/app", "GetApp", NULL, NULL);
	found(w, HTTP_M_GET, "/app/", "GetApp", NULL, NULL);
}

static void test_unknown_path_is_an_error_of_the_contract(void **state)
{
	struct world *w = *state;
	GET(w, "/no-such-path", SPAN_NONE);
	FAILS(w, 404, 16);
	assert_text(text_at(w->json, "duration"), "1.23ms");
	assert_text(text_at(w->json, "more_info"), ""); /* no page is configured */
	assert_json(w, json_get(w->json, "details"), "[]");
	assert_json(w, json_get(w->json, "exception_fields"), "{}");
	assert_int_equal(yyjson_get_int(json_get(w->json, "StatusCode")), 404);
	assert_true(span_starts(text_at(w->json, "message"), SPAN("Request failed with error: \"")));
}

static void test_every_route_is_well_formed(void **state)
{
	(void)state;
	for (const struct api_route *r = api_routes; r->name; r++) {
		assert_int_equal(r->pattern[0], '/');
		assert_non_null(r->run);
		assert_true((r->flags & (API_SERVER_ONLY | API_CLIENT_ONLY)) != (API_SERVER_ONLY | API_CLIENT_ONLY));
		size_t params = 0;
		for (const char *p = r->pattern; *p; p++) params += *p == '{';
		assert_true(params <= API_PARAMS_MAX);
		for (const struct api_route *q = r + 1; q->name; q++)
			assert_false(q->method == r->method && strcmp(q->pattern, r->pattern) == 0);
	}
}

/* Calls are counted by route. */
static void test_every_route_has_a_counter(void **state)
{
	(void)state;
	size_t n = 0;
	while (api_routes[n].name) n++;
	assert_in_range(n, 1, RATE_OPERATIONS_MAX);
	assert_string_equal(api_routes[0].name, "Connect");
}

static void test_bodies(void **state)
{
	struct world *w = *state;
	static const char *const bad[] = { "{", "[]", "7", "\"x\"", "{\"a\":1,\"a\":2}", "{\"a\":\"\\u0000\"}", "{} x", "\xff" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		PATCH(w, "/app", SERVER, bad[i]);
		FAILS(w, 400, 4);
	}
	static const char *const good[] = { "", " \n", "null", "{}" };
	for (size_t i = 0; i < BECK_COUNT(good); i++) {
		PATCH(w, "/app", SERVER, good[i]);
		OK(w, 200);
		assert_text(text_at(w->json, "duration"), "1.23ms");
	}
	get_payload(w, "/users", SERVER, "{");
	FAILS(w, 400, 4);
	GET(w, "/users?payload=%zz", SERVER);
	FAILS(w, 400, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_literals_go_before_parameters), TEST(test_both_dialects),
		TEST(test_parameters_are_decoded), TEST(test_what_is_not_there),
		TEST(test_unknown_path_is_an_error_of_the_contract), TEST(test_every_route_is_well_formed),
		TEST(test_every_route_has_a_counter), TEST(test_bodies) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
