#include "client/link.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "client/client.h"
#include "client/reply.h"
#include "client/saved.h"
#include "wire/url.h"

static void try_now(beck_client *c);

void link_init(beck_client *c) { buf_init(&c->link.ws.head, (size_t)LIMIT_CLIENT_HEAD_BYTES); }

void link_free(beck_client *c)
{
	buf_deinit(&c->link.ws.head);
	if (c->link.ws.state >= WS_HELLO) ws_decoder_deinit(&c->link.ws.decoder);
	names_free(&c->link.watched);
	names_free(&c->link.followed);
	mem_free(c->link.last_event_at);
	mem_free(c->link.recover_since);
	for (size_t i = 0; i < LEAVING_MAX; i++) mem_free(c->link.leaving[i].token);
}

bool link_is_off(const beck_client *c) { return c->link.state == LINK_OFF; }
bool link_can_resume(const beck_client *c) { return c->link.has_seq && !c->set.disable_resume; }

static const char *transport_name(beck_transport t) { return t == BECK_TRANSPORT_WEBSOCKET ? "websocket" : "longpoll"; }

static void enter(beck_client *c, enum link_state next)
{
	c->link.state = next;
	client_changed(c);
}

/* ---- what is said to the server ---- */

static void write_names(struct jsonw *w, const char *key, const struct names *names)
{
	jsonw_key(w, key);
	jsonw_arr_begin(w);
	for (size_t i = 0; i < names->n; i++) jsonw_str(w, span_str(names->items[i]));
	jsonw_arr_end(w);
}

void link_write_resume_from(beck_client *c, struct jsonw *w)
{
	const struct link *l = &c->link;
	jsonw_obj_begin(w);
	jsonw_kint(w, "seq", l->seq);
	if (l->id[0]) jsonw_kstr(w, "connection_id", span_str(l->id));
	write_names(w, "watch", &l->watched);
	write_names(w, "presence", &l->followed);
	jsonw_obj_end(w);
}

void link_resume_from(beck_client *c, struct buf *out)
{
	struct jsonw w;
	jsonw_init(&w, out);
	jsonw_obj_begin(&w);
	jsonw_key(&w, "resume_from");
	link_write_resume_from(c, &w);
	jsonw_obj_end(&w);
}

/* The user is merged once: a reconnect must not undo what was changed since, here or elsewhere. */
static void write_user(beck_client *c, struct jsonw *w)
{
	jsonw_kstr(w, "user_id", span_str(c->user.id));
	jsonw_key(w, "user_details");
	if (!c->link.was_up && c->user.json) {
		jsonw_raw(w, span_str(c->user.json));
		return;
	}
	jsonw_obj_begin(w);
	jsonw_kstr(w, "id", span_str(c->user.id));
	jsonw_obj_end(w);
}

void link_payload(beck_client *c, struct buf *out, enum payload_resume how)
{
	struct jsonw w;
	jsonw_init(&w, out);
	jsonw_obj_begin(&w);
	write_user(c, &w);
	jsonw_kbool(&w, "server_determines_connection_id", true);
	if (c->set.device_json) jsonw_kraw(&w, "device", span_str(c->set.device_json));
	if (!c->set.disable_resume) jsonw_kbool(&w, "resume", true);
	if (how == RESUME_FRAME) jsonw_kstr(&w, "resume_from", SPAN("frame"));
	if (how == RESUME_INLINE) {
		jsonw_key(&w, "resume_from");
		link_write_resume_from(c, &w);
	}
	jsonw_obj_end(&w);
}

/* ---- trying ---- */

static void stop_transports(beck_client *c)
{
	timer_stop(&c->link.head_start);
	timer_stop(&c->link.take_over);
	ws_stop(c);
	poll_stop(c, false);
}

static void end_off(beck_client *c)
{
	stop_transports(c);
	(void)recover_stop(c);
	timer_stop(&c->link.pause);
	timer_stop(&c->link.first);
	timer_stop(&c->link.goodbye);
	c->link.transport = BECK_TRANSPORT_NONE;
	enter(c, LINK_OFF);
}

/* `connection.changed` of a connection that will not come back by itself. */
static void tell_end(beck_client *c, const beck_error *err)
{
	struct buf b;
	struct jsonw w;
	buf_init(&b, 2048);
	jsonw_init(&w, &b);
	buf_add_span(&b, SPAN("\"online\":false,\"is_final\":true,\"error\":"));
	jsonw_obj_begin(&w);
	jsonw_kint(&w, "code", err->code);
	jsonw_kstr(&w, "message", span_str(err->message));
	jsonw_obj_end(&w);
	events_give_local(c, "connection.changed", b.failed ? SPAN_NONE : buf_span(&b));
	buf_deinit(&b);
}

static void give_up(beck_client *c, const beck_error *err)
{
	beck_error why = *err;
	bool was_up = c->link.was_up;
	client_log(c, BECK_LOG_ERROR, "connection: given up: %s", why.message);
	end_off(c);
	c->link.error = why;
	if (was_up) tell_end(c, &why);
	connect_done(c, &why);
}

static void pause_over(beck_client *c, struct timer *t)
{
	(void)t;
	try_now(c);
}

/* Exponential with full jitter; a wish of the server wins. */
static int64_t pause_ms(beck_client *c)
{
	struct link *l = &c->link;
	int64_t most = 1000, cap = c->set.reconnect_max_wait_ms;
	if (l->error.retry_after_ms > 0) return l->error.retry_after_ms < cap ? l->error.retry_after_ms : cap;
	for (unsigned i = 1; i < l->attempts && most < cap; i++) most *= 2;
	if (most > cap) most = cap;
	uint32_t random;
	c->io->driver->random(c->io, &random, sizeof random);
	return (int64_t)(random % (uint32_t)(most + 1));
}

static void pause_for(beck_client *c, int64_t ms)
{
	stop_transports(c);
	enter(c, LINK_PAUSED);
	client_log(c, BECK_LOG_INFO, "connection: next attempt in %lld ms", (long long)ms);
	timer_set(c, &c->link.pause, ms, pause_over);
}

/* A certificate that is not accepted now will not be in a second. Later it may: the server is given a new one, or the network a
 * way out. */
static bool is_hopeless(const beck_error *err) { return err->result == BECK_ETLS; }

static void attempt_failed(beck_client *c, const beck_error *err)
{
	enum { LEAST_MS = 100 }; /* less is no time for an attempt */
	struct link *l = &c->link;
	l->error = *err;
	l->attempts++;
	client_log(c, BECK_LOG_WARN, "connection: attempt %u failed: %s", l->attempts, err->message);
	int64_t ms = pause_ms(c), left_ms = l->first_deadline_ms - client_now_ms(c);
	bool is_last = l->was_up ? c->set.reconnect_max_attempts > 0 && l->attempts >= (unsigned)c->set.reconnect_max_attempts
				 : is_hopeless(err) || left_ms < LEAST_MS;
	/* A long pause must not use up the first connect's time: the server may be there in a moment. */
	if (!l->was_up && ms > left_ms / 2) ms = left_ms / 2;
	if (is_last)
		give_up(c, &l->error);
	else
		pause_for(c, ms);
}

/* The first connect has its time and no more. */
static void first_over(beck_client *c, struct timer *t)
{
	(void)t;
	beck_error err = c->link.error;
	if (err.result == BECK_OK && c->token.asking)
		error_set(&err, BECK_ETOKEN, "the token provider did not answer within %d ms", (int)c->set.timeout_ms);
	else if (err.result == BECK_OK)
		error_set(&err, BECK_ETIMEOUT, "%s did not answer within %d ms", c->origin, (int)c->set.timeout_ms);
	give_up(c, &err);
}

void link_out_of_time(beck_client *c)
{
	if (timer_is_set(&c->link.first) && c->link.first.at_ms <= client_now_ms(c)) first_over(c, &c->link.first);
}

static void refused(beck_client *c, const beck_error *err)
{
	struct link *l = &c->link;
	enum { TOKEN_EXPIRED = 40, INPUT = 4 };
	l->error = *err;
	if (err->code == TOKEN_EXPIRED && !l->has_new_token && token_reject(c, span_str(c->token.value))) {
		client_log(c, BECK_LOG_INFO, "connection: the token is not valid any more");
		stop_transports(c);
		l->has_new_token = true;
		try_now(c);
	} else if (err->code == INPUT && l->was_up && link_can_resume(c)) {
		/* A resume that the server does not understand must not keep the client out for ever. */
		l->has_seq = false;
		l->has_gap = true;
		attempt_failed(c, err);
	} else if (err->is_retryable || (err->code == TOKEN_EXPIRED && l->was_up && token_reject(c, span_str(c->token.value)))) {
		/* Another token is asked for with the next attempt: as often as attempts are made, and no oftener. */
		attempt_failed(c, err);
	} else {
		give_up(c, err);
	}
}

static bool is_flapping(const beck_client *c) { return c->link.short_lives >= (unsigned)LIMIT_CLIENT_SHORT_LIVES; }

static void head_start_over(beck_client *c, struct timer *t)
{
	(void)t;
	if (c->link.state == LINK_TRYING && c->link.poll.state == POLL_OFF && !c->link.poll_failed)
		poll_start(c, link_can_resume(c) && c->link.was_seen);
}

static void start_tries(beck_client *c)
{
	struct link *l = &c->link;
	bool resumes = link_can_resume(c) && l->was_seen;
	l->waits_for_token = false;
	if (c->set.enable_ws_fallback && is_flapping(c)) {
		l->ws_failed = true;
		poll_start(c, resumes);
		return;
	}
	if (c->set.enable_ws_fallback) timer_set(c, &l->head_start, c->set.ws_head_start_ms, head_start_over);
	ws_start(c, resumes);
}

static void try_now(beck_client *c)
{
	struct link *l = &c->link;
	timer_stop(&l->pause);
	l->ws_failed = l->poll_failed = false;
	l->waits_for_token = true;
	enter(c, LINK_TRYING);
}

/* Starts happen here, outside of everybody's callbacks. */
void link_step(beck_client *c)
{
	struct link *l = &c->link;
	if (l->state != LINK_TRYING || !l->waits_for_token) return;
	if (c->user.kind == USER_ANONYMOUS || span_given(token_now(c))) start_tries(c);
}

void link_token_arrived(beck_client *c) { client_changed(c); }

void link_token_failed(beck_client *c, const beck_error *err)
{
	calls_token_failed(c, err);
	if (c->link.state == LINK_TRYING && c->link.waits_for_token) {
		if (c->link.was_up || err->is_retryable)
			attempt_failed(c, err);
		else
			give_up(c, err);
	}
}

void link_start(beck_client *c)
{
	struct link *l = &c->link;
	l->was_up = l->was_seen = l->has_new_token = false;
	l->attempts = l->short_lives = 0;
	l->error = (beck_error){ 0 };
	l->first_deadline_ms = client_now_ms(c) + c->set.timeout_ms;
	l->has_seq = l->has_gap = false;
	l->seq = 0;
	l->id[0] = '\0';
	mem_free(l->last_event_at);
	l->last_event_at = NULL;
	saved_load(c);           /* may give a position to go on from */
	timer_stop(&l->goodbye); /* of the user before: it ends without us */
	timer_set(c, &l->first, c->set.timeout_ms, first_over);
	try_now(c);
}

/* ---- up ---- */

static void take_over_now(beck_client *c, struct timer *t);

static void plan_take_over(beck_client *c)
{
	struct link *l = &c->link;
	client_log(c, BECK_LOG_DEBUG, "connection: WebSocket is tried again in %lld ms", (long long)l->take_over_wait_ms);
	timer_set(c, &l->take_over, l->take_over_wait_ms, take_over_now);
	l->take_over_wait_ms = l->take_over_wait_ms * 2 < c->set.ws_retry_ms ? l->take_over_wait_ms * 2 : c->set.ws_retry_ms;
}

static void take_over_now(beck_client *c, struct timer *t)
{
	(void)t;
	if (c->link.state != LINK_UP || c->link.transport != BECK_TRANSPORT_LONGPOLL || c->link.ws.state != WS_OFF) return;
	if (c->user.kind != USER_ANONYMOUS && !span_given(token_now(c))) {
		plan_take_over(c);
		return;
	}
	ws_start(c, link_can_resume(c));
}

static void remember_id(struct link *l, const char *id)
{
	(void)snprintf(l->id, sizeof l->id, "%s", id);
	l->ids_at = (l->ids_at + 1) % BECK_COUNT(l->ids);
	memcpy(l->ids[l->ids_at], l->id, sizeof l->id);
}

static void read_hello(beck_client *c, const struct beck_event *hello, bool *resumed, bool *gap)
{
	struct link *l = &c->link;
	const beck_value *v = beck_event_value(hello);
	remember_id(l, beck_value_text(beck_value_get(v, "connection_id")));
	*resumed = beck_value_bool(beck_value_get(v, "resumed"), false);
	*gap = beck_value_bool(beck_value_get(v, "gap"), false);
	l->has_seq = beck_value_kind(beck_value_get(v, "seq")) == BECK_NUMBER;
	if (l->has_seq && !*resumed) l->seq = hello->seq;
	char *me = beck_value_json(beck_value_get(v, "me"));
	if (me) user_set_me(c, me);
}

/* How the other transport stands when this one has won. */
static void settle(beck_client *c, beck_transport winner)
{
	struct link *l = &c->link;
	timer_stop(&l->head_start);
	timer_stop(&l->take_over);
	if (winner == BECK_TRANSPORT_WEBSOCKET) {
		poll_stop(c, !link_can_resume(c));
		return;
	}
	/* Slower is not broken: then it gets its chance soon. */
	int64_t first = is_flapping(c) ? c->set.ws_retry_ms : l->ws_failed ? LIMIT_CLIENT_WS_AGAIN_MS : LIMIT_CLIENT_WS_SOON_MS;
	l->take_over_wait_ms = first < c->set.ws_retry_ms ? first : c->set.ws_retry_ms;
	ws_stop(c);
	plan_take_over(c);
}

static void tell_transport(beck_client *c)
{
	char member[48];
	int n = snprintf(member, sizeof member, "\"transport\":\"%s\"", transport_name(c->link.transport));
	events_give_local(c, "transport.changed", span_make(member, (size_t)n));
}

void link_recovered(beck_client *c)
{
	(void)recover_stop(c);
	timer_stop(&c->link.recovered);
	events_give_flag(c, "connection.recovered", "gap", c->link.has_gap);
	c->link.has_gap = false;
}

/* A server that does not say when it has caught up has been silent for a while. */
static void recovered_quietly(beck_client *c, struct timer *t)
{
	(void)t;
	link_recovered(c);
}

static void recover(beck_client *c, bool resumed, bool gap)
{
	struct link *l = &c->link;
	l->has_gap = l->has_gap || gap;
	l->is_recovering = true;
	timer_stop(&l->recovered);
	if (resumed)
		timer_set(c, &l->recovered, LIMIT_CLIENT_RECOVERED_MS, recovered_quietly);
	else if (gap)
		link_recovered(c); /* the watches were taken along */
	else
		recover_start(c);
}

static void came_up(beck_client *c, beck_transport transport, const struct beck_event *hello)
{
	struct link *l = &c->link;
	bool resumed, gap, was_up = l->was_up, was_seen = l->was_seen;
	beck_transport before = l->transport;
	read_hello(c, hello, &resumed, &gap);
	settle(c, transport);
	timer_stop(&l->first);
	l->transport = transport;
	l->attempts = 0;
	l->error = (beck_error){ 0 };
	l->was_up = l->was_seen = true;
	l->has_new_token = false;
	l->up_since_ms = client_now_ms(c);
	client_log(c, BECK_LOG_INFO, "connection: up by %s, id %s%s", transport_name(transport), l->id,
		resumed ? ", resumed"
		: gap   ? ", with a gap"
			: "");
	enter(c, LINK_UP);
	if (!was_up) connect_done(c, NULL);
	events_give_flag(c, "connection.changed", "online", true);
	if (before != transport && before != BECK_TRANSPORT_NONE) tell_transport(c);
	if (was_seen) recover(c, resumed, gap);
	outbox_link_up(c);
}

/* WebSocket takes over from long polling in mid-session: nothing went offline. */
static void took_over(beck_client *c, const struct beck_event *hello)
{
	struct link *l = &c->link;
	bool resumed, gap;
	int64_t before = l->seq;
	bool had_seq = l->has_seq;
	read_hello(c, hello, &resumed, &gap);
	if (had_seq && l->has_seq && !gap && l->seq < before) l->seq = before;
	settle(c, BECK_TRANSPORT_WEBSOCKET);
	l->transport = BECK_TRANSPORT_WEBSOCKET;
	l->up_since_ms = client_now_ms(c);
	client_log(c, BECK_LOG_INFO, "connection: WebSocket took over, id %s", l->id);
	client_changed(c);
	tell_transport(c);
	if (!resumed) recover(c, resumed, gap);
}

void link_hello(beck_client *c, beck_transport transport, struct beck_event *hello)
{
	struct link *l = &c->link;
	if (l->state == LINK_TRYING)
		came_up(c, transport, hello);
	else if (l->state == LINK_UP && l->transport == BECK_TRANSPORT_LONGPOLL && transport == BECK_TRANSPORT_WEBSOCKET)
		took_over(c, hello);
	if (!events_give(c, hello)) client_log(c, BECK_LOG_ERROR, "out of memory: a health.check is not told");
}

/* ---- events ---- */

static void note_watch(beck_client *c, const struct beck_event *e)
{
	bool is_gone = strcmp(e->type, "channel.deleted") == 0 || strcmp(e->type, "notification.channel_deleted") == 0 ||
		       strcmp(e->type, "notification.removed_from_channel") == 0;
	if (is_gone) names_remove(&c->link.watched, span_str(e->cid));
}

static void note_time(beck_client *c, const struct beck_event *e)
{
	const char *at = beck_value_string(beck_value_get(beck_event_value(e), "created_at"));
	char *copy = at && !c->link.has_seq ? client_strdup(at) : NULL;
	if (!copy) return;
	mem_free(c->link.last_event_at);
	c->link.last_event_at = copy;
}

static bool is_caught_up(const struct beck_event *e)
{
	return strcmp(e->type, "health.check") == 0 && beck_value_bool(beck_value_get(beck_event_value(e), "caught_up"), false);
}

/* False: it was given out before. */
static bool advance(struct link *l, const struct beck_event *e)
{
	if (!l->has_seq || e->seq == 0) return true;
	if (e->seq <= l->seq) return false;
	l->seq = e->seq;
	return true;
}

bool link_event(beck_client *c, beck_transport transport, struct beck_event *e)
{
	struct link *l = &c->link;
	bool is_current = l->state == LINK_UP && l->transport == transport;
	bool is_end = is_caught_up(e);
	int64_t before = l->seq;
	if (!is_current || (!advance(l, e) && !is_end)) {
		beck_event_unref(e);
		return true;
	}
	if (l->is_recovering && timer_is_set(&l->recovered))
		timer_set(c, &l->recovered, LIMIT_CLIENT_RECOVERED_MS, recovered_quietly);
	note_watch(c, e);
	note_time(c, e);
	user_note_event(c, e);
	if (!events_give(c, e)) {
		l->seq = before;
		return false;
	}
	saved_position(c);
	if (is_end && l->is_recovering && !l->is_asking) link_recovered(c);
	return true;
}

/* ---- down ---- */

static void count_life(beck_client *c)
{
	struct link *l = &c->link;
	if (l->transport != BECK_TRANSPORT_WEBSOCKET) return;
	bool is_short = client_now_ms(c) - l->up_since_ms < LIMIT_CLIENT_SHORT_LIFE_MS;
	l->short_lives = is_short ? l->short_lives + 1 : 0;
}

static void lost(beck_client *c, const beck_error *err, bool is_refusal)
{
	struct link *l = &c->link;
	count_life(c);
	client_log(c, BECK_LOG_WARN, "connection: lost: %s", err->message);
	/* What a resume has not brought yet the next one brings; what was asked for and not answered, none does. */
	if (recover_stop(c)) l->has_gap = true;
	timer_stop(&l->recovered);
	l->error = *err;
	l->attempts = 0;
	events_give_flag(c, "connection.changed", "online", false);
	if (is_refusal && !err->is_retryable) {
		enter(c, LINK_TRYING);
		refused(c, err);
		return;
	}
	l->attempts = 1;
	pause_for(c, pause_ms(c));
}

static bool other_is_trying(const struct link *l, beck_transport transport)
{
	return transport == BECK_TRANSPORT_WEBSOCKET ? l->poll.state == POLL_CONNECTING : l->ws.state != WS_OFF;
}

static void try_failed(beck_client *c, beck_transport transport, const beck_error *err, bool is_refusal)
{
	struct link *l = &c->link;
	bool is_ws = transport == BECK_TRANSPORT_WEBSOCKET;
	l->ws_failed = l->ws_failed || is_ws;
	l->poll_failed = l->poll_failed || !is_ws;
	if (is_refusal && (is_ws || l->ws.state == WS_OFF)) {
		stop_transports(c);
		refused(c, err);
		return;
	}
	l->error = *err;
	client_log(c, BECK_LOG_INFO, "connection: %s did not work: %s", transport_name(transport), err->message);
	if (is_ws && c->set.enable_ws_fallback && l->poll.state == POLL_OFF && !l->poll_failed)
		poll_start(c, link_can_resume(c) && l->was_seen);
	else if (!other_is_trying(l, transport))
		attempt_failed(c, err);
}

/* The server has ended the polling session for a WebSocket whose hello is on its way. If it does not come, that is the loss. */
static bool is_being_taken_over(const struct link *l)
{
	return l->transport == BECK_TRANSPORT_LONGPOLL && l->ws.state >= WS_HELLO;
}

/* The transport has stopped itself. */
void link_failed(beck_client *c, beck_transport transport, const beck_error *err, bool is_refusal)
{
	struct link *l = &c->link;
	if (l->state == LINK_TRYING && !l->waits_for_token)
		try_failed(c, transport, err, is_refusal);
	else if (l->state == LINK_UP && l->transport == transport && !is_being_taken_over(l))
		lost(c, err, is_refusal);
	else if (l->state == LINK_UP && transport == BECK_TRANSPORT_WEBSOCKET && l->poll.state == POLL_OFF)
		lost(c, err, is_refusal);
	else if (l->state == LINK_UP && transport == BECK_TRANSPORT_WEBSOCKET)
		plan_take_over(c);
}

void link_id_is_unknown(beck_client *c, struct span id)
{
	beck_error err = { 0 };
	if (c->link.state != LINK_UP || !span_is(id, c->link.id)) return;
	error_set(&err, BECK_ENETWORK, "the server does not know this connection any more");
	lost(c, &err, false);
}

void link_network_changed(beck_client *c)
{
	struct link *l = &c->link;
	l->short_lives = 0;
	if (l->state == LINK_PAUSED) {
		l->attempts = 0;
		try_now(c);
	} else if (l->state == LINK_UP && l->transport == BECK_TRANSPORT_WEBSOCKET) {
		ws_look_alive(c);
	} else if (l->state == LINK_UP) {
		timer_set(c, &l->take_over, 0, take_over_now);
	}
}

/* ---- the end ---- */

static void goodbye_over(beck_client *c, struct timer *t)
{
	(void)t;
	end_off(c); /* what is still on its way goes on, but nobody waits for it */
}

void link_goodbye_done(beck_client *c)
{
	c->link.goodbye_exchange = 0;
	if (c->link.state == LINK_CLOSING && !poll_is_leaving(&c->link)) end_off(c);
}

void link_stop(beck_client *c)
{
	struct link *l = &c->link;
	if (l->state == LINK_OFF || l->state == LINK_CLOSING) return;
	bool was_up = l->state == LINK_UP;
	(void)recover_stop(c);
	timer_stop(&l->recovered);
	timer_stop(&l->pause);
	timer_stop(&l->first);
	timer_stop(&l->head_start);
	timer_stop(&l->take_over);
	ws_stop(c);
	poll_stop(c, true);
	if (was_up) events_give_flag(c, "connection.changed", "online", false);
	if (!l->goodbye_exchange && !poll_is_leaving(l)) {
		end_off(c);
		return;
	}
	timer_set(c, &l->goodbye, LIMIT_CLIENT_GOODBYE_MS, goodbye_over);
	enter(c, LINK_CLOSING);
}

/* ---- io ---- */

static void on_answer(void *ctx, uint64_t id, const struct io_answer *answer)
{
	beck_client *c = ctx;
	if (id == c->link.goodbye_exchange) {
		link_goodbye_done(c);
		return;
	}
	if (!poll_on_answer(c, id, answer)) calls_on_answer(c, id, answer);
}

static void on_progress(void *ctx, uint64_t id, uint64_t sent, uint64_t total) { calls_on_progress(ctx, id, sent, total); }

static void on_stream_open(void *ctx, uint64_t id)
{
	beck_client *c = ctx;
	if (id == c->link.ws.stream) ws_on_open(c);
}

static void on_stream_data(void *ctx, uint64_t id, struct span bytes)
{
	beck_client *c = ctx;
	if (id == c->link.ws.stream) ws_on_data(c, bytes);
}

static void on_stream_closed(void *ctx, uint64_t id, beck_result result, struct span problem)
{
	beck_client *c = ctx;
	if (id == c->link.ws.stream) ws_on_closed(c, result, problem);
}

const struct io_events link_io_events = { on_answer, on_progress, on_stream_open, on_stream_data, on_stream_closed };
