/* Memory of one request or command: allocate, never free singly, reset when the reply is queued.
 * Owner: whoever made it; one thread at a time (it may be handed over between threads, never shared).
 * Fails: returns NULL past `max_bytes` or when malloc fails; `arena_failed` then stays true until reset, so a caller may
 * allocate several times and look once. */
#ifndef BECK_BASE_ARENA_H
#define BECK_BASE_ARENA_H

#include "base/compiler.h"
#include "base/span.h"

struct arena_block;
struct arena {
	struct arena_block *head;
	size_t used_bytes, max_bytes;
	bool failed, is_full; /* is_full: past max_bytes, which no retry heals */
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_deinit(struct arena *a); /* a zeroed arena is fine */
void arena_reset(struct arena *a);  /* keeps one small block */
static inline bool arena_failed(const struct arena *a) { return a->failed; }
static inline bool arena_is_full(const struct arena *a) { return a->is_full; }

/* Aligned for every type, not zeroed. */
void *arena_alloc(struct arena *a, size_t n) BECK_WARN_UNUSED;
/* Grows the newest allocation in place where it can, else copies. Content beyond old_n is undefined; p == NULL allocates; on
 * failure the old bytes stay valid. */
void *arena_realloc(struct arena *a, void *p, size_t old_n, size_t n) BECK_WARN_UNUSED;
/* Zeroed array; checks count * size. */
void *arena_zalloc(struct arena *a, size_t count, size_t size) BECK_WARN_UNUSED;
#define arena_new(a, type)          ((type *)arena_zalloc((a), 1, sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_zalloc((a), (count), sizeof(type)))
/* Copies with a NUL behind; SPAN_NONE stays SPAN_NONE; SPAN_NONE on failure. */
struct span arena_dup(struct arena *a, struct span s);
struct span arena_printf(struct arena *a, const char *fmt, ...) BECK_PRINTF(2, 3);

#endif
