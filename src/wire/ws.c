#include "wire/ws.h"

#include "base/sha1.h"
#include "base/utf8.h"
#include "wire/base64.h"

/* What the decoder waits for. A frame is HEAD, then PAYLOAD (skipped when empty); both resume at any byte.
 *
 *   HEAD --head complete--> PAYLOAD --left == 0--> HEAD
 *
 * In HEAD head[0..head_n) are the bytes so far. In PAYLOAD opcode, fin, mask and left speak of the frame under way;
 * message_opcode (0 = none) of the data message it may be part of, so control frames pass between fragments without touching it.
 */
enum ws_state { WS_HEAD, WS_PAYLOAD };

enum {
	WS_FIN = 0x80,
	WS_RSV1 = 0x40,
	WS_RSV23 = 0x30,
	WS_MASKED = 0x80,
	WS_CONTROL_MAX = 125,
	WS_FAIL_PROTOCOL = 1002,
	WS_NO_STATUS = 1005,
	WS_FAIL_UTF8 = 1007,
	WS_FAIL_TOO_BIG = 1009,
	WS_FAIL_MEMORY = 1011,
};

void ws_decoder_init(struct ws_decoder *d, enum ws_role role, uint32_t max_message_bytes, const struct ws_events *ev, void *ctx)
{
	*d = (struct ws_decoder){ .ev = ev, .ctx = ctx, .max_message_bytes = max_message_bytes, .role = (uint8_t)role };
}

static void message_drop(struct ws_decoder *d)
{
	buf_deinit(&d->message);
	d->message_opcode = 0;
	d->compressed = 0;
	d->utf8 = 0;
}

void ws_decoder_deinit(struct ws_decoder *d) { message_drop(d); }
void ws_decoder_stop(struct ws_decoder *d) { d->stopped = 1; }

static bool is_control(uint8_t opcode) { return opcode >= WS_CLOSE; }
static bool is_known(uint8_t opcode) { return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG); }

/* Checks that need only the first byte. */
static uint16_t check_first(const struct ws_decoder *d)
{
	uint8_t opcode = d->head[0] & 15;
	bool fin = d->head[0] & WS_FIN, rsv1 = d->head[0] & WS_RSV1;
	if ((d->head[0] & WS_RSV23) || !is_known(opcode)) return WS_FAIL_PROTOCOL;
	if (rsv1 && (!d->inflate || (opcode != WS_TEXT && opcode != WS_BINARY))) return WS_FAIL_PROTOCOL;
	if (is_control(opcode)) return fin ? 0 : WS_FAIL_PROTOCOL;
	/* A continuation needs a message under way, a new message none. */
	return (opcode == WS_CONT) == (d->message_opcode != 0) ? 0 : WS_FAIL_PROTOCOL;
}

static uint16_t check_second(const struct ws_decoder *d)
{
	bool masked = d->head[1] & WS_MASKED;
	uint8_t length = d->head[1] & 127;
	if (masked != (d->role == WS_SERVER)) return WS_FAIL_PROTOCOL;
	if (is_control(d->head[0] & 15) && length > WS_CONTROL_MAX) return WS_FAIL_PROTOCOL;
	if ((d->head[0] & 15) == WS_CLOSE && length == 1) return WS_FAIL_PROTOCOL;
	return 0;
}

static uint8_t head_length(const uint8_t head[14])
{
	uint8_t length = head[1] & 127;
	return (uint8_t)(2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + (head[1] & WS_MASKED ? 4 : 0));
}

/* RFC 6455 5.2: the shortest form only, and the top bit of the long one clear. */
static bool payload_length(const uint8_t head[14], uint64_t *out)
{
	uint8_t length = head[1] & 127;
	int bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
	uint64_t v = bytes ? 0 : length;
	for (int i = 0; i < bytes; i++) v = v << 8 | head[2 + i];
	*out = v;
	return bytes == 0 || (bytes == 2 && v >= 126) || (bytes == 8 && v > 0xffff && v >> 63 == 0);
}

/* Compressed bytes may exceed the message's maximum a little: deflate stores what it cannot shrink in blocks with heads. */
static uint64_t gather_max(const struct ws_decoder *d)
{
	return (uint64_t)d->max_message_bytes + (d->compressed ? d->max_message_bytes / 1024 + 64 : 0);
}

static uint16_t begin_data(struct ws_decoder *d)
{
	if (d->opcode != WS_CONT) {
		d->message_opcode = d->opcode;
		d->compressed = (d->head[0] & WS_RSV1) != 0;
		buf_init(&d->message, (size_t)gather_max(d));
	}
	return d->left > gather_max(d) - d->message.n ? WS_FAIL_TOO_BIG : 0;
}

static uint16_t begin_frame(struct ws_decoder *d)
{
	if (!payload_length(d->head, &d->left)) return WS_FAIL_PROTOCOL;
	d->opcode = d->head[0] & 15;
	d->fin = (d->head[0] & WS_FIN) != 0;
	d->mask_at = 0;
	d->control_n = 0;
	if (d->head[1] & WS_MASKED)
		memcpy(d->mask, d->head + d->head_n - 4, 4);
	else
		memset(d->mask, 0, 4);
	d->head_n = 0;
	d->state = WS_PAYLOAD;
	return is_control(d->opcode) ? 0 : begin_data(d);
}

/* Takes head bytes; every check happens at the first byte that allows it. */
static uint16_t feed_head(struct ws_decoder *d, const char **p, size_t *n)
{
	while (*n) {
		d->head[d->head_n++] = (uint8_t) * *p;
		++*p;
		--*n;
		uint16_t fail = d->head_n == 1 ? check_first(d) : d->head_n == 2 ? check_second(d) : 0;
		if (fail) return fail;
		if (d->head_n >= 2 && d->head_n == head_length(d->head)) return begin_frame(d);
	}
	return 0;
}

/* dst = src ^ mask, the mask beginning at its byte `at`; eight bytes at a time. */
static void unmask(char *dst, const char *src, size_t n, const uint8_t mask[4], uint8_t at)
{
	uint8_t turned[8];
	for (size_t i = 0; i < 8; i++) turned[i] = mask[(at + i) & 3];
	uint64_t word_mask;
	memcpy(&word_mask, turned, sizeof word_mask);
	size_t i = 0;
	for (; n - i >= 8; i += 8) {
		uint64_t word;
		memcpy(&word, src + i, sizeof word);
		word ^= word_mask;
		memcpy(dst + i, &word, sizeof word);
	}
	for (; i < n; i++) dst[i] = (char)((uint8_t)src[i] ^ turned[i & 7]);
}

static uint16_t feed_data(struct ws_decoder *d, const char *p, size_t n)
{
	if (!buf_reserve(&d->message, n)) return WS_FAIL_MEMORY;
	char *at = d->message.p + d->message.n;
	unmask(at, p, n, d->mask, d->mask_at);
	d->message.n += n;
	bool check = d->message_opcode == WS_TEXT && !d->compressed;
	return check && !utf8_feed(&d->utf8, (struct span){ at, n }) ? WS_FAIL_UTF8 : 0;
}

/* Codes that may stand in a frame: RFC 6455 7.4 and the registry, 1012-1014 included. */
static bool close_code_ok(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static uint16_t end_close(struct ws_decoder *d)
{
	d->stopped = 1; /* nothing is valid behind a close frame */
	struct span reason = { (const char *)d->control + 2, d->control_n > 2 ? d->control_n - 2u : 0 };
	unsigned code = d->control_n ? (unsigned)d->control[0] << 8 | d->control[1] : WS_NO_STATUS;
	if (d->control_n && !close_code_ok(code)) return WS_FAIL_PROTOCOL;
	if (!utf8_valid(reason)) return WS_FAIL_UTF8;
	d->ev->on_close(d->ctx, (uint16_t)code, reason);
	return 0;
}

static uint16_t end_control(struct ws_decoder *d)
{
	struct span payload = { (const char *)d->control, d->control_n };
	if (d->opcode == WS_CLOSE) return end_close(d);
	if (d->opcode == WS_PING)
		d->ev->on_ping(d->ctx, payload);
	else
		d->ev->on_pong(d->ctx, payload);
	return 0;
}

static uint16_t deliver_compressed(struct ws_decoder *d)
{
	struct buf plain;
	buf_init(&plain, d->max_message_bytes);
	uint16_t fail = d->inflate->message(&plain, buf_span(&d->message));
	if (!fail && d->message_opcode == WS_TEXT && !utf8_valid(buf_span(&plain))) fail = WS_FAIL_UTF8;
	if (!fail) d->ev->on_message(d->ctx, (enum ws_opcode)d->message_opcode, buf_span(&plain));
	buf_deinit(&plain);
	return fail;
}

static uint16_t end_data(struct ws_decoder *d)
{
	if (!d->fin) return 0;
	uint16_t fail = 0;
	if (d->compressed)
		fail = deliver_compressed(d);
	else if (!utf8_complete(d->utf8))
		fail = WS_FAIL_UTF8;
	else
		d->ev->on_message(d->ctx, (enum ws_opcode)d->message_opcode, buf_span(&d->message));
	message_drop(d);
	return fail;
}

static uint16_t feed_payload(struct ws_decoder *d, const char **p, size_t *n)
{
	size_t take = d->left < *n ? (size_t)d->left : *n;
	if (take) {
		uint16_t fail = 0;
		if (is_control(d->opcode)) {
			unmask((char *)d->control + d->control_n, *p, take, d->mask, d->mask_at);
			d->control_n = (uint8_t)(d->control_n + take);
		} else {
			fail = feed_data(d, *p, take);
		}
		if (fail) return fail;
		d->mask_at = (uint8_t)((d->mask_at + take) & 3);
		d->left -= take;
		*p += take;
		*n -= take;
	}
	if (d->left) return 0;
	d->state = WS_HEAD;
	return is_control(d->opcode) ? end_control(d) : end_data(d);
}

uint16_t ws_decoder_feed(struct ws_decoder *d, const char *p, size_t n)
{
	/* A frame without payload ends with its head, so one more turn runs when no bytes are left. */
	while (!d->stopped && (n || (d->state == WS_PAYLOAD && d->left == 0))) {
		uint16_t fail = d->state == WS_HEAD ? feed_head(d, &p, &n) : feed_payload(d, &p, &n);
		if (!fail) continue;
		d->stopped = 1;
		message_drop(d);
		return fail;
	}
	if (d->stopped) message_drop(d);
	return 0;
}

size_t ws_head(uint8_t out[10], enum ws_opcode op, uint64_t payload_bytes, bool rsv1)
{
	out[0] = (uint8_t)(WS_FIN | (rsv1 ? WS_RSV1 : 0) | (unsigned)op);
	size_t bytes = payload_bytes < 126 ? 0 : payload_bytes <= 0xffff ? 2 : 8;
	out[1] = (uint8_t)(bytes == 0 ? payload_bytes : bytes == 2 ? 126 : 127);
	for (size_t i = 0; i < bytes; i++) out[2 + i] = (uint8_t)(payload_bytes >> (8 * (bytes - 1 - i)));
	return 2 + bytes;
}

void ws_frame(struct buf *out, enum ws_opcode op, struct span payload, const uint8_t mask[4])
{
	uint8_t head[14];
	size_t n = ws_head(head, op, payload.n, false);
	if (mask) {
		head[1] |= WS_MASKED;
		memcpy(head + n, mask, 4);
		n += 4;
	}
	if (payload.n > out->max || !buf_reserve(out, n + payload.n)) {
		out->failed = true;
		return;
	}
	buf_add(out, head, n);
	if (!mask) {
		buf_add_span(out, payload);
	} else {
		unmask(out->p + out->n, payload.p, payload.n, mask, 0);
		out->n += payload.n;
	}
}

size_t ws_close_payload(uint8_t out[125], uint16_t code, struct span reason)
{
	if (code == WS_NO_STATUS) return 0;
	size_t n = reason.n < WS_CONTROL_MAX - 2 ? reason.n : WS_CONTROL_MAX - 2;
	/* Cut between characters. */
	while (n && n < reason.n && ((uint8_t)reason.p[n] & 0xc0) == 0x80) n--;
	out[0] = (uint8_t)(code >> 8);
	out[1] = (uint8_t)(code & 0xff);
	if (n) memcpy(out + 2, reason.p, n);
	return n + 2;
}

/* RFC 6455 4.2.2: base64(SHA-1(key + this)). The handshake takes only keys of 24 characters; a longer one is cut. */
void ws_accept(struct span key, char out[29])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[64 + sizeof guid];
	size_t n = key.n < 64 ? key.n : 64;
	if (n) memcpy(text, key.p, n);
	memcpy(text + n, guid, sizeof guid - 1);
	uint8_t digest[20];
	sha1((struct span){ text, n + sizeof guid - 1 }, digest);
	base64_encode(digest, sizeof digest, out);
}
