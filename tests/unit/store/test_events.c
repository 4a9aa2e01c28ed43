/* The log: positions, reading for one user against a naive filter, time order, pruning. */
#include "support.h"

#include "store/store_members.h"

static const struct store_interest nothing;

static int64_t add(struct fixture *f, const char *type, int64_t channel, int64_t user, int64_t context, int64_t at)
{
	struct store_event e = { .app = f->app,
		.type = span_str(type),
		.channel_pk = channel,
		.user_pk = user,
		.context_pk = context,
		.actor_pk = 9,
		.message_pk = 5,
		.data = SPAN("{\"k\":1}"),
		.created_at = at };
	assert_int_equal(store_event_add(f->tx, &e), ERR_OK);
	return e.pos;
}

static void join(struct fixture *f, int64_t channel, int64_t user)
{
	struct sql_stmt *s = sql_prepare(f->tx, "INSERT INTO members (channel_pk, user_pk, app, channel_role, created_at, "
						"updated_at, last_read) VALUES (?1, ?2, ?3, 'channel_member', 1, 1, 1)");
	sql_int(s, 1, channel);
	sql_int(s, 2, user);
	sql_int(s, 3, f->app);
	assert_int_equal(sql_run(s), ERR_OK);
}

static void positions_rise_and_fields_come_back(void **state)
{
	struct fixture *f = *state;
	int64_t head = -1, floor = -1;
	assert_int_equal(store_event_head(f->tx, &head), ERR_OK);
	assert_int_equal(store_event_floor(f->tx, &floor), ERR_OK);
	assert_int_equal(head, 0);
	assert_int_equal(floor, 0);
	int64_t a = add(f, "message.new", 3, 0, 0, 100), b = add(f, "notification.mark_read", 0, 7, 3, 200);
	assert_int_equal(a, 1);
	assert_int_equal(b, 2);
	join(f, 3, 7);
	struct store_event *e;
	size_t n;
	assert_int_equal(store_events_for_user(f->tx, f->app, 7, &nothing, 0, b, 10, &f->arena, &e, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_true(span_is(e[0].type, "message.new") && span_is(e[0].data, "{\"k\":1}"));
	assert_int_equal(e[0].pos, 1);
	assert_int_equal(e[0].app, f->app);
	assert_int_equal(e[0].channel_pk, 3);
	assert_int_equal(e[0].actor_pk, 9);
	assert_int_equal(e[0].message_pk, 5);
	assert_int_equal(e[0].created_at, 100);
	assert_int_equal(e[1].user_pk, 7);
	assert_int_equal(e[1].context_pk, 3);
}

static void a_row_has_one_audience(void **state)
{
	struct fixture *f = *state;
	add(f, "notification.mark_read", 3, 7, 0, 1); /* both given: his own, about the channel */
	join(f, 3, 8);
	struct store_event *e;
	size_t n;
	assert_int_equal(store_events_for_user(f->tx, f->app, 8, &nothing, 0, 1, 10, &f->arena, &e, &n), ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(store_events_for_user(f->tx, f->app, 7, &nothing, 0, 1, 10, &f->arena, &e, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(e[0].channel_pk, 0);
	assert_int_equal(e[0].context_pk, 3);
}

static void a_refused_rule_gives_its_position_back(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(add(f, "message.new", 1, 0, 0, 1), 1);
	assert_int_equal(store_rule_begin(f->tx), ERR_OK);
	assert_int_equal(add(f, "message.new", 1, 0, 0, 1), 2);
	assert_int_equal(store_rule_end(f->tx, false), ERR_OK);
	int64_t head;
	assert_int_equal(store_event_head(f->tx, &head), ERR_OK);
	assert_int_equal(head, 1);
	assert_int_equal(add(f, "message.new", 1, 0, 0, 1), 2);
}

enum { CHANNELS = 20, USERS = 6, ROWS = 3000 };
struct naive {
	int64_t channel, user, context, at;
	bool is_profile;
};

static uint64_t draw(struct fixture *f, uint64_t n) { return rng_u64(&f->rng) % n; }

static void fill(struct fixture *f, struct naive *log)
{
	for (int64_t i = 1; i <= ROWS; i++) {
		struct naive *r = &log[i];
		*r = (struct naive){ .at = f->now_us + i / 3 };
		if (draw(f, 4) == 0) {
			r->user = 1 + (int64_t)draw(f, USERS);
			r->is_profile = draw(f, 3) == 0;
			if (!r->is_profile) r->context = (int64_t)draw(f, CHANNELS + 1);
		} else {
			/* one busy channel */
			r->channel = draw(f, 3) ? 1 : 1 + (int64_t)draw(f, CHANNELS);
		}
		const char *type = !r->is_profile ? "x" : draw(f, 2) ? "user.updated" : "user.deleted";
		assert_int_equal(add(f, type, r->channel, r->user, r->context, r->at), i);
	}
}

static void same(const struct store_event *got, size_t n, const int64_t *want, size_t wanted)
{
	assert_int_equal(n, wanted);
	for (size_t i = 0; i < n; i++) assert_int_equal(got[i].pos, want[i]);
}

static void one_user_s_rows_are_merged_as_a_naive_filter_would(void **state)
{
	struct fixture *f = *state;
	static struct naive log[ROWS + 1];
	static int64_t want[ROWS];
	bool member[USERS + 1][CHANNELS + 1] = { { false } };
	fill(f, log);
	for (int u = 1; u <= USERS; u++)
		for (int c = 1; c <= CHANNELS; c++)
			if (draw(f, 3) == 0) {
				member[u][c] = true;
				join(f, c, u);
			}
	for (int round = 0; round < 300; round++) {
		int64_t user = 1 + (int64_t)draw(f, USERS), after = (int64_t)draw(f, ROWS), limit = 1 + (int64_t)draw(f, 60);
		int64_t upto = round % 2 ? ROWS : after + (int64_t)draw(f, 100); /* long stretches seek, short ones scan */
		int64_t extra[2] = { 1 + (int64_t)draw(f, CHANNELS), 1 + (int64_t)draw(f, CHANNELS) };
		int64_t followed[2] = { 1 + (int64_t)draw(f, USERS), 1 + (int64_t)draw(f, USERS) };
		size_t extra_n = draw(f, 3), followed_n = draw(f, 3), wanted = 0, n;
		struct store_interest in = { extra, extra_n, followed, followed_n };
		for (int64_t i = after + 1; i <= upto && i <= ROWS && wanted < (size_t)limit; i++) {
			bool watched = false;
			for (size_t k = 0; k < extra_n; k++) watched |= log[i].channel == extra[k];
			bool follows = false;
			for (size_t k = 0; k < followed_n; k++) follows |= log[i].is_profile && log[i].user == followed[k];
			if (log[i].user ? log[i].user == user || follows : member[user][log[i].channel] || watched)
				want[wanted++] = i;
		}
		struct store_event *got;
		assert_int_equal(
			store_events_for_user(f->tx, f->app, user, &in, after, upto, limit, &f->arena, &got, &n), ERR_OK);
		same(got, n, want, wanted);
	}
}

static void sync_reads_from_a_time(void **state)
{
	struct fixture *f = *state;
	static struct naive log[ROWS + 1];
	static int64_t want[ROWS];
	fill(f, log);
	for (int round = 0; round < 200; round++) {
		int64_t user = 1 + (int64_t)draw(f, USERS), since = f->now_us + (int64_t)draw(f, ROWS / 3 + 10),
			limit = 1 + (int64_t)draw(f, 100);
		int64_t channels[3] = { 1 + (int64_t)draw(f, CHANNELS), 1 + (int64_t)draw(f, CHANNELS), 2 };
		size_t wanted = 0, n;
		for (int64_t i = 1; i <= ROWS && wanted < (size_t)limit; i++) {
			if (log[i].at < since) continue;
			int64_t about = log[i].user ? log[i].context : log[i].channel;
			bool named = about == channels[0] || about == channels[1] || about == channels[2];
			if (named && (log[i].user == 0 || log[i].user == user)) want[wanted++] = i;
		}
		struct store_event *got;
		assert_int_equal(store_events_since(f->tx, f->app, user, channels, 3, since, limit, &f->arena, &got, &n), ERR_OK);
		same(got, n, want, wanted);
	}
}

static void the_log_s_time_never_falls(void **state)
{
	struct fixture *f = *state;
	add(f, "x", 1, 0, 0, 1000);
	struct store_event e = {
		.app = f->app, .type = SPAN("x"), .channel_pk = 1, .created_at = 500
	}; /* the clock stepped back */
	assert_int_equal(store_event_add(f->tx, &e), ERR_OK);
	assert_int_equal(e.created_at, 1000);
	struct store_event *got;
	size_t n;
	int64_t channel = 1;
	assert_int_equal(store_events_since(f->tx, f->app, 1, &channel, 1, 600, 10, &f->arena, &got, &n), ERR_OK);
	assert_int_equal(n, 2);
}

static void pruning_moves_the_floor_in_slices(void **state)
{
	struct fixture *f = *state;
	for (int64_t i = 1; i <= 100; i++) add(f, "x", 1, 0, 0, i * 10);
	bool more = true;
	int64_t floor, head;
	assert_int_equal(store_events_prune(f->tx, 505, 0, 30, &more), ERR_OK); /* rows 1..50 are older */
	assert_true(more);
	assert_int_equal(store_event_floor(f->tx, &floor), ERR_OK);
	assert_int_equal(floor, 30);
	assert_int_equal(store_events_prune(f->tx, 505, 0, 30, &more), ERR_OK);
	assert_false(more);
	assert_int_equal(store_event_floor(f->tx, &floor), ERR_OK);
	assert_int_equal(floor, 50);
	assert_int_equal(fixture_int(f->tx, "SELECT min(pos) FROM events"), 51);
	assert_int_equal(store_events_prune(f->tx, 505, 0, 30, &more), ERR_OK);
	assert_int_equal(fixture_int(f->tx, "SELECT count(*) FROM events"), 50);
	/* by size: about ten rows stay */
	assert_int_equal(store_events_prune(f->tx, 0, 10 * (96 + 8), 1000, &more), ERR_OK);
	assert_int_equal(fixture_int(f->tx, "SELECT count(*) FROM events"), 10);
	/* everything: positions go on */
	assert_int_equal(store_events_prune(f->tx, INT64_MAX, 0, 1000, &more), ERR_OK);
	assert_int_equal(store_event_head(f->tx, &head), ERR_OK);
	assert_int_equal(head, 100);
	assert_int_equal(add(f, "x", 1, 0, 0, 1), 101);
	assert_int_equal(store_event_floor(f->tx, &floor), ERR_OK);
	assert_int_equal(floor, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(positions_rise_and_fields_come_back),
		T(a_row_has_one_audience),
		T(a_refused_rule_gives_its_position_back),
		T(one_user_s_rows_are_merged_as_a_naive_filter_would),
		T(sync_reads_from_a_time),
		T(the_log_s_time_never_falls),
		T(pruning_moves_the_floor_in_slices),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
