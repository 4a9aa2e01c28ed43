/* The session hub of src/session, as a loop thread of beckd runs it, with carriers that are memory: what is queued for a session
 * is read off and forgotten. The clock is the program's; one thread. Failures end the program. */
#ifndef BECK_BENCH_IN_MEMORY_H
#define BECK_BENCH_IN_MEMORY_H

#include "../tests/support/fake_loop.h"
#include "session/session.h"

struct in_memory;
struct reader {
	struct session_carrier carrier;
	struct session *session;
	struct reader *next_ready;
	struct in_memory *owner;
	uint32_t got; /* frames */
	bool is_ready;
};
struct in_memory {
	struct fake_time time;
	struct net_loop *loop;
	struct registry *registry;
	struct session_hub *hub;
	struct session_ops ops;
	struct reader *readers, *ready;
	size_t n; /* readers, of which `opened` have a session */
	size_t opened;
	int64_t pos; /* head of the log that there would be */
	size_t sum;  /* of the bytes read off, so that nothing is left out */
};

void in_memory_init(struct in_memory *m, size_t readers);
void in_memory_deinit(struct in_memory *m);
/* The next reader: his own user, member of `channels`, of which he watches the first `watched`. What greets him is read off. */
void in_memory_open(struct in_memory *m, const int64_t *channels, size_t channel_count, size_t watched);
/* Fills in n different channels for the next reader, each shared by about a hundred of all readers; 1 is never among them. */
void in_memory_others(struct in_memory *m, int64_t *channels, size_t n);
/* Reads off what is queued. */
void in_memory_drain(struct in_memory *m);
/* Lets time pass, draining with each tick of the hub's clock. */
void in_memory_pass(struct in_memory *m, int64_t ms);

enum { IN_MEMORY_APP = 1 };
#endif
