/* Words and letters for $autocomplete and $q: simple case folding and word boundaries over UTF-8, by table, so that every machine
 * and every libc answers alike. Pure; any thread. Input that is not valid UTF-8 is read byte by byte and never overrun. */
#ifndef BECK_STORE_FOLD_H
#define BECK_STORE_FOLD_H

#include <stdint.h>

#include "base/span.h"

/* Reads one code point and moves *at past it. */
uint32_t fold_next(struct span s, size_t *at);
/* Lower case of a code point where it is one code point (Latin, Greek, Cyrillic, Armenian, full width); itself otherwise. */
uint32_t fold_lower(uint32_t c);
/* Letters, digits, marks: what words are made of. */
bool fold_is_word(uint32_t c);
/* Scripts written without blanks: each character counts as a word of its own. */
bool fold_is_ideograph(uint32_t c);

/* A needle made ready: folded code points. Owned by the caller's memory. */
struct fold_needle {
	uint32_t *chars;
	size_t n;
};
/* `chars` must hold text.n elements. Blanks at both ends go. */
void fold_needle_init(struct fold_needle *out, uint32_t *chars, struct span text);
/* Does a word of the value begin with the needle? (The needle may go on into the next words.) An empty needle: true. */
bool fold_autocomplete(struct span value, const struct fold_needle *needle);
/* Is every word of the needle a word of the value? A needle without words: false. */
bool fold_has_terms(struct span value, const struct fold_needle *needle);

#endif
