/* beck load: clients that connect, watch and send, and how long their messages take. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/access.h"
#include "cli/loop.h"
#include "cli/now.h"
#include "cli/output.h"
#include "cli/text.h"

#define CLIENTS_MAX 2000
#define SETTLE_US   10000000 /* for what is on its way at the end */

struct times { /* microseconds */
	int64_t *us;
	size_t n, room;
};

struct worker {
	struct load *load;
	struct access access; /* with a user of its own where there is a secret */
	beck_client *client;
	beck_channel *channel;
};

struct load {
	struct args *args;
	struct access access;
	long long clients, seconds, rate;
	struct worker *workers;
	pthread_mutex_t lock; /* callbacks run on the clients' threads; what follows is theirs too */
	pthread_cond_t changed;
	size_t ready, failed_start, sent, answered, refused, delivered;
	beck_error first_error;
	struct times acks, deliveries;
	char run[24]; /* marks our messages */
};

/* ---- measuring ---- */

static void add_time(struct times *t, int64_t us)
{
	if (t->n == t->room) {
		t->room = t->room * 2 + 1024;
		t->us = must(realloc(t->us, t->room * sizeof *t->us));
	}
	t->us[t->n++] = us;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static double percentile_ms(struct times *t, int percent)
{
	if (!t->n) return 0;
	size_t at = (t->n - 1) * (size_t)percent / 100;
	return (double)t->us[at] / 1000.0;
}

static void sort(struct times *t)
{
	if (t->n) qsort(t->us, t->n, sizeof *t->us, by_size);
}

/* When the message was sent, from its text; -1 when it is none of ours. */
static int64_t sent_at(const struct load *l, const char *text)
{
	size_t n = strlen(l->run);
	return strncmp(text, l->run, n) == 0 ? strtoll(text + n, NULL, 10) : -1;
}

static void note_error(struct load *l, const beck_error *e)
{
	if (l->first_error.result == BECK_OK) l->first_error = *e;
}

/* ---- callbacks, on the clients' threads ---- */

static void on_message(void *ctx, beck_client *client, const beck_event *event)
{
	struct worker *w = ctx;
	int64_t at = sent_at(w->load, beck_message_text(beck_event_message(event))), now = now_steady_us();
	(void)client;
	if (at < 0) return;
	(void)pthread_mutex_lock(&w->load->lock);
	w->load->delivered++;
	add_time(&w->load->deliveries, now - at);
	(void)pthread_mutex_unlock(&w->load->lock);
}

static void on_answer(void *ctx, const beck_error *e, const beck_reply *reply)
{
	struct worker *w = ctx;
	struct load *l = w->load;
	int64_t now = now_steady_us(), at = e ? 0 : sent_at(l, beck_message_text(beck_reply_message(reply)));
	(void)pthread_mutex_lock(&l->lock);
	if (e) {
		l->refused++;
		note_error(l, e);
	} else {
		l->answered++;
		add_time(&l->acks, now - at);
	}
	(void)pthread_mutex_unlock(&l->lock);
}

static void started(struct load *l, const beck_error *e)
{
	(void)pthread_mutex_lock(&l->lock);
	if (e) {
		l->failed_start++;
		note_error(l, e);
	} else {
		l->ready++;
	}
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
}

static void on_watched(void *ctx, const beck_error *e, const beck_reply *reply)
{
	(void)reply;
	started(((struct worker *)ctx)->load, e);
}

static void on_connected(void *ctx, beck_client *client, const beck_error *e)
{
	struct worker *w = ctx;
	beck_error why = { 0 };
	(void)client;
	if (e) {
		started(w->load, e);
		return;
	}
	if (beck_channel_watch_async(w->channel, NULL, on_watched, w, &why) != BECK_OK) started(w->load, &why);
}

/* ---- setting up ---- */

static beck_result add_members(struct load *l, beck_channel *channel, beck_error *e)
{
	beck_result r = BECK_OK;
	for (long long i = 0; i < l->clients && r == BECK_OK; i += 100) {
		const char *ids[101] = { NULL };
		for (long long k = 0; k < 100 && i + k < l->clients; k++) ids[k] = l->workers[i + k].access.user;
		r = beck_add_members(channel, ids, NULL, NULL, e);
	}
	return r;
}

static beck_result add_users(struct load *l, beck_client *server, beck_error *e)
{
	beck_result r = BECK_OK;
	for (long long i = 0; i < l->clients && r == BECK_OK; i += 100) {
		struct text json = { 0 };
		text_put(&json, "[");
		for (long long k = 0; k < 100 && i + k < l->clients; k++)
			text_format(&json, "%s{\"id\":\"%s\"}", k ? "," : "", l->workers[i + k].access.user);
		text_put(&json, "]");
		r = beck_upsert_users(server, json.p, NULL, e);
		text_free(&json);
	}
	return r;
}

/* With the secret: a user for each client, all of them members of the channel. */
static int make_people(struct load *l)
{
	beck_error e = { 0 };
	struct text data = { 0 };
	beck_client *server = access_server_client(&l->access);
	if (!server) return EXIT_REFUSED;
	beck_channel *channel = channel_of(server, l->args->words[0]);
	text_format(&data, "{\"created_by_id\":\"%s\"}", l->workers[0].access.user);
	beck_result r = add_users(l, server, &e);
	if (r == BECK_OK) r = beck_channel_create(channel, data.p, NULL, &e);
	if (r == BECK_OK) r = add_members(l, channel, &e);
	text_free(&data);
	beck_channel_unref(channel);
	beck_release(server);
	return r == BECK_OK ? EXIT_FINE : say_error("cannot prepare", &e);
}

static bool start_worker(struct worker *w)
{
	beck_error e = { 0 };
	w->client = access_client(&w->access, BECK_OWN_THREAD);
	w->channel = w->client ? channel_of(w->client, w->load->args->words[0]) : NULL;
	if (!w->channel) return false;
	(void)beck_channel_on(w->channel, "message.new", on_message, w);
	if (access_connect_async(&w->access, w->client, on_connected, w, &e) != BECK_OK) started(w->load, &e);
	return true;
}

static int start_all(struct load *l)
{
	for (long long i = 0; i < l->clients; i++)
		if (!start_worker(&l->workers[i])) return EXIT_USAGE;
	(void)pthread_mutex_lock(&l->lock);
	while (l->ready + l->failed_start < (size_t)l->clients) (void)pthread_cond_wait(&l->changed, &l->lock);
	bool any = l->ready > 0;
	(void)pthread_mutex_unlock(&l->lock);
	return any ? EXIT_FINE : say_error("no client could start", &l->first_error);
}

/* ---- the load itself ---- */

static void sleep_until(int64_t us)
{
	int64_t left = us - now_steady_us();
	if (left > 0) (void)nanosleep(&(struct timespec){ .tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000 }, NULL);
}

static void send_one(struct load *l, struct worker *w)
{
	char text[64];
	beck_error e = { 0 };
	(void)snprintf(text, sizeof text, "%s%lld", l->run, (long long)now_steady_us());
	beck_result r = beck_send_text_async(w->channel, text, NULL, on_answer, w, &e);
	(void)pthread_mutex_lock(&l->lock);
	if (r == BECK_OK) {
		l->sent++;
	} else {
		l->refused++;
		note_error(l, &e);
	}
	(void)pthread_mutex_unlock(&l->lock);
}

static void show_progress(struct load *l, long long n)
{
	if (!isatty(STDERR_FILENO) || n % l->rate != 0) return;
	(void)pthread_mutex_lock(&l->lock);
	(void)fprintf(stderr, "\r%lld s: sent %zu, acknowledged %zu, delivered %zu, refused %zu ", n / l->rate, l->sent,
		l->answered, l->delivered, l->refused);
	(void)pthread_mutex_unlock(&l->lock);
}

static void send_all(struct load *l)
{
	int64_t began = now_steady_us();
	for (long long n = 0; n < l->rate * l->seconds; n++) {
		sleep_until(began + n * 1000000 / l->rate);
		send_one(l, &l->workers[n % l->clients]);
		show_progress(l, n);
	}
	sleep_until(began + l->seconds * 1000000);
	if (isatty(STDERR_FILENO)) (void)fputs("\n", stderr);
}

static void settle(struct load *l)
{
	int64_t until = now_steady_us() + SETTLE_US;
	bool is_done = false;
	while (!is_done && now_steady_us() < until) {
		(void)pthread_mutex_lock(&l->lock);
		is_done = l->answered + l->refused >= l->sent && l->delivered >= l->answered * l->ready;
		(void)pthread_mutex_unlock(&l->lock);
		if (!is_done) sleep_until(now_steady_us() + 10000);
	}
}

/* ---- telling ---- */

static void show_times(const char *name, struct times *t, bool is_json)
{
	sort(t);
	if (is_json)
		printf(",\"%s_ms\":{\"count\":%zu,\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"max\":%.2f}", name, t->n,
			percentile_ms(t, 50), percentile_ms(t, 90), percentile_ms(t, 99), percentile_ms(t, 100));
	else
		printf("%-14s %8zu   p50 %8.2f ms   p90 %8.2f ms   p99 %8.2f ms   max %8.2f ms\n", name, t->n,
			percentile_ms(t, 50), percentile_ms(t, 90), percentile_ms(t, 99), percentile_ms(t, 100));
}

static int show_result(struct load *l)
{
	bool is_json = wants_json(l->args->json);
	double seconds = (double)l->seconds;
	(void)pthread_mutex_lock(&l->lock);
	size_t lost = l->answered * l->ready > l->delivered ? l->answered * l->ready - l->delivered : 0;
	if (is_json)
		printf("{\"clients\":%zu,\"clients_failed\":%zu,\"seconds\":%lld,\"sent\":%zu,\"acknowledged\":%zu,\"refused\":%"
		       "zu,"
		       "\"delivered\":%zu,\"undelivered\":%zu,\"sent_per_s\":%.1f,\"delivered_per_s\":%.1f",
			l->ready, l->failed_start, l->seconds, l->sent, l->answered, l->refused, l->delivered, lost,
			(double)l->answered / seconds, (double)l->delivered / seconds);
	else
		printf("%zu clients, %lld s: %zu sent (%.1f/s), %zu refused, %zu delivered (%.1f/s), %zu not delivered\n",
			l->ready, l->seconds, l->answered, (double)l->answered / seconds, l->refused, l->delivered,
			(double)l->delivered / seconds, lost);
	show_times("acknowledge", &l->acks, is_json);
	show_times("deliver", &l->deliveries, is_json);
	if (is_json) (void)puts("}");
	bool is_fine = !l->refused && !l->failed_start && !lost;
	(void)pthread_mutex_unlock(&l->lock);
	return is_fine ? EXIT_FINE : l->first_error.result ? say_error("the first failure", &l->first_error) : EXIT_REFUSED;
}

static void stop_all(struct load *l)
{
	for (long long i = 0; i < l->clients; i++) {
		beck_channel_unref(l->workers[i].channel);
		beck_release(l->workers[i].client);
	}
	free(l->acks.us);
	free(l->deliveries.us);
	free(l->workers);
}

static int run(struct load *l)
{
	bool has_secret = !l->access.token;
	l->workers = must(calloc((size_t)l->clients, sizeof *l->workers));
	for (long long i = 0; i < l->clients; i++) {
		l->workers[i] = (struct worker){ .load = l, .access = l->access };
		if (has_secret) (void)snprintf(l->workers[i].access.user, sizeof l->workers[i].access.user, "load-%lld", i + 1);
	}
	int status = has_secret ? make_people(l) : EXIT_FINE;
	if (status == EXIT_FINE) status = start_all(l);
	if (status == EXIT_FINE) {
		send_all(l);
		settle(l);
		status = show_result(l);
	}
	stop_all(l);
	return status;
}

int run_load(struct args *g)
{
	struct load l = { .args = g, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	l.clients = g->clients ? g->clients : 10;
	l.seconds = g->seconds ? g->seconds : 10;
	l.rate = g->rate ? g->rate : 10;
	if (l.clients > CLIENTS_MAX) return args_wrong(g->command, "--clients: at most %d", CLIENTS_MAX);
	if (l.seconds > 86400 || l.rate > 100000) return args_wrong(g->command, "--seconds or --rate: too large");
	int status = channel_check(g, g->words[0]);
	if (status == EXIT_FINE) status = access_find(g, &l.access);
	if (status != EXIT_FINE) return status;
	(void)snprintf(l.run, sizeof l.run, "load %llx ", (unsigned long long)now_us());
	status = run(&l);
	access_free(&l.access);
	return status;
}
