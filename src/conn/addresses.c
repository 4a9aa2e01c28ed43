/* What each client address holds, counted over all loops: the system spreads one client's connections over them as it likes. */
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

static void count(struct conn_address *a, unsigned what, int64_t n)
{
	if (what & ADDRESS_PLACE) a->count += n;
	if (what & ADDRESS_ANONYMOUS) a->anonymous += n;
}

static struct conn_address *enter(struct conn_addresses *t, struct span peer, unsigned what, int64_t most)
{
	struct conn_address *a = map_get(&t->by_text, peer);
	if (a) {
		if (what & ADDRESS_PLACE && a->count >= most) return NULL;
		if (what & ADDRESS_ANONYMOUS && a->anonymous >= LIMIT_ANON_PER_ADDR) return NULL;
		count(a, what, 1);
		return a;
	}
	a = calloc(1, sizeof *a + peer.n + 1);
	if (!a) return NULL;
	count(a, what, 1);
	a->text_n = (uint8_t)peer.n;
	memcpy(a->text, peer.p, peer.n);
	if (map_put(&t->by_text, span_make(a->text, peer.n), a)) return a;
	free(a);
	return NULL;
}

static bool is_counted(const struct conn_host *h, struct span peer)
{
	struct net_addr a;
	return !h->trusted_n || !net_addr_parse(peer, false, &a) || !net_cidrs_match(h->trusted, h->trusted_n, &a);
}

bool conn_host_enter(struct conn_host *h, struct span peer, unsigned what, struct conn_place *out)
{
	*out = (struct conn_place){ .what = what };
	if (!what || !is_counted(h, peer)) return true;
	int64_t most = h->settings.max_per_address ? h->settings.max_per_address : LIMIT_CONNS_PER_ADDR;
	pthread_mutex_lock(&h->addresses->lock);
	out->address = enter(h->addresses, peer, what, most);
	pthread_mutex_unlock(&h->addresses->lock);
	return out->address != NULL;
}

void conn_host_leave(struct conn_host *h, struct conn_place *p)
{
	struct conn_address *a = p->address;
	if (!a) return;
	p->address = NULL;
	pthread_mutex_lock(&h->addresses->lock);
	count(a, p->what, -1);
	if (!a->count && !a->anonymous) {
		map_remove(&h->addresses->by_text, span_make(a->text, a->text_n));
		free(a);
	}
	pthread_mutex_unlock(&h->addresses->lock);
}
