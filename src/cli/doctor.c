/* beck doctor: each step of a connection by itself, in plain words, with what to do where one fails. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/access.h"
#include "cli/now.h"
#include "cli/output.h"
#include "cli/text.h"

#define TCP_TIMEOUT_MS    5000
#define CALL_TIMEOUT_MS   5000
#define CLOCK_TOLERANCE_S 60

struct doctor {
	struct args *args;
	struct access access;
	bool is_json, is_tls;
	char host[256], port[8];
	struct addrinfo *found;
	int64_t server_us, heard_us; /* the server's time, and ours when we heard it; 0: not yet */
	int status;
};

/* ---- telling ---- */

enum verdict { STEP_OK, STEP_FAILED, STEP_NOTE };

static void tell_json(const char *step, enum verdict v, const char *text, const char *advice)
{
	struct text line = { 0 };
	text_put(&line, "{\"step\":");
	text_json(&line, step);
	text_format(&line, ",\"ok\":%s,\"text\":", v == STEP_FAILED ? "false" : "true");
	text_json(&line, text);
	if (advice) {
		text_put(&line, ",\"advice\":");
		text_json(&line, advice);
	}
	text_put(&line, "}");
	(void)puts(text_get(&line));
	text_free(&line);
}

static void tell(const struct doctor *d, const char *step, enum verdict v, const char *advice, const char *format, ...)
	CLI_PRINTF(5, 6);
static void tell(const struct doctor *d, const char *step, enum verdict v, const char *advice, const char *format, ...)
{
	static const char *const marks[] = { "✓", "✗", "·" };
	static const enum style styles[] = { STYLE_GREEN, STYLE_RED, STYLE_YELLOW };
	char raw[1024];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(raw, sizeof raw, format, args);
	va_end(args);
	char *text = clean_text(raw, false);
	if (d->is_json)
		tell_json(step, v, text, advice);
	else
		printf("%s%s%s %-10s %s\n", style(styles[v]), marks[v], style(STYLE_END), step, text);
	if (!d->is_json && advice) printf("             %s%s%s\n", style(STYLE_BOLD), advice, style(STYLE_END));
	(void)fflush(stdout);
	free(text);
}

/* ---- address, name, port ---- */

static bool split_host(struct doctor *d, const char *p)
{
	size_t n = strcspn(p, "/?#");
	const char *end = p + n, *colon = NULL;
	const char *at = memchr(p, '@', n);
	if (at) p = at + 1;
	if (*p == '[') {
		const char *close = memchr(p, ']', (size_t)(end - p));
		if (!close) return false;
		(void)snprintf(d->host, sizeof d->host, "%.*s", (int)(close - p - 1), p + 1);
		colon = close + 1 < end && close[1] == ':' ? close + 1 : NULL;
	} else {
		colon = memchr(p, ':', (size_t)(end - p));
		(void)snprintf(d->host, sizeof d->host, "%.*s", (int)((colon ? colon : end) - p), p);
	}
	if (colon)
		(void)snprintf(d->port, sizeof d->port, "%.*s", (int)(end - colon - 1), colon + 1);
	else
		(void)snprintf(d->port, sizeof d->port, "%s", d->is_tls ? "443" : "80");
	return *d->host && *d->port && strspn(d->port, "0123456789") == strlen(d->port);
}

static bool check_address(struct doctor *d)
{
	static const char *const schemes[] = { "http://", "ws://", "https://", "wss://" };
	const char *url = d->access.url, *rest = NULL;
	for (size_t i = 0; i < 4; i++) {
		if (strncmp(url, schemes[i], strlen(schemes[i])) != 0) continue;
		rest = url + strlen(schemes[i]);
		d->is_tls = i >= 2;
	}
	bool ok = rest && split_host(d, rest);
	tell(d, "address", ok ? STEP_OK : STEP_FAILED,
		ok ? NULL : "An address is like https://chat.example.org or http://127.0.0.1:8800.", "%s", url);
	return ok;
}

static bool has_proxy(const struct doctor *d)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
	const char *no = getenv("no_proxy") ? getenv("no_proxy") : getenv("NO_PROXY");
	if (d->args->proxy) return *d->args->proxy;
	if (no && (strcmp(no, "*") == 0 || strstr(no, d->host))) return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *proxy = getenv(names[i]);
		if (proxy && *proxy) return true;
	}
	return false;
}

static bool check_name(struct doctor *d)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	int failed = getaddrinfo(d->host, d->port, &hints, &d->found);
	char shown[128] = "";
	if (failed || !d->found) {
		tell(d, "name", STEP_FAILED, "Is the name spelled right? Does this machine reach a name server?", "%s: %s",
			d->host, gai_strerror(failed));
		return false;
	}
	(void)getnameinfo(d->found->ai_addr, d->found->ai_addrlen, shown, sizeof shown, NULL, 0, NI_NUMERICHOST);
	tell(d, "name", STEP_OK, NULL, "%s is %s", d->host, shown);
	return true;
}

/* 0, or the error. */
static int try_connect(const struct addrinfo *to)
{
	int error = 0;
	socklen_t size = sizeof error;
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) return errno;
	if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) error = errno;
	if (error == EINPROGRESS) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		error = ETIMEDOUT;
		if (poll(&p, 1, TCP_TIMEOUT_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
	}
	(void)close(fd);
	return error;
}

static bool check_tcp(struct doctor *d)
{
	int error = 0;
	for (const struct addrinfo *a = d->found; a; a = a->ai_next)
		if ((error = try_connect(a)) == 0) break;
	const char *advice = error == ECONNREFUSED ? "Nothing listens there: does the server run, and on this port?"
			     : error               ? "Something on the way drops it: a firewall, or the wrong address."
						   : NULL;
	if (error)
		tell(d, "port", STEP_FAILED, advice, "%s port %s: %s", d->host, d->port, strerror(error));
	else
		tell(d, "port", STEP_OK, NULL, "%s port %s is open", d->host, d->port);
	return error == 0;
}

/* ---- TLS, what answers, the key ---- */

/* A call with a secret that is certainly wrong: what it is refused for tells how far it came. */
static void probe(struct doctor *d, beck_error *e)
{
	beck_options o = { .base_url = d->access.url,
		.timeout_ms = CALL_TIMEOUT_MS,
		.skip_tls_verify = d->args->insecure,
		.ca_file = d->args->ca_file,
		.proxy = d->args->proxy,
		.error = e };
	beck_client *client = beck_server_client_create(d->access.key, "no secret, only a question", &o);
	if (client) (void)beck_request(client, "GET", "/app", NULL, 0, NULL, e);
	beck_release(client);
}

static bool is_our_server(const beck_error *e) { return e->result == BECK_OK || (e->result == BECK_EAPI && e->code); }

static bool check_server(struct doctor *d)
{
	beck_error e = { 0 };
	probe(d, &e);
	if (d->is_tls && e.result == BECK_ETLS) {
		tell(d, "TLS", STEP_FAILED,
			strstr(e.message, "does not speak TLS")
				? "Try the address with http:// instead."
				: "Is the certificate for this name, still valid, and by an authority that this machine trusts? "
				  "--ca-file names another.",
			"%s", e.message);
		d->status = EXIT_NO_CONNECTION;
		return false;
	}
	bool answered = is_our_server(&e);
	if (d->is_tls && answered) tell(d, "TLS", STEP_OK, NULL, "the certificate was accepted");
	if (!answered) {
		tell(d, "server", STEP_FAILED,
			e.result == BECK_ETIMEOUT
				? "The port is open, but nothing answers: is it the right one, and is the server well?"
				: "Something else answers there: check port, path and http or https.",
			"%s", *e.message ? e.message : beck_result_text(e.result));
		d->status = EXIT_NO_CONNECTION;
		return false;
	}
	tell(d, "server", STEP_OK, NULL, "it answers as a chat server");
	if (e.code == 2) {
		tell(d, "key", STEP_FAILED, "`beck app list`, on the server's machine, lists the keys there are.",
			"%s is not known there", d->access.key);
		d->status = EXIT_REFUSED;
		return false;
	}
	tell(d, "key", STEP_OK, NULL, "%s is known", d->access.key);
	return true;
}

/* ---- the token by itself ---- */

static bool fail_token(struct doctor *d, const char *advice, const char *text)
{
	tell(d, "token", STEP_FAILED, advice, "%s", text);
	d->status = EXIT_REFUSED;
	return false;
}

static bool check_times(struct doctor *d, const beck_value *claims, char *left, size_t size)
{
	int64_t now_s = now_us() / 1000000, exp = beck_value_int(beck_value_get(claims, "exp"), 0);
	int64_t nbf = beck_value_int(beck_value_get(claims, "nbf"), 0), iat = beck_value_int(beck_value_get(claims, "iat"), 0);
	char text[128];
	if (exp && exp <= now_s) {
		(void)snprintf(text, sizeof text, "it expired %lld s ago", (long long)(now_s - exp));
		return fail_token(d,
			"Get a new one from your backend (`beck token --user ID` makes one); is this machine's clock right?",
			text);
	}
	if (nbf > now_s || iat > now_s + CLOCK_TOLERANCE_S) {
		(void)snprintf(
			text, sizeof text, "it begins to be valid in %lld s", (long long)((nbf > iat ? nbf : iat) - now_s));
		return fail_token(d, "The clock here, or that of the machine which made the token, is wrong.", text);
	}
	if (exp)
		(void)snprintf(left, size, ", for another %lld s", (long long)(exp - now_s));
	else
		(void)snprintf(left, size, ", for ever");
	return true;
}

static bool check_token(struct doctor *d)
{
	struct access *a = &d->access;
	char left[64] = "";
	if (!a->token) {
		tell(d, "token", STEP_OK, NULL, "made here for %s, from the secret", *a->user ? a->user : "?");
		return *a->user ? true : fail_token(d, "--user ID says for whom.", "nobody is named");
	}
	beck_document *document = token_claims(a->token);
	const beck_value *claims = beck_document_root(document);
	const char *id = beck_value_text(beck_value_get(claims, "user_id"));
	bool ok = false;
	if (!document)
		(void)fail_token(d, "It is three parts with dots between them; was it cut?", "it cannot be read as a token");
	else if (beck_value_bool(beck_value_get(claims, "server"), false))
		(void)fail_token(
			d, "It is for backends and has every right. Clients need one for a user.", "it is a server-side token");
	else if (!*id)
		(void)fail_token(d, "Your backend must put \"user_id\" into it.", "it names no user");
	else if (strcmp(id, a->user) != 0)
		(void)fail_token(d, "Use a token for this user, or leave --user out.", "it is for another user than --user");
	else
		ok = check_times(d, claims, left, sizeof left);
	if (ok) tell(d, "token", STEP_OK, NULL, "for %s%s", id, left);
	beck_document_free(document);
	return ok;
}

/* ---- the connection ---- */

static void on_health(void *ctx, beck_client *client, const beck_event *event)
{
	struct doctor *d = ctx;
	(void)client;
	if (beck_event_created_at(event, &d->server_us)) d->heard_us = now_us();
}

/* Which transport stood; BECK_TRANSPORT_NONE with *e set when none did. */
static beck_transport try_transport(struct doctor *d, bool with_fallback, beck_error *e)
{
	bool no_fallback = d->args->no_fallback;
	beck_transport t = BECK_TRANSPORT_NONE;
	d->args->no_fallback = !with_fallback;
	if (!d->args->timeout_ms) d->args->timeout_ms = CALL_TIMEOUT_MS;
	beck_client *client = access_client(&d->access, BECK_NO_THREAD);
	d->args->no_fallback = no_fallback;
	if (!client) return t;
	(void)beck_on(client, "health.check", on_health, d);
	if (access_connect_wait(&d->access, client, e) == BECK_OK) {
		(void)beck_poll(client, 0);
		t = beck_current_transport(client);
	}
	beck_release(client);
	return t;
}

static void tell_refusal(struct doctor *d, const beck_error *e)
{
	static const struct {
		int code;
		const char *advice;
	} known[] = { { 40, "Get a new token; it has expired or was revoked. Is this machine's clock right?" },
		{ 41, "The clock here, or that of the server or of the machine that made the token, is wrong." },
		{ 42, "The clock of the machine that made the token is ahead of the server's." },
		{ 43, "The token was signed with another application's secret, or with one that was rotated out." },
		{ 5, "Your backend has to make a token for this user." } };
	const char *advice = "The server's log says more.";
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].code == e->code) advice = known[i].advice;
	tell(d, "accepted", STEP_FAILED, advice, "%s (code %d)", *e->message ? e->message : beck_result_text(e->result), e->code);
	d->status = EXIT_REFUSED;
}

static void check_clock(struct doctor *d)
{
	int64_t off_s = d->server_us ? (d->heard_us - d->server_us) / 1000000 : 0;
	if (!d->server_us) return;
	if (off_s > CLOCK_TOLERANCE_S || off_s < -CLOCK_TOLERANCE_S)
		tell(d, "clock", STEP_FAILED, "Set this machine's clock, or the server's: tokens depend on it.",
			"%lld s apart from the server's", (long long)off_s);
	else
		tell(d, "clock", STEP_OK, NULL, "the same as the server's");
}

static void tell_accepted(struct doctor *d)
{
	tell(d, "accepted", STEP_OK, NULL, "the server takes the token");
	check_clock(d);
}

static void check_fallback(struct doctor *d, const beck_error *why)
{
	beck_error e = { 0 };
	bool stood = try_transport(d, true, &e) != BECK_TRANSPORT_NONE, is_swallowed = why->result == BECK_ETIMEOUT;
	if (!stood && e.result == BECK_EAPI && e.code) {
		tell_refusal(d, &e);
		return;
	}
	if (stood) tell_accepted(d);
	tell(d, "websocket", STEP_FAILED,
		"A proxy or firewall is in the way; it has to let \"Upgrade: websocket\" through, and leave such connections "
		"open.",
		"%s: %s", is_swallowed ? "taken, but never answered" : "refused",
		*why->message ? why->message : beck_result_text(why->result));
	if (stood)
		tell(d, "fallback", STEP_OK, NULL, "long polling works%s",
			d->args->no_fallback ? ", but --no-fallback forbids it" : "");
	else
		tell(d, "fallback", STEP_FAILED, "Neither way gets through.", "%s",
			*e.message ? e.message : beck_result_text(e.result));
	if (!stood || d->args->no_fallback) d->status = EXIT_NO_CONNECTION;
}

static void check_connection(struct doctor *d)
{
	beck_error e = { 0 };
	beck_transport t = try_transport(d, false, &e);
	if (t == BECK_TRANSPORT_WEBSOCKET) {
		tell_accepted(d);
		tell(d, "websocket", STEP_OK, NULL, "works");
		return;
	}
	if ((e.result == BECK_EAPI && e.code) || e.result == BECK_ETOKEN)
		tell_refusal(d, &e);
	else
		check_fallback(d, &e);
}

static void examine(struct doctor *d)
{
	d->status = EXIT_NO_CONNECTION;
	if (!check_address(d)) return;
	if (has_proxy(d))
		tell(d, "proxy", STEP_NOTE, NULL, "a proxy is set, so name and port are its business");
	else if (!check_name(d) || !check_tcp(d))
		return;
	if (!check_server(d)) return;
	d->status = EXIT_FINE;
	if (check_token(d)) check_connection(d);
}

int run_doctor(struct args *g)
{
	struct doctor d = { .args = g, .is_json = wants_json(g->json) };
	int status = access_find(g, &d.access);
	if (status != EXIT_FINE) return status;
	examine(&d);
	if (d.found) freeaddrinfo(d.found);
	access_free(&d.access);
	return d.status;
}
