/* Fan-out without sockets: one event of 1 KiB to 1,000 sessions of one loop, into their queues and out again.
 *
 *   fanout_core [--sessions N] [--burst N] [--rounds N]
 *
 * Members watch the channel, have 50 channels each with unread messages, and get their own counts; a tenth does not watch and
 * gets the notification. Prints deliveries per second and core for single events and for bursts, and memory per idle session. */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "in_memory/in_memory.h"

enum { CHANNEL = 1, CHANNELS = 50, BODY = 1024 };

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The first channel is everybody's, the others are shared by a hundred each. */
static void open_all(struct in_memory *m)
{
	int64_t channels[CHANNELS] = { CHANNEL };
	for (size_t i = 0; i < m->n; i++) {
		in_memory_others(m, channels + 1, CHANNELS - 1);
		in_memory_open(m, channels, CHANNELS, i % 10 ? 1 : 0);
	}
}

static struct blob *body_of(const char *type)
{
	struct blob *body = blob_alloc(BODY);
	BECK_ASSERT(body);
	memset(body->p, ' ', BODY);
	int n = snprintf(body->p, BODY, "{\"type\":\"%s\"", type);
	body->p[n] = ' ';
	return body;
}

static struct event *message(struct in_memory *m)
{
	struct event *e = event_new(EVENT_MESSAGE_NEW);
	BECK_ASSERT(e);
	e->app = IN_MEMORY_APP;
	e->channel = CHANNEL;
	e->pos = ++m->pos;
	e->actor = 1;
	e->move = MOVE_COUNTED;
	e->seq = m->pos;
	e->flags = EVENT_HAS_COUNTS;
	e->body = body_of("message.new");
	e->notify = body_of("notification.message_new");
	return e;
}

static void run(struct in_memory *m, const char *name, size_t burst, size_t rounds)
{
	double in = 0, out = 0;
	for (size_t r = 0; r < rounds; r++) {
		double start = now_s();
		for (size_t i = 0; i < burst; i++) {
			struct event *e = message(m);
			session_hub_deliver(m->hub, &e, 1);
			event_unref(e);
		}
		double middle = now_s();
		in_memory_drain(m);
		in += middle - start;
		out += now_s() - middle;
	}
	double n = (double)(burst * rounds * m->n);
	printf("%-28s %10.0f deliveries/s/core (%.0f ns queueing, %.0f ns draining)\n", name, n / (in + out), in / n * 1e9,
		out / n * 1e9);
}

static size_t option(int argc, char **argv, const char *name, size_t otherwise)
{
	long long v;
	for (int i = 1; i + 1 < argc; i++)
		if (span_is(span_str(argv[i]), name) && span_to_i64(span_str(argv[i + 1]), &v) && v > 0) return (size_t)v;
	return otherwise;
}

int main(int argc, char **argv)
{
	struct in_memory m;
	size_t sessions = option(argc, argv, "--sessions", 1000);
	size_t burst = option(argc, argv, "--burst", 100), rounds = option(argc, argv, "--rounds", 50);
	in_memory_init(&m, sessions);
	size_t before = mallinfo2().uordblks;
	open_all(&m);
	size_t after = mallinfo2().uordblks;
	printf("%-28s %10.0f bytes (session, user, registry, %d memberships)\n", "idle session",
		(double)(after - before) / (double)sessions, CHANNELS);
	run(&m, "1 event", 1, rounds * burst);
	run(&m, "burst", burst, rounds);
	in_memory_deinit(&m);
	return m.sum == 0;
}
