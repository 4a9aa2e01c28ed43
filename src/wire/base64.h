/* Base64 (RFC 4648) in the two forms that are spoken here. */
#ifndef BECK_WIRE_BASE64_H
#define BECK_WIRE_BASE64_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

/* The URL alphabet without padding. Strict: no blank, no padding, and the bits left over are zero, so that a value has one form.
 * False also without memory. */
bool base64url_decode(struct arena *a, struct span s, struct span *out);
void base64url_encode(struct buf *out, struct span s);
/* The plain alphabet with padding: 4 * ((n + 2) / 3) characters and a NUL. */
void base64_encode(const uint8_t *p, size_t n, char *out);

#endif
