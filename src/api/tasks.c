#include "api/handlers.h"
#include "chat/user_rules.h"

enum err api_get_task(struct api_call *c) { return chat_get_task(&c->chat, c->params[0], &c->out); }
