/* Fan-out without sockets: one event of 1 KiB to 1,000 sessions of one loop, into their queues and out again.
 *
 *   fanout_core [--sessions N] [--burst N] [--rounds N]
 *
 * Members watch the channel, have 50 channels each with unread messages, and get their own counts; a tenth does not watch and
 * gets the notification. Prints deliveries per second and core for single events and for bursts, and memory per idle session. */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "../tests/support/fake_loop.h"
#include "session/session.h"

enum { APP = 1, CHANNEL = 1, CHANNELS = 50, BODY = 1024, OUT = 64 };

struct reader {
	struct session_carrier carrier;
	struct session *session;
	bool is_ready;
};
struct bench {
	struct fake_time time;
	struct net_loop *loop;
	struct registry *registry;
	struct session_hub *hub;
	struct session_ops ops;
	struct reader *readers;
	size_t n;
	int64_t pos;
	size_t sum; /* so that nothing is left out */
};

static void on_ready(struct session_carrier *c) { BECK_CONTAINER(c, struct reader, carrier)->is_ready = true; }
static void no_replay(void *ctx, struct session_hub *h, struct span id, int64_t app, int64_t user, int64_t after,
	const struct session_interest *in, enum dialect d)
{
	(void)ctx, (void)h, (void)id, (void)app, (void)user, (void)after, (void)in, (void)d;
}
static void no_recount(void *ctx, struct session_hub *h, int64_t app, int64_t user) { (void)ctx, (void)h, (void)app, (void)user; }
static void no_ended(void *ctx, int64_t app, int64_t user, const int64_t *channels, const int64_t *counts, size_t n, bool last)
{
	(void)ctx, (void)app, (void)user, (void)channels, (void)counts, (void)n, (void)last;
}
static void no_done(struct session_subscribe *s) { (void)s; }

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void drain(struct bench *b)
{
	struct session_out out[OUT];
	for (size_t i = 0; i < b->n; i++) {
		struct reader *r = &b->readers[i];
		size_t n;
		if (!r->is_ready) continue;
		r->is_ready = false;
		while ((n = session_peek(r->session, 0, out, OUT))) {
			for (size_t k = 0; k < n; k++) b->sum += out[k].ws_head_n + out[k].body.n + out[k].tail.n;
			session_consume(r->session, n);
		}
	}
}

static void open_all(struct bench *b)
{
	struct session_membership m[CHANNELS];
	for (size_t i = 0; i < b->n; i++) {
		struct reader *r = &b->readers[i];
		bool came;
		/* The first channel is everybody's, the others are shared by some hundred each. */
		for (int64_t c = 0; c < CHANNELS; c++)
			m[c] = (struct session_membership){ c ? 2 + (int64_t)fake_below(&b->time, b->n / 2 + 1) : CHANNEL, 10,
				(uint32_t)(c % 2), false };
		struct session_start start = { .app = APP,
			.user = (int64_t)i + 1,
			.me = SPAN("{\"id\":\"u\"}"),
			.snapshot_pos = b->pos,
			.memberships = m,
			.membership_count = CHANNELS,
			.dialect = DIALECT_1,
			.wants_seq = i % 2 };
		r->carrier.ready = on_ready;
		r->session = session_create(b->hub, &r->carrier, false);
		BECK_ASSERT(r->session && session_open(r->session, &start, &came) == ERR_OK);
		int64_t channel = CHANNEL;
		struct session_subscribe s = {
			.app = APP, .user = start.user, .channels = &channel, .channel_count = i % 10 ? 1 : 0, .done = no_done
		};
		memcpy(s.connection_id, session_id(r->session).p, session_id(r->session).n);
		session_hub_post_subscribe(b->hub, &s);
		fake_loop_turn(b->loop);
		BECK_ASSERT(s.found);
	}
	drain(b);
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

static struct event *message(struct bench *b)
{
	struct event *e = event_new(EVENT_MESSAGE_NEW);
	BECK_ASSERT(e);
	e->app = APP;
	e->channel = CHANNEL;
	e->pos = ++b->pos;
	e->actor = 1;
	e->move = MOVE_COUNTED;
	e->seq = b->pos;
	e->flags = EVENT_HAS_COUNTS;
	e->body = body_of("message.new");
	e->notify = body_of("notification.message_new");
	return e;
}

static void run(struct bench *b, const char *name, size_t burst, size_t rounds)
{
	double in = 0, out = 0;
	for (size_t r = 0; r < rounds; r++) {
		double start = now_s();
		for (size_t i = 0; i < burst; i++) {
			struct event *e = message(b);
			session_hub_deliver(b->hub, &e, 1);
			event_unref(e);
		}
		double middle = now_s();
		drain(b);
		in += middle - start;
		out += now_s() - middle;
	}
	double n = (double)(burst * rounds * b->n);
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
	struct bench b = { .n = option(argc, argv, "--sessions", 1000), .pos = 1000 };
	size_t burst = option(argc, argv, "--burst", 100), rounds = option(argc, argv, "--rounds", 50);
	fake_time_init(&b.time, 1);
	b.loop = fake_loop_create(&b.time);
	b.registry = registry_create(&b.time.rng);
	b.ops = (struct session_ops){ no_replay, no_recount, no_ended, NULL, &b };
	b.hub = session_hub_create(b.loop, 0, 0, b.registry, &b.ops);
	b.readers = calloc(b.n, sizeof *b.readers);
	BECK_ASSERT(b.hub && b.readers);
	size_t before = mallinfo2().uordblks;
	open_all(&b);
	size_t after = mallinfo2().uordblks;
	printf("%-28s %10.0f bytes (session, user, registry, %d memberships)\n", "idle session",
		(double)(after - before) / (double)b.n, CHANNELS);
	run(&b, "1 event", 1, rounds * burst);
	run(&b, "burst", burst, rounds);
	for (size_t i = 0; i < b.n; i++) {
		session_close(b.readers[i].session, 0, NULL);
		session_release(b.readers[i].session);
	}
	free(b.readers);
	session_hub_destroy(b.hub);
	registry_destroy(b.registry);
	net_loop_destroy(b.loop);
	return b.sum == 0;
}
