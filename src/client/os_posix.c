#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/os.h"

static int64_t read_us(clockid_t which)
{
	struct timespec t = { 0 };
	(void)clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t os_now_ms(void) { return read_us(CLOCK_MONOTONIC) / 1000; }
int64_t os_wall_us(void) { return read_us(CLOCK_REALTIME); }

bool os_random(void *p, size_t n)
{
	/* getentropy(3): at most 256 bytes at once, never short, never interrupted. */
	char *at = p;
	while (n) {
		size_t part = n < 256 ? n : 256;
		if (getentropy(at, part) != 0) return false;
		at += part;
		n -= part;
	}
	return true;
}

int os_poll(os_pollfd *fds, size_t n, int timeout_ms)
{
	int ready = poll(fds, (nfds_t)n, timeout_ms);
	return ready < 0 ? 0 : ready;
}

bool os_is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

os_fd os_socket(int family, int type, int protocol)
{
#ifdef SOCK_CLOEXEC
	return socket(family, type | SOCK_CLOEXEC, protocol);
#else
	int fd = socket(family, type, protocol);
	if (fd >= 0) (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
#endif
}

#ifdef __APPLE__
static bool prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

bool os_wake_open(os_fd pair[2])
{
	if (pipe(pair) != 0) return false;
	if (prepare(pair[0]) && prepare(pair[1])) return true;
	os_wake_close(pair);
	return false;
}
#else
bool os_wake_open(os_fd pair[2]) { return pipe2(pair, O_NONBLOCK | O_CLOEXEC) == 0; }
#endif

void os_wake_close(os_fd pair[2])
{
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* A full pipe is as good as another byte. */
void os_wake_send(const os_fd pair[2])
{
	ssize_t n = write(pair[1], "", 1);
	(void)n;
}

void os_wake_take(const os_fd pair[2])
{
	char bytes[64];
	while (read(pair[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes) {
	}
}
#else
typedef int os_posix_is_empty;
#endif
