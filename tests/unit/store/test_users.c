/* Applications, users, devices, usage, tasks. */
#include "support.h"

static struct user make(struct fixture *f, const char *id)
{
	struct user u = { .id = span_str(id),
		.role = SPAN("user"),
		.created_at = f->now_us,
		.updated_at = f->now_us,
		.privacy_typing = TRI_UNSET,
		.privacy_read = TRI_UNSET,
		.privacy_delivery = TRI_UNSET };
	return u;
}

static void every_field_comes_back(void **state)
{
	struct fixture *f = *state;
	struct user u = { .id = SPAN("ann"),
		.role = SPAN("admin"),
		.name = SPAN("Ann"),
		.image = SPAN("i"),
		.language = SPAN("de"),
		.teams = SPAN("[\"a\"]"),
		.teams_role = SPAN("{\"a\":\"x\"}"),
		.custom = SPAN("{\"k\":1}"),
		.created_at = 1,
		.updated_at = 2,
		.last_active = 3,
		.deactivated_at = 4,
		.deleted_at = 5,
		.revoke_before = 6,
		.ban_expires = 7,
		.invisible = true,
		.banned = true,
		.shadow_banned = true,
		.privacy_typing = TRI_ON,
		.privacy_read = TRI_OFF,
		.privacy_delivery = TRI_UNSET,
		.invisible_since_last_active = 8 };
	assert_int_equal(store_user_put(f->tx, f->app, &u, SPAN("ann")), ERR_OK);
	assert_true(u.pk > 0);
	struct user r;
	assert_int_equal(store_user_get(f->tx, f->app, SPAN("ann"), &f->arena, &r), ERR_OK);
	assert_int_equal(r.pk, u.pk);
	assert_true(span_eq(r.id, u.id) && span_eq(r.role, u.role) && span_eq(r.name, u.name) && span_eq(r.image, u.image));
	assert_true(span_eq(r.language, u.language) && span_eq(r.teams, u.teams) && span_eq(r.teams_role, u.teams_role));
	assert_true(span_eq(r.custom, u.custom));
	assert_int_equal(r.created_at, 1);
	assert_int_equal(r.updated_at, 2);
	assert_int_equal(r.last_active, 3);
	assert_int_equal(r.deactivated_at, 4);
	assert_int_equal(r.deleted_at, 5);
	assert_int_equal(r.revoke_before, 6);
	assert_int_equal(r.ban_expires, 7);
	assert_true(r.invisible && r.banned && r.shadow_banned);
	assert_int_equal(r.privacy_typing, TRI_ON);
	assert_int_equal(r.privacy_read, TRI_OFF);
	assert_int_equal(r.privacy_delivery, TRI_UNSET);
	assert_int_equal(r.invisible_since_last_active, 8);

	/* the whole row is rewritten, not-given included */
	struct user plain = make(f, "ann");
	plain.pk = u.pk;
	assert_int_equal(store_user_put(f->tx, f->app, &plain, SPAN_NONE), ERR_OK);
	assert_int_equal(store_user_get_pk(f->tx, u.pk, &f->arena, &r), ERR_OK);
	assert_false(span_given(r.name) || span_given(r.custom) || r.invisible || r.banned);
	assert_int_equal(r.privacy_typing, TRI_UNSET);
}

static void unknown_ones_are_not_found(void **state)
{
	struct fixture *f = *state;
	struct user u = make(f, "ann"), r;
	assert_int_equal(store_user_put(f->tx, f->app, &u, SPAN_NONE), ERR_OK);
	assert_int_equal(store_user_get(f->tx, f->app, SPAN("bob"), &f->arena, &r), ERR_NOT_FOUND);
	assert_int_equal(store_user_get(f->tx, f->app + 1, SPAN("ann"), &f->arena, &r), ERR_NOT_FOUND); /* another application */
	assert_int_equal(store_user_get(f->tx, f->app, SPAN("ANN"), &f->arena, &r), ERR_NOT_FOUND);     /* case matters */
	assert_int_equal(store_user_get_pk(f->tx, u.pk + 1, &f->arena, &r), ERR_NOT_FOUND);
	struct user twin = make(f, "ann");
	assert_int_equal(store_user_put(f->tx, f->app, &twin, SPAN_NONE), ERR_AGAIN);
	twin.pk = u.pk + 7;
	assert_int_equal(store_user_put(f->tx, f->app, &twin, SPAN_NONE), ERR_NOT_FOUND);
	assert_int_equal(store_user_remove(f->tx, u.pk), ERR_OK);
	assert_int_equal(store_user_remove(f->tx, u.pk), ERR_NOT_FOUND);
}

static void many_come_in_the_order_asked(void **state)
{
	struct fixture *f = *state;
	struct user a = make(f, "a"), b = make(f, "b"), out[4];
	assert_int_equal(store_user_put(f->tx, f->app, &a, SPAN_NONE), ERR_OK);
	assert_int_equal(store_user_put(f->tx, f->app, &b, SPAN_NONE), ERR_OK);
	struct span ids[] = { SPAN("b"), SPAN("x"), SPAN("a"), SPAN("b") };
	assert_int_equal(store_users_get(f->tx, f->app, ids, 4, &f->arena, out), ERR_OK);
	assert_int_equal(out[0].pk, b.pk);
	assert_int_equal(out[1].pk, 0);
	assert_int_equal(out[2].pk, a.pk);
	assert_int_equal(out[3].pk, b.pk);
	int64_t pks[] = { 0, b.pk, 4711, a.pk };
	assert_int_equal(store_users_get_pk(f->tx, pks, 4, &f->arena, out), ERR_OK);
	assert_int_equal(out[0].pk, 0);
	assert_true(span_is(out[1].id, "b"));
	assert_int_equal(out[2].pk, 0);
	assert_true(span_is(out[3].id, "a"));
}

static void names_are_taken_per_app_or_team(void **state)
{
	struct fixture *f = *state;
	struct user a = make(f, "a");
	a.teams = SPAN("[\"red\",\"blue\"]");
	assert_int_equal(store_user_put(f->tx, f->app, &a, SPAN("ann")), ERR_OK);
	bool taken = false;
	assert_int_equal(store_user_name_taken(f->tx, f->app, SPAN("ann"), SPAN("b"), SPAN_NONE, &taken), ERR_OK);
	assert_true(taken);
	assert_int_equal(store_user_name_taken(f->tx, f->app, SPAN("ann"), SPAN("a"), SPAN_NONE, &taken), ERR_OK);
	assert_false(taken);
	assert_int_equal(store_user_name_taken(f->tx, f->app, SPAN("ann"), SPAN_NONE, SPAN("blue"), &taken), ERR_OK);
	assert_true(taken);
	assert_int_equal(store_user_name_taken(f->tx, f->app, SPAN("ann"), SPAN_NONE, SPAN("green"), &taken), ERR_OK);
	assert_false(taken);
	a.deleted_at = 1;
	assert_int_equal(store_user_put(f->tx, f->app, &a, SPAN("ann")), ERR_OK);
	assert_int_equal(store_user_name_taken(f->tx, f->app, SPAN("ann"), SPAN("b"), SPAN_NONE, &taken), ERR_OK);
	assert_false(taken);
}

static void last_active_never_goes_back(void **state)
{
	struct fixture *f = *state;
	struct user a = make(f, "a"), r;
	assert_int_equal(store_user_put(f->tx, f->app, &a, SPAN_NONE), ERR_OK);
	assert_int_equal(store_user_touch(f->tx, a.pk, 500), ERR_OK);
	assert_int_equal(store_user_touch(f->tx, a.pk, 400), ERR_OK);
	assert_int_equal(store_user_get_pk(f->tx, a.pk, &f->arena, &r), ERR_OK);
	assert_int_equal(r.last_active, 500);
}

static void usage_counts_once_and_peaks_stay(void **state)
{
	struct fixture *f = *state;
	int64_t n = -1;
	for (int i = 0; i < 3; i++) assert_int_equal(store_mau_mark(f->tx, f->app, 202611, 7), ERR_OK);
	assert_int_equal(store_mau_mark(f->tx, f->app, 202611, 8), ERR_OK);
	assert_int_equal(store_mau_mark(f->tx, f->app, 202612, 8), ERR_OK);
	assert_int_equal(store_mau_mark(f->tx, f->app + 1, 202611, 9), ERR_OK);
	assert_int_equal(store_mau_count(f->tx, f->app, 202611, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(store_peak_get(f->tx, f->app, 202611, &n), ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(store_peak_raise(f->tx, f->app, 202611, 5), ERR_OK);
	assert_int_equal(store_peak_raise(f->tx, f->app, 202611, 3), ERR_OK);
	assert_int_equal(store_peak_get(f->tx, f->app, 202611, &n), ERR_OK);
	assert_int_equal(n, 5);
}

static void the_oldest_device_goes(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 5; i++) {
		struct device d = { .id = arena_printf(&f->arena, "d%d", i), .push_provider = SPAN("apn"), .created_at = i };
		assert_int_equal(store_device_put(f->tx, f->app, 1, &d, 3), ERR_OK);
	}
	struct device *d;
	size_t n;
	assert_int_equal(store_device_list(f->tx, 1, &f->arena, &d, &n), ERR_OK);
	assert_int_equal(n, 3);
	assert_true(span_is(d[0].id, "d2") && span_is(d[2].id, "d4"));
	assert_false(span_given(d[0].push_provider_name));
	/* a device that changes hands */
	struct device moved = {
		.id = SPAN("d4"), .push_provider = SPAN("firebase"), .push_provider_name = SPAN("p"), .created_at = 9
	};
	assert_int_equal(store_device_put(f->tx, f->app, 2, &moved, 3), ERR_OK);
	assert_int_equal(store_device_list(f->tx, 1, &f->arena, &d, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(store_device_list(f->tx, 2, &f->arena, &d, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_true(span_is(d[0].push_provider, "firebase") && span_is(d[0].push_provider_name, "p"));
}

static void applications_keep_their_secrets(void **state)
{
	struct fixture *f = *state;
	struct span given[] = { SPAN("newest"), SPAN("older") };
	struct store_app app = {
		.name = SPAN("two"), .key = SPAN("key2"), .settings = SPAN("{}"), .secrets = given, .secret_count = 2
	};
	int64_t pk = 0;
	assert_int_equal(store_app_create(f->tx, &app, &pk), ERR_OK);
	assert_int_equal(store_app_create(f->tx, &app, &pk), ERR_AGAIN);
	assert_int_equal(store_app_add_secret(f->tx, pk, SPAN("rotated"), 5), ERR_OK);
	assert_int_equal(store_app_set_settings(f->tx, pk, SPAN("{\"a\":1}"), 6), ERR_OK);
	assert_int_equal(store_app_set_settings(f->tx, 4711, SPAN("{}"), 6), ERR_NOT_FOUND);
	struct store_app *apps;
	size_t n;
	assert_int_equal(store_app_list(f->tx, &f->arena, &apps, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(apps[0].secret_count, 0);
	assert_true(span_is(apps[1].settings, "{\"a\":1}"));
	assert_int_equal(apps[1].secret_count, 3);
	assert_true(span_is(apps[1].secrets[0], "rotated") && span_is(apps[1].secrets[1], "newest") &&
		    span_is(apps[1].secrets[2], "older"));
	assert_int_equal(store_app_retire_secrets(f->tx, pk, 2, 7), ERR_OK);
	assert_int_equal(store_app_list(f->tx, &f->arena, &apps, &n), ERR_OK);
	assert_int_equal(apps[1].secret_count, 2);
	assert_true(span_is(apps[1].secrets[1], "newest"));
}

static void channel_types_are_rewritten_by_name(void **state)
{
	struct fixture *f = *state;
	struct store_channel_type t = {
		.name = SPAN("messaging"), .config = SPAN("{}"), .grants = SPAN("{}"), .created_at = 1, .updated_at = 1
	};
	assert_int_equal(store_type_put(f->tx, f->app, &t), ERR_OK);
	t.config = SPAN("{\"x\":1}");
	assert_int_equal(store_type_put(f->tx, f->app, &t), ERR_OK);
	t.name = SPAN("livestream");
	assert_int_equal(store_type_put(f->tx, f->app, &t), ERR_OK);
	struct store_channel_type *types;
	size_t n;
	assert_int_equal(store_type_list(f->tx, f->app, &f->arena, &types, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_true(span_is(types[0].name, "livestream") && span_is(types[1].config, "{\"x\":1}"));
}

static void tasks_go_on_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct store_task t = { .id = SPAN("t1"),
		.kind = SPAN("users.delete"),
		.status = SPAN("pending"),
		.input = SPAN("{}"),
		.app = f->app,
		.created_at = 2,
		.updated_at = 2 },
			  r;
	assert_int_equal(store_task_put(f->tx, &t), ERR_OK);
	t.id = SPAN("t0");
	t.created_at = 1;
	assert_int_equal(store_task_put(f->tx, &t), ERR_OK);
	assert_int_equal(store_task_open(f->tx, &f->arena, &r), ERR_OK);
	assert_true(span_is(r.id, "t0"));
	t.status = SPAN("completed");
	t.cursor = SPAN("c");
	assert_int_equal(store_task_put(f->tx, &t), ERR_OK);
	assert_int_equal(store_task_open(f->tx, &f->arena, &r), ERR_OK);
	assert_true(span_is(r.id, "t1"));
	assert_int_equal(store_task_get(f->tx, f->app, SPAN("t0"), &f->arena, &r), ERR_OK);
	assert_true(span_is(r.status, "completed") && span_is(r.cursor, "c"));
	assert_int_equal(store_task_get(f->tx, f->app + 1, SPAN("t0"), &f->arena, &r), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(every_field_comes_back),
		T(unknown_ones_are_not_found),
		T(many_come_in_the_order_asked),
		T(names_are_taken_per_app_or_team),
		T(last_active_never_goes_back),
		T(usage_counts_once_and_peaks_stay),
		T(the_oldest_device_goes),
		T(applications_keep_their_secrets),
		T(channel_types_are_rewritten_by_name),
		T(tasks_go_on_after_a_restart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
