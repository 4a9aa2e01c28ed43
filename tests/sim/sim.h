/* Simulated people against a whole beckd in one thread, and what must be true of it whatever happens (sim.c lists the checks). */
#ifndef BECK_SIM_SIM_H
#define BECK_SIM_SIM_H

#include "base/json.h"
#include "server/beckd.h"
#include "wire/ws.h"
#include "world.h"

enum { USERS = 4, BOB = 1, CHANNELS = 3, WIRE_DEVICES = 6, DEVICES = 8, MESSAGES = 400 };
/* Faults of the harness's own making that a check must notice; each is a name for --plant. */
enum plant {
	PLANT_NONE,
	PLANT_LYING_DISK,
	PLANT_DROP_EVENT,
	PLANT_REPEAT_EVENT,
	PLANT_SWAP_EVENTS,
	PLANT_LEAK_READ,
	PLANT_MISCOUNT,
	PLANT_GHOST,
	PLANT_LEAK_TYPING,
	PLANT_DOUBLE_SEND,
	PLANT_TWIN_TYPING, /* of the twins (twin.c) */
	PLANT_TWIN_READ,
	PLANT_TWIN_DELIVERY,
	PLANT_COUNT
};

struct sent {
	char id[40];
	int channel, author;
	bool is_acked, delete_tried, was_refused;
	int tries;
};
struct seen {
	int message; /* index in sim.sent */
};
struct phone {
	int user;
	struct beck_client *client; /* a device that is libbeck (library.c); it has no line of its own */
	bool is_library, is_asked;
	bool prefers_poll, is_poll, is_live, wants_down;
	bool no_resume, only_ws;
	struct line *line, *poll;
	struct buf in, poll_in;
	struct ws_decoder ws;
	bool is_open; /* handshake through */
	int64_t begun_us, retry_us;
	char connection_id[80];
	int64_t seq; /* 0 = never connected */
	struct seen seen[CHANNELS][MESSAGES];
	int seen_count[CHANNELS];
	int64_t last_total;
};
/* One HTTP request under way. */
struct op {
	struct line *line;
	struct buf in;
	int64_t begun_us;
	void (*done)(struct op *op, int status, yyjson_val *body); /* status 0: nobody knows */
	int message, user, channel;
	struct arena arena;
	bool is_done;
	int status;
	yyjson_val *body;
};

struct sim {
	uint64_t seed;
	enum plant plant;
	bool planted;
	struct beckd *d;
	bool has_crashed, is_verbose, is_calm; /* calm: no more faults */
	bool bob_is_open;                      /* his typing and reading may be seen */
	bool polls_in_turn;                    /* a device polls only when it is its turn */
	int poller;
	int crashes, cuts, faults, replays;
	struct sent sent[MESSAGES];
	int sent_count;
	void (*heard)(struct sim *s, int user, int device, struct span bytes); /* may be NULL; device -1: an answer */
	struct phone devices[DEVICES];
	struct op ops[32];
	char failure[512];
};
extern const char *const plant_names[PLANT_COUNT];

/* The first failure is kept with what led to it. */
void sim_fail(struct sim *s, const char *fmt, ...) BECK_PRINTF(2, 3);

/* people.c */
const char *user_name(int user);
struct span user_token(int user); /* -1: the server's */
void device_step(struct sim *s, struct phone *d);
void device_lost(struct sim *s, struct phone *d);
void device_event(struct sim *s, struct phone *d, yyjson_val *event);
bool request_start(struct sim *s, int user, const char *method, struct span path, struct span body,
	void (*done)(struct op *, int, yyjson_val *), int message, int channel);
void op_step(struct sim *s, struct op *op);
/* A whole answer of HTTP in `in`? Its status and body. */
bool http_answer(struct buf *in, int *status, struct span *body);
/* library.c */
void library_step(struct sim *s, struct phone *d);
/* False: it is in no state to send. */
bool library_send(struct sim *s, struct phone *d, int message);
size_t library_waiting(struct phone *d); /* messages that are not sent yet */
void library_end(struct phone *d);
/* sim.c */
void close_down(struct sim *s);
/* The server's side of a call, waited for; false is told as a failure. */
bool put(struct sim *s, const char *method, const char *path, const char *body);
/* twin.c: non-interference. Hidden doings of bob change no byte that anybody else gets. */
void twins(struct sim *s);
/* life.c */
bool server_start(struct sim *s);
void server_crash(struct sim *s, bool power_cut);
bool world_step(struct sim *s); /* one thing happens somewhere; false: all is quiet */
/* A call that waits for its answer; the world goes on meanwhile. NULL when it failed. */
yyjson_val *call(struct sim *s, struct arena *a, int user, const char *method, struct span path, struct span body, int *status);
/* checks.c */
void check_all(struct sim *s);

#endif
