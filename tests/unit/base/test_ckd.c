#include "cm.h"

#include "base/ckd.h"

static void sizes(void **state)
{
	(void)state;
	size_t v = 0;
	assert_true(ckd_add_size(SIZE_MAX - 1, 1, &v));
	assert_true(v == SIZE_MAX);
	assert_false(ckd_add_size(SIZE_MAX, 1, &v));
	assert_true(ckd_mul_size(SIZE_MAX / 2, 2, &v));
	assert_false(ckd_mul_size(SIZE_MAX / 2 + 1, 2, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sizes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
