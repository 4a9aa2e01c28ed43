/* Publishers and those who listen to them, whatever they speak: opens subscribers, publishes, and counts until every subscriber
 * has every message once. That nothing is lost or doubled is checked per subscriber by number and by the sum of the stamps. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { PATIENCE_S = 120 };

static const struct protocol *protocol;
static struct connection *subscribers;
static size_t opened;
static uint64_t frames; /* anything that subscribers got */

/* One "fan" command. */
static struct fan {
	struct text message;
	uint64_t count, sent, confirmed, sum; /* sum: of the stamps sent */
	int64_t begin_us;
	size_t ready, complete; /* publishers that may publish; subscribers that have it all */
	uint64_t got;           /* over all subscribers */
	size_t message_bytes;   /* as the newest arrived */
	bool is_single;
} fan;

/* ---- subscribers ---- */

void subscriber_opened(struct connection *c)
{
	if (c->is_open) refuse("opened twice", "", 0);
	c->is_open = true;
	opened++;
}

/* 0: nothing that a publisher of ours has sent */
static uint64_t stamp_of(const char *p, size_t n)
{
	uint64_t stamp = 0;
	const char *at = memmem(p, n, "t=", 2);
	if (!at || p + n - at < 18) return 0;
	for (int i = 2; i < 18; i++) {
		if (at[i] < '0' || at[i] > '9') return 0;
		stamp = stamp * 10 + (uint64_t)(at[i] - '0');
	}
	return stamp;
}

void subscriber_got(struct connection *c, const char *p, size_t n)
{
	frames++;
	uint64_t stamp = stamp_of(p, n);
	if (!stamp) return;
	if ((int64_t)stamp < fan.begin_us || c->got == fan.count) refuse("delivered twice", p, n);
	c->got++;
	c->sum += stamp;
	fan.got++;
	fan.complete += c->got == fan.count;
	fan.message_bytes = n;
	sample(c->heard_us - (int64_t)stamp);
}

static void open_subscribers(size_t parallel)
{
	size_t begun = 0;
	int64_t begin = now_us();
	subscribers = must(calloc(request_count, sizeof *subscribers));
	while (opened < request_count) {
		while (begun < request_count && begun - opened < parallel) {
			struct connection *c = &subscribers[begun];
			c->hear = protocol->subscriber;
			c->is_light = true;
			dial(c);
			protocol->subscribe(c, requests[begun++]);
		}
		turn(100);
	}
	printf("{\"opened\":%zu,\"seconds\":%.4f}\n", opened, (double)(now_us() - begin) / 1e6);
	fflush(stdout);
}

/* ---- publishers ---- */

static void publish_next(struct connection *c)
{
	if (fan.sent == fan.count) return;
	uint64_t now = (uint64_t)now_us();
	struct text t = stamped(fan.message, now);
	fan.sent++;
	fan.sum += now;
	protocol->publish(c, t);
	free(t.p);
}

void publisher_ready(struct connection *c)
{
	if (c->is_open) refuse("ready twice", "", 0);
	c->is_open = true;
	fan.ready++;
}

void publisher_confirmed(struct connection *c)
{
	fan.confirmed++;
	if (!fan.is_single) publish_next(c);
}

static struct connection *open_publishers(size_t n)
{
	struct connection *publishers = must(calloc(n, sizeof *publishers));
	for (size_t i = 0; i < n; i++) {
		publishers[i].hear = protocol->publisher;
		dial(&publishers[i]);
		if (protocol->greet) {
			protocol->greet(&publishers[i]);
		} else {
			publisher_ready(&publishers[i]);
		}
	}
	while (fan.ready < n) turn(100);
	return publishers;
}

static void close_publishers(struct connection *publishers, size_t n)
{
	for (size_t i = 0; i < n; i++) hang_up(&publishers[i]);
	free(publishers);
}

/* ---- from one to the others ---- */

static void check_sums(void)
{
	for (size_t i = 0; i < request_count; i++)
		if (subscribers[i].sum != fan.sum)
			refuse("one message lost, another delivered twice, to", requests[i].p, requests[i].n);
}

static bool all_have_what_was_sent(void) { return fan.got == fan.sent * opened && fan.confirmed == fan.sent; }

/* A publisher has one unconfirmed message at a time; one alone also waits until everybody has it. */
static void run(struct connection *publishers, size_t n)
{
	for (size_t i = 0; i < n; i++) publish_next(&publishers[i]);
	while (fan.complete < opened || fan.confirmed < fan.count) {
		turn(100);
		if (fan.is_single && all_have_what_was_sent()) publish_next(&publishers[0]);
		if (now_us() - fan.begin_us > PATIENCE_S * INT64_C(1000000)) {
			fprintf(stderr, "load: %llu published, %llu confirmed, %llu delivered to %zu\n",
				(unsigned long long)fan.sent, (unsigned long long)fan.confirmed, (unsigned long long)fan.got,
				opened);
			exit(1);
		}
	}
}

static void run_fan_command(struct text message, uint64_t count, size_t window)
{
	fan = (struct fan){ .message = message, .count = count, .is_single = window == 1 };
	for (size_t i = 0; i < request_count; i++) subscribers[i].got = subscribers[i].sum = 0;
	samples_clear();
	struct connection *publishers = open_publishers(window);
	fan.begin_us = now_us();
	run(publishers, window);
	int64_t took = now_us() - fan.begin_us;
	check_sums();
	samples_print("deliveries", took, fan.message_bytes, 0);
	close_publishers(publishers, window);
}

static void drain(int64_t ms)
{
	int64_t until = now_us() + ms * 1000;
	while (now_us() < until) turn(10);
	printf("{\"frames\":%llu}\n", (unsigned long long)frames);
	fflush(stdout);
}

static void read_fan(FILE *commands, char *numbers)
{
	char *rest;
	uint64_t count = strtoul(numbers, &rest, 10);
	size_t window = strtoul(rest, &rest, 10), n = strtoul(rest, NULL, 10);
	struct text message = { must(malloc(n + 1)), n };
	if (fread(message.p, 1, n, commands) != n) refuse("short message", "", 0);
	run_fan_command(message, count, window);
	free(message.p);
}

/* While other programs have their turn the subscribers go on answering pings: the server ends those that are silent for a minute.
 */
static void wait_for_command(int fd)
{
	struct pollfd in = { .fd = fd, .events = POLLIN };
	while (poll(&in, 1, 0) == 0) turn(50);
}

int run_fan(const struct protocol *p, size_t parallel, int commands_fd)
{
	protocol = p;
	open_subscribers(parallel);
	FILE *commands = commands_fd ? fdopen(commands_fd, "r") : NULL;
	char line[128];
	while (commands) {
		wait_for_command(commands_fd);
		if (!fgets(line, sizeof line, commands)) break;
		if (strncmp(line, "fan ", 4) == 0) {
			read_fan(commands, line + 4);
		} else if (strncmp(line, "drain ", 6) == 0) {
			drain(strtoll(line + 6, NULL, 10));
		} else {
			break;
		}
	}
	return 0;
}
