/* What was verified once is known again, and nothing else is. */
#include "harness.h"

static struct jwt claims_of(struct world *w, const char *user)
{
	struct jwt t;
	assert_true(jwt_parse(&w->arena, token_of(w, user), &t));
	return t;
}

static bool knows(struct world *w, uint64_t app, struct span token, const char *user)
{
	struct jwt out;
	if (!token_cache_get(w->tokens, app, token, &w->arena, &out)) return false;
	return span_is(out.user_id, user) && !out.is_server && !out.has_exp;
}

static void test_known_is_known(void **state)
{
	struct world *w = *state;
	struct jwt ann = claims_of(w, "ann");
	struct span token = token_of(w, "ann");
	assert_false(knows(w, 1, token, "ann"));
	token_cache_put(w->tokens, 1, token, &ann);
	assert_true(knows(w, 1, token, "ann"));
	assert_true(knows(w, 1, arena_dup(&w->arena, token), "ann"));
}

static void test_any_other_byte_is_another_token(void **state)
{
	struct world *w = *state;
	struct jwt ann = claims_of(w, "ann");
	struct span token = token_of(w, "ann");
	token_cache_put(w->tokens, 1, token, &ann);
	for (size_t i = 0; i < token.n; i++) {
		struct span other = arena_dup(&w->arena, token);
		((char *)(uintptr_t)other.p)[i] ^= 1;
		assert_false(knows(w, 1, other, "ann"));
	}
	assert_false(knows(w, 1, span_make(token.p, token.n - 1), "ann"));
}

static void test_another_snapshot_knows_nothing(void **state)
{
	struct world *w = *state;
	struct jwt ann = claims_of(w, "ann");
	token_cache_put(w->tokens, 1, token_of(w, "ann"), &ann);
	assert_false(knows(w, 2, token_of(w, "ann"), "ann"));
}

static void test_bounded(void **state)
{
	struct world *w = *state;
	int known = 0;
	for (int i = 0; i < 5000; i++) {
		const char *user = arena_printf(&w->arena, "user-%d", i).p;
		struct jwt t = claims_of(w, user);
		token_cache_put(w->tokens, 1, token_of(w, user), &t);
		assert_true(knows(w, 1, token_of(w, user), user)); /* the newest always is */
	}
	for (int i = 0; i < 5000; i++) {
		const char *user = arena_printf(&w->arena, "user-%d", i).p;
		known += knows(w, 1, token_of(w, user), user);
	}
	assert_in_range(known, 500, 1024);
	struct jwt ann = claims_of(w, "ann");
	char *long_one = arena_alloc(&w->arena, 1025);
	memset(long_one, 'a', 1025);
	token_cache_put(w->tokens, 1, span_make(long_one, 1025), &ann);
	assert_false(knows(w, 1, span_make(long_one, 1025), "ann"));
}

/* A secret that was taken away proves nothing any more, seen before or not. */
static void test_retired_secret_refuses_a_token_seen_before(void **state)
{
	struct world *w = *state;
	make_user(w, "ann", "");
	GET(w, "/app", token_of(w, "ann"));
	OK(w, 200);
	GET(w, "/app", token_of(w, "ann"));
	OK(w, 200);
	struct store_tx *tx = write_begin(w);
	assert_int_equal(store_app_add_secret(tx, w->app.pk, SPAN("second"), w->now_us), ERR_OK);
	assert_int_equal(store_app_retire_secrets(tx, w->app.pk, 1, w->now_us), ERR_OK);
	write_end(tx, true);
	world_reload(w);
	GET(w, "/app", token_of(w, "ann"));
	FAILS(w, 401, 43);
	GET(w, "/app", sign(w, "{\"user_id\":\"ann\"}", "second"));
	OK(w, 200);
}

static void test_times_are_looked_at_every_time(void **state)
{
	struct world *w = *state;
	make_user(w, "ann", "");
	struct span token = sign(w,
		arena_printf(&w->arena, "{\"user_id\":\"ann\",\"exp\":%lld}", (long long)(w->now_us / 1000000 + 3)).p, "secret");
	GET(w, "/app", token);
	OK(w, 200);
	w->now_us += 10000000;
	GET(w, "/app", token);
	FAILS(w, 401, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_known_is_known, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_any_other_byte_is_another_token, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_another_snapshot_knows_nothing, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_bounded, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_retired_secret_refuses_a_token_seen_before, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_times_are_looked_at_every_time, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
