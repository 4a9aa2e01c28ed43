/* The small structures under the hub, against plain arrays: sets of handles, the member index, topics, queue, ring, connection
 * ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../support/fake_loop.h"
#include "session/hub.h"

enum { IDS = 300, STEPS = 20000 };

static void test_idset_like_an_array(void **state)
{
	(void)state;
	struct fake_time t;
	struct idset s = { 0 };
	bool in[IDS + 1] = { 0 };
	fake_time_init(&t, 1);
	for (int step = 0; step < STEPS; step++) {
		/* In waves, so that it grows and shrinks through all its forms. */
		uint32_t id = 1 + (uint32_t)fake_below(&t, IDS);
		bool add = fake_below(&t, 100) < (step / 2000 % 2 ? 20 : 80);
		if (add) {
			assert_true(idset_add(&s, id));
		} else {
			idset_remove(&s, id);
		}
		in[id] = add;
		if (step % 97) continue;
		uint32_t it = 0, got, n = 0, seen = 0;
		while ((got = idset_next(&s, &it))) {
			assert_true(in[got]);
			seen++;
		}
		for (uint32_t i = 1; i <= IDS; i++) {
			n += in[i];
			assert_int_equal(idset_has(&s, i), in[i]);
		}
		assert_int_equal(seen, n);
		assert_int_equal(s.n, n);
	}
	idset_deinit(&s);
}

static void test_member_index_like_a_matrix(void **state)
{
	(void)state;
	enum { CHANNELS = 200, USERS = 40 };
	static bool in[CHANNELS][USERS + 1];
	struct fake_time t;
	struct member_index x;
	fake_time_init(&t, 2);
	member_index_init(&x);
	for (int step = 0; step < STEPS * 2; step++) {
		uint32_t c = (uint32_t)fake_below(&t, CHANNELS), u = 1 + (uint32_t)fake_below(&t, USERS);
		if (fake_below(&t, 100) < (step / 8000 % 2 ? 10u : 70u)) {
			assert_true(member_index_add(&x, (int64_t)c << 20, u));
			in[c][u] = true;
		} else {
			member_index_remove(&x, (int64_t)c << 20, u);
			in[c][u] = false;
		}
		if (step % 499) continue;
		for (c = 0; c < CHANNELS; c++) {
			const struct idset *set = member_index_get(&x, (int64_t)c << 20);
			uint32_t n = 0;
			for (u = 1; u <= USERS; u++) {
				n += in[c][u];
				assert_int_equal(set && idset_has(set, u), in[c][u]);
			}
			assert_int_equal(set ? set->n : 0, n);
		}
	}
	member_index_deinit(&x);
}

static struct subscriptions *watches_of(struct session *s) { return &s->watches; }

static void test_topics_like_a_matrix(void **state)
{
	(void)state;
	enum { SESSIONS = 20, KEYS = 60 };
	static struct session s[SESSIONS];
	static bool in[SESSIONS][KEYS];
	struct fake_time t;
	struct topic_table table;
	fake_time_init(&t, 3);
	topic_table_init(&table, watches_of);
	for (int step = 0; step < STEPS; step++) {
		size_t i = fake_below(&t, SESSIONS), k = fake_below(&t, KEYS);
		struct subscription *sub = topic_subscription(&s[i].watches, (int64_t)k);
		assert_int_equal(sub != NULL, in[i][k]);
		if (sub) {
			topic_remove(&table, &s[i], sub);
		} else {
			assert_non_null(topic_add(&table, &s[i], (int64_t)k));
		}
		in[i][k] = !in[i][k];
		if (step % 499 == 0) topic_remove_all(&table, &s[i]);
		if (step % 499 == 0) memset(in[i], 0, sizeof in[i]);
		for (k = 0; k < KEYS && step % 97 == 0; k++) {
			const struct topic *topic = topic_find(&table, (int64_t)k);
			uint32_t n = 0;
			for (i = 0; i < SESSIONS; i++) n += in[i][k];
			assert_int_equal(topic ? topic->n : 0, n);
			for (uint32_t r = 0; topic && r < topic->n; r++) {
				const struct topic_ref *ref = &topic->refs[r];
				assert_ptr_equal(ref->session->watches.items[ref->at].topic, topic);
				assert_int_equal(ref->session->watches.items[ref->at].at, r);
			}
		}
	}
	for (size_t i = 0; i < SESSIONS; i++) topic_remove_all(&table, &s[i]);
	assert_int_equal(table.map.count, 0);
	topic_table_deinit(&table);
}

static struct frame *frame_at(int64_t pos)
{
	struct blob *body = blob_make(SPAN("{\"a\":1"));
	assert_non_null(body);
	struct frame *f = frame_make(body, FRAME_NO_COUNTS, pos, -1);
	blob_unref(body);
	assert_non_null(f);
	return f;
}

static void test_queue_like_an_array(void **state)
{
	(void)state;
	static int64_t want[STEPS], kept[STEPS];
	struct fake_time t;
	struct tail_pool pool = { 0 };
	struct queue q;
	size_t first = 0, n = 0, kept_n = 0;
	fake_time_init(&t, 4);
	queue_init(&q);
	for (int step = 0; step < STEPS; step++) {
		uint64_t what = fake_below(&t, 100);
		if (what < 55) {
			int64_t pos = fake_below(&t, 3) ? step + 1 : 0;
			assert_true(queue_push(&q, frame_at(pos), NULL));
			want[n++] = pos;
		} else if (what < 80 && n > first) {
			uint32_t take = 1 + (uint32_t)fake_below(&t, n - first);
			queue_consume(&q, &pool, take, true);
			for (uint32_t i = 0; i < take; i++)
				if (want[first + i]) kept[kept_n++] = want[first + i];
			first += take;
		} else if (what < 97 && kept_n) {
			assert_int_equal(queue_forget(&q, &pool), kept[0]);
			memmove(kept, kept + 1, --kept_n * sizeof *kept);
		} else if (what >= 97) {
			/* Unkept: what was given out stands in front again. */
			queue_unkeep(&q);
			memmove(want + kept_n, want + first, (n - first) * sizeof *want);
			memcpy(want, kept, kept_n * sizeof *kept);
			n = n - first + kept_n;
			first = kept_n = 0;
		}
		assert_int_equal(queue_waiting(&q), n - first);
		assert_int_equal(q.kept, kept_n);
		assert_int_equal(q.bytes, (n - first) * 9);
		assert_int_equal(q.kept_bytes, kept_n * 9);
		for (uint32_t i = 0; i < queue_waiting(&q); i++) assert_int_equal(queue_at(&q, i)->frame->pos, want[first + i]);
		if (n > STEPS / 2) {
			queue_clear(&q, &pool);
			n = first = kept_n = 0;
		}
	}
	queue_clear(&q, &pool);
	assert_ptr_equal(q.items, q.in);
	tail_pool_deinit(&pool);
}

static void test_queue_drops_and_cuts(void **state)
{
	(void)state;
	struct tail_pool pool = { 0 };
	struct queue q;
	queue_init(&q);
	for (int64_t i = 0; i < 20; i++) assert_true(queue_push(&q, frame_at(i % 2 ? i : 0), NULL));
	assert_int_equal(queue_drop_durable(&q, &pool, 9), 9);
	assert_int_equal(queue_waiting(&q), 15);
	assert_int_equal(queue_drop_durable(&q, &pool, 9), 0);
	queue_cut(&q, &pool, 3);
	assert_int_equal(queue_waiting(&q), 3);
	assert_int_equal(q.bytes, 27);
	queue_cut(&q, &pool, 0);
	assert_int_equal(q.bytes, 0);
}

static struct event *event_at(int64_t pos, enum event_move move)
{
	struct event *e = event_new(EVENT_MESSAGE_NEW);
	assert_non_null(e);
	e->pos = pos;
	e->move = move;
	return e;
}

static void ring_put(struct ring *r, int64_t pos, enum event_move move)
{
	struct event *e = event_at(pos, move);
	ring_add(r, e);
	event_unref(e);
}

static void test_ring_knows_how_far_it_reaches(void **state)
{
	(void)state;
	struct ring r;
	assert_true(ring_init(&r, 4));
	assert_true(ring_reaches(&r, 0));
	for (int64_t pos = 10; pos <= 13; pos++) ring_put(&r, pos, MOVE_NONE);
	assert_true(ring_reaches(&r, 0));
	assert_int_equal(ring_after(&r, 11), 2);
	assert_int_equal(ring_after(&r, 13), 4);
	assert_int_equal(ring_after(&r, 3), 0);
	ring_put(&r, 20, MOVE_NONE);
	assert_false(ring_reaches(&r, 9));
	assert_true(ring_reaches(&r, 10));
	assert_int_equal(ring_get(&r, ring_after(&r, 13))->pos, 20);
	ring_deinit(&r);
}

static void test_ring_counts_unnumbered_moves_to_both_sides(void **state)
{
	(void)state;
	struct ring r;
	assert_true(ring_init(&r, 4));
	ring_put(&r, 10, MOVE_NONE);
	ring_put(&r, 0, MOVE_THREADS);
	ring_put(&r, 11, MOVE_NONE);
	/* A snapshot at 10 may have been taken before the move or after. */
	assert_int_equal(ring_after(&r, 10), 1);
	assert_int_equal(ring_after(&r, 11), 3);
	for (int64_t pos = 12; pos <= 13; pos++) ring_put(&r, pos, MOVE_NONE);
	assert_true(ring_reaches(&r, 10));
	ring_put(&r, 14, MOVE_NONE);
	assert_false(ring_reaches(&r, 10));
	assert_true(ring_reaches(&r, 11));
	ring_deinit(&r);
}

static void test_connection_ids(void **state)
{
	(void)state;
	struct fake_time t;
	char id[CONNECTION_ID_BYTES + 1], other[CONNECTION_ID_BYTES + 1];
	unsigned node, loop;
	uint32_t slot;
	fake_time_init(&t, 5);
	const uint64_t seed[2] = { 7, 8 }, foreign[2] = { 7, 9 };
	connection_id_make(id, 65535, 258, 0xfedcba98, seed, &t.rng);
	connection_id_make(other, 65535, 258, 0xfedcba98, seed, &t.rng);
	assert_string_not_equal(id, other);
	assert_int_equal(strlen(id), CONNECTION_ID_BYTES);
	assert_memory_not_equal(id + 6, other + 6, 5); /* the slot's bytes */
	assert_true(connection_id_loop(span_str(id), &node, &loop));
	assert_true(connection_id_slot(span_str(id), seed, &slot));
	assert_int_equal(node, 65535);
	assert_int_equal(loop, 258);
	assert_int_equal(slot, 0xfedcba98);
	assert_true(connection_id_slot(span_str(id), foreign, &slot));
	assert_int_not_equal(slot, 0xfedcba98);
	assert_false(connection_id_loop(SPAN(""), &node, &loop));
	assert_false(connection_id_loop(SPAN("AAAA"), &node, &loop));
	assert_false(connection_id_loop(span_make(id, CONNECTION_ID_BYTES - 1), &node, &loop));
	id[5] = '+';
	assert_false(connection_id_loop(span_str(id), &node, &loop));
	id[5] = 0;
	assert_false(connection_id_loop(span_make(id, CONNECTION_ID_BYTES), &node, &loop));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idset_like_an_array),
		cmocka_unit_test(test_member_index_like_a_matrix),
		cmocka_unit_test(test_topics_like_a_matrix),
		cmocka_unit_test(test_queue_like_an_array),
		cmocka_unit_test(test_queue_drops_and_cuts),
		cmocka_unit_test(test_ring_knows_how_far_it_reaches),
		cmocka_unit_test(test_ring_counts_unnumbered_moves_to_both_sides),
		cmocka_unit_test(test_connection_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
