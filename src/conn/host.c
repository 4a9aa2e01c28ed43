#include <stdlib.h>
#include <string.h>

#include "api/token_cache.h"
#include "base/limits.h"
#include "base/log.h"
#include "conn/http.h"
#include "conn/poll.h"
#include "conn/ws.h"

enum { SCRATCH_BYTES = 1 << 20, LINES_BYTES = 16384 };

static void check_drained(struct net_deferred *d)
{
	struct conn_host *h = BECK_CONTAINER(d, struct conn_host, drain_check);
	if (!h->drained || !list_empty(&h->conns) || !list_empty(&h->poll_list)) return;
	void (*drained)(void *ctx) = h->drained;
	h->drained = NULL;
	drained(h->drained_ctx);
}

struct conn_host *conn_host_create(struct net_loop *loop, struct session_hub *hub, struct chat *chat, const struct conn_ops *ops,
	const struct conn_settings *s)
{
	struct conn_host *h = calloc(1, sizeof *h);
	if (!h) return NULL;
	h->loop = loop;
	h->hub = hub;
	h->chat = chat;
	h->ops = ops;
	h->settings = *s;
	h->drain_check.run = check_drained;
	h->every_s = -1;
	list_init(&h->conns);
	list_init(&h->in_flight);
	list_init(&h->connects_waiting);
	list_init(&h->poll_list);
	uint64_t seed[2];
	rng_fill(net_rng(loop), seed, sizeof seed);
	map_init(&h->polls, seed);
	arena_init(&h->scratch, SCRATCH_BYTES);
	buf_init(&h->lines, LINES_BYTES);
	buf_init(&h->every, LINES_BYTES);
	buf_init(&h->every_api, LINES_BYTES);
	conn_host_set_ws_app(h, &ws_session_app, (uint32_t)LIMIT_WS_FRAME_BYTES);
	h->owns_addresses = s->addresses == NULL;
	h->addresses = h->owns_addresses ? conn_addresses_create(net_rng(loop)) : s->addresses;
	h->tokens = chat ? token_cache_create(net_rng(loop)) : NULL;
	if (!h->addresses || (chat && !h->tokens)) {
		conn_host_destroy(h);
		return NULL;
	}
	if (net_cidrs_parse(s->trusted_proxies, h->trusted, CONN_TRUSTED_MAX, &h->trusted_n)) return h;
	LOG_ERR("trusted_proxies is no list of addresses and CIDRs", "entries=%zu", h->trusted_n);
	conn_host_destroy(h);
	return NULL;
}

void conn_host_set_ws_app(struct conn_host *h, const struct ws_app *app, uint32_t message_bytes)
{
	h->ws_app = app;
	h->ws_message_bytes = message_bytes;
}

static void free_in_flight(struct conn_host *h)
{
	struct list *node;
	while ((node = list_shift(&h->in_flight))) exchange_free(BECK_CONTAINER(node, struct exchange, flight));
}

void conn_host_destroy(struct conn_host *h)
{
	if (!h) return;
	struct list *node;
	h->drained = NULL;
	h->is_ending = true;
	net_defer_cancel(&h->drain_check);
	while ((node = list_shift(&h->conns))) {
		struct conn *c = BECK_CONTAINER(node, struct conn, node);
		struct net_stream *s = c->stream;
		conn_close(c);
		net_stream_set(s, NULL, NULL); /* its last callback would come after us */
		free(c);
	}
	poll_session_destroy_all(h);
	free_in_flight(h);
	if (h->owns_addresses) conn_addresses_destroy(h->addresses);
	map_deinit(&h->polls);
	arena_deinit(&h->scratch);
	token_cache_destroy(h->tokens);
	buf_deinit(&h->lines);
	buf_deinit(&h->every);
	buf_deinit(&h->every_api);
	free(h);
}

/* ---- drain ---- */

void conn_host_left(struct conn_host *h)
{
	if (h->is_draining) net_defer(h->loop, &h->drain_check);
}

void conn_host_drain(struct conn_host *h, void (*drained)(void *ctx), void *ctx)
{
	h->is_draining = true;
	h->drained = drained;
	h->drained_ctx = ctx;
	/* Connections leave the list in their streams' last callback only, never while we walk. */
	for (struct list *at = h->conns.next; at != &h->conns; at = at->next) conn_drain(BECK_CONTAINER(at, struct conn, node));
	poll_session_drain_all(h);
	conn_host_left(h);
}

/* ---- figures ---- */

void conn_host_stats(struct conn_host *h, struct conn_stats *out)
{
#define X(name) out->name += atomic_load_explicit(&h->counters.name, memory_order_relaxed);
	CONN_COUNTERS(X)
#undef X
}
