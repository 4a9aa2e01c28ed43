#include "in_memory/in_memory.h"

enum { OUT = 64, MEMBERSHIPS_MAX = 1000, TICK_MS = 1000, SHARED_BY = 100 };

/* ---- what the layers above would do ---- */

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

/* ---- carriers ---- */

static void on_ready(struct session_carrier *c)
{
	struct reader *r = BECK_CONTAINER(c, struct reader, carrier);
	if (r->is_ready) return;
	r->is_ready = true;
	r->next_ready = r->owner->ready;
	r->owner->ready = r;
}

static void read_off(struct in_memory *m, struct reader *r)
{
	struct session_out out[OUT];
	size_t n;
	while ((n = session_peek(r->session, 0, out, OUT))) {
		for (size_t k = 0; k < n; k++) m->sum += out[k].ws_head_n + out[k].body.n + out[k].tail.n;
		r->got += (uint32_t)n;
		session_consume(r->session, n);
	}
}

void in_memory_drain(struct in_memory *m)
{
	while (m->ready) {
		struct reader *r = m->ready;
		m->ready = r->next_ready;
		r->is_ready = false;
		read_off(m, r);
	}
}

void in_memory_pass(struct in_memory *m, int64_t ms)
{
	for (int64_t left = ms; left > 0; left -= TICK_MS) {
		fake_pass(&m->time, m->loop, left < TICK_MS ? left : TICK_MS);
		in_memory_drain(m);
	}
}

/* ---- life ---- */

void in_memory_init(struct in_memory *m, size_t readers)
{
	*m = (struct in_memory){ .n = readers, .pos = 1000 };
	fake_time_init(&m->time, 1);
	m->loop = fake_loop_create(&m->time);
	m->registry = registry_create(&m->time.rng);
	m->ops = (struct session_ops){ no_replay, no_recount, no_ended, NULL, NULL, m };
	m->hub = session_hub_create(m->loop, 0, 0, m->registry, &m->ops);
	m->readers = calloc(m->n, sizeof *m->readers);
	BECK_ASSERT(m->loop && m->registry && m->hub && m->readers);
}

static void watch(struct in_memory *m, struct reader *r, int64_t user, const int64_t *channels, size_t n)
{
	struct session_subscribe s = {
		.app = IN_MEMORY_APP, .user = user, .channels = channels, .channel_count = n, .done = no_done
	};
	struct span id = session_id(r->session);
	memcpy(s.connection_id, id.p, id.n);
	session_hub_post_subscribe(m->hub, &s);
	fake_loop_turn(m->loop);
	BECK_ASSERT(s.found);
}

void in_memory_open(struct in_memory *m, const int64_t *channels, size_t channel_count, size_t watched)
{
	struct session_membership memberships[MEMBERSHIPS_MAX];
	BECK_ASSERT(m->opened < m->n && channel_count <= MEMBERSHIPS_MAX && watched <= channel_count);
	for (size_t c = 0; c < channel_count; c++)
		memberships[c] = (struct session_membership){ channels[c], 10, (uint32_t)(c % 2), false };
	struct reader *r = &m->readers[m->opened++];
	struct session_start start = { .app = IN_MEMORY_APP,
		.user = (int64_t)m->opened,
		.me = SPAN("{\"id\":\"u\"}"),
		.snapshot_pos = m->pos,
		.memberships = memberships,
		.membership_count = channel_count,
		.dialect = DIALECT_1,
		.wants_seq = m->opened % 2 };
	bool came;
	r->owner = m;
	r->carrier.ready = on_ready;
	r->session = session_create(m->hub, &r->carrier, false);
	BECK_ASSERT(r->session && session_open(r->session, &start, &came) == ERR_OK);
	watch(m, r, start.user, channels, watched);
	in_memory_drain(m);
}

void in_memory_others(struct in_memory *m, int64_t *channels, size_t n)
{
	uint64_t each = m->n / SHARED_BY + 1; /* one of so many for each of the n, in rising order */
	for (size_t i = 0; i < n; i++) channels[i] = (int64_t)(2 + i * each + fake_below(&m->time, each));
}

void in_memory_deinit(struct in_memory *m)
{
	for (size_t i = 0; i < m->opened; i++) {
		session_close(m->readers[i].session, 0, NULL);
		session_release(m->readers[i].session);
	}
	free(m->readers);
	session_hub_destroy(m->hub);
	registry_destroy(m->registry);
	net_loop_destroy(m->loop);
}
