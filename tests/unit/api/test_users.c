/* connection-and-users.md 4.2 - 4.4: upsert, partial update, query, and who sees what. */
#include "harness.h"

/* ---- upsert ---- */
static void test_upsert_replaces_custom_data(void **state)
{
	struct world *w = *state;
	make_user(w, "a",
		"\"name\":\"A\",\"image\":\"i\",\"x\":1,\"role\":\"admin\",\"teams\":[\"red\"],\"language\":\"de\",\"invisible\":"
		"true");
	make_user(w, "a", "\"y\":2");
	yyjson_val *u = at(w->json, "users", "a");
	assert_json(w, json_get(u, "y"), "2");
	assert_null(json_get(u, "x"));
	assert_null(json_get(u, "name"));
	assert_null(json_get(u, "image"));
	assert_text(text_at(u, "role"), "admin");
	assert_text(text_at(u, "language"), "de");
	assert_json(w, json_get(u, "teams"), "[\"red\"]");
	assert_json(w, json_get(u, "invisible"), "true");
	static const char *const lists[] = { "devices", "mutes", "channel_mutes", "blocked_user_ids" };
	for (size_t i = 0; i < BECK_COUNT(lists); i++) assert_json(w, json_get(u, lists[i]), "[]");
	assert_text(text_at(w->json, "membership_deletion_task_id"), "");
	assert_int_equal(event_count(w, EVENT_USER_UPDATED), 2);
	make_user(w, "a", "\"y\":2,\"online\":true,\"created_at\":\"2001-01-01T00:00:00Z\"");
	assert_int_equal(event_count(w, EVENT_USER_UPDATED), 0);
}

static void test_upsert_batch_is_atomic(void **state)
{
	struct world *w = *state;
	static const char *const bad[] = { "{\"users\":{\"a\":{\"id\":\"a\"},\"b\":{\"id\":\"x\"}}}",
		"{\"users\":{\"a\":{\"id\":\"a\"},\"b c\":{\"id\":\"b c\"}}}", "{\"users\":{\"a\":{\"id\":\"a\"},\"b\":7}}",
		"{\"users\":{\"a\":{\"id\":\"a\"},\"b\":{\"id\":\"b\",\"role\":\"nope\"}}}", "{\"users\":{}}", "{}",
		"{\"users\":[]}", "{\"users\":{\"a\":{\"id\":\"a\"},\"b\":{\"id\":\"b\",\"pk\":1}}}", "{\"users\":{\"a\":{}}}" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		POST(w, "/users", SERVER, bad[i]);
		expect(w, 400, 4, (int)i);
		assert_null(stored(w, "a"));
	}
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_printf(&b, "{\"users\":{");
	for (int i = 0; i <= LIMIT_USERS_BATCH; i++) buf_printf(&b, "%s\"u%d\":{\"id\":\"u%d\"}", i ? "," : "", i, i);
	buf_printf(&b, "}}%c", 0);
	POST(w, "/users", SERVER, b.p);
	FAILS(w, 400, 4);
	assert_null(stored(w, "u0"));
	buf_deinit(&b);
}

static void test_rights_of_clients(void **state)
{
	struct world *w = *state;
	make_user(w, "a", "");
	make_user(w, "b", "");
	make_user(w, "boss", "\"role\":\"admin\"");
	POST(w, "/users", token_of(w, "a"), "{\"users\":{\"a\":{\"id\":\"a\",\"name\":\"A\"}}}");
	OK(w, 201);
	POST(w, "/users", token_of(w, "a"), "{\"users\":{\"b\":{\"id\":\"b\",\"name\":\"A\"}}}");
	FAILS(w, 403, 17);
	PATCH(w, "/users", token_of(w, "a"), "{\"users\":[{\"id\":\"a\",\"set\":{\"role\":\"admin\"}}]}");
	FAILS(w, 403, 17);
	PATCH(w, "/users", token_of(w, "a"),
		"{\"users\":[{\"id\":\"a\",\"set\":{\"revoke_tokens_issued_before\":\"2020-01-01T00:00:00Z\"}}]}");
	OK(w, 200);
	assert_null(json_get(stored(w, "a"), "revoke_tokens_issued_before"));
	PATCH(w, "/users", token_of(w, "boss"),
		"{\"users\":[{\"id\":\"a\",\"set\":{\"role\":\"moderator\",\"teams\":[\"t\"]}}]}");
	OK(w, 200);
	assert_text(text_at(stored(w, "a"), "role"), "moderator");
	PATCH(w, "/app", SERVER, "{\"disable_permissions_checks\":true}");
	POST(w, "/users", token_of(w, "b"), "{\"users\":{\"a\":{\"id\":\"a\",\"name\":\"B did it\"}}}");
	OK(w, 201);
}

static void test_token_user_who_was_never_stored(void **state)
{
	struct world *w = *state;
	GET(w, "/app", token_of(w, "fresh"));
	OK(w, 200);
	assert_null(stored(w, "fresh"));
	POST(w, "/users", token_of(w, "fresh"), "{\"users\":{\"fresh\":{\"id\":\"fresh\",\"x\":1}}}");
	OK(w, 201);
	assert_json(w, json_get(stored(w, "fresh"), "x"), "1");
}

static void test_unique_names(void **state)
{
	struct world *w = *state;
	PATCH(w, "/app", SERVER, "{\"enforce_unique_usernames\":\"app\"}");
	make_user(w, "a", "\"name\":\"Jo Ann\"");
	POST(w, "/users", SERVER, "{\"users\":{\"b\":{\"id\":\"b\",\"name\":\"jo-ann!\"}}}");
	FAILS(w, 400, 6);
	make_user(w, "a", "\"name\":\"JoAnn\"");
	make_user(w, "b", "\"name\":\"Jo Anna\"");
	PATCH(w, "/app", SERVER, "{\"enforce_unique_usernames\":\"team\"}");
	make_user(w, "c", "\"name\":\"x\",\"teams\":[\"red\",\"blue\"]");
	make_user(w, "d", "\"name\":\"x\",\"teams\":[\"green\"]");
	POST(w, "/users", SERVER, "{\"users\":{\"e\":{\"id\":\"e\",\"name\":\"X\",\"teams\":[\"blue\"]}}}");
	FAILS(w, 400, 6);
}

/* ---- partial update ---- */
static void test_partial_update(void **state)
{
	struct world *w = *state;
	make_user(w, "a", "\"name\":\"A\",\"test\":{\"passed\":true},\"n\":{\"m\":{\"o\":1}}");
	PATCH(w, "/users", SERVER,
		"{\"users\":[{\"id\":\"a\",\"set\":{\"n.m.p\":2,\"new.deep\":[1],\"null\":null,\"name\":\"B\"},\"unset\":[\"test."
		"passed\",\"nothing\"]}]}");
	OK(w, 200);
	yyjson_val *u = at(w->json, "users", "a");
	assert_json(w, json_get(u, "test"), "{}");
	assert_json(w, json_get(u, "n"), "{\"m\":{\"o\":1,\"p\":2}}");
	assert_json(w, json_get(u, "new"), "{\"deep\":[1]}");
	assert_json(w, json_get(u, "null"), "null");
	assert_text(text_at(u, "name"), "B");
	PATCH(w, "/users", SERVER,
		"{\"users\":[{\"id\":\"a\",\"unset\":[\"name\",\"n\",\"new\",\"test\",\"null\"]},{\"id\":\"a\",\"set\":{\"z\":1}}"
		"]}");
	OK(w, 200);
	u = at(w->json, "users", "a");
	assert_null(json_get(u, "name"));
	assert_null(json_get(u, "n"));
	assert_json(w, json_get(u, "z"), "1");
	assert_int_equal(yyjson_obj_size(json_get(w->json, "users")), 1);
	static const char *const bad[] = { "\"set\":{\"x\":1},\"unset\":[\"x\"]", "\"set\":{\"x\":1,\"x.y\":2}",
		"\"set\":{\"x.y\":1},\"unset\":[\"x\"]", "\"set\":{\"a b\":1}", "\"set\":{\"\":1}", "\"set\":{\"z.y\":1}",
		"\"set\":[]", "\"unset\":{}", "\"unset\":[1]", "\"set\":{\"pk\":1}", "\"set\":{\"name.x\":1}",
		"\"set\":{\"name\":7}", "\"set\":{\"role\":\"nope\"}", "\"set\":{\"privacy_settings.nope\":{\"enabled\":true}}",
		"\"set\":{\"a..b\":1}" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		PATCH(w, "/users", SERVER, arena_printf(&w->arena, "{\"users\":[{\"id\":\"a\",%s}]}", bad[i]).p);
		expect(w, 400, 4, (int)i);
	}
	PATCH(w, "/users", SERVER, "{\"users\":[{\"id\":\"nobody\",\"set\":{}}]}");
	FAILS(w, 404, 16);
	PATCH(w, "/users", SERVER, "{\"users\":[]}");
	FAILS(w, 400, 4);
}

static void test_partial_privacy(void **state)
{
	struct world *w = *state;
	make_user(w, "a", "\"privacy_settings\":{\"typing_indicators\":{\"enabled\":true}}");
	PATCH(w, "/users", SERVER,
		"{\"users\":[{\"id\":\"a\",\"set\":{\"privacy_settings\":{\"read_receipts\":{\"enabled\":false}}}}]}");
	assert_json(w, at(at(w->json, "users", "a"), "privacy_settings", NULL),
		"{\"typing_indicators\":{\"enabled\":true},\"read_receipts\":{\"enabled\":false}}");
	PATCH(w, "/users", SERVER,
		"{\"users\":[{\"id\":\"a\",\"set\":{\"privacy_settings.delivery_receipts.enabled\":false},\"unset\":[\"privacy_"
		"settings.typing_indicators\"]}]}");
	OK(w, 200);
	assert_json(w, at(at(w->json, "users", "a"), "privacy_settings", NULL),
		"{\"read_receipts\":{\"enabled\":false},\"delivery_receipts\":{\"enabled\":false}}");
	PATCH(w, "/users", SERVER, "{\"users\":[{\"id\":\"a\",\"unset\":[\"privacy_settings\"]}]}");
	assert_null(json_get(at(w->json, "users", "a"), "privacy_settings"));
}

static void test_dialect_2(void **state)
{
	struct world *w = *state;
	POST(w, "/api/v2/users", SERVER,
		"{\"users\":{\"a\":{\"id\":\"a\",\"custom\":{\"x\":{\"y\":1}},\"stray\":1,\"teams\":null,\"role\":\"\"}}}");
	OK(w, 201);
	yyjson_val *u = at(w->json, "users", "a");
	assert_json(w, json_get(u, "custom"), "{\"x\":{\"y\":1}}");
	assert_true(yyjson_is_int(json_get(u, "created_at")));
	assert_null(json_get(u, "stray"));
	PATCH(w, "/api/v2/users", SERVER,
		"{\"users\":[{\"id\":\"a\",\"set\":{\"x.z\":2,\"custom.w\":3,\"role\":\"admin\"},\"unset\":[\"x.y\"]}]}");
	OK(w, 200);
	u = at(w->json, "users", "a");
	assert_json(w, json_get(u, "custom"), "{\"x\":{\"z\":2},\"w\":3}");
	assert_text(text_at(u, "role"), "admin");
	assert_json(w, json_get(stored(w, "a"), "w"), "3");
}

static void test_teams_left(void **state)
{
	struct world *w = *state;
	make_user(w, "a", "\"teams\":[\"red\",\"blue\"]");
	make_user(w, "b", "\"teams\":[\"red\",\"blue\"]");
	PATCH(w, "/app", SERVER, "{\"multi_tenant_enabled\":true}");
	POST(w, "/channels/messaging/red/query", SERVER,
		"{\"data\":{\"created_by_id\":\"b\",\"members\":[\"a\",\"b\"],\"team\":\"red\"}}");
	OK(w, 201);
	POST(w, "/channels/messaging/blue/query", SERVER,
		"{\"data\":{\"created_by_id\":\"b\",\"members\":[\"a\",\"b\"],\"team\":\"blue\"}}");
	PATCH(w, "/users", SERVER, "{\"users\":[{\"id\":\"a\",\"set\":{\"teams\":[\"blue\"]}}]}");
	OK(w, 200);
	struct span task = arena_dup(&w->arena, text_at(w->json, "membership_deletion_task_id"));
	assert_int_equal(task.n, 36);
	assert_true(run_tasks(w) >= 1);
	GET(w, arena_printf(&w->arena, "/tasks/%.*s", SPAN_FMT(task)).p, SERVER);
	assert_text(text_at(w->json, "status"), "completed");
	assert_json(w, json_get(w->json, "result"), "{\"a\":{\"status\":\"ok\"}}");
	connect_user(w, "a", "");
	OK(w, 200);
	assert_int_equal(w->call.start->membership_count, 1);
	assert_json(w, json_get(w->json, "total_unread_count_by_team"), "{}");
}

/* ---- query ---- */
static size_t found(struct world *w, struct span token, const char *payload)
{
	get_payload(w, "/users", token, payload);
	OK(w, 200);
	return yyjson_arr_size(json_get(w->json, "users"));
}
static struct span nth(struct world *w, size_t i) { return text_at(yyjson_arr_get(json_get(w->json, "users"), i), "id"); }

static void test_query(void **state)
{
	struct world *w = *state;
	make_user(w, "ann", "\"name\":\"Ann Smith\",\"age\":30");
	make_user(w, "bob", "\"name\":\"Bob\",\"age\":20,\"role\":\"admin\"");
	make_user(w, "cat", "\"teams\":[\"red\"]");
	assert_int_equal(found(w, SERVER, "{}"), 3);
	assert_text(nth(w, 0), "cat");
	assert_int_equal(
		found(w, SERVER, "{\"filter_conditions\":{},\"limit\":0,\"sort\":[{\"field\":\"id\",\"direction\":1}]}"), 3);
	assert_text(nth(w, 0), "ann");
	assert_int_equal(found(w, SERVER, "{\"filter_conditions\":{\"id\":{\"$in\":[\"bob\",\"cat\",\"x\"]}}}"), 2);
	assert_int_equal(found(w, SERVER, "{\"filter_conditions\":{\"age\":{\"$gt\":25}}}"), 1);
	assert_int_equal(found(w, SERVER, "{\"filter_conditions\":{\"name\":{\"$autocomplete\":\"smi\"}}}"), 1);
	assert_int_equal(
		found(w, SERVER, "{\"filter_conditions\":{\"$or\":[{\"role\":\"admin\"},{\"teams\":{\"$contains\":\"red\"}}]}}"),
		2);
	assert_int_equal(found(w, SERVER, "{\"filter_conditions\":{\"last_active\":{\"$exists\":false}}}"), 3);
	assert_int_equal(found(w, SERVER, "{\"id_gt\":\"ann\",\"limit\":1}"), 1);
	assert_text(nth(w, 0), "bob");
	static const char *const bad[] = { "{\"limit\":101}", "{\"limit\":-1}", "{\"limit\":\"x\"}", "{\"offset\":1001}",
		"{\"filter_conditions\":[]}", "{\"filter_conditions\":{\"role\":{\"$nope\":1}}}",
		"{\"filter_conditions\":{\"created_at\":{\"$gt\":\"soon\"}}}", "{\"sort\":7}", "{\"id_gt\":7}",
		"{\"include_deactivated_users\":1}", "{\"presence\":1}", "[]" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		get_payload(w, "/users", SERVER, bad[i]);
		expect(w, 400, 4, (int)i);
	}
}

static void test_query_rights(void **state)
{
	struct world *w = *state;
	make_user(w, "ann", "");
	make_user(w, "guest", "\"role\":\"guest\"");
	assert_int_equal(found(w, token_of(w, "ann"), "{}"), 2);
	get_payload(w, "/users", token_of(w, "guest"), "{}");
	FAILS(w, 403, 17);
	PATCH(w, "/app", SERVER, "{\"user_search_disallowed_roles\":[\"user\"]}");
	get_payload(w, "/users", token_of(w, "ann"), "{}");
	FAILS(w, 403, 17);
	assert_int_equal(found(w, SERVER, "{}"), 2);
}

static void test_query_within_teams(void **state)
{
	struct world *w = *state;
	make_user(w, "a", "\"teams\":[\"red\"]");
	make_user(w, "b", "\"teams\":[\"red\",\"blue\"]");
	make_user(w, "c", "\"teams\":[\"blue\"]");
	make_user(w, "d", "");
	PATCH(w, "/app", SERVER, "{\"multi_tenant_enabled\":true}");
	assert_int_equal(found(w, token_of(w, "a"), "{}"), 2);
	assert_int_equal(found(w, token_of(w, "a"), "{\"filter_conditions\":{\"teams\":{}}}"), 4);
	assert_int_equal(found(w, token_of(w, "a"), "{\"filter_conditions\":{\"teams\":{\"$contains\":\"blue\"}}}"), 2);
	assert_int_equal(found(w, token_of(w, "d"), "{}"), 1);
	assert_int_equal(found(w, SERVER, "{}"), 4);
}

static void test_views(void **state)
{
	struct world *w = *state;
	bool first;
	connect_user(w, "ann", "\"invisible\":true,\"privacy_settings\":{\"read_receipts\":{\"enabled\":false}}");
	make_user(w, "bob", "");
	struct span last = arena_dup(&w->arena, text_at(stored(w, "ann"), "last_active"));
	assert_true(span_given(last));
	struct store_tx *tx = write_begin(w);
	struct user ann;
	assert_int_equal(store_user_get(tx, w->app.pk, SPAN("ann"), &w->arena, &ann), ERR_OK);
	write_end(tx, false);
	assert_true(registry_connect(w->chat.registry, w->app.pk, ann.pk, 0, &first));
	/* himself, the server side, and another */
	found(w, token_of(w, "ann"), "{\"filter_conditions\":{\"id\":\"ann\"}}");
	yyjson_val *u = yyjson_arr_get_first(json_get(w->json, "users"));
	assert_json(w, json_get(u, "online"), "true");
	assert_json(w, json_get(u, "invisible"), "true");
	assert_non_null(json_get(u, "privacy_settings"));
	assert_non_null(json_get(u, "devices"));
	assert_null(json_get(u, "shadow_banned"));
	u = stored(w, "ann");
	assert_json(w, json_get(u, "online"), "true");
	assert_json(w, json_get(u, "shadow_banned"), "false");
	found(w, token_of(w, "bob"), "{\"filter_conditions\":{\"id\":\"ann\"}}");
	u = yyjson_arr_get_first(json_get(w->json, "users"));
	assert_json(w, json_get(u, "online"), "false");
	assert_null(json_get(u, "last_active"));
	assert_null(json_get(u, "invisible"));
	assert_null(json_get(u, "privacy_settings"));
	assert_null(json_get(u, "devices"));
	assert_json(w, json_get(u, "blocked_user_ids"), "[]");
	/* The filter sees what he sees. */
	assert_int_equal(found(w, token_of(w, "bob"), "{\"filter_conditions\":{\"last_active\":{\"$exists\":true}}}"), 0);
	assert_int_equal(found(w, SERVER, "{\"filter_conditions\":{\"last_active\":{\"$exists\":true}}}"), 1);
	/* Coming out while connected is seen once. */
	PATCH(w, "/users", SERVER, "{\"users\":[{\"id\":\"ann\",\"set\":{\"invisible\":false}}]}");
	assert_int_equal(event_count(w, EVENT_USER_PRESENCE_CHANGED), 1);
	yyjson_val *body = body_of(w, event_at(w, EVENT_USER_PRESENCE_CHANGED, 0));
	assert_json(w, at(body, "user", "online"), "true");
	assert_int_equal(event_at(w, EVENT_USER_PRESENCE_CHANGED, 0)->user, ann.pk);
	PATCH(w, "/users", SERVER, "{\"users\":[{\"id\":\"ann\",\"set\":{\"invisible\":true}}]}");
	body = body_of(w, event_at(w, EVENT_USER_PRESENCE_CHANGED, 0));
	assert_json(w, at(body, "user", "online"), "false");
	assert_true(span_eq(text_at(json_get(body, "user"), "last_active"), last));
}

static void test_presence_subscription(void **state)
{
	struct world *w = *state;
	make_user(w, "ann", "");
	make_user(w, "bob", "");
	get_payload(w, "/users", token_of(w, "ann"), "{\"presence\":true}");
	FAILS(w, 400, 4);
	get_payload(w, "/users", SERVER, "{\"presence\":true}");
	FAILS(w, 400, 4);
	GET(w, "/users?connection_id=c1&payload=%7B%22presence%22%3Atrue%7D", token_of(w, "ann"));
	assert_true(w->subscribed);
	FAILS(w, 400, 46);
	w->connection_exists = true;
	GET(w, "/users?connection_id=c1&payload=%7B%22presence%22%3Atrue%7D", token_of(w, "ann"));
	OK(w, 200);
	assert_text(w->call.subscribe.connection_id, "c1");
	assert_int_equal(w->call.subscribe.presence_count, 2);
	assert_int_equal(yyjson_arr_size(json_get(w->json, "users")), 2);
}

/* ---- acting users ---- */
static void test_acting_user(void **state)
{
	struct world *w = *state;
	make_user(w, "bob", "");
	POST(w, "/channels/messaging/c/query", SERVER, "{\"data\":{\"created_by_id\":\"bob\",\"members\":[\"bob\"]}}");
	OK(w, 201);
	static const char *const good[] = { "\"user_id\":\"bob\"", "\"user\":{\"id\":\"bob\"}",
		"\"user_id\":\"\",\"user\":{\"id\":\"bob\"}", "\"user_id\":null,\"user\":{\"id\":\"bob\"}",
		"\"user_id\":\"bob\",\"user\":{\"id\":\"bob\"}", "\"user_id\":\"maker\"",
		"\"user\":{\"id\":\"bob\",\"shoe\":38}" };
	for (size_t i = 0; i < BECK_COUNT(good); i++) {
		POST(w, "/channels/messaging/c/message", SERVER,
			arena_printf(&w->arena, "{\"message\":{\"text\":\"x\",%s}}", good[i]).p);
		expect(w, 201, 0, (int)i);
	}
	assert_json(w, json_get(stored(w, "bob"), "shoe"), "38");
	assert_text(text_at(stored(w, "maker"), "role"), "user");
	static const char *const bad[] = { "\"user_id\":\"bob\",\"user\":{\"id\":\"ann\"}", "\"user_id\":7", "\"user\":7",
		"\"user_id\":\"a b\"" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++) {
		POST(w, "/channels/messaging/c/message", SERVER,
			arena_printf(&w->arena, "{\"message\":{\"text\":\"x\",%s}}", bad[i]).p);
		expect(w, 400, 4, (int)i);
	}
	POST(w, "/channels/messaging/c/message", token_of(w, "bob"), "{\"message\":{\"text\":\"x\",\"user_id\":\"ann\"}}");
	FAILS(w, 403, 17);
	GET(w, "/users?user_id=ann", token_of(w, "bob"));
	OK(w, 200);
	GET(w, "/unread?user_id=nobody", SERVER);
	FAILS(w, 404, 16);
}

/* ---- presence of the server's own ---- */
static enum err presence(struct world *w, int64_t pk, bool online, size_t *events)
{
	struct arena a;
	struct store_tx *tx;
	arena_init(&a, (size_t)LIMIT_ARENA_BYTES);
	struct app *app = chat_app_by_pk(w->chat.apps, w->app.pk);
	assert_int_equal(store_read_begin(w->store, 0, 0, &tx), ERR_OK);
	struct chat_ctx c = { .chat = &w->chat,
		.arena = &a,
		.app = app,
		.caller = CALLER_SERVER,
		.dialect = DIALECT_1,
		.now_us = w->now_us,
		.tx = tx };
	enum err e = chat_presence_event(&c, pk, online);
	*events = c.event_count;
	drop_events(&c);
	store_read_end(tx);
	chat_app_unref(app);
	arena_deinit(&a);
	return e;
}

static void test_presence_events(void **state)
{
	struct world *w = *state;
	size_t n;
	bool flag;
	make_user(w, "ann", "");
	make_user(w, "veiled", "\"invisible\":true");
	assert_int_equal(presence(w, 1, false, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(presence(w, 1, true, &n), ERR_OK);
	assert_int_equal(n, 0); /* gone again meanwhile */
	assert_true(registry_connect(w->chat.registry, w->app.pk, 1, 0, &flag));
	assert_int_equal(presence(w, 1, true, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(presence(w, 2, false, &n), ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(presence(w, 0, true, &n), ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(presence(w, 99, true, &n), ERR_OK);
	assert_int_equal(n, 0);
}

static void test_seen(void **state)
{
	struct world *w = *state;
	struct arena a;
	make_user(w, "ann", "");
	arena_init(&a, (size_t)LIMIT_ARENA_BYTES);
	struct chat_ctx c = { .chat = &w->chat,
		.arena = &a,
		.caller = CALLER_SERVER,
		.dialect = DIALECT_1,
		.can_write = true,
		.now_us = w->now_us };
	struct registry_seen seen[] = { { w->app.pk, 1, w->now_us }, { w->app.pk, 1, w->now_us - 5 } };
	c.tx = write_begin(w);
	assert_int_equal(chat_seen_flush(&c, seen, 2), ERR_OK);
	write_end(c.tx, true);
	arena_deinit(&a);
	int64_t us = 0;
	assert_true(time_parse(text_at(stored(w, "ann"), "last_active"), &us));
	assert_int_equal(us, seen[0].at_us);
	GET(w, "/beck/usage", SERVER);
	assert_json(w, json_get(w->json, "monthly_active_users"), "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_upsert_replaces_custom_data), TEST(test_upsert_batch_is_atomic),
		TEST(test_rights_of_clients), TEST(test_token_user_who_was_never_stored), TEST(test_unique_names),
		TEST(test_partial_update), TEST(test_partial_privacy), TEST(test_dialect_2), TEST(test_teams_left),
		TEST(test_query), TEST(test_query_rights), TEST(test_query_within_teams), TEST(test_views),
		TEST(test_presence_subscription), TEST(test_acting_user), TEST(test_presence_events), TEST(test_seen) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
