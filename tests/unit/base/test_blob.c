#include "cm.h"

#include <pthread.h>

#include "base/blob.h"

static void made_of_bytes(void **state)
{
	(void)state;
	struct blob *b = blob_make(SPAN("abc"));
	assert_span(blob_span(b), "abc");
	blob_unref(b);
	b = blob_make(SPAN_NONE);
	assert_int_equal(blob_span(b).n, 0);
	blob_unref(b);
	blob_unref(NULL);
	assert_null(blob_alloc(SIZE_MAX));
}

static void *churn(void *arg)
{
	struct blob *b = arg;
	for (int i = 0; i < 20000; i++) blob_unref(blob_ref(b));
	blob_unref(b);
	return NULL;
}

static void shared_by_threads(void **state)
{
	(void)state;
	struct blob *b = blob_make(SPAN("abc"));
	pthread_t t[4];
	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, churn, blob_ref(b));
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	assert_int_equal(atomic_load(&b->refs), 1);
	blob_unref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(made_of_bytes), cmocka_unit_test(shared_by_threads) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
