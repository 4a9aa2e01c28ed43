#include "client/names.h"

#include "base/mem.h"

/* Where it is, or would be. */
static size_t place(const struct names *s, struct span name, bool *found)
{
	size_t lo = 0, hi = s->n;
	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = span_cmp(span_str(s->items[mid]), name);
		if (order == 0) {
			*found = true;
			return mid;
		}
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void names_free(struct names *s)
{
	for (size_t i = 0; i < s->n; i++) mem_free(s->items[i]);
	mem_free(s->items);
	*s = (struct names){ 0 };
}

bool names_has(const struct names *s, struct span name)
{
	bool found;
	(void)place(s, name, &found);
	return found;
}

static bool has_room(struct names *s)
{
	if (s->n < s->cap) return true;
	size_t cap = s->cap ? 2 * s->cap : 8;
	char **items = mem_realloc(s->items, cap * sizeof *items);
	if (!items) return false;
	s->items = items;
	s->cap = cap;
	return true;
}

bool names_add(struct names *s, struct span name, size_t max)
{
	bool found;
	size_t at = place(s, name, &found);
	if (found) return true;
	if (s->n >= max || !has_room(s)) return false;
	char *copy = mem_alloc(name.n + 1);
	if (!copy) return false;
	memcpy(copy, name.p, name.n);
	copy[name.n] = '\0';
	memmove(&s->items[at + 1], &s->items[at], (s->n - at) * sizeof *s->items);
	s->items[at] = copy;
	s->n++;
	return true;
}

void names_remove(struct names *s, struct span name)
{
	bool found;
	size_t at = place(s, name, &found);
	if (!found) return;
	mem_free(s->items[at]);
	s->n--;
	memmove(&s->items[at], &s->items[at + 1], (s->n - at) * sizeof *s->items);
}
