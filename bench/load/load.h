/* The load program: one thread, one epoll, thousands of connections.
 *
 *   connection.c   sockets, TLS, reading and writing
 *   samples.c      what was measured
 *   http.c         requests as fast as answers come, or so many a second
 *   fan.c          subscribers and publishers of any protocol: opening, publishing, counting, timing
 *   ws.c socketio.c mqtt.c nats.c    what one protocol says and hears
 *
 * Figures go to standard output, a JSON object a line. Whatever is not as it should be ends the program with status 1. */
#ifndef BECK_BENCH_LOAD_H
#define BECK_BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/span.h"

/* ---- ends of the program ---- */
_Noreturn void die(const char *what);                             /* a system call failed: says why */
_Noreturn void refuse(const char *what, const char *p, size_t n); /* the server said something else than expected */
void *must(void *p);                                              /* not NULL */

int64_t now_us(void); /* monotonic */

/* ---- connection.c ---- */
struct connection {
	int fd;
	SSL *ssl;  /* NULL: plain */
	char *out; /* not written yet: out_at .. out_n; NULL when there is nothing */
	size_t out_n, out_at;
	char *in; /* read and not dropped yet */
	size_t in_n, in_cap;
	int64_t heard_us; /* when the newest bytes of `in` were read */
	/* Bytes have come. Drops what it has understood. */
	void (*hear)(struct connection *c);
	bool is_light; /* thousands of these: no buffer stays while nothing is in it */
	/* http.c */
	int64_t due_us;
	/* fan.c and its protocols */
	unsigned step; /* how far the protocol's greeting is */
	bool is_open;
	uint64_t got, sum; /* of what was published: how many, and the sum of their stamps */
};

void connections_init(const char *host_port, bool tls);
void dial(struct connection *c);
void hang_up(struct connection *c);
void say(struct connection *c, const void *p, size_t n);
void drop(struct connection *c, size_t n); /* from the front of `in` */
/* Waits for what comes and hands it on. */
void turn(int timeout_ms);

/* ---- samples.c ---- */
void sample(int64_t us);
void samples_clear(void);
/* {"<what>":<samples>,"seconds":..,"per_second":..,"p50_us":..,...}; clears. */
void samples_print(const char *what, int64_t took_us, size_t frame_bytes, long errors);

/* ---- requests: texts of standard input, each preceded by its length and a newline ---- */
struct text {
	char *p;
	size_t n;
};
extern struct text *requests;
extern size_t request_count;
/* Writes 16 digits over the "@@@@@@@@@@@@@@@@" of a copy of `t`, which the caller frees. */
struct text stamped(struct text t, uint64_t number);

/* ---- http.c ---- */
int run_http(size_t conns, double warm_s, double seconds, double rate);
/* The whole answer at the front of `in`: its length, 0 = not whole yet. Bodies by Content-Length only. */
size_t http_answer(const struct connection *c, int *status);

/* ---- fan.c ---- */
struct protocol {
	const char *name;
	/* A subscriber's first words; `request` is his text from standard input. */
	void (*subscribe)(struct connection *c, struct text request);
	/* His `hear`: calls subscriber_opened once, then subscriber_got for each message. */
	void (*subscriber)(struct connection *c);
	/* A publisher's first words. NULL: may publish at once. */
	void (*greet)(struct connection *c);
	void (*publish)(struct connection *c, struct text message);
	/* His `hear`: calls publisher_ready once when there is a greeting, then publisher_confirmed for each message. */
	void (*publisher)(struct connection *c);
};
extern const struct protocol protocol_ws, protocol_socketio, protocol_mqtt, protocol_nats;

void subscriber_opened(struct connection *c);
void subscriber_got(struct connection *c, const char *p, size_t n);
void publisher_ready(struct connection *c);
void publisher_confirmed(struct connection *c);
int run_fan(const struct protocol *p, size_t parallel, int commands_fd);

/* ---- ws.c, for those who speak over it ---- */
/* The subscriber's `hear`: each text frame goes to on_text. */
void ws_hear(struct connection *c, void (*on_text)(struct connection *c, const char *p, size_t n));
void ws_say(struct connection *c, const char *text); /* below 126 bytes */
/* Publishing through POST, which the server answers with 201. */
void ws_publish(struct connection *c, struct text message);
void ws_publisher(struct connection *c);

#endif
