/* An HTTP exchange with the server: what every one of them carries. */
#ifndef BECK_CLIENT_HTTP_H
#define BECK_CLIENT_HTTP_H

#include "base/buf.h"
#include "client/io.h"

#include <beck/client.h>

/* "https://host/prefix" + path + "?api_key=...". */
void client_http_url(beck_client *c, struct buf *out, struct span path);
/* Starts *h at `url` with the token (SPAN_NONE: without) and the client's name; JSON is its body unless it says what. 0 without
 * memory. */
uint64_t client_http_start(beck_client *c, struct io_http *h, const struct buf *url, struct span token, bool is_anonymous);

#endif
