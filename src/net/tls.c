#include "net/tls.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The context is replaced as a whole; sessions that were made from the old one keep it alive by OpenSSL's own count. */
struct net_tls {
	pthread_mutex_t lock; /* guards ctx */
	SSL_CTX *ctx;
	char *cert_file, *key_file;
};

static const char *openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	ERR_clear_error();
	return reason ? reason : "TLS set-up failed";
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

static bool load_files(SSL_CTX *ctx, const char *cert_file, const char *key_file)
{
	return SSL_CTX_use_certificate_chain_file(ctx, cert_file) == 1 &&
	       SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(ctx) == 1;
}

static SSL_CTX *context_make(const char *cert_file, const char *key_file, const char **why)
{
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 || !load_files(ctx, cert_file, key_file)) {
		*why = openssl_reason();
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

struct net_tls *net_tls_create(const char *cert_file, const char *key_file, const char **why)
{
	struct net_tls *t = calloc(1, sizeof *t);
	*why = "out of memory";
	if (!t) return NULL;
	pthread_mutex_init(&t->lock, NULL);
	t->cert_file = strdup(cert_file);
	t->key_file = strdup(key_file);
	if (t->cert_file && t->key_file) t->ctx = context_make(cert_file, key_file, why);
	if (t->ctx) return t;
	net_tls_destroy(t);
	return NULL;
}

int net_tls_reload(struct net_tls *t, const char **why)
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
