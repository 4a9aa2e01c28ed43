#include <stdio.h>
#include <stdlib.h>

#include "load.h"

static uint32_t *samples; /* microseconds */
static size_t sample_count, sample_cap;

void sample(int64_t us)
{
	if (sample_count == sample_cap) {
		sample_cap = sample_cap ? sample_cap * 2 : 1 << 20;
		samples = must(realloc(samples, sample_cap * sizeof *samples));
	}
	samples[sample_count++] = us > UINT32_MAX ? UINT32_MAX : us < 0 ? 0 : (uint32_t)us;
}

void samples_clear(void) { sample_count = 0; }

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint32_t percentile(double p)
{
	if (!sample_count) return 0;
	size_t i = (size_t)((double)sample_count * p);
	return samples[i < sample_count ? i : sample_count - 1];
}

void samples_print(const char *what, int64_t took_us, size_t frame_bytes, long errors)
{
	if (sample_count) qsort(samples, sample_count, sizeof *samples, by_size);
	double s = (double)took_us / 1e6;
	printf("{\"%s\":%zu,\"frame_bytes\":%zu,\"seconds\":%.4f,\"per_second\":%.1f,\"p50_us\":%u,\"p90_us\":%u,\"p99_us\":%u,"
	       "\"max_us\":%u,\"errors\":%ld}\n",
		what, sample_count, frame_bytes, s, (double)sample_count / s, percentile(0.5), percentile(0.9), percentile(0.99),
		percentile(1.0), errors);
	fflush(stdout);
	samples_clear();
}
