#include "cli/output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_colours(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

const char *style(enum style s)
{
	static const char *const sequences[] = { [STYLE_END] = "\033[0m",
		[STYLE_BOLD] = "\033[1m",
		[STYLE_DIM] = "\033[2m",
		[STYLE_REVERSE] = "\033[7m",
		[STYLE_RED] = "\033[31m",
		[STYLE_GREEN] = "\033[32m",
		[STYLE_YELLOW] = "\033[33m",
		[STYLE_CYAN] = "\033[36m" };
	return has_colours() ? sequences[s] : "";
}

bool wants_json(bool is_asked) { return is_asked || !isatty(STDOUT_FILENO); }
