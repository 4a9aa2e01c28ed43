/* JWT, HS256 only: strict base64url without padding, constant-time signature comparison. Contract: connection-and-users.md 1.2.
 */
#ifndef BECK_WIRE_JWT_H
#define BECK_WIRE_JWT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

struct jwt {
	struct span user_id; /* not given = no claim */
	bool is_server;
	bool has_exp, has_iat, has_nbf;
	int64_t exp_s, iat_s, nbf_s;
	/* what verification needs: */
	struct span signed_part; /* "header.payload" */
	struct span signature;   /* decoded; not given when the third part is no base64url (development tokens) */
	bool is_hs256;
	bool is_placeholder; /* the third part is the word "devtoken", as development tokens have it */
};

/* Takes the token apart without trusting it. False when it is not three parts of which the first two are base64url JSON objects,
 * or a known claim has a wrong type. Spans point into the arena. */
bool jwt_parse(struct arena *a, struct span token, struct jwt *out);
/* True when the signature was made with this secret (and alg is HS256). */
bool jwt_verify(const struct jwt *t, struct span secret);

/* Makes a token; `claims` is a JSON object text. Appends to out. */
void jwt_sign(struct buf *out, struct span claims, struct span secret);

/* HMAC-SHA256 over any bytes. */
void hmac_sha256(struct span key, struct span data, uint8_t out[32]);
void sha256(struct span data, uint8_t out[32]);
bool equal_constant_time(const void *a, const void *b, size_t n);

#endif
