#include "cli/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must(void *p)
{
	if (p) return p;
	(void)fputs("beck: out of memory\n", stderr);
	exit(EXIT_REFUSED);
}

char *dup_text(const char *s) { return must(strdup(s ? s : "")); }

void text_free(struct text *t)
{
	free(t->p);
	*t = (struct text){ 0 };
}

void text_clear(struct text *t)
{
	t->n = 0;
	if (t->p) t->p[0] = 0;
}

void text_add(struct text *t, const char *p, size_t n)
{
	if (t->n + n + 1 > t->room) {
		t->room = (t->n + n + 1) * 2 + 62;
		t->p = must(realloc(t->p, t->room));
	}
	if (n) memcpy(t->p + t->n, p, n);
	t->n += n;
	t->p[t->n] = 0;
}

void text_put(struct text *t, const char *s) { text_add(t, s, strlen(s)); }

void text_format(struct text *t, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	char *p = must(malloc((size_t)n + 1));
	(void)vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	text_add(t, p, (size_t)n);
	free(p);
}

const char *text_get(const struct text *t) { return t->p ? t->p : ""; }

size_t utf8_take(const char *p, size_t n, unsigned *rune)
{
	static const unsigned least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	if (n == 0) return 0;
	unsigned char c = (unsigned char)p[0];
	size_t k = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	if (k == 0 || k > n) return 0;
	unsigned r = k == 1 ? c : c & (0x7fu >> k);
	for (size_t i = 1; i < k; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80) return 0;
		r = r << 6 | ((unsigned char)p[i] & 0x3f);
	}
	if (k > 1 && (r < least[k] || r > 0x10ffff || (r >= 0xd800 && r < 0xe000))) return 0;
	*rune = r;
	return k;
}

void text_json(struct text *t, const char *s)
{
	size_t n = strlen(s);
	text_put(t, "\"");
	for (size_t i = 0; i < n;) {
		unsigned rune = 0;
		size_t k = utf8_take(s + i, n - i, &rune);
		if (k == 0)
			text_put(t, "\xef\xbf\xbd");
		else if (rune == '"' || rune == '\\')
			text_format(t, "\\%c", (char)rune);
		else if (rune < ' ')
			text_format(t, "\\u%04x", rune);
		else
			text_add(t, s + i, k);
		i += k ? k : 1;
	}
	text_put(t, "\"");
}

/* ---- the terminal's view ---- */

struct range {
	unsigned first, last;
};

static bool is_in(const struct range *ranges, size_t count, unsigned rune)
{
	for (size_t i = 0; i < count; i++)
		if (rune >= ranges[i].first && rune <= ranges[i].last) return true;
	return false;
}

/* Marks that join the character before them, and what shows nothing. */
static const struct range narrow[] = { { 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x5bd }, { 0x610, 0x61a }, { 0x64b, 0x65f },
	{ 0x900, 0x902 }, { 0x93c, 0x93c }, { 0x941, 0x948 }, { 0x94d, 0x94d }, { 0xe31, 0xe31 }, { 0xe34, 0xe3a },
	{ 0xe47, 0xe4e }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200f }, { 0x2060, 0x2064 }, { 0x20d0, 0x20ff },
	{ 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0x1f3fb, 0x1f3ff }, { 0xe0000, 0xe0fff } };
static const struct range wide[] = { { 0x1100, 0x115f }, { 0x231a, 0x231b }, { 0x23e9, 0x23ec }, { 0x2614, 0x2615 },
	{ 0x2648, 0x2653 }, { 0x26a1, 0x26a1 }, { 0x26bd, 0x26be }, { 0x2705, 0x2705 }, { 0x2728, 0x2728 }, { 0x274c, 0x274c },
	{ 0x2753, 0x2755 }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf }, { 0xa960, 0xa97f }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff },
	{ 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f18e, 0x1f18e }, { 0x1f191, 0x1f19a },
	{ 0x1f1e6, 0x1f202 }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x1fa70, 0x1faff },
	{ 0x20000, 0x3fffd } };
/* Marks of direction: they could make a line look like another's. */
static const struct range turning[] = { { 0x61c, 0x61c }, { 0x200e, 0x200f }, { 0x2028, 0x202e }, { 0x2066, 0x2069 } };

int rune_width(unsigned rune)
{
	if (rune < 0x300) return 1;
	if (is_in(narrow, sizeof narrow / sizeof *narrow, rune)) return 0;
	return is_in(wide, sizeof wide / sizeof *wide, rune) ? 2 : 1;
}

static bool is_control(unsigned rune)
{
	return rune < ' ' || (rune >= 0x7f && rune < 0xa0) || is_in(turning, sizeof turning / sizeof *turning, rune);
}

char *clean_text(const char *s, bool keep_lines)
{
	struct text out = { 0 };
	size_t n = strlen(s);
	text_add(&out, "", 0);
	for (size_t i = 0; i < n;) {
		unsigned rune = 0;
		size_t k = utf8_take(s + i, n - i, &rune);
		if (k == 0)
			text_put(&out, "?");
		else if (rune == '\n')
			text_put(&out, keep_lines ? "\n" : " ");
		else if (rune == '\t')
			text_put(&out, " ");
		else if (!is_control(rune))
			text_add(&out, s + i, k);
		i += k ? k : 1;
	}
	return out.p;
}

size_t text_width(const char *s, size_t n)
{
	size_t columns = 0;
	for (size_t i = 0; i < n;) {
		unsigned rune = '?';
		size_t k = utf8_take(s + i, n - i, &rune);
		columns += k ? (size_t)rune_width(rune) : 1;
		i += k ? k : 1;
	}
	return columns;
}
