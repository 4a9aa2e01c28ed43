/* What libbeck reads: a client on a network of the fuzzer's making connects, watches, sends and asks, and gets for answers
 * whatever the input says: raw bytes on the WebSocket, whole frames, answers to polls and calls, a state file. It may fail in any
 * way but a crash, a leak or a hang, and what it gives to handlers must be an event.
 *
 * Input: a byte of choices, then records: a kind, a length of two bytes, the bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "client/io.h"
#include "wire/ws.h"

#include <beck/beck.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PENDING_MAX = 64 };
struct fuzz_io {
	struct io io;
	uint64_t pending[PENDING_MAX]; /* exchanges that wait for an answer, oldest first */
	size_t n;
	uint64_t stream, last_id;
	bool is_open;
	char key[32];
	int64_t ms;
};

static struct span input;
static uint8_t choices;
static struct fuzz_io *of(struct io *io) { return BECK_CONTAINER(io, struct fuzz_io, io); }

/* ---- driver ---- */

static void destroy(struct io *io) { free(of(io)); }

static uint64_t http_start(struct io *io, const struct io_http *r)
{
	struct fuzz_io *c = of(io);
	(void)r;
	if (c->n == PENDING_MAX) return 0;
	return c->pending[c->n++] = ++c->last_id;
}

static void http_cancel(struct io *io, uint64_t id)
{
	struct fuzz_io *c = of(io);
	for (size_t i = 0; i < c->n; i++) {
		if (c->pending[i] != id) continue;
		memmove(&c->pending[i], &c->pending[i + 1], (--c->n - i) * sizeof *c->pending);
		return;
	}
}

static uint64_t stream_open(struct io *io, struct span url, uint32_t timeout_ms)
{
	(void)url, (void)timeout_ms;
	of(io)->is_open = false;
	return of(io)->stream = ++of(io)->last_id;
}

static bool stream_send(struct io *io, uint64_t id, struct span bytes)
{
	static const char field[] = "Sec-WebSocket-Key: ";
	const char *at = id == of(io)->stream ? memmem(bytes.p, bytes.n, field, sizeof field - 1) : NULL;
	if (at) memcpy(of(io)->key, at + sizeof field - 1, 24);
	return id == of(io)->stream;
}

static void stream_close(struct io *io, uint64_t id)
{
	if (of(io)->stream == id) of(io)->stream = 0;
}

static void pass(struct io *io, int timeout_ms) { of(io)->ms += timeout_ms > 0 ? timeout_ms : 1; }
static void nothing(struct io *io) { (void)io; }
static int64_t now_ms(struct io *io) { return of(io)->ms; }

static int64_t wall_us(struct io *io) { return INT64_C(1795617874000000) + of(io)->ms * 1000; }

static void some(struct io *io, void *p, size_t n)
{
	(void)io;
	memset(p, 7, n);
}

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

static void answer(struct fuzz_io *c, beck_result result, int status, struct span body)
{
	struct io_answer a = {
		.result = result, .status = status, .body = body, .problem = SPAN("fuzz"), .retry_after_ms = status == 429 ? 1 : 0
	};
	uint64_t id = c->pending[0];
	if (!c->n) return;
	memmove(c->pending, c->pending + 1, --c->n * sizeof *c->pending);
	c->io.events->on_answer(c->io.ctx, id, &a);
}

static void give_stream(struct fuzz_io *c, struct span bytes)
{
	if (c->stream && bytes.n) c->io.events->on_stream_data(c->io.ctx, c->stream, bytes);
}

static void give_frame(struct fuzz_io *c, struct span payload)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	ws_frame(&b, WS_TEXT, payload, NULL);
	give_stream(c, buf_span(&b));
	buf_deinit(&b);
}

static void give_handshake(struct fuzz_io *c)
{
	char accept[29], text[256];
	ws_accept(span_str(c->key), accept);
	int n = snprintf(text, sizeof text, "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
	give_stream(c, span_make(text, (size_t)n));
}

#define HELLO "{\"type\":\"health.check\",\"connection_id\":\"c\",\"seq\":1,\"me\":{\"id\":\"john\"}}"

static void act(struct fuzz_io *c, uint8_t kind, struct span bytes)
{
	static const int statuses[] = { 200, 201, 400, 401, 404, 429, 500, 302 };
	switch (kind % 8) {
	case 0: give_stream(c, bytes); break;
	case 1: give_handshake(c); break;
	case 2: give_frame(c, SPAN(HELLO)); break;
	case 3: give_frame(c, bytes); break;
	case 4: answer(c, BECK_OK, statuses[kind / 8 % 8], bytes); break;
	case 5: answer(c, BECK_OK, 200, SPAN("{\"event\":" HELLO "}")); break;
	case 6: answer(c, BECK_ENETWORK, 0, SPAN_NONE); break;
	default:
		if (c->stream) {
			uint64_t id = c->stream;
			c->stream = 0;
			c->io.events->on_stream_closed(c->io.ctx, id, BECK_OK, SPAN("closed"));
		}
	}
}

/* Every turn one record; when there are no more, nothing works any more. */
static void turn(struct io *io)
{
	struct fuzz_io *c = of(io);
	c->ms += 50;
	if (c->stream && !c->is_open) {
		c->is_open = true;
		io->events->on_stream_open(io->ctx, c->stream);
		return;
	}
	if (input.n < 3) {
		act(c, 6, SPAN_NONE);
		act(c, 7, SPAN_NONE);
		return;
	}
	size_t n = (size_t)(uint8_t)input.p[1] << 8 | (uint8_t)input.p[2], left = input.n - 3;
	struct span bytes = { input.p + 3, n < left ? n : left };
	uint8_t kind = (uint8_t)input.p[0];
	input = span_skip(input, 3 + bytes.n);
	act(c, kind, bytes);
}

static const struct io_driver driver = { destroy, http_start, http_cancel, stream_open, stream_send, stream_close, pass, nothing,
	turn, no_fds, soon, now_ms, wall_us, some };

struct io *io_curl_create(const struct io_setup *setup, const struct io_events *events, void *ctx)
{
	(void)setup;
	struct fuzz_io *c = calloc(1, sizeof *c);
	BECK_ASSERT(c);
	c->io = (struct io){ &driver, events, ctx };
	return &c->io;
}

/* ---- the program ---- */

static int64_t last_seq;

static void on_event(void *ctx, beck_client *client, const beck_event *e)
{
	int64_t us;
	(void)ctx;
	BECK_ASSERT(beck_event_type(e)[0] && beck_value_kind(beck_event_value(e)) == BECK_OBJECT);
	(void)beck_event_created_at(e, &us);
	(void)beck_message_user_name(beck_event_message(e));
	(void)beck_user_get_name(beck_event_user(e));
	char *me = beck_me_json(client);
	beck_free(me);
	if (strcmp(beck_event_type(e), "health.check") == 0) {
		if (beck_value_get(beck_event_value(e), "me")) last_seq = beck_event_seq(e);
	} else if (beck_event_seq(e) > 0) {
		last_seq = beck_event_seq(e);
	}
}

static void on_reply(void *ctx, const beck_error *error, const beck_reply *reply)
{
	(void)ctx;
	BECK_ASSERT(!error != !reply);
	BECK_ASSERT(!error || error->result != BECK_OK);
	size_t at = 0;
	const char *key;
	const beck_value *item;
	while (beck_value_next(beck_reply_value(reply), &at, &key, &item)) beck_free(beck_value_json(item));
}

static void on_token(void *ctx, beck_client *client, const char *user_id, beck_token_request *r)
{
	(void)ctx, (void)client, (void)user_id;
	beck_token_answer(r, "e30.eyJ1c2VyX2lkIjoiam9obiJ9.devtoken", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1) return 0;
	choices = data[0];
	input = span_make((const char *)data + 1, size - 1);
	beck_client *c = beck_client_create("key", &(beck_options){ .base_url = "http://fuzz/p",
							   .threading = BECK_NO_THREAD,
							   .enable_ws_fallback = choices & 1,
							   .disable_resume = choices & 2 });
	BECK_ASSERT(c);
	(void)beck_on(c, NULL, on_event, NULL);
	bool asks = choices & 4;
	(void)beck_connect_user_async(c, "{\"id\":\"john\"}", asks ? NULL : "e30.eyJ1c2VyX2lkIjoiam9obiJ9.devtoken",
		asks ? on_token : NULL, NULL, NULL, NULL, NULL);
	beck_channel *ch = beck_channel_open(c, "messaging", "x");
	(void)beck_channel_watch_async(ch, NULL, on_reply, NULL, NULL);
	(void)beck_send_text_async(ch, "text", NULL, on_reply, NULL, NULL);
	(void)beck_unread_counts_async(c, on_reply, NULL, NULL);
	(void)beck_keystroke(ch, NULL);
	for (int i = 0; i < 400 && input.n >= 3; i++) (void)beck_poll(c, 0);
	(void)beck_poll(c, 0);
	beck_channel_unref(ch);
	beck_release(c);
	return 0;
}
