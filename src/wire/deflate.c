#include "wire/deflate.h"

#include <limits.h>
#include <zlib.h>

enum { LEVEL = 4, WINDOW_MIN = 9, WINDOW_MAX = 15, MEMORY_MAX = 8, GZIP_WRAPPED = 16 };

/* The smallest window that holds the whole text; zlib's own least is 9 bits. */
static int window_for(size_t n)
{
	int bits = WINDOW_MIN;
	while (bits < WINDOW_MAX && (size_t)1 << bits < n) bits++;
	return bits;
}

static bool run(z_stream *z, struct buf *out, int flush)
{
	for (;;) {
		if (!buf_reserve(out, 1)) return false;
		size_t room = out->cap - out->n < UINT_MAX ? out->cap - out->n : UINT_MAX;
		z->next_out = (Bytef *)(out->p + out->n);
		z->avail_out = (uInt)room;
		int rc = deflate(z, flush);
		out->n += room - z->avail_out;
		if (rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END) return false;
		if (flush == Z_FINISH ? rc == Z_STREAM_END : z->avail_out > 0) return true;
	}
}

bool deflate_whole(struct buf *out, struct span in, enum deflate_form form)
{
	z_stream z = { 0 };
	size_t start = out->n;
	int window = window_for(in.n), memory = window - 7 < MEMORY_MAX ? window - 7 : MEMORY_MAX;
	if (out->failed || in.n > UINT_MAX) return false;
	int bits = form == DEFLATE_GZIP ? GZIP_WRAPPED + window : -window;
	if (deflateInit2(&z, LEVEL, Z_DEFLATED, bits, memory, Z_DEFAULT_STRATEGY) != Z_OK) return false;
	z.next_in = (Bytef *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.n;
	bool ok = run(&z, out, form == DEFLATE_GZIP ? Z_FINISH : Z_SYNC_FLUSH);
	deflateEnd(&z);
	if (!ok) {
		out->n = start;
		out->failed = false;
	}
	return ok;
}
