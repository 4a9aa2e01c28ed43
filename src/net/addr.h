/* Network addresses as text and as ranges. IPv4 addresses mapped into IPv6 are taken for what they are. Pure; any thread. */
#ifndef BECK_NET_ADDR_H
#define BECK_NET_ADDR_H

#include <stdint.h>

#include "base/span.h"

struct sockaddr;

enum { NET_ADDR_TEXT_BYTES = 46 };
struct net_addr {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};
/* "10.0.0.1", "::1", "[::1]"; with_port also "10.0.0.1:80" and "[::1]:80". */
bool net_addr_parse(struct span text, bool with_port, struct net_addr *out);
bool net_addr_of(const struct sockaddr *sa, struct net_addr *out);              /* false: neither IPv4 nor IPv6 */
uint8_t net_addr_text(const struct net_addr *a, char out[NET_ADDR_TEXT_BYTES]); /* its length; NUL behind */

struct net_cidr {
	struct net_addr addr;
	uint8_t bits; /* of 128 */
};
/* A comma-separated list ("127.0.0.1, 10.0.0.0/8, fd00::/8"); blanks are allowed. False when an entry is malformed or there are
 * more than cap. */
bool net_cidrs_parse(struct span list, struct net_cidr *out, size_t cap, size_t *n);
bool net_cidrs_match(const struct net_cidr *list, size_t n, const struct net_addr *a);

#endif
