/* Applications as data: settings, their checks and their JSON, what a new one starts with. The cache itself is in chat.h. */
#ifndef BECK_CHAT_APPS_H
#define BECK_CHAT_APPS_H

#include "chat/chat.h"

/* ---- settings (app_settings.c) ---- */
/* Fills the switches and grants of a whose settings text is set. False: the text is no JSON object, or without memory. */
bool app_settings_load(struct app *a);
/* PATCH /app: checks what was sent, stores the merged text, tells sessions that a revocation ends. */
enum err chat_app_update(struct chat_ctx *c, yyjson_val *body) BECK_WARN_UNUSED;
/* The `app` object of GET /app: everything for the server side, the little that clients need otherwise. */
void chat_app_write(struct chat_ctx *c, struct jsonw *w);

/* ---- channel types (app_types.c) ---- */
/* Reads config and grants of a stored type. False: not JSON, or without memory. */
bool channel_type_load(struct arena *a, const struct store_channel_type *row, struct channel_type *out);
enum err app_types_create(struct store_tx *tx, struct arena *a, int64_t app, int64_t now_us) BECK_WARN_UNUSED;
/* What POST /channeltypes starts from: config and grants of a new type called row->name. */
enum err app_type_defaults(struct chat_ctx *c, struct store_channel_type *row) BECK_WARN_UNUSED;
bool app_type_is_built_in(struct span name);
/* POST, PUT and DELETE /channeltypes (app_type_edit.c). *out: as stored, in the call's arena. */
enum err chat_channel_type_create(struct chat_ctx *c, yyjson_val *body, struct channel_type *out) BECK_WARN_UNUSED;
enum err chat_channel_type_update(
	struct chat_ctx *c, struct span name, yyjson_val *body, struct channel_type *out) BECK_WARN_UNUSED;
enum err chat_channel_type_delete(struct chat_ctx *c, struct span name) BECK_WARN_UNUSED;
/* A type as GET /channeltypes shows it: the members of the object. */
void chat_channel_type_write(
	struct jsonw *w, enum dialect d, const struct channel_type *t, bool commands_as_objects, bool with_grants);

#endif
