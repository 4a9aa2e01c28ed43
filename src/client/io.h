/* What the client needs of the world: time, randomness, HTTP exchanges, byte streams, and waiting for them. Two drivers: curl
 * (io_curl.c) and the simulator's. Below this line nothing knows of users, tokens or events; above it nothing knows of sockets.
 *
 * Threads: wait, wake, now_ms, wall_us and random may be called without a lock; everything else, and the on_* callbacks, run
 * under the client's lock. Callbacks run inside turn only, never inside start, open, send, cancel or close. Ids name exchanges
 * and streams, never 0, never reused; an unknown id is ignored, so that cancelling what has just ended is no error. */
#ifndef BECK_CLIENT_IO_H
#define BECK_CLIENT_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#include <beck/loop.h>
#include <beck/types.h>

struct io_http {
	const char *method;
	struct span url;            /* whole, "https://host/path?query" */
	const struct span *headers; /* "Name: value" each */
	size_t n_headers;
	struct span body;         /* SPAN_NONE: none */
	struct span content_type; /* of the body, or of the file */
	const char *file_path; /* instead of a body: multipart/form-data with this file in the field `file`, streamed from disk */
	uint32_t timeout_ms;   /* whole exchange; with a file: without progress */
	size_t max_answer_bytes; /* larger: BECK_EPROTOCOL */
};

/* How an exchange ended. result BECK_OK: there is a status, whatever it is. */
struct io_answer {
	beck_result result; /* BECK_OK, BECK_ENETWORK, BECK_ETLS, BECK_ETIMEOUT, BECK_EPROTOCOL, BECK_EFILE, BECK_ENOMEM */
	int status;
	struct span body;       /* valid during the callback */
	int32_t retry_after_ms; /* from Retry-After, 0 without */
	struct span problem;    /* one line for people when result is not BECK_OK */
};

struct io_events {
	void (*on_answer)(void *ctx, uint64_t id, const struct io_answer *answer);
	void (*on_progress)(void *ctx, uint64_t id, uint64_t sent_bytes, uint64_t total_bytes);
	void (*on_stream_open)(void *ctx, uint64_t id);
	void (*on_stream_data)(void *ctx, uint64_t id, struct span bytes);
	/* Once; the id is gone then. result as in io_answer; BECK_OK: the peer ended it orderly. Not called after stream_close.
	 */
	void (*on_stream_closed)(void *ctx, uint64_t id, beck_result result, struct span problem);
};

struct io {
	const struct io_driver *driver;
	const struct io_events *events;
	void *ctx; /* of the events */
};

struct io_driver {
	void (*destroy)(struct io *io); /* ends everything without callbacks */

	/* 0 without memory. */
	uint64_t (*http_start)(struct io *io, const struct io_http *request);
	void (*http_cancel)(struct io *io, uint64_t id); /* no callback follows */

	/* A TCP connection, with TLS for https, to the host of the URL (scheme, host and port count), through the proxy if there
	 * is one. 0 without memory. */
	uint64_t (*stream_open)(struct io *io, struct span url, uint32_t timeout_ms);
	/* Queues all of it; false without memory or when more than LIMIT_CLIENT_STREAM_BYTES would wait: close it then. */
	bool (*stream_send)(struct io *io, uint64_t id, struct span bytes);
	/* What is queued is sent if the kernel takes it at once. */
	void (*stream_close)(struct io *io, uint64_t id);

	/* Sleeps until something is ready, wake is called, or the time is over; -1: no limit. */
	void (*wait)(struct io *io, int timeout_ms);
	void (*wake)(struct io *io);
	void (*turn)(struct io *io); /* does what is ready */
	size_t (*fds)(struct io *io, beck_fd *fds, size_t max);
	int (*deadline_ms)(struct io *io); /* from now; -1: none */

	int64_t (*now_ms)(struct io *io);  /* monotonic */
	int64_t (*wall_us)(struct io *io); /* since 1970 */
	void (*random)(struct io *io, void *p, size_t n);
};

/* What a driver is told once. The strings are the options' and outlive it. */
struct io_setup {
	const char *proxy, *ca_file;
	bool skip_tls_verify;
};
/* The curl driver; NULL without memory. */
struct io *io_curl_create(const struct io_setup *setup, const struct io_events *events, void *ctx);

#endif
