#include "cli/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

static int signals[2] = { -1, -1 }; /* what handlers write a signal's number to, so that none is lost before poll */

static void note(int number)
{
	int saved = errno;
	unsigned char byte = (unsigned char)number;
	(void)!write(signals[1], &byte, 1);
	errno = saved;
}

bool loop_init(void)
{
	static const int noted[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT };
	struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART };
	if (signals[0] >= 0) return true;
	if (pipe2(signals, O_CLOEXEC | O_NONBLOCK) != 0) return false;
	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof noted / sizeof *noted; i++) (void)sigaction(noted[i], &action, NULL);
	return true;
}

static void take_signals(struct loop *l)
{
	unsigned char byte;
	while (read(signals[0], &byte, 1) == 1) {
		if (byte == SIGWINCH)
			l->is_resized = true;
		else if (byte == SIGCONT)
			l->is_continued = true;
		else
			l->wants_end = true;
	}
}

static int sooner(int a, int b) { return a < 0 ? b : b < 0 || a < b ? a : b; }

bool loop_turn(struct loop *l, beck_client *client, int in, int timeout_ms)
{
	beck_fd theirs[32];
	struct pollfd fds[34] = { { .fd = in, .events = POLLIN }, { .fd = signals[0], .events = POLLIN } };
	size_t n = beck_fds(client, theirs, 32);
	if (n > 32) n = 32;
	for (size_t i = 0; i < n; i++) {
		fds[2 + i] = (struct pollfd){ .fd = (int)theirs[i].fd };
		if (theirs[i].events & 1) fds[2 + i].events |= POLLIN;
		if (theirs[i].events & 4) fds[2 + i].events |= POLLOUT;
	}
	(void)poll(fds, (nfds_t)(2 + n), sooner(beck_deadline_ms(client), timeout_ms));
	take_signals(l);
	(void)beck_poll(client, 0);
	return (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}
