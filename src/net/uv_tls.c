/* TLS on a uv stream's descriptor. OpenSSL reads ahead and gives its buffers back when they are empty, so every read goes on
 * until it would block: what OpenSSL holds makes no descriptor readable. */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "net/uv_driver.h"

enum { RECORD_BYTES = 16384 };

bool uv_tls_begin(struct uv_stream *s, struct net_tls *t)
{
	s->tls = calloc(1, sizeof *s->tls);
	if (!s->tls) return false;
	s->tls->ssl = net_tls_session(t);
	return s->tls->ssl && SSL_set_fd(s->tls->ssl, s->fd) == 1;
}

/* Notes what the last call waits for; false when the stream is broken (and says so). */
static bool waits(struct uv_stream *s, int result)
{
	switch (SSL_get_error(s->tls->ssl, result)) {
	case SSL_ERROR_WANT_READ: return true;
	case SSL_ERROR_WANT_WRITE: s->tls->wants_write = true; return true;
	default: break;
	}
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	uv_stream_fail(s, reason ? reason : "TLS failure");
	return false;
}

void uv_tls_handshake(struct uv_stream *s)
{
	s->tls->wants_write = false;
	ERR_clear_error();
	int r = SSL_do_handshake(s->tls->ssl);
	if (r == 1) {
		uv_stream_opened(s);
	} else if (waits(s, r)) {
		uv_stream_watch(s);
	}
}

/* Fills the scratch record by record, so that the owner is called once. More than one scratch a turn waits for the next. */
void uv_tls_read(struct uv_stream *s)
{
	char *scratch = uv_driver_of(s->base.loop)->scratch;
	size_t have = 0;
	bool at_end = false;
	while (have + RECORD_BYTES <= UV_READ_BYTES) {
		size_t n;
		ERR_clear_error();
		int r = SSL_read_ex(s->tls->ssl, scratch + have, UV_READ_BYTES - have, &n);
		if (r == 1) {
			have += n;
			continue;
		}
		at_end = SSL_get_error(s->tls->ssl, r) == SSL_ERROR_ZERO_RETURN;
		if (!at_end) waits(s, r);
		break;
	}
	if (have + RECORD_BYTES > UV_READ_BYTES) net_defer(s->base.loop, &s->later);
	if (have && s->base.ev) s->base.ev->on_read(s->base.ctx, &s->base, scratch, have);
	if (at_end && s->phase == UV_OPEN) uv_stream_eof(s);
	uv_stream_watch(s);
}

static bool keep_record(struct uv_stream *s, const char *p, size_t n)
{
	s->tls->record = malloc(n);
	if (!s->tls->record) {
		uv_stream_fail(s, "out of memory");
		return false;
	}
	memcpy(s->tls->record, p, n);
	s->tls->record_n = n;
	return true;
}

/* One record. Bytes that OpenSSL has encrypted count as taken: they are kept until the kernel takes them. 0 when it would block
 * after taking, with *blocked set; -1 broken. */
static int64_t write_record(struct uv_stream *s, const char *p, size_t n, bool *blocked)
{
	size_t written;
	ERR_clear_error();
	int r = SSL_write_ex(s->tls->ssl, p, n, &written);
	if (r == 1) return (int64_t)written;
	*blocked = true;
	if (!waits(s, r) || !keep_record(s, p, n)) return -1;
	s->tls->wants_write = true;
	return (int64_t)n;
}

bool uv_tls_flush(struct uv_stream *s)
{
	struct uv_tls *t = s->tls;
	if (!t->record_n) return true;
	size_t written;
	ERR_clear_error();
	int r = SSL_write_ex(t->ssl, t->record, t->record_n, &written);
	if (r != 1) {
		if (waits(s, r)) t->wants_write = true;
		uv_stream_watch(s);
		return false;
	}
	free(t->record);
	t->record = NULL;
	t->record_n = 0;
	return true;
}

/* Copies the next bytes of the iovecs behind `skip` into the gather area. */
static size_t gather(char *out, const struct iovec *iov, int count, size_t skip)
{
	size_t have = 0;
	for (int i = 0; i < count && have < UV_GATHER_BYTES; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		size_t n = iov[i].iov_len - skip;
		if (n > UV_GATHER_BYTES - have) n = UV_GATHER_BYTES - have;
		memcpy(out + have, (const char *)iov[i].iov_base + skip, n);
		have += n;
		skip = 0;
	}
	return have;
}

int64_t uv_tls_write(struct uv_stream *s, const struct iovec *iov, int count)
{
	char *area = uv_driver_of(s->base.loop)->gather;
	size_t taken = 0, have;
	bool blocked = false;
	if (!uv_tls_flush(s)) return s->why ? -1 : 0;
	while (!blocked && (have = gather(area, iov, count, taken)) > 0) {
		for (size_t at = 0; at < have && !blocked;) {
			int64_t n = write_record(s, area + at, have - at < RECORD_BYTES ? have - at : RECORD_BYTES, &blocked);
			if (n < 0) return -1;
			at += (size_t)n;
			taken += (size_t)n;
		}
	}
	if (blocked) uv_stream_watch(s);
	return (int64_t)taken;
}

void uv_tls_shutdown(struct uv_stream *s)
{
	ERR_clear_error();
	SSL_shutdown(s->tls->ssl);
	ERR_clear_error();
}

void uv_tls_end(struct uv_stream *s)
{
	if (!s->tls) return;
	SSL_free(s->tls->ssl);
	free(s->tls->record);
	free(s->tls);
	s->tls = NULL;
}
