/* What the machine gives without a chat server: one thread, epoll, writev, nothing allowed to be clever. `make bench` runs beckd
 * and this in the same run and reports ratios.
 *
 *   baseline PORT BYTES   GET: a canned JSON answer of 1 KB. GET with Upgrade: a WebSocket that is sent everything posted.
 *                         POST: 201 at once and a frame of BYTES to every WebSocket, one writev per connection and loop turn. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "wire/ws.h"

#define FRAME_MAX 65536
#define WRITE_MAX 64   /* frames in one writev */
#define RING      4096 /* frames kept for those who are slower than the posters */

struct peer {
	int fd;
	bool is_ws, is_blocked;
	uint64_t next; /* number of the frame to send */
	size_t sent;   /* of it */
	struct peer *next_ws;
	char in[4096];
	size_t in_n;
};

static int epoll_fd;
static struct peer *websockets;
static unsigned char *ring; /* frame k at (k % RING) * frame_n */
static uint64_t posted;     /* frames made */
static size_t frame_n, payload_n;
static char body[1100];

static unsigned char *frame_at(uint64_t k) { return ring + (k % RING) * frame_n; }

static void make_frame(struct span post_body)
{
	unsigned char *frame = frame_at(posted++);
	size_t n = ws_head(frame, WS_TEXT, payload_n, false);
	memset(frame + n, ' ', payload_n);
	/* the posted body goes in front, so that a receiver finds the sender's time in it */
	memcpy(frame + n, post_body.p, post_body.n < payload_n ? post_body.n : payload_n);
}

static void make_ring(void)
{
	unsigned char head[10];
	frame_n = ws_head(head, WS_TEXT, payload_n, false) + payload_n;
	ring = malloc(RING * frame_n);
	if (!ring) exit(1);
}

static void send_all(int fd, const char *p, size_t n)
{
	if (write(fd, p, n) != (ssize_t)n) perror("baseline: short write");
}

static void upgrade(struct peer *p, struct span head)
{
	static const char name[] = "Sec-WebSocket-Key: ";
	const char *at = memmem(head.p, head.n, name, sizeof name - 1);
	if (!at) return;
	at += sizeof name - 1;
	char accept[29], answer[256];
	ws_accept(span_make(at, (size_t)strcspn(at, "\r")), accept);
	int n = snprintf(answer, sizeof answer,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
		"%s\r\n\r\n",
		accept);
	send_all(p->fd, answer, (size_t)n);
	p->is_ws = true;
	p->next = posted;
	p->next_ws = websockets;
	websockets = p;
	/* the first event that the load program waits for */
	static const char hello[] = "{\"type\":\"health.check\"}";
	uint8_t head_bytes[10];
	size_t h = ws_head(head_bytes, WS_TEXT, sizeof hello - 1, false);
	send_all(p->fd, (const char *)head_bytes, h);
	send_all(p->fd, hello, sizeof hello - 1);
}

/* One request; returns its bytes, 0 = not whole yet. */
static size_t request(struct peer *p)
{
	const char *end = memmem(p->in, p->in_n, "\r\n\r\n", 4);
	if (!end) return 0;
	size_t head_n = (size_t)(end - p->in) + 4, body_n = 0;
	const char *length = memmem(p->in, head_n, "Content-Length: ", 16);
	if (length) body_n = strtoul(length + 16, NULL, 10);
	if (p->in_n < head_n + body_n) return 0;
	char answer[1400];
	if (memmem(p->in, head_n, "Upgrade: websocket", 18)) {
		upgrade(p, span_make(p->in, head_n));
	} else if (p->in[0] == 'P') {
		make_frame(span_make(p->in + head_n, body_n));
		int n = snprintf(answer, sizeof answer,
			"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
		send_all(p->fd, answer, (size_t)n);
	} else {
		int n = snprintf(answer, sizeof answer,
			"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
		send_all(p->fd, answer, (size_t)n);
	}
	return head_n + body_n;
}

static void flush_ws(struct peer *p)
{
	struct iovec iov[WRITE_MAX];
	uint64_t queued = posted - p->next;
	int n = queued < WRITE_MAX ? (int)queued : WRITE_MAX;
	if (n == 0) return;
	if (queued > RING) {
		fputs("baseline: a reader is too slow\n", stderr);
		exit(1);
	}
	for (int i = 0; i < n; i++) iov[i] = (struct iovec){ frame_at(p->next + (unsigned)i), frame_n };
	iov[0] = (struct iovec){ frame_at(p->next) + p->sent, frame_n - p->sent };
	ssize_t wrote = writev(p->fd, iov, n);
	if (wrote < 0) wrote = 0;
	size_t total = p->sent + (size_t)wrote;
	p->next += total / frame_n;
	p->sent = total % frame_n;
	bool blocked = p->next < posted;
	if (blocked != p->is_blocked) {
		struct epoll_event ev = { .events = EPOLLIN | (blocked ? EPOLLOUT : 0u), .data.ptr = p };
		epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &ev);
		p->is_blocked = blocked;
	}
}

static void close_peer(struct peer *p)
{
	for (struct peer **at = &websockets; *at; at = &(*at)->next_ws) {
		if (*at != p) continue;
		*at = p->next_ws;
		break;
	}
	close(p->fd);
	free(p);
}

static void readable(struct peer *p)
{
	ssize_t n = read(p->fd, p->in + p->in_n, sizeof p->in - p->in_n);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN) close_peer(p);
		return;
	}
	if (p->is_ws) return; /* whatever clients say */
	p->in_n += (size_t)n;
	size_t used;
	while (!p->is_ws && (used = request(p)) > 0) {
		memmove(p->in, p->in + used, p->in_n - used);
		p->in_n -= used;
	}
}

static void accept_all(int listener)
{
	int fd;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct peer *p = calloc(1, sizeof *p);
		if (!p) exit(1);
		int one = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		p->fd = fd;
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
	}
}

int main(int argc, char **argv)
{
	long long port = 0, bytes = 0;
	if (argc != 3 || !span_to_i64(span_str(argv[1]), &port) || !span_to_i64(span_str(argv[2]), &bytes)) return 2;
	if (bytes < 1 || bytes > FRAME_MAX) return 2;
	payload_n = (size_t)bytes;
	make_ring();
	memset(body, 'x', 1024);
	memcpy(body, "{\"user\":\"", 9);
	memcpy(body + 1022, "\"}", 3);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 4096) != 0) {
		perror("baseline");
		return 1;
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev);
	puts("baseline ready");
	fflush(stdout);
	for (uint64_t flushed = 0;;) {
		struct epoll_event got[256];
		int n = epoll_wait(epoll_fd, got, 256, -1);
		for (int i = 0; i < n; i++) {
			struct peer *p = got[i].data.ptr;
			if (!p) {
				accept_all(listener);
			} else {
				if (got[i].events & EPOLLOUT) flush_ws(p);
				if (got[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(p);
			}
		}
		if (posted == flushed) continue;
		for (struct peer *p = websockets; p; p = p->next_ws)
			if (!p->is_blocked) flush_ws(p);
		flushed = posted;
	}
}
