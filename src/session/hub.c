#include "session/hub.h"

#include <stdlib.h>

enum { SEEN_TICKS = 15 * 60 }; /* last_active of the connected is refreshed so often (contract: events 5.1) */

static struct subscriptions *watches_of(struct session *s) { return &s->watches; }
static struct subscriptions *presence_of(struct session *s) { return &s->presence; }

/* ---- the clock ---- */

static void beat(struct session_hub *h)
{
	while (!list_empty(&h->health)) {
		struct session *s = BECK_CONTAINER(h->health.next, struct session, health);
		if ((int32_t)(h->tick - s->health_tick) < 0) return;
		struct hub_user *u = s->user;
		if (u->pk && h->tick - u->seen_tick >= SEEN_TICKS) {
			u->seen_tick = h->tick;
			registry_mark_seen(h->registry, u->app, u->pk, clock_wall_us(net_clock(h->loop)));
		}
		session_health(s);
	}
}

static void end_slow(struct session_hub *h)
{
	while (!list_empty(&h->slow)) {
		struct session *s = BECK_CONTAINER(h->slow.next, struct session, care);
		if (h->tick - s->slow_tick < TICKS(LIMIT_QUEUE_SOFT_MS)) return;
		if (session_goes_on(s)) continue;
		h->stats.closed_slow++;
		session_doom(s, CLOSE_SLOW);
	}
}

static void on_tick(struct net_timer *t)
{
	struct session_hub *h = BECK_CONTAINER(t, struct session_hub, ticker);
	h->tick++;
	beat(h);
	end_slow(h);
	hub_close_doomed(h);
	totals_retry(h);
	check_go_on(h);
	hub_show_stats(h);
	if (h->open_count) net_timer_start(h->loop, &h->ticker, TICK_MS);
}

void hub_start_clock(struct session_hub *h)
{
	if (!net_timer_running(&h->ticker)) net_timer_start(h->loop, &h->ticker, TICK_MS);
}

void hub_close_doomed(struct session_hub *h)
{
	struct list *node;
	while ((node = list_shift(&h->doomed))) {
		struct session *s = BECK_CONTAINER(node, struct session, care);
		session_close(s, s->close_code, NULL);
	}
}

/* ---- life ---- */

struct session_hub *session_hub_create(
	struct net_loop *loop, unsigned node, unsigned index, struct registry *reg, const struct session_ops *ops)
{
	struct session_hub *h = calloc(1, sizeof *h);
	if (!h) return NULL;
	if (!ring_init(&h->ring, (uint32_t)LIMIT_RING_EVENTS)) {
		free(h);
		return NULL;
	}
	h->loop = loop;
	h->node = node;
	h->index = index;
	h->registry = reg;
	h->ops = ops;
	rng_fill(net_rng(loop), h->id_seed, sizeof h->id_seed);
	slab_init(&h->users, sizeof(struct hub_user));
	u64map_init(&h->user_by_pk);
	member_index_init(&h->members);
	topic_table_init(&h->watches, watches_of);
	topic_table_init(&h->presence, presence_of);
	list_init(&h->health);
	list_init(&h->slow);
	list_init(&h->doomed);
	list_init(&h->checks);
	list_init(&h->posted);
	h->ticker.run = on_tick;
	BECK_ASSERT(pthread_mutex_init(&h->posted_lock, NULL) == 0);
	return h;
}

void session_hub_set_peers(struct session_hub *h, struct session_hub *const *peers, size_t n)
{
	h->peers = peers;
	h->peer_count = n;
}

static void free_sessions(struct session_hub *h)
{
	for (uint32_t i = 0; i < h->slot_count; i++) {
		struct session *s = h->sessions[i];
		if (!s) continue;
		free(s->watches.items);
		free(s->presence.items);
		hub_free_session(s);
	}
	free(h->sessions);
	free(h->free_slots);
}

static void free_users(struct session_hub *h)
{
	struct hub_user *u;
	size_t it = 0;
	while ((u = u64map_next(&h->user_by_pk, &it, NULL))) free(u->memberships);
	u64map_deinit(&h->user_by_pk);
	slab_deinit(&h->users);
}

void session_hub_destroy(struct session_hub *h)
{
	if (!h) return;
	net_timer_stop(h->loop, &h->ticker);
	post_drop_all(h);
	free_sessions(h);
	free_users(h);
	member_index_deinit(&h->members);
	topic_table_deinit(&h->watches);
	topic_table_deinit(&h->presence);
	ring_deinit(&h->ring);
	tail_pool_deinit(&h->tails);
	pthread_mutex_destroy(&h->posted_lock);
	free(h);
}

/* ---- events ---- */

void session_hub_deliver(void *hub, struct event *const *events, size_t n)
{
	struct session_hub *h = hub;
	for (size_t i = 0; i < n; i++) fanout(h, events[i]);
	hub_show_stats(h);
}

/* ---- figures ---- */

/* The loop's thread is the only writer. */
void hub_show_stats(struct session_hub *h)
{
	const struct session_stats *s = &h->stats;
	const int64_t now[] = { s->sessions, s->polls, s->events_delivered, s->events_dropped, s->closed_slow, s->bytes_queued };
	for (size_t i = 0; i < BECK_COUNT(now); i++) atomic_store_explicit(&h->shown[i], now[i], memory_order_relaxed);
}

void session_hub_stats(struct session_hub *h, struct session_stats *out)
{
	int64_t v[BECK_COUNT(h->shown)];
	for (size_t i = 0; i < BECK_COUNT(v); i++) v[i] = atomic_load_explicit(&h->shown[i], memory_order_relaxed);
	out->sessions += v[0];
	out->polls += v[1];
	out->events_delivered += v[2];
	out->events_dropped += v[3];
	out->closed_slow += v[4];
	out->bytes_queued += v[5];
}
