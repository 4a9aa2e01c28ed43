/* Lets a checkpoint that begins the log anew have the store for itself. */
#include "base/lock.h"
#include "store/store_state.h"

void gate_enter_read(struct store *s)
{
	pthread_mutex_lock(&s->gate_lock);
	while (s->read_pauses > 0) pthread_cond_wait(&s->gate_moved, &s->gate_lock);
	s->reads_active++;
	pthread_mutex_unlock(&s->gate_lock);
}

void gate_leave_read(struct store *s)
{
	pthread_mutex_lock(&s->gate_lock);
	s->reads_active--;
	if (s->read_pauses > 0 && s->reads_active == 0) pthread_cond_broadcast(&s->gate_moved);
	pthread_mutex_unlock(&s->gate_lock);
}

void gate_enter_batch(struct store *s)
{
	pthread_mutex_lock(&s->gate_lock);
	while (s->lane_pauses > 0) pthread_cond_wait(&s->gate_moved, &s->gate_lock);
	s->lane_active = true;
	pthread_mutex_unlock(&s->gate_lock);
}

void gate_leave_batch(struct store *s)
{
	pthread_mutex_lock(&s->gate_lock);
	s->lane_active = false;
	if (s->lane_pauses > 0) pthread_cond_broadcast(&s->gate_moved);
	pthread_mutex_unlock(&s->gate_lock);
}

void gate_copy(struct store *s, int delta)
{
	pthread_mutex_lock(&s->gate_lock);
	s->copies_active += delta;
	pthread_mutex_unlock(&s->gate_lock);
}

/* With the lock held. */
static bool reads_end(struct store *s, int64_t patience_ms)
{
	struct timespec until = cond_until(patience_ms * 1000);
	int rc = 0;
	while (s->reads_active > 0 && rc == 0)
		rc = patience_ms > 0 ? pthread_cond_timedwait(&s->gate_moved, &s->gate_lock, &until)
				     : pthread_cond_wait(&s->gate_moved, &s->gate_lock);
	return s->reads_active == 0;
}

/* Lets the reads under way end and holds back new ones, then the same with the lane's batch: SQLite's write lock is not fair, a
 * busy lane would never let a checkpoint have it. False while a copy is made: it would not end soon. */
bool gate_close(struct store *s, int64_t patience_ms)
{
	pthread_mutex_lock(&s->gate_lock);
	bool may = s->copies_active == 0;
	s->read_pauses += may;
	if (may && !reads_end(s, patience_ms)) {
		s->read_pauses--;
		pthread_cond_broadcast(&s->gate_moved);
		may = false;
	}
	s->lane_pauses += may;
	while (may && s->lane_active) pthread_cond_wait(&s->gate_moved, &s->gate_lock);
	pthread_mutex_unlock(&s->gate_lock);
	return may;
}

void gate_open(struct store *s)
{
	pthread_mutex_lock(&s->gate_lock);
	s->read_pauses--;
	s->lane_pauses--;
	pthread_cond_broadcast(&s->gate_moved);
	pthread_mutex_unlock(&s->gate_lock);
}
