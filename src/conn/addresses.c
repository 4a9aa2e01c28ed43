/* Sockets per client address, counted over all loops: the system spreads one client's connections over them as it likes. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "conn/host.h"

struct conn_addresses {
	pthread_mutex_t lock;
	struct map by_text; /* struct conn_address */
};

struct conn_addresses *conn_addresses_create(const struct rng *rng)
{
	struct conn_addresses *t = calloc(1, sizeof *t);
	if (!t) return NULL;
	uint64_t seed[2];
	rng_fill(rng, seed, sizeof seed);
	map_init(&t->by_text, seed);
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void conn_addresses_destroy(struct conn_addresses *t)
{
	if (!t) return;
	size_t it = 0;
	void *address;
	while ((address = map_next(&t->by_text, &it))) free(address);
	map_deinit(&t->by_text);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct conn_address *enter(struct conn_addresses *t, struct span peer, int64_t most)
{
	struct conn_address *a = map_get(&t->by_text, peer);
	if (a) {
		if (most && a->count >= most) return NULL;
		a->count++;
		return a;
	}
	a = calloc(1, sizeof *a + peer.n + 1);
	if (!a) return NULL;
	a->count = 1;
	a->text_n = (uint8_t)peer.n;
	memcpy(a->text, peer.p, peer.n);
	if (map_put(&t->by_text, span_make(a->text, peer.n), a)) return a;
	free(a);
	return NULL;
}

struct conn_address *conn_host_address(struct conn_host *h, struct span peer)
{
	pthread_mutex_lock(&h->addresses->lock);
	struct conn_address *a =
		enter(h->addresses, peer, h->settings.max_per_address ? h->settings.max_per_address : LIMIT_CONNS_PER_ADDR);
	pthread_mutex_unlock(&h->addresses->lock);
	return a;
}

void conn_host_address_leave(struct conn_host *h, struct conn_address *a)
{
	if (!a) return;
	pthread_mutex_lock(&h->addresses->lock);
	if (--a->count == 0) {
		map_remove(&h->addresses->by_text, span_make(a->text, a->text_n));
		free(a);
	}
	pthread_mutex_unlock(&h->addresses->lock);
}
