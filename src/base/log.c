#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOG_LINE_BYTES = 2048, LOG_PER_SECOND = 50 };

static struct {
	pthread_mutex_t lock; /* guards every site's counters */
	int fd;
	enum log_level min;
} sink = { PTHREAD_MUTEX_INITIALIZER, STDERR_FILENO, LOG_INFO };

void log_setup(int fd, enum log_level min)
{
	sink.fd = fd;
	sink.min = min;
}

/* True when the line may go out; *dropped is then what this site swallowed before. */
static bool site_admit(struct log_site *site, int64_t now_s, unsigned *dropped)
{
	pthread_mutex_lock(&sink.lock);
	if (site->window_s != now_s) {
		site->window_s = now_s;
		site->in_window = 0;
	}
	bool ok = site->in_window < LOG_PER_SECOND;
	if (ok) {
		site->in_window++;
		*dropped = site->dropped;
		site->dropped = 0;
	} else {
		site->dropped++;
	}
	pthread_mutex_unlock(&sink.lock);
	return ok;
}

struct line {
	char text[LOG_LINE_BYTES];
	size_t n; /* always leaves room for the newline */
};

static void line_vadd(struct line *l, const char *fmt, va_list args) BECK_PRINTF(2, 0);
static void line_vadd(struct line *l, const char *fmt, va_list args)
{
	size_t room = sizeof l->text - 1 - l->n;
	int n = vsnprintf(l->text + l->n, room, fmt, args);
	if (n > 0) l->n += (size_t)n < room ? (size_t)n : room - 1;
}

static void line_add(struct line *l, const char *fmt, ...) BECK_PRINTF(2, 3);
static void line_add(struct line *l, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	line_vadd(l, fmt, args);
	va_end(args);
}

static void line_head(struct line *l, int64_t now_us, enum log_level level, const char *msg)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	time_t s = (time_t)(now_us / 1000000);
	struct tm tm;
	char when[32] = "";
	if (gmtime_r(&s, &tm)) (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	line_add(l, "ts=%s.%03dZ level=%s msg=\"%s\"", when, (int)(now_us / 1000 % 1000), names[level], msg);
}

void log_line(struct log_site *site, enum log_level level, const char *msg, const char *fmt, ...)
{
	if (level < sink.min) return;
	int64_t now_us = clock_wall_us(&clock_system);
	unsigned dropped = 0;
	if (!site_admit(site, now_us / 1000000, &dropped)) return;
	struct line l;
	l.n = 0;
	line_head(&l, now_us, level, msg);
	if (fmt[0]) line_add(&l, " ");
	va_list args;
	va_start(args, fmt);
	line_vadd(&l, fmt, args);
	va_end(args);
	if (dropped) line_add(&l, " dropped=%u", dropped);
	l.text[l.n++] = '\n';
	/* A log that cannot be written has nobody to be told. */
	ssize_t ignored = write(sink.fd, l.text, l.n);
	(void)ignored;
}

/* The escaped form of one byte; returns its length, 1..4. Bytes beyond ASCII pass: UTF-8 stays readable. */
static size_t quote_byte(char out[4], char c)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char u = (unsigned char)c;
	if (c == '"' || c == '\\') {
		out[0] = '\\';
		out[1] = c;
		return 2;
	}
	if (u >= 0x20 && u != 0x7f) {
		out[0] = c;
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[u >> 4];
	out[3] = hex[u & 15];
	return 4;
}

const char *log_quote(char *buf, size_t cap, const char *p, size_t n)
{
	if (cap < 3) {
		if (cap) buf[0] = 0;
		return buf;
	}
	size_t at = 0;
	buf[at++] = '"';
	for (size_t i = 0; i < n; i++) {
		char form[4];
		size_t k = quote_byte(form, p[i]);
		if (at + k + 2 > cap) break;
		for (size_t j = 0; j < k; j++) buf[at++] = form[j];
	}
	buf[at++] = '"';
	buf[at] = 0;
	return buf;
}
