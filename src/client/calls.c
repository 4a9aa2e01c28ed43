#include "client/calls.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "client/client.h"
#include "client/http.h"
#include "client/reply.h"
#include "client/saved.h"
#include "client/text.h"
#include "client/wait.h"
#include "wire/url.h"

enum { TOKEN_EXPIRED = 40, UNKNOWN_ID = 46 };

struct pending {
	struct list in; /* queued or sent */
	struct timer deadline, again;
	struct call call; /* its strings are in `text` */
	uint64_t exchange;
	unsigned attempts;
	bool had_new_token, had_new_id, is_paused;
	char *used_token, used_id[96];
	struct wait *wait;
	call_done_fn done;
	beck_reply_fn fn;
	void *ctx;
	struct delivery deliver;
	beck_error err;
	struct beck_reply *reply;
	char text[];
};

void calls_init(struct calls *all)
{
	list_init(&all->queued);
	list_init(&all->sent);
}

/* ---- making ---- */

static struct span put(char **at, struct span s)
{
	if (!span_given(s)) return SPAN_NONE;
	struct span copy = { *at, s.n };
	if (s.n) memcpy(*at, s.p, s.n);
	(*at)[s.n] = '\0';
	*at += s.n + 1;
	return copy;
}

static struct pending *copy_call(const struct call *from)
{
	struct span file = span_str(from->file_path), method = span_str(from->method);
	size_t n = from->path.n + from->query.n + from->body.n + from->cid.n + from->content_type.n + file.n + method.n + 7;
	struct pending *p = mem_calloc(1, sizeof *p + n);
	if (!p) return NULL;
	char *at = p->text;
	p->call = *from;
	p->call.method = put(&at, method).p;
	p->call.path = put(&at, from->path);
	p->call.query = put(&at, from->query);
	p->call.body = put(&at, from->body);
	p->call.cid = put(&at, from->cid);
	p->call.content_type = put(&at, from->content_type);
	p->call.file_path = put(&at, file).p;
	return p;
}

static void pending_free(struct pending *p)
{
	timer_stop(&p->deadline);
	timer_stop(&p->again);
	mem_free(p->used_token);
	beck_reply_unref(p->reply);
	mem_free(p);
}

/* ---- ending ---- */

static void tell(beck_client *c, struct delivery *d)
{
	struct pending *p = BECK_CONTAINER(d, struct pending, deliver);
	(void)c;
	p->fn(p->ctx, p->reply ? NULL : &p->err, p->reply);
}

static void forget(beck_client *c, struct delivery *d)
{
	(void)c;
	pending_free(BECK_CONTAINER(d, struct pending, deliver));
}

static void take_out(beck_client *c, struct pending *p)
{
	list_remove(&p->in);
	c->calls.count--;
	timer_stop(&p->deadline);
	timer_stop(&p->again);
	if (p->exchange) c->io->driver->http_cancel(c->io, p->exchange);
	p->exchange = 0;
}

/* p->reply or p->err says how. */
static void finish(beck_client *c, struct pending *p)
{
	take_out(c, p);
	wait_end(c, p->wait, p->reply ? NULL : &p->err, p->reply);
	if (p->done) p->done(c, p->ctx, p->reply ? NULL : &p->err, p->reply);
	if (p->fn)
		deliver(c, &p->deliver, tell, forget);
	else
		pending_free(p);
}

static void fail(beck_client *c, struct pending *p, const beck_error *err)
{
	p->err = *err;
	finish(c, p);
}

static void out_of_time(beck_client *c, struct timer *t)
{
	struct pending *p = BECK_CONTAINER(t, struct pending, deadline);
	if (c->user.kind == USER_NONE && !c->server_token && !p->call.is_as_key_only)
		error_set(&p->err, BECK_ENOUSER, "no user was connected within %d ms: beck_connect_user comes first",
			(int)c->set.timeout_ms);
	else if (p->exchange)
		error_set(&p->err, BECK_ETIMEOUT, "no answer within %d ms", (int)c->set.timeout_ms);
	else if (p->err.result == BECK_OK)
		error_set(&p->err, BECK_ETIMEOUT, "the connection did not stand within %d ms", (int)c->set.timeout_ms);
	p->err.is_retryable = 1;
	finish(c, p);
}

static void fail_list(beck_client *c, struct list *list, const beck_error *err)
{
	/* What a callback under the lock starts anew is not failed too. */
	struct list old;
	list_take_all(&old, list);
	while (!list_empty(&old)) fail(c, BECK_CONTAINER(old.next, struct pending, in), err);
}

void calls_fail_all(beck_client *c, const beck_error *err)
{
	fail_list(c, &c->calls.sent, err);
	fail_list(c, &c->calls.queued, err);
}

void calls_token_failed(beck_client *c, const beck_error *err)
{
	struct list *l = c->calls.queued.next;
	while (l != &c->calls.queued) {
		struct pending *p = BECK_CONTAINER(l, struct pending, in);
		l = l->next;
		/* Before the first connect its outcome decides for all. */
		if (c->link.was_up && !p->call.is_as_key_only && !err->is_retryable) {
			fail(c, p, err);
			l = c->calls.queued.next;
		}
	}
}

/* ---- sending ---- */

/* Whether it may go now; *token gets what it carries. */
static bool may_go(beck_client *c, const struct pending *p, struct span *token)
{
	*token = SPAN_NONE;
	if (p->is_paused) return false;
	if (p->call.is_as_key_only) return true;
	if (c->server_token) {
		*token = span_str(c->server_token);
		return true;
	}
	bool has_user = c->user.kind != USER_NONE && c->link.was_up && c->link.state != LINK_OFF && c->link.state != LINK_CLOSING;
	if (!has_user || (p->call.needs_connection && c->link.state != LINK_UP)) return false;
	if (c->user.kind == USER_ANONYMOUS) return true;
	*token = token_now(c);
	return span_given(*token);
}

static void write_url(beck_client *c, struct pending *p, struct buf *url)
{
	client_http_url(c, url, p->call.path);
	if (p->call.query.n) {
		buf_add_char(url, '&');
		buf_add_span(url, p->call.query);
	}
	if (p->call.needs_connection) {
		(void)snprintf(p->used_id, sizeof p->used_id, "%s", c->link.id);
		buf_add_span(url, SPAN("&connection_id="));
		url_encode(url, span_str(p->used_id));
	}
}

static uint64_t start(beck_client *c, struct pending *p, struct span token)
{
	struct buf url;
	body_init(&url);
	write_url(c, p, &url);
	struct io_http h = { .method = p->call.method,
		.body = p->call.body,
		.content_type = p->call.content_type,
		.file_path = p->call.file_path,
		.timeout_ms = (uint32_t)c->set.timeout_ms };
	uint64_t id = client_http_start(c, &h, &url, token, !span_given(token));
	buf_deinit(&url);
	return id;
}

static void send(beck_client *c, struct pending *p, struct span token)
{
	mem_free(p->used_token);
	p->used_token = span_given(token) ? client_strndup(token) : NULL;
	p->exchange = start(c, p, token);
	p->attempts++;
	if (!p->exchange) {
		error_set(&p->err, BECK_ENOMEM, "out of memory");
		finish(c, p);
		return;
	}
	list_remove(&p->in);
	list_push(&c->calls.sent, &p->in);
	/* From now on the exchange has its own clock; an upload lasts as long as it moves. */
	if (p->call.file_path) timer_stop(&p->deadline);
}

static size_t list_length(const struct list *l)
{
	size_t n = 0;
	for (const struct list *i = l->next; i != l; i = i->next) n++;
	return n;
}

void calls_step(beck_client *c)
{
	size_t flying = list_length(&c->calls.sent);
	struct list *l = c->calls.queued.next;
	while (l != &c->calls.queued && flying < (size_t)LIMIT_CLIENT_IN_FLIGHT) {
		struct pending *p = BECK_CONTAINER(l, struct pending, in);
		struct span token;
		l = l->next;
		if (!may_go(c, p, &token)) continue;
		send(c, p, token);
		flying++;
	}
}

/* ---- starting ---- */

/* *out is NULL on failure. */
static beck_result queue(beck_client *c, const struct call *call, struct pending **out, beck_error *err)
{
	*out = NULL;
	if (c->calls.count >= (size_t)c->set.queue_max)
		return error_set(err, BECK_EFULL, "%zu calls are waiting already", c->calls.count);
	if (c->is_ending) return error_set(err, BECK_ECANCELLED, "the client is being released");
	struct pending *p = copy_call(call);
	if (!p) return error_set(err, BECK_ENOMEM, "out of memory");
	list_push(&c->calls.queued, &p->in);
	c->calls.count++;
	timer_set(c, &p->deadline, c->set.timeout_ms, out_of_time);
	client_changed(c);
	*out = p;
	return BECK_OK;
}

beck_result call_start_locked(beck_client *c, const struct call *call, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct pending *p;
	beck_result r = queue(c, call, &p, err);
	if (!p) return r;
	p->fn = fn;
	p->ctx = ctx;
	return BECK_OK;
}

beck_result calls_start_inner(beck_client *c, const struct call *call, call_done_fn done, void *ctx, beck_error *err)
{
	struct pending *p;
	beck_result r = queue(c, call, &p, err);
	if (!p) return r;
	p->done = done;
	p->ctx = ctx;
	return BECK_OK;
}

beck_result call_start(beck_client *c, const struct call *call, beck_reply_fn fn, void *ctx, beck_error *err)
{
	if (!c) return error_set(err, BECK_EARG, "the client is NULL");
	client_lock(c);
	beck_result r = call_start_locked(c, call, fn, ctx, err);
	client_unlock(c);
	return r;
}

/* The call has a clock of its own, but who runs that may be in a callback that does not return. Uploads last as long as they
 * move. */
static void wait_for(beck_client *c, struct pending *p, struct wait *w)
{
	while (client_wait(c, &w->done, client_now_ms(c) + c->set.timeout_ms) != BECK_OK)
		if (!p->call.file_path || !p->exchange) out_of_time(c, &p->deadline);
}

beck_result call_wait(beck_client *c, const struct call *call, const beck_reply **reply, beck_error *err)
{
	if (!c) return error_set(err, BECK_EARG, "the client is NULL");
	if (client_in_callback(c))
		return error_set(err, BECK_ECALLBACK, "a call that waits is not possible inside a callback; its _async form is");
	struct wait w = { 0 };
	struct pending *p;
	(void)beck_client_ref(c); /* a callback given out meanwhile may release it */
	client_lock(c);
	beck_result r = queue(c, call, &p, err);
	if (p) {
		p->wait = &w;
		wait_for(c, p, &w);
	}
	client_unlock(c);
	beck_release(c);
	if (r != BECK_OK) return r;
	return wait_take(&w, reply, err);
}

/* ---- answers ---- */

static struct pending *find(beck_client *c, uint64_t exchange)
{
	for (struct list *l = c->calls.sent.next; l != &c->calls.sent; l = l->next) {
		struct pending *p = BECK_CONTAINER(l, struct pending, in);
		if (p->exchange == exchange) return p;
	}
	return NULL;
}

static void note_each(yyjson_val *list, const char *inside, const char *key, struct names *set, size_t max)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(list, i, n, v)
	{
		struct span name = json_span(yyjson_obj_get(inside ? yyjson_obj_get(v, inside) : v, key));
		if (name.n) (void)names_add(set, name, max);
	}
}

static void follow_members(struct names *followed, yyjson_val *channel)
{
	note_each(yyjson_obj_get(channel, "members"), NULL, "user_id", followed, (size_t)LIMIT_PRESENCE_PER_SESSION);
}

static void note_watched(beck_client *c, yyjson_val *root)
{
	struct span cid = json_span(yyjson_obj_get(yyjson_obj_get(root, "channel"), "cid"));
	if (cid.n) (void)names_add(&c->link.watched, cid, (size_t)LIMIT_WATCHES_PER_SESSION);
	note_each(yyjson_obj_get(root, "channels"), "channel", "cid", &c->link.watched, (size_t)LIMIT_WATCHES_PER_SESSION);
}

static void note_followed(beck_client *c, yyjson_val *root)
{
	size_t i, n;
	yyjson_val *channel;
	note_each(yyjson_obj_get(root, "users"), NULL, "id", &c->link.followed, (size_t)LIMIT_PRESENCE_PER_SESSION);
	follow_members(&c->link.followed, root);
	yyjson_arr_foreach(yyjson_obj_get(root, "channels"), i, n, channel) follow_members(&c->link.followed, channel);
}

/* What the next connection must ask for too. */
static void note_effect(beck_client *c, const struct pending *p, yyjson_val *root)
{
	if (p->call.effect != CALL_PLAIN) saved_position(c);
	if (p->call.effect & CALL_UNWATCHES) names_remove(&c->link.watched, p->call.cid);
	if (p->call.effect & CALL_WATCHES) note_watched(c, root);
	if (p->call.effect & CALL_PRESENCE) note_followed(c, root);
}

static void on_good(beck_client *c, struct pending *p, const struct io_answer *a)
{
	beck_result why = BECK_EPROTOCOL;
	yyjson_doc *doc = document_parse(a->body.n ? a->body : SPAN("{}"), &why);
	if (doc) p->reply = reply_create(a->status, doc);
	if (!doc && why == BECK_EPROTOCOL)
		error_set(&p->err, BECK_EPROTOCOL, "the answer (status %d) is no JSON", a->status);
	else if (!p->reply)
		error_set(&p->err, BECK_ENOMEM, "out of memory");
	if (p->reply) note_effect(c, p, yyjson_doc_get_root(doc));
	finish(c, p);
}

static void requeue(beck_client *c, struct pending *p)
{
	list_remove(&p->in);
	/* In front: it was here before those that wait. */
	list_push(c->calls.queued.next, &p->in);
	/* An upload that waits again does not move. */
	if (!timer_is_set(&p->deadline)) timer_set(c, &p->deadline, c->set.timeout_ms, out_of_time);
	client_changed(c);
}

static void go_again(beck_client *c, struct timer *t)
{
	BECK_CONTAINER(t, struct pending, again)->is_paused = false;
	client_changed(c);
}

static bool tries_again(beck_client *c, struct pending *p)
{
	if (p->err.code == TOKEN_EXPIRED && !p->had_new_token && p->used_token && token_reject(c, span_str(p->used_token))) {
		p->had_new_token = true;
		return true;
	}
	if (p->err.code == UNKNOWN_ID && p->call.needs_connection && !p->had_new_id) {
		p->had_new_id = true;
		link_id_is_unknown(c, span_str(p->used_id));
		return true;
	}
	bool is_safe = strcmp(p->call.method, "GET") == 0 && p->err.is_retryable && timer_is_set(&p->deadline);
	if (!is_safe || p->attempts >= (unsigned)LIMIT_CLIENT_CALL_ATTEMPTS) return false;
	p->is_paused = true;
	timer_set(c, &p->again, p->err.retry_after_ms > 0 ? p->err.retry_after_ms : 100 << p->attempts, go_again);
	return true;
}

void calls_on_answer(beck_client *c, uint64_t id, const struct io_answer *a)
{
	struct pending *p = find(c, id);
	if (!p) return;
	p->exchange = 0;
	p->err = (beck_error){ 0 };
	if (a->result == BECK_OK && a->status >= 200 && a->status < 300) {
		on_good(c, p, a);
		return;
	}
	if (a->result == BECK_OK) {
		(void)error_from_answer(&p->err, a->status, a->body, a->retry_after_ms);
	} else {
		error_set(&p->err, a->result, "%.*s", SPAN_FMT(a->problem));
		p->err.is_retryable = a->result == BECK_ENETWORK || a->result == BECK_ETIMEOUT;
	}
	if (tries_again(c, p))
		requeue(c, p);
	else
		finish(c, p);
}

/* ---- progress of uploads ---- */

struct progress {
	struct delivery deliver;
	beck_progress_fn fn;
	void *ctx;
	uint64_t sent, total;
};

static void tell_progress(beck_client *c, struct delivery *d)
{
	const struct progress *g = BECK_CONTAINER(d, struct progress, deliver);
	(void)c;
	g->fn(g->ctx, g->sent, g->total);
}

static void forget_progress(beck_client *c, struct delivery *d)
{
	(void)c;
	mem_free(BECK_CONTAINER(d, struct progress, deliver));
}

void calls_on_progress(beck_client *c, uint64_t id, uint64_t sent, uint64_t total)
{
	struct pending *p = find(c, id);
	if (!p || !p->call.progress) return;
	struct progress *g = mem_calloc(1, sizeof *g);
	if (!g) return; /* a report less */
	g->fn = p->call.progress;
	g->ctx = p->call.progress_ctx;
	g->sent = sent;
	g->total = total;
	deliver(c, &g->deliver, tell_progress, forget_progress);
}

/* ---- the public form for everything ---- */

static bool is_method(const char *m)
{
	static const char *const known[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	for (size_t i = 0; i < BECK_COUNT(known); i++)
		if (strcmp(m, known[i]) == 0) return true;
	return false;
}

static beck_result fill(struct call *call, struct buf *query, const char *method, const char *path, const char *body,
	unsigned flags, beck_error *err)
{
	beck_result why;
	*call = (struct call){ .method = method, .needs_connection = (flags & BECK_NEEDS_CONNECTION) != 0 };
	if (!method || !is_method(method))
		return error_field(err, BECK_EARG, "method", "the method must be GET, POST, PUT, PATCH or DELETE");
	if (!path || path[0] != '/') return error_field(err, BECK_EARG, "path", "the path must begin with a slash");
	struct span target = span_str(path);
	for (size_t i = 0; i < target.n; i++)
		if ((unsigned char)target.p[i] <= ' ')
			return error_field(err, BECK_EARG, "path", "the path must be percent-encoded");
	size_t mark = span_find(target, '?');
	call->path = span_make(path, mark);
	buf_add_span(query, span_skip(target, mark + 1));
	if (body) {
		yyjson_doc *doc = document_parse(span_str(body), &why);
		if (!doc)
			return error_field(err, why == BECK_ENOMEM ? why : BECK_EARG, "body",
				why == BECK_ENOMEM ? "out of memory" : "the body is no JSON");
		/* A request by hand that watches or follows is remembered like the calls made for it. */
		if (call->needs_connection) call->effect = call_effect_of(yyjson_doc_get_root(doc));
		yyjson_doc_free(doc);
	}
	if (body && strcmp(method, "GET") == 0) {
		if (query->n) buf_add_char(query, '&');
		buf_add_span(query, SPAN("payload="));
		url_encode(query, span_str(body));
	} else {
		call->body = span_str(body);
	}
	call->query = query->n ? buf_span(query) : SPAN_NONE;
	return query->failed ? error_set(err, BECK_ETOOBIG, "the query is too long") : BECK_OK;
}

beck_result beck_request(beck_client *c, const char *method, const char *path, const char *body, unsigned flags,
	const beck_reply **reply, beck_error *err)
{
	struct call call;
	struct buf query;
	body_init(&query);
	beck_result r = fill(&call, &query, method, path, body, flags, err);
	if (r == BECK_OK) r = call_wait(c, &call, reply, err);
	buf_deinit(&query);
	return r;
}

beck_result beck_request_async(beck_client *c, const char *method, const char *path, const char *body, unsigned flags,
	beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct call call;
	struct buf query;
	body_init(&query);
	beck_result r = fill(&call, &query, method, path, body, flags, err);
	if (r == BECK_OK) r = call_start(c, &call, fn, ctx, err);
	buf_deinit(&query);
	return r;
}

void call_message_id(beck_client *c, char out[BECK_MESSAGE_ID_SIZE])
{
	uint8_t r[16];
	char hex[33];
	c->io->driver->random(c->io, r, sizeof r);
	for (size_t i = 0; i < sizeof r; i++) (void)snprintf(hex + 2 * i, 3, "%02x", r[i]);
	client_lock(c);
	/* A user id may have @, a message id not. */
	char user[192] = "";
	for (size_t i = 0, n = 0; c->user.id && c->user.id[i] && n + 1 < sizeof user; i++)
		if (c->user.id[i] != '@' && c->user.id[i] != '!') user[n++] = c->user.id[i];
	client_unlock(c);
	(void)snprintf(out, BECK_MESSAGE_ID_SIZE, "%s%s%s", user, *user ? "-" : "", hex);
}
