/* What a driver (uv, sim) supplies and what it is given: the part of net that only src/net and the simulator's driver include.
 *
 * A driver embeds the generic structs at the head of its own and calls, each turn and in this order:
 *   net_loop_touch          the clock is read (again whenever it may have slept)
 *   its I/O, net_loop_run_mailbox, net_loop_run_timers
 *   net_loop_run_deferred   then it may sleep until net_loop_next_due, but not while net_loop_has_deferred. */
#ifndef BECK_NET_DRIVER_H
#define BECK_NET_DRIVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "net/net.h"

struct net_driver {
	void (*run)(struct net_loop *l);
	void (*stop)(struct net_loop *l); /* any thread */
	void (*destroy)(struct net_loop *l);
	void (*wake)(struct net_loop *l); /* any thread: the mailbox is no longer empty */
	int64_t (*write)(struct net_stream *s, const struct iovec *iov, int count);
	int64_t (*unacked)(struct net_stream *s);
	void (*read)(struct net_stream *s, bool on);
	void (*close_gracefully)(struct net_stream *s, int64_t linger_ms);
	void (*close)(struct net_stream *s);
	struct net_listener *(*listen)(struct net_loop *l, const struct net_listen_options *o, const char **why);
	void (*listener_close)(struct net_listener *ls);
};

/* 4-ary heap; the due time stands beside the pointer so that sifting does not touch the timers themselves. */
struct net_heap_slot {
	int64_t due_us;
	struct net_timer *timer;
};

struct net_loop {
	const struct net_driver *driver;
	const struct clock *clock;
	const struct rng *rng;
	_Atomic int64_t now_us;
	int time_scale;
	struct list deferred;
	struct net_heap_slot *heap;
	uint32_t timer_count, timer_cap;
	pthread_mutex_t lock; /* guards inbox */
	struct list inbox;
};

enum { NET_PEER_BYTES = 46 };
struct net_stream {
	struct net_loop *loop;
	const struct net_stream_events *ev; /* NULL: nobody wants to hear (refused, or the owner is gone) */
	void *ctx;
	uint8_t is_tls, peer_n;
	char peer[NET_PEER_BYTES];
};
struct net_listener {
	struct net_loop *loop;
	uint16_t port;
};

void net_loop_init(struct net_loop *l, const struct net_driver *driver, const struct clock *clock, const struct rng *rng);
void net_loop_deinit(struct net_loop *l);
void net_loop_touch(struct net_loop *l);
void net_loop_run_mailbox(struct net_loop *l);
void net_loop_run_timers(struct net_loop *l);
void net_loop_run_deferred(struct net_loop *l);
int64_t net_loop_next_due(const struct net_loop *l); /* 0 = no timer runs */
static inline bool net_loop_has_deferred(const struct net_loop *l) { return !list_empty(&l->deferred); }

#endif
