#include "cli/now.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec t = { 0 };
	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t now_us(void) { return read_clock(CLOCK_REALTIME); }

int64_t now_steady_us(void) { return read_clock(CLOCK_MONOTONIC); }

static struct tm local(int64_t us)
{
	time_t s = (time_t)(us / 1000000);
	struct tm tm = { .tm_mday = 1 };
	(void)localtime_r(&s, &tm);
	return tm;
}

const char *time_of_day(int64_t us, int with_seconds, char out[16])
{
	struct tm tm = local(us);
	size_t n = with_seconds ? strftime(out, 16, "%H:%M:%S", &tm) : strftime(out, 16, "%H:%M", &tm);
	out[n] = 0;
	return out;
}

const char *date_of(int64_t us, char out[16])
{
	struct tm tm = local(us);
	out[strftime(out, 16, "%Y-%m-%d", &tm)] = 0;
	return out;
}
