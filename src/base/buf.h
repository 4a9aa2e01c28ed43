/* A growable byte buffer born with a maximum. Appending past it, or without memory, sets `failed` and changes nothing
 * more; callers append freely and look once at the end. Owner frees with buf_deinit or takes the bytes. */
#ifndef BECK_BASE_BUF_H
#define BECK_BASE_BUF_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

struct buf {
	char *p;
	size_t n, cap, max;
	bool failed, is_full; /* is_full: failed at max, not for want of memory */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_deinit(struct buf *b);
void buf_clear(struct buf *b); /* length 0, not failed, memory kept */
bool buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_span(struct buf *b, struct span s);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t v); /* decimal */
void buf_add_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) BECK_PRINTF(2, 3);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
static inline struct span buf_span(const struct buf *b) { return (struct span){ b->p ? b->p : "", b->n }; }

#endif
