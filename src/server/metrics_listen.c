/* --metrics-listen: figures for the operator on an address of their own, so that the public one need not be asked with a token
 * and the answers stay in a private network. */
#include "base/log.h"
#include "server/beckd.h"

static bool listen_for_metrics(struct beckd *d, struct span *why)
{
	const char *reason = NULL;
	struct net_listen_options o = { .host = d->config.metrics_host.p,
		.port = d->config.metrics_port,
		.backlog = 64,
		.is_first = 1,
		.on_accept = conn_host_accept,
		.ctx = d->metrics_host };
	d->metrics_listener = net_listen(d->loops[0].loop, &o, &reason);
	if (d->metrics_listener) return true;
	*why = arena_printf(&d->arena, "metrics-listen: cannot listen on %.*s:%u: %s", SPAN_FMT(d->config.metrics_host),
		(unsigned)o.port, reason ? reason : "");
	return false;
}

bool beckd_metrics_start(struct beckd *d, struct span *why)
{
	struct beckd_loop *l = &d->loops[0];
	struct conn_settings settings = { .addresses = d->addresses,
		.cors_origins = SPAN("none"), /* a page in the operator's browser may not read it */
		.http_log = d->config.http_log,
		.metrics_only = true };
	if (d->config.metrics_host.n == 0) return true;
	d->metrics_host = conn_host_create(l->loop, l->hub, &d->chat, &l->conn_ops, &settings);
	if (!d->metrics_host) {
		*why = SPAN("out of memory");
		return false;
	}
	if (!listen_for_metrics(d, why)) return false;
	bool v6 = span_find(d->config.metrics_host, ':') < d->config.metrics_host.n;
	LOG_INF("metrics", "url=http://%s%.*s%s:%u/beck/metrics", v6 ? "[" : "", SPAN_FMT(d->config.metrics_host), v6 ? "]" : "",
		(unsigned)net_listener_port(d->metrics_listener));
	return true;
}

void beckd_metrics_drain(struct beckd *d, void (*drained)(void *ctx))
{
	if (!d->metrics_host) return;
	net_listener_close(d->metrics_listener);
	d->metrics_listener = NULL;
	conn_host_drain(d->metrics_host, drained, d);
}

void beckd_metrics_stop(struct beckd *d)
{
	if (d->metrics_listener) net_listener_close(d->metrics_listener);
	if (d->metrics_host) conn_host_destroy(d->metrics_host);
	d->metrics_listener = NULL;
	d->metrics_host = NULL;
}
