/* What beck.h promises a program that does odd things: each rule is a function, run by name against a real server.
 *
 *   rules RULE URL KEY USER TOKEN CHANNEL      prints "ok" and ends with 0, or says what was wrong and ends with 1 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <beck/beck.h>

static const char *url, *key, *user_json, *token, *channel_id;
static char user_text[400];

#define CHECK(x)                                                                                                                 \
	do {                                                                                                                     \
		if (!(x)) {                                                                                                      \
			printf("line %d: not so: %s\n", __LINE__, #x);                                                           \
			exit(1);                                                                                                 \
		}                                                                                                                \
	} while (0)

static beck_client *make(uint8_t threading)
{
	beck_error err = { 0 };
	beck_client *c = beck_client_create(
		key, &(beck_options){ .base_url = url, .threading = threading, .enable_ws_fallback = true, .error = &err });
	if (!c) printf("%s\n", err.message);
	CHECK(c);
	return c;
}

static void connect_user(beck_client *c)
{
	beck_error err = { 0 };
	if (beck_connect_user(c, user_json, token, &err) != BECK_OK) printf("%s\n", err.message);
	CHECK(err.result == BECK_OK);
}

/* ---- waiting for a callback ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int seen;

static void note(void)
{
	pthread_mutex_lock(&lock);
	seen++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void wait_seen(int n)
{
	pthread_mutex_lock(&lock);
	while (seen < n) pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

/* ---- rules ---- */

static int results[8];

static void block_inside(void *ctx, beck_client *c, const beck_event *e)
{
	beck_channel *ch = ctx;
	beck_error err = { 0 };
	if (strcmp(beck_event_type(e), "health.check") != 0) return;
	results[0] = beck_unread_counts(c, NULL, &err);
	results[1] = beck_connect_user(c, user_json, token, &err);
	results[2] = beck_send_text(ch, "x", NULL, &err);
	results[3] = beck_channel_watch(ch, NULL, NULL, &err);
	results[4] = beck_poll(c, 0);
	note();
}

/* Blocking calls inside a callback fail at once. */
static void rule_callback(uint8_t threading)
{
	beck_client *c = make(threading);
	beck_channel *ch = beck_channel_open(c, "messaging", channel_id);
	CHECK(beck_on(c, NULL, block_inside, ch));
	connect_user(c);
	while (threading != BECK_OWN_THREAD && !seen) (void)beck_poll(c, 100);
	wait_seen(1);
	for (int i = 0; i < 4; i++) CHECK(results[i] == BECK_ECALLBACK);
	CHECK(results[4] == -1);
	beck_channel_unref(ch);
	beck_release(c);
}

static void end_inside(void *ctx, beck_client *c, const beck_event *e)
{
	if (strcmp(beck_event_type(e), "health.check") != 0) return;
	CHECK(beck_disconnect_user(c) == BECK_OK);
	if (ctx) beck_release(c);
	note();
}

/* Disconnect and release inside a callback are done when it has returned. */
static void rule_release(uint8_t threading)
{
	beck_client *c = make(threading);
	beck_error err = { 0 };
	CHECK(beck_on(c, NULL, end_inside, c));
	CHECK(beck_connect_user_async(c, user_json, token, NULL, NULL, NULL, NULL, &err) == BECK_OK);
	if (threading == BECK_OWN_THREAD) {
		wait_seen(1);
		usleep(100000); /* the thread ends by itself: the sanitizer looks at what is left */
		return;
	}
	while (!seen) (void)beck_poll(c, 100); /* the last one releases the client */
}

static void rule_disconnect(uint8_t threading)
{
	beck_client *c = make(threading);
	beck_error err = { 0 };
	CHECK(beck_on(c, NULL, end_inside, NULL));
	CHECK(beck_connect_user_async(c, user_json, token, NULL, NULL, NULL, NULL, &err) == BECK_OK);
	while (threading != BECK_OWN_THREAD && !seen) (void)beck_poll(c, 100);
	wait_seen(1);
	CHECK(beck_disconnect_user(c) == BECK_OK);
	CHECK(beck_state(c) == BECK_DISCONNECTED);
	beck_release(c);
}

static beck_handler first, second;
static int calls[3];

static void takes_away(void *ctx, beck_client *c, const beck_event *e)
{
	(void)e;
	calls[*(int *)ctx]++;
	if (*(int *)ctx != 0) return;
	beck_off(c, first);
	beck_off(c, second);
}

/* Handlers may take themselves and others away while they run. */
static void rule_handlers(uint8_t threading)
{
	static int zero = 0, one = 1, two = 2;
	beck_client *c = make(threading);
	first = beck_on(c, "health.check", takes_away, &zero);
	second = beck_on(c, "health.check", takes_away, &one);
	CHECK(first && second && beck_on(c, "health.check", takes_away, &two));
	CHECK(!beck_on(c, "x", NULL, NULL) && !beck_on(NULL, "x", takes_away, NULL));
	for (int i = 0; i < 2; i++) {
		connect_user(c);
		for (int k = 0; threading != BECK_OWN_THREAD && k < 10; k++) (void)beck_poll(c, 20);
		CHECK(beck_disconnect_user(c) == BECK_OK);
	}
	beck_off(c, first);
	beck_off(c, 12345);
	beck_release(c);
	CHECK(calls[0] == 1 && calls[1] == 0 && calls[2] == 2);
}

static void *get_and_release(void *arg)
{
	for (int i = 0; i < 200; i++) {
		beck_client *c = beck_get_instance(key, &(beck_options){ .base_url = url });
		CHECK(c);
		beck_release(c);
	}
	return arg;
}

/* One client per key; other options are an error that says so. */
static void rule_instance(uint8_t threading)
{
	beck_error err = { 0 };
	pthread_t t[4];
	(void)threading;
	beck_client *a = beck_get_instance(key, &(beck_options){ .base_url = url, .timeout_ms = 5000 });
	beck_client *b = beck_get_instance(key, &(beck_options){ .base_url = url, .timeout_ms = 5000 }),
		    *any = beck_get_instance(key, NULL);
	CHECK(a && a == b && any == a);
	CHECK(!beck_get_instance(key, &(beck_options){ .base_url = url, .timeout_ms = 6000, .error = &err }));
	CHECK(err.result == BECK_ESTATE && strstr(err.message, "other options"));
	beck_client *other = beck_get_instance("another", &(beck_options){ .base_url = url });
	CHECK(other && other != a);
	beck_release(other);
	beck_release(any);
	beck_release(b);
	beck_release(a);
	CHECK(!beck_get_instance(key, NULL));
	CHECK(!beck_get_instance(key, &(beck_options){ .base_url = "nonsense", .error = &err }) && err.result == BECK_EARG);
	for (int i = 0; i < 4; i++) CHECK(pthread_create(&t[i], NULL, get_and_release, NULL) == 0);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
}

static void *call_much(void *arg)
{
	beck_client *c = arg;
	for (int i = 0; i < 50; i++) {
		beck_error err = { 0 };
		const beck_reply *reply = NULL;
		CHECK(beck_unread_counts(c, &reply, &err) == BECK_OK);
		CHECK(beck_value_kind(beck_value_get(beck_reply_value(reply), "total_unread_count")) == BECK_NUMBER);
		beck_reply_unref(reply);
	}
	return NULL;
}

/* Many threads in blocking calls at once, in every way of driving. */
static void rule_threads(uint8_t threading)
{
	pthread_t t[6];
	beck_client *c = make(threading);
	connect_user(c);
	for (int i = 0; i < 6; i++) CHECK(pthread_create(&t[i], NULL, call_much, c) == 0);
	for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
	beck_release(c);
}

/* NULL where an object is due is an error, never a crash. */
static void rule_null(uint8_t threading)
{
	beck_error err = { 0 };
	(void)threading;
	CHECK(beck_connect_user(NULL, user_json, token, &err) == BECK_EARG && err.message[0]);
	CHECK(beck_connect_user(NULL, NULL, NULL, NULL) == BECK_EARG);
	CHECK(beck_disconnect_user(NULL) == BECK_EARG);
	CHECK(beck_unread_counts(NULL, NULL, NULL) == BECK_EARG);
	CHECK(beck_send_text(NULL, "x", NULL, &err) == BECK_EARG);
	CHECK(beck_channel_watch(NULL, NULL, NULL, &err) == BECK_EARG);
	CHECK(beck_keystroke(NULL, NULL) == BECK_EARG);
	CHECK(beck_poll(NULL, 0) == -1 && beck_fds(NULL, NULL, 0) == 0 && beck_deadline_ms(NULL) == -1);
	CHECK(strcmp(beck_connection_id(NULL), "") == 0 && beck_state(NULL) == BECK_DISCONNECTED);
	CHECK(strcmp(beck_message_text(NULL), "") == 0 && strcmp(beck_user_get_name(NULL), "") == 0);
	CHECK(strcmp(beck_event_type(NULL), "") == 0 && beck_value_count(NULL) == 0);
	CHECK(!beck_channel_open(NULL, "a", "b") && !beck_client_create(NULL, NULL) && !beck_client_create("k", NULL));
	beck_release(NULL);
	beck_channel_unref(NULL);
	beck_reply_unref(NULL);
	beck_event_unref(NULL);
	beck_off(NULL, 1);
	beck_network_changed(NULL);
	beck_token_answer(NULL, NULL, NULL);
	beck_client *c = make(BECK_OWN_THREAD);
	CHECK(beck_connect_user(c, NULL, token, &err) == BECK_EARG && beck_connect_user(c, user_json, NULL, &err) == BECK_EARG);
	CHECK(beck_request(c, NULL, NULL, NULL, 0, NULL, &err) == BECK_EARG &&
		beck_request(c, "GET", "x", NULL, 0, NULL, &err) == BECK_EARG);
	CHECK(beck_request(c, "POST", "/x", "{", 0, NULL, &err) == BECK_EARG && strcmp(err.field, "body") == 0);
	beck_release(c);
}

/* A server-side client: calls with every right, no user. */
static void rule_server(uint8_t threading)
{
	beck_error err = { 0 };
	const beck_reply *reply = NULL;
	const char *secret = getenv("SECRET");
	beck_client *c = beck_server_client_create(key, secret, &(beck_options){ .base_url = url, .threading = threading });
	CHECK(c);
	CHECK(beck_connect_user(c, user_json, token, &err) == BECK_ESTATE);
	CHECK(beck_upsert_users(c, "[{\"id\":\"made-by-server\",\"name\":\"M\"}]", &reply, &err) == BECK_OK);
	CHECK(strcmp(beck_value_text(beck_value_path(beck_reply_value(reply), "users.made-by-server.name")), "M") == 0);
	beck_reply_unref(reply);
	beck_release(c);
	char *made = beck_create_token(secret, "made-by-server", 0, &err);
	CHECK(made);
	c = make(threading);
	CHECK(beck_connect_user(c, "{\"id\":\"made-by-server\"}", made, &err) == BECK_OK);
	beck_free(made);
	beck_release(c);
}

/* A child makes clients of its own; the parent's goes on. */
static void rule_fork(uint8_t threading)
{
	beck_client *c = make(threading);
	connect_user(c);
	pid_t child = fork();
	if (child == 0) {
		beck_client *own = make(BECK_OWN_THREAD);
		connect_user(own);
		beck_release(own);
		_exit(7);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	CHECK(beck_unread_counts(c, NULL, NULL) == BECK_OK);
	beck_release(c);
}

/* The host's signals and handlers stay as they were. */
static void rule_signals(uint8_t threading)
{
	struct sigaction before[NSIG], after;
	for (int i = 1; i < NSIG; i++) (void)sigaction(i, NULL, &before[i]);
	beck_client *c = make(threading);
	connect_user(c);
	beck_release(c);
	for (int i = 1; i < NSIG; i++) {
		if (sigaction(i, NULL, &after) == 0) CHECK(after.sa_handler == before[i].sa_handler);
	}
}

/* ---- the n-th allocation fails ---- */

static long fails_at, counted;
static pthread_mutex_t count_lock = PTHREAD_MUTEX_INITIALIZER;

static bool fails_now(void)
{
	pthread_mutex_lock(&count_lock);
	bool yes = ++counted == fails_at;
	pthread_mutex_unlock(&count_lock);
	return yes;
}

static void *alloc(void *ctx, size_t n)
{
	(void)ctx;
	return fails_now() ? NULL : malloc(n);
}
static void *resize(void *ctx, void *p, size_t n)
{
	(void)ctx;
	return fails_now() ? NULL : realloc(p, n);
}
static void release(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

/* One life; every step may fail, none may hang, crash or leak. */
static void live(void)
{
	beck_error err = { 0 };
	const beck_reply *reply = NULL;
	beck_client *c = beck_client_create(key,
		&(beck_options){ .base_url = url, .timeout_ms = 3000, .threading = BECK_NO_THREAD, .enable_ws_fallback = true });
	if (!c) return;
	(void)beck_on(c, NULL, takes_away, &(int){ 2 });
	if (beck_connect_user(c, user_json, token, &err) == BECK_OK) {
		beck_channel *ch = beck_channel_open(c, "messaging", channel_id);
		(void)beck_channel_watch(ch, NULL, NULL, NULL);
		(void)beck_keystroke(ch, NULL);
		if (beck_send_text(ch, "text", &reply, &err) == BECK_OK) beck_reply_unref(reply);
		(void)beck_query_users(c, "{\"filter_conditions\":{},\"limit\":2}", NULL, NULL);
		(void)beck_poll(c, 0);
		beck_channel_unref(ch);
	} else {
		CHECK(err.result != BECK_OK);
	}
	beck_release(c);
}

static void rule_memory(uint8_t threading)
{
	beck_allocator a = { alloc, resize, release, NULL, { 0 } };
	(void)threading;
	CHECK(beck_set_allocator(&(beck_allocator){ 0 }) == BECK_EARG);
	CHECK(beck_set_allocator(&a) == BECK_OK);
	long from = strtol(getenv("FROM"), NULL, 10), to = strtol(getenv("TO"), NULL, 10);
	for (long n = from; n < to; n++) {
		counted = 0;
		fails_at = n;
		live();
		if (counted < n) {
			printf("through after %ld\n", n);
			break;
		}
	}
	CHECK(beck_set_allocator(&a) == BECK_ESTATE);
}

/* A foreign loop that sleeps as long as beck_deadline_ms says: what is asked outside of beck_poll is due at once. */
static void turn_of_loop(beck_client *c)
{
	beck_fd theirs[16];
	struct pollfd fds[16];
	size_t n = beck_fds(c, theirs, 16);
	for (size_t i = 0; i < n; i++) fds[i] = (struct pollfd){ .fd = (int)theirs[i].fd, .events = theirs[i].events };
	(void)poll(fds, (nfds_t)n, beck_deadline_ms(c));
	(void)beck_poll(c, 0);
}

static void loop_connected(void *ctx, beck_client *c, const beck_error *e)
{
	(void)c;
	*(int *)ctx = e ? -1 : 1;
}

static void loop_answered(void *ctx, const beck_error *e, const beck_reply *reply)
{
	(void)reply;
	*(int *)ctx = e ? -1 : 1;
}

static void rule_loop(uint8_t threading)
{
	int connected = 0, answered = 0;
	(void)threading;
	beck_client *c =
		beck_client_create(key, &(beck_options){ .base_url = url, .timeout_ms = 3000, .threading = BECK_NO_THREAD });
	CHECK(beck_connect_user_async(c, user_json, token, NULL, NULL, loop_connected, &connected, NULL) == BECK_OK);
	CHECK(beck_deadline_ms(c) == 0);
	while (!connected) turn_of_loop(c);
	CHECK(connected == 1);
	while (beck_deadline_ms(c) == 0) turn_of_loop(c);
	CHECK(beck_unread_counts_async(c, loop_answered, &answered, NULL) == BECK_OK);
	CHECK(beck_deadline_ms(c) == 0);
	while (!answered) turn_of_loop(c);
	CHECK(answered == 1);
	beck_release(c);
}

static void *ask_later(void *arg)
{
	void **args = arg;
	usleep(300000);
	CHECK(beck_unread_counts_async(args[0], loop_answered, args[1], NULL) == BECK_OK);
	return NULL;
}

/* A loop that sleeps on beck_fds wakes for what another thread asks. */
static void rule_loop_wakes(uint8_t threading)
{
	int connected = 0, answered = 0;
	pthread_t t;
	beck_client *c = make(threading);
	CHECK(beck_connect_user_async(c, user_json, token, NULL, NULL, loop_connected, &connected, NULL) == BECK_OK);
	while (!connected) turn_of_loop(c);
	for (int i = 0; i < 20; i++) (void)beck_poll(c, 10);
	void *args[] = { c, &answered };
	CHECK(pthread_create(&t, NULL, ask_later, args) == 0);
	for (int turns = 0; !answered; turns++) {
		CHECK(turns < 50);
		turn_of_loop(c);
	}
	CHECK(answered == 1);
	pthread_join(t, NULL);
	beck_release(c);
}

static atomic_bool is_back;

static void *block_without_user(void *arg)
{
	beck_error err = { 0 };
	CHECK(beck_unread_counts(arg, NULL, &err) == BECK_ENOUSER);
	is_back = true;
	return NULL;
}

/* beck_poll beside a blocking call of another thread waits like alone. */
static void rule_poll_beside(uint8_t threading)
{
	pthread_t t;
	int turns = 0;
	beck_client *c = beck_client_create(key, &(beck_options){ .base_url = url, .timeout_ms = 1000, .threading = threading });
	CHECK(pthread_create(&t, NULL, block_without_user, c) == 0);
	usleep(100000);
	for (; !is_back; turns++) CHECK(beck_poll(c, 100) >= 0);
	CHECK(turns < 50);
	pthread_join(t, NULL);
	beck_release(c);
}

static void end_once_more(void *ctx, const beck_error *e, const beck_reply *reply)
{
	beck_client *c = ctx;
	(void)reply;
	CHECK(e && e->result == BECK_ECANCELLED);
	beck_release(beck_client_ref(c));
	CHECK(beck_disconnect_user(c) == BECK_OK);
	beck_channel_unref(beck_channel_open(c, "messaging", channel_id));
	note();
}

/* A callback that hears of the release may take and release the client as ever. */
static void rule_gone(uint8_t threading)
{
	beck_client *c = make(threading);
	CHECK(beck_unread_counts_async(c, end_once_more, c, NULL) == BECK_OK);
	beck_release(c);
	CHECK(seen == 1);
}

static void stuck(void *ctx, const beck_error *e, const beck_reply *reply)
{
	(void)ctx, (void)e, (void)reply;
	note();
	wait_seen(2);
}

/* A callback that does not return holds no other thread's call up beyond the timeout. */
static void rule_stuck(uint8_t threading)
{
	beck_error err = { 0 };
	beck_client *c = beck_client_create(key, &(beck_options){ .base_url = url, .timeout_ms = 1000, .threading = threading });
	connect_user(c);
	CHECK(beck_unread_counts_async(c, stuck, NULL, NULL) == BECK_OK);
	wait_seen(1);
	CHECK(beck_unread_counts(c, NULL, &err) == BECK_ETIMEOUT && err.result == BECK_ETIMEOUT);
	CHECK(beck_disconnect_user(c) == BECK_OK);
	CHECK(beck_connect_user(c, user_json, token, &err) == BECK_ETIMEOUT);
	CHECK(beck_connect_guest(c, "{\"id\":\"somebody\"}", &err) == BECK_ETIMEOUT);
	note();
	beck_release(c);
}

static void begin_anew(void *ctx, beck_client *c, const beck_event *e)
{
	(void)ctx, (void)e;
	if (seen) return;
	CHECK(beck_disconnect_user(c) == BECK_OK);
	CHECK(beck_connect_user_async(c, user_json, token, NULL, NULL, NULL, NULL, NULL) == BECK_OK);
	note();
}

/* The goodbye of one connection does not end the next, which began before it was said. */
static void rule_anew(uint8_t threading)
{
	beck_client *c = make(threading);
	CHECK(beck_on(c, "health.check", begin_anew, NULL));
	CHECK(beck_connect_user_async(c, user_json, token, NULL, NULL, NULL, NULL, NULL) == BECK_OK);
	for (int i = 0; i < 35; i++) {
		if (threading == BECK_OWN_THREAD)
			usleep(100000);
		else
			(void)beck_poll(c, 100);
	}
	wait_seen(1);
	CHECK(beck_state(c) == BECK_CONNECTED);
	beck_release(c);
}

static const struct {
	const char *name;
	void (*rule)(uint8_t threading);
} rules[] = { { "callback", rule_callback }, { "release", rule_release }, { "disconnect", rule_disconnect },
	{ "handlers", rule_handlers }, { "instance", rule_instance }, { "threads", rule_threads }, { "null", rule_null },
	{ "server", rule_server }, { "fork", rule_fork }, { "signals", rule_signals }, { "memory", rule_memory },
	{ "loop", rule_loop }, { "loop_wakes", rule_loop_wakes }, { "poll_beside", rule_poll_beside }, { "gone", rule_gone },
	{ "stuck", rule_stuck }, { "anew", rule_anew } };

int main(int argc, char **argv)
{
	if (argc != 8) return 2;
	url = argv[3];
	key = argv[4];
	(void)snprintf(user_text, sizeof user_text, "{\"id\":\"%s\"}", argv[5]);
	user_json = user_text;
	token = argv[6];
	channel_id = argv[7];
	alarm(120); /* a hang is a failure */
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		if (strcmp(rules[i].name, argv[1]) != 0) continue;
		rules[i].rule((uint8_t)strtol(argv[2], NULL, 10));
		printf("ok\n");
		return 0;
	}
	return 2;
}
