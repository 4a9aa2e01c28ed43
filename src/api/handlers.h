/* One handler per row of routes.c, named api_<operation in snake case>; each decodes and validates its request, calls a rule of
 * chat and writes the reply's members to c->out. They run on a worker with c->chat.tx set and c->chat.me loaded, and may run more
 * than once. ERR_AGAIN (chat_need_write) sends the call to the lane; ERR_OK with c->subscribe.wanted set to the hub of its
 * connection. */
#ifndef BECK_API_HANDLERS_H
#define BECK_API_HANDLERS_H

#include "api/api.h"

#define API_HANDLER(name) enum err name(struct api_call *c) BECK_WARN_UNUSED

/* connect.c */
API_HANDLER(api_connect);
API_HANDLER(api_connect_plain);
API_HANDLER(api_long_poll);
/* users.c */
API_HANDLER(api_query_users);
API_HANDLER(api_update_users);
API_HANDLER(api_update_users_partial);
API_HANDLER(api_create_guest);
/* user_removal.c */
API_HANDLER(api_delete_users);
API_HANDLER(api_delete_user);
API_HANDLER(api_restore_users);
API_HANDLER(api_deactivate_user);
API_HANDLER(api_deactivate_users);
API_HANDLER(api_reactivate_user);
API_HANDLER(api_reactivate_users);
/* app.c, channel_types.c, rates.c, tasks.c, ops.c */
API_HANDLER(api_get_app);
API_HANDLER(api_update_app);
API_HANDLER(api_list_channel_types);
API_HANDLER(api_get_channel_type);
API_HANDLER(api_create_channel_type);
API_HANDLER(api_update_channel_type);
API_HANDLER(api_delete_channel_type);
API_HANDLER(api_get_rate_limits);
API_HANDLER(api_get_task);
API_HANDLER(api_health);
API_HANDLER(api_metrics);
API_HANDLER(api_usage);
/* channels.c */
API_HANDLER(api_query_channels);
API_HANDLER(api_get_or_create_channel);
API_HANDLER(api_get_or_create_distinct_channel);
API_HANDLER(api_get_channel);
API_HANDLER(api_update_channel);
API_HANDLER(api_update_channel_partial);
API_HANDLER(api_delete_channel);
API_HANDLER(api_delete_channels);
API_HANDLER(api_update_channels_batch);
API_HANDLER(api_truncate_channel);
API_HANDLER(api_hide_channel);
API_HANDLER(api_show_channel);
API_HANDLER(api_stop_watching_channel);
/* members.c */
API_HANDLER(api_query_members);
API_HANDLER(api_update_member_partial);
/* messages.c */
API_HANDLER(api_send_message);
API_HANDLER(api_get_message);
API_HANDLER(api_get_many_messages);
API_HANDLER(api_update_message);
API_HANDLER(api_update_message_partial);
API_HANDLER(api_delete_message);
API_HANDLER(api_undelete_message);
API_HANDLER(api_commit_message);
API_HANDLER(api_message_history);
API_HANDLER(api_get_replies);
API_HANDLER(api_get_pinned_messages);
/* threads.c */
API_HANDLER(api_query_threads);
API_HANDLER(api_get_thread);
/* read.c */
API_HANDLER(api_mark_read);
API_HANDLER(api_mark_channels_read);
API_HANDLER(api_mark_unread);
API_HANDLER(api_mark_delivered);
API_HANDLER(api_unread_counts);
API_HANDLER(api_unread_counts_batch);
/* events.c, sync.c */
API_HANDLER(api_send_event);
API_HANDLER(api_send_user_custom_event);
API_HANDLER(api_sync);

#undef API_HANDLER

/* ---- what handlers share (call.c) ---- */
/* A query parameter; not given when absent or empty. */
struct span api_query(const struct api_call *c, const char *name);
/* "true" or "false" (1, 0); *out stays when not given. Else ERR_INPUT. */
enum err api_query_bool(struct api_call *c, const char *name, bool *out) BECK_WARN_UNUSED;
/* A decimal number within the bounds; *out stays when not given. */
enum err api_query_int(struct api_call *c, const char *name, int64_t min, int64_t max, int64_t *out) BECK_WARN_UNUSED;
/* The `payload` parameter as an object; NULL when not given. */
enum err api_payload(struct api_call *c, yyjson_val **out) BECK_WARN_UNUSED;
/* A JSON parameter, parsed: a list may come without its brackets. NULL when not given. */
enum err api_query_json(struct api_call *c, const char *name, bool is_list, yyjson_val **out) BECK_WARN_UNUSED;
/* Sets c->chat.me of a server call from `object` (the body or the part of it that names the user; NULL = none) and the query's
 * user_id; a client call only checks that it names himself. */
enum err api_acting_user(struct api_call *c, yyjson_val *object, bool may_create) BECK_WARN_UNUSED;
/* For calls that watch or subscribe: the connection_id of query or body in c->subscribe.connection_id. Missing, or a server call:
 * ERR_INPUT. */
enum err api_require_connection(struct api_call *c) BECK_WARN_UNUSED;

#endif
