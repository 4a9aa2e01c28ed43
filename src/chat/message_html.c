/* A safe subset of Markdown as HTML: paragraphs, line breaks, emphasis, strong, code, fenced code, links, lists, quotes.
 *
 * Everything of the text is escaped; the only tags and attributes are the literals here, and a link's address must begin with
 * http://, https:// or mailto:. Searches for closing marks share a budget of bytes that is a multiple of the text's length, so
 * hostile input (thousands of unclosed brackets) costs linear time; what the budget does not reach stays plain. */
#include "base/limits.h"
#include "chat/message_parts.h"

enum { SEARCH_FACTOR = 16, SEARCH_LEAST = 1024 };

struct html {
	struct buf out;
	size_t budget; /* bytes that searches may still look at */
};

static void put(struct html *h, const char *z) { buf_add(&h->out, z, strlen(z)); }

static void put_escaped_char(struct html *h, char ch)
{
	switch (ch) {
	case '&': put(h, "&amp;"); break;
	case '<': put(h, "&lt;"); break;
	case '>': put(h, "&gt;"); break;
	case '"': put(h, "&quot;"); break;
	case '\'': put(h, "&#39;"); break;
	default: buf_add_char(&h->out, ch);
	}
}

static void put_escaped(struct html *h, struct span s)
{
	for (size_t i = 0; i < s.n; i++) put_escaped_char(h, s.p[i]);
}

static bool is_blank(char ch) { return ch == ' ' || ch == '\t' || ch == '\r'; }
static bool is_word(char ch)
{
	unsigned char u = (unsigned char)ch;
	return u >= 0x80 || (u >= '0' && u <= '9') || ((u | 0x20) >= 'a' && (u | 0x20) <= 'z');
}

static struct span trim(struct span s)
{
	while (s.n && is_blank(s.p[0])) s = span_skip(s, 1);
	while (s.n && is_blank(s.p[s.n - 1])) s.n--;
	return s;
}

/* ---- inline ---- */
static bool address_is_safe(struct span url)
{
	bool known = span_starts(url, SPAN("http://")) || span_starts(url, SPAN("https://")) || span_starts(url, SPAN("mailto:"));
	for (size_t i = 0; known && i < url.n; i++) known = (unsigned char)url.p[i] > ' ' && url.p[i] != 0x7f;
	return known;
}

static void put_link(struct html *h, struct span url, struct span label)
{
	put(h, "<a href=\"");
	put_escaped(h, url);
	put(h, "\" rel=\"nofollow\">");
	put_escaped(h, label);
	put(h, "</a>");
}

/* Index of `mark` from `from` on, or s.n. */
static size_t find_mark(struct html *h, struct span s, size_t from, struct span mark)
{
	size_t end = s.n - from > h->budget ? from + h->budget : s.n, i = from;
	while (i + mark.n <= end && (s.p[i] != mark.p[0] || memcmp(s.p + i, mark.p, mark.n) != 0)) i++;
	bool found = i + mark.n <= end;
	h->budget -= (found ? i : end) - from;
	return found ? i : s.n;
}

static void put_inline(struct html *h, struct span s, int depth);

static size_t try_code(struct html *h, struct span s, size_t at)
{
	size_t end = find_mark(h, s, at + 1, SPAN("`"));
	if (end == s.n || end == at + 1) return 0;
	put(h, "<code>");
	put_escaped(h, span_make(s.p + at + 1, end - at - 1));
	put(h, "</code>");
	return end + 1 - at;
}

static size_t try_link(struct html *h, struct span s, size_t at)
{
	size_t close = find_mark(h, s, at + 1, SPAN("]("));
	if (close == s.n) return 0;
	size_t end = find_mark(h, s, close + 2, SPAN(")"));
	struct span label = span_make(s.p + at + 1, close - at - 1), url = span_make(s.p + close + 2, end - close - 2);
	if (end == s.n || label.n == 0 || span_find(label, '[') < label.n || !address_is_safe(url)) return 0;
	put_link(h, url, label);
	return end + 1 - at;
}

/* An address in the open text ends at white space; sentence marks at its end are not its own. */
static size_t try_address(struct html *h, struct span s, size_t at)
{
	if (at > 0 && is_word(s.p[at - 1])) return 0;
	struct span rest = span_skip(s, at);
	if (!span_starts(rest, SPAN("http://")) && !span_starts(rest, SPAN("https://"))) return 0;
	size_t n = 0;
	while (n < rest.n && (unsigned char)rest.p[n] > ' ' && !strchr("<>\"'`", rest.p[n])) n++;
	while (n && strchr(".,;:!?)*_", rest.p[n - 1])) n--;
	struct span url = span_make(rest.p, n);
	if (n <= strlen("https://") || !address_is_safe(url)) return 0;
	put_link(h, url, url);
	return n;
}

/* **strong**, __strong__, *emphasis*, _emphasis_. The text inside neither begins nor ends blank; underscores work at word edges
 * only. */
static size_t try_emphasis(struct html *h, struct span s, size_t at, int depth)
{
	char ch = s.p[at];
	struct span mark = span_make(s.p + at, at + 1 < s.n && s.p[at + 1] == ch ? 2 : 1);
	size_t from = at + mark.n;
	if (depth >= 4 || from >= s.n || is_blank(s.p[from]) || s.p[from] == '\n') return 0;
	if (ch == '_' && at > 0 && is_word(s.p[at - 1])) return 0;
	size_t end = find_mark(h, s, from, mark);
	if (end == s.n || end == from || is_blank(s.p[end - 1]) || s.p[end - 1] == '\n') return 0;
	if (ch == '_' && end + mark.n < s.n && is_word(s.p[end + mark.n])) return 0;
	put(h, mark.n == 2 ? "<strong>" : "<em>");
	put_inline(h, span_make(s.p + from, end - from), depth + 1);
	put(h, mark.n == 2 ? "</strong>" : "</em>");
	return end + mark.n - at;
}

static size_t try_construct(struct html *h, struct span s, size_t at, int depth)
{
	switch (s.p[at]) {
	case '`': return try_code(h, s, at);
	case '[': return try_link(h, s, at);
	case '*':
	case '_': return try_emphasis(h, s, at, depth);
	case 'h': return try_address(h, s, at);
	default: return 0;
	}
}

static void put_inline(struct html *h, struct span s, int depth)
{
	for (size_t i = 0; i < s.n;) {
		size_t used = try_construct(h, s, i, depth);
		if (used == 0) {
			if (s.p[i] == '\n')
				put(h, "<br>\n");
			else if (s.p[i] != '\r')
				put_escaped_char(h, s.p[i]);
			used = 1;
		}
		i += used;
	}
}

/* ---- blocks ---- */
static struct span next_line(struct span *rest)
{
	size_t n = span_find(*rest, '\n');
	struct span line = span_make(rest->p, n);
	*rest = span_skip(*rest, n + 1);
	return line;
}

enum line_kind { LINE_TEXT, LINE_EMPTY, LINE_FENCE, LINE_QUOTE, LINE_BULLET, LINE_NUMBER };

/* *content: the line without its marker. */
static enum line_kind line_look(struct span line, struct span *content)
{
	struct span t = trim(line);
	*content = t;
	if (t.n == 0) return LINE_EMPTY;
	if (span_starts(t, SPAN("```"))) return LINE_FENCE;
	if (t.p[0] == '>') {
		*content = trim(span_skip(t, 1));
		return LINE_QUOTE;
	}
	if (t.n > 2 && (t.p[0] == '-' || t.p[0] == '*' || t.p[0] == '+') && t.p[1] == ' ') {
		*content = trim(span_skip(t, 2));
		return LINE_BULLET;
	}
	size_t digits = 0;
	while (digits < t.n && t.p[digits] >= '0' && t.p[digits] <= '9') digits++;
	if (digits > 0 && digits <= 9 && digits + 2 < t.n && t.p[digits] == '.' && t.p[digits + 1] == ' ') {
		*content = trim(span_skip(t, digits + 2));
		return LINE_NUMBER;
	}
	return LINE_TEXT;
}

static void put_fence(struct html *h, struct span *rest)
{
	struct span line, content;
	put(h, "<pre><code>");
	while (rest->n) {
		line = next_line(rest);
		if (line_look(line, &content) == LINE_FENCE) break;
		put_escaped(h, line);
		put(h, "\n");
	}
	put(h, "</code></pre>\n");
}

/* Lines of one kind in a row, each through `before` and `after`. */
static void put_run(struct html *h, struct span *rest, enum line_kind kind, struct span first, const char *before,
	const char *after, const char *between)
{
	struct span content = first;
	for (;;) {
		put(h, before);
		put_inline(h, content, 0);
		put(h, after);
		struct span look = *rest;
		if (rest->n == 0 || line_look(next_line(&look), &content) != kind) return;
		*rest = look;
		put(h, between);
	}
}

static void put_block(struct html *h, struct span *rest)
{
	struct span content;
	enum line_kind kind = line_look(next_line(rest), &content);
	switch (kind) {
	case LINE_EMPTY: break;
	case LINE_FENCE: put_fence(h, rest); break;
	case LINE_QUOTE:
		put(h, "<blockquote>\n<p>");
		put_run(h, rest, kind, content, "", "", "<br>\n");
		put(h, "</p>\n</blockquote>\n");
		break;
	case LINE_BULLET:
		put(h, "<ul>\n");
		put_run(h, rest, kind, content, "<li>", "</li>\n", "");
		put(h, "</ul>\n");
		break;
	case LINE_NUMBER:
		put(h, "<ol>\n");
		put_run(h, rest, kind, content, "<li>", "</li>\n", "");
		put(h, "</ol>\n");
		break;
	case LINE_TEXT:
		put(h, "<p>");
		put_run(h, rest, kind, content, "", "", "<br>\n");
		put(h, "</p>\n");
		break;
	}
}

/* Most texts have nothing to mark up: no such byte, no list, no address. */
static bool is_plain(struct span text)
{
	static const bool marks[256] = { ['\n'] = true,
		['\r'] = true,
		['`'] = true,
		['*'] = true,
		['_'] = true,
		['['] = true,
		['<'] = true,
		['>'] = true,
		['&'] = true,
		['"'] = true,
		['\''] = true };
	for (size_t i = 0; i < text.n; i++) {
		if (marks[(unsigned char)text.p[i]]) return false;
		if (text.p[i] == ':' && i + 2 < text.n && text.p[i + 1] == '/' && text.p[i + 2] == '/') return false;
	}
	struct span content;
	return line_look(text, &content) == LINE_TEXT && content.n == text.n;
}

struct span message_html(struct arena *a, struct span text)
{
	if (text.n == 0) return SPAN("");
	if (is_plain(text)) return arena_printf(a, "<p>%.*s</p>\n", SPAN_FMT(text));
	struct html h = { .budget = text.n * SEARCH_FACTOR + SEARCH_LEAST };
	buf_init(&h.out, (size_t)LIMIT_REPLY_BYTES);
	struct span rest = text;
	while (rest.n && !h.out.failed) put_block(&h, &rest);
	struct span out = h.out.failed ? SPAN_NONE : arena_dup(a, buf_span(&h.out));
	buf_deinit(&h.out);
	return out;
}
