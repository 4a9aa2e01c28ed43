/* The whole HTTP surface. Names are those of the contract's operations: they stand in error texts, rate limits and metrics. */
#include "api/handlers.h"

#define S      API_SERVER_ONLY
#define C      API_CLIENT_ONLY
#define CHAT   API_CHAT
#define SLOW   API_SLOW
#define GET    HTTP_M_GET
#define POST   HTTP_M_POST
#define PUT    HTTP_M_PUT
#define PATCH  HTTP_M_PATCH
#define DELETE HTTP_M_DELETE
#define READ   API_READ
#define WRITE  API_WRITE

const struct api_route api_routes[] = {
	/* connection */
	{ "Connect", GET, "/connect", READ, API_QUERY_AUTH, api_connect_plain },
	{ "LongPoll", GET, "/longpoll", READ, API_QUERY_AUTH | API_CLIENT_ONLY, api_long_poll },
	{ "LongPoll", POST, "/longpoll", READ, API_QUERY_AUTH | API_CLIENT_ONLY, api_long_poll },
	/* users */
	{ "QueryUsers", GET, "/users", READ, SLOW, api_query_users },
	{ "UpdateUsers", POST, "/users", WRITE, 0, api_update_users },
	{ "UpdateUsersPartial", PATCH, "/users", WRITE, 0, api_update_users_partial },
	{ "CreateGuest", POST, "/guest", WRITE, API_KEY_ONLY, api_create_guest },
	{ "DeleteUsers", POST, "/users/delete", WRITE, S, api_delete_users },
	{ "RestoreUsers", POST, "/users/restore", WRITE, S, api_restore_users },
	{ "DeactivateUsers", POST, "/users/deactivate", WRITE, S, api_deactivate_users },
	{ "ReactivateUsers", POST, "/users/reactivate", WRITE, S, api_reactivate_users },
	{ "DeleteUser", DELETE, "/users/{user}", WRITE, S | API_ROOT_ONLY, api_delete_user },
	{ "DeactivateUser", POST, "/users/{user}/deactivate", WRITE, S, api_deactivate_user },
	{ "ReactivateUser", POST, "/users/{user}/reactivate", WRITE, S, api_reactivate_user },
	{ "SendUserCustomEvent", POST, "/users/{user}/event", READ, S | CHAT, api_send_user_custom_event },
	/* application */
	{ "GetApp", GET, "/app", READ, 0, api_get_app },
	{ "UpdateApp", PATCH, "/app", WRITE, S, api_update_app },
	{ "ListChannelTypes", GET, "/channeltypes", READ, S | CHAT, api_list_channel_types },
	{ "GetChannelType", GET, "/channeltypes/{type}", READ, S | CHAT, api_get_channel_type },
	{ "CreateChannelType", POST, "/channeltypes", WRITE, S | CHAT, api_create_channel_type },
	{ "UpdateChannelType", PUT, "/channeltypes/{type}", WRITE, S | CHAT, api_update_channel_type },
	{ "DeleteChannelType", DELETE, "/channeltypes/{type}", WRITE, S | CHAT, api_delete_channel_type },
	{ "GetRateLimits", GET, "/rate_limits", READ, S, api_get_rate_limits },
	{ "GetTask", GET, "/tasks/{task}", READ, S, api_get_task },
	/* channels */
	{ "QueryChannels", POST, "/channels", READ, CHAT | SLOW, api_query_channels },
	{ "QueryChannels", GET, "/channels", READ, CHAT | SLOW, api_query_channels },
	{ "DeleteChannels", POST, "/channels/delete", WRITE, S | CHAT, api_delete_channels },
	{ "UpdateChannelsBatch", PUT, "/channels/batch", WRITE, S | CHAT, api_update_channels_batch },
	{ "MarkChannelsRead", POST, "/channels/read", WRITE, CHAT, api_mark_channels_read },
	{ "MarkDelivered", POST, "/channels/delivered", WRITE, CHAT, api_mark_delivered },
	{ "GetOrCreateDistinctChannel", POST, "/channels/{type}/query", READ, CHAT, api_get_or_create_distinct_channel },
	{ "GetOrCreateChannel", POST, "/channels/{type}/{id}/query", READ, CHAT, api_get_or_create_channel },
	{ "GetChannel", GET, "/channels/{type}/{id}", READ, CHAT, api_get_channel },
	{ "UpdateChannel", POST, "/channels/{type}/{id}", WRITE, CHAT, api_update_channel },
	{ "UpdateChannelPartial", PATCH, "/channels/{type}/{id}", WRITE, CHAT, api_update_channel_partial },
	{ "DeleteChannel", DELETE, "/channels/{type}/{id}", WRITE, CHAT, api_delete_channel },
	{ "TruncateChannel", POST, "/channels/{type}/{id}/truncate", WRITE, CHAT, api_truncate_channel },
	{ "HideChannel", POST, "/channels/{type}/{id}/hide", WRITE, CHAT, api_hide_channel },
	{ "ShowChannel", POST, "/channels/{type}/{id}/show", WRITE, CHAT, api_show_channel },
	{ "StopWatchingChannel", POST, "/channels/{type}/{id}/stop-watching", READ, C | CHAT, api_stop_watching_channel },
	{ "QueryMembers", GET, "/members", READ, CHAT | SLOW, api_query_members },
	{ "UpdateMemberPartial", PATCH, "/channels/{type}/{id}/member/{user}", WRITE, API_ROOT_ONLY, api_update_member_partial },
	{ "UpdateMemberPartial", PATCH, "/channels/{type}/{id}/member", WRITE, CHAT, api_update_member_partial },
	/* messages */
	{ "SendMessage", POST, "/channels/{type}/{id}/message", WRITE, CHAT, api_send_message },
	{ "GetManyMessages", GET, "/channels/{type}/{id}/messages", READ, CHAT, api_get_many_messages },
	{ "GetPinnedMessages", GET, "/channels/{type}/{id}/pinned_messages", READ, CHAT, api_get_pinned_messages },
	{ "GetMessage", GET, "/messages/{message}", READ, CHAT, api_get_message },
	{ "UpdateMessage", POST, "/messages/{message}", WRITE, CHAT, api_update_message },
	{ "UpdateMessagePartial", PUT, "/messages/{message}", WRITE, CHAT, api_update_message_partial },
	{ "DeleteMessage", DELETE, "/messages/{message}", WRITE, CHAT, api_delete_message },
	{ "UndeleteMessage", POST, "/messages/{message}/undelete", WRITE, S | CHAT, api_undelete_message },
	{ "CommitMessage", POST, "/messages/{message}/commit", WRITE, S | CHAT, api_commit_message },
	{ "QueryMessageHistory", POST, "/messages/history", READ, S | CHAT, api_message_history },
	{ "GetReplies", GET, "/messages/{message}/replies", READ, CHAT, api_get_replies },
	{ "QueryThreads", POST, "/threads", READ, CHAT | SLOW, api_query_threads },
	{ "GetThread", GET, "/threads/{message}", READ, CHAT, api_get_thread },
	/* read state, events */
	{ "MarkRead", POST, "/channels/{type}/{id}/read", WRITE, CHAT, api_mark_read },
	{ "MarkUnread", POST, "/channels/{type}/{id}/unread", WRITE, CHAT, api_mark_unread },
	{ "UnreadCounts", GET, "/unread", READ, CHAT, api_unread_counts },
	{ "UnreadCountsBatch", POST, "/unread_batch", READ, S | CHAT, api_unread_counts_batch },
	{ "SendEvent", POST, "/channels/{type}/{id}/event", READ, CHAT, api_send_event },
	{ "Sync", POST, "/sync", READ, CHAT | SLOW, api_sync },
	/* Beck's own */
	{ "Health", GET, "/beck/health", READ, API_PUBLIC | API_ROOT_ONLY, api_health },
	{ "Metrics", GET, "/beck/metrics", READ, S | API_ROOT_ONLY, api_metrics },
	{ "Usage", GET, "/beck/usage", WRITE, S | API_ROOT_ONLY, api_usage },
	{ 0 },
};
