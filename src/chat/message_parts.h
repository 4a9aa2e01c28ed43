/* What the files of messages share: loading for the eye, parsing, event texts. Not for other parts of chat; messages.h is. */
#ifndef BECK_CHAT_MESSAGE_PARTS_H
#define BECK_CHAT_MESSAGE_PARTS_H

#include "chat/messages.h"
#include "chat/people.h"
#include "store/store_messages.h"

/* ---- looking (message_view.c) ---- */
/* Makes stored messages of one channel ready for message_write: users, mentions, quotes, repliers, the senders' memberships;
 * deleted ones become tombstones, expired pins are off. */
enum err message_fill(struct chat_ctx *c, const struct channel *ch, struct message *m, size_t n) BECK_WARN_UNUSED;
/* The same over several channels: ch[i] is m[i]'s. */
enum err message_fill_each(struct chat_ctx *c, const struct channel *const *ch, struct message *m, size_t n) BECK_WARN_UNUSED;
/* May the caller see this stored message of x's channel? (Not whether he may read the channel.) */
bool message_visible(struct chat_ctx *c, const struct channel_ctx *x, const struct message *m);
/* By id, with its channel: ERR_NOT_FOUND also when hidden from the caller, ERR_NOT_ALLOWED when the channel is. Not filled. */
enum err message_load(struct chat_ctx *c, struct span id, struct channel_ctx *x, struct message *m) BECK_WARN_UNUSED;
/* The same for what changes it: a server call reaches it whatever the user that it names has hidden from himself. */
enum err message_load_to_change(struct chat_ctx *c, struct span id, struct channel_ctx *x, struct message *m) BECK_WARN_UNUSED;
/* message_load, but one that he deleted for himself is found too. */
enum err message_load_hidden(struct chat_ctx *c, struct span id, struct channel_ctx *x, struct message *m) BECK_WARN_UNUSED;
/* Has the viewer deleted it for himself? (message_own.c) */
bool message_hidden_by_viewer(struct chat_ctx *c, int64_t message_pk);
/* After filling a list for the viewer: quotes of what he deleted for himself become tombstones. */
void message_hide_quotes(struct chat_ctx *c, struct message *m, size_t n);
/* Makes a tombstone of it, whatever the store says. Fill it after, or what was filled stays. */
void message_bury(struct message *m, int64_t at_us);
/* The keys of users whom a restricted or shadowed message is for (author included). NULL, 0 = everybody. */
enum err message_audience(struct chat_ctx *c, const struct message *m, int64_t **only, size_t *n) BECK_WARN_UNUSED;
bool id_listed(struct span json_array, struct span id); /* ids need no escaping, so this is a search for "id" in quotes */
/* History before it is not the caller's. */
int64_t history_cut(const struct channel_ctx *x);
/* Everything of every channel: a server call that names nobody. */
static inline bool sees_all(const struct chat_ctx *c) { return chat_is_server(c) && !c->acting_given; }
static inline bool message_in_list(const struct message *m) { return m->parent_pk == 0 || m->show_in_channel; }

/* Windows of other lists than the channel's (paging.c). */
enum err chat_replies_page(struct chat_ctx *c, const struct channel_ctx *x, const struct message *parent, const struct page *p,
	struct message **out, size_t *n) BECK_WARN_UNUSED;
enum err chat_pinned_page(
	struct chat_ctx *c, const struct channel_ctx *x, yyjson_val *payload, struct message **out, size_t *n) BECK_WARN_UNUSED;

/* ---- parsing (message_validate.c) ---- */
struct draft {
	struct span id, text, html, mml, attachments, custom, restricted, parent_id, quoted_id;
	struct span mentioned; /* JSON array of ids of users that exist, or not given */
	int64_t *mention_pks;
	size_t mention_count;
	bool show_in_channel, silent, is_system, has_poll, has_location;
	bool pinned, pinned_given;
	int64_t pin_expires, created_at;
};
/* Shape and bounds alone; rights and features are draft_check's. */
enum err draft_parse(struct chat_ctx *c, yyjson_val *obj, struct draft *d) BECK_WARN_UNUSED;
/* Step 5 of sending: length, presence, features, rights. */
enum err draft_check(struct chat_ctx *c, const struct channel_ctx *x, const struct draft *d) BECK_WARN_UNUSED;
bool message_key_reserved(struct span key);
bool text_has_link(struct span text);
/* Single parts, for partial updates. */
enum err draft_attachments(struct chat_ctx *c, yyjson_val *v, struct span *out) BECK_WARN_UNUSED;
enum err draft_mentions(struct chat_ctx *c, yyjson_val *v, struct draft *d) BECK_WARN_UNUSED;
enum err draft_time(struct chat_ctx *c, yyjson_val *v, const char *key, int64_t *out) BECK_WARN_UNUSED;
/* Hex of a SHA-256 over what the client chose, so that a retry is known again. */
struct span draft_hash(struct chat_ctx *c, const struct draft *d);

/* ---- html (message_html.c) ---- */
/* A safe Markdown subset; linear in the text. SPAN_NONE without memory. */
struct span message_html(struct arena *a, struct span text);

/* ---- event texts (message_events.c) ---- */
/* An event body in the making: dialect 1 whatever the caller speaks, since every session of the channel gets it. */
struct event_text {
	struct buf buf;
	struct jsonw w;
	enum dialect saved;
};
void event_text_begin(struct chat_ctx *c, struct event_text *t, struct span type, int64_t at_us, const struct channel *ch);
/* The text so far, without closing brace. ERR_UNAVAILABLE without memory. */
enum err event_text_end(struct chat_ctx *c, struct event_text *t, struct span *out) BECK_WARN_UNUSED;
void event_text_free(struct event_text *t);
void event_text_user(struct chat_ctx *c, struct event_text *t, const struct user *u); /* "user", nothing for pk 0 */
void event_text_message(struct event_text *t, const struct message *m);               /* "message", "message_id" */
/* Appends a deliverable that no session is sent: it only moves the loops' counts. */
enum err event_move_only(
	struct chat_ctx *c, enum event_move move, int64_t channel, int64_t user, int64_t seq, int64_t unread) BECK_WARN_UNUSED;
/* The user's unread threads changed: tells his loop, when he is connected. */
enum err event_move_threads(struct chat_ctx *c, int64_t user) BECK_WARN_UNUSED;
/* Sets e->only from message_audience. */
enum err event_restrict(struct chat_ctx *c, struct event *e, const struct message *m) BECK_WARN_UNUSED;
/* Keeps an event about a message that is not new from those who deleted it for themselves. After event_restrict. */
enum err event_hide(struct chat_ctx *c, struct event *e, const struct message *m) BECK_WARN_UNUSED;
/* message.new with its twin, the thread notifications and channel.visible for those who had hidden the channel. */
struct message_news {
	const struct channel_ctx *x;
	const struct message *m;      /* filled */
	const struct message *parent; /* a reply's, filled; NULL */
	const struct draft *d;
	bool keep_hidden;
	int64_t counted_seq; /* the channel's, after it */
};
enum err record_message_new(struct chat_ctx *c, const struct message_news *n) BECK_WARN_UNUSED;
enum err record_message_change(struct chat_ctx *c, enum event_type type, const struct channel_ctx *x, const struct message *m,
	struct event **out) BECK_WARN_UNUSED;
/* m: filled, marked deleted, seq 0 when it had stopped counting before. */
enum err record_message_deleted(struct chat_ctx *c, const struct channel_ctx *x, const struct message *m, bool hard,
	bool replies_counted) BECK_WARN_UNUSED;
/* The bodies alone, also for replay; end and free as any event_text. */
void message_new_text(struct chat_ctx *c, struct event_text *t, const struct channel_ctx *x, const struct message *m,
	const struct message *parent, int64_t at_us);
void message_notification_text(
	struct chat_ctx *c, struct event_text *t, const struct channel_ctx *x, const struct message *m, int64_t at_us);
void thread_notification_text(struct chat_ctx *c, struct event_text *t, const struct channel_ctx *x, const struct message *m,
	const struct message *parent, int64_t at_us);
void message_deleted_text(struct chat_ctx *c, struct event_text *t, const struct channel_ctx *x, const struct message *m,
	bool hard, const struct user *by, int64_t at_us);

/* ---- read state (read.c, read_events.c, thread_read.c) ---- */
enum err thread_mark_read(
	struct chat_ctx *c, const struct channel_ctx *x, struct span thread_id, struct jsonw *w) BECK_WARN_UNUSED;
enum err thread_mark_unread(struct chat_ctx *c, const struct channel_ctx *x, struct span thread_id) BECK_WARN_UNUSED;
/* message.read of the caller for others to see (or only himself, see privacy), thread or not. */
enum { UNREAD_SHOWN_MAX = 255 }; /* of one channel, after marking unread */
struct read_news {
	const struct channel_ctx *x; /* NULL: everything */
	int64_t at_us, seq;
	int64_t unread; /* of the channel; of a thread's news: his unread threads */
	struct span last_read_message_id, thread_id;
	bool moves; /* the pointer moved; notification.mark_read carries the move */
};
void message_read_text(struct chat_ctx *c, struct event_text *t, const struct read_news *n, const struct user *reader);
void mark_read_text(struct chat_ctx *c, struct event_text *t, const struct read_news *n, const struct user *reader);
enum err record_message_read(struct chat_ctx *c, const struct read_news *n) BECK_WARN_UNUSED;
/* notification.mark_read to the caller's own connections; n->x NULL: everything was read. */
enum err record_mark_read(struct chat_ctx *c, const struct read_news *n) BECK_WARN_UNUSED;
/* The `event` of the answer. */
void read_answer(struct chat_ctx *c, struct jsonw *w, const struct read_news *n);

#endif
