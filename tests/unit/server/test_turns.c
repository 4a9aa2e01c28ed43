/* The order in which waiting jobs get their turn. */
#include "../base/cm.h"

#include "server/turns.h"

enum { JOBS = 64, CALLERS = 8 };

static void push(struct turns *t, struct job *j, int64_t app, uint64_t who)
{
	*j = (struct job){ .app = app, .who = who };
	assert_true(turns_push(t, j));
}

static void one_application_cannot_starve_another(void **state)
{
	(void)state;
	struct turns t;
	struct job jobs[JOBS];
	turns_init(&t, CALLERS, 2 * JOBS);
	for (int i = 0; i < JOBS - 1; i++) push(&t, &jobs[i], 1, 1);
	push(&t, &jobs[JOBS - 1], 2, 1);
	assert_ptr_equal(turns_pop(&t), &jobs[0]);
	assert_ptr_equal(turns_pop(&t), &jobs[JOBS - 1]);
	for (int i = 1; i < JOBS - 1; i++) assert_ptr_equal(turns_pop(&t), &jobs[i]);
	assert_null(turns_pop(&t));
	assert_int_equal(t.count, 0);
	turns_deinit(&t);
}

static void nor_one_user_another(void **state)
{
	(void)state;
	struct turns t;
	struct job jobs[JOBS];
	turns_init(&t, CALLERS, 2 * JOBS);
	for (int i = 0; i < JOBS - 2; i++) push(&t, &jobs[i], 1, 1);
	push(&t, &jobs[JOBS - 2], 1, 2);
	push(&t, &jobs[JOBS - 1], 1, 3);
	assert_ptr_equal(turns_pop(&t), &jobs[0]);
	assert_ptr_equal(turns_pop(&t), &jobs[JOBS - 2]);
	assert_ptr_equal(turns_pop(&t), &jobs[JOBS - 1]);
	assert_ptr_equal(turns_pop(&t), &jobs[1]);
	while (turns_pop(&t)) {
	}
	turns_deinit(&t);
}

static void with_one_ring_an_application_keeps_its_order(void **state)
{
	(void)state;
	struct turns t;
	struct job jobs[JOBS];
	turns_init(&t, 1, 2 * JOBS);
	for (int i = 0; i < JOBS; i++) push(&t, &jobs[i], i % 2, (uint64_t)i);
	for (int i = 0; i < JOBS; i++) assert_ptr_equal(turns_pop(&t), &jobs[i]);
	turns_deinit(&t);
}

/* Nobody is lost, given out twice, or overtaken by his own later one. */
static void every_job_comes_once(void **state)
{
	(void)state;
	struct turns t;
	struct job jobs[JOBS];
	int out[JOBS] = { 0 };
	uint64_t x = 3;
	turns_init(&t, CALLERS, 2 * JOBS);
	for (int i = 0; i < JOBS; i++) {
		x = x * UINT64_C(6364136223846793005) + 1;
		push(&t, &jobs[i], (int64_t)(x >> 60) % 3, (x >> 50) % 5);
		if (x >> 63) out[turns_pop(&t) - jobs]++;
	}
	struct job *j;
	while ((j = turns_pop(&t)) != NULL) out[j - jobs]++;
	for (int i = 0; i < JOBS; i++) assert_int_equal(out[i], 1);
	turns_deinit(&t);
}

static int fill(struct turns *t, struct job *jobs, int64_t app)
{
	int n = 0;
	for (;; n++) {
		jobs[n] = (struct job){ .app = app, .who = 1 };
		if (!turns_push(t, &jobs[n])) return n;
	}
}

static void an_application_leaves_room_for_others(void **state)
{
	(void)state;
	struct turns t;
	struct job jobs[4][JOBS];
	turns_init(&t, CALLERS, JOBS);
	assert_int_equal(fill(&t, jobs[0], 1), JOBS / 2);
	assert_int_equal(fill(&t, jobs[1], 2), JOBS / 4);
	assert_int_equal(fill(&t, jobs[2], 3), JOBS / 8);
	assert_int_equal(fill(&t, jobs[3], 4), JOBS / 16);
	/* Who is above what is left does not take back what comes free. */
	struct job *first = turns_pop(&t);
	assert_ptr_equal(first, &jobs[0][0]);
	assert_false(turns_push(&t, first));
	while (turns_pop(&t)) {
	}
	assert_int_equal(fill(&t, jobs[0], 1), JOBS / 2);
	while (turns_pop(&t)) {
	}
	turns_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(one_application_cannot_starve_another),
		cmocka_unit_test(nor_one_user_another), cmocka_unit_test(with_one_ring_an_application_keeps_its_order),
		cmocka_unit_test(every_job_comes_once), cmocka_unit_test(an_application_leaves_room_for_others) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
