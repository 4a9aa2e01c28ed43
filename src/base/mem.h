/* Where memory comes from. In the server malloc, and nothing in between. In libbeck (BECK_LIBRARY) the allocator that the program
 * gave to beck_set_allocator, for the whole process: it is set once, before anything is allocated, so it needs no lock. */
#ifndef BECK_BASE_MEM_H
#define BECK_BASE_MEM_H

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

#ifdef BECK_LIBRARY
void *mem_alloc(size_t n) BECK_WARN_UNUSED;
void *mem_calloc(size_t count, size_t size) BECK_WARN_UNUSED; /* zeroed; NULL when count * size is too much */
void *mem_realloc(void *p, size_t n) BECK_WARN_UNUSED;        /* on failure the old bytes stay */
void mem_free(void *p);
#else
static inline void *mem_alloc(size_t n) { return malloc(n); }
static inline void *mem_calloc(size_t count, size_t size) { return calloc(count, size); }
static inline void *mem_realloc(void *p, size_t n) { return realloc(p, n); }
static inline void mem_free(void *p) { free(p); }
#endif

/* Zeroes what must not stay in memory; not left out by the compiler. */
static inline void mem_wipe(void *p, size_t n)
{
	volatile unsigned char *b = p;
	while (n--) *b++ = 0;
}

#endif
