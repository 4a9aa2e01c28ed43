/* SHA-1, only for the WebSocket handshake (RFC 6455 4.2.2), where nothing depends on its strength; our own so that the codec
 * shared with the client library needs no crypto library. */
#ifndef BECK_BASE_SHA1_H
#define BECK_BASE_SHA1_H

#include <stdint.h>

#include "base/span.h"

void sha1(struct span data, uint8_t out[20]);

#endif
