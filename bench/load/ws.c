/* beckd, the bare loop and node's `ws`: a WebSocket whose first event is a health.check; publishing is a POST. */
#include <string.h>

#include "load.h"
#include "wire/ws.h"

enum { STEP_UPGRADE, STEP_FRAMES };

/* The answer to the upgrade; false: not whole yet. */
static bool hear_upgrade(struct connection *c)
{
	const char *end = memmem(c->in, c->in_n, "\r\n\r\n", 4);
	if (!end) return false;
	if (c->in_n < 12 || memcmp(c->in, "HTTP/1.1 101", 12) != 0) refuse("upgrade", c->in, c->in_n);
	c->step = STEP_FRAMES;
	drop(c, (size_t)(end - c->in) + 4);
	return true;
}

/* Header bytes of the frame at p and its payload; 0: not whole yet. A server's frames are not masked. */
static size_t frame_head(const unsigned char *p, size_t left, uint64_t *payload)
{
	if (left < 2) return 0;
	size_t more = p[1] < 126 ? 0 : p[1] == 126 ? 2 : 8;
	if (left < 2 + more) return 0;
	*payload = p[1];
	if (more) *payload = 0;
	for (size_t i = 0; i < more; i++) *payload = *payload << 8 | p[2 + i];
	return left - 2 - more < *payload ? 0 : 2 + more;
}

void ws_hear(struct connection *c, void (*on_text)(struct connection *, const char *, size_t))
{
	if (c->step == STEP_UPGRADE && !hear_upgrade(c)) return;
	static const uint8_t pong[] = { 0x80 | WS_PONG, 0x80, 0, 0, 0, 0 }; /* masked, empty, as the pings are */
	size_t at = 0, head;
	uint64_t n;
	while ((head = frame_head((const unsigned char *)c->in + at, c->in_n - at, &n)) > 0) {
		if ((c->in[at] & 15) == WS_TEXT) on_text(c, c->in + at + head, (size_t)n);
		if ((c->in[at] & 15) == WS_PING)
			say(c, pong, sizeof pong); /* the server ends those that are silent for a minute */
		if ((c->in[at] & 15) == WS_CLOSE) refuse("closed", c->in + at + head, (size_t)n);
		at += head + (size_t)n;
	}
	drop(c, at);
}

void ws_say(struct connection *c, const char *text)
{
	uint8_t frame[132];
	size_t n = strlen(text);
	if (n > 125) refuse("too long to say", text, n);
	frame[0] = 0x80 | WS_TEXT;
	frame[1] = (uint8_t)(0x80 | n);
	memcpy(frame + 2, "mask", 4);
	for (size_t i = 0; i < n; i++) frame[6 + i] = (uint8_t)(text[i] ^ "mask"[i % 4]);
	say(c, frame, 6 + n);
}

void ws_publish(struct connection *c, struct text message) { say(c, message.p, message.n); }

void ws_publisher(struct connection *c)
{
	int status = 0;
	size_t whole = http_answer(c, &status);
	if (!whole) return;
	if (status != 201) refuse("post", c->in, c->in_n);
	drop(c, whole);
	publisher_confirmed(c);
}

static void subscribe(struct connection *c, struct text request) { say(c, request.p, request.n); }

static void on_text(struct connection *c, const char *p, size_t n)
{
	if (c->is_open) {
		subscriber_got(c, p, n);
		return;
	}
	if (!memmem(p, n, "health.check", 12)) refuse("first frame", p, n);
	subscriber_opened(c);
}

static void subscriber(struct connection *c) { ws_hear(c, on_text); }

const struct protocol protocol_ws = {
	.name = "ws", .subscribe = subscribe, .subscriber = subscriber, .publish = ws_publish, .publisher = ws_publisher
};
