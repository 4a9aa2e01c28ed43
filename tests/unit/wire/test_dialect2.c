/* Rewriting must give what the writers of dialect 2 give: a key that a writer has and the tables have not would end in `custom`.
 */
#include "../base/cm.h"

#include "base/limits.h"
#include "wire/dialect2.h"
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

static struct jsonw *begin(const char *key)
{
	buf_clear(&out);
	jsonw_init(&w, &out);
	jsonw_obj_begin(&w);
	jsonw_key(&w, key);
	return &w;
}

/* The event so far, in dialect 2. */
static yyjson_val *rewritten(void)
{
	struct blob *body = blob_make(buf_span(&out)), *made = event_in_dialect_2(body);
	assert_non_null(made);
	yyjson_val *v = json(arena_printf(&arena, "%.*s}", SPAN_FMT(blob_span(made))));
	blob_unref(made);
	blob_unref(body);
	return v;
}

static yyjson_val *written(const char *key)
{
	jsonw_obj_end(&w);
	return json_get(json(arena_dup(&arena, buf_span(&out))), key);
}

static void assert_same(yyjson_val *got, yyjson_val *want)
{
	if (!json_equal(got, want))
		fail_msg("got %.*s\nwant %.*s", SPAN_FMT(json_text(&arena, got)), SPAN_FMT(json_text(&arena, want)));
}

static struct user full_user(const char *id)
{
	return (struct user){ .pk = 1,
		.id = span_str(id),
		.role = SPAN("user"),
		.name = SPAN("Bob"),
		.image = SPAN("i.png"),
		.language = SPAN("de"),
		.teams = SPAN("[\"red\"]"),
		.teams_role = SPAN("{\"red\":\"admin\"}"),
		.custom =
			SPAN("{\"age\":7,\"since\":\"2001-01-01T00:00:00Z\",\"deep\":{\"created_at\":\"2001-01-01T00:00:00Z\"}}"),
		.created_at = 1,
		.updated_at = 2,
		.last_active = 9,
		.deactivated_at = 3,
		.deleted_at = 4,
		.revoke_before = 6,
		.ban_expires = 8,
		.banned = true,
		.online = true,
		.privacy_typing = TRI_OFF,
		.privacy_read = TRI_UNSET,
		.privacy_delivery = TRI_ON };
}

static void users(void **state)
{
	(void)state;
	static const enum user_view views[] = { USER_VIEW_COMMON, USER_VIEW_PRIVACY };
	struct user u = full_user("bob");
	for (size_t i = 0; i < BECK_COUNT(views); i++) {
		user_write(begin("user"), DIALECT_1, views[i], &u);
		yyjson_val *got = json_get(rewritten(), "user");
		user_write(begin("user"), DIALECT_2, views[i], &u);
		assert_same(got, written("user"));
	}
}

static void channels(void **state)
{
	(void)state;
	struct channel c = { .type = SPAN("m"),
		.id = SPAN("x"),
		.cid = SPAN("m:x"),
		.created_by = full_user("a"),
		.truncated_by = full_user("b"),
		.team = SPAN("red"),
		.custom = SPAN("{\"name\":\"n\",\"user\":{\"id\":\"x\",\"age\":1}}"),
		.filter_tags = SPAN("[\"t\"]"),
		.frozen = true,
		.cooldown_s = 3,
		.member_count = 4,
		.message_count = 5,
		.created_at = 1,
		.updated_at = 2,
		.last_message_at = 3,
		.deleted_at = 4,
		.truncated_at = 5 };
	struct channel_view v = { .config_json = SPAN("{\"name\":\"m\",\"created_at\":\"2001-01-01T00:00:00Z\"}"),
		.count_messages = true };
	channel_write(begin("channel"), DIALECT_1, &c, &v);
	yyjson_val *got = json_get(rewritten(), "channel");
	channel_write(begin("channel"), DIALECT_2, &c, &v);
	assert_same(got, written("channel"));
}

static void members(void **state)
{
	(void)state;
	struct member m = { .user_pk = 1,
		.user = full_user("bob"),
		.channel_role = SPAN("channel_moderator"),
		.custom = SPAN("{\"c\":1}"),
		.is_moderator = true,
		.invited = true,
		.banned = true,
		.shadow_banned = true,
		.muted = true,
		.invite_accepted_at = 1,
		.invite_rejected_at = 2,
		.pinned_at = 3,
		.archived_at = 4,
		.ban_expires = 5,
		.created_at = 6,
		.updated_at = 7,
		.deleted_messages = SPAN("[\"a\"]") };
	member_write(begin("member"), DIALECT_1, &m);
	yyjson_val *got = json_get(rewritten(), "member");
	member_write(begin("member"), DIALECT_2, &m);
	assert_same(got, written("member"));
}

static void messages(void **state)
{
	(void)state;
	struct user named[2] = { full_user("a"), full_user("b") };
	struct member sender = { .channel_role = SPAN("channel_member"), .custom = SPAN("{\"nick\":\"B\"}") };
	struct message quoted = {
		.id = SPAN("q"), .text = SPAN("old"), .custom = SPAN("{\"x\":null}"), .user = full_user("eve")
	};
	struct message m = { .id = SPAN("m1"),
		.cid = SPAN("m:x"),
		.type = SPAN("reply"),
		.text = SPAN("2001-01-01T00:00:00Z"),
		.html = SPAN("<p>hi</p>\n"),
		.mml = SPAN("<mml/>"),
		.attachments = SPAN("[{\"type\":\"image\",\"own\":1}]"),
		.custom = SPAN("{\"color\":\"red\",\"list\":[{\"a\":1}]}"),
		.mentioned = named,
		.mentioned_count = 2,
		.user = full_user("bob"),
		.parent_id = SPAN("p"),
		.quoted_id = SPAN("q"),
		.quoted = &quoted,
		.show_in_channel = true,
		.silent = true,
		.shadowed = true,
		.deleted_for_me = true,
		.pinned = true,
		.pinned_at = 5,
		.pin_expires = 6,
		.pinned_by = full_user("mod"),
		.restricted_visibility = SPAN("[\"a\"]"),
		.reply_count = 2,
		.deleted_reply_count = 1,
		.participants = named,
		.participant_count = 1,
		.created_at = 1,
		.updated_at = 2,
		.deleted_at = 4,
		.text_updated_at = 3,
		.member = &sender };
	message_write(begin("message"), DIALECT_1, &m);
	yyjson_val *got = json_get(rewritten(), "message");
	message_write(begin("message"), DIALECT_2, &m);
	assert_same(got, written("message"));
}

static void events(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "{\"type\":\"x\",\"created_at\":\"1970-01-01T00:00:00.000001Z\"",
			"{\"type\":\"x\",\"created_at\":1000,\"custom\":{}}" },
		{ "{\"type\":\"x\",\"level\":3,\"at\":\"1970-01-01T00:00:00Z\",\"more\":{\"user\":1}",
			"{\"type\":\"x\",\"custom\":{\"level\":3,\"at\":\"1970-01-01T00:00:00Z\",\"more\":{\"user\":1}}}" },
		/* never: a time that cannot be absent */
		{ "{\"last_read_at\":\"0001-01-01T00:00:00Z\"", "{\"last_read_at\":null,\"custom\":{}}" },
		/* What is of no expected shape stays as it is. */
		{ "{\"user\":null,\"message\":\"m\",\"created_at\":7,\"thread_participants\":null",
			"{\"user\":null,\"message\":\"m\",\"created_at\":7,\"thread_participants\":[],\"custom\":{}}" },
	};
	for (size_t i = 0; i < BECK_COUNT(cases); i++) {
		buf_clear(&out);
		buf_add_span(&out, span_str(cases[i].from));
		assert_same(rewritten(), json(span_str(cases[i].to)));
	}
	struct blob *broken = blob_make(SPAN("{\"type\":"));
	assert_null(event_in_dialect_2(broken));
	blob_unref(broken);
}

/* As deep as custom data may be, inside a quote inside a message inside an event. */
static void depth(void **state)
{
	(void)state;
	struct buf deep;
	buf_init(&deep, 4096);
	buf_add_span(&deep, SPAN("{\"a\":"));
	for (int64_t i = 1; i < LIMIT_JSON_DEPTH; i++) buf_add_char(&deep, '[');
	for (int64_t i = 1; i < LIMIT_JSON_DEPTH; i++) buf_add_char(&deep, ']');
	buf_add_char(&deep, '}');
	struct message quoted = { .id = SPAN("q"), .custom = buf_span(&deep) };
	struct message m = { .id = SPAN("m"), .quoted = &quoted };
	message_write(begin("message"), DIALECT_1, &m);
	struct blob *body = blob_make(buf_span(&out)), *made = event_in_dialect_2(body);
	assert_non_null(made);
	blob_unref(made);
	blob_unref(body);
	buf_deinit(&deep);
}

int main(void)
{
#define U(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { U(users), U(channels), U(members), U(messages), U(events), U(depth) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
