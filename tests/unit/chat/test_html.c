#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "chat/message_parts.h"

static const struct {
	const char *text, *html;
} table[] = {
	{ "", "" },
	{ "hello", "<p>hello</p>\n" },
	{ "test message", "<p>test message</p>\n" },
	{ "a\nb", "<p>a<br>\nb</p>\n" },
	{ "a\n\nb", "<p>a</p>\n<p>b</p>\n" },
	{ "a & b < c > d \"e\" 'f'", "<p>a &amp; b &lt; c &gt; d &quot;e&quot; &#39;f&#39;</p>\n" },
	{ "<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n" },
	{ "**bold** and *it* and __b__ and _i_",
		"<p><strong>bold</strong> and <em>it</em> and <strong>b</strong> and <em>i</em></p>\n" },
	{ "snake_case_name", "<p>snake_case_name</p>\n" },
	{ "2 * 3 * 4", "<p>2 * 3 * 4</p>\n" },
	{ "*open", "<p>*open</p>\n" },
	{ "**", "<p>**</p>\n" },
	{ "`x < y`", "<p><code>x &lt; y</code></p>\n" },
	{ "`", "<p>`</p>\n" },
	{ "```\nint a;\n<b>\n```\nend", "<pre><code>int a;\n&lt;b&gt;\n</code></pre>\n<p>end</p>\n" },
	{ "```\nopen", "<pre><code>open\n</code></pre>\n" },
	{ "- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n" },
	{ "1. one\n2. two", "<ol>\n<li>one</li>\n<li>two</li>\n</ol>\n" },
	{ "> said\n> so", "<blockquote>\n<p>said<br>\nso</p>\n</blockquote>\n" },
	{ "[label](https://a.example/x?a=1&b=2)",
		"<p><a href=\"https://a.example/x?a=1&amp;b=2\" rel=\"nofollow\">label</a></p>\n" },
	{ "see https://a.example/x.", "<p>see <a href=\"https://a.example/x\" rel=\"nofollow\">https://a.example/x</a>.</p>\n" },
	{ "[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n" },
	{ "[x](https://a.example/\"onmouseover=alert(1))",
		"<p><a href=\"https://a.example/&quot;onmouseover=alert(1\" rel=\"nofollow\">x</a>)</p>\n" },
	{ "[<img src=x>](https://a.example)", "<p><a href=\"https://a.example\" rel=\"nofollow\">&lt;img src=x&gt;</a></p>\n" },
	{ "[x](HTTPS://a.example)", "<p>[x](HTTPS://a.example)</p>\n" },
	{ "[x](data:text/html,hi)", "<p>[x](data:text/html,hi)</p>\n" },
	{ "**a *b** c*", "<p><strong>a *b</strong> c*</p>\n" },
	{ "\xc3\xa4 *\xc3\xb6*", "<p>\xc3\xa4 <em>\xc3\xb6</em></p>\n" },
	{ "   ", "" },
	{ "a\r\nb", "<p>a<br>\nb</p>\n" },
};

static void renders_the_table(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < BECK_COUNT(table); i++) {
		struct span html = message_html(&a, span_str(table[i].text));
		if (!span_is(html, table[i].html))
			fail_msg("%s\n  gave     %.*s\n  expected %s", table[i].text, SPAN_FMT(html), table[i].html);
	}
	arena_deinit(&a);
}

/* Only tags that we write, all of them known; nothing of the text opens one. */
static void check_safe(struct span html)
{
	static const char *const tags[] = { "<p>", "</p>", "<br>", "<em>", "</em>", "<strong>", "</strong>", "<code>", "</code>",
		"<pre>", "</pre>", "<ul>", "</ul>", "<ol>", "</ol>", "<li>", "</li>", "<blockquote>", "</blockquote>", "</a>",
		"<a href=\"http://", "<a href=\"https://", "<a href=\"mailto:" };
	for (size_t i = 0; i < html.n; i++) {
		if (html.p[i] != '<') continue;
		size_t k = 0;
		while (k < BECK_COUNT(tags) && !span_starts(span_skip(html, i), span_str(tags[k]))) k++;
		if (k == BECK_COUNT(tags)) fail_msg("unknown tag in %.*s", SPAN_FMT(html));
	}
}

static void hostile_text_stays_text(void **state)
{
	(void)state;
	static const char alphabet[] = "<>&\"'`*_[]()!#-1. \nahttps://javascript:x";
	static const char *const chunks[] = { "https://", "http://x", "](", "**", "__", "```\n", "\n> ", "\n- ", "\n1. ", "<b>",
		"mailto:" };
	uint64_t seed = 7;
	for (int round = 0; round < 3000; round++) {
		struct arena a;
		char text[256];
		size_t n = 0;
		arena_init(&a, 1 << 20);
		while (n < 200) {
			seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			uint64_t r = seed >> 33;
			const char *chunk = chunks[r % BECK_COUNT(chunks)];
			if (r % 3 == 0) {
				memcpy(text + n, chunk, strlen(chunk));
				n += strlen(chunk);
			} else {
				text[n++] = alphabet[(r / 16) % (sizeof alphabet - 1)];
			}
		}
		struct span html = message_html(&a, span_make(text, n));
		assert_non_null(html.p);
		check_safe(html);
		arena_deinit(&a);
	}
}

/* Searches share a budget: openers without end cost linear time. 20,000 characters, well under a second even with sanitizers. */
static void unclosed_marks_cost_linear_time(void **state)
{
	(void)state;
	static const char *const marks[] = { "[", "*a ", "`", "_a", "**", "[a](", "https://a", "*_`[" };
	for (size_t k = 0; k < BECK_COUNT(marks); k++) {
		enum { N = 80000 };
		struct arena a;
		char *text = malloc(N);
		size_t n = 0, m = strlen(marks[k]);
		for (; n + m <= N; n += m) memcpy(text + n, marks[k], m);
		arena_init(&a, 64 << 20);
		for (int i = 0; i < 20; i++) {
			struct span html = message_html(&a, span_make(text, n));
			assert_non_null(html.p);
			check_safe(html);
			arena_reset(&a);
		}
		arena_deinit(&a);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(renders_the_table), cmocka_unit_test(hostile_text_stays_text),
		cmocka_unit_test(unclosed_marks_cost_linear_time) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
