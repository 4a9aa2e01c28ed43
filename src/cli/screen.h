/* Rows on a terminal: only those that changed are written. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "cli/text.h"

struct screen {
	int rows, columns;
	char **shown; /* of each row; NULL: unknown */
	struct text out;
};

void screen_fit(struct screen *s); /* begins anew with the terminal's size */
void screen_free(struct screen *s);
void screen_row(struct screen *s, int row, const char *content); /* from 0; with its colours, no wider than columns */
void screen_flush(struct screen *s, int row, size_t column);     /* and where the cursor stands */

/* Lines of a text on `columns`, broken between words where that is possible. The first has first_column columns taken already and
 * gets no blanks before it; the others are indented. */
struct lines {
	char **p;
	size_t n, room;
};
void lines_add(struct lines *l, const char *line);
void lines_wrap(struct lines *l, const char *text, size_t columns, size_t indent, size_t first_column);
void lines_clear(struct lines *l);
/* As much of the text as fits into `columns`, its length. */
size_t fit_columns(const char *s, size_t n, size_t columns);

#endif
