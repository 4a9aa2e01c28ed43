/* Text that grows, and text that is fit for a terminal. Without memory the program ends and says so. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/cli.h"

struct text {
	char *p; /* NUL-terminated once anything was added; NULL before */
	size_t n, room;
};

void text_free(struct text *t);
void text_clear(struct text *t);
void text_add(struct text *t, const char *p, size_t n);
void text_put(struct text *t, const char *s);
void text_format(struct text *t, const char *format, ...) CLI_PRINTF(2, 3);
const char *text_get(const struct text *t); /* never NULL */
/* A JSON string with its quotes. What is no UTF-8 becomes U+FFFD. */
void text_json(struct text *t, const char *s);

void *must(void *p); /* ends the program when p is NULL */
char *dup_text(const char *s);

/* Length of the UTF-8 character at p, and which; 0 when there is none whole. */
size_t utf8_take(const char *p, size_t n, unsigned *rune);
/* Columns a character takes: 0, 1 or 2. */
int rune_width(unsigned rune);
/* What a terminal may be shown: no control characters, none that turn the direction of writing, no broken UTF-8. Line breaks stay
 * when keep_lines, else they are blanks. The caller's to free. */
char *clean_text(const char *s, bool keep_lines);
size_t text_width(const char *s, size_t n);

#endif
