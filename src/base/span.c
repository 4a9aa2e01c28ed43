#include "base/span.h"

#include <limits.h>

int span_cmp(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	if (c) return c;
	return (a.n > b.n) - (a.n < b.n);
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

bool span_eq_nocase(struct span a, struct span b)
{
	if (a.n != b.n) return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i])) return false;
	return true;
}

size_t span_find(struct span a, char c)
{
	const char *at = a.n ? memchr(a.p, c, a.n) : NULL;
	return at ? (size_t)(at - a.p) : a.n;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

struct span span_trim(struct span s)
{
	while (s.n && is_blank(s.p[0])) s = span_skip(s, 1);
	while (s.n && is_blank(s.p[s.n - 1])) s.n--;
	return s;
}

struct span span_cut(struct span *s, char mark)
{
	size_t end = span_find(*s, mark);
	struct span part = span_trim((struct span){ s->p, end });
	*s = span_skip(*s, end + 1);
	return part;
}

bool span_to_i64(struct span a, long long *out)
{
	bool negative = a.n && a.p[0] == '-';
	size_t i = a.n && (a.p[0] == '-' || a.p[0] == '+') ? 1 : 0;
	if (i == a.n) return false;
	/* Gathered as a negative number, whose range is the larger one. */
	long long v = 0;
	for (; i < a.n; i++) {
		if (a.p[i] < '0' || a.p[i] > '9') return false;
		int digit = a.p[i] - '0';
		if (v < (LLONG_MIN + digit) / 10) return false;
		v = v * 10 - digit;
	}
	if (!negative && v == LLONG_MIN) return false;
	*out = negative ? v : -v;
	return true;
}
