/* Which token calls and connections carry, and when a new one is asked for: before the first use, before an expired one would be
 * used, and when the server refused it as expired or revoked (code 40). One question at a time; all who need a token wait for it.
 */
#ifndef BECK_CLIENT_TOKEN_H
#define BECK_CLIENT_TOKEN_H

#include "base/span.h"
#include "client/deliver.h"
#include "client/timer.h"

#include <beck/client.h>

struct token {
	char *value;
	int64_t exp_s; /* 0: none said */
	bool was_over; /* when the provider gave it */
	beck_token_fn provider;
	void *ctx;
	beck_token_request *asking; /* not answered yet */
	struct timer patience;
};

/* What can be read in a token without the secret. */
struct token_claims {
	char user_id[256]; /* "" without */
	bool is_server;
	int64_t exp_s;
};
/* False when it is no token at all. */
bool token_read(struct span token, struct token_claims *out);

/* Whether this client may use the token for that user: BECK_ETOKEN, said in *err, when it is none, of another user, or has every
 * right. */
beck_result token_check(const char *token, const char *user_id, beck_error *err);

/* Copies the value (may be NULL when there is a provider). */
beck_result token_set(beck_client *c, const char *value, beck_token_fn provider, void *ctx);
void token_forget(beck_client *c);
/* The token to use now; SPAN_NONE: it is asked for, and link_step and calls_step run again when it is there. */
struct span token_now(beck_client *c);
/* The server does not take this one any more. False when there is no other to be had. */
bool token_reject(beck_client *c, struct span used);

#endif
