/* A data race to be loaded into a beckd that the thread sanitizer watches: proves that a report turns the tests red. */
#include <pthread.h>

static int shared;

static void *step(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++) shared++;
	return NULL;
}

__attribute__((constructor)) static void race(void)
{
	pthread_t a, b;
	if (pthread_create(&a, NULL, step, NULL) != 0) return;
	if (pthread_create(&b, NULL, step, NULL) == 0) pthread_join(b, NULL);
	pthread_join(a, NULL);
}
