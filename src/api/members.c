/* Members of a channel. */
#include "api/handlers.h"
#include "chat/channel_rules.h"

enum err api_query_members(struct api_call *c)
{
	yyjson_val *payload = NULL;
	enum err e = api_payload(c, &payload);
	if (e == ERR_OK) e = api_acting_user(c, payload, false);
	return e == ERR_OK ? chat_query_members(&c->chat, payload, &c->out) : e;
}

/* Dialect 1 names the member in the path, dialect 2 in the query. Either way he is the one it is done for. */
enum err api_update_member_partial(struct api_call *c)
{
	bool in_path = span_given(c->params[2]);
	struct span user = in_path ? c->params[2] : api_query(c, "user_id");
	return chat_update_member_partial(&c->chat, c->params[0], c->params[1], user, c->body, &c->out);
}
