/* What is typed in the chat: messages, and commands that begin with a slash. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/chat.h"

static void on_page(void *ctx, const beck_error *e, const beck_reply *reply)
{
	struct chat *c = ctx;
	c->is_paging = false;
	if (c->is_over) return;
	if (e) {
		chat_notice(c, "no older messages: %s", e->message);
		return;
	}
	chat_take_page(c, beck_reply_value(reply));
	c->has_all = beck_value_count(beck_value_get(beck_reply_value(reply), "messages")) < CHAT_PAGE;
	if (c->has_all) chat_notice(c, "that is all there is");
	if (c->is_terminal) c->scroll += (size_t)c->screen.rows > 6 ? (size_t)c->screen.rows - 6 : 1;
}

static void older(struct chat *c)
{
	const char *oldest = chat_oldest(c);
	if (c->is_paging) return;
	if (!oldest || c->has_all) {
		chat_notice(c, "there are no older messages");
		return;
	}
	c->is_paging = beck_page_messages_async(c->channel, CHAT_PAGE, oldest, on_page, c, NULL) == BECK_OK;
}

void chat_page_up(struct chat *c)
{
	size_t before = c->scroll;
	c->scroll += (size_t)c->screen.rows > 6 ? (size_t)c->screen.rows - 6 : 1;
	chat_draw(c); /* says how far it goes */
	if (c->scroll == before && !c->has_all) older(c);
}

static void retry(struct chat *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->item_count; i++)
		if (c->items[i].state == ITEM_FAILED && beck_outbox_retry(c->client, c->items[i].id, NULL) == BECK_OK) n++;
	chat_notice(c, n ? "trying again" : "there is nothing to send again");
}

static void drop_failed(struct chat *c)
{
	for (size_t i = c->item_count; i-- > 0;)
		if (c->items[i].state == ITEM_FAILED && beck_outbox_drop(c->client, c->items[i].id, NULL) == BECK_OK)
			chat_forget(c, c->items[i].id);
}

static void who(struct chat *c)
{
	struct text t = { 0 };
	for (size_t i = 0; i < c->person_count; i++) {
		const struct person *p = &c->people[i];
		text_format(
			&t, "%s%s %s%s", i ? "\n" : "", p->is_online ? "●" : "○", p->name, p->is_member ? "" : " (no member)");
	}
	chat_notice(c, "%s", text_get(&t));
	text_free(&t);
}

static void help(struct chat *c)
{
	chat_notice(c,
		"/quit  leaves (Ctrl-C, Ctrl-D); Ctrl-Z lets it wait\n/who  who is here\n/history  older messages (page up)\n"
		"/reply NUMBER TEXT  answers that message in its thread\n/thread NUMBER  shows the answers to it\n"
		"/retry  sends again what failed\n/drop  gives up what failed\n//text  sends /text");
}

/* ---- threads ---- */

/* The message that "NUMBER" or "NUMBER TEXT" begins with; *rest is what follows. NULL, and told, when there is none. */
static struct item *numbered(struct chat *c, const char *arguments, const char **rest)
{
	char *end = NULL;
	unsigned long number = strtoul(arguments, &end, 10);
	struct item *i = end != arguments && number <= UINT_MAX ? chat_item_by_number(c, (unsigned)number) : NULL;
	*rest = end + strspn(end, " ");
	if (!i) chat_notice(c, "there is no message with that number; they are shown while /reply is typed");
	return i;
}

/* Threads are one deep: who answers an answer is in the same one. */
static const char *thread_of(const struct item *i) { return i->parent_id ? i->parent_id : i->id; }

static void reply(struct chat *c, const char *arguments)
{
	char id[BECK_MESSAGE_ID_SIZE] = "";
	beck_error e = { 0 };
	struct text json = { 0 };
	const char *line;
	const struct item *i = numbered(c, arguments, &line);
	if (!i) return;
	if (!*line) {
		chat_notice(c, "/reply NUMBER TEXT: the text is missing");
		return;
	}
	char *parent = dup_text(thread_of(i));
	text_put(&json, "{\"text\":");
	text_json(&json, line);
	text_put(&json, ",\"parent_id\":");
	text_json(&json, parent);
	text_put(&json, "}");
	c->scroll = 0;
	if (beck_send_message_async(c->channel, json.p, id, NULL, NULL, &e) == BECK_OK)
		chat_add_pending(c, id, line, parent);
	else
		chat_notice(c, "not sent: %s", e.message);
	text_free(&json);
	free(parent);
}

static void on_thread(void *ctx, const beck_error *e, const beck_reply *answer)
{
	struct chat *c = ctx;
	if (c->is_over) return;
	if (e)
		chat_notice(c, "no answers: %s", e->message);
	else if (!beck_value_count(beck_value_get(beck_reply_value(answer), "messages")))
		chat_notice(c, "nobody has answered");
	else
		chat_take_page(c, beck_reply_value(answer));
}

static void thread(struct chat *c, const char *arguments)
{
	beck_error e = { 0 };
	const char *rest;
	const struct item *i = numbered(c, arguments, &rest);
	if (i && beck_get_replies_async(c->client, thread_of(i), 4 * CHAT_PAGE, NULL, on_thread, c, &e) != BECK_OK)
		chat_notice(c, "no answers: %s", e.message);
}

/* ---- lines ---- */

static void do_command(struct chat *c, const char *line)
{
	static const struct {
		const char *name;
		void (*run)(struct chat *c);
		void (*run_with)(struct chat *c, const char *arguments);
	} known[] = { { "/quit", chat_quit, NULL }, { "/exit", chat_quit, NULL }, { "/who", who, NULL },
		{ "/history", older, NULL }, { "/retry", retry, NULL }, { "/drop", drop_failed, NULL }, { "/help", help, NULL },
		{ "/reply", NULL, reply }, { "/thread", NULL, thread } };
	size_t n = strcspn(line, " ");
	const char *arguments = line + n + strspn(line + n, " ");
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strlen(known[i].name) != n || memcmp(known[i].name, line, n) != 0) continue;
		if (known[i].run_with)
			known[i].run_with(c, arguments);
		else
			known[i].run(c);
		return;
	}
	chat_notice(c, "there is no %.*s; /help lists what there is", (int)n, line);
}

static bool is_blank(const char *line) { return line[strspn(line, " ")] == 0; }

/* The item is there before the answer can be: the outbox tells of it by its id. */
void chat_say(struct chat *c, const char *line)
{
	char id[BECK_MESSAGE_ID_SIZE] = "";
	beck_error e = { 0 };
	if (is_blank(line)) return;
	if (line[0] == '/' && line[1] != '/') {
		do_command(c, line);
		return;
	}
	if (line[0] == '/') line++;
	c->scroll = 0;
	if (beck_send_text_async(c->channel, line, id, NULL, NULL, &e) == BECK_OK)
		chat_add_pending(c, id, line, NULL);
	else
		chat_notice(c, "not sent: %s", e.message);
}
