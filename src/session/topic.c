#include "session/topic.h"

#include <stdlib.h>

void topic_table_init(struct topic_table *t, struct subscriptions *(*of)(struct session *s))
{
	u64map_init(&t->map);
	t->of = of;
}

void topic_table_deinit(struct topic_table *t)
{
	struct topic *topic;
	size_t it = 0;
	while ((topic = u64map_next(&t->map, &it, NULL))) {
		free(topic->refs);
		free(topic);
	}
	u64map_deinit(&t->map);
}

struct topic *topic_find(const struct topic_table *t, int64_t key) { return u64map_get(&t->map, (uint64_t)key); }

struct subscription *topic_subscription(const struct subscriptions *s, int64_t key)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->items[i].topic->key == key) return &s->items[i];
	return NULL;
}

static void drop_topic(struct topic_table *t, struct topic *topic)
{
	u64map_remove(&t->map, (uint64_t)topic->key);
	free(topic->refs);
	free(topic);
}

static struct topic *topic_make(struct topic_table *t, int64_t key)
{
	struct topic *topic = calloc(1, sizeof *topic);
	if (!topic) return NULL;
	topic->key = key;
	if (u64map_put(&t->map, (uint64_t)key, topic)) return topic;
	free(topic);
	return NULL;
}

static bool topic_room(struct topic *t)
{
	if (t->n < t->cap) return true;
	if (t->cap > UINT32_MAX / 2) return false;
	uint32_t cap = t->cap ? t->cap * 2 : 2;
	struct topic_ref *more = realloc(t->refs, cap * sizeof *more);
	if (!more) return false;
	t->refs = more;
	t->cap = cap;
	return true;
}

static bool subscriptions_room(struct subscriptions *s)
{
	if (s->n < s->cap) return true;
	uint32_t cap = s->cap ? s->cap * 2 : 2;
	struct subscription *more = realloc(s->items, cap * sizeof *more);
	if (!more) return false;
	s->items = more;
	s->cap = cap;
	return true;
}

struct subscription *topic_add(struct topic_table *t, struct session *s, int64_t key)
{
	struct subscriptions *subs = t->of(s);
	if (!subscriptions_room(subs)) return NULL;
	struct topic *topic = topic_find(t, key);
	if (!topic) topic = topic_make(t, key);
	if (!topic) return NULL;
	if (!topic_room(topic)) {
		if (topic->n == 0) drop_topic(t, topic);
		return NULL;
	}
	struct subscription *sub = &subs->items[subs->n];
	*sub = (struct subscription){ .topic = topic, .at = topic->n };
	topic->refs[topic->n++] = (struct topic_ref){ s, subs->n++ };
	return sub;
}

/* Takes the last reference into the gap. */
static void leave(struct topic_table *t, struct topic *topic, uint32_t at)
{
	struct topic_ref moved = topic->refs[--topic->n];
	if (at != topic->n) {
		topic->refs[at] = moved;
		t->of(moved.session)->items[moved.at].at = at;
	}
	if (topic->n == 0) {
		drop_topic(t, topic);
	} else if (topic->cap > 8 && topic->n < topic->cap / 4) {
		struct topic_ref *less = realloc(topic->refs, topic->cap / 2 * sizeof *less);
		if (less) {
			topic->refs = less;
			topic->cap /= 2;
		}
	}
}

void topic_remove(struct topic_table *t, struct session *s, struct subscription *sub)
{
	struct subscriptions *subs = t->of(s);
	uint32_t at = (uint32_t)(sub - subs->items);
	struct topic *topic = sub->topic;
	uint32_t place = sub->at;
	if (at != --subs->n) {
		*sub = subs->items[subs->n];
		sub->topic->refs[sub->at].at = at;
	}
	leave(t, topic, place);
	if (subs->n) return;
	free(subs->items);
	*subs = (struct subscriptions){ 0 };
}

void topic_remove_all(struct topic_table *t, struct session *s)
{
	struct subscriptions *subs = t->of(s);
	while (subs->n) topic_remove(t, s, &subs->items[subs->n - 1]);
}
