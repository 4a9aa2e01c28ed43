/* SQL functions that a connection gets beside SQLite's own; the PostgreSQL driver has its own forms of them.
 *   beck_autocomplete(value, needle)  1 when a word of the value begins with the needle, case ignored
 *   beck_terms(value, query)          1 when every word of the query is a word of the value, case ignored
 * NULL value: NULL. */
#ifndef BECK_STORE_SQLITE_FUNCTIONS_H
#define BECK_STORE_SQLITE_FUNCTIONS_H

#include <sqlite3.h>

int functions_register(sqlite3 *db);

#endif
