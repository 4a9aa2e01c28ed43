/* Structured log lines, `level=info msg="..." key=value ...`, to one descriptor. Never log bodies, tokens, secrets or query
 * strings. Any thread; one write(2) per line. Rate-limited per call site to 50 lines a second; what was dropped is counted in
 * the next line of that site (`dropped=n`). `msg` and keys are literals; values are quoted when they need it. */
#ifndef BECK_BASE_LOG_H
#define BECK_BASE_LOG_H

#include "base/compiler.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_site {
	int64_t window_s;
	unsigned in_window, dropped;
};
/* Process-wide sink, set once by main before any thread starts (the only global; it holds no state of a server). */
void log_setup(int fd, enum log_level min);
/* `fmt` gives the "key=value" tail, e.g. "conn=%llu status=%d"; use log_quote for text made by peers. */
void log_line(struct log_site *site, enum log_level level, const char *msg, const char *fmt, ...) BECK_PRINTF(4, 5);
/* Escapes into buf (always NUL-terminated, cut if needed) with quotes around; returns buf. */
const char *log_quote(char *buf, size_t cap, const char *p, size_t n);

#define LOG_AT(level, msg, ...)                                                                                                  \
	do {                                                                                                                     \
		static struct log_site log_site_;                                                                                \
		log_line(&log_site_, (level), (msg), __VA_ARGS__);                                                               \
	} while (0)
#define LOG_DBG(msg, ...) LOG_AT(LOG_DEBUG, (msg), __VA_ARGS__)
#define LOG_INF(msg, ...) LOG_AT(LOG_INFO, (msg), __VA_ARGS__)
#define LOG_WRN(msg, ...) LOG_AT(LOG_WARN, (msg), __VA_ARGS__)
#define LOG_ERR(msg, ...) LOG_AT(LOG_ERROR, (msg), __VA_ARGS__)

#endif
