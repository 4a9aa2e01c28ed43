/* One text compressed whole by zlib. The working memory (some kilobytes for a short text, up to 256 KiB) is taken and given back
 * in the call: its size follows the text's, because clearing it would cost more than the compression. Any thread. */
#ifndef BECK_WIRE_DEFLATE_H
#define BECK_WIRE_DEFLATE_H

#include "base/buf.h"

enum deflate_form {
	DEFLATE_GZIP,  /* with gzip's head and checksum */
	DEFLATE_FLUSH, /* raw, ended by a flush: 00 00 ff ff behind the last block */
};

/* Appends; false without memory or room (out unchanged, not failed). */
bool deflate_whole(struct buf *out, struct span in, enum deflate_form form) BECK_WARN_UNUSED;

#endif
