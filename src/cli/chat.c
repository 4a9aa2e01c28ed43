/* beck chat: a channel in the terminal. The library runs inside the loop that waits for the keyboard (BECK_NO_THREAD). */
#include "cli/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/now.h"

#define PATIENCE_US 20000000 /* after the end of a piped input, for what is on its way */

static void end(struct chat *c, int status, const char *what, const beck_error *e)
{
	if (c->is_over) return;
	c->is_over = true;
	term_end();
	c->status = e ? say_error(what, e) : status;
}

/* ---- connecting ---- */

static void on_watched(void *ctx, const beck_error *e, const beck_reply *reply)
{
	struct chat *c = ctx;
	if (e && e->is_retryable && !e->status && !c->is_over && beck_state(c->client) != BECK_DISCONNECTED) {
		c->wants_watch = true; /* the connection broke meanwhile */
		return;
	}
	if (e) {
		bool is_foreign = e->code == 17 && !c->is_over;
		end(c, EXIT_REFUSED, "cannot open the channel", e);
		if (is_foreign) (void)fputs("Its members can add you; with the secret, --join does.\n", stderr);
		return;
	}
	c->is_watching = c->wants_read = true;
	chat_take_state(c, beck_reply_value(reply));
	c->has_all = beck_value_count(beck_value_get(beck_reply_value(reply), "messages")) < CHAT_PAGE;
}

/* As the application: the channel with this user among its members. */
static bool join(struct chat *c, beck_error *e)
{
	struct text data = { 0 };
	beck_client *server = access_server_client(c->access);
	if (!server) {
		*e = (beck_error){ .result = BECK_EARG, .message = "--join needs the secret" };
		return false;
	}
	beck_channel *channel = channel_of(server, c->args->words[0]);
	text_put(&data, "{\"created_by_id\":");
	text_json(&data, c->access->user);
	text_put(&data, "}");
	beck_result r = beck_channel_create(channel, data.p, NULL, e);
	if (r == BECK_OK) r = beck_add_members(channel, (const char *const[]){ c->access->user, NULL }, NULL, NULL, e);
	text_free(&data);
	beck_channel_unref(channel);
	beck_release(server);
	return r == BECK_OK;
}

static void on_connected(void *ctx, beck_client *client, const beck_error *e)
{
	struct chat *c = ctx;
	beck_error why = { 0 };
	(void)client;
	if (e) {
		end(c, EXIT_NO_CONNECTION, "cannot connect", e);
		return;
	}
	if (c->args->join && !join(c, &why)) {
		end(c, EXIT_REFUSED, "cannot join", &why);
		return;
	}
	chat_watch(c);
}

void chat_watch(struct chat *c)
{
	beck_error why = { 0 };
	struct text data = { 0 };
	c->wants_watch = false;
	text_put(&data, "{\"members\":[");
	text_json(&data, c->access->user);
	text_put(&data, "]}");
	if (beck_channel_watch_async(c->channel, data.p, on_watched, c, &why) != BECK_OK) on_watched(c, &why, NULL);
	text_free(&data);
}

void chat_quit(struct chat *c) { end(c, EXIT_FINE, NULL, NULL); }

/* ---- the keyboard ---- */

static void scroll_by(struct chat *c, int rows)
{
	if (rows < 0 && c->scroll < (size_t)-rows)
		c->scroll = 0;
	else
		c->scroll = rows < 0 ? c->scroll - (size_t)-rows : c->scroll + (size_t)rows;
}

static void typed(struct chat *c, enum key key)
{
	const char *line = text_get(&c->edit.line);
	bool is_text = c->edit.line.n > 0 && line[0] != '/';
	if (is_text && (key == KEY_RUNE || key == KEY_BACKSPACE)) (void)beck_keystroke(c->channel, NULL);
	if (!c->edit.line.n) (void)beck_stop_typing(c->channel, NULL);
}

/* After a while in which nothing ran: the connection may be gone, and the terminal has shown other things. */
static void wake_up(struct chat *c)
{
	screen_fit(&c->screen);
	beck_network_changed(c->client);
}

static void on_key(struct chat *c, enum key key, const char *utf8)
{
	if (edit_key(&c->edit, key, utf8)) {
		typed(c, key);
	} else if (key == KEY_ENTER) {
		char *line = dup_text(text_get(&c->edit.line));
		edit_clear(&c->edit);
		chat_say(c, line);
		free(line);
	} else if (key == KEY_CANCEL || (key == KEY_EOF && c->edit.line.n == 0)) {
		chat_quit(c);
	} else if (key == KEY_PAGE_UP) {
		chat_page_up(c);
	} else if (key == KEY_PAGE_DOWN) {
		scroll_by(c, c->screen.rows > 6 ? 6 - c->screen.rows : -1);
	} else if (key == KEY_UP || key == KEY_DOWN) {
		scroll_by(c, key == KEY_UP ? 1 : -1);
	} else if (key == KEY_REDRAW) {
		screen_fit(&c->screen);
	} else if (key == KEY_SUSPEND) {
		term_suspend();
		wake_up(c);
	}
}

static void on_keyboard(struct chat *c)
{
	char utf8[5];
	enum key key;
	if (!keys_read(&c->keys)) chat_quit(c);
	while (!c->is_over && (key = keys_take(&c->keys, utf8)) != KEY_NONE) on_key(c, key, utf8);
}

/* Lines of a pipe; the last needs no line break. */
static void on_pipe(struct chat *c)
{
	char part[4096], *end_of_line;
	ssize_t n = read(STDIN_FILENO, part, sizeof part);
	if (n <= 0) {
		if (c->input.n) chat_say(c, c->input.p);
		text_clear(&c->input);
		c->input_ended = true;
		c->patience_us = now_steady_us() + PATIENCE_US;
		return;
	}
	text_add(&c->input, part, (size_t)n);
	while (!c->is_over && (end_of_line = memchr(text_get(&c->input), '\n', c->input.n)) != NULL) {
		*end_of_line = 0;
		size_t used = (size_t)(end_of_line - c->input.p) + 1;
		chat_say(c, c->input.p);
		memmove(c->input.p, c->input.p + used, c->input.n - used + 1);
		c->input.n -= used;
	}
}

/* ---- the loop ---- */

static void on_marked(void *ctx, const beck_error *e, const beck_reply *reply)
{
	struct chat *c = ctx;
	(void)e;
	(void)reply;
	c->is_marking = false;
}

static void mark_read(struct chat *c)
{
	if (!c->wants_read || c->is_marking || !c->is_watching || beck_state(c->client) != BECK_CONNECTED) return;
	c->wants_read = false;
	c->is_marking = beck_mark_read_async(c->channel, NULL, on_marked, c, NULL) == BECK_OK;
}

static void tell_connection(struct chat *c)
{
	bool is_online = beck_state(c->client) == BECK_CONNECTED;
	if (is_online == c->was_online) return;
	c->was_online = is_online;
	const char *transport = beck_current_transport(c->client) == BECK_TRANSPORT_LONGPOLL ? "long polling" : "websocket";
	(void)fprintf(stderr, "-- %s\n", is_online ? transport : "reconnecting");
}

static void show(struct chat *c)
{
	if (c->is_terminal) {
		chat_draw(c);
		return;
	}
	tell_connection(c);
	chat_print(c);
	bool is_done = !chat_count(c, ITEM_PENDING) || now_steady_us() > c->patience_us;
	if (c->input_ended && c->is_watching && is_done) end(c, EXIT_FINE, NULL, NULL);
}

/* Lines wait until the channel is open, so that they are sent to one that exists. */
static bool wants_input(const struct chat *c) { return c->is_terminal || (c->is_watching && !c->input_ended); }

/* The client goes on by itself, unless the server says that it must not. */
static void look_for_end(struct chat *c)
{
	beck_error e = { 0 };
	if (!c->is_watching || beck_state(c->client) != BECK_DISCONNECTED) return;
	beck_last_connect_error(c->client, &e);
	end(c, EXIT_REFUSED, "the connection has ended", &e);
}

static void turn(struct chat *c)
{
	bool has_input = loop_turn(
		&c->loop, c->client, wants_input(c) ? STDIN_FILENO : -1, chat_someone_types(c) || c->input_ended ? 1000 : 30000);
	if (c->loop.is_resized && c->is_terminal) screen_fit(&c->screen);
	c->loop.is_resized = false;
	if (c->loop.is_continued && c->is_terminal) {
		(void)term_resume();
		wake_up(c);
	}
	c->loop.is_continued = false;
	if (has_input && c->is_terminal) on_keyboard(c);
	if (has_input && !c->is_terminal) on_pipe(c);
	if (c->wants_watch && beck_state(c->client) == BECK_CONNECTED) chat_watch(c);
	mark_read(c);
	look_for_end(c);
	if (!c->is_over) show(c);
}

static void talk(struct chat *c)
{
	beck_error e = { 0 };
	(void)beck_on(c->client, NULL, chat_on_event, c);
	if (access_connect_async(c->access, c->client, on_connected, c, &e) != BECK_OK) end(c, 0, "cannot connect", &e);
	c->is_terminal = !c->is_over && term_begin();
	if (c->is_terminal) screen_fit(&c->screen);
	while (!c->is_over && !c->loop.wants_end) turn(c);
	c->is_over = true;
	term_end();
	size_t unsent = chat_unsent(c);
	if (unsent) (void)say_failed("%zu message%s not sent", unsent, unsent == 1 ? " was" : "s were");
	if (unsent && c->status == EXIT_FINE) c->status = EXIT_REFUSED;
}

static void chat_free(struct chat *c)
{
	beck_channel_unref(c->channel);
	beck_release(c->client);
	chat_state_free(c);
	screen_free(&c->screen);
	text_free(&c->edit.line);
	text_free(&c->input);
}

int run_chat(struct args *g)
{
	struct access a;
	struct chat c = { .args = g, .access = &a };
	int status = channel_check(g, g->words[0]);
	if (status == EXIT_FINE) status = access_find_user(g, &a);
	if (status != EXIT_FINE) return status;
	if (isatty(STDERR_FILENO) && isatty(STDOUT_FILENO)) g->verbose = false;
	c.client = loop_init() ? access_client(&a, BECK_NO_THREAD) : NULL;
	c.channel = c.client ? channel_of(c.client, g->words[0]) : NULL;
	if (c.client && !c.channel) (void)args_wrong(g->command, "\"%s\" names no channel", g->words[0]);
	if (c.channel) talk(&c);
	status = c.channel ? c.status : EXIT_USAGE;
	chat_free(&c);
	access_free(&a);
	return status;
}
