#include "fake.h"

#include "client/client.h"
#include "client/timer.h"

static beck_client *client;
static char rung[16];

static int setup(void **state)
{
	(void)state;
	client = fake_client();
	rung[0] = '\0';
	return client ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	beck_release(client);
	return 0;
}

static void note(char name)
{
	size_t n = strlen(rung);
	(void)snprintf(rung + n, sizeof rung - n, "%c", name);
}

struct named {
	struct timer timer;
	char name;
};

static void ring(beck_client *c, struct timer *t)
{
	(void)c;
	assert_false(timer_is_set(t));
	note(BECK_CONTAINER(t, struct named, timer)->name);
}

static void ring_again(beck_client *c, struct timer *t)
{
	ring(c, t);
	timer_set(c, t, 10, ring_again);
}

static void in_their_order(void **state)
{
	(void)state;
	struct named a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };
	client_lock(client);
	timer_set(client, &a.timer, 30, ring);
	timer_set(client, &b.timer, 10, ring);
	timer_set(client, &c.timer, 20, ring);
	assert_int_equal(timers_wait_ms(&client->timers, fake.now_ms), 10);
	client_unlock(client);
	fake_sleep(client, 9);
	assert_string_equal(rung, "");
	fake_sleep(client, 1);
	assert_string_equal(rung, "b");
	fake_sleep(client, 100);
	assert_string_equal(rung, "bca");
	assert_int_equal(timers_wait_ms(&client->timers, fake.now_ms), -1);
}

static void moved_and_stopped(void **state)
{
	(void)state;
	struct named a = { .name = 'a' }, b = { .name = 'b' };
	timer_stop(&a.timer); /* a zeroed one */
	client_lock(client);
	timer_set(client, &a.timer, 10, ring);
	timer_set(client, &b.timer, 20, ring);
	timer_set(client, &a.timer, 30, ring);
	assert_int_equal(timers_wait_ms(&client->timers, fake.now_ms), 20);
	timer_stop(&b.timer);
	assert_false(timer_is_set(&b.timer));
	client_unlock(client);
	fake_sleep(client, 29);
	assert_string_equal(rung, "");
	fake_sleep(client, 1);
	assert_string_equal(rung, "a");
}

/* One that sets itself again waits for its time; what is overdue waits 0 ms, not less. */
static void again(void **state)
{
	(void)state;
	struct named a = { .name = 'a' };
	client_lock(client);
	timer_set(client, &a.timer, -5, ring_again);
	assert_int_equal(timers_wait_ms(&client->timers, fake.now_ms + 7), 0);
	client_unlock(client);
	fake_sleep(client, 0);
	assert_string_equal(rung, "a");
	fake_sleep(client, 10);
	assert_string_equal(rung, "aa");
	client_lock(client);
	timer_stop(&a.timer);
	client_unlock(client);
}

/* ---- those of owners ---- */

static void owned(beck_client *c, void *owner)
{
	(void)c;
	note(*(const char *)owner);
}

static void one_per_owner_and_kind(void **state)
{
	(void)state;
	char x = 'x', y = 'y';
	client_lock(client);
	assert_true(client_timer(client, &x, 0, 10, owned));
	assert_true(client_timer(client, &x, 0, 20, owned)); /* the same, moved */
	assert_true(client_timer(client, &x, 1, 15, owned));
	assert_true(client_timer(client, &y, 0, 16, owned));
	assert_true(client_timer(client, &y, 7, -1, NULL)); /* there is none */
	client_unlock(client);
	fake_sleep(client, 14);
	assert_string_equal(rung, "");
	fake_sleep(client, 6);
	assert_string_equal(rung, "xyx");
	client_lock(client);
	assert_true(client_timer(client, &x, 0, 10, owned));
	assert_true(client_timer(client, &x, 0, -1, NULL));
	assert_true(client_timer(client, &y, 0, 10, owned)); /* goes with the client */
	client_unlock(client);
	assert_string_equal(rung, "xyx");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(in_their_order), T(moved_and_stopped), T(again), T(one_per_owner_and_kind) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
