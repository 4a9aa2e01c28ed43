#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The context is replaced as a whole; sessions that were made from the old one keep it alive by OpenSSL's own count. */
struct net_tls {
	pthread_mutex_t lock; /* guards ctx */
	SSL_CTX *ctx;
	char *cert_file, *key_file;
};

static bool fails(char why[NET_TLS_WHY_BYTES], const char *format, ...) BECK_PRINTF(2, 3);
static bool fails(char why[NET_TLS_WHY_BYTES], const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(why, NET_TLS_WHY_BYTES, format, args);
	va_end(args);
	ERR_clear_error();
	return false;
}

/* We speak HTTP/1.1 and nothing else; a client that offers only other protocols goes on without ALPN. */
static int choose_protocol(
	SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in, unsigned int in_n, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	(void)ssl;
	(void)arg;
	unsigned char *chosen;
	if (SSL_select_next_proto(&chosen, out_n, ours, sizeof ours - 1, in, in_n) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL tells of a missing file and of a folder in words of its own: the system's are looked for first. */
static bool can_read(const char *what, const char *file, char why[NET_TLS_WHY_BYTES])
{
	char byte;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && read(fd, &byte, 1) >= 0;
	int error = errno;
	if (fd >= 0) (void)close(fd);
	return ok || fails(why, "TLS %s %s: %s", what, file, strerror(error));
}

/* A file that was read and refused. What libssl itself says is about a good file that may not be used ("ee key too small"); the
 * rest are layers of the PEM and ASN.1 readers. */
static bool fails_to_load(const char *what, const char *kind, const char *file, char why[NET_TLS_WHY_BYTES])
{
	unsigned long first = ERR_peek_error();
	const char *reason = ERR_GET_LIB(first) == ERR_LIB_SSL ? ERR_reason_error_string(first) : NULL;
	if (reason) return fails(why, "TLS %s %s: %s", what, file, reason);
	return fails(why, "TLS %s %s is not a PEM %s", what, file, kind);
}

/* Nobody is there to type a password: OpenSSL's own answer is to ask at the terminal. */
static int no_password(char *buf, int size, int for_writing, void *was_asked)
{
	(void)buf;
	(void)size;
	(void)for_writing;
	if (was_asked) *(bool *)was_asked = true;
	return -1;
}

static bool load_certificate(SSL_CTX *ctx, const char *file, char why[NET_TLS_WHY_BYTES])
{
	if (!can_read("certificate", file, why)) return false;
	return SSL_CTX_use_certificate_chain_file(ctx, file) == 1 || fails_to_load("certificate", "certificate", file, why);
}

static bool load_key(SSL_CTX *ctx, const char *cert_file, const char *file, char why[NET_TLS_WHY_BYTES])
{
	bool is_encrypted = false;
	if (!can_read("key", file, why)) return false;
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &is_encrypted);
	bool ok = SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM) == 1;
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	if (is_encrypted) return fails(why, "TLS key %s is encrypted; an unencrypted one is needed", file);
	if (!ok && ERR_GET_LIB(ERR_peek_last_error()) != ERR_LIB_X509) return fails_to_load("key", "private key", file, why);
	if (!ok || SSL_CTX_check_private_key(ctx) != 1)
		return fails(why, "TLS: the key %s does not belong to the certificate %s", file, cert_file);
	return true;
}

static SSL_CTX *context_make(const char *cert_file, const char *key_file, char why[NET_TLS_WHY_BYTES])
{
	ERR_clear_error();
	(void)fails(why, "TLS set-up failed");
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 || !load_certificate(ctx, cert_file, why) ||
		!load_key(ctx, cert_file, key_file, why)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_read_ahead(ctx, 1);
	/* Resumption by ticket only: the server keeps nothing per session. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	return ctx;
}

struct net_tls *net_tls_create(const char *cert_file, const char *key_file, char why[NET_TLS_WHY_BYTES])
{
	struct net_tls *t = calloc(1, sizeof *t);
	(void)fails(why, "out of memory");
	if (!t) return NULL;
	pthread_mutex_init(&t->lock, NULL);
	t->cert_file = strdup(cert_file);
	t->key_file = strdup(key_file);
	if (t->cert_file && t->key_file) t->ctx = context_make(cert_file, key_file, why);
	if (t->ctx) return t;
	net_tls_destroy(t);
	return NULL;
}

int net_tls_reload(struct net_tls *t, char why[NET_TLS_WHY_BYTES])
{
	SSL_CTX *fresh = context_make(t->cert_file, t->key_file, why);
	if (!fresh) return 0;
	pthread_mutex_lock(&t->lock);
	SSL_CTX *old = t->ctx;
	t->ctx = fresh;
	pthread_mutex_unlock(&t->lock);
	SSL_CTX_free(old);
	return 1;
}

void net_tls_destroy(struct net_tls *t)
{
	if (!t) return;
	SSL_CTX_free(t->ctx);
	free(t->cert_file);
	free(t->key_file);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

SSL *net_tls_session(struct net_tls *t)
{
	pthread_mutex_lock(&t->lock);
	SSL *ssl = SSL_new(t->ctx);
	pthread_mutex_unlock(&t->lock);
	if (ssl) SSL_set_accept_state(ssl);
	return ssl;
}
