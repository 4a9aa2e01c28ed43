#include "../base/cm.h"

#include "wire/ids.h"

static char word[300];

static int setup(void **state)
{
	(void)state;
	memset(word, 'a', sizeof word);
	return 0;
}

static void bounds(void **state)
{
	(void)state;
	assert_true(user_id_valid((struct span){ word, 255 }));
	assert_false(user_id_valid((struct span){ word, 256 }));
	assert_true(channel_id_valid((struct span){ word, 64 }));
	assert_false(channel_id_valid((struct span){ word, 65 }));
	assert_true(channel_type_valid((struct span){ word, 64 }));
	assert_false(channel_type_valid((struct span){ word, 65 }));
	assert_true(message_id_valid((struct span){ word, 255 }));
	assert_false(message_id_valid((struct span){ word, 256 }));
	assert_false(user_id_valid(SPAN("")));
	assert_false(user_id_valid(SPAN_NONE));
	assert_false(channel_id_valid(SPAN("")));
}

static void characters(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char one = (char)c;
		struct span s = { &one, 1 };
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
		assert_int_equal(user_id_valid(s), letter || c == '@');
		assert_int_equal(channel_id_valid(s), letter || c == '!');
		assert_int_equal(channel_type_valid(s), letter);
		assert_int_equal(message_id_valid(s), letter);
	}
	assert_false(user_id_valid(SPAN("!anon")));
	assert_true(user_id_known_form(SPAN("!anon")));
	assert_false(user_id_known_form(SPAN("!anonymous")));
	assert_true(user_id_known_form(SPAN("bob")));
}

static void cids(void **state)
{
	(void)state;
	static const char *const bad[] = { "", ":", "a", "a:", ":b", "a:b:c", "a:b c", "!a:b", "a::b" };
	struct span type = SPAN_NONE, id = SPAN_NONE;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(cid_split(span_str(bad[i]), &type, &id));
	assert_false(cid_split(SPAN_NONE, &type, &id));
	assert_false(span_given(type));
	assert_true(cid_split(SPAN("messaging:!members-x"), &type, &id));
	assert_span(type, "messaging");
	assert_span(id, "!members-x");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bounds), cmocka_unit_test(characters), cmocka_unit_test(cids) };
	return cmocka_run_group_tests(tests, setup, NULL);
}
