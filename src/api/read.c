#include "api/handlers.h"
#include "chat/message_rules.h"

enum err api_mark_read(struct api_call *c)
{
	enum err e = api_acting_user(c, c->body, false);
	return e == ERR_OK ? chat_mark_read(&c->chat, c->params[0], c->params[1], c->body, &c->out) : e;
}

enum err api_mark_channels_read(struct api_call *c)
{
	enum err e = api_acting_user(c, c->body, false);
	return e == ERR_OK ? chat_mark_channels_read(&c->chat, c->body, &c->out) : e;
}

enum err api_mark_unread(struct api_call *c)
{
	enum err e = api_acting_user(c, c->body, false);
	return e == ERR_OK ? chat_mark_unread(&c->chat, c->params[0], c->params[1], c->body) : e;
}

enum err api_mark_delivered(struct api_call *c)
{
	enum err e = api_acting_user(c, c->body, false);
	return e == ERR_OK ? chat_mark_delivered(&c->chat, c->body) : e;
}

enum err api_unread_counts(struct api_call *c)
{
	enum err e = api_acting_user(c, NULL, false);
	return e == ERR_OK ? chat_unread_counts(&c->chat, &c->out) : e;
}

enum err api_unread_counts_batch(struct api_call *c) { return chat_unread_counts_batch(&c->chat, c->body, &c->out); }
