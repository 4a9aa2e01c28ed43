/* An application with users in an in-memory store, and rules run on it as somebody: for tests of src/chat. Every call is one rule
 * inside a savepoint of one long batch; refusals roll back as on the lane. */
#ifndef BECK_TESTS_UNIT_CHAT_WORLD_H
#define BECK_TESTS_UNIT_CHAT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "chat/channel_rules.h"
#include "store/sql.h"

struct world {
	int64_t now_us, mono_us;
	uint64_t seed;
	struct clock clock;
	struct rng rng;
	struct arena arena;
	struct store *store;
	struct store_tx *tx;
	struct registry *registry;
	struct chat chat;
	struct app *app;
	struct chat_ctx c; /* of the last call */
	struct buf reply;
	struct jsonw out;
	yyjson_val *answer; /* of the last call that wrote one */
	bool read_only;     /* run as on a reader: chat_need_write says ERR_AGAIN */
	enum dialect dialect;
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

static inline yyjson_val *J(struct world *w, const char *text)
{
	const char *why = "";
	size_t at = 0;
	struct span copy = arena_dup(&w->arena, span_str(text));
	yyjson_val *v = json_parse(&w->arena, copy, &why, &at);
	if (!v) fail_msg("bad JSON in the test at %zu: %s: %s", at, why, text);
	return v;
}

/* ---- users ---- */
static inline struct user world_user(struct world *w, const char *id)
{
	struct user u;
	if (store_user_get(w->tx, w->app->pk, span_str(id), &w->arena, &u) == ERR_OK) return u;
	u = (struct user){ .id = span_str(id),
		.role = SPAN("user"),
		.name = span_str(id),
		.created_at = w->now_us,
		.updated_at = w->now_us,
		.privacy_typing = TRI_UNSET,
		.privacy_read = TRI_UNSET,
		.privacy_delivery = TRI_UNSET };
	assert_int_equal(store_user_put(w->tx, w->app->pk, &u, SPAN_NONE), ERR_OK);
	return u;
}

static inline void world_set_role(struct world *w, const char *id, const char *role)
{
	struct user u = world_user(w, id);
	u.role = span_str(role);
	assert_int_equal(store_user_put(w->tx, w->app->pk, &u, SPAN_NONE), ERR_OK);
}

/* ---- one rule ---- */
static inline void world_drop_events(struct world *w)
{
	for (size_t i = 0; i < w->c.event_count; i++) event_unref(w->c.events[i]);
	w->c.event_count = 0;
}

/* who: a user id, "!anon", "server", or "server:id" for a server call that acts for somebody. */
static inline struct chat_ctx *world_as(struct world *w, const char *who)
{
	world_drop_events(w);
	w->now_us += 1000;
	w->mono_us += 1000;
	w->c = (struct chat_ctx){ .chat = &w->chat,
		.tx = w->tx,
		.can_write = !w->read_only,
		.arena = &w->arena,
		.app = w->app,
		.dialect = w->dialect,
		.now_us = w->now_us };
	struct span name = span_str(who);
	if (span_starts(name, SPAN("server"))) {
		w->c.caller = CALLER_SERVER;
		w->c.acting_given = name.n > 7;
		if (name.n > 7) w->c.me = world_user(w, who + 7);
	} else if (span_is(name, "!anon")) {
		w->c.caller = CALLER_ANONYMOUS;
		w->c.me = (struct user){ .id = SPAN("!anon"), .role = SPAN("anonymous") };
	} else {
		w->c.caller = CALLER_USER;
		w->c.me = world_user(w, who);
	}
	buf_clear(&w->reply);
	jsonw_init(&w->out, &w->reply);
	jsonw_obj_begin(&w->out);
	assert_int_equal(store_rule_begin(w->tx), ERR_OK);
	return &w->c;
}

static inline enum err world_end(struct world *w, enum err e)
{
	assert_int_equal(store_rule_end(w->tx, e == ERR_OK), ERR_OK);
	w->answer = NULL;
	if (e != ERR_OK) {
		if (e != ERR_AGAIN) assert_int_equal(w->c.error.err, e);
		world_drop_events(w);
		return e;
	}
	jsonw_obj_end(&w->out);
	assert_false(w->reply.failed);
	struct span text = arena_dup(&w->arena, buf_span(&w->reply));
	const char *why = "";
	size_t at = 0;
	w->answer = json_parse(&w->arena, text, &why, &at);
	if (!w->answer) fail_msg("the answer is no JSON at %zu: %s: %.*s", at, why, SPAN_FMT(text));
	return e;
}

#define AS(w, who, call) world_end((w), (world_as((w), (who)), (call)))
#define OK(e)            world_ok(w, (e), __LINE__)
static inline void world_ok(struct world *w, enum err e, int line)
{
	if (e != ERR_OK) fail_msg("line %d: %s: %.*s", line, err_name(e), SPAN_FMT(w->c.error.message));
}

/* ---- looking ---- */
static inline struct span at(yyjson_val *v, const char *key) { return json_span(json_get(v, key)); }
static inline int64_t num(yyjson_val *v, const char *key)
{
	yyjson_val *n = json_get(v, key);
	return yyjson_is_int(n) ? yyjson_get_sint(n) : INT64_MIN;
}
static inline bool has(yyjson_val *v, const char *key) { return json_get(v, key) != NULL; }
static inline bool is(yyjson_val *v, const char *key) { return yyjson_is_true(json_get(v, key)); }

/* The n-th recorded event of a type, NULL when there are not so many. */
static inline struct event *event_of(struct world *w, enum event_type t, size_t n)
{
	for (size_t i = 0; i < w->c.event_count; i++)
		if (w->c.events[i]->type == t && w->c.events[i]->body && n-- == 0) return w->c.events[i];
	return NULL;
}

static inline yyjson_val *body_of(struct world *w, const struct event *e)
{
	assert_non_null(e);
	assert_non_null(e->body);
	struct span text = arena_printf(&w->arena, "%.*s}", SPAN_FMT(blob_span(e->body)));
	return J(w, text.p);
}

static inline bool span_same(struct span got, const char *want, int line)
{
	if (!span_is(got, want)) fail_msg("line %d: got \"%.*s\", want \"%s\"", line, SPAN_FMT(got), want);
	return true;
}
#define assert_text(got, want) assert_true(span_same((got), (want), __LINE__))

/* ---- life ---- */
static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	*w = (struct world){ .now_us = INT64_C(1800000000000000), .mono_us = 1000000, .seed = 42, .dialect = DIALECT_1 };
	w->clock = (struct clock){ world_wall, world_mono, w };
	w->rng = (struct rng){ world_fill, w };
	arena_init(&w->arena, 512 * 1024 * 1024);
	buf_init(&w->reply, (size_t)LIMIT_REPLY_BYTES);
	struct store_options o = { .readers = 1, .clock = &w->clock, .rng = &w->rng };
	struct span why = SPAN_NONE;
	w->store = store_open(&o, &w->arena, &why);
	if (!w->store) fail_msg("store_open: %.*s", SPAN_FMT(why));
	w->registry = registry_create(&w->rng);
	w->chat = (struct chat){ .clock = &w->clock, .rng = &w->rng, .registry = w->registry, .apps = chat_apps_create(&w->rng) };
	assert_int_equal(store_batch_begin(w->store, &w->tx), ERR_OK);
	struct store_app made;
	assert_int_equal(
		chat_app_create(w->tx, &w->clock, &w->rng, &w->arena, SPAN("test"), SPAN("key"), SPAN("secret"), &made), ERR_OK);
	assert_int_equal(chat_apps_load(w->chat.apps, w->tx), ERR_OK);
	w->app = chat_app_by_key(w->chat.apps, SPAN("key"));
	assert_non_null(w->app);
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;
	world_drop_events(w);
	chat_app_unref(w->app);
	chat_apps_destroy(w->chat.apps);
	registry_destroy(w->registry);
	store_batch_abort(w->tx);
	store_close(w->store);
	buf_deinit(&w->reply);
	arena_deinit(&w->arena);
	free(w);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
