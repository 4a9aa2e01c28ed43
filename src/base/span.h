/* A counted view of bytes owned by somebody else. Every boundary takes and returns spans; NUL-terminated strings exist
 * only for system calls. A span with p == NULL means "not given"; p != NULL with n == 0 means "given, empty". */
#ifndef BECK_BASE_SPAN_H
#define BECK_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char *p;
	size_t n;
};

#define SPAN(lit) ((struct span){ "" lit "", sizeof(lit) - 1 })
#define SPAN_NONE ((struct span){ NULL, 0 })
/* For printf's "%.*s". */
#define SPAN_FMT(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct span span_make(const char *p, size_t n) { return (struct span){ p, n }; }
static inline struct span span_str(const char *z) { return z ? (struct span){ z, strlen(z) } : SPAN_NONE; }
static inline bool span_given(struct span s) { return s.p != NULL; }
static inline bool span_empty(struct span s) { return s.n == 0; }
static inline bool span_eq(struct span a, struct span b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool span_is(struct span a, const char *z) { return span_eq(a, span_str(z)); }
static inline bool span_starts(struct span a, struct span head)
{
	return a.n >= head.n && (head.n == 0 || memcmp(a.p, head.p, head.n) == 0);
}
static inline struct span span_skip(struct span a, size_t n)
{
	size_t k = n < a.n ? n : a.n;
	return (struct span){ k ? a.p + k : a.p, a.n - k };
}
struct span span_trim(struct span s); /* without the blanks and tabs at its ends */
/* Cuts off *s what stands before the first `mark`, and the mark; trimmed. For lists: while (list.n) one = span_cut(&list, ',').
 */
struct span span_cut(struct span *s, char mark);
/* Byte order, shorter first on a tie: <0, 0, >0. */
int span_cmp(struct span a, struct span b);
bool span_eq_nocase(struct span a, struct span b); /* ASCII only */
/* Index of the first `c`, or a.n. */
size_t span_find(struct span a, char c);
/* Whole span as a decimal integer, sign allowed, no blanks, no overflow; false and *out untouched otherwise. */
bool span_to_i64(struct span a, long long *out);

#endif
