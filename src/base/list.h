/* Intrusive doubly linked ring. A zeroed or inited-alone node is in no list. */
#ifndef BECK_BASE_LIST_H
#define BECK_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l) { l->prev = l->next = l; }
static inline bool list_empty(const struct list *l) { return l->next == l || l->next == NULL; }
static inline bool list_linked(const struct list *l) { return l->next != NULL && l->next != l; }
static inline void list_push(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}
static inline void list_remove(struct list *node)
{
	if (node->next) {
		node->prev->next = node->next;
		node->next->prev = node->prev;
	}
	node->prev = node->next = node;
}
static inline struct list *list_shift(struct list *head)
{
	struct list *n = head->next;
	if (n == NULL || n == head) return NULL;
	list_remove(n);
	return n;
}
/* Moves everything from `src` (left empty) into the empty, inited `dst`. */
static inline void list_take_all(struct list *dst, struct list *src)
{
	list_init(dst);
	if (list_empty(src)) return;
	*dst = *src;
	dst->next->prev = dst->prev->next = dst;
	list_init(src);
}

#endif
