/* Driving a client from the program's own loop. See examples/ for poll, libuv and GLib.
 *
 * BECK_POLL_EVENTS  The client works on its own thread; beck_poll gives out what has come.
 * BECK_NO_THREAD    beck_poll also does the work. Blocking calls work too: they drive the client while they wait. For a foreign
 *                   loop: watch the descriptors of beck_fds until beck_deadline_ms have passed, then beck_poll(client, 0), again
 * and again. Descriptors change with each beck_poll. */
#ifndef BECK_LOOP_H
#define BECK_LOOP_H

#include <beck/client.h>
#include <beck/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Waits up to timeout_ms (0: not at all; -1: until something comes) for something to do, does it, and calls the callbacks that
 * are due. Returns the number of callbacks called, or -1: NULL client, a client with BECK_OWN_THREAD, called inside a callback,
 * or another thread is in beck_poll already. Beside a blocking call of another thread it waits for what that brings. */
BECK_API int beck_poll(beck_client *client, int timeout_ms);

typedef struct beck_fd {
	intptr_t fd;    /* a descriptor, or a SOCKET */
	int16_t events; /* POLLIN (1) and POLLOUT (4) as in Linux' poll.h, whatever the system */
	int16_t reserved[3];
} beck_fd;
/* Writes at most `max` descriptors to wait for; returns how many there are. */
BECK_API size_t beck_fds(beck_client *client, beck_fd *fds, size_t max);
/* Milliseconds until beck_poll has something to do even if no descriptor moves; -1: nothing is due. */
BECK_API int beck_deadline_ms(beck_client *client);

#ifdef __cplusplus
}
#endif
#endif
