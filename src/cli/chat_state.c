#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/chat.h"
#include "cli/now.h"

bool is_me(const struct chat *c, const char *user_id) { return strcmp(user_id, c->access->user) == 0; }

static void free_item(struct item *i)
{
	free(i->id);
	free(i->user_id);
	free(i->name);
	free(i->text);
	free(i->why);
	free(i->parent_id);
}

struct item *chat_item_by_number(struct chat *c, unsigned number)
{
	for (size_t i = 0; i < c->item_count; i++)
		if (c->items[i].state != ITEM_NOTICE && c->items[i].number == number) return &c->items[i];
	return NULL;
}

struct item *chat_item(struct chat *c, const char *id)
{
	for (size_t i = c->item_count; i-- > 0;)
		if (c->items[i].state != ITEM_NOTICE && strcmp(c->items[i].id, id) == 0) return &c->items[i];
	return NULL;
}

static bool is_waiting(const struct item *i) { return i->state == ITEM_PENDING || i->state == ITEM_FAILED; }

/* Keeps the order: by the server's time; what is not sent yet last. */
static struct item *insert(struct chat *c, const struct item *new)
{
	size_t at = c->item_count;
	if (c->item_count == c->item_room) {
		c->item_room = c->item_room * 2 + 64;
		c->items = must(realloc(c->items, c->item_room * sizeof *c->items));
	}
	while (at > 0 && !is_waiting(new) && (is_waiting(&c->items[at - 1]) || c->items[at - 1].us > new->us)) at--;
	memmove(c->items + at + 1, c->items + at, (c->item_count - at) * sizeof *c->items);
	c->items[at] = *new;
	c->item_count++;
	return &c->items[at];
}

static void take_out(struct chat *c, struct item *i)
{
	size_t at = (size_t)(i - c->items);
	free_item(i);
	memmove(i, i + 1, (c->item_count - at - 1) * sizeof *i);
	c->item_count--;
}

void chat_forget(struct chat *c, const char *id)
{
	struct item *i = id ? chat_item(c, id) : NULL;
	if (i) take_out(c, i);
	for (size_t k = c->item_count; !id && k-- > 0;)
		if (c->items[k].state == ITEM_SENT) take_out(c, &c->items[k]);
}

void chat_take_message(struct chat *c, const beck_message *m)
{
	if (!m || !*beck_message_id(m)) return;
	struct item *old = chat_item(c, beck_message_id(m));
	struct item new = { .state = ITEM_SENT, .is_deleted = beck_message_is_deleted(m) };
	new.is_printed = old && old->is_printed;
	new.number = old ? old->number : ++c->last_number;
	new.reply_count = beck_value_int(beck_value_get(beck_message_value(m), "reply_count"), 0);
	new.is_edited = beck_value_kind(beck_value_get(beck_message_value(m), "message_text_updated_at")) == BECK_STRING;
	if (!beck_message_created_at(m, &new.us)) new.us = now_us();
	if (old) take_out(c, old);
	new.id = dup_text(beck_message_id(m));
	new.user_id = dup_text(beck_message_user_id(m));
	new.name = clean_text(beck_message_user_name(m), false);
	new.text = clean_text(beck_message_text(m), true);
	if (*beck_message_parent_id(m)) new.parent_id = dup_text(beck_message_parent_id(m));
	(void)insert(c, &new);
}

void chat_add_pending(struct chat *c, const char *id, const char *text, const char *parent_id)
{
	struct item new = { .state = ITEM_PENDING, .us = now_us(), .id = dup_text(id), .user_id = dup_text(c->access->user) };
	struct person *me = chat_person_by_id(c, c->access->user);
	new.name = dup_text(me ? me->name : c->access->user);
	new.text = clean_text(text, true);
	new.number = ++c->last_number;
	if (parent_id) new.parent_id = dup_text(parent_id);
	(void)insert(c, &new);
}

void chat_set_state(struct chat *c, const char *id, enum item_state state, const char *why)
{
	struct item *i = chat_item(c, id);
	if (!i || i->state == ITEM_SENT) return;
	i->state = state;
	free(i->why);
	i->why = clean_text(why, false);
}

void chat_notice(struct chat *c, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	struct item new = { .state = ITEM_NOTICE, .text = clean_text(text, true) };
	for (size_t i = 0; i < c->item_count; i++)
		if (!is_waiting(&c->items[i]) && c->items[i].us > new.us) new.us = c->items[i].us;
	(void)insert(c, &new);
}

/* Where people look the message is shown as sent; a pipe waits for its event, which has its place among the others. */
void chat_set_stored(struct chat *c, const char *id)
{
	struct item *i = chat_item(c, id);
	if (!i || i->state == ITEM_SENT) return;
	i->is_stored = true;
	if (!c->is_terminal) return;
	struct item moved = *i;
	size_t at = (size_t)(i - c->items);
	moved.state = ITEM_SENT;
	for (size_t k = 0; k < c->item_count; k++)
		if (!is_waiting(&c->items[k]) && c->items[k].us > moved.us) moved.us = c->items[k].us;
	memmove(i, i + 1, (c->item_count - at - 1) * sizeof *i);
	c->item_count--;
	(void)insert(c, &moved);
}

size_t chat_unsent(const struct chat *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->item_count; i++) n += is_waiting(&c->items[i]) && !c->items[i].is_stored;
	return n;
}

size_t chat_count(const struct chat *c, enum item_state state)
{
	size_t n = 0;
	for (size_t i = 0; i < c->item_count; i++) n += c->items[i].state == state;
	return n;
}

const char *chat_oldest(const struct chat *c)
{
	/* Replies are not of the channel's list, in which older ones are looked for. */
	for (size_t i = 0; i < c->item_count; i++)
		if (c->items[i].state == ITEM_SENT && !c->items[i].parent_id) return c->items[i].id;
	return NULL;
}

/* ---- people ---- */

struct person *chat_person_by_id(struct chat *c, const char *id)
{
	for (size_t i = 0; i < c->person_count; i++)
		if (strcmp(c->people[i].id, id) == 0) return &c->people[i];
	return NULL;
}

static struct person *add_person(struct chat *c, const char *id)
{
	if (c->person_count == c->person_room) {
		c->person_room = c->person_room * 2 + 16;
		c->people = must(realloc(c->people, c->person_room * sizeof *c->people));
	}
	c->people[c->person_count] = (struct person){ .id = dup_text(id) };
	return &c->people[c->person_count++];
}

struct person *chat_person(struct chat *c, const beck_value *user)
{
	const beck_user *u = beck_as_user(user);
	const char *id = u ? beck_user_get_id(u) : "";
	if (!*id) return NULL;
	struct person *p = chat_person_by_id(c, id);
	if (!p) p = add_person(c, id);
	free(p->name);
	p->name = clean_text(beck_user_get_name(u), false);
	if (beck_value_kind(beck_value_get(user, "online")) == BECK_BOOL) p->is_online = beck_user_is_online(u);
	return p;
}

void chat_state_free(struct chat *c)
{
	for (size_t i = 0; i < c->item_count; i++) free_item(&c->items[i]);
	for (size_t i = 0; i < c->person_count; i++) {
		free(c->people[i].id);
		free(c->people[i].name);
	}
	free(c->items);
	free(c->people);
}
