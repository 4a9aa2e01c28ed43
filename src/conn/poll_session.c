/* Long-poll sessions, on the loop of their hub.
 *
 *   IDLE    no poll is here: expires LIMIT_POLL_EXPIRE_MS after the last one was answered.
 *   PARKED  one poll waits for an event, at most LIMIT_POLL_HOLD_MS; after the first event LIMIT_POLL_GATHER_MS more.
 * Events that were given out stay in the session's queue, lent, until their poll reports that the answer went out whole. A newer
 * poll takes them over, so a poll that was superseded or aborted has consumed nothing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "conn/poll.h"

enum { PEEK = 64, CODE_RESTART = 1012 };

struct poll_session {
	struct session_carrier carrier;
	struct conn_host *host;
	struct conn_place place;
	struct session *session;
	struct list node;         /* in host->poll_list */
	struct net_timer timer;   /* hold, gather or expiry */
	struct net_deferred work; /* the session has something to say */
	struct poll_ask *parked, *lent_to;
	uint64_t lendings; /* so far */
	int64_t app;
	bool is_gathering, is_anonymous, wants_seq;
	size_t user_id_n;
	char user_id[];
};

static struct span user_of(const struct poll_session *p) { return span_make(p->user_id, p->user_id_n); }

/* ---- answering ---- */

static void run_answered(struct net_message *m) { longpoll_answered(BECK_CONTAINER(m, struct poll_ask, message)); }
static void run_ended(struct net_message *m) { longpoll_ended(BECK_CONTAINER(m, struct poll_ask, message)); }

static void answer(struct poll_ask *k)
{
	if (k->origin == k->home) {
		longpoll_answered(k);
	} else {
		k->message.run = run_answered;
		net_post(k->origin->loop, &k->message);
	}
}

static void answer_error(struct poll_ask *k, enum err err)
{
	k->err = err;
	answer(k);
}

static void answer_nothing(struct poll_ask *k)
{
	buf_add_span(&k->body, SPAN("[]"));
	answer(k);
}

static void wait_for_next(struct poll_session *p) { net_timer_start(p->host->loop, &p->timer, LIMIT_POLL_EXPIRE_MS); }

static struct poll_ask *unpark(struct poll_session *p)
{
	struct poll_ask *k = p->parked;
	if (!k) return NULL;
	p->parked = NULL;
	p->is_gathering = false;
	k->poll = NULL;
	conn_count(&p->host->counters.polls_parked, -1);
	return k;
}

static void take_back(struct poll_session *p)
{
	if (p->lent_to) p->lent_to->poll = NULL;
	p->lent_to = NULL;
}

/* What the client says it has seen is not given again, whoever took it before. */
static bool is_seen(const struct session_out *item, const struct poll_ask *k) { return item->pos > 0 && item->pos <= k->seq; }

/* Appends [event,...] of the queue's head, at most so many; returns how many it looked at. */
static size_t write_events(struct poll_session *p, size_t most, struct poll_ask *k)
{
	struct session_out items[PEEK];
	struct buf *out = &k->body;
	size_t n = 0, got;
	bool any = false;
	if (most > (size_t)LIMIT_POLL_BATCH) most = (size_t)LIMIT_POLL_BATCH;
	buf_add_char(out, '[');
	while (n < most) {
		got = session_peek(p->session, n, items, most - n < PEEK ? most - n : PEEK);
		for (size_t i = 0; i < got; i++, n++) {
			if (is_seen(&items[i], k)) continue;
			if (any) buf_add_char(out, ',');
			any = true;
			buf_add_span(out, items[i].body);
			buf_add_span(out, items[i].tail);
		}
		if (!got) break;
	}
	buf_add_char(out, ']');
	return n;
}

/* Gives the queue's head to a poll. */
static void give(struct poll_session *p, struct poll_ask *k, size_t most)
{
	size_t n = write_events(p, most, k);
	if (k->body.failed) {
		answer_error(k, ERR_INTERNAL);
		return;
	}
	if (n) {
		k->lent = n;
		k->poll = p;
		p->lent_to = k;
		p->lendings++;
	}
	wait_for_next(p);
	answer(k);
}

/* ---- ending ---- */

static void destroy(struct poll_session *p)
{
	struct conn_host *h = p->host;
	take_back(p);
	net_timer_stop(h->loop, &p->timer);
	net_defer_cancel(&p->work);
	map_remove(&h->polls, session_id(p->session));
	list_remove(&p->node);
	session_release(p->session);
	conn_host_leave(h, &p->place);
	free(p);
	conn_host_left(h);
}

static void end(struct poll_session *p, uint16_t code)
{
	uint16_t had;
	struct poll_ask *k = unpark(p);
	if (!session_is_closed(p->session, &had)) session_close(p->session, code, NULL);
	if (k) answer_nothing(k);
	destroy(p);
}

/* The last queued thing is the error that the session was ended with: {"error":{...}}. */
static struct span final_error(struct poll_session *p, struct arena *a, int *status)
{
	struct session_out item;
	const char *why;
	size_t bytes, at, n = session_queued(p->session, &bytes);
	if (!n || session_peek(p->session, n - 1, &item, 1) != 1 || !span_starts(item.body, SPAN("{\"error\""))) return SPAN_NONE;
	struct span whole = arena_printf(a, "%.*s%.*s", SPAN_FMT(item.body), SPAN_FMT(item.tail));
	yyjson_val *error = json_get(json_parse(a, whole, &why, &at), "error");
	int64_t http = yyjson_get_sint(json_get(error, "StatusCode"));
	if (!error || http < 400 || http > 599) return SPAN_NONE;
	*status = (int)http;
	return json_text(a, error);
}

/* The session is closed. What was queued goes out, and the parting error, if any, is the answer to the poll after it. */
static void give_rest(struct poll_session *p, struct poll_ask *k)
{
	struct arena *a = &p->host->scratch;
	size_t bytes, n = session_queued(p->session, &bytes);
	struct span error = final_error(p, a, &k->status);
	if (span_given(error) && n > 1) {
		k->status = 0;
		give(p, k, n - 1);
	} else if (span_given(error)) {
		buf_add_span(&k->body, error);
		destroy(p);
		answer(k);
	} else if (n) {
		(void)write_events(p, n, k);
		destroy(p);
		answer(k);
	} else {
		destroy(p);
		answer_error(k, ERR_CONNECTION_ID);
	}
	arena_reset(a);
}

/* ---- the session's and the clock's calls ---- */

static void on_work(struct net_deferred *d)
{
	struct poll_session *p = BECK_CONTAINER(d, struct poll_session, work);
	uint16_t code;
	size_t bytes;
	int status;
	if (session_is_closed(p->session, &code)) {
		struct poll_ask *k = unpark(p);
		if (k) {
			give_rest(p, k);
		} else {
			struct arena *a = &p->host->scratch;
			bool has_error = span_given(final_error(p, a, &status));
			arena_reset(a);
			if (!has_error) destroy(p); /* the next poll finds nothing: code 46 */
		}
	} else if (p->parked && !p->is_gathering && session_queued(p->session, &bytes)) {
		p->is_gathering = true;
		net_timer_start(p->host->loop, &p->timer, LIMIT_POLL_GATHER_MS);
	}
}

static void on_ready(struct session_carrier *carrier)
{
	struct poll_session *p = BECK_CONTAINER(carrier, struct poll_session, carrier);
	if (p->host) net_defer(p->host->loop, &p->work);
}

static void on_timer(struct net_timer *t)
{
	struct poll_session *p = BECK_CONTAINER(t, struct poll_session, timer);
	struct poll_ask *k = unpark(p);
	if (k) {
		give(p, k, SIZE_MAX);
	} else {
		end(p, 0);
	}
}

/* ---- what comes from the origins ---- */

static struct poll_session *find(struct conn_host *h, const struct poll_ask *k)
{
	struct poll_session *p = map_get(&h->polls, k->connection_id);
	if (!p || p->app != k->app || p->is_anonymous != k->is_anonymous) return NULL;
	return p->is_anonymous || span_eq(user_of(p), k->user_id) ? p : NULL;
}

static void park(struct poll_session *p, struct poll_ask *k)
{
	p->parked = k;
	k->poll = p;
	conn_count(&p->host->counters.polls_parked, 1);
	net_timer_start(p->host->loop, &p->timer, LIMIT_POLL_HOLD_MS);
}

static void rewind_to(struct poll_session *p, const struct poll_ask *k)
{
	struct session_out item;
	(void)session_rewind(p->session, k->seq);
	while (session_peek(p->session, 0, &item, 1) == 1 && is_seen(&item, k)) session_consume(p->session, 1);
}

static void run_asked(struct net_message *m) { poll_session_ask(BECK_CONTAINER(m, struct poll_ask, message)); }

static void run_go_round(struct net_message *m)
{
	struct poll_ask *k = BECK_CONTAINER(m, struct poll_ask, message);
	k->message.run = run_asked;
	net_post(k->home->loop, &k->message);
}

/* Events are lent to another loop, whose report of what it has sent may be on its way: true when the ask has gone to fetch it. */
static bool goes_round(struct poll_session *p, struct poll_ask *k)
{
	if (!p->lent_to || p->lent_to->origin == p->host || k->asked_after == p->lendings) return false;
	k->asked_after = p->lendings;
	k->message.run = run_go_round;
	net_post(p->lent_to->origin->loop, &k->message);
	return true;
}

void poll_session_ask(struct poll_ask *k)
{
	struct poll_session *p = find(k->home, k);
	uint16_t code;
	size_t bytes;
	if (!p) {
		answer_error(k, ERR_CONNECTION_ID);
		return;
	}
	if (k->is_close) {
		end(p, 0);
		answer(k);
		return;
	}
	if (goes_round(p, k)) return;
	struct poll_ask *older = unpark(p);
	if (older) answer_nothing(older);
	take_back(p);
	if (session_is_closed(p->session, &code)) {
		give_rest(p, k);
		return;
	}
	if (!p->wants_seq) k->seq = -1;
	if (k->seq >= 0) rewind_to(p, k);
	if (session_queued(p->session, &bytes)) {
		give(p, k, SIZE_MAX);
	} else {
		park(p, k);
	}
}

/* The client of a parked poll has gone. Too late when it is answered: then the report says so. */
void poll_session_cancel(struct poll_ask *k)
{
	struct poll_session *p = k->poll;
	bool is_local = k->origin == k->home;
	if (p && p->parked == k) {
		unpark(p);
		wait_for_next(p);
		answer_nothing(k);
	}
	if (!is_local) longpoll_cancelled(k);
}

void poll_session_delivered(struct poll_ask *k)
{
	struct poll_session *p = k->poll;
	if (p) {
		/* A session that was too slow has dropped its queue meanwhile. */
		size_t bytes, queued = session_queued(p->session, &bytes);
		if (k->was_sent) session_consume(p->session, k->lent < queued ? k->lent : queued);
		p->lent_to = NULL;
		k->poll = NULL;
	}
	k->lent = 0;
	if (k->origin == k->home) {
		longpoll_ended(k);
	} else {
		k->message.run = run_ended;
		net_post(k->origin->loop, &k->message);
	}
}

/* ---- opening ---- */

static struct poll_session *make(struct conn_host *h, const struct session_start *start)
{
	struct poll_session *p = calloc(1, sizeof *p + start->user_id.n);
	if (!p) return NULL;
	p->carrier.ready = on_ready;
	p->host = h;
	p->timer.run = on_timer;
	p->work.run = on_work;
	p->app = start->app;
	p->is_anonymous = start->user == 0;
	p->wants_seq = start->wants_seq;
	p->user_id_n = start->user_id.n;
	if (start->user_id.n) memcpy(p->user_id, start->user_id.p, start->user_id.n);
	p->session = session_create(h->hub, &p->carrier, true);
	if (p->session) return p;
	free(p);
	return NULL;
}

static void unmake(struct poll_session *p)
{
	net_defer_cancel(&p->work);
	session_abort(p->session);
	conn_host_leave(p->host, &p->place);
	free(p);
}

enum err poll_session_open(struct conn_host *h, const struct session_start *start, struct span peer, struct buf *first)
{
	struct poll_session *p = make(h, start);
	struct session_out item;
	bool came_online = false;
	if (!p) return ERR_UNAVAILABLE;
	if (!conn_host_enter(h, peer, ADDRESS_PLACE | (start->user ? 0 : ADDRESS_ANONYMOUS), &p->place)) {
		unmake(p);
		return ERR_RATE_LIMIT;
	}
	if (!map_put(&h->polls, session_id(p->session), p)) {
		unmake(p);
		return ERR_UNAVAILABLE;
	}
	enum err err = session_open(p->session, start, &came_online);
	if (err) {
		map_remove(&h->polls, session_id(p->session));
		unmake(p);
		return err;
	}
	list_push(&h->poll_list, &p->node);
	if (came_online && start->user) h->ops->came_online(h->ops->ctx, start->app, start->user);
	if (session_peek(p->session, 0, &item, 1) == 1) {
		buf_add_span(first, item.body);
		buf_add_span(first, item.tail);
		session_consume(p->session, 1);
	}
	wait_for_next(p);
	return first->failed || !first->n ? ERR_INTERNAL : ERR_OK;
}

/* ---- all of them ---- */

void poll_session_drain_all(struct conn_host *h)
{
	while (!list_empty(&h->poll_list)) {
		struct poll_session *p = BECK_CONTAINER(h->poll_list.next, struct poll_session, node);
		struct poll_ask *k = unpark(p);
		uint16_t had;
		if (!session_is_closed(p->session, &had)) session_close(p->session, CODE_RESTART, NULL);
		if (k) (void)write_events(p, SIZE_MAX, k);
		destroy(p);
		if (k) answer(k);
	}
}

/* Loops stand still: polls are their origins' to free, perhaps freed already. */
void poll_session_destroy_all(struct conn_host *h)
{
	while (!list_empty(&h->poll_list)) {
		struct poll_session *p = BECK_CONTAINER(h->poll_list.next, struct poll_session, node);
		uint16_t had;
		p->parked = p->lent_to = NULL;
		if (!session_is_closed(p->session, &had)) session_close(p->session, 0, NULL);
		destroy(p);
	}
}
