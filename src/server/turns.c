#include "server/turns.h"

#include <stdlib.h>

struct turn_caller {
	struct list node; /* in its application's ring while not empty */
	struct list jobs;
};
/* Callers are told apart by hash: a few share a place, as if they were one. */
struct turn_app {
	struct list node; /* in turns.ring while not empty */
	struct list ring;
	size_t count;
	struct turn_caller callers[];
};

void turns_init(struct turns *t, size_t callers, size_t most)
{
	*t = (struct turns){ .callers = callers, .most = most };
	list_init(&t->ring);
	u64map_init(&t->by_app);
}

void turns_deinit(struct turns *t)
{
	size_t it = 0;
	struct turn_app *a;
	while ((a = u64map_next(&t->by_app, &it, NULL)) != NULL) free(a);
	u64map_deinit(&t->by_app);
}

static struct turn_app *app_of(struct turns *t, int64_t app)
{
	struct turn_app *a = u64map_get(&t->by_app, (uint64_t)app + 1);
	if (a) return a;
	a = calloc(1, sizeof *a + t->callers * sizeof a->callers[0]);
	if (!a || !u64map_put(&t->by_app, (uint64_t)app + 1, a)) {
		free(a);
		return NULL;
	}
	list_init(&a->node);
	list_init(&a->ring);
	for (size_t i = 0; i < t->callers; i++) {
		list_init(&a->callers[i].node);
		list_init(&a->callers[i].jobs);
	}
	return a;
}

bool turns_push(struct turns *t, struct job *j)
{
	struct turn_app *a = app_of(t, j->app);
	if (!a || a->count >= t->most - t->count) return false;
	struct turn_caller *c = &a->callers[(j->who ? j->who : t->serial++) % t->callers];
	list_init(&j->node);
	list_push(&c->jobs, &j->node);
	if (!list_linked(&c->node)) list_push(&a->ring, &c->node);
	if (!list_linked(&a->node)) list_push(&t->ring, &a->node);
	a->count++;
	t->count++;
	return true;
}

struct job *turns_pop(struct turns *t)
{
	struct list *n = list_shift(&t->ring);
	if (!n) return NULL;
	struct turn_app *a = BECK_CONTAINER(n, struct turn_app, node);
	struct turn_caller *c = BECK_CONTAINER(list_shift(&a->ring), struct turn_caller, node);
	struct job *j = BECK_CONTAINER(list_shift(&c->jobs), struct job, node);
	if (!list_empty(&c->jobs)) list_push(&a->ring, &c->node);
	if (!list_empty(&a->ring)) list_push(&t->ring, &a->node);
	a->count--;
	t->count--;
	return j;
}
