#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "conn/conn.h"
#include "net/addr.h"

const struct config_option config_options[] = {
	{ "config", "FILE", NULL, "read options from this INI file (default: beckd.ini in the data folder, when it is there)" },
	{ "listen", "ADDR:PORT", "127.0.0.1:8800", "address of the API; port 0 picks a free one" },
	{ "data", "DIR", "./data", "folder that holds everything; made when missing" },
	{ "api-key", "KEY", NULL, "key of the first application (default: made at the first start)" },
	{ "api-secret-file", "FILE", NULL,
		"file with the first application's secret (or BECK_API_SECRET; default: made and kept in the data folder)" },
	{ "tls-cert", "FILE", NULL, "certificate chain in PEM; with tls-key the listener speaks TLS; SIGHUP reads both again" },
	{ "tls-key", "FILE", NULL, "private key in PEM" },
	{ "trusted-proxies", "CIDRS", NULL, "comma-separated networks whose X-Forwarded-For is believed" },
	{ "proxy-v2", NULL, "false", "a PROXY protocol v2 header precedes each connection" },
	{ "cors-origins", "LIST", "*", "origins that browsers may call from" },
	{ "error-page", "URL", "/console/errors.html", "what `more_info` of errors names, \"#code\" added; empty: nothing" },
	{ "deflate", NULL, "false", "permessage-deflate may be negotiated (costs memory per connection)" },
	{ "dev", NULL, "false", "development: guests and development tokens allowed; loopback only" },
	{ "http-log", NULL, "true", "one log line per request" },
	{ "loops", "N", "0", "loop threads (0: one per core)" },
	{ "readers", "N", "0", "reader threads (0: two per core)" },
	{ "metrics-listen", "ADDR:PORT", NULL,
		"a second, plain listener for /beck/metrics and /beck/health alone, without tokens; port 0 picks a free one (see "
		"the log)" },
	{ "max-connections-per-address", "N", "0",
		"open sockets and long-poll sessions of one client address (0: the built-in limit)" },
	{ "guests-per-address", "N", "0",
		"guests that one client address may make at once, and then one each second (0: the built-in limit)" },
	{ "log-level", "LEVEL", "info", "debug, info, warn or error" },
	{ "time-scale", "N", "1", "tests only, with --dev: protocol timers run N times faster" },
	{ NULL, NULL, NULL, NULL },
};

#define OPTION_MAX 32
struct loading {
	struct arena *arena;
	struct span values[OPTION_MAX];
	struct span why;
};

static int option_find(const char *name, size_t n)
{
	for (int i = 0; config_options[i].name; i++)
		if (strlen(config_options[i].name) == n && strncmp(config_options[i].name, name, n) == 0) return i;
	return -1;
}

static struct span *option(struct loading *l, const char *name) { return &l->values[option_find(name, strlen(name))]; }

static int on_ini(void *ctx, const char *section, const char *name, const char *value)
{
	struct loading *l = ctx;
	int i = option_find(name, strlen(name));
	if (i < 0 || strcmp(config_options[i].name, "config") == 0) {
		l->why = *section ? arena_printf(l->arena, "unknown option \"%s\" in section [%s]", name, section)
				  : arena_printf(l->arena, "unknown option \"%s\"", name);
		return 0;
	}
	l->values[i] = arena_dup(l->arena, span_str(value));
	return 1;
}

static bool load_ini(struct loading *l, const char *file, bool must_exist)
{
	if (!must_exist && access(file, F_OK) != 0) return true;
	int line = ini_parse(file, on_ini, l);
	if (line == 0) return true;
	if (line < 0) {
		l->why = arena_printf(l->arena, "cannot read %s: %s", file, strerror(errno));
	} else {
		l->why = arena_printf(l->arena, "%s, line %d: %.*s", file, line, l->why.p ? (int)l->why.n : 12,
			l->why.p ? l->why.p : "syntax error");
	}
	return false;
}

static void load_environment(struct loading *l)
{
	for (int i = 0; config_options[i].name; i++) {
		char name[64] = "BECK_";
		size_t n = 5;
		for (const char *p = config_options[i].name; *p && n < sizeof name - 1; p++) {
			name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
		}
		name[n] = 0;
		const char *v = getenv(name);
		if (v) l->values[i] = arena_dup(l->arena, span_str(v));
	}
}

static bool load_flags(struct loading *l, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i];
		if (strncmp(arg, "--", 2) != 0) {
			l->why = arena_printf(l->arena, "unexpected argument \"%s\"", arg);
			return false;
		}
		arg += 2;
		const char *eq = strchr(arg, '=');
		size_t n = eq ? (size_t)(eq - arg) : strlen(arg);
		int o = option_find(arg, n);
		if (o < 0) {
			l->why = arena_printf(l->arena, "unknown option --%.*s (see beckd --help)", (int)n, arg);
			return false;
		}
		if (eq) {
			l->values[o] = arena_dup(l->arena, span_str(eq + 1));
		} else if (!config_options[o].value) {
			l->values[o] = SPAN("true");
		} else if (i + 1 < argc) {
			l->values[o] = arena_dup(l->arena, span_str(argv[++i]));
		} else {
			l->why = arena_printf(l->arena, "option --%s needs a value", config_options[o].name);
			return false;
		}
	}
	return true;
}

static bool to_bool(struct loading *l, const char *name, bool *out)
{
	struct span v = *option(l, name);
	if (span_is(v, "true") || span_is(v, "yes") || span_is(v, "on") || span_is(v, "1")) {
		*out = true;
	} else if (span_is(v, "false") || span_is(v, "no") || span_is(v, "off") || span_is(v, "0")) {
		*out = false;
	} else {
		l->why = arena_printf(l->arena, "%s: \"%.*s\" is neither true nor false", name, SPAN_FMT(v));
		return false;
	}
	return true;
}

static bool to_int(struct loading *l, const char *name, long long min, long long max, int *out)
{
	struct span v = *option(l, name);
	long long n;
	if (!span_to_i64(v, &n) || n < min || n > max) {
		l->why = arena_printf(l->arena, "%s: \"%.*s\" is not a number from %lld to %lld", name, SPAN_FMT(v), min, max);
		return false;
	}
	*out = (int)n;
	return true;
}

static bool split_address(struct loading *l, const char *name, struct span *host, uint16_t *port)
{
	struct span v = *option(l, name);
	size_t colon = v.n;
	while (colon > 0 && v.p[colon - 1] != ':') colon--;
	long long n;
	if (colon < 2 || !span_to_i64(span_skip(v, colon), &n) || n < 0 || n > 65535) {
		l->why = arena_printf(l->arena, "%s: \"%.*s\" is not ADDR:PORT", name, SPAN_FMT(v));
		return false;
	}
	struct span h = span_make(v.p, colon - 1);
	if (h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']') h = span_make(h.p + 1, h.n - 2);
	*host = arena_dup(l->arena, h);
	*port = (uint16_t)n;
	return true;
}

static bool read_secret(struct loading *l, struct config *c)
{
	struct span file = *option(l, "api-secret-file");
	if (!span_given(file)) {
		const char *env = getenv("BECK_API_SECRET");
		if (env && *env) c->api_secret = arena_dup(l->arena, span_str(env));
		return true;
	}
	struct stat st;
	FILE *f = fopen(file.p, "re");
	if (!f || fstat(fileno(f), &st) != 0) {
		l->why = arena_printf(l->arena, "api-secret-file: cannot read %s: %s", file.p, strerror(errno));
		if (f) (void)fclose(f);
		return false;
	}
	char line[512];
	bool ok = fgets(line, sizeof line, f) != NULL;
	(void)fclose(f);
	if (!ok || (st.st_mode & 077) != 0) {
		l->why = arena_printf(l->arena,
			ok ? "api-secret-file: %s must be readable by its owner only (mode 0600)"
			   : "api-secret-file: %s is empty",
			file.p);
		return false;
	}
	c->api_secret = arena_dup(l->arena, span_make(line, strcspn(line, "\r\n")));
	return true;
}

static bool check_proxies(struct loading *l, struct span list)
{
	struct net_cidr one;
	size_t n, count = 0;
	while (list.n) {
		struct span entry = span_cut(&list, ',');
		if (!net_cidrs_parse(entry, &one, 1, &n)) {
			l->why = arena_printf(l->arena, "trusted-proxies: \"%.*s\" is no address and no network like 10.0.0.0/8",
				SPAN_FMT(entry));
			return false;
		}
		count += n;
	}
	if (count > CONN_TRUSTED_MAX) l->why = arena_printf(l->arena, "trusted-proxies: more than %d networks", CONN_TRUSTED_MAX);
	return count <= CONN_TRUSTED_MAX;
}

static bool is_loopback(struct span host)
{
	return span_starts(host, SPAN("127.")) || span_is(host, "::1") || span_is(host, "localhost");
}

static bool fill(struct loading *l, struct config *c)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };
	*c = (struct config){ 0 };
	c->data = *option(l, "data");
	c->api_key = *option(l, "api-key");
	c->tls_cert = *option(l, "tls-cert");
	c->tls_key = *option(l, "tls-key");
	c->trusted_proxies = *option(l, "trusted-proxies");
	c->cors_origins = *option(l, "cors-origins");
	c->error_page = *option(l, "error-page");
	int per_address = 0;
	if (!split_address(l, "listen", &c->listen_host, &c->listen_port) ||
		(option(l, "metrics-listen")->n > 0 && !split_address(l, "metrics-listen", &c->metrics_host, &c->metrics_port)) ||
		!to_bool(l, "proxy-v2", &c->proxy_v2) || !to_bool(l, "deflate", &c->deflate) || !to_bool(l, "dev", &c->is_dev) ||
		!to_bool(l, "http-log", &c->http_log) || !to_int(l, "loops", 0, 64, &c->loops) ||
		!to_int(l, "readers", 0, 256, &c->readers) ||
		!to_int(l, "max-connections-per-address", 0, 10000000, &per_address) ||
		!to_int(l, "guests-per-address", 0, 10000000, &c->guests_per_address) ||
		!to_int(l, "time-scale", 1, 1000, &c->time_scale) || !read_secret(l, c) ||
		!check_proxies(l, c->trusted_proxies)) {
		return false;
	}
	c->max_connections_per_address = per_address ? per_address : LIMIT_CONNS_PER_ADDR;
	c->log_level = -1;
	for (int i = 0; i < 4; i++)
		if (span_is(*option(l, "log-level"), levels[i])) c->log_level = i;
	if (c->log_level < 0) {
		l->why = arena_printf(
			l->arena, "log-level: \"%.*s\" is none of debug, info, warn, error", SPAN_FMT(*option(l, "log-level")));
	} else if (c->is_dev && !is_loopback(c->listen_host)) {
		l->why = arena_printf(l->arena, "--dev switches safety off and so listens on loopback only, not on %.*s",
			SPAN_FMT(c->listen_host));
	} else if (c->is_dev && c->metrics_host.n > 0 && !is_loopback(c->metrics_host)) {
		l->why = arena_printf(
			l->arena, "--dev listens on loopback only, not for metrics on %.*s", SPAN_FMT(c->metrics_host));
	} else if (c->time_scale != 1 && !c->is_dev) {
		l->why = SPAN("time-scale is for tests and needs --dev");
	} else if (span_given(c->tls_cert) != span_given(c->tls_key)) {
		l->why = SPAN("tls-cert and tls-key go together");
	}
	return !span_given(l->why);
}

bool config_load(struct config *c, struct arena *a, int argc, char **argv, struct span *why)
{
	struct loading l = { .arena = a };
	for (int i = 0; config_options[i].name; i++) l.values[i] = span_str(config_options[i].fallback);
	/* Flags and environment are read twice: first to learn where the file is, then to win over it. */
	load_environment(&l);
	bool ok = load_flags(&l, argc, argv);
	if (ok) {
		struct span named = *option(&l, "config");
		struct span file = span_given(named) ? named : arena_printf(a, "%.*s/beckd.ini", SPAN_FMT(*option(&l, "data")));
		ok = load_ini(&l, file.p, span_given(named));
	}
	if (ok) {
		load_environment(&l);
		ok = load_flags(&l, argc, argv) && fill(&l, c);
	}
	*why = l.why;
	return ok;
}
