/* FIPS 180-4's examples, and RFC 4231's cases. */
#include <stdlib.h>

#include "../base/cm.h"

#include "client/sha256.h"

static void assert_hash(const uint8_t got[32], const char *want)
{
	char hex[65];
	for (size_t i = 0; i < 32; i++) (void)snprintf(hex + 2 * i, 3, "%02x", got[i]);
	assert_string_equal(hex, want);
}

static void hash(struct span s, const char *want)
{
	/* Cut at each place. */
	for (size_t cut = 0; cut <= s.n; cut += s.n > 200 ? 99991 : 1) {
		struct sha256 h;
		uint8_t out[32];
		sha256_init(&h);
		sha256_feed(&h, span_make(s.p, cut));
		sha256_feed(&h, span_skip(s, cut));
		sha256_end(&h, out);
		assert_hash(out, want);
	}
}

static void hashes(void **state)
{
	(void)state;
	hash(SPAN(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	hash(SPAN("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hash(SPAN("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	hash(SPAN("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrs"
		  "tu"),
		"cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
	char *million = malloc(1000000);
	memset(million, 'a', 1000000);
	hash(span_make(million, 1000000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

static void mac(struct span key, struct span data, const char *want)
{
	uint8_t out[32];
	sha256_hmac(key, data, out);
	assert_hash(out, want);
}

static void macs(void **state)
{
	(void)state;
	char key[131], data[50];
	memset(key, 0x0b, 20);
	mac(span_make(key, 20), SPAN("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	mac(SPAN("Jefe"), SPAN("what do ya want for nothing?"),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	memset(data, 0xdd, sizeof data);
	mac(span_make(key, 20), span_make(data, 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	mac(span_make(key, 131), SPAN("Test Using Larger Than Block-Size Key - Hash Key First"),
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	mac(span_make(key, 131),
		SPAN("This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
		     "hashed "
		     "before being used by the HMAC algorithm."),
		"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
	for (int i = 0; i < 25; i++) key[i] = (char)(i + 1);
	memset(data, 0xcd, sizeof data);
	mac(span_make(key, 25), span_make(data, 50), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
	mac(SPAN(""), SPAN(""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hashes), cmocka_unit_test(macs) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
