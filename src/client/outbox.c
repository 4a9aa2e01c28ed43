#include "client/outbox.h"

#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "client/reply.h"
#include "client/saved.h"
#include "client/text.h"
#include "client/wait.h"
#include "wire/ids.h"
#include "wire/url.h"

#include <beck/outbox.h>

struct told;
struct entry {
	struct list in;
	beck_client *client;
	char *cid, *id, *json;
	beck_outbox_state state;
	bool is_flying, is_pausing;
	int attempts;
	struct timer again;
	beck_error err;
	/* Told once: at success, refusal, or the end. */
	struct told *told_to;
	struct wait *wait;
};

void outbox_init(struct outbox *o) { list_init(&o->entries); }

/* ---- entries ---- */

static void entry_free(beck_client *c, struct entry *e)
{
	list_remove(&e->in);
	c->outbox.n--;
	timer_stop(&e->again);
	mem_free(e->cid);
	mem_free(e->id);
	mem_free(e->json);
	mem_free(e);
}

static struct entry *entry_add(beck_client *c, struct span cid, struct span id, struct span json)
{
	struct entry *e = mem_calloc(1, sizeof *e);
	if (!e) return NULL;
	e->client = c;
	e->cid = client_strndup(cid);
	e->id = client_strndup(id);
	e->json = client_strndup(json);
	list_push(&c->outbox.entries, &e->in);
	c->outbox.n++;
	if (e->cid && e->id && e->json) return e;
	entry_free(c, e);
	return NULL;
}

static struct entry *find(beck_client *c, const char *id)
{
	for (struct list *l = c->outbox.entries.next; l != &c->outbox.entries; l = l->next) {
		struct entry *e = BECK_CONTAINER(l, struct entry, in);
		if (strcmp(e->id, id) == 0) return e;
	}
	return NULL;
}

/* ---- telling ---- */

static void tell_change(beck_client *c, const struct entry *e, const char *state)
{
	struct buf b;
	struct jsonw w;
	body_init(&b);
	jsonw_init(&w, &b);
	buf_add_span(&b, SPAN("\"message_id\":"));
	jsonw_str(&w, span_str(e->id));
	buf_add_span(&b, SPAN(",\"cid\":"));
	w.need_comma = false;
	jsonw_str(&w, span_str(e->cid));
	buf_printf(&b, ",\"state\":\"%s\"", state);
	if (strcmp(state, "failed") == 0) {
		buf_printf(&b, ",\"code\":%d,\"error\":", e->err.code);
		w.need_comma = false;
		jsonw_str(&w, span_str(e->err.message));
	}
	events_give_local(c, "outbox.changed", b.failed ? SPAN_NONE : buf_span(&b));
	buf_deinit(&b);
	saved_soon(c);
}

struct told {
	struct delivery deliver;
	beck_reply_fn fn;
	void *ctx;
	beck_error err;
	const struct beck_reply *reply;
};

static void tell_end(beck_client *c, struct delivery *d)
{
	const struct told *t = BECK_CONTAINER(d, struct told, deliver);
	(void)c;
	t->fn(t->ctx, t->reply ? NULL : &t->err, t->reply);
}

static void forget_end(beck_client *c, struct delivery *d)
{
	struct told *t = BECK_CONTAINER(d, struct told, deliver);
	(void)c;
	beck_reply_unref(t->reply);
	mem_free(t);
}

/* The callback of a message is made with the message, so that it cannot fail to be told. */
static void answer(beck_client *c, struct entry *e, const beck_error *err, const struct beck_reply *reply)
{
	struct told *t = e->told_to;
	wait_end(c, e->wait, reply ? NULL : err, reply);
	if (t) {
		if (err) t->err = *err;
		t->reply = reply ? beck_reply_ref(reply) : NULL;
		deliver(c, &t->deliver, tell_end, forget_end);
	}
	e->wait = NULL;
	e->told_to = NULL;
}

/* ---- sending ---- */

static void go_again(beck_client *c, struct timer *t)
{
	BECK_CONTAINER(t, struct entry, again)->is_pausing = false;
	client_changed(c);
}

static int64_t pause_ms(beck_client *c, const struct entry *e)
{
	int64_t most = 500;
	uint32_t random;
	if (e->err.retry_after_ms > 0) return e->err.retry_after_ms;
	for (int i = 1; i < e->attempts && most < 30000; i++) most *= 2;
	c->io->driver->random(c->io, &random, sizeof random);
	return most / 2 + (int64_t)(random % (uint32_t)(most / 2 + 1));
}

static void sent(beck_client *c, void *ctx, const beck_error *err, const struct beck_reply *reply)
{
	struct entry *e = ctx;
	e->is_flying = false;
	if (reply) {
		tell_change(c, e, "sent");
		answer(c, e, NULL, reply);
		entry_free(c, e);
		return;
	}
	e->err = *err;
	if (err->result == BECK_ECANCELLED) return; /* the user goes: outbox_forget ends it */
	if (err->is_retryable || err->result == BECK_ENETWORK || err->result == BECK_ETIMEOUT) {
		e->is_pausing = true;
		timer_set(c, &e->again, pause_ms(c, e), go_again);
		return;
	}
	e->state = BECK_FAILED;
	tell_change(c, e, "failed");
	answer(c, e, err, NULL);
}

static void send(beck_client *c, struct entry *e)
{
	struct span type, id;
	struct buf path, body;
	beck_error err = { 0 };
	if (!cid_split(span_str(e->cid), &type, &id)) return; /* checked when it was added */
	buf_init(&path, 1024);
	body_init(&body);
	buf_add_span(&path, SPAN("/channels/"));
	url_encode(&path, type);
	buf_add_char(&path, '/');
	url_encode(&path, id);
	buf_add_span(&path, SPAN("/message"));
	buf_printf(&body, "{\"message\":%s}", e->json);
	struct call call = { .method = "POST", .path = buf_span(&path), .body = buf_span(&body) };
	beck_result r = path.failed || body.failed ? error_set(&err, BECK_ENOMEM, "out of memory")
						   : calls_start_inner(c, &call, sent, e, &err);
	buf_deinit(&path);
	buf_deinit(&body);
	e->attempts++;
	e->is_flying = r == BECK_OK;
	if (r == BECK_OK) return;
	e->err = err;
	e->is_pausing = true;
	timer_set(c, &e->again, pause_ms(c, e), go_again);
}

/* Whether an earlier message of the channel is still on its way; failed ones do not hold up the others. */
static bool is_behind(beck_client *c, const struct entry *e)
{
	for (struct list *l = c->outbox.entries.next; l != &e->in; l = l->next) {
		const struct entry *before = BECK_CONTAINER(l, struct entry, in);
		if (before->state == BECK_PENDING && strcmp(before->cid, e->cid) == 0) return true;
	}
	return false;
}

void outbox_step(beck_client *c)
{
	bool is_ready = c->server_token || (c->link.state == LINK_UP && c->user.kind != USER_NONE);
	if (!is_ready) return;
	struct list *l = c->outbox.entries.next;
	while (l != &c->outbox.entries) {
		struct entry *e = BECK_CONTAINER(l, struct entry, in);
		l = l->next;
		if (e->state == BECK_PENDING && !e->is_flying && !e->is_pausing && !is_behind(c, e)) send(c, e);
	}
	calls_step(c);
}

/* What waited for its next attempt need not wait any more. */
void outbox_link_up(beck_client *c)
{
	for (struct list *l = c->outbox.entries.next; l != &c->outbox.entries; l = l->next) {
		struct entry *e = BECK_CONTAINER(l, struct entry, in);
		if (e->err.retry_after_ms > 0) continue; /* the server's wish holds over a reconnect */
		timer_stop(&e->again);
		e->is_pausing = false;
	}
}

void outbox_forget(beck_client *c, const beck_error *err)
{
	while (!list_empty(&c->outbox.entries)) {
		struct entry *e = BECK_CONTAINER(c->outbox.entries.next, struct entry, in);
		answer(c, e, err, NULL);
		entry_free(c, e);
	}
}

/* ---- adding ---- */

static size_t count_failed(const beck_client *c)
{
	size_t n = 0;
	for (const struct list *l = c->outbox.entries.next; l != &c->outbox.entries; l = l->next)
		n += BECK_CONTAINER(l, const struct entry, in)->state == BECK_FAILED;
	return n;
}

/* Refused ones count too: they stay until the program has seen them. */
static beck_result refuse_full(const beck_client *c, beck_error *err)
{
	size_t failed = count_failed(c);
	beck_result r = error_set(err, BECK_EFULL,
		"%zu messages are in the outbox already, %zu of them refused: beck_outbox_drop or beck_outbox_retry those",
		c->outbox.n, failed);
	if (err) err->is_retryable = failed < c->outbox.n;
	return r;
}

/* A message that was sent before any user was connected waits for one as long as a call does. It must not go out for whoever
 * comes later. */
static void nobody_came(beck_client *c, struct timer *t)
{
	struct entry *e = BECK_CONTAINER(t, struct entry, again);
	beck_error err = { 0 };
	if (c->user.kind != USER_NONE) return;
	(void)error_set(
		&err, BECK_ENOUSER, "no user was connected within %d ms: beck_connect_user comes first", (int)c->set.timeout_ms);
	answer(c, e, &err, NULL);
	entry_free(c, e);
}

static beck_result add(beck_client *c, struct span cid, struct span id, struct span json, struct entry **out, beck_error *err)
{
	char z[BECK_MESSAGE_ID_SIZE];
	if (c->is_ending) return error_set(err, BECK_ECANCELLED, "the client is being released");
	if (c->outbox.n >= (size_t)c->set.outbox_max) return refuse_full(c, err);
	(void)snprintf(z, sizeof z, "%.*s", SPAN_FMT(id));
	const struct entry *old = find(c, z);
	if (old)
		return error_field(err, BECK_ESTATE, "id", "a message with the id %s %s", z,
			old->state == BECK_FAILED ? "was refused and is in the outbox: beck_outbox_retry sends it again"
						  : "is waiting to be sent already");
	*out = entry_add(c, cid, id, json);
	if (!*out) return error_set(err, BECK_ENOMEM, "out of memory");
	if (c->user.kind == USER_NONE && !c->server_token) timer_set(c, &(*out)->again, c->set.timeout_ms, nobody_came);
	return BECK_OK;
}

beck_result outbox_send(
	beck_client *c, struct span cid, struct span id, struct span json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct entry *e;
	struct told *t = fn ? mem_calloc(1, sizeof *t) : NULL;
	if (fn && !t) return error_set(err, BECK_ENOMEM, "out of memory");
	client_lock(c);
	beck_result r = add(c, cid, id, json, &e, err);
	if (r == BECK_OK) {
		if (t) {
			t->fn = fn;
			t->ctx = ctx;
		}
		e->told_to = t;
		tell_change(c, e, "pending");
		client_changed(c);
	}
	client_unlock(c);
	if (r != BECK_OK) mem_free(t);
	return r;
}

static void wait_sent(beck_client *c, struct span id, struct wait *w)
{
	char z[BECK_MESSAGE_ID_SIZE];
	(void)snprintf(z, sizeof z, "%.*s", SPAN_FMT(id));
	/* Without a user its own clock ends it at the same moment, hence a little later. */
	enum { LATER_MS = 100 };
	int64_t ms = c->set.timeout_ms + (c->user.kind == USER_NONE && !c->server_token ? LATER_MS : 0);
	if (client_wait(c, &w->done, client_now_ms(c) + ms) == BECK_OK) return;
	struct entry *e = find(c, z);
	if (e) e->wait = NULL;
	w->result = error_set(&w->err, BECK_ETIMEOUT, "not sent within %d ms; it waits in the outbox", (int)c->set.timeout_ms);
}

beck_result outbox_send_wait(
	beck_client *c, struct span cid, struct span id, struct span json, const beck_reply **reply, beck_error *err)
{
	struct entry *e;
	struct wait w = { 0 };
	if (client_in_callback(c))
		return error_set(err, BECK_ECALLBACK, "a call that waits is not possible inside a callback; its _async form is");
	(void)beck_client_ref(c); /* a callback given out meanwhile may release it */
	client_lock(c);
	beck_result r = add(c, cid, id, json, &e, err);
	if (r == BECK_OK) {
		e->wait = &w;
		tell_change(c, e, "pending");
		client_changed(c);
		wait_sent(c, id, &w);
	}
	client_unlock(c);
	beck_release(c);
	if (r != BECK_OK) return r;
	return wait_take(&w, reply, err);
}

/* ---- what the program sees ---- */

struct shown {
	char *cid, *id, *json;
	beck_outbox_state state;
	int attempts;
	beck_error err;
};

static size_t copy_all(beck_client *c, struct shown **out)
{
	size_t n = 0;
	struct shown *all = c->outbox.n ? mem_calloc(c->outbox.n, sizeof *all) : NULL;
	*out = all;
	if (!all) return 0;
	for (struct list *l = c->outbox.entries.next; l != &c->outbox.entries; l = l->next) {
		const struct entry *e = BECK_CONTAINER(l, struct entry, in);
		all[n++] = (struct shown){ client_strdup(e->cid), client_strdup(e->id), client_strdup(e->json), e->state,
			e->attempts, e->err };
	}
	return n;
}

size_t beck_outbox_each(beck_client *c, bool (*fn)(void *ctx, const beck_outbox_entry *entry), void *ctx)
{
	struct shown *all;
	size_t told = 0;
	if (!c || !fn) return 0;
	client_lock(c);
	size_t n = copy_all(c, &all);
	client_unlock(c);
	bool goes_on = true;
	for (size_t i = 0; i < n; i++) {
		const struct shown *s = &all[i];
		beck_outbox_entry e = { .message_id = s->id,
			.cid = s->cid,
			.message_json = s->json,
			.state = s->state,
			.attempts = s->attempts,
			.error = s->err.result ? &s->err : NULL };
		if (goes_on && s->id && s->cid && s->json) {
			goes_on = fn(ctx, &e);
			told++;
		}
		mem_free(s->cid);
		mem_free(s->id);
		mem_free(s->json);
	}
	mem_free(all);
	return told;
}

beck_result beck_outbox_retry(beck_client *c, const char *id, beck_error *err)
{
	if (!c || !id) return error_set(err, BECK_EARG, "client or message id is NULL");
	client_lock(c);
	struct entry *e = find(c, id);
	bool ok = e && e->state == BECK_FAILED;
	if (ok) {
		e->state = BECK_PENDING;
		tell_change(c, e, "pending");
		client_changed(c);
	}
	client_unlock(c);
	return ok ? BECK_OK : error_set(err, BECK_EARG, "no failed message has the id %s", id);
}

beck_result beck_outbox_drop(beck_client *c, const char *id, beck_error *err)
{
	beck_error why = { 0 };
	if (!c || !id) return error_set(err, BECK_EARG, "client or message id is NULL");
	client_lock(c);
	struct entry *e = find(c, id);
	beck_result r = !e ? BECK_EARG : e->is_flying ? BECK_ESTATE : BECK_OK;
	if (r == BECK_OK) {
		error_set(&why, BECK_ECANCELLED, "the message was dropped");
		answer(c, e, &why, NULL);
		entry_free(c, e);
		saved_soon(c);
	}
	client_unlock(c);
	if (r == BECK_OK) return r;
	return error_set(err, r, r == BECK_EARG ? "no message has the id %s" : "message %s is being sent", id);
}

/* ---- keeping ---- */

void outbox_write(beck_client *c, struct jsonw *w)
{
	jsonw_arr_begin(w);
	for (struct list *l = c->outbox.entries.next; l != &c->outbox.entries; l = l->next) {
		const struct entry *e = BECK_CONTAINER(l, struct entry, in);
		jsonw_obj_begin(w);
		jsonw_kstr(w, "cid", span_str(e->cid));
		jsonw_kstr(w, "id", span_str(e->id));
		jsonw_kraw(w, "message", span_str(e->json));
		jsonw_kbool(w, "failed", e->state == BECK_FAILED);
		jsonw_obj_end(w);
	}
	jsonw_arr_end(w);
}

static void read_one(beck_client *c, yyjson_val *v)
{
	struct span type, name, cid = json_span(yyjson_obj_get(v, "cid")), id = json_span(yyjson_obj_get(v, "id"));
	struct entry *e;
	size_t n;
	char *json = document_text(yyjson_obj_get(v, "message"), &n);
	if (json && message_id_valid(id) && cid_split(cid, &type, &name) &&
		add(c, cid, id, span_make(json, n), &e, NULL) == BECK_OK)
		e->state = yyjson_is_true(yyjson_obj_get(v, "failed")) ? BECK_FAILED : BECK_PENDING;
	mem_free(json);
}

void outbox_read(beck_client *c, yyjson_val *array)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(array, i, n, v) read_one(c, v);
}
