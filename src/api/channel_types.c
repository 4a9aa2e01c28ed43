/* Channel types. */
#include "api/handlers.h"
#include "chat/apps.h"

enum err api_list_channel_types(struct api_call *c)
{
	const struct app *a = c->app;
	jsonw_key(&c->out, "channel_types");
	jsonw_obj_begin(&c->out);
	for (size_t i = 0; i < a->type_count; i++) {
		jsonw_key_span(&c->out, a->types[i].name);
		jsonw_obj_begin(&c->out);
		chat_channel_type_write(&c->out, c->chat.dialect, &a->types[i], true, true);
		jsonw_obj_end(&c->out);
	}
	jsonw_obj_end(&c->out);
	return ERR_OK;
}

enum err api_get_channel_type(struct api_call *c)
{
	const struct channel_type *t = chat_app_type(c->app, c->params[0]);
	if (t == NULL)
		return chat_fail(&c->chat, ERR_NOT_FOUND, NULL, "channel type %.*s does not exist", SPAN_FMT(c->params[0]));
	chat_channel_type_write(&c->out, c->chat.dialect, t, true, true);
	return ERR_OK;
}

/* Answers to writes name commands by words, those to reads by objects. */
static enum err show(struct api_call *c, enum err e, const struct channel_type *t)
{
	if (e == ERR_OK) chat_channel_type_write(&c->out, c->chat.dialect, t, false, true);
	return e;
}

enum err api_create_channel_type(struct api_call *c)
{
	struct channel_type made;
	return show(c, chat_channel_type_create(&c->chat, c->body, &made), &made);
}

enum err api_update_channel_type(struct api_call *c)
{
	struct channel_type changed;
	return show(c, chat_channel_type_update(&c->chat, c->params[0], c->body, &changed), &changed);
}

enum err api_delete_channel_type(struct api_call *c) { return chat_channel_type_delete(&c->chat, c->params[0]); }
