#include "wire/jwt.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/json.h"
#include "wire/base64.h"

static bool hmac(struct span key, struct span data, uint8_t out[32])
{
	/* OpenSSL refuses a null key even when it is empty. */
	const char *k = key.n ? key.p : "";
	size_t n = 0;
	return EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, k, key.n, (const unsigned char *)data.p, data.n, out, 32, &n) &&
	       n == 32;
}

void hmac_sha256(struct span key, struct span data, uint8_t out[32]) { BECK_ASSERT(hmac(key, data.p ? data : SPAN(""), out)); }

void sha256(struct span data, uint8_t out[32])
{
	BECK_ASSERT(SHA256((const unsigned char *)(data.p ? data.p : ""), data.n, out) != NULL);
}

bool equal_constant_time(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *pa = a, *pb = b;
	uint8_t differ = 0;
	for (size_t i = 0; i < n; i++) differ = (uint8_t)(differ | (pa[i] ^ pb[i]));
	return differ == 0;
}

static yyjson_val *part_object(struct arena *a, struct span part)
{
	struct span text;
	const char *why;
	size_t at;
	if (!base64url_decode(a, part, &text)) return NULL;
	yyjson_val *v = json_parse(a, text, &why, &at);
	return yyjson_is_obj(v) ? v : NULL;
}

/* Absent is fine. Fractions, which RFC 7519 allows, are rounded down. */
static bool claim_time(yyjson_val *claims, const char *name, bool *has, int64_t *out)
{
	yyjson_val *v = json_get(claims, name);
	if (!v) return true;
	*has = true;
	if (yyjson_is_sint(v)) {
		*out = yyjson_get_sint(v);
		return true;
	}
	if (yyjson_is_uint(v)) {
		*out = (int64_t)yyjson_get_uint(v);
		return yyjson_get_uint(v) <= INT64_MAX;
	}
	double d = yyjson_is_real(v) ? yyjson_get_real(v) : 1e300;
	if (!(d > -9e15 && d < 9e15)) return false;
	*out = (int64_t)d;
	if ((double)*out > d) --*out;
	return true;
}

static bool header_read(yyjson_val *header, struct jwt *t)
{
	yyjson_val *alg = json_get(header, "alg");
	/* RFC 7515 4.1.11: extensions marked critical must be understood, and none is. */
	if ((alg && !yyjson_is_str(alg)) || json_get(header, "crit")) return false;
	t->is_hs256 = alg && span_is(json_span(alg), "HS256");
	return true;
}

static bool claims_read(yyjson_val *claims, struct jwt *t)
{
	yyjson_val *user = json_get(claims, "user_id"), *server = json_get(claims, "server");
	if ((user && !yyjson_is_str(user)) || (server && !yyjson_is_bool(server))) return false;
	t->user_id = json_span(user);
	t->is_server = yyjson_get_bool(server);
	return claim_time(claims, "exp", &t->has_exp, &t->exp_s) && claim_time(claims, "iat", &t->has_iat, &t->iat_s) &&
	       claim_time(claims, "nbf", &t->has_nbf, &t->nbf_s);
}

bool jwt_parse(struct arena *a, struct span token, struct jwt *out)
{
	size_t first = span_find(token, '.');
	struct span header = { token.p, first }, rest = span_skip(token, first + 1);
	size_t second = span_find(rest, '.');
	struct span payload = { rest.p, second }, third = span_skip(rest, second + 1);
	if (first == token.n || second == rest.n || span_find(third, '.') != third.n) return false;
	struct jwt t = { .signed_part = arena_dup(a, (struct span){ token.p, first + 1 + second }) };
	yyjson_val *head = part_object(a, header), *claims = part_object(a, payload);
	if (!head || !claims || !header_read(head, &t) || !claims_read(claims, &t)) return false;
	t.is_placeholder = span_is(third, "devtoken");
	if (!base64url_decode(a, third, &t.signature)) t.signature = SPAN_NONE;
	if (arena_failed(a)) return false;
	*out = t;
	return true;
}

bool jwt_verify(const struct jwt *t, struct span secret)
{
	uint8_t mac[32];
	if (!t->is_hs256 || !span_given(t->signature) || t->signature.n != sizeof mac) return false;
	return hmac(secret, t->signed_part, mac) && equal_constant_time(mac, t->signature.p, sizeof mac);
}

void jwt_sign(struct buf *out, struct span claims, struct span secret)
{
	size_t start = out->n;
	base64url_encode(out, SPAN("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
	buf_add_char(out, '.');
	base64url_encode(out, claims);
	if (out->failed) return;
	uint8_t mac[32];
	hmac_sha256(secret, (struct span){ out->p + start, out->n - start }, mac);
	buf_add_char(out, '.');
	base64url_encode(out, (struct span){ (const char *)mac, sizeof mac });
}
