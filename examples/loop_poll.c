/* A client inside a loop of poll(2): nothing happens but in beck_poll, on this thread.
 *
 *   cc loop_poll.c $(pkg-config --cflags --libs beck) && URL=... API_KEY=... USER_ID=john TOKEN=... ./a.out messaging:hello
 *
 * Prints the messages of the channel; what is typed is sent. The end of standard input ends it. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <beck/beck.h>

enum { FDS = 64 };

static void on_message(void *ctx, beck_client *chat, const beck_event *event)
{
	const beck_message *m = beck_event_message(event);
	(void)ctx;
	(void)chat;
	printf("%s: %s\n", beck_message_user_name(m), beck_message_text(m));
	fflush(stdout);
}

static void on_watched(void *ctx, const beck_error *error, const beck_reply *reply)
{
	(void)ctx;
	(void)reply;
	printf("%s\n", error ? error->message : "watching");
	fflush(stdout);
}

/* Waits for the client's descriptors or standard input; true when a line can be read. */
static bool wait_for_work(beck_client *chat)
{
	beck_fd wanted[FDS];
	struct pollfd fds[FDS + 1] = { { .fd = 0, .events = POLLIN } };
	size_t n = beck_fds(chat, wanted, FDS);
	if (n > FDS) n = FDS; /* the others are looked at by the next turn */
	for (size_t i = 0; i < n; i++) fds[i + 1] = (struct pollfd){ .fd = (int)wanted[i].fd, .events = wanted[i].events };
	(void)poll(fds, (nfds_t)n + 1, beck_deadline_ms(chat));
	return fds[0].revents != 0;
}

int main(int argc, char **argv)
{
	char line[1000], user[300];
	beck_error err = { 0 };
	char *id = argc == 2 ? strchr(argv[1], ':') : NULL;
	if (!id) return 2;
	*id++ = '\0';
	beck_client *chat = beck_get_instance(getenv("API_KEY"),
		&(beck_options){ .base_url = getenv("URL"), .threading = BECK_NO_THREAD, .enable_ws_fallback = true });
	beck_channel *channel = beck_channel_open(chat, argv[1], id);
	snprintf(user, sizeof user, "{\"id\":\"%s\"}", getenv("USER_ID"));
	if (beck_connect_user_async(chat, user, getenv("TOKEN"), NULL, NULL, NULL, NULL, &err) != BECK_OK ||
		beck_channel_watch_async(channel, NULL, on_watched, NULL, &err) != BECK_OK) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	beck_channel_on(channel, "message.new", on_message, NULL);
	for (;;) {
		bool has_line = wait_for_work(chat);
		beck_poll(chat, 0);
		if (!has_line) continue;
		if (!fgets(line, sizeof line, stdin)) break;
		line[strcspn(line, "\n")] = '\0';
		if (beck_send_text_async(channel, line, NULL, NULL, NULL, &err) != BECK_OK) fprintf(stderr, "%s\n", err.message);
	}
	beck_channel_unref(channel);
	beck_release(chat);
	return 0;
}
