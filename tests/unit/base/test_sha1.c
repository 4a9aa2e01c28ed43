#include "cm.h"

#include "base/sha1.h"

static void assert_digest(struct span data, const char *want)
{
	uint8_t d[20];
	char hex[41];
	sha1(data, d);
	for (int i = 0; i < 20; i++) snprintf(hex + 2 * i, 3, "%02x", d[i]);
	assert_string_equal(hex, want);
}

/* FIPS 180 examples, and lengths around the padding's edges. */
static void known_digests(void **state)
{
	(void)state;
	assert_digest(SPAN_NONE, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	assert_digest(SPAN("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_digest(
		SPAN("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
	char a[64];
	for (int i = 0; i < 64; i++) a[i] = 'a';
	assert_digest((struct span){ a, 55 }, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
	assert_digest((struct span){ a, 56 }, "c2db330f6083854c99d4b5bfb6e8f29f201be699");
	assert_digest((struct span){ a, 64 }, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(known_digests) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
