/* A client inside a GLib main loop: a source whose descriptors and deadline are asked for before every sleep.
 * links: glib-2.0
 *
 *   cc loop_glib.c $(pkg-config --cflags --libs beck glib-2.0) && URL=... API_KEY=... USER_ID=john TOKEN=... ./a.out 3
 *
 * Prints the types of that many events, disconnects and ends; without a number it goes on. */
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>

#include <beck/beck.h>

enum { FDS = 64 };

struct chat_source {
	GSource source;
	beck_client *chat;
	gpointer tags[FDS];
	size_t n;
};

static GMainLoop *loop;
static long left;

/* A descriptor may have been closed and its number used again, so all are taken afresh. */
static gboolean prepare(GSource *source, gint *timeout_ms)
{
	struct chat_source *s = (struct chat_source *)source;
	beck_fd wanted[FDS];
	while (s->n) g_source_remove_unix_fd(source, s->tags[--s->n]);
	size_t n = beck_fds(s->chat, wanted, FDS);
	for (size_t i = 0; i < n && i < FDS; i++) {
		int events = (wanted[i].events & 1 ? G_IO_IN : 0) | (wanted[i].events & 4 ? G_IO_OUT : 0);
		s->tags[s->n++] = g_source_add_unix_fd(source, (gint)wanted[i].fd, (GIOCondition)(events | G_IO_HUP | G_IO_ERR));
	}
	*timeout_ms = beck_deadline_ms(s->chat);
	return *timeout_ms == 0;
}

static gboolean check(GSource *source)
{
	struct chat_source *s = (struct chat_source *)source;
	for (size_t i = 0; i < s->n; i++)
		if (g_source_query_unix_fd(source, s->tags[i])) return TRUE;
	return beck_deadline_ms(s->chat) == 0;
}

static gboolean dispatch(GSource *source, GSourceFunc fn, gpointer data)
{
	(void)fn;
	(void)data;
	beck_poll(((struct chat_source *)source)->chat, 0);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = { .prepare = prepare, .check = check, .dispatch = dispatch };

static void on_event(void *ctx, beck_client *client, const beck_event *event)
{
	(void)ctx;
	(void)client;
	printf("%s\n", beck_event_type(event));
	fflush(stdout);
	if (left > 0 && --left == 0) g_main_loop_quit(loop);
}

int main(int argc, char **argv)
{
	char user[300];
	beck_error err = { 0 };
	left = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	loop = g_main_loop_new(NULL, FALSE);
	struct chat_source *s = (struct chat_source *)g_source_new(&functions, sizeof *s);
	s->chat = beck_get_instance(getenv("API_KEY"),
		&(beck_options){ .base_url = getenv("URL"), .threading = BECK_NO_THREAD, .enable_ws_fallback = true });
	beck_on(s->chat, NULL, on_event, NULL);
	snprintf(user, sizeof user, "{\"id\":\"%s\"}", getenv("USER_ID"));
	if (beck_connect_user_async(s->chat, user, getenv("TOKEN"), NULL, NULL, NULL, NULL, &err) != BECK_OK) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	g_source_attach(&s->source, NULL);
	g_main_loop_run(loop);
	beck_client *chat = s->chat;
	g_source_destroy(&s->source);
	g_source_unref(&s->source);
	g_main_loop_unref(loop);
	beck_release(chat); /* drives the client itself until it has said goodbye */
	return 0;
}
