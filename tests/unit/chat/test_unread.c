/* Unread counts against a naive recount, and the moves that loops follow against the store, over random histories. */
#include "message_support.h"

enum { MEMBERS = 5, CHANNELS = 2, MESSAGES = 4000 };

struct model_message {
	char id[16];
	int channel, author, parent; /* parent: index, -1 = none */
	bool counts, deleted, erased, in_list, silent, restricted;
	bool for_user[WORLD_USERS];
	int64_t created_at;
};
/* What a loop keeps, moved by events alone. */
struct loop_member {
	int64_t read_seq, unread;
};
struct model {
	struct world *w;
	struct model_message m[MESSAGES];
	int n;
	int pointer[CHANNELS][MEMBERS]; /* index of the newest message read; in order of sending */
	struct loop_member loop[CHANNELS][MEMBERS];
	int64_t channel_pk[CHANNELS];
	int64_t threads[MEMBERS];
};

static const char *const channels[CHANNELS] = { "one", "two" };

static int user_index(const struct model *m, int64_t pk)
{
	for (int i = 0; i < MEMBERS; i++)
		if (m->w->users[i] == pk) return i;
	return -1;
}

static bool listed(const struct event *e, int64_t pk)
{
	if (!e->only) return true;
	for (size_t i = 0; i < e->only_count; i++)
		if (e->only[i] == pk) return true;
	return false;
}

static void recount(struct model *m, int u)
{
	struct store_totals t;
	struct arena a;
	arena_init(&a, 1 << 20);
	assert_int_equal(store_totals_load(m->w->tx, m->w->app->pk, m->w->users[u], &a, &t), ERR_OK);
	for (size_t i = 0; i < t.n; i++)
		for (int c = 0; c < CHANNELS; c++)
			if (m->channel_pk[c] == t.items[i].channel_pk)
				m->loop[c][u] = (struct loop_member){ t.items[i].read_seq, t.items[i].unread };
	m->threads[u] = t.unread_threads;
	arena_deinit(&a);
}

static void move_channel(struct model *m, const struct event *e, int c)
{
	for (int u = 0; u < MEMBERS; u++) {
		struct loop_member *l = &m->loop[c][u];
		int64_t pk = m->w->users[u];
		if (e->move == MOVE_COUNTED) {
			if (pk == e->actor)
				*l = (struct loop_member){ e->seq, 0 };
			else if (listed(e, pk))
				l->unread++;
		} else if (e->move == MOVE_UNCOUNTED && pk != e->actor && l->read_seq < e->seq && listed(e, pk)) {
			l->unread--;
		} else if (e->move == MOVE_RECOUNT) {
			recount(m, u);
		}
	}
}

static void move(struct model *m, const struct event *e)
{
	int c = 0, u = user_index(m, e->user);
	while (c < CHANNELS && m->channel_pk[c] != e->channel) c++;
	switch (e->move) {
	case MOVE_READ: m->loop[c][u] = (struct loop_member){ e->seq, e->unread }; break;
	case MOVE_READ_ALL: recount(m, u); break;
	case MOVE_THREADS: m->threads[u] = e->unread; break;
	case MOVE_RECOUNT:
		if (u >= 0) {
			recount(m, u);
			break;
		}
		/* fall through */
	case MOVE_COUNTED:
	case MOVE_UNCOUNTED: move_channel(m, e, c); break;
	default: break;
	}
}

static void finish(struct model *m, struct call *k)
{
	EXPECT_ERR(k, ERR_OK);
	for (size_t i = 0; i < k->c.event_count; i++) move(m, k->c.events[i]);
	call_free(k);
}

/* ---- operations ---- */
static int pick_parent(struct model *m, int c)
{
	for (int tries = 0; tries < 10 && m->n; tries++) {
		int i = (int)world_pick(m->w, m->n);
		if (m->m[i].channel == c && m->m[i].parent < 0 && !m->m[i].deleted && !m->m[i].erased && !m->m[i].restricted)
			return i;
	}
	return -1;
}

static void op_send(struct model *m)
{
	struct world *w = m->w;
	struct model_message *x = &m->m[m->n];
	int c = (int)world_pick(w, CHANNELS), u = (int)world_pick(w, MEMBERS), kind = (int)world_pick(w, 10),
	    other = (int)world_pick(w, MEMBERS);
	bool shown = world_pick(w, 2);
	*x = (struct model_message){ .channel = c,
		.author = u,
		.parent = kind < 3 ? pick_parent(m, c) : -1,
		.silent = kind == 3,
		.restricted = kind == 4 };
	snprintf(x->id, sizeof x->id, "m%d", m->n);
	for (int i = 0; i < MEMBERS; i++) x->for_user[i] = !x->restricted || i == u || i == other;
	x->in_list = x->parent < 0 || shown;
	x->counts = x->in_list && !x->silent;
	char body[512], parent[64] = "";
	if (x->parent >= 0)
		snprintf(parent, sizeof parent, ",\"parent_id\":\"%s\",\"show_in_channel\":%s", m->m[x->parent].id,
			shown ? "true" : "false");
	snprintf(body, sizeof body, "{\"message\":{\"id\":\"%s\",\"text\":\"x\",\"user_id\":\"u%d\",\"silent\":%s%s%s%s%s}}",
		x->id, u, x->silent ? "true" : "false", parent, x->restricted ? ",\"restricted_visibility\":[\"u" : "",
		x->restricted ? (char[]){ (char)('0' + other), 0 } : "", x->restricted ? "\"]" : "");
	struct call k;
	send_json(&k, w, AS_SERVER, channels[c], body);
	EXPECT_ERR(&k, ERR_OK);
	int64_t at = 0;
	assert_true(time_parse(json_span(path(k.reply, "message", "created_at")), &at));
	x->created_at = at;
	if (x->in_list) m->pointer[c][u] = m->n;
	m->n++;
	finish(m, &k);
}

static int pick_message(struct model *m, bool deleted)
{
	for (int tries = 0; tries < 20 && m->n; tries++) {
		int i = m->n - 1 - (int)world_pick(m->w, m->n < 60 ? m->n : 60);
		if (!m->m[i].erased && m->m[i].deleted == deleted) return i;
	}
	return -1;
}

static void op_delete(struct model *m, bool hard)
{
	int i = pick_message(m, false);
	if (i < 0) return;
	struct call k;
	m->w->now_us += 1000;
	call_begin(&k, m->w, AS_SERVER);
	call_end(&k, chat_delete_message(&k.c, span_str(m->m[i].id), hard, &k.j));
	m->m[i].deleted = true;
	m->m[i].erased = hard;
	for (int r = 0; hard && r < m->n; r++)
		if (m->m[r].parent == i) m->m[r].erased = m->m[r].deleted = true;
	finish(m, &k);
}

static void op_undelete(struct model *m)
{
	int i = pick_message(m, true);
	if (i < 0) return;
	struct call k;
	call_begin(&k, m->w, AS_SERVER);
	call_end(&k, chat_undelete_message(&k.c, span_str(m->m[i].id), &k.j));
	m->m[i].deleted = false;
	finish(m, &k);
}

static void op_mark_read(struct model *m, bool whole)
{
	struct world *w = m->w;
	int c = (int)world_pick(w, CHANNELS), u = (int)world_pick(w, MEMBERS), i = whole ? -1 : pick_message(m, false);
	if (!whole && (i < 0 || m->m[i].channel != c || !m->m[i].for_user[u])) return;
	char body[64] = "{}";
	if (!whole) snprintf(body, sizeof body, "{\"message_id\":\"%s\"}", m->m[i].id);
	struct call k;
	w->now_us += 1000;
	call_begin(&k, w, u);
	call_end(&k, chat_mark_read(&k.c, SPAN("messaging"), span_str(channels[c]), call_json(&k, body), &k.j));
	if (whole)
		m->pointer[c][u] = m->n - 1;
	else if (m->pointer[c][u] < i)
		m->pointer[c][u] = i;
	finish(m, &k);
}

static void op_mark_all(struct model *m)
{
	int u = (int)world_pick(m->w, MEMBERS);
	struct call k;
	m->w->now_us += 1000;
	call_begin(&k, m->w, u);
	call_end(&k, chat_mark_channels_read(&k.c, NULL, &k.j));
	for (int c = 0; c < CHANNELS; c++) m->pointer[c][u] = m->n - 1;
	finish(m, &k);
}

static void op_mark_unread(struct model *m)
{
	int u = (int)world_pick(m->w, MEMBERS), i = pick_message(m, false);
	if (i < 0 || !m->m[i].for_user[u] || !m->m[i].in_list) return;
	char body[64];
	snprintf(body, sizeof body, "{\"message_id\":\"%s\"}", m->m[i].id);
	struct call k;
	call_begin(&k, m->w, u);
	call_end(&k, chat_mark_unread(&k.c, SPAN("messaging"), span_str(channels[m->m[i].channel]), call_json(&k, body)));
	m->pointer[m->m[i].channel][u] = i - 1;
	finish(m, &k);
}

/* ---- the naive recount ---- */
static int64_t naive(const struct model *m, int c, int u)
{
	int64_t n = 0;
	for (int i = m->pointer[c][u] + 1; i < m->n; i++) {
		const struct model_message *x = &m->m[i];
		n += x->channel == c && x->counts && !x->deleted && x->author != u && x->for_user[u];
	}
	return n;
}

static void compare(struct model *m)
{
	for (int u = 0; u < MEMBERS; u++) {
		struct store_totals t;
		struct arena a;
		int64_t sum = 0;
		arena_init(&a, 1 << 20);
		assert_int_equal(store_totals_load(m->w->tx, m->w->app->pk, m->w->users[u], &a, &t), ERR_OK);
		for (int c = 0; c < CHANNELS; c++) {
			int64_t expected = naive(m, c, u), stored = unread_of_user(m->w, channels[c], u);
			sum += expected;
			if (stored != expected)
				fail_msg("after %d messages: u%d in %s: stored %d, naive %d", m->n, u, channels[c], (int)stored,
					(int)expected);
			if (m->loop[c][u].unread != expected)
				fail_msg("after %d messages: u%d in %s: moved %d, naive %d", m->n, u, channels[c],
					(int)m->loop[c][u].unread, (int)expected);
		}
		if (t.total_unread != sum) fail_msg("total of u%d: %d, naive %d", u, (int)t.total_unread, (int)sum);
		arena_deinit(&a);
	}
}

static void step(struct model *m)
{
	switch (world_pick(m->w, 14)) {
	case 0: op_delete(m, false); break;
	case 1: op_delete(m, true); break;
	case 2: op_undelete(m); break;
	case 3: op_mark_read(m, true); break;
	case 4: op_mark_read(m, false); break;
	case 5: op_mark_unread(m); break;
	case 6:
		if (world_pick(m->w, 4) == 0) op_mark_all(m);
		break;
	case 7:
		/* clocks step back now and then */
		if (world_pick(m->w, 8) == 0) m->w->now_us -= 5000000;
		break;
	default: op_send(m); break;
	}
}

static void counts_follow_any_history(void **state)
{
	struct world *w = *state;
	struct model *m = calloc(1, sizeof *m);
	m->w = w;
	for (int c = 0; c < CHANNELS; c++) {
		make_channel(w, channels[c], MEMBERS);
		m->channel_pk[c] = channel_pk(w, channels[c]);
		for (int u = 0; u < MEMBERS; u++) m->pointer[c][u] = -1;
	}
	for (int i = 0; i < 1500; i++) {
		step(m);
		compare(m);
	}
	free(m);
}

/* ---- single rules ---- */
static void mark_unread_reaches_a_hundred_back(void **state)
{
	struct world *w = *state;
	make_channel(w, "far", 2);
	for (int i = 0; i < 101; i++) {
		char body[64];
		snprintf(body, sizeof body, "{\"message\":{\"id\":\"f%d\",\"text\":\"x\"}}", i);
		send_ok(w, 0, "far", body);
	}
	static const struct {
		const char *body;
		enum err err;
	} table[] = { { "{\"message_id\":\"f0\"}", ERR_INPUT }, { "{\"message_id\":\"f1\"}", ERR_OK },
		{ "{\"message_id\":\"nope\"}", ERR_NOT_FOUND }, { "{}", ERR_INPUT },
		{ "{\"message_id\":\"f1\",\"thread_id\":\"f1\"}", ERR_INPUT } };
	for (size_t i = 0; i < BECK_COUNT(table); i++) {
		struct call k;
		call_begin(&k, w, 1);
		call_end(&k, chat_mark_unread(&k.c, SPAN("messaging"), SPAN("far"), call_json(&k, table[i].body)));
		EXPECT_ERR(&k, table[i].err);
		call_free(&k);
	}
	assert_int_equal(unread_of_user(w, "far", 1), 100);
}

static void thread_replies_count_as_threads(void **state)
{
	struct world *w = *state;
	size_t n = 0;
	make_channel(w, "th", 3);
	send_ok(w, 0, "th", "{\"message\":{\"id\":\"p\",\"text\":\"parent\"}}");
	send_ok(w, 1, "th", "{\"message\":{\"id\":\"r1\",\"text\":\"reply\",\"parent_id\":\"p\"}}");
	send_ok(w, 1, "th", "{\"message\":{\"id\":\"r2\",\"text\":\"reply\",\"parent_id\":\"p\"}}");
	assert_int_equal(unread_of_user(w, "th", 0), 0);
	assert_int_equal(store_threads_unread(w->tx, w->app->pk, w->users[0], &w->arena, NULL, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(store_threads_unread(w->tx, w->app->pk, w->users[2], &w->arena, NULL, &n), ERR_OK);
	assert_int_equal(n, 0); /* takes no part */

	struct call k;
	call_begin(&k, w, 0);
	call_end(&k, chat_unread_counts(&k.c, &k.j));
	EXPECT_ERR(&k, ERR_OK);
	assert_int_equal(int_at(k.reply, "total_unread_threads_count", NULL), 1);
	assert_int_equal(int_at(yyjson_arr_get_first(json_get(k.reply, "threads")), "unread_count", NULL), 2);
	call_free(&k);

	w->now_us += 1000;
	call_begin(&k, w, 0);
	call_end(&k, chat_mark_read(&k.c, SPAN("messaging"), SPAN("th"), call_json(&k, "{\"thread_id\":\"p\"}"), &k.j));
	EXPECT_ERR(&k, ERR_OK);
	struct event *e = call_event(&k, EVENT_NOTIFICATION_MARK_READ);
	assert_int_equal(e->move, MOVE_THREADS);
	assert_int_equal(e->unread, 0);
	call_free(&k);
	assert_int_equal(store_threads_unread(w->tx, w->app->pk, w->users[0], &w->arena, NULL, &n), ERR_OK);
	assert_int_equal(n, 0);
}

static void unread_summary_has_the_contract_shape(void **state)
{
	struct world *w = *state;
	struct call k;
	make_channel(w, "sum", 2);
	for (int i = 0; i < 5; i++) send_ok(w, 0, "sum", "{\"message\":{\"text\":\"x\"}}");
	call_begin(&k, w, AS_SERVER);
	call_end(&k, chat_unread_counts_batch(&k.c, call_json(&k, "{\"user_ids\":[\"u1\",\"nobody\"]}"), &k.j));
	EXPECT_ERR(&k, ERR_OK);
	yyjson_val *by_user = json_get(k.reply, "counts_by_user");
	assert_int_equal(yyjson_obj_size(by_user), 1);
	yyjson_val *one = json_get(by_user, "u1"), *first = yyjson_arr_get_first(json_get(one, "channels"));
	assert_int_equal(int_at(one, "total_unread_count", NULL), 5);
	assert_string_equal(str_at(first, "channel_id", NULL), "messaging:sum");
	assert_int_equal(int_at(first, "unread_count", NULL), 5);
	assert_int_equal(yyjson_arr_size(json_get(one, "channel_type")), 1);
	call_free(&k);
}

/* A read that its reader hides: recorded, his own, and nobody else's in read[]. */
static void hidden_reads_stay_hidden(void **state)
{
	struct world *w = *state;
	struct call k;
	make_channel(w, "priv", 2);
	send_ok(w, 0, "priv", "{\"message\":{\"text\":\"x\"}}");
	struct user u;
	assert_int_equal(store_user_get_pk(w->tx, w->users[1], &w->arena, &u), ERR_OK);
	u.privacy_read = TRI_OFF;
	assert_int_equal(store_user_put(w->tx, w->app->pk, &u, SPAN_NONE), ERR_OK);
	int64_t before = 0, after = 0;
	assert_int_equal(store_event_head(w->tx, &before), ERR_OK);
	call_begin(&k, w, 1);
	call_end(&k, chat_mark_read(&k.c, SPAN("messaging"), SPAN("priv"), NULL, &k.j));
	EXPECT_ERR(&k, ERR_OK);
	assert_true(call_event(&k, EVENT_MESSAGE_READ)->flags & EVENT_ONLY_ACTOR);
	assert_non_null(call_event(&k, EVENT_NOTIFICATION_MARK_READ));
	call_free(&k);
	for (int viewer = 0; viewer < 2; viewer++) {
		struct channel_ctx x;
		call_begin(&k, w, viewer);
		enum err e = chat_channel_load(&k.c, SPAN("messaging"), SPAN("priv"), &x);
		if (e == ERR_OK) e = chat_read_write(&k.c, &k.j, &x);
		call_end(&k, e);
		EXPECT_ERR(&k, ERR_OK);
		assert_int_equal(yyjson_arr_size(json_get(k.reply, "read")), viewer == 1 ? 2 : 1);
		call_free(&k);
		struct event **events;
		size_t n = 0, reads = 0;
		bool at_head = false;
		int64_t pk = channel_pk(w, "priv");
		call_begin(&k, w, viewer);
		struct store_interest in = { &pk, 1, NULL, 0 };
		e = chat_resume_page(&k.c, w->users[viewer], before, &in, &events, &n, &after, &at_head);
		call_end(&k, e);
		EXPECT_ERR(&k, ERR_OK);
		assert_true(at_head);
		for (size_t i = 0; i < n; i++) {
			reads += events[i]->type == EVENT_MESSAGE_READ;
			event_unref(events[i]);
		}
		assert_int_equal(reads, viewer == 1);
		call_free(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(
						    counts_follow_any_history, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(mark_unread_reaches_a_hundred_back, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(thread_replies_count_as_threads, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(unread_summary_has_the_contract_shape, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(hidden_reads_stay_hidden, world_setup, world_teardown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
