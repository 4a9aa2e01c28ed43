#include "server/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/folder.h"
#include "wire/base64.h"
#include "wire/jwt.h"

struct span secret_make(const struct rng *rng, size_t bytes, struct arena *a)
{
	unsigned char raw[SECRET_BYTES];
	struct buf b;
	BECK_ASSERT(bytes <= sizeof raw);
	buf_init(&b, 256);
	rng_fill(rng, raw, bytes);
	base64url_encode(&b, span_make((const char *)raw, bytes));
	struct span s = arena_dup(a, buf_span(&b));
	buf_deinit(&b);
	return s;
}

struct span secret_path(struct span data, struct arena *a) { return arena_printf(a, "%.*s/api_secret", SPAN_FMT(data)); }

bool secret_keep(struct span data, struct span secret, struct arena *a, struct span *why)
{
	struct span path = secret_path(data, a), fresh = arena_printf(a, "%.*s.new", SPAN_FMT(path)), folder = arena_dup(a, data);
	int fd = fresh.p && path.p && folder.p ? open(fresh.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	bool ok = fd >= 0 && write(fd, secret.p, secret.n) == (ssize_t)secret.n && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0) ok = false;
	if (ok) ok = rename(fresh.p, path.p) == 0 && folder_sync(folder.p);
	if (!ok) *why = arena_printf(a, "cannot write %.*s: %s", SPAN_FMT(path), strerror(errno));
	return ok;
}

bool secret_kept(struct span data, struct arena *a, struct span *out)
{
	char text[256];
	struct span path = secret_path(data, a);
	int fd = path.p ? open(path.p, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0) return false;
	ssize_t n = read(fd, text, sizeof text);
	close(fd);
	struct span s = span_make(text, n > 0 ? (size_t)n : 0);
	*out = arena_dup(a, span_make(s.p, span_find(s, '\n')));
	return true;
}
