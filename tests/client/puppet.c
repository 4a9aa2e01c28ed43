/* A client on strings: does what the lines of its standard input say, on the public header only, and tells what happens as lines
 * of JSON. The tests of libbeck against real servers, proxies and hostile peers pull them.
 *
 *   puppet OPTION=VALUE...     options by name as beck_options_set knows them, and key=, threading=, allocator=1
 *   in    {"n":1,"do":"connect","user":{...},"token":"..."}
 *   out   {"n":1,"result":"BECK_OK",...}   {"event":{...}}   {"log":"..."}   {"ask":"token"} */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <beck/beck.h>

static beck_client *client;
static pthread_mutex_t out = PTHREAD_MUTEX_INITIALIZER;
static int threading;

/* ---- telling ---- */

static void quote(const char *s)
{
	putchar('"');
	for (; s && *s; s++) {
		if (*s == '"' || *s == '\\') putchar('\\');
		if ((unsigned char)*s < ' ')
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void end_line(void)
{
	printf("}\n");
	fflush(stdout);
	pthread_mutex_unlock(&out);
}

static void begin_answer(long n, int result)
{
	pthread_mutex_lock(&out);
	printf("{\"n\":%ld,\"result\":\"%s\"", n, beck_result_name(result));
}

static void answer_error(long n, const beck_error *e)
{
	begin_answer(n, e->result);
	printf(",\"code\":%d,\"status\":%d,\"field\":", e->code, e->status);
	quote(e->field);
	printf(",\"message\":");
	quote(e->message);
	end_line();
}

static void answer(long n, int result, const beck_error *e)
{
	if (result != BECK_OK) {
		answer_error(n, e);
		return;
	}
	begin_answer(n, result);
	end_line();
}

static void on_reply(void *ctx, const beck_error *e, const beck_reply *reply)
{
	long n = (long)(intptr_t)ctx;
	if (e) {
		answer_error(n, e);
		return;
	}
	char *json = beck_value_json(beck_reply_value(reply));
	begin_answer(n, BECK_OK);
	printf(",\"reply\":%s", json ? json : "null");
	end_line();
	beck_free(json);
}

static void on_connect(void *ctx, beck_client *c, const beck_error *e)
{
	long n = (long)(intptr_t)ctx;
	if (e) {
		answer_error(n, e);
		return;
	}
	begin_answer(n, BECK_OK);
	printf(",\"connection_id\":");
	quote(beck_connection_id(c));
	printf(",\"user_id\":");
	quote(beck_user_id(c));
	end_line();
}

static void on_event(void *ctx, beck_client *c, const beck_event *e)
{
	(void)ctx;
	(void)c;
	pthread_mutex_lock(&out);
	printf("{\"event\":%s", beck_event_json(e));
	end_line();
}

static void on_log(void *ctx, beck_log_level level, const char *line)
{
	(void)ctx;
	pthread_mutex_lock(&out);
	printf("{\"level\":%d,\"log\":", (int)level);
	quote(line);
	end_line();
}

/* ---- the token provider ---- */

static beck_token_request *asked;

static void on_token(void *ctx, beck_client *c, const char *user_id, beck_token_request *r)
{
	(void)ctx;
	(void)c;
	pthread_mutex_lock(&out);
	asked = r;
	printf("{\"ask\":\"token\",\"user_id\":");
	quote(user_id);
	end_line();
}

static void give_token(long n, const beck_value *v)
{
	pthread_mutex_lock(&out);
	beck_token_request *r = asked;
	asked = NULL;
	pthread_mutex_unlock(&out);
	if (r) beck_token_answer(r, beck_value_string(beck_value_get(v, "token")), beck_value_string(beck_value_get(v, "why")));
	answer(n, r ? BECK_OK : BECK_ESTATE, &(beck_error){ .result = BECK_ESTATE });
}

/* ---- commands ---- */

static const char *text(const beck_value *v, const char *key) { return beck_value_string(beck_value_get(v, key)); }

static void do_connect(long n, const beck_value *v)
{
	beck_error e = { 0 };
	char *user = beck_value_json(beck_value_get(v, "user"));
	const char *token = text(v, "token");
	beck_result r =
		beck_connect_user_async(client, user, token, token ? NULL : on_token, NULL, on_connect, (void *)(intptr_t)n, &e);
	beck_free(user);
	if (r != BECK_OK) answer_error(n, &e);
}

static void do_other_connect(long n, const beck_value *v, bool is_guest)
{
	beck_error e = { 0 };
	char *user = is_guest ? beck_value_json(beck_value_get(v, "user")) : NULL;
	void *ctx = (void *)(intptr_t)n;
	beck_result r = is_guest ? beck_connect_guest_async(client, user, on_connect, ctx, &e)
				 : beck_connect_anonymous_async(client, on_connect, ctx, &e);
	beck_free(user);
	if (r != BECK_OK) answer_error(n, &e);
}

static beck_channel *channel_of(const beck_value *v)
{
	static beck_channel *kept[64];
	static size_t count;
	const char *type = text(v, "type"), *id = text(v, "id");
	for (size_t i = 0; i < count; i++)
		if (id && strcmp(beck_channel_id(kept[i]), id) == 0 && strcmp(beck_channel_type(kept[i]), type) == 0)
			return kept[i];
	beck_channel *ch = beck_channel_open(client, type, id);
	if (ch && count < 64) kept[count++] = ch;
	return ch;
}

static void do_channel(long n, const char *what, const beck_value *v)
{
	beck_error e = { 0 };
	beck_channel *ch = channel_of(v);
	char *data = beck_value_json(beck_value_get(v, "data"));
	void *ctx = (void *)(intptr_t)n;
	beck_result r = BECK_EARG;
	if (strcmp(what, "watch") == 0) r = beck_channel_watch_async(ch, data, on_reply, ctx, &e);
	if (strcmp(what, "create") == 0) r = beck_channel_create_async(ch, data, on_reply, ctx, &e);
	if (strcmp(what, "unwatch") == 0) r = beck_channel_stop_watching_async(ch, on_reply, ctx, &e);
	if (strcmp(what, "send") == 0) r = beck_send_message_async(ch, data, NULL, on_reply, ctx, &e);
	if (strcmp(what, "read") == 0) r = beck_mark_read_async(ch, text(v, "message_id"), on_reply, ctx, &e);
	if (strcmp(what, "upload") == 0)
		r = beck_upload_async(ch, BECK_FILE, text(v, "path"), NULL, NULL, NULL, on_reply, ctx, &e);
	beck_free(data);
	if (r != BECK_OK) answer_error(n, &e);
}

static void do_request(long n, const beck_value *v)
{
	beck_error e = { 0 };
	char *body = beck_value_json(beck_value_get(v, "body"));
	unsigned flags = beck_value_bool(beck_value_get(v, "needs_connection"), false) ? BECK_NEEDS_CONNECTION : 0;
	beck_result r =
		beck_request_async(client, text(v, "method"), text(v, "path"), body, flags, on_reply, (void *)(intptr_t)n, &e);
	beck_free(body);
	if (r != BECK_OK) answer_error(n, &e);
}

static bool show_entry(void *ctx, const beck_outbox_entry *e)
{
	bool *first = ctx;
	printf("%s{\"id\":\"%s\",\"cid\":\"%s\",\"state\":%d,\"attempts\":%d,\"code\":%d}", *first ? "" : ",", e->message_id,
		e->cid, e->state, e->attempts, e->error ? e->error->code : 0);
	*first = false;
	return true;
}

static void do_state(long n)
{
	bool first = true;
	beck_error last = { 0 };
	char *me = beck_me_json(client);
	beck_last_connect_error(client, &last);
	begin_answer(n, BECK_OK);
	printf(",\"state\":%d,\"transport\":%d,\"connection_id\":\"%s\",\"user_id\":\"%s\",\"me\":%s,\"last_error\":",
		(int)beck_state(client), (int)beck_current_transport(client), beck_connection_id(client), beck_user_id(client),
		me ? me : "null");
	quote(last.message);
	printf(",\"outbox\":[");
	(void)beck_outbox_each(client, show_entry, &first);
	printf("]");
	end_line();
	beck_free(me);
}

static void show_typist(void *ctx, const char *user_id, const char *parent_id)
{
	bool *first = ctx;
	(void)parent_id;
	printf("%s\"%s\"", *first ? "" : ",", user_id);
	*first = false;
}

static void do_typing(long n, const char *what, const beck_value *v)
{
	bool first = true;
	beck_channel *ch = channel_of(v);
	if (strcmp(what, "keystroke") == 0) {
		beck_result r = beck_keystroke(ch, NULL);
		answer(n, r, &(beck_error){ .result = r });
		return;
	}
	begin_answer(n, BECK_OK);
	printf(",\"typing\":[");
	(void)beck_each_typing(ch, show_typist, &first);
	printf("]");
	end_line();
}

static void do_outbox(long n, const char *what, const beck_value *v)
{
	beck_error e = { 0 };
	beck_result r = strcmp(what, "retry") == 0 ? beck_outbox_retry(client, text(v, "message_id"), &e)
						   : beck_outbox_drop(client, text(v, "message_id"), &e);
	answer(n, r, &e);
}

static bool is_one_of(const char *what, const char *list)
{
	const char *at = strstr(list, what);
	size_t n = strlen(what);
	return at && (at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0');
}

/* False: the end. */
static bool obey(const beck_value *v)
{
	long n = (long)beck_value_int(beck_value_get(v, "n"), 0);
	const char *what = beck_value_text(beck_value_get(v, "do"));
	if (strcmp(what, "quit") == 0) return false;
	if (strcmp(what, "connect") == 0)
		do_connect(n, v);
	else if (strcmp(what, "anonymous") == 0 || strcmp(what, "guest") == 0)
		do_other_connect(n, v, what[0] == 'g');
	else if (strcmp(what, "disconnect") == 0)
		answer(n, beck_disconnect_user(client), NULL);
	else if (strcmp(what, "token") == 0)
		give_token(n, v);
	else if (strcmp(what, "network") == 0) {
		beck_network_changed(client);
		answer(n, BECK_OK, NULL);
	} else if (strcmp(what, "request") == 0)
		do_request(n, v);
	else if (strcmp(what, "state") == 0)
		do_state(n);
	else if (is_one_of(what, "keystroke typists"))
		do_typing(n, what, v);
	else if (is_one_of(what, "retry drop"))
		do_outbox(n, what, v);
	else
		do_channel(n, what, v);
	return true;
}

/* ---- main ---- */

static void *poll_on(void *arg)
{
	(void)arg;
	while (beck_poll(client, 200) >= 0) {
	}
	return NULL;
}

static beck_client *make(int argc, char **argv)
{
	static beck_error why;
	beck_options o = { .log = on_log, .log_level = BECK_LOG_DEBUG, .error = &why };
	const char *key = "";
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		if (!value) return NULL;
		*value++ = '\0';
		if (strcmp(argv[i], "key") == 0)
			key = value;
		else if (strcmp(argv[i], "threading") == 0)
			o.threading = (uint8_t)(threading = (int)strtol(value, NULL, 10));
		else if (beck_options_set(&o, argv[i], value) != BECK_OK)
			fprintf(stderr, "puppet: %s=%s?\n", argv[i], value);
	}
	beck_client *c = beck_client_create(key, &o);
	if (!c) fprintf(stderr, "puppet: %s\n", why.message);
	return c;
}

int main(int argc, char **argv)
{
	static char line[1 << 20];
	pthread_t poller;
	client = make(argc, argv);
	if (!client) return 1;
	(void)beck_on(client, NULL, on_event, NULL);
	bool polls = threading != BECK_OWN_THREAD && pthread_create(&poller, NULL, poll_on, NULL) == 0;
	(void)polls;
	while (fgets(line, sizeof line, stdin)) {
		beck_document *d = NULL;
		/* Who sends this has read what was said before; the thread sanitizer does not see that order. */
		pthread_mutex_lock(&out);
		pthread_mutex_unlock(&out);
		if (beck_document_parse(line, strlen(line), &d, NULL) != BECK_OK) continue;
		bool goes_on = obey(beck_document_root(d));
		beck_document_free(d);
		if (!goes_on) break;
	}
	if (polls) return 0; /* the poller still uses it */
	beck_release(client);
	return 0;
}
