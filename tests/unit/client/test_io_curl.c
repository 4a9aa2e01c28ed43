/* The curl driver against peers of every kind (io_server.py, which says what each path and word does). */
#include "../base/cm.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "client/io.h"
#include "client/os.h"

/* ---- the peers ---- */

static struct {
	pid_t pid;
	int in, out;
	int plain, tls, proxy, silent, abrupt, closed;
	char ca[256];
} peers;

static int port_of(const char *line, const char *name)
{
	const char *at = strstr(line, name);
	return at ? (int)strtol(at + strlen(name), NULL, 10) : 0;
}

static int start_peers(void **state)
{
	char script[1024], line[1024] = "";
	const char *file = strrchr(__FILE__, '/');
	int to[2], from[2];
	(void)state;
	(void)snprintf(script, sizeof script, "%.*s/io_server.py", file ? (int)(file - __FILE__) : 1, file ? __FILE__ : ".");
	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) return -1;
	peers.pid = fork();
	if (peers.pid == 0) {
		(void)dup2(to[0], 0);
		(void)dup2(from[1], 1);
		(void)execlp("python3", "python3", script, (char *)NULL);
		_exit(127);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	peers.in = to[1];
	peers.out = from[0];
	size_t n = 0;
	while (n < sizeof line - 1 && !strchr(line, '\n')) {
		ssize_t got = read(from[0], line + n, sizeof line - 1 - n);
		if (got <= 0) return -1;
		n += (size_t)got;
	}
	peers.plain = port_of(line, "plain=");
	peers.tls = port_of(line, "tls=");
	peers.proxy = port_of(line, "proxy=");
	peers.silent = port_of(line, "silent=");
	peers.abrupt = port_of(line, "abrupt=");
	peers.closed = port_of(line, "closed=");
	const char *ca = strstr(line, "ca=");
	if (!ca) return -1;
	(void)snprintf(peers.ca, sizeof peers.ca, "%.*s", (int)strcspn(ca + 3, "\n"), ca + 3);
	return 0;
}

static int end_peers(void **state)
{
	(void)state;
	(void)close(peers.in);
	(void)close(peers.out);
	(void)waitpid(peers.pid, NULL, 0);
	return 0;
}

/* ---- what is heard ---- */

enum { HEARD_MAX = 64 };

struct heard {
	uint64_t id;
	int answers, opens, closes;
	beck_result result;
	int status;
	int32_t retry_after_ms;
	char problem[256];
	struct buf bytes;
	int progress;
	uint64_t sent, total;
};

struct world {
	struct io *io;
	struct io_setup setup;
	struct heard heard[HEARD_MAX];
	size_t n;
	bool in_turn;
	uint64_t cancel_on_answer, close_on_data, cancel_on_progress;
	bool close_on_open;
};

static struct heard *of(struct world *w, uint64_t id)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->heard[i].id == id) return &w->heard[i];
	assert_true(w->n < HEARD_MAX);
	struct heard *h = &w->heard[w->n++];
	h->id = id;
	buf_init(&h->bytes, 64u << 20);
	return h;
}

static void note(struct heard *h, beck_result result, struct span problem)
{
	h->result = result;
	(void)snprintf(h->problem, sizeof h->problem, "%.*s", SPAN_FMT(problem));
}

static void on_answer(void *ctx, uint64_t id, const struct io_answer *a)
{
	struct world *w = ctx;
	struct heard *h = of(w, id);
	assert_true(w->in_turn);
	h->answers++;
	h->status = a->status;
	h->retry_after_ms = a->retry_after_ms;
	note(h, a->result, a->problem);
	buf_add_span(&h->bytes, a->body);
	w->io->driver->http_cancel(w->io, id); /* has just ended: no error */
	if (w->cancel_on_answer) w->io->driver->http_cancel(w->io, w->cancel_on_answer);
}

static void on_progress(void *ctx, uint64_t id, uint64_t sent, uint64_t total)
{
	struct world *w = ctx;
	struct heard *h = of(w, id);
	assert_true(w->in_turn);
	assert_true(sent >= h->sent && sent <= total);
	h->progress++;
	h->sent = sent;
	h->total = total;
	if (w->cancel_on_progress == id) w->io->driver->http_cancel(w->io, id);
}

static void on_stream_open(void *ctx, uint64_t id)
{
	struct world *w = ctx;
	assert_true(w->in_turn);
	of(w, id)->opens++;
	if (w->close_on_open) w->io->driver->stream_close(w->io, id);
}

static void on_stream_data(void *ctx, uint64_t id, struct span bytes)
{
	struct world *w = ctx;
	assert_true(w->in_turn);
	assert_true(bytes.n > 0);
	buf_add_span(&of(w, id)->bytes, bytes);
	if (w->close_on_data == id) w->io->driver->stream_close(w->io, id);
}

static void on_stream_closed(void *ctx, uint64_t id, beck_result result, struct span problem)
{
	struct world *w = ctx;
	assert_true(w->in_turn);
	of(w, id)->closes++;
	note(of(w, id), result, problem);
	w->io->driver->stream_close(w->io, id); /* has just ended: no error */
}

static const struct io_events events = { on_answer, on_progress, on_stream_open, on_stream_data, on_stream_closed };

static struct world *world_with(struct io_setup setup)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	w->io = io_curl_create(&setup, &events, w);
	assert_non_null(w->io);
	return w;
}

static struct world *world_make(void) { return world_with((struct io_setup){ 0 }); }

static void world_end(struct world *w)
{
	w->io->driver->destroy(w->io);
	for (size_t i = 0; i < w->n; i++) buf_deinit(&w->heard[i].bytes);
	free(w);
}

static void turn(struct world *w)
{
	w->in_turn = true;
	w->io->driver->turn(w->io);
	w->in_turn = false;
}

static void nap(struct world *w, int max_ms)
{
	int ms = w->io->driver->deadline_ms(w->io);
	if (ms < 0 || ms > max_ms) ms = max_ms;
	if (ms) w->io->driver->wait(w->io, ms);
}

/* As the client does: turn, and sleep for as long as nothing is due. */
static void step(struct world *w, int max_ms)
{
	turn(w);
	nap(w, max_ms);
}

#define UNTIL(w, condition)                                                                                                      \
	do {                                                                                                                     \
		int64_t give_up = os_now_ms() + 20000;                                                                           \
		while (!(condition)) {                                                                                           \
			if (os_now_ms() > give_up) fail_msg("never: %s", #condition);                                            \
			turn(w);                                                                                                 \
			if (!(condition)) nap(w, 100);                                                                           \
		}                                                                                                                \
	} while (0)

static void for_ms(struct world *w, int ms)
{
	int64_t end = os_now_ms() + ms;
	while (os_now_ms() < end) step(w, (int)(end - os_now_ms()) + 1);
}

/* ---- asking ---- */

static struct span url_of(const char *scheme, int port, const char *path)
{
	static char url[256];
	(void)snprintf(url, sizeof url, "%s://127.0.0.1:%d%s", scheme, port, path);
	return span_str(url);
}

static uint64_t ask(struct world *w, struct span url, struct io_http more)
{
	more.url = url;
	if (!more.method) more.method = "GET";
	if (!more.timeout_ms) more.timeout_ms = 10000;
	if (!more.max_answer_bytes) more.max_answer_bytes = 1u << 20;
	uint64_t id = w->io->driver->http_start(w->io, &more);
	assert_int_not_equal(id, 0);
	return id;
}

static struct heard *answer_of(struct world *w, uint64_t id)
{
	struct heard *h = of(w, id);
	UNTIL(w, h->answers);
	for_ms(w, 5);
	assert_int_equal(h->answers, 1);
	return h;
}

static struct heard *get(struct world *w, const char *path)
{
	return answer_of(w, ask(w, url_of("http", peers.plain, path), (struct io_http){ 0 }));
}

static void assert_bytes(const struct heard *h, const char *want) { assert_span(buf_span(&h->bytes), want); }

static void assert_failed(const struct heard *h, beck_result want)
{
	if (h->result != want) fail_msg("%d (%s), want %d", (int)h->result, h->problem, (int)want);
	if (want != BECK_OK) assert_true(h->problem[0] != '\0');
}

/* ---- HTTP ---- */

static void test_answers(void **state)
{
	(void)state;
	struct world *w = world_make();
	struct span headers[] = { SPAN("X-One: 1"), SPAN("X-Two: 2") };
	struct io_http post = {
		.method = "POST", .headers = headers, .n_headers = 2, .body = SPAN("{}"), .content_type = SPAN("application/json")
	};
	struct heard *h = answer_of(w, ask(w, url_of("http", peers.plain, "/echo"), post));
	assert_failed(h, BECK_OK);
	assert_int_equal(h->status, 200);
	assert_bytes(h, "POST|1|application/json||{}");
	post.body = SPAN("");
	assert_bytes(answer_of(w, ask(w, url_of("http", peers.plain, "/echo"), post)), "POST|1|application/json||");
	assert_bytes(
		answer_of(w, ask(w, url_of("http", peers.plain, "/echo"), (struct io_http){ .method = "POST" })), "POST||||");
	assert_bytes(
		answer_of(w, ask(w, url_of("http", peers.plain, "/echo"), (struct io_http){ .method = "DELETE" })), "DELETE||||");
	assert_bytes(get(w, "/echo"), "GET||||");
	assert_int_equal(get(w, "/nothing")->status, 404);
	assert_bytes(get(w, "/bytewise"), "hello");
	assert_int_equal(get(w, "/gzip")->bytes.n, 100000);
	/* A redirect is an answer like any other. */
	h = get(w, "/redirect");
	assert_int_equal(h->status, 302);
	assert_bytes(h, "elsewhere");
	world_end(w);
}

static void test_connections_are_kept(void **state)
{
	(void)state;
	struct world *w = world_make();
	char first[32];
	(void)snprintf(first, sizeof first, "%.*s", SPAN_FMT(buf_span(&get(w, "/connection")->bytes)));
	for (int i = 0; i < 5; i++) assert_bytes(get(w, "/connection"), first);
	world_end(w);
}

static void test_retry_after(void **state)
{
	(void)state;
	struct world *w = world_make();
	struct heard *h = get(w, "/busy");
	assert_int_equal(h->status, 503);
	assert_int_equal(h->retry_after_ms, 7000);
	h = get(w, "/busy-until");
	assert_true(h->retry_after_ms > 20000 && h->retry_after_ms <= 31000);
	assert_int_equal(get(w, "/busy-for-ever")->retry_after_ms, 3600000);
	assert_int_equal(get(w, "/echo")->retry_after_ms, 0);
	world_end(w);
}

static void test_answer_bound(void **state)
{
	(void)state;
	struct world *w = world_make();
	struct io_http small = { .max_answer_bytes = 1000 };
	assert_failed(answer_of(w, ask(w, url_of("http", peers.plain, "/size/1000"), small)), BECK_OK);
	struct heard *h = answer_of(w, ask(w, url_of("http", peers.plain, "/size/1001"), small));
	assert_failed(h, BECK_EPROTOCOL);
	assert_failed(answer_of(w, ask(w, url_of("http", peers.plain, "/endless"), small)), BECK_EPROTOCOL);
	/* What counts is what comes out of the compression. */
	assert_failed(get(w, "/bomb"), BECK_EPROTOCOL);
	world_end(w);
}

static void test_failures(void **state)
{
	(void)state;
	struct world *w = world_make();
	assert_failed(get(w, "/half"), BECK_ENETWORK);
	assert_failed(get(w, "/reset"), BECK_ENETWORK);
	assert_failed(get(w, "/empty"), BECK_ENETWORK);
	assert_failed(get(w, "/garbage"), BECK_EPROTOCOL);
	assert_failed(answer_of(w, ask(w, url_of("http", peers.closed, "/"), (struct io_http){ 0 })), BECK_ENETWORK);
	assert_failed(answer_of(w, ask(w, SPAN("ftp://127.0.0.1/x"), (struct io_http){ 0 })), BECK_EPROTOCOL);
	assert_failed(answer_of(w, ask(w, SPAN("file:///etc/hostname"), (struct io_http){ 0 })), BECK_EPROTOCOL);
	world_end(w);
}

static void test_timeouts(void **state)
{
	(void)state;
	struct world *w = world_make();
	struct io_http soon = { .timeout_ms = 200 };
	struct span urls[] = { url_of("http", peers.plain, "/slow"), SPAN_NONE, SPAN_NONE };
	int64_t begin = os_now_ms();
	assert_failed(answer_of(w, ask(w, urls[0], soon)), BECK_ETIMEOUT);
	assert_failed(answer_of(w, ask(w, url_of("http", peers.silent, "/"), soon)), BECK_ETIMEOUT);
	assert_failed(answer_of(w, ask(w, url_of("https", peers.silent, "/"), soon)), BECK_ETIMEOUT);
	uint64_t id = w->io->driver->stream_open(w->io, url_of("https", peers.silent, ""), 200);
	UNTIL(w, of(w, id)->closes);
	assert_failed(of(w, id), BECK_ETIMEOUT);
	int64_t took = os_now_ms() - begin;
	assert_in_range(took, 790, 20000); /* each TLS handshake reads the system's certificates first: seconds under qemu */
	world_end(w);
}

static void test_cancel(void **state)
{
	(void)state;
	struct world *w = world_make();
	/* Before the first turn, and under way. */
	uint64_t early = ask(w, url_of("http", peers.plain, "/slow"), (struct io_http){ 0 });
	w->io->driver->http_cancel(w->io, early);
	uint64_t late = ask(w, url_of("http", peers.plain, "/slow"), (struct io_http){ 0 });
	for_ms(w, 50);
	w->io->driver->http_cancel(w->io, late);
	w->io->driver->http_cancel(w->io, late);
	w->io->driver->http_cancel(w->io, 12345);
	/* Inside a callback: of another one that may be done in the same turn. */
	uint64_t a = ask(w, url_of("http", peers.plain, "/echo"), (struct io_http){ 0 });
	uint64_t b = ask(w, url_of("http", peers.plain, "/slow"), (struct io_http){ 0 });
	w->cancel_on_answer = b;
	(void)answer_of(w, a);
	for_ms(w, 50);
	assert_int_equal(of(w, early)->answers, 0);
	assert_int_equal(of(w, late)->answers, 0);
	assert_int_equal(of(w, b)->answers, 0);
	/* What is still on its way ends with the driver, without a callback. */
	w->cancel_on_answer = 0;
	(void)ask(w, url_of("http", peers.plain, "/slow"), (struct io_http){ 0 });
	(void)w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 1000);
	turn(w);
	world_end(w);
}

static void test_many_at_once(void **state)
{
	(void)state;
	enum { MANY = 60 };
	struct world *w = world_make();
	uint64_t ids[MANY];
	for (int i = 0; i < MANY; i++)
		ids[i] = i % 3 == 2 ? w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 10000)
				    : ask(w, url_of("http", peers.plain, "/size/20000"), (struct io_http){ 0 });
	for (int i = 0; i < MANY; i++) {
		struct heard *h = of(w, ids[i]);
		if (i % 3 == 2) {
			UNTIL(w, h->opens);
			assert_true(w->io->driver->stream_send(w->io, ids[i], SPAN("BYE\n")));
			UNTIL(w, h->closes);
			assert_failed(h, BECK_OK);
			assert_bytes(h, "bye");
		} else {
			UNTIL(w, h->answers);
			assert_int_equal(h->bytes.n, 20000);
		}
	}
	world_end(w);
}

/* ---- files ---- */

static char *file_of(size_t bytes, unsigned long *sum)
{
	static char path[] = "/tmp/beck-io-XXXXXX";
	(void)snprintf(path, sizeof path, "/tmp/beck-io-XXXXXX");
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
	assert_non_null(f);
	*sum = 0;
	for (size_t i = 0; i < bytes; i++) {
		*sum += i % 251;
		assert_true(putc((int)(i % 251), f) != EOF);
	}
	assert_int_equal(fclose(f), 0);
	return path;
}

static void test_upload(void **state)
{
	(void)state;
	enum { BYTES = 3000000 };
	struct world *w = world_make();
	unsigned long sum;
	char *path = file_of(BYTES, &sum), want[128];
	/* The content type is a part of something longer. */
	struct span type = span_make("image/pngXX", 9);
	struct io_http up = { .method = "POST", .file_path = path, .content_type = type };
	struct heard *h = answer_of(w, ask(w, url_of("http", peers.plain, "/upload"), up));
	assert_failed(h, BECK_OK);
	assert_int_equal(h->status, 201);
	buf_add_char(&h->bytes, '\0');
	(void)snprintf(want, sizeof want, "|%d|%lu", BYTES, sum % 65521);
	assert_non_null(strstr(h->bytes.p, want));
	assert_non_null(strstr(h->bytes.p, "name=\"file\""));
	assert_non_null(strstr(h->bytes.p, strrchr(path, '/') + 1));
	assert_non_null(strstr(h->bytes.p, "Content-Type: image/png|"));
	assert_true(h->progress >= 1);
	assert_int_equal(h->sent, h->total);
	assert_true(h->total > BYTES);
	/* Taken back by the program when it hears of progress. */
	uint64_t id = ask(w, url_of("http", peers.plain, "/upload"), up);
	w->cancel_on_progress = id;
	UNTIL(w, of(w, id)->progress);
	for_ms(w, 100);
	assert_int_equal(of(w, id)->progress, 1);
	assert_int_equal(of(w, id)->answers, 0);
	w->cancel_on_progress = 0;
	/* A peer that takes nothing: bounded by progress. */
	up.timeout_ms = 1000;
	int64_t begin = os_now_ms();
	assert_failed(answer_of(w, ask(w, url_of("http", peers.silent, "/"), up)), BECK_ETIMEOUT);
	assert_true(os_now_ms() - begin < 4000);
	assert_int_equal(unlink(path), 0);
	world_end(w);
}

static void test_files_that_are_none(void **state)
{
	(void)state;
	struct world *w = world_make();
	struct io_http up = { .method = "POST", .file_path = "/nowhere/at/all" };
	uint64_t a = ask(w, url_of("http", peers.plain, "/upload"), up), b = ask(w, url_of("http", peers.plain, "/upload"), up);
	w->io->driver->http_cancel(w->io, b);
	assert_failed(answer_of(w, a), BECK_EFILE);
	assert_int_equal(of(w, b)->answers, 0);
	up.file_path = "/";
	assert_failed(answer_of(w, ask(w, url_of("http", peers.plain, "/upload"), up)), BECK_EFILE);
	world_end(w);
}

/* ---- streams ---- */

static void echo_much(const char *scheme, int port, struct io_setup setup)
{
	enum { BYTES = 1 << 20 };
	static const size_t sizes[] = { 1, 7, 65537, 4095, 100000, 2, 16384 };
	struct world *w = world_with(setup);
	char *sent = malloc(BYTES);
	assert_non_null(sent);
	for (size_t i = 0; i < BYTES; i++) sent[i] = (char)(i * 31 + (i >> 8));
	uint64_t id = w->io->driver->stream_open(w->io, url_of(scheme, port, "/any"), 10000);
	struct heard *h = of(w, id);
	/* Waits in the queue until there is a connection. */
	assert_true(w->io->driver->stream_send(w->io, id, SPAN("ECHO\n")));
	UNTIL(w, h->opens || h->closes);
	assert_int_equal(h->opens, 1);
	for (size_t at = 0, i = 0; at < BYTES; i++) {
		size_t n = sizes[i % BECK_COUNT(sizes)];
		if (n > BYTES - at) n = BYTES - at;
		assert_true(w->io->driver->stream_send(w->io, id, span_make(sent + at, n)));
		at += n;
		/* At most as much on its way as the queue holds. */
		UNTIL(w, at - h->bytes.n < 500000);
	}
	UNTIL(w, h->bytes.n >= BYTES || h->closes);
	assert_int_equal(h->bytes.n, BYTES);
	assert_memory_equal(h->bytes.p, sent, BYTES);
	assert_int_equal(h->closes, 0);
	w->io->driver->stream_close(w->io, id);
	for_ms(w, 20);
	assert_int_equal(h->closes, 0);
	free(sent);
	world_end(w);
}

static void test_stream_echo(void **state)
{
	(void)state;
	echo_much("http", peers.plain, (struct io_setup){ 0 });
}

static void test_stream_ends(void **state)
{
	(void)state;
	struct world *w = world_make();
	const char *words[] = { "BYE\n", "RST\n" };
	const beck_result results[] = { BECK_OK, BECK_ENETWORK };
	for (int i = 0; i < 2; i++) {
		uint64_t id = w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 5000);
		UNTIL(w, of(w, id)->opens);
		assert_true(w->io->driver->stream_send(w->io, id, span_str(words[i])));
		UNTIL(w, of(w, id)->closes);
		assert_failed(of(w, id), results[i]);
		assert_false(w->io->driver->stream_send(w->io, id, SPAN("x")));
		for_ms(w, 20);
		assert_int_equal(of(w, id)->closes, 1);
	}
	uint64_t refused = w->io->driver->stream_open(w->io, url_of("http", peers.closed, ""), 5000);
	UNTIL(w, of(w, refused)->closes);
	assert_failed(of(w, refused), BECK_ENETWORK);
	assert_int_equal(of(w, refused)->opens, 0);
	world_end(w);
}

/* The peer is told of a close at once, not when the driver goes. */
static void test_stream_close_ends_the_connection(void **state)
{
	(void)state;
	struct world *w = world_make();
	uint64_t id = w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 5000);
	UNTIL(w, of(w, id)->opens);
	assert_true(w->io->driver->stream_send(w->io, id, SPAN("END\n")));
	for_ms(w, 50);
	w->io->driver->stream_close(w->io, id);
	assert_bytes(get(w, "/ends"), "ended");
	world_end(w);
}

static void test_stream_close_in_callbacks(void **state)
{
	(void)state;
	struct world *w = world_make();
	uint64_t id = w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 5000);
	UNTIL(w, of(w, id)->opens);
	w->close_on_data = id;
	assert_true(w->io->driver->stream_send(w->io, id, SPAN("FLOOD\n")));
	UNTIL(w, of(w, id)->bytes.n);
	size_t n = of(w, id)->bytes.n;
	for_ms(w, 50);
	assert_int_equal(of(w, id)->bytes.n, n);
	assert_int_equal(of(w, id)->closes, 0);
	w->close_on_open = true;
	id = w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 5000);
	UNTIL(w, of(w, id)->opens);
	for_ms(w, 50);
	assert_int_equal(of(w, id)->closes, 0);
	beck_fd fds[8];
	assert_int_equal(w->io->driver->fds(w->io, fds, 8), 1);
	world_end(w);
}

static void test_stream_queue_bound(void **state)
{
	(void)state;
	struct world *w = world_make();
	size_t n = (size_t)LIMIT_CLIENT_STREAM_BYTES;
	char *much = calloc(1, n);
	assert_non_null(much);
	uint64_t id = w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 5000);
	/* Nothing can leave before it is open. */
	assert_true(w->io->driver->stream_send(w->io, id, SPAN("DEAF\n")));
	assert_true(w->io->driver->stream_send(w->io, id, span_make(much, n - 5)));
	assert_false(w->io->driver->stream_send(w->io, id, SPAN("x")));
	w->io->driver->stream_close(w->io, id);
	/* A peer that does not read: the kernel takes some, then the queue fills. */
	id = w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 5000);
	UNTIL(w, of(w, id)->opens);
	assert_true(w->io->driver->stream_send(w->io, id, SPAN("DEAF\n")));
	int taken = 0;
	while (taken < 1000 && w->io->driver->stream_send(w->io, id, span_make(much, 65536))) {
		taken++;
		step(w, 0);
	}
	assert_in_range(taken, 16, 999);
	/* That it waits to write costs no turns. */
	int turns = 0;
	for (int64_t end = os_now_ms() + 100; os_now_ms() < end; turns++) step(w, 100);
	assert_true(turns < 20);
	free(much);
	world_end(w);
}

/* ---- waiting ---- */

struct waker {
	struct io *io;
	int count;
};

static void *wake_often(void *ctx)
{
	struct waker *w = ctx;
	for (int i = 0; i < w->count; i++) w->io->driver->wake(w->io);
	return NULL;
}

static void test_wake(void **state)
{
	(void)state;
	struct world *w = world_make();
	pthread_t thread;
	struct waker one = { w->io, 1 }, many = { w->io, 20000 };
	/* Before the wait: not lost. */
	w->io->driver->wake(w->io);
	int64_t begin = os_now_ms();
	w->io->driver->wait(w->io, 5000);
	assert_true(os_now_ms() - begin < 2000);
	assert_int_equal(w->io->driver->deadline_ms(w->io), 0);
	turn(w);
	assert_int_equal(w->io->driver->deadline_ms(w->io), -1);
	/* Heard once: the next wait sleeps. */
	begin = os_now_ms();
	w->io->driver->wait(w->io, 50);
	assert_true(os_now_ms() - begin >= 45);
	assert_int_equal(pthread_create(&thread, NULL, wake_often, &one), 0);
	w->io->driver->wait(w->io, 10000);
	assert_int_equal(pthread_join(thread, NULL), 0);
	turn(w);
	/* However turns and wakes meet, none stays in the pipe and none is lost. */
	assert_int_equal(pthread_create(&thread, NULL, wake_often, &many), 0);
	for (int i = 0; i < 2000; i++) step(w, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	turn(w);
	turn(w);
	begin = os_now_ms();
	w->io->driver->wait(w->io, 50);
	assert_true(os_now_ms() - begin >= 45);
	w->io->driver->wake(w->io);
	w->io->driver->wait(w->io, 10000);
	assert_true(os_now_ms() - begin < 5000);
	world_end(w);
}

/* A loop of the program's own, which knows descriptors and deadlines only. */
static void test_foreign_loop(void **state)
{
	(void)state;
	struct world *w = world_make();
	uint64_t a = ask(w, url_of("http", peers.plain, "/bytewise"), (struct io_http){ 0 });
	uint64_t b = w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 5000);
	assert_true(w->io->driver->stream_send(w->io, b, SPAN("FLOOD\n")));
	int64_t give_up = os_now_ms() + 10000;
	while ((!of(w, a)->answers || of(w, b)->bytes.n < 1 << 20) && os_now_ms() < give_up) {
		beck_fd fds[16];
		struct pollfd polled[16];
		size_t n = w->io->driver->fds(w->io, fds, 16);
		assert_true(n >= 1 && n <= 16);
		for (size_t i = 0; i < n; i++) polled[i] = (struct pollfd){ .fd = (int)fds[i].fd, .events = fds[i].events };
		(void)poll(polled, n, w->io->driver->deadline_ms(w->io));
		turn(w);
	}
	assert_bytes(of(w, a), "hello");
	assert_int_equal(of(w, b)->bytes.n, 1 << 20);
	/* More than the program has room for is told, not written. */
	beck_fd one[1];
	assert_true(w->io->driver->fds(w->io, one, 1) >= 2);
	assert_true(w->io->driver->fds(w->io, NULL, 0) >= 2);
	world_end(w);
}

static void test_nothing_survives_exec(void **state)
{
	(void)state;
	struct world *w = world_make();
	uint64_t id = w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 5000);
	UNTIL(w, of(w, id)->opens);
	(void)get(w, "/echo");
	beck_fd fds[16];
	size_t n = w->io->driver->fds(w->io, fds, 16);
	for (size_t i = 0; i < n; i++) assert_true(fcntl((int)fds[i].fd, F_GETFD) & FD_CLOEXEC);
	world_end(w);
}

/* ---- TLS, proxies ---- */

static void test_tls(void **state)
{
	(void)state;
	struct io_setup trusting = { .ca_file = peers.ca };
	echo_much("https", peers.tls, trusting);
	struct world *w = world_with(trusting);
	assert_bytes(answer_of(w, ask(w, url_of("https", peers.tls, "/echo"), (struct io_http){ 0 })), "GET||||");
	/* What TLS has read already is given out although poll sees nothing of it. */
	uint64_t id = w->io->driver->stream_open(w->io, url_of("https", peers.tls, ""), 5000);
	assert_true(w->io->driver->stream_send(w->io, id, SPAN("FLOOD\n")));
	UNTIL(w, of(w, id)->bytes.n == 1 << 20);
	const char *p = of(w, id)->bytes.p;
	for (size_t i = 0; i < 1 << 20; i++)
		if (p[i] != (char)(i % 251)) fail_msg("byte %zu is wrong", i);
	world_end(w);
}

static void test_tls_distrust(void **state)
{
	(void)state;
	struct world *w = world_make();
	assert_failed(answer_of(w, ask(w, url_of("https", peers.tls, "/echo"), (struct io_http){ 0 })), BECK_ETLS);
	uint64_t id = w->io->driver->stream_open(w->io, url_of("https", peers.tls, ""), 5000);
	UNTIL(w, of(w, id)->closes);
	assert_failed(of(w, id), BECK_ETLS);
	assert_int_equal(of(w, id)->opens, 0);
	/* No TLS at all, which is told in plain words. */
	const struct heard *h =
		answer_of(w, ask(w, url_of("https", peers.plain, "/echo"), (struct io_http){ .timeout_ms = 2000 }));
	assert_failed(h, BECK_ETLS);
	assert_non_null(strstr(h->problem, "does not speak TLS"));
	id = w->io->driver->stream_open(w->io, url_of("https", peers.plain, ""), 5000);
	UNTIL(w, of(w, id)->closes);
	assert_failed(of(w, id), BECK_ETLS);
	assert_non_null(strstr(of(w, id)->problem, "does not speak TLS"));
	world_end(w);
	/* The certificate is for 127.0.0.1. */
	w = world_with((struct io_setup){ .ca_file = peers.ca });
	char url[64];
	(void)snprintf(url, sizeof url, "https://localhost:%d/echo", peers.tls);
	assert_failed(answer_of(w, ask(w, span_str(url), (struct io_http){ 0 })), BECK_ETLS);
	/* A cut during the handshake is the network's fault, and may heal. */
	assert_failed(answer_of(w, ask(w, url_of("https", peers.abrupt, "/"), (struct io_http){ 0 })), BECK_ENETWORK);
	world_end(w);
	w = world_with((struct io_setup){ .ca_file = "/nowhere/at/all.pem" });
	assert_failed(answer_of(w, ask(w, url_of("https", peers.tls, "/echo"), (struct io_http){ 0 })), BECK_ETLS);
	world_end(w);
	w = world_with((struct io_setup){ .skip_tls_verify = true });
	assert_failed(answer_of(w, ask(w, url_of("https", peers.tls, "/echo"), (struct io_http){ 0 })), BECK_OK);
	world_end(w);
}

static void test_proxy(void **state)
{
	(void)state;
	char proxy[64];
	(void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", peers.proxy);
	echo_much("http", peers.plain, (struct io_setup){ .proxy = proxy });
	echo_much("https", peers.tls, (struct io_setup){ .proxy = proxy, .ca_file = peers.ca });
	struct world *w = world_with((struct io_setup){ .proxy = proxy, .ca_file = peers.ca });
	assert_bytes(answer_of(w, ask(w, url_of("https", peers.tls, "/proxied"), (struct io_http){ 0 })), "3");
	assert_failed(answer_of(w, ask(w, SPAN("https://forbidden.invalid/"), (struct io_http){ 0 })), BECK_ENETWORK);
	uint64_t id = w->io->driver->stream_open(w->io, SPAN("https://forbidden.invalid/"), 5000);
	UNTIL(w, of(w, id)->closes);
	assert_failed(of(w, id), BECK_ENETWORK);
	world_end(w);
}

/* ---- without memory ---- */

static struct {
	long fail_at, count; /* fail_at 0: never */
} memory;

static bool is_out(void) { return ++memory.count == memory.fail_at; }

static void *some(void *ctx, size_t n)
{
	(void)ctx;
	return is_out() ? NULL : malloc(n);
}

static void *other(void *ctx, void *old, size_t n)
{
	(void)ctx;
	return is_out() ? NULL : realloc(old, n);
}

static void none(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

/* An exchange and a stream. Both come to an end, one way or the other. */
static void talk(void)
{
	struct world *w = calloc(1, sizeof *w);
	struct io_setup setup = { 0 };
	assert_non_null(w);
	w->io = io_curl_create(&setup, &events, w);
	if (w->io) {
		struct span header = SPAN("X-One: 1");
		struct io_http post = { .method = "POST",
			.url = url_of("http", peers.plain, "/echo"),
			.headers = &header,
			.n_headers = 1,
			.body = SPAN("{}"),
			.content_type = SPAN("application/json"),
			.timeout_ms = 5000,
			.max_answer_bytes = 1000 };
		uint64_t a = w->io->driver->http_start(w->io, &post);
		if (a) UNTIL(w, of(w, a)->answers);
		if (a && of(w, a)->result == BECK_OK) assert_int_equal(of(w, a)->status, 200);
		uint64_t b = w->io->driver->stream_open(w->io, url_of("http", peers.plain, ""), 5000);
		if (b && w->io->driver->stream_send(w->io, b, SPAN("BYE\n"))) UNTIL(w, of(w, b)->closes);
		w->io->driver->destroy(w->io);
	}
	memory.fail_at = 0;
	for (size_t i = 0; i < w->n; i++) buf_deinit(&w->heard[i].bytes);
	free(w);
}

/* What is heard goes into buffers from the same allocator: those of `heard` may be what fails, which is fine too. */
static void test_no_memory(void **state)
{
	(void)state;
	memory.count = 0;
	talk();
	long all = memory.count;
	assert_true(all > 8);
	for (long n = 1; n <= all; n++) {
		memory.count = 0;
		memory.fail_at = n;
		talk();
	}
}

int main(void)
{
	static const beck_allocator counting = { some, other, none, NULL, { NULL } };
	if (beck_set_allocator(&counting) != BECK_OK) return 1;
	/* The library raises none and leaves the program's handling alone. */
	(void)signal(SIGPIPE, SIG_DFL);
	(void)unsetenv("http_proxy");
	(void)unsetenv("https_proxy");
	(void)unsetenv("HTTPS_PROXY");
	(void)unsetenv("all_proxy");
	(void)unsetenv("ALL_PROXY");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_connections_are_kept),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_answer_bound),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_upload),
		cmocka_unit_test(test_files_that_are_none),
		cmocka_unit_test(test_stream_echo),
		cmocka_unit_test(test_stream_ends),
		cmocka_unit_test(test_stream_close_ends_the_connection),
		cmocka_unit_test(test_stream_close_in_callbacks),
		cmocka_unit_test(test_stream_queue_bound),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_foreign_loop),
		cmocka_unit_test(test_nothing_survives_exec),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_tls_distrust),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, start_peers, end_peers);
}
