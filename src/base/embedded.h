/* Files compiled into the binary by tools/embed; each table is sorted by name and ended by a NULL name. Data ends in a NUL that
 * `n` does not count. */
#ifndef BECK_BASE_EMBEDDED_H
#define BECK_BASE_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
	const char *name;
	const char *data;
	size_t n;
	const char *tag;    /* differs when the data do */
	const char *packed; /* the data as gzip, or NULL */
	size_t packed_n;
};
extern const struct embedded_file embedded_assets[];
extern const struct embedded_file embedded_migrations[];

#endif
