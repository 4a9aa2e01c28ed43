/* What systems do differently: clocks, randomness, waiting for descriptors and being woken from it. */
#ifndef BECK_CLIENT_OS_H
#define BECK_CLIENT_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#include <winsock2.h>
typedef SOCKET os_fd;
typedef WSAPOLLFD os_pollfd;
#else
#include <poll.h>
typedef int os_fd;
typedef struct pollfd os_pollfd;
#endif

int64_t os_now_ms(void);  /* monotonic */
int64_t os_wall_us(void); /* since 1970 */
/* The system's. Never fails: without it there is no client. */
bool os_random(void *p, size_t n);
/* As poll(2); interrupted counts as nothing ready. */
int os_poll(os_pollfd *fds, size_t n, int timeout_ms);

/* Whether it is there, a file, and no directory, pipe or device. */
bool os_is_file(const char *path);

/* socket(2), close-on-exec. */
os_fd os_socket(int family, int type, int protocol);

/* A pair of descriptors: what is written to the one makes the other readable. Neither blocks nor survives exec. */
bool os_wake_open(os_fd pair[2]);
void os_wake_close(os_fd pair[2]);
void os_wake_send(const os_fd pair[2]);
void os_wake_take(const os_fd pair[2]);

#endif
