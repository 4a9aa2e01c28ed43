/* The result of everything that can fail for a reason the caller is told. ERR_OK is 0; the list is schema/errors.def.
 * ERR_AGAIN never leaves the process (see the functions that return it). */
#ifndef BECK_BASE_ERR_H
#define BECK_BASE_ERR_H

#include "base/span.h"

enum err {
	ERR_OK = 0,
#define ERR(name, code, http, text) ERR_##name,
#include "errors.def" /* schema/ is on the include path */
#undef ERR
	ERR_AGAIN,
	ERR_COUNT
};

int err_code(enum err e); /* the contract's code */
int err_http(enum err e); /* the HTTP status */
struct span err_text(enum err e);
const char *err_name(enum err e); /* "NOT_FOUND" */

/* An error with its story; lives at the edge: API reply, log line. Text lives in the request's arena. */
struct error {
	enum err err;
	struct span message;          /* the reason alone; the edge adds `<Operation> failed with error: "..."` */
	struct span field, field_why; /* exception_fields, at most one entry; field not given = none */
	int retry_after_s;            /* > 0: header Retry-After */
};

#endif
