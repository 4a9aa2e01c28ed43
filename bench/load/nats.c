/* The NATS text protocol. Subscribers ask for no acknowledgements; publishers are verbose, so that "+OK" confirms each message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define SUBJECT "bench"
#define CRLF    "\r\n"

/* The line at `at`, without its end; false: not whole yet. */
static bool next_line(const struct connection *c, size_t at, struct span *line)
{
	const char *end = memmem(c->in + at, c->in_n - at, CRLF, 2);
	if (!end) return false;
	*line = span_make(c->in + at, (size_t)(end - (c->in + at)));
	return true;
}

static bool begins(struct span line, const char *word)
{
	size_t n = strlen(word);
	return line.n >= n && memcmp(line.p, word, n) == 0;
}

static void say_text(struct connection *c, const char *text) { say(c, text, strlen(text)); }

/* What both sides hear; false: something else. */
static bool is_common(struct connection *c, struct span line)
{
	if (begins(line, "-ERR")) refuse("NATS", line.p, line.n);
	if (begins(line, "PING")) say_text(c, "PONG" CRLF);
	return begins(line, "PING") || begins(line, "INFO");
}

/* ---- subscriber ---- */

static void subscribe(struct connection *c, struct text name)
{
	char words[256];
	int n = snprintf(words, sizeof words,
		"CONNECT {\"verbose\":false,\"pedantic\":false,\"name\":\"%.*s\"}" CRLF "SUB " SUBJECT " 1" CRLF "PING" CRLF,
		(int)(name.n < 64 ? name.n : 64), name.p);
	say(c, words, (size_t)n);
}

/* "MSG subject sid [reply-to] bytes", the payload and a line's end. Bytes used; 0: not whole yet. */
static size_t hear_message(struct connection *c, size_t at, struct span line)
{
	long long n;
	const char *digits = memrchr(line.p, ' ', line.n);
	struct span number = digits ? span_make(digits + 1, (size_t)(line.p + line.n - digits - 1)) : line;
	if (!span_to_i64(number, &n) || n < 0) refuse("MSG", line.p, line.n);
	size_t whole = line.n + 2 + (size_t)n + 2;
	if (c->in_n - at < whole) return 0;
	subscriber_got(c, line.p + line.n + 2, (size_t)n);
	return whole;
}

static void subscriber(struct connection *c)
{
	size_t at = 0, used;
	struct span line;
	while (next_line(c, at, &line)) {
		used = line.n + 2;
		if (begins(line, "MSG ")) {
			used = hear_message(c, at, line);
			if (!used) break;
		} else if (begins(line, "PONG")) {
			subscriber_opened(c);
		} else if (!is_common(c, line)) {
			refuse("NATS", line.p, line.n);
		}
		at += used;
	}
	drop(c, at);
}

/* ---- publisher ---- */

static void greet(struct connection *c)
{
	say_text(c, "CONNECT {\"verbose\":true,\"pedantic\":false,\"name\":\"publisher\"}" CRLF);
}

static void publish(struct connection *c, struct text message)
{
	char *words = must(malloc(message.n + 64));
	size_t n = (size_t)snprintf(words, 64, "PUB " SUBJECT " %zu" CRLF, message.n);
	memcpy(words + n, message.p, message.n);
	memcpy(words + n + message.n, CRLF, 2);
	say(c, words, n + message.n + 2);
	free(words);
}

static void publisher(struct connection *c)
{
	size_t at = 0;
	struct span line;
	while (next_line(c, at, &line)) {
		if (begins(line, "+OK")) {
			if (c->is_open) {
				publisher_confirmed(c);
			} else {
				publisher_ready(c);
			}
		} else if (!is_common(c, line)) {
			refuse("NATS", line.p, line.n);
		}
		at += line.n + 2;
	}
	drop(c, at);
}

const struct protocol protocol_nats = { .name = "nats",
	.subscribe = subscribe,
	.subscriber = subscriber,
	.greet = greet,
	.publish = publish,
	.publisher = publisher };
