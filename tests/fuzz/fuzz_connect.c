/* Connecting: `who`, a line break, the payload of the `json` parameter, and after a line "--" the first frame or POST body that
 * brings `resume_from`. Through the merge of both, the decoder and the rule; what a resume asked for is then replayed to its end.
 */
#include "world.h"

#include "conn/http.h"

static void look_at_start(const struct session_start *s)
{
	BECK_ASSERT(s && is_json(s->me) && s->total_unread >= 0 && s->unread_channels >= 0 && s->unread_threads >= 0);
	int64_t unread = 0;
	for (size_t i = 0; i < s->membership_count; i++) {
		BECK_ASSERT(s->memberships[i].channel > 0);
		unread += s->memberships[i].unread;
	}
	BECK_ASSERT(unread >= s->unread_channels && (s->gap || s->resume_seq <= s->snapshot_pos));
}

/* Page after page, as a loop asks for them. */
static void replay(const struct session_start *s)
{
	struct store_interest in = {
		.channels = s->watch, .channel_count = s->watch_count, .users = s->presence, .user_count = s->presence_count
	};
	bool at_head = false;
	for (int64_t after = s->resume_seq, upto = 0; !at_head; after = upto) {
		struct arena a;
		struct event **events = NULL;
		size_t n = 0;
		arena_init(&a, (size_t)LIMIT_ARENA_BYTES);
		struct chat_ctx c = { .chat = &world.chat, .arena = &a, .caller = CALLER_SERVER, .dialect = s->dialect };
		c.app = chat_app_by_pk(world.chat.apps, world.app.pk);
		context(&c, false);
		BECK_ASSERT(chat_resume_page(&c, s->user, after, &in, &events, &n, &upto, &at_head) == ERR_OK);
		BECK_ASSERT(upto > after || at_head);
		c.events = events;
		c.event_count = n;
		drop_events(&c, true);
		chat_app_unref((struct app *)(uintptr_t)c.app);
		arena_deinit(&a);
	}
}

static bool write_query(struct api_call *call, size_t who, struct span payload)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_printf(&b, "api_key=key&stream-auth-type=%s&authorization=%.*s&json=", people[who].kind, SPAN_FMT(world.tokens[who]));
	url_encode(&b, payload);
	call->http.query = b.failed ? SPAN_NONE : arena_dup(&call->arena, buf_span(&b));
	buf_deinit(&b);
	return span_given(call->http.query);
}

static void connect_as(size_t who, struct span payload, struct span frame)
{
	struct exchange ex = { 0 };
	struct api_call *call = &ex.call;
	const char *why = NULL;
	arena_init(&call->arena, (size_t)LIMIT_ARENA_BYTES);
	call->http.path = SPAN("/connect");
	call->started_us = world.now_us;
	bool ok = write_query(call, who, payload);
	if (ok && frame.n && !exchange_merge_payload(&ex, "the frame", frame, &why)) {
		BECK_ASSERT(why);
		ok = false;
	}
	if (ok && api_prepare_connect(&world.chat, call) == ERR_OK) {
		run_call(call);
		if (call->chat.error.err == ERR_OK) {
			look_at_start(call->start);
			if (call->start->has_resume && !call->start->gap) replay(call->start);
		}
	}
	if (world.shows)
		fprintf(stderr, "connect: %s %.*s\n", err_name(call->chat.error.err), SPAN_FMT(call->chat.error.message));
	BECK_ASSERT(call->chat.error.err != ERR_INTERNAL);
	api_call_deinit(call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2) return 0;
	struct span payload = { (const char *)data + 2, size - 2 }, frame = { "", 0 };
	const char *parted = payload.n ? memmem(payload.p, payload.n, "\n--\n", 4) : NULL;
	if (!world.store) open_world();
	size_t who = 0;
	while (who < PEOPLE && people[who].key != (char)data[0]) who++;
	if (parted) {
		frame = span_skip(payload, (size_t)(parted - payload.p) + 4);
		payload.n = (size_t)(parted - payload.p);
	}
	world_begin();
	connect_as(who % PEOPLE, payload, frame);
	world_end(false);
	return 0;
}
