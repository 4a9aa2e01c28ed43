/* Devices that are real clients: libbeck as it is shipped, driven by beck_poll, on a transport of the simulated world. What it
 * hands to its handlers goes through the same checks as what the other devices read off the wire. Now and then its network
 * forbids WebSockets, swallows them, cuts lines or loses answers; it must change over and back and lose, repeat and reorder
 * nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "base/mem.h"
#include "client/io.h"

#include <beck/beck.h>

/* ---- the transport ---- */

struct transfer {
	struct transfer *next;
	uint64_t id;
	bool is_stream, is_open, is_gone;
	struct line *line; /* NULL: nobody listened */
	struct buf in;
	int64_t until_ms;
};

struct sim_io {
	struct io io;
	struct sim *s;
	struct transfer *all;
	uint64_t last_id;
	int64_t skew_ms; /* while a blocking call waits, time passes for this client alone */
	enum { WS_WORKS, WS_REFUSED, WS_SWALLOWED } mood;
};

static struct sim *running;
static struct sim_io *of(struct io *io) { return BECK_CONTAINER(io, struct sim_io, io); }
static int64_t now_ms(struct io *io) { return world_now() / 1000 + of(io)->skew_ms; }

static int64_t wall_us(struct io *io)
{
	(void)io;
	return clock_wall_us(&world_clock);
}

static void fill_random(struct io *io, void *p, size_t n)
{
	(void)io;
	for (size_t i = 0; i < n; i++) ((unsigned char *)p)[i] = (unsigned char)world_below(256);
}

static struct transfer *add(struct sim_io *c, bool is_stream, int64_t timeout_ms)
{
	struct transfer *t = calloc(1, sizeof *t);
	BECK_ASSERT(t);
	t->id = ++c->last_id;
	t->is_stream = is_stream;
	t->line = line_dial();
	t->until_ms = now_ms(&c->io) + timeout_ms;
	t->next = c->all;
	buf_init(&t->in, 64 << 20);
	c->all = t;
	return t;
}

static struct transfer *find(struct sim_io *c, uint64_t id)
{
	for (struct transfer *t = c->all; t; t = t->next)
		if (t->id == id && !t->is_gone) return t;
	return NULL;
}

static void drop(struct transfer *t)
{
	line_free(t->line);
	t->line = NULL;
	t->is_gone = true;
}

static void sweep(struct sim_io *c)
{
	for (struct transfer **at = &c->all; *at;) {
		struct transfer *t = *at;
		if (!t->is_gone) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		buf_deinit(&t->in);
		free(t);
	}
}

static uint64_t http_start(struct io *io, const struct io_http *r)
{
	struct transfer *t = add(of(io), false, r->timeout_ms);
	struct buf text;
	struct span path = span_skip(r->url, strlen("http://sim"));
	buf_init(&text, 4 << 20);
	buf_printf(&text, "%s %.*s HTTP/1.1\r\nHost: sim\r\n", r->method, SPAN_FMT(path));
	for (size_t i = 0; i < r->n_headers; i++) buf_printf(&text, "%.*s\r\n", SPAN_FMT(r->headers[i]));
	if (span_given(r->body)) buf_printf(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n", r->body.n);
	buf_add_span(&text, SPAN("\r\n"));
	buf_add_span(&text, r->body);
	if (t->line) line_send(t->line, buf_span(&text));
	buf_deinit(&text);
	return t->id;
}

static uint64_t stream_open(struct io *io, struct span url, uint32_t timeout_ms)
{
	(void)url;
	return add(of(io), true, timeout_ms)->id;
}

static bool stream_send(struct io *io, uint64_t id, struct span bytes)
{
	struct transfer *t = find(of(io), id);
	if (t && t->line) line_send(t->line, bytes);
	return t != NULL;
}

static void end(struct io *io, uint64_t id)
{
	struct transfer *t = find(of(io), id);
	if (t) drop(t);
}

static void answer(struct sim_io *c, struct transfer *t, beck_result result, int status, struct span body)
{
	struct io_answer a = { .result = result, .status = status, .body = body, .problem = SPAN("the simulated network") };
	uint64_t id = t->id;
	struct buf in = t->in; /* the body is in it */
	buf_init(&t->in, 1);
	drop(t);
	c->io.events->on_answer(c->io.ctx, id, &a);
	buf_deinit(&in);
}

static void step_http(struct sim_io *c, struct transfer *t)
{
	int status;
	struct span body;
	bool open = t->line && line_receive(t->line, &t->in, 1 + (size_t)world_below(65536));
	bool is_lost = !c->s->is_calm && world_below(30000) == 0;
	if (!is_lost && http_answer(&t->in, &status, &body))
		answer(c, t, BECK_OK, status, body);
	else if (!open || is_lost)
		answer(c, t, BECK_ENETWORK, 0, SPAN_NONE);
	else if (now_ms(&c->io) > t->until_ms)
		answer(c, t, BECK_ETIMEOUT, 0, SPAN_NONE);
}

static void stream_closed(struct sim_io *c, struct transfer *t)
{
	uint64_t id = t->id;
	drop(t);
	c->io.events->on_stream_closed(c->io.ctx, id, BECK_ENETWORK, SPAN("the simulated network"));
}

static void step_stream(struct sim_io *c, struct transfer *t)
{
	if (!t->line || c->mood == WS_REFUSED || (!c->s->is_calm && world_below(20000) == 0)) {
		stream_closed(c, t);
	} else if (!t->is_open) {
		t->is_open = true;
		c->io.events->on_stream_open(c->io.ctx, t->id);
	} else if (c->mood != WS_SWALLOWED) {
		bool open = line_receive(t->line, &t->in, 1 + (size_t)world_below(20000));
		struct buf taken = t->in;
		buf_init(&t->in, 64 << 20);
		uint64_t id = t->id;
		if (taken.n) c->io.events->on_stream_data(c->io.ctx, id, buf_span(&taken));
		buf_deinit(&taken);
		t = find(c, id);
		if (t && !open) stream_closed(c, t);
	}
}

static void turn(struct io *io)
{
	struct sim_io *c = of(io);
	uint64_t newest = c->last_id; /* what starts meanwhile has its turn next time */
	if (!c->s->is_calm && world_below(15000) == 0) c->mood = (int)world_below(3);
	if (c->s->is_calm) c->mood = WS_WORKS;
	for (uint64_t id = 1; id <= newest; id++) {
		struct transfer *t = find(c, id);
		if (t && t->is_stream)
			step_stream(c, t);
		else if (t)
			step_http(c, t);
	}
	sweep(c);
}

static void wait_here(struct io *io, int timeout_ms) { of(io)->skew_ms += timeout_ms > 0 ? timeout_ms : 1; }
static void nothing(struct io *io) { (void)io; }

static size_t no_fds(struct io *io, beck_fd *fds, size_t max)
{
	(void)io, (void)fds, (void)max;
	return 0;
}

static int soon(struct io *io)
{
	(void)io;
	return 1;
}

static void destroy(struct io *io)
{
	struct sim_io *c = of(io);
	for (struct transfer *t = c->all; t; t = t->next) drop(t);
	sweep(c);
	free(c);
}

static const struct io_driver driver = { .destroy = destroy,
	.http_start = http_start,
	.http_cancel = end,
	.stream_open = stream_open,
	.stream_send = stream_send,
	.stream_close = end,
	.wait = wait_here,
	.wake = nothing,
	.turn = turn,
	.fds = no_fds,
	.deadline_ms = soon,
	.now_ms = now_ms,
	.wall_us = wall_us,
	.random = fill_random };

/* In the place of curl's. */
struct io *io_curl_create(const struct io_setup *setup, const struct io_events *events, void *ctx)
{
	(void)setup;
	struct sim_io *c = calloc(1, sizeof *c);
	BECK_ASSERT(c);
	c->io = (struct io){ &driver, events, ctx };
	c->s = running;
	return &c->io;
}

/* ---- the devices ---- */

static void on_event(void *ctx, beck_client *client, const beck_event *event)
{
	struct phone *d = ctx;
	struct arena a;
	const char *why;
	size_t at;
	(void)client;
	if (beck_event_is_local(event)) return;
	arena_init(&a, 16 << 20);
	yyjson_val *v = json_parse(&a, span_str(beck_event_json(event)), &why, &at);
	if (v)
		device_event(running, d, v);
	else
		sim_fail(running, "libbeck gave an event that is no JSON: %s", why);
	arena_deinit(&a);
}

static void on_connect(void *ctx, beck_client *client, const beck_error *error)
{
	struct phone *d = ctx;
	(void)client;
	d->is_asked = error == NULL; /* else it is asked again */
}

static void on_log(void *ctx, beck_log_level level, const char *line)
{
	const struct phone *d = ctx;
	(void)level;
	if (running->is_verbose)
		fprintf(stderr, "%.3f s: libbeck of %s: %s\n", (double)world_now() / 1e6, user_name(d->user), line);
}

static void start(struct sim *s, struct phone *d)
{
	beck_error err = { 0 };
	running = s;
	d->client = beck_client_create("key", &(beck_options){ .base_url = "http://sim",
						      .threading = BECK_NO_THREAD,
						      .enable_ws_fallback = d->prefers_poll,
						      .log = on_log,
						      .log_ctx = d,
						      .log_level = BECK_LOG_DEBUG,
						      .ws_retry_ms = 20000,
						      .timeout_ms = 6000,
						      .outbox_max = MESSAGES,
						      .error = &err });
	if (!d->client || !beck_on(d->client, NULL, on_event, d)) sim_fail(s, "libbeck: no client: %s", err.message);
}

static void connect_again(struct sim *s, struct phone *d)
{
	char user[64], token[256];
	beck_error err = { 0 };
	(void)snprintf(user, sizeof user, "{\"id\":\"%s\"}", user_name(d->user));
	(void)snprintf(token, sizeof token, "%.*s", SPAN_FMT(user_token(d->user)));
	d->is_asked = beck_connect_user_async(d->client, user, token, NULL, NULL, on_connect, d, &err) == BECK_OK;
	if (!d->is_asked) sim_fail(s, "libbeck: connect refused: %s", err.message);
	for (int i = 0; i < CHANNELS && d->user % 2 == 0; i++) {
		char id[16];
		(void)snprintf(id, sizeof id, "c%d", i);
		beck_channel *ch = beck_channel_open(d->client, "messaging", id);
		if (beck_channel_watch_async(ch, NULL, NULL, NULL, &err) != BECK_OK) sim_fail(s, "libbeck: %s", err.message);
		beck_channel_unref(ch);
	}
}

void library_step(struct sim *s, struct phone *d)
{
	running = s;
	if (d->retry_us == INT64_MAX) return;
	if (!d->client) start(s, d);
	if (d->client && !d->is_asked && beck_state(d->client) == BECK_DISCONNECTED) connect_again(s, d);
	if (!d->client) return;
	if (!s->is_calm && world_below(40000) == 0) beck_network_changed(d->client);
	(void)beck_poll(d->client, 0);
	d->is_live = beck_state(d->client) == BECK_CONNECTED && d->seq > 0;
}

static void on_sent(void *ctx, const beck_error *error, const beck_reply *reply)
{
	struct sent *m = ctx;
	(void)error;
	if (reply) m->is_acked = true;
}

bool library_send(struct sim *s, struct phone *d, int message)
{
	char id[16], json[96];
	beck_error err = { 0 };
	if (!d->client || !d->is_asked) return false;
	(void)snprintf(id, sizeof id, "c%d", s->sent[message].channel);
	(void)snprintf(json, sizeof json, "{\"id\":\"m-%d\",\"text\":\"number %d\"}", message, message);
	beck_channel *ch = beck_channel_open(d->client, "messaging", id);
	beck_result r = beck_send_message_async(ch, json, NULL, on_sent, &s->sent[message], &err);
	beck_channel_unref(ch);
	return r == BECK_OK;
}

static bool note_pending(void *ctx, const beck_outbox_entry *e)
{
	(void)e;
	++*(size_t *)ctx;
	return true;
}

size_t library_waiting(struct phone *d)
{
	size_t n = 0;
	if (d->client) (void)beck_outbox_each(d->client, note_pending, &n);
	return n;
}

void library_end(struct phone *d)
{
	beck_release(d->client);
	d->client = NULL;
	d->is_asked = false;
}
