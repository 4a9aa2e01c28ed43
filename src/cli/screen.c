#include "cli/screen.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/term.h"

void screen_free(struct screen *s)
{
	for (int i = 0; i < s->rows; i++) free(s->shown[i]);
	free(s->shown);
	text_free(&s->out);
	*s = (struct screen){ 0 };
}

void screen_fit(struct screen *s)
{
	screen_free(s);
	term_size(&s->rows, &s->columns);
	s->shown = must(calloc((size_t)s->rows, sizeof *s->shown));
	text_put(&s->out, "\033[2J");
}

void screen_row(struct screen *s, int row, const char *content)
{
	if (row < 0 || row >= s->rows || (s->shown[row] && strcmp(s->shown[row], content) == 0)) return;
	free(s->shown[row]);
	s->shown[row] = dup_text(content);
	text_format(&s->out, "\033[%d;1H%s\033[0m\033[K", row + 1, content);
}

static void write_all(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(STDOUT_FILENO, p, n);
		if (done <= 0) return;
		p += done;
		n -= (size_t)done;
	}
}

void screen_flush(struct screen *s, int row, size_t column)
{
	text_format(&s->out, "\033[%d;%dH", row + 1, (int)column + 1);
	write_all(text_get(&s->out), s->out.n);
	text_clear(&s->out);
}

/* ---- lines ---- */

void lines_add(struct lines *l, const char *line)
{
	if (l->n == l->room) {
		l->room = l->room * 2 + 64;
		l->p = must(realloc(l->p, l->room * sizeof *l->p));
	}
	l->p[l->n++] = dup_text(line);
}

void lines_clear(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++) free(l->p[i]);
	free(l->p);
	*l = (struct lines){ 0 };
}

size_t fit_columns(const char *s, size_t n, size_t columns)
{
	size_t at = 0, width = 0;
	while (at < n) {
		unsigned rune = '?';
		size_t k = utf8_take(s + at, n - at, &rune);
		width += (size_t)rune_width(rune);
		if (width > columns) break;
		at += k ? k : 1;
	}
	return at;
}

/* How many bytes of the line go onto this row. */
static size_t row_bytes(const char *s, size_t n, size_t columns)
{
	size_t fits = fit_columns(s, n, columns), cut = fits;
	if (fits == n) return n;
	while (cut > 0 && s[cut] != ' ') cut--;
	if (cut > 0) return cut;
	return fits ? fits : 1;
}

void lines_wrap(struct lines *l, const char *text, size_t columns, size_t indent, size_t first_column)
{
	size_t before = first_column;
	bool is_first = true;
	const char *s = text;
	do {
		const char *end = strchr(s, '\n');
		size_t n = end ? (size_t)(end - s) : strlen(s);
		do {
			struct text row = { 0 };
			size_t k = row_bytes(s, n, columns > before ? columns - before : 1);
			if (!is_first) text_format(&row, "%*s", (int)indent, "");
			text_add(&row, s, k);
			lines_add(l, row.p);
			text_free(&row);
			s += k;
			n -= k;
			if (n && *s == ' ') {
				s++;
				n--;
			}
			before = indent;
			is_first = false;
		} while (n);
		s = end ? end + 1 : NULL;
	} while (s);
}
