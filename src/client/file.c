#include "client/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#ifndef O_CLOEXEC
#define O_CLOEXEC 0
#endif

static bool read_all(int fd, struct buf *out)
{
	for (;;) {
		char part[4096];
		ssize_t n = read(fd, part, sizeof part);
		if (n == 0) return true;
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return false;
		buf_add(out, part, (size_t)n);
		if (out->failed) {
			errno = out->is_full ? EFBIG : ENOMEM;
			return false;
		}
	}
}

bool file_read(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return false;
	bool ok = read_all(fd, out);
	int why = errno;
	(void)close(fd);
	errno = why;
	return ok;
}

static bool write_all(int fd, struct span s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return false;
		s = span_skip(s, (size_t)n);
	}
	return true;
}

static bool sync_fd(int fd)
{
#ifdef _WIN32
	(void)fd;
	return true;
#else
	return fsync(fd) == 0;
#endif
}

/* False when the path is too long. */
static bool folder_of(const char *path, char folder[1024])
{
	const char *slash = strrchr(path, '/');
	(void)snprintf(folder, 1024, ".");
	if (!slash) return true;
	errno = ENAMETOOLONG;
	return slash - path < 1024 && snprintf(folder, 1024, "%.*s", slash == path ? 1 : (int)(slash - path), path) > 0;
}

bool file_can_replace(const char *path)
{
	char folder[1024];
	return folder_of(path, folder) && access(folder, W_OK) == 0;
}

/* The rename itself lasts when the folder is on disk. */
static bool sync_folder(const char *path)
{
#ifdef _WIN32
	(void)path;
	return true;
#else
	char folder[1024];
	int fd = folder_of(path, folder) ? open(folder, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0) return false;
	bool ok = fsync(fd) == 0;
	(void)close(fd);
	return ok;
#endif
}

static bool write_new(const char *path, struct span content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) return false;
	bool ok = write_all(fd, content) && sync_fd(fd);
	int why = errno;
	ok = close(fd) == 0 && ok;
	if (!ok) errno = why;
	return ok;
}

bool file_replace(const char *path, struct span content)
{
	size_t n = strlen(path) + 5;
	char *fresh = mem_alloc(n);
	if (!fresh) {
		errno = ENOMEM;
		return false;
	}
	(void)snprintf(fresh, n, "%s.new", path);
	bool ok = write_new(fresh, content) && rename(fresh, path) == 0 && sync_folder(path);
	int why = errno;
	if (!ok) (void)unlink(fresh);
	errno = why;
	mem_free(fresh);
	return ok;
}
