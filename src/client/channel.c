#include "client/channel.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "client/error.h"
#include "client/events.h"
#include "client/reply.h"
#include "client/text.h"
#include "wire/ids.h"

/* ---- the handle ---- */

static void set_id(beck_channel *ch, const char *id)
{
	(void)snprintf(ch->id, sizeof ch->id, "%s", id);
	(void)snprintf(ch->cid, sizeof ch->cid, "%s:%s", ch->type, ch->id);
	atomic_store(&ch->has_id, true);
}

static struct channel_tie *make_tie(beck_channel *ch)
{
	struct channel_tie *t = mem_calloc(1, sizeof *t);
	if (!t) return NULL;
	atomic_init(&t->refs, 1);
	t->client = ch->client;
	t->channel = ch;
	return t;
}

static beck_result check_names(const beck_client *client, const char *type, const char *id, beck_error *err)
{
	if (!client) return error_field(err, BECK_EARG, "client", "the client is NULL");
	if (!channel_type_valid(span_str(type)))
		return error_field(err, BECK_EARG, "type", "a channel type has 1 to 64 of the characters A-Z a-z 0-9 _ -");
	if (id && !channel_id_valid(span_str(id)))
		return error_field(err, BECK_EARG, "id", "a channel id has 1 to 64 of the characters A-Z a-z 0-9 _ ! -");
	return BECK_OK;
}

static beck_channel *make(beck_client *client, const char *type, const char *id)
{
	beck_channel *ch = mem_calloc(1, sizeof *ch);
	if (!ch) return NULL;
	atomic_init(&ch->refs, 1);
	atomic_init(&ch->has_id, false);
	ch->client = client;
	ch->tie = make_tie(ch);
	if (!ch->tie) {
		mem_free(ch);
		return NULL;
	}
	(void)beck_client_ref(client);
	(void)snprintf(ch->type, sizeof ch->type, "%s", type);
	if (id) {
		set_id(ch, id);
		typing_begin(ch);
	}
	return ch;
}

beck_channel *beck_channel_open_err(beck_client *client, const char *type, const char *id, beck_error *err)
{
	if (check_names(client, type, id, err) != BECK_OK) return NULL;
	beck_channel *ch = make(client, type, id);
	if (!ch) (void)error_set(err, BECK_ENOMEM, "out of memory");
	return ch;
}

beck_channel *beck_channel_open(beck_client *client, const char *type, const char *id)
{
	return beck_channel_open_err(client, type, id, NULL);
}

beck_channel *beck_channel_ref(beck_channel *ch)
{
	if (ch) atomic_fetch_add(&ch->refs, 1);
	return ch;
}

void beck_channel_unref(beck_channel *ch)
{
	if (!ch || atomic_fetch_sub(&ch->refs, 1) != 1) return;
	for (size_t i = 0; i < ch->n_handlers; i++) beck_off(ch->client, ch->handlers[i]);
	typing_deaf(ch);
	client_lock(ch->client);
	ch->tie->channel = NULL;
	typing_end(ch);
	client_unlock(ch->client);
	channel_untie(ch->tie);
	beck_release(ch->client);
	mem_free(ch->handlers);
	mem_free(ch->typists);
	mem_free(ch);
}

struct channel_tie *channel_tie(beck_channel *ch)
{
	atomic_fetch_add(&ch->tie->refs, 1);
	return ch->tie;
}

void channel_untie(struct channel_tie *t)
{
	if (atomic_fetch_sub(&t->refs, 1) == 1) mem_free(t);
}

/* Between the last unref and the moment it takes the lock there is a channel without references, which is gone already. */
beck_channel *channel_tied(struct channel_tie *t)
{
	client_lock(t->client);
	beck_channel *ch = t->channel;
	int refs = ch ? atomic_load(&ch->refs) : 0;
	while (refs > 0 && !atomic_compare_exchange_weak(&ch->refs, &refs, refs + 1)) {
	}
	client_unlock(t->client);
	return refs > 0 ? ch : NULL;
}

const char *channel_id(beck_channel *ch) { return ch && atomic_load(&ch->has_id) ? ch->id : NULL; }
const char *channel_cid(beck_channel *ch) { return ch && atomic_load(&ch->has_id) ? ch->cid : NULL; }

beck_client *channel_client(beck_channel *ch) { return ch ? ch->client : NULL; }
beck_client *beck_channel_client(beck_channel *ch) { return channel_client(ch); }
const char *beck_channel_type(beck_channel *ch) { return ch ? ch->type : ""; }
const char *beck_channel_id(beck_channel *ch) { return channel_id(ch) ? ch->id : ""; }
const char *beck_channel_cid(beck_channel *ch) { return channel_cid(ch) ? ch->cid : ""; }

/* ---- handlers ---- */

/* Those that the program has taken away itself. */
static void forget_handlers(beck_channel *ch)
{
	size_t kept = 0;
	for (size_t i = 0; i < ch->n_handlers; i++)
		if (events_has(ch->client, ch->handlers[i])) ch->handlers[kept++] = ch->handlers[i];
	ch->n_handlers = kept;
}

static bool has_room(beck_channel *ch)
{
	if (ch->n_handlers == ch->cap_handlers) forget_handlers(ch);
	if (ch->n_handlers < ch->cap_handlers) return true;
	size_t cap = ch->cap_handlers ? 2 * ch->cap_handlers : 4;
	beck_handler *more = mem_realloc(ch->handlers, cap * sizeof *more);
	if (!more) return false;
	ch->handlers = more;
	ch->cap_handlers = cap;
	return true;
}

bool channel_own_handler(beck_channel *ch, beck_handler handler)
{
	client_lock(ch->client);
	bool ok = has_room(ch);
	if (ok) ch->handlers[ch->n_handlers++] = handler;
	client_unlock(ch->client);
	if (!ok) beck_off(ch->client, handler);
	return ok;
}

beck_handler beck_channel_on(beck_channel *ch, const char *type, beck_event_fn fn, void *ctx)
{
	if (!channel_cid(ch)) return 0;
	beck_handler h = events_on(ch->client, type, ch->cid, fn, ctx);
	return h && channel_own_handler(ch, h) ? h : 0;
}

/* ---- requests ---- */

void op_begin_channel(struct op *op, beck_channel *ch, const char *method, const char *what)
{
	op_begin(op, method, "/channels");
	if (!ch) {
		op_fail(op, BECK_EARG, "channel", "the channel is NULL");
		return;
	}
	op_path(op, ch->type);
	if (channel_id(ch))
		op_path(op, ch->id);
	else if (strcmp(what, "/query") != 0)
		op_fail(op, BECK_ESTATE, "channel", "the channel's id is not known yet: beck_channel_create comes first");
	op_path_literal(op, what);
}

/* ---- create, watch, query ---- */

/* {"data":{...},"state":true} and, to watch, {"watch":true,"presence":true}. */
static void make_create(struct op *op, beck_channel *ch, const char *data_json, bool watches)
{
	struct jsonw w;
	op_begin_channel(op, ch, "POST", "/query");
	if (data_json && !op_check_json(op, "data", data_json, '{')) return;
	if (!channel_id(ch) && !data_json) op_fail(op, BECK_EARG, "data", "a channel without an id needs its members in data");
	jsonw_init(&w, &op->body);
	jsonw_obj_begin(&w);
	if (data_json) jsonw_kraw(&w, "data", span_str(data_json));
	jsonw_kbool(&w, "state", true);
	if (watches) {
		jsonw_kbool(&w, "watch", true);
		jsonw_kbool(&w, "presence", true);
	}
	jsonw_obj_end(&w);
	op->call.needs_connection = watches;
	op->call.effect = watches ? CALL_WATCHES | CALL_PRESENCE : CALL_PLAIN;
}

static void learn_id(beck_channel *ch, const beck_reply *reply)
{
	const char *id = beck_value_string(beck_value_path(beck_reply_value(reply), "channel.id"));
	if (!id || !channel_id_valid(span_str(id))) return;
	client_lock(ch->client);
	bool is_new = !channel_id(ch);
	if (is_new) set_id(ch, id);
	client_unlock(ch->client);
	if (is_new) typing_begin(ch);
}

static beck_result wait_and_learn(struct op *op, beck_channel *ch, const beck_reply **reply, beck_error *err)
{
	const beck_reply *answer = NULL;
	beck_result r = op_wait(op, channel_client(ch), &answer, err);
	if (r != BECK_OK) return r;
	learn_id(ch, answer);
	if (reply)
		*reply = answer;
	else
		beck_reply_unref(answer);
	return r;
}

/* The program's callback behind ours, which learns the id first. */
struct learner {
	struct channel_tie *tie;
	beck_reply_fn fn;
	void *ctx;
};

static void learnt(void *ctx, const beck_error *error, const beck_reply *reply)
{
	struct learner l = *(struct learner *)ctx;
	mem_free(ctx);
	beck_channel *ch = channel_tied(l.tie);
	channel_untie(l.tie);
	if (ch && reply) learn_id(ch, reply);
	if (l.fn) l.fn(l.ctx, error, reply);
	beck_channel_unref(ch);
}

static beck_result start_and_learn(struct op *op, beck_channel *ch, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct learner *l = ch ? mem_alloc(sizeof *l) : NULL;
	if (!l) op_fail(op, BECK_ENOMEM, "", "out of memory");
	if (l) *l = (struct learner){ channel_tie(ch), fn, ctx };
	beck_result r = op_start(op, channel_client(ch), learnt, l, err);
	if (r != BECK_OK && l) {
		channel_untie(l->tie);
		mem_free(l);
	}
	return r;
}

beck_result beck_channel_create(beck_channel *ch, const char *data_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_create(&op, ch, data_json, false);
	return wait_and_learn(&op, ch, reply, err);
}

beck_result beck_channel_create_async(beck_channel *ch, const char *data_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_create(&op, ch, data_json, false);
	return start_and_learn(&op, ch, fn, ctx, err);
}

beck_result beck_channel_watch(beck_channel *ch, const char *data_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_create(&op, ch, data_json, true);
	return wait_and_learn(&op, ch, reply, err);
}

beck_result beck_channel_watch_async(beck_channel *ch, const char *data_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_create(&op, ch, data_json, true);
	return start_and_learn(&op, ch, fn, ctx, err);
}

static void make_stop(struct op *op, beck_channel *ch)
{
	op_begin_channel(op, ch, "POST", "/stop-watching");
	op_body_object(op, "", NULL, true);
	op->call.needs_connection = true;
	op->call.effect = CALL_UNWATCHES;
	op->call.cid = span_str(channel_cid(ch));
}

beck_result beck_channel_stop_watching(beck_channel *ch, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_stop(&op, ch);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_channel_stop_watching_async(beck_channel *ch, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_stop(&op, ch);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}

/* A query that watches or follows belongs to the connection. */
static void body_query(struct op *op, const char *field, const char *json)
{
	yyjson_doc *doc = op_parse(op, field, json, '{');
	if (!doc) return;
	buf_add_span(&op->body, span_str(json));
	op->call.effect = call_effect_of(yyjson_doc_get_root(doc));
	op->call.needs_connection = op->call.effect != CALL_PLAIN;
	yyjson_doc_free(doc);
}

static void make_query(struct op *op, beck_channel *ch, const char *options_json)
{
	op_begin_channel(op, ch, "POST", "/query");
	body_query(op, "options", options_json ? options_json : "{}");
}

beck_result beck_channel_query(beck_channel *ch, const char *options_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_query(&op, ch, options_json);
	return wait_and_learn(&op, ch, reply, err);
}

beck_result beck_channel_query_async(beck_channel *ch, const char *options_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_query(&op, ch, options_json);
	return start_and_learn(&op, ch, fn, ctx, err);
}

static void make_query_channels(struct op *op, const char *query_json)
{
	op_begin(op, "POST", "/channels");
	body_query(op, "query", query_json);
}

beck_result beck_query_channels(beck_client *c, const char *query_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_query_channels(&op, query_json);
	return op_wait(&op, c, reply, err);
}

beck_result beck_query_channels_async(beck_client *c, const char *query_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_query_channels(&op, query_json);
	return op_start(&op, c, fn, ctx, err);
}

/* ---- changing and deleting ---- */

static void make_change(struct op *op, beck_channel *ch, const char *change_json)
{
	op_begin_channel(op, ch, "PATCH", "");
	op_body_object(op, "change", change_json, false);
}

beck_result beck_channel_update(beck_channel *ch, const char *change_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_change(&op, ch, change_json);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_channel_update_async(beck_channel *ch, const char *change_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_change(&op, ch, change_json);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}

beck_result beck_channel_delete(beck_channel *ch, const beck_reply **reply, beck_error *err)
{
	struct op op;
	op_begin_channel(&op, ch, "DELETE", "");
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_channel_delete_async(beck_channel *ch, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	op_begin_channel(&op, ch, "DELETE", "");
	return op_start(&op, channel_client(ch), fn, ctx, err);
}

/* ---- events of one's own ---- */

static void make_event(struct op *op, beck_channel *ch, const char *event_json)
{
	op_begin_channel(op, ch, "POST", "/event");
	if (!op_check_json(op, "event", event_json, '{')) return;
	buf_printf(&op->body, "{\"event\":%s}", event_json);
}

beck_result beck_send_event(beck_channel *ch, const char *event_json, const beck_reply **reply, beck_error *err)
{
	struct op op;
	make_event(&op, ch, event_json);
	return op_wait(&op, channel_client(ch), reply, err);
}

beck_result beck_send_event_async(beck_channel *ch, const char *event_json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	struct op op;
	make_event(&op, ch, event_json);
	return op_start(&op, channel_client(ch), fn, ctx, err);
}
