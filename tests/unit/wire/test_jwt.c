#include "../base/cm.h"

#include "wire/base64.h"
#include "wire/jwt.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

/* A token with any header and claims, rightly signed. */
static struct span make(const char *header, const char *claims, const char *secret)
{
	struct buf b;
	uint8_t mac[32];
	buf_init(&b, 100000);
	base64url_encode(&b, span_str(header));
	buf_add_char(&b, '.');
	base64url_encode(&b, span_str(claims));
	hmac_sha256(span_str(secret), buf_span(&b), mac);
	buf_add_char(&b, '.');
	base64url_encode(&b, (struct span){ (const char *)mac, 32 });
	struct span s = arena_dup(&arena, buf_span(&b));
	buf_deinit(&b);
	return s;
}

static void good(void **state)
{
	(void)state;
	struct jwt t;
	assert_true(jwt_parse(
		&arena, make(HS256, "{\"user_id\":\"bob\",\"exp\":10,\"iat\":-1,\"nbf\":2.9,\"other\":[1]}", "s3cret"), &t));
	assert_span(t.user_id, "bob");
	assert_false(t.is_server);
	assert_true(t.has_exp && t.has_iat && t.has_nbf);
	assert_int_equal(t.exp_s, 10);
	assert_int_equal(t.iat_s, -1);
	assert_int_equal(t.nbf_s, 2);
	assert_true(t.is_hs256);
	assert_true(jwt_verify(&t, SPAN("s3cret")));
	assert_false(jwt_verify(&t, SPAN("s3cres")));
	assert_false(jwt_verify(&t, SPAN("")));
	assert_false(jwt_verify(&t, SPAN_NONE));

	assert_true(jwt_parse(&arena, make(HS256, "{\"server\":true}", "k"), &t));
	assert_true(t.is_server);
	assert_false(span_given(t.user_id));
	assert_false(t.has_exp || t.has_iat || t.has_nbf);
	assert_true(jwt_verify(&t, SPAN("k")));
}

/* The example everybody knows, from another implementation. */
static void a_token_made_elsewhere(void **state)
{
	(void)state;
	struct jwt t;
	assert_true(jwt_parse(&arena,
		SPAN("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
		     "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
		     "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"),
		&t));
	assert_int_equal(t.iat_s, 1516239022);
	assert_true(jwt_verify(&t, SPAN("your-256-bit-secret")));
}

static void sign_and_verify(void **state)
{
	(void)state;
	struct buf b;
	struct jwt t;
	buf_init(&b, 1000);
	buf_add_span(&b, SPAN("token="));
	jwt_sign(&b, SPAN("{\"user_id\":\"bob\"}"), SPAN("k"));
	assert_true(jwt_parse(&arena, span_skip(buf_span(&b), 6), &t));
	assert_true(jwt_verify(&t, SPAN("k")));
	buf_deinit(&b);
	buf_init(&b, 50);
	jwt_sign(&b, SPAN("{\"user_id\":\"bob\"}"), SPAN("k"));
	assert_true(b.failed);
	buf_deinit(&b);
}

static void wrong_form_is_refused(void **state)
{
	(void)state;
	struct jwt t;
	struct span ok = make(HS256, "{\"user_id\":\"bob\"}", "k");
	static const char *const bad[] = { "", ".", "..", "...", "a.b", "a.b.c", "e30.e30", "e30.e30.x.y", "e30..x", ".e30.x",
		"e30=.e30.x", "e30.e30=.x", "e3 0.e30.x", " e30.e30.x", "W10.e30.x", "e30.W10.x", "e30.bnVsbA.x", "e31.e30.x",
		"e30.e31.x", "e30.eyJhIjoxfX0.x" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++)
		if (jwt_parse(&arena, span_str(bad[i]), &t)) fail_msg("%s", bad[i]);
	assert_false(jwt_parse(&arena, SPAN_NONE, &t));
	/* Cut anywhere before the second dot. */
	size_t dots = 0;
	for (size_t n = 0; n < ok.n && dots < 2; n++) {
		assert_false(jwt_parse(&arena, (struct span){ ok.p, n }, &t));
		dots += ok.p[n] == '.';
	}
}

static void wrong_claims_are_refused(void **state)
{
	(void)state;
	struct jwt t;
	static const char *const bad[] = { "{\"user_id\":1}", "{\"user_id\":null}", "{\"server\":1}", "{\"server\":\"true\"}",
		"{\"exp\":\"10\"}", "{\"exp\":null}", "{\"exp\":1e300}", "{\"exp\":-1e300}", "{\"iat\":true}", "{\"nbf\":[]}",
		"{\"exp\":18446744073709551615}", "{\"user_id\":\"a\",\"user_id\":\"b\"}", "{\"user_id\":\"a\\u0000b\"}", "[]",
		"1", "\"x\"" };
	for (size_t i = 0; i < BECK_COUNT(bad); i++)
		if (jwt_parse(&arena, make(HS256, bad[i], "k"), &t)) fail_msg("%s", bad[i]);
	assert_false(jwt_parse(&arena, make("{\"alg\":1}", "{}", "k"), &t));
	assert_false(jwt_parse(&arena, make("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{}", "k"), &t));
	assert_false(jwt_parse(&arena, make("[]", "{}", "k"), &t));
}

static void other_algorithms_do_not_verify(void **state)
{
	(void)state;
	static const char *const headers[] = { "{}", "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"hs256\"}",
		"{\"alg\":\"HS384\"}", "{\"alg\":\"HS512\"}", "{\"alg\":\"RS256\"}", "{\"alg\":\"\"}", "{\"alg\":\"HS256 \"}",
		"{\"ALG\":\"HS256\"}" };
	for (size_t i = 0; i < BECK_COUNT(headers); i++) {
		struct jwt t;
		assert_true(jwt_parse(&arena, make(headers[i], "{}", "k"), &t));
		assert_false(t.is_hs256);
		assert_false(jwt_verify(&t, SPAN("k")));
	}
}

/* Any third part is taken apart, none but the right one verifies. */
static void signatures(void **state)
{
	(void)state;
	struct span ok = make(HS256, "{\"user_id\":\"bob\"}", "k");
	size_t last = ok.n;
	while (ok.p[last - 1] != '.') last--;
	static const char *const thirds[] = { "", "devtoken", "!", "a", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	for (size_t i = 0; i < BECK_COUNT(thirds); i++) {
		struct span token = arena_printf(&arena, "%.*s%s", (int)last, ok.p, thirds[i]);
		struct jwt t;
		assert_true(jwt_parse(&arena, token, &t));
		assert_span(t.user_id, "bob");
		assert_int_equal(span_given(t.signature), i != 2 && i != 3);
		assert_false(jwt_verify(&t, SPAN("k")));
	}
	/* Each single character changed: not accepted, the unused bits of the last one included. */
	for (size_t i = last; i < ok.n; i++)
		for (int c = '-'; c <= 'z'; c++) {
			struct span token = arena_dup(&arena, ok);
			struct jwt t;
			if (token.p[i] == (char)c || c == '.') continue;
			((char *)(uintptr_t)token.p)[i] = (char)c;
			assert_false(jwt_parse(&arena, token, &t) && jwt_verify(&t, SPAN("k")));
			if (arena.used_bytes > 1 << 19) {
				char keep[200];
				memcpy(keep, ok.p, ok.n);
				size_t n = ok.n;
				arena_reset(&arena);
				ok = arena_dup(&arena, (struct span){ keep, n });
			}
		}
	struct span padded = arena_printf(&arena, "%.*s=", SPAN_FMT(ok));
	struct jwt t;
	assert_true(jwt_parse(&arena, padded, &t));
	assert_false(jwt_verify(&t, SPAN("k")));
}

static void base64url(void **state)
{
	(void)state;
	struct buf b;
	char bytes[40];
	buf_init(&b, 1000);
	for (size_t n = 0; n <= sizeof bytes; n++) {
		for (size_t i = 0; i < n; i++) bytes[i] = (char)(i * 37 + n * 11);
		buf_clear(&b);
		base64url_encode(&b, (struct span){ bytes, n });
		assert_int_equal(b.n, (n * 4 + 2) / 3);
		struct span back;
		assert_true(base64url_decode(&arena, buf_span(&b), &back));
		assert_true(span_eq(back, (struct span){ bytes, n }));
	}
	buf_deinit(&b);
	static const char *const bad[] = { "A", "AAAAA", "AB", "AAB", "A=", "AA==", "AA+A", "AA/A", "AA A", "AA\n",
		"AA\xc3\xa4" };
	struct span out;
	for (size_t i = 0; i < BECK_COUNT(bad); i++)
		if (base64url_decode(&arena, span_str(bad[i]), &out)) fail_msg("%s", bad[i]);
	assert_false(base64url_decode(&arena, SPAN_NONE, &out));
}

static void assert_hex(const uint8_t d[32], const char *want)
{
	char hex[65];
	for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", d[i]);
	assert_string_equal(hex, want);
}

/* FIPS 180 and RFC 4231 test case 2. */
static void digests(void **state)
{
	(void)state;
	uint8_t d[32];
	sha256(SPAN("abc"), d);
	assert_hex(d, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256(SPAN_NONE, d);
	assert_hex(d, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	hmac_sha256(SPAN("Jefe"), SPAN("what do ya want for nothing?"), d);
	assert_hex(d, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	hmac_sha256(SPAN_NONE, SPAN_NONE, d);
	assert_hex(d, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void constant_time_equality(void **state)
{
	(void)state;
	assert_true(equal_constant_time("abc", "abc", 3));
	assert_false(equal_constant_time("abc", "abd", 3));
	assert_false(equal_constant_time("xbc", "abc", 3));
	assert_true(equal_constant_time("a", "b", 0));
}

static void without_memory_it_is_refused(void **state)
{
	(void)state;
	struct span token = make(HS256, "{\"user_id\":\"bob\"}", "k");
	for (size_t max = 0; max < 1024; max += 16) {
		struct arena small;
		struct jwt t;
		arena_init(&small, max);
		if (jwt_parse(&small, token, &t)) assert_true(jwt_verify(&t, SPAN("k")));
		arena_deinit(&small);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(good), T(a_token_made_elsewhere), T(sign_and_verify), T(wrong_form_is_refused),
		T(wrong_claims_are_refused), T(other_algorithms_do_not_verify), T(signatures), T(base64url), T(digests),
		T(constant_time_equality), T(without_memory_it_is_refused) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
