/* The server's lives, and the steps of the world around it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "base/limits.h"
#include "vfs.h"

static void on_cut(void *ctx)
{
	struct sim *s = ctx;
	if (s->is_verbose)
		fprintf(stderr, "%.3f s: power cut at write %llu\n", (double)world_now() / 1e6, (unsigned long long)vfs_writes());
	s->has_crashed = true;
	world_sever_all(); /* from this instant nothing reaches anybody */
	vfs_power_cut();
}

static void on_fatal(void *ctx, const char *why)
{
	struct sim *s = ctx;
	if (s->is_verbose) fprintf(stderr, "%.3f s: fatal: %s\n", (double)world_now() / 1e6, why);
	s->has_crashed = true;
	world_sever_all();
	vfs_process_died();
}

static struct config config_of(struct arena *a)
{
	(void)a;
	return (struct config){ .listen_host = SPAN("127.0.0.1"),
		.listen_port = 1,
		.data = SPAN("data"),
		.api_key = SPAN("key"),
		.api_secret = SPAN("secret"),
		.cors_origins = SPAN("*"),
		.loops = 2,
		.readers = 2,
		.time_scale = 1,
		.log_level = 2,
		.max_connections_per_address = 100000 };
}

static void tell_head(struct sim *s)
{
	struct store_tx *tx;
	int64_t head = -1;
	if (store_read_begin(s->d->store, 0, 0, &tx) == ERR_OK) {
		if (store_event_head(tx, &head) != ERR_OK) head = -1;
		store_read_end(tx);
	}
	fprintf(stderr, "%.3f s: server starts, log head %lld\n", (double)world_now() / 1e6, (long long)head);
}

bool server_start(struct sim *s)
{
	struct arena a;
	struct span why = SPAN_NONE;
	arena_init(&a, (size_t)LIMIT_ARENA_BYTES);
	struct config c = config_of(&a);
	struct beckd_env env = { .clock = &world_clock,
		.rng = &world_rng,
		.make_loop = world_make_loop,
		.vfs = "sim",
		.log_bytes = 256 << 10,
		.fatal = on_fatal,
		.ctx = s };
	vfs_revive();
	if (s->plant == PLANT_LYING_DISK) vfs_lie_about_sync(true);
	s->has_crashed = false;
	s->d = beckd_create(&c, &a, &env, &why);
	if (s->d && beckd_start(s->d, &why)) {
		if (s->is_verbose) tell_head(s);
		return true;
	}
	sim_fail(s, "the server does not start: %.*s", SPAN_FMT(why));
	if (!s->d) free((void *)(uintptr_t)why.p); /* its copy of the reason */
	beckd_destroy(s->d);
	s->d = NULL;
	return false;
}

void server_crash(struct sim *s, bool power_cut)
{
	if (!s->has_crashed) {
		world_sever_all();
		if (power_cut)
			vfs_power_cut();
		else
			vfs_process_died();
	}
	s->crashes++;
	beckd_destroy(s->d);
	s->d = NULL;
	for (int i = 0; i < DEVICES; i++) device_lost(s, &s->devices[i]);
	vfs_revive();
}

static void some_fault(struct sim *s)
{
	if (s->is_calm) return;
	switch (world_below(400)) {
	case 0: vfs_on_write(1 + world_below(60), on_cut, s); break;
	case 1:
		s->faults++;
		vfs_fault(VFS_IOERR, 1 + world_below(20), false);
		break;
	case 2:
		s->faults++;
		vfs_fault(VFS_FULL, 1 + world_below(20), false);
		break;
	case 3:
		s->faults++;
		vfs_fault(VFS_SYNC_FAILS, 1 + world_below(10), false);
		break;
	case 4: world_step_wall((int64_t)world_below(20000000) - 10000000); break;
	case 5:
		server_crash(s, false);
		server_start(s);
		break;
	default: break;
	}
}

/* Who moves next is chance; when nobody can, time passes to the next thing due. */
bool world_step(struct sim *s)
{
	if (s->has_crashed) {
		server_crash(s, true);
		if (!server_start(s)) return false;
	}
	world_pass(5 + (int64_t)world_below(50));
	if (world_chance(2)) some_fault(s);
	if (!s->d) return false;
	bool did = false;
	unsigned first = (unsigned)world_below(8);
	for (unsigned k = 0; k < 8 && !did && !s->has_crashed; k++) {
		unsigned who = (first + k) % 8;
		if (who < s->d->loop_count)
			did = world_turn(s->d->loops[who].loop);
		else if (who < 4)
			did = workers_step_reader(s->d->workers, (int)who - 2);
		else if (who == 4)
			did = workers_step_lane(s->d->workers);
		else if (who == 5 && world_chance(1))
			beckd_background_round(s->d, false);
		else if (who == 6 && store_checkpoint_due(s->d->store))
			store_checkpoint(s->d->store);
	}
	for (int i = 0; i < DEVICES && s->d; i++) device_step(s, &s->devices[i]);
	for (size_t i = 0; i < BECK_COUNT(s->ops) && s->d; i++) op_step(s, &s->ops[i]);
	if (!did && s->d) {
		int64_t next = world_now() + 20000;
		for (unsigned i = 0; i < s->d->loop_count; i++) {
			int64_t due = world_next_due(s->d->loops[i].loop);
			if (due && due < next) next = due;
		}
		if (next > world_now()) world_pass(next - world_now());
	}
	return did;
}

static void keep(struct op *op, int status, yyjson_val *body)
{
	op->is_done = true;
	op->status = status;
	op->body = body;
}

yyjson_val *call(struct sim *s, struct arena *a, int user, const char *method, struct span path, struct span body, int *status)
{
	for (int tries = 0; tries < 50; tries++) {
		struct op *op = NULL;
		if (request_start(s, user, method, path, body, keep, -1, -1)) {
			for (size_t i = 0; i < BECK_COUNT(s->ops); i++)
				if (s->ops[i].done == keep) op = &s->ops[i];
		}
		for (int steps = 0; op && !op->is_done && steps < 200000 && !*s->failure; steps++) world_step(s);
		*status = op ? op->status : 0;
		yyjson_val *v = NULL;
		if (op && op->body) {
			struct span text = json_text(&op->arena, op->body);
			const char *why;
			size_t at;
			v = json_parse(a, arena_dup(a, text), &why, &at);
		}
		if (op) {
			if (op->line) buf_deinit(&op->in);
			line_free(op->line);
			op->line = NULL;
			arena_deinit(&op->arena);
			op->done = NULL;
			op->is_done = false;
		}
		if (v || *s->failure) return v;
		for (int i = 0; i < 50; i++) world_step(s);
	}
	sim_fail(s, "no answer to %s %.*s", method, SPAN_FMT(path));
	return NULL;
}
