#include "base/compiler.h"

#include <stdio.h>

void beck_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "level=error msg=\"panic\" at=%s:%d what=\"%s\"\n", file, line, what);
	fflush(stderr);
	abort();
}
