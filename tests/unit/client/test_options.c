#include "../base/cm.h"

#include <beck/beck.h>

static beck_options o;
static void good(const char *name, const char *value) { assert_int_equal(beck_options_set(&o, name, value), BECK_OK); }
static void bad(const char *name, const char *value)
{
	beck_options before = o;
	assert_int_equal(beck_options_set(&o, name, value), BECK_EARG);
	assert_memory_equal(&o, &before, sizeof o);
}

static void texts(void **state)
{
	(void)state;
	static const char url[] = "https://x";
	good("baseURL", url);
	assert_ptr_equal(o.base_url, url);
	good("base_url", "https://y");
	assert_string_equal(o.base_url, "https://y");
	good("proxy", "p");
	good("ca_file", "c");
	good("state_file", "s");
	good("client_name", "n");
	good("device_json", "{}");
	assert_string_equal(o.state_file, "s");
	assert_string_equal(o.device_json, "{}");
}

static void switches(void **state)
{
	(void)state;
	static const char *const spellings[] = { "enableWSFallback", "enableWSFallBack", "enable_ws_fallback" };
	for (size_t i = 0; i < 3; i++) {
		good(spellings[i], "true");
		assert_true(o.enable_ws_fallback);
		good(spellings[i], "0");
		assert_false(o.enable_ws_fallback);
		bad(spellings[i], "yes");
		bad(spellings[i], "");
	}
	bad("enablewsfallback", "true");
	good("disable_resume", "1");
	good("skip_tls_verify", "false");
	assert_true(o.disable_resume && !o.skip_tls_verify);
}

static void numbers(void **state)
{
	(void)state;
	good("timeout", "6000");
	assert_int_equal(o.timeout_ms, 6000);
	good("timeout_ms", "2147483647");
	assert_int_equal(o.timeout_ms, INT32_MAX);
	bad("timeout", "2147483648");
	bad("timeout", "-1");
	bad("timeout", "6s");
	bad("timeout", "");
	bad("timeout", "99999999999999999999");
	good("queue_max", "7");
	good("outbox_max", "8");
	assert_true(o.queue_max == 7 && o.outbox_max == 8);
	good("log_level", "debug");
	assert_int_equal(o.log_level, BECK_LOG_DEBUG);
	good("threading", "no_thread");
	assert_int_equal(o.threading, BECK_NO_THREAD);
	bad("log_level", "3");
	bad("threading", "many");
}

static void neither(void **state)
{
	(void)state;
	bad("unknown", "1");
	bad("", "1");
	assert_int_equal(beck_options_set(NULL, "timeout", "1"), BECK_EARG);
	assert_int_equal(beck_options_set(&o, NULL, "1"), BECK_EARG);
	assert_int_equal(beck_options_set(&o, "timeout", NULL), BECK_EARG);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(texts), cmocka_unit_test(switches), cmocka_unit_test(numbers),
		cmocka_unit_test(neither) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
