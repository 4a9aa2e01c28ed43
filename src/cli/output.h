/* Colours where they are wanted: on a terminal, unless NO_COLOR is set or TERM is "dumb". */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>

enum style { STYLE_END, STYLE_BOLD, STYLE_DIM, STYLE_REVERSE, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, STYLE_CYAN };

/* The sequence that begins it on stdout; "" where there are no colours. */
const char *style(enum style s);
bool wants_json(bool is_asked);

#endif
