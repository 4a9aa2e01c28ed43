/* Addresses, ranges and the PROXY v2 header as text and bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "net/addr.h"
#include "net/proxy.h"

static const char *shown(const char *text, bool with_port)
{
	static char out[NET_ADDR_TEXT_BYTES];
	struct net_addr a;
	if (!net_addr_parse(span_str(text), with_port, &a)) return "bad";
	net_addr_text(&a, out);
	return out;
}

static void test_addresses(void **state)
{
	(void)state;
	assert_string_equal(shown("127.0.0.1", false), "127.0.0.1");
	assert_string_equal(shown(" 10.1.2.3\t", false), "10.1.2.3");
	assert_string_equal(shown("::1", false), "::1");
	assert_string_equal(shown("[::1]", false), "::1");
	assert_string_equal(shown("::ffff:1.2.3.4", false), "1.2.3.4");
	assert_string_equal(shown("1.2.3.4:80", true), "1.2.3.4");
	assert_string_equal(shown("[2001:db8::1]:443", true), "2001:db8::1");
	assert_string_equal(shown("1.2.3.4:80", false), "bad");
	assert_string_equal(shown("1.2.3.4:", true), "bad");
	assert_string_equal(shown("1.2.3.4:99999", true), "bad");
	assert_string_equal(shown("[::1", true), "bad");
	assert_string_equal(shown("[::1]x", true), "bad");
	assert_string_equal(shown("", true), "bad");
	assert_string_equal(shown("unknown", true), "bad");
	assert_string_equal(shown("1.2.3", true), "bad");
	assert_string_equal(shown("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", true), "bad");
}

static bool in_list(const char *list, const char *address)
{
	struct net_cidr c[4];
	size_t n;
	struct net_addr a;
	assert_true(net_cidrs_parse(span_str(list), c, 4, &n));
	assert_true(net_addr_parse(span_str(address), false, &a));
	return net_cidrs_match(c, n, &a);
}

static void test_ranges(void **state)
{
	(void)state;
	assert_true(in_list("10.0.0.0/8", "10.255.1.2"));
	assert_false(in_list("10.0.0.0/8", "11.0.0.0"));
	assert_true(in_list("192.168.4.0/22", "192.168.7.255"));
	assert_false(in_list("192.168.4.0/22", "192.168.8.0"));
	assert_true(in_list("127.0.0.1, ::1", "::1"));
	assert_true(in_list("fd00::/8", "fdff::1"));
	assert_false(in_list("fd00::/8", "fc00::1"));
	assert_true(in_list("0.0.0.0/0", "8.8.8.8"));
	assert_false(in_list("0.0.0.0/0", "2001::1"));
	assert_false(in_list("", "8.8.8.8"));
	struct net_cidr c[2];
	size_t n;
	assert_false(net_cidrs_parse(SPAN("10.0.0.0/33"), c, 2, &n));
	assert_false(net_cidrs_parse(SPAN("::/129"), c, 2, &n));
	assert_false(net_cidrs_parse(SPAN("10.0.0.0/"), c, 2, &n));
	assert_false(net_cidrs_parse(SPAN("10.0.0.0/-1"), c, 2, &n));
	assert_false(net_cidrs_parse(SPAN("localhost"), c, 2, &n));
	assert_false(net_cidrs_parse(SPAN("1.1.1.1,2.2.2.2,3.3.3.3"), c, 2, &n));
}

static size_t proxy_head(uint8_t *out, uint8_t command, uint8_t family, uint16_t length)
{
	static const uint8_t signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };
	memset(out, 0, 16u + length);
	memcpy(out, signature, 12);
	out[12] = command;
	out[13] = family;
	out[14] = (uint8_t)(length >> 8);
	out[15] = (uint8_t)length;
	return 16u + length;
}

/* Fed by one byte more each time: MORE until it is whole. */
static enum proxy_result by_bytes(const uint8_t *p, size_t n, char text[NET_ADDR_TEXT_BYTES])
{
	struct net_addr a;
	size_t total = 0;
	enum proxy_result r = PROXY_MORE;
	for (size_t i = 0; i <= n && r == PROXY_MORE; i++) {
		r = proxy_v2_parse(p, i, &total, &a);
		assert_true(r != PROXY_MORE || total > i);
		if (r == PROXY_ADDRESS || r == PROXY_LOCAL) assert_int_equal(total, n);
	}
	text[0] = 0;
	if (r == PROXY_ADDRESS) net_addr_text(&a, text);
	return r;
}

static void test_proxy_header(void **state)
{
	(void)state;
	uint8_t p[65536 + 16];
	char text[NET_ADDR_TEXT_BYTES];
	size_t n = proxy_head(p, 0x21, 0x11, 12 + 5); /* 5 bytes of TLV behind */
	memcpy(p + 16, "\xcb\x00\x71\x09", 4);
	assert_int_equal(by_bytes(p, n, text), PROXY_ADDRESS);
	assert_string_equal(text, "203.0.113.9");
	n = proxy_head(p, 0x21, 0x21, 36);
	p[16] = 0x20;
	p[17] = 0x01;
	p[31] = 7;
	assert_int_equal(by_bytes(p, n, text), PROXY_ADDRESS);
	assert_string_equal(text, "2001::7");
	assert_int_equal(by_bytes(p, proxy_head(p, 0x20, 0, 0), text), PROXY_LOCAL);
	assert_int_equal(by_bytes(p, proxy_head(p, 0x21, 0, 0), text), PROXY_LOCAL);
	assert_int_equal(by_bytes(p, proxy_head(p, 0x21, 0x11, 11), text), PROXY_BAD);
	assert_int_equal(by_bytes(p, proxy_head(p, 0x21, 0x31, 216), text), PROXY_BAD); /* a unix socket */
	assert_int_equal(by_bytes(p, proxy_head(p, 0x31, 0x11, 12), text), PROXY_BAD);
	assert_int_equal(by_bytes(p, proxy_head(p, 0x21, 0x11, 2048), text), PROXY_ADDRESS);
	assert_int_equal(by_bytes(p, proxy_head(p, 0x21, 0x11, 2049), text), PROXY_BAD);
	assert_int_equal(by_bytes((const uint8_t *)"GET / HTTP/1.1\r\n", 16, text), PROXY_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_proxy_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
