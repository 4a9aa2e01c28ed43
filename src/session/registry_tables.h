/* The inside of the registry: shards of users and of channels. Locks are taken user first, then channel, then the counters'. */
#ifndef BECK_SESSION_REGISTRY_TABLES_H
#define BECK_SESSION_REGISTRY_TABLES_H

#include <pthread.h>

#include "base/map.h"
#include "session/registry.h"

enum { REGISTRY_SHARDS = 32 };

/* Row keys are unique over applications, so the key alone names a user or a channel. Lives while he has a session or watches. */
struct reg_user {
	int64_t user;
	int64_t *watched; /* channels, each once */
	uint32_t sessions, watched_n, watched_cap;
	bool is_visible;
};
/* In order of coming; user 0 = gone, until the array is packed. */
struct reg_watcher {
	int64_t user;
	uint32_t sessions;
	bool is_visible;
};
struct reg_channel {
	int64_t channel;
	struct reg_watcher *items;
	struct u64map places; /* user -> index + 2, once there are many */
	uint32_t n, cap, live;
	uint32_t visible, anonymous;
	int64_t announced_us;
};
struct reg_shard {
	pthread_mutex_t lock;
	struct u64map map;
};
struct reg_count {
	int64_t now, peak;
	int64_t anonymous; /* of now */
};
struct registry {
	struct reg_shard users[REGISTRY_SHARDS], channels[REGISTRY_SHARDS];
	pthread_mutex_t lock; /* what follows */
	struct u64map apps;   /* app -> struct reg_count */
	struct reg_count all;
	struct u64map seen; /* user -> struct registry_seen */
};

/* Returns locked. */
struct reg_shard *registry_lock_shard(struct reg_shard *shards, int64_t key);
/* With the user's shard locked. */
struct reg_user *registry_user(struct reg_shard *s, int64_t user, bool may_make);
void registry_user_leave(struct reg_shard *s, struct reg_user *u); /* frees it when nothing holds it */
void registry_channel_free(struct reg_channel *c);

#endif
