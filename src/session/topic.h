/* Who listens to what: sessions by a row number (a watched channel, a user whose presence is followed). Both ends hold the
 * other's place, so that adding and removing cost the same whatever the crowd. One thread. */
#ifndef BECK_SESSION_TOPIC_H
#define BECK_SESSION_TOPIC_H

#include "base/map.h"

struct session;

struct topic_ref {
	struct session *session;
	uint32_t at; /* its place in the session's subscriptions */
};
struct topic {
	int64_t key;
	int64_t announced_us; /* for events that are thinned to one per while */
	struct topic_ref *refs;
	uint32_t n, cap;
};
struct subscription {
	struct topic *topic;
	int64_t cause;   /* presence: the channel that brought it, 0 = none */
	uint32_t at;     /* its place in the topic */
	uint32_t serial; /* of all subscriptions of this hub; no two that are taken for each other share it */
	uint16_t calls;  /* that asked for it and did not take it back */
	bool is_quiet;   /* watching: nothing is announced */
};
struct subscriptions {
	struct subscription *items;
	uint32_t n, cap;
};
/* Which member of a session holds its subscriptions of a kind: the table knows. */
struct topic_table {
	struct u64map map;
	struct subscriptions *(*of)(struct session *s);
};

void topic_table_init(struct topic_table *t, struct subscriptions *(*of)(struct session *s));
void topic_table_deinit(struct topic_table *t);                     /* sessions' ends are not touched */
struct topic *topic_find(const struct topic_table *t, int64_t key); /* NULL = nobody listens */
/* NULL when the session does not listen to it. Valid until the session's next add or remove. */
struct subscription *topic_subscription(const struct subscriptions *s, int64_t key);
/* The session must not listen yet. NULL without memory. */
struct subscription *topic_add(struct topic_table *t, struct session *s, int64_t key) BECK_WARN_UNUSED;
void topic_remove(struct topic_table *t, struct session *s, struct subscription *sub);
void topic_remove_all(struct topic_table *t, struct session *s);

#endif
