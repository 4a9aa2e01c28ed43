#include "wire/base64.h"

/* 0..63, or 64 for what is no base64url digit. */
static unsigned digit(char c)
{
	if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9') return (unsigned)(c - '0') + 52;
	if (c == '-') return 62;
	if (c == '_') return 63;
	return 64;
}

bool base64url_decode(struct arena *a, struct span s, struct span *out)
{
	if (!s.p || s.n % 4 == 1) return false;
	char *p = arena_alloc(a, s.n / 4 * 3 + 3);
	if (!p) return false;
	size_t n = 0;
	uint32_t bits = 0;
	int have = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned v = digit(s.p[i]);
		if (v > 63) return false;
		bits = (bits << 6 | v) & 0xffffff;
		have += 6;
		if (have < 8) continue;
		have -= 8;
		p[n++] = (char)(bits >> have & 0xff);
	}
	/* One encoding per value: the bits left over must be zero. */
	if (bits & ((1u << have) - 1)) return false;
	*out = (struct span){ p, n };
	return true;
}

void base64url_encode(struct buf *out, struct span s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	int have = 0;
	for (size_t i = 0; i < s.n; i++) {
		bits = bits << 8 | (uint8_t)s.p[i];
		for (have += 8; have >= 6; have -= 6) buf_add_char(out, digits[bits >> (have - 6) & 63]);
	}
	if (have) buf_add_char(out, digits[bits << (6 - have) & 63]);
}

void base64_encode(const uint8_t *p, size_t n, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0u);
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*out = 0;
}
