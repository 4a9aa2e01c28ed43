/* The program's own allocator. */
#include "../base/cm.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include <beck/types.h>

struct counter {
	size_t given, taken;
};

static void *count_alloc(void *ctx, size_t n)
{
	((struct counter *)ctx)->given++;
	return malloc(n);
}

static void *count_resize(void *ctx, void *old, size_t n)
{
	if (!old) ((struct counter *)ctx)->given++;
	return realloc(old, n);
}

static void count_release(void *ctx, void *p)
{
	if (p) ((struct counter *)ctx)->taken++;
	free(p);
}

/* One test, because the order matters and the flag is the process's. */
static void test_set_allocator(void **state)
{
	(void)state;
	struct counter counted = { 0 };
	beck_allocator a = { count_alloc, count_resize, NULL, &counted, { NULL } };
	assert_int_equal(beck_set_allocator(&a), BECK_EARG);
	a.release = count_release;
	assert_int_equal(beck_set_allocator(&a), BECK_OK);
	assert_int_equal(beck_set_allocator(NULL), BECK_OK);
	assert_int_equal(beck_set_allocator(&a), BECK_OK);
	beck_free(NULL);
	assert_int_equal(counted.taken, 0);

	char *p = mem_calloc(3, 5);
	assert_non_null(p);
	for (int i = 0; i < 15; i++) assert_int_equal(p[i], 0);
	p = mem_realloc(p, 4000);
	assert_non_null(p);
	memset(p, 'x', 4000);
	assert_int_equal(beck_set_allocator(NULL), BECK_ESTATE);
	assert_int_equal(beck_set_allocator(&a), BECK_ESTATE);
	beck_free(p);
	p = mem_realloc(NULL, 1);
	assert_non_null(p);
	mem_free(p);
	assert_null(mem_calloc(SIZE_MAX / 2, 3));
	p = mem_calloc(0, 8);
	assert_non_null(p);
	p = mem_realloc(p, 0);
	assert_non_null(p);
	mem_free(p);
	assert_int_equal(counted.given, 3);
	assert_int_equal(counted.taken, 3);
	/* What lives on came from this one, so it stays for good. */
	assert_int_equal(beck_set_allocator(NULL), BECK_ESTATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_set_allocator) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
