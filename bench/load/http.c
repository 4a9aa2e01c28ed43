/* Requests over connections that stay: as fast as answers come, or at a rate. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "load.h"

static struct {
	struct connection *connections, **idle; /* idle: with a rate only */
	size_t idle_n, next;
	int64_t begin, due, every_us; /* every_us 0: as fast as answers come */
	uint64_t serial;
	long errors;
} load;

size_t http_answer(const struct connection *c, int *status)
{
	const char *end = memmem(c->in, c->in_n, "\r\n\r\n", 4);
	if (!end) return 0;
	size_t head = (size_t)(end - c->in) + 4, body = 0;
	for (const char *line = c->in; line < end; line = (const char *)memchr(line, '\n', (size_t)(end + 2 - line)) + 1)
		if (strncasecmp(line, "content-length:", 15) == 0) body = strtoul(line + 15, NULL, 10);
	*status = head > 12 ? (int)strtol(c->in + 9, NULL, 10) : 0;
	return c->in_n >= head + body ? head + body : 0;
}

static void send_next(struct connection *c, int64_t due)
{
	struct text t = stamped(requests[load.next++ % request_count], ++load.serial);
	c->due_us = due;
	say(c, t.p, t.n);
	free(t.p);
}

/* What is due goes out when somebody is free, and its time runs from when it was due. */
static void send_due(void)
{
	while (load.every_us && load.idle_n > 0 && load.due <= now_us()) {
		send_next(load.idle[--load.idle_n], load.due);
		load.due += load.every_us;
	}
}

static void rest(struct connection *c)
{
	if (load.every_us) {
		load.idle[load.idle_n++] = c;
	} else {
		send_next(c, now_us());
	}
}

static void hear(struct connection *c)
{
	int status = 0;
	size_t whole = http_answer(c, &status);
	if (!whole) return;
	if (c->due_us >= load.begin) {
		sample(c->heard_us - c->due_us);
		load.errors += status >= 399;
	}
	drop(c, whole);
	rest(c);
}

int run_http(size_t conns, double warm_s, double seconds, double rate)
{
	load.every_us = rate > 0 ? (int64_t)(1e6 / rate) : 0;
	load.connections = must(calloc(conns, sizeof *load.connections));
	load.idle = must(calloc(conns, sizeof *load.idle));
	load.due = now_us();
	load.begin = load.due + (int64_t)(warm_s * 1e6);
	for (size_t i = 0; i < conns; i++) {
		load.connections[i].hear = hear;
		dial(&load.connections[i]);
		rest(&load.connections[i]);
	}
	int64_t end = load.begin + (int64_t)(seconds * 1e6);
	while (now_us() < end) {
		send_due();
		turn(load.every_us ? 1 : 100);
	}
	samples_print("requests", now_us() - load.begin, 0, load.errors);
	return 0;
}
