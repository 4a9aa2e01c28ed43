/* For backends: tokens, calls with every right, webhooks. Never ship an application's secret in a client. */
#ifndef BECK_SERVER_H
#define BECK_SERVER_H

#include <beck/client.h>
#include <beck/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A token for a user (HS256): valid from now on until expires_at_s (seconds since 1970; 0: for ever). The caller's to free
 * with beck_free; NULL with *err set for a bad id, an empty secret or without memory. [contract §1.2] */
BECK_API char *beck_create_token(const char *secret, const char *user_id, int64_t expires_at_s, beck_error *err);
/* A token with every right, for backends. */
BECK_API char *beck_create_server_token(const char *secret, beck_error *err);

/* A client that acts for the application: its calls carry a server-side token and need no user. Connecting one is
 * BECK_ESTATE. Options as for beck_client_create; released by beck_release. */
BECK_API beck_client *beck_server_client_create(const char *api_key, const char *secret, const beck_options *options);

/* Whether a webhook came from the server that knows the secret: the X-Signature header is the HMAC-SHA256 of the raw body
 * in hexadecimal. Takes the same time whatever is wrong. */
BECK_API bool beck_webhook_is_valid(const char *secret, const void *body, size_t body_bytes, const char *signature);

#ifdef __cplusplus
}
#endif
#endif
