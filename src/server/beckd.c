#include "server/beckd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/strangers.h"
#include "base/embedded.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/log.h"

static const char *content_type(struct span name)
{
	static const struct {
		const char *end, *type;
	} types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".svg", "image/svg+xml" },
		{ ".json", "application/json" },
		{ ".ts", "text/plain; charset=utf-8" },
		{ ".png", "image/png" },
	};
	for (size_t i = 0; i < BECK_COUNT(types); i++) {
		struct span end = span_str(types[i].end);
		if (name.n >= end.n && memcmp(name.p + (name.n - end.n), end.p, end.n) == 0) return types[i].type;
	}
	return "application/octet-stream";
}

static const struct embedded_file *embedded_find(struct span folder, const char *name)
{
	for (const struct embedded_file *f = embedded_assets; f->name; f++) {
		struct span path = span_str(f->name);
		if (span_starts(path, folder) && span_is(span_skip(path, folder.n), name)) return f;
	}
	return NULL;
}

/* "/console/..." is the folder console of the pages, "/beck/client/..." the folder client. */
static bool find_asset(void *ctx, struct span path, struct conn_asset *out)
{
	(void)ctx;
	bool is_client = span_starts(path, SPAN("/beck/client/"));
	if (!is_client && !span_starts(path, SPAN("/console"))) return false;
	struct span name = span_skip(path, is_client ? SPAN("/beck/").n : 1);
	bool ends_open = name.p[name.n - 1] == '/';
	const struct embedded_file *f = embedded_find(name, ends_open ? "index.html" : "");
	if (!f) {
		out->is_folder = !ends_open && embedded_find(name, "/index.html") != NULL;
		return out->is_folder;
	}
	out->bytes = span_make(f->data, f->n);
	out->type = span_str(content_type(span_str(f->name)));
	out->tag = span_str(f->tag);
	if (f->packed) out->packed = span_make(f->packed, f->packed_n);
	return true;
}

static struct session_hub *hub_of(void *ctx, unsigned loop)
{
	struct beckd *d = ctx;
	return loop < d->loop_count ? d->loops[loop].hub : NULL;
}

static struct conn_host *host_of(void *ctx, unsigned loop)
{
	struct beckd *d = ctx;
	return loop < d->loop_count ? d->loops[loop].host : NULL;
}

/* COMMIT with an unknown outcome. Exit without a word to anybody: at the next start the log tells what is there. */
static void fatal(void *ctx, const char *why)
{
	(void)ctx;
	LOG_ERR("giving up", "why=\"%s\"", why);
	_exit(75);
}

static bool make_loop(struct beckd *d, unsigned i, struct span *why)
{
	struct beckd_loop *l = &d->loops[i];
	l->d = d;
	l->index = i;
	l->loop = d->env.make_loop(d->env.ctx, d->clock, d->rng);
	if (!l->loop) return false;
	net_loop_set_time_scale(l->loop, d->config.time_scale);
	beckd_fill_session_ops(d, &l->session_ops);
	l->hub = session_hub_create(l->loop, 0, i, d->registry, &l->session_ops);
	l->conn_ops = (struct conn_ops){ .submit = beckd_submit,
		.hub = hub_of,
		.host = host_of,
		.asset = find_asset,
		.came_online = beckd_came_online,
		.ctx = d };
	struct conn_settings settings = { .addresses = d->addresses,
		.deflate = d->config.deflate,
		.trusted_proxies = d->config.trusted_proxies,
		.cors_origins = d->config.cors_origins,
		.http_log = d->config.http_log,
		.max_per_address = d->config.max_connections_per_address,
		.strangers = d->strangers };
	if (l->hub) l->host = conn_host_create(l->loop, l->hub, &d->chat, &l->conn_ops, &settings);
	if (!l->host) *why = SPAN("out of memory");
	return l->host != NULL;
}

static bool make_bus(struct beckd *d)
{
	struct bus_sink sinks[64];
	BECK_ASSERT(d->loop_count > 0);
	d->hubs = calloc(d->loop_count, sizeof *d->hubs);
	if (!d->hubs) return false;
	for (unsigned i = 0; i < d->loop_count; i++) d->hubs[i] = d->loops[i].hub;
	for (unsigned i = 0; i < d->loop_count; i++) session_hub_set_peers(d->loops[i].hub, d->hubs, d->loop_count);
	for (unsigned i = 0; i < d->loop_count; i++)
		sinks[i] = (struct bus_sink){ .deliver = session_hub_deliver, .ctx = d->loops[i].hub, .loop = d->loops[i].loop };
	d->bus = bus_create_local(sinks, d->loop_count);
	if (d->bus && !d->env.is_threaded) bus_never_wait(d->bus); /* one thread cannot wait for itself */
	return d->bus != NULL;
}

static bool open_store(struct beckd *d, struct span *why)
{
	if (!d->env.vfs && mkdir(d->config.data.p, 0700) != 0 && errno != EEXIST) {
		*why = arena_printf(&d->arena, "cannot make the data folder %s: %s", d->config.data.p, strerror(errno));
		return false;
	}
	struct store_options o = { .folder = d->config.data,
		.vfs = d->env.vfs,
		.readers = d->config.readers + 1,
		.log_bytes = d->env.log_bytes,
		.clock = d->clock,
		.rng = d->rng };
	d->store = store_open(&o, &d->arena, why);
	return d->store != NULL;
}

static struct net_loop *make_uv_loop(void *ctx, const struct clock *clock, const struct rng *rng)
{
	(void)ctx;
	return net_loop_create_uv(clock, rng);
}

const struct beckd_env beckd_env_real = {
	.clock = &clock_system,
	.rng = &rng_system,
	.make_loop = make_uv_loop,
	.is_threaded = true,
	.fatal = fatal,
};

struct beckd *beckd_create(const struct config *c, struct arena *a, const struct beckd_env *env, struct span *why)
{
	const struct clock *clock = env->clock;
	const struct rng *rng = env->rng;
	struct beckd *d = calloc(1, sizeof *d);
	if (!d) return NULL;
	d->config = *c;
	d->env = *env;
	d->arena = *a;
	d->clock = clock;
	d->rng = rng;
	d->started_us = clock_mono_us(clock);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (cores < 1) cores = 1;
	if (!d->config.loops) d->config.loops = (int)(cores < 64 ? cores : 64);
	if (!d->config.readers) d->config.readers = (int)(cores < 32 ? cores * 2 : 64);
	d->loop_count = (unsigned)d->config.loops;
	pthread_mutex_init(&d->lock, NULL);
	cond_init(&d->wake);

	*why = SPAN("out of memory");
	d->loops = calloc(d->loop_count, sizeof *d->loops);
	rng_fill(rng, d->turns_seed, sizeof d->turns_seed);
	d->registry = registry_create(rng);
	d->addresses = conn_addresses_create(rng);
	d->strangers = strangers_create(rng, d->config.guests_per_address);
	d->chat = (struct chat){ .clock = clock,
		.rng = rng,
		.registry = d->registry,
		.is_dev = d->config.is_dev,
		.error_page = d->config.error_page,
		.metrics = beckd_metrics,
		.metrics_ctx = d };
	d->chat.apps = chat_apps_create(rng);
	bool ok = d->loops && d->registry && d->addresses && d->strangers && d->chat.apps && open_store(d, why) &&
		  beckd_bootstrap(d, why);
	for (unsigned i = 0; ok && i < d->loop_count; i++) ok = make_loop(d, i, why);
	if (ok) {
		struct workers_options w = { .store = d->store,
			.chat = &d->chat,
			.clock = clock,
			.readers = d->config.readers,
			.is_threaded = env->is_threaded,
			.fatal = env->fatal,
			.ctx = env->ctx };
		ok = make_bus(d) && (w.bus = d->bus, d->workers = workers_create(&w), d->workers != NULL);
	}
	if (ok) return d;
	/* The reason may lie in the server's arena, which goes with it. */
	static const size_t longest = 1000;
	struct span kept = *why;
	char *copy = malloc(longest);
	size_t n = kept.n < longest ? kept.n : longest - 1;
	if (copy && kept.p) memcpy(copy, kept.p, n);
	beckd_destroy(d);
	*why = copy ? span_make(copy, n) : SPAN("out of memory"); /* main prints it and exits */
	return NULL;
}

static void *loop_main(void *arg)
{
	struct beckd_loop *l = arg;
	char name[16];
	(void)snprintf(name, sizeof name, "loop-%u", l->index);
	(void)pthread_setname_np(pthread_self(), name);
	net_loop_run(l->loop);
	return NULL;
}

static bool listen_on(struct beckd *d, struct beckd_loop *l, struct span *why)
{
	const char *reason = NULL;
	struct net_listen_options o = { .host = d->config.listen_host.p,
		.port = d->port ? d->port : d->config.listen_port,
		.tls = d->tls,
		.backlog = 4096,
		.is_first = l->index == 0,
		.proxy_v2 = d->config.proxy_v2,
		.trusted_proxies = d->config.trusted_proxies,
		.on_accept = conn_host_accept,
		.ctx = l->host };
	l->listener = net_listen(l->loop, &o, &reason);
	if (l->listener) {
		d->port = net_listener_port(l->listener);
	} else {
		*why = arena_printf(&d->arena, "cannot listen on %.*s:%u: %s", SPAN_FMT(d->config.listen_host), (unsigned)o.port,
			reason ? reason : "");
	}
	return l->listener != NULL;
}

bool beckd_start(struct beckd *d, struct span *why)
{
	if (span_given(d->config.tls_cert)) {
		char reason[NET_TLS_WHY_BYTES];
		d->tls = net_tls_create(d->config.tls_cert.p, d->config.tls_key.p, reason);
		if (!d->tls) {
			*why = arena_printf(&d->arena, "%s", reason);
			return false;
		}
	}
	for (unsigned i = 0; i < d->loop_count; i++)
		if (!listen_on(d, &d->loops[i], why)) return false;
	if (!beckd_metrics_start(d, why)) return false;
	if (!d->env.is_threaded) return true;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	bool ok = true;
	for (unsigned i = 0; ok && i < d->loop_count; i++) {
		ok = pthread_create(&d->loops[i].thread, NULL, loop_main, &d->loops[i]) == 0;
		d->loops[i].is_running = ok;
	}
	ok = ok && beckd_background_start(d);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!ok) *why = SPAN("cannot start threads");
	return ok;
}

struct span beckd_url(struct beckd *d, struct arena *a)
{
	bool v6 = span_find(d->config.listen_host, ':') < d->config.listen_host.n;
	return arena_printf(a, "%s://%s%.*s%s:%u", d->tls ? "https" : "http", v6 ? "[" : "", SPAN_FMT(d->config.listen_host),
		v6 ? "]" : "", (unsigned)d->port);
}

static void on_drained(void *ctx)
{
	struct beckd *d = ctx;
	pthread_mutex_lock(&d->lock);
	d->draining--;
	pthread_cond_broadcast(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

static void drain_loop(struct net_message *m)
{
	struct beckd_loop *l = BECK_CONTAINER(m, struct beckd_loop, drain);
	if (l->listener) net_listener_close(l->listener);
	l->listener = NULL;
	conn_host_drain(l->host, on_drained, l->d);
	if (l->index == 0) beckd_metrics_drain(l->d, on_drained);
}

void beckd_drain(struct beckd *d)
{
	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < d->loop_count; i++) {
		if (!d->loops[i].is_running) continue;
		d->draining += i == 0 && d->metrics_host ? 2 : 1;
		d->loops[i].drain.run = drain_loop;
		net_post(d->loops[i].loop, &d->loops[i].drain);
	}
	int64_t until = clock_mono_us(d->clock) + LIMIT_DRAIN_MS * 1000;
	while (d->draining) {
		int64_t left = until - clock_mono_us(d->clock);
		if (left <= 0) break;
		struct timespec at = cond_until(left + 1000);
		pthread_cond_timedwait(&d->wake, &d->lock, &at);
	}
	if (d->draining) LOG_WRN("drain took too long", "loops=%u", d->draining);
	pthread_mutex_unlock(&d->lock);
}

/* Order matters: workers finish what is queued while loops still take their events and answers; then the loops stop; then goes
 * what both stood on. */
void beckd_destroy(struct beckd *d)
{
	if (!d) return;
	beckd_background_stop(d);
	workers_stop(d->workers);
	for (unsigned i = 0; i < d->loop_count && d->loops; i++) {
		if (!d->loops[i].is_running) continue;
		net_loop_stop(d->loops[i].loop);
		pthread_join(d->loops[i].thread, NULL);
	}
	beckd_metrics_stop(d);
	for (unsigned i = 0; i < d->loop_count && d->loops; i++) {
		struct beckd_loop *l = &d->loops[i];
		if (l->listener) net_listener_close(l->listener);
		if (l->host) conn_host_destroy(l->host);
		if (l->hub) session_hub_destroy(l->hub);
	}
	bus_destroy(d->bus);
	workers_destroy(d->workers);
	free(d->hubs);
	for (unsigned i = 0; i < d->loop_count && d->loops; i++)
		if (d->loops[i].loop) net_loop_destroy(d->loops[i].loop);
	net_tls_destroy(d->tls);
	if (d->store) store_close(d->store);
	chat_apps_destroy(d->chat.apps);
	conn_addresses_destroy(d->addresses);
	strangers_destroy(d->strangers);
	registry_destroy(d->registry);
	free(d->loops);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->wake);
	arena_deinit(&d->arena);
	free(d);
}
