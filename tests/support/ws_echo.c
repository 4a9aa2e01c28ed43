/* ws_echo --listen ADDR:PORT [--deflate]: the server's own WebSocket code (src/net, src/conn, src/wire) as an echo, so that any
 * conformance suite can be pointed at it. Prints `ws_echo ready url=ws://...` and runs until it is killed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn/http.h"
#include "conn/ws.h"

enum { MESSAGE_BYTES = 64 << 20 };

static void echo_open(struct conn *c, struct exchange *ex)
{
	conn_set_state(c, CONN_WS);
	exchange_leave(ex, false);
}
static void echo_message(struct conn *c, enum ws_opcode op, struct span payload) { (void)conn_ws_send(c, op, payload); }
static void echo_end(struct conn *c) { (void)c; }
static const struct ws_app echo = { echo_open, echo_message, echo_end };

static int usage(void)
{
	fputs("usage: ws_echo --listen ADDR:PORT [--deflate]\n", stderr);
	return 2;
}

/* "127.0.0.1:9001" or "[::1]:9001". */
static bool split_address(const char *text, char host[64], uint16_t *port)
{
	struct span s = span_str(text), digits;
	size_t colon = s.n;
	while (colon && s.p[colon - 1] != ':') colon--;
	if (colon < 2) return false;
	digits = span_skip(s, colon);
	s.n = colon - 1;
	if (s.n > 1 && s.p[0] == '[' && s.p[s.n - 1] == ']') s = span_make(s.p + 1, s.n - 2);
	long long number;
	if (s.n >= 64 || !span_to_i64(digits, &number) || number < 0 || number > 65535) return false;
	memcpy(host, s.p, s.n);
	host[s.n] = 0;
	*port = (uint16_t)number;
	return true;
}

int main(int argc, char **argv)
{
	const char *listen = NULL, *why = NULL;
	struct conn_settings settings = { .deflate = false };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--deflate") == 0) {
			settings.deflate = true;
		} else if (strcmp(argv[i], "--listen") == 0 && i + 1 < argc) {
			listen = argv[++i];
		} else {
			return usage();
		}
	}
	char host[64];
	uint16_t port = 0;
	if (!listen || !split_address(listen, host, &port)) return usage();
	static const struct conn_ops ops;
	struct net_loop *loop = net_loop_create_uv(&clock_system, &rng_system);
	struct conn_host *h = loop ? conn_host_create(loop, NULL, NULL, &ops, &settings) : NULL;
	if (!h) return 1;
	conn_host_set_ws_app(h, &echo, MESSAGE_BYTES);
	struct net_listen_options o = { .host = host, .port = port, .on_accept = conn_host_accept, .ctx = h };
	struct net_listener *ls = net_listen(loop, &o, &why);
	if (!ls) {
		fprintf(stderr, "ws_echo: %s\n", why);
		return 1;
	}
	bool v6 = strchr(host, ':') != NULL;
	printf("ws_echo ready url=ws://%s%s%s:%u\n", v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)net_listener_port(ls));
	fflush(stdout);
	net_loop_run(loop);
	return 0;
}
