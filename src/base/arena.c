#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/ckd.h"
#include "base/mem.h"

enum {
	ARENA_ALIGN = 16,
	ARENA_FIRST_BYTES = 4096,
	ARENA_STEP_MAX_BYTES = 262144, /* ordinary blocks double up to this */
	ARENA_KEEP_MAX_BYTES = 65536,  /* a block above this is not kept by reset */
};

/* The head is the block under way; older ones and the dedicated blocks of large allocations hang behind it.
 * Under the address sanitizer bytes that are not handed out are poisoned. */
struct arena_block {
	struct arena_block *next;
	size_t cap, used;
	size_t pad;
};
_Static_assert(sizeof(struct arena_block) % ARENA_ALIGN == 0, "data behind the block's head must stay aligned");

static char *block_data(struct arena_block *b) { return (char *)b + sizeof *b; }

void arena_init(struct arena *a, size_t max_bytes) { *a = (struct arena){ .max_bytes = max_bytes }; }

static void block_free(struct arena_block *b)
{
	BECK_UNPOISON(block_data(b), b->cap);
	mem_free(b);
}

void arena_deinit(struct arena *a)
{
	while (a->head) {
		struct arena_block *b = a->head;
		a->head = b->next;
		block_free(b);
	}
	*a = (struct arena){ .max_bytes = a->max_bytes };
}

/* Which block a reset keeps: the first ordinary one, the smallest that is. */
static struct arena_block *block_to_keep(const struct arena *a)
{
	struct arena_block *keep = NULL;
	for (struct arena_block *b = a->head; b; b = b->next)
		if (b->cap <= ARENA_KEEP_MAX_BYTES && (!keep || b->cap <= keep->cap)) keep = b;
	return keep;
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = block_to_keep(a);
	while (a->head) {
		struct arena_block *b = a->head;
		a->head = b->next;
		if (b != keep) block_free(b);
	}
	if (keep) {
		*keep = (struct arena_block){ .cap = keep->cap };
		BECK_POISON(block_data(keep), keep->cap);
	}
	a->head = keep;
	a->used_bytes = 0;
	a->failed = a->is_full = false;
}

static void *arena_fail(struct arena *a)
{
	a->failed = true;
	return NULL;
}

static void *arena_refuse(struct arena *a)
{
	a->is_full = true;
	return arena_fail(a);
}

static struct arena_block *block_new(size_t cap)
{
	size_t bytes;
	if (!ckd_add_size(sizeof(struct arena_block), cap, &bytes)) return NULL;
	struct arena_block *b = mem_alloc(bytes);
	if (!b) return NULL;
	*b = (struct arena_block){ .cap = cap };
	BECK_POISON(block_data(b), cap);
	return b;
}

static size_t next_block_bytes(const struct arena *a)
{
	size_t want = a->head ? a->head->cap * 2 : ARENA_FIRST_BYTES;
	return want < ARENA_STEP_MAX_BYTES ? want : ARENA_STEP_MAX_BYTES;
}

static bool round_up(size_t n, size_t *out)
{
	if (!ckd_add_size(n ? n : 1, ARENA_ALIGN - 1, out)) return false;
	*out &= ~(size_t)(ARENA_ALIGN - 1);
	return true;
}

/* A block with room for `need`: the head, a new head, or a dedicated block behind the head, so that the head's rest is not lost.
 */
static struct arena_block *block_for(struct arena *a, size_t need)
{
	if (a->head && a->head->cap - a->head->used >= need) return a->head;
	size_t step = next_block_bytes(a);
	struct arena_block *b = block_new(need > step / 2 ? need : step);
	if (!b) return NULL;
	if (a->head && need > step / 2) {
		b->next = a->head->next;
		a->head->next = b;
	} else {
		b->next = a->head;
		a->head = b;
	}
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t need;
	if (!round_up(n, &need) || need > a->max_bytes - a->used_bytes) return arena_refuse(a);
	struct arena_block *b = block_for(a, need);
	if (!b) return arena_fail(a);
	char *p = block_data(b) + b->used;
	b->used += need;
	a->used_bytes += need;
	BECK_UNPOISON(p, n);
	return p;
}

void *arena_zalloc(struct arena *a, size_t count, size_t size)
{
	size_t n;
	if (!ckd_mul_size(count, size, &n)) return arena_fail(a);
	void *p = arena_alloc(a, n);
	if (p) memset(p, 0, n);
	return p;
}

/* The block in which `p` (need bytes) is the newest allocation, else NULL. Looks only where a growing one can be. */
static struct arena_block **newest_in(struct arena *a, const char *p, size_t need)
{
	struct arena_block **at = &a->head;
	for (int i = 0; i < 2 && *at; i++, at = &(*at)->next) {
		struct arena_block *b = *at;
		if (b->used >= need && p == block_data(b) + b->used - need) return at;
	}
	return NULL;
}

/* Grows an allocation that fills its dedicated block. */
static void *block_grow(struct arena_block **at, size_t n, size_t need)
{
	struct arena_block *b = *at;
	size_t bytes;
	if (!ckd_add_size(sizeof *b, need, &bytes)) return NULL;
	BECK_UNPOISON(block_data(b), b->cap);
	struct arena_block *moved = mem_realloc(b, bytes);
	if (!moved) return NULL;
	moved->cap = moved->used = need;
	*at = moved;
	BECK_POISON(block_data(moved), need);
	BECK_UNPOISON(block_data(moved), n);
	return block_data(moved);
}

static void *grow_in_place(struct arena *a, char *p, size_t n, size_t old_need, size_t need)
{
	struct arena_block **at = newest_in(a, p, old_need);
	if (!at) return NULL;
	struct arena_block *b = *at;
	if (b->cap - (b->used - old_need) >= need) {
		b->used += need - old_need;
		BECK_UNPOISON(p, n);
		return p;
	}
	return b->used == old_need && need > ARENA_STEP_MAX_BYTES / 2 ? block_grow(at, n, need) : NULL;
}

void *arena_realloc(struct arena *a, void *p, size_t old_n, size_t n)
{
	if (!p) return arena_alloc(a, n);
	if (n <= old_n) return p;
	size_t old_need, need;
	if (!round_up(old_n, &old_need) || !round_up(n, &need) || need - old_need > a->max_bytes - a->used_bytes)
		return arena_refuse(a);
	void *grown = grow_in_place(a, p, n, old_need, need);
	if (grown) {
		a->used_bytes += need - old_need;
		return grown;
	}
	void *fresh = arena_alloc(a, n);
	if (fresh) memcpy(fresh, p, old_n);
	return fresh;
}

struct span arena_dup(struct arena *a, struct span s)
{
	if (!s.p) return SPAN_NONE;
	size_t bytes;
	char *p = ckd_add_size(s.n, 1, &bytes) ? arena_alloc(a, bytes) : arena_fail(a);
	if (!p) return SPAN_NONE;
	memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return (struct span){ p, s.n };
}

struct span arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *p = n < 0 ? arena_fail(a) : arena_alloc(a, (size_t)n + 1);
	if (p) (void)vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p ? (struct span){ p, (size_t)n } : SPAN_NONE;
}
