/* Waiting for the client, the keyboard and signals at once. For clients with BECK_NO_THREAD or BECK_POLL_EVENTS. */
#ifndef CLI_LOOP_H
#define CLI_LOOP_H

#include <stdbool.h>

#include <beck/beck.h>

struct loop {
	bool wants_end;    /* SIGINT, SIGTERM or SIGHUP came */
	bool is_resized;   /* SIGWINCH came; the reader clears it */
	bool is_continued; /* SIGCONT came: it was stopped for a while; the reader clears it */
};

/* Once in a process: signals are noted from now on. */
bool loop_init(void);
/* Waits at most timeout_ms (-1: for ever) for `in` (-1: none) to be readable, for the client or for a signal; gives out what the
 * client has. True when `in` has something. */
bool loop_turn(struct loop *l, beck_client *client, int in, int timeout_ms);

#endif
