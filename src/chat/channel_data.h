/* Channel data of requests: what is reserved, what is custom, which overrides are allowed. Used by creation and both updates. */
#ifndef BECK_CHAT_CHANNEL_DATA_H
#define BECK_CHAT_CHANNEL_DATA_H

#include "chat/channels.h"

/* Text that came out of the store; NULL when not given. */
yyjson_val *stored_json(struct chat_ctx *c, struct span text);

/* Keys of a channel object that are never custom data. */
bool channel_key_reserved(struct span key);
/* Same for members inside members, add_members ... */
bool member_key_reserved(struct span key);
/* Values that count as not given for built-in keys: absent, null, "". */
bool value_given(yyjson_val *v);

/* Custom data of an object in the caller's dialect; not given when none. ERR_INPUT above the limit. */
enum err channel_custom_take(struct chat_ctx *c, yyjson_val *obj, struct span *out) BECK_WARN_UNUSED;
enum err member_custom_take(struct chat_ctx *c, yyjson_val *obj, struct span *out) BECK_WARN_UNUSED;
enum err custom_check_size(struct chat_ctx *c, struct span custom, const char *what) BECK_WARN_UNUSED;
/* Booleans and integers of built-in keys; *given false leaves *out. Wrong type: ERR_INPUT naming the key. */
enum err take_bool(struct chat_ctx *c, yyjson_val *obj, const char *key, bool *out, bool *given) BECK_WARN_UNUSED;
enum err take_int(struct chat_ctx *c, yyjson_val *obj, const char *key, int64_t min, int64_t max, int64_t *out,
	bool *given) BECK_WARN_UNUSED;
enum err take_string(struct chat_ctx *c, yyjson_val *obj, const char *key, size_t max_bytes, struct span *out) BECK_WARN_UNUSED;

/* Validates config_overrides; compact text of the allowed keys, not given for {}. */
enum err overrides_take(struct chat_ctx *c, yyjson_val *v, struct span *out) BECK_WARN_UNUSED;
/* Adds to and removes from a JSON array of tags. */
enum err filter_tags_change(struct chat_ctx *c, struct span *tags, yyjson_val *add, yyjson_val *remove) BECK_WARN_UNUSED;
/* May the caller put a channel into this team? */
enum err team_check(struct chat_ctx *c, struct span team) BECK_WARN_UNUSED;
/* Members of a team's channel are of that team: they would get its events. Holds for server calls too. */
enum err team_check_member(struct chat_ctx *c, struct span team, const struct user *u) BECK_WARN_UNUSED;
/* Writes what updates of a channel change. */
enum err channel_row_store(struct chat_ctx *c, const struct channel *ch) BECK_WARN_UNUSED;
/* chat_fold of the custom field `name`. */
struct span channel_name_folded(struct chat_ctx *c, const struct channel *ch);

#endif
