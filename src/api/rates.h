#ifndef BECK_API_RATES_H
#define BECK_API_RATES_H

#include "api/api.h"

/* Counts an authenticated call; c->calls_in_minute is what the headers are made from. */
void api_rate_count(struct api_call *c);

#endif
