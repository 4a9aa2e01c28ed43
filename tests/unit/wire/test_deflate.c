#include "../base/cm.h"

#include <stdlib.h>
#include <zlib.h>

#include "wire/deflate.h"

enum { TEXT_MAX = 70000 };

static size_t inflate_all(struct span in, int bits, char *out, size_t cap)
{
	z_stream z = { 0 };
	assert_int_equal(inflateInit2(&z, bits), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.n;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)cap;
	int rc = inflate(&z, Z_SYNC_FLUSH);
	assert_int_equal(rc, bits > 0 ? Z_STREAM_END : Z_OK);
	assert_int_equal(z.avail_in, 0);
	size_t n = cap - z.avail_out;
	inflateEnd(&z);
	return n;
}

/* Sizes around each window: the last bytes repeat the first, so matches reach back the whole way. */
static void round_trips_around_every_window(void **state)
{
	(void)state;
	char *text = malloc(TEXT_MAX), *back = malloc(TEXT_MAX + 1);
	uint32_t x = 3;
	for (size_t i = 0; i < TEXT_MAX; i++) {
		x = x * 1664525 + 1013904223;
		text[i] = (char)(x >> 24);
	}
	for (size_t size = 0; size < TEXT_MAX - 2; size = size < 4 ? size + 1 : size * 2)
		for (size_t n = size < 2 ? 0 : size - 2; n <= size + 2; n++) {
			struct buf b;
			char head[50];
			size_t overlap = n < 100 ? n / 2 : 50;
			memcpy(head, text + n - overlap, overlap);
			memcpy(text + n - overlap, text, overlap);
			buf_init(&b, 1 << 20);
			buf_add_char(&b, '!');
			for (int form = DEFLATE_GZIP; form <= DEFLATE_FLUSH; form++) {
				b.n = 1;
				assert_true(deflate_whole(&b, (struct span){ text, n }, (enum deflate_form)form));
				size_t got = inflate_all(
					span_skip(buf_span(&b), 1), form == DEFLATE_GZIP ? 31 : -15, back, TEXT_MAX + 1);
				assert_int_equal(got, n);
				assert_memory_equal(back, text, n);
			}
			assert_memory_equal(b.p + b.n - 4, "\0\0\xff\xff", 4);
			buf_deinit(&b);
			memcpy(text + n - overlap, head, overlap);
		}
	free(text);
	free(back);
}

static void without_room_nothing_changes(void **state)
{
	(void)state;
	for (size_t max = 4; max < 40; max++)
		for (int form = DEFLATE_GZIP; form <= DEFLATE_FLUSH; form++) {
			struct buf b;
			buf_init(&b, max);
			buf_add_span(&b, SPAN("keep"));
			if (!deflate_whole(&b, SPAN("0123456789"), (enum deflate_form)form)) assert_int_equal(b.n, 4);
			assert_memory_equal(b.p, "keep", 4);
			assert_false(b.failed);
			buf_deinit(&b);
		}
	struct buf failed;
	buf_init(&failed, 0);
	buf_add_char(&failed, 'x');
	assert_false(deflate_whole(&failed, SPAN("x"), DEFLATE_GZIP));
	assert_true(failed.failed);
	buf_deinit(&failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(round_trips_around_every_window),
		cmocka_unit_test(without_room_nothing_changes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
