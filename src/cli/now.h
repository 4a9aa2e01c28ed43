/* Time and how it is shown. */
#ifndef CLI_NOW_H
#define CLI_NOW_H

#include <stdint.h>

int64_t now_us(void);        /* since 1970 */
int64_t now_steady_us(void); /* never set back */
/* "12:03" or "12:03:59" in the user's time zone. */
const char *time_of_day(int64_t us, int with_seconds, char out[16]);
const char *date_of(int64_t us, char out[16]); /* "2026-11-28" */

#endif
