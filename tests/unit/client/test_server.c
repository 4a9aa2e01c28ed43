#include "../base/cm.h"

#include "base/arena.h"
#include "client/sha256.h"
#include "client/token.h"
#include "wire/base64.h"

#include <beck/beck.h>

/* The three parts, and that the third signs the others. */
static void open_token(const char *token, struct span *claims, struct arena *a)
{
	struct span t = span_str(token), mac;
	uint8_t want[32];
	size_t first = span_find(t, '.');
	struct span rest = span_skip(t, first + 1);
	size_t second = span_find(rest, '.');
	sha256_hmac(SPAN("s3cret"), span_make(t.p, first + 1 + second), want);
	assert_true(base64url_decode(a, span_skip(rest, second + 1), &mac));
	assert_int_equal(mac.n, 32);
	assert_memory_equal(mac.p, want, 32);
	assert_true(base64url_decode(a, span_make(t.p, first), claims));
	assert_span(*claims, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
	assert_true(base64url_decode(a, span_make(rest.p, second), claims));
}

static void user_tokens(void **state)
{
	(void)state;
	struct arena a;
	struct span claims;
	struct token_claims read;
	arena_init(&a, 1 << 16);
	char *token = beck_create_token("s3cret", "jo@hn", 2000000000, NULL);
	open_token(token, &claims, &a);
	assert_true(span_starts(claims, SPAN("{\"user_id\":\"jo@hn\",\"iat\":")));
	assert_true(token_read(span_str(token), &read));
	assert_string_equal(read.user_id, "jo@hn");
	assert_int_equal(read.exp_s, 2000000000);
	assert_false(read.is_server);
	beck_free(token);
	token = beck_create_token("s3cret", "john", 0, NULL);
	assert_true(token_read(span_str(token), &read));
	assert_int_equal(read.exp_s, 0);
	beck_free(token);
	arena_deinit(&a);
}

static void server_tokens(void **state)
{
	(void)state;
	struct arena a;
	struct span claims;
	arena_init(&a, 1 << 16);
	char *token = beck_create_server_token("s3cret", NULL);
	open_token(token, &claims, &a);
	assert_span(claims, "{\"server\":true}");
	beck_free(token);
	arena_deinit(&a);
}

static void no_token(const char *secret, const char *id, int64_t exp, const char *field)
{
	beck_error err = { 0 };
	assert_null(beck_create_token(secret, id, exp, &err));
	assert_int_equal(err.result, BECK_EARG);
	assert_string_equal(err.field, field);
	assert_null(beck_create_token(secret, id, exp, NULL));
}

static void refusals(void **state)
{
	(void)state;
	beck_error err = { 0 };
	no_token(NULL, "john", 0, "secret");
	no_token("", "john", 0, "secret");
	no_token("s", NULL, 0, "user_id");
	no_token("s", "", 0, "user_id");
	no_token("s", "a.b", 0, "user_id");
	no_token("s", "john", -1, "expires_at_s");
	assert_null(beck_create_server_token("", &err));
	assert_string_equal(err.field, "secret");
	assert_null(beck_server_client_create("key", "", &(beck_options){ .base_url = "http://x", .error = &err }));
}

static void webhooks(void **state)
{
	(void)state;
	static const char good[] = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
			  body[] = "what do ya want for nothing?";
	char text[80];
	assert_true(beck_webhook_is_valid("Jefe", body, sizeof body - 1, good));
	(void)snprintf(text, sizeof text, "5BDCC%s", good + 5);
	assert_true(beck_webhook_is_valid("Jefe", body, sizeof body - 1, text));
	/* One digit wrong, anywhere; or no digit. */
	for (size_t i = 0; i < 64; i++) {
		memcpy(text, good, sizeof good);
		text[i] = text[i] == '0' ? '1' : '0';
		assert_false(beck_webhook_is_valid("Jefe", body, sizeof body - 1, text));
		text[i] = 'g';
		assert_false(beck_webhook_is_valid("Jefe", body, sizeof body - 1, text));
	}
	(void)snprintf(text, sizeof text, "%s0", good);
	assert_false(beck_webhook_is_valid("Jefe", body, sizeof body - 1, text));
	text[63] = '\0';
	assert_false(beck_webhook_is_valid("Jefe", body, sizeof body - 1, text));
	assert_false(beck_webhook_is_valid("Jefe", body, sizeof body - 2, good));
	assert_false(beck_webhook_is_valid("jefe", body, sizeof body - 1, good));
	assert_false(beck_webhook_is_valid("", body, 1, good));
	assert_false(beck_webhook_is_valid(NULL, body, 1, good));
	assert_false(beck_webhook_is_valid("Jefe", NULL, 1, good));
	assert_false(beck_webhook_is_valid("Jefe", body, 1, NULL));
	assert_false(beck_webhook_is_valid("Jefe", body, 1, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(user_tokens), cmocka_unit_test(server_tokens),
		cmocka_unit_test(refusals), cmocka_unit_test(webhooks) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
