/* Inside of the curl driver: one multi handle, driven by curl_multi_socket_action with descriptors of our own keeping, because a
 * foreign loop needs to see them and select's bound on descriptors must not be ours.
 *
 * io_curl.c  the driver, waiting, descriptors      io_curl_http.c  exchanges      io_curl_stream.c  byte streams
 *
 * `guard` is for `wait`, which runs without the client's lock: it protects the list of descriptors, nothing else. */
#ifndef BECK_CLIENT_IO_CURL_H
#define BECK_CLIENT_IO_CURL_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/list.h"
#include "client/io.h"
#include "client/os.h"

struct watched_fd {
	curl_socket_t fd;
	short events;
	uint64_t stream; /* 0: curl's own */
};

enum transfer_kind { TRANSFER_HTTP, TRANSFER_STREAM };
/* What an easy handle belongs to. */
struct transfer {
	struct list in;
	enum transfer_kind kind;
	uint64_t id;
	CURL *easy;
	struct io_curl *io;
	char problem[CURL_ERROR_SIZE];
};

struct io_curl {
	struct io io;
	struct io_setup setup;
	CURLM *multi;
	struct list transfers;
	uint64_t last_id;
	int64_t due_ms; /* when curl wants to be called; -1: never */
	bool has_more;  /* a stream was left with bytes to read */
	bool has_news;  /* an exchange has progress to tell, or failed before it began */
	os_fd wake[2];
	atomic_bool is_woken;
	pthread_mutex_t guard;
	struct watched_fd *fds;
	size_t n_fds, cap_fds;
	os_pollfd *polled; /* of `wait`, by the driving thread alone */
	size_t cap_polled;
	struct watched_fd *ready; /* of `turn` */
};

static inline struct io_curl *io_curl_of(struct io *io) { return BECK_CONTAINER(io, struct io_curl, io); }

/* ---- io_curl.c ---- */
/* events 0 takes it out. False without memory. */
bool io_curl_watch(struct io_curl *c, curl_socket_t fd, short events, uint64_t stream);
/* Options that all handles have; false without memory. */
bool io_curl_prepare(struct io_curl *c, struct transfer *t, struct span url);
struct transfer *io_curl_find(struct io_curl *c, uint64_t id, enum transfer_kind kind);
beck_result io_curl_result(const struct transfer *t, CURLcode code);
struct span io_curl_problem(const struct transfer *t, CURLcode code);
int64_t io_curl_now(struct io *io);
void io_curl_wake(struct io *io);

/* ---- io_curl_http.c ---- */
uint64_t io_http_start(struct io *io, const struct io_http *request);
void io_http_cancel(struct io *io, uint64_t id);
void io_http_done(struct io_curl *c, struct transfer *t, CURLcode code);
void io_http_free(struct io_curl *c, struct transfer *t);
/* Tells what was put off, because inside a callback of curl or in http_start it could not be told. */
void io_http_tell(struct io_curl *c);

/* ---- io_curl_stream.c ---- */
uint64_t io_stream_open(struct io *io, struct span url, uint32_t timeout_ms);
bool io_stream_send(struct io *io, uint64_t id, struct span bytes);
void io_stream_close(struct io *io, uint64_t id);
void io_stream_connected(struct io_curl *c, struct transfer *t, CURLcode code);
void io_stream_ready(struct io_curl *c, uint64_t id, short events);
/* From all, whether poll says that they have something or not. */
void io_streams_pull(struct io_curl *c);
void io_stream_free(struct io_curl *c, struct transfer *t);

#endif
