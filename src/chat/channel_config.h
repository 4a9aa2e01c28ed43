/* How a channel type comes out in one channel: overrides applied, configuration as JSON, what the caller can do. */
#ifndef BECK_CHAT_CHANNEL_CONFIG_H
#define BECK_CHAT_CHANNEL_CONFIG_H

#include "chat/channels.h"

/* x->type and x->ch are set; fills x->effective. Without overrides it shares everything with the type. */
enum err channel_effective(struct chat_ctx *c, struct channel_ctx *x) BECK_WARN_UNUSED;
/* Text of the `config` member. */
enum err channel_config_text(struct chat_ctx *c, const struct channel_type *effective, struct span *out) BECK_WARN_UNUSED;
/* Text of own_capabilities; for clients only. */
enum err channel_capabilities_text(struct chat_ctx *c, const struct channel_ctx *x, struct span *out) BECK_WARN_UNUSED;

/* Slash commands that a configuration may name, and the names of all as an array. */
bool channel_command_known(struct span name);
void channel_commands_write_all(struct jsonw *w);

#endif
