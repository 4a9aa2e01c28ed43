/* Times are int64 microseconds since the Unix epoch everywhere inside. TIME_ZERO is the contract's year 1, "never". */
#ifndef BECK_WIRE_TIMESTAMP_H
#define BECK_WIRE_TIMESTAMP_H

#include <stdint.h>

#include "base/json.h"

#define TIME_ZERO INT64_C(-62135596800000000)

/* RFC 3339 with any offset and 0..9 fraction digits (rounded down to microseconds). False when malformed or out of years 1..9999.
 */
bool time_parse(struct span s, int64_t *us);
/* "2026-01-02T03:04:05.678901Z", 27 characters and a NUL; whole microseconds always, so width is fixed. Years 1..9999. */
void time_format(int64_t us, char out[28]);

/* The two dialects of the contract: 1 = RFC 3339 strings and flat custom data, 2 = integer nanoseconds and a `custom` object. */
enum dialect { DIALECT_1 = 1, DIALECT_2 = 2 };
void jsonw_time(struct jsonw *w, enum dialect d, int64_t us); /* TIME_ZERO in dialect 2 is null */
void jsonw_ktime(struct jsonw *w, const char *key, enum dialect d, int64_t us);

#endif
