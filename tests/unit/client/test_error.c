#include "../base/cm.h"

#include "base/utf8.h"
#include "client/error.h"
#include "client/text.h"

static void names(void **state)
{
	(void)state;
#define CHECK(name, number, text)                                                                                                \
	assert_int_equal(name, number);                                                                                          \
	assert_string_equal(beck_result_name(number), #name);                                                                    \
	assert_string_equal(beck_result_text(number), text);
	BECK_RESULTS(CHECK)
	assert_string_equal(beck_result_name(-1), "BECK_?");
	assert_string_equal(beck_result_name(999), "BECK_?");
	assert_true(beck_result_text(999)[0]);
}

static void by_hand(void **state)
{
	(void)state;
	beck_error err = { .code = 5, .status = 6, .field = "old" };
	assert_int_equal(error_set(&err, BECK_ETIMEOUT, "after %d\nms", 9), BECK_ETIMEOUT);
	assert_int_equal(err.result, BECK_ETIMEOUT);
	assert_int_equal(err.code, 0);
	assert_string_equal(err.field, "");
	assert_string_equal(err.message, "after 9 ms");
	assert_true(err.is_retryable);
	assert_int_equal(error_field(&err, BECK_EARG, "id", "bad"), BECK_EARG);
	assert_string_equal(err.field, "id");
	assert_false(err.is_retryable);
	assert_int_equal(error_set(NULL, BECK_EARG, "x"), BECK_EARG);
	assert_int_equal(error_field(NULL, BECK_EARG, "f", "x"), BECK_EARG);
}

/* Whatever the text, and wherever it is cut, characters are whole. */
static void cut_between_characters(void **state)
{
	(void)state;
	char text[1000];
	for (size_t shift = 0; shift < 4; shift++) {
		beck_error err;
		size_t n = 0;
		for (size_t i = 0; i < shift; i++) text[n++] = 'x';
		for (; n + 4 < sizeof text; n += 4) memcpy(text + n, "\xf0\x9f\x98\x80", 4);
		text[n] = '\0';
		(void)error_field(&err, BECK_EARG, text, "%s", text);
		assert_true(utf8_valid(span_str(err.message)) && utf8_valid(span_str(err.field)));
		assert_true(strlen(err.message) == sizeof err.message - 1);
	}
}

static beck_error answer(int status, const char *body)
{
	beck_error err = { 0 };
	assert_int_equal(error_from_answer(&err, status, span_str(body), 0), error_from_answer(NULL, status, span_str(body), 0));
	assert_int_equal(err.status, status);
	assert_true(err.message[0] && utf8_valid(span_str(err.message)));
	return err;
}

static void of_the_server(void **state)
{
	(void)state;
	beck_error err = answer(400, "{\"code\":4,\"message\":\"QueryUsers failed with error: "
				     "\\\"bad\\\"\",\"StatusCode\":400,\"exception_fields\":{\"limit\":"
				     "\"too large\"},\"details\":[]}");
	assert_int_equal(err.result, BECK_EAPI);
	assert_int_equal(err.code, 4);
	assert_string_equal(err.message, "QueryUsers failed with error: \"bad\"");
	assert_string_equal(err.field, "limit");
	assert_false(err.is_retryable);
	err = answer(500, "{\"code\":-1,\"message\":\"x\"}");
	assert_int_equal(err.code, -1);
	assert_true(err.is_retryable);
	assert_true(answer(429, "{\"code\":9,\"message\":\"x\"}").is_retryable);
	assert_false(answer(503, "{\"code\":9,\"message\":\"x\",\"unrecoverable\":true}").is_retryable);
	assert_int_equal(error_from_answer(&err, 429, SPAN("{}"), 2500), BECK_EAPI);
	assert_int_equal(err.retry_after_ms, 2500);
}

static void of_somebody_else(void **state)
{
	(void)state;
	static const char *const bodies[] = { "", "<html>\n<h1>502 Bad Gateway</h1>", "{", "[]", "null",
		"{\"code\":\"4\",\"message\":\"x\"}", "{\"code\":4}", "{\"code\":4,\"message\":7}", "\xff\xfe\x01\x02",
		"{\"code\":4,\"message\":\"x\"" };
	for (size_t i = 0; i < BECK_COUNT(bodies); i++) {
		beck_error err = answer(502, bodies[i]);
		assert_int_equal(err.result, BECK_EAPI);
		assert_int_equal(err.code, 0);
		assert_non_null(strstr(err.message, "502"));
		assert_null(strchr(err.message, '\n'));
	}
	assert_int_equal(answer(302, "").result, BECK_EPROTOCOL);
	assert_int_equal(answer(101, "").result, BECK_EPROTOCOL);
	assert_int_equal(answer(0, "").result, BECK_EPROTOCOL);
}

static void frames(void **state)
{
	(void)state;
	beck_error err = { 0 };
	assert_true(error_from_frame(&err, SPAN("{\"error\":{\"code\":40,\"message\":\"expired\",\"StatusCode\":401}}")));
	assert_int_equal(err.result, BECK_EAPI);
	assert_int_equal(err.code, 40);
	assert_int_equal(err.status, 401);
	assert_false(error_from_frame(&err, SPAN("{\"type\":\"health.check\"}")));
	assert_false(error_from_frame(&err, SPAN("{\"error\":\"x\"}")));
	assert_false(error_from_frame(&err, SPAN("token invalid")));
	assert_false(error_from_frame(&err, SPAN("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names), cmocka_unit_test(by_hand),
		cmocka_unit_test(cut_between_characters), cmocka_unit_test(of_the_server), cmocka_unit_test(of_somebody_else),
		cmocka_unit_test(frames) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
