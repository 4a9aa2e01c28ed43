#include "wire/url.h"

enum { URL_PARAMS_MAX = 100 };

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return -1;
}

/* The byte of the escape at s.p[i], -1 when it is broken or zero. */
static int escape_at(struct span s, size_t i)
{
	if (s.n - i < 3) return -1;
	int high = hex_value(s.p[i + 1]), low = hex_value(s.p[i + 2]);
	return high < 0 || low < 0 || high * 16 + low == 0 ? -1 : high * 16 + low;
}

static bool is_plain(struct span s, bool plus_is_space)
{
	return span_find(s, '%') == s.n && (!plus_is_space || span_find(s, '+') == s.n);
}

struct span url_decode(struct arena *a, struct span s, bool plus_is_space)
{
	if (is_plain(s, plus_is_space)) return s;
	char *out = arena_alloc(a, s.n + 1);
	if (!out) return SPAN_NONE;
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '%') {
			int v = escape_at(s, i);
			if (v < 0) return SPAN_NONE;
			out[n++] = (char)v;
			i += 2;
		} else {
			out[n++] = c == '+' && plus_is_space ? ' ' : c;
		}
	}
	out[n] = 0;
	return (struct span){ out, n };
}

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

void url_encode(struct buf *out, struct span s)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < s.n; i++) {
		unsigned char u = (unsigned char)s.p[i];
		char escape[3] = { '%', hex[u >> 4], hex[u & 15] };
		if (is_unreserved(s.p[i]))
			buf_add_char(out, s.p[i]);
		else
			buf_add(out, escape, sizeof escape);
	}
}

static size_t count_params(struct span raw)
{
	size_t n = 0;
	for (size_t i = 0; i < raw.n; n++) {
		size_t end = span_find(span_skip(raw, i), '&');
		i += end + 1;
	}
	return n;
}

static bool param_parse(struct arena *a, struct span pair, struct url_param *out)
{
	size_t eq = span_find(pair, '=');
	out->name = url_decode(a, (struct span){ pair.p, eq }, true);
	out->value = eq == pair.n ? SPAN("") : url_decode(a, span_skip(pair, eq + 1), true);
	return span_given(out->name) && span_given(out->value);
}

bool url_query_parse(struct arena *a, struct span raw, struct url_query *out)
{
	size_t max = count_params(raw);
	if (max > URL_PARAMS_MAX) return false;
	struct url_query q = { max ? arena_array(a, struct url_param, max) : NULL, 0 };
	if (max && !q.items) return false;
	while (raw.n && q.n < max) {
		size_t end = span_find(raw, '&');
		struct span pair = { raw.p, end };
		raw = span_skip(raw, end + 1);
		if (pair.n == 0) continue; /* "a=1&&b=2" */
		if (!param_parse(a, pair, &q.items[q.n])) return false;
		q.n++;
	}
	*out = q;
	return true;
}

struct span url_query_get(const struct url_query *q, const char *name)
{
	for (size_t i = 0; i < q->n; i++)
		if (span_is(q->items[i].name, name)) return q->items[i].value;
	return SPAN_NONE;
}

void url_split_target(struct span target, struct span *path, struct span *query)
{
	struct span s = { target.p, span_find(target, '#') };
	size_t mark = span_find(s, '?');
	*path = (struct span){ s.p, mark };
	*query = mark == s.n ? SPAN_NONE : span_skip(s, mark + 1);
}

static bool take_scheme(struct span *s, bool *tls)
{
	struct span http = SPAN("http://"), https = SPAN("https://");
	if (s->n >= https.n && span_eq_nocase((struct span){ s->p, https.n }, https)) {
		*tls = true;
		*s = span_skip(*s, https.n);
		return true;
	}
	if (s->n >= http.n && span_eq_nocase((struct span){ s->p, http.n }, http)) {
		*tls = false;
		*s = span_skip(*s, http.n);
		return true;
	}
	return false;
}

static bool host_ok(struct span host, bool bracketed)
{
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];
		if (bracketed ? hex_value(c) < 0 && c != ':' && c != '.' : !is_unreserved(c)) return false;
	}
	return host.n > 0;
}

static bool port_parse(struct span s, uint16_t *port)
{
	long long v;
	if (s.n == 0 || s.n > 5 || s.p[0] == '+' || s.p[0] == '-' || !span_to_i64(s, &v) || v < 1 || v > 65535) return false;
	*port = (uint16_t)v;
	return true;
}

static bool authority_parse(struct span s, struct url_base *out)
{
	bool bracketed = s.n && s.p[0] == '[';
	if (bracketed) s = span_skip(s, 1);
	size_t end = span_find(s, bracketed ? ']' : ':');
	if (bracketed && end == s.n) return false;
	out->host = (struct span){ s.p, end };
	s = span_skip(s, bracketed ? end + 1 : end);
	if (!host_ok(out->host, bracketed)) return false;
	if (s.n == 0) return true;
	return s.p[0] == ':' && port_parse(span_skip(s, 1), &out->port);
}

static bool prefix_ok(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '?' || s.p[i] == '#') return false;
	return true;
}

bool url_base_parse(struct span s, struct url_base *out)
{
	struct url_base b = { 0 };
	if (!take_scheme(&s, &b.tls)) return false;
	b.port = b.tls ? 443 : 80;
	size_t slash = span_find(s, '/');
	if (!authority_parse((struct span){ s.p, slash }, &b)) return false;
	b.prefix = span_skip(s, slash);
	while (b.prefix.n && b.prefix.p[b.prefix.n - 1] == '/') b.prefix.n--;
	if (!prefix_ok(b.prefix)) return false;
	*out = b;
	return true;
}
