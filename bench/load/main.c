/* Load from one thread over epoll, with figures as one JSON line each.
 *
 *   load http HOST:PORT [--conns N] [--seconds S] [--warm S] [--rate R] [--tls]     < requests
 *       Sends the requests (whole HTTP texts, read from standard input, each preceded by its length in bytes and a newline) in
 *       turn; "@@@@@@@@@@@@@@@@" in one is replaced by a number that never repeats. Closed loop; with --rate so many a second,
 *       and a request's time counts from when it was due. Prints
 *       {"requests":..,"per_second":..,"p50_us":..,"p99_us":..,"errors":..}.
 *   load ws|socketio|mqtt|nats HOST:PORT [--parallel K] [--commands FD] [--tls]     < requests
 *       Opens one subscriber per request, K greetings under way at once, and prints {"opened":..,"seconds":..} when the last is
 *       open. A request is the upgrade text for ws and socketio, the client's name for mqtt and nats; these two subscribe to the
 *       topic "bench". Then obeys lines on descriptor FD: "fan N W LEN" + a message of LEN bytes that follows: W publishers
 *       publish it, N times in all, "@@@@@@@@@@@@@@@@" replaced by the time, and it waits until every subscriber has each of
 *       the N once; prints {"deliveries":..,"seconds":..,"p50_us":..,"p99_us":..}; "drain MS" reads on for a while and prints
 *       {"frames":..}; anything else ends. A message holds "t=" before the time; for ws and socketio it is a whole POST.
 * --tls speaks TLS, any certificate will do. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "load.h"

struct text *requests;
size_t request_count;

void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

void refuse(const char *what, const char *p, size_t n)
{
	fprintf(stderr, "load: %s: %.*s\n", what, n < 2000 ? (int)n : 2000, p);
	exit(1);
}

void *must(void *p)
{
	if (!p) die("memory");
	return p;
}

int64_t now_us(void) { return clock_mono_us(&clock_system); }

struct text stamped(struct text t, uint64_t number)
{
	struct text copy = { must(malloc(t.n)), t.n };
	memcpy(copy.p, t.p, t.n);
	char *at = memmem(copy.p, copy.n, "@@@@@@@@@@@@@@@@", 16);
	if (!at) return copy;
	char digits[24];
	snprintf(digits, sizeof digits, "%016llu", (unsigned long long)number);
	memcpy(at, digits, 16);
	return copy;
}

static void read_requests(void)
{
	char line[64];
	while (fgets(line, sizeof line, stdin)) {
		struct text t = { .n = strtoul(line, NULL, 10) };
		t.p = must(malloc(t.n + 1));
		if (fread(t.p, 1, t.n, stdin) != t.n) refuse("short input", line, strlen(line));
		requests = must(realloc(requests, (request_count + 1) * sizeof *requests));
		requests[request_count++] = t;
	}
	if (!request_count) refuse("no requests", "", 0);
}

static const struct protocol *protocol_named(const char *name)
{
	static const struct protocol *const all[] = { &protocol_ws, &protocol_socketio, &protocol_mqtt, &protocol_nats };
	for (size_t i = 0; i < BECK_COUNT(all); i++)
		if (strcmp(name, all[i]->name) == 0) return all[i];
	return NULL;
}

static int usage(void)
{
	fputs("usage: load http HOST:PORT [--conns N] [--seconds S] [--warm S] [--rate R] [--tls]\n"
	      "       load ws|socketio|mqtt|nats HOST:PORT [--parallel K] [--commands FD] [--tls]\n",
		stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option names[] = { { "conns", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 's' }, { "warm", required_argument, NULL, 'w' },
		{ "rate", required_argument, NULL, 'r' }, { "parallel", required_argument, NULL, 'p' },
		{ "commands", required_argument, NULL, 'd' }, { "tls", no_argument, NULL, 't' }, { NULL, 0, NULL, 0 } };
	double seconds = 5, warm = 1, rate = 0;
	size_t conns = 64, parallel = 256;
	int option, commands = 0;
	bool tls = false;
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'c': conns = strtoul(optarg, NULL, 10); break;
		case 's': seconds = strtod(optarg, NULL); break;
		case 'w': warm = strtod(optarg, NULL); break;
		case 'r': rate = strtod(optarg, NULL); break;
		case 'p': parallel = strtoul(optarg, NULL, 10); break;
		case 'd': commands = (int)strtol(optarg, NULL, 10); break;
		case 't': tls = true; break;
		default: return usage();
		}
	}
	if (argc - optind != 2) return usage();
	const struct protocol *protocol = protocol_named(argv[optind]);
	if (!protocol && strcmp(argv[optind], "http") != 0) return usage();
	connections_init(argv[optind + 1], tls);
	read_requests();
	return protocol ? run_fan(protocol, parallel, commands) : run_http(conns, warm, seconds, rate);
}
