/* A whole application over a store in memory, for targets that run requests: users, channels and messages as a small product has
 * them, valid tokens, and the steps that workers do between. All requests of one input share one write transaction that is never
 * committed, so every input meets the same world. */
#ifndef BECK_FUZZ_WORLD_H
#define BECK_FUZZ_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/limits.h"
#include "base/log.h"
#include "chat/background.h"
#include "chat/messages.h"
#include "session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNECTION_ID "fuzz-connection" /* the only one there is to subscribe with */
enum { PEOPLE = 7 };
struct person {
	char key;
	const char *claims, *kind; /* claims NULL: no token */
};
static const struct person people[PEOPLE] = {
	{ 's', "{\"server\":true}", "jwt" },
	{ 'a', "{\"user_id\":\"ann\"}", "jwt" },
	{ 'b', "{\"user_id\":\"bob\"}", "jwt" },
	{ 'm', "{\"user_id\":\"mod\"}", "jwt" },
	{ 'x', "{\"user_id\":\"new-one\"}", "jwt" },
	{ 'n', NULL, "anonymous" },
	{ 'k', NULL, "jwt" },
};

static struct fuzz_world {
	int64_t now_us;
	uint64_t seed;
	struct clock clock;
	struct rng rng;
	struct arena arena; /* as long as the program */
	struct store *store;
	struct chat chat;
	struct store_app app;
	struct store_tx *tx; /* of the present input */
	struct span tokens[PEOPLE];
	bool apps_changed, shows;
} world;

static int64_t world_clock(void *ctx) { return ((struct fuzz_world *)ctx)->now_us; }
static void world_fill(void *ctx, void *p, size_t n)
{
	struct fuzz_world *w = ctx;
	for (size_t i = 0; i < n; i++) {
		w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		((unsigned char *)p)[i] = (unsigned char)(w->seed >> 56);
	}
}

/* ---- one input ---- */
static void world_reload(struct store_tx *tx) { BECK_ASSERT(chat_apps_load(world.chat.apps, tx) == ERR_OK); }

static void world_reload_committed(void)
{
	struct store_tx *tx;
	BECK_ASSERT(store_read_begin(world.store, 0, 0, &tx) == ERR_OK);
	world_reload(tx);
	store_read_end(tx);
	world.apps_changed = false;
}

static void world_begin(void)
{
	world.now_us = INT64_C(1800000000000000);
	world.seed = 7;
	world.chat.registry = registry_create(&world.rng);
	BECK_ASSERT(world.chat.registry && store_batch_begin(world.store, &world.tx) == ERR_OK);
}

static void world_end(bool keep)
{
	if (keep)
		BECK_ASSERT(store_batch_commit(world.tx) == STORE_COMMITTED);
	else
		store_batch_abort(world.tx);
	if (world.apps_changed) world_reload_committed();
	registry_destroy(world.chat.registry);
	world.chat.registry = NULL;
}

/* ---- rules ---- */
static bool is_json(struct span text)
{
	yyjson_doc *doc = yyjson_read(text.p, text.n, 0);
	yyjson_doc_free(doc);
	return doc != NULL;
}

/* Event bodies lack their closing brace, where counts are added. */
static void drop_events(struct chat_ctx *c, bool look)
{
	for (size_t i = 0; i < c->event_count; i++) {
		const struct event *e = c->events[i];
		struct buf b;
		buf_init(&b, 64 << 20);
		if (look && e->body) {
			buf_add_span(&b, blob_span(e->body));
			buf_add_char(&b, '}');
			BECK_ASSERT(is_json(buf_span(&b)));
		}
		buf_deinit(&b);
		event_unref(c->events[i]);
	}
	c->event_count = 0;
}

static void context(struct chat_ctx *c, bool can_write)
{
	drop_events(c, false);
	c->tx = world.tx;
	c->can_write = can_write;
	c->now_us = world.now_us;
	c->error = (struct error){ 0 };
	c->apps_changed = false;
}

static enum api_next run_once(struct api_call *call, bool can_write)
{
	BECK_ASSERT(store_rule_begin(world.tx) == ERR_OK);
	context(&call->chat, can_write);
	enum api_next next = api_run(call);
	bool keep = can_write && call->chat.error.err == ERR_OK;
	BECK_ASSERT(!store_batch_broken(world.tx) && store_rule_end(world.tx, keep) == ERR_OK);
	if (call->chat.error.err != ERR_OK || next == API_TO_WRITE) {
		drop_events(&call->chat, false);
		return next;
	}
	chat_committed(&call->chat);
	drop_events(&call->chat, true);
	if (keep && call->chat.apps_changed) {
		world_reload(world.tx);
		world.apps_changed = true;
	}
	return next;
}

static void run_call(struct api_call *call)
{
	enum api_next next = API_TO_WRITE;
	if (call->route->kind == API_READ) next = run_once(call, false);
	if (next == API_TO_WRITE) next = run_once(call, true);
	BECK_ASSERT(next != API_TO_WRITE);
	if (next != API_TO_SUBSCRIBE) return;
	call->subscribe.done = true;
	call->subscribe.found = span_is(call->subscribe.connection_id, CONNECTION_ID);
	BECK_ASSERT(run_once(call, false) == API_DONE);
}

static void finish_call(struct api_call *call)
{
	api_finish(call, world.now_us + 1230);
	struct span reply = buf_span(&call->reply);
	if (world.shows) fprintf(stderr, "%d %.*s\n", call->status, (int)(reply.n < 400 ? reply.n : 400), reply.p);
	BECK_ASSERT(call->status >= 200 && call->status < 600 && call->status != 500);
	BECK_ASSERT(call->reply.failed || span_given(call->raw_type) || is_json(reply));
}

static inline void run_tasks(void)
{
	for (int turns = 0; turns < 4; turns++) {
		struct arena a;
		bool again = false;
		arena_init(&a, (size_t)LIMIT_ARENA_BYTES);
		world.now_us += 1000;
		struct chat_ctx c = { .chat = &world.chat, .arena = &a, .caller = CALLER_SERVER, .dialect = DIALECT_1 };
		BECK_ASSERT(store_rule_begin(world.tx) == ERR_OK);
		context(&c, true);
		BECK_ASSERT(chat_background_task(&c, &again) == ERR_OK);
		BECK_ASSERT(store_rule_end(world.tx, true) == ERR_OK);
		drop_events(&c, true);
		arena_deinit(&a);
		if (!again) return;
	}
}

/* ---- one request as text ---- */
static void request_text(struct buf *out, struct span method, struct span target, size_t who, struct span body)
{
	bool has_query = span_find(target, '?') < target.n, has_key = memmem(target.p, target.n, "api_key=", 8) != NULL;
	bool is_get = span_is(method, "GET") || span_is(method, "DELETE");
	buf_printf(out, "%.*s %.*s", SPAN_FMT(method), SPAN_FMT(target));
	if (!has_key) buf_printf(out, "%capi_key=key", has_query ? '&' : '?');
	if (is_get && body.n) {
		buf_add_span(out, SPAN("&payload="));
		url_encode(out, body);
		body = SPAN("");
	}
	buf_printf(out, " HTTP/1.1\r\nHost: f\r\nStream-Auth-Type: %s\r\nContent-Length: %zu\r\n", people[who].kind, body.n);
	if (world.tokens[who].n) buf_printf(out, "Authorization: %.*s\r\n", SPAN_FMT(world.tokens[who]));
	buf_add_span(out, SPAN("\r\n"));
	buf_add_span(out, body);
}

/* Through the parser and the routes. */
static void request(struct span method, struct span target, size_t who, struct span body)
{
	struct api_call call = { 0 };
	struct buf text;
	size_t used = 0;
	enum err err = ERR_OK;
	buf_init(&text, 1 << 20);
	request_text(&text, method, target, who, body);
	arena_init(&call.arena, (size_t)LIMIT_ARENA_BYTES);
	struct http_parser *p = http_parser_create();
	BECK_ASSERT(p && !text.failed);
	http_parser_next(p, &call.arena, (size_t)LIMIT_BODY_BYTES);
	world.now_us += 1000000;
	call.started_us = world.now_us;
	if (http_parser_feed(p, buf_span(&text), &used, &call.http, &err) == HTTP_REQUEST) {
		if (world.shows) fprintf(stderr, "%.*s %.*s %c ", SPAN_FMT(method), SPAN_FMT(target), people[who].key);
		if (api_prepare(&world.chat, &call) == ERR_OK) run_call(&call);
		finish_call(&call);
	}
	api_call_deinit(&call);
	http_parser_destroy(p);
	buf_deinit(&text);
}

/* ---- the world before every input ---- */
static void given(const char *method, const char *target, char who, const char *body)
{
	size_t i = 0;
	while (people[i].key != who) i++;
	request(span_str(method), span_str(target), i, span_str(body));
}

static void populate(void)
{
	given("POST", "/users", 's',
		"{\"users\":{\"ann\":{\"id\":\"ann\",\"name\":\"Ann\"},\"bob\":{\"id\":\"bob\",\"privacy_settings\":{"
		"\"read_receipts\":{\"enabled\":false}}},\"cleo\":{\"id\":\"cleo\",\"teams\":[\"t\"]},"
		"\"mod\":{\"id\":\"mod\",\"role\":\"admin\"}}}");
	given("POST", "/channels/messaging/c0/query", 's',
		"{\"data\":{\"members\":[\"ann\",\"bob\",\"cleo\"],\"created_by_id\":\"ann\",\"name\":\"first\",\"n\":1}}");
	given("POST", "/channels/livestream/l0/query", 's', "{\"data\":{\"created_by_id\":\"mod\"}}");
	given("POST", "/channels/team/t0/query", 's', "{\"data\":{\"members\":[\"ann\"],\"created_by_id\":\"mod\"}}");
	given("POST", "/channels/messaging/c0/message", 'a',
		"{\"message\":{\"id\":\"m1\",\"text\":\"one **two** https://a.b\"}}");
	given("POST", "/channels/messaging/c0/message", 'b',
		"{\"message\":{\"id\":\"m2\",\"text\":\"two\",\"parent_id\":\"m1\",\"show_in_channel\":true}}");
	given("POST", "/channels/messaging/c0/message", 'a',
		"{\"message\":{\"id\":\"m3\",\"text\":\"hi @bob\",\"quoted_message_id\":\"m2\",\"mentioned_users\":[\"bob\"],"
		"\"attachments\":[{\"type\":\"x\",\"y\":{}}],\"custom\":[1,{}]}}");
	given("POST", "/channels/livestream/l0/message", 'm', "{\"message\":{\"id\":\"m4\",\"text\":\"live\",\"pinned\":true}}");
	given("POST", "/channels/messaging/c0/read", 'a', "{}");
	given("DELETE", "/messages/m2", 'b', "");
}

static void open_world(void)
{
	struct span why = SPAN_NONE;
	struct buf b;
	world.clock = (struct clock){ world_clock, world_clock, &world };
	world.rng = (struct rng){ world_fill, &world };
	world.shows = getenv("FUZZ_SHOW") != NULL; /* says what becomes of each request of an input */
	log_setup(2, LOG_ERROR);
	arena_init(&world.arena, (size_t)LIMIT_ARENA_BYTES * 8);
	struct store_options o = { .readers = 1, .clock = &world.clock, .rng = &world.rng };
	world.store = store_open(&o, &world.arena, &why);
	BECK_ASSERT(world.store);
	world.chat = (struct chat){ .clock = &world.clock, .rng = &world.rng, .apps = chat_apps_create(&world.rng) };
	buf_init(&b, 4096);
	for (size_t i = 0; i < PEOPLE; i++) {
		buf_clear(&b);
		if (people[i].claims) jwt_sign(&b, span_str(people[i].claims), SPAN("secret"));
		world.tokens[i] = arena_dup(&world.arena, buf_span(&b));
	}
	buf_deinit(&b);
	world_begin();
	BECK_ASSERT(store_rule_begin(world.tx) == ERR_OK);
	BECK_ASSERT(chat_app_create(world.tx, &world.clock, &world.rng, &world.arena, SPAN("first"), SPAN("key"), SPAN("secret"),
			    &world.app) == ERR_OK);
	BECK_ASSERT(store_rule_end(world.tx, true) == ERR_OK);
	world_end(true);
	world_reload_committed();
	world_begin();
	populate();
	world_end(true);
}

#endif
