/* The contract's filter language as a tree (channels-and-messages.md 4). Parsing knows shapes and bounds, not fields: which field
 * allows which operator and type is a table of the caller's (filter_check), and SQL is the store's business. */
#ifndef BECK_WIRE_FILTER_H
#define BECK_WIRE_FILTER_H

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

enum filter_op {
	FILTER_AND,
	FILTER_OR,
	FILTER_NOR, /* kids */
	FILTER_EQ,
	FILTER_NE,
	FILTER_GT,
	FILTER_GTE,
	FILTER_LT,
	FILTER_LTE,
	FILTER_IN,
	FILTER_NIN,
	FILTER_EXISTS,
	FILTER_AUTOCOMPLETE,
	FILTER_Q,
	FILTER_CONTAINS,
};
#define FILTER_BIT(op) (1u << (op))
#define FILTER_ORDER   (FILTER_BIT(FILTER_GT) | FILTER_BIT(FILTER_GTE) | FILTER_BIT(FILTER_LT) | FILTER_BIT(FILTER_LTE))
#define FILTER_SAME    (FILTER_BIT(FILTER_EQ) | FILTER_BIT(FILTER_IN))
#define FILTER_NOT     (FILTER_BIT(FILTER_NE) | FILTER_BIT(FILTER_NIN))

struct filter {
	enum filter_op op;
	struct filter *kids; /* AND, OR, NOR */
	size_t kid_count;
	struct span field; /* comparisons */
	yyjson_val *value;
	int field_id;    /* set by filter_check: index into the table, or FILTER_CUSTOM */
	int64_t time_us; /* set by filter_check for FILTER_T_TIME scalars */
};

/* `{}`, absent and null give an AND without kids. On failure *e says what and names the field. */
enum err filter_parse(struct arena *a, yyjson_val *json, struct filter *out, struct error *e);

enum filter_type {
	FILTER_T_STRING,
	FILTER_T_NUMBER,
	FILTER_T_BOOL,
	FILTER_T_TIME,
	FILTER_T_STRINGS /* array-valued */,
	FILTER_T_ANY
};
struct filter_field {
	const char *name;
	enum filter_type type;
	unsigned ops; /* FILTER_BIT(...) */
};
#define FILTER_CUSTOM (-1)
/* Looks every field up in the table; unknown ones become FILTER_CUSTOM when custom_ok, else ERR_INPUT; wrong operator or operand
 * type: ERR_INPUT naming the field. A custom field name is [A-Za-z0-9_.-]{1,64}. */
enum err filter_check(
	struct arena *a, struct filter *f, const struct filter_field *table, size_t count, bool custom_ok, struct error *e);

/* Sort: [{field, direction, type?}], [{field: dir}] or {field: dir}. At most 8 keys. */
struct sort_key {
	struct span field;
	int field_id; /* set by sort_check */
	bool descending;
	enum filter_type as; /* custom fields: ANY, NUMBER or BOOL from "type" */
};
struct sort {
	struct sort_key keys[8];
	size_t n;
};
enum err sort_parse(struct arena *a, yyjson_val *json, struct sort *out, struct error *e);
enum err sort_check(struct sort *s, const char *const *fields, size_t count, bool custom_ok, struct error *e);

#endif
