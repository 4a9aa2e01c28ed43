#ifdef _WIN32
#include "client/os.h"

#include <windows.h>

#include <bcrypt.h>
#include <ws2tcpip.h>

int64_t os_now_ms(void) { return (int64_t)GetTickCount64(); }

int64_t os_wall_us(void)
{
	FILETIME t;
	GetSystemTimeAsFileTime(&t);
	/* 100 ns since 1601. */
	return (int64_t)((((uint64_t)t.dwHighDateTime << 32 | t.dwLowDateTime) - 116444736000000000ULL) / 10);
}

bool os_random(void *p, size_t n) { return BCryptGenRandom(NULL, p, (ULONG)n, BCRYPT_USE_SYSTEM_PREFERRED_RNG) == 0; }

int os_poll(os_pollfd *fds, size_t n, int timeout_ms)
{
	int ready = WSAPoll(fds, (ULONG)n, timeout_ms);
	return ready < 0 ? 0 : ready;
}

bool os_is_file(const char *path)
{
	DWORD a = GetFileAttributesA(path);
	return a != INVALID_FILE_ATTRIBUTES && !(a & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE));
}

os_fd os_socket(int family, int type, int protocol)
{
	SOCKET s = socket(family, type, protocol);
	if (s != INVALID_SOCKET) (void)SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0);
	return s;
}

static bool loopback_pair(SOCKET listener, os_fd pair[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int n = (int)sizeof a;
	u_long yes = 1;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&a, n) != 0 || listen(listener, 1) != 0 ||
		getsockname(listener, (struct sockaddr *)&a, &n) != 0)
		return false;
	pair[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (pair[1] == INVALID_SOCKET) return false;
	if (connect(pair[1], (struct sockaddr *)&a, n) != 0 || (pair[0] = accept(listener, NULL, NULL)) == INVALID_SOCKET) {
		closesocket(pair[1]);
		return false;
	}
	return ioctlsocket(pair[0], (long)FIONBIO, &yes) == 0 && ioctlsocket(pair[1], (long)FIONBIO, &yes) == 0;
}

bool os_wake_open(os_fd pair[2])
{
	SOCKET listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener == INVALID_SOCKET) return false;
	bool ok = loopback_pair(listener, pair);
	closesocket(listener);
	return ok;
}

void os_wake_close(os_fd pair[2])
{
	closesocket(pair[0]);
	closesocket(pair[1]);
}

void os_wake_send(const os_fd pair[2]) { (void)send(pair[1], "", 1, 0); }

void os_wake_take(const os_fd pair[2])
{
	char bytes[64];
	while (recv(pair[0], bytes, sizeof bytes, 0) == (int)sizeof bytes) {
	}
}
#else
typedef int os_windows_is_empty;
#endif
