/* A terminal in raw mode on another screen, and what is typed there. One per process; however the program ends, it is put back.
 */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>

bool term_begin(void); /* false when standard input or output is no terminal */
void term_end(void);   /* may be called again */
/* As Ctrl-Z: the terminal is put back and the program stops, until the shell lets it go on. */
void term_suspend(void);
bool term_resume(void); /* after it was stopped: takes the terminal again */
void term_size(int *rows, int *columns);

enum key {
	KEY_NONE, /* nothing whole has come */
	KEY_RUNE,
	KEY_ENTER,
	KEY_BACKSPACE,
	KEY_DELETE,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_HOME,
	KEY_END,
	KEY_UP,
	KEY_DOWN,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_CANCEL,
	KEY_EOF,
	KEY_KILL_LINE,
	KEY_KILL_END,
	KEY_KILL_WORD,
	KEY_REDRAW,
	KEY_SUSPEND,
	KEY_OTHER, /* known to be none of these */
};

struct keys {
	char bytes[1024];
	size_t n;
	bool is_pasting; /* line breaks are blanks then */
};

/* Reads what has come. False at the end of the input. */
bool keys_read(struct keys *k);
/* Takes the next one; the character of KEY_RUNE is in utf8, NUL-terminated. */
enum key keys_take(struct keys *k, char utf8[5]);

#endif
