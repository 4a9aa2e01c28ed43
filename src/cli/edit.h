/* The line that is being typed. */
#ifndef CLI_EDIT_H
#define CLI_EDIT_H

#include "cli/term.h"
#include "cli/text.h"

struct edit {
	struct text line;
	size_t at; /* where the cursor stands, in bytes */
};

/* True when the key was one for a line; Enter and the like are the caller's. */
bool edit_key(struct edit *e, enum key key, const char *utf8);
void edit_clear(struct edit *e);
/* What fits into `columns` around the cursor, and in which of them the cursor stands. */
void edit_show(const struct edit *e, size_t columns, struct text *out, size_t *cursor);

#endif
