/* What src/conn stands on, in the test's hand: a net driver in memory with a clock that the test moves, an api whose calls the
 * test completes, sessions whose queues the test fills. Included once by each test program; takes the place of those libraries.
 */
#ifndef BECK_TESTS_UNIT_CONN_FAKE_H
#define BECK_TESTS_UNIT_CONN_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "conn/http.h"
#include "conn/poll.h"
#include "conn/ws.h"
#include "net/driver.h"

/* ---- net ---- */
static int64_t fake_now_us = 1000000;
static inline int64_t fake_time(void *ctx)
{
	(void)ctx;
	return fake_now_us;
}
static const struct clock fake_clock = { fake_time, fake_time, NULL };

struct fake_stream {
	struct net_stream base;
	struct buf sent;
	int64_t room;    /* bytes it still takes; < 0 = any */
	int64_t unacked; /* of those that it took */
	bool reading, is_closed, is_half_closed, is_told, short_write;
	struct list node;
};
struct fake_loop {
	struct net_loop base;
	struct list closing;
};

static inline int64_t fake_write(struct net_stream *b, const struct iovec *iov, int count)
{
	struct fake_stream *s = BECK_CONTAINER(b, struct fake_stream, base);
	int64_t n = 0;
	assert_false(s->is_closed || s->is_half_closed);
	for (int i = 0; i < count; i++) {
		size_t take = iov[i].iov_len;
		if (s->room >= 0 && (int64_t)take > s->room) take = (size_t)s->room;
		buf_add(&s->sent, iov[i].iov_base, take);
		if (s->room >= 0) s->room -= (int64_t)take;
		n += (int64_t)take;
		if (take < iov[i].iov_len) {
			s->short_write = true;
			break;
		}
	}
	return n;
}
static inline int64_t fake_unacked(struct net_stream *b) { return BECK_CONTAINER(b, struct fake_stream, base)->unacked; }
static inline void fake_read(struct net_stream *b, bool on) { BECK_CONTAINER(b, struct fake_stream, base)->reading = on; }
static inline void fake_close(struct net_stream *b)
{
	struct fake_stream *s = BECK_CONTAINER(b, struct fake_stream, base);
	if (s->is_closed) return;
	s->is_closed = true;
	list_push(&BECK_CONTAINER(b->loop, struct fake_loop, base)->closing, &s->node);
}
static inline void fake_close_gracefully(struct net_stream *b, int64_t linger_ms)
{
	(void)linger_ms;
	BECK_CONTAINER(b, struct fake_stream, base)->is_half_closed = true;
}
static inline void fake_wake(struct net_loop *l) { (void)l; }
static const struct net_driver fake_driver = { .wake = fake_wake,
	.write = fake_write,
	.unacked = fake_unacked,
	.read = fake_read,
	.close = fake_close,
	.close_gracefully = fake_close_gracefully };

static inline void tell_closed(struct fake_stream *s)
{
	s->is_told = true;
	if (s->base.ev) s->base.ev->on_closed(s->base.ctx, &s->base);
}

/* One turn after `ms` more. */
static inline void turn(struct fake_loop *l, int64_t ms)
{
	struct list *node;
	fake_now_us += ms * 1000;
	net_loop_touch(&l->base);
	net_loop_run_mailbox(&l->base);
	net_loop_run_timers(&l->base);
	net_loop_run_deferred(&l->base);
	while ((node = list_shift(&l->closing))) tell_closed(BECK_CONTAINER(node, struct fake_stream, node));
}
static inline void turns(struct fake_loop *l, int n)
{
	for (int i = 0; i < n; i++) turn(l, 0);
}

/* ---- sessions ---- */
enum { FAKE_ITEMS = 256 };
struct session {
	struct session_carrier *carrier;
	char id[CONNECTION_ID_MAX + 1];
	char *items[FAKE_ITEMS];
	uint8_t heads[FAKE_ITEMS][10];
	int64_t pos[FAKE_ITEMS];
	size_t n, consumed, health_checks;
	int64_t rewound_to;
	uint16_t close_code;
	bool is_open, is_closed, is_poll, is_released;
};
static struct session *last_session;
static enum err next_open_result;
static unsigned sessions_alive;

static inline void session_push(struct session *s, const char *text)
{
	s->items[s->n] = strdup(text);
	s->n++;
	s->carrier->ready(s->carrier);
}
struct session *session_create(struct session_hub *h, struct session_carrier *c, bool is_poll)
{
	static unsigned serial;
	(void)h;
	struct session *s = calloc(1, sizeof *s);
	s->carrier = c;
	s->is_poll = is_poll;
	s->rewound_to = -1;
	snprintf(s->id, sizeof s->id, "session-%u", serial++);
	sessions_alive++;
	return last_session = s;
}
struct span session_id(const struct session *s) { return span_str(s->id); }
enum err session_open(struct session *s, const struct session_start *start, bool *came_online)
{
	if (next_open_result) return next_open_result;
	s->is_open = true;
	*came_online = start->user != 0;
	char first[200];
	snprintf(first, sizeof first, "{\"type\":\"health.check\",\"connection_id\":\"%s\",\"me\":{}}", s->id);
	session_push(s, first);
	return ERR_OK;
}
static inline void session_free(struct session *s)
{
	for (size_t i = 0; i < s->n; i++) free(s->items[i]);
	if (last_session == s) last_session = NULL;
	free(s);
	sessions_alive--;
}
void session_abort(struct session *s)
{
	assert_false(s->is_open);
	session_free(s);
}
void session_close(struct session *s, uint16_t close_code, struct blob *final_frame)
{
	assert_true(s->is_open);
	assert_null(final_frame);
	if (s->is_closed) return;
	s->is_closed = true;
	s->close_code = close_code;
	s->carrier->ready(s->carrier);
}
void session_release(struct session *s)
{
	assert_true(s->is_closed);
	session_free(s);
}
bool session_is_closed(const struct session *s, uint16_t *close_code)
{
	*close_code = s->close_code;
	return s->is_closed;
}
void session_health(struct session *s)
{
	s->health_checks++;
	session_push(s, "{\"type\":\"health.check\"}");
}
/* Each body is the text but its last byte, which is the tail. */
size_t session_peek(struct session *s, size_t from, struct session_out *out, size_t max)
{
	size_t n = 0;
	for (size_t i = s->consumed + from; i < s->n && n < max; i++, n++) {
		size_t whole = strlen(s->items[i]);
		size_t head = ws_head(s->heads[i], WS_TEXT, whole, false);
		out[n] = (struct session_out){ s->heads[i], head, { s->items[i], whole - 1 }, { s->items[i] + whole - 1, 1 },
			s->pos[i] };
	}
	return n;
}
void session_consume(struct session *s, size_t n)
{
	s->consumed += n;
	assert_true(s->consumed <= s->n);
}
size_t session_queued(const struct session *s, size_t *bytes)
{
	*bytes = 0;
	return s->n - s->consumed;
}
bool session_rewind(struct session *s, int64_t seq)
{
	s->rewound_to = seq;
	return true;
}
static unsigned loop_of_ids;
bool connection_id_loop(struct span id, unsigned *node, unsigned *loop)
{
	*node = 0;
	*loop = loop_of_ids;
	return span_starts(id, SPAN("session-"));
}

/* ---- api ---- */
enum { FAKE_CALLS = 300, FAKE_STREAMS = 300 };
static struct api_call *calls[FAKE_CALLS];
static size_t call_count;
static bool queue_is_full;
static struct app fake_app = { .pk = 7 };
static struct session_start fake_start;
static const struct api_route fake_route = { .name = "FakeOperation", .method = HTTP_M_GET, .pattern = "/" };
static unsigned calls_alive;

static inline enum err prepare(struct api_call *c)
{
	calls_alive++;
	c->route = &fake_route;
	assert_true(url_query_parse(&c->arena, c->http.query, &c->query));
	struct span token = url_query_get(&c->query, "token");
	if (span_is(token, "bad")) {
		c->chat.error = (struct error){ .err = ERR_AUTH, .message = SPAN("no") };
		return ERR_AUTH;
	}
	c->app = &fake_app;
	c->chat.caller = span_is(token, "anonymous") ? CALLER_ANONYMOUS : CALLER_USER;
	c->token.user_id = span_given(token) ? token : SPAN("ann");
	return ERR_OK;
}
enum err api_prepare(struct chat *chat, struct api_call *c)
{
	(void)chat;
	return prepare(c);
}
enum err api_prepare_connect(struct chat *chat, struct api_call *c)
{
	(void)chat;
	return prepare(c);
}
static enum err recheck_says; /* of the application, as a session opens */
enum err api_connect_recheck(struct api_call *c)
{
	if (recheck_says != ERR_OK) c->chat.error = (struct error){ .err = recheck_says, .message = SPAN("changed meanwhile") };
	return recheck_says;
}
void api_finish(struct api_call *c, int64_t now_us)
{
	(void)now_us;
	if (!c->reply.max) {
		buf_init(&c->reply, 1 << 24);
		jsonw_init(&c->out, &c->reply);
		jsonw_obj_begin(&c->out);
	}
	jsonw_kstr(&c->out, "duration", SPAN("0.00ms"));
	jsonw_obj_end(&c->out);
}
struct span api_error_json(
	const struct chat *chat, struct arena *a, const char *operation, const struct error *e, int64_t duration_us)
{
	(void)chat;
	(void)duration_us;
	return arena_printf(a, "{\"code\":%d,\"message\":\"%s failed with error: \\\"%.*s\\\"\",\"StatusCode\":%d}",
		err_code(e->err), operation, SPAN_FMT(e->message), err_http(e->err));
}
void api_call_deinit(struct api_call *c)
{
	if (c->route) calls_alive--;
	buf_deinit(&c->reply);
	arena_deinit(&c->arena);
}
static inline bool fake_submit(void *ctx, struct api_call *c)
{
	(void)ctx;
	if (queue_is_full) return false;
	assert_true(call_count < FAKE_CALLS);
	calls[call_count++] = c;
	return true;
}
/* Completes the i-th waiting call; the ones behind move up. */
static inline void complete(size_t i)
{
	struct api_call *c = calls[i];
	assert_true(i < call_count);
	memmove(calls + i, calls + i + 1, (--call_count - i) * sizeof calls[0]);
	c->done(c);
}
static inline void complete_connect(size_t i, int64_t user, const char *user_id)
{
	fake_start = (struct session_start){ .app = 7, .user = user, .user_id = span_str(user_id), .wants_seq = true };
	calls[i]->start = &fake_start;
	complete(i);
}

/* ---- one host, or two ---- */
static unsigned came_online;
static inline void fake_came_online(void *ctx, int64_t app, int64_t user)
{
	(void)ctx;
	(void)app;
	(void)user;
	came_online++;
}
static inline bool fake_asset(void *ctx, struct span path, struct conn_asset *out)
{
	static char page[4096];
	(void)ctx;
	memset(page, 'x', sizeof page);
	*out = (struct conn_asset){ .bytes = span_make(page, sizeof page),
		.type = SPAN("text/html; charset=utf-8"),
		.tag = SPAN("12ab"),
		.packed = span_is(path, "/console/packed") ? SPAN("as gzip") : SPAN_NONE,
		.is_folder = span_is(path, "/console") };
	return out->is_folder || span_is(path, "/console/") || span_is(path, "/console/packed");
}

struct world {
	struct fake_loop loops[2];
	struct conn_host *hosts[2];
	struct fake_stream *streams[FAKE_STREAMS];
	size_t stream_count;
};
static struct world *world;
static inline struct conn_host *host_of(void *ctx, unsigned loop)
{
	(void)ctx;
	return loop < 2 ? world->hosts[loop] : NULL;
}
static struct conn_ops fake_ops = {
	.submit = fake_submit, .host = host_of, .asset = fake_asset, .came_online = fake_came_online
};
static struct conn_settings fake_settings;

static inline void world_begin(struct world *w)
{
	static struct chat chat;
	*w = (struct world){ 0 };
	world = w;
	call_count = calls_alive = sessions_alive = came_online = loop_of_ids = 0;
	queue_is_full = false;
	next_open_result = ERR_OK;
	for (int i = 0; i < 2; i++) {
		net_loop_init(&w->loops[i].base, &fake_driver, &fake_clock, &rng_system);
		list_init(&w->loops[i].closing);
		w->hosts[i] = conn_host_create(&w->loops[i].base, NULL, &chat, &fake_ops, &fake_settings);
		assert_non_null(w->hosts[i]);
	}
}

static inline void world_end(struct world *w)
{
	for (int i = 0; i < 2; i++) conn_host_destroy(w->hosts[i]);
	for (size_t i = 0; i < w->stream_count; i++) {
		buf_deinit(&w->streams[i]->sent);
		free(w->streams[i]);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(net_loop_next_due(&w->loops[i].base), 0); /* no timer is left behind */
		net_loop_deinit(&w->loops[i].base);
	}
	assert_int_equal(calls_alive, 0);
	assert_int_equal(sessions_alive, 0);
	fake_settings = (struct conn_settings){ 0 };
}

static inline struct fake_stream *dial_from(struct world *w, int host, const char *peer)
{
	struct fake_stream *s = calloc(1, sizeof *s);
	s->base.loop = &w->loops[host].base;
	s->base.peer_n = (uint8_t)snprintf(s->base.peer, sizeof s->base.peer, "%s", peer);
	s->room = -1;
	s->reading = true;
	buf_init(&s->sent, 1 << 26);
	assert_true(w->stream_count < FAKE_STREAMS);
	w->streams[w->stream_count++] = s;
	if (conn_host_accept(w->hosts[host], &s->base) != 0) s->is_closed = s->is_told = true;
	return s;
}
static inline struct fake_stream *dial(struct world *w, int host) { return dial_from(w, host, "127.0.0.1"); }

static inline void receive(struct fake_stream *s, const void *p, size_t n)
{
	if (!s->is_closed && !s->is_half_closed && s->base.ev) s->base.ev->on_read(s->base.ctx, &s->base, p, n);
}
static inline void receive_text(struct fake_stream *s, const char *text) { receive(s, text, strlen(text)); }
static inline void give_room(struct fake_stream *s, int64_t room)
{
	s->room = room;
	if (s->short_write && !s->is_closed) {
		s->short_write = false;
		s->base.ev->on_writable(s->base.ctx, &s->base);
	}
}

/* What was sent since the last look, as text. */
static inline const char *seen(struct fake_stream *s)
{
	static char text[1 << 16];
	size_t n = s->sent.n < sizeof text - 1 ? s->sent.n : sizeof text - 1;
	if (n) memcpy(text, s->sent.p, n);
	text[n] = 0;
	buf_clear(&s->sent);
	return text;
}
/* The same without forgetting it. */
static inline const char *peek(struct fake_stream *s)
{
	buf_add_char(&s->sent, 0);
	s->sent.n--;
	return s->sent.p;
}
static inline bool has(const char *text, const char *part) { return strstr(text, part) != NULL; }
static inline int count_of(const char *text, const char *part)
{
	int n = 0;
	for (const char *at = text; (at = strstr(at, part)); at++) n++;
	return n;
}
#define assert_has(text, part)                                                                                                   \
	do {                                                                                                                     \
		const char *text_ = (text);                                                                                      \
		if (!has(text_, part)) fail_msg("no \"%s\" in \"%s\"", part, text_);                                             \
	} while (0)

#endif
