#include "cli/edit.h"

#include <string.h>

static const char *bytes(const struct edit *e) { return text_get(&e->line); }

static void take_out(struct edit *e, size_t from, size_t to)
{
	if (from >= to) return;
	memmove(e->line.p + from, e->line.p + to, e->line.n - to + 1);
	e->line.n -= to - from;
	e->at = from;
}

/* A character with the marks that belong to it is one step. */
static size_t step_left(const struct edit *e, size_t at)
{
	unsigned rune = 0;
	do {
		if (at == 0) return 0;
		at--;
		while (at > 0 && ((unsigned char)bytes(e)[at] & 0xc0) == 0x80) at--;
	} while (utf8_take(bytes(e) + at, e->line.n - at, &rune) && rune_width(rune) == 0);
	return at;
}

static size_t step_right(const struct edit *e, size_t at)
{
	unsigned rune = 0;
	size_t n = utf8_take(bytes(e) + at, e->line.n - at, &rune);
	at += n;
	while ((n = utf8_take(bytes(e) + at, e->line.n - at, &rune)) && rune_width(rune) == 0) at += n;
	return at;
}

static size_t word_left(const struct edit *e)
{
	size_t at = e->at;
	while (at > 0 && bytes(e)[at - 1] == ' ') at--;
	while (at > 0 && bytes(e)[at - 1] != ' ') at--;
	return at;
}

static void insert(struct edit *e, const char *utf8)
{
	size_t n = strlen(utf8);
	text_put(&e->line, utf8);
	memmove(e->line.p + e->at + n, e->line.p + e->at, e->line.n - n - e->at);
	memcpy(e->line.p + e->at, utf8, n);
	e->at += n;
}

void edit_clear(struct edit *e)
{
	text_clear(&e->line);
	e->at = 0;
}

bool edit_key(struct edit *e, enum key key, const char *utf8)
{
	switch (key) {
	case KEY_RUNE: insert(e, utf8); return true;
	case KEY_BACKSPACE: take_out(e, step_left(e, e->at), e->at); return true;
	case KEY_DELETE: take_out(e, e->at, step_right(e, e->at)); return true;
	case KEY_LEFT: e->at = step_left(e, e->at); return true;
	case KEY_RIGHT: e->at = step_right(e, e->at); return true;
	case KEY_HOME: e->at = 0; return true;
	case KEY_END: e->at = e->line.n; return true;
	case KEY_KILL_LINE: take_out(e, 0, e->at); return true;
	case KEY_KILL_END: take_out(e, e->at, e->line.n); return true;
	case KEY_KILL_WORD: take_out(e, word_left(e), e->at); return true;
	default: return false;
	}
}

void edit_show(const struct edit *e, size_t columns, struct text *out, size_t *cursor)
{
	const char *p = bytes(e);
	size_t from = 0, n = 0, width = 0;
	unsigned rune = 0;
	while (from < e->at && text_width(p + from, e->at - from) + 1 > columns) from = step_right(e, from);
	for (size_t at = from; (n = utf8_take(p + at, e->line.n - at, &rune)) != 0; at += n) {
		width += (size_t)rune_width(rune);
		if (width > columns) break;
		text_add(out, p + at, n);
	}
	*cursor = text_width(p + from, e->at - from);
}
