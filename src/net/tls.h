/* TLS contexts, for the driver. */
#ifndef BECK_NET_TLS_H
#define BECK_NET_TLS_H

#include <openssl/ssl.h>

#include "net/net.h"

/* A server-side SSL of the current certificate; NULL without memory. Loop threads. */
SSL *net_tls_session(struct net_tls *t) BECK_WARN_UNUSED;

#endif
