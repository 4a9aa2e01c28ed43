#include "api/strangers.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"

/* A token bucket is one instant: when it will be full again. Each call moves it on by what one token takes to come; a call is
 * refused when that would put it further ahead than the whole bucket. */
enum { SETS = 4096, WAYS = 4, SECOND_US = 1000000 };

struct place {
	uint64_t address; /* keyed hash */
	int64_t full_us[STRANGER_CALLS];
};
struct bucket {
	int64_t most, token_us;
};
struct strangers {
	pthread_mutex_t lock;
	uint64_t seed[2];
	struct bucket buckets[STRANGER_CALLS];
	struct place places[SETS][WAYS];
};

struct strangers *strangers_create(const struct rng *rng, int64_t guests_at_once)
{
	struct strangers *s = calloc(1, sizeof *s);
	if (!s) return NULL;
	pthread_mutex_init(&s->lock, NULL);
	rng_fill(rng, s->seed, sizeof s->seed);
	s->buckets[STRANGER_CALL] = (struct bucket){ LIMIT_STRANGER_CALLS, SECOND_US / LIMIT_STRANGER_CALLS_PER_S };
	s->buckets[STRANGER_GUEST] = (struct bucket){ guests_at_once ? guests_at_once : LIMIT_GUESTS_PER_ADDR, SECOND_US };
	return s;
}

void strangers_destroy(struct strangers *s)
{
	if (!s) return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Who has an IPv6 address has its whole /64. */
static struct span network_of(struct span peer, uint8_t bytes[16])
{
	char text[INET6_ADDRSTRLEN];
	if (peer.n >= sizeof text || memchr(peer.p, '.', peer.n)) return peer;
	memcpy(text, peer.p, peer.n);
	text[peer.n] = 0;
	return inet_pton(AF_INET6, text, bytes) == 1 ? span_make((const char *)bytes, 8) : peer;
}

static int64_t debt_end(const struct place *p)
{
	int64_t end = 0;
	for (int i = 0; i < STRANGER_CALLS; i++)
		if (p->full_us[i] > end) end = p->full_us[i];
	return end;
}

static struct place *place_of(struct strangers *s, struct span peer)
{
	uint8_t bytes[16];
	uint64_t hash = map_siphash(s->seed, network_of(peer, bytes));
	struct place *set = s->places[hash % SETS], *oldest = &set[0];
	for (int i = 0; i < WAYS; i++) {
		if (set[i].address == hash) return &set[i];
		if (debt_end(&set[i]) < debt_end(oldest)) oldest = &set[i];
	}
	*oldest = (struct place){ .address = hash };
	return oldest;
}

int strangers_wait_s(struct strangers *s, struct span peer, enum stranger_call what, int64_t now_us)
{
	if (!s) return 0;
	const struct bucket *b = &s->buckets[what];
	pthread_mutex_lock(&s->lock);
	int64_t *full = &place_of(s, peer)->full_us[what];
	int64_t then = (*full > now_us ? *full : now_us) + b->token_us;
	int64_t early = then - now_us - b->most * b->token_us;
	if (early <= 0) *full = then;
	pthread_mutex_unlock(&s->lock);
	return early <= 0 ? 0 : (int)((early + SECOND_US - 1) / SECOND_US);
}
