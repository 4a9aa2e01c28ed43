/* MQTT 3.1.1. Subscribers take QoS 0 (the socket is all that guards a delivery, as with the others); publishers send QoS 1 and
 * wait for the PUBACK. */
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { CONNECT = 0x10, CONNACK = 0x20, PUBLISH = 0x30, PUBACK = 0x40, SUBSCRIBE = 0x80, SUBACK = 0x90, TYPE = 0xf0 };
enum { FLAG_QOS_1 = 0x02, FLAG_SUBSCRIBE = 0x02, CONNECT_CLEAN = 0x02 };
enum { HEAD_MAX = 5, ROOM = 256 }; /* ROOM: for everything but a message */
#define TOPIC "bench"

/* ---- writing ---- */

static size_t put_u16(uint8_t *to, size_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
	return 2;
}

static size_t put_string(uint8_t *to, const char *p, size_t n)
{
	put_u16(to, n);
	memcpy(to + 2, p, n);
	return 2 + n;
}

/* Fixed header: type, and what remains in groups of seven bits (MQTT 2.2.3). */
static size_t put_head(uint8_t *to, int type_and_flags, size_t remaining)
{
	size_t n = 0;
	to[n++] = (uint8_t)type_and_flags;
	do {
		to[n++] = (uint8_t)((remaining & 127) | (remaining > 127 ? 128 : 0));
		remaining >>= 7;
	} while (remaining);
	return n;
}

static void say_packet(struct connection *c, int type_and_flags, const uint8_t *body, size_t n)
{
	uint8_t packet[HEAD_MAX + ROOM];
	size_t head = put_head(packet, type_and_flags, n);
	memcpy(packet + head, body, n);
	say(c, packet, head + n);
}

static void connect_as(struct connection *c, const char *name, size_t name_n)
{
	uint8_t body[ROOM];
	if (name_n > 64) refuse("name too long", name, name_n);
	size_t n = put_string(body, "MQTT", 4);
	body[n++] = 4; /* 3.1.1 */
	body[n++] = CONNECT_CLEAN;
	n += put_u16(body + n, 0); /* no keep-alive */
	n += put_string(body + n, name, name_n);
	say_packet(c, CONNECT, body, n);
}

/* ---- reading ---- */

struct packet {
	int type;
	const uint8_t *body;
	size_t n;
};

/* Takes the packet at *at; false: not whole yet. */
static bool next_packet(const struct connection *c, size_t *at, struct packet *out)
{
	const uint8_t *p = (const uint8_t *)c->in + *at;
	size_t left = c->in_n - *at, used = 1, n = 0;
	for (unsigned shift = 0;; shift += 7) {
		if (used >= left || used >= HEAD_MAX) return false;
		n |= (size_t)(p[used] & 127) << shift;
		if (!(p[used++] & 128)) break;
	}
	if (left - used < n) return false;
	*out = (struct packet){ p[0] & TYPE, p + used, n };
	*at += used + n;
	return true;
}

static void on_connack(const struct packet *p)
{
	if (p->n != 2 || p->body[1] != 0) refuse("CONNECT refused", "", 0);
}

/* ---- subscriber ---- */

static void subscribe(struct connection *c, struct text name) { connect_as(c, name.p, name.n); }

static void ask_for_topic(struct connection *c)
{
	uint8_t body[ROOM];
	size_t n = put_u16(body, 1); /* packet id */
	n += put_string(body + n, TOPIC, sizeof TOPIC - 1);
	body[n++] = 0; /* QoS */
	say_packet(c, SUBSCRIBE | FLAG_SUBSCRIBE, body, n);
}

static void on_message(struct connection *c, const struct packet *p)
{
	size_t topic = p->n < 2 ? SIZE_MAX : 2 + ((size_t)p->body[0] << 8 | p->body[1]);
	if (topic > p->n) refuse("PUBLISH too short", "", 0);
	subscriber_got(c, (const char *)p->body + topic, p->n - topic);
}

static void subscriber(struct connection *c)
{
	struct packet p;
	size_t at = 0;
	while (next_packet(c, &at, &p)) {
		switch (p.type) {
		case CONNACK:
			on_connack(&p);
			ask_for_topic(c);
			break;
		case SUBACK:
			if (p.n != 3 || p.body[2] != 0) refuse("SUBSCRIBE refused", "", 0);
			subscriber_opened(c);
			break;
		case PUBLISH: on_message(c, &p); break;
		default: refuse("MQTT packet", c->in, c->in_n);
		}
	}
	drop(c, at);
}

/* ---- publisher ---- */

static void greet(struct connection *c)
{
	static unsigned serial;
	uint8_t name[24] = "publisher-";
	name[10] = (uint8_t)('a' + serial / 26 % 26);
	name[11] = (uint8_t)('a' + serial++ % 26);
	connect_as(c, (const char *)name, 12);
}

static void publish(struct connection *c, struct text message)
{
	uint8_t *packet = must(malloc(ROOM + message.n));
	size_t n = put_head(packet, PUBLISH | FLAG_QOS_1, 2 + sizeof TOPIC - 1 + 2 + message.n);
	n += put_string(packet + n, TOPIC, sizeof TOPIC - 1);
	n += put_u16(packet + n, 1); /* packet id: one is under way at a time */
	memcpy(packet + n, message.p, message.n);
	say(c, packet, n + message.n);
	free(packet);
}

static void publisher(struct connection *c)
{
	struct packet p;
	size_t at = 0;
	while (next_packet(c, &at, &p)) {
		switch (p.type) {
		case CONNACK:
			on_connack(&p);
			publisher_ready(c);
			break;
		case PUBACK: publisher_confirmed(c); break;
		default: refuse("MQTT packet", c->in, c->in_n);
		}
	}
	drop(c, at);
}

const struct protocol protocol_mqtt = { .name = "mqtt",
	.subscribe = subscribe,
	.subscriber = subscriber,
	.greet = greet,
	.publish = publish,
	.publisher = publisher };
