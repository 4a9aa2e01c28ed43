/* Who is connected and who watches what, over all loops of this process. Read by rules (online, watchers), written by loops and
 * rules. Any thread; short critical sections, sharded; no callback runs under a lock. Users are (app, pk); anonymous sessions
 * count as connections and as watchers, each its own (key = -serial). */
#ifndef BECK_SESSION_REGISTRY_H
#define BECK_SESSION_REGISTRY_H

#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/rng.h"

struct registry;
struct registry *registry_create(const struct rng *rng) BECK_WARN_UNUSED;
void registry_destroy(struct registry *r);

/* Counts a session. False when `limit` open ones of that user are there already, or without a user (0) of that application
 * (0 = no limit). *first: he was offline before. */
bool registry_connect(struct registry *r, int64_t app, int64_t user, int64_t limit, bool *first) BECK_WARN_UNUSED;
/* *last: he is offline now. */
void registry_disconnect(struct registry *r, int64_t app, int64_t user, bool *last);
bool registry_is_online(
	struct registry *r, int64_t app, int64_t user); /* has >= 1 session; invisibility is the caller's matter */
int64_t registry_sessions(struct registry *r, int64_t app, int64_t user);
int64_t registry_concurrent(struct registry *r, int64_t app); /* app 0 = all */
int64_t registry_peak(struct registry *r, int64_t app, bool reset);

/* Counts one watching session (`visible` false: not counted as long as registry_set_visible does not say so). *first: the user
 * did not watch before. *count: visible watching users after. False without memory. */
bool registry_watch(struct registry *r, int64_t app, int64_t channel, int64_t user, bool visible, bool *first,
	int64_t *count) BECK_WARN_UNUSED;
void registry_unwatch(struct registry *r, int64_t app, int64_t channel, int64_t user, bool *last, int64_t *count);
int64_t registry_watcher_count(struct registry *r, int64_t app, int64_t channel);
/* Visible watching users in order of their coming (anonymous left out). */
size_t registry_watchers(
	struct registry *r, int64_t app, int64_t channel, int64_t offset, int64_t limit, struct arena *a, int64_t **users);
bool registry_is_watching(struct registry *r, int64_t app, int64_t channel, int64_t user);
bool registry_is_visible(struct registry *r, int64_t app, int64_t user); /* false too when he neither is connected nor watches */
/* The user became invisible or visible: his watches count or not. Nothing happens when he neither is connected nor watches. */
void registry_set_visible(struct registry *r, int64_t app, int64_t user, bool visible);
/* At most once per 5 s and channel, for thinned watching events. */
bool registry_may_announce(struct registry *r, int64_t app, int64_t channel, int64_t mono_us);

/* Users seen (for last_active and monthly active users, written in batches): up to cap; returns how many. They stay until they
 * are forgotten, after the commit, so that no moment knows of none and a failed one loses none; who was seen again meanwhile
 * stays. */
struct registry_seen {
	int64_t app, user, at_us;
};
/* The latest time counts. 0: active this month, without having been here. */
void registry_mark_seen(struct registry *r, int64_t app, int64_t user, int64_t wall_us);
int64_t registry_seen_at(struct registry *r, int64_t user); /* when, if it is not stored yet; else 0 */
void registry_forget_seen(struct registry *r, const struct registry_seen *seen, size_t n);
size_t registry_seen_count(struct registry *r);
size_t registry_list_seen(struct registry *r, struct registry_seen *out, size_t cap);

#endif
