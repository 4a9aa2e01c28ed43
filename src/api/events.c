#include "api/handlers.h"
#include "chat/message_rules.h"

enum err api_send_event(struct api_call *c)
{
	enum err e = api_acting_user(c, json_get(c->body, "event"), true);
	return e == ERR_OK ? chat_send_event(&c->chat, c->params[0], c->params[1], c->body, &c->out) : e;
}

enum err api_send_user_custom_event(struct api_call *c)
{
	enum err e = api_acting_user(c, json_get(c->body, "event"), false);
	return e == ERR_OK ? chat_send_user_event(&c->chat, c->params[0], c->body) : e;
}
