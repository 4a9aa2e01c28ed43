/* Messages, paging, read state, client events, replay (chat/messages.c, paging.c, read.c, client_events.c, replay.c). */
#ifndef BECK_CHAT_MESSAGES_H
#define BECK_CHAT_MESSAGES_H

#include "chat/channels.h"

/* One page of messages, channels-and-messages.md 5. */
enum page_family {
	PAGE_NEWEST,
	PAGE_ID_LT,
	PAGE_ID_LTE,
	PAGE_ID_GT,
	PAGE_ID_GTE,
	PAGE_ID_AROUND,
	PAGE_BEFORE,
	PAGE_BEFORE_EQ,
	PAGE_AFTER,
	PAGE_AFTER_EQ,
	PAGE_AROUND
};
struct page {
	enum page_family family;
	struct span id;
	int64_t time_us;
	int64_t limit;
	int64_t offset;
};
/* From an object ({"limit":..,"id_lt":..}); NULL = default. Several families, bad limit: ERR_INPUT. */
enum err chat_page_parse(
	struct chat_ctx *c, yyjson_val *obj, int64_t default_limit, int64_t max_limit, struct page *out) BECK_WARN_UNUSED;
/* The caller's messages that wait in this channel, as "pending_messages"; nothing when there are none (message_pending.c). */
enum err chat_pending_write(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x) BECK_WARN_UNUSED;
/* Messages of the channel list visible to the caller, oldest first, ready for message_write (users, quotes, mentions, sender's
 * membership loaded and made fit for the viewer). */
enum err chat_messages_page(
	struct chat_ctx *c, const struct channel_ctx *x, const struct page *p, struct message **out, size_t *n) BECK_WARN_UNUSED;
enum err chat_messages_pinned(
	struct chat_ctx *c, const struct channel_ctx *x, int64_t limit, struct message **out, size_t *n) BECK_WARN_UNUSED;
/* Has the caller, or whom a server call names, deleted messages for himself? Others pay nothing for it. */
bool chat_viewer_hides(struct chat_ctx *c);
/* Fills deleted_messages of one channel's members: the caller's own, or of all for server calls. */
enum err chat_members_deleted(struct chat_ctx *c, struct member *m, size_t n) BECK_WARN_UNUSED;
/* Stores a system message of another verb (channel update, truncate) by the caller or acting user, records message.new. */
enum err chat_message_system(
	struct chat_ctx *c, struct channel_ctx *x, yyjson_val *message, struct message *out) BECK_WARN_UNUSED;
/* read[] of a channel for the caller: at most LIMIT_READ_ENTRIES, newest members first, own always in, hidden readers left out.
 */
enum err chat_read_write(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x) BECK_WARN_UNUSED;
/* The same from rows that are there: newest members first, users fit for the viewer, unread filled. */
void chat_read_list_write(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, struct member *list, size_t n);
/* Fills m->unread of one membership of this channel. */
enum err chat_member_unread(struct chat_ctx *c, const struct channel *ch, struct member *m) BECK_WARN_UNUSED;
/* Totals of the caller (me) for notification.mark_read, added_to_channel ... */
enum err chat_totals(struct chat_ctx *c, int64_t user_pk, struct store_totals *out) BECK_WARN_UNUSED;

/* One page of a resume: rows after `after`, rendered for this user (c->me becomes him) under present rights; one that he may not
 * see any more gives nothing. It ends at LIMIT_REPLAY_PAGE rows or LIMIT_REPLAY_BYTES of events. The caller owns the events; the
 * array is in the arena. *upto: everything up to there has been looked at; *at_head: that is the head of this snapshot.
 * ERR_NOT_FOUND: the user is gone. */
enum err chat_resume_page(struct chat_ctx *c, int64_t user, int64_t after, const struct store_interest *in,
	struct event ***events, size_t *count, int64_t *upto, bool *at_head) BECK_WARN_UNUSED;
/* A user's memberships and totals, and the log position of the snapshot they were read in. */
enum err chat_recount(struct chat_ctx *c, int64_t user, struct store_totals *totals, int64_t *snapshot_pos) BECK_WARN_UNUSED;

#endif
