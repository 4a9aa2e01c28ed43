#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "net/driver.h"

/* ---- chance and time: splitmix64 ---- */
static uint64_t state, server_state; /* who moves next; what the server draws */
static int64_t mono_us, wall_offset_us;
static bool is_frozen;

static uint64_t draw(uint64_t *from)
{
	uint64_t z = *from += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void world_reseed(uint64_t seed)
{
	/* Neighbouring seeds must not be one stream a step apart. */
	state = seed;
	state = draw(&state) ^ seed << 32;
	server_state = draw(&state);
}

void world_seed(uint64_t seed)
{
	world_reseed(seed);
	mono_us = 1000000;
	wall_offset_us = INT64_C(1790000000000000);
	is_frozen = false;
}

uint64_t world_random(void) { return draw(&state); }

uint64_t world_below(uint64_t n) { return n ? world_random() % n : 0; }
bool world_chance(unsigned percent) { return world_below(100) < percent; }

static void fill(void *ctx, void *p, size_t n)
{
	(void)ctx;
	unsigned char *at = p;
	for (size_t i = 0; i < n; i++) at[i] = (unsigned char)(draw(&server_state) >> 24);
}
const struct rng world_rng = { .fill = fill };

static int64_t mono(void *ctx)
{
	(void)ctx;
	return mono_us;
}
/* Reading the clock costs a microsecond, so that time moves even where nothing else does. */
static int64_t wall(void *ctx)
{
	(void)ctx;
	if (!is_frozen) mono_us++;
	return mono_us + wall_offset_us;
}
const struct clock world_clock = { .wall_us = wall, .mono_us = mono };

int64_t world_now(void) { return mono_us; }
void world_pass(int64_t us) { mono_us += us; }
void world_freeze(void) { is_frozen = true; }
static int64_t latency(void) { return is_frozen ? 0 : (int64_t)world_below(20000); }
void world_step_wall(int64_t us) { wall_offset_us += us; }

/* ---- lines ---- */
struct line {
	struct net_stream *server; /* NULL once the server's end is gone */
	struct buf to_server, to_client;
	size_t window;
	int64_t arrives_us; /* bytes to the server are seen from then on */
	bool client_closed, server_closed, is_cut;
	bool held; /* by the client; freed when both ends are gone */
};

struct sim_stream {
	struct net_stream base;
	struct list node;
	struct line *line;
	bool reading, writable_wanted, closing, saw_eof, told_error;
	int64_t linger_until_us;
	bool graceful;
};
struct sim_loop {
	struct net_loop base;
	struct list streams;
	struct list backlog; /* accepted in the next turn */
	struct net_listener *listener;
	char scratch[65536];
};
struct sim_listener {
	struct net_listener base;
	struct net_listen_options o;
};

static struct sim_loop *loops[16];
static size_t loop_count;

static void line_release(struct line *l)
{
	if (l->server || l->held) return;
	buf_deinit(&l->to_server);
	buf_deinit(&l->to_client);
	free(l);
}

/* ---- driver ---- */
static void d_nothing(struct net_loop *l) { (void)l; }

static void forget_streams(struct list *streams)
{
	struct list *n;
	while ((n = list_shift(streams))) {
		struct sim_stream *s = BECK_CONTAINER(n, struct sim_stream, node);
		s->line->server = NULL;
		s->line->server_closed = true;
		line_release(s->line);
		free(s);
	}
}

static void d_destroy(struct net_loop *l)
{
	struct sim_loop *s = (struct sim_loop *)l;
	for (size_t i = 0; i < loop_count; i++)
		if (loops[i] == s) loops[i] = loops[--loop_count];
	forget_streams(&s->streams);
	forget_streams(&s->backlog);
	net_loop_deinit(l);
	free(s);
}

static int64_t d_write(struct net_stream *st, const struct iovec *iov, int count)
{
	struct sim_stream *s = (struct sim_stream *)st;
	struct line *l = s->line;
	if (l->is_cut || l->client_closed) return -1;
	size_t room = l->to_client.n < l->window ? l->window - l->to_client.n : 0, took = 0;
	if (world_chance(5) && room > 1) room = 1 + (size_t)world_below(room); /* short writes happen */
	for (int i = 0; i < count && room > 0; i++) {
		size_t n = iov[i].iov_len < room ? iov[i].iov_len : room;
		buf_add(&l->to_client, iov[i].iov_base, n);
		took += n;
		room -= n;
		if (n < iov[i].iov_len) break;
	}
	size_t all = 0;
	for (int i = 0; i < count; i++) all += iov[i].iov_len;
	if (took < all) s->writable_wanted = true;
	return (int64_t)took;
}

static int64_t d_unacked(struct net_stream *st) { return (int64_t)((struct sim_stream *)st)->line->to_client.n; }
static void d_read(struct net_stream *st, bool on) { ((struct sim_stream *)st)->reading = on; }

static void d_close(struct net_stream *st)
{
	struct sim_stream *s = (struct sim_stream *)st;
	s->closing = true;
	s->line->server_closed = true;
}

static void d_close_gracefully(struct net_stream *st, int64_t linger_ms)
{
	struct sim_stream *s = (struct sim_stream *)st;
	s->graceful = true;
	s->line->server_closed = true;
	s->linger_until_us = mono_us + linger_ms * 1000;
}

static struct net_listener *d_listen(struct net_loop *l, const struct net_listen_options *o, const char **why)
{
	(void)why;
	struct sim_listener *n = calloc(1, sizeof *n);
	BECK_ASSERT(n);
	n->base.loop = l;
	n->base.port = o->port ? o->port : 1;
	n->o = *o;
	((struct sim_loop *)l)->listener = &n->base;
	return &n->base;
}

static void d_listener_close(struct net_listener *ls)
{
	((struct sim_loop *)ls->loop)->listener = NULL;
	free(ls);
}

static const struct net_driver driver = { .run = d_nothing,
	.stop = d_nothing,
	.destroy = d_destroy,
	.wake = d_nothing,
	.write = d_write,
	.unacked = d_unacked,
	.read = d_read,
	.close_gracefully = d_close_gracefully,
	.close = d_close,
	.listen = d_listen,
	.listener_close = d_listener_close };

struct net_loop *world_make_loop(void *ctx, const struct clock *clock, const struct rng *rng)
{
	(void)ctx;
	struct sim_loop *s = calloc(1, sizeof *s);
	BECK_ASSERT(s && loop_count < BECK_COUNT(loops));
	net_loop_init(&s->base, &driver, clock, rng);
	list_init(&s->streams);
	list_init(&s->backlog);
	loops[loop_count++] = s;
	return &s->base;
}

/* ---- a turn ---- */
static void finish(struct sim_stream *s)
{
	list_remove(&s->node);
	if (s->base.ev) s->base.ev->on_closed(s->base.ctx, &s->base);
	s->line->server = NULL;
	s->line->server_closed = true;
	line_release(s->line);
	free(s);
}

static bool feed(struct sim_loop *loop, struct sim_stream *s)
{
	struct line *l = s->line;
	if (!s->reading || s->saw_eof || mono_us < l->arrives_us) return false;
	if (l->to_server.n > 0) {
		size_t n = l->to_server.n < sizeof loop->scratch ? l->to_server.n : sizeof loop->scratch;
		if (world_chance(20)) n = 1 + (size_t)world_below(n);
		memcpy(loop->scratch, l->to_server.p, n);
		buf_consume(&l->to_server, n);
		if (s->base.ev) s->base.ev->on_read(s->base.ctx, &s->base, loop->scratch, n);
		return true;
	}
	if (!l->client_closed) return false;
	s->saw_eof = true;
	if (s->base.ev) s->base.ev->on_read(s->base.ctx, &s->base, loop->scratch, 0);
	return true;
}

static bool serve(struct sim_loop *loop, struct sim_stream *s)
{
	struct line *l = s->line;
	if (s->closing || (s->graceful && (l->client_closed || l->is_cut || mono_us >= s->linger_until_us))) {
		finish(s);
		return true;
	}
	if (l->is_cut) {
		if (s->told_error) return false;
		s->told_error = true;
		if (s->base.ev) s->base.ev->on_error(s->base.ctx, &s->base, "reset");
		return true;
	}
	if (s->writable_wanted && l->to_client.n < l->window / 2 + 1) {
		s->writable_wanted = false;
		if (s->base.ev) s->base.ev->on_writable(s->base.ctx, &s->base);
		return true;
	}
	return feed(loop, s);
}

static bool accept_waiting(struct sim_loop *loop)
{
	struct list *n = list_shift(&loop->backlog);
	if (!n) return false;
	struct sim_stream *s = BECK_CONTAINER(n, struct sim_stream, node);
	list_push(&loop->streams, &s->node);
	const struct sim_listener *ls = (const struct sim_listener *)loop->listener;
	if (!ls || ls->o.on_accept(ls->o.ctx, &s->base) != 0) {
		s->base.ev = NULL;
		d_close(&s->base);
	}
	return true;
}

bool world_turn(struct net_loop *l)
{
	struct sim_loop *loop = (struct sim_loop *)l;
	bool did = false;
	net_loop_touch(l);
	while (accept_waiting(loop)) did = true;
	/* A stream may be finished while the others are looked at, so the list is taken apart and put together again. */
	struct list all, *node;
	list_take_all(&all, &loop->streams);
	while ((node = list_shift(&all))) {
		struct sim_stream *s = BECK_CONTAINER(node, struct sim_stream, node);
		list_push(&loop->streams, &s->node);
		did |= serve(loop, s);
	}
	did |= !list_empty(&l->inbox);
	net_loop_run_mailbox(l);
	int64_t due = net_loop_next_due(l);
	did |= due && due <= mono_us;
	net_loop_run_timers(l);
	did |= net_loop_has_deferred(l);
	net_loop_run_deferred(l);
	return did;
}

int64_t world_next_due(struct net_loop *l)
{
	struct sim_loop *loop = (struct sim_loop *)l;
	int64_t due = net_loop_next_due(l);
	for (struct list *n = loop->streams.next; n != &loop->streams; n = n->next) {
		struct sim_stream *s = BECK_CONTAINER(n, struct sim_stream, node);
		int64_t at = s->graceful ? s->linger_until_us : s->line->to_server.n ? s->line->arrives_us : 0;
		if (at && (!due || at < due)) due = at;
	}
	return due;
}

/* ---- the client's end ---- */
struct line *line_dial(void)
{
	struct sim_loop *open[16];
	size_t n = 0;
	for (size_t i = 0; i < loop_count; i++)
		if (loops[i]->listener) open[n++] = loops[i];
	if (!n) return NULL;
	struct sim_loop *loop = open[world_below(n)];
	struct line *l = calloc(1, sizeof *l);
	struct sim_stream *s = calloc(1, sizeof *s);
	BECK_ASSERT(l && s);
	buf_init(&l->to_server, 64 << 20);
	buf_init(&l->to_client, 64 << 20);
	l->window = 262144;
	l->held = true;
	l->server = &s->base;
	l->arrives_us = mono_us + latency();
	s->base.loop = &loop->base;
	memcpy(s->base.peer, "127.0.0.1", 9);
	s->base.peer_n = 9;
	s->line = l;
	s->reading = true;
	list_push(&loop->backlog, &s->node);
	return l;
}

void line_send(struct line *l, struct span bytes)
{
	if (l->is_cut || l->client_closed) return;
	buf_add_span(&l->to_server, bytes);
	int64_t at = mono_us + latency();
	if (at > l->arrives_us) l->arrives_us = at;
}

bool line_receive(struct line *l, struct buf *out, size_t max)
{
	if (l->is_cut) return false;
	size_t n = l->to_client.n < max ? l->to_client.n : max;
	if (n) {
		buf_add(out, l->to_client.p, n);
		buf_consume(&l->to_client, n);
	}
	return l->to_client.n > 0 || !l->server_closed;
}

void line_cut(struct line *l)
{
	l->is_cut = true;
	buf_clear(&l->to_client);
	buf_clear(&l->to_server);
}

void line_free(struct line *l)
{
	if (!l) return;
	l->is_cut = true;
	l->client_closed = true;
	l->held = false;
	line_release(l);
}

void line_set_window(struct line *l, size_t bytes) { l->window = bytes; }

void world_sever_all(void)
{
	for (size_t i = 0; i < loop_count; i++) {
		struct sim_loop *loop = loops[i];
		loop->listener = NULL; /* the listener object is the server's, which closes it in its own time */
		for (struct list *n = loop->streams.next; n != &loop->streams; n = n->next)
			BECK_CONTAINER(n, struct sim_stream, node)->line->is_cut = true;
		for (struct list *n = loop->backlog.next; n != &loop->backlog; n = n->next)
			BECK_CONTAINER(n, struct sim_stream, node)->line->is_cut = true;
	}
}
