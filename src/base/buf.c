#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

enum { BUF_FIRST_BYTES = 64 };

void buf_init(struct buf *b, size_t max_bytes) { *b = (struct buf){ .max = max_bytes }; }

void buf_deinit(struct buf *b)
{
	mem_free(b->p);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->failed = b->is_full = false;
}

static bool buf_fail(struct buf *b)
{
	b->failed = true;
	return false;
}

static bool buf_grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
	while (cap < need) cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap > b->max) cap = b->max;
	char *p = mem_realloc(b->p, cap);
	if (!p) return buf_fail(b);
	b->p = p;
	b->cap = cap;
	return true;
}

bool buf_reserve(struct buf *b, size_t extra)
{
	if (b->failed) return false;
	if (BECK_LIKELY(extra <= b->cap - b->n)) return true;
	if (extra > b->max - b->n) {
		b->is_full = true;
		return buf_fail(b);
	}
	return buf_grow(b, b->n + extra);
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!buf_reserve(b, n) || n == 0) return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void buf_add_span(struct buf *b, struct span s) { buf_add(b, s.p, s.n); }

void buf_add_char(struct buf *b, char c)
{
	if (buf_reserve(b, 1)) b->p[b->n++] = c;
}

void buf_add_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, digits + at, sizeof digits - at);
}

void buf_add_i64(struct buf *b, int64_t v)
{
	if (v < 0) buf_add_char(b, '-');
	buf_add_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

/* vsnprintf needs room for its NUL, which the maximum of a buffer does not count: short texts go by the stack. */
BECK_PRINTF(3, 0)
static void print_long(struct buf *b, size_t n, const char *fmt, va_list args)
{
	if (!buf_reserve(b, n)) return;
	char *p = mem_alloc(n + 1);
	if (!p) {
		buf_fail(b);
		return;
	}
	(void)vsnprintf(p, n + 1, fmt, args);
	buf_add(b, p, n);
	mem_free(p);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	char small[256];
	va_list args, again;
	if (b->failed) return;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(small, sizeof small, fmt, args);
	va_end(args);
	if (n < 0) {
		buf_fail(b);
	} else if ((size_t)n < sizeof small) {
		buf_add(b, small, (size_t)n);
	} else {
		print_long(b, (size_t)n, fmt, again);
	}
	va_end(again);
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}
