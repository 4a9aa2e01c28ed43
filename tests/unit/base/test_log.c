#include "cm.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static int pipe_fd[2];

static size_t drain(char *out, size_t cap)
{
	ssize_t n = read(pipe_fd[0], out, cap - 1);
	assert_true(n >= 0);
	out[n] = 0;
	return (size_t)n;
}

static int setup(void **state)
{
	(void)state;
	return pipe(pipe_fd);
}

static void one_line_each(void **state)
{
	(void)state;
	char text[8192];
	log_setup(pipe_fd[1], LOG_INFO);
	LOG_DBG("hidden", "a=%d", 1);
	LOG_INF("shown", "a=%d b=%s", 1, "x");
	drain(text, sizeof text);
	assert_non_null(strstr(text, " level=info msg=\"shown\" a=1 b=x\n"));
	assert_null(strstr(text, "hidden"));
	assert_memory_equal(text, "ts=2", 4);
}

static void long_lines_are_cut_but_end(void **state)
{
	(void)state;
	char text[8192];
	log_setup(pipe_fd[1], LOG_INFO);
	LOG_ERR("long", "a=%5000d", 1);
	size_t n = drain(text, sizeof text);
	assert_true(n <= 2048);
	assert_int_equal(text[n - 1], '\n');
}

static void burst(int n)
{
	for (int i = 0; i < n; i++) LOG_WRN("burst", "i=%d", i);
}

static void a_site_is_limited(void **state)
{
	(void)state;
	char text[60000];
	log_setup(pipe_fd[1], LOG_INFO);
	/* Begin right after a second's turn, so that the burst stays inside one window. */
	int64_t second = clock_wall_us(&clock_system) / 1000000;
	while (clock_wall_us(&clock_system) / 1000000 == second) usleep(1000);
	burst(80);
	drain(text, sizeof text);
	int lines = 0;
	for (char *p = text; (p = strchr(p, '\n')); p++) lines++;
	assert_int_equal(lines, 50);
	second++;
	while (clock_wall_us(&clock_system) / 1000000 == second) usleep(1000);
	burst(1);
	drain(text, sizeof text);
	assert_non_null(strstr(text, "i=0 dropped=30\n"));
}

static void quoting(void **state)
{
	(void)state;
	char b[16];
	assert_string_equal(log_quote(b, sizeof b, "a\"\\b", 4), "\"a\\\"\\\\b\"");
	assert_string_equal(log_quote(b, sizeof b, "\n\x7f", 2), "\"\\x0a\\x7f\"");
	assert_string_equal(log_quote(b, sizeof b, "0123456789abcdef", 16), "\"0123456789abc\"");
	assert_string_equal(log_quote(b, 6, "ab\n", 3), "\"ab\"");
	assert_string_equal(log_quote(b, 3, "abc", 3), "\"\"");
	assert_string_equal(log_quote(b, 1, "abc", 3), "");
	assert_string_equal(log_quote(b, sizeof b, NULL, 0), "\"\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(one_line_each), cmocka_unit_test(long_lines_are_cut_but_end),
		cmocka_unit_test(a_site_is_limited), cmocka_unit_test(quoting) };
	return cmocka_run_group_tests(tests, setup, NULL);
}
