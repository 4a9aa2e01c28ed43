/* The end of users, and back. */
#include "api/handlers.h"
#include "chat/user_rules.h"

enum err api_delete_users(struct api_call *c) { return chat_delete_users(&c->chat, c->body, &c->out); }
enum err api_restore_users(struct api_call *c) { return chat_restore_users(&c->chat, c->body); }

enum err api_delete_user(struct api_call *c)
{
	struct user_delete_options o = { .hard = false };
	enum err e = api_query_bool(c, "hard_delete", &o.hard);
	if (e == ERR_OK) e = api_query_bool(c, "mark_messages_deleted", &o.mark_messages_deleted);
	if (e == ERR_OK) e = api_query_bool(c, "delete_conversation_channels", &o.delete_conversations);
	return e == ERR_OK ? chat_delete_user(&c->chat, c->params[0], &o, &c->out) : e;
}

enum err api_deactivate_user(struct api_call *c) { return chat_deactivate_user(&c->chat, c->params[0], c->body, &c->out); }
enum err api_deactivate_users(struct api_call *c) { return chat_deactivate_users(&c->chat, c->body, &c->out); }
enum err api_reactivate_user(struct api_call *c) { return chat_reactivate_user(&c->chat, c->params[0], c->body, &c->out); }
enum err api_reactivate_users(struct api_call *c) { return chat_reactivate_users(&c->chat, c->body, &c->out); }
