/* Frames and tails: JSON with the right numbers for any value, one width for everybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "session/frame.h"
#include "wire/ws.h"

static struct arena arena;

static int64_t number(struct span json, const char *key)
{
	const char *why = "";
	size_t at = 0;
	yyjson_val *v = json_parse(&arena, json, &why, &at);
	if (!v) print_error("%s at %zu: %.*s\n", why, at, SPAN_FMT(json));
	assert_non_null(v);
	yyjson_val *member = json_get(v, key);
	return member ? yyjson_get_sint(member) : -1;
}

static struct frame *frame(enum frame_counts counts, int64_t seq)
{
	struct blob *body = blob_make(SPAN("{\"type\":\"x\""));
	assert_non_null(body);
	struct frame *f = frame_make(body, counts, seq > 0 ? seq : 0, seq);
	blob_unref(body);
	assert_non_null(f);
	return f;
}

static struct span text(const struct frame *f, const char *tail)
{
	return arena_printf(&arena, "%.*s%.*s", SPAN_FMT(blob_span(f->body)), (int)f->tail_n, tail);
}

static void test_without_counts(void **state)
{
	(void)state;
	static const int64_t seqs[] = { -1, 0, 1, 42, INT64_C(999999999), INT64_MAX };
	for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
		for (int counts = FRAME_NO_COUNTS; counts <= FRAME_COUNTS_AND_THREADS; counts++) {
			struct frame *f = frame((enum frame_counts)counts, seqs[i]);
			struct span json = text(f, f->tail);
			assert_int_equal(number(json, "seq"), seqs[i]);
			assert_int_equal(number(json, "total_unread_count"), -1);
			frame_unref(f);
		}
	}
	struct frame *plain = frame(FRAME_NO_COUNTS, -1);
	assert_int_equal(plain->tail_n, 1);
	frame_unref(plain);
}

static void check_counts(struct tail_pool *pool, const struct frame *f, struct counts c, int64_t total, int64_t channels)
{
	struct tail *t = tail_make(pool, f, &c);
	assert_non_null(t);
	struct span json = text(f, t->p);
	assert_int_equal(number(json, "total_unread_count"), total);
	assert_int_equal(number(json, "unread_count"), total);
	assert_int_equal(number(json, "unread_channels"), channels);
	assert_int_equal(number(json, "unread_threads"), f->counts == FRAME_COUNTS_AND_THREADS ? (int64_t)c.threads : -1);
	assert_int_equal(number(json, "seq"), f->pos ? f->pos : -1);
	tail_unref(pool, t);
}

static void test_counts(void **state)
{
	(void)state;
	struct tail_pool pool = { 0 };
	for (int counts = FRAME_COUNTS; counts <= FRAME_COUNTS_AND_THREADS; counts++) {
		for (int64_t seq = -1; seq < 100; seq += 58) {
			struct frame *f = frame((enum frame_counts)counts, seq);
			check_counts(&pool, f, (struct counts){ 0, 0, 0 }, 0, 0);
			check_counts(&pool, f, (struct counts){ 1, 1, 7 }, 1, 1);
			check_counts(&pool, f, (struct counts){ 1234567, 89, 99999999 }, 1234567, 89);
			check_counts(
				&pool, f, (struct counts){ INT64_C(999999999999), 99999999, 0 }, INT64_C(999999999999), 99999999);
			check_counts(&pool, f, (struct counts){ INT64_MAX, UINT32_MAX, 3 }, INT64_C(999999999999), 99999999);
			check_counts(&pool, f, (struct counts){ -5, 0, 0 }, 0, 0);
			frame_unref(f);
		}
	}
	tail_pool_deinit(&pool);
}

static void test_one_head_fits_all_tails(void **state)
{
	(void)state;
	struct frame *f = frame(FRAME_COUNTS, 5);
	uint8_t head[10];
	size_t n = ws_head(head, WS_TEXT, f->body->n + f->tail_n, false);
	assert_int_equal(f->head_n, n);
	assert_memory_equal(f->head, head, n);
	assert_int_equal(f->bytes, n + f->body->n + f->tail_n);
	frame_unref(f);
}

static void test_whole_bodies_have_no_tail(void **state)
{
	(void)state;
	struct blob *body = blob_make(SPAN("{\"error\":{}}"));
	struct frame *f = frame_make_whole(body);
	assert_non_null(f);
	assert_int_equal(f->tail_n, 0);
	blob_unref(body);
	frame_unref(f);
}

static int up(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 24);
	return 0;
}

static int down(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_counts),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_one_head_fits_all_tails),
		cmocka_unit_test(test_whole_bodies_have_no_tail),
	};
	return cmocka_run_group_tests(tests, up, down);
}
