/* What `beck users` and `beck channels` share: asking page by page, a line for each found. */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "cli/access.h"

struct listing {
	const char *key;    /* of the reply: "users" */
	long long page_max; /* what one call gives at most */
	const char *more;   /* further members of the query: ",\"state\":true"; "" for none */
	const char *filter; /* unless --filter is given */
	beck_result (*query)(beck_client *client, const char *query_json, const beck_reply **reply, beck_error *err);
	void (*show)(const beck_value *item);
};

/* As the user of --user or of a token; with a secret and no user as the application. */
int listing_run(struct args *args, const struct listing *l);

#endif
