#include <string.h>

#include "cli/chat.h"

static const beck_value *get(const beck_event *event, const char *path) { return beck_value_path(beck_event_value(event), path); }

/* ---- answers ---- */

void chat_take_page(struct chat *c, const beck_value *reply)
{
	const beck_value *messages = beck_value_get(reply, "messages"), *item;
	size_t at = 0;
	while (beck_value_next(messages, &at, NULL, &item)) chat_take_message(c, beck_as_message(item));
}

static void take_members(struct chat *c, const beck_value *members)
{
	const beck_value *item;
	size_t at = 0;
	while (beck_value_next(members, &at, NULL, &item)) {
		struct person *p = chat_person(c, beck_value_get(item, "user"));
		if (p) p->is_member = true;
	}
}

static void take_reads(struct chat *c, const beck_value *reads)
{
	const beck_value *item;
	size_t at = 0;
	while (beck_value_next(reads, &at, NULL, &item)) {
		int64_t us = 0;
		struct person *p = chat_person(c, beck_value_get(item, "user"));
		if (p && beck_value_time(beck_value_get(item, "last_read"), &us) && us > p->read_us) p->read_us = us;
	}
}

void chat_take_state(struct chat *c, const beck_value *reply)
{
	const beck_value *watchers = beck_value_get(reply, "watchers"), *item;
	size_t at = 0;
	while (beck_value_next(watchers, &at, NULL, &item)) (void)chat_person(c, item);
	take_members(c, beck_value_get(reply, "members"));
	take_reads(c, beck_value_get(reply, "read"));
	chat_take_page(c, reply);
}

/* ---- events ---- */

static void on_new(struct chat *c, const beck_event *event)
{
	chat_take_message(c, beck_event_message(event));
	if (!is_me(c, beck_message_user_id(beck_event_message(event)))) c->wants_read = true;
}

static void on_changed_message(struct chat *c, const beck_event *event)
{
	const beck_message *m = beck_event_message(event);
	if (!m || !chat_item(c, beck_message_id(m))) return;
	if (beck_value_bool(get(event, "hard_delete"), false))
		chat_forget(c, beck_message_id(m));
	else
		chat_take_message(c, m);
}

static void on_read(struct chat *c, const beck_event *event)
{
	int64_t us = 0;
	struct person *p = chat_person(c, get(event, "user"));
	if (p && beck_event_created_at(event, &us) && us > p->read_us) p->read_us = us;
}

static void on_person(struct chat *c, const beck_event *event) { (void)chat_person(c, get(event, "user")); }

static void on_member(struct chat *c, const beck_event *event)
{
	bool is_gone = strcmp(beck_event_type(event), "member.removed") == 0;
	const beck_value *user = get(event, "member.user");
	struct person *p = chat_person(c, user ? user : get(event, "user"));
	if (!p || p->is_member == !is_gone) return;
	p->is_member = !is_gone;
	chat_notice(c, "%s %s the channel", p->name, is_gone ? "has left" : "has joined");
}

static void on_truncated(struct chat *c, const beck_event *event)
{
	(void)event;
	chat_forget(c, NULL);
	chat_notice(c, "the channel was emptied");
}

static void on_gone(struct chat *c, const beck_event *event)
{
	chat_notice(c, strcmp(beck_event_type(event), "channel.deleted") == 0 ? "the channel was deleted"
									      : "you were removed from the channel");
}

/* The server ended the watch when the user was removed. */
static void on_added(struct chat *c, const beck_event *event)
{
	(void)event;
	if (c->is_watching) chat_watch(c);
}

static void on_outbox(struct chat *c, const beck_event *event)
{
	const char *id = beck_value_text(get(event, "message_id")), *state = beck_value_text(get(event, "state"));
	if (strcmp(state, "failed") == 0)
		chat_set_state(c, id, ITEM_FAILED, beck_value_text(get(event, "error.message")));
	else if (strcmp(state, "pending") == 0)
		chat_set_state(c, id, ITEM_PENDING, "");
	else if (strcmp(state, "sent") == 0)
		chat_set_stored(c, id);
}

static void on_page(void *ctx, const beck_error *e, const beck_reply *reply)
{
	if (!e) chat_take_page(ctx, beck_reply_value(reply));
}

/* What the server's log could not give again is asked for. */
static void on_recovered(struct chat *c, const beck_event *event)
{
	if (beck_value_bool(get(event, "gap"), false)) (void)beck_page_messages_async(c->channel, 100, NULL, on_page, c, NULL);
}

static const struct {
	const char *type;
	void (*take)(struct chat *c, const beck_event *event);
} takers[] = { { "message.new", on_new }, { "message.updated", on_changed_message }, { "message.undeleted", on_changed_message },
	{ "message.deleted", on_changed_message }, { "message.read", on_read }, { "user.presence.changed", on_person },
	{ "user.updated", on_person }, { "user.watching.start", on_person }, { "member.added", on_member },
	{ "member.removed", on_member }, { "channel.truncated", on_truncated }, { "channel.deleted", on_gone },
	{ "notification.removed_from_channel", on_gone }, { "notification.added_to_channel", on_added },
	{ "outbox.changed", on_outbox }, { "connection.recovered", on_recovered } };

void chat_on_event(void *ctx, beck_client *client, const beck_event *event)
{
	struct chat *c = ctx;
	const char *cid = beck_event_cid(event);
	(void)client;
	if (*cid && strcmp(cid, c->args->words[0]) != 0) return;
	for (size_t i = 0; i < sizeof takers / sizeof *takers; i++)
		if (strcmp(takers[i].type, beck_event_type(event)) == 0) takers[i].take(c, event);
}
