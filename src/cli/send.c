/* beck send: one message, acknowledged when the command ends. */
#include "cli/access.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All of standard input, without the line break at its end. */
static char *read_all(void)
{
	struct text t = { 0 };
	char part[4096];
	size_t n;
	text_add(&t, "", 0);
	while ((n = fread(part, 1, sizeof part, stdin)) > 0) text_add(&t, part, n);
	while (t.n && (t.p[t.n - 1] == '\n' || t.p[t.n - 1] == '\r')) t.p[--t.n] = 0;
	return t.p;
}

static int send_text(struct args *g, beck_client *client, const char *text)
{
	beck_error e = { 0 };
	const beck_reply *reply = NULL;
	struct text json = { 0 };
	beck_channel *channel = channel_of(client, g->words[0]);
	text_put(&json, "{\"text\":");
	text_json(&json, text);
	if (g->parent) {
		text_put(&json, ",\"parent_id\":");
		text_json(&json, g->parent);
	}
	text_put(&json, "}");
	beck_result r = beck_send_message(channel, json.p, &reply, &e);
	text_free(&json);
	beck_channel_unref(channel);
	if (r != BECK_OK) return say_error("not sent", &e);
	if (g->json || !isatty(STDOUT_FILENO)) {
		char *out = beck_value_json(beck_message_value(beck_reply_message(reply)));
		(void)puts(out ? out : "");
		beck_free(out);
	} else {
		printf("sent %s\n", beck_message_id(beck_reply_message(reply)));
	}
	beck_reply_unref(reply);
	return EXIT_FINE;
}

int run_send(struct args *g)
{
	struct access a;
	int status = channel_check(g, g->words[0]);
	if (status == EXIT_FINE) status = access_find_user(g, &a);
	if (status != EXIT_FINE) return status;
	beck_client *client = access_client(&a, BECK_OWN_THREAD);
	char *text = strcmp(g->words[1], "-") == 0 ? read_all() : dup_text(g->words[1]);
	status = client ? access_connect(&a, client) : EXIT_USAGE;
	if (status == EXIT_FINE) status = send_text(g, client, text);
	beck_release(client);
	free(text);
	access_free(&a);
	return status;
}
