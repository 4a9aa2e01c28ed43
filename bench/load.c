/* Load from one thread over epoll, with figures as one JSON line each. --tls speaks TLS, any certificate will do.
 *
 *   load http HOST:PORT --conns N --seconds S [--warm S] [--rate R]     < requests
 *       Sends the requests (whole HTTP texts, read from standard input, each preceded by its length in bytes and a newline) in
 *       turn; "@@@@@@@@@@@@@@@@" in one is replaced by a number that never repeats. Closed loop; with --rate so many a second,
 *       and a request's time counts from when it was due. Prints
 *       {"requests":..,"per_second":..,"p50_us":..,"p99_us":..,"errors":..}.
 *   load ws HOST:PORT --parallel K     < requests
 *       Opens one WebSocket per request (upgrade texts, same form), K handshakes under way at once, prints
 *       {"opened":..,"seconds":..} when each has its first event; then obeys lines on descriptor 3: "fan N W LEN" + a request of
 *       LEN bytes that follows: W senders post it, N times in all, and it waits until every WebSocket has got N frames holding
 *       "t=<us>"; prints {"deliveries":..,"seconds":..,"p50_us":.., "p99_us":..}; "drain MS" reads on for a while and prints
 *       {"frames":..}; anything else ends. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/span.h"

struct text {
	char *p;
	size_t n;
};
struct peer {
	int fd;
	SSL *ssl;       /* NULL: plain */
	size_t request; /* index */
	char *out;
	size_t out_n, out_at;
	int64_t started_us;
	/* answer */
	char *in;
	size_t in_n, in_cap, skip; /* skip: frame or body bytes still to come */
	bool is_ws, is_open, is_poster;
};

static struct text *requests;
static size_t request_count;
static struct sockaddr_in target;
static int epoll_fd;
static SSL_CTX *tls; /* NULL: plain */
static uint64_t serial;
static uint32_t *samples;
static size_t sample_count, sample_cap;
static long errors;
static size_t stamped_bytes; /* the newest frame that held a sender's time */

static int64_t now_us(void) { return clock_mono_us(&clock_system); }

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *must(void *p)
{
	if (!p) die("out of memory");
	return p;
}

static struct text read_text(FILE *f, size_t n)
{
	struct text t = { must(malloc(n + 1)), n };
	if (fread(t.p, 1, n, f) != n) die("short input");
	t.p[n] = 0;
	return t;
}

static void read_requests(void)
{
	char line[64];
	while (fgets(line, sizeof line, stdin)) {
		requests = must(realloc(requests, (request_count + 1) * sizeof *requests));
		requests[request_count++] = read_text(stdin, strtoul(line, NULL, 10));
	}
	if (!request_count) die("no requests");
}

static void sample(int64_t us)
{
	if (sample_count == sample_cap) {
		sample_cap = sample_cap ? sample_cap * 2 : 1 << 20;
		samples = must(realloc(samples, sample_cap * sizeof *samples));
	}
	samples[sample_count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint32_t percentile(double p)
{
	if (!sample_count) return 0;
	size_t i = (size_t)((double)sample_count * p);
	return samples[i < sample_count ? i : sample_count - 1];
}

static void report(const char *what, int64_t took_us)
{
	qsort(samples, sample_count, sizeof *samples, by_size);
	double s = (double)took_us / 1e6;
	printf("{\"%s\":%zu,\"frame_bytes\":%zu,\"seconds\":%.4f,\"per_second\":%.1f,\"p50_us\":%u,\"p90_us\":%u,\"p99_us\":%u,"
	       "\"max_us\":%u,"
	       "\"errors\":%ld}\n",
		what, sample_count, stamped_bytes, s, (double)sample_count / s, percentile(0.5), percentile(0.9),
		percentile(0.99), percentile(1.0), errors);
	fflush(stdout);
	sample_count = 0;
	errors = 0;
}

/* ---- bytes ---- */
/* As read(2) and write(2). */
static ssize_t tls_result(struct peer *p, int n)
{
	if (n > 0) return n;
	int e = SSL_get_error(p->ssl, n);
	errno = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
	return e == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t peer_read(struct peer *p, char *to, size_t n)
{
	return p->ssl ? tls_result(p, SSL_read(p->ssl, to, (int)n)) : read(p->fd, to, n);
}

static ssize_t peer_write(struct peer *p, const char *from, size_t n)
{
	return p->ssl ? tls_result(p, SSL_write(p->ssl, from, (int)n)) : write(p->fd, from, n);
}

static void begin_tls(struct peer *p)
{
	p->ssl = SSL_new(tls);
	if (!p->ssl || SSL_set_fd(p->ssl, p->fd) != 1) die("TLS");
	SSL_set_connect_state(p->ssl);
}

static void hang_up(struct peer *p)
{
	SSL_free(p->ssl);
	close(p->fd);
	free(p->in);
	free(p->out);
}

static void watch(struct peer *p, bool out, int op)
{
	struct epoll_event ev = { .events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = p };
	if (epoll_ctl(epoll_fd, op, p->fd, &ev) != 0) die("epoll_ctl");
}

static void dial(struct peer *p)
{
	int one = 1;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0) die("socket");
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(p->fd, (struct sockaddr *)&target, sizeof target) != 0 && errno != EINPROGRESS) die("connect");
	if (tls) begin_tls(p);
	watch(p, true, EPOLL_CTL_ADD);
}

static void pump(struct peer *p)
{
	while (p->out_at < p->out_n) {
		ssize_t n = peer_write(p, p->out + p->out_at, p->out_n - p->out_at);
		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS)) break;
		if (n < 0) die("write");
		p->out_at += (size_t)n;
	}
	/* A handshake waits for the other side: reading goes on with it. */
	watch(p, p->out_at < p->out_n && !p->ssl, EPOLL_CTL_MOD);
}

static void send_request(struct peer *p, struct text t, bool stamp)
{
	free(p->out);
	p->out = must(malloc(t.n + 1));
	memcpy(p->out, t.p, t.n + 1);
	p->out_n = t.n;
	p->out_at = 0;
	p->started_us = now_us();
	char *at = strstr(p->out, "@@@@@@@@@@@@@@@@");
	if (at) {
		char number[32];
		snprintf(number, sizeof number, "%016llu",
			stamp ? (unsigned long long)p->started_us : (unsigned long long)++serial);
		memcpy(at, number, 16);
	}
	pump(p);
}

/* Whole HTTP answer in p->in? Its length, else 0. Bodies by Content-Length only. */
static size_t whole_answer(struct peer *p, int *status)
{
	char *end = memmem(p->in, p->in_n, "\r\n\r\n", 4);
	if (!end) return 0;
	size_t head = (size_t)(end - p->in) + 4, body = 0;
	for (char *line = p->in; line < end; line = (char *)memchr(line, '\n', (size_t)(end + 2 - line)) + 1)
		if (strncasecmp(line, "content-length:", 15) == 0) body = strtoul(line + 15, NULL, 10);
	*status = p->in_n > 12 ? (int)strtol(p->in + 9, NULL, 10) : 0;
	return p->in_n >= head + body ? head + body : 0;
}

static ssize_t fill_once(struct peer *p)
{
	if (p->in_cap - p->in_n < 65536) {
		p->in_cap = p->in_n + 131072;
		p->in = must(realloc(p->in, p->in_cap));
	}
	ssize_t n = peer_read(p, p->in + p->in_n, p->in_cap - p->in_n - 1);
	if (n > 0) p->in_n += (size_t)n;
	if (n > 0) p->in[p->in_n] = 0;
	return n;
}

/* What OpenSSL holds makes no descriptor readable: take it all. */
static ssize_t fill(struct peer *p)
{
	ssize_t n = fill_once(p), more = n;
	int why = errno;
	if (p->ssl && p->out_at < p->out_n) pump(p);
	while (p->ssl && more > 0) more = fill_once(p);
	errno = why;
	return n;
}

static void drop(struct peer *p, size_t n)
{
	memmove(p->in, p->in + n, p->in_n - n);
	p->in_n -= n;
	if (p->in_n == 0 && p->is_ws) { /* thousands of these: keep nothing while idle */
		free(p->in);
		p->in = NULL;
		p->in_cap = 0;
	}
}

/* ---- http ---- */
struct http_load {
	struct peer *peers, **idle; /* idle: with a rate only */
	size_t idle_n, next;
	int64_t begin, due, every_us; /* every_us 0: as fast as answers come */
};

static void send_next(struct http_load *l, struct peer *p) { send_request(p, requests[l->next++ % request_count], false); }

/* What is due goes out when somebody is free, and its time runs from when it was due. */
static void send_due(struct http_load *l)
{
	while (l->every_us && l->idle_n > 0 && l->due <= now_us()) {
		struct peer *p = l->idle[--l->idle_n];
		send_next(l, p);
		p->started_us = l->due;
		l->due += l->every_us;
	}
}

static void http_event(struct http_load *l, struct epoll_event *ev)
{
	struct peer *p = ev->data.ptr;
	if (ev->events & EPOLLOUT) pump(p);
	if (!(ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
	ssize_t r = fill(p);
	if (r == 0 || (r < 0 && errno != EAGAIN)) die("server closed a connection");
	int status = 0;
	size_t whole = whole_answer(p, &status);
	if (!whole) return;
	int64_t now = now_us();
	if (p->started_us >= l->begin) {
		sample(now - p->started_us);
		errors += status >= 399;
	}
	drop(p, whole);
	if (l->every_us) {
		l->idle[l->idle_n++] = p;
	} else {
		send_next(l, p);
	}
}

static int run_http(size_t conns, double warm_s, double seconds, double rate)
{
	struct http_load l = { .every_us = rate > 0 ? (int64_t)(1e6 / rate) : 0 };
	l.peers = must(calloc(conns, sizeof *l.peers));
	l.idle = must(calloc(conns, sizeof *l.idle));
	l.due = now_us();
	l.begin = l.due + (int64_t)(warm_s * 1e6);
	for (size_t i = 0; i < conns; i++) {
		dial(&l.peers[i]);
		if (l.every_us) {
			l.idle[l.idle_n++] = &l.peers[i];
		} else {
			send_next(&l, &l.peers[i]);
		}
	}
	int64_t end = l.begin + (int64_t)(seconds * 1e6);
	while (now_us() < end) {
		struct epoll_event got[256];
		send_due(&l);
		int n = epoll_wait(epoll_fd, got, 256, l.every_us ? 1 : 100);
		for (int i = 0; i < n; i++) http_event(&l, &got[i]);
	}
	report("requests", now_us() - l.begin);
	return 0;
}

/* ---- ws ---- */
static size_t opened;
static uint64_t frames, stamped;

static void frame(const char *p, size_t n, int64_t now)
{
	frames++;
	const char *at = memmem(p, n, "t=", 2);
	if (!at) return;
	int64_t t = strtoll(at + 2, NULL, 10);
	if (t > 1000000) {
		stamped++;
		stamped_bytes = n;
		sample(now - t);
	}
}

/* All whole frames in hand; a server's frames are not masked. */
static void frames_of(struct peer *p)
{
	int64_t now = now_us();
	size_t at = 0;
	for (;;) {
		size_t left = p->in_n - at, head = 2;
		const unsigned char *h = (const unsigned char *)p->in + at;
		if (left < 2) break;
		uint64_t n = h[1] & 127;
		if (n == 126) head = 4;
		if (n == 127) head = 10;
		if (left < head) break;
		if (n == 126)
			n = (uint64_t)h[2] << 8 | h[3];
		else if (n == 127) {
			n = 0;
			for (int i = 2; i < 10; i++) n = n << 8 | h[i];
		}
		if (left < head + n) break;
		if ((h[0] & 15) == 1) {
			if (!p->is_open) {
				p->is_open = true;
				opened++;
				if (!memmem(h + head, (size_t)n, "health.check", 12)) {
					fprintf(stderr, "first frame: %.*s\n", (int)n, (const char *)h + head);
					exit(1);
				}
			} else {
				frame((const char *)h + head, (size_t)n, now);
			}
		}
		at += head + (size_t)n;
	}
	if (at) drop(p, at);
}

static void ws_event(struct epoll_event *ev)
{
	struct peer *p = ev->data.ptr;
	if (ev->events & EPOLLOUT) pump(p);
	if (!(ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
	ssize_t r = fill(p);
	if (r == 0 || (r < 0 && errno != EAGAIN)) die("server closed a WebSocket");
	if (!p->is_ws && p->in_n > 0) {
		char *end = memmem(p->in, p->in_n, "\r\n\r\n", 4);
		if (!end) return;
		if (strncmp(p->in, "HTTP/1.1 101", 12) != 0) {
			fprintf(stderr, "%s\n", p->in);
			exit(1);
		}
		p->is_ws = true;
		drop(p, (size_t)(end - p->in) + 4);
	}
	frames_of(p);
}

/* ---- posting to those who listen ---- */
struct posting {
	struct text text;
	unsigned long count, sent, answered;
	bool is_single;
};
static struct posting posting;

static void post_next(struct peer *p)
{
	if (posting.sent == posting.count) return;
	posting.sent++;
	send_request(p, posting.text, true);
}

static void poster_event(struct epoll_event *ev)
{
	struct peer *p = ev->data.ptr;
	if (ev->events & EPOLLOUT) pump(p);
	if (!(ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
	ssize_t r = fill(p);
	if (r == 0 || (r < 0 && errno != EAGAIN)) die("server closed a poster");
	int status = 0;
	size_t whole = whole_answer(p, &status);
	if (!whole) return;
	if (status != 201) {
		fprintf(stderr, "%.*s\n", (int)p->in_n, p->in);
		exit(1);
	}
	drop(p, whole);
	posting.answered++;
	if (!posting.is_single) post_next(p);
}

static void turn(int timeout_ms)
{
	struct epoll_event got[512];
	int n = epoll_wait(epoll_fd, got, 512, timeout_ms);
	for (int i = 0; i < n; i++) {
		struct peer *p = got[i].data.ptr;
		if (p->is_poster) {
			poster_event(&got[i]);
		} else {
			ws_event(&got[i]);
		}
	}
}

/* `window` senders with one unanswered post each; one alone waits until everybody has what it sent. */
static void fan(struct text post, unsigned long count, unsigned long window)
{
	struct peer *posters = must(calloc(window, sizeof *posters));
	posting = (struct posting){ .text = post, .count = count, .is_single = window == 1 };
	stamped = 0;
	sample_count = 0;
	uint64_t want = (uint64_t)count * opened;
	for (unsigned long i = 0; i < window; i++) {
		posters[i].is_poster = true;
		dial(&posters[i]);
	}
	int64_t begin = now_us();
	for (unsigned long i = 0; i < window; i++) post_next(&posters[i]);
	while (stamped < want || posting.answered < count) {
		turn(100);
		bool all_have_it = stamped == (uint64_t)posting.sent * opened && posting.answered == posting.sent;
		if (posting.is_single && all_have_it) post_next(&posters[0]);
		if (now_us() - begin > 120 * 1000000LL) die("deliveries are missing");
	}
	report("deliveries", now_us() - begin);
	for (unsigned long i = 0; i < window; i++) {
		hang_up(&posters[i]);
	}
	free(posters);
}

static int run_ws(size_t parallel)
{
	struct peer *peers = must(calloc(request_count, sizeof *peers));
	size_t begun = 0;
	int64_t begin = now_us();
	while (opened < request_count) {
		while (begun < request_count && begun - opened < parallel) {
			dial(&peers[begun]);
			send_request(&peers[begun], requests[begun], false);
			begun++;
		}
		turn(100);
	}
	for (size_t i = 0; i < request_count; i++) {
		free(peers[i].out);
		peers[i].out = NULL;
	}
	printf("{\"opened\":%zu,\"seconds\":%.4f}\n", opened, (double)(now_us() - begin) / 1e6);
	fflush(stdout);
	FILE *commands = fdopen(3, "r");
	if (!commands) return 0;
	char line[128];
	while (fgets(line, sizeof line, commands)) {
		char *rest = NULL;
		if (strncmp(line, "fan ", 4) == 0) {
			unsigned long count = strtoul(line + 4, &rest, 10), window = strtoul(rest, &rest, 10),
				      length = strtoul(rest, NULL, 10);
			struct text post = read_text(commands, length);
			fan(post, count, window);
			free(post.p);
		} else if (strncmp(line, "drain ", 6) == 0) {
			int64_t until = now_us() + strtoll(line + 6, NULL, 10) * 1000;
			while (now_us() < until) turn(10);
			printf("{\"frames\":%llu}\n", (unsigned long long)frames);
			fflush(stdout);
		} else {
			break;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 3) return 2;
	char host[64];
	const char *colon = strrchr(argv[2], ':');
	snprintf(host, sizeof host, "%.*s", (int)(colon - argv[2]), argv[2]);
	target = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)) };
	if (inet_pton(AF_INET, host, &target.sin_addr) != 1) return 2;
	double seconds = 5, warm = 1, rate = 0;
	size_t conns = 64, parallel = 256;
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "--tls") != 0) continue;
		tls = SSL_CTX_new(TLS_client_method());
		if (!tls) die("TLS");
		SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	}
	for (int i = 3; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--rate") == 0) rate = strtod(argv[i + 1], NULL);
		if (strcmp(argv[i], "--conns") == 0) conns = strtoul(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--seconds") == 0) seconds = strtod(argv[i + 1], NULL);
		if (strcmp(argv[i], "--warm") == 0) warm = strtod(argv[i + 1], NULL);
		if (strcmp(argv[i], "--parallel") == 0) parallel = strtoul(argv[i + 1], NULL, 10);
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	read_requests();
	return strcmp(argv[1], "ws") == 0 ? run_ws(parallel) : run_http(conns, warm, seconds, rate);
}
