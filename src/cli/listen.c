/* beck listen: what happens, a line each. */
#include "cli/access.h"
#include "cli/loop.h"
#include "cli/now.h"
#include "cli/output.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct listen {
	struct args *args;
	struct loop loop;
	beck_client *client;
	long long shown;
	bool is_json, is_over, wants_watch;
	int status;
};

/* ---- lines ---- */

static void put_part(struct text *line, const char *before, const char *value)
{
	char *clean = clean_text(value, false);
	if (*clean) text_format(line, "%s%s", before, clean);
	free(clean);
}

static const char *name_of(const beck_value *user)
{
	const beck_user *u = beck_as_user(user);
	return u ? beck_user_get_name(u) : "";
}

/* "12:03:59 message.new  messaging:general  John: Hello" */
static void show_line(const beck_event *event)
{
	const beck_value *v = beck_event_value(event);
	const beck_message *m = beck_event_message(event);
	struct text line = { 0 };
	int64_t us = 0;
	char when[16];
	if (!beck_event_created_at(event, &us)) us = now_us();
	put_part(&line, "", beck_event_type(event));
	put_part(&line, "  ", beck_event_cid(event));
	put_part(&line, "  ", m ? beck_message_user_name(m) : name_of(beck_value_get(v, "user")));
	if (m) put_part(&line, ": ", beck_message_text(m));
	if (beck_value_kind(beck_value_path(v, "user.online")) == BECK_BOOL &&
		strcmp(beck_event_type(event), "user.presence.changed") == 0)
		text_put(&line, beck_value_bool(beck_value_path(v, "user.online"), false) ? "  online" : "  offline");
	if (beck_value_kind(beck_value_get(v, "online")) == BECK_BOOL)
		text_put(&line, beck_value_bool(beck_value_get(v, "online"), false) ? "  online" : "  offline");
	put_part(&line, "  ", beck_value_text(beck_value_get(v, "transport")));
	printf("%s%s%s %s%s%s\n", style(STYLE_DIM), time_of_day(us, 1, when), style(STYLE_END),
		beck_event_is_local(event) ? style(STYLE_YELLOW) : "", text_get(&line),
		beck_event_is_local(event) ? style(STYLE_END) : "");
	text_free(&line);
}

static void on_event(void *ctx, beck_client *client, const beck_event *event)
{
	struct listen *l = ctx;
	(void)client;
	if (l->is_over || (!l->args->health && strcmp(beck_event_type(event), "health.check") == 0)) return;
	if (l->is_json)
		(void)puts(beck_event_json(event));
	else
		show_line(event);
	(void)fflush(stdout);
	if (++l->shown == l->args->count) l->is_over = true;
}

/* ---- what to watch ---- */

static void on_watched(void *ctx, const beck_error *e, const beck_reply *reply)
{
	struct listen *l = ctx;
	(void)reply;
	if (!e || l->is_over || l->loop.wants_end) return;
	if (e->is_retryable && !e->status && beck_state(l->client) != BECK_DISCONNECTED) {
		l->wants_watch = true; /* the connection broke meanwhile */
		return;
	}
	l->status = say_error("cannot watch", e);
	l->is_over = true;
}

static void watch_mine(struct listen *l, beck_client *client)
{
	struct text query = { 0 };
	text_put(&query, "{\"filter_conditions\":{\"members\":{\"$in\":[");
	text_json(&query, beck_user_id(client));
	text_put(&query, "]}},\"limit\":30,\"watch\":true,\"state\":true,\"presence\":true}");
	beck_error e = { 0 };
	if (beck_query_channels_async(client, query.p, on_watched, l, &e) != BECK_OK) on_watched(l, &e, NULL);
	text_free(&query);
}

static void watch(struct listen *l, beck_client *client)
{
	beck_error e = { 0 };
	l->wants_watch = false;
	for (size_t i = 0; i < l->args->word_count; i++) {
		beck_channel *channel = channel_of(client, l->args->words[i]);
		if (beck_channel_watch_async(channel, NULL, on_watched, l, &e) != BECK_OK) on_watched(l, &e, NULL);
		beck_channel_unref(channel);
	}
	if (!l->args->word_count) watch_mine(l, client);
}

static void on_connected(void *ctx, beck_client *client, const beck_error *e)
{
	struct listen *l = ctx;
	if (!e) {
		watch(l, client);
		return;
	}
	l->status = say_error("cannot connect", e);
	l->is_over = true;
}

/* The client goes on by itself, unless the server says that it must not. */
static void look_for_end(struct listen *l, beck_client *client)
{
	beck_error e = { 0 };
	if (l->is_over || !l->shown || beck_state(client) != BECK_DISCONNECTED) return;
	beck_last_connect_error(client, &e);
	l->status = say_error("the connection has ended", &e);
	l->is_over = true;
}

static int listen_on(struct listen *l, struct access *a)
{
	beck_error e = { 0 };
	beck_client *client = access_client(a, BECK_NO_THREAD);
	if (!client) return EXIT_USAGE;
	l->client = client;
	(void)beck_on(client, NULL, on_event, l);
	if (access_connect_async(a, client, on_connected, l, &e) != BECK_OK) {
		l->status = say_error("cannot connect", &e);
		l->is_over = true;
	}
	while (!l->is_over && !l->loop.wants_end) {
		(void)loop_turn(&l->loop, client, -1, -1);
		if (l->wants_watch && beck_state(client) == BECK_CONNECTED) watch(l, client);
		look_for_end(l, client);
	}
	beck_release(client);
	return l->status;
}

int run_listen(struct args *g)
{
	struct access a;
	struct listen l = { .args = g, .is_json = g->json || (!g->lines && !isatty(STDOUT_FILENO)) };
	int status = EXIT_FINE;
	for (size_t i = 0; i < g->word_count && status == EXIT_FINE; i++) status = channel_check(g, g->words[i]);
	if (status == EXIT_FINE) status = access_find_user(g, &a);
	if (status != EXIT_FINE) return status;
	status = loop_init() ? listen_on(&l, &a) : say_failed("out of descriptors");
	access_free(&a);
	return status;
}
