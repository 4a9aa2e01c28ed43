#include "store/fold.h"

#include "base/compiler.h"

uint32_t fold_next(struct span s, size_t *at)
{
	static const unsigned char tails[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3 };
	const unsigned char *p = (const unsigned char *)s.p + *at;
	size_t left = s.n - *at, tail = tails[p[0] >> 4];
	if (tail == 0 || tail >= left) {
		(*at)++;
		return p[0];
	}
	uint32_t c = p[0] & (0x3fu >> tail);
	for (size_t i = 1; i <= tail; i++) c = c << 6 | (p[i] & 0x3fu);
	*at += tail + 1;
	return c;
}

/* How upper case becomes lower case in a range. */
enum { BY_OFFSET, EVEN_TO_ODD, ODD_TO_EVEN };
struct fold_range {
	uint32_t first, last;
	int how;
	int32_t offset;
};
static const struct fold_range ranges[] = {
	{ 0x41, 0x5a, BY_OFFSET, 32 },
	{ 0xc0, 0xd6, BY_OFFSET, 32 },
	{ 0xd8, 0xde, BY_OFFSET, 32 },
	{ 0x100, 0x12f, EVEN_TO_ODD, 0 },
	{ 0x132, 0x137, EVEN_TO_ODD, 0 },
	{ 0x139, 0x148, ODD_TO_EVEN, 0 },
	{ 0x14a, 0x177, EVEN_TO_ODD, 0 },
	{ 0x178, 0x178, BY_OFFSET, -121 },
	{ 0x179, 0x17e, ODD_TO_EVEN, 0 },
	{ 0x1cd, 0x1dc, ODD_TO_EVEN, 0 },
	{ 0x1de, 0x1ef, EVEN_TO_ODD, 0 },
	{ 0x1f8, 0x21f, EVEN_TO_ODD, 0 },
	{ 0x222, 0x233, EVEN_TO_ODD, 0 },
	{ 0x386, 0x386, BY_OFFSET, 38 },
	{ 0x388, 0x38a, BY_OFFSET, 37 },
	{ 0x38c, 0x38c, BY_OFFSET, 64 },
	{ 0x38e, 0x38f, BY_OFFSET, 63 },
	{ 0x391, 0x3a1, BY_OFFSET, 32 },
	{ 0x3a3, 0x3ab, BY_OFFSET, 32 },
	{ 0x3c2, 0x3c2, BY_OFFSET, 1 }, /* final sigma reads as sigma */
	{ 0x3d8, 0x3ef, EVEN_TO_ODD, 0 },
	{ 0x400, 0x40f, BY_OFFSET, 80 },
	{ 0x410, 0x42f, BY_OFFSET, 32 },
	{ 0x460, 0x481, EVEN_TO_ODD, 0 },
	{ 0x48a, 0x4bf, EVEN_TO_ODD, 0 },
	{ 0x4c0, 0x4c0, BY_OFFSET, 15 },
	{ 0x4c1, 0x4ce, ODD_TO_EVEN, 0 },
	{ 0x4d0, 0x52f, EVEN_TO_ODD, 0 },
	{ 0x531, 0x556, BY_OFFSET, 48 },
	{ 0x1e00, 0x1e95, EVEN_TO_ODD, 0 },
	{ 0x1ea0, 0x1eff, EVEN_TO_ODD, 0 },
	{ 0xff21, 0xff3a, BY_OFFSET, 32 },
	{ 0x10400, 0x10427, BY_OFFSET, 40 },
};

uint32_t fold_lower(uint32_t c)
{
	if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
	for (size_t i = 1; i < BECK_COUNT(ranges) && ranges[i].first <= c; i++) {
		const struct fold_range *r = &ranges[i];
		if (c > r->last) continue;
		if (r->how == BY_OFFSET) return (uint32_t)((int32_t)c + r->offset);
		return (c & 1) == (r->how == ODD_TO_EVEN) ? c + 1 : c;
	}
	return c;
}

bool fold_is_word(uint32_t c)
{
	if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
	if (c < 0xc0) return c == 0xaa || c == 0xb5 || c == 0xba;
	if (c == 0xd7 || c == 0xf7) return false;
	/* General punctuation to dingbats and arrows; CJK punctuation; vertical and small forms; full-width signs. */
	if (c >= 0x2000 && c <= 0x206f) return c == 0x200c || c == 0x200d;
	if (c >= 0x20a0 && c <= 0x20cf) return false;
	if (c >= 0x2190 && c <= 0x2bff) return false;
	if (c >= 0x2e00 && c <= 0x2e7f) return false;
	if (c >= 0x3000 && c <= 0x303f) return c >= 0x3005 && c <= 0x3007;
	if (c >= 0xfe10 && c <= 0xfe6f) return c >= 0xfe20 && c <= 0xfe2f;
	if (c >= 0xff00 && c <= 0xff0f) return false;
	if ((c >= 0xff1a && c <= 0xff20) || (c >= 0xff3b && c <= 0xff40) || (c >= 0xff5b && c <= 0xff65)) return false;
	return !(c == 0x1680 || c == 0xfeff || c == 0xfffd || c == 0x37e || c == 0x387 || c == 0x589 || c == 0x5be ||
		 c == 0x60c || c == 0x61b || c == 0x61f || c == 0x6d4 || c == 0x964 || c == 0x965);
}

bool fold_is_ideograph(uint32_t c)
{
	return (c >= 0x0e00 && c <= 0x0eff) || (c >= 0x3005 && c <= 0x3007) || (c >= 0x3040 && c <= 0x30ff) ||
	       (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
	       (c >= 0x20000 && c <= 0x3ffff);
}

static bool is_blank(uint32_t c)
{
	return c == ' ' || (c >= 9 && c <= 13) || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
	       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

void fold_needle_init(struct fold_needle *out, uint32_t *chars, struct span text)
{
	size_t n = 0, first = 0;
	for (size_t at = 0; at < text.n;) chars[n++] = fold_lower(fold_next(text, &at));
	while (first < n && is_blank(chars[first])) first++;
	while (n > first && is_blank(chars[n - 1])) n--;
	*out = (struct fold_needle){ chars + first, n - first };
}

static bool begins_at(struct span value, size_t at, const uint32_t *chars, size_t n, size_t *end)
{
	for (size_t i = 0; i < n; i++) {
		if (at >= value.n || fold_lower(fold_next(value, &at)) != chars[i]) return false;
	}
	*end = at;
	return true;
}

/* Does a word begin at this character, given the one before? */
static bool is_start(uint32_t before, uint32_t c)
{
	return fold_is_word(c) && (!fold_is_word(before) || fold_is_ideograph(c) || fold_is_ideograph(before));
}

bool fold_autocomplete(struct span value, const struct fold_needle *needle)
{
	if (needle->n == 0) return true;
	/* A needle that starts with a sign ("@ann") is looked for at the signs too. */
	bool any_start = !fold_is_word(needle->chars[0]);
	uint32_t before = ' ';
	for (size_t at = 0; at < value.n;) {
		size_t here = at, end;
		uint32_t c = fold_next(value, &at);
		if ((any_start || is_start(before, c)) && begins_at(value, here, needle->chars, needle->n, &end)) return true;
		before = c;
	}
	return false;
}

static bool has_word(struct span value, const uint32_t *chars, size_t n)
{
	uint32_t before = ' ';
	for (size_t at = 0; at < value.n;) {
		size_t here = at, end;
		uint32_t c = fold_next(value, &at);
		if (is_start(before, c) && begins_at(value, here, chars, n, &end)) {
			size_t next = end;
			if (end >= value.n) return true;
			uint32_t after = fold_next(value, &next);
			if (!fold_is_word(after) || fold_is_ideograph(after) || fold_is_ideograph(chars[n - 1])) return true;
		}
		before = c;
	}
	return false;
}

bool fold_has_terms(struct span value, const struct fold_needle *needle)
{
	bool any = false;
	for (size_t i = 0; i < needle->n;) {
		size_t first = i;
		while (i < needle->n && fold_is_word(needle->chars[i])) i++;
		if (i > first) {
			any = true;
			if (!has_word(value, needle->chars + first, i - first)) return false;
		} else {
			i++;
		}
	}
	return any;
}
