/* A small world for rules: a store in memory, one application with the built-in channel types, a clock in the test's hand. Every
 * call runs as on the write lane, in a savepoint that a refusal rolls back. */
#ifndef BECK_TESTS_UNIT_CHAT_MESSAGE_SUPPORT_H
#define BECK_TESTS_UNIT_CHAT_MESSAGE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "chat/channel_rules.h"
#include "chat/message_rules.h"
#include "store/store_messages.h"

enum { WORLD_USERS = 8 };
struct world {
	int64_t now_us, mono_us;
	uint64_t seed;
	struct clock clock;
	struct rng rng;
	struct arena arena; /* of the whole test */
	struct store *store;
	struct store_tx *tx;
	struct chat chat;
	struct app *app;
	int64_t users[WORLD_USERS]; /* "u0" .. "u7" */
};

/* One call: its context, its reply parsed, its events. */
struct call {
	struct world *w;
	struct chat_ctx c;
	struct arena arena;
	struct buf out;
	struct jsonw j;
	yyjson_val *reply;
	enum err err;
};

static int64_t world_wall(void *ctx) { return ((struct world *)ctx)->now_us; }
static int64_t world_mono(void *ctx) { return ((struct world *)ctx)->mono_us; }
static uint64_t world_random(struct world *w)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return w->seed >> 33;
}
static void world_fill(void *ctx, void *p, size_t n)
{
	for (size_t i = 0; i < n; i++) ((unsigned char *)p)[i] = (unsigned char)world_random(ctx);
}
static inline int64_t world_pick(struct world *w, int64_t below) { return (int64_t)(world_random(w) % (uint64_t)below); }

enum { AS_SERVER = -1 };

static inline void call_begin(struct call *k, struct world *w, int user)
{
	*k = (struct call){ .w = w };
	arena_init(&k->arena, 256 * 1024 * 1024);
	buf_init(&k->out, 64 * 1024 * 1024);
	jsonw_init(&k->j, &k->out);
	jsonw_obj_begin(&k->j);
	k->c = (struct chat_ctx){ .chat = &w->chat,
		.tx = w->tx,
		.can_write = true,
		.arena = &k->arena,
		.app = w->app,
		.caller = CALLER_SERVER,
		.dialect = DIALECT_1,
		.now_us = w->now_us };
	if (user != AS_SERVER) {
		k->c.caller = CALLER_USER;
		assert_int_equal(store_user_get_pk(w->tx, w->users[user], &k->arena, &k->c.me), ERR_OK);
	}
	assert_int_equal(store_rule_begin(w->tx), ERR_OK);
}

static inline void call_end(struct call *k, enum err e)
{
	k->err = e;
	if (e != ERR_OK && k->c.error.err != e) fail_msg("error %d without its story", (int)e);
	assert_int_equal(store_rule_end(k->w->tx, e == ERR_OK), ERR_OK);
	jsonw_obj_end(&k->j);
	const char *why = "";
	size_t at = 0;
	k->reply = e == ERR_OK ? json_parse(&k->arena, buf_span(&k->out), &why, &at) : NULL;
	if (e == ERR_OK && !k->reply) fail_msg("reply is no JSON: %s at %zu: %.*s", why, at, SPAN_FMT(buf_span(&k->out)));
}

static inline void call_free(struct call *k)
{
	for (size_t i = 0; i < k->c.event_count; i++) event_unref(k->c.events[i]);
	buf_deinit(&k->out);
	arena_deinit(&k->arena);
}

static inline yyjson_val *call_json(struct call *k, const char *text)
{
	const char *why = "";
	size_t at = 0;
	yyjson_val *v = json_parse(&k->arena, span_str(text), &why, &at);
	if (!v) fail_msg("bad JSON in test: %s: %s", why, text);
	return v;
}

/* The event of a type, its body parsed; NULL when there is none. */
static inline struct event *call_event(const struct call *k, enum event_type t)
{
	for (size_t i = 0; i < k->c.event_count; i++)
		if (k->c.events[i]->type == t && k->c.events[i]->body) return k->c.events[i];
	return NULL;
}

static inline yyjson_val *event_json(struct call *k, const struct blob *body)
{
	struct span text = arena_printf(&k->arena, "%.*s}", SPAN_FMT(blob_span(body)));
	return call_json(k, text.p);
}

static inline yyjson_val *path(yyjson_val *v, const char *a, const char *b)
{
	return b ? json_get(json_get(v, a), b) : json_get(v, a);
}
static inline const char *str_at(yyjson_val *v, const char *a, const char *b)
{
	const char *s = yyjson_get_str(path(v, a, b));
	return s ? s : "(none)";
}
static inline int64_t int_at(yyjson_val *v, const char *a, const char *b) { return yyjson_get_sint(path(v, a, b)); }

/* ---- shorthand ---- */
#define EXPECT_ERR(k, e)                                                                                                         \
	do {                                                                                                                     \
		if ((k)->err != (e))                                                                                             \
			fail_msg("%s, expected %s: %.*s", (k)->err ? err_name((k)->err) : "OK", (e) ? err_name(e) : "OK",        \
				SPAN_FMT((k)->c.error.message));                                                                 \
	} while (0)

static inline void send_json(struct call *k, struct world *w, int user, const char *channel, const char *body)
{
	w->now_us += 1000;
	call_begin(k, w, user);
	yyjson_val *v = call_json(k, body);
	enum err e = ERR_OK;
	if (user == AS_SERVER) e = chat_acting_user(&k->c, json_get(v, "message"), SPAN_NONE, true);
	if (e == ERR_OK) e = chat_send_message(&k->c, SPAN("messaging"), span_str(channel), v, &k->j);
	call_end(k, e);
}

/* Sends and forgets. */
static inline void send_ok(struct world *w, int user, const char *channel, const char *body)
{
	struct call k;
	send_json(&k, w, user, channel, body);
	EXPECT_ERR(&k, ERR_OK);
	call_free(&k);
}

static inline int64_t channel_pk(struct world *w, const char *id)
{
	struct channel ch;
	assert_int_equal(store_channel_get(w->tx, w->app->pk, SPAN("messaging"), span_str(id), &w->arena, &ch), ERR_OK);
	return ch.pk;
}

static inline int64_t unread_of_user(struct world *w, const char *id, int user)
{
	int64_t n = -1;
	assert_int_equal(store_unread(w->tx, channel_pk(w, id), w->users[user], &n), ERR_OK);
	return n;
}

static inline void make_channel(struct world *w, const char *id, int members)
{
	struct call k;
	call_begin(&k, w, 0);
	char data[512] = "{\"data\":{\"members\":[";
	for (int i = 0; i < members; i++) {
		char one[32];
		snprintf(one, sizeof one, "%s\"u%d\"", i ? "," : "", i);
		memcpy(data + strlen(data), one, strlen(one) + 1);
	}
	memcpy(data + strlen(data), "]}}", 4);
	struct channel_want want;
	struct channel_ctx x;
	enum err e = chat_want_parse(&k.c, call_json(&k, data), false, &want);
	if (e == ERR_OK) e = chat_get_or_create(&k.c, SPAN("messaging"), span_str(id), &want, &x);
	call_end(&k, e);
	EXPECT_ERR(&k, ERR_OK);
	call_free(&k);
}

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct span why = SPAN_NONE;
	w->now_us = INT64_C(1800000000000000);
	w->mono_us = 1000;
	w->seed = 42;
	w->clock = (struct clock){ world_wall, world_mono, w };
	w->rng = (struct rng){ world_fill, w };
	arena_init(&w->arena, 256 * 1024 * 1024);
	struct store_options o = { .readers = 1, .clock = &w->clock, .rng = &w->rng };
	w->store = store_open(&o, &w->arena, &why);
	if (!w->store) fail_msg("store_open: %.*s", SPAN_FMT(why));
	assert_int_equal(store_batch_begin(w->store, &w->tx), ERR_OK);
	w->chat = (struct chat){
		.clock = &w->clock, .rng = &w->rng, .registry = registry_create(&w->rng), .apps = chat_apps_create(&w->rng)
	};
	struct store_app app;
	assert_int_equal(
		chat_app_create(w->tx, &w->clock, &w->rng, &w->arena, SPAN("test"), SPAN("key"), SPAN("secret"), &app), ERR_OK);
	assert_int_equal(chat_apps_load(w->chat.apps, w->tx), ERR_OK);
	w->app = chat_app_by_key(w->chat.apps, SPAN("key"));
	assert_non_null(w->app);
	for (int i = 0; i < WORLD_USERS; i++) {
		char id[16];
		snprintf(id, sizeof id, "u%d", i);
		struct user u = { .id = span_str(id),
			.role = SPAN("user"),
			.created_at = w->now_us,
			.updated_at = w->now_us,
			.privacy_typing = TRI_UNSET,
			.privacy_read = TRI_UNSET,
			.privacy_delivery = TRI_UNSET };
		assert_int_equal(store_user_put(w->tx, w->app->pk, &u, SPAN_NONE), ERR_OK);
		w->users[i] = u.pk;
	}
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;
	store_batch_abort(w->tx);
	chat_app_unref(w->app);
	chat_apps_destroy(w->chat.apps);
	registry_destroy(w->chat.registry);
	store_close(w->store);
	arena_deinit(&w->arena);
	free(w);
	return 0;
}

#endif
