/* URLs, query strings, form encoding. Input is bytes from a peer; everything is bounded by the input's length. */
#ifndef BECK_WIRE_URL_H
#define BECK_WIRE_URL_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

/* "%41" and, with plus_is_space, "+". SPAN_NONE for a broken escape, "%00", or without memory. Returns the input itself when
 * there is nothing to decode. */
struct span url_decode(struct arena *a, struct span s, bool plus_is_space);
/* Appends s with everything but unreserved characters escaped. */
void url_encode(struct buf *out, struct span s);

struct url_param {
	struct span name, value;
};
struct url_query {
	struct url_param *items;
	size_t n;
};
/* Parses "a=b&c=d" (decoded). False for a broken escape or more than 100 parameters. */
bool url_query_parse(struct arena *a, struct span raw, struct url_query *out);
/* First value of a name, SPAN_NONE when absent. */
struct span url_query_get(const struct url_query *q, const char *name);

/* Splits "/path?query"; the fragment is dropped. */
void url_split_target(struct span target, struct span *path, struct span *query);

/* "http://host:port/prefix": used by clients. IPv6 hosts without brackets in `host`; the prefix
 * without its last slash; the port by default 80 or 443. False when malformed. */
struct url_base {
	bool tls;
	struct span host, prefix;
	uint16_t port;
};
bool url_base_parse(struct span s, struct url_base *out);

#endif
