/* Opening a session. The carrier (conn) takes c->start from here. */
#include "api/handlers.h"
#include "chat/connect.h"

enum err api_connect(struct api_call *c)
{
	struct session_start *start = arena_new(&c->arena, struct session_start);
	c->start = NULL;
	if (start == NULL) return chat_store_fail(&c->chat, ERR_UNAVAILABLE);
	enum err e = chat_connect(&c->chat, c->body, start);
	if (e != ERR_OK) return e;
	start->issued_s = c->has_token && c->token.has_iat ? c->token.iat_s : 0;
	c->start = start;
	return ERR_OK;
}

enum err api_connect_plain(struct api_call *c)
{
	return chat_fail(&c->chat, ERR_INPUT, NULL, "this needs a WebSocket: GET with Upgrade: websocket, version 13");
}

/* A poll or a close: the carrier finds the session; here the caller has been checked. */
enum err api_long_poll(struct api_call *c)
{
	if (span_given(api_query(c, "connection_id"))) return ERR_OK;
	return chat_fail(&c->chat, ERR_INPUT, NULL, "a long poll needs json (to connect) or connection_id");
}
