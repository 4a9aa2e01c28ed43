/* LIMIT_<NAME> constants from schema/limits.def. */
#ifndef BECK_BASE_LIMITS_H
#define BECK_BASE_LIMITS_H

#include <stdint.h>

#define LIMIT(name, value, unit, what) static const int64_t LIMIT_##name = (value);
#include "limits.def" /* schema/ is on the include path */
#undef LIMIT

#endif
