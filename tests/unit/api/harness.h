/* Requests through api_prepare, api_run and api_finish, on an in-memory store, with the steps that the workers do between: for
 * tests of src/api and of the rules of users behind it. */
#ifndef BECK_TESTS_UNIT_API_HARNESS_H
#define BECK_TESTS_UNIT_API_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "api/token_cache.h"
#include "base/limits.h"
#include "chat/background.h"
#include "chat/presence.h"
#include "session/session.h"

struct world {
	int64_t now_us, mono_us;
	uint64_t seed;
	struct clock clock;
	struct rng rng;
	struct arena arena;
	struct store *store;
	struct chat chat;
	struct token_cache *tokens; /* as on a loop: every test runs with tokens that were seen before */
	struct store_app app;
	struct api_call call; /* the last one, kept for its events and what it asked for */
	enum err error;
	int status;
	yyjson_val *json; /* its reply */
	struct span text;
	bool went_to_lane, subscribed, connection_exists;
	const char *kind; /* stream-auth-type header; NULL = none */
};

static int64_t world_wall(void *ctx) { return ((struct world *)ctx)->now_us; }
static int64_t world_mono(void *ctx) { return ((struct world *)ctx)->mono_us; }
static void world_fill(void *ctx, void *p, size_t n)
{
	struct world *w = ctx;
	for (size_t i = 0; i < n; i++) {
		w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		((unsigned char *)p)[i] = (unsigned char)(w->seed >> 56);
	}
}

static inline struct store_tx *write_begin(struct world *w)
{
	struct store_tx *tx;
	assert_int_equal(store_batch_begin(w->store, &tx), ERR_OK);
	assert_int_equal(store_rule_begin(tx), ERR_OK);
	return tx;
}
static inline void write_end(struct store_tx *tx, bool keep)
{
	assert_int_equal(store_rule_end(tx, keep), ERR_OK);
	assert_int_equal(store_batch_commit(tx), STORE_COMMITTED);
}
static inline void world_reload(struct world *w)
{
	struct store_tx *tx;
	assert_int_equal(store_read_begin(w->store, 0, 0, &tx), ERR_OK);
	assert_int_equal(chat_apps_load(w->chat.apps, tx), ERR_OK);
	store_read_end(tx);
}

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct span why = SPAN_NONE;
	w->now_us = INT64_C(1800000000000000);
	w->seed = 7;
	w->clock = (struct clock){ world_wall, world_mono, w };
	w->rng = (struct rng){ world_fill, w };
	w->kind = "jwt";
	arena_init(&w->arena, (size_t)LIMIT_ARENA_BYTES * 8);
	struct store_options o = { .readers = 1, .clock = &w->clock, .rng = &w->rng };
	w->store = store_open(&o, &w->arena, &why);
	if (!w->store) fail_msg("store_open: %.*s", SPAN_FMT(why));
	w->chat = (struct chat){
		.clock = &w->clock, .rng = &w->rng, .registry = registry_create(&w->rng), .apps = chat_apps_create(&w->rng)
	};
	w->tokens = token_cache_create(&w->rng);
	assert_non_null(w->tokens);
	struct store_tx *tx = write_begin(w);
	assert_int_equal(
		chat_app_create(tx, &w->clock, &w->rng, &w->arena, SPAN("first"), SPAN("key"), SPAN("secret"), &w->app), ERR_OK);
	write_end(tx, true);
	world_reload(w);
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;
	api_call_deinit(&w->call);
	token_cache_destroy(w->tokens);
	chat_apps_destroy(w->chat.apps);
	registry_destroy(w->chat.registry);
	store_close(w->store);
	arena_deinit(&w->arena);
	free(w);
	return 0;
}

/* ---- tokens ---- */
static inline struct span sign(struct world *w, const char *claims, const char *secret)
{
	struct buf b;
	buf_init(&b, 65536);
	jwt_sign(&b, span_str(claims), span_str(secret));
	struct span s = arena_dup(&w->arena, buf_span(&b));
	buf_deinit(&b);
	return s;
}
#define SERVER ((struct span){ "*server", 7 }) /* stands for a server token */
static inline struct span token_of(struct world *w, const char *user)
{
	return sign(w, arena_printf(&w->arena, "{\"user_id\":\"%s\"}", user).p, "secret");
}

/* ---- one call ---- */
static inline void drop_events(struct chat_ctx *c)
{
	for (size_t i = 0; i < c->event_count; i++) event_unref(c->events[i]);
	c->event_count = 0;
}

static inline void context(struct world *w, struct store_tx *tx, bool can_write)
{
	struct chat_ctx *c = &w->call.chat;
	drop_events(c);
	c->tx = tx;
	c->can_write = can_write;
	c->now_us = w->now_us;
	c->error = (struct error){ 0 };
	c->apps_changed = false;
}

static inline enum api_next run_read(struct world *w)
{
	struct store_tx *tx;
	assert_int_equal(store_read_begin(w->store, 0, 0, &tx), ERR_OK);
	context(w, tx, false);
	enum api_next next = api_run(&w->call);
	store_read_end(tx);
	return next;
}

static inline enum api_next run_write(struct world *w)
{
	struct store_tx *tx = write_begin(w);
	context(w, tx, true);
	enum api_next next = api_run(&w->call);
	assert_int_not_equal(next, API_TO_WRITE);
	bool keep = w->call.chat.error.err == ERR_OK;
	if (!keep) drop_events(&w->call.chat);
	write_end(tx, keep);
	if (keep) chat_committed(&w->call.chat);
	if (keep && w->call.chat.apps_changed) world_reload(w);
	return next;
}

static inline void run(struct world *w)
{
	enum api_next next = API_TO_WRITE;
	if (w->call.route->kind == API_READ) next = run_read(w);
	w->went_to_lane = next == API_TO_WRITE;
	if (next == API_TO_WRITE) next = run_write(w);
	w->subscribed = next == API_TO_SUBSCRIBE;
	if (!w->subscribed) return;
	w->call.subscribe.done = true;
	w->call.subscribe.found = w->connection_exists;
	assert_int_not_equal(run_read(w), API_TO_SUBSCRIBE);
}

static inline void finish(struct world *w)
{
	const char *why = "";
	size_t at = 0;
	w->error = w->call.chat.error.err;
	api_finish(&w->call, w->mono_us + 1230);
	w->status = w->call.status;
	w->text = arena_dup(&w->arena, buf_span(&w->call.reply));
	w->json = json_parse(&w->arena, w->text, &why, &at);
	if (!w->json && !span_given(w->call.raw_type))
		fail_msg("the reply is no JSON (%s at %zu): %.*s", why, at, SPAN_FMT(w->text));
}

static inline void begin_call(struct world *w, enum http_method m, const char *target, struct span token, const char *body)
{
	static struct http_header headers[2];
	size_t n = 0;
	api_call_deinit(&w->call);
	memset(&w->call, 0, sizeof w->call);
	arena_init(&w->call.arena, (size_t)LIMIT_ARENA_BYTES);
	w->call.tokens = w->tokens;
	w->now_us += 1000000;
	w->mono_us += 1000000;
	w->call.started_us = w->mono_us;
	if (span_eq(token, SERVER)) token = sign(w, "{\"server\":true}", "secret");
	if (span_given(token)) headers[n++] = (struct http_header){ SPAN("authorization"), token };
	if (w->kind) headers[n++] = (struct http_header){ SPAN("stream-auth-type"), span_str(w->kind) };
	w->call.http = (struct http_request){ .method = m, .headers = headers, .header_count = n, .body = span_str(body) };
	url_split_target(arena_dup(&w->arena, span_str(target)), &w->call.http.path, &w->call.http.query);
}

/* The target's query gets api_key=key unless it names one. */
static inline int call(struct world *w, enum http_method m, const char *target, struct span token, const char *body)
{
	if (!strstr(target, "api_key="))
		target = arena_printf(&w->arena, "%s%sapi_key=key", target, strchr(target, '?') ? "&" : "?").p;
	begin_call(w, m, target, token, body);
	if (api_prepare(&w->chat, &w->call) == ERR_OK) run(w);
	finish(w);
	return w->status;
}
#define GET(w, target, token)         call((w), HTTP_M_GET, (target), (token), NULL)
#define POST(w, target, token, body)  call((w), HTTP_M_POST, (target), (token), (body))
#define PATCH(w, target, token, body) call((w), HTTP_M_PATCH, (target), (token), (body))

static inline struct span encoded(struct world *w, const char *text)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	url_encode(&b, span_str(text));
	struct span s = arena_dup(&w->arena, buf_span(&b));
	buf_deinit(&b);
	return s;
}

static inline int get_payload(struct world *w, const char *path, struct span token, const char *payload)
{
	return GET(w, arena_printf(&w->arena, "%s?payload=%.*s", path, SPAN_FMT(encoded(w, payload))).p, token);
}

/* A connect with the token in the query. Status 200 or the error's. */
static inline int connect_with(struct world *w, struct span token, const char *payload)
{
	begin_call(w, HTTP_M_GET,
		arena_printf(&w->arena, "/connect?api_key=key&authorization=%.*s&json=%.*s", SPAN_FMT(token),
			SPAN_FMT(encoded(w, payload)))
			.p,
		SPAN_NONE, NULL);
	if (api_prepare_connect(&w->chat, &w->call) == ERR_OK) run(w);
	struct session_start *s = w->call.start;
	finish(w);
	if (w->error == ERR_OK) {
		const char *why;
		size_t at;
		w->json = json_parse(&w->arena, s->me, &why, &at);
		assert_non_null(w->json);
	}
	return w->status;
}
static inline int connect_user(struct world *w, const char *id, const char *details)
{
	return connect_with(w, token_of(w, id),
		arena_printf(&w->arena, "{\"user_id\":\"%s\",\"user_details\":{\"id\":\"%s\"%s%s}}", id, id, *details ? "," : "",
			details)
			.p);
}

/* ---- looking ---- */
static inline void expect(struct world *w, int status, int code, int line)
{
	yyjson_val *c = json_get(w->json, "code");
	if (w->status != status || (code && yyjson_get_int(c) != code))
		fail_msg("line %d: %d %.*s", line, w->status, SPAN_FMT(w->text));
}
#define OK(w, status)          expect((w), (status), 0, __LINE__)
#define FAILS(w, status, code) expect((w), (status), (code), __LINE__)
static inline yyjson_val *at(yyjson_val *v, const char *a, const char *b)
{
	v = json_get(v, a);
	return b ? json_get(v, b) : v;
}
static inline struct span text_at(yyjson_val *v, const char *key) { return json_span(json_get(v, key)); }
static inline void assert_text(struct span got, const char *want)
{
	if (!span_is(got, want)) fail_msg("got \"%.*s\", want \"%s\"", SPAN_FMT(got), want);
}
/* The value, compact, equals this JSON. */
static inline void assert_json(struct world *w, yyjson_val *v, const char *want)
{
	const char *why;
	size_t pos;
	yyjson_val *wanted = json_parse(&w->arena, span_str(want), &why, &pos);
	assert_non_null(wanted);
	if (!json_equal(v, wanted)) fail_msg("got %.*s, want %s", SPAN_FMT(json_text(&w->arena, v)), want);
}

static inline size_t event_count(const struct world *w, enum event_type t)
{
	size_t n = 0;
	for (size_t i = 0; i < w->call.chat.event_count; i++) n += w->call.chat.events[i]->type == t;
	return n;
}
static inline struct event *event_at(const struct world *w, enum event_type t, size_t index)
{
	for (size_t i = 0; i < w->call.chat.event_count; i++)
		if (w->call.chat.events[i]->type == t && index-- == 0) return w->call.chat.events[i];
	return NULL;
}
/* The event that ends sessions, NULL when there is none. */
static inline struct event *end_of_sessions(const struct world *w)
{
	for (size_t i = 0; i < w->call.chat.event_count; i++)
		if (w->call.chat.events[i]->flags & EVENT_CLOSE_SESSIONS) return w->call.chat.events[i];
	return NULL;
}
/* The event's body with its brace put back. */
static inline yyjson_val *body_of(struct world *w, const struct event *e)
{
	const char *why;
	size_t pos;
	assert_non_null(e);
	assert_non_null(e->body);
	yyjson_val *v = json_parse(&w->arena, arena_printf(&w->arena, "%.*s}", SPAN_FMT(blob_span(e->body))), &why, &pos);
	assert_non_null(v);
	return v;
}

static inline void make_user(struct world *w, const char *id, const char *more)
{
	POST(w, "/users", SERVER,
		arena_printf(&w->arena, "{\"users\":{\"%s\":{\"id\":\"%s\"%s%s}}}", id, id, *more ? "," : "", more).p);
	OK(w, 201);
}
/* The user as a server-side query shows him; NULL when it does not. */
static inline yyjson_val *stored(struct world *w, const char *id)
{
	get_payload(w, "/users", SERVER, arena_printf(&w->arena, "{\"filter_conditions\":{\"id\":\"%s\"}}", id).p);
	OK(w, 200);
	return yyjson_arr_get_first(json_get(w->json, "users"));
}

/* Runs background tasks until none is left; how many turns it took. */
static inline int run_tasks(struct world *w)
{
	for (int turns = 0;; turns++) {
		struct arena a;
		bool again = false;
		arena_init(&a, (size_t)LIMIT_ARENA_BYTES);
		w->now_us += 1000;
		struct chat_ctx c = { .chat = &w->chat,
			.arena = &a,
			.caller = CALLER_SERVER,
			.dialect = DIALECT_1,
			.can_write = true,
			.now_us = w->now_us };
		c.tx = write_begin(w);
		enum err e = chat_background_task(&c, &again);
		if (e != ERR_OK) fail_msg("task: %s %.*s", err_name(e), SPAN_FMT(c.error.message));
		write_end(c.tx, true);
		drop_events(&c);
		arena_deinit(&a);
		if (!again) return turns;
		assert_true(turns < 10000);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif
