/* Small things between JSON and text. */
#ifndef BECK_CLIENT_TEXT_H
#define BECK_CLIENT_TEXT_H

#include <yyjson.h>

#include "base/buf.h"
#include "base/limits.h"

#include <beck/types.h>

/* For what is as long as a request may be. */
static inline void body_init(struct buf *b) { buf_init(b, (size_t)LIMIT_BODY_BYTES); }
/* Compact text of a value, to be freed by mem_free. NULL without memory. */
char *document_text(yyjson_val *v, size_t *n);
/* An error frame of a WebSocket, {"error":{...}}: false when the text is none. */
bool error_from_frame(beck_error *err, struct span text);

#endif
