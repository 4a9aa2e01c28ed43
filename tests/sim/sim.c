/* beck_sim: seeded people against a whole server in one thread.
 *
 *   beck_sim [--seeds N] [--first SEED] [--seed SEED] [--plant NAME] [--verbose]
 *
 * Each seed is one story of disconnects, slow readers, clock steps, disk errors, crashes and power cuts at any write. Then the
 * faults end, everybody comes back, and it must hold: nothing acknowledged is lost, nothing is stored twice, all devices saw one
 * order, each living message once although they resumed over either transport, hidden typing and read state reached nobody,
 * unread counts and connection counters equal a recount. A failure prints its seed; --seed replays it exactly. --plant makes a
 * fault on purpose: the run must then fail. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"
#include "base/log.h"
#include "vfs.h"

const char *const plant_names[PLANT_COUNT] = { "none", "lying-disk", "drop-event", "repeat-event", "swap-events", "leak-read",
	"miscount", "ghost", "leak-typing", "double-send", "twin-typing", "twin-read", "twin-delivery" };

void sim_fail(struct sim *s, const char *fmt, ...)
{
	if (*s->failure) return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s->failure, sizeof s->failure, fmt, ap);
	va_end(ap);
}

bool put(struct sim *s, const char *method, const char *path, const char *body)
{
	struct arena a;
	int status = 0;
	arena_init(&a, 64 << 20);
	yyjson_val *v = call(s, &a, -1, method, span_str(path), span_str(body), &status);
	if (v && status > 201)
		sim_fail(s, "%s %s: status %d: %.*s", method, path, status, SPAN_FMT(json_span(json_get(v, "message"))));
	arena_deinit(&a);
	return v && status <= 201;
}

static void settle_people(struct sim *s)
{
	char body[512];
	snprintf(body, sizeof body,
		"{\"users\":{\"ann\":{\"id\":\"ann\"},\"bob\":{\"id\":\"bob\",\"privacy_settings\":{\"typing_indicators\":{"
		"\"enabled\":%s},\"read_receipts\":{\"enabled\":%s}}},\"cleo\":{\"id\":\"cleo\"},\"dan\":{\"id\":\"dan\"}}}",
		s->plant == PLANT_LEAK_TYPING ? "true" : "false", s->plant == PLANT_LEAK_READ ? "true" : "false");
	put(s, "POST", "/users", body);
	for (int c = 0; c < CHANNELS; c++) {
		char path[64];
		snprintf(path, sizeof path, "/channels/messaging/c%d/query", c);
		put(s, "POST", path, "{\"data\":{\"members\":[\"ann\",\"bob\",\"cleo\",\"dan\"],\"created_by_id\":\"ann\"}}");
	}
}

static bool all_live(struct sim *s)
{
	for (int i = 0; i < DEVICES; i++)
		if (!s->devices[i].is_live) return false;
	return true;
}

/* ---- what people do ---- */
static struct sim *running;

static void sent_done(struct op *op, int status, yyjson_val *body)
{
	struct sent *m = &running->sent[op->message];
	if (status == 201 && body) m->is_acked = true;
	if (status == 400 || status == 403 || status == 404) {
		m->was_refused = true;
		sim_fail(running, "send refused: %d %.*s", status, SPAN_FMT(json_span(json_get(body, "message"))));
	}
}

static void ignored(struct op *op, int status, yyjson_val *body) { (void)op, (void)status, (void)body; }

static void send_message(struct sim *s, int m)
{
	char path[64], body[160];
	const char *id = s->plant == PLANT_DOUBLE_SEND && s->sent[m].tries++ ? "r" : "m"; /* a client that forgets its id */
	for (int i = WIRE_DEVICES; i < DEVICES; i++)
		if (s->devices[i].user == s->sent[m].author && s->plant == PLANT_NONE && world_chance(70) &&
			library_send(s, &s->devices[i], m))
			return;
	snprintf(path, sizeof path, "/channels/messaging/c%d/message", s->sent[m].channel);
	snprintf(body, sizeof body, "{\"message\":{\"id\":\"%s-%d\",\"text\":\"number %d\"}}", id, m, m);
	request_start(s, s->sent[m].author, "POST", span_str(path), span_str(body), sent_done, m, s->sent[m].channel);
}

static void new_message(struct sim *s, int author, int channel)
{
	if (s->sent_count == MESSAGES) return;
	int m = s->sent_count++;
	s->sent[m] = (struct sent){ .channel = channel, .author = author };
	snprintf(s->sent[m].id, sizeof s->sent[m].id, "m-%d", m);
	send_message(s, m);
}

/* Whoever got no answer asks again with the same id. */
static void retry_some(struct sim *s)
{
	for (int m = 0; m < s->sent_count; m++)
		if (!s->sent[m].is_acked && !s->sent[m].was_refused && world_chance(30)) {
			send_message(s, m);
			return;
		}
}

static void act(struct sim *s)
{
	int user = (int)world_below(USERS), channel = (int)world_below(CHANNELS);
	char path[96], body[128];
	switch (world_below(10)) {
	case 0:
	case 1:
	case 2:
	case 3: new_message(s, user, channel); break;
	case 4: retry_some(s); break;
	case 5:
	case 6:
		snprintf(path, sizeof path, "/channels/messaging/c%d/read", channel);
		request_start(s, user, "POST", span_str(path), SPAN("{}"), ignored, -1, channel);
		break;
	case 7:
		snprintf(path, sizeof path, "/channels/messaging/c%d/event", channel);
		request_start(
			s, user, "POST", span_str(path), SPAN("{\"event\":{\"type\":\"typing.start\"}}"), ignored, -1, channel);
		break;
	case 8: {
		int m = s->sent_count ? (int)world_below((uint64_t)s->sent_count) : -1;
		if (m < 0 || !s->sent[m].is_acked) break;
		s->sent[m].delete_tried = true;
		snprintf(path, sizeof path, "/messages/m-%d", m);
		request_start(s, s->sent[m].author, "DELETE", span_str(path), SPAN_NONE, ignored, -1, channel);
		break;
	}
	default: {
		int m = s->sent_count ? (int)world_below((uint64_t)s->sent_count) : -1;
		if (m < 0 || !s->sent[m].is_acked || s->sent[m].delete_tried) break;
		snprintf(path, sizeof path, "/messages/m-%d", m);
		snprintf(body, sizeof body, "{\"set\":{\"edited\":%d}}", (int)world_below(100));
		request_start(s, s->sent[m].author, "PUT", span_str(path), span_str(body), ignored, -1, channel);
		break;
	}
	}
}

static void pass(struct sim *s, int64_t us)
{
	for (int64_t until = world_now() + us; world_now() < until && !*s->failure;) world_step(s);
}

static void wait_for_all(struct sim *s)
{
	for (int64_t until = world_now() + 120000000; !all_live(s) && !*s->failure;) {
		world_step(s);
		if (world_now() > until) sim_fail(s, "not everybody could come back");
	}
}

void close_down(struct sim *s)
{
	for (int i = 0; i < DEVICES; i++) {
		library_end(&s->devices[i]);
		device_lost(s, &s->devices[i]);
		ws_decoder_deinit(&s->devices[i].ws);
	}
	for (size_t i = 0; i < BECK_COUNT(s->ops); i++) {
		struct op *op = &s->ops[i];
		if (!op->done) continue;
		line_free(op->line);
		buf_deinit(&op->in);
		arena_deinit(&op->arena);
		op->done = NULL;
	}
	world_sever_all();
	beckd_destroy(s->d);
	vfs_format();
}

static void story(struct sim *s)
{
	if (!server_start(s)) return;
	s->is_calm = true;
	for (int i = 0; i < DEVICES; i++)
		s->devices[i] = (struct phone){
			.user = i % USERS, .prefers_poll = i % 3 == 2, .is_library = i >= WIRE_DEVICES, .retry_us = INT64_MAX
		};
	s->devices[WIRE_DEVICES].prefers_poll = true; /* of a library: the fallback is on */
	settle_people(s);
	for (int i = 0; i < DEVICES; i++) s->devices[i].retry_us = 0;
	wait_for_all(s);
	for (int i = 0; i < DEVICES; i++) /* once more, now with watches */
		device_lost(s, &s->devices[i]);
	wait_for_all(s);
	s->is_calm = false;
	int acts = 150 + (int)world_below(150);
	for (int i = 0; i < acts && !*s->failure; i++) {
		act(s);
		pass(s, (int64_t)world_below(world_chance(5) ? 60000000 : 300000));
	}
	s->is_calm = true;
	vfs_fault(VFS_NONE, 0, false);
	vfs_on_write(0, NULL, NULL);
	wait_for_all(s);
	pass(s, 40000000); /* requests end one way or the other */
	wait_for_all(s);
	for (int c = 0; c < CHANNELS; c++) /* everybody is told his totals once more */
		for (int u = 0; u < 2; u++) {
			new_message(s, u, c);
			pass(s, 2000000);
		}
	pass(s, 5000000);
	wait_for_all(s);
	pass(s, 3000000);
	for (int i = WIRE_DEVICES; i < DEVICES; i++)
		if (library_waiting(&s->devices[i]))
			sim_fail(s, "libbeck still has %zu messages to send", library_waiting(&s->devices[i]));
	check_all(s);
}

static bool run(uint64_t seed, enum plant plant, bool verbose)
{
	static struct sim s;
	s = (struct sim){ .seed = seed, .plant = plant, .is_verbose = verbose };
	running = &s;
	world_seed(seed);
	vfs_format();
	if (plant < PLANT_TWIN_TYPING) story(&s);
	if (verbose || *s.failure)
		fprintf(stderr, "seed %llu: %d messages, %d crashes, %d cuts, %d disk faults, %d resumes, %llu disk writes%s%s\n",
			(unsigned long long)seed, s.sent_count, s.crashes, s.cuts, s.faults, s.replays,
			(unsigned long long)vfs_writes(), *s.failure ? ": FAILED: " : "", s.failure);
	close_down(&s);
	if (!*s.failure && (plant == PLANT_NONE || plant >= PLANT_TWIN_TYPING)) {
		twins(&s);
		if (*s.failure) fprintf(stderr, "seed %llu, twins: FAILED: %s\n", (unsigned long long)seed, s.failure);
	}
	return !*s.failure;
}

int main(int argc, char **argv)
{
	long long seeds = 10, first = 1;
	enum plant plant = PLANT_NONE;
	bool verbose = false;
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;
		if (strcmp(argv[i], "--verbose") == 0)
			verbose = true;
		else if (strcmp(argv[i], "--seeds") == 0 && more && span_to_i64(span_str(argv[i + 1]), &seeds))
			i++;
		else if (strcmp(argv[i], "--first") == 0 && more && span_to_i64(span_str(argv[i + 1]), &first))
			i++;
		else if (strcmp(argv[i], "--seed") == 0 && more && span_to_i64(span_str(argv[i + 1]), &first)) {
			seeds = 1;
			verbose = true;
			i++;
		} else if (strcmp(argv[i], "--plant") == 0 && more) {
			for (int p = 0; p < PLANT_COUNT; p++)
				if (strcmp(argv[i + 1], plant_names[p]) == 0) plant = (enum plant)p;
			i++;
		} else {
			fputs("usage: beck_sim [--seeds N] [--first SEED] [--seed SEED] [--plant NAME] [--verbose]\n", stderr);
			return 2;
		}
	}
	log_setup(STDERR_FILENO, verbose ? LOG_WARN : LOG_ERROR);
	vfs_install("sim", &world_rng);
	long long failed = 0;
	for (long long i = 0; i < seeds; i++) failed += !run((uint64_t)(first + i), plant, verbose);
	printf("%lld seeds from %lld, %lld failed\n", seeds, first, failed);
	return failed != 0;
}
