/* beck users: who there is. */
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>

static void show(const beck_value *item)
{
	const beck_user *u = beck_as_user(item);
	char *id = clean_text(beck_user_get_id(u), false), *name = clean_text(beck_user_get_name(u), false);
	char *role = clean_text(beck_user_get_role(u), false);
	bool is_online = beck_user_is_online(u);
	printf("%s%s%s %-24s %-24s %s%s\n", style(is_online ? STYLE_GREEN : STYLE_DIM), is_online ? "●" : "○", style(STYLE_END),
		id, name, role, beck_user_is_banned(u) ? "  banned" : "");
	free(id);
	free(name);
	free(role);
}

int run_users(struct args *g)
{
	static const struct listing users = { "users", 100, "", "{}", beck_query_users, show };
	return listing_run(g, &users);
}
