#include "base/compiler.h"

#include <stdio.h>

void beck_panic(const char *file, int line, const char *what)
{
	(void)fprintf(stderr, "level=error msg=\"panic\" at=%s:%d what=\"%s\"\n", file, line, what);
	(void)fflush(stderr);
	abort();
}
