/* Privacy by non-interference. The same story is lived three times: bob does things that his privacy settings hide (HIDDEN), he
 * does nothing (SILENT), he does nothing while zoe, alone in a channel of hers, takes as many log positions (DECOY). All else is
 * equal to the microsecond and to the random bit, so whatever anybody but bob gets must be equal byte by byte: events over both
 * transports, answers, replays after a cut or a crash, syncs. Nothing is normalised:
 *   - time stands still while anybody acts and moves only between acts, to the same instants in each life;
 *   - chance is seeded anew before each act and at each instant, so what bob's doings drew is forgotten;
 *   - log positions (`seq`) count all that happens on the server, also what is nobody's business; so with SILENT only the
 *     sessions are compared that did not ask to resume, and with DECOY all of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "vfs.h"

enum life { HIDDEN, DECOY, SILENT, LIVES };
static const char *const life_names[LIVES] = { "hidden", "decoy", "silent" };
enum { SLOTS = 60, OPEN_SLOTS = 8, SLOT_US = 900000, PLAIN = 0, ALL = 1 };

/* What others got. PLAIN: without seq in it. */
static struct buf got[LIVES][2];
static enum life life;
static uint64_t polls;
static uint64_t script; /* the story's own dice: the same in each life, whatever the server does */

static uint64_t dice(uint64_t n)
{
	script = script * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (script >> 33) % n;
}

static void hear(struct sim *s, int user, int device, struct span bytes)
{
	if (user == BOB || user < 0) return; /* server-side calls see everything */
	bool is_plain = device < 0 || s->devices[device].no_resume;
	for (int kind = is_plain ? PLAIN : ALL; kind <= ALL; kind++) {
		buf_printf(&got[life][kind], "\n[%lld %s/%d] ", (long long)world_now(), user_name(user), device);
		buf_add_span(&got[life][kind], bytes);
	}
}

/* ---- the world, one act at a time ---- */
static bool turn(struct sim *s)
{
	bool did = false;
	unsigned first = (unsigned)world_below(5);
	for (unsigned k = 0; k < 5; k++) {
		unsigned who = (first + k) % 5;
		if (who < 2)
			did |= world_turn(s->d->loops[who].loop);
		else if (who < 4)
			did |= workers_step_reader(s->d->workers, (int)who - 2);
		else
			did |= workers_step_lane(s->d->workers);
	}
	for (int i = 0; i < WIRE_DEVICES; i++) device_step(s, &s->devices[i]);
	for (size_t i = 0; i < BECK_COUNT(s->ops); i++) {
		op_step(s, &s->ops[i]);
		did |= s->ops[i].done && !s->ops[i].is_done;
	}
	return did;
}

static void rest(struct sim *s)
{
	int turns = 0;
	for (int idle = 0; idle < 40 && !*s->failure; turns++) {
		idle = turn(s) ? 0 : idle + 1;
		if (turns > 200000) sim_fail(s, "the world does not come to rest");
	}
}

static void meet(struct sim *s, uint64_t place) { world_reseed(s->seed * 1000003 + place); }

static int next_poller(const struct sim *s, int from)
{
	for (int i = 0; i < WIRE_DEVICES; i++) {
		const struct phone *d = &s->devices[(from + i) % WIRE_DEVICES];
		if (d->line && d->is_poll && d->is_live && !d->poll && !d->wants_down) return (from + i) % WIRE_DEVICES;
	}
	return -1;
}

/* Whose poll is answered polls again, one after the other: in which order the answers came, and with it the order of drawing
 * request ids, hangs on the shape of timer heaps and the like. */
static void settle(struct sim *s)
{
	rest(s);
	for (int i = 0; (i = next_poller(s, i)) >= 0 && !*s->failure; i++) {
		meet(s, UINT64_C(1) << 40 | polls++);
		s->poller = i;
		rest(s);
		s->poller = -1;
	}
}

static void time_to(struct sim *s, int64_t us)
{
	while (world_now() < us && !*s->failure) {
		int64_t next = us;
		for (unsigned i = 0; i < s->d->loop_count; i++) {
			int64_t due = world_next_due(s->d->loops[i].loop);
			if (due > world_now() && due < next) next = due;
		}
		world_pass(next - world_now());
		meet(s, (uint64_t)world_now());
		settle(s);
	}
}

static void answered(struct op *op, int status, yyjson_val *body) { (void)op, (void)status, (void)body; }

static void ask(struct sim *s, int user, const char *method, const char *path, const char *body)
{
	if (!request_start(s, user, method, span_str(path), span_str(body), answered, -1, -1))
		sim_fail(s, "no room for %s", path);
}

/* ---- what others do ---- */
static void speak(struct sim *s, int user, const char *channel, int slot)
{
	char path[80], body[200];
	const char *more[] = { "", ",\"mentioned_users\":[\"bob\"]", ",\"silent\":true", ",\"parent_id\":\"tw-1\"",
		",\"quoted_message_id\":\"tw-1\"" };
	snprintf(path, sizeof path, "/channels/messaging/%s/message", channel);
	snprintf(body, sizeof body, "{\"message\":{\"id\":\"tw-%s%d-%d\",\"text\":\"slot %d\"%s}}", channel, slot, user, slot,
		more[dice(BECK_COUNT(more))]);
	ask(s, user, "POST", path, body);
}

/* `*` in the pattern is the channel, `#` the slot; in a URL what it cannot hold is escaped. */
static void fill_in(char *out, size_t max, const char *pattern, const char *channel, int slot, bool is_url)
{
	struct buf b;
	buf_init(&b, max - 1);
	for (const char *p = pattern; *p; p++) {
		if (*p == '*')
			buf_add_span(&b, span_str(channel));
		else if (*p == '#')
			buf_printf(&b, "%d", slot);
		else if (is_url && strchr("{}\"[]", *p))
			buf_printf(&b, "%%%02X", (unsigned)*p);
		else
			buf_add_char(&b, *p);
	}
	BECK_ASSERT(!b.failed);
	memcpy(out, b.p, b.n);
	out[b.n] = '\0';
	buf_deinit(&b);
}

static void look(struct sim *s, int user, const char *channel)
{
	static const char *const looks[][3] = {
		{ "POST", "/channels/messaging/*/query",
			"{\"state\":true,\"messages\":{\"limit\":20},\"members\":{\"limit\":10}}" },
		{ "POST", "/channels",
			"{\"filter_conditions\":{\"members\":{\"$in\":[\"bob\"]}},\"sort\":[{\"field\":\"last_updated\","
			"\"direction\":-1}],"
			"\"state\":true}" },
		{ "POST", "/channels",
			"{\"filter_conditions\":{\"type\":\"messaging\"},\"sort\":[{\"field\":\"unread_count\",\"direction\":-1}]"
			","
			"\"state\":true}" },
		{ "GET", "/members?payload={\"type\":\"messaging\",\"id\":\"*\",\"filter_conditions\":{}}", "" },
		{ "GET", "/users?payload={\"filter_conditions\":{\"id\":\"bob\"}}", "" },
		{ "GET", "/unread", "" },
		{ "GET", "/messages/tw-1", "" },
		{ "GET", "/messages/tw-1/replies?limit=10", "" },
		{ "POST", "/sync",
			"{\"channel_cids\":[\"messaging:c0\",\"messaging:c1\"],\"last_sync_at\":\"2026-09-21T13:06:41Z\"}" },
	};
	char path[300];
	const char *const *l = looks[dice(BECK_COUNT(looks))];
	fill_in(path, sizeof path, l[1], channel, 0, true);
	ask(s, user, l[0], path, l[2]);
}

static void other_act(struct sim *s, int slot)
{
	static const int others[] = { 0, 2, 3 };
	int user = others[dice(3)];
	char channel[4], path[80];
	snprintf(channel, sizeof channel, "c%d", (int)dice(2));
	switch (dice(8)) {
	case 0:
	case 1: speak(s, user, channel, slot); break;
	case 2:
		snprintf(path, sizeof path, "/channels/messaging/%s/read", channel);
		ask(s, user, "POST", path, "{}");
		break;
	case 3:
		snprintf(path, sizeof path, "/channels/messaging/%s/event", channel);
		ask(s, user, "POST", path, "{\"event\":{\"type\":\"typing.start\"}}");
		break;
	case 4:
		snprintf(path, sizeof path, "/messages/tw-%s%d-%d", channel, slot > 4 ? (int)dice((uint64_t)slot) : 0, user);
		ask(s, user, "DELETE", path, "");
		break;
	default: look(s, user, channel); break;
	}
}

/* ---- what bob does ---- */
static void bob_acts(struct sim *s, int slot)
{
	static const char *const acts[][3] = {
		{ "POST", "/channels/messaging/*/event", "{\"event\":{\"type\":\"typing.start\"}}" },
		{ "POST", "/channels/messaging/*/event", "{\"event\":{\"type\":\"typing.stop\"}}" },
		{ "POST", "/channels/messaging/*/event", "{\"event\":{\"type\":\"typing.start\",\"parent_id\":\"tw-1\"}}" },
		{ "POST", "/channels/messaging/*/read", "{}" },
		{ "POST", "/channels/messaging/*/read", "{\"message_id\":\"s*-#\"}" },
		{ "POST", "/channels/messaging/*/unread", "{\"message_id\":\"first-*\"}" },
		{ "POST", "/channels/read", "{\"read_by_channel\":{\"messaging:*\":\"\"}}" },
		{ "POST", "/channels/delivered", "{\"latest_delivered_messages\":[{\"cid\":\"messaging:*\",\"id\":\"s*-#\"}]}" },
		{ "POST", "/channels/messaging/*/query", "{\"state\":true}" },
	};
	const char *const *a = acts[dice(BECK_COUNT(acts))];
	const char *channel = dice(2) ? "c0" : "c1";
	char path[300], body[300];
	if (slot >= OPEN_SLOTS && life != HIDDEN) return;
	fill_in(path, sizeof path, a[1], channel, slot, false);
	fill_in(body, sizeof body, a[2], channel, slot, false);
	ask(s, BOB, a[0], path, body);
}

static int64_t log_head(struct sim *s)
{
	struct store_tx *tx;
	int64_t head = 0;
	if (store_read_begin(s->d->store, 0, 0, &tx) != ERR_OK) return 0;
	if (store_event_head(tx, &head) != ERR_OK) head = 0;
	store_read_end(tx);
	return head;
}

/* Zoe's words, one position each, until the log is as long as bob made it. */
static void zoe_acts(struct sim *s, int slot)
{
	static int64_t heads[SLOTS];
	if (life == HIDDEN) heads[slot] = log_head(s);
	if (life != DECOY) return;
	for (int64_t at; (at = log_head(s)) < heads[slot] && !*s->failure;) {
		ask(s, -1, "POST", "/channels/messaging/own/message", "{\"message\":{\"text\":\"hm\",\"user_id\":\"zoe\"}}");
		settle(s);
		if (log_head(s) == at) sim_fail(s, "zoe takes no position");
	}
	if (log_head(s) != heads[slot]) sim_fail(s, "zoe took too many positions");
}

/* ---- coming and going ---- */
static void come(struct sim *s, int device)
{
	struct phone *d = &s->devices[device];
	if (d->is_live) return;
	d->retry_us = world_now();
	settle(s);
	for (int tries = 0; !d->is_live && tries < 5; tries++) {
		d->retry_us = world_now();
		settle(s);
	}
	if (!d->is_live) sim_fail(s, "device %d cannot come back", device);
	for (int c = 0; c < 2 && (device != 5 || c == 0); c++) {
		char path[200];
		snprintf(path, sizeof path, "/channels/messaging/c%d/query?connection_id=%s", c, d->connection_id);
		ask(s, d->user, "POST", path, "{\"watch\":true,\"state\":true,\"presence\":true}");
		settle(s);
	}
}

static void come_all(struct sim *s, uint64_t place)
{
	for (int i = 0; i < WIRE_DEVICES && !*s->failure; i++) {
		meet(s, place * 16 + (uint64_t)i);
		come(s, i);
	}
}

static void go(struct sim *s, int device)
{
	device_lost(s, &s->devices[device]);
	s->devices[device].retry_us = INT64_MAX;
	settle(s);
}

static void set_up(struct sim *s)
{
	put(s, "POST", "/users",
		"{\"users\":{\"ann\":{\"id\":\"ann\"},\"bob\":{\"id\":\"bob\"},\"cleo\":{\"id\":\"cleo\"},\"dan\":{\"id\":"
		"\"dan\"},"
		"\"zoe\":{\"id\":\"zoe\"}}}");
	for (int c = 0; c < 3; c++) {
		const char *const names[] = { "c0", "c1", "own" };
		char path[80], body[200];
		snprintf(path, sizeof path, "/channels/messaging/%s/query", names[c]);
		put(s, "POST", path,
			c < 2 ? "{\"data\":{\"members\":[\"ann\",\"bob\",\"cleo\",\"dan\"],\"created_by_id\":\"ann\"}}"
			      : "{\"data\":{\"members\":[\"zoe\"],\"created_by_id\":\"zoe\"}}");
		snprintf(path, sizeof path, "/channels/messaging/%s/message", names[c]);
		snprintf(body, sizeof body, "{\"message\":{\"id\":\"first-%s\",\"text\":\"first\",\"user_id\":\"%s\"}}", names[c],
			c < 2 ? "ann" : "zoe");
		put(s, "POST", path, body);
	}
	put(s, "POST", "/channels/messaging/c0/message",
		"{\"message\":{\"id\":\"tw-1\",\"text\":\"a thread begins\",\"user_id\":\"ann\"}}");
}

/* Deliveries are off in the built-in types and no call of the first cut turns them on, so the store is told directly; the next
 * start reads it. */
static void turn_deliveries_on(struct sim *s)
{
	static const char off[] = "\"delivery_events\":false";
	struct arena a;
	struct store_tx *tx;
	struct store_app *apps;
	struct store_channel_type *types;
	size_t n = 0;
	arena_init(&a, 64 << 20);
	bool ok = store_batch_begin(s->d->store, &tx) == ERR_OK && store_rule_begin(tx) == ERR_OK &&
		  store_app_list(tx, &a, &apps, &n) == ERR_OK && n == 1 &&
		  store_type_list(tx, apps[0].pk, &a, &types, &n) == ERR_OK;
	for (size_t i = 0; ok && i < n; i++) {
		struct span config = arena_dup(&a, types[i].config);
		char *at = memmem(config.p, config.n, off, sizeof off - 1);
		if (at) memcpy(at + sizeof off - 6, "true ", 5);
		types[i].config = config;
		ok = at && store_type_put(tx, apps[0].pk, &types[i]) == ERR_OK;
	}
	ok = ok && store_rule_end(tx, true) == ERR_OK && store_batch_commit(tx) == STORE_COMMITTED;
	if (!ok) sim_fail(s, "deliveries cannot be turned on");
	arena_deinit(&a);
	server_crash(s, false);
	if (!server_start(s)) sim_fail(s, "no start");
}

static void hide(struct sim *s)
{
	char body[400];
	snprintf(body, sizeof body,
		"{\"users\":[{\"id\":\"bob\",\"set\":{\"privacy_settings\":{\"typing_indicators\":{\"enabled\":%s},"
		"\"read_receipts\":{\"enabled\":%s},\"delivery_receipts\":{\"enabled\":%s}}}}]}",
		s->plant == PLANT_TWIN_TYPING ? "true" : "false", s->plant == PLANT_TWIN_READ ? "true" : "false",
		s->plant == PLANT_TWIN_DELIVERY ? "true" : "false");
	ask(s, -1, "PATCH", "/users", body);
	settle(s);
}

/* ---- one life ---- */
static void one_slot(struct sim *s, int slot, int64_t begin)
{
	uint64_t place = (uint64_t)slot * 1000;
	static const int comers[] = { 0, 2, 3, 4, 5 };
	int away = dice(4) == 0 ? comers[dice(BECK_COUNT(comers))] : -1;
	bool crashes = dice(15) == 0;
	meet(s, place++);
	if (slot == OPEN_SLOTS) hide(s);
	if (away >= 0) go(s, away);
	for (int c = 0; c < 2; c++) { /* something new to read */
		char path[80], body[160];
		snprintf(path, sizeof path, "/channels/messaging/c%d/message", c);
		snprintf(body, sizeof body, "{\"message\":{\"id\":\"sc%d-%d\",\"text\":\"%d\",\"user_id\":\"ann\"}}", c, slot,
			slot);
		ask(s, -1, "POST", path, body);
		settle(s);
	}
	for (uint64_t n = dice(4); n > 0 && !*s->failure; n--) {
		meet(s, place++);
		bob_acts(s, slot);
		settle(s);
	}
	zoe_acts(s, slot);
	time_to(s, begin + SLOT_US / 2); /* what his own devices get of it is over before others act */
	for (uint64_t n = 1 + dice(4); n > 0 && !*s->failure; n--) {
		meet(s, place++);
		other_act(s, slot);
		if (dice(3) == 0) other_act(s, slot + 500); /* two at once */
		settle(s);
	}
	meet(s, place++);
	beckd_background_round(s->d, false);
	settle(s);
	if (crashes && !*s->failure) {
		server_crash(s, false);
		meet(s, place++);
		if (!server_start(s)) return;
		for (int i = 0; i < WIRE_DEVICES; i++) s->devices[i].retry_us = INT64_MAX;
	}
	come_all(s, place);
}

static void live(struct sim *s)
{
	world_seed(s->seed);
	script = s->seed * 77 + 5;
	polls = 0;
	s->polls_in_turn = true;
	s->poller = -1;
	vfs_format();
	if (!server_start(s)) return;
	s->is_calm = s->bob_is_open = true;
	for (int i = 0; i < WIRE_DEVICES; i++) /* Bob has no polls, so that the polls of each life are the same. */
		s->devices[i] = (struct phone){ .user = i == 5 ? 3 : i % USERS,
			.prefers_poll = i == 2 || i == 4 || i == 5,
			.no_resume = i == 0 || i == 2,
			.only_ws = i == 1,
			.retry_us = INT64_MAX };
	for (int i = WIRE_DEVICES; i < DEVICES; i++)
		s->devices[i] = (struct phone){ .retry_us = INT64_MAX }; /* no libraries here */
	set_up(s);
	if (!*s->failure) turn_deliveries_on(s);
	for (int i = 0; i < WIRE_DEVICES; i++) s->devices[i].retry_us = INT64_MAX;
	world_pass(2000000);
	world_freeze();
	int64_t begin = INT64_C(600000000); /* whatever setting up took */
	if (!*s->failure) time_to(s, begin);
	s->heard = hear;
	come_all(s, 7);
	for (int slot = 0; slot < SLOTS && !*s->failure; slot++) {
		one_slot(s, slot, begin + slot * (int64_t)SLOT_US);
		time_to(s, begin + (slot + 1) * (int64_t)SLOT_US);
	}
	s->heard = NULL;
}

/* ---- comparing ---- */
static struct span excerpt(struct span all, size_t from)
{
	struct span s = span_skip(all, from);
	return span_make(s.p, s.n < 600 ? s.n : 600);
}

static void compare(struct sim *s, enum life other, int kind)
{
	struct span a = buf_span(&got[HIDDEN][kind]), b = buf_span(&got[other][kind]);
	size_t at = 0, from, line = 0;
	if (span_eq(a, b)) return;
	for (; at < a.n && at < b.n && a.p[at] == b.p[at]; at++)
		if (a.p[at] == '\n' && at + 1 < a.n && a.p[at + 1] == '[') line = at + 1;
	from = at > line + 200 ? at - 200 : line;
	struct span head = span_make(a.p + line, a.n - line < 30 ? a.n - line : 30);
	if (s->is_verbose)
		fprintf(stderr, "%.*s\n--- hidden\n%.*s\n--- %s\n%.*s\n", SPAN_FMT(head), SPAN_FMT(excerpt(a, from)),
			life_names[other], SPAN_FMT(excerpt(b, from)));
	sim_fail(s, "what bob hides is seen, byte %zu beside %s: %.*s", at, life_names[other], SPAN_FMT(head));
}

void twins(struct sim *s)
{
	for (int i = 0; i < LIVES; i++)
		for (int kind = PLAIN; kind <= ALL; kind++) buf_init(&got[i][kind], (size_t)512 << 20);
	for (int i = 0; i < LIVES && !*s->failure; i++) {
		life = (enum life)i;
		live(s);
		close_down(s);
	}
	for (int i = 0; i < LIVES && !*s->failure; i++) BECK_ASSERT(!got[i][ALL].failed);
	if (!*s->failure) compare(s, DECOY, ALL);
	if (!*s->failure) compare(s, SILENT, PLAIN);
	for (int i = 0; i < LIVES; i++)
		for (int kind = PLAIN; kind <= ALL; kind++) buf_deinit(&got[i][kind]);
}
