/* Who does the work.
 *
 *   drive   io's turn, timers, what calls and the connection want to start; one thread at a time
 *   tell    callbacks; one thread at a time, maybe another one
 *   wait    a blocking call: sleeps, or drives and tells itself where nobody else would
 *
 *                      drives               tells
 *   BECK_OWN_THREAD    own thread           own thread
 *   BECK_POLL_EVENTS   own thread           beck_poll, blocking calls
 *   BECK_NO_THREAD     beck_poll, blocking  beck_poll, blocking calls */
#include <signal.h>
#include <time.h>

#include "client/client.h"
#include "client/os.h"

void client_lock(beck_client *c) { (void)pthread_mutex_lock(&c->lock); }
void client_unlock(beck_client *c) { (void)pthread_mutex_unlock(&c->lock); }
int64_t client_now_ms(beck_client *c) { return c->io->driver->now_ms(c->io); }

void client_wake(beck_client *c)
{
	/* Without a thread it may be the program that sleeps on beck_fds. */
	bool may_sleep_outside = c->set.threading == BECK_NO_THREAD && !c->is_driving;
	if (c->is_asleep || may_sleep_outside) c->io->driver->wake(c->io);
}

void client_changed(beck_client *c)
{
	c->has_news = true;
	(void)pthread_cond_broadcast(&c->changed);
	client_wake(c);
}

bool client_in_callback(beck_client *c)
{
	client_lock(c);
	bool yes = c->is_telling && pthread_equal(c->teller, pthread_self());
	client_unlock(c);
	return yes;
}

/* ---- driving ---- */

static int smaller_wait(int64_t a, int64_t b)
{
	int64_t least = a < 0 ? b : b < 0 ? a : a < b ? a : b;
	return least > INT32_MAX ? INT32_MAX : (int)least;
}

/* How long nothing is due. */
static int idle_ms(beck_client *c)
{
	return smaller_wait(c->io->driver->deadline_ms(c->io), timers_wait_ms(&c->timers, client_now_ms(c)));
}

static void work(beck_client *c)
{
	c->io->driver->turn(c->io);
	timers_run(c, client_now_ms(c));
	link_step(c);
	calls_step(c);
	outbox_step(c);
}

/* Sleeps until something is ready, at most max_ms (-1: no limit). */
static void sleep_for(beck_client *c, int max_ms)
{
	int ms = smaller_wait(idle_ms(c), max_ms);
	if (ms == 0) return;
	c->is_asleep = true;
	client_unlock(c);
	c->io->driver->wait(c->io, ms);
	client_lock(c);
	c->is_asleep = false;
}

/* With the lock. False when another thread drives. Returns early when there is something to tell or somebody's wait may be over.
 */
static bool drive(beck_client *c, int max_ms)
{
	if (c->is_driving) return false;
	c->is_driving = true;
	c->has_news = false;
	work(c);
	if (max_ms != 0 && !c->has_news) {
		sleep_for(c, max_ms);
		work(c);
	}
	c->is_driving = false;
	(void)pthread_cond_broadcast(&c->changed);
	return true;
}

/* With the lock. Number of callbacks; -1 when another thread tells. */
static int tell(beck_client *c)
{
	if (c->is_telling) return -1;
	c->is_telling = true;
	c->teller = pthread_self();
	int n = deliver_all(c);
	c->is_telling = false;
	if (n > 0) client_changed(c);
	return n;
}

/* ---- the client's own thread ---- */

/* The program does not take its events: nothing more is read until it does, so that memory stays bounded. */
static void wait_for_room(beck_client *c)
{
	while (c->deliveries.count > (size_t)LIMIT_CLIENT_EVENTS && !c->is_ending) (void)pthread_cond_wait(&c->changed, &c->lock);
}

static bool has_ended(beck_client *c) { return c->is_ending && link_is_off(c); }

static void *run(void *arg)
{
	beck_client *c = arg;
	client_lock(c);
	while (!has_ended(c)) {
		bool tells = c->set.threading == BECK_OWN_THREAD;
		if (!tells) wait_for_room(c);
		(void)drive(c, tells && c->deliveries.count ? 0 : -1);
		if (tells) (void)tell(c);
	}
	if (c->set.threading == BECK_OWN_THREAD) (void)tell(c);
	bool is_orphan = c->is_orphan;
	client_unlock(c);
	if (is_orphan) client_free(c);
	return NULL;
}

/* The program's signals are for the program's threads. */
static int create_deaf(pthread_t *thread, beck_client *c)
{
#ifdef _WIN32
	return pthread_create(thread, NULL, run, c);
#else
	sigset_t all, before;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(thread, NULL, run, c);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
#endif
}

beck_result client_thread_start(beck_client *c)
{
	if (c->set.threading == BECK_NO_THREAD) return BECK_OK;
	if (create_deaf(&c->thread, c) != 0) return BECK_ENOMEM;
	c->has_thread = true;
	return BECK_OK;
}

void client_tell_rest(beck_client *c)
{
	client_lock(c);
	(void)tell(c);
	client_unlock(c);
}

/* ---- waiting ---- */

/* An hour at most, who waits looks again: a time_t of 32 bits does not hold "for ever", and would be over at once. */
static void until(struct timespec *t, int64_t ms)
{
	enum { MOST_MS = 3600 * 1000 };
	int64_t at_ms = os_now_ms() + (ms < MOST_MS ? ms : MOST_MS);
	t->tv_sec = (time_t)(at_ms / 1000);
	t->tv_nsec = (long)(at_ms % 1000) * 1000000;
}

static void wait_changed(beck_client *c, int64_t ms)
{
	struct timespec t;
	until(&t, ms);
	(void)pthread_cond_timedwait(&c->changed, &c->lock, &t);
}

beck_result client_wait(beck_client *c, const bool *done, int64_t deadline_ms)
{
	bool tells = c->set.threading != BECK_OWN_THREAD, drives = c->set.threading == BECK_NO_THREAD;
	while (!*done) {
		int64_t left = deadline_ms - client_now_ms(c);
		if (left <= 0) return BECK_ETIMEOUT;
		if (tells && c->deliveries.count > 0 && tell(c) >= 0) continue;
		if (drives && drive(c, smaller_wait(left, INT32_MAX))) continue;
		wait_changed(c, left);
	}
	return BECK_OK;
}

static bool may_poll(beck_client *c)
{
	bool is_inside = c->is_telling && pthread_equal(c->teller, pthread_self());
	return c->set.threading != BECK_OWN_THREAD && !c->is_polled && !is_inside;
}

/* One turn of beck_poll: works, or waits for those who do, a blocking call on another thread for instance. */
static void poll_turn(beck_client *c, int64_t left)
{
	if (c->set.threading == BECK_NO_THREAD && drive(c, left > 0 ? smaller_wait(left, INT32_MAX) : 0)) return;
	if (left > 0 && (c->deliveries.count == 0 || c->is_telling)) wait_changed(c, left);
}

int beck_poll(beck_client *c, int timeout_ms)
{
	if (!c) return -1;
	client_lock(c);
	int told = -1;
	if (may_poll(c)) {
		/* Callbacks may release the client. */
		(void)beck_client_ref(c);
		c->is_polled = true;
		int64_t deadline = timeout_ms < 0 ? INT64_MAX : client_now_ms(c) + timeout_ms;
		do {
			poll_turn(c, timeout_ms < 0 ? INT32_MAX : deadline - client_now_ms(c));
			told = tell(c);
		} while (told <= 0 && client_now_ms(c) < deadline);
		c->is_polled = false;
		client_unlock(c);
		beck_release(c);
		return told < 0 ? 0 : told;
	}
	client_unlock(c);
	return told;
}

size_t beck_fds(beck_client *c, beck_fd *fds, size_t max)
{
	if (!c || (max && !fds)) return 0;
	client_lock(c);
	size_t n = c->io->driver->fds(c->io, fds, max);
	client_unlock(c);
	return n;
}

int beck_deadline_ms(beck_client *c)
{
	if (!c) return -1;
	client_lock(c);
	/* What was asked outside of beck_poll waits for the next turn. */
	bool is_due = c->deliveries.count || (c->set.threading == BECK_NO_THREAD && c->has_news);
	int ms = is_due ? 0 : idle_ms(c);
	client_unlock(c);
	return ms;
}
