/* Folders on disk. */
#ifndef BECK_BASE_FOLDER_H
#define BECK_BASE_FOLDER_H

#include <stdbool.h>

#include "base/compiler.h"

/* Names made, replaced or removed in the folder are on disk after it; false with errno. */
bool folder_sync(const char *path) BECK_WARN_UNUSED;

#endif
