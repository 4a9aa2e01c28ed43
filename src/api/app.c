/* Application settings. */
#include "api/handlers.h"
#include "chat/apps.h"

enum err api_get_app(struct api_call *c)
{
	jsonw_key(&c->out, "app");
	chat_app_write(&c->chat, &c->out);
	return ERR_OK;
}

enum err api_update_app(struct api_call *c) { return chat_app_update(&c->chat, c->body); }
