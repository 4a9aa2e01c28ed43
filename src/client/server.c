#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "client/client.h"
#include "client/os.h"
#include "client/sha256.h"
#include "wire/base64.h"
#include "wire/ids.h"

#include <beck/server.h>

/* ---- tokens ---- */

static char *sign(const char *secret, struct span claims, beck_error *err)
{
	struct buf b;
	uint8_t mac[32];
	buf_init(&b, 4096);
	base64url_encode(&b, SPAN("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
	buf_add_char(&b, '.');
	base64url_encode(&b, claims);
	sha256_hmac(span_str(secret), buf_span(&b), mac);
	buf_add_char(&b, '.');
	base64url_encode(&b, span_make((const char *)mac, sizeof mac));
	char *token = b.failed ? NULL : client_strndup(buf_span(&b));
	buf_deinit(&b);
	if (!token) (void)error_set(err, BECK_ENOMEM, "out of memory");
	return token;
}

static bool has_secret(const char *secret, beck_error *err)
{
	if (secret && *secret) return true;
	(void)error_field(err, BECK_EARG, "secret", "the application's secret is needed");
	return false;
}

char *beck_create_token(const char *secret, const char *user_id, int64_t expires_at_s, beck_error *err)
{
	struct buf b;
	struct jsonw w;
	if (!has_secret(secret, err)) return NULL;
	if (!user_id_valid(span_str(user_id))) {
		(void)error_field(err, BECK_EARG, "user_id", "a user id has 1 to 255 of the characters A-Z a-z 0-9 _ @ -");
		return NULL;
	}
	if (expires_at_s < 0) {
		(void)error_field(err, BECK_EARG, "expires_at_s", "a token does not end before 1970; 0 is a token for ever");
		return NULL;
	}
	buf_init(&b, 1024);
	jsonw_init(&w, &b);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "user_id", span_str(user_id));
	jsonw_kint(&w, "iat", os_wall_us() / 1000000);
	if (expires_at_s > 0) jsonw_kint(&w, "exp", expires_at_s);
	jsonw_obj_end(&w);
	char *token = b.failed ? NULL : sign(secret, buf_span(&b), err);
	if (b.failed) (void)error_set(err, BECK_ENOMEM, "out of memory");
	buf_deinit(&b);
	return token;
}

char *beck_create_server_token(const char *secret, beck_error *err)
{
	return has_secret(secret, err) ? sign(secret, SPAN("{\"server\":true}"), err) : NULL;
}

/* ---- webhooks ---- */

static unsigned hex_digit(char c)
{
	if (c >= '0' && c <= '9') return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f') return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F') return (unsigned)(c - 'A') + 10;
	return 256;
}

bool beck_webhook_is_valid(const char *secret, const void *body, size_t body_bytes, const char *signature)
{
	uint8_t mac[32];
	unsigned differs = 0;
	if (!secret || !*secret || !signature || (!body && body_bytes)) return false;
	sha256_hmac(span_str(secret), span_make(body, body_bytes), mac);
	size_t n = strlen(signature);
	for (size_t i = 0; i < sizeof mac; i++) {
		char high = 2 * i < n ? signature[2 * i] : 'x', low = 2 * i + 1 < n ? signature[2 * i + 1] : 'x';
		differs |= (hex_digit(high) << 4 | hex_digit(low)) ^ mac[i];
	}
	return differs == 0 && n == 2 * sizeof mac;
}
