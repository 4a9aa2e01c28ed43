/* Long polling on the loop where the request came in. */
#include "base/limits.h"
#include "conn/poll.h"

/* ---- opening a session ---- */

static enum err open_session(struct exchange *ex)
{
	struct api_call *call = &ex->call;
	struct buf first;
	buf_init(&first, (size_t)LIMIT_REPLY_BYTES);
	enum err err = poll_session_open(ex->host, call->start, call->peer, &first);
	if (err == ERR_OK) {
		buf_deinit(&call->reply);
		buf_init(&call->reply, (size_t)LIMIT_REPLY_BYTES);
		jsonw_init(&call->out, &call->reply);
		jsonw_obj_begin(&call->out);
		jsonw_kraw(&call->out, "event", buf_span(&first));
		call->status = 200;
	}
	buf_deinit(&first);
	return err;
}

static void connected(struct exchange *ex)
{
	if (ex->call.chat.error.err != ERR_OK || exchange_open(ex, open_session)) exchange_finish(ex);
}

static void start_connect(struct exchange *ex)
{
	const char *why;
	struct span body = ex->call.http.body;
	if (body.n && !exchange_merge_payload(ex, "the body", body, &why)) {
		exchange_fail(ex, ERR_INPUT, why);
	} else if (api_prepare_connect(ex->host->chat, &ex->call) != ERR_OK) {
		exchange_finish(ex);
	} else {
		exchange_submit_connect(ex, connected);
	}
}

/* ---- polls ---- */

static void run_ask(struct net_message *m) { poll_session_ask(BECK_CONTAINER(m, struct poll_ask, message)); }
static void run_delivered(struct net_message *m) { poll_session_delivered(BECK_CONTAINER(m, struct poll_ask, message)); }
static void run_cancel(struct net_message *m) { poll_session_cancel(BECK_CONTAINER(m, struct poll_ask, cancel)); }

/* Off to the session's loop with it; by a call when that is this one. */
static void send(struct poll_ask *k, void (*here)(struct poll_ask *k), void (*there)(struct net_message *m))
{
	k->is_away = true;
	list_push(&k->origin->in_flight, &k->ex->flight);
	if (k->origin == k->home) {
		here(k);
	} else {
		k->message.run = there;
		net_post(k->home->loop, &k->message);
	}
}

static void back_home(struct poll_ask *k)
{
	k->is_away = false;
	list_remove(&k->ex->flight);
}

static struct conn_host *home_of(const struct exchange *ex, struct span connection_id)
{
	const struct conn_ops *ops = ex->host->ops;
	unsigned node, loop;
	if (connection_id.n > CONNECTION_ID_MAX || !connection_id_loop(connection_id, &node, &loop)) return NULL;
	return ops->host ? ops->host(ops->ctx, loop) : ex->host;
}

static bool parse_seq(struct span s, int64_t *seq)
{
	long long v = -1;
	*seq = -1;
	if (span_empty(s)) return true;
	if (!span_to_i64(s, &v) || v < 0) return false;
	*seq = v;
	return true;
}

static void start_ask(struct exchange *ex, const struct url_query *q, bool is_close)
{
	struct poll_ask *k = arena_new(&ex->call.arena, struct poll_ask);
	if (!k) {
		exchange_fail(ex, ERR_UNAVAILABLE, "out of memory");
		return;
	}
	*k = (struct poll_ask){
		.origin = ex->host, .ex = ex, .connection_id = url_query_get(q, "connection_id"), .is_close = is_close
	};
	if (!parse_seq(url_query_get(q, "seq"), &k->seq)) {
		exchange_fail(ex, ERR_INPUT, "seq must be a whole number");
		return;
	}
	if (api_prepare(ex->host->chat, &ex->call) != ERR_OK) {
		exchange_finish(ex);
		return;
	}
	k->app = ex->call.app->pk;
	k->is_anonymous = ex->call.chat.caller == CALLER_ANONYMOUS;
	k->user_id = ex->call.token.user_id;
	k->home = home_of(ex, k->connection_id);
	if (!k->home) {
		exchange_fail(ex, ERR_CONNECTION_ID, "this connection_id is unknown or has expired");
		return;
	}
	buf_init(&k->body, (size_t)LIMIT_REPLY_BYTES);
	ex->ask = k;
	send(k, poll_session_ask, run_ask);
}

void longpoll_start(struct exchange *ex)
{
	struct url_query q;
	if (!url_query_parse(&ex->call.arena, ex->call.http.query, &q)) {
		exchange_fail(ex, ERR_INPUT, "the query string is malformed");
		return;
	}
	bool is_close = span_is(url_query_get(&q, "close"), "true");
	bool has_id = !span_empty(url_query_get(&q, "connection_id"));
	bool has_payload = !span_empty(url_query_get(&q, "json")) || ex->call.http.body.n;
	if (has_id) {
		start_ask(ex, &q, is_close);
	} else if (is_close) {
		exchange_fail(ex, ERR_INPUT, "close needs a connection_id");
	} else if (has_payload) {
		start_connect(ex);
	} else {
		exchange_fail(ex, ERR_INPUT, "one of json, connection_id or close is needed");
	}
}

/* ---- the answer ---- */

static void answer_events(struct exchange *ex)
{
	struct api_call *call = &ex->call;
	buf_deinit(&call->reply);
	buf_init(&call->reply, (size_t)LIMIT_REPLY_BYTES);
	jsonw_init(&call->out, &call->reply);
	jsonw_obj_begin(&call->out);
	if (!ex->ask->is_close) jsonw_kraw(&call->out, "events", buf_span(&ex->ask->body));
	buf_deinit(&ex->ask->body);
	call->status = 200;
	exchange_finish(ex);
}

/* The last trip: what was given out was delivered, or was not. */
static void report(struct poll_ask *k, bool was_sent)
{
	k->was_sent = was_sent;
	if (k->lent) {
		send(k, poll_session_delivered, run_delivered);
	} else {
		longpoll_ended(k);
	}
}

void longpoll_answered(struct poll_ask *k)
{
	struct exchange *ex = k->ex;
	back_home(k);
	if (!ex->conn) {
		report(k, false);
	} else if (k->status) {
		exchange_answer(
			ex, k->status, SPAN("application/json; charset=utf-8"), buf_span(&k->body), ANSWER_API, SPAN_NONE);
	} else if (k->err) {
		exchange_fail(ex, k->err, "this connection_id is unknown or has expired");
	} else {
		answer_events(ex);
	}
}

void longpoll_ended(struct poll_ask *k)
{
	if (k->is_away) back_home(k);
	k->is_ended = true;
	if (!k->cancel_is_away) exchange_free(k->ex);
}

static void cancel_came_home(struct net_message *m)
{
	struct poll_ask *k = BECK_CONTAINER(m, struct poll_ask, cancel);
	k->cancel_is_away = false;
	if (k->is_ended) exchange_free(k->ex);
}

void longpoll_cancelled(struct poll_ask *k)
{
	k->cancel.run = cancel_came_home;
	net_post(k->origin->loop, &k->cancel);
}

bool longpoll_leave(struct exchange *ex, bool was_sent)
{
	struct poll_ask *k = ex->ask;
	if (k->origin->is_ending) {
		/* Goes with whatever else is in flight; nobody else may be there to be told. */
		if (!list_linked(&ex->flight)) list_push(&k->origin->in_flight, &ex->flight);
	} else if (!k->is_away) {
		report(k, was_sent);
	} else if (k->origin == k->home) {
		poll_session_cancel(k);
	} else {
		k->cancel_is_away = true;
		k->cancel.run = run_cancel;
		net_post(k->home->loop, &k->cancel);
	}
	return true;
}
