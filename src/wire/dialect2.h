/* Events are encoded once, in dialect 1. For sessions of dialect 2 the text is rewritten, where such a session is there to need
 * it: custom data moves into `custom` of the event and of each object in it, times become nanoseconds. */
#ifndef BECK_WIRE_DIALECT2_H
#define BECK_WIRE_DIALECT2_H

#include "base/blob.h"

/* From the body of an event without its closing brace to the same in dialect 2. NULL without memory (or when it is no JSON). */
struct blob *event_in_dialect_2(const struct blob *body) BECK_WARN_UNUSED;

#endif
