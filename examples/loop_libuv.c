/* A client inside a libuv loop: descriptors and deadline are asked for before every sleep.
 * links: uv
 *
 *   cc loop_libuv.c $(pkg-config --cflags --libs beck libuv) && URL=... API_KEY=... USER_ID=john TOKEN=... ./a.out 3
 *
 * Prints the types of that many events, disconnects and ends; without a number it goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <beck/beck.h>

enum { FDS = 64 };

static uv_prepare_t before_sleep;
static uv_timer_t deadline;
static uv_poll_t watchers[FDS];
static int fds[FDS]; /* of watchers[i] */
static size_t n_watchers;
static beck_client *chat;
static long left;

static void on_event(void *ctx, beck_client *client, const beck_event *event)
{
	(void)ctx;
	(void)client;
	printf("%s\n", beck_event_type(event));
	fflush(stdout);
	if (left > 0 && --left == 0) uv_stop(before_sleep.loop);
}

static void on_ready(uv_poll_t *w, int status, int events)
{
	(void)w;
	(void)status;
	(void)events;
	beck_poll(chat, 0);
}

static void on_deadline(uv_timer_t *t)
{
	(void)t;
	beck_poll(chat, 0);
}

static uv_poll_t *watcher_of(int fd)
{
	for (size_t i = 0; i < n_watchers; i++)
		if (fds[i] == fd) return &watchers[i];
	if (n_watchers == FDS || uv_poll_init(before_sleep.loop, &watchers[n_watchers], fd) != 0) return NULL;
	fds[n_watchers] = fd;
	return &watchers[n_watchers++];
}

/* A descriptor may have been closed and its number used again, so all are taken afresh. */
static void watch(uv_prepare_t *p)
{
	beck_fd wanted[FDS];
	(void)p;
	for (size_t i = 0; i < n_watchers; i++) uv_poll_stop(&watchers[i]);
	size_t n = beck_fds(chat, wanted, FDS);
	for (size_t i = 0; i < n && i < FDS; i++) {
		uv_poll_t *w = watcher_of((int)wanted[i].fd);
		if (w)
			uv_poll_start(
				w, (wanted[i].events & 1 ? UV_READABLE : 0) | (wanted[i].events & 4 ? UV_WRITABLE : 0), on_ready);
	}
	int ms = beck_deadline_ms(chat);
	uv_timer_stop(&deadline);
	if (ms >= 0) uv_timer_start(&deadline, on_deadline, (uint64_t)ms, 0);
}

int main(int argc, char **argv)
{
	char user[300];
	beck_error err = { 0 };
	uv_loop_t *loop = uv_default_loop();
	left = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	chat = beck_get_instance(getenv("API_KEY"),
		&(beck_options){ .base_url = getenv("URL"), .threading = BECK_NO_THREAD, .enable_ws_fallback = true });
	uv_prepare_init(loop, &before_sleep);
	uv_timer_init(loop, &deadline);
	beck_on(chat, NULL, on_event, NULL);
	snprintf(user, sizeof user, "{\"id\":\"%s\"}", getenv("USER_ID"));
	if (beck_connect_user_async(chat, user, getenv("TOKEN"), NULL, NULL, NULL, NULL, &err) != BECK_OK) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	uv_prepare_start(&before_sleep, watch);
	uv_run(loop, UV_RUN_DEFAULT);
	beck_release(chat); /* drives the client itself until it has said goodbye */
	return 0;
}
