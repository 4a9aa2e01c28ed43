#include "cm.h"

#include "base/err.h"

static void every_error_has_all_parts(void **state)
{
	(void)state;
	for (int e = 0; e < ERR_COUNT; e++) {
		assert_non_null(err_name((enum err)e));
		assert_true(err_text((enum err)e).n > 0);
		assert_true(err_http((enum err)e) >= 200 && err_http((enum err)e) <= 599);
	}
	assert_int_equal(err_code(ERR_NOT_FOUND), 16);
	assert_int_equal(err_http(ERR_NOT_FOUND), 404);
	assert_string_equal(err_name(ERR_NOT_FOUND), "NOT_FOUND");
	assert_int_equal(err_code(ERR_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_error_has_all_parts) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
