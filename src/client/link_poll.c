/* The connection by long polling: connect, poll after poll, goodbye. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "client/client.h"
#include "client/http.h"
#include "client/reply.h"
#include "client/text.h"
#include "wire/url.h"

enum { UNKNOWN_ID = 46, TOKEN_EXPIRED = 40 };

static void again(beck_client *c, struct timer *t);

static void turn_off(struct poll *p)
{
	timer_stop(&p->again);
	p->state = POLL_OFF;
	p->exchange = 0;
	p->failures = 0;
}

static void fail(beck_client *c, const beck_error *err, bool is_refusal)
{
	turn_off(&c->link.poll);
	link_failed(c, BECK_TRANSPORT_LONGPOLL, err, is_refusal);
}

/* ---- exchanges ---- */

static uint64_t exchange(beck_client *c, const char *method, const struct buf *url, struct span body, uint32_t timeout_ms)
{
	bool is_anonymous = c->user.kind == USER_ANONYMOUS;
	struct io_http h = { .method = method, .body = body, .timeout_ms = timeout_ms };
	return client_http_start(c, &h, url, is_anonymous ? SPAN_NONE : token_now(c), is_anonymous);
}

static void write_poll_url(beck_client *c, struct buf *url, const char *id)
{
	client_http_url(c, url, SPAN("/longpoll"));
	buf_add_span(url, SPAN("&connection_id="));
	url_encode(url, span_str(id));
}

static void begin_connect(beck_client *c, bool resumes)
{
	struct poll *p = &c->link.poll;
	struct buf url, body;
	body_init(&url);
	body_init(&body);
	client_http_url(c, &url, SPAN("/longpoll"));
	buf_add_span(&body, SPAN("{\"json\":"));
	link_payload(c, &body, resumes ? RESUME_INLINE : RESUME_NOT);
	buf_add_char(&body, '}');
	p->exchange = body.failed ? 0 : exchange(c, "POST", &url, buf_span(&body), (uint32_t)LIMIT_CLIENT_HELLO_MS);
	buf_deinit(&url);
	buf_deinit(&body);
}

static void connect_failed_early(beck_client *c, struct timer *t)
{
	(void)t;
	beck_error err = { 0 };
	error_set(&err, BECK_ENOMEM, "out of memory");
	fail(c, &err, false);
}

void poll_start(beck_client *c, bool resumes)
{
	struct poll *p = &c->link.poll;
	p->state = POLL_CONNECTING;
	begin_connect(c, resumes);
	if (!p->exchange) timer_set(c, &p->again, 0, connect_failed_early);
}

static void poll_next(beck_client *c)
{
	struct poll *p = &c->link.poll;
	struct buf url;
	/* A token that expired: the answer to the question goes on from here by `again`. */
	if (c->user.kind != USER_ANONYMOUS && !span_given(token_now(c))) {
		timer_set(c, &p->again, LIMIT_CLIENT_TOKEN_LOOK_MS, again);
		return;
	}
	body_init(&url);
	write_poll_url(c, &url, p->id);
	if (link_can_resume(c)) buf_printf(&url, "&seq=%lld", (long long)c->link.seq);
	p->exchange = exchange(c, "GET", &url, SPAN_NONE, (uint32_t)LIMIT_CLIENT_POLL_MS);
	buf_deinit(&url);
	if (!p->exchange) timer_set(c, &p->again, 1000, again);
}

static void again(beck_client *c, struct timer *t)
{
	(void)t;
	if (c->link.poll.state == POLL_LIVE && !c->link.poll.exchange) poll_next(c);
}

/* ---- the end ---- */

/* token SPAN_NONE: as nobody. */
static void say_goodbye(beck_client *c, const char *id, struct span token)
{
	struct buf url;
	struct io_http h = { .method = "GET", .timeout_ms = (uint32_t)LIMIT_CLIENT_GOODBYE_MS };
	body_init(&url);
	write_poll_url(c, &url, id);
	buf_add_span(&url, SPAN("&close=true"));
	c->link.goodbye_exchange = client_http_start(c, &h, &url, token, !span_given(token));
	buf_deinit(&url);
}

bool poll_is_leaving(const struct link *l)
{
	for (size_t i = 0; i < LEAVING_MAX; i++)
		if (l->leaving[i].exchange) return true;
	return false;
}

/* Of that exchange; of 0: one that is free. */
static struct leaving *find_leaving(struct link *l, uint64_t exchange)
{
	for (size_t i = 0; i < LEAVING_MAX; i++)
		if (l->leaving[i].exchange == exchange) return &l->leaving[i];
	return NULL;
}

/* False: nobody could say goodbye. */
static bool leave(beck_client *c, uint64_t hello)
{
	struct leaving *v = find_leaving(&c->link, 0);
	bool is_anonymous = c->user.kind == USER_ANONYMOUS;
	char *token = is_anonymous || !c->token.value ? NULL : client_strdup(c->token.value);
	if (!v || (!token && !is_anonymous)) {
		mem_free(token);
		return false;
	}
	*v = (struct leaving){ hello, token };
	return true;
}

void poll_stop(beck_client *c, bool says_goodbye)
{
	struct poll *p = &c->link.poll;
	char id[sizeof p->id];
	if (p->state == POLL_OFF) return;
	bool was_live = p->state == POLL_LIVE;
	(void)snprintf(id, sizeof id, "%s", p->id);
	if (p->exchange && (was_live || !leave(c, p->exchange))) c->io->driver->http_cancel(c->io, p->exchange);
	turn_off(p);
	if (says_goodbye && was_live) say_goodbye(c, id, c->user.kind == USER_ANONYMOUS ? SPAN_NONE : token_now(c));
}

/* The session that nobody wanted is there. */
static void on_left(beck_client *c, struct leaving *left, const struct io_answer *a)
{
	struct leaving v = *left;
	beck_result why;
	char id[sizeof c->link.poll.id];
	*left = (struct leaving){ 0 };
	yyjson_doc *doc = a->result == BECK_OK ? document_parse(a->body, &why) : NULL;
	struct span said = json_span(yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(doc), "event"), "connection_id"));
	bool is_made = said.n > 0 && said.n < sizeof id;
	if (is_made) {
		(void)snprintf(id, sizeof id, "%.*s", SPAN_FMT(said));
		say_goodbye(c, id, v.token ? span_str(v.token) : SPAN_NONE);
	}
	yyjson_doc_free(doc);
	mem_free(v.token);
	if (!c->link.goodbye_exchange) link_goodbye_done(c);
}

/* ---- answers ---- */

static void event_from(beck_client *c, yyjson_val *v, bool is_hello)
{
	size_t n = 0;
	beck_result why = BECK_ENOMEM;
	beck_error err = { 0 };
	char *text = document_text(v, &n);
	struct beck_event *e = text ? event_create(span_make(text, n), false, &why) : NULL;
	mem_free(text);
	bool ok = e != NULL;
	if (e && is_hello)
		link_hello(c, BECK_TRANSPORT_LONGPOLL, e);
	else if (e)
		ok = link_event(c, BECK_TRANSPORT_LONGPOLL, e);
	if (ok) return;
	error_set(&err, text && !e ? why : BECK_ENOMEM, "an event of a poll cannot be read");
	fail(c, &err, false);
}

static void on_hello(beck_client *c, yyjson_val *root)
{
	struct poll *p = &c->link.poll;
	yyjson_val *hello = yyjson_obj_get(root, "event");
	struct span id = json_span(yyjson_obj_get(hello, "connection_id"));
	beck_error err = { 0 };
	if (!id.n || id.n >= sizeof p->id) {
		error_set(&err, BECK_EPROTOCOL, "what answered is no server of this kind");
		fail(c, &err, false);
		return;
	}
	(void)snprintf(p->id, sizeof p->id, "%.*s", SPAN_FMT(id));
	p->state = POLL_LIVE;
	event_from(c, hello, true);
	if (p->state == POLL_LIVE) poll_next(c);
}

static void on_events(beck_client *c, yyjson_val *root)
{
	struct poll *p = &c->link.poll;
	yyjson_val *list = yyjson_obj_get(root, "events"), *e;
	size_t i, n;
	beck_error err = { 0 };
	if (!yyjson_is_arr(list)) {
		error_set(&err, BECK_EPROTOCOL, "the answer to a poll has no events");
		fail(c, &err, false);
		return;
	}
	p->failures = 0;
	yyjson_arr_foreach(list, i, n, e)
	{
		event_from(c, e, false);
		if (p->state != POLL_LIVE) return; /* it failed, or something else took over */
	}
	poll_next(c);
}

static void on_good(beck_client *c, struct span body)
{
	beck_result why = BECK_EPROTOCOL;
	beck_error err = { 0 };
	yyjson_doc *doc = document_parse(body, &why);
	if (!doc) {
		error_set(&err, why, why == BECK_ENOMEM ? "out of memory" : "the answer to a poll is no JSON");
		err.is_retryable = 1;
		fail(c, &err, false);
		return;
	}
	if (c->link.poll.state == POLL_CONNECTING)
		on_hello(c, yyjson_doc_get_root(doc));
	else
		on_events(c, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
}

/* One poll that failed is not the end of the session: it lives 40 s without. */
static bool tries_again(struct poll *p, const beck_error *err)
{
	bool is_refusal = err->result == BECK_EAPI && !err->is_retryable;
	return p->state == POLL_LIVE && !is_refusal && ++p->failures < (unsigned)LIMIT_CLIENT_POLL_FAILURES;
}

static void on_bad(beck_client *c, const beck_error *err)
{
	struct poll *p = &c->link.poll;
	if (p->state == POLL_LIVE && err->code == TOKEN_EXPIRED && token_reject(c, span_str(c->token.value)) &&
		++p->failures < 3) {
		timer_set(c, &p->again, 0, again);
	} else if (tries_again(p, err)) {
		timer_set(c, &p->again, err->retry_after_ms > 0 ? err->retry_after_ms : 250 << p->failures, again);
	} else {
		fail(c, err, err->code != 0 && err->code != UNKNOWN_ID);
	}
}

bool poll_on_answer(beck_client *c, uint64_t id, const struct io_answer *a)
{
	struct poll *p = &c->link.poll;
	beck_error err = { 0 };
	struct leaving *left = id ? find_leaving(&c->link, id) : NULL;
	if (left) {
		on_left(c, left, a);
		return true;
	}
	if (!id || id != p->exchange) return false;
	p->exchange = 0;
	if (a->result == BECK_OK && a->status >= 200 && a->status < 300) {
		on_good(c, a->body);
		return true;
	}
	if (a->result == BECK_OK) {
		(void)error_from_answer(&err, a->status, a->body, a->retry_after_ms);
	} else {
		error_set(&err, a->result, "%.*s", SPAN_FMT(a->problem));
		err.is_retryable = 1;
	}
	on_bad(c, &err);
	return true;
}
