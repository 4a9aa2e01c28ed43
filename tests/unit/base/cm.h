/* cmocka wants these before itself; and the asserts that print spans. */
#ifndef BECK_TESTS_UNIT_CM_H
#define BECK_TESTS_UNIT_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/span.h"

static inline void assert_span(struct span got, const char *want)
{
	if (!span_is(got, want)) fail_msg("got \"%.*s\", want \"%s\"", SPAN_FMT(got), want);
}

#endif
