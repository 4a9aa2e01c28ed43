#include "session/slab.h"

#include <string.h>

void slab_init(struct slab *s, size_t element_size)
{
	*s = (struct slab){ .next = 1, .size = (uint32_t)((element_size + 7) & ~(size_t)7) };
}

void slab_deinit(struct slab *s)
{
	for (uint32_t i = 0; i < s->chunk_count; i++) {
		BECK_UNPOISON(s->chunks[i], (size_t)s->size * SLAB_CHUNK);
		free(s->chunks[i]);
	}
	free(s->chunks);
	*s = (struct slab){ .next = 1, .size = s->size };
}

static bool make_room(struct slab *s)
{
	if (s->next >> SLAB_CHUNK_BITS < s->chunk_count) return true;
	if (s->next == UINT32_MAX) return false;
	char **more = realloc(s->chunks, (s->chunk_count + 1) * sizeof *more);
	if (!more) return false;
	s->chunks = more;
	char *chunk = malloc((size_t)s->size * SLAB_CHUNK);
	if (!chunk) return false;
	s->chunks[s->chunk_count++] = chunk;
	return true;
}

void *slab_alloc(struct slab *s, uint32_t *handle)
{
	uint32_t h = s->free_head;
	if (!h && !make_room(s)) return NULL;
	if (!h) h = s->next++;
	void *p = slab_get(s, h);
	BECK_UNPOISON(p, s->size);
	if (h == s->free_head) memcpy(&s->free_head, p, sizeof s->free_head);
	memset(p, 0, s->size);
	*handle = h;
	return p;
}

void slab_free(struct slab *s, uint32_t handle)
{
	void *p = slab_get(s, handle);
	memcpy(p, &s->free_head, sizeof s->free_head);
	s->free_head = handle;
	BECK_POISON(p, s->size);
}
