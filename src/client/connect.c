#include "client/connect.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "client/client.h"
#include "client/reply.h"
#include "client/text.h"
#include "client/saved.h"
#include "client/user.h"
#include "client/wait.h"

#include <beck/user.h>

/* ---- who waits for the first connect ---- */

struct waiter {
	struct list in;
	struct delivery deliver;
	beck_connect_fn fn;
	void *ctx;
	struct wait *wait;
	bool has_failed;
	beck_error err;
};

static void tell(beck_client *c, struct delivery *d)
{
	struct waiter *w = BECK_CONTAINER(d, struct waiter, deliver);
	w->fn(w->ctx, c, w->has_failed ? &w->err : NULL);
}

static void forget(beck_client *c, struct delivery *d)
{
	(void)c;
	mem_free(BECK_CONTAINER(d, struct waiter, deliver));
}

static void answer(beck_client *c, struct waiter *w, const beck_error *err)
{
	list_remove(&w->in);
	w->has_failed = err != NULL;
	if (err) w->err = *err;
	wait_end(c, w->wait, err, NULL);
	if (w->fn)
		deliver(c, &w->deliver, tell, forget);
	else
		mem_free(w);
}

static void answer_all(beck_client *c, const beck_error *err)
{
	while (!list_empty(&c->user.waiting)) answer(c, BECK_CONTAINER(c->user.waiting.next, struct waiter, in), err);
}

/* ---- the user ---- */

void user_init(beck_client *c) { list_init(&c->user.waiting); }

static void user_clear(beck_client *c)
{
	struct user *u = &c->user;
	mem_free(u->id);
	mem_free(u->json);
	mem_free(u->me);
	u->id = u->json = u->me = NULL;
	u->kind = USER_NONE;
}

void user_forget(beck_client *c, const beck_error *err)
{
	saved_now(c);
	calls_fail_all(c, err);
	outbox_forget(c, err);
	answer_all(c, err);
	token_forget(c);
	user_clear(c);
	c->link.was_up = false; /* a guest is not made by link_start yet */
	names_free(&c->link.watched);
	names_free(&c->link.followed);
	client_changed(c);
}

void connect_done(beck_client *c, const beck_error *err)
{
	if (err)
		user_forget(c, err);
	else
		answer_all(c, NULL);
}

static bool user_set(beck_client *c, enum user_kind kind, const char *id, const char *json)
{
	char *id_copy = client_strdup(id), *json_copy = json ? client_strdup(json) : NULL;
	if (!id_copy || (json && !json_copy)) {
		mem_free(id_copy);
		mem_free(json_copy);
		return false;
	}
	user_clear(c);
	c->user.kind = kind;
	c->user.id = id_copy;
	c->user.json = json_copy;
	return true;
}

/* ---- what the server says about him ---- */

void user_set_me(beck_client *c, char *json)
{
	mem_free(c->user.me);
	c->user.me = json;
}

static const char *const counts[] = { "total_unread_count", "unread_count", "unread_channels", "unread_threads" };

static bool is_own(beck_client *c, yyjson_val *user)
{
	return c->user.id && span_is(json_span(yyjson_obj_get(user, "id")), c->user.id);
}

/* The members of `me` that an event changes, as an object; "" when it changes none. */
static void write_changes(beck_client *c, yyjson_val *event, struct buf *out)
{
	struct jsonw w;
	bool any = false;
	yyjson_val *user = yyjson_obj_get(event, "user");
	bool is_update = span_is(json_span(yyjson_obj_get(event, "type")), "user.updated") && is_own(c, user);
	jsonw_init(&w, out);
	jsonw_obj_begin(&w);
	for (size_t i = 0; i < BECK_COUNT(counts); i++) {
		yyjson_val *n = yyjson_obj_get(event, counts[i]);
		if (!yyjson_is_int(n)) continue;
		jsonw_kint(&w, counts[i], yyjson_get_sint(n));
		any = true;
	}
	yyjson_obj_iter it = yyjson_obj_iter_with(is_update ? user : NULL);
	yyjson_val *key, *value;
	while (json_next(&it, &key, &value)) {
		jsonw_key_span(&w, json_span(key));
		jsonw_val(&w, value);
		any = true;
	}
	jsonw_obj_end(&w);
	if (!any) buf_clear(out);
}

static char *merged(const char *old, struct span changes)
{
	beck_result why;
	struct buf b;
	struct jsonw w;
	yyjson_doc *before = document_parse(span_str(old), &why), *over = document_parse(changes, &why);
	body_init(&b);
	jsonw_init(&w, &b);
	if (before && over) jsonw_merged(&w, yyjson_doc_get_root(before), yyjson_doc_get_root(over));
	char *text = before && over && !b.failed ? client_strndup(buf_span(&b)) : NULL;
	buf_deinit(&b);
	yyjson_doc_free(before);
	yyjson_doc_free(over);
	return text;
}

void user_note_event(beck_client *c, const struct beck_event *e)
{
	struct buf changes;
	if (!c->user.me || (!e->is_local && !c->user.id)) return;
	body_init(&changes);
	write_changes(c, yyjson_doc_get_root(e->doc), &changes);
	if (changes.n && !changes.failed) {
		char *text = merged(c->user.me, buf_span(&changes));
		if (text) user_set_me(c, text);
	}
	buf_deinit(&changes);
}

/* ---- connecting ---- */

struct connecting {
	enum user_kind kind;
	const char *json, *token;
	char id[256];
	beck_token_fn provider;
	void *provider_ctx;
	beck_connect_fn fn;
	void *ctx;
	struct wait *wait;
};

static beck_result check(beck_client *c, struct connecting *n, beck_error *err)
{
	if (c->server_token)
		return error_set(
			err, BECK_ESTATE, "this is a server-side client: it acts for the application and connects nobody");
	if (n->kind == USER_ANONYMOUS) {
		(void)snprintf(n->id, sizeof n->id, "!anon");
		return BECK_OK;
	}
	beck_result r = user_json_check(span_str(n->json), n->id, err);
	if (r != BECK_OK || n->kind == USER_GUEST) return r;
	if (!n->token == !n->provider)
		return error_field(err, BECK_EARG, "token", "a token or a token provider is needed, and not both");
	return n->token ? token_check(n->token, n->id, err) : BECK_OK;
}

static bool add_waiter(beck_client *c, const struct connecting *n)
{
	struct waiter *w = mem_calloc(1, sizeof *w);
	if (!w) return false;
	w->fn = n->fn;
	w->ctx = n->ctx;
	w->wait = n->wait;
	list_push(&c->user.waiting, &w->in);
	return true;
}

/* Somebody is connected or on his way. */
static beck_result join(beck_client *c, const struct connecting *n, beck_error *err)
{
	bool is_same = c->user.kind == n->kind && (n->kind == USER_ANONYMOUS || strcmp(c->user.id, n->id) == 0);
	if (!is_same)
		return error_set(
			err, BECK_ESTATE, "user %s is connected: beck_disconnect_user comes before another one", c->user.id);
	if (!add_waiter(c, n)) return error_set(err, BECK_ENOMEM, "out of memory");
	if (c->link.was_up) answer_all(c, NULL);
	return BECK_OK;
}

static void guest_failed(beck_client *c, const beck_error *err)
{
	c->link.error = *err;
	connect_done(c, err);
}

static void guest_made(beck_client *c, void *ctx, const beck_error *err, const struct beck_reply *reply)
{
	(void)ctx;
	beck_error why = { 0 };
	if (c->user.kind != USER_GUEST || (c->link.state != LINK_OFF && c->link.state != LINK_CLOSING)) return;
	if (err) {
		guest_failed(c, err);
		return;
	}
	const beck_value *v = beck_reply_value(reply);
	const char *id = beck_value_string(beck_value_path(v, "user.id")),
		   *token = beck_value_string(beck_value_get(v, "access_token"));
	if (!id || !token)
		error_set(&why, BECK_EPROTOCOL, "the answer to a guest has no user or no token");
	else if (!user_set(c, USER_GUEST, id, NULL) || token_set(c, token, NULL, NULL) != BECK_OK)
		error_set(&why, BECK_ENOMEM, "out of memory");
	if (why.result != BECK_OK)
		guest_failed(c, &why);
	else
		link_start(c);
}

static beck_result make_guest(beck_client *c, const char *json, beck_error *err)
{
	struct buf b;
	body_init(&b);
	buf_printf(&b, "{\"user\":%s}", json);
	struct call call = { .method = "POST", .path = SPAN("/guest"), .body = buf_span(&b), .is_as_key_only = true };
	beck_result r =
		b.failed ? error_set(err, BECK_ENOMEM, "out of memory") : calls_start_inner(c, &call, guest_made, NULL, err);
	buf_deinit(&b);
	return r;
}

static beck_result begin(beck_client *c, const struct connecting *n, beck_error *err)
{
	if (c->is_ending) return error_set(err, BECK_ECANCELLED, "the client is being released");
	if (c->user.kind != USER_NONE) return join(c, n, err);
	beck_result r = user_set(c, n->kind, n->id, n->json) ? token_set(c, n->token, n->provider, n->provider_ctx) : BECK_ENOMEM;
	if (r == BECK_OK && !add_waiter(c, n)) r = BECK_ENOMEM;
	if (r != BECK_OK) {
		token_forget(c);
		user_clear(c);
		return error_set(err, r, "out of memory");
	}
	if (n->kind != USER_GUEST) {
		link_start(c);
		return BECK_OK;
	}
	r = make_guest(c, n->json, err);
	if (r != BECK_OK) {
		struct waiter *w = BECK_CONTAINER(c->user.waiting.prev, struct waiter, in);
		list_remove(&w->in);
		mem_free(w);
		user_clear(c);
	}
	return r;
}

static beck_result connect_start(beck_client *c, struct connecting *n, beck_error *err)
{
	if (!c) {
		(void)error_set(err, BECK_EARG, "the client is NULL: beck_get_instance failed, options.error says why");
		return BECK_EARG;
	}
	beck_result r = check(c, n, err);
	if (r != BECK_OK) return r;
	client_lock(c);
	r = begin(c, n, err);
	client_unlock(c);
	return r;
}

/* The link gives up by itself when the time is over, but who runs its clocks may be in a callback that does not return. */
static void out_of_time(beck_client *c)
{
	beck_error err = { 0 };
	bool is_asked_for = c->user.kind == USER_GUEST && (c->link.state == LINK_OFF || c->link.state == LINK_CLOSING);
	link_out_of_time(c);
	if (!is_asked_for) return;
	error_set(&err, BECK_ETIMEOUT, "no guest was made within %d ms", (int)c->set.timeout_ms);
	guest_failed(c, &err);
}

static beck_result connect_wait(beck_client *c, struct connecting *n, beck_error *err)
{
	struct wait w = { 0 };
	if (c && client_in_callback(c))
		return error_set(
			err, BECK_ECALLBACK, "a connect that waits is not possible inside a callback; its _async form is");
	n->wait = &w;
	(void)beck_client_ref(c); /* a callback given out meanwhile may release it */
	beck_result r = connect_start(c, n, err);
	if (r == BECK_OK) {
		client_lock(c);
		while (client_wait(c, &w.done, client_now_ms(c) + c->set.timeout_ms) != BECK_OK) out_of_time(c);
		client_unlock(c);
	}
	beck_release(c);
	n->wait = NULL;
	if (r != BECK_OK) return r;
	return wait_take(&w, NULL, err);
}

beck_result beck_connect_user(beck_client *c, const char *user_json, const char *token, beck_error *err)
{
	struct connecting n = { .kind = USER_TOKEN, .json = user_json, .token = token };
	return connect_wait(c, &n, err);
}

beck_result beck_connect_user_with(beck_client *c, const char *user_json, beck_token_fn provider, void *ctx, beck_error *err)
{
	struct connecting n = { .kind = USER_TOKEN, .json = user_json, .provider = provider, .provider_ctx = ctx };
	return connect_wait(c, &n, err);
}

beck_result beck_connect_user_async(beck_client *c, const char *user_json, const char *token, beck_token_fn provider,
	void *provider_ctx, beck_connect_fn done, void *ctx, beck_error *err)
{
	struct connecting n = { .kind = USER_TOKEN,
		.json = user_json,
		.token = token,
		.provider = provider,
		.provider_ctx = provider_ctx,
		.fn = done,
		.ctx = ctx };
	return connect_start(c, &n, err);
}

beck_result beck_connect_anonymous(beck_client *c, beck_error *err)
{
	struct connecting n = { .kind = USER_ANONYMOUS };
	return connect_wait(c, &n, err);
}

beck_result beck_connect_anonymous_async(beck_client *c, beck_connect_fn done, void *ctx, beck_error *err)
{
	struct connecting n = { .kind = USER_ANONYMOUS, .fn = done, .ctx = ctx };
	return connect_start(c, &n, err);
}

beck_result beck_connect_guest(beck_client *c, const char *user_json, beck_error *err)
{
	struct connecting n = { .kind = USER_GUEST, .json = user_json };
	return connect_wait(c, &n, err);
}

beck_result beck_connect_guest_async(beck_client *c, const char *user_json, beck_connect_fn done, void *ctx, beck_error *err)
{
	struct connecting n = { .kind = USER_GUEST, .json = user_json, .fn = done, .ctx = ctx };
	return connect_start(c, &n, err);
}

/* ---- disconnecting ---- */

/* The transport says goodbye with the token, which is forgotten after. */
static void disconnect(beck_client *c)
{
	beck_error why = { 0 };
	error_set(&why, BECK_ECANCELLED, "the user was disconnected");
	link_stop(c);
	user_forget(c, &why);
}

void connect_end(beck_client *c)
{
	if (c->user.kind != USER_NONE) disconnect(c);
}

beck_result beck_disconnect_user(beck_client *c)
{
	if (!c) return BECK_EARG;
	bool waits = !client_in_callback(c);
	(void)beck_client_ref(c);
	client_lock(c);
	connect_end(c);
	int64_t until = client_now_ms(c) + LIMIT_CLIENT_GOODBYE_MS;
	while (waits && !link_is_off(c) && client_now_ms(c) < until) {
		bool never = false;
		(void)client_wait(c, &never, client_now_ms(c) + 20 < until ? client_now_ms(c) + 20 : until);
	}
	client_unlock(c);
	beck_release(c);
	return BECK_OK;
}

void beck_network_changed(beck_client *c)
{
	if (!c) return;
	client_lock(c);
	link_network_changed(c);
	client_unlock(c);
}

/* ---- how it stands ---- */

beck_connection_state beck_state(beck_client *c)
{
	if (!c) return BECK_DISCONNECTED;
	client_lock(c);
	beck_connection_state s = BECK_DISCONNECTED;
	if (c->user.kind != USER_NONE && c->link.state == LINK_UP)
		s = BECK_CONNECTED;
	else if (c->user.kind != USER_NONE)
		s = c->link.was_up ? BECK_RECONNECTING : BECK_CONNECTING;
	client_unlock(c);
	return s;
}

beck_transport beck_current_transport(beck_client *c)
{
	if (!c) return BECK_TRANSPORT_NONE;
	client_lock(c);
	beck_transport t = c->link.state == LINK_UP ? c->link.transport : BECK_TRANSPORT_NONE;
	client_unlock(c);
	return t;
}

const char *beck_connection_id(beck_client *c)
{
	if (!c) return "";
	client_lock(c);
	const char *id = c->link.state == LINK_UP ? c->link.ids[c->link.ids_at] : "";
	client_unlock(c);
	return id;
}

const char *beck_user_id(beck_client *c)
{
	if (!c) return "";
	client_lock(c);
	const char *id = c->user.id ? c->user.id : "";
	client_unlock(c);
	return id;
}

char *beck_me_json(beck_client *c)
{
	if (!c) return NULL;
	client_lock(c);
	char *copy = c->user.me ? client_strdup(c->user.me) : NULL;
	client_unlock(c);
	return copy;
}

void beck_last_connect_error(beck_client *c, beck_error *error)
{
	if (!c || !error) return;
	client_lock(c);
	*error = c->link.error;
	client_unlock(c);
}
