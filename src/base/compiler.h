/* The only place for compiler extensions. */
#ifndef BECK_BASE_COMPILER_H
#define BECK_BASE_COMPILER_H

#include <stdint.h>
#include <stdlib.h>

#if defined(__GNUC__)
#define BECK_WARN_UNUSED __attribute__((warn_unused_result))
#ifdef __MINGW32__
/* With __USE_MINGW_ANSI_STDIO, which libbeck asks for there. */
#define BECK_PRINTF(f, a) __attribute__((format(gnu_printf, f, a)))
#else
#define BECK_PRINTF(f, a) __attribute__((format(printf, f, a)))
#endif
#define BECK_NORETURN    __attribute__((noreturn))
#define BECK_LIKELY(x)   __builtin_expect(!!(x), 1)
#define BECK_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define BECK_WARN_UNUSED
#define BECK_PRINTF(f, a)
#define BECK_NORETURN
#define BECK_LIKELY(x)   (x)
#define BECK_UNLIKELY(x) (x)
#endif

/* Address sanitizer: bytes that nobody may touch now. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BECK_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define BECK_ASAN 1
#endif
#ifdef BECK_ASAN
#include <sanitizer/asan_interface.h>
/* By way of a volatile: the compiler would think that the bytes are read. */
static inline void beck_poison(void *p, size_t n, int on)
{
	void *volatile at = p;
	if (on)
		__asan_poison_memory_region(at, n);
	else
		__asan_unpoison_memory_region(at, n);
}
#define BECK_POISON(p, n)   beck_poison((p), (n), 1)
#define BECK_UNPOISON(p, n) beck_poison((p), (n), 0)
#else
#define BECK_POISON(p, n)   ((void)(p), (void)(n))
#define BECK_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define BECK_COUNT(a)                     (sizeof(a) / sizeof((a)[0]))
#define BECK_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Says where and what, then aborts: for what cannot happen, and for small fixed server internals without memory.
 * Survives NDEBUG. Never reachable by a peer's input. */
BECK_NORETURN void beck_panic(const char *file, int line, const char *what);
#define BECK_ASSERT(x) ((x) ? (void)0 : beck_panic(__FILE__, __LINE__, #x))

#endif
