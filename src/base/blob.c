#include "base/blob.h"

#include <stdlib.h>

#include "base/ckd.h"

struct blob *blob_alloc(size_t n)
{
	size_t bytes;
	if (!ckd_add_size(sizeof(struct blob), n, &bytes)) return NULL;
	struct blob *b = malloc(bytes);
	if (!b) return NULL;
	atomic_init(&b->refs, 1);
	b->n = n;
	return b;
}

struct blob *blob_make(struct span bytes)
{
	struct blob *b = blob_alloc(bytes.n);
	if (b && bytes.n) memcpy(b->p, bytes.p, bytes.n);
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	/* The caller holds a reference, so the count cannot reach 0 meanwhile and nothing needs ordering. */
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void blob_unref(struct blob *b)
{
	/* Release: this thread's reads end before; acquire: the freeing thread sees that of all others. */
	if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) free(b);
}
