/* beck channels: which there are for the user, with their last message. */
#include "cli/listing.h"
#include "cli/now.h"
#include "cli/output.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(const beck_value *item)
{
	const beck_value *channel = beck_value_get(item, "channel"), *messages = beck_value_get(item, "messages");
	size_t count = beck_value_count(messages);
	const beck_message *last = count ? beck_as_message(beck_value_at(messages, count - 1)) : NULL;
	char *cid = clean_text(beck_value_text(beck_value_get(channel, "cid")), false);
	char *name = clean_text(beck_value_text(beck_value_get(channel, "name")), false);
	char *who = clean_text(last ? beck_message_user_name(last) : "", false),
	     *text = clean_text(last ? beck_message_text(last) : "", false);
	printf("%s%-32s%s %3lld members  %s%s%s%s%s\n", style(STYLE_BOLD), cid, style(STYLE_END),
		(long long)beck_value_int(beck_value_get(channel, "member_count"), 0), name, *name && last ? "  " : "", who,
		last ? ": " : "", text);
	free(cid);
	free(name);
	free(who);
	free(text);
}

int run_channels(struct args *g)
{
	static const struct listing channels = { "channels", 30, ",\"state\":true,\"message_limit\":1", "{}", beck_query_channels,
		show };
	return listing_run(g, &channels);
}
