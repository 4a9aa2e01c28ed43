/* Small files, whole. errno says why not. */
#ifndef BECK_CLIENT_FILE_H
#define BECK_CLIENT_FILE_H

#include "base/buf.h"

/* Appends the file to out; false when it cannot be read or has more than out->max bytes (EFBIG). */
bool file_read(const char *path, struct buf *out);
/* Whether file_replace could, as far as can be known before: its folder takes new files. */
bool file_can_replace(const char *path);
/* The file has either its old content or all of the new, also after a loss of power. Mode 0600. */
bool file_replace(const char *path, struct span content);

#endif
