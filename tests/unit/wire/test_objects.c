#include "../base/cm.h"

#include "base/limits.h"
#include "wire/objects.h"

static struct arena arena;
static struct buf out;
static struct jsonw w;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, (size_t)LIMIT_ARENA_BYTES);
	buf_init(&out, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	buf_deinit(&out);
	return 0;
}

static yyjson_val *json(struct span text)
{
	const char *why;
	size_t at;
	yyjson_val *v = json_parse(&arena, text, &why, &at);
	if (!v) fail_msg("%.*s: %s", SPAN_FMT(text), why);
	return v;
}

static struct jsonw *begin(void)
{
	buf_clear(&out);
	jsonw_init(&w, &out);
	return &w;
}

/* What was written, as JSON again (so it is well-formed and has no duplicate keys). */
static yyjson_val *written(void) { return json(arena_dup(&arena, buf_span(&out))); }

static void assert_json(yyjson_val *got, const char *want)
{
	if (!json_equal(got, json(span_str(want)))) fail_msg("got %.*s\nwant %s", SPAN_FMT(json_text(&arena, got)), want);
}

static struct user full_user(void)
{
	return (struct user){ .pk = 1,
		.id = SPAN("bob"),
		.role = SPAN("user"),
		.name = SPAN("Bob"),
		.image = SPAN("i.png"),
		.language = SPAN("de"),
		.teams = SPAN("[\"red\"]"),
		.teams_role = SPAN("{\"red\":\"admin\"}"),
		.custom = SPAN("{\"age\":7}"),
		.created_at = 1,
		.updated_at = 2,
		.last_active = 9,
		.invisible_since_last_active = 5,
		.deactivated_at = 3,
		.deleted_at = 4,
		.revoke_before = 6,
		.ban_expires = 8,
		.invisible = true,
		.banned = true,
		.shadow_banned = true,
		.online = true,
		.privacy_typing = TRI_OFF,
		.privacy_read = TRI_UNSET,
		.privacy_delivery = TRI_ON };
}

#define T(us) "\"1970-01-01T00:00:00.00000" us "Z\""
#define USER_ALWAYS                                                                                                              \
	"\"id\":\"bob\",\"role\":\"user\",\"name\":\"Bob\",\"image\":\"i.png\",\"language\":\"de\",\"teams\":[\"red\"],"         \
	"\"teams_role\":{\"red\":\"admin\"},\"banned\":true"
#define TIMES_1   "\"created_at\":" T("1") ",\"updated_at\":" T("2") ",\"deactivated_at\":" T("3") ",\"deleted_at\":" T("4")
#define PRIVACY   "\"privacy_settings\":{\"typing_indicators\":{\"enabled\":false},\"delivery_receipts\":{\"enabled\":true}}"
#define OFFLINE_1 "\"online\":false,\"last_active\":" T("5") ",\"blocked_user_ids\":[]"

static void users_by_view(void **state)
{
	(void)state;
	struct user u = full_user();
	user_write(begin(), DIALECT_1, USER_VIEW_COMMON, &u);
	assert_json(written(), "{" USER_ALWAYS "," TIMES_1 "," OFFLINE_1 ",\"age\":7}");
	user_write(begin(), DIALECT_1, USER_VIEW_PRIVACY, &u);
	assert_json(written(), "{" USER_ALWAYS "," TIMES_1 "," OFFLINE_1 ",\"invisible\":false," PRIVACY ",\"age\":7}");
	user_write(begin(), DIALECT_1, USER_VIEW_SERVER, &u);
	assert_json(written(), "{" USER_ALWAYS "," TIMES_1 ",\"online\":true,\"last_active\":" T(
				       "9") ",\"blocked_user_ids\":[],\"invisible\":true,"
					    "\"shadow_banned\":true," PRIVACY
					    ",\"ban_expires\":" T("8") ",\"revoke_tokens_issued_before\":" T("6") ",\"age\":7}");
	user_write(begin(), DIALECT_1, USER_VIEW_SELF, &u);
	assert_json(written(), "{" USER_ALWAYS "," TIMES_1
			       ",\"online\":true,\"last_active\":" T("9") ",\"invisible\":true," PRIVACY ",\"ban_expires\":" T(
				       "8") ",\"revoke_tokens_issued_before\":" T("6") ",\"age\":7}");
}

static void users_in_dialect_2(void **state)
{
	(void)state;
	struct user u = full_user();
	user_write(begin(), DIALECT_2, USER_VIEW_COMMON, &u);
	assert_json(written(),
		"{" USER_ALWAYS
		",\"created_at\":1000,\"updated_at\":2000,\"deactivated_at\":3000,\"deleted_at\":4000,\"online\":false,"
		"\"last_active\":5000,\"blocked_user_ids\":[],\"invisible\":false,\"shadow_banned\":false,\"custom\":{\"age\":7}"
		"}");
	user_write(begin(), DIALECT_2, USER_VIEW_SELF, &u);
	yyjson_val *v = written();
	assert_false(yyjson_get_bool(json_get(v, "shadow_banned")));
	assert_true(yyjson_get_bool(json_get(v, "invisible")));
	struct user empty = {
		.id = SPAN("x"), .privacy_typing = TRI_UNSET, .privacy_read = TRI_UNSET, .privacy_delivery = TRI_UNSET
	};
	user_write(begin(), DIALECT_2, USER_VIEW_SERVER, &empty);
	assert_json(written(), "{\"id\":\"x\",\"role\":\"\",\"language\":\"\",\"teams\":[],\"created_at\":0,\"updated_at\":0,"
			       "\"online\":false,\"banned\":false,"
			       "\"blocked_user_ids\":[],\"invisible\":false,\"shadow_banned\":false,\"custom\":{}}");
}

/* Everything that hides him is the same bytes whether or not he is there. */
static void an_invisible_user_looks_offline(void **state)
{
	(void)state;
	for (int d = DIALECT_1; d <= DIALECT_2; d++)
		for (int v = USER_VIEW_COMMON; v <= USER_VIEW_PRIVACY; v++) {
			struct user here = full_user(), gone = full_user();
			gone.online = false;
			gone.last_active = 7;
			user_write(begin(), (enum dialect)d, (enum user_view)v, &here);
			struct span a = arena_dup(&arena, buf_span(&out));
			user_write(begin(), (enum dialect)d, (enum user_view)v, &gone);
			assert_true(span_eq(a, buf_span(&out)));
		}
}

static void members_without_braces_go_on(void **state)
{
	(void)state;
	struct user u = full_user();
	jsonw_obj_begin(begin());
	user_write_members(&w, DIALECT_1, USER_VIEW_SELF, &u);
	jsonw_kint(&w, "unread_count", 3);
	jsonw_kraw(&w, "blocked_user_ids", SPAN("[\"x\"]"));
	jsonw_obj_end(&w);
	assert_int_equal(yyjson_get_int(json_get(written(), "unread_count")), 3);
}

static void devices(void **state)
{
	(void)state;
	struct device d = { .id = SPAN("d"), .push_provider = SPAN("apn"), .created_at = 1 };
	device_write(begin(), DIALECT_1, &d, SPAN("bob"));
	assert_json(written(), "{\"id\":\"d\",\"push_provider\":\"apn\",\"user_id\":\"bob\",\"created_at\":" T("1") "}");
}

static struct user plain_user(const char *id)
{
	return (struct user){ .id = span_str(id),
		.role = SPAN("user"),
		.privacy_typing = TRI_UNSET,
		.privacy_read = TRI_UNSET,
		.privacy_delivery = TRI_UNSET };
}

static void channels(void **state)
{
	(void)state;
	struct channel c = { .type = SPAN("messaging"),
		.id = SPAN("x"),
		.cid = SPAN("messaging:x"),
		.created_by = plain_user("bob"),
		.custom = SPAN("{\"name\":\"General\"}"),
		.member_count = 2,
		.message_count = 5,
		.created_at = 1,
		.updated_at = 2 };
	channel_write(begin(), DIALECT_1, &c, NULL);
	yyjson_val *v = written();
	assert_span(json_span(json_get(v, "name")), "General");
	assert_span(json_span(json_get(json_get(v, "created_by"), "id")), "bob");
	assert_null(json_get(v, "message_count"));
	assert_null(json_get(v, "last_message_at"));
	assert_null(json_get(v, "truncated_by"));
	assert_null(json_get(v, "cooldown"));
	assert_null(json_get(v, "hidden"));

	struct member own = { .hidden = true, .hide_before = 3, .muted = true, .mute_expires_at = 4 };
	struct channel_view view = { .config_json = SPAN("{\"name\":\"messaging\"}"),
		.capabilities_json = SPAN("[\"send-message\"]"),
		.own = &own,
		.count_messages = true };
	c.truncated_by = plain_user("eve");
	c.team = SPAN("red");
	c.filter_tags = SPAN("[\"t\"]");
	c.last_message_at = c.deleted_at = c.truncated_at = 9;
	c.cooldown_s = 10;
	c.frozen = c.disabled = true;
	channel_write(begin(), DIALECT_2, &c, &view);
	v = written();
	assert_json(json_get(v, "custom"), "{\"name\":\"General\"}");
	assert_null(json_get(v, "name"));
	assert_json(json_get(v, "own_capabilities"), "[\"send-message\"]");
	assert_json(json_get(v, "hide_messages_before"), "3000");
	assert_json(json_get(v, "mute_expires_at"), "4000");
	assert_json(json_get(v, "message_count"), "5");
	assert_json(json_get(v, "cooldown"), "10");
	assert_json(json_get(v, "filter_tags"), "[\"t\"]");
	assert_json(json_get(v, "last_message_at"), "9000");
	assert_span(json_span(json_get(json_get(v, "truncated_by"), "id")), "eve");
}

static struct span shown(struct member m, const char *key)
{
	member_write(begin(), DIALECT_1, &m);
	return json_span(json_get(written(), key));
}

static void members(void **state)
{
	(void)state;
	struct member m = { .user = plain_user("bob"),
		.channel_role = SPAN("channel_member"),
		.custom = SPAN("{\"c\":1}"),
		.created_at = 1,
		.updated_at = 2 };
	member_write(begin(), DIALECT_1, &m);
	yyjson_val *v = written();
	assert_span(json_span(json_get(v, "user_id")), "bob");
	assert_json(json_get(v, "c"), "1");
	assert_null(json_get(v, "invited"));
	assert_null(json_get(v, "pinned_at"));
	assert_span(shown(m, "role"), "member");
	m.user.role = SPAN("admin");
	assert_span(shown(m, "role"), "admin");
	m.is_moderator = true;
	assert_span(shown(m, "role"), "moderator");
	m.is_owner = true;
	assert_span(shown(m, "role"), "owner");
	m.invited = true;
	assert_span(shown(m, "status"), "pending");
	m.invite_rejected_at = 3;
	assert_span(shown(m, "status"), "rejected");
	m.invite_accepted_at = 4;
	assert_span(shown(m, "status"), "member");
	assert_null(json_get(v, "deleted_messages"));
	m.deleted_messages = SPAN("[\"a\",\"b\"]");
	m.pinned_at = m.archived_at = m.ban_expires = 5;
	m.banned = m.shadow_banned = m.muted = true;
	member_write(begin(), DIALECT_2, &m);
	v = written();
	assert_json(json_get(v, "custom"), "{\"c\":1}");
	assert_json(json_get(v, "pinned_at"), "5000");
	assert_true(yyjson_get_bool(json_get(v, "notifications_muted")));
	assert_true(yyjson_get_bool(json_get(v, "is_moderator")));
	assert_json(json_get(v, "deleted_messages"), "[\"a\",\"b\"]");
}

static void message_versions(void **state)
{
	(void)state;
	struct message_version ver = { .pk = 7,
		.message_id = SPAN("m1"),
		.written_by = SPAN("bob"),
		.text = SPAN("old"),
		.custom = SPAN("{\"color\":\"red\"}"),
		.written_at = 1 };
	message_version_write(begin(), DIALECT_1, &ver);
	yyjson_val *v = written();
	assert_span(json_span(json_get(v, "message_id")), "m1");
	assert_span(json_span(json_get(v, "message_updated_by_id")), "bob");
	assert_span(json_span(json_get(v, "message_updated_at")), "1970-01-01T00:00:00.000001Z");
	assert_json(json_get(v, "attachments"), "[]");
	assert_json(json_get(v, "color"), "\"red\"");
	assert_json(json_get(v, "is_deleted"), "false");
	assert_null(json_get(v, "custom"));
	ver = (struct message_version){
		.message_id = SPAN("m1"), .written_by = SPAN_NONE, .text = SPAN(""), .written_at = 1, .is_deleted = true
	};
	message_version_write(begin(), DIALECT_2, &ver);
	v = written();
	assert_span(json_span(json_get(v, "message_updated_by_id")), ""); /* erased since */
	assert_json(json_get(v, "message_updated_at"), "1000");
	assert_json(json_get(v, "custom"), "{}");
	assert_json(json_get(v, "is_deleted"), "true");
}

static void messages(void **state)
{
	(void)state;
	struct message inner = { .id = SPAN("q0"), .text = SPAN("innermost"), .user = plain_user("eve") };
	struct message quoted = { .id = SPAN("q"),
		.cid = SPAN("m:x"),
		.type = SPAN("regular"),
		.text = SPAN("old"),
		.user = plain_user("eve"),
		.quoted = &inner,
		.quoted_id = SPAN("q0") };
	struct user named[2] = { plain_user("a"), plain_user("b") };
	struct member sender = { .channel_role = SPAN("channel_moderator"), .custom = SPAN("{\"nick\":\"B\"}") };
	struct message m = { .id = SPAN("m1"),
		.cid = SPAN("m:x"),
		.type = SPAN("reply"),
		.text = SPAN("hi \"you\"\n"),
		.html = SPAN("<p>hi</p>\n"),
		.attachments = SPAN("[{\"type\":\"image\"}]"),
		.custom = SPAN("{\"color\":\"red\"}"),
		.mentioned = named,
		.mentioned_count = 2,
		.user = plain_user("bob"),
		.parent_id = SPAN("p"),
		.quoted_id = SPAN("q"),
		.quoted = &quoted,
		.show_in_channel = true,
		.silent = true,
		.pinned = true,
		.pinned_at = 5,
		.pin_expires = 6,
		.pinned_by = plain_user("mod"),
		.restricted_visibility = SPAN("[\"a\"]"),
		.reply_count = 2,
		.deleted_reply_count = 1,
		.participants = named,
		.participant_count = 1,
		.created_at = 1,
		.updated_at = 2,
		.text_updated_at = 3,
		.member = &sender };
	message_write(begin(), DIALECT_1, &m);
	yyjson_val *v = written();
	assert_span(json_span(json_get(v, "text")), "hi \"you\"\n");
	assert_span(json_span(json_get(v, "color")), "red");
	assert_int_equal(yyjson_arr_size(json_get(v, "mentioned_users")), 2);
	assert_int_equal(yyjson_arr_size(json_get(v, "thread_participants")), 1);
	yyjson_val *quote = json_get(v, "quoted_message");
	assert_span(json_span(json_get(quote, "id")), "q");
	assert_null(json_get(quote, "quoted_message")); /* one level */
	assert_span(json_span(json_get(quote, "quoted_message_id")), "q0");
	assert_json(
		json_get(v, "member"), "{\"channel_role\":\"channel_moderator\",\"notifications_muted\":false,\"nick\":\"B\"}");
	assert_json(json_get(v, "reaction_counts"), "{}");
	assert_json(json_get(v, "own_reactions"), "[]");
	assert_json(json_get(v, "restricted_visibility"), "[\"a\"]");
	assert_span(json_span(json_get(json_get(v, "pinned_by"), "id")), "mod");
	assert_json(json_get(v, "message_text_updated_at"), T("3"));
	/* No pin: what was of it does not show. */
	m.pinned = false;
	m.participant_count = 0;
	message_write(begin(), DIALECT_2, &m);
	v = written();
	assert_null(json_get(v, "pinned_at"));
	assert_null(json_get(v, "pin_expires"));
	assert_null(json_get(v, "pinned_by"));
	assert_null(json_get(v, "thread_participants"));
	assert_json(json_get(v, "custom"), "{\"color\":\"red\"}");
	assert_json(json_get(v, "created_at"), "1000");
	struct message bare = { .id = SPAN("m2") };
	message_write(begin(), DIALECT_1, &bare);
	v = written();
	assert_json(json_get(v, "attachments"), "[]");
	assert_json(json_get(v, "mentioned_users"), "[]");
	assert_json(json_get(v, "reply_count"), "0");
	assert_null(json_get(v, "user"));
	assert_null(json_get(v, "parent_id"));
}

static void reads(void **state)
{
	(void)state;
	struct member m = { .user = plain_user("bob"),
		.unread = 3,
		.last_delivered_at = 4,
		.last_delivered_message_id = SPAN("d"),
		.last_read_message_id = SPAN("r") };
	read_write(begin(), DIALECT_1, &m, false);
	yyjson_val *v = written();
	assert_json(json_get(v, "last_read"), "\"0001-01-01T00:00:00.000000Z\"");
	assert_json(json_get(v, "unread_messages"), "3");
	assert_json(json_get(v, "last_delivered_at"), T("4"));
	assert_null(json_get(v, "first_unread_message_id"));
	read_write(begin(), DIALECT_2, &m, true);
	v = written();
	assert_true(yyjson_is_null(json_get(v, "last_read")));
	assert_null(json_get(v, "last_delivered_at"));
	assert_null(json_get(v, "last_delivered_message_id"));
}

static bool is_reserved(struct span key) { return span_is(key, "id") || span_is(key, "name"); }

static void collecting(void **state)
{
	(void)state;
	assert_span(custom_collect(&arena, json(SPAN("{\"id\":1,\"a\":[1, 2],\"name\":2,\"b\\n\":null}")), is_reserved),
		"{\"a\":[1,2],\"b\\n\":null}");
	assert_false(span_given(custom_collect(&arena, json(SPAN("{\"id\":1}")), is_reserved)));
	assert_false(span_given(custom_collect(&arena, json(SPAN("{}")), is_reserved)));
	assert_false(span_given(custom_collect(&arena, NULL, is_reserved)));
	assert_false(arena_failed(&arena));
}

static void merging(void **state)
{
	(void)state;
	static const struct {
		const char *base, *patch, *want;
	} cases[] = {
		{ NULL, "{}", NULL },
		{ NULL, "{\"a\":1}", "{\"a\":1}" },
		{ "{\"a\":1}", "{}", "{\"a\":1}" },
		{ "{\"a\":1,\"b\":2}", "{\"b\":3,\"c\":4}", "{\"a\":1,\"b\":3,\"c\":4}" },
		{ "{\"a\":1,\"b\":2}", "{\"a\":null}", "{\"b\":2}" },
		{ "{\"a\":1}", "{\"a\":null}", NULL },
		{ "{\"a\":{\"x\":1}}", "{\"a\":{\"y\":2}}", "{\"a\":{\"y\":2}}" },
		{ NULL, "{\"a\":null}", NULL },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct span got = custom_merge(&arena, span_str(cases[i].base), json(span_str(cases[i].patch)));
		assert_int_equal(span_given(got), cases[i].want != NULL);
		if (cases[i].want) assert_span(got, cases[i].want);
	}
	assert_span(custom_merge(&arena, SPAN("{\"a\":1}"), NULL), "{\"a\":1}");
}

static void paths(void **state)
{
	(void)state;
	static const struct {
		const char *base, *path, *value /* NULL = unset */, *want /* NULL = nothing left */;
		bool ok;
	} cases[] = {
		{ NULL, "a", "1", "{\"a\":1}", true },
		{ NULL, "a.b.c", "1", "{\"a\":{\"b\":{\"c\":1}}}", true },
		{ "{\"a\":{\"b\":1,\"d\":2}}", "a.b", "{\"x\":[]}", "{\"a\":{\"b\":{\"x\":[]},\"d\":2}}", true },
		{ "{\"a\":1}", "a.b", "1", "{\"a\":1}", false },
		{ "{\"a\":[1]}", "a.0", "1", "{\"a\":[1]}", false },
		{ "{\"a\":null}", "a.b", "1", "{\"a\":null}", false },
		{ "{\"a\":1}", "b", "null", "{\"a\":1,\"b\":null}", true },
		{ "{\"a\":1,\"b\":2}", "a", NULL, "{\"b\":2}", true },
		{ "{\"a\":1}", "a", NULL, NULL, true },
		{ "{\"test\":{\"passed\":true}}", "test.passed", NULL, "{\"test\":{}}", true },
		{ "{\"a\":1}", "b", NULL, "{\"a\":1}", true },
		{ "{\"a\":1}", "b.c.d", NULL, "{\"a\":1}", true },
		{ "{\"a\":1}", "a.b", NULL, "{\"a\":1}", false },
		{ NULL, "a", NULL, NULL, true },
		{ "{\"a\":1}", "", "1", "{\"a\":1}", false },
		{ "{\"a\":1}", ".", "1", "{\"a\":1}", false },
		{ "{\"a\":1}", "b.", "1", "{\"a\":1}", false },
		{ "{\"a\":1}", ".b", NULL, "{\"a\":1}", false },
		{ NULL, "a..b", NULL, NULL, false },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		struct span obj = span_str(cases[i].base);
		bool ok = cases[i].value ? custom_set_path(&arena, &obj, span_str(cases[i].path), json(span_str(cases[i].value)))
					 : custom_unset_path(&arena, &obj, span_str(cases[i].path));
		if (ok != cases[i].ok) fail_msg("%zu: %s", i, cases[i].path);
		assert_int_equal(span_given(obj), cases[i].want != NULL);
		if (cases[i].want) assert_span(obj, cases[i].want);
	}
}

/* What is stored can be read back: the deepest path that fits, and one part more. */
static void paths_keep_the_depth(void **state)
{
	(void)state;
	for (int64_t parts = LIMIT_JSON_DEPTH - 1; parts <= LIMIT_JSON_DEPTH + 1; parts++) {
		struct buf path;
		buf_init(&path, 1000);
		for (int64_t i = 0; i < parts; i++) buf_add_span(&path, i ? SPAN(".a") : SPAN("a"));
		struct span obj = SPAN_NONE;
		assert_int_equal(custom_set_path(&arena, &obj, buf_span(&path), json(SPAN("1"))), parts <= LIMIT_JSON_DEPTH);
		obj = SPAN_NONE;
		assert_int_equal(custom_set_path(&arena, &obj, buf_span(&path), json(SPAN("[1]"))), parts < LIMIT_JSON_DEPTH);
		buf_deinit(&path);
	}
	assert_false(arena_failed(&arena));
}

static void without_memory_the_arena_says_so(void **state)
{
	(void)state;
	yyjson_val *v = json(SPAN("{\"a\":\"0123456789012345678901234567890123456789\",\"b\":{\"c\":2}}"));
	for (size_t max = 0; max < 2048; max += 16) {
		struct arena small;
		arena_init(&small, max);
		struct span s = custom_collect(&small, v, is_reserved);
		assert_int_equal(span_given(s), !arena_failed(&small));
		struct span obj = SPAN("{\"a\":{\"b\":1}}");
		if (!custom_set_path(&small, &obj, SPAN("a.c"), v)) assert_true(arena_failed(&small));
		arena_deinit(&small);
	}
}

int main(void)
{
#define U(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { U(users_by_view), U(users_in_dialect_2), U(an_invisible_user_looks_offline),
		U(members_without_braces_go_on), U(devices), U(channels), U(members), U(messages), U(message_versions), U(reads),
		U(collecting), U(merging), U(paths), U(paths_keep_the_depth), U(without_memory_the_arena_says_so) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
