/* Filling in a beck_error. Every function accepts err == NULL and returns the result, so that callers may `return
 * error_set(...)`. */
#ifndef BECK_CLIENT_ERROR_H
#define BECK_CLIENT_ERROR_H

#include "base/compiler.h"
#include "base/span.h"

#include <beck/types.h>

beck_result error_set(beck_error *err, beck_result result, const char *fmt, ...) BECK_PRINTF(3, 4);
/* The same, naming the field. */
beck_result error_field(beck_error *err, beck_result result, const char *field, const char *fmt, ...) BECK_PRINTF(4, 5);
/* From the server's answer: a status that is not 2xx and its body, which may be anything at all (a proxy's page). Always
 * BECK_EAPI but for statuses below 200 and of redirects, which are BECK_EPROTOCOL. */
beck_result error_from_answer(beck_error *err, int status, struct span body, int32_t retry_after_ms);

#endif
