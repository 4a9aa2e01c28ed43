/* GET /beck/metrics: Prometheus text. Each name is documented in docs/operations.md. */
#include "server/beckd.h"

static void one(struct buf *out, const char *name, const char *type, const char *help, int64_t value)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", name, help, name, type, name, (long long)value);
}

static void seconds(struct buf *out, const char *name, const char *help, int64_t us)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s %lld.%06lld\n", name, help, name, name, (long long)us / 1000000,
		(long long)us % 1000000);
}

void beckd_metrics(void *ctx, struct buf *out)
{
	struct beckd *d = ctx;
	struct conn_stats c = { 0 };
	struct session_stats s = { 0 };
	struct workers_stats w;
	struct store_stats t;
	for (unsigned i = 0; i < d->loop_count; i++) {
		conn_host_stats(d->loops[i].host, &c);
		session_hub_stats(d->loops[i].hub, &s);
	}
	store_stats(d->store, &t);
	workers_stats(d->workers, &w);
	one(out, "beck_connections", "gauge", "Open sockets.", c.open);
	one(out, "beck_websockets", "gauge", "Open WebSocket connections.", c.websockets);
	one(out, "beck_connects_waiting", "gauge", "Connects that wait for their turn.", c.connects_waiting);
	one(out, "beck_sessions", "gauge", "Open sessions over either transport.", s.sessions);
	one(out, "beck_poll_sessions", "gauge", "Open sessions over long polling.", s.polls);
	one(out, "beck_polls_parked", "gauge", "Long polls that wait for an event.", c.polls_parked);
	one(out, "beck_connections_refused_total", "counter", "Sockets refused: too many of one address, or no memory.",
		c.refused);
	one(out, "beck_connections_stalled_total", "counter",
		"Connections closed because the peer was behind and took next to nothing.", c.stalled);
	one(out, "beck_requests_total", "counter", "HTTP requests answered.", c.requests);
	one(out, "beck_requests_4xx_total", "counter", "Answers with a 4xx status.", c.requests_4xx);
	one(out, "beck_requests_5xx_total", "counter", "Answers with a 5xx status.", c.requests_5xx);
	one(out, "beck_received_bytes_total", "counter", "Bytes read from sockets.", c.bytes_in);
	one(out, "beck_sent_bytes_total", "counter", "Bytes written to sockets.", c.bytes_out);
	one(out, "beck_events_delivered_total", "counter", "Events put into queues of sessions.", s.events_delivered);
	one(out, "beck_events_dropped_total", "counter", "Typing and superseded presence events not given to slow sessions.",
		s.events_dropped);
	one(out, "beck_sessions_closed_slow_total", "counter", "Sessions closed because they did not take their events.",
		s.closed_slow);
	one(out, "beck_queued_bytes", "gauge", "Bytes waiting in queues of sessions.", s.bytes_queued);
	one(out, "beck_reads_total", "counter", "Read rules run.", w.reads);
	one(out, "beck_writes_total", "counter", "Write rules run.", w.writes);
	one(out, "beck_commits_total", "counter", "Batches committed or given up.", w.batches);
	one(out, "beck_batches_broken_total", "counter", "Batches that could not be committed.", w.broken_batches);
	one(out, "beck_rejected_total", "counter", "Requests refused because a queue was full.", w.rejected);
	one(out, "beck_read_queue", "gauge", "Read rules waiting.", w.read_queue);
	one(out, "beck_write_queue", "gauge", "Write rules waiting.", w.lane_queue);
	one(out, "beck_store_log_bytes", "gauge", "Write-ahead log in use.", t.log_bytes);
	one(out, "beck_checkpoints_total", "counter", "Runs that moved the log into the database.", t.checkpoints);
	one(out, "beck_store_pauses_total", "counter", "Times the log began anew, with reads and writes held back.", t.pauses);
	seconds(out, "beck_store_pause_seconds_total", "How long they were held back.", t.pause_us);
	one(out, "beck_concurrent_connections", "gauge", "Sessions over all applications.", registry_concurrent(d->registry, 0));
	one(out, "beck_uptime_seconds", "gauge", "Since this process started.",
		(clock_mono_us(d->clock) - d->started_us) / 1000000);
}
