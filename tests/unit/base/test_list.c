#include "cm.h"

#include "base/compiler.h"
#include "base/list.h"

struct item {
	int v;
	struct list node;
};

static int shift_value(struct list *head)
{
	struct list *n = list_shift(head);
	return n ? BECK_CONTAINER(n, struct item, node)->v : -1;
}

static void first_in_first_out(void **state)
{
	(void)state;
	struct list head = { 0 };
	assert_true(list_empty(&head));
	assert_null(list_shift(&head));
	list_init(&head);
	assert_true(list_empty(&head));
	struct item a = { 1, { 0 } }, b = { 2, { 0 } }, c = { 3, { 0 } };
	assert_false(list_linked(&a.node));
	list_push(&head, &a.node);
	list_push(&head, &b.node);
	list_push(&head, &c.node);
	assert_true(list_linked(&b.node));
	list_remove(&b.node);
	list_remove(&b.node);
	assert_false(list_linked(&b.node));
	assert_int_equal(shift_value(&head), 1);
	assert_int_equal(shift_value(&head), 3);
	assert_int_equal(shift_value(&head), -1);
}

static void take_all(void **state)
{
	(void)state;
	struct list from, to;
	list_init(&from);
	list_take_all(&to, &from);
	assert_true(list_empty(&to));
	struct item a = { 1, { 0 } }, b = { 2, { 0 } };
	list_push(&from, &a.node);
	list_push(&from, &b.node);
	list_take_all(&to, &from);
	assert_true(list_empty(&from));
	assert_int_equal(shift_value(&to), 1);
	assert_int_equal(shift_value(&to), 2);
	assert_true(list_empty(&to));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(first_in_first_out), cmocka_unit_test(take_all) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
