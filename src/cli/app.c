/* beck app: needs the data folder before any key exists, so the beckd that stands beside the tool does it (docs/adr/0001). */
#include "cli/access.h"

#include <errno.h>
#include <string.h>

/* main.c hands the words on as they are: they are beckd's to judge. */
int run_app(struct args *g)
{
	(void)g;
	return say_failed("cannot run beckd: %s", strerror(errno));
}
