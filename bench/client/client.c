/* What libbeck costs, on the public header only.
 *
 *   bench_client connect  URL KEY USER TOKEN N           N connects one after the other: ms to the first event
 *   bench_client memory   URL KEY USER TOKEN N           N idle clients: bytes that the library itself holds for each
 *   bench_client requests URL KEY USER TOKEN SECONDS     calls per second over one client: one by one, and 32 at once
 *   bench_client leave    URL KEY USER TOKEN FILE CID    watches a channel and goes, keeping its position in FILE
 *   bench_client recover  URL KEY USER TOKEN FILE        comes back: ms until everything missed has been given out, and how many
 * Prints one JSON object. */
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <beck/beck.h>

static const char *url, *key, *token, *arg;
static char user[300];

static double now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void fail(const char *what, const beck_error *err)
{
	fprintf(stderr, "bench_client: %s: %s\n", what, err->message);
	exit(1);
}

static beck_client *make(beck_threading threading, const char *state_file)
{
	beck_error err = { 0 };
	beck_client *c = beck_client_create(key, &(beck_options){ .base_url = url,
							 .threading = (uint8_t)threading,
							 .enable_ws_fallback = true,
							 .state_file = state_file,
							 .skip_tls_verify = true,
							 .error = &err });
	if (!c) fail("create", &err);
	return c;
}

static void connect_user(beck_client *c)
{
	beck_error err = { 0 };
	if (beck_connect_user(c, user, token, &err) != BECK_OK) fail("connect", &err);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void bench_connect(void)
{
	enum { MAX = 1000 };
	static double ms[MAX];
	int n = (int)strtol(arg, NULL, 10);
	for (int i = 0; i < n && i < MAX; i++) {
		double begun = now_ms();
		beck_client *c = make(BECK_OWN_THREAD, NULL);
		connect_user(c);
		ms[i] = now_ms() - begun;
		beck_release(c);
	}
	qsort(ms, (size_t)n, sizeof *ms, by_size);
	printf("{\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n", ms[n / 2], ms[n * 99 / 100]);
}

/* ---- memory ---- */

static atomic_llong held;

static void *count_alloc(void *ctx, size_t n)
{
	(void)ctx;
	void *p = malloc(n);
	if (p) atomic_fetch_add(&held, (long long)malloc_usable_size(p));
	return p;
}
static void *count_resize(void *ctx, void *old, size_t n)
{
	(void)ctx;
	long long before = old ? (long long)malloc_usable_size(old) : 0;
	void *p = realloc(old, n);
	if (p) atomic_fetch_add(&held, (long long)malloc_usable_size(p) - before);
	return p;
}
static void count_release(void *ctx, void *p)
{
	(void)ctx;
	if (p) atomic_fetch_sub(&held, (long long)malloc_usable_size(p));
	free(p);
}

static long long rss_bytes(void)
{
	char line[256];
	long long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, "RssAnon:", 8) == 0) kib = strtoll(line + 8, NULL, 10);
	if (f) (void)fclose(f);
	return kib * 1024;
}

static void bench_memory(void)
{
	int n = (int)strtol(arg, NULL, 10);
	beck_client **all = calloc((size_t)n + 1, sizeof *all);
	if (!all) exit(1);
	all[n] = make(BECK_NO_THREAD, NULL); /* what the first one costs alone is not counted */
	connect_user(all[n]);
	while (beck_poll(all[n], 0) > 0) {
	}
	long long before = atomic_load(&held), rss = rss_bytes();
	for (int i = 0; i < n; i++) {
		all[i] = make(BECK_NO_THREAD, NULL);
		connect_user(all[i]);
		while (beck_poll(all[i], 0) > 0) {
		}
	}
	printf("{\"bytes_each\":%lld,\"rss_each\":%lld}\n", (atomic_load(&held) - before) / n, (rss_bytes() - rss) / n);
	for (int i = 0; i <= n; i++) beck_release(all[i]);
	free(all);
}

/* ---- requests ---- */

static atomic_long answered;
static atomic_bool is_over;

static void again(void *ctx, const beck_error *error, const beck_reply *reply)
{
	beck_client *c = ctx;
	(void)reply;
	if (error && !atomic_load(&is_over)) fail("call", error);
	atomic_fetch_add(&answered, 1);
	if (!atomic_load(&is_over)) (void)beck_unread_counts_async(c, again, c, NULL);
}

static void bench_requests(void)
{
	double seconds = strtod(arg, NULL), begun;
	long one_by_one = 0;
	beck_error err = { 0 };
	beck_client *c = make(BECK_OWN_THREAD, NULL);
	connect_user(c);
	for (begun = now_ms(); now_ms() - begun < seconds * 500; one_by_one++)
		if (beck_unread_counts(c, NULL, &err) != BECK_OK) fail("call", &err);
	double single = (double)one_by_one / (now_ms() - begun) * 1e3;
	begun = now_ms();
	for (int i = 0; i < 32; i++) (void)beck_unread_counts_async(c, again, c, NULL);
	while (now_ms() - begun < seconds * 500) (void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	double many = (double)atomic_load(&answered) / (now_ms() - begun) * 1e3;
	atomic_store(&is_over, true);
	beck_release(c);
	printf("{\"one_by_one\":%.0f,\"at_once\":%.0f}\n", single, many);
}

/* ---- recovery ---- */

static atomic_int messages, is_recovered;

static void on_event(void *ctx, beck_client *c, const beck_event *e)
{
	(void)ctx;
	(void)c;
	if (beck_event_message(e)) atomic_fetch_add(&messages, 1);
	if (strcmp(beck_event_type(e), "connection.recovered") == 0) atomic_store(&is_recovered, 1);
}

static void bench_leave(const char *id)
{
	beck_error err = { 0 };
	beck_client *c = make(BECK_OWN_THREAD, arg);
	connect_user(c);
	beck_channel *ch = beck_channel_open(c, "messaging", id);
	if (beck_channel_watch(ch, NULL, NULL, &err) != BECK_OK) fail("watch", &err);
	beck_channel_unref(ch);
	beck_release(c);
	printf("{}\n");
}

static void bench_recover(void)
{
	beck_error err = { 0 };
	double begun = now_ms();
	beck_client *c = make(BECK_POLL_EVENTS, arg);
	(void)beck_on(c, NULL, on_event, NULL);
	if (beck_connect_user_async(c, user, token, NULL, NULL, NULL, NULL, &err) != BECK_OK) fail("connect", &err);
	while (!atomic_load(&is_recovered)) (void)beck_poll(c, 1000);
	printf("{\"ms\":%.1f,\"messages\":%d}\n", now_ms() - begun, atomic_load(&messages));
	beck_release(c);
}

int main(int argc, char **argv)
{
	if (argc < 7) return 2;
	url = argv[2];
	key = argv[3];
	(void)snprintf(user, sizeof user, "{\"id\":\"%s\"}", argv[4]);
	token = argv[5];
	arg = argv[6];
	if (strcmp(argv[1], "memory") == 0) {
		(void)beck_set_allocator(
			&(beck_allocator){ .alloc = count_alloc, .resize = count_resize, .release = count_release });
		bench_memory();
	} else if (strcmp(argv[1], "connect") == 0) {
		bench_connect();
	} else if (strcmp(argv[1], "requests") == 0) {
		bench_requests();
	} else if (strcmp(argv[1], "leave") == 0 && argc == 8) {
		bench_leave(argv[7]);
	} else if (strcmp(argv[1], "recover") == 0) {
		bench_recover();
	} else {
		return 2;
	}
	return 0;
}
