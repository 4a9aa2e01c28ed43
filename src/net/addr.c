#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const uint8_t v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
enum { V4_BITS_OFFSET = 96 };

static bool is_v4(const struct net_addr *a) { return memcmp(a->bytes, v4_prefix, sizeof v4_prefix) == 0; }

static void set_v4(struct net_addr *a, const void *four)
{
	memcpy(a->bytes, v4_prefix, sizeof v4_prefix);
	memcpy(a->bytes + sizeof v4_prefix, four, 4);
}

/* Cuts brackets and, if allowed, a port. False when what is left over is neither. */
static bool strip(struct span *s, bool with_port)
{
	struct span port;
	if (s->n && s->p[0] == '[') {
		size_t end = span_find(*s, ']');
		if (end == s->n) return false;
		port = span_skip(*s, end + 1);
		*s = span_make(s->p + 1, end - 1);
	} else {
		size_t colon = span_find(*s, ':');
		bool one_colon = colon < s->n && span_find(span_skip(*s, colon + 1), ':') == s->n - colon - 1;
		if (!one_colon) return true;
		port = span_skip(*s, colon);
		s->n = colon;
	}
	long long number;
	if (port.n == 0) return true;
	return with_port && port.p[0] == ':' && span_to_i64(span_skip(port, 1), &number) && number >= 0 && number <= 65535;
}

bool net_addr_parse(struct span text, bool with_port, struct net_addr *out)
{
	char z[NET_ADDR_TEXT_BYTES];
	struct span s = span_trim(text);
	if (!strip(&s, with_port) || s.n == 0 || s.n >= sizeof z) return false;
	memcpy(z, s.p, s.n);
	z[s.n] = 0;
	struct in_addr four;
	if (inet_pton(AF_INET, z, &four) == 1) {
		set_v4(out, &four);
		return true;
	}
	struct net_addr six;
	if (inet_pton(AF_INET6, z, six.bytes) != 1) return false;
	*out = six;
	return true;
}

bool net_addr_of(const struct sockaddr *sa, struct net_addr *out)
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, sa, sizeof in);
		set_v4(out, &in.sin_addr);
		return true;
	}
	if (sa->sa_family != AF_INET6) return false;
	struct sockaddr_in6 in6;
	memcpy(&in6, sa, sizeof in6);
	memcpy(out->bytes, &in6.sin6_addr, sizeof out->bytes);
	return true;
}

uint8_t net_addr_text(const struct net_addr *a, char out[NET_ADDR_TEXT_BYTES])
{
	const char *made = is_v4(a) ? inet_ntop(AF_INET, a->bytes + sizeof v4_prefix, out, NET_ADDR_TEXT_BYTES)
				    : inet_ntop(AF_INET6, a->bytes, out, NET_ADDR_TEXT_BYTES);
	if (!made) out[0] = 0;
	return (uint8_t)strlen(out);
}

static bool cidr_parse(struct span s, struct net_cidr *out)
{
	size_t slash = span_find(s, '/');
	if (!net_addr_parse(span_make(s.p, slash), false, &out->addr)) return false;
	long long bits = is_v4(&out->addr) ? 32 : 128, most = bits;
	if (slash < s.n && (!span_to_i64(span_skip(s, slash + 1), &bits) || bits < 0 || bits > most)) return false;
	out->bits = (uint8_t)(most == 32 ? bits + V4_BITS_OFFSET : bits);
	return true;
}

bool net_cidrs_parse(struct span list, struct net_cidr *out, size_t cap, size_t *n)
{
	*n = 0;
	while (list.n) {
		struct span one = span_cut(&list, ',');
		if (one.n == 0) continue;
		if (*n == cap || !cidr_parse(one, &out[*n])) return false;
		++*n;
	}
	return true;
}

static bool cidr_match(const struct net_cidr *c, const struct net_addr *a)
{
	size_t whole = c->bits / 8, rest = c->bits % 8;
	if (memcmp(c->addr.bytes, a->bytes, whole) != 0) return false;
	return rest == 0 || ((c->addr.bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}

bool net_cidrs_match(const struct net_cidr *list, size_t n, const struct net_addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_match(&list[i], a)) return true;
	return false;
}
