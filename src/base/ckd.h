/* Checked size arithmetic: true and *out set when the result fits, false otherwise. */
#ifndef BECK_BASE_CKD_H
#define BECK_BASE_CKD_H

#include <stdbool.h>
#include <stddef.h>

static inline bool ckd_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool ckd_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }

#endif
