/* Words and letters of $autocomplete and $q. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "store/fold.h"

struct sample {
	const char *value, *needle;
	bool autocomplete, terms;
};
static const struct sample samples[] = {
	{ "John Doe", "jo", true, false }, { "John Doe", "DO", true, false }, { "John Doe", "john", true, true },
	{ "John Doe", "doe john", false, true }, { "John Doe", "john d", true, false }, { "John Doe", "ohn", false, false },
	{ "John Doe", "  doe ", true, true }, { "John Doe", "john smith", false, false }, { "John Doe", "", true, false },
	{ "", "a", false, false }, { "user_42@example", "example", true, true }, { "user_42@example", "42", true, true },
	{ "user_42@example", "@exam", true, false }, { "Jos\xc3\x89 \xc3\x85ngstr\xc3\xb6m", "jos\xc3\xa9", true, true },
	{ "Jos\xc3\x89 \xc3\x85ngstr\xc3\xb6m", "\xc3\xa5NGSTR\xc3\x96", true, false },
	{ "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd \xd0\x9f\xd0\xb5\xd1\x82\xd1\x80\xd0\xbe\xd0\xb2", "\xd0\xbf\xd0\xb5\xd1\x82", true,
		false },
	{ "\xce\x9f\xce\x94\xce\x9f\xce\xa3", "\xce\xbf\xce\xb4\xce\xbf\xcf\x82", true, true }, /* final sigma */
	{ "\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd", "\xe4\xba\xac", true, true },                 /* each character a word */
	{ "well-known", "known", true, true }, { "caf\xc3\xa9", "cafe", false, false },
	{ "a\xe2\x80\x94"
	  "b",
		"b", true, true },           /* em dash parts words */
	{ "half \xc3", "half", true, true }, /* cut sequence */
};

static void samples_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < BECK_COUNT(samples); i++) {
		uint32_t chars[64];
		struct fold_needle n;
		fold_needle_init(&n, chars, span_str(samples[i].needle));
		struct span value = span_str(samples[i].value);
		if (fold_autocomplete(value, &n) != samples[i].autocomplete)
			fail_msg("autocomplete %zu: %s / %s", i, samples[i].value, samples[i].needle);
		if (fold_has_terms(value, &n) != samples[i].terms)
			fail_msg("terms %zu: %s / %s", i, samples[i].value, samples[i].needle);
	}
}

static void folding_is_idempotent(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x11000; c++) {
		uint32_t l = fold_lower(c);
		if (fold_lower(l) != l) fail_msg("U+%04X -> U+%04X -> U+%04X", c, l, fold_lower(l));
	}
	assert_int_equal(fold_lower(0x178), 0xff);
	assert_int_equal(fold_lower(0x130), 0x130);
	assert_int_equal(fold_lower(0xd7), 0xd7);
	assert_int_equal(fold_lower(0x401), 0x451);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(samples_match), cmocka_unit_test(folding_is_idempotent) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
