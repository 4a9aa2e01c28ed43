/* Immutable bytes shared between threads by reference count. The bytes never change after blob_make; the last unref frees.
 * Any thread may ref and unref. */
#ifndef BECK_BASE_BLOB_H
#define BECK_BASE_BLOB_H

#include <stdatomic.h>

#include "base/compiler.h"
#include "base/span.h"

struct blob {
	atomic_uint refs;
	size_t n;
	char p[];
};

/* NULL without memory. The caller holds the one reference. */
struct blob *blob_make(struct span bytes) BECK_WARN_UNUSED;
/* n bytes for the caller to fill before sharing. */
struct blob *blob_alloc(size_t n) BECK_WARN_UNUSED;
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b); /* NULL is fine */
static inline struct span blob_span(const struct blob *b) { return (struct span){ b->p, b->n }; }

#endif
