/* The PROXY protocol, version 2 (haproxy's proxy-protocol.txt 2.2): who the client behind a proxy is. Pure. */
#ifndef BECK_NET_PROXY_H
#define BECK_NET_PROXY_H

#include "net/addr.h"

enum { PROXY_HEAD_BYTES = 16, PROXY_MAX_BYTES = 16 + 2048 };
enum proxy_result { PROXY_MORE, PROXY_ADDRESS, PROXY_LOCAL /* the proxy speaks for itself */, PROXY_BAD };
/* *total: how long the whole header is, or how much is needed to know; never above PROXY_MAX_BYTES. */
enum proxy_result proxy_v2_parse(const uint8_t *p, size_t n, size_t *total, struct net_addr *client);

#endif
