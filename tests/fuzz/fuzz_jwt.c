/* Tokens: any bytes as a token, as claims to be signed, and as base64url. */
#include "wire/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_token(struct arena *a, struct span in)
{
	struct jwt t;
	if (!jwt_parse(a, in, &t)) return;
	/* A secret that the corpus cannot know. */
	BECK_ASSERT(!jwt_verify(&t, SPAN("0b51e7a8-unknown")));
	BECK_ASSERT(!span_given(t.signature) || t.signature.n < in.n);
}

static void as_base64url(struct arena *a, struct span in)
{
	struct span bytes;
	struct buf b;
	buf_init(&b, in.n * 2 + 16);
	if (base64url_decode(a, in, &bytes)) {
		base64url_encode(&b, bytes);
		BECK_ASSERT(span_eq(buf_span(&b), in)); /* one encoding per value */
	}
	buf_clear(&b);
	base64url_encode(&b, in);
	BECK_ASSERT(base64url_decode(a, buf_span(&b), &bytes) && span_eq(bytes, in));
	buf_deinit(&b);
}

static void as_claims(struct arena *a, struct span in)
{
	struct buf b;
	struct jwt t;
	buf_init(&b, in.n * 2 + 256);
	jwt_sign(&b, in, SPAN("secret"));
	BECK_ASSERT(!b.failed);
	if (jwt_parse(a, buf_span(&b), &t)) {
		BECK_ASSERT(t.is_hs256 && jwt_verify(&t, SPAN("secret")) && !jwt_verify(&t, SPAN("Secret")));
		b.p[b.n / 2] ^= 1;
		struct jwt changed;
		if (jwt_parse(a, buf_span(&b), &changed)) BECK_ASSERT(!jwt_verify(&changed, SPAN("secret")));
	}
	buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { size ? (const char *)data : "", size };
	struct arena a;
	arena_init(&a, 16u << 20);
	as_token(&a, in);
	as_base64url(&a, in);
	as_claims(&a, in);
	arena_deinit(&a);
	return 0;
}
