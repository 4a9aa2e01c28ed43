/* beckd: the command line. Subcommands work on a data folder; without one, the server runs until SIGTERM or SIGINT. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "server/admin.h"
#include "server/beckd.h"

static void help(FILE *out)
{
	(void)fputs(
		"beckd " BECK_VERSION " - a chat server\n\n"
		"usage: beckd [options]                    run the server\n"
		"       beckd backup DIR [--data DIR]      copy a data folder consistently, also while the server runs\n"
		"       beckd restore DIR [--data DIR] [--erasures-from DIR]\n"
		"                                          fill an empty data folder from a backup; and erase again what the\n"
		"                                          newest data folder or backup lists as erased\n"
		"       beckd check [--data DIR]           verify a data folder\n"
		"       beckd app create|list|rotate ...   applications (see `beck app --help`)\n\n"
		"options, each also as --name=value, as name = value in the INI file, and as BECK_NAME in the environment;\n"
		"later wins: defaults, file, environment, flags\n\n",
		out);
	for (const struct config_option *o = config_options; o->name; o++) {
		char left[64];
		(void)snprintf(left, sizeof left, "--%s %s", o->name, o->value ? o->value : "");
		(void)fprintf(out, "  %-34s %s%s%s%s\n", left, o->help, o->fallback && o->value ? " [" : "",
			o->fallback && o->value ? o->fallback : "", o->fallback && o->value ? "]" : "");
	}
	(void)fputs("\nSIGTERM, SIGINT: drain and end. SIGHUP: read the TLS files again.\n", out);
}

/* Every socket is a descriptor: take what the hard limit allows. */
static void raise_descriptor_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r) != 0)
			LOG_WRN("descriptor limit not raised", "limit=%llu", (unsigned long long)r.rlim_cur);
	}
}

static void reload(struct beckd *d)
{
	char why[NET_TLS_WHY_BYTES];
	if (!d->tls) {
		LOG_INF("nothing to reload", "tls=off");
	} else if (net_tls_reload(d->tls, why)) {
		LOG_INF("TLS files reloaded", "cert=%s", d->config.tls_cert.p);
	} else {
		LOG_ERR("TLS files not reloaded, the old ones stay", "why=\"%s\"", why);
	}
}

static void wait_for_signals(struct beckd *d, const sigset_t *set)
{
	for (;;) {
		int sig;
		if (sigwait(set, &sig) != 0) continue;
		if (sig != SIGHUP) return;
		reload(d);
	}
}

static int serve(int argc, char **argv)
{
	struct arena a;
	struct config config;
	struct span why = SPAN_NONE;
	arena_init(&a, (size_t)LIMIT_ARENA_BYTES);
	if (!config_load(&config, &a, argc, argv, &why)) {
		(void)fprintf(stderr, "beckd: %.*s\n", SPAN_FMT(why));
		arena_deinit(&a);
		return 2;
	}
	log_setup(STDERR_FILENO, (enum log_level)config.log_level);
	raise_descriptor_limit();
	(void)signal(SIGPIPE, SIG_IGN);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	struct beckd *d = beckd_create(&config, &a, &beckd_env_real, &why);
	if (!d || !beckd_start(d, &why)) {
		(void)fprintf(stderr, "beckd: %.*s\n", SPAN_FMT(why));
		beckd_destroy(d);
		return 1;
	}
	struct span url = beckd_url(d, &d->arena);
	printf("beckd ready url=%.*s\n", SPAN_FMT(url));
	(void)fflush(stdout);
	LOG_INF("ready", "url=%.*s version=%s start_ms=%.1f", SPAN_FMT(url), BECK_VERSION,
		(double)(clock_mono_us(&clock_system) - d->started_us) / 1000.0);
	wait_for_signals(d, &set);
	LOG_INF("draining", "limit_ms=%lld", (long long)LIMIT_DRAIN_MS);
	beckd_drain(d);
	beckd_destroy(d);
	LOG_INF("ended", "status=%d", 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "";
	if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0) {
		help(stdout);
		return 0;
	}
	if (strcmp(first, "--version") == 0) {
		puts("beckd " BECK_VERSION);
		return 0;
	}
	umask(077); /* the data folder holds secrets and messages */
	if (*first && *first != '-') return admin_main(argc - 1, argv + 1);
	return serve(argc - 1, argv + 1);
}
