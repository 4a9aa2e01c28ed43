/* From method and path to a row of the route table. */
#include "api/api.h"
#include "base/utf8.h"

enum { SEGMENTS_MAX = 8 };

struct path {
	struct span segments[SEGMENTS_MAX];
	size_t n;
	enum dialect dialect;
	bool is_chat; /* under /api/v2/chat */
};

/* Empty segments do not exist: "/users/" is no path of ours. One slash at the end is let pass. */
static bool split(struct span text, struct path *out)
{
	out->n = 0;
	if (text.n == 0 || text.p[0] != '/') return false;
	text = span_skip(text, 1);
	while (text.n > 0) {
		size_t end = span_find(text, '/');
		if (end == 0 || out->n == SEGMENTS_MAX) return false;
		out->segments[out->n++] = span_make(text.p, end);
		text = span_skip(text, end + 1);
	}
	return out->n > 0;
}

static void drop_head(struct path *p, size_t n)
{
	p->n -= n;
	memmove(p->segments, p->segments + n, p->n * sizeof p->segments[0]);
}

static bool read_path(struct span text, struct path *out)
{
	*out = (struct path){ .dialect = DIALECT_1 };
	if (!split(text, out)) return false;
	if (out->n < 3 || !span_is(out->segments[0], "api") || !span_is(out->segments[1], "v2")) return true;
	out->dialect = DIALECT_2;
	drop_head(out, 2);
	out->is_chat = out->n > 1 && span_is(out->segments[0], "chat");
	if (out->is_chat) drop_head(out, 1);
	return true;
}

/* Length of the pattern's segment at `at` when it is literally s, 0 when it is not. */
static size_t literal(const char *at, struct span s)
{
	if (*at != s.p[0] || strncmp(at, s.p, s.n) != 0) return 0;
	return at[s.n] == '/' || at[s.n] == 0 ? s.n : 0;
}

/* How many literal segments match, from 1; 0: no match. Literals count by place, so that the earlier one wins. */
static unsigned match(const struct path *p, const char *pattern)
{
	unsigned score = 1;
	size_t i = 0;
	for (const char *at = pattern + 1; *at; i++) {
		if (i == p->n) return 0;
		bool is_literal = *at != '{';
		size_t n = is_literal ? literal(at, p->segments[i]) : strcspn(at, "/");
		if (n == 0) return 0;
		score = score * 2 + is_literal;
		at += n;
		if (*at == '/') at++;
	}
	return i == p->n ? score : 0;
}

static bool belongs(const struct api_route *r, const struct path *p)
{
	if (p->dialect == DIALECT_1) return true;
	if (r->flags & API_ROOT_ONLY) return false;
	return p->is_chat == ((r->flags & API_CHAT) != 0);
}

static bool decode_params(const struct path *p, const char *pattern, struct arena *a, struct span params[API_PARAMS_MAX])
{
	size_t i = 0, n = 0;
	for (const char *at = pattern + 1; *at; i++) {
		size_t len = strcspn(at, "/");
		if (*at == '{') {
			params[n] = url_decode(a, p->segments[i], false);
			/* What is no text can be no id, and must not come back inside an error message. */
			if (!span_given(params[n]) || !utf8_valid(params[n])) return false;
			n++;
		}
		at += len;
		if (*at == '/') at++;
	}
	return true;
}

const struct api_route *api_find(
	enum http_method m, struct span path, struct arena *a, struct span params[API_PARAMS_MAX], enum dialect *d)
{
	struct path p;
	const struct api_route *best = NULL;
	unsigned best_score = 0;
	if (m == HTTP_M_HEAD) m = HTTP_M_GET;
	if (!read_path(path, &p)) return NULL;
	*d = p.dialect;
	for (const struct api_route *r = api_routes; r->name != NULL; r++) {
		if (r->method != m || !belongs(r, &p)) continue;
		unsigned score = match(&p, r->pattern);
		if (score <= best_score) continue;
		best = r;
		best_score = score;
	}
	return best != NULL && decode_params(&p, best->pattern, a, params) ? best : NULL;
}
