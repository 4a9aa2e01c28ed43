#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/chat.h"
#include "cli/now.h"
#include "cli/output.h"

/* ---- a message ---- */

static size_t count_replies(const struct chat *c, const struct item *i)
{
	size_t seen = 0, told = i->reply_count > 0 ? (size_t)i->reply_count : 0;
	for (size_t k = 0; k < c->item_count; k++)
		seen += c->items[k].parent_id && c->items[k].state == ITEM_SENT && strcmp(c->items[k].parent_id, i->id) == 0;
	return seen > told ? seen : told;
}

/* A reply begins with what it answers, where there is room. */
static void put_text(struct chat *c, const struct item *i, size_t columns, struct text *out)
{
	const struct item *parent = i->parent_id ? chat_item(c, i->parent_id) : NULL;
	if (i->parent_id) text_put(out, "↳ ");
	if (parent && columns >= 40) {
		size_t line = strcspn(parent->text, "\n"), n = fit_columns(parent->text, line, columns / 4);
		text_format(out, "“%.*s%s” ", (int)n, parent->is_deleted ? "" : parent->text, parent->text[n] ? "…" : "");
	}
	text_put(out, i->is_deleted ? "(deleted)" : i->text);
}

/* ↳ how many have answered; ✓ the server has it; ✓✓ somebody has read it; with names under the last of ours. */
static void put_mark(struct chat *c, const struct item *i, bool is_last, struct text *out)
{
	size_t readers = 0, replies = count_replies(c, i);
	struct text names = { 0 };
	if (replies) text_format(out, "↳%zu%s", replies, is_me(c, i->user_id) && !i->is_deleted ? " " : "");
	if (i->state == ITEM_PENDING) text_put(out, "…");
	if (i->state == ITEM_FAILED) text_format(out, "✗ not sent%s%s (/retry)", *i->why ? ": " : "", i->why);
	if (i->state != ITEM_SENT || i->is_deleted || !is_me(c, i->user_id)) return;
	for (size_t k = 0; k < c->person_count; k++) {
		const struct person *p = &c->people[k];
		if (is_me(c, p->id) || p->read_us < i->us) continue;
		if (readers < 3) text_format(&names, "%s%s", readers ? ", " : " ", p->name);
		readers++;
	}
	if (readers > 3) text_format(&names, " +%zu", readers - 3);
	text_format(out, "%s%s", readers ? "✓✓" : "✓", is_last ? text_get(&names) : "");
	text_free(&names);
}

static const char *colour_of(const struct chat *c, const struct item *i)
{
	if (i->state == ITEM_FAILED) return style(STYLE_RED);
	return style(is_me(c, i->user_id) ? STYLE_GREEN : STYLE_CYAN);
}

static void add_mark(struct chat *c, const struct item *i, bool is_last, struct lines *out, size_t columns)
{
	struct text mark = { 0 }, line = { 0 };
	put_mark(c, i, is_last, &mark);
	char *end = out->n ? out->p[out->n - 1] : NULL;
	if (mark.n && end) {
		size_t width = text_width(text_get(&mark), mark.n);
		const char *colour = style(i->state == ITEM_FAILED ? STYLE_RED : STYLE_DIM);
		if (text_width(end, strlen(end)) + 1 + width <= columns) {
			text_format(&line, "%s %s%s", end, colour, mark.p);
			free(end);
			out->p[out->n - 1] = line.p;
		} else {
			size_t fits = fit_columns(mark.p, mark.n, columns > 2 ? columns - 2 : 1);
			text_format(&line, "  %s%.*s", colour, (int)fits, mark.p);
			lines_add(out, line.p);
			text_free(&line);
		}
	}
	text_free(&mark);
}

/* Commands that name a message show which number is whose. */
static bool wants_numbers(const struct chat *c)
{
	const char *line = text_get(&c->edit.line);
	return strncmp(line, "/reply", 6) == 0 || strncmp(line, "/thread", 7) == 0;
}

/* "12:03 John: text", broken into rows. */
static void add_message(struct chat *c, const struct item *i, bool is_last, struct lines *all, size_t columns)
{
	struct lines rows = { 0 };
	struct text head = { 0 }, first = { 0 }, text = { 0 };
	char when[16], number[16] = "";
	size_t name_bytes = fit_columns(i->name, strlen(i->name), columns / 3);
	if (wants_numbers(c) && columns >= 30) (void)snprintf(number, sizeof number, "#%u ", i->number);
	size_t taken = 8 + strlen(number) + text_width(i->name, name_bytes);
	put_text(c, i, columns, &text);
	lines_wrap(&rows, text_get(&text), columns, columns >= 20 ? 6 : 0, taken);
	add_mark(c, i, is_last, &rows, rows.n == 1 && columns > taken ? columns - taken : columns);
	text_format(&head, "%s%s%s%s%s %s%.*s%s%s", style(STYLE_YELLOW), number, style(STYLE_DIM), time_of_day(i->us, 0, when),
		style(STYLE_END), colour_of(c, i), (int)name_bytes, i->name, style(STYLE_END), i->is_edited ? "*" : ":");
	text_format(&first, "%s %s%s", text_get(&head), i->is_deleted ? style(STYLE_DIM) : "", rows.p[0]);
	lines_add(all, first.p);
	for (size_t k = 1; k < rows.n; k++) lines_add(all, rows.p[k]);
	lines_clear(&rows);
	text_free(&head);
	text_free(&first);
	text_free(&text);
}

static void add_notice(const struct item *i, struct lines *all, size_t columns)
{
	struct lines rows = { 0 };
	lines_wrap(&rows, i->text, columns > 2 ? columns - 2 : 1, 2, 0);
	for (size_t k = 0; k < rows.n; k++) {
		struct text line = { 0 };
		text_format(&line, "%s%s%s", style(STYLE_YELLOW), k ? "" : "· ", rows.p[k]);
		lines_add(all, line.p);
		text_free(&line);
	}
	lines_clear(&rows);
}

static void add_date(const struct item *i, char before[16], struct lines *all)
{
	char date[16];
	if (i->state == ITEM_NOTICE || strcmp(date_of(i->us, date), before) == 0) return;
	struct text line = { 0 };
	text_format(&line, "%s── %s ──", style(STYLE_DIM), date);
	lines_add(all, line.p);
	text_free(&line);
	memcpy(before, date, sizeof date);
}

static const struct item *last_of_mine(const struct chat *c)
{
	for (size_t i = c->item_count; i-- > 0;)
		if (c->items[i].state == ITEM_SENT && is_me(c, c->items[i].user_id)) return &c->items[i];
	return NULL;
}

static void all_rows(struct chat *c, struct lines *all, size_t columns)
{
	char date[16] = "";
	const struct item *mine = last_of_mine(c);
	for (size_t i = 0; i < c->item_count; i++) {
		const struct item *item = &c->items[i];
		add_date(item, date, all);
		if (item->state == ITEM_NOTICE)
			add_notice(item, all, columns);
		else
			add_message(c, item, item == mine, all, columns);
	}
}

/* ---- the two rows below ---- */

struct typing {
	struct chat *c;
	struct text names;
	size_t count;
};

static void on_typing(void *ctx, const char *user_id, const char *parent_id)
{
	struct typing *t = ctx;
	if (parent_id && *parent_id) return;
	struct person *p = chat_person_by_id(t->c, user_id);
	char *id = p ? NULL : clean_text(user_id, false);
	text_format(&t->names, "%s%s", t->count++ ? ", " : "", p ? p->name : id);
	free(id);
}

bool chat_someone_types(struct chat *c)
{
	struct typing t = { .c = c };
	(void)beck_each_typing(c->channel, on_typing, &t);
	text_free(&t.names);
	return t.count > 0;
}

static void put_typing(struct chat *c, struct text *out)
{
	struct typing t = { .c = c };
	(void)beck_each_typing(c->channel, on_typing, &t);
	if (t.count) text_format(out, "%s%s typing…", text_get(&t.names), t.count == 1 ? " is" : " are");
	if (c->scroll) text_format(out, "%s(page down for newer)", t.count ? "  " : "");
	text_free(&t.names);
}

static void put_connection(struct chat *c, struct text *out)
{
	beck_error e = { 0 };
	switch (beck_state(c->client)) {
	case BECK_CONNECTED:
		text_put(out, beck_current_transport(c->client) == BECK_TRANSPORT_LONGPOLL ? "● long polling" : "● websocket");
		break;
	case BECK_CONNECTING: text_put(out, "○ connecting"); break;
	case BECK_RECONNECTING: text_put(out, "○ reconnecting"); break;
	case BECK_DISCONNECTED: text_put(out, "○ offline"); break;
	}
	size_t online = 0, all = 0, pending = chat_count(c, ITEM_PENDING), failed = chat_count(c, ITEM_FAILED);
	for (size_t i = 0; i < c->person_count; i++) {
		online += c->people[i].is_online;
		all++;
	}
	if (c->is_watching) text_format(out, " · %zu/%zu online", online, all);
	if (pending) text_format(out, " · %zu pending", pending);
	if (failed) text_format(out, " · %zu failed", failed);
	beck_last_connect_error(c->client, &e);
	char *why = clean_text(e.message, false);
	if (beck_state(c->client) != BECK_CONNECTED && *why) text_format(out, " · %s", why);
	free(why);
	text_format(out, " · %s", c->args->words[0]);
}

/* One row: cut to the columns, filled with blanks. */
static void put_row(struct screen *s, int row, const char *colour, const struct text *content)
{
	struct text line = { 0 };
	size_t columns = (size_t)s->columns, n = fit_columns(text_get(content), content->n, columns);
	size_t width = text_width(text_get(content), n);
	text_format(&line, "%s%.*s%*s", colour, (int)n, text_get(content), (int)(columns - width), "");
	screen_row(s, row, line.p);
	text_free(&line);
}

static void draw_below(struct chat *c, int rows)
{
	struct screen *s = &c->screen;
	struct text typing = { 0 }, status = { 0 }, line = { 0 };
	size_t cursor = 0;
	put_typing(c, &typing);
	put_connection(c, &status);
	text_put(&line, "> ");
	edit_show(&c->edit, s->columns > 3 ? (size_t)s->columns - 3 : 1, &line, &cursor);
	if (rows >= 4) put_row(s, rows - 3, style(STYLE_DIM), &typing);
	if (rows >= 2) put_row(s, rows - 2, style(STYLE_REVERSE), &status);
	screen_row(s, rows - 1, text_get(&line));
	screen_flush(s, rows - 1, cursor + 2);
	text_free(&typing);
	text_free(&status);
	text_free(&line);
}

void chat_draw(struct chat *c)
{
	struct lines all = { 0 };
	int rows = c->screen.rows, room = rows >= 4 ? rows - 3 : rows >= 2 ? rows - 2 : 0;
	all_rows(c, &all, (size_t)c->screen.columns);
	size_t most = all.n > (size_t)room ? all.n - (size_t)room : 0;
	if (c->scroll > most) c->scroll = most;
	size_t from = most - c->scroll;
	for (int r = 0; r < room; r++) screen_row(&c->screen, r, from + (size_t)r < all.n ? all.p[from + (size_t)r] : "");
	lines_clear(&all);
	draw_below(c, rows);
}

/* ---- without a terminal ---- */

static void print_message(struct chat *c, const struct item *i)
{
	enum { COLUMNS = 80 };
	char when[16];
	struct text text = { 0 };
	put_text(c, i, COLUMNS, &text);
	printf("%s %s: %s\n", time_of_day(i->us, 0, when), i->name, text_get(&text));
	text_free(&text);
}

void chat_print(struct chat *c)
{
	for (size_t i = 0; i < c->item_count; i++) {
		struct item *item = &c->items[i];
		if (item->is_printed || item->state == ITEM_PENDING) continue;
		item->is_printed = true;
		if (item->state == ITEM_NOTICE)
			printf("· %s\n", item->text);
		else if (item->state == ITEM_FAILED)
			(void)fprintf(stderr, "beck: not sent: %s: %s\n", item->text, item->why);
		else if (!item->is_deleted)
			print_message(c, item);
	}
	(void)fflush(stdout);
}
