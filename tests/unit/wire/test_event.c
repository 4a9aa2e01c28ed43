#include "../base/cm.h"

#include <stdlib.h>

#include "wire/event.h"

static void types_and_names(void **state)
{
	(void)state;
	for (int t = 0; t < EVENT_COUNT; t++) {
		struct span name = event_type_name((enum event_type)t);
		if (name.n) assert_int_equal(event_type_find(name), t);
	}
	assert_int_equal(event_type_find(SPAN("message.new")), EVENT_MESSAGE_NEW);
	assert_int_equal(event_type_class(EVENT_MESSAGE_NEW), EVENT_CLASS_WATCH);
	assert_true(event_type_durable(EVENT_MESSAGE_NEW));
	assert_false(event_type_durable(EVENT_TYPING_START));
	/* Custom events have no name of their own. */
	assert_int_equal(event_type_find(SPAN("")), EVENT_COUNT);
	assert_int_equal(event_type_find(SPAN_NONE), EVENT_COUNT);
	assert_int_equal(event_type_find(SPAN("friendship_request")), EVENT_COUNT);
}

static void the_last_reference_drops_all(void **state)
{
	(void)state;
	struct event *e = event_new(EVENT_USER_UPDATED);
	assert_non_null(e);
	assert_int_equal(e->cls, EVENT_CLASS_PRESENCE);
	assert_int_equal(e->pos, 0);
	struct blob *body = blob_make(SPAN("{\"type\":\"x\""));
	e->body = blob_ref(body);
	e->notify = blob_ref(body);
	e->close_frame = blob_ref(body);
	e->only = malloc(8);
	event_unref(event_ref(e));
	assert_int_equal(atomic_load(&body->refs), 4);
	event_unref(e);
	assert_int_equal(atomic_load(&body->refs), 1);
	blob_unref(body);
	event_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(types_and_names), cmocka_unit_test(the_last_reference_drops_all) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
