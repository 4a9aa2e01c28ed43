/* What filters and sorts may name beside the built-in fields: custom keys. A built-in name that is no field of the query cannot
 * be one of them: asking for it is a mistake that would match nothing for ever, so it is told. */
#ifndef BECK_CHAT_QUERY_FIELDS_H
#define BECK_CHAT_QUERY_FIELDS_H

#include "chat/chat.h"

/* After filter_check and sort_check. `reserved` says which keys cannot be custom. ERR_INPUT names the field. */
enum err query_fields_check(
	struct chat_ctx *c, const struct filter *f, const struct sort *s, bool (*reserved)(struct span key)) BECK_WARN_UNUSED;

#endif
