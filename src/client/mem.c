#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>

#include <beck/types.h>

/* The one allocator of the process: like malloc itself it belongs to no client. Written before anything is allocated, only read
 * after. */
static beck_allocator given;
static atomic_bool is_used;

beck_result beck_set_allocator(const beck_allocator *a)
{
	if (a && (!a->alloc || !a->resize || !a->release)) return BECK_EARG;
	if (atomic_load(&is_used)) return BECK_ESTATE;
	given = a ? *a : (beck_allocator){ 0 };
	return BECK_OK;
}

static void mark_used(void)
{
	if (!atomic_load_explicit(&is_used, memory_order_relaxed)) atomic_store(&is_used, true);
}

/* What an allocator does about nothing differs, and some say NULL: it is a byte. */
static size_t some(size_t n) { return n ? n : 1; }

void *mem_alloc(size_t n)
{
	mark_used();
	return given.alloc ? given.alloc(given.ctx, some(n)) : malloc(some(n));
}

void *mem_calloc(size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size) return NULL;
	if (!given.alloc) {
		mark_used();
		return calloc(some(count), some(size));
	}
	void *p = mem_alloc(count * size);
	if (p) memset(p, 0, count * size);
	return p;
}

void *mem_realloc(void *p, size_t n)
{
	mark_used();
	return given.alloc ? given.resize(given.ctx, p, some(n)) : realloc(p, some(n));
}

void mem_free(void *p)
{
	if (!p) return;
	if (given.alloc)
		given.release(given.ctx, p);
	else
		free(p);
}

void beck_free(void *p) { mem_free(p); }
const char *beck_version(void) { return BECK_VERSION; }
