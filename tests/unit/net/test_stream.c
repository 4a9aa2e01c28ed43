/* Streams over loopback, plain and TLS: an echo that is slower than its peer, PROXY v2, half-close, reload of the certificate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/net.h"

enum { ECHO_MAX = 8 << 20, PAUSE_ABOVE = 1 << 20 };

/* ---- the server: echoes, stops reading while much waits, half-closes at "q" ---- */
struct server {
	struct net_loop *loop;
	struct net_listener *listener;
	struct net_tls *tls;
	pthread_t thread;
	struct net_message stop;
	int open;
	struct net_stream *newest;
	char peer[64];
};
struct echo {
	struct server *server;
	struct net_stream *stream;
	struct buf out;
	bool closing;
};

static void echo_flush(struct echo *e)
{
	/* Many small pieces, as frames are. */
	struct iovec iov[64];
	int count = 0;
	size_t at = 0;
	while (count < 64 && at < e->out.n) {
		size_t n = (size_t)(count % 7) * 911 + 1;
		if (n > e->out.n - at) n = e->out.n - at;
		iov[count++] = (struct iovec){ e->out.p + at, n };
		at += n;
	}
	int64_t n = count ? net_write(e->stream, iov, count) : 0;
	if (n < 0) return;
	buf_consume(&e->out, (size_t)n);
	net_stream_read(e->stream, e->out.n < PAUSE_ABOVE);
	if ((size_t)n == at && e->out.n) echo_flush(e);
	if (!e->out.n && e->closing) net_stream_close_gracefully(e->stream, 2000);
}

static void echo_read(void *ctx, struct net_stream *s, const char *p, size_t n)
{
	struct echo *e = ctx;
	(void)s;
	buf_add(&e->out, p, n);
	if (n == 0 || p[n - 1] == 'q') e->closing = true;
	echo_flush(e);
}
static void echo_writable(void *ctx, struct net_stream *s)
{
	(void)s;
	echo_flush(ctx);
}
static void echo_error(void *ctx, struct net_stream *s, const char *why)
{
	(void)ctx;
	(void)why;
	net_stream_close(s);
}
static void echo_closed(void *ctx, struct net_stream *s)
{
	struct echo *e = ctx;
	(void)s;
	e->server->open--;
	buf_deinit(&e->out);
	free(e);
}

static int accept_echo(void *ctx, struct net_stream *s)
{
	static const struct net_stream_events events = { echo_read, echo_writable, echo_error, echo_closed };
	struct server *v = ctx;
	struct echo *e = calloc(1, sizeof *e);
	e->server = v;
	e->stream = s;
	buf_init(&e->out, ECHO_MAX);
	v->open++;
	v->newest = s;
	snprintf(v->peer, sizeof v->peer, "%.*s", SPAN_FMT(net_stream_peer(s)));
	assert_int_equal(net_stream_is_tls(s), v->tls != NULL);
	net_stream_set(s, &events, e);
	/* Who accepts says who he is: the first bytes of every test are this line. */
	buf_printf(&e->out, "%s\n", v->peer);
	echo_flush(e);
	return 0;
}

static void *run_loop(void *l)
{
	net_loop_run(l);
	return NULL;
}

static void server_start(struct server *v, struct net_tls *tls, const char *trusted)
{
	const char *why = NULL;
	*v = (struct server){ .tls = tls };
	v->loop = net_loop_create_uv(&clock_system, &rng_system);
	struct net_listen_options o = { .host = "127.0.0.1",
		.tls = tls,
		.proxy_v2 = trusted != NULL,
		.trusted_proxies = span_str(trusted),
		.on_accept = accept_echo,
		.ctx = v };
	v->listener = net_listen(v->loop, &o, &why);
	assert_non_null(v->listener);
	assert_int_equal(pthread_create(&v->thread, NULL, run_loop, v->loop), 0);
}

static void server_stop(struct server *v)
{
	net_loop_stop(v->loop);
	pthread_join(v->thread, NULL);
	net_listener_close(v->listener);
	net_loop_destroy(v->loop);
	assert_int_equal(v->open, 0);
}

/* ---- the client: blocking, with or without TLS ---- */
struct client {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
};

/* window > 0: a small receive window, in small segments so that the kernel does not wait for room for a large one. */
static int dial(const struct server *v, int window)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(net_listener_port(v->listener)) };
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0), segment = 1400;
	if (window) {
		setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
	}
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
	struct timeval longest = { .tv_sec = 20 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
	return fd;
}

static void client_tls(struct client *c)
{
	c->ctx = SSL_CTX_new(TLS_client_method());
	c->ssl = SSL_new(c->ctx);
	SSL_set_fd(c->ssl, c->fd);
	assert_int_equal(SSL_connect(c->ssl), 1);
}

static void client_start(struct client *c, const struct server *v)
{
	*c = (struct client){ .fd = dial(v, 0) };
	if (v->tls) client_tls(c);
}

static void client_send(struct client *c, const void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		long got = c->ssl ? SSL_write(c->ssl, (const char *)p + at, (int)(n - at))
				  : send(c->fd, (const char *)p + at, n - at, MSG_NOSIGNAL);
		assert_true(got > 0);
		at += (size_t)got;
	}
}

static size_t client_receive(struct client *c, char *p, size_t n)
{
	size_t at = 0;
	while (at < n) {
		long got = c->ssl ? SSL_read(c->ssl, p + at, (int)(n - at)) : recv(c->fd, p + at, n - at, 0);
		if (got <= 0) break;
		at += (size_t)got;
	}
	return at;
}

static void client_line(struct client *c, char *line)
{
	size_t n = 0;
	while (client_receive(c, line + n, 1) == 1 && line[n] != '\n') n++;
	line[n] = 0;
}

static void client_stop(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
}

/* ---- certificates made here ---- */
static void make_certificate(const char *cert_file, const char *key_file, long serial)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	FILE *f = fopen(cert_file, "w");
	PEM_write_X509(f, x);
	fclose(f);
	f = fopen(key_file, "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}

static char folder[64], cert_file[96], key_file[96];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/beck-net-XXXXXX");
	if (!mkdtemp(folder)) return -1;
	snprintf(cert_file, sizeof cert_file, "%s/cert", folder);
	snprintf(key_file, sizeof key_file, "%s/key", folder);
	make_certificate(cert_file, key_file, 1);
	return 0;
}

static int drop_folder(void **state)
{
	(void)state;
	unlink(cert_file);
	unlink(key_file);
	return rmdir(folder);
}

/* ---- tests ---- */
struct flood {
	struct client *client;
	const char *data;
	size_t n;
};
static void *send_flood(void *arg)
{
	struct flood *f = arg;
	client_send(f->client, f->data, f->n);
	return NULL;
}

static char *pattern(size_t n)
{
	char *p = malloc(n);
	uint32_t x = 1;
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (char)('A' + (x >> 24) % 16);
	}
	return p;
}

/* Sends everything before reading anything (the server pauses, records wait), then compares. */
static void check_echo(struct net_tls *tls)
{
	enum { N = 24 << 20 };
	struct server v;
	struct client c;
	char line[64];
	server_start(&v, tls, NULL);
	client_start(&c, &v);
	client_line(&c, line);
	assert_string_equal(line, "127.0.0.1");
	char *data = pattern(N), *back = malloc(N);
	data[N - 1] = 'q';
	/* OpenSSL's objects are not for two threads: over TLS the flood stays below what socket buffers and the pause hold. */
	size_t n = tls ? 512 << 10 : N;
	data[n - 1] = 'q';
	pthread_t sender;
	struct flood f = { &c, data, n };
	assert_int_equal(pthread_create(&sender, NULL, send_flood, &f), 0);
	if (tls) pthread_join(sender, NULL);
	assert_int_equal(client_receive(&c, back, n), n);
	if (!tls) pthread_join(sender, NULL);
	assert_memory_equal(data, back, n);
	assert_int_equal(client_receive(&c, back, 1), 0); /* half-closed by the server */
	client_stop(&c);
	free(data);
	free(back);
	server_stop(&v);
}

static void test_echo_plain(void **state)
{
	(void)state;
	check_echo(NULL);
}

/* ---- what the peer has not taken ---- */
struct probe {
	struct net_message message;
	struct server *server;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	int64_t unacked; /* -1: asked */
};

static void run_probe(struct net_message *m)
{
	struct probe *p = BECK_CONTAINER(m, struct probe, message);
	pthread_mutex_lock(&p->lock);
	p->unacked = net_stream_unacked(p->server->newest);
	pthread_cond_signal(&p->answered);
	pthread_mutex_unlock(&p->lock);
}

static int64_t unacked(struct server *v)
{
	struct probe p = { .message.run = run_probe, .server = v, .unacked = -1 };
	pthread_mutex_init(&p.lock, NULL);
	pthread_cond_init(&p.answered, NULL);
	net_post(v->loop, &p.message);
	pthread_mutex_lock(&p.lock);
	while (p.unacked < 0) pthread_cond_wait(&p.answered, &p.lock);
	pthread_mutex_unlock(&p.lock);
	pthread_cond_destroy(&p.answered);
	pthread_mutex_destroy(&p.lock);
	return p.unacked;
}

/* What does not fit into the peer's small window stays ours until it reads. */
static void check_unacked(struct net_tls *tls)
{
	enum { N = 200 << 10 };
	struct server v;
	char line[64];
	server_start(&v, tls, NULL);
	struct client c = { .fd = dial(&v, 8192) };
	if (tls) client_tls(&c);
	client_line(&c, line);
	char *data = pattern(N), *back = malloc(N);
	client_send(&c, data, N);
	while (unacked(&v) < (16 << 10)) {
	}
	assert_true(unacked(&v) <= N + N / 8);
	assert_int_equal(client_receive(&c, back, N), N);
	assert_memory_equal(data, back, N);
	while (unacked(&v) > 0) {
	}
	client_stop(&c);
	free(data);
	free(back);
	server_stop(&v);
}

static void test_unacked(void **state)
{
	(void)state;
	char why[NET_TLS_WHY_BYTES];
	struct net_tls *tls = net_tls_create(cert_file, key_file, why);
	assert_non_null(tls);
	check_unacked(NULL);
	check_unacked(tls);
	net_tls_destroy(tls);
}

static void test_echo_tls(void **state)
{
	(void)state;
	char why[NET_TLS_WHY_BYTES];
	struct net_tls *tls = net_tls_create(cert_file, key_file, why);
	assert_non_null(tls);
	check_echo(tls);
	net_tls_destroy(tls);
}

/* Rounds of much out before anything is read back: every write of the server ends in a record that waits. */
static void test_tls_records_that_wait(void **state)
{
	(void)state;
	enum { ROUNDS = 6, N = 900 << 10 };
	char why[NET_TLS_WHY_BYTES];
	struct net_tls *tls = net_tls_create(cert_file, key_file, why);
	struct server v;
	struct client c;
	char line[64], *data = pattern(N), *back = malloc(N);
	server_start(&v, tls, NULL);
	c = (struct client){ .fd = dial(&v, 16384) };
	client_tls(&c);
	client_line(&c, line);
	for (int i = 0; i < ROUNDS; i++) {
		client_send(&c, data, N);
		assert_int_equal(client_receive(&c, back, N), N);
		assert_memory_equal(data, back, N);
	}
	client_stop(&c);
	free(data);
	free(back);
	server_stop(&v);
	net_tls_destroy(tls);
}

static void test_proxy_v2(void **state)
{
	(void)state;
	static const char header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\1\0\1\0\2";
	struct server v;
	struct client c;
	char line[64];
	server_start(&v, NULL, "10.0.0.0/8, 127.0.0.1");
	client_start(&c, &v);
	for (size_t i = 0; i < sizeof header - 1; i++) client_send(&c, header + i, 1);
	client_line(&c, line);
	assert_string_equal(line, "203.0.113.9");
	client_stop(&c);
	client_start(&c, &v);
	client_send(&c, "GET / HTTP/1.1\r\n", 16); /* a trusted peer without its header */
	assert_int_equal(client_receive(&c, line, 1), 0);
	client_stop(&c);
	server_stop(&v);
	server_start(&v, NULL, "10.0.0.0/8");
	client_start(&c, &v);
	client_line(&c, line);
	assert_string_equal(line, "127.0.0.1"); /* not trusted: speaks directly, header or not */
	client_stop(&c);
	server_stop(&v);
}

static long peer_serial(struct server *v)
{
	struct client c;
	char line[64];
	client_start(&c, v);
	client_line(&c, line);
	X509 *x = SSL_get1_peer_certificate(c.ssl);
	long serial = ASN1_INTEGER_get(X509_get_serialNumber(x));
	X509_free(x);
	client_stop(&c);
	return serial;
}

static void test_tls_reload(void **state)
{
	(void)state;
	char why[NET_TLS_WHY_BYTES];
	struct net_tls *tls = net_tls_create(cert_file, key_file, why);
	struct server v;
	struct client old;
	char line[64];
	server_start(&v, tls, NULL);
	client_start(&old, &v);
	client_line(&old, line);
	assert_int_equal(peer_serial(&v), 1);
	make_certificate(cert_file, key_file, 2);
	assert_int_equal(net_tls_reload(tls, why), 1);
	assert_int_equal(peer_serial(&v), 2);
	FILE *f = fopen(key_file, "w"); /* a broken pair changes nothing */
	fclose(f);
	assert_int_equal(net_tls_reload(tls, why), 0);
	assert_non_null(strstr(why, key_file));
	assert_int_equal(peer_serial(&v), 2);
	client_send(&old, "still here", 10); /* who was connected before goes on */
	assert_int_equal(client_receive(&old, line, 10), 10);
	assert_memory_equal(line, "still here", 10);
	client_stop(&old);
	server_stop(&v);
	net_tls_destroy(tls);
	assert_null(net_tls_create("/nonexistent", key_file, why));
	assert_string_equal(why, "TLS certificate /nonexistent: No such file or directory");
	make_certificate(cert_file, key_file, 1);
}

static void test_listen_refusals(void **state)
{
	(void)state;
	const char *why = NULL;
	struct net_loop *l = net_loop_create_uv(&clock_system, &rng_system);
	struct net_listen_options o = { .host = "localhost", .on_accept = accept_echo };
	assert_null(net_listen(l, &o, &why));
	assert_non_null(why);
	o.host = "192.0.2.1"; /* not ours */
	assert_null(net_listen(l, &o, &why));
	o.host = "127.0.0.1";
	o.trusted_proxies = SPAN("10.0.0.0/99");
	assert_null(net_listen(l, &o, &why));
	net_loop_destroy(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_plain),
		cmocka_unit_test(test_echo_tls),
		cmocka_unit_test(test_unacked),
		cmocka_unit_test(test_tls_records_that_wait),
		cmocka_unit_test(test_proxy_v2),
		cmocka_unit_test(test_tls_reload),
		cmocka_unit_test(test_listen_refusals),
	};
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
