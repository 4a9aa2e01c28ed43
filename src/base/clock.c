#include "base/clock.h"

#include <stddef.h>
#include <time.h>

#include "base/compiler.h"

static int64_t read_us(clockid_t id)
{
	struct timespec ts;
	BECK_ASSERT(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t system_wall_us(void *ctx)
{
	(void)ctx;
	return read_us(CLOCK_REALTIME);
}

static int64_t system_mono_us(void *ctx)
{
	(void)ctx;
	return read_us(CLOCK_MONOTONIC);
}

const struct clock clock_system = { system_wall_us, system_mono_us, NULL };
