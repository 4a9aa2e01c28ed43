/* Very many sessions in one process, without sockets: what a session costs beside its connection.
 *
 *   sessions [--sessions N] [--memberships N] [--watched N]
 *
 * Each has a user of its own, a connection_id, memberships in channels of a hundred members, half of them unread, and watches
 * some of them. They come evenly over one health interval; then another interval passes, in which each must get its health.check.
 * Prints one JSON object; rss_bytes is the whole process's anonymous memory, the in-memory carriers included. */
#include <stdio.h>

#include "base/limits.h"
#include "in_memory/in_memory.h"

enum { CHANNELS_MAX = 1000, TICKS_MS = 1000 };

static size_t option(int argc, char **argv, const char *name, size_t otherwise)
{
	long long v;
	for (int i = 1; i + 1 < argc; i++)
		if (span_is(span_str(argv[i]), name) && span_to_i64(span_str(argv[i + 1]), &v) && v >= 0) return (size_t)v;
	return otherwise;
}

static size_t anonymous_bytes(void)
{
	char line[256];
	long long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");
	BECK_ASSERT(f);
	while (fgets(line, sizeof line, f))
		if (strncmp(line, "RssAnon:", 8) == 0) kib = strtoll(line + 8, NULL, 10);
	fclose(f);
	return (size_t)kib * 1024;
}

static double seconds_since(int64_t us) { return (double)(clock_mono_us(&clock_system) - us) / 1e6; }

static void open_all(struct in_memory *m, size_t memberships, size_t watched)
{
	int64_t channels[CHANNELS_MAX];
	size_t seconds = (size_t)LIMIT_HEALTH_MS / TICKS_MS, each = m->n / seconds + 1;
	BECK_ASSERT(memberships <= CHANNELS_MAX);
	for (size_t i = 0; i < m->n; i++) {
		in_memory_others(m, channels, memberships);
		in_memory_open(m, channels, memberships, watched);
		if (i % each == each - 1) in_memory_pass(m, TICKS_MS);
	}
}

/* -> how many sessions got at least one health.check after the one that greets them */
static size_t let_beat(struct in_memory *m)
{
	size_t alive = 0;
	in_memory_pass(m, LIMIT_HEALTH_MS + TICKS_MS);
	for (size_t i = 0; i < m->n; i++) alive += m->readers[i].got >= 2;
	return alive;
}

int main(int argc, char **argv)
{
	struct in_memory m;
	size_t n = option(argc, argv, "--sessions", 1000000), memberships = option(argc, argv, "--memberships", 50),
	       watched = option(argc, argv, "--watched", 1);
	size_t empty = anonymous_bytes();
	in_memory_init(&m, n);
	int64_t begin = clock_mono_us(&clock_system);
	open_all(&m, memberships, watched);
	double opened_s = seconds_since(begin);
	begin = clock_mono_us(&clock_system);
	size_t alive = let_beat(&m);
	double beat_s = seconds_since(begin);
	size_t rss = anonymous_bytes();
	struct session_stats stats;
	session_hub_stats(m.hub, &stats);
	if (alive != n || stats.sessions != (int64_t)n) {
		fprintf(stderr, "sessions: %zu of %zu got their health.check\n", alive, n);
		return 1;
	}
	begin = clock_mono_us(&clock_system);
	in_memory_deinit(&m);
	printf("{\"sessions\":%zu,\"memberships\":%zu,\"watched\":%zu,\"rss_bytes\":%zu,\"bytes_per_session\":%.0f,"
	       "\"opened_seconds\":%.2f,\"beat_seconds\":%.2f,\"closed_seconds\":%.2f}\n",
		n, memberships, watched, rss, (double)(rss - empty) / (double)n, opened_s, beat_s, seconds_since(begin));
	return 0;
}
