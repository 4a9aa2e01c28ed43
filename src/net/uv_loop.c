#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/uv_driver.h"

void uv_driver_touch(struct uv_driver_loop *l)
{
	if (l->is_awake) return;
	l->is_awake = true;
	net_loop_touch(&l->base);
}

static void on_async(uv_async_t *h)
{
	struct uv_driver_loop *l = h->data;
	uv_driver_touch(l);
	net_loop_run_mailbox(&l->base);
	if (atomic_load(&l->stopping)) uv_stop(&l->uv);
}

static void on_timer(uv_timer_t *h)
{
	struct uv_driver_loop *l = h->data;
	l->armed_us = 0;
	uv_driver_touch(l);
	net_loop_run_timers(&l->base);
}

static void on_idle(uv_idle_t *h) { (void)h; }

static void arm(struct uv_driver_loop *l)
{
	int64_t due = net_loop_next_due(&l->base);
	if (due == l->armed_us) return;
	l->armed_us = due;
	if (!due) {
		uv_timer_stop(&l->timer);
		return;
	}
	int64_t left = due - net_now_us(&l->base);
	uv_timer_start(&l->timer, on_timer, left > 0 ? (uint64_t)(left + 999) / 1000 : 0, 0);
}

/* The end of a turn: runs right before libuv works out how long it may sleep. */
static void on_prepare(uv_prepare_t *h)
{
	struct uv_driver_loop *l = h->data;
	uv_driver_touch(l);
	net_loop_run_deferred(&l->base);
	arm(l);
	if (net_loop_has_deferred(&l->base)) {
		uv_idle_start(&l->idle, on_idle);
	} else {
		uv_idle_stop(&l->idle);
	}
	l->is_awake = false;
}

static void driver_run(struct net_loop *base)
{
	struct uv_driver_loop *l = uv_driver_of(base);
	/* OpenSSL writes with write(2), which raises SIGPIPE for a peer that is gone. */
	sigset_t pipe_signal;
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
	while (!atomic_load(&l->stopping)) uv_run(&l->uv, UV_RUN_DEFAULT);
	/* What was posted before the stop still belongs to this run. */
	net_loop_run_mailbox(base);
	net_loop_run_deferred(base);
}

static void driver_stop(struct net_loop *base)
{
	struct uv_driver_loop *l = uv_driver_of(base);
	atomic_store(&l->stopping, true);
	uv_async_send(&l->async);
}

static void driver_wake(struct net_loop *base) { uv_async_send(&uv_driver_of(base)->async); }

static void close_all(struct uv_driver_loop *l)
{
	struct list *node;
	while ((node = list_shift(&l->listeners)))
		uv_driver_listener_close(&BECK_CONTAINER(node, struct uv_listener, node)->base);
	while ((node = list_shift(&l->streams))) uv_driver_close(&BECK_CONTAINER(node, struct uv_stream, node)->base);
	uv_close((uv_handle_t *)&l->async, NULL);
	uv_close((uv_handle_t *)&l->prepare, NULL);
	uv_close((uv_handle_t *)&l->idle, NULL);
	uv_close((uv_handle_t *)&l->timer, NULL);
}

static void driver_destroy(struct net_loop *base)
{
	struct uv_driver_loop *l = uv_driver_of(base);
	close_all(l);
	uv_run(&l->uv, UV_RUN_DEFAULT); /* the close callbacks */
	BECK_ASSERT(uv_loop_close(&l->uv) == 0);
	if (l->spare_fd >= 0) close(l->spare_fd);
	free(l->scratch);
	free(l->gather);
	net_loop_deinit(base);
	free(l);
}

static const struct net_driver uv_driver = {
	.run = driver_run,
	.stop = driver_stop,
	.destroy = driver_destroy,
	.wake = driver_wake,
	.write = uv_driver_write,
	.unacked = uv_driver_unacked,
	.read = uv_driver_read,
	.close_gracefully = uv_driver_close_gracefully,
	.close = uv_driver_close,
	.listen = uv_driver_listen,
	.listener_close = uv_driver_listener_close,
};

static void init_handles(struct uv_driver_loop *l)
{
	BECK_ASSERT(uv_async_init(&l->uv, &l->async, on_async) == 0);
	uv_prepare_init(&l->uv, &l->prepare);
	uv_idle_init(&l->uv, &l->idle);
	uv_timer_init(&l->uv, &l->timer);
	l->async.data = l->prepare.data = l->idle.data = l->timer.data = l;
	uv_prepare_start(&l->prepare, on_prepare);
}

struct net_loop *net_loop_create_uv(const struct clock *clock, const struct rng *rng)
{
	struct uv_driver_loop *l = calloc(1, sizeof *l);
	if (!l) return NULL;
	l->scratch = malloc(UV_READ_BYTES);
	l->gather = malloc(UV_GATHER_BYTES);
	if (!l->scratch || !l->gather || uv_loop_init(&l->uv) != 0) {
		free(l->scratch);
		free(l->gather);
		free(l);
		return NULL;
	}
	net_loop_init(&l->base, &uv_driver, clock, rng);
	list_init(&l->streams);
	list_init(&l->listeners);
	l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	init_handles(l);
	return &l->base;
}
