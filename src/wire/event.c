#include "wire/event.h"

#include <stdlib.h>

static const struct {
	struct span name;
	enum event_class cls;
	bool durable;
} types[EVENT_COUNT] = {
#define EVENT(name_, wire_, cls_, durable_) [EVENT_##name_] = { { wire_, sizeof(wire_) - 1 }, EVENT_CLASS_##cls_, durable_ },
#include "events.def"
#undef EVENT
};

static enum event_type known(enum event_type t)
{
	BECK_ASSERT((int)t >= 0 && t < EVENT_COUNT);
	return t;
}

struct span event_type_name(enum event_type t) { return types[known(t)].name; }
enum event_class event_type_class(enum event_type t) { return types[known(t)].cls; }
bool event_type_durable(enum event_type t) { return types[known(t)].durable; }

enum event_type event_type_find(struct span name)
{
	for (enum event_type t = 0; t < EVENT_COUNT; t++)
		if (name.n && span_eq(types[t].name, name)) return t;
	return EVENT_COUNT;
}

struct event *event_new(enum event_type t)
{
	struct event *e = calloc(1, sizeof *e);
	if (!e) return NULL;
	atomic_init(&e->refs, 1);
	e->type = t;
	e->cls = event_type_class(t);
	return e;
}

struct event *event_ref(struct event *e)
{
	atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void event_unref(struct event *e)
{
	if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) return;
	blob_unref(e->body);
	blob_unref(e->notify);
	blob_unref(e->close_frame);
	blob_unref(e->watcher);
	free(e->only);
	free(e);
}
