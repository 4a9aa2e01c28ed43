/* The simulated world: one thread, one clock, one seed. Loops, readers and the lane of a whole beckd are stepped in an order
 * drawn from the seed; the network is in memory, with latency, chunks of any size, slow readers and cut lines. */
#ifndef BECK_SIM_WORLD_H
#define BECK_SIM_WORLD_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/rng.h"
#include "net/net.h"

/* ---- chance and time ---- */
void world_seed(uint64_t seed);
void world_reseed(uint64_t seed); /* chance alone: two worlds meet again here, whatever was drawn before */
uint64_t world_random(void);
uint64_t world_below(uint64_t n); /* 0 .. n-1 */
bool world_chance(unsigned percent);
extern const struct rng world_rng; /* the server's */
extern const struct clock world_clock;
int64_t world_now(void); /* monotonic us */
void world_pass(int64_t us);
void world_step_wall(int64_t us); /* the wall clock jumps, also backwards */
/* Until the next world_seed time moves by world_pass alone, and bytes arrive at once. */
void world_freeze(void);

/* ---- loops ---- */
struct net_loop *world_make_loop(void *ctx, const struct clock *clock, const struct rng *rng);
/* One turn of a loop; whether it had anything to do. */
bool world_turn(struct net_loop *l);
int64_t world_next_due(struct net_loop *l); /* 0 = nothing */

/* ---- lines: the client's end of a connection ---- */
struct line;
/* NULL when nobody listens. Which of the loops gets it is chance. */
struct line *line_dial(void);
void line_send(struct line *l, struct span bytes);
/* Moves what has arrived to `out`, at most `max`; false once the line is closed and empty. */
bool line_receive(struct line *l, struct buf *out, size_t max);
void line_cut(struct line *l);  /* both ends see a reset; bytes under way are lost */
void line_free(struct line *l); /* ours alone; cuts first */
void world_sever_all(void);     /* the server's machine is gone: every line breaks, nobody listens */
/* Bytes of the server's answers that a line may hold unread before net_write says "full". */
void line_set_window(struct line *l, size_t bytes);

#endif
